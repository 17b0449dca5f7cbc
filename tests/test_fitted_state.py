"""The state of fitted estimators: parameters and arrays, replaced only by a fit that succeeds, saved and loaded."""

import datetime

import numpy as np
import pandas as pd
import pytest
from fitted_state import WAYS, count_steps, foreign_values, interrupt, same, through_file
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer
from threadpoolctl import threadpool_info

from skgnnrec import (
    ContentRecommender,
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
)

N_INTERRUPTIONS = 20  # of a fit, at calls that are spread over all of it
SMALL_GNN = {"embedding_dim": 8, "max_iter": 2, "device": "cpu"}
MATRIX_RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "content": ContentRecommender(),
    "ridge": RidgeRecommender(),
    "filter": GraphFilterRecommender(n_components=8),
    "gnn": GNNRecommender(**SMALL_GNN),
    "gnn with attention": GNNRecommender(conv="attention", loss="bpr", **SMALL_GNN),
    "sequence": SequenceRecommender("gru", **SMALL_GNN),
}
ALL = [*MATRIX_RECOMMENDERS, "log", "ratings"]


class Case:
    """An estimator, two sets of data for its fit and its answers."""

    def __init__(self, estimator, first, second, answers):
        self.estimator, self.first, self.second, self.answers = estimator, first, second, answers

    def fit(self, data):
        return self.estimator.fit(*data)

    def unfitted(self):
        return Case(clone(self.estimator), self.first, self.second, self.answers)


@pytest.fixture
def case(request, furnish, X, names, tastes):
    """Return the case of a name."""
    name, half = request.param, sparse.csr_array(X[:60])
    if name in MATRIX_RECOMMENDERS:
        new = ItemCatalog(["a blue mug", "a garden hose"], ids=["new mug", "new hose"])

        def answers(rec):
            found = (rec.recommend(X, 5), rec.decision_function(X), rec.transform(X), rec.score(X))
            return (*found, rec.similar_items([names[3]], 4), rec.recommend(X, 2, candidates=new), rec.item_ids_)

        return Case(furnish(MATRIX_RECOMMENDERS[name]), (X,), (half,), answers)
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items], "time": np.arange(len(users))})
    if name == "log":
        rec = LogRecommender(furnish(RidgeRecommender()), timestamp="time", half_life=1000, user="user", item="item")
        return Case(rec, (log,), (log[:300],), lambda rec: (rec.recommend([3, 5, 9999]), rec.predict(log)))
    ratings = GNNRatingRegressor(embedding_dim=4, max_iter=2, user="user", item="item", device="cpu")
    stars = 1.0 + (users * items) % 5
    return Case(
        furnish(ratings), (log, stars), (log[:300], stars[:300]), lambda model: (model.predict(log), model.item_ids_)
    )


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_a_fitted_estimator_holds_parameters_and_arrays(case):
    case.fit(case.first)
    assert foreign_values(case.estimator) == []


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_an_interrupted_fit_leaves_the_state_of_the_last_one(case):
    case.fit(case.first)
    before, state = case.answers(case.estimator), dict(vars(case.estimator))
    n_threads = [library["num_threads"] for library in threadpool_info()]
    n_steps = count_steps(lambda: case.unfitted().fit(case.second))
    assert n_steps > 5
    for at in np.unique(np.linspace(1, n_steps - 1, N_INTERRUPTIONS).astype(int)):
        if interrupt(lambda: case.fit(case.second), at):
            assert all(vars(case.estimator)[name] is value for name, value in state.items() if name.endswith("_"))
            assert vars(case.estimator).keys() == state.keys()
        else:  # the number of calls varies a little with caches: this fit was complete
            case.fit(case.first)
            state = dict(vars(case.estimator))
    assert same(case.answers(case.estimator), before)
    assert [library["num_threads"] for library in threadpool_info()] == n_threads


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_an_interrupted_first_fit_leaves_an_unfitted_estimator(case):
    n_steps = count_steps(lambda: case.unfitted().fit(case.first))
    for at in np.unique(np.linspace(1, n_steps // 2, 8).astype(int)):
        assert interrupt(lambda: case.fit(case.first), at)
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            case.answers(case.estimator)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ALL, indirect=True)
def test_a_loaded_estimator_gives_the_same_answers(case, way):
    case.fit(case.first)
    assert same(case.answers(WAYS[way](case.estimator)), case.answers(case.estimator))


@pytest.mark.parametrize("case", ALL, indirect=True)
def test_a_loaded_estimator_can_be_fitted_and_saved_again(case):
    fresh = through_file(case.estimator)
    assert str(fresh.get_params()) == str(case.estimator.get_params())
    again = through_file(through_file(case.fit(case.first)))
    assert same(case.answers(again.fit(*case.second)), case.answers(case.fit(case.second)))


IDS = {
    "strings": [f"é{j}" for j in range(40)],
    "integers": [2**62 + j for j in range(40)],
    "unsigned": np.arange(40, dtype=np.uint64) + np.uint64(2**63),
    "bytes": [b"a%d" % j for j in range(40)],
    "tuples": [("shop", j) for j in range(40)],
    "dates": [datetime.date(2024, 1, 1) + datetime.timedelta(days=j) for j in range(40)],
    "datetimes": np.datetime64("2024-01-01", "ns") + np.arange(40),
    "mixed": [1, "1", 2.5, *(("x", j) for j in range(37))],
}


@pytest.mark.parametrize("kind", IDS)
def test_files_keep_the_type_of_ids(kind, titles, X, encoder):
    catalog = ItemCatalog(list(titles), ids=IDS[kind])
    rec = RidgeRecommender(catalog=catalog, item_encoder=encoder).fit(X)
    loaded = through_file(rec)
    assert [type(value) for value in loaded.item_ids_] == [type(value) for value in rec.item_ids_]
    assert loaded.item_ids_.tolist() == rec.item_ids_.tolist()
    assert loaded.predict(X).tolist() == rec.predict(X).tolist()
    assert loaded.catalog == rec.catalog


def test_files_of_pipelines_and_searches(furnish, X):
    search = GridSearchCV(
        make_pipeline(Binarizer(), furnish(GraphFilterRecommender())), {"graphfilterrecommender__sharpness": [0.7, 1]}
    ).fit(X)
    loaded = through_file(search)
    assert same(loaded.predict(X), search.predict(X))
    assert loaded.best_params_ == search.best_params_
