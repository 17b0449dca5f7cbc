"""Lists that obey rules: filters, exclusions, pinned items and a largest number of items of a category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import row_of_each
from skgnnrec.ranking import Scorer, rank_block
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import COLUMN, BaseReranker
from skgnnrec.reranking._categories import Categories, column_of
from skgnnrec.reranking._reranked import Order

__all__ = ["RulesRecommender"]

N_SCANNED = 100  # candidates of a user; more of them, up to all, where the rules leave too few
MORE = 4  # times as many


@dataclass(frozen=True, eq=False)
class Rules(Order):
    """Pinned items first, then the others in the order of the scorer, as far as the rules allow them."""

    pinned: np.ndarray  # columns, in order
    hidden: np.ndarray  # columns that are not ranked: those that are not allowed, and those that are pinned
    codes: np.ndarray  # (n_columns, n_codes): the categories of candidates, padded with -1
    n_categories: int
    limit: int | None  # of the items of a category

    def take(self, columns: np.ndarray) -> Rules:
        place = np.full(len(self.codes) + 1, -1)
        place[columns] = np.arange(len(columns))
        pinned, hidden = place[self.pinned], place[self.hidden]
        return replace(self, pinned=pinned[pinned >= 0], hidden=hidden[hidden >= 0], codes=self.codes[columns])

    def rank(
        self, scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None
    ) -> tuple[np.ndarray, np.ndarray]:
        first, first_scores = self._pinned_lists(scorer, X, seen)
        masked = _with_columns(seen, self.hidden, (X.shape[0], scorer.n_columns))
        lists = np.full((X.shape[0], k), -1, dtype=np.int64)
        scores = np.full((X.shape[0], k), -np.inf, dtype=np.float32)
        rows, n = np.arange(X.shape[0]), k if self.limit is None else max(k, N_SCANNED)
        while len(rows):
            found, found_scores = rank_block(scorer, X[rows], min(n, max(k, scorer.n_columns)), masked[rows])
            columns = np.concatenate([first[rows], found], axis=1)
            is_listed = columns >= 0 if self.limit is None else self._within_limit(columns, len(self.pinned), k)
            order = np.argsort(~is_listed, axis=1, kind="stable")[:, :k]
            is_full = np.take_along_axis(is_listed, order, axis=1)
            own_scores = np.take_along_axis(np.concatenate([first_scores[rows], found_scores], axis=1), order, axis=1)
            lists[rows] = np.where(is_full, np.take_along_axis(columns, order, axis=1), -1)
            scores[rows] = np.where(is_full, own_scores, -np.inf)
            has_more = (found[:, -1] >= 0) & (n < scorer.n_columns)
            rows = rows[~is_full.all(axis=1) & has_more]
            n *= MORE
        return lists, scores

    def _pinned_lists(
        self, scorer: Scorer, X: sparse.csr_array, seen: sparse.csr_array | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pinned items of each user, -1 for seen ones, and their scores."""
        if not len(self.pinned):
            return np.empty((X.shape[0], 0), dtype=np.int64), np.empty((X.shape[0], 0), dtype=np.float32)
        scores = scorer.take(self.pinned).scores(X)
        columns = np.tile(self.pinned, (X.shape[0], 1))
        if seen is not None:
            place = np.full(scorer.n_columns, -1)
            place[self.pinned] = np.arange(len(self.pinned))
            places = place[seen.indices]
            columns[row_of_each(seen)[places >= 0], places[places >= 0]] = -1
        return columns, scores

    def _within_limit(self, columns: np.ndarray, n_pinned: int, k: int) -> np.ndarray:
        """Return which items are in the lists when each category is listed `limit` times at most.

        Pinned items, which are first, count but are not left out.
        """
        users = np.arange(len(columns))
        codes_of = np.append(self.codes, np.full((1, self.codes.shape[1]), -1), axis=0)  # the last of padding
        listed = np.zeros((len(columns), self.n_categories + 1), dtype=np.int64)  # the last is for items without
        is_listed = np.zeros(columns.shape, dtype=bool)
        n_listed = np.zeros(len(columns), dtype=np.int64)
        for place in range(columns.shape[1]):
            codes = codes_of[columns[:, place]]  # (n_users, n_codes)
            counts = listed[users[:, None], codes]
            is_free = (counts < self.limit) | (codes < 0)
            chosen = (columns[:, place] >= 0) & ((place < n_pinned) | is_free.all(axis=1))
            is_listed[:, place] = chosen
            listed[users[chosen, None], codes[chosen]] += 1
            n_listed += chosen
            if (n_listed >= k).all():
                break
        return is_listed


def _with_columns(seen: sparse.csr_array | None, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the marks of `seen`, and marks in further columns of all rows."""
    lengths = np.zeros(shape[0], dtype=np.int64) if seen is None else np.diff(seen.indptr)
    ends = np.append(0, np.cumsum(lengths + len(columns)))
    places = ends[:-1, None] + np.arange(len(columns))
    is_seen = np.ones(ends[-1], dtype=bool)
    is_seen[places] = False
    indices = np.empty(ends[-1], dtype=np.int64)
    indices[places] = columns
    indices[is_seen] = [] if seen is None else seen.indices
    return sparse.csr_array((np.ones(len(indices), dtype=np.float32), indices, ends), shape=shape)


class RulesRecommender(BaseReranker):
    """Recommend within rules: filters, exclusions, pinned items and a largest number of items of a category.

    The list of a user is that of the recommender without the items that a rule forbids. It is as long as without rules
    if enough items are allowed.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted. Rules about columns require its `catalog`.
    where : dict, default=None
        Filters: for a column of the catalog, a value or a list of values. Only items that have one of the values in
        each of the columns are recommended, such as ``{"in_stock": True, "country": ["de", "fr"]}``.
    exclude : array-like of shape (n_excluded,), default=None
        Items that are not recommended, by id where ids are known and by position elsewhere.
    pinned : array-like of shape (n_pinned,), default=None
        Items that are the first ones of each list, in this order, by id where ids are known and by position elsewhere.
        Items of the history and items that `where` or `exclude` forbid are left out.
    category : str or int, default=None
        The column of the catalog with the categories for `max_per_category`. Values can be lists of categories.
    max_per_category : int, default=None
        The largest number of items of a category in a list; None does not limit it. Items with several categories count
        in each of them, items with a missing value in none. Pinned items count, and are not left out.
    separator : str, default=None
        Splits texts into several categories, such as "|" in "Action|Comedy". None does not split.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings of the recommender.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the recommender.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    Notes
    -----
    Without rules, the lists are those of the recommender. The scores in `recommend` and `decision_function` are those
    of the recommender.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skgnnrec import ItemCatalog, PopularityRecommender
    >>> from skgnnrec.reranking import RulesRecommender
    >>> items = pd.DataFrame({"sku": ["a", "b", "c", "d"], "kind": ["mug", "mug", "pot", "pot"], "stock": [1, 2, 0, 3]})
    >>> popular = PopularityRecommender(catalog=ItemCatalog(items, ids="sku"))
    >>> X = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]])
    >>> rec = RulesRecommender(popular, category="kind", max_per_category=1).fit(X)
    >>> rec.recommend([[0, 0, 0, 0]], 3)[0]
    array([['a', 'c', None]], dtype=object)
    >>> rec.set_rules(where={"stock": [1, 2, 3]}, pinned=["d"]).recommend([[0, 0, 0, 0]], 3)[0]
    array([['d', 'a', 'b']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "where": [dict, None],
        "exclude": ["array-like", None],
        "pinned": ["array-like", None],
        "category": [*COLUMN, None],
        "max_per_category": [Interval(Integral, 1, None, closed="left"), None],
        "separator": [str, None],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        where: Mapping[Any, Any] | None = None,
        exclude: Any = None,
        pinned: Any = None,
        category: str | int | None = None,
        max_per_category: int | None = None,
        separator: str | None = None,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.where = where
        self.exclude = exclude
        self.pinned = pinned
        self.category = category
        self.max_per_category = max_per_category
        self.separator = separator
        self.n_recommendations = n_recommendations

    def set_rules(
        self,
        *,
        where: Mapping[Any, Any] | None = None,
        exclude: Any = None,
        pinned: Any = None,
        category: str | int | None = None,
        max_per_category: int | None = None,
        separator: str | None = None,
    ) -> Self:
        """Replace the rules of the fitted recommender, without a new fit.

        Parameters
        ----------
        where : dict, default=None
            Filters, as in the constructor. None, here and below, is no rule.
        exclude : array-like of shape (n_excluded,), default=None
            Items that are not recommended.
        pinned : array-like of shape (n_pinned,), default=None
            Items that are the first ones of each list.
        category : str or int, default=None
            The column of the catalog with the categories.
        max_per_category : int, default=None
            The largest number of items of a category in a list.
        separator : str, default=None
            Splits texts into several categories.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If a rule is wrong. Then no rule is replaced.
        """
        check_is_fitted(self)
        with new_state(self, keep=True) as fresh:
            fresh.where, fresh.exclude, fresh.pinned = where, exclude, pinned
            fresh.category, fresh.max_per_category, fresh.separator = category, max_per_category, separator
            fresh._validate_params()
            fresh._read_catalog(self._catalog_)
            fresh._take_order()
        return self

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.max_per_category is not None and self.category is None:
            raise ValueError(f"max_per_category={self.max_per_category} requires category, a column of the catalog.")

    def _read_catalog(self, catalog: ItemCatalog | None) -> None:
        self._catalog_ = catalog
        self._categories_ = None
        if self.max_per_category is not None:
            self._categories_ = Categories.of(
                self._required(catalog, "category"), self.category, "category", self.separator
            )
        self._is_allowed_ = self._passes(catalog, self.n_features_in_)
        for name in ("exclude", "pinned"):
            columns = self._named_columns(name)
            if name == "exclude":
                self._is_allowed_[columns] = False
            elif len(np.unique(columns)) < len(columns):
                raise ValueError("pinned names an item twice.")

    def _named_columns(self, name: str) -> np.ndarray:
        given = getattr(self, name)
        return np.empty(0, dtype=np.int64) if given is None else self._columns(given, name)

    def _passes(self, catalog: ItemCatalog | None, n_items: int) -> np.ndarray:
        """Return which items of a catalog have the values that `where` asks for."""
        passes = np.ones(n_items, dtype=bool)
        for column, values in (self.where or {}).items():
            is_list = isinstance(values, list | tuple | set | frozenset | np.ndarray)
            passes &= (
                column_of(self._required(catalog, "where"), column, "where")
                .isin(list(values) if is_list else [values])
                .to_numpy(dtype=bool)
            )
        return passes

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> Rules:
        is_allowed = self._is_allowed_[columns]
        new = np.flatnonzero(columns < 0)
        if len(new) and catalog is not None:
            is_allowed[new] = self._passes(catalog.take(new), len(new))
        codes, n_categories = np.empty((len(columns), 0), dtype=np.int64), 0
        if self._categories_ is not None:
            codes, n_categories = self._categories_.of_candidates(columns, catalog, self.category, self.separator)
        place = np.full(self.n_features_in_ + 1, -1)  # the last for new items
        place[columns] = np.where(is_allowed, np.arange(len(columns)), -1)
        pinned = place[self._named_columns("pinned")]
        pinned = pinned[pinned >= 0]
        is_allowed[pinned] = False
        return Rules(pinned, np.flatnonzero(~is_allowed), codes, n_categories, self.max_per_category)
