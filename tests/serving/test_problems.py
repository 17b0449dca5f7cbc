"""Errors: problem details, and never what the service is made of."""

import json

import pytest


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert {"type", "title", "status", "detail"} <= content.keys()
    assert content["status"] == status
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return content


WRONG = [
    {},
    [],
    None,
    "text",
    {"user": "user 1", "history": ["sku 1"]},
    {"history": "sku 1"},
    {"history": [True]},
    {"history": [1.5]},
    {"history": [None]},
    {"history": [["sku 1"]]},
    {"history": [2**64]},
    {"history": ["x" * 501]},
    {"history": ["sku 1"], "weights": [1, 2]},
    {"history": ["sku 1"], "weights": [0]},
    {"history": ["sku 1"], "weights": ["1e999"]},
    {"user": "user 1", "weights": [1]},
    {"user": "user 1", "n": 0},
    {"user": "user 1", "n": "5"},
    {"user": "user 1", "n": 1e99},
    {"user": "user 1", "exclude_seen": "no"},
    {"user": "user 1", "candidates": []},
    {"user": "user 1", "colour": "red"},
]


@pytest.mark.parametrize("body", WRONG, ids=repr)
def test_wrong_bodies_are_described(serve, fitted, body):
    content = problem_of(serve(fitted).post("/recommendations", json=body), 422)
    assert all({"pointer", "in", "detail"} <= each.keys() for each in content["errors"])


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"history": [NaN]}', b'{"history": ["\\ud800"]}', b'{"history":' + b"[" * 5000]
)
def test_bodies_that_are_no_json_are_refused(serve, fitted, body):
    answer = serve(fitted).post("/recommendations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    problem_of(answer, answer.status_code)


def test_pointers_name_the_member(serve, fitted):
    answer = serve(fitted).post("/recommendations", json={"history": ["sku 1", "sku 2", None]})
    assert {each["pointer"].split("/")[1:3][-1] for each in problem_of(answer, 422)["errors"]} == {"2"}


@pytest.mark.parametrize(("path", "wrong"), [("/items", "q"), ("/items/similar", "k")])
def test_unknown_parameters_of_the_url_are_refused(serve, fitted, path, wrong):
    content = problem_of(serve(fitted).get(path, params={"item": "sku 1", "search": "sku"} | {wrong: "5"}), 422)
    assert f"#/{wrong}" in {each["pointer"] for each in content["errors"]}


def test_other_errors_are_problems(serve, fitted):
    client = serve(fitted)
    problem_of(client.get("/nowhere"), 404)
    problem_of(client.put("/recommendations"), 405)
    problem_of(client.get("/items", params={"n": "many"}), 422)
    # A page of another host can send text without asking the browser's user.
    text = {"Content-Type": "text/plain"}
    problem_of(client.post("/interactions", content=json.dumps({"interactions": []}), headers=text), 422)


def test_failures_inside_are_not_shown(serve, fitted, monkeypatch):
    client = serve(fitted)
    monkeypatch.setattr("skgnnrec.serving._lists._scored", lambda *given: 1 / 0)
    content = problem_of(client.post("/recommendations", json={"user": "user 1"}), 500)
    assert content["detail"] == "The service failed to answer; its log has the reason."
