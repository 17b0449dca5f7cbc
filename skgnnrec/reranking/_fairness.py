"""Lists in which groups of items have at least given shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import first_few
from skgnnrec.ranking import Scorer, rank_block
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import COLUMN, BaseReranker
from skgnnrec.reranking._categories import Categories
from skgnnrec.reranking._reranked import Order

__all__ = ["FairRecommender"]

N_SCANNED = 100  # candidates of a user; more of them, up to all, where a group has too few
MORE = 4  # times as many
HORIZON = 200  # further places whose shares are considered at each place
ROUNDING = 1e-9  # of products of a share and a number of places


@dataclass(frozen=True, eq=False)
class MinimumShares(Order):
    """Chooses the first candidate with which the shares of all groups can still be reached."""

    groups: np.ndarray  # (n_columns,): the group of each candidate, n_groups for the others
    shares: np.ndarray  # (n_groups,)

    def take(self, columns: np.ndarray) -> MinimumShares:
        return replace(self, groups=self.groups[columns])

    def rank(
        self, scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if not len(self.shares):
            return rank_block(scorer, X, k, seen)
        lists = np.full((X.shape[0], k), -1, dtype=np.int64)
        scores = np.full((X.shape[0], k), -np.inf, dtype=np.float32)
        rows, n = np.arange(X.shape[0]), max(k, N_SCANNED)
        while len(rows):
            marked = None if seen is None else seen[rows]
            columns, found = rank_block(scorer, X[rows], min(n, max(k, scorer.n_columns)), marked)
            places, is_short = self._choose(columns, k)
            lists[rows] = np.take_along_axis(columns, places, axis=1)
            scores[rows] = np.take_along_axis(found, places, axis=1)
            has_more = (columns[:, -1] >= 0) & (n < scorer.n_columns)
            rows = rows[is_short & has_more]
            n *= MORE
        return lists, scores

    def _choose(self, columns: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the candidate at each place, and which users lack candidates of a group that is due."""
        users, n_groups = np.arange(len(columns)), len(self.shares)
        queues = self._queues(columns)  # (n_users, n_groups + 2, n_candidates + 1)
        position = np.zeros(queues.shape[:2], dtype=np.int64)
        counts = np.zeros((len(columns), n_groups + 2), dtype=np.int64)
        due = np.floor(np.arange(1, k + HORIZON + 1)[:, None] * self.shares + ROUNDING)  # (k + HORIZON, n_groups)
        is_short = np.zeros(len(columns), dtype=bool)
        chosen = np.empty((len(columns), k), dtype=np.int64)
        for place in range(k):
            heads = np.take_along_axis(queues, position[:, :, None], axis=2)[:, :, 0]
            is_due = self._due(due[place : place + HORIZON], counts[:, :n_groups])
            own = np.where(is_due, heads[:, :n_groups], columns.shape[1])
            is_forced = is_due.any(axis=1)
            is_short |= is_forced & (own.min(axis=1) == columns.shape[1])
            is_forced &= own.min(axis=1) < columns.shape[1]
            group = np.where(is_forced, own.argmin(axis=1), heads.argmin(axis=1))
            chosen[:, place] = heads[users, group]
            position[users, group] += 1
            counts[users, group] += 1
        return chosen, is_short

    def _queues(self, columns: np.ndarray) -> np.ndarray:
        """Return the places of the candidates of each group, in order; all places of padding are in the last queue."""
        n_groups, n = len(self.shares), columns.shape[1]
        groups = np.append(self.groups, n_groups + 1)[columns]
        places = np.where(groups[:, None] == np.arange(n_groups + 2)[:, None], np.arange(n), n)
        queues = np.full((*places.shape[:2], n + 1), n)
        queues[:, :, :n] = np.sort(places, axis=2)
        return queues

    def _due(self, due: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the groups of which the next place must take an item, none where it may take any.

        The groups lack some items until a later place. They must have the next place if they lack as many items as
        there are places until then.
        """
        lacking = np.maximum(due - counts[:, None], 0)  # (n_users, HORIZON, n_groups)
        is_tight = lacking.sum(axis=2) >= np.arange(1, len(due) + 1)
        first = is_tight.argmax(axis=1)
        return (lacking[np.arange(len(counts)), first] > 0) & is_tight.any(axis=1)[:, None]


class FairRecommender(BaseReranker):
    r"""Recommend with a minimum share of groups of items, at each place of the lists.

    With a minimum share p of a group, the first t items of a list contain at least :math:`\lfloor p\,t \rfloor` items
    of the group, for each t [1]_ [2]_. Each place has the item that is best by the recommender, among those with which
    the shares of all groups can still be reached.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender, with a `catalog` that has the column of the groups. A clone of it is fitted.
    group : str or int
        The column of the catalog with the group of each item.
    min_shares : dict
        The minimum share of groups, such as ``{"small brand": 0.3}``: numbers in [0, 1] whose sum is at most 1. With 0,
        the lists are those of the recommender. With 1, they contain the group alone, as long as it has items.
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

    See Also
    --------
    skgnnrec.metrics.item_exposure : Measures the exposure of groups of items.

    Notes
    -----
    If a user has all items of a group, its share is not reached, and the other items follow in the order of the
    recommender. The scores in `recommend` and `decision_function` are those of the recommender. They therefore need not
    decrease along a list.

    References
    ----------
    .. [1] M. Zehlike et al., "FA*IR: a fair top-k ranking algorithm", CIKM 2017.
    .. [2] S. C. Geyik, S. Ambler and K. Kenthapadi, "Fairness-aware ranking in search & recommendation systems with
       application to LinkedIn talent search", KDD 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skgnnrec import ItemCatalog, PopularityRecommender
    >>> from skgnnrec.reranking import FairRecommender
    >>> brands = ItemCatalog(pd.DataFrame({"brand": ["large", "large", "large", "small"]}))
    >>> X = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 1, 0]])
    >>> rec = FairRecommender(PopularityRecommender(catalog=brands), "brand", {"small": 0.5})
    >>> rec.fit(X).recommend([[0, 0, 0, 0]], 3)[0]
    array([[0, 3, 1]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "group": COLUMN,
        "min_shares": [dict],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        group: str | int,
        min_shares: Mapping[Any, float],
        *,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.group = group
        self.min_shares = min_shares
        self.n_recommendations = n_recommendations

    def _validate_params(self) -> None:
        super()._validate_params()
        shares = list(self.min_shares.values())
        is_right = all(isinstance(share, Real) and not isinstance(share, bool) and 0 <= share <= 1 for share in shares)
        if not is_right or sum(shares) > 1 + ROUNDING:
            raise ValueError(f"min_shares must have values in [0, 1] whose sum is at most 1; got {shares}.")

    def _read_catalog(self, catalog: ItemCatalog | None) -> None:
        self._categories_ = Categories.of(self._required(catalog, "group"), self.group, "group")
        if self._categories_.codes.shape[1] > 1:
            raise ValueError(
                f"group={self.group!r} must be a column with one group for each item; the column has lists."
            )
        self._places_ = self._categories_.names.positions(list(self.min_shares), "min_shares")
        unknown = [name for name, place in zip(self.min_shares, self._places_, strict=True) if place < 0]
        if unknown:
            groups = first_few(self._categories_.names.ids)
            raise ValueError(f"min_shares names {unknown}; the groups in the column {self.group!r} are {groups}.")

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> MinimumShares:
        codes, n_categories = self._categories_.of_candidates(columns, catalog, self.group, None)
        group_of = np.full(n_categories + 1, len(self._places_))  # the last for items without a group
        group_of[self._places_] = np.arange(len(self._places_))
        groups = group_of[codes[:, 0]] if codes.shape[1] else np.full(len(columns), len(self._places_))
        return MinimumShares(groups, np.array(list(self.min_shares.values()), dtype=np.float64))
