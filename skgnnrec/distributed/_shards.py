"""Parquet files with the interactions of some users each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.distributed._cluster import kept
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.interactions import Table, Vocabulary, first_few

__all__ = [
    "NO_USERS",
    "Shard",
    "UserSample",
    "check_column",
    "is_path",
    "parquet_files",
    "read_columns",
    "read_rows",
    "read_shard",
    "rows_by_user",
]

SAMPLED = 1024  # users of a shard
NO_USERS = np.zeros(0, dtype=np.int64)  # with ids


def is_path(value: Any) -> bool:
    """Return whether a value is the path of a file or folder."""
    return isinstance(value, str | os.PathLike)


def parquet_files(source: Any, name: str) -> list[str]:
    """Return the parquet files of a folder in the order of their paths, those of a list in its order, or one file."""
    if is_path(source):
        path = Path(source)
        if path.is_dir():
            visible = [file for file in path.rglob("*.parquet") if not _is_hidden(file.relative_to(path))]
            found = sorted(map(str, visible))
            if not found:
                raise ValueError(f"{name} must be a folder with parquet files; {str(path)!r} has none.")
            return [os.path.abspath(file) for file in found]
        source = [path]
    if not isinstance(source, list | tuple) or not source or not all(map(is_path, source)):
        raise ValueError(f"{name} must be the path of a folder or file, or a list of paths; got {source!r:.100}.")
    files = [os.path.abspath(os.fspath(file)) for file in source]
    missing = [file for file in files if not os.path.isfile(file)]
    if missing:
        raise FileNotFoundError(
            f"{name} must be parquet files or a folder of them. No such file or directory: {_quoted(missing)}."
        )
    return files


def _quoted(names: list[str]) -> str:
    return first_few(np.array(names, dtype=object))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def check_column(value: Any, name: str) -> str:
    """Return the name of a column."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be the name of a column, a string; got {value!r:.100}.")
    return value


def read_columns(path: str, columns: Sequence[str] | None) -> Any:
    """Return columns of a parquet file as a pyarrow table, all columns where they are None."""
    return read_rows(path, columns, 0, None)


def read_rows(path: str, columns: Sequence[str] | None, start: int, stop: int | None) -> Any:
    """Return rows of a parquet file; only the row groups that contain them are read."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        absent = [column for column in columns or () if column not in file.schema_arrow.names]
        if absent:
            raise ValueError(f"{path} has no column {absent[0]!r}; it has {_quoted(file.schema_arrow.names)}.")
        sizes = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
        ends = np.cumsum([0, *sizes])
        stop = int(ends[-1]) if stop is None else stop
        groups = [place for place in range(len(sizes)) if ends[place] < stop and ends[place + 1] > start]
        first = int(ends[groups[0]]) if groups else 0
        return file.read_row_groups(groups, columns=columns).slice(start - first, stop - start)


def rows_by_user(
    path: str, user: str, item: str, items: Vocabulary, *, ignore_unknown: bool
) -> tuple[np.ndarray, sparse.csr_array, int]:
    """Return the users of a file, the binary matrix of their interactions, and the number of unknown items in it."""
    table = Table(read_columns(path, [user, item]), path)
    if not len(table):
        return np.zeros(0, dtype=object), sparse.csr_array((0, len(items)), dtype=np.float32), 0
    users, rows = Vocabulary.of(table.ids(user, "user"))
    ids = table.ids(item, "item")
    columns = items.positions(ids)
    known = columns >= 0
    n_unknown = len(Vocabulary.of(ids[~known])[0]) if not known.all() else 0
    if n_unknown and not ignore_unknown:
        raise ItemAlignmentError(f"{path} has {n_unknown} items without a column: {first_few(ids[~known])}.")
    ones = np.ones(int(known.sum()), dtype=np.float32)
    X = sparse.csr_array((ones, (rows[known], columns[known])), shape=(len(users), len(items)))
    X.data[:] = 1  # pairs can be repeated
    return users.ids, X, n_unknown


@dataclass(frozen=True)
class UserSample:
    """The users of a shard with the smallest hashes, from which users in several shards are noticed."""

    hashes: np.ndarray
    ids: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray) -> UserSample:
        """Return the sample of distinct users."""
        hashes = pd.util.hash_array(ids if ids.dtype.kind in "iuf" else ids.astype(str).astype(object))
        order = np.argsort(hashes, kind="stable")[:SAMPLED]
        return cls(hashes[order], ids[order].astype(object))

    def __add__(self, other: UserSample) -> UserSample:
        hashes, ids = np.concatenate([self.hashes, other.hashes]), np.concatenate([self.ids, other.ids])
        order = np.argsort(hashes, kind="stable")
        is_repeated = np.diff(hashes[order]) == 0
        if is_repeated.any():
            raise ValueError(
                "Each user must be in one shard with all interactions; in several shards are users "
                f"{first_few(ids[order[1:][is_repeated]])}. split_by_user divides a log by users."
            )
        return UserSample(hashes[order[:SAMPLED]], ids[order[:SAMPLED]])


Shard = tuple[sparse.csr_array, UserSample]


def read_shard(path: str, user: str, item: str, items: list[Any]) -> Shard:
    """Return the interactions in a file, and a sample of the users; `items` holds the reference of the vocabulary."""
    users, X, _ = rows_by_user(path, user, item, kept(items), ignore_unknown=False)
    return X, UserSample.of(users)
