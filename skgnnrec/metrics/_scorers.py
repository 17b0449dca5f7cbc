"""Scorers of recommenders, for the parameter `scoring` of scikit-learn."""

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError, StrOptions
from sklearn.utils.metadata_routing import UNUSED

from skgnnrec._constraints import Interval
from skgnnrec.metrics._auc import auc_at_k
from skgnnrec.metrics._average import check_weights
from skgnnrec.metrics._lists import PADDING
from skgnnrec.metrics._ranking import hit_rate_at_k, map_at_k, mrr_at_k, ndcg_at_k, precision_at_k, recall_at_k
from skgnnrec.ranking import HeldOutRanking, rank_held_out, warn_of_leak

METRICS: dict[str, Callable[..., Any]] = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "precision": precision_at_k,
    "hit_rate": hit_rate_at_k,
    "mrr": mrr_at_k,
    "map": map_at_k,
}
ITEM_SEGMENTS = ("warm", "cold", "head", "tail")
USER_SEGMENTS = ("light", "heavy")
HEAD_SHARE = 0.8  # of all interactions are interactions with the head


class RankingScorer(BaseEstimator):
    """A metric of recommendation lists as a scorer for cross-validation and parameter search.

    The scorer takes a fitted recommender, histories and held-out interactions. It ranks the whole catalog for each user
    and returns the mean of the metric over the users with held-out interactions. Without held-out interactions, as in
    cross-validation over users, it hides a seeded share of each history, like the method `score` of recommenders. A
    `LogRecommender` is scored on a log. Pipelines with a recommender as their last step and searches over recommenders
    can be scored too.

    A segment restricts the score to some items or users. In a segment of items, only the held-out items of the segment
    are relevant, and the lists still rank the whole catalog. The segment of an item depends on its number of users in
    the fit. In a segment of users, the mean is over the users of the segment. The segments are:

    - "cold": the items without users; "warm": all other items;
    - "head": the most popular items, which together have 80 % of the interactions; "tail": all other warm items;
    - "light": the users with a history of at most the median length; "heavy": all other users.

    Parameters
    ----------
    metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map", "auc", "coverage"} or callable, default="ndcg"
        The metric. The names are those of the metric functions. A callable is called as
        ``metric(y_true, recommended)`` and returns a number; greater is better. It must accept `sample_weight` if
        weights are passed to the scorer.
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        The segment of items or users. If None, all items and users count.

    See Also
    --------
    JointScorer : Compute several metrics from one ranking.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.metrics import RankingScorer
    >>> X = make_interactions(100, 40, random_state=0).interactions
    >>> cross_val_score(RidgeRecommender(), X, cv=3, scoring=RankingScorer("recall", k=20, segment="tail")).shape
    (3,)
    """

    # Metadata routing inspects the signature of `score`; the estimator is no metadata.
    __metadata_request__score: ClassVar[dict] = {"estimator": UNUSED}
    _parameter_constraints: ClassVar[dict] = {
        "metric": [StrOptions({*METRICS, "auc", "coverage"}), callable],
        "k": [Interval(Integral, 1, None, closed="left")],
        "segment": [StrOptions({*ITEM_SEGMENTS, *USER_SEGMENTS}), None],
    }

    def __init__(self, metric: Any = "ndcg", *, k: int = 10, segment: str | None = None) -> None:
        self.metric = metric
        self.k = k
        self.segment = segment

    @property
    def name(self) -> str:
        """Return the name of the score, from the metric, k and the segment."""
        metric = self.metric if isinstance(self.metric, str) else getattr(self.metric, "__name__", str(self.metric))
        return f"{metric}@{self.k}" + (f"_{self.segment}" if self.segment else "")

    def _validate_params(self) -> None:
        if isinstance(self.metric, str) and "@" in self.metric:
            name, k = self.metric.split("@", 1)
            raise InvalidParameterError(
                f"The 'metric' parameter of RankingScorer must be a name without k. Got {self.metric!r} instead. "
                f"Pass RankingScorer({name!r}, k={k})."
            )
        super()._validate_params()

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the score of a recommender; see `score`."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the metric of a fitted recommender on held-out interactions.

        Parameters
        ----------
        estimator : object
            A fitted recommender, a fitted pipeline with a recommender as its last step, or a fitted search over one.
        X : {array-like, sparse matrix, DataFrame}
            The histories, or a log for `LogRecommender`.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. If None, a seeded share of each row of `X` is held out.
        sample_weight : array-like of shape (n_users,), default=None
            Non-negative weights of the users in the mean. If None, all users have the same weight.

        Returns
        -------
        score : float
            The mean of the metric, nan if the segment has no held-out interactions.

        Raises
        ------
        ValueError
            If no user has a held-out interaction.

        Warns
        -----
        LeakageWarning
            If held-out interactions are part of the histories, or earlier than interactions of the same user in the
            fitted log.
        """
        self._validate_params()
        return self.evaluate(_rank(estimator, X, y, self.k), sample_weight)

    def evaluate(self, ranking: HeldOutRanking, sample_weight: Any = None) -> float:
        """Return the metric of a ranking.

        Parameters
        ----------
        ranking : HeldOutRanking
            The result of ``rank_held_out`` of a recommender, with lists of at least k items.
        sample_weight : array-like of shape (n_users,), default=None
            Non-negative weights of the users in the mean. If None, all users have the same weight.

        Returns
        -------
        score : float
            The mean of the metric, nan if the segment has no held-out interactions.

        Raises
        ------
        ValueError
            If the lists are shorter than k, or if no user has a held-out interaction.
        """
        ranking = self._first_k(ranking)
        items = _items_of(self.segment, ranking)
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, len(ranking.recommended))
        if self.segment in USER_SEGMENTS:
            users = _users_of(self.segment, ranking)
            ranking = ranking._replace(
                histories=ranking.histories[users],
                held_out=ranking.held_out[users],
                recommended=ranking.recommended[users],
                users=None,
            )
            sample_weight = None if sample_weight is None else sample_weight[users]
        if self.metric == "coverage":
            return _coverage(ranking, items)
        held_out = ranking.held_out if self.segment not in ITEM_SEGMENTS else _only_columns(ranking.held_out, items)
        if not held_out.shape[0] or (self.segment is not None and not held_out.nnz):
            return float("nan")
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        score = self._measure(ranking, held_out, **weights)
        if np.ndim(score):
            raise ValueError(f"metric must return a number; {self.name} returned shape {np.shape(score)}.")
        return float(score)

    def evaluate_users(self, ranking: HeldOutRanking) -> NDArray[np.float64]:
        """Return the metric of each user of a ranking.

        A callable metric is called with ``average=False``.

        Parameters
        ----------
        ranking : HeldOutRanking
            The result of ``rank_held_out`` of a recommender, with lists of at least k items.

        Returns
        -------
        values : ndarray of shape (n_users,)
            The metric, nan for users outside of the segment and for users without held-out items in it.

        Raises
        ------
        ValueError
            If the lists are shorter than k, or if the metric is "coverage", which is not defined for a single user.
        """
        ranking = self._first_k(ranking)
        if self.metric == "coverage":
            raise ValueError("metric='coverage' is not defined for a single user: it needs the lists of all users.")
        held_out = ranking.held_out
        if self.segment in ITEM_SEGMENTS:
            held_out = _only_columns(held_out, _items_of(self.segment, ranking))
        values = np.array(self._measure(ranking, held_out, average=False), dtype=np.float64)
        if values.shape != (len(ranking.recommended),):
            raise ValueError(
                f"metric must return one value per user with average=False; {self.name} returned shape {values.shape} "
                f"for {len(ranking.recommended)} users."
            )
        if self.segment in USER_SEGMENTS:
            values[~_users_of(self.segment, ranking)] = np.nan
        return values

    def _first_k(self, ranking: HeldOutRanking) -> HeldOutRanking:
        self._validate_params()
        if not isinstance(ranking, HeldOutRanking):
            raise TypeError(
                "ranking must be a HeldOutRanking, such as rank_held_out of a recommender returns; got a "
                f"{type(ranking).__name__}."
            )
        n = ranking.recommended.shape[1]
        if n < self.k:
            raise ValueError(f"{self.name} needs lists of {self.k} items; the lists of ranking have {n}.")
        return ranking._replace(recommended=ranking.recommended[:, : self.k])

    def _measure(self, ranking: HeldOutRanking, held_out: sparse.csr_array, **options: Any) -> Any:
        if self.metric == "auc":
            # Held-out items of other segments are no wrong recommendations.
            seen = ranking.histories + ranking.held_out
            return auc_at_k(held_out, ranking.recommended, seen=seen, **options)
        metric = METRICS[self.metric] if isinstance(self.metric, str) else self.metric
        return metric(held_out, ranking.recommended, **options)


class JointScorer(BaseEstimator):
    """Several scorers that share one ranking, for cross-validation and parameter search.

    With a dict of scorers, scikit-learn ranks the catalog once for each scorer. A `JointScorer` ranks it only once and
    returns a dict of scores. The lists have the length of the largest k.

    Parameters
    ----------
    scorers : list of RankingScorer, or dict of str to RankingScorer
        The scorers. In a list, their names are names of the metrics, such as "ndcg@10" or "recall@20_tail".

    See Also
    --------
    RankingScorer : Compute one metric.

    Examples
    --------
    >>> from sklearn.model_selection import cross_validate
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.metrics import JointScorer, RankingScorer
    >>> X = make_interactions(100, 40, random_state=0).interactions
    >>> scorers = [RankingScorer("ndcg"), RankingScorer("recall", k=20), RankingScorer("recall", k=20, segment="tail")]
    >>> sorted(cross_validate(RidgeRecommender(), X, cv=3, scoring=JointScorer(scorers)))[2:]
    ['test_ndcg@10', 'test_recall@20', 'test_recall@20_tail']
    """

    __metadata_request__score: ClassVar[dict] = {"estimator": UNUSED}
    _parameter_constraints: ClassVar[dict] = {"scorers": [list, tuple, dict]}

    def __init__(self, scorers: Any) -> None:
        self.scorers = scorers

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:
        """Return the scores of a recommender; see `score`."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:
        """Return the metrics of a fitted recommender on held-out interactions.

        Parameters
        ----------
        estimator : object
            A fitted recommender, a fitted pipeline with a recommender as its last step, or a fitted search over one.
        X : {array-like, sparse matrix, DataFrame}
            The histories, or a log for `LogRecommender`.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. If None, a seeded share of each row of `X` is held out.
        sample_weight : array-like of shape (n_users,), default=None
            Non-negative weights of the users in the mean. If None, all users have the same weight.

        Returns
        -------
        scores : dict of str to float
            The metrics by name.

        Raises
        ------
        ValueError
            If no user has a held-out interaction, or if two scorers have the same name.

        Warns
        -----
        LeakageWarning
            If held-out interactions are part of the histories, or earlier than interactions of the same user in the
            fitted log.
        """
        ranking = _rank(estimator, X, y, self.longest_k)
        return {name: scorer.evaluate(ranking, sample_weight) for name, scorer in self._named().items()}

    def evaluate_users(self, ranking: HeldOutRanking) -> dict[str, NDArray[np.float64]]:
        """Return the metrics of each user of a ranking.

        Parameters
        ----------
        ranking : HeldOutRanking
            The result of ``rank_held_out`` of a recommender, with lists of at least `longest_k` items.

        Returns
        -------
        values : dict of str to ndarray of shape (n_users,)
            The metrics by name, as `RankingScorer.evaluate_users` returns them.
        """
        return {name: scorer.evaluate_users(ranking) for name, scorer in self._named().items()}

    @property
    def longest_k(self) -> int:
        """Return the largest k of the scorers."""
        return max(scorer.k for scorer in self._named().values())

    def _named(self) -> dict[str, RankingScorer]:
        self._validate_params()
        is_named = isinstance(self.scorers, Mapping)
        scorers = list(self.scorers.values() if is_named else self.scorers)
        others = [type(scorer).__name__ for scorer in scorers if not isinstance(scorer, RankingScorer)]
        if others or not scorers:
            found = others or "none"
            raise ValueError(f"scorers must hold RankingScorers, such as RankingScorer('ndcg', k=10); got {found}.")
        for scorer in scorers:
            scorer._validate_params()
        names = list(self.scorers) if is_named else [scorer.name for scorer in scorers]
        if len(set(names)) < len(names):
            raise ValueError(f"scorers must have different names, or be a dict with names as keys; got {names}.")
        return dict(zip(names, scorers, strict=True))


def _rank(estimator: Any, X: Any, y: Any, k: int) -> HeldOutRanking:
    ranking: HeldOutRanking = rank_held_out(estimator, X, y, k)
    warn_of_leak(ranking.histories, ranking.held_out)
    return ranking


def _items_of(segment: str | None, ranking: HeldOutRanking) -> NDArray[np.bool_]:
    """Return a mask of the items of a segment, over all columns of the ranking."""
    counts = np.zeros(max(ranking.held_out.shape[1], len(ranking.item_counts)))
    counts[: len(ranking.item_counts)] = ranking.item_counts
    if segment == "cold":
        return counts == 0
    if segment == "warm":
        return counts > 0
    if segment not in ("head", "tail"):
        return np.ones(len(counts), dtype=bool)
    descending = np.sort(counts)[::-1]
    before = np.cumsum(descending) - descending
    least = descending[before < HEAD_SHARE * counts.sum()].min(initial=np.inf)
    # Items as popular as the least popular item of the head belong to the head, so that their order does not matter.
    return counts >= least if segment == "head" else (counts > 0) & (counts < least)


def _users_of(segment: str | None, ranking: HeldOutRanking) -> NDArray[np.bool_]:
    lengths = np.diff(ranking.histories.indptr)
    is_scored = np.diff(ranking.held_out.indptr) > 0
    is_light = lengths <= (np.median(lengths[is_scored]) if is_scored.any() else 0)
    return is_scored & (is_light if segment == "light" else ~is_light)


def _only_columns(X: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """Return X with zeros in all other columns."""
    inside = kept[X.indices]
    indptr = np.append(0, np.cumsum(inside))[X.indptr]
    return sparse.csr_array((X.data[inside], X.indices[inside], indptr), shape=X.shape)


def _coverage(ranking: HeldOutRanking, items: NDArray[np.bool_]) -> float:
    """Return the share of the items of a segment that are recommended to at least one user."""
    items = items[: len(ranking.item_counts)]
    shown = np.unique(ranking.recommended[ranking.recommended != PADDING])
    return float(items[shown].sum() / items.sum()) if items.any() else float("nan")
