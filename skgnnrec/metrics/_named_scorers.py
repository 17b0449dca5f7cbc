"""Short names of scorers: ``scoring=ndcg_at(10)``."""

from skgnnrec.metrics._scorers import RankingScorer


def ndcg_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: normalized discounted cumulative gain of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    ndcg_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import ndcg_at
    >>> ndcg_at(20)
    RankingScorer(k=20)
    """
    return RankingScorer("ndcg", k=k, segment=segment)


def recall_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: recall of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    recall_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import recall_at
    >>> recall_at(20)
    RankingScorer(k=20, metric='recall')
    """
    return RankingScorer("recall", k=k, segment=segment)


def precision_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: precision of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    precision_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import precision_at
    >>> precision_at(20)
    RankingScorer(k=20, metric='precision')
    """
    return RankingScorer("precision", k=k, segment=segment)


def hit_rate_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: hit rate of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    hit_rate_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import hit_rate_at
    >>> hit_rate_at(20)
    RankingScorer(k=20, metric='hit_rate')
    """
    return RankingScorer("hit_rate", k=k, segment=segment)


def mrr_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: mean reciprocal rank of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    mrr_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import mrr_at
    >>> mrr_at(20)
    RankingScorer(k=20, metric='mrr')
    """
    return RankingScorer("mrr", k=k, segment=segment)


def map_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: mean average precision of the first k items.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    map_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import map_at
    >>> map_at(20)
    RankingScorer(k=20, metric='map')
    """
    return RankingScorer("map", k=k, segment=segment)


def auc_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: area under the ROC curve of the first k items.

    Items outside of the list are tied: a k that is the size of the catalog gives the exact area. Items of the histories
    do not count.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    auc_at_k : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import auc_at
    >>> auc_at(20)
    RankingScorer(k=20, metric='auc')
    """
    return RankingScorer("auc", k=k, segment=segment)


def coverage_at(k: int = 10, *, segment: str | None = None) -> RankingScorer:
    """Return a scorer: catalog coverage of the first k items.

    Of a segment of items, it is the share of that segment; of users, what their lists show. Users with nothing held out
    are not ranked.

    Parameters
    ----------
    k : int, default=10
        The length of the lists.
    segment : {"warm", "cold", "head", "tail", "light", "heavy"} or None, default=None
        What to look at, see `RankingScorer`.

    Returns
    -------
    scorer : RankingScorer
        For the `scoring` of any search or cross-validation.

    See Also
    --------
    catalog_coverage : The metric, its formula and range.

    Examples
    --------
    >>> from skgnnrec.metrics import coverage_at
    >>> coverage_at(20)
    RankingScorer(k=20, metric='coverage')
    """
    return RankingScorer("coverage", k=k, segment=segment)
