"""Users are learned and forgotten after the fit: the result is that of a fit to the users that remain."""

from copy import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    SocialRecommender,
    UserContentRecommender,
)
from skgnnrec.compose import BlendedRecommender

CLOSED_FORMS = {
    "popularity": PopularityRecommender(),
    "content": ContentRecommender(),
    "ridge": RidgeRecommender(),
    "ridge with order": RidgeRecommender(order_weight=0.5, rank_decay=0.8),
    "ridge with values": RidgeRecommender(binary=False, item_exponent=0.1, user_exponent=0.5),
    "filter": GraphFilterRecommender(n_components=8),
    "filter with values": GraphFilterRecommender(n_components=8, binary=False),
    "tuned ridge": RidgeRecommenderCV({"alpha": [10.0, 3.0]}),
    "friends": SocialRecommender(RidgeRecommender(), n_steps=2),
    "profiles": UserContentRecommender(GraphFilterRecommender(n_components=8)),
    "blend": BlendedRecommender([("ridge", RidgeRecommender()), ("popular", PopularityRecommender())]),
}


@pytest.fixture(params=CLOSED_FORMS)
def closed_form(request, furnish):
    rec = CLOSED_FORMS[request.param]
    if hasattr(rec, "recommender"):
        return clone(rec).set_params(recommender=furnish(rec.recommender))
    return furnish(rec)


@pytest.fixture(name="X")
def valued(X):
    """Return the interactions with values in some order."""
    X = X.copy()
    X.data = np.random.default_rng(0).integers(1, 6, X.nnz).astype(np.float32)
    return X


def assert_same_answers(updated, fitted, X):
    expected = fitted.decision_function(X)
    assert_allclose(updated.decision_function(X), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    new = ItemCatalog(["a blue mug", "a garden hose"], ids=["mug", "hose"])
    new_scores = [rec.recommend(X, 2, candidates=new)[1] for rec in (updated, fitted)]
    assert_allclose(*new_scores, rtol=1e-3, atol=1e-4 * np.abs(new_scores[1]).max())


def refitted(rec, X):
    """Return a fit of the settings of a recommender, without another choice of settings."""
    best = getattr(rec, "best_params_", None)
    if best is None:
        return clone(rec).fit(X)
    return RidgeRecommender(catalog=rec.catalog, item_encoder=rec.item_encoder, **best).fit(X)


def test_updates_are_refits(closed_form, X):
    rec = closed_form.fit(X[:60])
    rec.partial_fit(X[60:100])
    assert_same_answers(rec, refitted(rec, X[:100]), X)
    rec.forget(X[10:30])
    remaining = sparse.vstack([X[:10], X[30:100]], format="csr")
    assert_same_answers(rec, refitted(rec, remaining), X)
    rec.partial_fit(X[10:30]).forget(X[99:100]).partial_fit(X[100:])
    order = np.r_[0:99, 100:120]
    assert_same_answers(rec, refitted(rec, X[order]), X)


def test_users_come_and_go_in_any_order(X):
    rng = np.random.default_rng(1)
    # With an exponent of the items, all updates solve again.
    rec, known = RidgeRecommender(item_exponent=0.1).fit(X[:100]), list(range(100))
    for _ in range(30):
        if rng.random() < 0.5:
            row = int(rng.integers(120))
            rec.partial_fit(X[[row]])
            known.append(row)
        else:
            rec.forget(X[[known.pop(int(rng.integers(len(known))))]])
    assert_allclose(rec.decision_function(X), clone(rec).fit(X[known]).decision_function(X), atol=2e-4)


def test_few_rows_are_learned_without_a_new_inverse(furnish, tastes, count_calls):
    X = sparse.vstack([tastes.interactions] * 5, format="csr")
    rec = furnish(RidgeRecommender()).fit(X).partial_fit(X[:1])
    inverses = count_calls("skgnnrec.recommenders._regression.solve")
    rec.partial_fit(X[1:3]).forget(X[5:6])
    assert len(inverses) == 0
    again = clone(rec).fit(sparse.vstack([X, X[:5], X[6:7]], format="csr"))
    assert (rec.recommend(X, 3)[0] == again.recommend(X, 3)[0]).mean() > 0.97  # up to the ridge of the last solution
    rec.partial_fit(X[:100])
    assert len(inverses) >= 2  # the fit of `again`, and that of many rows


def test_updates_with_the_ridge_of_the_last_solution_are_exact(tastes):
    X = sparse.csr_array(sparse.vstack([tastes.interactions] * 5, format="csr"), dtype=np.float32)
    rec = RidgeRecommender(0.8, user_exponent=0.5).fit(X).partial_fit(X[:1]).partial_fit(X[1:4]).forget(X[5:6])

    def gram(X):
        return (X.T @ sparse.diags_array(np.diff(X.indptr).clip(1) ** -0.5) @ X).toarray().astype(np.float64)

    solved = gram(sparse.vstack([X, X[:1]], format="csr"))
    remaining = gram(sparse.vstack([X, X[:4]], format="csr")) - gram(X[5:6])
    P = np.linalg.inv(remaining + 0.8 * np.diag(solved).mean() * np.eye(X.shape[1]))
    expected = P / -np.diag(P)
    np.fill_diagonal(expected, 0)
    assert_allclose(rec.weights_, expected, atol=1e-5)


def test_partial_fit_fits_at_first(closed_form, X):
    assert_array_equal(clone(closed_form).partial_fit(X).predict(X), closed_form.fit(X).predict(X))


def test_the_state_before_an_update_is_left_alone(closed_form, X):
    rec = closed_form.fit(X[:60])
    scorer, expected = rec._scorer_, rec.decision_function(X)
    rec.partial_fit(X[60:]).forget(X[:10])
    assert_array_equal(scorer.scores(X), expected)


def test_updates_of_a_copy_leave_the_inverse_alone(tastes):
    X = sparse.vstack([tastes.interactions] * 5, format="csr")
    rec = RidgeRecommender().fit(X).partial_fit(X[:1])
    other = copy(rec).partial_fit(X[1:3])
    assert_array_equal(rec.partial_fit(X[1:3]).weights_, other.weights_)


def test_unknown_rows_are_named_and_nothing_is_forgotten(closed_form, X):
    rec = closed_form.fit(X[:60])
    expected = rec.decision_function(X)
    for rows, named in ((X[58:62], "rows 2, 3"), (X[[5, 5]], "rows 1")):
        with pytest.raises(ValueError, match=rf"were not learned, or not so often: {named}\. forget takes the rows"):
            rec.forget(rows)
    assert_array_equal(rec.decision_function(X), expected)


def test_values_distinguish_rows_where_they_are_learned(X):
    other = X[:5].copy()
    other.data = other.data + 1
    RidgeRecommender().fit(X).forget(other)
    with pytest.raises(ValueError, match="5 rows that were not learned"):
        RidgeRecommender(binary=False).fit(X).forget(other)


def test_someone_has_to_remain(closed_form, X):
    with pytest.raises(ValueError, match="all 60 users that were learned, and no user would remain"):
        closed_form.fit(X[:60]).forget(X[:60])


def test_columns_are_checked(closed_form, X, names):
    frame = pd.DataFrame(X.toarray(), columns=names)
    rec = closed_form.fit(frame[:60])
    rec.partial_fit(frame[60:]).forget(frame[:3])
    for update in (rec.partial_fit, rec.forget):
        with pytest.raises(ValueError, match=r"feature names should match|columns of X must be the items"):
            update(frame[names[::-1]])


def test_trained_models_do_not_forget():
    assert not hasattr(GNNRecommender(), "forget")
    assert not hasattr(BlendedRecommender([("gnn", GNNRecommender())]), "forget")
    assert not hasattr(SocialRecommender(GNNRecommender()), "forget")
