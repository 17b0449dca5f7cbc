"""The state of text estimators: parameters and arrays, replaced only by a fit that succeeds, saved and loaded."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from fitted_state import WAYS, count_steps, foreign_values, interrupt, same, through_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skgnnrec import InteractionFineTuner, MaskedLMFineTuner, TextEmbedder, load, save

TEXTS = [f"{word} {number}" for number in range(6) for word in ("mug", "hose")]
Y = np.arange(12)[:, None] % 2 == np.arange(5)[None, :] % 2
N_INTERRUPTIONS = 20  # of a fit, at calls that are spread over all of it
CASES = ["embedder", "embedder with a file", "masked", "interactions", "LoRA", "fine-tuner of a fine-tuner"]


@pytest.fixture(params=CASES)
def estimator(request, tiny_model, tmp_path):
    """Return each text estimator, not fitted."""
    embedder = TextEmbedder(str(tiny_model), dtype="float32", cache=None)
    quick = {"max_iter": 1, "batch_size": 8}
    if request.param == "LoRA" and importlib.util.find_spec("peft") is None:
        pytest.skip("LoRA needs peft, from the lora extra")
    return {
        "embedder": embedder,
        "embedder with a file": clone(embedder).set_params(cache=str(tmp_path / "texts.sqlite")),
        "masked": MaskedLMFineTuner(embedder, mask_probability=0.5, **quick),
        "interactions": InteractionFineTuner(embedder, **quick),
        "LoRA": InteractionFineTuner(embedder, lora_rank=2, **quick),
        "fine-tuner of a fine-tuner": InteractionFineTuner(MaskedLMFineTuner(embedder, **quick), **quick),
    }[request.param]


def fit(estimator, n_texts=12):
    return estimator.fit(np.array(TEXTS[:n_texts])[:, None], Y[:n_texts])


def answers(estimator):
    return estimator.transform(np.array(TEXTS)[:, None]), estimator.get_feature_names_out()


def test_a_fitted_estimator_holds_parameters_and_arrays(estimator):
    assert foreign_values(fit(estimator)) == []


def test_an_interrupted_fit_leaves_the_state_of_the_last_one(estimator):
    before, state = answers(fit(estimator)), dict(vars(estimator))
    n_steps = count_steps(lambda: fit(clone(estimator), 8))
    assert n_steps > 20
    n_interrupted = 0
    for at in np.unique(np.linspace(1, n_steps - 1, N_INTERRUPTIONS).astype(int)):
        if interrupt(lambda: fit(estimator, 8), at):
            n_interrupted += 1
            assert all(vars(estimator)[name] is value for name, value in state.items() if name.endswith("_"))
            assert vars(estimator).keys() == state.keys()
        else:  # the number of calls varies a little with caches: this fit was complete
            fit(estimator)
            state = dict(vars(estimator))
    assert n_interrupted > N_INTERRUPTIONS // 2
    assert same(answers(estimator), before)


def test_an_interrupted_first_fit_leaves_an_unfitted_estimator(estimator):
    n_steps = count_steps(lambda: fit(clone(estimator)))
    for at in np.unique(np.linspace(1, n_steps // 2, 8).astype(int)):
        assert interrupt(lambda: fit(estimator), at)
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            answers(estimator)


@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_estimator_gives_the_same_answers(estimator, way):
    assert same(answers(WAYS[way](fit(estimator))), answers(estimator))


def test_a_file_with_the_model_gives_the_same_answers(estimator, tmp_path):
    save(fit(estimator), tmp_path / "file", include_models=True)
    assert same(answers(load(tmp_path / "file", models_dir=tmp_path / "models")), answers(estimator))


def test_files_keep_a_path(tiny_model):
    embedder = TextEmbedder(Path(tiny_model)).fit(TEXTS)
    loaded = through_file(embedder)
    assert loaded.model == Path(tiny_model)
    assert same(loaded.transform(TEXTS), embedder.transform(TEXTS))
