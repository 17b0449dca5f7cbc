"""Several recommenders on one protocol: accuracy with its uncertainty, and cost."""

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import InvalidParameterError, RealNotInt, validate_parameter_constraints

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec.interactions import check_indices, read_table, shape_of
from skgnnrec.metrics import HeldOutRanking, JointScorer, RankingScorer
from skgnnrec.model_selection._baselines import add_baselines
from skgnnrec.model_selection._bootstrap import BOOTSTRAP_CONSTRAINTS, intervals, pair_table, resample
from skgnnrec.model_selection._comparison import Comparison
from skgnnrec.model_selection._cost import Cost, Stopwatch
from skgnnrec.model_selection._labels import refuse_lazy_tables, require_same_labels
from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.ranking import hide_interactions, innermost_estimator, rank_held_out, warn_of_leak
from skgnnrec.recommenders import LogRecommender

MIB = 1 << 20

Split = tuple[Any, Any, Any, NDArray[np.intp] | None]  # fit on, histories, held out, rows of the users

CONSTRAINTS = {
    "estimators": [Mapping],
    "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), None],
    "scoring": [str, list, tuple, Mapping, RankingScorer, JointScorer, None],
    "test_size": [Interval(RealNotInt, 0, 1, closed="neither"), Interval(Integral, 1, None, closed="left")],
    "candidates": ["array-like", None],
    **BOOTSTRAP_CONSTRAINTS,
    "return_users": ["boolean"],
}


def compare_recommenders(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any = None,
    *,
    cv: Any = None,
    scoring: Any = None,
    test_size: float = 0.2,
    candidates: Any = None,
    n_resamples: int = 9999,
    confidence_level: float = 0.95,
    correction: str | None = "holm",
    random_state: Any = 0,
    return_users: bool = False,
) -> Any:
    """Compare the accuracy and the cost of recommenders on the same held-out interactions.

    All recommenders rank the same candidates for the same users. The comparison always contains baselines:
    `PopularityRecommender` as "popularity", and `ContentRecommender` as "content" where an estimator has a catalog with
    vectors or an item encoder. A baseline is left out if an estimator is of its class.

    Parameters
    ----------
    estimators : dict of str to BaseRecommender
        The recommenders by name. Searches with `refit` over recommenders and pipelines that end in a recommender are
        possible too. Either all or none of them are `LogRecommender`. The estimators are cloned before they are fitted.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions; for `LogRecommender` a log.
    y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
        The held-out interactions; for `LogRecommender` the held-out rows of a log. If None, a seeded share of each row
        of a matrix `X` is held out, and the rest of the row is the history.
    cv : int, cross-validation splitter or None, default=None
        The number of folds or a splitter of users. Recommenders learn from the training users and rank items for the
        test users; the test users of all folds count together. If None, all users are training and test users. For a
        log, a splitter of rows such as ``RollingWindows(...)``, in place of `y`.
    scoring : RankingScorer, list or dict of RankingScorer, JointScorer or None, default=None
        The metrics, such as ``[RankingScorer("ndcg", k=5), RankingScorer("recall", k=20, segment="tail")]``, the same
        scorers that the searches of scikit-learn take. The table is sorted by the first metric. If None, the metrics
        are NDCG@10 and recall@10.
    test_size : float in (0, 1) or int >= 1, default=0.2
        The share or number of interactions of each user to hold out if `y` is None.
    candidates : array-like of shape (n_candidates,), default=None
        The items to rank, for instance the cold items: ids, or positions if items have no ids. If None, all items are
        ranked.
    n_resamples : int, default=9999
        The number of draws of the bootstrap.
    confidence_level : float, default=0.95
        The level of the confidence intervals of the means, in (0, 1).
    correction : {"holm"} or None, default="holm"
        The correction of p-values for the number of pairs, see `paired_bootstrap`.
    random_state : int, RandomState instance or None, default=0
        The seed of held-out interactions and of the bootstrap.
    return_users : bool, default=False
        Whether to return the metrics of each user too.

    Returns
    -------
    table : DataFrame with one row per recommender
        The recommenders, sorted by the first metric in descending order. The columns have two levels:

        - a metric, such as "ndcg@10": `mean` is the mean over users with held-out interactions, `low` and `high` are
          the ends of its confidence interval (percentile bootstrap over users), and `p_vs_best` is the corrected
          p-value of the test that the recommender has the same mean as the one with the highest mean (paired bootstrap
          over users; nan for the best one);
        - "p_value": one column per recommender, with the corrected p-value of each pair in the first metric. For other
          metrics, use ``paired_bootstrap(users["recall@10"])``;
        - "cost": `fit_s` and `recommend_s` are the seconds of one fit and of ranking for the users with held-out
          interactions, means over splits. `peak_mib` is the growth of the memory of the process during both, in MiB,
          the maximum over splits (nan on systems other than Linux). `model_mib` is the size of the pickled recommender
          with its catalog, in MiB (nan if it cannot be pickled).
    users : DataFrame of shape (n_users, n_metrics * n_recommenders)
        The metrics of each user with held-out interactions, only if ``return_users=True``. The columns are pairs of
        metric and recommender. The value is nan if the user does not count for the metric, and the mean if the user is
        in several test sets.

    Raises
    ------
    TypeError
        If an estimator is not a recommender, if only some estimators are `LogRecommender`, or if a table is lazy.
    ValueError
        If `X` and `y` do not match, if there are no held-out interactions, or if a search does not refit.

    Warns
    -----
    LeakageWarning
        If held-out interactions are part of the histories.

    See Also
    --------
    paired_bootstrap : Compute confidence intervals of differences.
    SameUsers : Search the parameters of one recommender.

    Notes
    -----
    Notebooks show the table with its intervals as a picture. What is computed from it is a DataFrame of pandas.

    Users are resampled and models are not: the intervals describe other users from the same population with the same
    fitted models, but not other training data. Apart from the costs, the same seed gives the same bits. Times are those
    of a single run. A fit can reuse memory that the process has freed but not returned to the system, which `peak_mib`
    does not count. For exact costs, compare each recommender in a process of its own.

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
    if not isinstance(estimators, Mapping):
        raise InvalidParameterError(
            "The 'estimators' parameter of compare_recommenders must be a mapping from names to recommenders, such as "
            f"{{'ridge': RidgeRecommender()}}. Got a {type(estimators).__name__} instead."
        )
    # The decorator validate_params would blame this function for parameters of the estimators.
    given = {name: value for name, value in locals().items() if name in CONSTRAINTS}
    validate_parameter_constraints(CONSTRAINTS, given, caller_name="compare_recommenders")
    refuse_lazy_tables(X=X, y=y)
    of_logs = _check_estimators(estimators)
    scorer = joint_scorer(scoring)
    compared = add_baselines(estimators)
    splits = _log_splits(X, y, cv) if of_logs else _splits(X, y, cv, test_size, random_state)
    users, costs = _run(compared, splits, scorer, candidates)
    if isinstance(X, pd.DataFrame) and not of_logs:
        users.index = X.index[users.index]
    table = summarize(users, costs, n_resamples, confidence_level, correction, random_state)
    return (table, users) if return_users else table


def _check_estimators(estimators: Mapping[str, Any]) -> bool:
    """Return whether the estimators are LogRecommenders."""
    if not estimators:
        raise ValueError("estimators must hold at least one recommender; got none.")
    for name, estimator in estimators.items():
        if not hasattr(innermost_estimator(estimator), "rank_held_out"):
            raise TypeError(
                "estimators must be recommenders, searches over recommenders, or pipelines that end in one; got "
                f"{type(estimator).__name__} as {name!r}."
            )
        if getattr(estimator, "refit", True) is False:
            raise ValueError(
                "estimators that are searches must be fitted with refit; got a "
                f"{type(estimator).__name__} with refit=False as {name!r}. Set refit=True, or the name of a metric."
            )
    of_logs = {
        name: isinstance(innermost_estimator(estimator), LogRecommender) for name, estimator in estimators.items()
    }
    if len(set(of_logs.values())) > 1:
        raise TypeError(f"estimators must all be LogRecommenders, or none of them; got {of_logs}.")
    return all(of_logs.values())


def joint_scorer(scoring: Any) -> JointScorer:
    """Return all metrics as one scorer."""
    if scoring is None:
        scoring = [RankingScorer("ndcg"), RankingScorer("recall")]
    given = scoring.scorers if isinstance(scoring, JointScorer) else scoring
    given = [given] if isinstance(given, str | RankingScorer) else given
    scorers = list(given.values() if isinstance(given, Mapping) else given)
    if not scorers or not all(isinstance(scorer, RankingScorer) for scorer in scorers):
        raise ValueError(
            "scoring must be a RankingScorer, such as RankingScorer('ndcg', k=10), or a list or dict of them; got "
            f"{scoring!r}."
        )
    if any(scorer.metric == "coverage" for scorer in scorers):
        raise ValueError("scoring must have a value for each user; coverage is a metric of all lists together.")
    return JointScorer(given)


def _run(
    estimators: dict[str, Any], splits: Iterator[Split], scorer: JointScorer, candidates: Any
) -> tuple[pd.DataFrame, dict[str, list[Cost]]]:
    """Return the metrics of each user with held-out interactions, and the costs of each split."""
    k = scorer.longest_k  # checks the scorers before anything is fitted
    parts: list[pd.DataFrame] = []
    costs: dict[str, list[Cost]] = {name: [] for name in estimators}
    for X_train, histories, held_out, rows in splits:
        values: dict[tuple[str, str], pd.Series] = {}
        for name, estimator in estimators.items():
            ranking, cost = fit_and_rank(clone(estimator), X_train, histories, held_out, k, candidates)
            costs[name].append(cost)
            if not values:
                warn_of_leak(ranking.histories, ranking.held_out)
            index = ranking.users if rows is None else rows
            measured = scorer.evaluate_users(ranking).items()
            values |= {(metric, name): pd.Series(per_user, index) for metric, per_user in measured}
        parts.append(pd.DataFrame(values))
    return count_users(pd.concat(parts).groupby(level=0).mean(), list(estimators)), costs


def count_users(users: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the metrics of the users for whom all recommenders have a value; nan elsewhere."""
    metrics = list(dict.fromkeys(users.columns.get_level_values(0)))
    users = users[[(metric, name) for metric in metrics for name in names]]
    counted = {metric: users[metric].notna().all(axis=1) for metric in metrics}
    for metric, is_counted in counted.items():
        if not is_counted.any():
            raise ValueError(
                f"y must have a held-out interaction that counts for {metric!r}; got none among {len(users)} users."
            )
        users.loc[~is_counted, metric] = np.nan
    return users.dropna(how="all")


def _splits(X: Any, y: Any, cv: Any, test_size: float, random_state: Any) -> Iterator[Split]:
    X, y = _with_rows(X, "X"), _with_rows(y, "y")
    if y is not None:
        shape, other = shape_of(X, "X"), shape_of(y, "y")
        if other != shape:
            raise ValueError(f"y must have the shape of X, {shape}; got {other}.")
        require_same_labels(X, y, "X", "y")
    for train, test in _folds(SameUsers() if cv is None else cv, X):
        histories = _safe_indexing(X, test)
        if y is None:
            histories, held_out = hide_interactions(histories, test_size, random_state)
        else:
            held_out = _safe_indexing(y, test)
        n_known = np.isin(test, train).sum()
        if not n_known:
            yield _safe_indexing(X, train), histories, held_out, test
        elif np.array_equal(train, test):
            yield histories, histories, held_out, test
        else:
            raise ValueError(
                "cv must return test users that are all new, or the training users as test users; got "
                f"{len(test)} test users, {n_known} of them training users."
            )


def _folds(cv: Any, X: Any) -> list[tuple[Any, Any]]:
    """Return the training and test rows of each split; errors name cv."""
    try:
        return [(train, test) for train, test in check_cv(cv).split(X)]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"cv must be a splitter, a number of folds or pairs of arrays of rows that suit X; got {cv!r}: {error}"
        ) from error


def _with_rows(X: Any, name: str) -> Any:
    """Return X in a form whose rows can be selected: CSR with checked indices, a DataFrame for a dict of columns."""
    if sparse.issparse(X):
        # In small integers and booleans the sum of duplicates would wrap.
        return check_indices(X, name, np.float64 if X.dtype.kind in "biu" else None).tocsr()
    return read_table(X, input_name=name).data if isinstance(X, Mapping) else X


def _log_splits(X: Any, y: Any, cv: Any) -> Iterator[Split]:
    if (y is None) == (cv is None):
        raise ValueError(
            "y or cv must be given for a log: the held-out rows as y, or a splitter of rows such as RollingWindows as "
            f"cv; got {'neither' if y is None else 'both'}."
        )
    if y is not None:
        yield X, y, None, None
        return
    X = read_table(X).data
    for train, test in _folds(cv, X):
        yield _safe_indexing(X, train), _safe_indexing(X, test), None, None


def fit_and_rank(
    estimator: Any, X_train: Any, histories: Any, held_out: Any, k: int, candidates: Any
) -> tuple[HeldOutRanking, Cost]:
    watch = Stopwatch()
    estimator.fit(X_train)
    watch.lap()
    options = {} if candidates is None else {"candidates": candidates}
    ranking = rank_held_out(estimator, histories, held_out, k, **options)
    watch.lap()
    return ranking, watch.stop(getattr(estimator, "best_estimator_", estimator))


def summarize(
    users: pd.DataFrame,
    costs: dict[str, list[Cost]],
    n_resamples: int,
    confidence_level: float,
    correction: str | None,
    random_state: Any,
) -> pd.DataFrame:
    """Return the table of means, confidence intervals, p-values and costs."""
    metrics = list(dict.fromkeys(users.columns.get_level_values(0)))
    names = list(users[metrics[0]].mean().sort_values(ascending=False, kind="stable").index)
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
    return Comparison(table)


def _square(p_values: pd.Series, names: list[str]) -> pd.DataFrame:
    """Return the p-values of pairs as a symmetric table, nan on the diagonal."""
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
