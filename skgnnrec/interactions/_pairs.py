"""The columns of users and items of a log, where no parameter names them."""

from collections.abc import Mapping
from typing import Any

from skgnnrec.interactions._tables import Table

__all__ = ["columns_of_pairs"]

SHOWN_COLUMNS = 20  # that an error message names


def columns_of_pairs(table: Table, user: Any, item: Any, others: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the columns of users and items; those not given are the only columns that nothing else names."""
    if user is not None and item is not None:
        return user, item
    labels = table.labels
    given = {column for column in (user, item, *others.values()) if column is not None}
    free = [place for place, label in enumerate(labels) if place not in given and label not in given]
    if len(free) != (user is None) + (item is None):
        names = ", ".join(map(repr, labels[:SHOWN_COLUMNS]))
        raise ValueError(
            f"{table.input_name} has {len(labels)} columns, {names}: name the columns of users and items, user=... "
            "and item=..."
        )
    found: list[Any] = [labels[place] if isinstance(labels[place], str) else place for place in free]
    return (found.pop(0) if user is None else user), (found.pop(0) if item is None else item)
