"""Scorers: metrics of recommenders in the form that scikit-learn's `scoring` takes."""

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED

from skgnnrec._recommended import rank_held_out, warn_of_leak
from skgnnrec.metrics._auc import auc_at_k
from skgnnrec.metrics._held_out import HeldOutRanking
from skgnnrec.metrics._hits import PADDING
from skgnnrec.metrics._ranking import hit_rate_at_k, map_at_k, mrr_at_k, ndcg_at_k, precision_at_k, recall_at_k

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
HEAD_SHARE = 0.8  # of all interactions, those of the most popular items


class RankingScorer(BaseEstimator):
    """A metric of recommendation lists as a scorer, for the `scoring` of any search or cross-validation.

    Called with a fitted recommender, histories and held-out interactions it ranks the whole catalog for each user and
    returns the metric's mean over the users who have something held out. Without held-out interactions, as in plain
    cross-validation over users, it hides a seeded share of each history, the same as `score` of the recommenders. A
    `TableRecommender` is scored on a log. Pipelines that end in a recommender, and searches over one, are scored too.

    Segments say where a recommender is good. Those of items count only the held-out items of that kind, found in lists
    of the whole catalog; what kind an item is of depends on the users of the fit who have it. Those of users take the
    mean over some users only.

    - "cold": items that nobody has; "warm": the others;
    - "head": the most popular items, which together have 80 % of the interactions; "tail": the other warm ones;
    - "light": users whose history is no longer than the median of those scored; "heavy": the others.

    Parameters
    ----------
    metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map", "auc", "coverage"} or callable, default="ndcg"
        The metric; see the functions of these names. A callable is called as ``metric(y_true, recommended)``, returns a
        number, the greater the better, and also takes `sample_weight` if the scorer is given one.
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at; None looks at everything.

    See Also
    --------
    JointScorer : Several metrics from one ranking.
    ndcg_at : Short for ``RankingScorer("ndcg", k=k)``.

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

    # `score` is what metadata routing asks for sample_weight; the estimator is no metadata.
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
        """Return what the score is called: the metric, k and the segment."""
        metric = self.metric if isinstance(self.metric, str) else getattr(self.metric, "__name__", str(self.metric))
        return f"{metric}@{self.k}" + (f"_{self.segment}" if self.segment else "")

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the score, as `score` does."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Rank the held-out interactions and return the metric.

        Parameters
        ----------
        estimator : object
            A fitted recommender, a pipeline that ends in one, or a fitted search over one.
        X : {array-like, sparse matrix, DataFrame}
            The histories, or a log for `TableRecommender`.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. None hides a seeded share of each row of `X`.
        sample_weight : array-like of shape (n_users,), default=None
            Weights >= 0 of the users in the mean.

        Returns
        -------
        score : float
            The metric's mean; nan where the segment has nothing held out.

        Raises
        ------
        ValueError
            If nobody has a held-out interaction.

        Warns
        -----
        LeakageWarning
            If held-out interactions stand in the histories too.
        """
        self._validate_params()
        return self.evaluate(_rank(estimator, X, y, self.k), sample_weight)

    def evaluate(self, ranking: HeldOutRanking, sample_weight: Any = None) -> float:
        """Return the metric of a ranking that has been made.

        Parameters
        ----------
        ranking : HeldOutRanking
            From ``rank_held_out`` of a recommender, with lists of at least k items.
        sample_weight : array-like of shape (n_users,), default=None
            Weights >= 0 of the users in the mean.

        Returns
        -------
        score : float
            The metric's mean; nan where the segment has nothing held out.

        Raises
        ------
        ValueError
            If the lists are shorter than k, or nobody has a held-out interaction.
        """
        ranking = self._first_k(ranking)
        items = _items_of(self.segment, ranking)
        if self.segment in USER_SEGMENTS:
            users = _users_of(self.segment, ranking)
            ranking = ranking._replace(
                histories=ranking.histories[users],
                held_out=ranking.held_out[users],
                recommended=ranking.recommended[users],
                users=None,
            )
            sample_weight = None if sample_weight is None else np.asarray(sample_weight)[users]
        if self.metric == "coverage":
            return _coverage(ranking, items)
        held_out = ranking.held_out if self.segment not in ITEM_SEGMENTS else _only_columns(ranking.held_out, items)
        if not held_out.shape[0] or (self.segment is not None and not held_out.nnz):
            return float("nan")
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self._measure(ranking, held_out, **weights))

    def evaluate_users(self, ranking: HeldOutRanking) -> NDArray[np.float64]:
        """Return the metric of each user of a ranking that has been made.

        Parameters
        ----------
        ranking : HeldOutRanking
            From ``rank_held_out`` of a recommender, with lists of at least k items.

        Returns
        -------
        values : ndarray of shape (n_users,)
            The metric; nan for users outside the segment, or with nothing held out in it. A metric that is a callable
            is called with ``average=False``.

        Raises
        ------
        ValueError
            If the lists are shorter than k, or the metric is "coverage", which no user has alone.
        """
        ranking = self._first_k(ranking)
        if self.metric == "coverage":
            raise ValueError("coverage is of the lists of all users together; no user has one.")
        held_out = ranking.held_out
        if self.segment in ITEM_SEGMENTS:
            held_out = _only_columns(held_out, _items_of(self.segment, ranking))
        values = np.array(self._measure(ranking, held_out, average=False), dtype=np.float64)
        if self.segment in USER_SEGMENTS:
            values[~_users_of(self.segment, ranking)] = np.nan
        return values

    def _first_k(self, ranking: HeldOutRanking) -> HeldOutRanking:
        self._validate_params()
        if ranking.recommended.shape[1] < self.k:
            raise ValueError(f"{self.name} needs lists of {self.k} items; ranking has {ranking.recommended.shape[1]}.")
        return ranking._replace(recommended=ranking.recommended[:, : self.k])

    def _measure(self, ranking: HeldOutRanking, held_out: sparse.csr_array, **options: Any) -> Any:
        if self.metric == "auc":
            # What is held out of another segment is not wrong either.
            seen = ranking.histories + ranking.held_out
            return auc_at_k(held_out, ranking.recommended, seen=seen, **options)
        metric = METRICS[self.metric] if isinstance(self.metric, str) else self.metric
        return metric(held_out, ranking.recommended, **options)


class JointScorer(BaseEstimator):
    """Several metrics from one ranking, as the `scoring` of a search over several metrics.

    scikit-learn also takes a dict of scorers, each of which then ranks the catalog anew. This one ranks once, with the
    longest lists that are asked for, and returns a dict.

    Parameters
    ----------
    scorers : list of RankingScorer, or dict of str to RankingScorer
        The metrics. Those of a list go by their names, such as "ndcg@10" or "recall@20_tail".

    See Also
    --------
    RankingScorer : One metric.

    Examples
    --------
    >>> from sklearn.model_selection import cross_validate
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.metrics import JointScorer, ndcg_at, recall_at
    >>> X = make_interactions(100, 40, random_state=0).interactions
    >>> scoring = JointScorer([ndcg_at(10), recall_at(20), recall_at(20, segment="tail")])
    >>> sorted(cross_validate(RidgeRecommender(), X, cv=3, scoring=scoring))[2:]
    ['test_ndcg@10', 'test_recall@20', 'test_recall@20_tail']
    """

    __metadata_request__score: ClassVar[dict] = {"estimator": UNUSED}
    _parameter_constraints: ClassVar[dict] = {"scorers": [list, tuple, dict]}

    def __init__(self, scorers: Any) -> None:
        self.scorers = scorers

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:
        """Return the scores, as `score` does."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:
        """Rank the held-out interactions once and return every metric.

        Parameters
        ----------
        estimator : object
            A fitted recommender, a pipeline that ends in one, or a fitted search over one.
        X : {array-like, sparse matrix, DataFrame}
            The histories, or a log for `TableRecommender`.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. None hides a seeded share of each row of `X`.
        sample_weight : array-like of shape (n_users,), default=None
            Weights >= 0 of the users in the mean.

        Returns
        -------
        scores : dict of str to float
            Each metric by its name.

        Raises
        ------
        ValueError
            If nobody has a held-out interaction, or if two scorers go by one name.

        Warns
        -----
        LeakageWarning
            If held-out interactions stand in the histories too.
        """
        ranking = _rank(estimator, X, y, self.longest_k)
        return {name: scorer.evaluate(ranking, sample_weight) for name, scorer in self._named().items()}

    def evaluate_users(self, ranking: HeldOutRanking) -> dict[str, NDArray[np.float64]]:
        """Return every metric of each user of a ranking that has been made.

        Parameters
        ----------
        ranking : HeldOutRanking
            From ``rank_held_out`` of a recommender, with lists of at least `longest_k` items.

        Returns
        -------
        values : dict of str to ndarray of shape (n_users,)
            Each metric by its name, nan where `RankingScorer.evaluate_users` says so.
        """
        return {name: scorer.evaluate_users(ranking) for name, scorer in self._named().items()}

    @property
    def longest_k(self) -> int:
        """Return the length of the longest lists that are asked for."""
        return max(scorer.k for scorer in self._named().values())

    def _named(self) -> dict[str, RankingScorer]:
        self._validate_params()
        is_named = isinstance(self.scorers, Mapping)
        scorers = list(self.scorers.values() if is_named else self.scorers)
        strangers = [type(scorer).__name__ for scorer in scorers if not isinstance(scorer, RankingScorer)]
        if strangers or not scorers:
            raise ValueError(f"scorers must hold RankingScorers, such as ndcg_at(10); got {strangers or 'none'}.")
        for scorer in scorers:
            scorer._validate_params()
        names = list(self.scorers) if is_named else [scorer.name for scorer in scorers]
        if len(set(names)) < len(names):
            raise ValueError(f"scorers must differ in name, or be a dict of names; got {names}.")
        return dict(zip(names, scorers, strict=True))


def _rank(estimator: Any, X: Any, y: Any, k: int) -> HeldOutRanking:
    ranking: HeldOutRanking = rank_held_out(estimator, X, y, k)
    warn_of_leak(ranking.histories, ranking.held_out, stacklevel=4)  # at the call of the scorer
    return ranking


def _items_of(segment: str | None, ranking: HeldOutRanking) -> NDArray[np.bool_]:
    """Mark the items of a segment among those that the recommender knows, and those held out that it does not."""
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
    # Items that tie with the least popular of the head belong to it: their order must not matter.
    return counts >= least if segment == "head" else (counts > 0) & (counts < least)


def _users_of(segment: str | None, ranking: HeldOutRanking) -> NDArray[np.bool_]:
    lengths = np.diff(ranking.histories.indptr)
    is_scored = np.diff(ranking.held_out.indptr) > 0
    is_light = lengths <= (np.median(lengths[is_scored]) if is_scored.any() else 0)
    return is_scored & (is_light if segment == "light" else ~is_light)


def _only_columns(X: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """Return X with the entries of some columns only, in its shape."""
    inside = kept[X.indices]
    indptr = np.append(0, np.cumsum(inside))[X.indptr]
    return sparse.csr_array((X.data[inside], X.indices[inside], indptr), shape=X.shape)


def _coverage(ranking: HeldOutRanking, items: NDArray[np.bool_]) -> float:
    """Return the share of the marked items of the catalog that are recommended to someone."""
    items = items[: len(ranking.item_counts)]
    shown = np.unique(ranking.recommended[ranking.recommended != PADDING])
    return float(items[shown].sum() / items.sum()) if items.any() else float("nan")
