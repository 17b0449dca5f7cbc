"""Loaders of the data sets that are packaged with skgnnrec."""

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skgnnrec.datasets._bunch import build_bunch, seconds_to_datetime


def load_online_retail() -> Bunch:
    """Load the Online Retail data set: the purchases of a British online shop for gifts.

    The data set has 4,335 customers, 3,657 products with a short description, and 386,261 purchases from December 2010
    to December 2011. There are 266,154 distinct pairs of a customer and a product. Nothing is downloaded.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        events : DataFrame of shape (386261, 5)
            The products on invoices, one per row, sorted by time. The columns are `user_id` (int64), `item_id` (str),
            `timestamp` (datetime64[s], British local time), `quantity` (int64) and `unit_price` (float64, pounds
            sterling).
        item_frame : DataFrame of shape (3657, 3)
            The products, sorted by id. The columns are `item_id` (str, the stock code), `description` (str) and
            `unit_price` (float64, the median in pounds sterling). The same as ``data["items"]``; the attribute `items`
            is the method of a dictionary.
        interactions : csr_matrix of shape (4335, 3657), dtype float32
            The number of invoices of each customer with each product.
        user_ids : ndarray of shape (4335,), dtype int64
            The customer of each row of `interactions`.
        item_ids : ndarray of shape (3657,), dtype object
            The product of each column of `interactions`, in the order of `item_frame`.
        DESCR : str
            The description, with source, licence and cleaning rules.

    See Also
    --------
    load_movietweetings : Load ratings of movies.
    make_interactions : Generate data of any size.

    Notes
    -----
    Licence: CC BY 4.0. Cite Chen, D. (2012) [1]_. `DESCR` lists the changes to the source.

    References
    ----------
    .. [1] Chen, D. (2012). Online Retail. UCI Machine Learning Repository. https://doi.org/10.24432/C5BW33

    Examples
    --------
    >>> from skgnnrec.datasets import load_online_retail
    >>> data = load_online_retail()
    >>> data.interactions.shape
    (4335, 3657)
    >>> data.item_frame["description"][0]
    'INFLATABLE POLITICAL GLOBE'
    """
    columns = _read_arrays("online_retail_events.npz")
    items = _read_items("online_retail_items.csv.gz", {"item_id": str, "description": str})
    invoice = columns["invoice"]
    order = np.lexsort((columns["item"], invoice))
    events = pd.DataFrame(
        {
            "user_id": columns["invoice_user"][invoice].astype(np.int64),
            "item_id": items["item_id"].to_numpy()[columns["item"]],
            "timestamp": seconds_to_datetime(columns["invoice_minute"].astype(np.int64) * 60)[invoice],
            "quantity": columns["quantity"].astype(np.int64),
            "unit_price": columns["unit_price"] / 100,
        }
    ).iloc[order]
    return build_bunch(events, items, np.ones(len(events)), _read_text("online_retail.rst"))


def load_movietweetings() -> Bunch:
    """Load the MovieTweetings data set: ratings of movies from Twitter.

    The data set has 100,000 ratings from 0 to 10 of 10,506 movies by 16,554 users, from February to September 2013.
    Nothing is downloaded.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        events : DataFrame of shape (100000, 4)
            The ratings, one per row, sorted by time. The columns are `user_id` (int64), `item_id` (int64), `timestamp`
            (datetime64[s], UTC) and `rating` (int64, from 0 to 10).
        item_frame : DataFrame of shape (10506, 4)
            The movies, sorted by id. The columns are `item_id` (int64, the number at IMDb), `title` (str, without the
            year), `year` (Int64) and `genres` (str, separated by ``|``, empty if unknown). The same as
            ``data["items"]``; the attribute `items` is the method of a dictionary.
        interactions : csr_matrix of shape (16554, 10506), dtype float32
            The rating **plus one**, from 1 to 11, because a zero in the matrix means "not seen".
        user_ids : ndarray of shape (16554,), dtype int64
            The user of each row of `interactions`.
        item_ids : ndarray of shape (10506,), dtype int64
            The movie of each column of `interactions`, in the order of `item_frame`.
        DESCR : str
            The description, with source, licence and cleaning rules.

    See Also
    --------
    fetch_movielens : Download the ratings of MovieLens.
    load_online_retail : Load purchases of a shop.

    Notes
    -----
    Licence: MIT, Copyright (c) 2013 Simon Dooms. Cite Dooms et al. (2013) [1]_.

    References
    ----------
    .. [1] Dooms, S., De Pessemier, T. and Martens, L. (2013). MovieTweetings: a Movie Rating Dataset Collected
           From Twitter. CrowdRec at RecSys 2013.

    Examples
    --------
    >>> from skgnnrec.datasets import load_movietweetings
    >>> data = load_movietweetings()
    >>> data.interactions.shape
    (16554, 10506)
    >>> data.item_frame.loc[data.item_frame["title"] == "Casablanca", "genres"].item()
    'Drama|Romance|War'
    """
    columns = _read_arrays("movietweetings_events.npz")
    items = _read_items("movietweetings_items.csv.gz", {"title": str, "year": "Int64", "genres": str})
    events = pd.DataFrame(
        {
            "user_id": columns["user_id"].astype(np.int64),
            "item_id": items["item_id"].to_numpy()[columns["item"]],
            "timestamp": seconds_to_datetime(np.cumsum(columns["seconds_since_last"], dtype=np.int64)),
            "rating": columns["rating"].astype(np.int64),
        }
    )
    return build_bunch(events, items, events["rating"] + 1, _read_text("movietweetings.rst"))


def _read_arrays(name: str) -> dict[str, NDArray[Any]]:
    path = resources.files(__package__).joinpath("data", name)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_items(name: str, dtypes: dict[str, Any]) -> pd.DataFrame:
    with resources.files(__package__).joinpath("data", name).open("rb") as stream:
        return pd.read_csv(stream, compression="gzip", dtype=dtypes, keep_default_na=False, na_values={"year": [""]})


def _read_text(name: str) -> str:
    return resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
