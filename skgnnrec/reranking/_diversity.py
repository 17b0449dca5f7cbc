"""Diverse lists: maximal marginal relevance and determinantal point processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions

from skgnnrec.catalog import ItemCatalog
from skgnnrec.ranking import to_unit_length
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import N_CANDIDATES, STRENGTH, BaseReranker
from skgnnrec.reranking._reranked import Candidates, Greedy
from skgnnrec.reranking._vectors import vectors_of_users

__all__ = ["DiverseRecommender"]

N_SAMPLED = 1000  # items whose pairs define the unit of similarities
N_DIMENSIONS = 64  # of the vectors of items by their users
SMALLEST_VARIANCE = 1e-6  # of an item, given the items above it: equal items would have the logarithm of zero


@dataclass(frozen=True, eq=False)
class _Diverse(Greedy):
    """The vectors of candidates, and the weight of their similarities in units of the catalog."""

    vectors: np.ndarray  # (n_columns, n_dimensions), float32, of unit length
    diversity: float
    unit: float  # the standard deviation over pairs of items
    n_candidates: int

    def values_per_candidate(self, n: int) -> int:
        return 1 + self.vectors.shape[1]

    def take(self, columns: np.ndarray) -> Self:
        return replace(self, vectors=self.vectors[columns])


class MarginalRelevance(_Diverse):
    """Chooses by relevance minus the largest similarity to the items above."""

    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        vectors, rows = self.vectors[candidates.columns], np.arange(X.shape[0])  # (n_rows, n_candidates, n_dimensions)
        values = candidates.values((1 - self.diversity) * candidates.relevance)
        weight = self.diversity / self.unit
        nearest = np.full(values.shape, -np.inf, dtype=np.float32)
        chosen = np.empty((len(rows), n), dtype=np.int64)
        for place in range(n):
            reached = values - weight * nearest if place else values.copy()
            np.put_along_axis(reached, chosen[:, :place], -np.inf, axis=1)
            chosen[:, place] = reached.argmax(axis=1)
            np.maximum(nearest, _similarities(vectors, vectors[rows, chosen[:, place]]), out=nearest)
        return chosen


class DeterminantalProcess(_Diverse):
    """Chooses by relevance plus the logarithm of the variance that the items above do not explain."""

    def values_per_candidate(self, n: int) -> int:
        return 2 * n + super().values_per_candidate(n)

    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        vectors, rows = self.vectors[candidates.columns], np.arange(X.shape[0])
        values = candidates.values((1 - self.diversity) * candidates.relevance)
        weight = self.diversity / self.unit
        variances = np.ones(values.shape)
        factors = np.zeros((*values.shape, n))  # the rows of the Cholesky factor, (n_rows, n_candidates, n)
        chosen = np.empty((len(rows), n), dtype=np.int64)
        for place in range(n):
            reached = values + weight * np.log(variances)
            np.put_along_axis(reached, chosen[:, :place], -np.inf, axis=1)
            chosen[:, place] = best = reached.argmax(axis=1)
            if place + 1 < n:
                kernel = (1.0 + _similarities(vectors, vectors[rows, best])) / 2
                known = np.matmul(factors[:, :, :place], factors[rows, best, :place, None])[..., 0]
                update = (kernel - known) / np.sqrt(variances[rows, best])[:, None]
                factors[:, :, place] = update
                variances = np.maximum(variances - update**2, SMALLEST_VARIANCE)
        return chosen


def _similarities(vectors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the cosines of the candidates of each row with one vector, (n_rows, n_candidates)."""
    return np.matmul(vectors, chosen[:, :, None])[..., 0]


@np.errstate(under="ignore")
def _unit_of(vectors: np.ndarray, method: str) -> float:
    """Return the standard deviation over pairs of items of the term of the method, 1 where it is zero."""
    sampled = np.unique(np.linspace(0, len(vectors) - 1, min(N_SAMPLED, len(vectors))).astype(np.int64))
    similarities = (vectors[sampled] @ vectors[sampled].T)[np.triu_indices(len(sampled), 1)].astype(np.float64)
    if method == "dpp":
        similarities = np.log(np.maximum(1.0 - ((1.0 + similarities) / 2) ** 2, SMALLEST_VARIANCE))
    deviation = float(similarities.std()) if len(similarities) else 0.0
    return deviation if deviation > SMALLEST_VARIANCE else 1.0


class DiverseRecommender(BaseReranker):
    r"""Recommend items that differ from each other.

    The list of a user is chosen from the best candidates of a recommender, one item at a time. The relevance
    :math:`r_i` of candidate i is its score, standardised over the candidates of the user. With the weight
    :math:`\lambda`, which is `diversity`, and the items S above, maximal marginal relevance [1]_ chooses the candidate
    with the largest

    .. math:: (1 - \lambda)\, r_i - \lambda \max_{j \in S} s_{ij} / \sigma,

    where :math:`s_{ij}` is the cosine similarity of two items and :math:`\sigma` is its standard deviation over the
    pairs of items of the catalog. A determinantal point process [2]_ chooses the candidate with the largest

    .. math:: (1 - \lambda)\, r_i + \lambda \log (\det L_{S \cup \{i\}} / \det L_S) / \sigma, \quad
        L_{ij} = (1 + s_{ij}) / 2,

    where :math:`\sigma` is the standard deviation of the logarithm for two items. Both terms have the unit of a
    standard deviation, so that a value of `diversity` means the same for all recommenders and catalogs.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted.
    diversity : float, default=0.3
        The weight of the differences between items, in [0, 1]. With 0, the lists are those of the recommender. With 1,
        relevance counts only for the choice of the candidates and of the first item.
    method : {"mmr", "dpp"}, default="mmr"
        Maximal marginal relevance compares an item with the most similar item above it, the determinantal point process
        with all items above it.
    similarity : {"auto", "content", "behavior"}, default="auto"
        The similarity of items: the cosine of their `item_vectors_` ("content"), or the share of their users that they
        have in common ("behavior"), which is the cosine of their columns of X on the leading singular vectors. With
        "auto", it is that of the item vectors where the recommender has them, else that of the users.
    n_candidates : int, default=100
        The number of candidates of each user. Places below them have the order of the recommender.
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
    skgnnrec.metrics.intra_list_diversity : Measures the diversity of lists.

    Notes
    -----
    The scores in `recommend` and `decision_function` are those of the recommender. They therefore need not decrease
    along a list.

    References
    ----------
    .. [1] J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
       producing summaries", SIGIR 1998.
    .. [2] L. Chen, G. Zhang and H. Zhou, "Fast greedy MAP inference for determinantal point process to improve
       recommendation diversity", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import ItemCatalog, RidgeRecommender
    >>> from skgnnrec.reranking import DiverseRecommender
    >>> X = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 1, 1]])
    >>> colors = ItemCatalog(np.array([[1, 0], [0, 1], [0.1, 1], [1, 0], [1, 0.1]]))
    >>> ridge = RidgeRecommender(catalog=colors, content_weight=0.01, n_recommendations=2)
    >>> ridge.fit(X).predict([[1, 0, 0, 0, 0]])  # two items with nearly the same color
    array([[1, 2]])
    >>> DiverseRecommender(ridge, diversity=0.5, n_recommendations=2).fit(X).predict([[1, 0, 0, 0, 0]])
    array([[1, 3]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "diversity": STRENGTH,
        "method": [StrOptions({"mmr", "dpp"})],
        "similarity": [StrOptions({"auto", "content", "behavior"})],
        "n_candidates": N_CANDIDATES,
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        diversity: float = 0.3,
        method: Literal["mmr", "dpp"] = "mmr",
        similarity: Literal["auto", "content", "behavior"] = "auto",
        n_candidates: int = 100,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.diversity = diversity
        self.method = method
        self.similarity = similarity
        self.n_candidates = n_candidates
        self.n_recommendations = n_recommendations

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> MarginalRelevance | DeterminantalProcess:
        fitted = self._fitted_vectors()
        vectors = fitted[columns]
        new = np.flatnonzero(columns < 0)
        if len(new):
            vectors[new] = self._vectors_of_new(catalog, new)
        kind = MarginalRelevance if self.method == "mmr" else DeterminantalProcess
        return kind(vectors, float(self.diversity), self._unit_, int(self.n_candidates))

    def _take_order(self) -> None:
        self._unit_ = _unit_of(self._fitted_vectors(), self.method)
        super()._take_order()

    def _read_interactions(self, X: sparse.csr_array) -> None:
        self._vectors_of_users_ = None if self._reads_content() else vectors_of_users(X, N_DIMENSIONS)

    def _reads_content(self) -> bool:
        return self.similarity == "content" or (self.similarity == "auto" and self.item_vectors_ is not None)

    def _fitted_vectors(self) -> np.ndarray:
        if self._vectors_of_users_ is not None:
            return self._vectors_of_users_
        if self.item_vectors_ is None:
            raise ValueError(
                f"similarity='content' requires item vectors, but {type(self.recommender).__name__} was fitted "
                f"without: it needs catalog=ItemCatalog(...) and {self.recommender._how_to_use_items}."
            )
        return to_unit_length(np.asarray(self.item_vectors_, dtype=np.float32))

    def _vectors_of_new(self, catalog: Any, new: np.ndarray) -> np.ndarray:
        if self._vectors_of_users_ is not None:
            raise ValueError(
                f"candidates holds {len(new)} new items, which have no users to compare: similarity='content' compares "
                "item vectors."
            )
        vectors = self._vectors_of(catalog.take(new))
        if isinstance(vectors, list):  # of the recommenders in a blend, whose item vectors are the first ones
            vectors = next(own for own in vectors if own is not None)
        return to_unit_length(np.asarray(vectors, dtype=np.float32))
