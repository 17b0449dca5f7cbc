"""Metrics for Prometheus."""

import pytest


def metrics_of(client):
    parser = pytest.importorskip("prometheus_client.parser")
    families = parser.text_string_to_metric_families(client.get("/metrics").text)
    return {(each.name, *sorted(each.labels.values())): each.value for family in families for each in family.samples}


def test_requests_and_changes_are_counted(serve, fitted, journal, buy):
    client = serve(fitted, journal=journal)
    before = metrics_of(client)
    for user in ("user 1", "user 2", "nobody"):
        client.post("/recommendations", json={"user": user})
    client.post("/recommendations", json={})
    buy(client, ("newcomer", "sku 1"), ("newcomer", "sku 2"))
    client.delete("/users/user 3")
    found = metrics_of(client)
    assert found["skgnnrec_requests_total", "/recommendations", "200", "POST"] == 3
    assert found["skgnnrec_requests_total", "/recommendations", "422", "POST"] == 1
    assert found["skgnnrec_request_seconds_count", "/recommendations", "POST"] == 4
    assert found["skgnnrec_changes_total", "learned"] == 2
    assert found["skgnnrec_changes_total", "forgotten"] == 1
    assert found["skgnnrec_sequence",] == 2
    assert found["skgnnrec_users",] == before["skgnnrec_users",]  # one more, one less
    assert found["skgnnrec_journal_bytes",] == journal.stat().st_size
    assert found["skgnnrec_ready",] == 1


def test_addresses_are_not_part_of_metrics(serve, fitted):
    client = serve(fitted)
    for number in range(50):
        client.get(f"/nowhere/{number}")
        client.delete(f"/users/nobody {number}")
        client.request(f"VERB{number}", "/health")
    routes = {key[1] for key in metrics_of(client) if key[0] == "skgnnrec_request_seconds_count"}
    assert len(routes) < 5
    assert len(metrics_of(client)) < 200
