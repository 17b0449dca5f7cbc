"""What every recommender promises about order, threads, processes, caches, hostile and degenerate data."""

import hashlib
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from catalogs import with_catalog
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skgnnrec import ItemCatalog
from skgnnrec.datasets import make_interactions
from skgnnrec.exceptions import EmptyHistoryWarning


@pytest.fixture(scope="module")
def many():
    """Return interactions of 1000 users with 500 items; many titles and many histories are nearly the same."""
    return make_interactions(1000, 500, random_state=0)


@pytest.fixture(scope="module")
def many_rec(prototype, furnish, many):
    """Return each recommender, fitted to the thousand with the titles of the items."""
    return furnish(prototype, catalog=ItemCatalog(many["items"]["text"])).fit(many.interactions)


# Order, company and threads -------------------------------------------------------------------------------------------


def test_a_user_gets_the_same_alone_and_in_any_company(many_rec, many):
    X = sparse.csr_array(many.interactions)
    items, scores = many_rec.recommend(X, 100)
    order = np.random.default_rng(0).permutation(1000)
    for some in (order, order[:333], np.flatnonzero(order % 7 == 0)):
        found, same_scores = many_rec.recommend(X[some], 100)
        assert_array_equal(found, items[some])
        assert_array_equal(same_scores, scores[some])
    for user in range(1000):
        found, same_scores = many_rec.recommend(X[[user]], 100)
        assert_array_equal(found[0], items[user])
        assert_array_equal(same_scores[0], scores[user])


def test_the_number_of_threads_does_not_change_the_lists(many_rec, many):
    lists = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            lists.append(many_rec.recommend(many.interactions, 100)[0])
    assert_array_equal(*lists)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_fits_are_reproducible_to_the_bit(prototype, furnish, tastes, n_threads):
    X, items = tastes.interactions, ItemCatalog(tastes["items"]["text"])
    hashes = set()
    with threadpool_limits(n_threads):
        for _ in range(5):
            rec = furnish(prototype, catalog=items).fit(X)
            positions, scores = rec.recommend(X, 20)
            hashes.add(hashlib.sha256(positions.tobytes() + scores.tobytes() + rec.transform(X).tobytes()).hexdigest())
    assert len(hashes) == 1


# Processes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canonical", [True, False], ids=["canonical", "untidy"])
def test_fits_in_other_processes_are_the_same(recommender, canonical):
    rng = np.random.default_rng(0)
    X = sparse.random_array((300, 40), density=0.3, rng=rng, format="csr")
    if not canonical:
        X = sparse.csr_array((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)
    before = [array.tobytes() for array in (X.data, X.indices, X.indptr)]
    histories = X[:50]
    expected = clone(recommender).fit(X).decision_function(histories)
    for n_jobs in (1, 2):
        # Larger arrays than max_nbytes are handed over as read-only memory maps.
        for rec in Parallel(n_jobs=n_jobs, max_nbytes=1000)(delayed(clone(recommender).fit)(X) for _ in range(2)):
            assert_allclose(rec.decision_function(histories), expected, rtol=1e-4, atol=1e-4)
    assert [array.tobytes() for array in (X.data, X.indices, X.indptr)] == before


def test_read_only_memory_maps_are_enough(recommender, tmp_path, tastes):
    expected = clone(recommender).fit(tastes.interactions).decision_function(tastes.interactions)
    joblib.dump(sparse.csr_array(tastes.interactions), tmp_path / "X.joblib")
    X = joblib.load(tmp_path / "X.joblib", mmap_mode="r")
    assert not X.data.flags.writeable
    assert_array_equal(recommender.fit(X).decision_function(X), expected)
    assert recommender.score(X) > 0


def test_neither_fit_nor_recommend_touches_x(reader, X):
    X = sparse.csr_array((np.repeat(X.data, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)
    before = [array.tobytes() for array in (X.data, X.indices, X.indptr)]
    reader.fit(X)
    for method in (reader.recommend, reader.decision_function, reader.transform, reader.score):
        method(X)
    assert [array.tobytes() for array in (X.data, X.indices, X.indptr)] == before
    assert X.nnz == len(X.data)


def test_results_are_the_callers_own(recommender, X):
    recommender.fit(X)
    for method in (recommender.decision_function, recommender.transform, recommender.predict):
        first = method(X)
        expected = first.copy()
        first[:] = 0
        assert_array_equal(method(X), expected)


# Caches ---------------------------------------------------------------------------------------------------------------


def test_a_cache_changes_nothing(personal, furnish, tmp_path, X):
    expected = furnish(personal).fit(X).decision_function(X)
    for memory in (str(tmp_path), joblib.Memory(tmp_path, verbose=0)):
        cached = furnish(personal)
        places = [
            name for name in cached.get_params() if name.split("__")[-1] == "memory" and "item_encoder" not in name
        ]
        cached.set_params(**dict.fromkeys(places, memory))
        assert_array_equal(cached.fit(X).decision_function(X), expected)


# Hostile and degenerate data ------------------------------------------------------------------------------------------


def test_hostile_matrices_are_refused_by_name():
    script = Path(__file__).with_name("hostile_matrices.py")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"exit {run.returncode} at {lines[-1]}: {run.stderr[-2000:]}"
    assert lines[-1] == {"done": True}
    outcomes = [line for line in lines if "case" in line]
    assert len(outcomes) > 1000
    assert [line for line in outcomes if not line["value"]] == []
    assert [line for line in outcomes if not re.search(line["word"], line["message"])] == []


DEGENERATE = {
    "one cell": np.ones((1, 1)),
    "one empty cell": np.zeros((1, 1)),
    "nobody has anything": np.zeros((4, 5)),
    "everybody has everything": np.ones((4, 5)),
    "one user": np.ones((1, 5)),
    "one item": np.ones((5, 1)),
    "one interaction": np.eye(4, 5, 2) * np.eye(4)[[0]].T,
    "tiny weights": np.full((3, 4), 1e-40),
    "large weights": np.tri(4, 5) * 1e30,
}


@pytest.mark.parametrize("with_items", [False, True], ids=["alone", "with items"])
@pytest.mark.parametrize("X", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_data_has_finite_answers(recommender, X, with_items):
    if with_items:
        items = ItemCatalog(np.random.default_rng(0).standard_normal((X.shape[1], 3)))
        recommender = with_catalog(recommender, items)
    recommender.fit(X)
    assert np.isfinite(recommender.decision_function(X)).all()
    assert np.isfinite(recommender.transform(X)).all()
    items, scores = recommender.recommend(X, 3)
    assert_array_equal(np.isfinite(scores), items >= 0)
    assert_array_equal((items >= 0).sum(axis=1), np.minimum(3, (X == 0).sum(axis=1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptyHistoryWarning)
        if (X > 0).sum(axis=1).max() > 1:
            assert 0 <= recommender.score(X) <= 1
        else:
            with pytest.raises(ValueError, match="nothing to find"):
                recommender.score(X)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_no_users_or_no_items_is_an_error(recommender, shape):
    with pytest.raises(ValueError, match=r"Found array with 0 (sample|feature)\(s\)"):
        recommender.fit(np.zeros(shape))
