"""Errors as problem details, RFC 9457."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from skgnnrec.serving._journal import JournalError
from skgnnrec.serving._writer import ConflictError, FullError, UnknownUserError

__all__ = ["add_handlers", "problem"]

logger = logging.getLogger("skgnnrec.serving")
MEDIA_TYPE = "application/problem+json"
SHOWN = 20  # errors of one request
STATUS = {ConflictError: 409, UnknownUserError: 404, FullError: 429, JournalError: 503}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> JSONResponse:
    """Return the answer to a request that failed."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(content, status, dict(headers or {}), MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Turn all errors of an application into problem details."""

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def of_request(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            {"pointer": "/".join(["#", *map(str, each["loc"][1:])]), "in": each["loc"][0], "detail": each["msg"]}
            for each in error.errors()[:SHOWN]
        ]
        return problem(422, "The request does not match the description of the route in /openapi.json.", errors=found)

    @app.exception_handler(Exception)
    async def of_anything(request: Request, error: Exception) -> JSONResponse:
        return problem(500, "The service failed to answer; its log has the reason.")

    async def of_service(request: Request, error: Exception) -> JSONResponse:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
        if status == 503:
            logger.error("%s", error)
            return problem(status, "The service cannot write changes now.", {"Retry-After": "10"})
        return problem(status, str(error), {"Retry-After": "1"} if status == 429 else None)

    for kind in STATUS:
        app.add_exception_handler(kind, of_service)
