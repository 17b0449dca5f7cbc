"""Lists with the categories of the history, in the same shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import COLUMN, N_CANDIDATES, STRENGTH, BaseReranker
from skgnnrec.reranking._categories import Categories
from skgnnrec.reranking._reranked import Candidates, Greedy

__all__ = ["CalibratedRecommender"]

SMOOTHING = 0.01  # the weight of the history in the distribution of a list, as in `metrics.miscalibration`


@dataclass(frozen=True, eq=False)
class Calibration(Greedy):
    """Chooses by relevance minus the divergence of the categories of the list from those of the history."""

    history: sparse.csr_array  # (n_items, n_categories): the shares of the categories of an item
    codes: np.ndarray  # (n_columns, n_codes): the categories of candidates, padded with -1
    calibration: float
    n_candidates: int

    def values_per_candidate(self, n: int) -> int:
        return 1 + self.codes.shape[1] * (1 + self.history.shape[1] // self.n_candidates)

    def take(self, columns: np.ndarray) -> Calibration:
        return replace(self, codes=self.codes[columns])

    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        wanted = self._wanted(X)  # (n_rows, n_categories)
        is_item = candidates.columns >= 0
        codes = np.where(is_item[:, :, None], self.codes[candidates.columns], -1)  # (n_rows, n_candidates, n_codes)
        n_codes = np.count_nonzero(codes >= 0, axis=2)
        shares = 1.0 / np.arange(1, codes.shape[2] + 1)  # of a category of an item that has 1, 2, ... of them
        users = np.arange(len(wanted))
        at = users[:, None, None]
        listed, n_listed = np.zeros_like(wanted), np.zeros(len(wanted))
        values = candidates.values((1 - self.calibration) * candidates.relevance)
        chosen = np.empty((len(wanted), n), dtype=np.int64)
        for place in range(n):
            now, then = (_terms(wanted, listed, total[:, None]) for total in (n_listed, n_listed + 1))
            # What a category adds in the next place, by the share of the item: few logarithms for many candidates.
            added = _terms(wanted[:, None], listed[:, None] + shares[:, None], n_listed[:, None, None] + 1)
            gains = np.where(codes >= 0, (added - then[:, None])[at, n_codes[:, :, None] - 1, codes], 0.0).sum(axis=2)
            fit = np.where(n_codes > 0, then.sum(axis=1)[:, None] + gains, now.sum(axis=1)[:, None])
            reached = np.where(is_item, values + self.calibration * (place + 1) * fit, values)
            np.put_along_axis(reached, chosen[:, :place], -np.inf, axis=1)
            chosen[:, place] = best = reached.argmax(axis=1)
            row, slot = np.nonzero(codes[users, best] >= 0)
            listed[row, codes[row, best[row], slot]] += shares[n_codes[row, best[row]] - 1]
            n_listed += n_codes[users, best] > 0
        return chosen

    def _wanted(self, X: sparse.csr_array) -> np.ndarray:
        """Return the shares of the categories in histories, zeros where no item of a history has a category."""
        items = X[:, : self.history.shape[0]]  # without queries
        sums = (items.astype(np.float64) @ self.history).toarray()
        total = sums.sum(axis=1, keepdims=True)
        return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)


def _terms(wanted: np.ndarray, listed: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return p log q of categories with the shares p in a history; q is smoothed, so that it is not zero."""
    shown = np.divide(listed, total, out=np.zeros_like(listed), where=total > 0)
    mixed = (1 - SMOOTHING) * shown + SMOOTHING * wanted
    return wanted * np.log(np.where(wanted > 0, mixed, 1.0))


class CalibratedRecommender(BaseReranker):
    r"""Recommend the categories of the history in the same shares.

    A user with 70 % romances and 30 % thrillers in the history receives about seven romances and three thrillers in a
    list of ten. The list is chosen from the best candidates of a recommender, one item at a time [1]_. With the weight
    :math:`\lambda`, which is `calibration`, the item at place t is the candidate with the largest

    .. math:: (1 - \lambda)\, r_i - \lambda\, t \sum_g p_g \log (p_g / q_g),

    where :math:`r_i` is its score, standardised over the candidates of the user, p is the distribution of the
    categories in the history, weighted by the values of X, and q the distribution in the list with the candidate, of
    which 1 % is p. The first t items thus weigh their mean score against the divergence of their categories, and a
    value of `calibration` means the same for all recommenders, catalogs and lengths of lists.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender, with a `catalog` that has the column of the categories. A clone of it is fitted.
    category : str or int
        The column of the catalog with the categories. Items with a missing value have no category and do not count.
        Values can be lists: an item with several categories belongs to each of them in equal shares.
    separator : str, default=None
        Splits texts into several categories, such as "|" in "Action|Comedy". None does not split.
    calibration : float, default=0.3
        The weight of the divergence, in [0, 1]. With 0, the lists are those of the recommender. With 1, relevance
        counts only for the choice of the candidates and between items with equal categories.
    n_candidates : int, default=100
        The number of candidates of each user. Places below them have the order of the recommender.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    categories_ : ndarray of shape (n_categories,)
        The categories of the items of the fit.
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
    skgnnrec.metrics.miscalibration : Measures the divergence.

    Notes
    -----
    Users whose histories have no category receive the lists of the recommender. The scores in `recommend` and
    `decision_function` are those of the recommender. They therefore need not decrease along a list.

    References
    ----------
    .. [1] H. Steck, "Calibrated recommendations", RecSys 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skgnnrec import ItemCatalog, PopularityRecommender
    >>> from skgnnrec.reranking import CalibratedRecommender
    >>> films = ItemCatalog(pd.DataFrame({"genre": ["crime", "crime", "crime", "music", "music"]}))
    >>> X = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 1], [1, 1, 0, 1, 0]])
    >>> rec = CalibratedRecommender(PopularityRecommender(catalog=films), "genre", calibration=0.9)
    >>> rec.fit(X).recommend([[0, 0, 1, 1, 0]], 2)[0]
    array([[0, 4]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "category": COLUMN,
        "separator": [str, None],
        "calibration": STRENGTH,
        "n_candidates": N_CANDIDATES,
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        category: str | int,
        *,
        separator: str | None = None,
        calibration: float = 0.3,
        n_candidates: int = 100,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.category = category
        self.separator = separator
        self.calibration = calibration
        self.n_candidates = n_candidates
        self.n_recommendations = n_recommendations

    @property
    def categories_(self) -> np.ndarray:
        """Return the categories of the items of the fit."""
        return self._categories_.names.ids

    def _read_catalog(self, catalog: ItemCatalog | None) -> None:
        self._categories_ = Categories.of(
            self._required(catalog, "category"), self.category, "category", self.separator
        )

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> Calibration:
        codes, n_categories = self._categories_.of_candidates(columns, catalog, self.category, self.separator)
        history = self._categories_.shares()
        history.resize((history.shape[0], n_categories))
        return Calibration(history, codes, float(self.calibration), int(self.n_candidates))
