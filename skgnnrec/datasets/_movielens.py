"""Download of the MovieLens data sets from GroupLens."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skgnnrec._constraints import Interval
from skgnnrec._memory import check_memory
from skgnnrec.datasets._bunch import build_bunch, seconds_to_datetime
from skgnnrec.datasets._download import ZIP_ERRORS, fetch_zip

_BASE_URL = "https://files.grouplens.org/datasets/movielens/"

_DESCR = """\
MovieLens {variant}
{underline}

Ratings of movies by users of https://movielens.org: {n_events} ratings of {n_items} movies by {n_users} users,
read from {url}

**Source.** Harper, F. M. and Konstan, J. A. (2015). The MovieLens Datasets: History and Context. ACM Transactions
on Interactive Intelligent Systems 5 (4), article 19. https://doi.org/10.1145/2827872

**Licence.** The terms of GroupLens, in the README of the archive: for research; no commercial use without
permission, no claim of endorsement, and publications cite the paper above. The data are therefore downloaded and not
packaged with skgnnrec.

**Cleaning rules.** All ratings and movies are kept; movies without ratings are columns without interactions. A year at
the end of a title is moved to its own column. Movies without genres have an empty string as genres.

**Matrix.** The value of an interaction is the rating, in stars.
"""

# In the order of the flags at the end of each line of u.item.
_GENRES_100K = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
_RATING_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
_RATING_DTYPES = {"user_id": np.int64, "item_id": np.int64, "rating": np.float32, "timestamp": np.int64}
_MOVIE_COLUMNS = ["item_id", "title", "genres"]

Frames = tuple[pd.DataFrame, pd.DataFrame]


@validate_params(
    {
        "variant": [StrOptions({"100k", "1m", "latest-small", "25m"})],
        "data_home": [str, PathLike, None],
        "download_if_missing": ["boolean"],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
        "delay": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_movielens(
    variant: str = "latest-small",
    *,
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load a MovieLens data set, and download it if it is not in the cache.

    ============== ========= ========== ======== ============ ========
    Variant        Users     Movies     Ratings  Stars        Download
    ============== ========= ========== ======== ============ ========
    "100k"         943       1,682      100,000  1, 2, ..., 5 5 MB
    "1m"           6,040     3,883      1.0 M    1, 2, ..., 5 6 MB
    "latest-small" some 600  some 9,700 100,000  .5, 1, ... 5 1 MB
    "25m"          162,541   62,423     25.0 M   .5, 1, ... 5 262 MB
    ============== ========= ========== ======== ============ ========

    The downloaded archive is verified with the MD5 checksum of GroupLens and kept in the cache. A valid archive in the
    cache is read without a network.

    Parameters
    ----------
    variant : {"100k", "1m", "latest-small", "25m"}, default="latest-small"
        The data set. GroupLens updates "latest-small" from time to time; the other data sets do not change.
    data_home : str or path-like, default=None
        The folder of the cache; the archive is kept in its subfolder ``movielens``. If None, the folder of scikit-learn
        is used, see :func:`sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an OSError if the cache has no valid archive.
    n_retries : int, default=3
        The number of further attempts after a failure of the connection.
    delay : float, default=1.0
        The number of seconds between attempts.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        events : DataFrame of shape (n_ratings, 4)
            The ratings, one per row, sorted by time. The columns are `user_id` (int64), `item_id` (int64), `timestamp`
            (datetime64[s], UTC) and `rating` (float32, stars).
        item_frame : DataFrame of shape (n_items, 4)
            The movies, in the order of the source. The columns are `item_id` (int64), `title` (str, without the year),
            `year` (Int64, missing if unknown) and `genres` (str, separated by ``|``, empty if unknown). The same as
            ``data["items"]``; the attribute `items` is the method of a dictionary.
        interactions : csr_matrix of shape (n_users, n_items), dtype float32
            The ratings, in stars.
        user_ids : ndarray of shape (n_users,), dtype int64
            The user of each row of `interactions`.
        item_ids : ndarray of shape (n_items,), dtype int64
            The movie of each column of `interactions`, in the order of `item_frame`.
        DESCR : str
            The description, with source, licence and cleaning rules.

    Raises
    ------
    OSError
        If the archive cannot be downloaded, if it is damaged, or if it is missing and `download_if_missing` is False.
        No incomplete file remains in the cache.
    ValueError
        If `data_home` is not the path of a folder, if the home folder of the user is unknown, or if the data do not fit
        into memory.

    See Also
    --------
    load_movietweetings : Load ratings of movies without a download.

    Notes
    -----
    Licence: for research, not for commercial use without permission. Cite Harper and Konstan (2015) [1]_. All ratings
    are loaded into memory.

    References
    ----------
    .. [1] Harper, F. M. and Konstan, J. A. (2015). The MovieLens Datasets: History and Context. ACM TiiS 5 (4).
           https://doi.org/10.1145/2827872

    Examples
    --------
    >>> from skgnnrec.datasets import fetch_movielens
    >>> data = fetch_movielens("100k")  # doctest: +SKIP
    >>> data.interactions.shape  # doctest: +SKIP
    (943, 1682)
    """
    layout = _LAYOUTS[variant]
    url = f"{_BASE_URL}{layout.name}.zip"
    path = fetch_zip(
        url,
        _data_home(data_home) / "movielens",
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    with ZipFile(path) as archive:
        ratings, movies = layout.read(_MemberReader(archive, layout.name))
    events = ratings.assign(timestamp=seconds_to_datetime(ratings["timestamp"]))
    descr = _DESCR.format(
        variant=variant,
        underline="-" * len(f"MovieLens {variant}"),
        url=url,
        n_events=len(events),
        n_items=len(movies),
        n_users=events["user_id"].nunique(),
    )
    return build_bunch(
        events[["user_id", "item_id", "timestamp", "rating"]], _split_titles(movies), events["rating"], descr
    )


def _data_home(data_home: str | PathLike[str] | None) -> Path:
    """Return the folder of the cache, by default that of scikit-learn."""
    given = os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data") if data_home is None else os.fspath(data_home)
    if not given or "://" in given:
        raise ValueError(f"data_home must be the path of a folder; got {given!r}.")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:  # pathlib does not know the home folder
        raise ValueError(
            f"data_home must be given, because the home folder in {given!r} is unknown. Pass data_home=..., or set the "
            "environment variable HOME or SCIKIT_LEARN_DATA."
        ) from error


@dataclass(frozen=True)
class _MemberReader:
    """Reader of the members of an archive; nothing is unpacked to disk."""

    archive: ZipFile
    folder: str

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        path = f"{self.folder}/{name}"
        if path not in self.archive.namelist():
            raise OSError(f"{self.archive.filename} must have the member {path}; got {self.archive.namelist()[:10]}.")
        # zipfile reads no more than the size in the header.
        size = self.archive.getinfo(path).file_size
        check_memory(2 * size, f"The member {path} of {self.archive.filename}", "Choose a smaller variant.")
        try:
            with self.archive.open(path) as stream:
                yield stream
        except ZIP_ERRORS as error:
            raise OSError(f"The member {path} of {self.archive.filename} is damaged: {error}") from error


@dataclass(frozen=True)
class _Layout:
    """The name of an archive, and the function that reads its members."""

    name: str
    read: Callable[[_MemberReader], Frames]


def _read_100k(members: _MemberReader) -> Frames:
    with members.open("u.data") as stream:
        ratings = _read_ratings(stream, sep="\t", names=_RATING_COLUMNS)
    names = ["item_id", "title", "release", "video_release", "url", *_GENRES_100K]
    with members.open("u.item") as stream:
        movies = pd.read_csv(
            stream,
            sep="|",
            names=names,
            encoding="latin-1",
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
        )
    flags = movies[_GENRES_100K[1:]].to_numpy(dtype=bool)
    genres = ["|".join(np.array(_GENRES_100K[1:])[row]) for row in flags]
    return ratings, movies[["item_id", "title"]].assign(genres=genres)


def _read_1m(members: _MemberReader) -> Frames:
    with members.open("ratings.dat") as stream:
        ratings = _read_ratings(_replace_colons(stream), sep="\t", names=_RATING_COLUMNS)
    with members.open("movies.dat") as stream:
        movies = pd.read_csv(
            _replace_colons(stream),
            sep="\t",
            names=_MOVIE_COLUMNS,
            encoding="latin-1",
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
        )
    return ratings, movies


def _replace_colons(stream: IO[bytes]) -> IO[bytes]:
    """Replace the separators "::" by tabs, because the fast parser needs single characters."""
    return BytesIO(stream.read().replace(b"::", b"\t"))


def _read_csv(members: _MemberReader) -> Frames:
    with members.open("ratings.csv") as stream:
        ratings = _read_ratings(stream, sep=",", names=_RATING_COLUMNS, header=0)
    with members.open("movies.csv") as stream:
        movies = pd.read_csv(stream, names=_MOVIE_COLUMNS, header=0, encoding="utf-8", keep_default_na=False)
    return ratings, movies.assign(genres=movies["genres"].replace("(no genres listed)", ""))


def _read_ratings(stream: IO[bytes], **options: Any) -> pd.DataFrame:
    return pd.read_csv(stream, dtype=_RATING_DTYPES, **options)


def _split_titles(movies: pd.DataFrame) -> pd.DataFrame:
    """Split titles such as "Heat (1995)" into title and year; titles without a year do not change."""
    parts = movies["title"].str.strip().str.extract(_TITLE)
    return pd.DataFrame(
        {
            "item_id": movies["item_id"],
            "title": parts["title"],
            "year": pd.to_numeric(parts["year"]).astype("Int64"),
            "genres": movies["genres"],
        }
    )


_TITLE = re.compile(r"^(?P<title>.*?)(?: *\((?P<year>\d{4})\))?$")
_LAYOUTS = {
    "100k": _Layout("ml-100k", _read_100k),
    "1m": _Layout("ml-1m", _read_1m),
    "latest-small": _Layout("ml-latest-small", _read_csv),
    "25m": _Layout("ml-25m", _read_csv),
}
