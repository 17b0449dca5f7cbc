"""Limits of requests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from skgnnrec.serving import Limits


@pytest.mark.parametrize(
    ("limit", "path", "body"),
    [
        ("max_history", "/recommendations", {"history": ["sku 1"] * 4}),
        ("max_candidates", "/recommendations", {"history": [], "candidates": ["sku 1"] * 4}),
        ("max_recommendations", "/recommendations", {"history": [], "n": 4}),
        ("max_batch", "/recommendations/batch", {"requests": [{"history": []}] * 4}),
        ("max_batch", "/items/similar", {"items": ["sku 1"] * 4}),
        ("max_recommendations", "/items/similar", {"items": ["sku 1"], "n": 4}),
        ("max_interactions", "/interactions", {"interactions": [{"user": "user 1", "item": "sku 1"}] * 4}),
    ],
)
def test_lists_beyond_the_limit_are_refused(serve, fitted, limit, path, body):
    if "n" not in body and limit != "max_recommendations" and path == "/recommendations":
        body = {**body, "n": 3}
    assert serve(fitted, limits=Limits(**{limit: 3})).post(path, json=body).status_code == 422
    assert serve(fitted, limits=Limits(**{limit: 10})).post(path, json=body).status_code in (200, 422)


def test_large_bodies_are_refused(serve, fitted):
    client = serve(fitted, limits=Limits(max_body=1000))
    large = b'{"history": [' + b" " * 2000 + b"]}"
    for content in (large, iter([large[:900], large[900:]])):  # with a length, and without
        answer = client.post("/recommendations", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["detail"]) == (413, "The body has more than 1000 bytes.")
    assert client.post("/recommendations", json={"history": []}).status_code == 200


def call(app, send_body):
    """Return the status of a request to an application whose body comes from a coroutine."""
    statuses = []

    async def send(message):
        if "status" in message:
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/recommendations", "query_string": b"", "http_version": "1.1"}
    headers = [(b"content-type", b"application/json")]
    asyncio.run(app({**scope, "headers": headers, "server": ("test", 80), "root_path": ""}, send_body, send))
    return statuses


def test_slow_bodies_are_refused(serve, fitted):
    app = serve(fitted, limits=Limits(body_seconds=1)).app

    async def never():
        await asyncio.sleep(60)

    assert call(app, never) == [408]


def test_requests_beyond_the_limit_are_refused_but_health_is_answered(serve, fitted):
    client = serve(fitted, limits=Limits(max_requests=2))
    app, release, started = client.app, threading.Event(), threading.Barrier(3)

    async def slow():
        started.wait()
        await asyncio.to_thread(release.wait, 30)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(call, app, slow) for _ in range(2)]
        started.wait()
        answer = client.post("/recommendations", json={"history": []})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert client.get("/health").status_code == client.get("/metrics").status_code == 200
        release.set()
        assert [each.result() for each in waiting] == [[422], [422]]
    assert client.post("/recommendations", json={"history": []}).status_code == 200


def test_changes_beyond_the_limit_are_refused(serve, fitted, buy):
    client = serve(fitted, limits=Limits(max_changes=1))
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: buy(client, (f"buyer {number}", "sku 1")), range(48)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)


def test_limits_are_positive_integers():
    with pytest.raises(ValueError, match="The 'max_batch' parameter of Limits must be an int in the range"):
        Limits(max_batch=0)
    with pytest.raises(ValueError, match="The 'max_body' parameter of Limits must be an int in the range"):
        Limits(max_body=True)
