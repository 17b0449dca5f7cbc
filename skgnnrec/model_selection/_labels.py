"""Tables that are compared cell by cell: they must have the same rows and columns in the same order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgnnrec.interactions import column_vocabulary, first_few

__all__ = ["refuse_lazy_tables", "require_same_labels"]


def refuse_lazy_tables(**tables: Any) -> None:
    """Refuse tables of polars that are not in memory."""
    for name, table in tables.items():
        if hasattr(table, "collect_schema") and hasattr(table, "collect"):
            raise TypeError(f"{name} is a lazy table, {type(table).__name__}: call {name}.collect() first.")


def require_same_labels(first: Any, second: Any, first_name: str, second_name: str) -> None:
    """Refuse two tables whose columns, or rows where both have an index, differ in their labels or in the order."""
    columns, others = column_vocabulary(first, first_name), column_vocabulary(second, second_name)
    if columns is not None and others is not None and not others.equals(columns):
        wanted = f"{first_name}.{'column_names' if hasattr(first, 'column_names') else 'columns'}"  # of pyarrow
        selection = f"[{wanted}]" if hasattr(second, "iloc") else f".select(list({wanted}))"
        problem = _describe_difference(columns.ids, others.ids, f"{second_name}{selection}")
        raise ValueError(f"{second_name} must have the columns of {first_name}{problem}")
    if hasattr(first, "iloc") and hasattr(second, "iloc") and not second.index.equals(first.index):
        index, other = (table.index.to_numpy(dtype=object) for table in (first, second))
        problem = _describe_difference(index, other, f"{second_name}.loc[{first_name}.index]")
        raise ValueError(f"{second_name} must have the rows of {first_name}{problem}")


def _describe_difference(wanted: NDArray[Any], got: NDArray[Any], aligned: str) -> str:
    missing, unknown = _not_in(wanted, got), _not_in(got, wanted)
    differences = [f"lacks {first_few(missing)}"] if len(missing) else []
    differences += [f"also has {first_few(unknown)}"] if len(unknown) else []
    if differences:
        return f"; it {' and '.join(differences)}."
    place = next((place for place, pair in enumerate(zip(wanted, got, strict=False)) if pair[0] != pair[1]), 0)
    came, expected = (first_few(labels[place : place + 1]) for labels in (got, wanted))
    return f" in the same order; got {came} instead of {expected} at position {place}. {aligned} aligns them."


def _not_in(labels: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    held = set(others.tolist())
    return labels[np.array([label not in held for label in labels.tolist()], dtype=bool)]
