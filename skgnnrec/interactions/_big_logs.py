"""Logs larger than memory as positions of users and items, in two passes: first the ids, then the positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgnnrec.interactions._ids import as_ids
from skgnnrec.interactions._logs import Log, read_weights
from skgnnrec.interactions._sources import LogSource
from skgnnrec.interactions._tables import Table
from skgnnrec.interactions._times import Times
from skgnnrec.interactions._vocabulary import Vocabulary

__all__ = ["read_big_log"]

LARGEST_POSITION = np.iinfo(np.int32).max


def read_big_log(
    source: LogSource,
    *,
    user: Any,
    item: Any,
    weight: Any,
    timestamp: Any,
    items_of: Callable[[NDArray[Any]], tuple[Vocabulary, NDArray[np.int64]]],
) -> tuple[Vocabulary, Vocabulary, Log]:
    """Return users, items and the interactions of positive weight, with positions as int32.

    `items_of` returns the vocabulary of the items and the position of each item of the log.
    """
    columns = _columns_of(source, user, item, weight, timestamp)
    users, items = _DistinctIds(columns["user"], "user"), _DistinctIds(columns["item"], "item")
    n_rows = 0
    for block in _blocks(source, columns):
        users.add(block)
        items.add(block)
        n_rows += len(block.weights)
    if not n_rows:
        nothing = np.zeros(0, dtype=np.int32)
        return Vocabulary([]), Vocabulary([]), Log(nothing, nothing, nothing, None)
    user_vocabulary = users.order(Vocabulary.of)
    item_vocabulary = items.order(items_of)
    log = _Positions(n_rows, weight is not None)
    # A lookup builds a table of all ids, so that blocks grow with their number.
    for block in _blocks(source, columns, max(len(users), len(items)) // 4):
        log.add(users.positions(block), items.positions(block), block)
    source.release_memory()
    return user_vocabulary, item_vocabulary, log.log()


class _Block:
    """Rows of positive weight."""

    def __init__(self, data: Any, columns: dict[str, Any], input_name: str) -> None:
        table = Table(data, input_name)
        self.weights = np.ones(len(table))
        if columns["weight"] is not None:
            self.weights = read_weights(table, columns["weight"])
            if not self.weights.all():
                table = Table(data.filter(self.weights > 0), input_name)
                self.weights = self.weights[self.weights > 0]
        self.table = table
        self.times = None
        if columns["timestamp"] is not None and len(table):
            self.times = table.times(columns["timestamp"])


def _columns_of(source: LogSource, *columns: Any) -> dict[str, Any]:
    """Return the names of columns that are given by name or position."""
    table = Table(source.parts[0].data.schema.empty_table(), source.input_name)
    named = {}
    for role, column in zip(("user", "item", "weight", "timestamp"), columns, strict=True):
        if column is not None:
            table.select(column, role)  # raises an error where there is no such column
        named[role] = column if column is None or isinstance(column, str) else table.labels[int(column)]
    return named


def _blocks(source: LogSource, columns: dict[str, Any], n_rows: int = 0) -> Any:
    wanted = list(dict.fromkeys(name for name in columns.values() if name is not None))
    start = 0
    for data in source.blocks(wanted, n_rows):
        yield _Block(data, columns, f"{source.input_name}" + (f" from row {start} on" if start else ""))
        start += data.num_rows


class _DistinctIds:
    """The ids of a column, in the order in which they came, and their positions in a vocabulary."""

    def __init__(self, column: str, role: str) -> None:
        self.column, self.role = column, role
        self.name = f"The column {role}={column!r} of X"
        self.found: list[Any] = []
        self.places: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def __len__(self) -> int:
        return sum(map(len, self.found))

    def add(self, block: _Block) -> None:
        """Add the ids of a block."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = block.table.data.column(self.column)
        missing = column.null_count
        if pa.types.is_floating(column.type):
            missing = pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0
        if missing:
            where = block.table.describe(self.column, self.role)
            raise ValueError(f"{where} has missing values in {missing} of {len(column)} rows. None and NaN are no ids.")
        try:
            self.found.append(pc.unique(column))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise TypeError(
                f"{self.name} must hold ids that can be hashed, such as strings or integers; got {column.type}."
            ) from error
        if len(self) > 2 * len(self.found[0]):
            self._merge()

    def _merge(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.found = [pc.unique(pa.chunked_array(self.found))]

    def order(self, vocabulary_of: Callable[[NDArray[Any]], tuple[Vocabulary, NDArray[np.int64]]]) -> Vocabulary:
        """Return the vocabulary of the ids, and remember the position of each one."""
        self._merge()
        # Integers stay an array: as objects, they would take five times the memory.
        ids = self.found[0].to_numpy() if str(self.found[0].type).startswith(("int", "uint")) else self.found[0]
        vocabulary, places = vocabulary_of(as_ids(ids, self.name))
        if len(vocabulary) > LARGEST_POSITION:
            raise ValueError(f"{self.name} must hold at most {LARGEST_POSITION} ids; got {len(vocabulary)}.")
        self.places = places.astype(np.int32)
        return vocabulary

    def positions(self, block: _Block) -> NDArray[np.int32]:
        """Return the positions of the ids of a block."""
        import pyarrow.compute as pc

        found = pc.index_in(block.table.data.column(self.column), value_set=self.found[0])
        return self.places[found.to_numpy()]


class _Positions:
    """Interactions whose number is known: users and items as int32, weights as float32 where they are exact."""

    def __init__(self, n_rows: int, has_weights: bool) -> None:
        self.users, self.items = np.empty(n_rows, dtype=np.int32), np.empty(n_rows, dtype=np.int32)
        self.weights: NDArray[Any] = np.empty(n_rows, dtype=np.float32) if has_weights else np.ones(1)
        self.has_weights = has_weights
        self.times: Times | None = None
        self.n_filled = 0

    def add(self, users: NDArray[np.int32], items: NDArray[np.int32], block: _Block) -> None:
        """Add a block."""
        rows = slice(self.n_filled, self.n_filled + len(users))
        self.users[rows], self.items[rows] = users, items
        if self.has_weights:
            with np.errstate(under="ignore"):
                is_exact = (block.weights.astype(np.float32) == block.weights).all()
            if not is_exact and self.weights.dtype == np.float32:
                self.weights = self.weights.astype(np.float64)
            self.weights[rows] = block.weights
        if block.times is not None:
            if self.times is None:
                self.times = Times(np.empty(len(self.users), dtype=block.times.values.dtype), block.times.unit)
            self.times.values[rows] = block.times.values
        self.n_filled = rows.stop

    def log(self) -> Log:
        """Return the interactions."""
        weights = self.weights if self.has_weights else np.broadcast_to(np.ones(1), len(self.users))
        return Log(self.users, self.items, weights, self.times)
