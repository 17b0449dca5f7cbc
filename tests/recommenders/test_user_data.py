"""What recommenders with data of users have in common: who the rows are, batteries, searches, logs, files, nesting."""

import numpy as np
import pandas as pd
import pytest
from fitted_state import WAYS, count_steps, foreign_values, interrupt, same
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import (
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    RidgeRecommender,
    SocialRecommender,
    UserContentRecommender,
)
from skgnnrec.compose import BlendedRecommender, CompressedRecommender
from skgnnrec.inspection import explain, reasons
from skgnnrec.model_selection import SameUsers, split_interactions
from skgnnrec.reranking import DiverseRecommender

KINDS = [SocialRecommender, UserContentRecommender]
N_USERS = 120


def user_ids(rows):
    return np.array([f"user {row}" for row in rows], dtype=object)


@pytest.fixture(scope="module")
def graph(tastes):
    """Return a matrix of friends, most of whom share their favourite topic, not symmetric."""
    favourite, rng = tastes.user_topics.argmax(axis=1), np.random.default_rng(0)
    share = np.where(favourite[:, None] == favourite, 0.2, 0.01)
    return sparse.csr_array((rng.random(share.shape) < share).astype(np.float32))


@pytest.fixture(scope="module")
def profiles(tastes):
    """Return profiles by position."""
    return ItemCatalog(tastes.user_topics)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def make(kind, graph, profiles):
    """Return a function that puts a recommender into one with data of users, by position."""
    return lambda recommender: kind(recommender, graph if kind is SocialRecommender else profiles)


@pytest.fixture
def make_named(kind, graph, tastes):
    """Return a function that puts a recommender into one with data of users, by id; one user is in no log."""
    users, friends = graph.nonzero()
    pairs = np.column_stack([user_ids(users), user_ids(friends)])
    pairs = np.append(pairs, np.array([["dan", "user 3"]], dtype=object), axis=0)
    table = pd.DataFrame(tastes.user_topics, columns=list("abcd"))
    table = pd.concat([table, table.iloc[[3]]]).assign(user=[*user_ids(range(N_USERS)), "dan"])
    data = pairs if kind is SocialRecommender else ItemCatalog(table, ids="user")
    return lambda recommender: kind(recommender, data)


@pytest.fixture
def log(X):
    users, items = X.nonzero()
    return pd.DataFrame({"user": user_ids(users), "item": items})


# scikit-learn ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
def test_the_battery_of_scikit_learn(kind):
    results = estimator_checks.check_estimator(kind(RidgeRecommender(), n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(kind, name):
    assert getattr(estimator_checks, name)(kind.__name__, kind(RidgeRecommender(), n_recommendations=1)) is None


def test_a_search_splits_users_and_leaves_their_data_whole(make, X):
    rec = make(RidgeRecommender())
    with config_context(enable_metadata_routing=True):
        rec.set_fit_request(users=True).set_score_request(users=True)
        grid = {"recommender__alpha": [1.0, 10.0]}
        search = GridSearchCV(rec, grid, cv=4, error_score="raise").fit(X, users=np.arange(N_USERS))
        first = np.arange(30, N_USERS)
        expected = clone(search.best_estimator_).fit(X[first], users=first).score(X[:30], users=np.arange(30))
    assert search.cv_results_["split0_test_score"][search.best_index_] == pytest.approx(expected)


def test_a_search_with_the_same_users_needs_no_ids(make, X):
    past, future = split_interactions(X, random_state=0)
    search = GridSearchCV(make(RidgeRecommender()), {}, cv=SameUsers(), error_score="raise").fit(past, future)
    rows = np.arange(N_USERS)
    assert search.best_score_ == pytest.approx(search.best_estimator_.score(past, future, users=rows))
    assert search.best_score_ > RidgeRecommender().fit(past).score(past, future)


# Users ----------------------------------------------------------------------------------------------------------------


def test_without_data_the_lists_are_those_of_the_recommender(X):
    expected = RidgeRecommender().fit(X).recommend(X, 9)
    for kind in KINDS:
        found = kind(RidgeRecommender()).fit(X).recommend(X, 9)
        assert_array_equal(found[0], expected[0])
        assert_array_equal(found[1], expected[1])


def test_a_user_gets_the_same_alone_and_in_any_company(make, X):
    rec = make(GraphFilterRecommender(n_components=8)).fit(X)
    items, scores = rec.recommend(X, 30, users=np.arange(N_USERS))
    order = np.random.default_rng(0).permutation(N_USERS)
    found, equal = rec.recommend(X[order], 30, users=order)
    assert_array_equal(found, items[order])
    assert_array_equal(equal, scores[order])
    for user in range(0, N_USERS, 17):
        assert_array_equal(rec.recommend(X[[user]], 30, users=[user])[1][0], scores[user])


def test_all_methods_read_the_users(make, X):
    rec, users = make(RidgeRecommender()).fit(X), np.arange(40)
    scores = rec.decision_function(X[:40], users=users)
    best = np.where(X[:40].toarray() > 0, -np.inf, scores).argmax(axis=1)
    assert_array_equal(best, rec.predict(X[:40], users=users)[:, 0])
    with pytest.warns(UserWarning, match="users is not given"):
        plain = rec.decision_function(X[:40])
    assert (scores != plain).any(axis=1).mean() > 0.5
    assert rec.transform(X[:40], users=users).shape == (40, rec.item_embedding_.shape[1])
    ranking = rec.rank_held_out(X[:40], X[1:41], 5, users=users)
    assert_array_equal(ranking.recommended[:, 0], rec.predict(X[:40], users=users)[:, 0])


def test_users_are_required_where_rows_are_not_those_of_the_fit(make, X):
    rec = make(RidgeRecommender())
    with pytest.raises(ValueError, match=r"has 120 users, X 60 rows: pass users=, the users of the rows of X\."):
        clone(rec).fit(X[:60])
    rec.fit(X[:60], users=np.arange(60))
    with pytest.raises(ValueError, match="users is required to score 60 rows"):
        rec.score(X[60:])
    with pytest.raises(ValueError, match="users must have an entry for each of the 60 rows of X; got a list of 3"):
        rec.score(X[60:], users=[1, 2, 3])


def test_new_items_are_candidates(make, X, catalog, encoder):
    rec = make(RidgeRecommender(catalog=catalog, item_encoder=encoder)).fit(X)
    new = ItemCatalog(["a blue mug", "a garden hose"], ids=["new mug", "new hose"])
    users = np.arange(N_USERS)
    mixed = rec.recommend(X, 42, users=users, candidates=ItemCatalog([*catalog.data, *new.data]), exclude_seen=False)
    alone = rec.recommend(X, 2, users=users, candidates=new)
    assert set(alone[0].ravel()) == {"new mug", "new hose"}
    assert np.isfinite(mixed[1]).all()
    query = rec.recommend(X, 3, users=users, query="a blue mug", query_weight=1.0)[0]
    assert len({tuple(row) for row in query[:, :1]}) < 10  # of a search, hardly those of the users


# Logs -----------------------------------------------------------------------------------------------------------------


def test_a_log_passes_the_ids_of_its_users_on(make_named, make, log, X):
    rec = LogRecommender(make_named(RidgeRecommender())).fit(log)
    items, scores = rec.recommend(user_ids(range(20)), 5)
    found, expected = make(RidgeRecommender()).fit(X).recommend(X[:20], 5, users=np.arange(20))
    assert_array_equal(items, found)
    assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    pair = pd.DataFrame({"user": user_ids([4]), "item": items[[4], 0]})
    assert_allclose(rec.predict(pair), scores[4, :1], rtol=1e-5)


def test_users_outside_the_log_have_data(make_named, log):
    rec = LogRecommender(make_named(RidgeRecommender())).fit(log)
    dan, popular = rec.recommend(["dan", "nobody"], 5)[0]
    assert list(dan) != list(popular)
    assert_array_equal(rec.recommend(histories={"dan": []}, n_recommendations=5)[0][0], dan)


def test_updates_of_a_log_are_fits_to_the_rest(make_named, log):
    rec = LogRecommender(make_named(RidgeRecommender(item_exponent=0.1)))  # which solves again in each update
    updated = clone(rec).fit(log[:300]).partial_fit(log[300:])
    assert_allclose(updated.recommend()[1], rec.fit(log).recommend()[1], rtol=1e-4, atol=1e-5)
    left = user_ids([3, 30])
    updated.forget(users=left)
    rec.fit(log[~log["user"].isin(left)])
    assert_allclose(updated.recommend()[1], rec.recommend()[1], rtol=1e-4, atol=1e-5)
    gnn = GNNRecommender(embedding_dim=4, max_iter=1, early_stopping=False, device="cpu")
    trained = LogRecommender(make_named(gnn)).fit(log[60:]).partial_fit(log[:60])
    assert trained.recommender_.recommender_.n_iter_ == 2
    with pytest.raises(ValueError, match="is trained and cannot forget"):
        trained.forget(users=left)


# Updates --------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["friends", "profiles", "both"])
def balanced(request, graph, tastes):
    """Return a recommender with data of users; the mean of the profiles of users 2k and 2k + 1 is zero for each k."""
    profiles = ItemCatalog(np.repeat(tastes.user_topics[::2], 2, axis=0) * np.tile([1.0, -1.0], 60)[:, None])
    ridge = RidgeRecommender(item_exponent=0.1)  # which solves again in each update
    by_profile = UserContentRecommender(ridge, profiles, profile_alpha=1.0)
    inner = ridge if request.param == "friends" else by_profile
    return by_profile if request.param == "profiles" else SocialRecommender(inner, graph, n_steps=2)


def assert_same_scores(found, expected, X, users):
    scores = expected.decision_function(X, users=users)
    assert_allclose(found.decision_function(X, users=users), scores, rtol=1e-3, atol=1e-4 * np.abs(scores).max())


def test_updates_are_fits_to_the_users_that_remain(balanced, X):
    users = np.arange(N_USERS)
    rec = clone(balanced).fit(X[:80], users=users[:80]).partial_fit(X[80:], users=users[80:])
    assert_same_scores(rec, clone(balanced).fit(X, users=users), X, users)
    rec.forget(X[10:30], users=users[10:30])
    rest = np.r_[:10, 30:N_USERS]
    assert_same_scores(rec, clone(balanced).fit(X[rest], users=rest), X, users)


def test_profiles_in_the_place_of_ids_are_learned_and_forgotten(X, tastes):
    data = np.repeat(tastes.user_topics[::2], 2, axis=0) * np.tile([1.0, -1.0], 60)[:, None]
    X = X.tolil()
    X[:4] = X[4]  # equal histories of users with different profiles
    X = sparse.csr_array(X)
    rec = UserContentRecommender(RidgeRecommender(item_exponent=0.1), profile_alpha=1.0)
    updated = clone(rec).fit(X[:80], users=data[:80]).partial_fit(X[80:], users=data[80:])
    updated.forget(X[2:4], users=data[2:4])
    rest = np.r_[:2, 4:N_USERS]
    assert_same_scores(updated, rec.fit(X[rest], users=data[rest]), X, data)
    with pytest.raises(ValueError, match=r"X has 1 rows that were not learned with these users: rows 0\."):
        updated.forget(X[:1], users=data[2:3])
    assert_same_scores(updated, rec, X, data)


def test_updates_name_the_users(graph, X):
    rec = SocialRecommender(RidgeRecommender(), graph).fit(X[:60], users=np.arange(60))
    before = rec.decision_function(X, users=np.arange(N_USERS))
    for change, rows, users, match in (
        (
            rec.partial_fit,
            [70, 71],
            None,
            "users is required in partial_fit, the ids of the users of the rows of X; got N",
        ),
        (rec.partial_fit, [70, 71], [70, 5], r"users holds 1 users that were learned before: 5\. forget them first"),
        (rec.forget, [1, 2], None, "users is required in forget"),
        (rec.forget, [1, 2, 3], [1, 2, 50], r"1 rows that were not learned with these users: rows 2\."),
    ):
        with pytest.raises(ValueError, match=match):
            change(X[rows], users=users)
    assert_array_equal(rec.decision_function(X, users=np.arange(N_USERS)), before)


# State and explanations -----------------------------------------------------------------------------------------------


def answers(rec, X):
    users = np.arange(N_USERS)
    return rec.recommend(X, 5, users=users), rec.transform(X, users=users), rec.score(X, users=users)


def test_an_interrupted_fit_leaves_the_state_of_the_last_one(make, X):
    rec = make(RidgeRecommender()).fit(X)
    before = answers(rec, X)
    assert foreign_values(rec) == []
    n_steps = count_steps(lambda: clone(rec).fit(X[::-1]))
    for at in np.unique(np.linspace(1, 0.9 * n_steps, 6).astype(int)):
        assert interrupt(lambda: rec.fit(X[::-1]), at)
    assert same(answers(rec, X), before)
    new = clone(rec)
    assert interrupt(lambda: new.fit(X), n_steps // 2)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        new.predict(X)


@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_recommender_gives_the_same_answers(make, X, way):
    rec = make(RidgeRecommender()).fit(X)
    assert same(answers(WAYS[way](rec), X), answers(rec, X))


@pytest.mark.parametrize("inner", [RidgeRecommender(), GraphFilterRecommender(n_components=8)])
def test_explanations_add_up(make_named, log, inner):
    rec = LogRecommender(make_named(inner)).fit(log)
    users = np.array([*user_ids([3, 5]), "dan"], dtype=object)
    items, scores = rec.recommend(users, 4)
    found = explain(rec, users, items)
    totals = found.groupby(["user", "item"], sort=False)["contribution"].sum()
    assert_allclose(totals.to_numpy(), scores.ravel(), rtol=1e-5, atol=1e-5)
    kind = "friends" if isinstance(rec.recommender, SocialRecommender) else "profile"
    assert kind in set(found["kind"][found["user"] == "dan"])
    assert any(kind[:6] in sentence for sentence in reasons(found))


def test_lists_in_another_order_remain_so(make, X):
    diverse, users = DiverseRecommender(RidgeRecommender(), diversity=0.8), np.arange(N_USERS)
    rec = make(diverse).set_params(**{"friend_weight": 1e-6} if make(diverse)._kind_of_data == "friends" else {})
    assert_array_equal(rec.fit(X).recommend(X, 5, users=users)[0], diverse.fit(X).recommend(X, 5)[0])
    nobody = rec.recommend(sparse.csr_array((2, 40)), 5, users=[3, 4])
    assert (nobody[0][0] != nobody[0][1]).any()


@pytest.mark.parametrize(
    "outer", [DiverseRecommender, CompressedRecommender, lambda rec: BlendedRecommender([("a", rec)])]
)
def test_other_recommenders_stand_inside(outer, make, X):
    with pytest.raises(ValueError, match=r"(\w+) does not pass the users of the rows on to (\w+): put \1 into \2\."):
        outer(make(RidgeRecommender())).fit(X)


def test_data_of_users_nest(graph, profiles, X):
    inside = UserContentRecommender(RidgeRecommender(), profiles)
    nested, users = SocialRecommender(inside, graph, friend_weight=0.0).fit(X), np.arange(N_USERS)
    assert_array_equal(nested.recommend(X, 5, users=users)[1], clone(inside).fit(X).recommend(X, 5, users=users)[1])
    both = SocialRecommender(inside, graph, friend_weight=0.5).fit(X)
    found = explain(both, X[:5], users=users[:5])
    assert {"interactions", "friends", "profile"} <= set(found["kind"])
    totals = found.groupby(["user", "item"], sort=False)["contribution"].sum().to_numpy()
    assert_allclose(totals, both.recommend(X[:5], users=users[:5])[1].ravel(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("wrap", "match"),
    [
        (
            lambda part: SocialRecommender(part, [("a", "b")]),
            r"friends has none .* type int.*; those of friends of type str",
        ),
        (lambda part: UserContentRecommender(part, ItemCatalog(np.eye(3), ids=["a", "b", "c"])), "profiles has none"),
        (lambda part: UserContentRecommender(part, ItemCatalog(np.eye(3))), "profiles has none .* are positions"),
    ],
)
def test_data_of_other_users_have_a_warning(X, wrap, match):
    with pytest.warns(UserWarning, match=match):
        wrap(RidgeRecommender()).fit(X, users=np.arange(len(X.indptr) - 1) + 9000)


def test_friends_are_a_table_of_pairs(X):
    pairs = [(0, 1), (5, 7)]
    users = np.arange(X.shape[0])
    first, second = (
        SocialRecommender(RidgeRecommender(), friends).fit(X, users=users) for friends in (pairs, pd.DataFrame(pairs))
    )
    assert_array_equal(first.recommend(X, users=users)[0], second.recommend(X, users=users)[0])
    with pytest.raises(ValueError, match=r"a table of two columns or a list of tuples; got a list, "):
        SocialRecommender(RidgeRecommender(), []).fit(X, users=users)
