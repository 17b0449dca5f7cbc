"""The recommenders that `peers.py` compares, each with its documented settings and further candidates.

The first candidate has the settings from the documentation of the package: the defaults or the values of a tutorial.
Each row has four candidates, and `peers.py --search` selects the best on the validation part. Rows named "defaults" are
not searched. Graph models train for as many epochs as the time limit allows, up to the documented number.
"""

from dataclasses import dataclass, field
from typing import Any

NEWCOMERS_UNKNOWN = "cannot: recommends to users of the fit"
NO_ITEM_DATA = "cannot: reads no item data"


@dataclass
class System:
    """A row of the comparison."""

    package: str
    driver: str
    fixed: dict[str, Any]
    candidates: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    text: str | None = None  # "raw" texts or "vectors" of them
    encodes: bool = False  # whether the time of the text vectors is measured
    against: str | None = None  # the row of skgnnrec with the same kind of model
    newcomers: str | None = None  # the reason if it cannot recommend to new users
    cold: str | None = NO_ITEM_DATA  # the reason if it cannot rank cold items
    more: tuple[str, ...] = ("newcomers", "cold")  # further measurements, each with a separate fit
    trained: bool = False  # trains until the time limit or early stopping
    tasks: tuple[str, ...] | None = None  # None: all tasks
    squares_items: bool = False  # inverts a matrix of items by items


def _ours(model: str, *candidates: dict[str, Any], text: bool = False, **others: Any) -> System:
    fixed = {"model": model, **({"text": True} if text else {})}
    return System(
        "skgnnrec",
        "with_skgnnrec.py",
        fixed,
        list(candidates) or [{}],
        text="vectors" if text else None,
        cold=None if text else NO_ITEM_DATA,
        **others,
    )


def _implicit(model: str, *candidates: dict[str, Any], seeded: bool = False, **others: Any) -> System:
    fixed = {"model": f"implicit.{model}", **({"random_state": 0} if seeded else {})}
    return System("implicit", "with_implicit.py", fixed, list(candidates), **others)


def _skrecsys(model: str, *candidates: dict[str, Any], seeded: bool = False, **others: Any) -> System:
    fixed = {"model": f"skrecsys.{model}", **({"random_state": 0} if seeded else {})}
    others = {"newcomers": "cannot: after partial_fit only", **others}
    return System("skrecsys", "with_skrecsys.py", fixed, list(candidates), **others)


RIDGES = [{"alpha": alpha} for alpha in (10.0, 3.0, 25.0, 60.0)]
RIDGES_WITH_TEXT = [{"alpha": a, "content_weight": w} for a, w in ((10.0, 3.0), (10.0, 8.0), (25.0, 3.0), (3.0, 1.0))]
FILTERS = [
    {},
    {"alpha": 0.1, "popularity_exponent": 0.1},
    {"alpha": 1.0, "popularity_exponent": 0.4},
    {"alpha": 1.0, "popularity_exponent": 0.4, "low_pass_weight": 2.0},
]
FILTERS_WITH_TEXT = [{}, {"content_weight": 0.3}, {"content_weight": 0.03}, {"alpha": 1.0, "popularity_exponent": 0.4}]

SYSTEMS: dict[str, System] = {
    "popularity": _ours("PopularityRecommender"),
    "filter, defaults": _ours("GraphFilterRecommender"),
    "filter": _ours("GraphFilterRecommender", *FILTERS, more=()),
    "filter + text, defaults": _ours("GraphFilterRecommender", text=True),
    "filter + text": _ours("GraphFilterRecommender", *FILTERS_WITH_TEXT, text=True, more=()),
    "ridge, defaults": _ours("RidgeRecommender", squares_items=True),
    "ridge": _ours("RidgeRecommender", *RIDGES, more=(), squares_items=True),
    "ridge + text, defaults": _ours("RidgeRecommender", text=True, encodes=True, squares_items=True),
    "ridge + text": _ours("RidgeRecommender", *RIDGES_WITH_TEXT, text=True, more=(), squares_items=True),
    "gnn, defaults": _ours("GNNRecommender", more=("newcomers",), trained=True),
    "gnn + text, defaults": _ours("GNNRecommender", text=True, more=("cold",), trained=True),
    "implicit ALS": _implicit(
        "als.AlternatingLeastSquares",
        {},
        {"factors": 64, "regularization": 0.05, "alpha": 2.0},  # from its tutorial
        {"factors": 128, "alpha": 10.0},
        {"factors": 256, "alpha": 5.0, "regularization": 0.1},
        seeded=True,
        against="filter, defaults",
    ),
    "implicit BPR": _implicit(
        "bpr.BayesianPersonalizedRanking",
        {},
        {"learning_rate": 0.05},
        {"learning_rate": 0.05, "regularization": 0.001},
        {"learning_rate": 0.1, "factors": 64},
        seeded=True,
        against="filter, defaults",
        newcomers=NEWCOMERS_UNKNOWN,
    ),
    "implicit item-kNN cosine": _implicit(
        "nearest_neighbours.CosineRecommender",
        *({"K": k} for k in (20, 50, 100, 200)),
        against="filter, defaults",
    ),
    "implicit item-kNN BM25": _implicit(
        "nearest_neighbours.BM25Recommender",
        *({"K": k, "B": b} for k, b in ((20, 0.75), (100, 0.75), (100, 0.2), (200, 0.5))),
        against="filter, defaults",
    ),
    "skrecsys EASE": _skrecsys(
        "recommendation.EASE",
        *({"l2_reg": value} for value in (500.0, 50.0, 150.0, 1500.0)),
        against="ridge, defaults",
        squares_items=True,
    ),
    "skrecsys item-kNN": _skrecsys(
        "recommendation.ItemKNNRecommender",
        {},
        {"n_neighbors": 100},
        {"n_neighbors": 200},
        {"n_neighbors": 200, "shrink": 10.0},
        against="filter, defaults",
    ),
    "skrecsys XSimGCL": _skrecsys(
        "nn.XSimGCL",
        {},
        {"temperature": 0.1},
        {"learning_rate": 5e-3},
        {"learning_rate": 5e-3, "batch_size": 8192},
        seeded=True,
        against="gnn, defaults",
        trained=True,
    ),
    "RecBole LightGCN": System(
        "recbole",
        "with_recbole.py",
        {},
        [
            {},
            {"learning_rate": 5e-3},
            {"learning_rate": 5e-3, "train_batch_size": 8192},
            {"learning_rate": 0.01, "train_batch_size": 8192, "n_layers": 3},
        ],
        against="gnn, defaults",
        newcomers=NEWCOMERS_UNKNOWN,
        trained=True,
    ),
    "LightFM": System("lightfm", "with_lightfm.py", {}, tasks=("online_retail",)),
    "lightfm-next, WARP + words": System(
        "lightfm-next",
        "with_lightfm.py",
        {"loss": "warp", "epochs": 30},  # from its quickstart
        [
            {},
            {"no_components": 64},
            {"no_components": 128, "learning_rate": 0.02},
            {"no_components": 64, "item_alpha": 1e-6, "user_alpha": 1e-6},
        ],
        text="raw",
        against="filter + text, defaults",
        newcomers="cannot: reads no histories, users need features",
        cold=None,
    ),
    "sentence-transformers + kNN": System(
        "sentence-transformers",
        "with_sentence_transformers.py",
        {},
        text="raw",
        encodes=True,
        against="filter + text, defaults",
        cold=None,
        tasks=("online_retail", "movietweetings", "beauty"),
    ),
    "scikit-learn TruncatedSVD": System(
        "scikit-learn",
        "with_scikit_learn.py",
        {},
        [{"n_components": n} for n in (100, 32, 64, 256)],  # 100 is the recommendation for sparse text
        against="filter, defaults",
    ),
}
