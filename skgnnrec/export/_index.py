"""Indexes of the items of recommenders whose scores are dot products: approximate lists from large catalogs."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec.interactions import Vocabulary, row_of_each, weigh_by_rank
from skgnnrec.ranking import ByRecency, Constant, Product, Scorer, Sum, WithFallback, top_k
from skgnnrec.recommenders import BaseRecommender

__all__ = ["ItemIndex", "to_index"]

CONSTRAINTS = {
    "n_links": [Interval(Integral, 2, None, closed="left")],
    "build_depth": [Interval(Integral, 1, None, closed="left")],
    "search_depth": [Interval(Integral, 1, None, closed="left")],
    "random_state": [Interval(Integral, 0, None, closed="left")],
}
MORE = 2  # candidates that the search looks at, for each one that it returns, at least


class ItemIndex:
    """Approximate nearest items of users, by an index of voyager.

    An index comes from `to_index`. It finds the best items without the scores of all others: most of the lists that
    `recommend` returns, in a time that hardly grows with the number of items.

    Parameters
    ----------
    index : voyager.Index
        The index [1]_. Its labels are the positions of the items.
    items : ndarray of shape (n_items, n_dimensions), float32
        The vectors in the index.
    embed : callable
        Returns the vectors of users, (n_users, n_dimensions), for their histories.
    recommender : BaseRecommender
        The recommender, which validates histories.
    search_depth : int
        The number of candidates that a search looks at.

    Attributes
    ----------
    index : voyager.Index
        The index. ``index.index.save(path)`` writes it to a file, which voyager reads without this package.

    References
    ----------
    .. [1] https://spotify.github.io/voyager/

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import ContentRecommender, ItemCatalog
    >>> from skgnnrec.export import to_index
    >>> catalog = ItemCatalog(np.eye(5) + np.eye(5, k=1), ids=list("abcde"))
    >>> index = to_index(ContentRecommender(catalog=catalog).fit(np.eye(5)))
    >>> index.recommend([[1, 0, 0, 0, 0]], 1)[0]
    array([['b']], dtype=object)
    """

    def __init__(
        self,
        index: Any,
        items: np.ndarray,
        embed: Callable[[sparse.csr_array], np.ndarray],
        recommender: BaseRecommender,
        search_depth: int,
    ) -> None:
        self.index, self._items, self._embed = index, items, embed
        self._recommender, self._search_depth = recommender, search_depth

    def queries(self, X: Any) -> np.ndarray:
        """Return the vectors of users in the space of the index.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.

        Returns
        -------
        queries : ndarray of shape (n_users, n_dimensions), float32
            The vectors. Their dot product with the vector of an item is the score.
        """
        return self._embed(self._recommender._check_histories(X))

    def recommend(
        self, X: Any, n_recommendations: int = 10, *, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend items to users by a search in the index.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users. Users without history receive the popularity ranking.
        n_recommendations : int, default=10
            Items per user.
        exclude_seen : bool, default=True
            Whether to leave out items of the history.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first, padded as in `recommend` of recommenders.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The scores of the items, -inf for padding.
        """
        n_recommendations = self._recommender._length_of_lists(n_recommendations, "recommend")
        X = self._recommender._check_histories(X)
        lengths = np.diff(X.indptr)
        found = np.full((X.shape[0], n_recommendations), -1, dtype=np.int64)
        scores = np.full(found.shape, -np.inf, dtype=np.float32)
        # Users with histories of about equal length are searched together: seen items are asked for as well.
        groups = np.where(lengths > 0, np.frexp(lengths.astype(np.float64))[1], -1)
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            if group < 0:
                popular = self._recommender._scorer_.scores(X[rows])
                found[rows], scores[rows] = top_k(popular, n_recommendations)
            else:
                found[rows], scores[rows] = self._search(X[rows], n_recommendations, exclude_seen)
        vocabulary: Vocabulary | None = self._recommender._vocabulary_
        return (found if vocabulary is None else vocabulary.names(found)), scores

    def _search(self, X: sparse.csr_array, n: int, exclude_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        queries = self._embed(X)
        k = min(len(self._items), n + (int(np.diff(X.indptr).max()) if exclude_seen else 0))
        columns, _ = self.index.query(queries, k=k, query_ef=max(self._search_depth, MORE * k))
        columns = np.sort(columns.astype(np.int64), axis=1)  # ties in the order of the items
        scores = np.einsum("ud,ukd->uk", queries, self._items[columns], optimize=True).astype(np.float32)
        if exclude_seen:
            keys = row_of_each(X) * len(self._items) + X.indices
            scores[np.isin(np.arange(len(columns))[:, None] * len(self._items) + columns, keys)] = -np.inf
        places, best = top_k(scores, n)
        return np.where(places >= 0, np.take_along_axis(columns, np.maximum(places, 0), axis=1), -1), best


def to_index(
    recommender: BaseRecommender,
    *,
    n_links: int = 16,
    build_depth: int = 128,
    search_depth: int = 256,
    random_state: int = 0,
) -> ItemIndex:
    """Return an index of the items of a recommender, for approximate lists from large catalogs.

    The scores of the recommender must be dot products of vectors of users and items, plus a bias of the items, as those
    of `GNNRecommender`, `SequenceRecommender` and `ContentRecommender` are.

    Parameters
    ----------
    recommender : GNNRecommender, SequenceRecommender or ContentRecommender
        The fitted recommender.
    n_links : int, default=16
        The number of links of an item in the graph of the index [1]_.
    build_depth : int, default=128
        The number of candidates that the search for the links of an item looks at.
    search_depth : int, default=256
        The number of candidates that a search looks at. More candidates give more accurate lists and take longer.
    random_state : int, default=0
        Seeds the levels of the items.

    Returns
    -------
    index : ItemIndex
        The index.

    Raises
    ------
    ImportError
        If the package voyager is absent.
    TypeError
        If the scores of the recommender are no dot products.

    References
    ----------
    .. [1] Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
           navigable small world graphs", TPAMI 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GNNRecommender
    >>> from skgnnrec.export import to_index
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    >>> index = to_index(GNNRecommender(embedding_dim=8).fit(X))
    >>> index.recommend([[1, 0, 0, 0]], 1)[0]
    array([[1]])
    """
    try:
        import voyager
    except ImportError as error:
        raise ImportError('to_index needs the package voyager: pip install "skgnnrec[export]".') from error
    if not isinstance(recommender, BaseRecommender):
        raise TypeError(f"recommender must be a recommender of matrices, got {type(recommender).__name__}.")
    check_is_fitted(recommender)
    given = {"n_links": n_links, "build_depth": build_depth, "search_depth": search_depth, "random_state": random_state}
    validate_parameter_constraints(CONSTRAINTS, given, "to_index")
    items, embed = _factors_of(recommender._scorer_, type(recommender).__name__)
    index = voyager.Index(
        voyager.Space.InnerProduct,
        num_dimensions=items.shape[1],
        M=n_links,
        ef_construction=build_depth,
        random_seed=random_state,
        max_elements=max(1, len(items)),
    )
    index.add_items(items)
    return ItemIndex(index, items, embed, recommender, search_depth)


def _factors_of(scorer: Scorer, name: str) -> tuple[np.ndarray, Callable[[sparse.csr_array], np.ndarray]]:
    """Return the vectors of the items, and a function from histories to those of users."""
    if isinstance(scorer, WithFallback):
        return _factors_of(scorer.scorer, name)
    if isinstance(scorer, ByRecency):
        decay, (items, embed) = scorer.decay, _factors_of(scorer.scorer, name)
        return items, lambda X: embed(weigh_by_rank(X, decay))
    if isinstance(scorer, Constant):
        return scorer.values[:, None], lambda X: np.ones((X.shape[0], 1), dtype=np.float32)
    if isinstance(scorer, Product):
        return np.asarray(scorer.items), scorer.embed
    if isinstance(scorer, Sum):
        parts = [_factors_of(term, name) for term in scorer.terms]
        return np.hstack([items for items, _ in parts]), lambda X: np.hstack([embed(X) for _, embed in parts])
    raise TypeError(
        "to_index requires scores that are dot products, as those of GNNRecommender, SequenceRecommender and "
        f"ContentRecommender; the scores of {name} are not."
    )
