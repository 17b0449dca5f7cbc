"""What every adapter keeps to: values, copies, files, progress, errors, and scikit-learn's batteries."""

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from skgnnrec import InteractionAdapter, MaskedLMAdapter, TextEmbedder
from skgnnrec.adaptation._base import shuffled_parts
from skgnnrec.exceptions import NonFiniteLossError

OTHER_CHECKS = [  # public, but not among those that check_estimator calls
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]
LORA = {"lora_rank": 2}


class NumberEmbedder(TextEmbedder):
    """Spell the numbers of a row, so that scikit-learn's checks, which know numbers only, can run."""

    def _texts(self, X, *, reset):
        X = validate_data(self, X, reset=reset)
        return [" ".join(f"{value:.4g}" for value in row) for row in X]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = False
        tags.input_tags.two_d_array = True
        return tags


@pytest.fixture(params=[MaskedLMAdapter, InteractionAdapter])
def adapter(request, embedder):
    # Six short texts are held out: of .15 of their tokens there may be none.
    more = {"mask_probability": 0.5} if request.param is MaskedLMAdapter else {}
    return request.param(embedder, max_iter=2, batch_size=16, **more)


@pytest.fixture(params=[None, 2], ids=["all weights", "LoRA"])
def either(request, adapter):
    """Return each adapter, with all weights to learn and with LoRA's."""
    if request.param is not None:
        pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    return adapter.set_params(lora_rank=request.param)


# scikit-learn's batteries -----------------------------------------------------------------------------------


@pytest.fixture(params=[MaskedLMAdapter, InteractionAdapter])
def number_adapter(request, bert):
    return request.param(NumberEmbedder(bert, dtype="float32", max_length=24), max_iter=1, batch_size=64)


def test_check_estimator(number_adapter):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(number_adapter, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= (set() if os.environ.get("SCIPY_ARRAY_API") == "1" else {"check_array_api_input"})
    assert len(results) >= 46


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # the checks mix them
@pytest.mark.filterwarnings("ignore:No two texts share a user:UserWarning")
@pytest.mark.parametrize("name", OTHER_CHECKS)
def test_other_checks(number_adapter, name):
    assert getattr(estimator_checks, name)(type(number_adapter).__name__, number_adapter) is None


# Learning ---------------------------------------------------------------------------------------------------


def test_training_moves_the_vectors_and_lowers_the_loss(either, shelf):
    titles, y, _ = shelf
    either.set_params(max_iter=6, learning_rate_init=5e-3, early_stopping=False, n_iter_no_change=6).fit(titles, y)
    assert len(either.loss_curve_) == either.n_iter_ == 6
    assert either.validation_scores_ == []
    assert either.loss_curve_[-1] < either.loss_curve_[0]
    before, after = either.embedder_.transform(titles), either.transform(titles)
    assert after.shape == (60, 32) == (60, either.embedding_dim_)
    assert after.dtype == np.float32
    assert_allclose(np.linalg.norm(after, axis=1), 1, rtol=1e-5)
    assert np.abs(before - after).max() > 0.01


def test_the_best_epoch_is_kept(adapter, shelf):
    titles, y, _ = shelf
    adapter.set_params(max_iter=8, learning_rate_init=0.05, n_iter_no_change=8, warmup_fraction=0.0).fit(titles, y)
    best = int(np.argmax(adapter.validation_scores_)) + 1
    assert best < adapter.n_iter_ == 8
    seen = []

    class Keeper:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                seen.append(fitted_estimator.transform(titles))

    clone(adapter).set_callbacks(Keeper()).fit(titles, y)
    assert_allclose(seen[best - 1], adapter.transform(titles), atol=1e-6)


def test_training_stops_when_nothing_improves(adapter, shelf):
    titles, y, _ = shelf
    adapter.set_params(max_iter=9, tol=1e3, n_iter_no_change=2).fit(titles, y)
    assert adapter.n_iter_ == 3


def test_same_seed_same_vectors(either, shelf):
    titles, y, _ = shelf
    torch.manual_seed(1)
    drawn = torch.rand(2)
    torch.manual_seed(1)
    vectors = either.fit(titles, y).transform(titles)
    assert_array_equal(torch.rand(2), drawn)  # the user's random numbers do not move
    assert_array_equal(clone(either).fit(titles, y).transform(titles), vectors)
    other = clone(either).set_params(random_state=1).fit(titles, y).transform(titles)
    assert np.abs(other - vectors).max() > 1e-4


def test_rows_do_not_depend_on_each_other(adapter, shelf):
    titles, y, _ = shelf
    vectors = adapter.fit(titles, y).transform(titles)
    alone = np.vstack([adapter.transform([title]) for title in titles[:5]])
    assert_allclose(alone, vectors[:5], atol=1e-6)
    assert not adapter.transform([None, ""]).any()


def test_lora_trains_a_small_share(adapter, shelf):
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    titles, y, _ = shelf
    whole = clone(adapter).fit(titles, y)
    small = clone(adapter).set_params(**LORA).fit(titles, y)
    assert whole.trainable_share_ == 1.0
    # In each of two layers, a rank of 2 beside four matrices 32 × 32, one 32 × 64 and one 64 × 32.
    assert small.n_trainable_ == 2 * 2 * (4 * (32 + 32) + 2 * (32 + 64))
    assert small.trainable_share_ == small.n_trainable_ / whole.n_trainable_
    assert len(pickle.dumps(small)) < len(pickle.dumps(whole)) / 2


def test_lora_without_peft_is_explained(monkeypatch, adapter, shelf):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'lora_rank needs the package peft: pip install "skgnnrec\[lora\]"'):
        adapter.set_params(**LORA).fit(*shelf[:2])


def test_diverging_training_is_an_error(adapter, shelf):
    with pytest.raises(NonFiniteLossError, match="diverged"):
        adapter.set_params(learning_rate_init=1e30, max_iter=5, alpha=1e8).fit(*shelf[:2])


def test_an_adapter_stands_on_another(embedder, shelf):
    titles, y, _ = shelf
    first = MaskedLMAdapter(embedder, max_iter=1, learning_rate_init=1e-3)
    second = InteractionAdapter(first, max_iter=1, learning_rate_init=1e-9).fit(titles, y)
    assert_allclose(second.transform(titles), clone(first).fit(titles).transform(titles), atol=1e-5)
    assert np.abs(second.transform(titles) - embedder.fit_transform(titles)).max() > 1e-3


def test_the_model_that_others_use_stays_as_it_was(either, embedder, shelf):
    titles, y, _ = shelf
    before = embedder.fit_transform(titles)
    either.fit(titles, y)
    assert_array_equal(embedder.transform(titles), before)


def test_checkpoints_go_on_where_a_fit_was_killed(tmp_path, adapter, shelf):
    titles, y, _ = shelf
    whole = clone(adapter).set_params(max_iter=3).fit(titles, y)

    class Killer:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    adapter.set_params(max_iter=3, checkpoint_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        clone(adapter).set_callbacks(Killer()).fit(titles, y)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = clone(adapter).fit(titles, y)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert_allclose(resumed.transform(titles), whole.transform(titles), atol=1e-6)
    with pytest.raises(ValueError, match="random_state must be an int to resume"):
        clone(adapter).set_params(random_state=None).fit(titles, y)


# Copies and files -------------------------------------------------------------------------------------------


def test_pickles_give_the_same_vectors(either, shelf):
    titles, y, _ = shelf
    vectors = either.fit(titles, y).transform(titles)
    state = vars(either)
    assert not any(isinstance(value, torch.nn.Module | torch.Tensor) for value in state.values())
    assert_array_equal(pickle.loads(pickle.dumps(either)).transform(titles), vectors)


def test_a_saved_model_is_one_for_the_embedder(tmp_path, either, shelf):
    titles, y, _ = shelf
    vectors = either.fit(titles, y).transform(titles)
    either.save(tmp_path / "new" / "folder")
    again = TextEmbedder(tmp_path / "new" / "folder", dtype="float32").fit(titles)
    assert_allclose(again.transform(titles), vectors, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_saved_model_is_one_for_sentence_transformers(tmp_path, adapter, shelf, pooling, normalize):
    other = pytest.importorskip("sentence_transformers", reason="the other reader of these folders")
    titles, y, _ = shelf
    adapter.set_params(embedder__pooling=pooling, embedder__normalize=normalize, embedder__max_length=16, max_iter=1)
    adapter.fit(titles, y).save(tmp_path)
    network = other.SentenceTransformer(str(tmp_path), device="cpu")
    assert_allclose(network.encode(titles, show_progress_bar=False), adapter.transform(titles), atol=1e-5)
    assert network.max_seq_length == 16


def test_lora_is_saved_in_the_format_of_peft(tmp_path, adapter, bert, shelf):
    peft = pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    from transformers import AutoModel

    titles, y, _ = shelf
    adapter.set_params(**LORA, learning_rate_init=1e-2).fit(titles, y).save(tmp_path, merge=False)
    assert not (tmp_path / "model.safetensors").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of a name in transformers that peft still asks for
        network = peft.PeftModel.from_pretrained(AutoModel.from_pretrained(bert), tmp_path).merge_and_unload()
    merged = adapter._load_model("float32").network.state_dict()
    assert_allclose(
        merged["encoder.layer.0.output.dense.weight"], network.encoder.layer[0].output.dense.weight.detach()
    )


def test_there_is_no_lora_to_save(tmp_path, adapter, shelf):
    with pytest.raises(ValueError, match="lora_rank was None in fit"):
        adapter.fit(*shelf[:2]).save(tmp_path, merge=False)


def test_import_and_init_load_nothing():
    code = (
        "import sys; from skgnnrec.adaptation import InteractionAdapter, MaskedLMAdapter; InteractionAdapter();"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Frames, progress and errors --------------------------------------------------------------------------------


def test_columns_of_a_frame(adapter, shelf):
    titles, y, _ = shelf
    frame = pd.DataFrame({"title": titles, "price": 3}, index=range(100, 160))
    adapter.set_params(embedder__columns="title").set_output(transform="pandas")
    vectors = adapter.fit(frame, y).transform(frame)
    assert vectors.index.equals(frame.index)
    assert vectors.columns[0] == f"{type(adapter).__name__.lower()}0"
    assert_array_equal(adapter.feature_names_in_, ["title", "price"])
    adapter.fit(titles, y)
    assert not hasattr(adapter, "feature_names_in_")


def test_progress_bar_shows_the_epochs(adapter, shelf, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    adapter.set_callbacks(ProgressBar()).fit(*shelf[:2])
    assert f"{type(adapter).__name__} - fit" in capsys.readouterr().out


def test_no_text_no_training(adapter):
    with pytest.warns(UserWarning, match=r"the network stays as it was"):
        adapter.fit([None, ""], [[1], [1]])
    assert adapter.n_iter_ == 0
    assert_allclose(adapter.transform(["red mug"]), adapter.embedder_.transform(["red mug"]), atol=1e-6)


def test_other_transformers_cannot_be_adapted(adapter, shelf):
    with pytest.raises(ValueError, match="embedder must be a TextEmbedder or an adapter, got TfidfVectorizer"):
        adapter.set_params(embedder=TfidfVectorizer()).fit(*shelf[:2])


@pytest.mark.parametrize(("name", "value"), [("lora_rank", 0), ("batch_size", 1), ("warmup_fraction", 1.5)])
def test_parameters_are_checked(adapter, shelf, name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
        adapter.set_params(**{name: value}).fit(*shelf[:2])


def test_nothing_works_before_the_fit(adapter, tmp_path):
    for call in (lambda: adapter.transform(["mug"]), lambda: adapter.save(tmp_path)):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            call()


def test_parts_are_disjoint_and_seeded():
    train, held_out = shuffled_parts(20, 0.1, 0)
    assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(20))
    assert len(held_out) == 2
    assert_array_equal(shuffled_parts(20, 0.1, 0)[1], held_out)
    assert [len(part) for part in shuffled_parts(1, 0.5, 0)] == [1, 0]
