"""Generated input for every public callable that takes matrices, logs, ids, tables or lists.

Whatever comes in, a callable returns or raises ValueError, TypeError or an exception of the package, also where errors
of floating point are raised. SKGNNREC_FUZZ=10 generates ten times as much input. With SKGNNREC_FUZZ_SPARSE=1, matrices
are sparse ones whose arrays were replaced; what should be an error may then end the process, so that a test runs this
in a process of its own.
"""

import inspect
import os
import subprocess
import sys
import traceback
import warnings
from contextlib import suppress
from copy import deepcopy
from functools import cache
from importlib import util
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LinearRegression

import skgnnrec._memory
from skgnnrec import (
    ContentRecommender,
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    GraphFilterRecommenderCV,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    SequenceRecommender,
    SocialRecommender,
    UserContentRecommender,
    compose,
    embedding,
    exceptions,
    inspection,
    metrics,
    model_selection,
    online,
    privacy,
    reranking,
)
from skgnnrec.compose import (
    BackfillRecommender,
    BlendedRecommender,
    CompressedRecommender,
    SwitchingRecommender,
    TwoStageRecommender,
)
from skgnnrec.privacy import PrivateRecommender
from skgnnrec.reranking import (
    CalibratedRecommender,
    DiverseRecommender,
    ExploringRecommender,
    FairRecommender,
    LongTailRecommender,
    RulesRecommender,
)

from . import strategies
from .strategies import any_id, hostile_ids, id_lists, often, tables, times, wrong_arguments

if sys.platform == "linux":
    import resource

SCALE = float(os.environ.get("SKGNNREC_FUZZ", "1"))
IS_SPARSE = os.environ.get("SKGNNREC_FUZZ_SPARSE") == "1"
N_ITEMS = 5
OWN = tuple(error for name in exceptions.__all__ if issubclass(error := getattr(exceptions, name), Exception))
ALLOWED = (ValueError, TypeError, *OWN)
LOG = pd.DataFrame(
    {"user": [1, 1, 1, 2, 2, 3], "item": [0, 1, 2, 1, 3, 4], "weight": [1.0, 2, 1, 1, 3, 1], "time": [1, 2, 3, 1, 5, 2]}
)
X = np.array([[1, 1, 0, 0, 2], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 1, 1, 1]], dtype=np.float64)
LISTS = np.array([[2, 3], [0, 4], [1, 2], [0, 1]])
VECTORS = np.random.default_rng(0).standard_normal((N_ITEMS, 3))
STRINGS = [f"item {place}" for place in range(N_ITEMS)]
KINDS = ItemCatalog(pd.DataFrame({"kind": list("aabbc")}), ids=STRINGS)
COLUMNS = {"user": "user", "item": "item"}
MATRIX_RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "content": ContentRecommender(catalog=ItemCatalog(VECTORS)),
    "ridge": RidgeRecommender(catalog=ItemCatalog(VECTORS), content_weight=0.5),
    "filter": GraphFilterRecommender(),
    "ridge cv": RidgeRecommenderCV(),
    "filter cv": GraphFilterRecommenderCV(),
    "blend": BlendedRecommender([("ridge", RidgeRecommender()), ("popularity", PopularityRecommender())]),
    "switching": SwitchingRecommender(
        [("ridge", RidgeRecommender()), ("popularity", PopularityRecommender())], switch=2
    ),
    "backfill": BackfillRecommender([("filter", GraphFilterRecommender()), ("popularity", PopularityRecommender())]),
    "two stages": TwoStageRecommender([("ridge", RidgeRecommender())], LinearRegression(), n_candidates=5),
    "social": SocialRecommender(RidgeRecommender()),
    "profiles": UserContentRecommender(RidgeRecommender()),
    "compressed": CompressedRecommender(RidgeRecommender(catalog=ItemCatalog(VECTORS)), n_largest=3),
    "private": PrivateRecommender(RidgeRecommender(), n_updates=1, random_state=0),
    "exploring": ExploringRecommender(RidgeRecommender(), policy="linucb", exploration=0.5, random_state=0),
    "diverse": DiverseRecommender(LongTailRecommender(RidgeRecommender())),
    "rules": RulesRecommender(
        FairRecommender(CalibratedRecommender(PopularityRecommender(catalog=KINDS), "kind"), "kind", {"b": 0.2}),
        category="kind",
        max_per_category=1,
        pinned=["item 1"],
    ),
    "gnn": GNNRecommender(
        embedding_dim=4, max_iter=1, early_stopping=False, device="cpu", catalog=ItemCatalog(VECTORS)
    ),
    "sequence": SequenceRecommender(embedding_dim=4, max_iter=1, early_stopping=False, device="cpu"),
}


@cache
def fitted(name):
    """Return a fitted recommender of matrices, or of the log."""
    if name in MATRIX_RECOMMENDERS:
        return MATRIX_RECOMMENDERS[name].fit(X)
    if name == "named":
        return RidgeRecommender(catalog=ItemCatalog(VECTORS, ids=STRINGS)).fit(pd.DataFrame(X, columns=STRINGS))
    if name == "ratings":
        regressor = GNNRatingRegressor(embedding_dim=4, max_iter=1, device="cpu", **COLUMNS)
        return regressor.fit(LOG[["user", "item"]], LOG["weight"])
    return log_recommender().fit(LOG)


def log_recommender(**options):
    return LogRecommender(
        RidgeRecommender(n_recommendations=3), weight="weight", timestamp="time", half_life=2, **COLUMNS, **options
    )


# Input ----------------------------------------------------------------------------------------------------------------

matrices = strategies.hostile_sparse if IS_SPARSE else strategies.matrices
N_ROWS = len(X)
logs = often(tables(), wrong_arguments, matrices())
held_out = often(matrices(n_rows=N_ROWS), st.lists(st.integers(-1, N_ITEMS), min_size=N_ROWS, max_size=N_ROWS))
places = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=4, unique=True)
some_names = st.lists(st.sampled_from(STRINGS), min_size=1, max_size=3, unique=True)
wrong_places = st.lists(st.integers(-2, N_ITEMS + 1) | st.integers(), max_size=4)
items = often(places, hostile_ids(), wrong_places, some_names)
item_names = often(some_names, hostile_ids(), places)
users = often(st.lists(st.integers(1, 4), min_size=1, max_size=4), hostile_ids())
ids_of_items = often(id_lists(N_ITEMS, N_ITEMS), hostile_ids(), st.text(max_size=4))
groups = often(st.none() | id_lists(N_ROWS, N_ROWS), hostile_ids())
anything = st.floats() | st.integers(-1, 3) | st.integers() | st.none() | st.text(max_size=2)
numbers = often(
    st.lists(st.floats(0.01, 1), min_size=N_ROWS, max_size=N_ROWS), st.lists(anything, max_size=5), wrong_arguments
)
item_vectors = st.just(VECTORS) | st.just(VECTORS.tolist()) | st.just(pd.DataFrame(VECTORS, columns=list("abc")))
user_data = often(id_lists(N_ROWS, N_ROWS), tables(), matrices(n_rows=N_ROWS), hostile_ids(), wrong_arguments)
lists_of_friends = st.lists(often(st.lists(any_id, max_size=2), places, any_id), min_size=N_ROWS, max_size=N_ROWS)
item_data = often(item_vectors, tables(), matrices(), st.lists(anything, max_size=5), hostile_ids())


@st.composite
def rankings(draw):
    """Lists of recommended items: positions with padding, ids, and wrong ones."""
    width = draw(st.integers(1, 3))
    lists = st.lists(st.integers(0, N_ITEMS - 1), max_size=width, unique=True)
    padded = lists.map(lambda found: found + [-1] * (width - len(found)))
    right = st.lists(padded, min_size=N_ROWS, max_size=N_ROWS)
    wrong = st.lists(st.lists(draw(st.sampled_from([st.integers(-3, 9), any_id, anything])), max_size=3), max_size=4)
    found = draw(often(right, wrong, wrong_arguments, matrices()))
    with suppress(Exception):  # of NumPy, of lists that make no array
        return np.array(found) if draw(st.booleans()) else found
    return found


# Callables ------------------------------------------------------------------------------------------------------------


def calls_of_matrix_recommenders():
    """Yield the name, the call and the kinds of input of each method that takes a matrix."""
    for name, recommender in MATRIX_RECOMMENDERS.items():
        yield f"{name} fit", clone(recommender).fit, [matrices()]
        for method in ("recommend", "predict", "decision_function", "transform", "score", "rank_held_out"):
            yield f"{name} {method}", lambda X, name=name, method=method: getattr(fitted(name), method)(X), [matrices()]
    for name, some in (("ridge", items), ("named", item_names)):
        yield f"{name} score y", lambda y, name=name: fitted(name).score(X, y), [held_out]
        yield f"{name} score weights", lambda w, name=name: fitted(name).score(X, X[::-1], w), [numbers]
        yield f"{name} candidates", lambda c, name=name: fitted(name).recommend(X[::-1], 2, candidates=c), [some]
        yield f"{name} ranked candidates", lambda c, name=name: fitted(name).rank_held_out(X, candidates=c), [some]
        yield f"{name} similar items", lambda i, name=name: fitted(name).similar_items(i, 2), [often(some, any_id)]
        yield (
            f"{name} new items",
            lambda data, ids, name=name: fitted(name).recommend(X, 2, candidates=ItemCatalog(data, ids)),
            [item_data, st.none() | ids_of_items],
        )
    model = embedding.ItemToVec(2).fit(X)
    yield "item vectors fit", embedding.ItemToVec(2, window=1).fit, [matrices()]
    yield "item vectors transform", model.transform, [matrices()]
    exploring = fitted("exploring")
    yield "propensities", lambda lists: exploring.propensities(X, lists), [rankings()]
    yield "rewards", lambda lists, rewards: exploring.learn_rewards(X, lists, rewards), [rankings(), numbers]
    for name in ("social", "profiles"):
        kind = type(MATRIX_RECOMMENDERS[name])
        yield f"{name} users", lambda u, name=name: fitted(name).recommend(X, 2, users=u), [often(user_data, users)]
        yield f"{name} fit users", lambda u, kind=kind: kind(RidgeRecommender()).fit(X, users=u), [user_data]
    yield "social friends", lambda f: fitted("social").recommend(X, 2, friends=f), [often(lists_of_friends, matrices())]
    yield (
        "social pairs",
        lambda pairs: SocialRecommender(RidgeRecommender(), pairs).fit(X, users=range(N_ROWS)),
        [often(st.lists(st.tuples(any_id, any_id), max_size=4), matrices())],
    )
    for name in MATRIX_RECOMMENDERS:
        if hasattr(fitted(name), "partial_fit"):
            yield f"{name} partial_fit", lambda X, name=name: deepcopy(fitted(name)).partial_fit(X), [matrices()]
        if hasattr(fitted(name), "forget"):
            yield f"{name} forget", lambda X, name=name: deepcopy(fitted(name)).forget(X), [matrices()]
    yield (
        "fit with a catalog",
        lambda X, data, ids: RidgeRecommender(catalog=ItemCatalog(data, ids), item_encoder=TruncatedSVD(2)).fit(X),
        [matrices(), item_data, st.none() | ids_of_items],
    )


def calls_of_log_recommenders():
    """Yield the name, the call and the kinds of input of each method that takes a log or ids."""
    yield "log fit", log_recommender().fit, [logs]
    unnamed = LogRecommender(PopularityRecommender(), weight="weight", timestamp="time")
    yield "log fit without names", unnamed.fit, [logs]
    yield (
        "log fit with a catalog",
        lambda X, ids: LogRecommender(RidgeRecommender(catalog=ItemCatalog(VECTORS, ids)), **COLUMNS).fit(X),
        [logs, often(st.just(range(N_ITEMS)), ids_of_items)],
    )
    for method in ("predict", "score", "rank_held_out"):
        yield f"log {method}", lambda X, method=method: getattr(fitted("log"), method)(X), [logs]
    baskets = st.lists(often(places, hostile_ids()), max_size=3)
    mapping = st.dictionaries(any_id, often(places, hostile_ids()), max_size=3)
    yield "log recommend", lambda users: fitted("log").recommend(users, 2), [often(users, any_id)]
    yield "log histories", lambda histories: fitted("log").recommend(histories=histories), [baskets | mapping | logs]
    yield "log candidates", lambda c: fitted("log").recommend([1], 2, candidates=c), [items]
    yield "log ranked candidates", lambda c: fitted("log").rank_held_out(LOG, candidates=c), [items]
    yield "log partial_fit", lambda X: deepcopy(fitted("log")).partial_fit(X), [logs]
    yield "log forget", lambda X: deepcopy(fitted("log")).forget(X), [logs]
    yield "log forget users", lambda users: deepcopy(fitted("log")).forget(users=users), [often(users, any_id)]
    yield "log forget items", lambda some: deepcopy(fitted("log")).forget(items=some), [often(items, any_id)]
    yield "log similar items", lambda i: fitted("log").similar_items(i, 2), [often(items, any_id)]
    regressor = GNNRatingRegressor(embedding_dim=4, max_iter=1, device="cpu", **COLUMNS)
    targets = often(st.lists(st.floats(1, 5), min_size=len(LOG), max_size=len(LOG)), numbers, times(len(LOG)))
    yield "ratings fit", lambda X: regressor.fit(X, np.ones(len(X))), [logs]
    yield "ratings fit targets", lambda y: regressor.fit(LOG[["user", "item"]], y), [targets]
    yield "ratings predict", lambda X: fitted("ratings").predict(X), [logs]


def calls_of_catalogs():
    """Yield the name, the call and the kinds of input of each method of a catalog."""
    yield "ItemCatalog", ItemCatalog, [item_data]
    yield "ItemCatalog ids", lambda ids: ItemCatalog(VECTORS, ids=ids), [ids_of_items]
    yield (
        "ItemCatalog id column",
        lambda data, ids: ItemCatalog(data, ids=ids).data,
        [
            often(tables(), item_data),
            often(st.just("item"), any_id, hostile_ids()),
        ],
    )
    for name, item_ids, some in (("named", STRINGS, item_names), ("unnamed", None, items)):
        catalog = ItemCatalog(VECTORS, ids=item_ids)
        for method in ("positions", "align"):
            yield f"{name} ItemCatalog {method}", getattr(catalog, method), [often(some, rankings())]
    yield "ItemCatalog take", ItemCatalog(VECTORS).take, [often(items, rankings())]


def calls_of_model_selection():
    """Yield the name, the call and the kinds of input of each function that splits or compares."""
    split = model_selection.split_interactions
    for hold_out in ("random", "last", "future", "cold_items"):
        yield (
            f"split_interactions {hold_out}",
            lambda X, t, hold_out=hold_out: split(X, hold_out=hold_out, timestamps=t, random_state=0),
            [matrices(n_rows=N_ROWS), often(matrices(n_rows=N_ROWS), st.none())],
        )
    for name, splitter in {
        "RollingWindows": model_selection.RollingWindows("time", n_splits=1),
        "RollingWindows of a size": model_selection.RollingWindows("time", n_splits=1, test_size=2.5, gap=1),
        "RollingWindows of a day": model_selection.RollingWindows(3, n_splits=1, test_size="1D", train_size="900D"),
        "LeaveLastOut": model_selection.LeaveLastOut("user", "time"),
    }.items():
        yield name, lambda X, splitter=splitter: list(splitter.split(X)), [logs]
    yield "SameUsers", lambda X, y: list(model_selection.SameUsers().split(X, y)), [matrices(), matrices()]
    leaks = model_selection.check_leakage
    yield (
        "check_leakage of matrices",
        lambda a, b, t: leaks(a, b, timestamp=t),
        [matrices(n_rows=N_ROWS), matrices(n_rows=N_ROWS), often(st.none(), matrices(n_rows=N_ROWS))],
    )
    yield "check_leakage of logs", lambda a, b: leaks(a, b, **COLUMNS, timestamp="time", order="user"), [logs, logs]
    compare = model_selection.compare_recommenders
    yield (
        "compare_recommenders",
        lambda X, y: compare({"a": RidgeRecommender()}, X, y, n_resamples=20),
        [matrices(n_rows=N_ROWS), matrices(n_rows=N_ROWS)],
    )
    options = {"protocols": "new_users", "n_repeats": 1, "n_resamples": 20}
    yield (
        "benchmark",
        lambda X: model_selection.benchmark({"a": PopularityRecommender()}, {"b": X}, **options),
        [matrices(n_rows=N_ROWS)],
    )
    values = st.dictionaries(st.sampled_from("abc"), numbers, min_size=2, max_size=3)
    yield "paired_bootstrap", lambda v: model_selection.paired_bootstrap(v, n_resamples=20), [often(values, logs)]


def calls_of_metrics():
    """Yield the name, the call and the kinds of input of each metric."""
    for name in ("ndcg_at_k", "recall_at_k", "precision_at_k", "hit_rate_at_k", "mrr_at_k", "map_at_k", "auc_at_k"):
        yield name, getattr(metrics, name), [held_out, rankings()]
    yield (
        "ranking_metrics",
        lambda y, lists, w: metrics.ranking_metrics(y, lists, sample_weight=w),
        [held_out, rankings(), st.none() | numbers],
    )
    yield "serendipity", metrics.serendipity, [held_out, rankings(), rankings()]
    for name in ("average_popularity", "novelty", "popularity_lift"):
        yield name, getattr(metrics, name), [rankings(), matrices(n_rows=N_ROWS)]
    yield "intra_list_diversity", metrics.intra_list_diversity, [rankings(), item_data]
    categories = often(st.just(np.eye(N_ITEMS)), id_lists(N_ITEMS, N_ITEMS), matrices(n_rows=N_ITEMS))
    yield "miscalibration", metrics.miscalibration, [rankings(), matrices(n_rows=N_ROWS), categories]
    for name in ("catalog_coverage", "gini_index", "item_exposure"):
        call = getattr(metrics, name)
        yield name, lambda lists, n, call=call: call(lists, n_items=n), [rankings(), often(st.just(N_ITEMS), anything)]
    yield "group_gap", metrics.group_gap, [numbers, groups]
    scorers = [metrics.RankingScorer(metric, k=2) for metric in ("ndcg", "recall")]
    for name, scorer in (("RankingScorer", scorers[0]), ("JointScorer", metrics.JointScorer(scorers))):
        yield name, lambda X, y, scorer=scorer: scorer(fitted("ridge"), X, y), [matrices(n_rows=N_ROWS), held_out]


def calls_of_experiments():
    """Yield the name, the call and the kinds of input of each function for experiments."""
    shares = {"a": 0.5, "b": 0.5}
    yield "assign_buckets", lambda users: online.assign_buckets(users, experiment="e", shares=shares), [users]
    yield "interleave", lambda a, b: online.interleave(a, b, random_state=0), [rankings(), rankings()]
    teams, clicks = often(st.just(np.array([[0, 1]] * N_ROWS)), rankings()), often(st.just(LISTS % 2), rankings())
    yield "interleaving_credit", online.interleaving_credit, [teams, clicks]
    yield "interleaving_test", lambda t, c, g: online.interleaving_test(t, c, users=g), [teams, clicks, groups]
    for name in ("ips_value", "snips_value", "clipped_ips_value"):
        call = getattr(online, name)
        yield name, lambda r, p, t, g, call=call: call(r, p, t, groups=g), [numbers, numbers, numbers, groups]
    predicted = often(st.just(X[:, :3]), matrices(n_rows=N_ROWS), numbers)
    yield (
        "doubly_robust_value",
        lambda *given: online.doubly_robust_value(
            *given[:3], predicted_rewards=given[3], target_predicted_rewards=given[4]
        ),
        [numbers, numbers, numbers, often(numbers, predicted), often(numbers, predicted)],
    )


def calls_of_explanations():
    """Yield the name, the call and the kinds of input of queries and explanations."""
    lists = st.none() | rankings()
    yield "explain", lambda X, items: inspection.explain(fitted("ridge"), X, items), [matrices(), lists]
    yield "explain content", lambda X: inspection.explain(fitted("content"), X), [matrices()]
    yield "reasons", inspection.reasons, [logs]
    yield "recommendation_table", inspection.recommendation_table, [lists, lists]
    attending = GNNRecommender(embedding_dim=4, max_iter=1, conv="attention", device="cpu").fit(X)
    yield "attention_weights", lambda X: inspection.attention_weights(attending, X), [matrices()]
    item = st.integers(0, N_ITEMS - 1) | any_id
    one_row = matrices(n_rows=1)
    yield "score_function", lambda X, item: inspection.score_function(fitted("ridge"), X, item), [one_row, item]
    yield "masks", inspection.score_function(fitted("ridge"), np.ones((1, N_ITEMS)), 0)[0], [matrices()]
    if util.find_spec("captum"):
        method = "integrated_gradients"
        yield "gradients", lambda X: inspection.explain(attending, X, method=method), [matrices()]
    groups = often(st.just(list("abcab")), id_lists(5, 5))
    yield (
        "fairness_report",
        lambda X, g: inspection.fairness_report(fitted("ridge"), X, item_groups=g, n_resamples=9),
        [
            matrices(),
            groups,
        ],
    )
    yield "query", lambda query: fitted("content").recommend(X, query=query), [item_data | numbers]


def calls_of_privacy():
    """Yield the name, the call and the kinds of input of statistics, federated fits and attacks."""
    ridge, vectors = RidgeRecommender(), often(st.lists(st.integers(0, 9), max_size=12), numbers)
    yield "silo_statistics", lambda X: privacy.silo_statistics(ridge, X), [matrices()]
    yield (
        "fit_statistics",
        lambda total, ids: privacy.fit_statistics(ridge, total, item_ids=ids),
        [vectors, ids_of_items],
    )
    yield "membership_attack", lambda A, B: privacy.membership_attack(fitted("ridge"), A, B), [matrices(), matrices()]
    if util.find_spec("cryptography"):
        yield "federated_fit", lambda A, B: privacy.federated_fit(ridge, [A, B]), [matrices(), matrices()]


def calls_of_displays():
    """Yield the name, the call and the kinds of input of each display."""
    for name in ("LongTailDisplay", "MetricOverKDisplay", "SegmentDisplay"):
        display = getattr(inspection, name)
        yield f"{name} matrix", lambda X, display=display: display.from_estimator(fitted("ridge"), X), [matrices()]
        yield f"{name} log", lambda X, display=display: display.from_estimator(fitted("log"), X), [logs]
        yield f"{name} lists", display.from_predictions, [held_out | numbers, rankings()]
    yield "SpectralResponseDisplay", inspection.SpectralResponseDisplay.from_predictions, [numbers, numbers]
    yield "ExplanationDisplay", inspection.ExplanationDisplay.from_predictions, [logs]
    embed = inspection.EmbeddingMapDisplay.from_predictions
    yield "EmbeddingMapDisplay", lambda v, g: embed(v, method="pca", groups=g), [item_data, st.none() | ids_of_items]
    accuracy = inspection.AccuracyOverTimeDisplay.from_predictions
    yield "AccuracyOverTimeDisplay", accuracy, [often(id_lists(N_ROWS, N_ROWS), hostile_ids()), numbers, numbers]


CALLS = {
    name: (call, inputs)
    for calls in (
        calls_of_matrix_recommenders(),
        calls_of_log_recommenders(),
        calls_of_catalogs(),
        calls_of_model_selection(),
        calls_of_metrics(),
        calls_of_experiments(),
        calls_of_explanations(),
        calls_of_privacy(),
    )
    for name, call, inputs in calls
}
DISPLAYS = {name: (call, inputs) for name, call, inputs in calls_of_displays()}
if IS_SPARSE:  # only calls that take matrices; a shape of billions of rows must be refused, not tried
    skgnnrec._memory.available_memory = lambda: 1 << 30
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    CALLS = {name: (call, inputs) for name, (call, inputs) in CALLS.items() if "hostile_sparse" in repr(inputs)}


def fuzz(name, call, inputs, n):
    """Call with n generated inputs, others for each name; return their number, or raise an error that is not plain."""
    attempted = []

    @seed(crc32(name.encode()))
    @settings(
        max_examples=max(1, round(n * SCALE)),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink] if SCALE > 1 else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*inputs))
    def attempt(arguments):
        attempted.append(arguments)
        with warnings.catch_warnings(), suppress(*ALLOWED), np.errstate(all="raise"):
            warnings.simplefilter("ignore")
            try:
                call(*arguments)
            except Exception as error:
                # Messages of scikit-learn print the argument. A matrix whose arrays were replaced may have no text.
                if "__repr__" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]:
                    raise

    attempt()
    return len(attempted)


# Tests ----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(IS_SPARSE, reason="This is the process that the test starts.")
def test_no_sparse_matrix_ends_the_process():
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "plain_error", __file__]
    own_settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**own_settings, "SKGNNREC_FUZZ_SPARSE": "1"}
    run = subprocess.run(
        command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


@pytest.mark.parametrize("name", CALLS)
def test_generated_input_leads_to_a_result_or_a_plain_error(name):
    assert fuzz(name, *CALLS[name], n=15) > 0


@pytest.mark.parametrize("name", DISPLAYS)
def test_generated_input_of_displays_leads_to_a_result_or_a_plain_error(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    call, inputs = DISPLAYS[name]

    def draw(*arguments):
        try:
            call(*arguments)
        finally:
            pyplot.close("all")

    assert fuzz(name, draw, inputs, n=5) > 0


def test_every_public_callable_is_tried():
    """New functions and classes belong into the calls above."""
    tried = " ".join([*CALLS, *DISPLAYS])
    # Without data: values, sizes of samples and texts, which have tests of their own.
    without_data = {
        "HeldOutRanking",
        "InterleavingResult",
        "PolicyValue",
        "power_of_means",
        "power_of_proportions",
        "sample_size_of_means",
        "sample_size_of_proportions",
        "InteractionFineTuner",
        "MaskedLMFineTuner",
        "ImageEmbedder",
        "BenchmarkData",
        "BenchmarkResult",
        "rerun_benchmark",
        "TextEmbedder",
        "load",  # tests/persistence has files with wrong bytes
        "save",
        "gaussian_epsilon",
        "gaussian_noise_multiplier",
        "federated_average",
        "MembershipAttack",
        "SecureSumServer",  # tests/privacy has wrong messages
        "SecureSumSilo",
    }
    other_names = {
        "ContentRecommender": "content fit",
        "GNNRecommender": "gnn fit",
        "SequenceRecommender": "sequence fit",
        "GraphFilterRecommender": "filter fit",
        "GraphFilterRecommenderCV": "filter cv fit",
        "RidgeRecommenderCV": "ridge cv fit",
        "BlendedRecommender": "blend fit",
        "CompressedRecommender": "compressed fit",
        "BackfillRecommender": "backfill fit",
        "SwitchingRecommender": "switching fit",
        "TwoStageRecommender": "two stages fit",
        "DiverseRecommender": "diverse fit",
        "LongTailRecommender": "diverse fit",
        "ExploringRecommender": "exploring fit",
        "ItemToVec": "item vectors fit",
        **dict.fromkeys(["CalibratedRecommender", "FairRecommender", "RulesRecommender"], "rules fit"),
        "PopularityRecommender": "popularity fit",
        "PrivateRecommender": "private fit",
        "SocialRecommender": "social fit",
        "UserContentRecommender": "profiles fit",
        "RidgeRecommender": "ridge fit",
        "LogRecommender": "log fit",
        "GNNRatingRegressor": "ratings fit",
    }
    for module in (skgnnrec, compose, embedding, metrics, model_selection, online, privacy, reranking, inspection):
        for name in set(module.__all__) - without_data:
            if callable(getattr(module, name)) and not inspect.ismodule(getattr(module, name)):
                assert other_names.get(name, name) in tried, f"{module.__name__}.{name}"
