"""Recommendations as a table, which notebooks show with a row for each user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from skgnnrec._html import GREY, cell, shorten, table

__all__ = ["recommendation_table"]

SHOWN_USERS, SHOWN_PLACES, LONGEST_NAME = 10, 10, 40


class RecommendationTable(pd.DataFrame):
    """A DataFrame of `recommendation_table`. What is computed from it is a DataFrame of pandas."""

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        groups = list(self.groupby("user", sort=False))
        n_places = min(SHOWN_PLACES, int(self["place"].max()) if len(self) else 0)
        rows = [_row(user, lists.iloc[:SHOWN_PLACES], n_places) for user, lists in groups[:SHOWN_USERS]]
        n_others = len(groups) - len(rows)
        head = [cell("user", "th"), *(cell(str(place), "th") for place in range(1, n_places + 1))]
        return table("Recommendations", head, rows, f"… {n_others} more users" if n_others else "")


def recommendation_table(
    items: Any, scores: Any = None, *, users: Any = None, names: Mapping | pd.Series | None = None
) -> pd.DataFrame:
    """Return recommendations as a table with the names of the items.

    Parameters
    ----------
    items : array-like of shape (n_users, n_recommendations)
        The recommended items, as `recommend` and `predict` return them. Padding, -1 or None, is left out.
    scores : array-like of shape (n_users, n_recommendations), default=None
        The scores of the items.
    users : array-like of shape (n_users,), default=None
        The ids of the users. None takes the rows, from 0.
    names : mapping or Series, default=None
        The names of items by id.

    Returns
    -------
    table : DataFrame
        One row for each recommended item, with the columns ``user``, ``place`` (from 1), ``item``, ``name`` if there
        are `names`, and ``score`` if there are `scores`. Notebooks show one row for each user.

    Raises
    ------
    ValueError
        If `items` does not have two dimensions, or `scores` or `users` do not match its shape.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender
    >>> from skgnnrec.inspection import recommendation_table
    >>> X = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    >>> rec = PopularityRecommender(n_recommendations=2).fit(X)
    >>> recommendation_table(*rec.recommend(X[:1]), names={1: "red mug", 2: "tea pot"})
       user  place  item     name  score
    0     0      1     1  red mug    2.0
    1     0      2     2  tea pot    1.0
    """
    lists = _read("items", items)
    if lists.ndim != 2:
        raise ValueError(f"items must have one row for each user; got a {type(items).__name__} of shape {lists.shape}.")
    if not isinstance(names, Mapping | pd.Series | None):
        raise TypeError(
            "names must be a mapping or a Series from ids to names, such as table.set_index('id')['name']; "
            f"got a {type(names).__name__}."
        )
    given = np.arange(len(lists)) if users is None else _read("users", users)
    if given.shape != (len(lists),):
        raise ValueError(
            f"users must have one id for each of {len(lists)} rows of items; got a {type(users).__name__} of shape "
            f"{given.shape}."
        )
    is_item = np.array([item is not None and item != -1 for item in lists.ravel().tolist()], dtype=bool)
    rows, places = (part.ravel()[is_item] for part in np.indices(lists.shape))
    found: dict[str, Any] = {"user": given[rows], "place": places + 1, "item": lists.ravel()[is_item]}
    if names is not None:
        known = dict(names)
        found["name"] = [known.get(item, item) for item in found["item"].tolist()]
    if scores is not None:
        values = _read("scores", scores)
        if values.shape != lists.shape:
            raise ValueError(
                f"scores must have the shape of items, {lists.shape}; got a {type(scores).__name__} of shape "
                f"{values.shape}."
            )
        found["score"] = values.ravel()[is_item]
    return RecommendationTable(found)


def _read(name: str, values: Any) -> np.ndarray:
    """Return an argument as an array."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array-like; got rows of different lengths.") from error


def _row(user: Any, lists: pd.DataFrame, n_places: int) -> list[str]:
    label = "name" if "name" in lists else "item"
    cells = [cell(shorten(user), "th")]
    for place in range(len(lists)):
        entry = lists.iloc[place]
        score = f' <small style="color:{GREY}">{entry["score"]:.3g}</small>' if "score" in lists else ""
        cells.append(cell(f"{shorten(entry[label], LONGEST_NAME)}{score}"))
    return cells + [cell("")] * (n_places - len(lists))
