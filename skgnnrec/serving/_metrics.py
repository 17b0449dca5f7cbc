"""Metrics for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from skgnnrec.serving._writer import Writer

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS"}  # clients may send any word
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, writer: Writer) -> None:
        self._registry = registry = CollectorRegistry()
        of_request = ("method", "route")
        self._requests = Counter(
            "skgnnrec_requests", "Requests that were answered.", (*of_request, "status"), registry=registry
        )
        self._seconds = Histogram(
            "skgnnrec_request_seconds", "Time of an answer.", of_request, buckets=BUCKETS, registry=registry
        )
        self._changes = Counter(
            "skgnnrec_changes", "Interactions learned, users forgotten, files reloaded.", ("kind",), registry=registry
        )
        for kind in ("learned", "forgotten", "reloaded"):
            self._changes.labels(kind)
        gauges = {
            "sequence": ("The number of the last change.", lambda: writer.current.sequence),
            "items": ("Items of the recommender.", lambda: len(writer.current.items)),
            "users": ("Users of the recommender.", lambda: len(writer.current.users or ())),
            "journal_bytes": ("The length of the journal.", lambda: writer.journal.size),
            "ready": ("Whether the service takes changes.", lambda: writer.is_running and not writer.journal.is_broken),
        }
        for name, (text, value) in gauges.items():
            Gauge(f"skgnnrec_{name}", text, registry=registry).set_function(value)
        writer.on_change = lambda kind, number: self._changes.labels(kind).inc(number)

    def observe(self, scope: Any, status: int, seconds: float) -> None:
        """Count a request under the pattern of its route: paths with ids would be a metric each."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        return generate_latest(self._registry)
