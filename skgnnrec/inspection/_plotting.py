"""What the displays share: axes, colours, and the lists that fitted recommenders give."""

from collections.abc import Mapping
from itertools import cycle
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skgnnrec._recommended import chosen_for, rank_held_out, warn_of_leak
from skgnnrec.metrics import HeldOutRanking, ranking_metrics

# Okabe and Ito's colours, which colour-blind readers tell apart, without their yellow, which is pale on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
GREY = "#999999"
# In black and white, and where there are more lines than colours, markers and dashes still differ.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
METRIC_NAMES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "precision": "Precision",
    "hit_rate": "Hit rate",
    "mrr": "MRR",
    "map": "MAP",
}
INTERVAL = 1.96  # standard errors on either side: 95 % of a normal distribution


def new_axes(ax: Any, caller: str, size: tuple[float, float] = (6.4, 4.4)) -> Any:
    """Return the axes to draw on, made where there are none."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which the extra `plot` installs: pip install 'skgnnrec[plot]'"
        ) from error
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def line_styles(names: Any) -> dict[Any, dict[str, Any]]:
    """Return a colour, a marker and a dash for each name."""
    dashes = [dash for dash in DASHES for _ in COLOURS]
    styles = zip(cycle(COLOURS), cycle(MARKERS), cycle(dashes), strict=False)
    return {
        name: {"color": colour, "marker": marker, "linestyle": dash}
        for name, (colour, marker, dash) in zip(names, styles, strict=False)
    }


def plain_numbers(axis: Any) -> None:
    """Label a logarithmic axis with 0.1, 1, 10 rather than with powers of ten."""
    axis.set_major_formatter(lambda value, position: f"{value:,g}")


def legend_above(ax: Any, n_entries: int) -> None:
    """Put the legend over the axes, where it covers nothing."""
    if n_entries > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=min(n_entries, 3), frameon=False, borderaxespad=0)


def as_named(given: Any, name: str | None) -> dict[str, Any]:
    """Return what was given under its names: a dict as it is, a single one by `name` or by its class."""
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("A display needs at least one recommender; got an empty dict.")
        return dict(given)
    single = name if name is not None else (type(given).__name__ if hasattr(given, "get_params") else "recommender")
    return {single: given}


def check_count(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1; got {value!r}.")


def check_metric(metric: str) -> None:
    known = list(ranking_metrics([[1]], [[0]]))
    if metric not in known:
        raise ValueError(f"metric must be one of {', '.join(known)}; got {metric!r}.")


def rank_each(
    estimators: Mapping[str, Any], X: Any, y: Any, k: int
) -> tuple[HeldOutRanking, dict[str, NDArray[np.int64]]]:
    """Return what is held out, the same for all fitted recommenders, and the lists of each."""
    for estimator in estimators.values():
        check_is_fitted(estimator)
    rankings = {name: rank_held_out(chosen_for(estimator, X), X, y, k) for name, estimator in estimators.items()}
    first = next(iter(rankings.values()))
    warn_of_leak(first.histories, first.held_out, stacklevel=3)  # at the call of from_estimator
    return first, {name: ranking.recommended for name, ranking in rankings.items()}


def mean_and_error(y_true: Any, lists: Any, metric: str, k: int | None = None) -> tuple[float, float, int]:
    """Return the mean of a metric over users, its standard error, and the number of users."""
    per_user = ranking_metrics(y_true, lists, k=k, average=False)[metric]
    per_user = per_user[~np.isnan(per_user)]
    n = len(per_user)
    if not n:
        return float("nan"), float("nan"), 0
    error = per_user.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    return float(per_user.mean()), float(error), n
