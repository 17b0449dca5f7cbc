"""The ratings of MovieLens, downloaded from GroupLens."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skgnnrec.datasets._bunch import build_bunch, seconds_to_datetime
from skgnnrec.datasets._download import fetch_zip

_BASE_URL = "https://files.grouplens.org/datasets/movielens/"

_DESCR = """\
MovieLens {variant}
{underline}

Ratings of movies by users of https://movielens.org: {n_events} ratings of {n_items} movies by {n_users} users,
read from {url}

**Source.** Harper, F. M. and Konstan, J. A. (2015). The MovieLens Datasets: History and Context. ACM Transactions
on Interactive Intelligent Systems 5 (4), article 19. https://doi.org/10.1145/2827872

**Licence.** The terms of GroupLens, in the README of the archive: for research; no commercial use without
permission, no claim of endorsement, and publications cite the paper above. It is therefore downloaded, not
shipped with this package.

**Cleaning rules.** No rating and no movie was left out; movies without ratings are columns without interactions.
The year was split off the title where it ends in one. Movies without genres have an empty string there.

**Matrix.** The value of an interaction is the rating, in stars.
"""

# The flags at the end of a line of u.item, in their order.
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
    """Load ratings of movies by users of MovieLens, downloading them if need be.

    ============== ========= ========== ======== ============ ========
    Variant        Users     Movies     Ratings  Stars        Download
    ============== ========= ========== ======== ============ ========
    "100k"         943       1,682      100,000  1, 2, ..., 5 5 MB
    "1m"           6,040     3,883      1.0 M    1, 2, ..., 5 6 MB
    "latest-small" some 600  some 9,700 100,000  .5, 1, ... 5 1 MB
    "25m"          162,541   62,423     25.0 M   .5, 1, ... 5 262 MB
    ============== ========= ========== ======== ============ ========

    The archive is checked against the MD5 checksum that GroupLens publishes beside it, and kept. A copy that
    is at hand and sound is read without the network.

    Parameters
    ----------
    variant : {"100k", "1m", "latest-small", "25m"}, default="latest-small"
        Which of the data sets. GroupLens changes "latest-small" from time to time; the others stay as they are.
    data_home : str or path-like, default=None
        Folder under which to keep the archive, in ``movielens``; by default that of scikit-learn,
        see :func:`sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an OSError instead of downloading.
    n_retries : int, default=3
        How often to try again when the connection fails.
    delay : float, default=1.0
        Seconds to wait before trying again.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        events : DataFrame of shape (n_ratings, 4)
            One row a rating, sorted by time: `user_id` (int64), `item_id` (int64), `timestamp`
            (datetime64[s], UTC) and `rating` (float32, stars).
        item_frame : DataFrame of shape (n_items, 4)
            One row a movie, in the order of the source: `item_id` (int64), `title` (str, without the year),
            `year` (Int64, missing where unknown) and `genres` (str, separated by ``|``, empty if unknown).
            Also as ``data["items"]``; as an attribute, `items` is the method of the dictionary.
        interactions : csr_matrix of shape (n_users, n_items), dtype float32
            The rating.
        user_ids : ndarray of shape (n_users,), dtype int64
            The user of each row of `interactions`.
        item_ids : ndarray of shape (n_items,), dtype int64
            The movie of each column of `interactions`, in the order of `item_frame`.
        DESCR : str
            Description with source, licence and cleaning rules.

    Raises
    ------
    OSError
        If the archive cannot be downloaded, is damaged, or is missing and not to be downloaded. Nothing is
        left half-written.

    See Also
    --------
    load_movietweetings : Ratings of movies that come with the package.

    Notes
    -----
    Licence: for research, not for commercial use; cite Harper and Konstan (2015) [1]_. All ratings
    are held in memory at once.

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
        Path(get_data_home(data_home)) / "movielens",
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


@dataclass(frozen=True)
class _MemberReader:
    """Opens the members of an archive by name; nothing is unpacked to disk."""

    archive: ZipFile
    folder: str

    def open(self, name: str) -> IO[bytes]:
        try:
            return self.archive.open(f"{self.folder}/{name}")
        except KeyError as error:
            raise OSError(
                f"{self.archive.filename} must have the member {self.folder}/{name}, got "
                f"{self.archive.namelist()[:10]}."
            ) from error


@dataclass(frozen=True)
class _Layout:
    """Name of an archive, and how its members are to be read."""

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
    """Turn the separators "::" into tabs, for the parser in C takes single characters only."""
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
    """Split "Heat (1995)" into title and year; a title without a year stays as it is."""
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
