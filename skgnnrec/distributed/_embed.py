"""Vectors of many texts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from skgnnrec._files import replaced_file
from skgnnrec.distributed._cluster import check_options, connect, kept, map_tasks
from skgnnrec.distributed._output import check_folder, fingerprints, open_output, remove_remains
from skgnnrec.distributed._shards import is_path, parquet_files, read_rows

__all__ = ["embed"]

RESULT = "vectors.npy"


def embed(
    texts: Any,
    encoder: Any,
    out: Any,
    *,
    column: str | Sequence[str] = "text",
    rows_per_task: int = 2048,
    ray_remote_args: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Compute the vectors of texts, or of other data of items, and write them to a file.

    Each task embeds some consecutive rows and writes their vectors. If the call is interrupted, the same call continues
    with the rows that are missing. A process of a worker loads the encoder once.

    Parameters
    ----------
    texts : {list of str, array-like, DataFrame} with n_texts rows, or path
        The texts, or whatever the encoder transforms; or a parquet file, or a folder of them, whose rows are read in
        the order of the paths.
    encoder : transformer
        The fitted encoder, such as a `TextEmbedder`. Its vectors are dense.
    out : path
        The folder of the results: a new or empty one, or that of the same call, which was interrupted.
    column : str or list of str, default="text"
        The column of a parquet file, which the encoder receives as a list. Of several columns, it receives a DataFrame.
    rows_per_task : int, default=2048
        The number of rows of a task.
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_gpus": 1}``.

    Returns
    -------
    vectors : ndarray of shape (n_texts, n_dimensions)
        The vectors in the order of the texts, read from the file ``vectors.npy`` of `out` as a memory map.

    Raises
    ------
    ValueError
        If the encoder returns no dense vectors, or `out` contains something else.
    ImportError
        If the package ray is not installed.

    Notes
    -----
    The folder `out` and the files of the encoder have to be seen by all nodes. Repeated calls and lost nodes do not
    change the vectors: the rows of a task are always the same.

    Examples
    --------
    >>> from skgnnrec import ItemCatalog, distributed
    >>> vectors = distributed.embed("products/", embedder, "vectors/", column="title")  # doctest: +SKIP
    >>> catalog = ItemCatalog(vectors, ids=products["id"])  # doctest: +SKIP
    """
    if not (hasattr(encoder, "fit") and hasattr(encoder, "transform")) or isinstance(encoder, type):
        raise ValueError(f"encoder must be a fitted transformer, got {encoder!r:.100}.")
    check_is_fitted(encoder)
    if not isinstance(rows_per_task, Integral) or isinstance(rows_per_task, bool) or rows_per_task < 1:
        raise ValueError(f"rows_per_task must be a positive integer, got {rows_per_task!r:.100}.")
    columns = [column] if isinstance(column, str) else column
    if not isinstance(columns, list | tuple) or not columns or not all(isinstance(name, str) for name in columns):
        raise ValueError(f"column must be the name of a column or a list of names, got {column!r:.100}.")
    check_options(ray_remote_args)
    folder, size = check_folder(out), int(rows_per_task)
    if is_path(texts):
        files = parquet_files(texts, "texts")
        content: Any = fingerprints(files), columns
        lengths = {path: _n_rows(path) for path in files}
    else:
        content, lengths = texts, {"": _length(texts)}
    ranges = [(path, start) for path, n_rows in lengths.items() for start in range(0, n_rows, size)]
    if not ranges:
        raise ValueError("texts must have rows; got none.")
    ray = connect()
    open_output(folder, texts=content, encoder=encoder, rows_per_task=size)
    result = folder / RESULT
    if not result.exists():
        parts = [str(folder / f"part-{place:08d}.npy") for place in range(len(ranges))]
        shared = [ray.put(encoder)]
        calls = (
            (shared, None if path else _rows(texts, start, size), (path, column, start, size), part)
            for (path, start), part in zip(ranges, parts, strict=True)
            if not Path(part).exists()
        )
        for _ in map_tasks(_embed_to_file, calls, ray_remote_args):
            pass
        _join(parts, result)
    for path in folder.glob("part-*.npy"):
        path.unlink()
    remove_remains(folder)
    return np.load(result, mmap_mode="r")


def _length(texts: Any) -> int:
    if isinstance(texts, bytes | set | frozenset | Mapping) or not (
        isinstance(texts, list | tuple) or (hasattr(texts, "shape") and len(texts.shape))
    ):
        raise ValueError(f"texts must be a list, an array, a table or the path of parquet files; got {texts!r:.100}.")
    return int(texts.shape[0]) if hasattr(texts, "shape") else len(texts)


def _rows(texts: Any, start: int, size: int) -> Any:
    stop = min(start + size, _length(texts))
    return texts[start:stop] if isinstance(texts, list | tuple) else _safe_indexing(texts, np.arange(start, stop))


def _n_rows(path: str) -> int:
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows)


def _join(parts: list[str], result: Path) -> None:
    """Write the rows of all parts to one file, which appears when it is complete."""
    shapes = [np.load(part, mmap_mode="r").shape for part in parts]
    first = np.load(parts[0], mmap_mode="r")
    if len({shape[1] for shape in shapes}) > 1:
        raise ValueError(f"encoder must return vectors of one length, got {sorted({shape[1] for shape in shapes})}.")
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False}
    with replaced_file(os.fspath(result)) as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (sum(s[0] for s in shapes), shapes[0][1])})
        for part in parts:
            file.write(np.ascontiguousarray(np.load(part), dtype=first.dtype).data)


# What workers compute -------------------------------------------------------------------------------------------------


def _embed_to_file(shared: list[Any], rows: Any, place: tuple[str, Any, int, int], part: str) -> None:
    """Write the vectors of given rows, or of those at a place in a parquet file."""
    encoder = kept(shared)
    if rows is None:
        rows = _read(*place)
    vectors = encoder.transform(rows)
    if sparse.issparse(vectors) or np.ndim(vectors) != 2 or np.asarray(vectors).dtype.kind not in "fiu":
        raise ValueError(f"encoder must return dense vectors; {type(encoder).__name__} returned {vectors!r:.100}.")
    with replaced_file(part) as file:
        np.save(file, np.asarray(vectors))


def _read(path: str, column: str | Sequence[str], start: int, size: int) -> Any:
    columns = [column] if isinstance(column, str) else list(column)
    table = read_rows(path, columns, start, start + size)
    return table.column(0).to_pylist() if isinstance(column, str) else table.to_pandas()
