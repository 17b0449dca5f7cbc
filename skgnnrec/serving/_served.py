"""A state of the recommender that answers requests; it never changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.inspection import explain, reasons
from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders import BaseRecommender, LogRecommender, MicroBatcher

__all__ = ["Served", "Texts"]

History = tuple[np.ndarray, np.ndarray | None]  # positions of the items, and their weights


class Texts:
    """The texts of items, by which they are found."""

    def __init__(self, ids: list[Any], catalog: ItemCatalog | None) -> None:
        self._ids = ids
        self._texts = _texts(ids, catalog)
        self._searched = [f" {item} {text}".lower() for item, text in zip(ids, self._texts, strict=True)]

    def __getitem__(self, position: int) -> str:
        return self._texts[position]

    def search(self, words: str, n: int) -> list[int]:
        """Return the positions of items that contain all words, those in which they begin a word first."""
        wanted = words.lower().split()
        found = [place for place, text in enumerate(self._searched) if all(word in text for word in wanted)]
        found.sort(key=lambda place: -sum(f" {word}" in self._searched[place] for word in wanted))
        return found[:n]


class Served:
    """A fitted recommender with what answers need: positions of ids, rankers, texts."""

    catalog: ItemCatalog | None
    ids: list[Any]
    texts: Texts

    def __init__(self, recommender: Any, sequence: int, before: Served | None = None) -> None:
        self.recommender, self.sequence = recommender, sequence
        is_log = isinstance(recommender, LogRecommender)
        self.inner: BaseRecommender = recommender.recommender_ if is_log else recommender
        self.users: Vocabulary | None = recommender._users_ if is_log else None
        catalog = recommender._catalog_ if is_log else recommender.catalog
        self.items = _item_vocabulary(recommender)
        # Batchers of earlier states answer their last requests; their threads end when nothing refers to them.
        self.rank = MicroBatcher(self.inner.ranker())
        if before is not None and before.catalog is catalog and before.items.equals(self.items):
            self.catalog, self.ids, self.texts, self.items = before.catalog, before.ids, before.texts, before.items
        else:
            self.catalog, self.ids = catalog, self.items.ids.tolist()
            self.texts = Texts(self.ids, catalog)
        self.kinds_of_items = _kinds(self.items, "items")
        if self.users is not None:
            self.kinds_of_users = _kinds(self.users, "users")
        for vocabulary in (self.items, self.users):
            if vocabulary is not None:  # its first search sorts or hashes all ids: here, not in a request
                vocabulary.positions(vocabulary.ids[:1])

    def positions(self, items: list[Any]) -> np.ndarray:
        """Return the positions of items, -1 for unknown ones."""
        return self.items.positions(items) if items else np.zeros(0, dtype=np.int64)

    def user(self, user: Any) -> int:
        """Return the row of a user, -1 for an unknown one."""
        if self.users is None or type(user) not in self.kinds_of_users:
            return -1
        return int(self.users.positions([user])[0])

    def history_of(self, row: int) -> History:
        """Return the history of a user; it is empty for the row -1."""
        X = self.recommender.interactions_
        inside = slice(X.indptr[row], X.indptr[row + 1]) if row >= 0 else slice(0)
        return X.indices[inside], X.data[inside]

    def check_known(self, interactions: list[dict[str, Any]]) -> None:
        """Refuse interactions of unknown items, or of users whose ids have another type than those of the fit."""
        for each in interactions:
            items = each["items"] if "items" in each else [each["item"]]
            unknown = np.flatnonzero(self.positions(items) < 0)
            if len(unknown):
                raise ValueError(f"The item {items[unknown[0]]!r} is unknown: new items need a new fit.")
            if self.users is not None and type(each["user"]) not in self.kinds_of_users:
                expected = " or ".join(sorted(kind.__name__ for kind in self.kinds_of_users))
                raise ValueError(f"user must be of type {expected}, as in the fit; got {each['user']!r}.")

    def recommend(
        self,
        history: History,
        n: int,
        candidates: np.ndarray | None,
        exclude_seen: bool,
        query: str | None,
        query_weight: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best of some candidates, also of the items of the history, or by a query; as positions."""
        has_ids = self.inner.item_ids_ is not None
        names = self.items.names(candidates) if candidates is not None and has_ids else candidates
        found, scores = self.inner.recommend(
            self._matrix(history),
            n,
            candidates=names,
            query=query,
            query_weight=query_weight,
            exclude_seen=exclude_seen,
        )
        kept = np.isfinite(scores[0])
        positions = self.items.positions(found[0][kept]) if has_ids else found[0][kept]
        return positions, scores[0][kept]

    def reasons(self, history: History, positions: np.ndarray, query: str | None, query_weight: float) -> list[str]:
        """Return a sentence for each item of a list."""
        items = positions if self.inner.item_ids_ is None else self.items.names(positions)
        explanation = explain(self.inner, self._matrix(history), [list(items)], query=query, query_weight=query_weight)
        named = {item: self.texts[place] for item, place in zip(self.items.ids[history[0]], history[0], strict=True)}
        sentences = reasons(explanation, named).to_dict() if len(explanation) else {}
        return [sentences.get((0, item), "Because it is popular.") for item in items]

    def _matrix(self, history: History) -> sparse.csr_array:
        columns, weights = history
        values = np.ones(len(columns), dtype=np.float32) if weights is None else weights
        return sparse.csr_array((values, columns, [0, len(columns)]), shape=(1, len(self.ids)))


def _item_vocabulary(recommender: Any) -> Vocabulary:
    if isinstance(recommender, LogRecommender):
        return recommender._items_
    known = recommender._vocabulary_
    return Vocabulary(np.arange(recommender.n_features_in_)) if known is None else known


def _kinds(vocabulary: Vocabulary, name: str) -> set[type]:
    """Return the types of ids; refuse those that JSON does not have."""
    kinds: set[type] = {int} if vocabulary.ids.dtype.kind in "iu" else set(map(type, vocabulary.ids.tolist()))
    if kinds - {str, int}:
        others = ", ".join(sorted(kind.__name__ for kind in kinds - {str, int}))
        raise TypeError(f"The ids of {name} must be strings or integers to be served; the recommender has {others}.")
    return kinds


def _texts(ids: list[Any], catalog: ItemCatalog | None) -> list[str]:
    """Return the text of each item: that of the first column of strings of the catalog, else the id."""
    texts = list(map(str, ids))
    values = [] if catalog is None else _strings(catalog.data)
    if catalog is None or not values:
        return texts
    rows = np.arange(len(ids)) if catalog.ids is None else catalog.positions(ids)
    for place, row in enumerate(rows.tolist()):
        if row >= 0 and isinstance(values[row], str):
            texts[place] = values[row]
    return texts


def _strings(data: Any) -> list[Any]:
    """Return the first column with strings of the data of a catalog, nothing where there is none."""
    if hasattr(data, "iloc") and data.ndim == 2:
        columns = [data.iloc[:, place] for place in range(data.shape[1])]
    else:
        columns = [data] if data.ndim == 1 else []
    for column in columns:
        values = column.tolist()
        if any(isinstance(value, str) for value in values):
            return values
    return []
