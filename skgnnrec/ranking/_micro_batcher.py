"""Concurrent requests for one user each, joined into batches."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from skgnnrec.ranking._ranker import Ranker

__all__ = ["MicroBatcher"]

Lists = tuple[np.ndarray, np.ndarray]


class Request(NamedTuple):
    """A request that waits for its result."""

    positions: Any
    weights: Any
    n: int
    result: asyncio.Future[Lists]


class MicroBatcher:
    """Join requests of concurrent tasks of asyncio into batches of a ranker.

    A request that comes alone is computed at once. Requests that come while others are computed are the next batch.
    Nothing waits for a time. The results are those of the ranker, and a wrong request fails alone.

    Parameters
    ----------
    ranker : Ranker
        The ranker.
    max_batch : int, default=64
        The largest number of requests in a batch.

    Examples
    --------
    >>> import asyncio
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.recommenders import MicroBatcher
    >>> async def serve():
    ...     with MicroBatcher(RidgeRecommender().fit(np.tri(5)).ranker()) as rank:
    ...         return await asyncio.gather(rank([0, 1], n=1), rank([1], n=1))
    >>> [items.tolist() for items, scores in asyncio.run(serve())]
    [[2], [0]]
    """

    def __init__(self, ranker: Ranker, max_batch: int = 64) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {max_batch}.")
        self._ranker, self._max_batch = ranker, max_batch
        self._waiting: deque[Request] = deque()
        self._serving: asyncio.Task | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="skgnnrec-batches")

    async def __call__(self, positions: Any, weights: Any = None, n: int = 10) -> Lists:
        """Return the best items for the user with a history, as the ranker does.

        Parameters
        ----------
        positions : array-like of int, shape (n_history,)
            The items of the history, distinct, by position.
        weights : array-like of float, shape (n_history,), default=None
            The weights of the items, positive; None weighs them equally.
        n : int, default=10
            The number of items.

        Returns
        -------
        positions : ndarray of shape (n,), int64
            The items, best first, padded with -1.
        scores : ndarray of shape (n,), float32
            Their scores, -inf for padding.

        Raises
        ------
        IndexError
            If a position is out of range.
        """
        request = Request(positions, weights, n, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await request.result

    def __enter__(self) -> MicroBatcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread that computes, after its last batch."""
        self._thread.shutdown()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            for request, found in zip(batch, await loop.run_in_executor(self._thread, self._rank, batch), strict=True):
                if request.result.done():  # cancelled while it was computed
                    continue
                if isinstance(found, Exception):
                    request.result.set_exception(found)
                else:
                    request.result.set_result(found)

    def _rank(self, batch: list[Request]) -> list[Lists | Exception]:
        """Return the results of requests, or their errors."""
        if len(batch) > 1:
            try:
                return self._rank_together(batch)
            except Exception:  # of one of them: the others must not fail
                pass
        found: list[Lists | Exception] = []
        for request in batch:
            try:
                found.append(self._ranker(request.positions, request.weights, request.n))
            except Exception as error:
                found.append(error)
        return found

    def _rank_together(self, batch: list[Request]) -> list[Lists | Exception]:
        weights = [np.ones(len(each.positions)) if each.weights is None else each.weights for each in batch]
        columns, scores = self._ranker.batch([each.positions for each in batch], weights, max(each.n for each in batch))
        return [(columns[row, : each.n], scores[row, : each.n]) for row, each in enumerate(batch)]
