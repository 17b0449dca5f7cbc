"""Logs in files: parquet, CSV and Arrow, read in blocks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["LogSource", "open_log"]

FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".arrow": "ipc", ".feather": "ipc", ".ipc": "ipc"}
COMPRESSED = (".gz", ".bz2", ".zst")
BLOCK_ROWS = 1 << 18
BATCH_ROWS = 1 << 16  # of one read
BUFFER = 1 << 16  # bytes of a page that are read at once; a file may have one group of rows, as large as the file


class Part(NamedTuple):
    """A file, or a dataset of the caller, with the name that errors give it."""

    name: str
    data: Any
    is_parquet: bool = False


class LogSource:
    """A log that can be read several times, block by block."""

    def __init__(self, parts: list[Part], input_name: str, folder: TemporaryDirectory | None = None) -> None:
        self.parts = parts
        self.input_name = input_name
        self._folder = folder  # is deleted with the source

    def head(self) -> Any:
        """Return the first row as a table with all columns; of an empty log a table without rows."""
        for part in self.parts:
            first = next(_batches(part, part.data.schema.names, 1), None)
            if first is not None:
                return _as_table([first.slice(0, 1)])
        return self.parts[0].data.schema.empty_table()

    def blocks(self, columns: list[str], n_rows: int = 0) -> Iterator[Any]:
        """Yield tables with some columns, of at least `n_rows` rows where so many are left."""
        n_rows = max(n_rows, BLOCK_ROWS)
        for label in columns:
            self._check_type(label)
        batches: list[Any] = []
        n_read = 0
        for part in self.parts:
            for batch in _batches(part, columns, min(n_rows, BATCH_ROWS)):
                batches.append(batch)
                n_read += len(batch)
                if n_read >= n_rows:
                    yield _as_table(batches)
                    batches, n_read = [], 0
        if batches:
            yield _as_table(batches)

    def table(self, columns: Collection[Any] | None = None) -> Any:
        """Return the whole log as one table; columns that it lacks are left out."""
        pa = _import_pyarrow(self.input_name)
        names = self.parts[0].data.schema.names
        found = list(self.blocks([name for name in names if columns is None or name in columns]))
        return pa.concat_tables(found) if found else self.head()

    def release_memory(self) -> None:
        """Give back the memory that pyarrow keeps for further blocks."""
        _import_pyarrow(self.input_name).default_memory_pool().release_unused()

    def _check_type(self, label: str) -> None:
        kinds = [self._kind_of(part, label) for part in self.parts]
        for part, kind in zip(self.parts, kinds, strict=True):
            if kind != kinds[0]:
                raise ValueError(
                    f"The files of {self.input_name} must have one type for a column, but {label!r} is of type "
                    f"{kinds[0]} in {self.parts[0].name} and of type {kind} in {part.name}. Pass a dataset with a "
                    "schema: pyarrow.dataset.dataset(paths, schema=...)."
                )

    def _kind_of(self, part: Part, label: str) -> Any:
        schema = part.data.schema
        if schema.names.count(label) != 1:
            names = ", ".join(map(repr, schema.names[:20]))
            raise ValueError(
                f"{label!r} must be one column of each file of {self.input_name}; {part.name} has {names or 'none'}."
            )
        return schema.field(label).type


def open_log(X: Any, input_name: str) -> LogSource | None:
    """Return the log in files, in a dataset or in a reader of pyarrow; None for a table in memory."""
    kind = type(X)
    if hasattr(kind, "get_fragments") and hasattr(kind, "scanner"):
        return LogSource([Part(f"the dataset {input_name}", X)], input_name)
    if hasattr(kind, "read_next_batch") and hasattr(kind, "schema"):
        return _spill(X, input_name)
    if isinstance(X, str | os.PathLike):
        return LogSource(_open_files(_files_of(Path(X), input_name), input_name), input_name)
    if isinstance(X, list | tuple) and X and all(map(_is_path, X)):
        files = [file for path in X for file in _files_of(Path(path), input_name)]
        return LogSource(_open_files(files, input_name), input_name)
    return None


def _is_path(value: Any) -> bool:
    if isinstance(value, str):
        return _format_of(Path(value)) is not None or Path(value).exists()
    return isinstance(value, os.PathLike)


def _format_of(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffixes = suffixes[:-1] if suffixes[-1:] and suffixes[-1] in COMPRESSED else suffixes
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _files_of(path: Path, input_name: str) -> list[Path]:
    """Return a file, or the files of a folder in the order of their names."""
    if not path.exists():
        raise ValueError(
            f"{input_name} must be a table, or the path of a file or folder with a log; there is no file {str(path)!r}."
        )
    files = [path]
    if path.is_dir():
        found = (each for each in path.rglob("*") if each.is_file())
        files = sorted(each for each in found if not each.name.startswith((".", "_")))  # as _SUCCESS is named
        if not files:
            raise ValueError(f"{input_name} is the folder {str(path)!r}, which has no files.")
    for file in files:
        if _format_of(file) is None:
            raise ValueError(
                f"{input_name} must name files that end in {', '.join(FORMATS)}; got {str(file)!r}. Open other files "
                "by pyarrow.dataset.dataset(path, format=...)."
            )
    return files


def _open_files(files: list[Path], input_name: str) -> list[Part]:
    _import_pyarrow(input_name)
    import pyarrow.dataset as ds

    parts = []
    for file in files:
        kind = _format_of(file)
        part = Part(str(file), None, kind == "parquet")
        with _naming(part):
            parts.append(part._replace(data=ds.dataset(str(file), format=kind)))
    return parts


def _spill(reader: Any, input_name: str) -> LogSource:
    """Write what a reader yields to a temporary file, which can be read twice."""
    pa = _import_pyarrow(input_name)
    import pyarrow.dataset as ds

    folder = TemporaryDirectory(prefix="skgnnrec-")
    path = Path(folder.name) / "log.arrow"
    with _naming(Part(f"the reader {input_name}", None)):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return LogSource([Part(f"the reader {input_name}", ds.dataset(path, format="ipc"))], input_name, folder)


def _batches(part: Part, columns: list[str], n_rows: int) -> Iterator[Any]:
    with _naming(part):
        if part.is_parquet:  # the scanner of a dataset reads up to the whole file ahead
            file = import_module("pyarrow.parquet").ParquetFile(part.name, buffer_size=BUFFER, pre_buffer=False)
            batches = file.iter_batches(batch_size=n_rows, columns=columns)
        else:
            scanner = part.data.scanner(columns=columns, batch_size=n_rows, batch_readahead=1, fragment_readahead=1)
            batches = scanner.to_batches()
    while True:
        with _naming(part):
            batch = next(batches, None)
        if batch is None:
            return
        if len(batch):
            yield batch


def _as_table(batches: list[Any]) -> Any:
    """Return batches as one table; categories become the values that they stand for."""
    import pyarrow as pa

    table = pa.Table.from_batches(batches)
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


@contextmanager
def _naming(part: Part) -> Iterator[None]:
    """Name the file in errors of pyarrow."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError) as error:
        raise ValueError(f"{part.name} cannot be read: {str(error).splitlines()[0]}") from error


def _import_pyarrow(input_name: str) -> ModuleType:
    try:
        import pyarrow
        import pyarrow.dataset
    except ImportError as error:
        raise ImportError(
            f'{input_name} is a log in files, which needs the package pyarrow: pip install "skgnnrec[bigdata]".'
        ) from error
    return pyarrow
