"""Paired bootstrap over users: confidence intervals and p-values of means and differences."""

from collections.abc import Mapping
from itertools import combinations
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params

from skgnnrec._constraints import Interval
from skgnnrec._device import map_in_threads
from skgnnrec.interactions import column_labels, read_table
from skgnnrec.model_selection._labels import refuse_lazy_tables

BLOCK_COUNTS = 1 << 22  # numbers in one block of resampled counts
ROUNDING = 1e-12  # relative; smaller differences are rounding errors of sums

BOOTSTRAP_CONSTRAINTS = {
    "n_resamples": [Interval(Integral, 1, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "correction": [StrOptions({"holm"}), None],
    "random_state": ["random_state"],
}


class Resampled(NamedTuple):
    """Means of recommenders and of squared differences of pairs, over all users and over resampled users."""

    pairs: list[tuple[int, int]]
    means: NDArray[np.float64]  # (n_resamples + 1, n_recommenders), first those over all users
    squares: NDArray[np.float64]  # (n_resamples + 1, n_pairs)
    n_differing: NDArray[np.int64]  # (n_pairs,), the number of users with different values


@validate_params(BOOTSTRAP_CONSTRAINTS, prefer_skip_nested_validation=True)
def paired_bootstrap(
    values: Any,
    *,
    n_resamples: int = 9999,
    confidence_level: float = 0.95,
    correction: str | None = "holm",
    random_state: Any = 0,
) -> pd.DataFrame:
    """Compute confidence intervals and p-values of the differences of recommenders over the same users.

    Users are drawn with replacement, the same users for all recommenders. The confidence interval of a difference of
    means consists of its quantiles over the draws (percentile bootstrap [1]_). The p-value belongs to the two-sided
    test of no difference with the studentised statistic t = d̄ / s, where d̄ is the mean and s the standard deviation of
    the differences of users: it is the share of draws b, including the data themselves, with
    ``|d̄_b - d̄| / s_b >= |t|`` [2]_. For few users the bootstrap underestimates the p-value. It is therefore at least
    ``2 ** (1 - n)``, the smallest p-value of a randomisation test, where n is the number of users with a difference.

    Parameters
    ----------
    values : DataFrame or dict of str to array-like of shape (n_users,)
        The metric of each user, one column per recommender, as metrics return it with ``average=False``. Users with nan
        in any column are left out.
    n_resamples : int, default=9999
        The number of draws of all users. The smallest possible p-value is ``1 / (n_resamples + 1)``.
    confidence_level : float, default=0.95
        The level of each confidence interval, in (0, 1), without correction for the number of pairs.
    correction : {"holm"} or None, default="holm"
        The correction of p-values for the number of pairs. Holm's step-down procedure [3]_ bounds the probability of
        any false finding among all pairs, whatever their dependence. If None, p-values are not corrected.
    random_state : int, RandomState instance or None, default=0
        The seed of the draws.

    Returns
    -------
    pairs : DataFrame of shape (n_pairs, 5)
        One row per pair, in the order of the columns: `difference` (first minus second), its confidence interval from
        `low` to `high`, `p_value` and `p_corrected`.

    Raises
    ------
    TypeError
        If `values` is not a table.
    ValueError
        If `values` has fewer than two columns, if it is not finite, or if all users are left out.

    See Also
    --------
    compare_recommenders : Fit, measure and compare recommenders.

    Notes
    -----
    The same seed gives the same bits with any number of threads.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", chapters 13 and 16, Chapman & Hall, 1993.
    .. [2] T. Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006.
    .. [3] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2),
       1979.

    Examples
    --------
    >>> from skgnnrec.model_selection import paired_bootstrap
    >>> pairs = paired_bootstrap({"a": [0.5, 0.4, 0.9, 0.6, 0.8, 0.7], "b": [0.3, 0.3, 0.6, 0.5, 0.7, 0.5]})
    >>> pairs["difference"].round(3).to_dict()
    {('a', 'b'): 0.167}
    >>> bool(pairs.loc[("a", "b"), "p_value"] < 0.05)
    True
    """
    table = check_values(values)
    if table.shape[1] < 2:
        raise ValueError(f"values must have two or more columns, one per recommender; got {list(table.columns)}.")
    resampled = resample(table.to_numpy(), n_resamples, random_state)
    return pair_table(resampled, list(table.columns), confidence_level, correction)


def check_values(values: Any) -> pd.DataFrame:
    """Return the values of users that have one in every column."""
    refuse_lazy_tables(values=values)
    if not isinstance(values, Mapping | pd.DataFrame):
        labels = column_labels(values, "values")
        if labels is None:
            raise TypeError(f"values must be a DataFrame or a dict of columns; got a {type(values).__name__}.")
        values = {label: np.asarray(values[label]) for label in labels}
    if isinstance(values, Mapping):
        values = read_table(values, input_name="values").data
    try:
        table = pd.DataFrame(values).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"values must have numeric columns of the same length; pandas says: {error}") from error
    kept = table.dropna()
    if not len(kept):
        raise ValueError(f"values must have a user with a value in every column; got none among {len(table)} users.")
    if not np.isfinite(kept.to_numpy()).all():
        raise ValueError("values must be finite or nan; got infinity.")
    return kept


@np.errstate(under="ignore")  # tiny values have squares of zero
def resample(values: NDArray[np.float64], n_resamples: int, random_state: Any) -> Resampled:
    """Return the means over all users and over `n_resamples` draws of users with replacement."""
    n_users, n_columns = values.shape
    pairs = list(combinations(range(n_columns), 2))
    squares = [np.square(values[:, a] - values[:, b]) for a, b in pairs]
    columns = np.column_stack([values, *squares])  # (n_users, n_columns + n_pairs)
    block = max(1, BLOCK_COUNTS // n_users)
    sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))

    def draw(task: tuple[Any, int]) -> NDArray[np.float64]:
        rng = np.random.default_rng(task[0])
        counts = [np.bincount(rng.integers(n_users, size=n_users), minlength=n_users) for _ in range(task[1])]
        return np.array(counts, dtype=np.float64) @ columns

    sums = map_in_threads(draw, zip(seeds, sizes, strict=True))
    means = np.concatenate([columns.sum(axis=0, keepdims=True), *sums]) / n_users
    n_differing = np.count_nonzero(columns[:, n_columns:], axis=0)
    return Resampled(pairs, means[:, :n_columns], means[:, n_columns:], n_differing)


def intervals(draws: NDArray[np.float64], confidence_level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper ends of the confidence interval of each column."""
    low, high = np.quantile(draws, [(1 - confidence_level) / 2, (1 + confidence_level) / 2], axis=0)
    return low, high


def pair_table(resampled: Resampled, names: list[Any], confidence_level: float, correction: str | None) -> pd.DataFrame:
    """Return the differences of all pairs with their confidence intervals and p-values."""
    first, second = np.array(resampled.pairs, dtype=np.intp).reshape(-1, 2).T
    differences = resampled.means[:, first] - resampled.means[:, second]  # (n_resamples + 1, n_pairs)
    low, high = intervals(differences[1:], confidence_level)
    p_values = np.maximum(_p_values(differences, resampled.squares), 2.0 ** (1 - np.maximum(resampled.n_differing, 1)))
    return pd.DataFrame(
        {
            "difference": differences[0],
            "low": low,
            "high": high,
            "p_value": p_values,
            "p_corrected": _holm(p_values) if correction == "holm" else p_values,
        },
        index=pd.MultiIndex.from_arrays(
            [[names[a] for a in first], [names[b] for b in second]], names=["first", "second"]
        ),
    )


@np.errstate(under="ignore")
def _p_values(differences: NDArray[np.float64], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    distance = np.abs(differences - differences[0])
    distance[0] = np.abs(differences[0])
    distance[distance <= ROUNDING * np.sqrt(squares[0])] = 0
    variance = squares - differences**2
    variance[variance <= ROUNDING * squares] = 0
    # A draw without spread counts as extreme, unless it has the mean of the data.
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(distance > 0, distance / np.sqrt(variance), 0)
    return np.asarray((statistic >= (1 - ROUNDING) * statistic[0]).mean(axis=0))


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    ascending = np.argsort(p_values, kind="stable")
    scaled = p_values[ascending] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[ascending] = np.minimum(1, np.maximum.accumulate(scaled))
    return corrected
