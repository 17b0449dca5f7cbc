"""Tokens, batches and pooling."""

import numpy as np
import pytest
import torch

from skgnnrec.text._encode import choose_max_length, embed_tokens, make_batches, pool, tokenize
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
    ],
)
@pytest.mark.parametrize("padding", [99.0, torch.nan])
def test_pooling_known_answers(pooling, expected, padding):
    hidden = torch.tensor([[[1.0, -2.0], [3.0, -4.0]], [[5.0, 6.0], [padding, padding]]])
    mask = torch.tensor([[True, True], [True, False]])
    torch.testing.assert_close(pool(hidden, mask, pooling), torch.tensor(expected))


def test_batches_keep_the_budget_and_hold_each_text_once():
    lengths = np.random.default_rng(0).integers(0, 40, size=500)
    batches = make_batches(lengths, batch_tokens=64)
    assert sorted(np.concatenate(batches)) == np.flatnonzero(lengths).tolist()
    assert all(len(batch) * lengths[batch].max() <= 64 for batch in batches)
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_text_longer_than_the_budget_stands_alone():
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


def test_max_length_defaults_to_the_model(model):
    assert choose_max_length(model, None) == 512
    assert choose_max_length(model, 3) == 3


def test_max_length_beyond_the_positions_is_refused(model):
    with pytest.raises(ValueError, match=r"max_length must be at most the 512 tokens .* got 513"):
        choose_max_length(model, 513)


def test_max_length_without_room_for_text_is_refused(model):
    with pytest.raises(ValueError, match=r"max_length must leave room for text beside the model's 2 .* got 2"):
        choose_max_length(model, 2)
