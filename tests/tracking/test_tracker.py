"""What the callbacks record of fits, read from the files of TensorBoard, and what happens when recording fails."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skgnnrec import (
    GNNRecommender,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    load,
    save,
)
from skgnnrec.metrics import RankingScorer
from skgnnrec.tracking import TensorBoardCallback

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


@pytest.fixture
def callback(tmp_path):
    return TensorBoardCallback(tmp_path / "runs")


def curve(values, first=1):
    """Return steps and values, which are in single precision in the files."""
    return [(step, pytest.approx(value)) for step, value in enumerate(values, start=first)]


def test_the_curves_of_a_training_are_those_of_the_estimator(callback, gnn, X, read_run):
    gnn.set_callbacks(callback).fit(X)
    run = read_run(callback.run_dir_)
    assert run["loss"] == curve(gnn.loss_curve_)
    assert run["validation_score"] == curve(gnn.validation_scores_)
    assert run["n_iter"] == [(0, 2)]
    assert run["fit_seconds"][0][1] > 0


def test_further_epochs_follow_the_curve_of_the_earlier_ones(callback, gnn, X, read_run):
    gnn.fit(X).set_callbacks(callback).partial_fit(X)
    assert read_run(callback.run_dir_)["loss"] == curve(gnn.loss_curve_)
    assert len(gnn.loss_curve_) == 3


def test_metrics_of_each_epoch(tmp_path, gnn, X, read_run):
    scoring = {"ndcg": RankingScorer("ndcg", k=3)}
    callback = TensorBoardCallback(tmp_path, scoring=scoring, save_fitted=False)
    gnn.set_callbacks(callback).fit(X)
    # The validation score of the training is the same metric on the same interactions.
    assert read_run(callback.run_dir_)["ndcg"] == curve(gnn.validation_scores_)
    assert not (Path(callback.run_dir_) / "model.skgnnrec").exists()


def test_the_saved_file_is_the_fitted_estimator_without_callbacks(callback, gnn, X):
    gnn.set_callbacks(callback).fit(X)
    loaded = load(Path(callback.run_dir_) / "model.skgnnrec")
    assert_array_equal(loaded.predict(X), gnn.predict(X))
    assert not hasattr(loaded, "_skl_callbacks")


def test_an_estimator_can_be_saved_with_its_callback(callback, X, tmp_path):
    recommender = RidgeRecommender().set_callbacks(callback).fit(X)
    save(recommender, tmp_path / "ridge.skgnnrec")
    loaded = load(tmp_path / "ridge.skgnnrec").fit(X)  # records a second fit
    assert_array_equal(loaded.predict(X), recommender.predict(X))
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_search_has_a_run_for_each_candidate(callback, X, read_run):
    search = GridSearchCV(RidgeRecommender(n_recommendations=3), {"alpha": [1.0, 50.0]}, cv=3).set_callbacks(callback)
    search.fit(X)
    run = Path(callback.run_dir_)
    assert read_run(run)["best_score"] == curve([search.best_score_], first=0)
    for candidate in (0, 1):
        scores = read_run(run / f"candidate-{candidate}")
        for name in ("mean_test_score", "std_test_score", "split2_test_score", "rank_test_score"):
            assert scores[name] == curve([search.cv_results_[name][candidate]], first=0)
    assert_array_equal(load(run / "model.skgnnrec").predict(X), search.predict(X))


def test_a_search_that_selects_by_itself_has_a_run_for_each_candidate(callback, X, read_run):
    recommender = RidgeRecommenderCV({"alpha": [1.0, 50.0]}).set_callbacks(callback).fit(X)
    scores = [
        read_run(Path(callback.run_dir_) / f"candidate-{candidate}")["mean_test_score"]
        for candidate in range(len(recommender.cv_results_["params"]))
    ]
    assert scores == [curve([score], first=0) for score in recommender.cv_results_["mean_test_score"]]


class FittedElsewhere(GNNRecommender):
    """Fits a copy, as the worker processes of a search with `n_jobs` do."""

    def fit(self, X, y=None):
        copy = pickle.loads(pickle.dumps(self))
        fitted = super(FittedElsewhere, copy).fit(X, y)
        vars(self).update({name: value for name, value in vars(fitted).items() if name.endswith("_")})
        return self


@pytest.mark.parametrize("kind", [GNNRecommender, FittedElsewhere])
def test_a_search_over_trainings_has_the_curves_of_each_split(callback, gnn, X, read_run, kind):
    cv, trained = KFold(2), kind(**gnn.get_params())
    search = GridSearchCV(trained, {"temperature": [0.1, 0.5]}, cv=cv).set_callbacks(callback).fit(X)
    run = Path(callback.run_dir_)
    for candidate, temperature in enumerate([0.1, 0.5]):
        for split, (train, _) in enumerate(cv.split(X)):
            expected = clone(gnn).set_params(temperature=temperature).fit(X[train])
            assert read_run(run / f"candidate-{candidate}/split-{split}")["loss"] == curve(expected.loss_curve_)
    if kind is GNNRecommender:  # an open file is not shared with copies
        assert read_run(run)["loss"] == curve(search.best_estimator_.loss_curve_)


def test_epochs_of_estimators_inside_are_recorded(callback, gnn, X, read_run):
    users, items = np.nonzero(X)
    log = LogRecommender(gnn, user="user", item="item").set_callbacks(callback)
    log.fit(pd.DataFrame({"user": users, "item": items}))
    assert read_run(callback.run_dir_)["loss"] == curve(log.recommender_.loss_curve_)
    pipeline = make_pipeline("passthrough", gnn).set_callbacks(callback).fit(X)
    assert read_run(callback.run_dir_)["fit-final-estimator/loss"] == curve(pipeline[-1].loss_curve_)


def test_the_outermost_estimator_alone_can_be_recorded(tmp_path, gnn, X, read_run):
    callback = TensorBoardCallback(tmp_path, max_propagation_depth=0)
    GridSearchCV(gnn, {"temperature": [0.1]}, cv=2).set_callbacks(callback).fit(X)
    assert "loss" not in read_run(callback.run_dir_)
    assert [path.name for path in Path(callback.run_dir_).glob("*/*")] == [
        path.name for path in Path(callback.run_dir_, "candidate-0").glob("events.*")
    ]


def test_an_error_before_the_fit_is_raised(tmp_path, X):
    (tmp_path / "file").write_text("")
    recommender = PopularityRecommender().set_callbacks(TensorBoardCallback(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        recommender.fit(X)
    assert not hasattr(recommender, "n_features_in_")


def test_an_error_during_the_fit_is_a_warning_and_the_fit_goes_on(tmp_path, gnn, X, read_run):
    def failing(estimator, X, y):
        if estimator.n_iter_ == 2:
            raise OSError("no space left")
        return 0.5

    callback = TensorBoardCallback(tmp_path, scoring=failing)
    with pytest.warns(RuntimeWarning, match="TensorBoardCallback stops recording this fit.*OSError: no space left"):
        gnn.set_callbacks(callback).fit(X)
    assert gnn.n_iter_ == 2
    assert read_run(callback.run_dir_)["score"] == [(1, 0.5)]


def test_an_estimator_that_cannot_be_saved_is_a_warning(callback, X):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=2, refit=False, scoring=lambda *_: 0.5)
    with pytest.warns(RuntimeWarning, match="stops recording this fit.*lambda"):
        search.set_callbacks(callback).fit(X)
    assert search.best_index_ == 0
