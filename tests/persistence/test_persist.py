"""What is saved is what is loaded: every recommender, in searches and pipelines, by positions and by ids."""

import json
import zipfile
from importlib.metadata import version

import numpy as np
import pytest
from fitted_state import same
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender, load, save


@pytest.mark.parametrize("with_catalog", [True, False])
def test_every_recommender(prototype, furnish, X, path, with_catalog):
    rec = (furnish(prototype) if with_catalog else clone(prototype)).fit(X)
    save(rec, path)
    loaded = load(path)
    for method in ("recommend", "decision_function", "transform", "score"):
        assert same(getattr(loaded, method)(X), getattr(rec, method)(X))
    assert same(loaded.ranker()([1, 2]), rec.ranker()([1, 2]))
    if with_catalog:
        new = ItemCatalog(["a blue mug", "a garden hose"], ids=["new mug", "new hose"])
        assert same(loaded.recommend(X, 2, candidates=new), rec.recommend(X, 2, candidates=new))


def test_unfitted_recommenders(prototype, furnish, X, path):
    rec = furnish(prototype)
    save(rec, path)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        load(path).predict(X)
    assert same(load(path).fit(X).predict(X), rec.fit(X).predict(X))


def test_searches_and_pipelines(X, path):
    log = np.argwhere(X.toarray())
    for estimator, data in (
        (GridSearchCV(RidgeRecommender(), {"alpha": [1.0, 10.0]}, cv=2), X),
        (make_pipeline(Binarizer(), GraphFilterRecommender()), X),
        (GridSearchCV(LogRecommender(RidgeRecommender()), {"recommender__alpha": [1.0, 10.0]}, cv=2), log),
    ):
        estimator.fit(data)
        save(estimator, path)
        loaded = load(path)
        assert same(loaded.predict(data), estimator.predict(data))
        if hasattr(estimator, "cv_results_"):
            assert same(loaded.cv_results_["mean_test_score"], estimator.cv_results_["mean_test_score"])


def test_a_loaded_recommender_is_saved_again(X, path, tmp_path):
    save(RidgeRecommender().fit(X), path)
    save(load(path), tmp_path / "again")
    assert same(load(tmp_path / "again").predict(X), load(path).predict(X))


def test_the_file_describes_itself(X, path):
    save(RidgeRecommender().fit(sparse.csr_array(X)), path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        about = json.loads(archive.read("skgnnrec.json"))
        weights = [np.load(archive.open(name)) for name in archive.namelist() if name.endswith(".npy")]
    assert about["format"] == 1
    assert about["estimator"] == "skgnnrec.recommenders._ridge.RidgeRecommender"
    assert about["versions"]["skgnnrec"] == version("skgnnrec")
    assert {"python", "numpy", "scipy", "scikit-learn", "skops"} < set(about["versions"])
    assert any(np.array_equal(array, load(path).weights_) for array in weights)


def test_a_type_that_this_version_lacks_is_named(X, path, monkeypatch):
    save(RidgeRecommender().fit(X), path)
    monkeypatch.delattr("skgnnrec.recommenders._ridge.RidgeRecommender")
    with pytest.raises(ValueError, match=r"skgnnrec\.recommenders\._ridge\.RidgeRecommender"):
        load(path)
