"""PrivateRecommender: what the noise is, what the state depends on, the budget, and the contract of recommenders."""

import pickle

import numpy as np
import pytest
from fitted_state import WAYS, count_steps, foreign_values, interrupt, same
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse, stats
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
)
from skgnnrec.compose import BlendedRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.exceptions import PrivacyBudgetError
from skgnnrec.privacy import PrivateRecommender, gaussian_epsilon, gaussian_noise_multiplier
from skgnnrec.privacy._noise import IntegerNoise
from skgnnrec.privacy._sums import UNIT_BITS, Bound, BoundedSums

# A budget with hardly any noise, and bounds that no user of the tests reaches.
OPEN = {"epsilon": 1e9, "max_items": 100, "max_norm": 1e4, "n_updates": 2, "random_state": 0}
INSIDE = [
    PopularityRecommender(),
    ContentRecommender(),
    RidgeRecommender(popularity_weight=10.0),
    RidgeRecommender(user_exponent=0.5, item_exponent=0.3, popularity_exponent=0.1, popularity_weight=0.0),
    GraphFilterRecommender(n_components=8, popularity_weight=20.0),
    GraphFilterRecommender(n_components=0, sharpness=0.8, degree_exponent=0.3, popularity_weight=5.0),
]
KINDS = ["popularity", "content", "ridge", "ridge with exponents", "filter", "sharpened filter"]


@pytest.fixture(scope="module")
def many():
    return sparse.csr_array(make_interactions(3000, 40, n_interactions=0.15, random_state=0).interactions)


# The contract ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
def test_the_battery_of_scikit_learn():
    rec = PrivateRecommender(RidgeRecommender(), n_recommendations=1, **OPEN)
    results = estimator_checks.check_estimator(rec, on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(name):
    rec = PrivateRecommender(RidgeRecommender(), n_recommendations=1, **OPEN)
    assert getattr(estimator_checks, name)("PrivateRecommender", rec) is None


@pytest.mark.parametrize("inside", INSIDE, ids=KINDS)
def test_without_noise_the_scores_are_those_of_the_recommender(inside, furnish, X):
    plain, private = furnish(inside).fit(X), PrivateRecommender(furnish(inside), **OPEN).fit(X)
    scores = plain.decision_function(X)
    error = np.abs(private.decision_function(X) - scores).max() / scores.std()
    assert error < (0.05 if inside.get_params().get("n_components") else 5e-3)  # the fit to X draws its spectrum
    new = ItemCatalog(["a blue mug", "a garden hose"], ids=["new mug", "new hose"])
    if not isinstance(inside, PopularityRecommender):
        assert_array_equal(private.recommend(X, 1, candidates=new)[0], plain.recommend(X, 1, candidates=new)[0])
    nobody = sparse.csr_array((1, X.shape[1]))
    assert_array_equal(private.recommend(nobody, 3)[0], plain.recommend(nobody, 3)[0])
    assert private.item_ids_.tolist() == plain.item_ids_.tolist()
    if private.item_embedding_.shape[1]:
        assert private.transform(X).shape == (X.shape[0], private.item_embedding_.shape[1])


@pytest.mark.parametrize("way", WAYS)
def test_state_is_arrays_and_can_be_saved(way, furnish, X):
    rec = PrivateRecommender(furnish(RidgeRecommender()), epsilon=5.0, n_updates=1, random_state=0).fit(X)
    assert foreign_values(rec) == []
    loaded = WAYS[way](rec)
    assert same(loaded.recommend(X), rec.recommend(X))
    assert same(loaded.partial_fit(X).decision_function(X), rec.partial_fit(X).decision_function(X))


def test_an_interrupted_update_changes_nothing(X):
    rec = PrivateRecommender(RidgeRecommender(), n_updates=1, random_state=0).fit(X)
    state = dict(vars(rec))
    n_steps = count_steps(lambda: clone(rec).fit(X))
    for at in np.linspace(1, n_steps // 2, 6).astype(int):
        assert interrupt(lambda: rec.partial_fit(X), at)
        assert all(vars(rec)[name] is value for name, value in state.items())


# What the noise is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("random_state", [None, 0])
def test_noise_is_rounded_gaussian(random_state):
    drawn = IntegerNoise(random_state).draw(1000.0, 200_001)
    assert drawn.dtype == np.int64
    assert stats.kstest(drawn / 1000, "norm").pvalue > 1e-6
    assert np.std(drawn) == pytest.approx(1000, rel=0.02)
    assert abs(np.corrcoef(drawn[:100_000], drawn[100_000:200_000])[0, 1]) < 0.03


def test_counts_have_noise_of_the_stated_scale():
    X = np.ones((1000, 300), dtype=np.float32)
    rec = PrivateRecommender(PopularityRecommender(), epsilon=1.0, delta=1e-5, max_items=300).fit(X)
    noise = rec.decision_function(X[:1])[0] - 1000
    std = np.sqrt(300) * gaussian_noise_multiplier(1.0, 1e-5)
    assert rec.item_count_noise_std_ == pytest.approx(std)
    statistic = float(noise @ noise) / std**2  # chi-squared with 300 degrees of freedom
    assert 1e-6 < stats.chi2(300).cdf(statistic) < 1 - 1e-6


def test_cooccurrences_have_noise_of_the_stated_scale(many):
    rec = PrivateRecommender(RidgeRecommender(), epsilon=1.0, random_state=0).fit(many)
    bound = Bound(50, 1.0, 0.0)
    exact = BoundedSums.accumulate(many, bound)
    noisy = exact.with_noise((rec.noise_std_, rec.item_count_noise_std_, 1.0), IntegerNoise(1))
    upper = np.triu_indices(40)
    noise = (noisy.cooccurrence - exact.cooccurrence)[upper] * 2.0**-UNIT_BITS
    assert 1e-6 < stats.chi2(len(noise)).cdf(float(noise @ noise) / rec.noise_std_**2) < 1 - 1e-6
    assert_array_equal(noisy.cooccurrence, noisy.cooccurrence.T)
    # The squares of the distances of co-occurrences, counts and users add up to that of the budget.
    shares = [1 / (std * gaussian_noise_multiplier(1.0, 1e-6)) for std in (rec.noise_std_, rec.item_count_noise_std_)]
    assert (
        0.9
        < np.sum(np.square(np.array(shares) * bound.sensitivities()[:2])) * gaussian_noise_multiplier(1.0, 1e-6) ** 4
        < 1.0
    )


@given(
    st.integers(1, 60),
    st.floats(0.1, 100),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.sets(st.integers(0, 79), min_size=1),
)
def test_no_user_contributes_more_than_the_bound(max_items, max_norm, exponent, items):
    row = np.zeros((1, 80), dtype=np.float32)
    row[0, list(items)] = 7.0
    bound = Bound(max_items, max_norm, exponent)
    sums = BoundedSums.accumulate(sparse.csr_array(row), bound)
    part = sums.cooccurrence[np.triu_indices(80)] * 2.0**-UNIT_BITS
    of_cooccurrence, of_counts, _ = bound.sensitivities()
    assert np.linalg.norm(part) <= of_cooccurrence <= max_norm
    assert np.linalg.norm(sums.item_counts) <= of_counts
    assert sums.item_counts.sum() == min(len(items), max_items)


def test_noise_comes_from_the_system_unless_there_is_a_seed(many):
    def scores(seed):
        rec = PrivateRecommender(PopularityRecommender(), random_state=seed)
        return rec.fit(many).decision_function(many[:1])

    assert (scores(None) != scores(None)).any()
    assert_array_equal(scores(3), scores(3))


def test_an_epsilon_that_no_noise_can_serve_is_refused(many):
    with pytest.raises(ValueError, match="epsilon is too small: the noise has a standard deviation of"):
        PrivateRecommender(RidgeRecommender(), epsilon=1e-11, delta=1e-12).fit(many)


# What the state depends on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", INSIDE, ids=KINDS)
def test_state_depends_on_users_by_the_sums_with_noise_alone(inside, furnish, X, monkeypatch):
    constant = BoundedSums.accumulate(X[:50], Bound(50, 1.0, inside._exponent_of_sums()))
    monkeypatch.setattr(BoundedSums, "accumulate", classmethod(lambda cls, rows, bound: constant))
    states = []
    for rows in (X, 3 * X[:17], X[::-1][:60]):
        rec = PrivateRecommender(furnish(inside), epsilon=3.0, random_state=0).fit(rows)
        states.append(pickle.dumps({name: value for name, value in vars(rec).items() if name.endswith("_")}))
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("exponent", [None, 0.0, 1.0])
def test_a_sum_without_noise_is_not_kept(exponent, X):
    bound = Bound(50, 1.0, exponent)
    of_cooccurrence, of_counts, of_users = bound.scales(1.0)
    sums = BoundedSums.accumulate(X, bound)
    assert of_counts > 0
    assert sums.cooccurrence is None or of_cooccurrence > 0
    assert sums.n_users == 0 or of_users > 0


def test_users_are_far_better_served_than_by_noise_and_worse_than_without(many):
    plain = RidgeRecommender().fit(many).score(many)
    found = [
        PrivateRecommender(RidgeRecommender(), epsilon=epsilon, random_state=0).fit(many).score(many)
        for epsilon in (0.01, 1.0, 100.0)
    ]
    popular = PopularityRecommender().fit(many).score(many)
    assert found[0] < popular < found[1] < found[2] < 1.03 * plain
    assert found[2] > 0.95 * plain


# The budget -----------------------------------------------------------------------------------------------------------


def test_the_budget_is_divided_and_then_refused(many):
    rec = PrivateRecommender(RidgeRecommender(), epsilon=2.0, delta=1e-6, n_updates=2, random_state=0)
    spent = [rec.fit(many[:2000]).epsilon_spent_]
    spent += [rec.partial_fit(many[2000:]).epsilon_spent_, rec.forget(many[:10]).epsilon_spent_]
    z = gaussian_noise_multiplier(2.0, 1e-6) * np.sqrt(3)
    assert spent == pytest.approx([gaussian_epsilon(z, 1e-6, n) for n in (1, 2, 3)])
    assert spent[2] == pytest.approx(2.0)
    assert rec.n_releases_ == 3
    state = dict(vars(rec))
    for update in (rec.partial_fit, rec.forget):
        with pytest.raises(PrivacyBudgetError, match=r"would need epsilon=2\.\d+ .* budget is epsilon=2\.0"):
            update(many[:5])
    assert all(vars(rec)[name] is value for name, value in state.items())
    rec.set_params(epsilon=3.0).partial_fit(many[:5])
    assert 2.0 < rec.epsilon_spent_ <= 3.0


def test_updates_add_noise_and_lead_to_the_fit_on_the_remaining_users(many):
    rec = PrivateRecommender(RidgeRecommender(), **OPEN)
    rec.partial_fit(many[:2000])
    before = rec.noise_std_
    rec.partial_fit(many[2000:]).forget(many[:500])
    assert rec.noise_std_ == pytest.approx(np.sqrt(3) * before)
    expected = RidgeRecommender().fit(many[500:])
    np.testing.assert_allclose(rec.recommender_.weights_, expected.weights_, atol=1e-3)
    assert_array_equal(rec.recommend(np.zeros((1, 40)), 5)[0], expected.recommend(np.zeros((1, 40)), 5)[0])


def test_long_histories_are_forgotten_as_they_were_learned(many):
    rec = PrivateRecommender(RidgeRecommender(), epsilon=1e9, max_items=2, n_updates=1, random_state=0).fit(many)
    weighted = many[:1000] * 5.0  # values do not count
    few = PrivateRecommender(RidgeRecommender(), epsilon=1e9, max_items=2, random_state=0).fit(many[1000:])
    np.testing.assert_allclose(rec.forget(weighted).recommender_.weights_, few.recommender_.weights_, atol=1e-3)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (GNNRecommender(), "recommender must be a RidgeRecommender, .* got a GNNRecommender"),
        (RidgeRecommenderCV(), "RidgeRecommenderCV learns from more than item counts and co-occurrences"),
        (RidgeRecommender(order_weight=0.5), r"RidgeRecommender\(order_weight=0.5\) learns from more than"),
        (RidgeRecommender(binary=False), r"RidgeRecommender\(binary=False\) learns from more than"),
        (GraphFilterRecommender(binary=False), r"GraphFilterRecommender\(binary=False\) learns from more than"),
    ],
)
def test_recommenders_that_learn_from_more_than_sums_are_refused(inside, message, X):
    with pytest.raises(ValueError, match=message):
        PrivateRecommender(inside).fit(X)


def test_encoders_that_learn_from_interactions_are_refused(X):
    class ReadsInteractions(TransformerMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def transform(self, X):
            return np.eye(len(X))

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.target_tags.required = True
            return tags

    inside = RidgeRecommender(catalog=ItemCatalog(["mug"] * 40), item_encoder=ReadsInteractions())
    with pytest.raises(ValueError, match="item_encoder of RidgeRecommender learns from interactions"):
        PrivateRecommender(inside).fit(X)


@pytest.mark.parametrize("inside", [lambda rec: rec, lambda rec: BlendedRecommender([("private", rec)])])
def test_a_log_recommender_does_not_fit_again_beyond_the_budget(inside):
    log = [("ann", "mug"), ("ann", "pot"), ("bob", "mug"), ("cy", "pot"), ("cy", "tray")]
    rec = LogRecommender(inside(PrivateRecommender(RidgeRecommender(), random_state=0))).fit(log)
    for update in (lambda: rec.partial_fit([("dee", "mug")]), lambda: rec.forget(users=["ann"])):
        with pytest.raises(ValueError, match=r"would fit the \w+ again to all users, which its privacy budget"):
            update()
    assert rec.recommend(["dee"])[0].shape == (1, 10)


def test_the_recommender_inside_has_no_updates(X):
    rec = PrivateRecommender(RidgeRecommender(), random_state=0).fit(X)
    for update in (rec.recommender_.partial_fit, rec.recommender_.forget):
        with pytest.raises(ValueError, match="fitted to statistics and keeps no histories"):
            update(X)
