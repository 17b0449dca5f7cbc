"""Answers to requests for lists, from one state of the recommender."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from skgnnrec.recommenders import LogRecommender
from skgnnrec.serving._served import Served

__all__ = ["id_of", "list_for", "similar_lists"]


async def list_for(served: Served, request: Any, threads: Executor) -> dict[str, Any]:
    """Return the list for a user or a history."""
    columns, weights, unknown = _history(served, request)
    answer = {"items": [], "history_length": len(columns), "unknown_items": unknown, "sequence": served.sequence}
    candidates = None if request.candidates is None else _candidates(served, request.candidates)
    if not len(columns) and _is_skipped(served, request):
        return answer
    run, steering = asyncio.get_running_loop().run_in_executor, (request.query, request.query_weight)
    if candidates is None and request.exclude_seen and request.query is None:
        found, scores = await served.rank(columns, weights, request.n)
    else:
        arguments = (columns, weights), request.n, candidates, request.exclude_seen, *steering
        try:
            found, scores = await run(threads, served.recommend, *arguments)
        except ValueError as error:
            if request.query is None:
                raise
            raise HTTPException(422, str(error)) from error  # the recommender reads no texts
    items = _scored(served, found, scores, request.texts)
    if request.reasons:
        for item, reason in zip(
            items, await run(threads, served.reasons, (columns, weights), found[: len(items)], *steering), strict=True
        ):
            item["reason"] = reason
    return {**answer, "items": items}


async def similar_lists(served: Served, items: list[Any], n: int, texts: bool) -> dict[str, Any]:
    """Return the lists of similar items."""
    positions = served.positions(items)
    _refuse_unknown(items, positions, 404)
    found = await asyncio.gather(*(served.rank(positions[place : place + 1], None, n) for place in range(len(items))))
    lists = [{"item": item, "items": _scored(served, *pair, texts)} for item, pair in zip(items, found, strict=True)]
    return {"lists": lists, "sequence": served.sequence}


def id_of(text: str, kinds: Iterable[type]) -> Any:
    """Return the id that a part of an address stands for: a number where all ids are numbers."""
    if str in kinds:
        return text
    try:
        return int(text)
    except ValueError:
        raise HTTPException(404, f"{text[:60]!r} is no id: ids are integers here.") from None


def _history(served: Served, request: Any) -> tuple[np.ndarray, np.ndarray | None, list[Any]]:
    """Return the positions of a history, its weights and its unknown items."""
    if request.history is None:
        return *served.history_of(served.user(request.user)), []
    positions = served.positions(request.history)
    is_known = positions >= 0
    unknown = [request.history[place] for place in np.flatnonzero(~is_known)]
    columns, places = np.unique(positions[is_known], return_inverse=True)
    if request.weights is None:
        return columns, None, unknown
    weights = np.zeros(len(columns), dtype=np.float32)
    np.maximum.at(weights, places, np.array(request.weights, dtype=np.float32)[is_known])
    return columns, weights, unknown


def _is_skipped(served: Served, request: Any) -> bool:
    """Return whether a user without history receives no list, as `unknown_users` has it."""
    if not isinstance(served.recommender, LogRecommender):
        return False
    if served.recommender.unknown_users == "error" and request.history is None:
        raise HTTPException(404, f"The user {request.user!r} is unknown.")
    return served.recommender.unknown_users != "popular"


def _candidates(served: Served, items: list[Any]) -> np.ndarray:
    positions = served.positions(items)
    _refuse_unknown(items, positions, 422)
    if len(np.unique(positions)) < len(positions):
        raise HTTPException(422, "candidates names an item twice.")
    return positions


def _refuse_unknown(items: list[Any], positions: np.ndarray, status: int) -> None:
    unknown = np.flatnonzero(positions < 0)
    if len(unknown):
        raise HTTPException(status, f"The item {items[unknown[0]]!r} is unknown.")


def _scored(served: Served, positions: np.ndarray, scores: np.ndarray, texts: bool) -> list[dict[str, Any]]:
    pairs = zip(positions.tolist(), scores.tolist(), strict=True)
    found = [(place, score) for place, score in pairs if place >= 0]
    if texts:
        return [{"item": served.ids[place], "score": score, "text": served.texts[place]} for place, score in found]
    return [{"item": served.ids[place], "score": score} for place, score in found]
