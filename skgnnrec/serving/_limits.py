"""Limits of a service, and the gate that every request passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec._constraints import Interval

__all__ = ["Gate", "Limits"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ALWAYS = ("/health", "/ready", "/metrics")  # answered when the service is full, too


@dataclass(frozen=True)
class Limits:
    """The limits of a service; requests beyond them are refused.

    Parameters
    ----------
    max_body : int, default=1048576
        The largest body of a request, in bytes (status 413).
    body_seconds : int, default=10
        The time in which the body must arrive (status 408).
    max_requests : int, default=256
        The number of requests that are answered at the same time (status 503).
    max_changes : int, default=256
        The number of changes that wait for the writer (status 429).
    max_history : int, default=1000
        The length of a history (status 422, as for all of the following).
    max_candidates : int, default=10000
        The number of candidates.
    max_recommendations : int, default=1000
        The length of a list of recommendations or of similar items.
    max_query : int, default=500
        The number of characters of a query.
    max_batch : int, default=100
        The number of lists in a request.
    max_interactions : int, default=1000
        The number of interactions in a request.

    Examples
    --------
    >>> from skgnnrec.serving import Limits
    >>> Limits(max_batch=10).max_batch
    10
    """

    max_body: int = 1 << 20
    body_seconds: int = 10
    max_requests: int = 256
    max_changes: int = 256
    max_history: int = 1000
    max_candidates: int = 10_000
    max_recommendations: int = 1000
    max_query: int = 500
    max_batch: int = 100
    max_interactions: int = 1000

    def __post_init__(self) -> None:
        constraint = [Interval(Integral, 1, None, closed="left")]
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        validate_parameter_constraints(dict.fromkeys(values, constraint), values, "Limits")


class Gate:
    """ASGI middleware: counts and times requests, bounds their number and the size of their bodies."""

    def __init__(self, app: Any, limits: Limits, refuse: Callable[..., Any], observe: Callable[..., None]) -> None:
        self._app, self._limits, self._refuse, self._observe = app, limits, refuse, observe
        self._n_requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self._n_requests += 1
        try:
            app = self._app if scope["path"] in ALWAYS else self._refused(scope) or self._app
            await app(scope, self._bounded(receive), send_and_note)
        finally:
            self._n_requests -= 1
            self._observe(scope, status, time.perf_counter() - start)

    def _refused(self, scope: Message) -> Any:
        """Return the answer to a request that is not let in, None where it is."""
        if self._n_requests > self._limits.max_requests:
            return self._refuse(
                503, f"{self._limits.max_requests} requests are answered already.", {"Retry-After": "1"}
            )
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._limits.max_body:
            return self._refuse(413, self._too_large())
        return None

    def _too_large(self) -> str:
        return f"The body has more than {self._limits.max_body} bytes."

    def _bounded(self, receive: Receive) -> Receive:
        """Return a function that receives a body, but not one that is too large or too slow."""
        from fastapi import HTTPException

        deadline = time.monotonic() + self._limits.body_seconds
        size, is_complete = 0, False

        async def receive_bounded() -> Message:
            nonlocal size, is_complete
            if is_complete:  # then it waits for the end of the connection
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0))
            except TimeoutError:
                seconds = self._limits.body_seconds
                raise HTTPException(408, f"The body did not arrive within {seconds} seconds.") from None
            size += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if size > self._limits.max_body:
                raise HTTPException(413, self._too_large())
            return message

        return receive_bounded
