"""Changes of a recommender: a changed copy, while the recommender itself goes on answering."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders import LogRecommender

__all__ = ["complete", "forget", "items_of", "learn"]

Interaction = dict[str, Any]


def items_of(interaction: Interaction) -> list[Any]:
    """Return the items of an interaction of a user, or of a history."""
    return interaction["items"] if "items" in interaction else [interaction["item"]]


def complete(recommender: Any, interaction: Interaction) -> Interaction:
    """Return an interaction as it is learned, now and from the journal: with the time where there are times."""
    if not isinstance(recommender, LogRecommender):
        return interaction
    given = dict(interaction)
    if recommender.timestamp is None:
        given.pop("timestamp", None)
    else:
        given["timestamp"] = _time(given.get("timestamp"), recommender._log_.times)
    return given


def learn(recommender: Any, interactions: Sequence[Interaction], items: Vocabulary) -> Any:
    """Return a recommender that has learned interactions, or further histories."""
    if not hasattr(recommender, "partial_fit"):
        raise ValueError(f"{type(recommender).__name__} cannot learn after the fit: it has no partial_fit.")
    if isinstance(recommender, LogRecommender):
        return copy(recommender).partial_fit(_table(recommender, interactions))
    return copy(recommender).partial_fit(_matrix(interactions, items))


def forget(recommender: Any, user: Any) -> Any:
    """Return a recommender that has forgotten a user."""
    return copy(recommender).forget(users=[user])


def _matrix(histories: Sequence[Interaction], items: Vocabulary) -> sparse.csr_array:
    columns = [items.positions(each["items"]) for each in histories]
    values = [each.get("weights") or np.ones(len(each["items"])) for each in histories]
    ends = np.cumsum([0, *map(len, columns)])
    content = (np.concatenate(values, dtype=np.float32), np.concatenate(columns), ends)
    return sparse.csr_array(content, shape=(len(columns), len(items)))


def _table(recommender: LogRecommender, interactions: Sequence[Interaction]) -> Any:
    """Return interactions with the columns of the fit."""
    columns: dict[Any, list[Any]] = {
        recommender._user_: [each["user"] for each in interactions],
        recommender._item_: [each["item"] for each in interactions],
    }
    if recommender.weight is not None:
        columns[recommender.weight] = [each.get("weight", 1.0) for each in interactions]
    if recommender.timestamp is not None:
        assert recommender._log_.times is not None
        unit = recommender._log_.times.unit
        times = [each["timestamp"] for each in interactions]
        columns[recommender.timestamp] = times if unit is None else list(np.array(times, dtype=f"M8[{unit}]"))
    if all(isinstance(label, str) for label in columns):
        return columns
    names = list(getattr(recommender, "feature_names_in_", range(recommender.n_features_in_)))
    columns = {names[label] if isinstance(label, int) else label: values for label, values in columns.items()}
    others = [0] * len(interactions)
    if not hasattr(recommender, "feature_names_in_"):
        return list(map(list, zip(*(columns.get(name, others) for name in names), strict=True)))
    return {name: columns.get(name, others) for name in names}


def _time(given: Any, times: Any) -> Any:
    """Return a time as JSON holds it: a number where the times of the fit are numbers, else text in UTC."""
    if times.unit is None:
        if given is None or isinstance(given, str):
            raise ValueError(f"timestamp must be a number, as the times of the fit are; got {given!r}.")
        if times.values.dtype.kind == "i" and not float(given).is_integer():
            raise ValueError(f"timestamp must be an integer, as the times of the fit are; got {given!r}.")
        return int(given) if times.values.dtype.kind == "i" else float(given)
    if given is None:
        moment = datetime.now(UTC)
    elif isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
        except ValueError as error:
            raise ValueError(f"timestamp must be a date and time as ISO 8601 has it; got {given[:60]!r}.") from error
    else:
        raise ValueError(f"timestamp must be a date and time as text, as the times of the fit are; got {given!r}.")
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(f"timestamp must be from the year 1 to 9999 in UTC; got {given[:60]!r}.") from error
    return str(np.datetime64(moment).astype(f"M8[{times.unit}]"))
