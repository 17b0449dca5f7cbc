"""Every fine-tuner: values, copies, files, progress, errors, and scikit-learn's batteries."""

import os
import pickle
import shutil
import subprocess
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from number_embedder import NumberEmbedder
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import load_file
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import InteractionFineTuner, MaskedLMFineTuner, TextEmbedder
from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.text.finetuning._base import shuffled_parts

LORA = {"lora_rank": 2}


@pytest.fixture(params=[MaskedLMFineTuner, InteractionFineTuner])
def tuner(request, embedder):
    # Six short texts are held out: of .15 of their tokens there may be none.
    more = {"mask_probability": 0.5} if request.param is MaskedLMFineTuner else {}
    return request.param(embedder, max_iter=2, batch_size=16, **more)


@pytest.fixture(params=[None, 2], ids=["all weights", "LoRA"])
def either(request, tuner):
    """Return each fine-tuner, with all weights in training and with LoRA's."""
    if request.param is not None:
        pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    return tuner.set_params(lora_rank=request.param)


# scikit-learn's batteries -----------------------------------------------------------------------------------


@pytest.fixture(params=[MaskedLMFineTuner, InteractionFineTuner])
def number_tuner(request, bert):
    return request.param(NumberEmbedder(bert, dtype="float32", max_length=24), max_iter=1, batch_size=64)


def test_check_estimator(number_tuner):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(number_tuner, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= (set() if os.environ.get("SCIPY_ARRAY_API") == "1" else {"check_array_api_input"})
    assert len(results) >= 46


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # the checks mix them
@pytest.mark.filterwarnings("ignore:No two texts share a user:UserWarning")
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_other_checks(bert, name):
    """The code that they check is the same in both estimators."""
    tuner = InteractionFineTuner(NumberEmbedder(bert, dtype="float32", max_length=24), max_iter=1, batch_size=64)
    assert getattr(estimator_checks, name)("InteractionFineTuner", tuner) is None


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


def test_the_best_epoch_is_kept(tuner, shelf):
    titles, y, _ = shelf
    tuner.set_params(max_iter=8, learning_rate_init=0.05, n_iter_no_change=8, warmup_fraction=0.0).fit(titles, y)
    best = int(np.argmax(tuner.validation_scores_)) + 1
    assert best < tuner.n_iter_ == 8
    seen = []

    class Keeper:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                seen.append(fitted_estimator.transform(titles))

    clone(tuner).set_callbacks(Keeper()).fit(titles, y)
    assert_allclose(seen[best - 1], tuner.transform(titles), atol=1e-6)


def test_training_stops_when_nothing_improves(tuner, shelf):
    titles, y, _ = shelf
    tuner.set_params(max_iter=9, tol=1e3, n_iter_no_change=2).fit(titles, y)
    assert tuner.n_iter_ == 3


def test_same_seed_same_vectors(either, shelf):
    titles, y, _ = shelf
    torch.manual_seed(1)
    drawn = torch.rand(2)
    torch.manual_seed(1)
    vectors = either.fit(titles, y).transform(titles)
    assert_array_equal(torch.rand(2), drawn)  # the random numbers of the caller do not change
    assert_array_equal(clone(either).fit(titles, y).transform(titles), vectors)
    other = clone(either).set_params(random_state=1).fit(titles, y).transform(titles)
    assert np.abs(other - vectors).max() > 1e-4


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def test_the_settings_of_the_caller_change_no_vector(either, shelf):
    titles, y, _ = shelf
    expected = clone(either).fit(titles, y).transform(titles)
    with torch.no_grad(), default_dtype(torch.float64):
        assert_array_equal(either.fit(titles, y).transform(titles), expected)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert_array_equal(either.fit(titles, y).transform(titles), expected)
    assert_array_equal(either.transform(titles), expected)


def test_rows_do_not_depend_on_each_other(tuner, shelf):
    titles, y, _ = shelf
    vectors = tuner.fit(titles, y).transform(titles)
    alone = np.vstack([tuner.transform([title]) for title in titles[:5]])
    assert_allclose(alone, vectors[:5], atol=1e-6)
    assert not tuner.transform([None, ""]).any()


def test_lora_trains_a_small_share(tuner, shelf):
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    titles, y, _ = shelf
    whole = clone(tuner).fit(titles, y)
    small = clone(tuner).set_params(**LORA).fit(titles, y)
    assert whole.trainable_share_ == 1.0
    # In each of two layers, a rank of 2 beside four matrices 32 × 32, one 32 × 64 and one 64 × 32.
    assert small.n_trainable_ == 2 * 2 * (4 * (32 + 32) + 2 * (32 + 64))
    assert small.trainable_share_ == small.n_trainable_ / whole.n_trainable_
    assert len(pickle.dumps(small)) < len(pickle.dumps(whole)) / 2


def test_lora_without_peft_is_explained(monkeypatch, tuner, shelf):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'lora_rank needs the package peft: pip install "skgnnrec\[lora\]"'):
        tuner.set_params(**LORA).fit(*shelf[:2])


def test_diverging_training_is_an_error(tuner, shelf):
    with pytest.raises(NonFiniteLossError, match="diverged"):
        tuner.set_params(learning_rate_init=1e30, max_iter=5, alpha=1e8).fit(*shelf[:2])


def test_a_fine_tuner_starts_from_another(embedder, shelf):
    titles, y, _ = shelf
    first = MaskedLMFineTuner(embedder, max_iter=1, learning_rate_init=1e-3)
    second = InteractionFineTuner(first, max_iter=1, learning_rate_init=1e-9).fit(titles, y)
    assert_allclose(second.transform(titles), clone(first).fit(titles).transform(titles), atol=1e-5)
    assert np.abs(second.transform(titles) - embedder.fit_transform(titles)).max() > 1e-3


@pytest.mark.parametrize("lora_ranks", [(2, None), (None, 2), (2, 2)])
def test_lora_and_all_weights_can_follow_each_other(embedder, shelf, lora_ranks):
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    titles, y, _ = shelf
    settings = {"max_iter": 1, "learning_rate_init": 1e-2, "early_stopping": False}
    first = MaskedLMFineTuner(embedder, lora_rank=lora_ranks[0], **settings)
    second = InteractionFineTuner(first, lora_rank=lora_ranks[1], **settings).fit(titles, y)
    assert second.trainable_share_ == 1.0 if lora_ranks[1] is None else 0 < second.trainable_share_ < 1
    assert np.abs(second.transform(titles) - second.embedder_.transform(titles)).max() > 1e-3


def test_the_model_of_the_embedder_does_not_change(either, embedder, shelf):
    titles, y, _ = shelf
    before = embedder.fit_transform(titles)
    either.fit(titles, y)
    assert_array_equal(embedder.transform(titles), before)


def test_a_killed_fit_continues_from_its_checkpoint(tmp_path, tuner, shelf):
    titles, y, _ = shelf
    whole = clone(tuner).set_params(max_iter=3).fit(titles, y)

    class Killer:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt("stop")

    tuner.set_params(max_iter=3, checkpoint_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        clone(tuner).set_callbacks(Killer()).fit(titles, y)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = clone(tuner).fit(titles, y)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert_allclose(resumed.transform(titles), whole.transform(titles), atol=1e-6)
    with pytest.raises(ValueError, match="random_state must be an int to resume"):
        clone(tuner).set_params(random_state=None).fit(titles, y)


# Refits ---------------------------------------------------------------------------------------------------------------


class Interrupter:
    """A callback that raises at a step of a task."""

    def __init__(self, step, task, error):
        self.step, self.task, self.error = step, task, error

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context):
        self._raise("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._raise("end", context)

    def _raise(self, step, context):
        if (step, context.task_name) == (self.step, self.task):
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), RuntimeError("stop")], ids=["interrupt", "error"])
@pytest.mark.parametrize(
    "moment",
    [
        *[("begin", "fit"), ("begin", "epoch"), ("end", "epoch"), ("end", "fit")],
        *["_embedder.read_texts", "_model.load_model", "finetuning._encoder.tokenize", "finetuning._base.clone"],
        *["finetuning._encoder.pool", "finetuning._encoder.TrainableEncoder.learned"],
    ],
    ids=str,
)
def test_a_refit_that_is_interrupted_changes_nothing(monkeypatch, tuner, shelf, moment, error):
    titles, y, _ = shelf
    frame = pd.DataFrame({"title": titles, "price": 3})
    tuner.set_params(embedder__columns="title", max_iter=1).fit(frame, y)
    before, vectors = dict(vars(tuner)), tuner.transform(frame)

    def fail(*args, **options):
        raise error

    with monkeypatch.context() as patch:
        if isinstance(moment, tuple):
            tuner.set_callbacks(Interrupter(*moment, error))
        elif moment == "finetuning._encoder.pool" and isinstance(tuner, MaskedLMFineTuner):
            patch.setattr("skgnnrec.text.finetuning._masked_lm_network.MaskedLM.loss", fail)
        else:
            patch.setattr(f"skgnnrec.text.{moment}", fail)
        with pytest.raises(type(error), match="stop"):
            tuner.fit(frame[["title"]].iloc[:40], y[:40])
    after = {name: value for name, value in vars(tuner).items() if name in before}
    assert all(after[name] is value for name, value in before.items() if name.endswith("_"))
    assert {name for name in vars(tuner) if name.endswith("_")} <= set(before)
    assert_array_equal(tuner.transform(frame), vectors)


def test_an_interrupted_first_fit_leaves_the_tuner_unfitted(tuner, shelf):
    tuner.set_callbacks(Interrupter("end", "epoch", KeyboardInterrupt("stop")))
    with pytest.raises(KeyboardInterrupt, match="stop"):
        tuner.fit(*shelf[:2])
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        tuner.transform(shelf[0])


def test_callbacks_see_the_tuner_of_this_fit(tuner, shelf):
    titles, y, _ = shelf
    seen = []

    class Keeper:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fit":
                seen.append((estimator.n_iter_, estimator.transform(titles[:3])))

    tuner.set_params(max_iter=1).fit(titles, y)
    tuner.set_params(max_iter=2, tol=0.0, early_stopping=False).set_callbacks(Keeper()).fit(titles, y)
    ((n_iter, vectors),) = seen
    assert n_iter == tuner.n_iter_ == 2
    assert_array_equal(vectors, tuner.transform(titles[:3]))


def test_callbacks_know_the_tuner_whose_fit_was_called(tuner, shelf):
    known, monitor = [], ScoringMonitor(scoring=lambda estimator, X, y: 0.0)

    class Keeper:
        def setup(self, estimator, context):
            known.append(estimator)

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context):
            known.append(estimator)

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch":
                known.append(estimator)

    tuner.set_params(max_iter=2, tol=0.0, early_stopping=False).set_callbacks(Keeper(), monitor).fit(*shelf[:2])
    assert len(known) == 6
    assert all(estimator is tuner for estimator in known)


def test_a_replaced_model_needs_another_fit(tmp_path, tuner, bert, bert_with_head, shelf):
    folder = shutil.copytree(bert, tmp_path / "model")
    tuner.set_params(embedder__model=folder, max_iter=1).fit(*shelf[:2])
    (folder / "model.safetensors").write_bytes((bert_with_head / "model.safetensors").read_bytes())
    (folder / "config.json").write_bytes((bert_with_head / "config.json").read_bytes())
    with pytest.raises(ValueError, match=r"The weights of model=.* are not those of the fit"):
        tuner.transform(shelf[0])


# Copies and files -------------------------------------------------------------------------------------------


def test_pickles_give_the_same_vectors(either, shelf):
    titles, y, _ = shelf
    vectors = either.fit(titles, y).transform(titles)
    state = vars(either)
    assert not any(isinstance(value, torch.nn.Module | torch.Tensor) for value in state.values())
    assert_array_equal(pickle.loads(pickle.dumps(either)).transform(titles), vectors)


def test_an_embedder_reads_a_saved_model(tmp_path, either, shelf):
    titles, y, _ = shelf
    vectors = either.fit(titles, y).transform(titles)
    either.save(tmp_path / "new" / "folder")
    again = TextEmbedder(tmp_path / "new" / "folder", dtype="float32").fit(titles)
    assert_allclose(again.transform(titles), vectors, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_sentence_transformers_reads_a_saved_model(tmp_path, tuner, shelf, pooling, normalize):
    other = pytest.importorskip("sentence_transformers", reason="the other reader of these folders")
    titles, y, _ = shelf
    tuner.set_params(embedder__pooling=pooling, embedder__normalize=normalize, embedder__max_length=16, max_iter=1)
    tuner.fit(titles, y).save(tmp_path)
    network = other.SentenceTransformer(str(tmp_path), device="cpu")
    assert_allclose(network.encode(titles, show_progress_bar=False), tuner.transform(titles), atol=1e-5)
    assert network.max_seq_length == 16


def test_lora_is_saved_in_the_format_of_peft(tmp_path, tuner, bert, shelf):
    peft = pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    from transformers import AutoModel

    titles, y, _ = shelf
    tuner.set_params(**LORA, learning_rate_init=1e-2).fit(titles, y).save(tmp_path, merge=False)
    assert not (tmp_path / "model.safetensors").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of a name in transformers that peft still asks for
        network = peft.PeftModel.from_pretrained(AutoModel.from_pretrained(bert), tmp_path).merge_and_unload()
    tuner.save(tmp_path / "merged")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert_allclose(
        merged["encoder.layer.0.output.dense.weight"], network.encoder.layer[0].output.dense.weight.detach()
    )


def test_without_lora_there_are_no_matrices_to_save(tmp_path, tuner, shelf):
    with pytest.raises(ValueError, match="needs lora_rank, got a fit with lora_rank=None"):
        tuner.fit(*shelf[:2]).save(tmp_path, merge=False)


def test_import_and_init_load_nothing():
    code = (
        "import sys; from skgnnrec.text.finetuning import InteractionFineTuner; InteractionFineTuner();"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Frames, progress and errors --------------------------------------------------------------------------------


def test_columns_of_a_frame(tuner, shelf):
    titles, y, _ = shelf
    frame = pd.DataFrame({"title": titles, "price": 3}, index=range(100, 160))
    tuner.set_params(embedder__columns="title").set_output(transform="pandas")
    vectors = tuner.fit(frame, y).transform(frame)
    assert vectors.index.equals(frame.index)
    assert vectors.columns[0] == f"{type(tuner).__name__.lower()}0"
    assert_array_equal(tuner.feature_names_in_, ["title", "price"])
    tuner.fit(titles, y)
    assert not hasattr(tuner, "feature_names_in_")


def test_progress_bar_shows_the_epochs(tuner, shelf, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    tuner.set_callbacks(ProgressBar()).fit(*shelf[:2])
    assert f"{type(tuner).__name__} - fit" in capsys.readouterr().out


def test_without_text_there_is_no_training(tuner):
    with pytest.warns(UserWarning, match="there is nothing to learn from, and the weights do not change"):
        tuner.fit([None, ""], [[1], [1]])
    assert tuner.n_iter_ == 0
    assert_allclose(tuner.transform(["red mug"]), tuner.embedder_.transform(["red mug"]), atol=1e-6)


def test_other_transformers_are_refused(tuner, shelf):
    with pytest.raises(ValueError, match="embedder must be a TextEmbedder or a fine-tuner, got TfidfVectorizer"):
        tuner.set_params(embedder=TfidfVectorizer()).fit(*shelf[:2])


@pytest.mark.parametrize(("name", "value"), [("lora_rank", 0), ("batch_size", 1), ("warmup_fraction", 1.5)])
def test_parameters_are_checked(tuner, shelf, name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
        tuner.set_params(**{name: value}).fit(*shelf[:2])


def test_methods_need_a_fit(tuner, tmp_path):
    for call in (lambda: tuner.transform(["mug"]), lambda: tuner.save(tmp_path)):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            call()


def test_parts_are_disjoint_and_seeded():
    train, held_out = shuffled_parts(20, 0.1, 0)
    assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(20))
    assert len(held_out) == 2
    assert_array_equal(shuffled_parts(20, 0.1, 0)[1], held_out)
    assert [len(part) for part in shuffled_parts(1, 0.5, 0)] == [1, 0]
