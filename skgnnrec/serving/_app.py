"""The application: a recommender behind HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec.interactions import naming
from skgnnrec.serving._limits import Gate, Limits
from skgnnrec.serving._writer import Writer

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app"]

N_THREADS = 2  # for searches and for lists of given candidates


def create_app(
    recommender: Any,
    *,
    journal: str | os.PathLike[str] | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    trusted: Iterable[str | type] = (),
) -> FastAPI:
    """Return an application of FastAPI that serves a fitted recommender.

    Parameters
    ----------
    recommender : LogRecommender, BaseRecommender, str or path-like
        The fitted recommender, or the path of a file of `skgnnrec.save`. Only a file can be read again while the
        service runs (``POST /reload``). The ids of users and items must be strings or integers.
    journal : str or path-like, default=None
        The file that keeps the changes since the fit. When the service starts, it makes these changes again. With
        None, changes are lost when the process ends.
    token : str, default=None
        The token of clients, who send ``Authorization: Bearer <token>``. With None, everybody can read and change.
        The page, `/health`, `/ready` and `/metrics` need no token.
    limits : Limits, default=None
        The limits of requests; None takes the defaults of `Limits`.
    trusted : iterable of str or type, default=()
        Further types that the file may contain, as in `skgnnrec.load`.

    Returns
    -------
    app : FastAPI
        The application [1]_. It runs in one process, for example with ``uvicorn.run(app)``.

    Raises
    ------
    ImportError
        If the packages of the extra ``serve`` are absent.
    TypeError
        If `recommender` is something else, or has ids that are neither strings nor integers.
    NotFittedError
        If `recommender` is not fitted.

    See Also
    --------
    skgnnrec.save : Writes the file of a recommender.
    read_journal : Reads the changes for the next fit.

    Notes
    -----
    The routes are described at ``/openapi.json``. Lists are those of `recommend`. Concurrent requests are computed in
    batches.

    ``POST /interactions`` learns interactions in their order, one change at a time: a copy of the recommender learns,
    the change is written to the journal and to the disk, the copy takes the place of the recommender, and the change
    is acknowledged. Requests see the state before the change or after it. A `LogRecommender` learns interactions of
    known and new users with known items. Other recommenders learn histories, each of a new user.

    ``DELETE /users/{user}`` forgets a user, whose interactions are also removed from the journal. The number of the
    change remains in the journal with the id, because the file of the recommender still contains the user.

    References
    ----------
    .. [1] https://fastapi.tiangolo.com

    Examples
    --------
    >>> from fastapi.testclient import TestClient
    >>> from skgnnrec import LogRecommender, PopularityRecommender
    >>> from skgnnrec.serving import create_app
    >>> log = [["ann", "mug"], ["ann", "pot"], ["bob", "mug"], ["cy", "tray"], ["cy", "pot"]]
    >>> app = create_app(LogRecommender(PopularityRecommender()).fit(log))
    >>> with TestClient(app) as client:
    ...     client.post("/recommendations", json={"user": "bob", "n": 1}).json()["items"]
    [{'item': 'pot', 'score': 2.0}]
    """
    validate_parameter_constraints(
        {"journal": [str, os.PathLike, None], "token": [str, None], "limits": [Limits, None]},
        {"journal": journal, "token": token, "limits": limits},
        "create_app",
    )
    if token is not None and not token.strip():
        raise ValueError("token must not be empty; None lets everybody in.")
    with naming("journal"):
        path = None if journal is None else os.fsdecode(journal)
    try:
        from fastapi import FastAPI

        from skgnnrec.serving._problems import add_handlers, problem
        from skgnnrec.serving._routes import add_routes
    except ImportError as error:
        raise ImportError('The service needs the extra "serve": pip install "skgnnrec[serve]".') from error
    limits = limits or Limits()
    writer = Writer(recommender, path, trusted, limits.max_changes)
    threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="skgnnrec-lists")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        writer.open()
        await writer.start()
        yield
        await writer.stop()

    # The pages /docs and /redoc would load scripts from another host.
    app = FastAPI(title="skgnnrec", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.writer = writer
    metrics = add_routes(app, writer, limits, token, threads)
    add_handlers(app)
    app.add_middleware(Gate, limits=limits, refuse=problem, observe=metrics.observe)
    return app
