"""Histories by ids: baskets that are given with a question, users of the fit, and what of them can be scored."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.exceptions import EmptyHistoryWarning, LeakageWarning
from skgnnrec.interactions import Vocabulary, as_ids, describe_type, first_few, matrix_of_pairs, warn_caller
from skgnnrec.recommenders._arguments import as_list

__all__ = [
    "baskets_of",
    "check_users",
    "drop_unknown_items",
    "matrix_of_baskets",
    "read_users",
    "take_histories",
    "warn_of_early",
    "warn_of_nothing_to_score",
]


def baskets_of(histories: Any) -> tuple[np.ndarray, list[Any]] | None:
    """Return the ids of users and their baskets, None where the histories are a table.

    A mapping from users to baskets names the users; the users of a list of baskets are 0, 1, ...
    """
    if isinstance(histories, Mapping):
        return as_ids(list(histories), "The keys of histories"), list(histories.values())
    if isinstance(histories, list | tuple):
        return np.arange(len(histories)), list(histories)
    return None


def matrix_of_baskets(baskets: list[Any], items: Vocabulary, *, in_order: bool = False) -> sparse.csr_array:
    """Return the histories of baskets, (n_baskets, n_items): each item of a basket counts once, with weight 1.

    With `in_order`, items of lists have larger weights the later they come.
    """
    for row, basket in enumerate(baskets):
        if isinstance(basket, str | bytes) or not hasattr(basket, "__iter__"):
            raise TypeError(
                "histories must be a log, a list of baskets or a mapping from users to baskets, where a basket is a "
                f"list of item ids; got {type(basket).__name__} {basket!r} as basket {row}."
            )
    lists = [as_ids(list(basket), f"Basket {row} of histories") for row, basket in enumerate(baskets)]
    places = [items.positions(ids) for ids in lists]
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *places])
    rows = np.repeat(np.arange(len(lists)), [len(ids) for ids in lists])
    ids = np.fromiter(chain.from_iterable(ids.tolist() for ids in lists), dtype=object, count=len(columns))
    known = drop_unknown_items(columns, ids, items)
    pairs, place = np.unique(rows[known] * len(items) + columns[known], return_inverse=True)
    values = np.ones(len(pairs))
    if in_order:
        is_list = np.array([not isinstance(basket, set | frozenset) for basket in baskets], dtype=bool)
        np.maximum.at(values, place, np.where(is_list[rows[known]], known + 1, 1))
    return matrix_of_pairs(pairs, values, (len(baskets), len(items)))


def drop_unknown_items(columns: np.ndarray, ids: np.ndarray, items: Vocabulary) -> np.ndarray:
    """Return the places of the items of the fit; warn of the others."""
    unknown = np.flatnonzero(columns < 0)
    if len(unknown):
        hint = f" The items of the fit are of type {describe_type(items.ids)}." if len(unknown) == len(columns) else ""
        warn_caller(
            f"{len(unknown)} of {len(columns)} items in histories were not in the fit and are left out: "
            f"{first_few(ids[unknown])}.{hint}"
        )
    return np.flatnonzero(columns >= 0)


def check_users(user_ids: np.ndarray, items: Vocabulary, name: str = "users") -> None:
    """Refuse ids of items in the place of users; none of the ids is a user of the fit."""
    if len(user_ids) and (items.positions(user_ids, missing_ok=True) >= 0).all():
        shown = first_few(user_ids)
        raise ValueError(
            f"{name} must be ids of users; got ids of items: {shown}. recommend(histories=[[...]]) recommends to a "
            "user with these items, similar_items([...]) finds similar items."
        )


def read_users(users: Any, name: str = "users") -> np.ndarray:
    """Return ids of users, and refuse baskets in their place."""
    users = as_list(users)
    if isinstance(users, list) and users and all(isinstance(user, list | set) for user in users):
        raise TypeError(f"{name} must be a list of ids; got a list of lists. recommend(histories=...) takes baskets.")
    return as_ids(users, name)


def take_histories(interactions: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return rows of a matrix; -1 stands for an empty one."""
    known = rows >= 0
    taken = interactions[rows[known]]
    counts = np.zeros(len(rows) + 1, dtype=taken.indptr.dtype)
    counts[1:][known] = np.diff(taken.indptr)
    return sparse.csr_array((taken.data, taken.indices, np.cumsum(counts)), shape=(len(rows), taken.shape[1]))


def warn_of_nothing_to_score(held_out: sparse.csr_array, n_items: int) -> None:
    """Warn where no user, or no item of the first `n_items`, is held out."""
    problem = None
    if not held_out.shape[0]:
        problem = "Nothing to score: X holds no interaction that was not in the fit, or none of a user with a history."
    elif held_out.indices.min() >= n_items:
        problem = (
            "All held-out items are new to the recommender, so that the score is 0: "
            "cold items need a recommender with catalog=ItemCatalog(...)."
        )
    if problem is not None:
        warn_caller(problem, EmptyHistoryWarning)


def warn_of_early(n_early: int, n_held_out: int) -> None:
    """Warn of held-out interactions that are earlier than the latest one of their user in the fit."""
    if n_early:
        warn_caller(
            f"{n_early} of {n_held_out} held-out interactions are earlier than the latest interaction of their user in "
            "the fit: the recommender has learned from the future of what is scored. Split logs by time, with "
            "TimeSeriesSplit or skgnnrec.model_selection.RollingWindows.",
            LeakageWarning,
        )
