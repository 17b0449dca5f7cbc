"""Searches and curves of scikit-learn over recommenders: formats, backends, protocols and caches."""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes the next import work
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    ParameterGrid,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)

from skgnnrec import GraphFilterRecommender, LogRecommender, RidgeRecommender
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection import RollingWindows, SameUsers, split_interactions

GRID = {"sharpness": [0.5, 1.0], "low_pass_weight": [0.0, 0.3]}
SEARCHES = {
    "grid": lambda model, grid, **options: GridSearchCV(model, grid, **options),
    "random": lambda model, grid, **options: RandomizedSearchCV(model, grid, n_iter=4, random_state=0, **options),
    "halving": lambda model, grid, **options: HalvingGridSearchCV(
        model, grid, min_resources=60, random_state=0, **options
    ),
    "halving, random": lambda model, grid, **options: HalvingRandomSearchCV(
        model, grid, n_candidates=4, min_resources=60, random_state=0, **options
    ),
}
FORMATS = {
    **{name: lambda X, name=name: X.asformat(name) for name in ("csr", "csc", "coo", "lil", "dok", "bsr")},
    "matrix": sparse.csr_matrix,
    "dense": lambda X: X.toarray(),
    "frame": lambda X: pd.DataFrame(X.toarray()),
}


@pytest.fixture
def pair(X):
    return split_interactions(X, random_state=0)


@pytest.fixture
def model():
    return GraphFilterRecommender(n_components=8)


@pytest.fixture
def expected(model, pair):
    """Return the score of each candidate, fitted alone."""
    return [clone(model).set_params(**candidate).fit(pair[0]).score(*pair) for candidate in ParameterGrid(GRID)]


# Formats, searches, backends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_interactions_and_future_in_every_format(model, pair, expected, name):
    search = GridSearchCV(model, GRID, cv=SameUsers(), error_score="raise").fit(*map(FORMATS[name], pair))
    assert search.cv_results_["mean_test_score"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("protocol", ["users", "interactions"])
def test_every_search(model, X, pair, kind, protocol):
    search = SEARCHES[kind](model, GRID, cv=3 if protocol == "users" else SameUsers(), error_score="raise")
    search.fit(*([X] if protocol == "users" else pair))
    assert 0 < search.best_score_ <= 1
    assert search.predict(X).shape == (120, 10)
    if kind in ("grid", "random"):
        assert len(search.cv_results_["params"]) == 4


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_backends_and_read_only_memory_maps(model, pair, expected, backend):
    before = [array.tobytes() for X in pair for array in (X.data, X.indices, X.indptr)]
    memory = (
        {"max_nbytes": 1, "mmap_mode": "r"} if backend == "loky" else {}
    )  # workers receive every array as a memory map
    with joblib.parallel_config(backend=backend, **memory):
        search = GridSearchCV(model, GRID, cv=SameUsers(), n_jobs=2, error_score="raise").fit(*pair)
    assert search.cv_results_["mean_test_score"] == pytest.approx(expected, rel=1e-6)
    assert [array.tobytes() for X in pair for array in (X.data, X.indices, X.indptr)] == before


@pytest.mark.parametrize("kind", SEARCHES)
def test_progress_of_every_search(model, X, kind, capsys):
    SEARCHES[kind](model, {"sharpness": [0.5, 1.0, 0.7, 0.9]}, cv=2).set_callbacks(ProgressBar()).fit(X)
    assert "GraphFilterRecommender" in capsys.readouterr().out


def test_curves_and_cross_validation(model, X, pair):
    folds = cross_validate(
        model,
        X,
        cv=3,
        scoring=JointScorer([RankingScorer("ndcg", k=5), RankingScorer("recall", k=5)]),
        return_train_score=True,
    )
    assert {"test_ndcg@5", "train_recall@5"} <= set(folds)
    sizes, _, found = learning_curve(model, X, None, cv=3, train_sizes=[0.3, 1.0], scoring=RankingScorer("ndcg", k=10))
    assert_array_equal(sizes, [24, 80])
    assert found[1].mean() > found[0].mean()
    future = pair[1].toarray()
    train, test = validation_curve(
        model, pair[0], future, param_name="sharpness", param_range=[0.5, 1.0], cv=SameUsers()
    )
    assert_array_equal(train, test)
    past_first = permutation_test_score(model, pair[0], future, cv=SameUsers(), n_permutations=5, random_state=0)
    assert past_first[0] > past_first[1].max()  # the future of other users is found less often


def test_one_held_out_item_per_user(model, X):
    times = np.random.default_rng(0).random(X.shape)
    past, future = split_interactions(X, hold_out="last", test_size=1, timestamps=times)
    last = np.where(np.diff(future.indptr) > 0, future.toarray().argmax(axis=1), -1)
    scores = cross_validate(
        model,
        past,
        last,
        cv=SameUsers(),
        scoring=JointScorer([RankingScorer("ndcg", k=10), RankingScorer("recall", k=5)]),
    )
    fitted = clone(model).fit(past)
    assert scores["test_ndcg@10"] == [RankingScorer("ndcg", k=10)(fitted, past, future)]
    assert scores["test_recall@5"] == [RankingScorer("recall", k=5)(fitted, past, future)]


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*held-out interactions are earlier:skgnnrec.exceptions.LeakageWarning")
def test_nested_parameters_of_a_log(tastes, catalog, encoder):
    log = tastes.events.assign(item_id=lambda events: catalog.ids[events["item_id"]])
    inner = GraphFilterRecommender(catalog=catalog, item_encoder=encoder, n_components=8)
    model = LogRecommender(inner, user="user_id", item="item_id", timestamp="timestamp")
    grid = {
        "rank_decay": [0.8, 1.0],
        "recommender__content_weight": [0.1, 0.5],
        "recommender__item_encoder__truncatedsvd__n_components": [2, 8],
    }
    for cv in (RollingWindows("timestamp", n_splits=2), KFold(2, shuffle=True, random_state=0)):
        search = GridSearchCV(model, grid, cv=cv, scoring=RankingScorer("ndcg", k=5), error_score="raise").fit(log)
        assert len(set(search.cv_results_["mean_test_score"])) > 4
        assert search.best_estimator_.get_params()["rank_decay"] == search.best_params_["rank_decay"]


def test_whole_encoders_are_candidates(pair, catalog, encoder):
    wide = clone(encoder).set_params(truncatedsvd__n_components=20)
    model = GraphFilterRecommender(catalog=catalog, item_encoder=encoder)
    search = GridSearchCV(model, {"item_encoder": [encoder, wide]}, cv=SameUsers()).fit(*pair)
    alone = [clone(model).set_params(item_encoder=each).fit(pair[0]).score(*pair) for each in (encoder, wide)]
    assert search.cv_results_["mean_test_score"] == pytest.approx(alone)


# Caches ---------------------------------------------------------------------------------------------------------------


def computed(folder):
    """Return the number of results of each function in a cache, which is the number of its calls."""
    counts = {}
    for result in folder.rglob("output.pkl"):
        name = result.parent.parent.name
        counts[name] = counts.get(name, 0) + 1
    return counts


def test_a_search_with_a_cache_repeats_no_step_of_the_filter(catalog, encoder, pair, tmp_path):
    model = GraphFilterRecommender(catalog=catalog, item_encoder=encoder, n_components=8)
    grid = {"low_pass_weight": np.linspace(0.1, 0.5, 8), "content_weight": np.linspace(0.1, 0.5, 5)}
    plain = GridSearchCV(model, grid, cv=SameUsers()).fit(*pair)
    cached = GridSearchCV(clone(model).set_params(memory=str(tmp_path)), grid, cv=SameUsers()).fit(*pair)
    assert_array_equal(cached.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert computed(tmp_path) == {
        "_fit_encode": 1,
        "_cooccurrence": 1,
        "_spectrum": 1,
        "build": 1,
    }


def test_a_search_with_a_cache_solves_the_ridge_once_per_alpha(catalog, encoder, pair, tmp_path):
    model = RidgeRecommender(catalog=catalog, item_encoder=encoder, memory=str(tmp_path))
    grid = {"alpha": [1.0, 10.0, 100.0], "n_recommendations": [5, 10, 20]}
    GridSearchCV(model, grid, cv=SameUsers(), refit=False).fit(*pair)
    assert computed(tmp_path) == {"_fit_encode": 1, "regress": 3, "popularity_weight": 3}


def test_a_search_with_a_cache_solves_and_decomposes_the_ridge_once(pair, tmp_path):
    grid = {"n_recommendations": [5, 10, 20]}
    GridSearchCV(RidgeRecommender(memory=str(tmp_path)), grid, cv=SameUsers(), refit=False).fit(*pair)
    assert computed(tmp_path) == {"regress": 1, "popularity_weight": 1, "randomized_svd": 1}


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_processes_and_folds_share_a_cache(catalog, encoder, X, backend, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0, mmap_mode="r")
    model = GraphFilterRecommender(catalog=catalog, item_encoder=encoder, n_components=8, memory=memory)
    grid = {"content_weight": [0.1, 0.2, 0.4]}
    with joblib.parallel_config(backend=backend):
        cached = GridSearchCV(model, grid, cv=3, n_jobs=2, error_score="raise").fit(X)
    plain = GridSearchCV(clone(model).set_params(memory=None), grid, cv=3).fit(X)
    assert cached.cv_results_["mean_test_score"] == pytest.approx(plain.cv_results_["mean_test_score"])
    # Texts once, the interactions once for each fold and for the fit on all of them.
    assert computed(tmp_path)["_fit_encode"] == computed(tmp_path)["build"] == 1
    assert computed(tmp_path)["_spectrum"] == 4
