"""The routes of the service."""

# No `from __future__ import annotations`: FastAPI reads the types of functions that are made in a function.

import asyncio
import hmac
from concurrent.futures import Executor
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from skgnnrec.serving._limits import Limits
from skgnnrec.serving._lists import id_of, list_for, similar_lists
from skgnnrec.serving._metrics import CONTENT_TYPE_LATEST, Metrics
from skgnnrec.serving._page import page
from skgnnrec.serving._problems import MEDIA_TYPE, problem
from skgnnrec.serving._schemas import (
    Health,
    ItemList,
    ItemTexts,
    Learned,
    Lists,
    Problem,
    Reloaded,
    Sequence,
    SimilarLists,
    schemas,
)
from skgnnrec.serving._writer import ConflictError, Writer

__all__ = ["add_routes"]

SEARCHED = 100  # items that a search returns at most


def add_routes(app: FastAPI, writer: Writer, limits: Limits, token: str | None, threads: Executor) -> Metrics:
    """Add all routes to an application, and return its metrics."""
    metrics = Metrics(writer)
    error = {"description": "An error", "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
    errors: dict[int | str, dict[str, Any]] = {"4XX": error, "5XX": error}
    guarded = APIRouter(dependencies=[Depends(_guard(token)), Depends(_refuse_other_parameters)], responses=errors)
    bodies = schemas(limits, writer.current.users is not None)
    _add_lists(guarded, writer, bodies, threads)
    _add_changes(guarded, writer, bodies)
    app.include_router(guarded)
    _add_operations(app, writer, metrics)
    return metrics


def _guard(token: str | None) -> Any:
    """Return a dependency that refuses requests without the token."""

    async def guard(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    ) -> None:
        if token is None:
            return
        # Of equal length in time, wherever the first difference is.
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})

    return guard


async def _refuse_other_parameters(request: Request) -> None:
    """Refuse parameters of the URL that a route does not have, as bodies refuse other members."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    others = [name for name in request.query_params if name not in known]
    if others:
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": "Extra inputs are not permitted"} for name in others]
        )


def _add_lists(router: APIRouter, writer: Writer, bodies: Any, threads: Executor) -> None:
    @router.post("/recommendations", response_model=ItemList, summary="Recommend items to a user or for a history")
    async def recommend(request: bodies.ListRequest) -> Response:
        return JSONResponse(await list_for(writer.current, request, threads))

    @router.post("/recommendations/batch", response_model=Lists, summary="Answer several requests, from one state")
    async def recommend_batch(batch: bodies.BatchRequest) -> Response:
        served = writer.current
        lists = await asyncio.gather(*(list_for(served, each, threads) for each in batch.requests))
        return JSONResponse({"lists": lists})

    @router.get("/items/similar", response_model=SimilarLists, summary="Find items similar to one item")
    async def similar(
        item: str, n: Annotated[bodies.Length, Query(strict=False)] = 10, texts: bool = False
    ) -> Response:
        served = writer.current
        return JSONResponse(await similar_lists(served, [id_of(item, served.kinds_of_items)], n, texts))

    @router.post("/items/similar", response_model=SimilarLists, summary="Find items similar to several items")
    async def similar_to_each(request: bodies.SimilarRequest) -> Response:
        return JSONResponse(await similar_lists(writer.current, request.items, request.n, request.texts))

    @router.get("/items", response_model=ItemTexts, summary="Search items by words of their text or their id")
    async def search(
        search: Annotated[str, Query(max_length=200)] = "", n: Annotated[int, Query(ge=1, le=SEARCHED)] = 20
    ) -> Response:
        served = writer.current
        found = await asyncio.get_running_loop().run_in_executor(threads, served.texts.search, search, n)
        return JSONResponse({"items": [{"item": served.ids[place], "text": served.texts[place]} for place in found]})


def _add_changes(router: APIRouter, writer: Writer, bodies: Any) -> None:
    @router.post("/interactions", response_model=Learned, summary="Learn interactions")
    async def learn(request: bodies.Interactions) -> Response:
        interactions = [each.model_dump(exclude_none=True) for each in request.interactions]
        try:
            return JSONResponse(await writer.change("learn", interactions))
        except ConflictError:
            raise
        except (ValueError, TypeError) as error:
            raise HTTPException(422, str(error)) from error

    if writer.current.users is not None:

        @router.delete("/users/{user:path}", response_model=Sequence, summary="Forget a user")
        async def forget(user: str) -> Response:
            return JSONResponse(await writer.change("forget", id_of(user, writer.current.kinds_of_users)))

    if writer.can_reload:

        @router.post("/reload", response_model=Reloaded, summary="Read the file of the recommender again")
        async def reload(request: bodies.ReloadRequest) -> Response:
            try:
                return JSONResponse(await writer.change("reload", request.included))
            except (ValueError, TypeError, OSError) as error:
                raise HTTPException(409, f"The recommender stays as it is: {error}") from error


def _add_operations(app: FastAPI, writer: Writer, metrics: Metrics) -> None:
    @app.get("/health", response_model=Health, summary="Tell that the process runs")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/ready", response_model=Health, summary="Tell whether the service takes requests and changes")
    async def ready() -> Response:
        if writer.is_running and not writer.journal.is_broken:
            return JSONResponse({"status": "ready"})
        return problem(503, "The service is not ready to take changes.")

    @app.get("/metrics", summary="Return metrics for Prometheus", response_class=Response)
    async def read_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    content, policy = page()

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def read_page() -> Response:
        return HTMLResponse(content, headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"})
