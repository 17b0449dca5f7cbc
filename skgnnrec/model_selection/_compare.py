"""Several recommenders on one protocol: accuracy with its uncertainty, and cost."""

from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, validate_params

from skgnnrec._recommended import hide_share, innermost, rank_held_out, warn_of_leak
from skgnnrec.metrics import HeldOutRanking, JointScorer, RankingScorer, ranking_metrics
from skgnnrec.model_selection._bootstrap import BOOTSTRAP_CONSTRAINTS, intervals, pair_table, resample
from skgnnrec.model_selection._cost import Cost, Stopwatch
from skgnnrec.model_selection._floors import add_floors
from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.recommenders import TableRecommender

MIB = 1 << 20

Split = tuple[Any, Any, Any, NDArray[np.intp] | None]
Metrics = Callable[[HeldOutRanking], dict[str, NDArray[np.float64]]]


@validate_params(
    {
        "estimators": [Mapping],
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like", "sparse matrix", None],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), None],
        "scoring": [str, list, tuple, Mapping, RankingScorer, JointScorer],
        "k": [Interval(Integral, 1, None, closed="left")],
        "test_size": [Interval(RealNotInt, 0, 1, closed="neither"), Interval(Integral, 1, None, closed="left")],
        "items": ["array-like", None],
        **BOOTSTRAP_CONSTRAINTS,
        "return_users": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def compare_recommenders(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any = None,
    *,
    cv: Any = None,
    scoring: Any = ("ndcg", "recall"),
    k: int = 10,
    test_size: float = 0.2,
    items: Any = None,
    n_resamples: int = 9999,
    confidence_level: float = 0.95,
    correction: str | None = "holm",
    random_state: Any = 0,
    return_users: bool = False,
) -> Any:
    """Fit recommenders on the same data and say which is better, how surely, and at what cost.

    All of them rank the same candidates for the same users, and are measured on the same held-out interactions. The
    floors are always among them: `PopularityRecommender` as "popularity", unless it is one of the estimators, and,
    where an estimator has `items` with vectors or an encoder, the cosine to the mean vector of the history as
    "text cosine".

    Parameters
    ----------
    estimators : dict of str to BaseRecommender
        The recommenders by name, searches over them (``GridSearchCV``, ... with `refit`) or pipelines that end in one;
        they are cloned. Either all of them or none are `TableRecommender`, which recommend from logs.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions; for `TableRecommender` a log.
    y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
        The held-out interactions. None hides a seeded share of each row of `X`, and the rest is the history. Of a log,
        the rows that are held out.
    cv : int, cross-validation splitter or None, default=None
        Which users are held out. None fits on the histories of all users and answers the same. A number of folds or a
        splitter (over rows) fits on the rows of the others; the users of all folds count together. For a log, which
        rows are held out, such as ``RollingWindows(...)``, where there is no `y`.
    scoring : str, RankingScorer, list of either, JointScorer or dict of str to callable, default=("ndcg", "recall")
        What is measured: names of `ranking_metrics`; scorers such as ``recall_at(20, segment="tail")``; or functions
        that take the held-out interactions and the lists, ``f(y_true, recommended)``, and return a value for each user,
        such as
        ``functools.partial(ndcg_at_k, k=5, average=False)``. The first one says in which order the table stands.
    k : int, default=10
        Length of the lists; scorers have their own.
    test_size : float in (0, 1) or int >= 1, default=0.2
        Share or number of each user's interactions to hide from a matrix where `y` is None.
    items : array-like of shape (n_candidates,), default=None
        The candidates, by id where ids are known and by position elsewhere, for instance the cold items. None ranks
        all.
    n_resamples : int, default=9999
        Draws of the bootstrap.
    confidence_level : float, default=0.95
        Of the intervals of the means, in (0, 1).
    correction : {"holm"} or None, default="holm"
        How p-values are corrected for the number of pairs, see `paired_bootstrap`.
    random_state : int, RandomState instance or None, default=0
        Seeds what is hidden and the bootstrap.
    return_users : bool, default=False
        Whether to return each user's values too.

    Returns
    -------
    table : DataFrame with one row per recommender
        Best first by the first metric. Its columns have two levels:

        - a metric, such as "ndcg@10": `mean` over users with held-out interactions, the ends `low` and `high` of its
          interval (percentile bootstrap over users), and `p_vs_best`, the p-value of the test that the recommender
          does not differ in it from the one with the highest mean (paired bootstrap over users, corrected for the
          number of all pairs, each metric for itself; nan for that one);
        - "p_value": a column for each recommender: the same p-value of each pair, in the first metric. Those of
          another one are in ``paired_bootstrap(users["recall@10"])``;
        - "cost": `fit_s` and `recommend_s`, seconds of one fit and of ranking for the users of a split with held-out
          interactions, means over splits; `peak_mib`, how much more memory the process held at most during both than
          before, in MiB (the largest over splits; nan but on Linux); and `model_mib`, the size of the fitted
          recommender's pickle, item data included (nan where it cannot be pickled).
    users : DataFrame of shape (n_users, n_metrics * n_recommenders)
        With ``return_users=True``: the metrics of each user with held-out interactions, by (metric, recommender); nan
        where a metric does not count the user. Users who are tested several times have the mean.

    Raises
    ------
    TypeError
        If an estimator is no recommender, or some recommend from a matrix and some from a log.
    ValueError
        If `X` and `y` do not fit together, nobody has held-out interactions, or a search does not refit its choice.

    Warns
    -----
    LeakageWarning
        If held-out interactions stand in the histories too.

    See Also
    --------
    paired_bootstrap : The intervals of the differences.
    SameUsers : For searches over the settings of one recommender.

    Notes
    -----
    Users are the unit of resampling, so the intervals say what other users like these would give, with these fitted
    models; they do not cover what other training data would change. But for the costs, the result is the same to the
    bit in every call with the same seed. Times are of one run, beside whatever else the machine does. Memory that the
    process had freed but kept before a fit may be used again without showing in `peak_mib`: for exact figures, measure
    each recommender in a process of its own.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.model_selection import compare_recommenders
    >>> X = make_interactions(300, 60, n_interactions=3000, random_state=0).interactions
    >>> table = compare_recommenders({"ridge": RidgeRecommender()}, X)
    >>> table.index.tolist()
    ['ridge', 'popularity']
    >>> bool(table.loc["ridge", ("p_value", "popularity")] < 0.01)
    True
    """
    of_logs = _check_estimators(estimators)
    measure, longest = _metrics(scoring, k)
    compared = add_floors(estimators)
    splits = _log_splits(X, y, cv) if of_logs else _splits(X, y, cv, test_size, random_state)
    users, costs = _run(compared, splits, measure, longest, items)
    if isinstance(X, pd.DataFrame) and not of_logs:
        users.index = X.index[users.index]
    metrics = list(dict.fromkeys(users.columns.get_level_values(0)))
    first = users[metrics[0]].mean().sort_values(ascending=False, kind="stable")
    names = list(first.index)
    blocks, squares = {}, {}
    for metric in metrics:
        resampled = resample(users[metric][names].dropna().to_numpy(), n_resamples, random_state)
        low, high = intervals(resampled.means[1:], confidence_level)
        blocks[metric] = pd.DataFrame({"mean": resampled.means[0], "low": low, "high": high}, index=names)
        pairs = pair_table(resampled, names, confidence_level, correction)
        squares[metric] = _square(pairs["p_corrected"], names)
        blocks[metric]["p_vs_best"] = squares[metric][blocks[metric]["mean"].idxmax()]
    blocks["p_value"] = squares[metrics[0]]
    blocks["cost"] = pd.DataFrame({name: _mean_cost(costs[name]) for name in names}).T
    table = pd.concat(blocks, axis=1)
    table.index.name = "recommender"
    return (table, users) if return_users else table


def _check_estimators(estimators: Mapping[str, Any]) -> bool:
    """Return whether the estimators recommend from logs."""
    if not estimators:
        raise ValueError("estimators must hold at least one recommender; got none.")
    for name, estimator in estimators.items():
        if not hasattr(innermost(estimator), "rank_held_out"):
            raise TypeError(
                "estimators must be recommenders, searches over recommenders, or pipelines that end in one; got "
                f"{type(estimator).__name__} as {name!r}."
            )
        if getattr(estimator, "refit", True) is False:
            raise ValueError(
                f"estimators must leave a fitted recommender behind; got {name!r}, a {type(estimator).__name__} with "
                "refit=False. Set refit=True, or the name of a metric where it has several."
            )
    of_logs = {name: isinstance(innermost(estimator), TableRecommender) for name, estimator in estimators.items()}
    if len(set(of_logs.values())) > 1:
        raise TypeError(f"estimators must all recommend from a log, as TableRecommender does, or none; got {of_logs}.")
    return all(of_logs.values())


def _metrics(scoring: Any, k: int) -> tuple[Metrics, int]:
    """Return a function from a ranking to each user's metrics by name, and the length of the lists that it needs."""
    given = [scoring] if isinstance(scoring, str | RankingScorer) else scoring
    members = list(given.values()) if isinstance(given, Mapping) else given
    if isinstance(given, JointScorer) or any(isinstance(member, RankingScorer) for member in members):
        scorers = given if isinstance(given, JointScorer) else JointScorer(given)
        longest = scorers.longest_k  # asked, as all of scoring is, before anything is fitted
        if any(scorer.metric == "coverage" for scorer in scorers._named().values()):
            raise ValueError("scoring must have a value for each user, which coverage has not.")
        return scorers.evaluate_users, longest
    if isinstance(given, Mapping) and given:
        return lambda ranking: {name: _of_users(name, function, ranking) for name, function in given.items()}, k
    names, known = list(given), list(ranking_metrics([[1]], [[0]]))
    if not names or not set(names) <= set(known):
        raise ValueError(
            f"scoring must name some of {', '.join(known)} (`k` says at which length), be scorers such as ndcg_at(10), "
            f"or map names to functions; got {scoring!r}."
        )

    def measure(ranking: HeldOutRanking) -> dict[str, NDArray[np.float64]]:
        values = ranking_metrics(ranking.held_out, ranking.recommended, average=False)
        return {f"{name}@{k}": values[name] for name in names}

    return measure, k


def _of_users(name: str, function: Callable[..., Any], ranking: HeldOutRanking) -> NDArray[np.float64]:
    values = np.asarray(function(ranking.held_out, ranking.recommended), dtype=np.float64)
    n_users = len(ranking.recommended)
    if values.shape != (n_users,):
        raise ValueError(
            f"scoring must return a value for each user, shape ({n_users},); {name!r} returned shape {values.shape}. "
            "The metrics do so with average=False."
        )
    return values


def _run(
    estimators: dict[str, Any], splits: Iterator[Split], measure: Metrics, k: int, items: Any
) -> tuple[pd.DataFrame, dict[str, list[Cost]]]:
    """Return the metrics of each user who has held-out interactions, by row, and the costs of each split."""
    parts: list[pd.DataFrame] = []
    costs: dict[str, list[Cost]] = {name: [] for name in estimators}
    for X_train, histories, held_out, rows in splits:
        values: dict[tuple[str, str], pd.Series] = {}
        for name, estimator in estimators.items():
            ranking, cost = _fit_and_rank(clone(estimator), X_train, histories, held_out, k, items)
            costs[name].append(cost)
            if not values:
                warn_of_leak(ranking.histories, ranking.held_out, stacklevel=4)  # at the call of compare_recommenders
            measured = measure(ranking).items()
            index = ranking.users if rows is None else rows
            values |= {(metric, name): pd.Series(per_user, index) for metric, per_user in measured}
        parts.append(pd.DataFrame(values))  # by user
    users = pd.concat(parts).groupby(level=0).mean()
    metrics = list(dict.fromkeys(users.columns.get_level_values(0)))
    users = users[[(metric, name) for metric in metrics for name in estimators]]
    # A user counts for a metric where all recommenders have a value.
    counted = {metric: users[metric].notna().all(axis=1) for metric in metrics}
    for metric, is_counted in counted.items():
        if not is_counted.any():
            raise ValueError(f"y must hold something for at least one user, or nothing can be compared by {metric!r}.")
        users.loc[~is_counted, metric] = np.nan
    return users.dropna(how="all"), costs


def _splits(X: Any, y: Any, cv: Any, test_size: float, random_state: Any) -> Iterator[Split]:
    """Yield what to fit on, the histories to answer, what is held out from them, and the rows of these users."""
    if y is not None and np.shape(y) != np.shape(X):
        raise ValueError(f"y has shape {np.shape(y)}, X {np.shape(X)}: held-out interactions stand in the same cells.")
    if isinstance(X, pd.DataFrame) and isinstance(y, pd.DataFrame) and list(X.columns) != list(y.columns):
        raise ValueError("y must have the columns of X, in that order; got others.")
    for train, test in (SameUsers() if cv is None else check_cv(cv)).split(X):
        histories = _safe_indexing(X, test)
        if y is None:
            histories, held_out = hide_share(histories, test_size, random_state)
        else:
            held_out = _safe_indexing(y, test)
        if not np.isin(test, train).any():
            yield _safe_indexing(X, train), histories, held_out, test
        elif np.array_equal(train, test):
            yield histories, histories, held_out, test
        else:
            raise ValueError("cv must test either users that are not in the training part, or all of those that are.")


def _log_splits(X: Any, y: Any, cv: Any) -> Iterator[Split]:
    """Yield the rows of a log to fit on, and those that are held out."""
    if (y is None) == (cv is None):
        raise ValueError(
            "For a log, give either the held-out rows as y or a splitter of rows as cv, such as RollingWindows; got "
            f"{'neither' if y is None else 'both'}."
        )
    if y is not None:
        yield X, y, None, None
        return
    for train, test in check_cv(cv).split(X):
        yield _safe_indexing(X, train), _safe_indexing(X, test), None, None


def _fit_and_rank(
    estimator: Any, X_train: Any, histories: Any, held_out: Any, k: int, items: Any
) -> tuple[HeldOutRanking, Cost]:
    watch = Stopwatch()
    estimator.fit(X_train)
    watch.lap()
    candidates = {} if items is None else {"items": items}
    ranking = rank_held_out(estimator, histories, held_out, k, **candidates)
    watch.lap()
    return ranking, watch.stop(getattr(estimator, "best_estimator_", estimator))


def _square(p_values: pd.Series, names: list[str]) -> pd.DataFrame:
    square = pd.DataFrame(np.nan, index=names, columns=names)
    firsts, seconds = (p_values.index.get_level_values(level) for level in (0, 1))
    for first, second, p_value in zip(firsts, seconds, p_values, strict=True):
        square.loc[first, second] = square.loc[second, first] = p_value
    return square


def _mean_cost(costs: list[Cost]) -> dict[str, float]:
    fit_s, recommend_s, peak, model = np.array(costs).T
    return {
        "fit_s": fit_s.mean(),
        "recommend_s": recommend_s.mean(),
        "peak_mib": peak.max() / MIB,
        "model_mib": model.max() / MIB,
    }
