"""GNNRatingRegressor: known answers, unknown users and items, item data, the contract of a scikit-learn regressor."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_regressor
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import estimator_checks

from skgnnrec import GNNRatingRegressor, ItemCatalog
from skgnnrec.exceptions import ItemAlignmentError, MemoryLimitError, NonFiniteLossError

N_USERS, N_ITEMS = 120, 60
SMALL = {"embedding_dim": 4, "max_iter": 3}


def as_frame(rows):
    return pd.DataFrame(rows, columns=["user", "item"])


def regressor(**params):
    return GNNRatingRegressor(**{"user": "user", "item": "item", **params})


@pytest.fixture(scope="module")
def tastes():
    """Ratings 1 to 5 of items of two kinds, by users who like one kind and not the other."""
    rng = np.random.default_rng(0)
    kinds, likes = np.arange(N_ITEMS) % 2, np.arange(N_USERS) // 2 % 2
    keys = rng.choice(N_USERS * N_ITEMS, size=2400, replace=False)
    users, items = np.divmod(keys, N_ITEMS)
    ratings = 3 + np.where(kinds[items] == likes[users], 1.3, -1.3) + rng.normal(0, 0.4, len(keys))
    X = as_frame(zip([f"u{u:03d}" for u in users], items, strict=True))
    titles = [f"{('space war', 'love letter')[kind]} part {j}" for j, kind in enumerate(kinds)]
    return X, np.clip(np.rint(ratings), 1, 5), ItemCatalog(titles, ids=np.arange(N_ITEMS))


@pytest.fixture(scope="module")
def small(tastes):
    """The first 400 ratings."""
    X, y, catalog = tastes
    return X[:400], y[:400], catalog


# Known answers --------------------------------------------------------------------------------------------------------


def test_interactions_of_users_and_items_are_learned(tastes):
    X_train, X_test, y_train, y_test = train_test_split(*tastes[:2], random_state=0)
    biases = make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge(3.0)).fit(X_train, y_train)
    assert biases.score(X_test, y_test) < 0.1
    assert regressor().fit(X_train, y_train).score(X_test, y_test) > 0.7


class RequiresY(TransformerMixin, BaseEstimator):
    """An encoder that requires y and keeps it."""

    def fit(self, titles, y):
        type(self).seen = y
        return self

    def transform(self, titles):
        return np.array([[len(title), title.count("o")] for title in titles], dtype=float)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def test_encoders_that_require_y_receive_the_rated_pairs(small):
    X, y, catalog = small
    model = regressor(catalog=catalog, item_encoder=RequiresY(), **SMALL).fit(X, y)
    expected = pd.crosstab(X["item"], X["user"]).reindex(model.item_ids_, fill_value=0)[list(model.user_ids_)]
    assert_array_equal(RequiresY.seen.toarray(), expected.to_numpy() > 0)


def test_the_score_is_r2(small):
    X, y, _ = small
    model = regressor(**SMALL).fit(X, y)
    assert model.score(X, y) == r2_score(y, model.predict(X))


def test_the_prediction_is_the_sum_of_biases_and_dot_product(small):
    X, y, _ = small
    model = regressor(**SMALL).fit(X, y)
    u, i = model.user_ids_.searchsorted(X["user"]), model.item_ids_.searchsorted(X["item"])
    products = (model.user_embedding_[u] * model.item_embedding_[i]).sum(axis=1)
    assert_allclose(model.predict(X), model.mean_ + model.user_bias_[u] + model.item_bias_[i] + products, atol=1e-5)
    assert model.user_embedding_.shape == (len(model.user_ids_), 4)
    assert model.item_embedding_.shape == (len(model.item_ids_), 4)
    assert model.item_embedding_.dtype == np.float32
    assert model.predict(X).dtype == np.float64


def test_strong_penalties_leave_the_mean(small):
    X, y, _ = small
    model = regressor(alpha=1e9, bias_alpha=1e9, max_iter=1, learning_rate_init=1e-9).fit(X, y)
    assert_allclose(model.predict(X), y.mean(), atol=0.1)  # the random initial messages are small


def test_each_distinct_rating_is_a_level_and_continuous_ones_are_cut(tastes):
    X, y, _ = tastes
    assert regressor(max_iter=1).fit(X, y).level_edges_.tolist() == [2, 3, 4, 5]
    continuous = y + np.random.default_rng(0).normal(0, 0.3, len(y))
    X_train, X_test, y_train, y_test = train_test_split(X, continuous, random_state=0)
    model = regressor().fit(X_train, y_train)
    assert_allclose(model.level_edges_, np.quantile(y_train, [0.2, 0.4, 0.6, 0.8]), atol=0.05)
    assert model.score(X_test, y_test) > 0.65


def test_one_rating_level(small):
    X, y, _ = small
    model = regressor(**SMALL).fit(X, np.full(len(y), 4.0))
    assert_allclose(model.predict(X), 4.0, atol=0.05)
    assert len(model.level_edges_) == 0
    assert len(regressor(n_levels=1, **SMALL).fit(X, y).level_edges_) == 0


def test_one_rating():
    model = regressor().fit(as_frame([("ann", "jaws")]), [4.0])
    assert_allclose(model.predict(as_frame([("ann", "jaws"), ("bob", "jaws"), ("ann", "emma")])), 4.0, atol=0.1)


# Properties -----------------------------------------------------------------------------------------------------------


@settings(max_examples=6)
@given(st.sampled_from([1e-6, 0.5, 20.0, 1e6]), st.sampled_from([0.0, -3.0, 1000.0]))
def test_the_unit_of_the_ratings_does_not_matter(scale, shift):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 20, 150), rng.integers(0, 15, 150)])
    y = rng.integers(1, 6, 150).astype(float)
    expected = GNNRatingRegressor(**SMALL).fit(X, y).predict(X)
    found = GNNRatingRegressor(**SMALL).fit(X, scale * y + shift).predict(X)
    assert_allclose((found - shift) / scale, expected, atol=1e-3)


def test_the_order_of_rows_does_not_matter(small):
    X, y, _ = small
    order = np.random.default_rng(0).permutation(len(y))
    expected = regressor(**SMALL).fit(X, y).predict(X)
    shuffled = regressor(**SMALL).fit(X.iloc[order], y[order])
    assert_array_equal(shuffled.predict(X), expected)
    assert_array_equal([shuffled.predict(X[k : k + 1])[0] for k in range(20)], expected[:20])


def test_columns_by_name_and_by_position_agree(small):
    X, y, _ = small
    expected = regressor(**SMALL).fit(X, y).predict(X)
    as_array = GNNRatingRegressor(**SMALL).fit(X.to_numpy(), y)
    assert_array_equal(as_array.predict(X.to_numpy()), expected)
    wide = pd.DataFrame({"when": np.nan, "item": X["item"], "user": X["user"]})
    assert_array_equal(GNNRatingRegressor(user=2, item=1, **SMALL).fit(wide, y).predict(wide), expected)
    by_name = regressor(**SMALL).fit(wide, list(y))
    assert_array_equal(by_name.predict(X), expected)  # other columns need not be there
    lists = [(user, int(item)) for user, item in X.to_numpy()]
    assert_array_equal(GNNRatingRegressor(**SMALL).fit(lists, y).predict(lists), expected)


def test_columns_without_names_are_the_only_two(small):
    X, y, _ = small
    expected = regressor(**SMALL).fit(X, y).predict(X)
    model = GNNRatingRegressor(**SMALL).fit(X, y)
    assert_array_equal(model.predict(X), expected)
    # The columns of the fit are found by name.
    assert_array_equal(model.predict(pd.DataFrame({"when": 0, "item": X["item"], "user": X["user"]})), expected)
    turned = GNNRatingRegressor(item="item", **SMALL).fit(X[["item", "user"]], y)
    assert_array_equal(turned.predict(X), expected)
    monitor = ScoringMonitor(scoring="r2")
    GNNRatingRegressor(**SMALL).set_callbacks(monitor).fit(X, y)
    assert np.isfinite(monitor.get_logs().data_as_pandas["r2"][:3]).all()


@pytest.mark.parametrize("form", [lambda X: X, lambda X: X.to_numpy()])
def test_more_than_two_columns_must_be_named(small, form):
    X, y, _ = small
    with pytest.raises(ValueError, match=r"X has 3 columns, .*: name the columns of users and items, user=\.\.\."):
        GNNRatingRegressor().fit(form(X.assign(when=0)), y)


def test_repeated_pairs_count_once_with_their_mean(small):
    X, y, _ = small
    expected = regressor(**SMALL).fit(X, y).predict(X)
    twice = pd.concat([X, X[:50]]), np.concatenate([y, y[:50]])
    assert_array_equal(regressor(**SMALL).fit(*twice).predict(X), expected)


def test_the_same_fit_twice_on_one_thread_and_on_two(small):
    X, y, catalog = small
    model = regressor(catalog=catalog, item_encoder=TfidfVectorizer(), **SMALL)
    n_threads = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 1, 2, 2):
            torch.set_num_threads(threads)
            found.append(clone(model).fit(X, y).predict(X))
    finally:
        torch.set_num_threads(n_threads)
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[2], found[3])
    assert_allclose(found[0], found[2], atol=1e-4)
    assert (clone(model).set_params(random_state=1).fit(X, y).predict(X) != found[0]).any()


def test_backends_agree(small):
    pytest.importorskip("dgl", reason="DGL is not installed", exc_type=ImportError)
    X, y, _ = small
    predictions = [regressor(backend=backend, **SMALL).fit(X, y).predict(X) for backend in ("torch", "dgl")]
    assert_allclose(*predictions, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(small):
    X, y, _ = small
    predictions = [regressor(device=device, **SMALL).fit(X, y).predict(X) for device in ("cpu", "cuda")]
    assert_allclose(*predictions, atol=1e-2)


# Unknown users and items ----------------------------------------------------------------------------------------------


def test_unknown_users_and_items(small):
    X, y, _ = small
    model = regressor(**SMALL).fit(X, y)
    u, i = model.user_ids_[3], model.item_ids_[5]
    found = model.predict(as_frame([("nobody", i), (u, 999), ("nobody", 999)]))
    assert_allclose(found, model.mean_ + np.array([model.item_bias_[5], model.user_bias_[3], 0.0]))
    assert model.mean_ == y.mean()


def test_ids_of_another_type_give_a_warning(small):
    X, y, _ = small
    model = regressor(**SMALL).fit(X.assign(user=X["user"].str[1:].astype(int)), y)
    with pytest.warns(UserWarning, match="ids are of type str, those of the fit of type int"):
        found = model.predict(X[:1])
    assert np.isfinite(found).all()


def test_texts_predict_items_without_ratings(tastes):
    X, y, catalog = tastes
    cold = X["item"] >= 50
    model = regressor(catalog=catalog, item_encoder=TfidfVectorizer()).fit(X[~cold], y[~cold])
    assert model.score(X[cold], y[cold]) > 0.4
    assert_array_equal(model.item_ids_, np.arange(N_ITEMS))
    without = clone(model).set_params(cold_fraction=0.0).fit(X[~cold], y[~cold])
    assert without.score(X[cold], y[cold]) < 0.25
    assert regressor().fit(X[~cold], y[~cold]).score(X[cold], y[cold]) < 0.1


def test_cold_fraction_has_no_effect_without_texts(small):
    X, y, _ = small
    found = [regressor(cold_fraction=share, **SMALL).fit(X, y).predict(X) for share in (0.0, 0.9)]
    assert_array_equal(*found)


def test_texts_predict_the_bias_of_an_item():
    rng = np.random.default_rng(0)
    titles = ["dull" if j % 2 else "great" for j in range(40)]
    X = np.column_stack([rng.integers(0, 50, 600), rng.integers(0, 30, 600)])
    y = np.where(X[:, 1] % 2, 2.0, 4.0) + rng.normal(0, 0.5, 600)
    model = GNNRatingRegressor(catalog=ItemCatalog(titles), item_encoder=TfidfVectorizer()).fit(X, y)
    dull, great = model.predict([[99, 35], [99, 36]])  # an unknown user, items without ratings
    assert great - dull > 1.0


def test_learning_from_texts_alone(tastes):
    X, y, catalog = tastes
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = regressor(catalog=catalog, item_encoder=TfidfVectorizer(), id_embedding=False)
    assert model.fit(X_train, y_train).score(X_test, y_test) > 0.6


# Wrong input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ([1.0, np.nan, 2.0], r"y has missing values \(NaN\) in 1 of 3 rows: 1\."),
        ([1.0, 2.0, 1e300], r"finite in float32, from -3\.40282e\+38 to 3\.40282e\+38, got 1e\+300 in row 2"),
        ([1.0, 2.0], "inconsistent numbers of samples"),
        (["1", "2", "3"], "y must hold numbers, got a str in row 0: '1'"),
        (None, "requires y to be passed, but the target y is None"),
        ([[1.0, 2.0], [2.0, 3.0], [1.0, 0.0]], "y should be a 1d array"),
    ],
)
def test_wrong_ratings(y, match):
    with pytest.raises(ValueError, match=match):
        GNNRatingRegressor().fit([[1, 1], [1, 2], [2, 1]], y)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (as_frame([("ann", 1), (None, 2)]), r"The column user='user' of X has missing values .*in 1 of 2 rows: 1"),
        (
            as_frame([("ann", 1.0), ("bob", np.inf)]),
            "The column item='item' of X has infinite values in 1 of 2 rows: 1",
        ),
        (pd.DataFrame({"user": [1, 2], "film": [1, 2]}), r"item='item' is not a column of X, which has 2 feature"),
        (as_frame([]), r"Found 0 sample"),
    ],
)
def test_wrong_pairs(X, match):
    with pytest.raises(ValueError, match=match):
        regressor().fit(X, np.ones(len(X)))


def test_wrong_pairs_to_predict(small):
    X, y, _ = small
    model = regressor(**SMALL)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        model.predict(X)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"The column user='user' of X has missing values"):
        model.predict(X.assign(user=None))
    with pytest.raises(ValueError, match="item='item' is not a column of X"):
        model.predict(X[["user"]])
    with pytest.raises(ValueError, match="X has 3 features, but GNNRatingRegressor is expecting 2"):
        GNNRatingRegressor(**SMALL).fit([[1, 2], [2, 1]], [1, 2]).predict([[1, 2, 3]])


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"embedding_dim": 0}, "'embedding_dim' parameter of GNNRatingRegressor must be an int"),
        ({"n_levels": 0}, "'n_levels' parameter"),
        ({"alpha": -1}, "'alpha' parameter"),
        ({"bias_alpha": 0}, "'bias_alpha' parameter"),
        ({"cold_fraction": 1.1}, "'cold_fraction' parameter"),
        ({"batch_size": "all"}, "'batch_size' parameter"),
        ({"catalog": ["a", "b"]}, "'catalog' parameter"),
        ({"learning_rate_init": 1e38}, "'learning_rate_init' parameter"),
        ({"device": "abacus"}, "device must be 'auto' or a torch device"),
        ({"item_encoder": TfidfVectorizer()}, r"item_encoder requires catalog=ItemCatalog\(\.\.\.\)\."),
        ({"id_embedding": False}, r"id_embedding=False requires catalog=ItemCatalog\(\.\.\.\), got catalog=None"),
    ],
)
def test_wrong_parameters(small, params, match):
    X, y, _ = small
    with pytest.raises(ValueError, match=match):
        regressor(**params).fit(X, y)


def test_the_catalog_must_hold_the_rated_items(small):
    X, y, catalog = small
    with pytest.raises(ItemAlignmentError, match=r"The catalog lacks 1 of"):
        regressor(catalog=catalog, item_encoder=TfidfVectorizer()).fit(X.replace({"item": {7: 777}}), y)


def test_divergence_raises_a_named_error(small):
    X, y, _ = small
    with pytest.raises(NonFiniteLossError, match=r"training has diverged\. Lower learning_rate_init"):
        regressor(learning_rate_init=1e30).fit(X, y)
    with pytest.raises(NonFiniteLossError, match=r"parameters are not finite: .* Lower learning_rate_init"):
        regressor(learning_rate_init=1e30, max_iter=1, batch_size=10**6).fit(X, 1e37 * y)


@pytest.mark.parametrize("params", [{"embedding_dim": 10**9}, {"embedding_dim": 10**15, "id_embedding": True}])
def test_a_training_beyond_the_memory_is_refused(small, params):
    X, y, _ = small
    match = "Training GNNRatingRegressor on 400 ratings of .* GiB of memory, this machine has .* Lower embedding_dim"
    with pytest.raises(MemoryLimitError, match=match):
        regressor(**params).fit(X, y)


def test_input_is_not_modified(small):
    X, y, catalog = small
    X_kept, y_kept = X.copy(), y.copy()
    y.setflags(write=False)
    regressor(catalog=catalog, item_encoder=TfidfVectorizer(), early_stopping=True, **SMALL).fit(X, y).predict(X)
    pd.testing.assert_frame_equal(X, X_kept)
    assert_array_equal(y, y_kept)


# Training -------------------------------------------------------------------------------------------------------------


def test_fitted_attributes_describe_the_training(small):
    X, y, _ = small
    model = regressor(max_iter=7, tol=0.0).fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 7
    assert model.validation_scores_ == []
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert regressor(max_iter=50, tol=10.0, n_iter_no_change=2).fit(X, y).n_iter_ == 3


def test_the_step_size_falls_to_zero(small, monkeypatch):
    X, y, _ = small
    sizes, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: [sizes.append(self.param_groups[0]["lr"]), step(self)][1]
    )
    regressor(learning_rate_init=0.1, max_iter=4, batch_size=1000, tol=0).fit(X, y)
    assert_allclose(sizes, [0.1, 0.075, 0.05, 0.025])


def test_the_penalty_weighs_against_the_sum_of_squares(small, monkeypatch):
    X, y, _ = small
    made, adam = [], torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda *args, **kwargs: made.append(kwargs) or adam(*args, **kwargs))
    regressor(alpha=5.0, **SMALL).fit(X, y)
    assert made == [{"lr": 0.004, "weight_decay": 2 * 5.0 / 400}]


def test_early_stopping_keeps_the_best_epoch(tastes):
    X, y, _ = tastes
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    params = {"max_iter": 200, "learning_rate_init": 0.05, "alpha": 0.0, "early_stopping": True}
    model = regressor(**params).fit(X_train, y_train)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ - 1 - best >= model.n_iter_no_change - 1
    assert_allclose(model.validation_scores_[best], model.score(X_test, y_test), atol=0.1)
    assert set(model.user_ids_) == set(X_train["user"])  # with those of held-out ratings


def test_early_stopping_with_up_to_three_ratings():
    for n in (1, 2, 3):
        X = np.column_stack([np.arange(n), np.zeros(n)])
        assert np.isfinite(GNNRatingRegressor(early_stopping=True).fit(X, np.arange(n)).predict(X)).all()


def test_progress_and_monitoring(small, capsys):
    X, y, _ = small
    monitor = ScoringMonitor(scoring="r2")
    model = regressor(**SMALL).set_callbacks(ProgressBar(), monitor).fit(X, y)
    assert "GNNRatingRegressor" in capsys.readouterr().out
    log = monitor.get_logs().data_as_pandas
    assert len(log) >= 3
    assert_allclose(log["r2"].to_numpy()[:3][-1], model.score(X.drop_duplicates(), y), atol=1e-6)
    array_monitor = ScoringMonitor(scoring="r2")
    wide = np.column_stack([np.arange(400), X["item"], X["user"].str[1:].astype(int)])
    GNNRatingRegressor(user=2, item=1, early_stopping=True, **SMALL).set_callbacks(array_monitor).fit(wide, y)
    assert np.isfinite(array_monitor.get_logs().data_as_pandas["r2"][:3]).all()


# scikit-learn ---------------------------------------------------------------------------------------------------------


def test_scikit_learn_battery():
    results = estimator_checks.check_estimator(GNNRatingRegressor(user=0, item=1), on_skip=None, on_fail="raise")
    assert {result["status"] for result in results} == {"passed"}
    assert len(results) >= 50


@pytest.mark.parametrize(
    "check",
    ["check_dataframe_column_names_consistency", "check_inplace_ensure_writeable", "check_param_validation"],
)
def test_public_checks_that_the_battery_does_not_call(check):
    getattr(estimator_checks, check)("GNNRatingRegressor", GNNRatingRegressor(user=0, item=1))


def test_search_over_parameters_of_all_parts(small):
    X, y, catalog = small
    encoder = make_pipeline(TfidfVectorizer())
    grid = {"alpha": [1.0, 10.0], "item_encoder__tfidfvectorizer__max_features": [3, None], "n_levels": [2, 5]}
    model = regressor(catalog=catalog, item_encoder=encoder, **SMALL)
    search = GridSearchCV(model, grid, cv=KFold(2), error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) > 4
    assert search.predict(X).shape == (len(X),)
    assert search.best_estimator_.catalog is catalog


def test_two_jobs_change_nothing(small):
    X, y, _ = small
    one, two = (cross_val_score(regressor(**SMALL), X, y, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert_allclose(one, two, atol=1e-4)


def test_it_is_a_regressor_that_clones_and_pickles(small):
    X, y, catalog = small
    model = regressor(catalog=catalog, item_encoder=TfidfVectorizer(), **SMALL)
    assert is_regressor(model)
    assert clone(model).get_params()["catalog"] is catalog
    model.fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(X), model.predict(X))
    assert all(not isinstance(value, torch.Tensor) for value in vars(model).values())


SETTINGS_OF_TORCH = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu"),
    "meta device": lambda: torch.device("meta"),
    "NumPy raises": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("setting", SETTINGS_OF_TORCH.values(), ids=SETTINGS_OF_TORCH.keys())
def test_settings_of_the_process_do_not_change_a_fit(small, setting):
    X, y, catalog = small
    model = regressor(catalog=catalog, item_encoder=TfidfVectorizer(), early_stopping=True, **SMALL)
    expected = clone(model).fit(X, y).predict(X)
    with setting():
        found = clone(model).fit(X, y).predict(X)
    assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_default_type_of_torch_does_not_change_a_fit(small, dtype):
    X, y, _ = small
    expected = regressor(**SMALL).fit(X, y).predict(X)
    torch.set_default_dtype(dtype)
    try:
        found = regressor(**SMALL).fit(X, y).predict(X)
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert_array_equal(found, expected)


def test_predictions_need_no_torch(small, tmp_path):
    X, y, _ = small
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps((regressor(**SMALL).fit(X, y), X[:5])))
    code = (
        "import pickle, sys\n"
        f"model, X = pickle.load(open({str(path)!r}, 'rb'))\n"
        "assert model.predict(X).shape == (5,)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
