"""Queries of users: sentences, or vectors in the space of the item vectors."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog, texts_as_items
from skgnnrec.ranking import LowRank, Scorer, Standardized, Steered, round_for_exact_sums
from skgnnrec.recommenders._item_vectors import ItemEncoder

__all__ = ["query_of_rows", "steered"]


def _queries_of_users(query: Any, n_users: int) -> list:
    """Return a query for each user: one text or one vector counts for all of them."""
    if isinstance(query, str):
        return [query] * n_users
    queries = list(query) if isinstance(query, Iterable) and not sparse.issparse(query) else []
    if queries and isinstance(queries[0], Real):
        return [queries] * n_users
    if len(queries) != n_users:
        raise ValueError(
            f"query must be a text or a vector, or a list with one of them or None for each of {n_users} users; got a "
            f"{type(query).__name__} of {len(queries)} queries."
        )
    return queries


def query_of_rows(query: Any, rows: np.ndarray, n_users: int) -> Any:
    """Return the queries of some of the users."""
    if query is None:
        return None
    queries = _queries_of_users(query, n_users)
    return [queries[row] for row in rows]


def read_queries(query: Any, n_users: int, encoder: ItemEncoder, catalog: ItemCatalog | None) -> tuple:
    """Return the vectors of distinct queries, of unit length, and the row of each user in them, -1 without query."""
    queries = _queries_of_users(query, n_users)
    asked = [row for row, own in enumerate(queries) if own is not None]
    given = [queries[row] for row in asked]
    if all(isinstance(text, str) for text in given):
        distinct = {text: place for place, text in enumerate(dict.fromkeys(given))}
        vectors = encoder.transform(texts_as_items(catalog, encoder.encoder, list(distinct)), "query")
        places = [distinct[text] for text in given]
    else:
        vectors, places = _read_vectors(given, encoder), list(range(len(given)))
    rows = np.full(n_users, -1)
    rows[asked] = places
    return vectors, rows


def steered(
    recommender: Any,
    X: sparse.csr_array,
    scorer: Scorer,
    columns: np.ndarray,
    candidates: Any,
    query: Any,
    weight: float,
) -> tuple[Scorer, sparse.csr_array]:
    """Return the scorer of the candidates of a recommender for histories with queries, and these histories.

    `columns` are those of the candidates in X, -1 for new items.
    """
    vectors, encoder = recommender.item_vectors_, recommender._encoder_
    if vectors is None or encoder is None:
        raise ValueError(
            f"query requires item vectors: {type(recommender).__name__} needs catalog=ItemCatalog(...) and "
            f"{recommender._how_to_use_items}."
        )
    queries, rows = read_queries(query, X.shape[0], encoder, recommender.catalog)
    vectors = round_for_exact_sums(vectors, vectors.shape[1], axis=1)
    cosines = asked = LowRank(queries, vectors)
    if candidates is not None:
        own, new = vectors[columns], np.flatnonzero(columns < 0)
        if len(new):
            own[new] = encoder.transform(candidates.take(new))
        asked = LowRank(queries, round_for_exact_sums(own, own.shape[1], axis=1))
    both = Steered(
        Standardized(recommender._scorer_, scorer, 1 - abs(float(weight))),
        Standardized(cosines, asked, float(weight)),
        X.shape[1],
    )
    return both, add_queries(X, rows, len(queries))


def add_queries(X: sparse.csr_array, rows: np.ndarray, n_queries: int) -> sparse.csr_array:
    """Return histories with a further column for each query, 1 for the users who asked it."""
    asked = np.flatnonzero(rows >= 0)
    entries = np.ones(len(asked), dtype=np.float32)
    queries = sparse.csr_array((entries, (asked, rows[asked])), shape=(X.shape[0], n_queries))
    return sparse.csr_array(sparse.hstack([X, queries], format="csr"))


def _read_vectors(vectors: list, encoder: ItemEncoder) -> np.ndarray:
    try:
        table = np.array(vectors, dtype=np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != len(encoder.mean) or not np.isfinite(table).all():
        raise ValueError(
            f"query must hold texts, or finite vectors of {len(encoder.mean)} dimensions in the space of the item "
            f"vectors; got a {type(vectors[0]).__name__}: {vectors[0]!r:.80}."
        )
    return encoder.centre(table, "query")
