"""Images from arrays, files, objects of Pillow and tables, read as RGB when they are needed."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["Picture", "as_table", "import_pillow", "read_pictures"]

_EXPECTED = "images (uint8 arrays, paths, bytes of image files or images of Pillow) or missing values (None, NaN, NA)"

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Picture:
    """An image that is read when its pixels are needed; two are equal if their contents are."""

    digest: bytes
    source: Any = field(compare=False, repr=False)  # array, path, bytes or image of Pillow
    place: str = field(compare=False)  # for messages

    def pixels(self) -> np.ndarray:
        """Return the pixels, (height, width, 3) uint8."""
        if isinstance(self.source, np.ndarray):
            return _as_rgb(self.source)
        if _is_pillow(self.source):
            return _pixels_of_pillow(self.source)
        data = _read_file(self.source, self.place) if isinstance(self.source, Path) else self.source
        if isinstance(self.source, Path) and _digest(b"file", data) != self.digest:
            raise OSError(f"The file {str(self.source)!r} was changed while it was read; embed again.")
        return _decode(data, self.place)


def as_table(X: Any) -> pd.DataFrame | np.ndarray:
    """Return images as a pandas DataFrame or an object array, (n_images,) or (n_images, n_columns), not yet checked."""
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, str | bytes | PurePath) or _is_pillow(X) or (isinstance(X, np.ndarray) and _is_one_image(X)):
        got = f"of shape {X.shape}" if isinstance(X, np.ndarray) else repr(X)[:_SHOWN_CHARACTERS]
        raise ValueError(f"X must be a sequence of images, got one image, {got}; wrap it in a list.")
    if sparse.issparse(X) or isinstance(X, Mapping | Set):
        raise ValueError(f"X must be a sequence of images or a DataFrame, got a {type(X).__name__}.")
    native = nw.from_native(X, pass_through=True, allow_series=True)
    if isinstance(native, nw.LazyFrame):
        raise ValueError(f"X must be an eager table, got {type(X).__name__}; call collect() first.")
    if isinstance(native, nw.DataFrame):
        return pd.DataFrame({name: pd.Series(native[name].to_list(), dtype=object) for name in native.columns})
    if isinstance(X, np.ndarray) and (X.dtype.kind in "OU" or X.ndim < 3):
        if X.ndim not in (1, 2):
            raise ValueError(f"X must have one or two dimensions, got an array of objects with {X.ndim}.")
        return X.astype(object)
    if isinstance(X, np.ndarray) and X.dtype != np.uint8:
        raise ValueError(f"X must hold images of dtype uint8, got {X.dtype} of shape {X.shape}.")
    values = native.to_list() if isinstance(native, nw.Series) else X
    if not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        raise ValueError(f"X must be a sequence of images or a DataFrame, got {type(X).__name__}.")
    return np.fromiter(values, dtype=object, count=len(values))


def _is_one_image(X: np.ndarray) -> bool:
    return X.dtype.kind in "uif" and X.ndim == 3 and X.shape[2] in (3, 4)


def read_pictures(table: pd.DataFrame | np.ndarray, column: Any) -> list[Picture | None]:
    """Return one picture for each row of a table, None for missing ones; files are read once, for their digests."""
    if table.ndim == 1:
        return [_read(value, f"row {row}") for row, value in enumerate(table)]
    labels: list[Hashable] = list(table.columns if isinstance(table, pd.DataFrame) else range(table.shape[1]))
    position = _locate(labels, column)
    values = table.iloc[:, position].to_numpy(object) if isinstance(table, pd.DataFrame) else table[:, position]
    return [_read(value, f"row {row}, column {labels[position]!r}") for row, value in enumerate(values)]


def _locate(labels: list[Hashable], column: Any) -> int:
    if column is None and len(labels) == 1:
        return 0
    if column is None:
        raise ValueError(f"column must name the column of images of X, which has {len(labels)} columns: {labels}.")
    if labels.count(column) != 1:
        raise ValueError(f"column must name one column of X, got {column!r}; X has the columns {labels}.")
    return labels.index(column)


def _read(value: Any, place: str) -> Picture | None:
    if isinstance(value, np.ndarray) and value.ndim:
        rgb = _checked(value, place)
        return Picture(_digest(b"array", repr(rgb.shape).encode(), np.ascontiguousarray(rgb)), value, place)
    if isinstance(value, bytes | bytearray):
        return Picture(_digest(b"file", value), bytes(value), place)
    if isinstance(value, str | PurePath):
        if not str(value).strip():
            return None
        path = Path(value)
        return Picture(_digest(b"file", _read_file(path, place)), path, f"{place}, {str(value)!r}")
    if _is_pillow(value):
        rgb = _named_pixels(value, place)
        return Picture(_digest(b"array", repr(rgb.shape).encode(), rgb), value, place)
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    raise ValueError(f"X must hold {_EXPECTED}, got {type(value).__name__} at {place}.")


def _digest(*parts: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _read_file(path: Path, place: str) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"X must hold images that can be read; the file {str(path)!r} at {place}: {reason}.") from error


def _checked(array: np.ndarray, place: str) -> np.ndarray:
    """Return an array that is an image, (height, width) or (height, width, 1, 3 or 4) uint8."""
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not is_image or not array.size:
        raise ValueError(
            "X must hold images of dtype uint8 and shape (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, got {array.dtype} of shape {array.shape} at {place}."
        )
    return array


def _as_rgb(array: np.ndarray) -> np.ndarray:
    """Return the pixels of an image in RGB; transparent ones are white."""
    array = array[:, :, np.newaxis] if array.ndim == 2 else array
    if array.shape[2] == 4:
        opacity = array[:, :, 3:].astype(np.uint16)
        mixed = array[:, :, :3] * opacity + 255 * (255 - opacity) + 127
        return (mixed // 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def import_pillow() -> Any:
    """Return the module PIL.Image, or raise an ImportError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Images are read by Pillow: pip install 'skgnnrec[image]'.") from error
    return Image


def _is_pillow(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _decode(data: bytes, place: str) -> np.ndarray:
    image_module = import_pillow()
    try:
        with image_module.open(io.BytesIO(data)) as image:
            return _pixels_of_pillow(image)
    except Exception as error:  # decoders raise errors of many classes
        raise _broken(place, error) from error


def _named_pixels(image: Any, place: str) -> np.ndarray:
    try:
        return _pixels_of_pillow(image)
    except Exception as error:
        raise _broken(place, error) from error


def _broken(place: str, error: Exception) -> ValueError:
    reason = str(error).split(" <", 1)[0]  # without the address of a buffer
    return ValueError(
        f"X must hold images that can be read; the image at {place} cannot be read: {reason or type(error).__name__}."
    )


def _pixels_of_pillow(image: Any) -> np.ndarray:
    """Return the pixels of an image of Pillow in RGB, turned as its camera says; of an animation the first frame."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return _as_rgb((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"channels must have 8 or 16 bits, got the mode {image.mode!r} of 32 bits")
    is_transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    return _as_rgb(np.asarray(image.convert("RGBA" if is_transparent else "RGB")))
