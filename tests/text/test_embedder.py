"""The behaviour of TextEmbedder: values, containers, copies, processes, progress."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
import time

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from transformers import AutoModel, AutoTokenizer

from skgnnrec.text import TextEmbedder

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]


@pytest.fixture
def embedder(tiny_model):
    # Without a cache, all vectors are computed.
    return TextEmbedder(tiny_model, dtype="float32", cache=None).fit(TITLES)


def mean_pooled(folder, texts):
    """Compute the reference one text at a time, with transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    vectors = []
    for text in texts:
        with torch.no_grad():
            inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=256, padding=False)
            vectors.append(network(**inputs).last_hidden_state[0].mean(dim=0).numpy())
    vectors = np.array(vectors)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# Values ---------------------------------------------------------------------------------------------------


def test_minilm_agrees_with_transformers(minilm):
    texts = [*TITLES, "a much longer description " * 30, "caf\u00e9 \U0001f600", "word " * 400]
    vectors = TextEmbedder(minilm, dtype="float32").fit_transform(texts)
    assert vectors.shape == (len(texts), 384)
    assert vectors.dtype == np.float32
    cosines = (vectors * mean_pooled(minilm, texts)).sum(axis=1)
    assert cosines.min() >= 0.99999


def test_minilm_orders_by_meaning(minilm):
    texts = ["red coffee mug", "crimson tea cup", "kitchen spoon", "garden hose", "quarterly tax report"]
    vectors = TextEmbedder(minilm).fit_transform(texts)
    np.testing.assert_array_equal(np.argsort(-vectors @ vectors[0])[:2], [0, 1])
    assert np.argmin(vectors @ vectors[0]) == 4


def test_minilm_does_not_depend_on_order_or_batch(minilm):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(TITLES, size=rng.integers(1, 12))) for _ in range(60)]
    embedder = TextEmbedder(minilm, dtype="float32", cache=None)
    vectors = embedder.fit_transform(texts)
    order = rng.permutation(len(texts))
    np.testing.assert_array_equal(embedder.transform([texts[row] for row in order]), vectors[order])
    alone = np.vstack([embedder.transform([text]) for text in texts[:20]])
    np.testing.assert_allclose(alone, vectors[:20], atol=1e-6)
    small = embedder.set_params(batch_tokens=64).transform(texts)
    np.testing.assert_allclose(small, vectors, atol=1e-6)


def test_minilm_in_bfloat16_stays_close(minilm):
    exact = TextEmbedder(minilm, dtype="float32").fit_transform(TITLES)
    rough = TextEmbedder(minilm, dtype="bfloat16").fit_transform(TITLES)
    assert rough.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rough, axis=1), 1.0, atol=1e-6)
    assert (exact * rough).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"])
def test_poolings_agree_with_transformers(tiny_model, pooling):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    network = AutoModel.from_pretrained(tiny_model).eval()
    with torch.no_grad():
        hidden = network(**tokenizer("red mug", return_tensors="pt")).last_hidden_state[0].numpy()
    n_tokens = len(hidden)
    expected = {
        "mean": hidden.mean(axis=0),
        "cls": hidden[0],
        "max": hidden.max(axis=0),
        "last": hidden[-1],
        "weighted_mean": np.average(hidden, axis=0, weights=np.arange(1, n_tokens + 1)),
        "mean_sqrt_len": hidden.sum(axis=0) / np.sqrt(n_tokens),
    }
    embedder = TextEmbedder(tiny_model, pooling=pooling, normalize=False, dtype="float32")
    np.testing.assert_allclose(embedder.fit_transform(["red mug"])[0], expected[pooling], atol=1e-5)


def test_decoder_without_padding_token(tiny_decoder):
    embedder = TextEmbedder(tiny_decoder, dtype="float32", cache=None)
    vectors = embedder.fit_transform(TITLES)
    alone = np.vstack([embedder.transform([title]) for title in TITLES])
    np.testing.assert_allclose(vectors, alone, atol=1e-6)
    # Without special tokens, a text that the tokenizer drops has no vector to pool.
    assert not embedder.transform(["\x00"]).any()


def test_encoder_of_an_encoder_decoder(tiny_encoder_decoder):
    vectors = TextEmbedder(tiny_encoder_decoder).fit_transform(TITLES)
    assert vectors.shape == (5, 16)
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("factor", [1e-30, 1e-25, 1e25, 1e30])
def test_vectors_of_any_length_are_normalized(monkeypatch, tiny_model, factor):
    from skgnnrec.text import _encode

    embed_tokens, settings = _encode.embed_tokens, {"cache": None, "dtype": "float32"}
    expected = TextEmbedder(tiny_model, **settings).fit_transform(TITLES)
    monkeypatch.setattr(_encode, "embed_tokens", lambda *args: embed_tokens(*args) * np.float32(factor))
    with np.errstate(all="raise"):
        vectors = TextEmbedder(tiny_model, **settings).fit_transform(TITLES)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_normalize(tiny_model):
    raw = TextEmbedder(tiny_model, normalize=False).fit_transform(TITLES)
    unit = TextEmbedder(tiny_model).fit_transform(TITLES)
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1.0)
    np.testing.assert_allclose(unit, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)


def test_truncated_vectors_are_the_first_dimensions_of_length_one(tiny_model):
    raw = TextEmbedder(tiny_model, normalize=False, dtype="float32").fit_transform(TITLES)
    embedder = TextEmbedder(tiny_model, truncate_dim=8, dtype="float32")
    expected = raw[:, :8] / np.linalg.norm(raw[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.fit_transform(TITLES), expected, atol=1e-6)
    assert embedder.embedding_dim_ == embedder.fit(TITLES).embedding_dim_ == len(embedder.get_feature_names_out()) == 8
    np.testing.assert_allclose(embedder.transform(TITLES), expected, atol=1e-6)
    for method in (embedder.set_params(truncate_dim=33).fit, embedder.fit_transform):
        with pytest.raises(ValueError, match="truncate_dim must be at most the model's 32 dimensions, got 33"):
            method(TITLES)


def test_the_prompt_precedes_the_text(tiny_model, embedder):
    prompted = TextEmbedder(tiny_model, prompt="query: ", dtype="float32").fit_transform(TITLES)
    np.testing.assert_allclose(prompted, embedder.transform([f"query: {title}" for title in TITLES]), atol=1e-6)


def test_max_length_cuts_the_end(tiny_model):
    vectors = TextEmbedder(tiny_model, max_length=4).fit_transform(["a b", "a b c d", "c d"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)


def test_each_distinct_text_is_embedded_once(monkeypatch, embedder):
    from skgnnrec.text import _encode

    embed_tokens, counts = _encode.embed_tokens, []
    monkeypatch.setattr(
        _encode, "embed_tokens", lambda model, ids, *rest: counts.append(len(ids)) or embed_tokens(model, ids, *rest)
    )
    vectors = embedder.transform(["mug", "hose", None, "mug"] * 50)
    assert sum(counts) == 2
    np.testing.assert_array_equal(vectors, np.tile(vectors[:4], (50, 1)))


# Texts out of the ordinary ----------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_missing_text_is_the_zero_vector(tiny_model, prompt):
    vectors = TextEmbedder(tiny_model, prompt=prompt).fit_transform(["mug", None, np.nan, pd.NA, "", " \n "])
    assert vectors[0].any()
    assert not vectors[1:].any()


@pytest.mark.parametrize("prompt", ["", "query: "])
@pytest.mark.parametrize("text", ["\u200b", "\ufeff", "\u00ad", "\x00", " \u200b\n", "\u0301", "\ue000"], ids=ascii)
def test_text_without_tokens_of_its_own_is_the_zero_vector(tiny_model, minilm, text, prompt):
    for model in (tiny_model, minilm):
        vectors = TextEmbedder(model, prompt=prompt).fit_transform([text, "mug"])
        assert not vectors[0].any()
        assert vectors[1].any()


@pytest.mark.parametrize(
    "blanks", ["\n \t" * 6000, "\u200b" * 20_000, "\x00 " * 9000], ids=["spaces", "zero width", "NUL"]
)
def test_white_space_uses_up_no_tokens(minilm, blanks):
    embedder = TextEmbedder(minilm, cache=None, max_length=16)
    plain, before, between, after = embedder.fit_transform(
        ["red mug", f"{blanks}red mug", f"red{blanks}mug", f"red mug{blanks}"]
    )
    for vector in (before, between, after):
        np.testing.assert_allclose(vector, plain, atol=1e-6)


@pytest.mark.parametrize("max_length", [6, 8, 10])
def test_a_prompt_that_leaves_no_room_is_refused(minilm, max_length):
    prompt = "Represent this sentence for searching relevant passages: "
    for method in ("fit", "fit_transform"):
        with pytest.raises(ValueError, match=rf"max_length .* 2 special tokens and the 8 .*, got {max_length}\."):
            getattr(TextEmbedder(minilm, prompt=prompt, max_length=max_length, cache=None), method)(TITLES)


@pytest.mark.parametrize("X", [[], pd.Series([], dtype=object), [None], [""]])
def test_no_text_at_all(tiny_model, X):
    vectors = TextEmbedder(tiny_model).fit_transform(X)
    assert vectors.shape == (len(X), 32)
    assert not vectors.any()


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a b " * 250_000, "\U0001f600" * 1_000_000, "\ud800" * 1_000_000, " " * 1_000_000]
)
def test_a_million_characters(embedder, text):
    start = time.perf_counter()
    vector = embedder.transform([text])
    assert time.perf_counter() - start < 5.0
    assert np.isfinite(vector).all()


def test_lone_surrogate_counts_as_the_replacement_character(embedder):
    vectors = embedder.transform(["mug \ud800", "mug \ufffd", "\U0001f600", "\ud83d\ude00"])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[2], vectors[3])
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("value", [3, 2.5, b"mug", ["mug"]])
@pytest.mark.parametrize("method", ["fit", "fit_transform", "transform"])
def test_other_values_are_refused(embedder, method, value):
    X = pd.Series(["mug", value], dtype=object)
    with pytest.raises(ValueError, match=f"X must hold texts .* got {type(value).__name__} at row 1"):
        getattr(embedder, method)(X)


hostile_texts = st.lists(st.text(st.characters(exclude_categories=()), max_size=12), min_size=1, max_size=8)


@given(texts=hostile_texts, data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_text_has_a_vector_in_its_row(tiny_model, texts, data):
    embedder = TextEmbedder(tiny_model, dtype="float32", cache=None)
    vectors = embedder.fit_transform(texts)
    order = data.draw(st.permutations(range(len(texts))))
    lengths = np.linalg.norm(vectors, axis=1)
    assert ((np.abs(lengths - 1) < 1e-5) | (lengths == 0)).all()
    np.testing.assert_array_equal(embedder.transform([texts[row] for row in order]), vectors[order])
    row = data.draw(st.integers(0, len(texts) - 1))
    np.testing.assert_allclose(embedder.transform([texts[row]])[0], vectors[row], atol=1e-6)


# Frames and columns -----------------------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {"title": ["mug", "hose"], "note": ["red", None], "price": [3, 4]}, index=pd.Index(["A", "B"], name="item")
)


def test_columns_of_a_frame(embedder):
    vectors = embedder.set_params(columns=["title", "note"]).fit_transform(FRAME)
    np.testing.assert_allclose(vectors, embedder.transform(["mug\nred", "hose"]), atol=1e-6)
    assert embedder.n_features_in_ == 3
    np.testing.assert_array_equal(embedder.feature_names_in_, ["title", "note", "price"])


def test_selected_columns_are_enough_in_transform(embedder):
    embedder.set_params(columns="title").fit(FRAME)
    np.testing.assert_array_equal(embedder.transform(FRAME[["title"]]), embedder.transform(FRAME[["price", "title"]]))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_columns_must_stay_those_of_fit(embedder):
    embedder.fit(FRAME[["title", "note"]])
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        embedder.transform(FRAME[["title"]])
    with pytest.raises(ValueError, match="X has 3 features, but TextEmbedder is expecting 2"):
        embedder.transform(np.full((2, 3), "mug"))


def test_new_fit_forgets_the_columns(embedder):
    embedder.fit(FRAME[["title"]]).fit(TITLES)
    assert not hasattr(embedder, "n_features_in_")
    assert not hasattr(embedder, "feature_names_in_")


def test_numbers_in_a_column_are_refused(embedder):
    with pytest.raises(ValueError, match="got int at row 0, column 'price'"):
        embedder.fit(FRAME)


def test_set_output_keeps_the_index(embedder):
    frame = embedder.set_output(transform="pandas").set_params(columns="title").fit_transform(FRAME)
    pd.testing.assert_index_equal(frame.index, FRAME.index)
    assert frame.columns[0] == "textembedder0"
    assert frame.columns.tolist() == embedder.get_feature_names_out().tolist()
    assert set(frame.dtypes) == {np.dtype(np.float32)}


def test_column_transformer(tiny_model):
    union = ColumnTransformer(
        [
            ("one", TextEmbedder(tiny_model), "title"),
            ("two", TextEmbedder(tiny_model), ["title", "note"]),
            ("rest", "passthrough", ["price"]),
        ]
    )
    assert union.fit_transform(FRAME).shape == (2, 65)
    assert union.get_feature_names_out()[32] == "two__textembedder0"


# Copies and processes ---------------------------------------------------------------------------------------


def test_a_pickle_has_no_weights(embedder):
    vectors = embedder.transform(TITLES)
    pickled = pickle.dumps(embedder)
    assert len(pickled) < 2_000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(TITLES), vectors)
    np.testing.assert_array_equal(copy.deepcopy(embedder).transform(TITLES), vectors)
    np.testing.assert_array_equal(clone(embedder).fit_transform(TITLES), vectors)


def test_transform_leaves_the_estimator_alone(embedder):
    before = dict(vars(embedder))
    embedder.transform(TITLES)
    assert vars(embedder) == before
    assert not any(isinstance(value, torch.nn.Module | torch.Tensor) for value in before.values())


def test_fit_does_not_embed(monkeypatch, tiny_model):
    monkeypatch.setattr("skgnnrec.text._encode.embed_tokens", None)
    assert TextEmbedder(tiny_model).fit(TITLES).embedding_dim_ == 32


def test_import_and_init_load_nothing():
    code = (
        "import sys; from skgnnrec.text import TextEmbedder; TextEmbedder('absent/model');"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_another_model_needs_another_fit(embedder, tiny_decoder):
    embedder.set_params(model=tiny_decoder)
    with pytest.raises(ValueError, match=r"The weights of model=.* are not those of the fit"):
        embedder.transform(TITLES)


def test_hashes_follow_the_content_of_the_model(copied_model, other_model):
    pipeline = make_pipeline(TextEmbedder(copied_model), LogisticRegression())
    hashes = [joblib.hash(pipeline), joblib.hash(clone(pipeline))]
    for path in other_model.iterdir():
        (copied_model / path.name).write_bytes(path.read_bytes())
    hashes.append(joblib.hash(pipeline))
    shutil.rmtree(copied_model)
    hashes.append(joblib.hash(pipeline))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_loky_workers_agree(embedder):
    vectors = embedder.transform(TITLES)
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(embedder.transform)(TITLES) for _ in range(4))
    for result in results:
        np.testing.assert_allclose(result, vectors, atol=1e-6)


def test_threads_agree(embedder):
    vectors = embedder.transform(TITLES)
    parallel = joblib.Parallel(n_jobs=4, backend="threading")
    for result in parallel(joblib.delayed(embedder.transform)(TITLES) for _ in range(8)):
        np.testing.assert_array_equal(result, vectors)


FORK = """
import multiprocessing, sys, warnings
from skgnnrec import TextEmbedder

def embed(queue):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        queue.put((embedder.transform(texts), [str(warning.message)[:37] for warning in caught]))

texts = [f"{number} mug" for number in range(200)]
embedder = TextEmbedder(sys.argv[1], cache=None, dtype="float32").fit(texts)
expected = embedder.transform(texts)
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=embed, args=(queue,), daemon=True)
process.start()
process.join(60)
assert not process.is_alive(), "no answer"
vectors, warned = queue.get()
assert abs(vectors - expected).max() < 1e-5
assert warned == ["This process was forked from one that"], warned
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")
def test_a_forked_process_answers(tiny_model):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, tiny_model],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_the_mode_of_the_caller_changes_no_vector(embedder, mode):
    expected = embedder.transform(TITLES)
    with mode():
        np.testing.assert_array_equal(embedder.transform(TITLES), expected)
        np.testing.assert_array_equal(clone(embedder).fit_transform(TITLES), expected)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_search_over_poolings(tiny_model, n_jobs):
    texts = [f"{word} {number}" for word in ("mug", "hose") for number in range(10)]
    pipeline = make_pipeline(TextEmbedder(tiny_model), LogisticRegression())
    search = GridSearchCV(
        pipeline, {"textembedder__pooling": ["mean", "cls"]}, cv=3, n_jobs=n_jobs, error_score="raise"
    )
    search.fit(texts, np.repeat([0, 1], 10))
    assert search.best_score_ > 0.8


def test_an_interrupt_comes_through(monkeypatch, embedder):
    vectors = embedder.transform(TITLES)
    with monkeypatch.context() as patch:
        patch.setattr("skgnnrec.text._encode.embed_tokens", interrupt)
        with pytest.raises(KeyboardInterrupt, match="stop"):
            embedder.transform(TITLES)
    np.testing.assert_array_equal(embedder.transform(TITLES), vectors)


def interrupt(*args, **options):
    raise KeyboardInterrupt("stop")


STEPS = [
    "text._embedder.as_table",
    "text._embedder.read_texts",
    "encoding._embedder.open_cache",
    "text._model.load_model",
    "text._encode.choose_max_length",
]
STEPS_OF_EMBEDDING = ["text._embedder.describe_model", "text._encode.tokenize", "text._encode.embed_tokens"]


@pytest.mark.parametrize(
    ("method", "step"),
    [*(("fit", step) for step in STEPS), *(("fit_transform", step) for step in (*STEPS, *STEPS_OF_EMBEDDING))],
)
def test_a_refit_that_is_interrupted_changes_nothing(monkeypatch, tiny_model, step, method):
    embedder = TextEmbedder(tiny_model, columns="title", truncate_dim=8, cache=None).fit(FRAME)
    before, vectors = dict(vars(embedder)), embedder.transform(FRAME)
    with monkeypatch.context() as patch:
        patch.setattr(f"skgnnrec.{step}", interrupt)
        with pytest.raises(KeyboardInterrupt, match="stop"):
            getattr(embedder, method)(FRAME[["title"]])
    assert vars(embedder) == before
    np.testing.assert_array_equal(embedder.transform(FRAME), vectors)


def test_a_callback_that_fails_changes_nothing(tiny_model):
    class Failing(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("full disk")

    embedder = TextEmbedder(tiny_model, columns="title").fit(FRAME)
    vectors = embedder.transform(FRAME)
    for method in ("fit", "fit_transform"):
        with pytest.raises(RuntimeError, match="full disk"):
            getattr(clone(embedder).set_callbacks(Failing()), method)(FRAME)
        refitted = embedder.set_callbacks(Failing())
        with pytest.raises(RuntimeError, match="full disk"):
            getattr(refitted, method)(FRAME[["title", "note"]])
        assert embedder.n_features_in_ == 3
        np.testing.assert_array_equal(embedder.transform(FRAME), vectors)


def test_an_interrupted_first_fit_leaves_the_embedder_unfitted(monkeypatch, tiny_model):
    embedder = TextEmbedder(tiny_model)
    with monkeypatch.context() as patch:
        patch.setattr("skgnnrec.text._model.load_model", interrupt)
        with pytest.raises(KeyboardInterrupt, match="stop"):
            embedder.fit(TITLES)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        embedder.transform(TITLES)


# Errors and progress ----------------------------------------------------------------------------------------


def test_values_that_are_not_finite_are_refused(monkeypatch, embedder):
    monkeypatch.setattr("skgnnrec.text._encode.embed_tokens", lambda model, ids, *rest: np.full((len(ids), 32), np.nan))
    with pytest.raises(ValueError, match=r"finite vectors, 5 of 5 are not in torch.float32; dtype='float32' has"):
        embedder.transform(TITLES)


def test_max_length_is_checked_in_fit(tiny_model):
    with pytest.raises(ValueError, match="max_length must be at most the 512 tokens"):
        TextEmbedder(tiny_model, max_length=1000).fit(TITLES)


def test_device_is_checked_in_fit(tiny_model):
    with pytest.raises(ValueError, match="device must be 'auto' or a torch device of this machine"):
        TextEmbedder(tiny_model, device="cuda:99").fit(TITLES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_cpu(tiny_model):
    cpu = TextEmbedder(tiny_model, device="cpu", dtype="float32").fit_transform(TITLES)
    cuda = TextEmbedder(tiny_model, device="cuda", dtype="float32").fit_transform(TITLES)
    np.testing.assert_allclose(cpu, cuda, atol=1e-4)


class Recorder:
    """A callback that keeps the names of the tasks."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context):
        self.calls.append(("end", context.task_name))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))


def test_callbacks_see_the_batches(tiny_model):
    recorder = Recorder()
    embedder = TextEmbedder(tiny_model, batch_tokens=20).set_callbacks(recorder)
    embedder.fit_transform(TITLES)
    root = "fit_transform"
    n_batches = recorder.calls.count(("begin", "batch"))
    assert n_batches > 1
    assert recorder.calls == [
        ("setup", root),
        ("begin", root),
        *[("begin", "batch"), ("end", "batch")] * n_batches,
        ("end", root),
        ("teardown", root),
    ]
    recorder.calls.clear()
    embedder.transform(TITLES)
    assert recorder.calls == []
    embedder.fit(TITLES)
    assert [name for name, _ in recorder.calls] == ["setup", "begin", "end", "teardown"]


def test_callback_may_embed_while_texts_are_embedded(tiny_model):
    class Asking(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.calls.append(estimator.transform(["mug"]))

    asking = Asking()
    vectors = TextEmbedder(tiny_model).set_callbacks(asking).fit_transform(["mug"])
    np.testing.assert_array_equal(asking.calls[-2], vectors)


@pytest.mark.parametrize("texts", [TITLES, [], [None]])
def test_progress_bar(tiny_model, capsys, texts):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    embedder = TextEmbedder(tiny_model, batch_tokens=20).set_callbacks(ProgressBar())
    embedder.fit_transform(texts)
    shown = capsys.readouterr().out
    assert "TextEmbedder - fit_transform" in shown
    assert "100%" in shown


def test_progress_bar_of_a_pipeline(tiny_model, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    pipeline = make_pipeline(TextEmbedder(tiny_model, batch_tokens=20), LogisticRegression())
    pipeline.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(TITLES, [0, 1, 0, 1, 0])
    assert "TextEmbedder - fit_transform" in capsys.readouterr().out
