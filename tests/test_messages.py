"""What public callables say to wrong arguments: a table of callables and parameters against kinds of arguments.

Whatever is passed, a callable returns or raises ValueError, TypeError or an exception of the package, whose message
names the parameter and what came. New public callables and parameters belong into the table.
"""

import datetime as dt
import gc
import inspect
import re
import warnings
from contextlib import suppress
from copy import copy, deepcopy
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer

import skgnnrec
from skgnnrec import (
    ContentRecommender,
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    ImageEmbedder,
    InteractionFineTuner,
    ItemCatalog,
    LogRecommender,
    MaskedLMFineTuner,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
    SocialRecommender,
    TextEmbedder,
    UserContentRecommender,
    compose,
    datasets,
    distributed,
    embedding,
    exceptions,
    inspection,
    metrics,
    model_selection,
    online,
    privacy,
    reranking,
    serving,
    tracking,
)
from skgnnrec.inspection import SegmentDisplay
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection import LeaveLastOut, RollingWindows, SameUsers
from skgnnrec.text.finetuning import BaseFineTuner

from .image.conftest import save_clip
from .text.conftest import save_bert

pyplot = pytest.importorskip("matplotlib.pyplot")
pyplot.switch_backend("agg")

OWN = tuple(error for name in exceptions.__all__ if issubclass(error := getattr(exceptions, name), Exception))

# Kinds of arguments, most of them wrong for most parameters: how to make one, and what a message may say of it --------

KINDS = {
    "None": (lambda: None, "None"),
    "string": (lambda: "abc", "abc"),
    "bytes": (lambda: b"abc", "abc"),
    "integer": (lambda: 5, "5"),
    "negative integer": (lambda: -1, "-1"),
    "float": (lambda: 2.5, "2.5"),
    "NaN": (lambda: float("nan"), "nan|NaN"),
    "boolean": (lambda: True, "True"),
    "complex number": (lambda: 2j, "2j"),
    "empty list": (lambda: [], r"\[\]|0|empty|none"),
    "set": (lambda: {1, 2}, "{1, 2}|int"),
    "tuple": (lambda: (1, "a"), "int|'a'|2|U21"),
    "dict": (lambda: {"a": 1}, "'a'|int"),
    "list of strings": (lambda: ["a", "b"], "'a'|str|2|U1"),
    "rows of two lengths": (lambda: [[1, 2], [3]], "lengths|2"),
    "3-d array": (lambda: np.zeros((2, 2, 2)), "2, 2, 2|dim 3|3 dimensions|array"),
    "array of NaN": (lambda: np.full((4, 5), np.nan), "4, 5|4|5|nan|NaN|float64|none"),
    "sparse array": (lambda: sparse.csr_array(np.eye(3, 5)), "3, 5|3 rows|3 users|sparse"),
    "Series": (lambda: pd.Series([1.5, None]), r"1\.5|2|NaN|missing|float"),
    "DataFrame": (lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "'a'|'b'|'x'|2|object"),
    "polars": (lambda: pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "'a'|'b'|'x'|2|object|Series"),
    "lazy polars": (lambda: pl.LazyFrame({"a": [1, 2]}), "LazyFrame"),
    "pyarrow": (lambda: pa.table({"a": [1, 2], "b": ["x", "y"]}), "'a'|'b'|'x'|2|object"),
    "dates": (lambda: [dt.date(2024, 1, 1), dt.date(2024, 1, 2)], "date|2|object"),
    "date": (lambda: dt.date(2024, 1, 1), "date"),
    "generator": (lambda: (number for number in range(3)), "3|int"),
    "class": (lambda: RidgeRecommender, "class"),
    "unfitted recommender": (lambda: RidgeRecommender(), "RidgeRecommender"),
    "function": (lambda: len, "function"),
    "object": (lambda: object(), "object"),
}

# Callables, each with right arguments ---------------------------------------------------------------------------------

X = np.array([[1, 1, 0, 0, 2], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 1, 1, 1]], dtype=np.float64)
Y = X[::-1]
LISTS = np.array([[2, 3], [0, 4], [1, 2], [0, 3]])
NUMBERS = np.array([0.75, 0.5, 0.25, 0.125])
VECTORS = np.random.default_rng(0).standard_normal((5, 3))
CATALOG = ItemCatalog(VECTORS, ids=list("abcde"))
FRIENDS = sparse.csr_array(np.eye(4)[::-1])
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
TEXTS = ["red mug", "tea pot", "cup", "mug", "pot"]
LOG = pd.DataFrame(
    {"user": [1, 1, 1, 2, 2, 3], "item": [0, 1, 2, 1, 3, 4], "weight": [1.0, 2, 1, 1, 3, 1], "time": [1, 2, 3, 1, 5, 2]}
)
COLUMNS = {"user": "user", "item": "item"}
TRAINING = {"max_iter": 1, "early_stopping": False}
GNN = {"embedding_dim": 4, "device": "cpu", **TRAINING}


@cache
def embedder():
    """Return an embedder with a small random model."""
    return TextEmbedder(save_bert(Path(mkdtemp()), seed=0))


@cache
def image_embedder():
    """Return an embedder with a small random model of images and texts."""
    return ImageEmbedder(save_clip(Path(mkdtemp()), seed=0))


def reranked(kind):
    """Return a re-ranker of a recommender with kinds of items."""
    items = ItemCatalog(pd.DataFrame({"kind": list("aabbc"), "x": range(5), "y": [1, 0, 2, 0, 1]}))
    vectors = make_column_transformer(("passthrough", ["x", "y"]))
    required = {"category": "kind", "group": "kind", "min_shares": {"b": 0.2}}
    required = {name: required[name] for name in required if name in inspect.signature(kind).parameters}
    return kind(RidgeRecommender(catalog=items, item_encoder=vectors), **required)


MODULES = [skgnnrec, compose, metrics, model_selection, online, inspection, datasets, embedding]
MODULES += [privacy, reranking, serving, distributed]
PUBLIC = {name: getattr(module, name) for module in MODULES for name in module.__all__}
PACKAGES = {"MLflowCallback": "mlflow", "TensorBoardCallback": "tensorboard", "WandbCallback": "wandb"}
PUBLIC |= {name: getattr(tracking, name) for name, package in PACKAGES.items() if find_spec(package)}
PARTS = [("ridge", RidgeRecommender()), ("popularity", PopularityRecommender())]
ESTIMATORS = {kind: kind for kind in PUBLIC.values() if hasattr(kind, "fit")}
ESTIMATORS |= {
    ContentRecommender: lambda: ContentRecommender(catalog=ItemCatalog(VECTORS)),
    RidgeRecommender: lambda: RidgeRecommender(catalog=ItemCatalog(VECTORS)),
    GraphFilterRecommender: lambda: GraphFilterRecommender(catalog=ItemCatalog(VECTORS)),
    GNNRecommender: lambda: GNNRecommender(conv="attention", n_layers=1, catalog=ItemCatalog(VECTORS), **GNN),
    SequenceRecommender: lambda: SequenceRecommender(catalog=ItemCatalog(VECTORS), **GNN),
    compose.BlendedRecommender: lambda: compose.BlendedRecommender(PARTS),
    compose.BackfillRecommender: lambda: compose.BackfillRecommender(PARTS),
    compose.SwitchingRecommender: lambda: compose.SwitchingRecommender(PARTS, switch=2),
    compose.TwoStageRecommender: lambda: compose.TwoStageRecommender(PARTS, LinearRegression(), n_candidates=2),
    compose.CompressedRecommender: lambda: compose.CompressedRecommender(
        RidgeRecommender(catalog=ItemCatalog(VECTORS)), n_largest=3
    ),
    privacy.PrivateRecommender: lambda: privacy.PrivateRecommender(
        RidgeRecommender(catalog=ItemCatalog(VECTORS)), n_updates=1, random_state=0
    ),
    **{kind: partial(reranked, kind) for kind in map(reranking.__dict__.get, reranking.__all__)},
    SocialRecommender: lambda: SocialRecommender(RidgeRecommender(), FRIENDS),
    UserContentRecommender: lambda: UserContentRecommender(RidgeRecommender(), ItemCatalog(X[:, :2])),
    LogRecommender: lambda: LogRecommender(
        RidgeRecommender(), weight="weight", timestamp="time", half_life=2, **COLUMNS
    ),
    GNNRatingRegressor: lambda: GNNRatingRegressor(**GNN, **COLUMNS),
    TextEmbedder: embedder,
    ImageEmbedder: image_embedder,
    MaskedLMFineTuner: lambda: MaskedLMFineTuner(embedder(), **TRAINING),
    InteractionFineTuner: lambda: InteractionFineTuner(embedder(), **TRAINING),
}
DATA = {
    LogRecommender: {"X": LOG},
    GNNRatingRegressor: {"X": LOG[["user", "item"]], "y": LOG["weight"]},
    TextEmbedder: {"X": TEXTS},
    ImageEmbedder: {"X": PICTURES},
    MaskedLMFineTuner: {"X": TEXTS},
    InteractionFineTuner: {"X": TEXTS, "y": X.T},
}


@cache
def fitted(kind):
    return ESTIMATORS[kind]().fit(**DATA.get(kind, {"X": X}))


def construct(kind, **parameters):
    return kind(**ESTIMATORS[kind]().get_params(deep=False) | parameters).fit(**DATA.get(kind, {"X": X}))


def call_method(kind, name, **arguments):
    estimator = clone(ESTIMATORS[kind]()) if "fit" in name else fitted(kind)
    return getattr(deepcopy(estimator) if name == "forget" else estimator, name)(**arguments)


def methods_of(kind):
    """Yield the public methods of a class that the package defines, without those whose contract is scikit-learn's."""
    for name, method in inspect.getmembers(kind, callable):
        is_own = (getattr(method, "__module__", "") or "").startswith("skgnnrec")
        if is_own and not name.startswith(("_", "get_params", "set_params")):
            yield name, method


def calls_of_estimators():
    """Yield the name of each constructor and method, the call, and right arguments."""
    for kind in ESTIMATORS:
        # scikit-learn's check_param_validation tries the others on fine-tuners, whose fits take long.
        names = ["embedder"] if issubclass(kind, BaseFineTuner) else list(inspect.signature(kind).parameters)
        yield (
            kind.__name__,
            partial(construct, kind),
            lambda kind=kind, names=names: {name: getattr(ESTIMATORS[kind](), name) for name in names},
        )
        for name, method in methods_of(kind):
            right = {"X": X, "y": Y, "items": [0, 1], "folder": "model", "texts": TEXTS} | DATA.get(kind, {})
            if name in ("learn_rewards", "propensities"):
                right |= {"items": LISTS, "rewards": LISTS / 4}
            arguments = arguments_of(method, right)
            if name == "forget":
                arguments = {"X": right["X"][:1]}
                if kind in (SocialRecommender, UserContentRecommender):
                    arguments["users"] = [0]
            elif "fit" in name or kind is LogRecommender:  # where y is not used, there is no wrong one
                arguments = {each: arguments[each] for each in arguments if each != "y" or "y" in DATA.get(kind, {})}
            yield f"{kind.__name__}.{name}", partial(call_method, kind, name), arguments


def arguments_of(function, right):
    """Return an argument for each parameter: the right one, or the default."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: right.get(each.name, each.default) for each in parameters if each.name != "self"}


SCORER, JOINT = RankingScorer(k=2), JointScorer([RankingScorer(k=2)])
SPLITTERS = [RollingWindows("time", n_splits=1), LeaveLastOut("user", "time"), SameUsers()]
RECOMMENDER = RidgeRecommender().fit(X)
RANKING = RECOMMENDER.rank_held_out(X, Y)
OF_LISTS = {"y_true": Y, "recommended": LISTS, "expected": LISTS[::-1], "n_items": 5, "seen": None}
OF_LISTS |= {"interactions": X, "histories": X, "item_vectors": VECTORS, "item_categories": np.eye(5)}
OF_VALUES = dict.fromkeys(["rewards", "propensities", "target_propensities"], NUMBERS)
OF_POWER = {"n": 100, "difference": 0.1, "std": 1.0, "p_control": 0.1, "p_treatment": 0.2}
OF_LOGS = {"train": LOG, "test": LOG, "timestamp": "time", **COLUMNS}
LISTS_OF_DISPLAYS = {"y_true": Y, "recommended": LISTS, "popularity": X.sum(axis=0)}
LISTS_OF_DISPLAYS |= {"names": list("abab"), "seconds": NUMBERS, "scores": NUMBERS, "vectors": VECTORS, "method": "pca"}
LISTS_OF_DISPLAYS |= {"singular_values": NUMBERS, "response": NUMBERS}
OF_BENCHMARKS = {"recommenders": {"a": PopularityRecommender()}, "data": {"x": X}, "n_resamples": 20}
BENCHMARK = model_selection.benchmark(**OF_BENCHMARKS, protocols=["random"], n_repeats=1)
# The estimator that each display draws.
DISPLAYS = {getattr(inspection, name): RECOMMENDER for name in inspection.__all__ if name.endswith("Display")}
DISPLAYS[inspection.SpectralResponseDisplay] = GraphFilterRecommender().fit(X)


def right_of(display, estimator):
    if display is inspection.ExplanationDisplay:
        return {"estimator": estimator, "X": X[:1], "item": 4}
    return {"estimator": estimator, "X": X, "y": Y, "method": "pca"}


GNN_RECOMMENDER = GNNRecommender(conv=None, **GNN).fit(X)


def calls_of_secure_sums():
    """Yield the name of each message of a secure sum, the call by silos that have not sent it, and right arguments."""
    silos = [privacy.SecureSumSilo(place, n_silos=3, threshold=2) for place in range(3)]
    keys = {silo.place: silo.keys() for silo in silos}
    shares = {silo.place: silo.share(keys) for silo in silos}
    received = {sender: parts[0] for sender, parts in shares.items() if sender}
    masked = {0: copy(silos[0]).mask([1, 2], received)}
    for place in (1, 2):
        masked[place] = silos[place].mask([1, 2], {at: parts[place] for at, parts in shares.items() if at != place})
    revealed = {place: copy(silos[place]).reveal(masked) for place in (1, 2)}
    server = privacy.SecureSumServer(n_silos=3, threshold=2)
    numbers = {"n_silos": 3, "threshold": 2}
    yield "SecureSumSilo", privacy.SecureSumSilo, {"place": 0, **numbers}
    yield "SecureSumSilo.keys", silos[0].keys, {}
    yield "SecureSumSilo.share", silos[0].share, {"keys": keys}
    right = {"values": [1, 2], "shares": received}
    yield "SecureSumSilo.mask", lambda **given: copy(silos[0]).mask(**given), right
    yield "SecureSumSilo.reveal", lambda **given: copy(silos[1]).reveal(**given), {"arrived": [1, 2]}
    yield "SecureSumServer", privacy.SecureSumServer, numbers
    right = {"masked": masked, "revealed": revealed, "keys": keys}
    yield "SecureSumServer.sum_of", server.sum_of, right


FUNCTIONS = [
    *((getattr(metrics, name), OF_LISTS) for name in metrics.__all__ if name[0].islower() and name != "group_gap"),
    (metrics.group_gap, {"values": NUMBERS, "groups": list("abab")}),
    *((method, {"estimator": RECOMMENDER, "X": X, "y": Y}) for method in (SCORER.score, JOINT.score)),
    *((method, {"ranking": RANKING}) for method in (SCORER.evaluate, SCORER.evaluate_users, JOINT.evaluate_users)),
    *((getattr(CATALOG, name), {"ids": ["a"], "positions": [0]}) for name in ("align", "positions", "take")),
    *((getattr(online, name), OF_VALUES) for name in online.__all__ if name.endswith("ips_value")),
    (online.doubly_robust_value, OF_VALUES | dict.fromkeys(["predicted_rewards", "target_predicted_rewards"], NUMBERS)),
    *((getattr(online, name), OF_POWER) for name in online.__all__ if "_of_" in name),
    (online.assign_buckets, {"users": ["ann", "bob"], "experiment": "e", "shares": {"a": 0.5, "b": 0.5}}),
    (online.interleave, {"ranking_a": LISTS, "ranking_b": LISTS[::-1]}),
    *(
        (each, {"teams": LISTS % 2, "clicks": LISTS % 2})
        for each in (online.interleaving_credit, online.interleaving_test)
    ),
    (model_selection.split_interactions, {"X": X, "hold_out": "last", "timestamps": X}),
    (model_selection.check_leakage, {"train": X, "test": Y}),
    (model_selection.paired_bootstrap, {"values": {"a": NUMBERS, "b": NUMBERS[::-1]}, "n_resamples": 20}),
    (
        model_selection.compare_recommenders,
        {"estimators": {"a": PopularityRecommender()}, "X": X, "y": Y, "n_resamples": 20},
    ),
    (model_selection.BenchmarkData, {"interactions": X, "timestamp": X, "catalog": CATALOG, "held_out": Y}),
    (model_selection.benchmark, OF_BENCHMARKS | {"param_grids": {"a": {"n_recommendations": [2]}}, "n_repeats": 1}),
    (inspection.explain, {"recommender": RECOMMENDER, "X": X, "items": LISTS}),
    (
        inspection.fairness_report,
        {"estimator": RECOMMENDER, "X": X, "y": Y, "user_groups": list("abab"), "item_groups": list("ababc"), "k": 2},
    ),
    (inspection.reasons, {"explanation": inspection.explain(RECOMMENDER, X)}),
    (inspection.attention_weights, {"recommender": GNNRecommender(2, conv="attention", max_iter=1).fit(X), "X": X}),
    (inspection.score_function, {"recommender": RECOMMENDER, "X": X[:1], "item": 4}),
    (privacy.gaussian_epsilon, {"noise_multiplier": 1.0, "delta": 1e-5}),
    (privacy.gaussian_noise_multiplier, {"epsilon": 1.0, "delta": 1e-5}),
    (privacy.silo_statistics, {"recommender": RECOMMENDER, "X": X}),
    (privacy.fit_statistics, {"recommender": RECOMMENDER, "statistics": privacy.silo_statistics(RECOMMENDER, X)}),
    (privacy.federated_fit, {"recommender": RECOMMENDER, "silos": [X, Y]}),
    (privacy.federated_average, {"recommenders": [GNN_RECOMMENDER]}),
    (privacy.membership_attack, {"recommender": RECOMMENDER, "members": X, "others": Y}),
    (privacy.membership_attack(RECOMMENDER, X, Y).true_positive_rate, {}),
    # Where all is right but the files, no cluster is started.
    (distributed.fit, {"recommender": RECOMMENDER, "shards": "absent"}),
    (distributed.recommend, {"recommender": RECOMMENDER, "histories": "absent", "out": "out"}),
    (distributed.split_by_user, {"log": "absent", "out": "out", "n_shards": 2}),
    (distributed.ray_backend, {}),
    (datasets.make_interactions, {"n_users": 20, "n_items": 10, "n_interactions": 0.3}),
    (
        datasets.make_log,
        {"topics": {"a": ["b", "c"]}, "n_users": 20, "n_items": 10, "n_interactions": 40, "templates": ["{0} and {1}"]},
    ),
    *((display.from_estimator, right_of(display, estimator)) for display, estimator in DISPLAYS.items()),
    *(
        (display.from_predictions, LISTS_OF_DISPLAYS)
        for display in DISPLAYS
        if display not in (SegmentDisplay, inspection.ExplanationDisplay)
    ),
    (inspection.ExplanationDisplay.from_predictions, {"explanation": inspection.explain(RECOMMENDER, X[:1], [[4]])}),
]


def construct_scorer(kind, **parameters):
    return kind(**parameters)(RECOMMENDER, X, Y)


def construct_splitter(kind, **parameters):
    return list(kind(**parameters).split(LOG))


@cache
def drawn(display):
    right = right_of(display, DISPLAYS[display])
    return display.from_estimator(**arguments_of(display.from_estimator, right))


def plot(display, **arguments):
    return drawn(display).plot(**arguments)


def arguments_of_create_app():
    skgnnrec.save(RECOMMENDER, "recommender")
    defaults = {"journal": None, "token": None, "limits": None, "trusted": ()}
    return {"recommender": "recommender", **defaults}


def embed_without_cluster(**parameters):
    """Check the arguments of an embedding on a cluster, and do not begin."""
    absent = OSError("No such file or directory")
    with mock.patch("skgnnrec.distributed._embed.connect", side_effect=absent):
        distributed.embed(**parameters)


def arguments_of_read_journal():
    Path("journal").touch()
    return {"path": "journal"}


def arguments_of_rerun():
    BENCHMARK.to_json("benchmark.json")
    right = {name: OF_BENCHMARKS[name] for name in ("recommenders", "data")}
    return {"path": "benchmark.json", **right, "tolerance": 0}


def arguments_of_from_json():
    BENCHMARK.to_json("benchmark.json")
    return {"path": "benchmark.json"}


def arguments_of_load():
    skgnnrec.save(RECOMMENDER, "recommender")
    return {"path": "recommender", "trusted": (), "models_dir": None}


def calls_of_functions():
    """Yield the name of each function, the call, and right arguments."""
    for function, right in FUNCTIONS:
        yield function.__qualname__, function, arguments_of(function, right)
    yield from calls_of_secure_sums()
    recommend, forget = (partial(call_method, LogRecommender, name) for name in ("recommend", "forget"))
    yield "LogRecommender.recommend of users", recommend, {"users": [1], "candidates": [0]}
    yield "LogRecommender.forget of users", forget, {"users": [1]}
    yield "LogRecommender.forget of items", forget, {"items": [1]}
    for segments in ({"user_segments": list("abab")}, {"item_segments": list("ababc")}):
        right = {"y_true": Y, "recommended": LISTS, "x_label": "segment", **segments}
        yield f"SegmentDisplay.from_predictions {list(segments)}", SegmentDisplay.from_predictions, right
    yield "ItemCatalog", ItemCatalog, {"data": VECTORS, "ids": list("abcde")}
    yield "check_leakage of logs", model_selection.check_leakage, arguments_of(model_selection.check_leakage, OF_LOGS)
    for scorer in (SCORER, JOINT):
        yield type(scorer).__name__, partial(construct_scorer, type(scorer)), scorer.get_params(deep=False)
    for splitter in SPLITTERS:
        data = {"X": X if isinstance(splitter, SameUsers) else LOG}
        yield f"{type(splitter).__name__}.split", lambda of=splitter, **given: list(of.split(**given)), data
        if vars(splitter):
            yield type(splitter).__name__, partial(construct_splitter, type(splitter)), vars(splitter)
    yield "compress", skgnnrec.compress, {"recommender": RECOMMENDER, "dtype": "int8", "n_largest": 2}
    yield "compress to factors", skgnnrec.compress, {"recommender": RECOMMENDER, "rank": 2}
    lists = {"items": LISTS, "scores": LISTS, "users": list("abcd"), "names": {0: "mug"}}
    yield "recommendation_table", inspection.recommendation_table, lists
    yield "save", skgnnrec.save, {"estimator": RECOMMENDER, "path": "recommender", "include_models": False}
    yield "load", skgnnrec.load, arguments_of_load
    yield "BenchmarkData of logs", model_selection.BenchmarkData, {"interactions": LOG, "timestamp": "time", **COLUMNS}
    yield "BenchmarkResult", model_selection.BenchmarkResult, {"content": BENCHMARK.content}
    yield "BenchmarkResult.from_json", model_selection.BenchmarkResult.from_json, arguments_of_from_json
    yield "BenchmarkResult.to_json", BENCHMARK.to_json, {"path": "benchmark.json"}
    yield "BenchmarkResult.to_frame", BENCHMARK.to_frame, {}
    yield "BenchmarkResult.plot", BENCHMARK.plot, {"metric": "ndcg@10"}
    yield "rerun_benchmark", model_selection.rerun_benchmark, arguments_of_rerun
    for name in PUBLIC.keys() & PACKAGES.keys():
        yield name, PUBLIC[name], arguments_of(PUBLIC[name], {})
    right = {"texts": TEXTS, "encoder": FunctionTransformer(), "out": "out"}
    yield "embed", embed_without_cluster, arguments_of(distributed.embed, right)
    yield "create_app", serving.create_app, arguments_of_create_app
    yield "Limits", serving.Limits, vars(serving.Limits())
    yield "read_journal", serving.read_journal, arguments_of_read_journal
    fetch = partial(datasets.fetch_movielens, download_if_missing=False)
    yield "fetch_movielens", fetch, {"variant": "latest-small", "data_home": "data", "n_retries": 3, "delay": 1.0}
    for display in DISPLAYS:
        yield display.plot.__qualname__, partial(plot, display), arguments_of(display.plot, {})


CALLS = {name: (call, right) for calls in (calls_of_estimators(), calls_of_functions()) for name, call, right in calls}


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_collect():
    """Exclude what is imported from garbage collection, which compare_recommenders runs before each fit."""
    gc.freeze()
    yield
    gc.unfreeze()


# Tests ----------------------------------------------------------------------------------------------------------------

# What a parameter accepts although the value is of no use: the error is that of the given object.
ACCEPTED = {
    ("item_encoder", "unfitted recommender"),  # it has fit and transform
    ("memory", "lazy polars"),  # it has a method cache
    ("item_vectors", "sparse array"),  # three vectors are right for other lists
    ("X", "sparse array"),  # three users for the lists of four
    ("friends", "DataFrame"),  # two columns of ids
    ("friends", "polars"),
    ("metric", "class"),
    ("metric", "function"),
}
# Documented errors of absent files and states.
ABSENT = (
    r"query requires item vectors|not fitted yet|is missing, and `download_if_missing` is False|"
    r"neither a folder nor in the local cache|No such file or directory"
)
IDS = {"users", "user_segments"}  # parameters that take any object that can be hashed, as an id


def says_what_came(message, value, came):
    """Return whether a message shows a value, its type, its dimensions, or what else is said of its kind."""
    what = rf"{type(value).__name__}|[1-3]D|[1-3] dimension|one dimension|{came}"
    return repr(value) in message or re.search(rf"(?<!\w)({what})", message) is not None


def problem_of(call, right, parameter, kind):
    """Return what is wrong with the error of a wrong argument, None where there is none."""
    make, came = KINDS[kind]
    value = make()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(**{**right, parameter: value})
        return f"{parameter}={kind} is accepted" if kind == "object" and parameter not in IDS else None
    except Exception as error:
        is_plain = isinstance(error, (ValueError, TypeError, *OWN))
        says_all = re.search(rf"\b{parameter}\b", str(error)) and says_what_came(str(error), value, came)
        if not (is_plain and says_all) and (parameter, kind) not in ACCEPTED and not re.search(ABSENT, str(error)):
            return f"{parameter}={kind}: {error!r}"
    finally:
        pyplot.close("all")
    return None


@pytest.mark.parametrize("name", CALLS)
def test_messages_name_the_parameter_and_what_came(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # strings are taken for folders
    call, right = CALLS[name]
    right = right() if callable(right) else right
    with warnings.catch_warnings(), suppress(OSError):  # of absent files
        warnings.simplefilter("ignore")
        call(**right)
    problems = [problem_of(call, right, parameter, kind) for parameter in right for kind in KINDS]
    assert not any(problems), "\n".join(filter(None, problems))


def test_every_public_callable_is_tried():
    # Values and displays hold what they are given.
    values = {"HeldOutRanking", "JournalContent", "InterleavingResult", "PolicyValue", "MembershipAttack"}
    values |= set(inspection.__all__)
    expected = {name for name, value in PUBLIC.items() if callable(value) and inspect.signature(value).parameters}
    expected -= values
    for name, value in PUBLIC.items():
        # These have no arguments that are used, those of fit, or those that scikit-learn passes to callbacks.
        others = ("get_n_splits", "fit_transform", "setup", "teardown", "on_fit_task_begin", "on_fit_task_end")
        methods = methods_of(value) if inspect.isclass(value) else ()
        expected |= {f"{name}.{method}" for method, _ in methods if method not in others}
    assert expected <= {name.partition(" ")[0] for name in CALLS}
