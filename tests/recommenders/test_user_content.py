"""UserContentRecommender: profiles of known and new users, encoders, missing values, the signal of profiles."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgnnrec import (
    GraphFilterRecommender,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    SocialRecommender,
    UserContentRecommender,
)
from skgnnrec.model_selection import split_interactions

COLD = 30  # users at the start whose history is emptied


@pytest.fixture
def emptied(X):
    X = X.copy()
    X.data[: X.indptr[COLD]] = 0
    return X


def popularity(emptied, hidden):
    return PopularityRecommender().fit(emptied).score(emptied[:COLD], hidden)


@pytest.mark.parametrize("inner", [RidgeRecommender(), GraphFilterRecommender(), PopularityRecommender()])
def test_profiles_help_users_without_history(inner, emptied, tastes):
    hidden = tastes.interactions[:COLD]
    rec = UserContentRecommender(inner).fit(emptied, users=tastes.user_topics)
    assert rec.score(emptied[:COLD], hidden, users=tastes.user_topics[:COLD]) > popularity(emptied, hidden) + 0.15


def test_profiles_without_signal_do_no_harm(emptied, tastes):
    noise = np.random.default_rng(0).standard_normal((120, 3))
    rec = UserContentRecommender(RidgeRecommender()).fit(emptied, users=noise)
    hidden = tastes.interactions[:COLD]
    assert rec.score(emptied[:COLD], hidden, users=noise[:COLD]) > popularity(emptied, hidden) - 0.02
    past, future = split_interactions(tastes.interactions, random_state=0)
    plain = RidgeRecommender().fit(past).score(past, future)
    rec = UserContentRecommender(RidgeRecommender()).fit(past, users=noise)
    assert rec.score(past, future, users=noise) > plain - 0.01


def test_profiles_help_users_with_a_history(X, tastes):
    past, future = split_interactions(X, random_state=0)
    rec = UserContentRecommender(RidgeRecommender()).fit(past, users=tastes.user_topics)
    assert rec.score(past, future, users=tastes.user_topics) > RidgeRecommender().fit(past).score(past, future) + 0.02
    tuned = UserContentRecommender(RidgeRecommenderCV({"alpha": [10.0]})).fit(past, users=tastes.user_topics)
    scores = UserContentRecommender(RidgeRecommender(10.0)).fit(past, users=tastes.user_topics).decision_function(past)
    assert_allclose(tuned.decision_function(past), scores, rtol=1e-5)


def test_users_without_profile(X):
    profiles = ItemCatalog(pd.DataFrame({"user": ["ann", "bob"], "age": [20.0, 60.0]}), ids="user")
    rec = UserContentRecommender(RidgeRecommender(), profiles, profile_alpha=1.0).fit(
        X[:4], users=["ann", "bob", "cy", "dan"]
    )
    nobody = np.zeros((3, 40))
    scores = rec.decision_function(nobody, users=["cy", "eve", "ann"])
    n_users = np.bincount(X[:4].indices, minlength=40)
    assert_array_equal(scores[:2], [n_users, n_users])
    assert (scores[2] != n_users).any()
    ages = pd.DataFrame({"age": [20.0]})
    assert_array_equal(rec.decision_function(nobody[:1], users=ages), scores[2:])


def test_fit_without_any_profile(X):
    with pytest.raises(ValueError, match="users holds data of users, but the fit had no profiles"):
        UserContentRecommender(RidgeRecommender()).fit(X).recommend(X[:1], users=[[1.0, 2.0]])


def test_errors_name_the_profiles(X):
    words = ItemCatalog(pd.DataFrame({"job": ["cook"] * 120}))
    with pytest.raises(ValueError, match=r"user_encoder=None takes the data of profiles as vectors.*'job'"):
        UserContentRecommender(RidgeRecommender(), words).fit(X)
    rec = UserContentRecommender(RidgeRecommender()).fit(X, users=np.random.default_rng(0).random((120, 3)))
    with pytest.raises(ValueError, match="users has vectors of 2 dimensions, the fitted users 3"):
        rec.predict(X[:1], users=[[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"an entry for each of the 1 rows of X; got ItemCatalog\(n_items=2\)"):
        rec.predict(X[:1], users=np.zeros((2, 3)))


def test_texts_are_profiles(X, tastes):
    words = np.array(["tea and pots", "tools and nails", "garden and soil", "books and pens"])
    texts = words[tastes.user_topics.argmax(axis=1)].tolist()
    texts[5] = None
    rec = UserContentRecommender(RidgeRecommender(), user_encoder=TfidfVectorizer()).fit(X, users=texts)
    found = rec.recommend(np.zeros((2, 40)), 5, users=["i like tea", "my garden"])[0]
    topics = tastes.item_topics[found]
    assert (topics == np.array([0, 2])[:, None]).mean() > 0.7


@pytest.mark.parametrize(
    "imputer",
    [SimpleImputer(), SimpleImputer(strategy="median"), IterativeImputer(max_iter=30, tol=0.1, random_state=0)],
    ids=["mean", "median", "model"],
)
def test_imputers_inside_the_encoder_fill_missing_values(imputer, emptied, tastes):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(tastes.user_topics, columns=list("abcd"))
    table = table.mask(rng.random(table.shape) < 0.2)
    favourite = np.array(["p", "q", "r", "s"], dtype=object)[tastes.user_topics.argmax(axis=1)]
    table["job"] = pd.Series(favourite).mask(rng.random(120) < 0.3)
    encoder = make_column_transformer(
        (make_pipeline(imputer, StandardScaler()), list("abcd")),
        (OneHotEncoder(handle_unknown="ignore"), ["job"]),  # a missing job is a job
    )
    rec = UserContentRecommender(RidgeRecommender(), ItemCatalog(table), user_encoder=encoder).fit(emptied)
    hidden = tastes.interactions[:COLD]
    assert rec.score(emptied[:COLD], hidden, users=np.arange(COLD)) > popularity(emptied, hidden) + 0.15
    new = table.iloc[:1].assign(a=np.nan, job=None)
    assert np.isfinite(rec.recommend(np.zeros((1, 40)), users=new)[1]).all()


def test_friends_of_users_with_profiles(emptied, tastes):
    inside = UserContentRecommender(RidgeRecommender(), ItemCatalog(tastes.user_topics))
    rec = SocialRecommender(inside, [(0, 50)]).fit(emptied, users=np.arange(120))
    scores = rec.decision_function(emptied[:2], users=[0, 1])
    plain = inside.fit(emptied).decision_function(emptied[:2], users=[0, 1])
    assert_array_equal((scores != plain).any(axis=1), [True, False])
