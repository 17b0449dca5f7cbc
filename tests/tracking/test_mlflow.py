"""Runs of MLflow in a store of SQLite."""

import sys
import warnings
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from skgnnrec import RidgeRecommender, load
from skgnnrec.tracking import MLflowCallback

# MLflow uses what the packages below it have deprecated.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}Warning") for kind in ("Deprecation", "Future")]


@pytest.fixture(scope="module")
def mlflow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import
        return pytest.importorskip("mlflow", reason="mlflow is not installed")


@pytest.fixture(scope="module")
def store(tmp_path_factory, mlflow):
    """Return the address of a store; to create one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def client(mlflow, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # of the artifacts
    return mlflow.MlflowClient(store)


def history(client, run, name):
    return [(point.step, point.value) for point in client.get_metric_history(run, name)]


def runs_inside(client, run):
    experiment_id = client.get_run(run).info.experiment_id
    inner = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run}'")
    return {found.info.run_name: found for found in inner}


def test_a_training_is_a_run(client, store, gnn, X, tmp_path):
    callback = MLflowCallback("trainings", store)
    gnn.set_callbacks(callback).fit(X)
    run = client.get_run(callback.run_id_)
    assert run.info.experiment_id == client.get_experiment_by_name("trainings").experiment_id
    assert run.info.run_name.startswith("GNNRecommender-")
    assert run.info.status == "FINISHED"
    assert (run.data.params["embedding_dim"], run.data.params["loss"]) == ("4", gnn.loss)
    assert history(client, callback.run_id_, "loss") == list(enumerate(gnn.loss_curve_, start=1))
    assert run.data.metrics["n_iter"] == 2
    path = client.download_artifacts(callback.run_id_, "model.skgnnrec", str(tmp_path))
    assert_array_equal(load(path).predict(X), gnn.predict(X))


def test_a_search_contains_a_run_for_each_candidate(client, store, X):
    callback = MLflowCallback("searches", store, save_fitted=False)
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0, 50.0]}, cv=2).set_callbacks(callback).fit(X)
    run, inner = client.get_run(callback.run_id_), runs_inside(client, callback.run_id_)
    assert run.data.params["best__alpha"] == str(search.best_params_["alpha"])
    assert run.data.metrics["best_score"] == search.best_score_
    assert client.list_artifacts(callback.run_id_) == []
    assert sorted(inner) == ["candidate-0", "candidate-1"]
    for place, found in enumerate(inner[name] for name in sorted(inner)):
        assert found.data.params == {"alpha": str(search.cv_results_["params"][place]["alpha"])}
        assert found.data.metrics["mean_test_score"] == search.cv_results_["mean_test_score"][place]
        assert found.info.status == "FINISHED"


def test_a_fit_that_fails_is_a_failed_run(client, store, gnn, X):
    callback = MLflowCallback(tracking_uri=store)
    search = GridSearchCV(gnn, {"learning_rate_init": [1e30]}, cv=2, error_score="raise").set_callbacks(callback)
    with pytest.raises(ArithmeticError, match="training has diverged"):
        search.fit(X)
    found = [client.get_run(callback.run_id_), *runs_inside(client, callback.run_id_).values()]
    assert {run.info.status for run in found} == {"FAILED"}


def test_the_active_run_is_used_and_stays_open(mlflow, client, store, X, monkeypatch):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        mlflow.set_experiment("own")
        callback = MLflowCallback(save_fitted=False)
        with mlflow.start_run() as run:
            RidgeRecommender(alpha=3.0).set_callbacks(callback).fit(X)
            assert client.get_run(run.info.run_id).info.status == "RUNNING"
            mlflow.log_metric("test", 0.5)
        assert callback.run_id_ == run.info.run_id
        assert client.get_run(run.info.run_id).data.params["alpha"] == "3.0"
        RidgeRecommender().set_callbacks(callback).fit(X)  # has a run of its own in the same experiment
        assert client.get_run(callback.run_id_).info.experiment_id == run.info.experiment_id
        assert callback.run_id_ != run.info.run_id
    finally:
        mlflow.set_tracking_uri(before)
        monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)


def test_a_store_that_cannot_be_reached_is_an_error_before_the_fit(mlflow, X, tmp_path):
    recommender = RidgeRecommender().set_callbacks(MLflowCallback(tracking_uri=f"unknown://{Path(tmp_path)}"))
    with pytest.raises(Exception, match="unknown"):
        recommender.fit(X)
    assert not hasattr(recommender, "n_features_in_")


def test_without_mlflow_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r'MLflowCallback needs .*pip install "skgnnrec\[mlflow\]"'):
        MLflowCallback()
