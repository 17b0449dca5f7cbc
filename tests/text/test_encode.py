"""Tokens, batches, pooling, and memory that runs out."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from skgnnrec.text import TextEmbedder, _encode
from skgnnrec.text._encode import (
    BatchEncoder,
    choose_max_length,
    count_prompt_tokens,
    default_batch_tokens,
    embed_tokens,
    make_batches,
    pool,
    tokenize,
)
from skgnnrec.text._model import load_model


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_model(
        tiny_model,
        revision=None,
        trust_remote_code=False,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [[2.0, -3.0], [5.0, 6.0]]),
        ("cls", [[1.0, -2.0], [5.0, 6.0]]),
        ("max", [[3.0, -2.0], [5.0, 6.0]]),
        ("last", [[3.0, -4.0], [5.0, 6.0]]),
        ("weighted_mean", [[7 / 3, -10 / 3], [5.0, 6.0]]),
        ("mean_sqrt_len", [[4 / 2**0.5, -6 / 2**0.5], [5.0, 6.0]]),
    ],
)
@pytest.mark.parametrize("padding", [99.0, torch.nan])
def test_pooling_known_answers(pooling, expected, padding):
    hidden = torch.tensor([[[1.0, -2.0], [3.0, -4.0]], [[5.0, 6.0], [padding, padding]]])
    mask = torch.tensor([[True, True], [True, False]])
    torch.testing.assert_close(pool(hidden, mask, pooling), torch.tensor(expected))


def test_other_poolings_are_refused():
    with pytest.raises(ValueError, match=r"pooling must be one of .* got 'auto'"):
        pool(torch.ones(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), "auto")


def test_batches_keep_the_budget_and_hold_each_text_once():
    lengths = np.random.default_rng(0).integers(0, 40, size=500)
    batches = make_batches(lengths, batch_tokens=64)
    assert sorted(np.concatenate(batches)) == np.flatnonzero(lengths).tolist()
    assert all(len(batch) * lengths[batch].max() <= 64 for batch in batches)
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own():
    batches = make_batches(np.array([3, 50, 3, 60]), batch_tokens=10)
    assert [batch.tolist() for batch in batches] == [[3], [1], [0, 2]]


def test_no_texts_make_no_batches(model):
    assert tokenize(model, [], 8) == []
    assert make_batches(np.array([], dtype=np.int64), 64) == []


def test_tokens_are_cut_inside_the_special_tokens(model):
    (whole,) = tokenize(model, ["a b c d"], 16)
    (cut,) = tokenize(model, ["a b c d"], 4)
    assert len(whole) == 6
    np.testing.assert_array_equal(cut, [*whole[:3], whole[-1]])


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_padding_does_not_reach_a_vector(model, pooling):
    token_ids = tokenize(model, ["a", "a b c d e f g h"], 16)
    together = embed_tokens(model, token_ids, pooling)
    alone = np.vstack([embed_tokens(model, [ids], pooling) for ids in token_ids])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_tokens_of_a_prompt(model):
    assert count_prompt_tokens(model, "a b ") == 3  # and [CLS]
    assert count_prompt_tokens(model, "a " * 600) == 601


@pytest.mark.parametrize("max_length", [3, 4])
def test_a_prompt_that_fills_all_is_refused(model, max_length):
    with pytest.raises(ValueError, match=rf"beside .* 2 special tokens and the 2 .* 'a b ', got {max_length}\."):
        choose_max_length(model, max_length, "a b ")
    assert choose_max_length(model, 5, "a b ") == 5


def test_a_prompt_that_fills_the_length_of_the_model_is_refused(model):
    with pytest.raises(ValueError, match=r"the 600 tokens of the prompt .*, got 512, the model's own"):
        choose_max_length(model, None, "a " * 600)


# White space, surrogates and characters that the tokenizer drops or joins.
FILLERS = [" ", "\n\t ", "\u0301", "\u200d", "\ufffd", "\x00"]


@pytest.mark.parametrize("filler", FILLERS)
def test_the_limit_counts_tokens_and_no_characters(model, filler):
    (expected,) = tokenize(model, ["a b c d e f"], 6)
    (found,) = tokenize(model, ["a " + filler * 10_000 + "b c d e f"], 6)
    np.testing.assert_array_equal(found, expected)


def test_long_words_do_not_hide_the_rest(model):
    word = "z" * 5_000  # one unknown token
    (found,) = tokenize(model, [f"{word} a {word} b c"], 7)
    (expected,) = tokenize(model, ["\u2603 a \u2603 b c"], 7)
    np.testing.assert_array_equal(found, expected)


def test_text_far_behind_a_full_length_is_not_tokenized(model):
    seen = []

    class Watching:
        def __call__(self, texts, **options):
            seen.extend(texts)
            return model.tokenizer(texts, **options)

    tokenize(replace(model, tokenizer=Watching()), ["a " * 500_000, "b"], 8)
    assert sum(map(len, seen)) == 8 * 64 + 1


def test_the_tokenizer_has_one_thread_where_torch_has_one(monkeypatch, model):
    seen = []

    class Watching:
        def __call__(self, texts, **options):
            seen.append(os.environ.get("TOKENIZERS_PARALLELISM"))
            return {"input_ids": [[1] for _ in texts]}

    watched = replace(model, tokenizer=Watching())
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    for n_threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        tokenize(watched, ["a"], 8)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    tokenize(watched, ["a"], 8)
    assert seen == ["false", None, "true"]
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


# Memory -----------------------------------------------------------------------------------------------------


@pytest.fixture
def scarce(monkeypatch):
    """Let memory hold a number of tokens only, and return how many texts were tried at once."""
    tried = []

    def limit(n_tokens, error):
        def embed(model, token_ids, *rest):
            tried.append(len(token_ids))
            if len(token_ids) * max(map(len, token_ids)) > n_tokens:
                raise error
            return embed_tokens(model, token_ids, *rest)

        monkeypatch.setattr(_encode, "embed_tokens", embed)
        return tried

    return limit


OUT_OF_MEMORY = [
    MemoryError("no memory"),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["python", "cuda", "cpu"])
def test_batches_are_halved_until_they_fit(model, scarce, error):
    token_ids = tokenize(model, ["a b c"] * 8 + ["a"] * 9, 16)
    expected = np.vstack([embed_tokens(model, [ids], "mean") for ids in token_ids])
    tried = scarce(12, error)
    encode = BatchEncoder(model, "mean")
    vectors = np.vstack([encode(token_ids[:8]), encode(token_ids[8:])])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    # Batches that did not fit are not tried again.
    assert tried == [8, 4, 2, 2, 2, 2, 3, 3, 3]


def test_one_text_that_does_not_fit_is_an_error(model, scarce):
    scarce(4, OUT_OF_MEMORY[2])
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        BatchEncoder(model, "mean")(tokenize(model, ["a", "a b c"], 16))


def test_other_errors_are_not_memory(model, scarce):
    tried = scarce(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        BatchEncoder(model, "mean")(tokenize(model, ["a", "b"], 16))
    assert tried == [2]


def test_the_embedder_continues_when_memory_runs_out(tiny_model, scarce):
    texts = [f"{number} mug" for number in range(40)]
    expected = TextEmbedder(tiny_model, cache=None, dtype="float32").fit_transform(texts)
    tried = scarce(30, OUT_OF_MEMORY[0])
    vectors = TextEmbedder(tiny_model, cache=None, dtype="float32").fit_transform(texts)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert tried[0] == 40


def test_batches_suit_the_device():
    assert default_batch_tokens(torch.device("cpu")) < default_batch_tokens(torch.device("cuda"))


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.05), ("float16", 0.01)])
def test_a_gpu_gives_the_vectors_of_the_cpu(tiny_model, dtype, tolerance):
    texts = [f"{number} mug" for number in range(300)]
    expected = TextEmbedder(tiny_model, device="cpu", dtype="float32", cache=None).fit_transform(texts)
    vectors = TextEmbedder(tiny_model, device="cuda", dtype=dtype, cache=None).fit_transform(texts)
    np.testing.assert_allclose(vectors, expected, atol=tolerance)


@pytest.mark.gpu
@needs_cuda
def test_a_full_gpu_halves_the_batch(tiny_model):
    texts = [f"{number} mug" * 40 for number in range(2000)]
    settings = {"device": "cuda", "dtype": "float32", "cache": None}
    expected = TextEmbedder(tiny_model, **settings).fit_transform(texts)
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2**27 / total))
    try:
        vectors = TextEmbedder(tiny_model, batch_tokens=2**22, **settings).fit_transform(texts)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_max_length_defaults_to_the_model(model):
    assert choose_max_length(model, None) == 512
    assert choose_max_length(model, 3) == 3


def test_max_length_beyond_the_positions_is_refused(model):
    with pytest.raises(ValueError, match=r"max_length must be at most the 512 tokens .* got 513"):
        choose_max_length(model, 513)


def test_max_length_without_room_for_text_is_refused(model):
    with pytest.raises(ValueError, match=r"max_length must leave room for text beside the model's 2 .* got 2"):
        choose_max_length(model, 2)
