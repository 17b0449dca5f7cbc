"""The application: what it takes, who may use it, how it is described."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skgnnrec import PopularityRecommender, RidgeRecommender, save
from skgnnrec.serving import Limits, create_app

OPEN = {"/health", "/ready", "/metrics"}


def test_a_token_is_required_where_there_is_one(serve, fitted):
    client = serve(fitted, token="sécret")
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            answer = client.request(method, path, headers={"Authorization": "Bearer wrong"})
            assert (answer.status_code == 401) == (path not in OPEN), path
    assert client.get("/items").headers["www-authenticate"] == "Bearer"
    assert client.get("/items", headers={"Authorization": b"Bearer s\xe9cret"}).status_code in (200, 401)


def test_the_right_token_is_accepted(serve, fitted):
    client = serve(fitted, token="secret")
    for value, status in {"Bearer secret": 200, "bearer secret": 200, "Basic secret": 401, "Bearer secre": 401}.items():
        assert client.get("/items", headers={"Authorization": value}).status_code == status


def test_the_description_has_every_route_and_its_errors(serve, path):
    content = serve(path).get("/openapi.json").json()
    lists = {"/recommendations", "/recommendations/batch", "/items", "/items/similar"}
    assert content["paths"].keys() == lists | {"/interactions", "/users/{user}", "/reload"} | OPEN
    responses = content["paths"]["/recommendations"]["post"]["responses"]
    assert responses.keys() == {"200", "4XX", "5XX"}
    assert responses["4XX"]["content"].keys() == {"application/problem+json"}


def test_pages_that_need_another_host_are_absent(serve, fitted):
    client = serve(fitted)
    assert [client.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"recommender": 5}, TypeError, "recommender must be a fitted recommender or the path of a file .* got int"),
        (
            {"recommender": PopularityRecommender()},
            NotFittedError,
            "recommender must be fitted, got a PopularityRecommender that is not",
        ),
        ({"recommender": "absent.skgnnrec"}, OSError, r"absent\.skgnnrec"),
        ({"token": ""}, ValueError, "token must not be empty"),
        ({"token": 5}, ValueError, "The 'token' parameter of create_app must be"),
        ({"journal": 5}, ValueError, "The 'journal' parameter of create_app must be"),
        ({"limits": {}}, ValueError, "The 'limits' parameter of create_app must be an instance of .*Limits"),
    ],
)
def test_wrong_arguments_are_refused(options, error, message):
    given = {"recommender": PopularityRecommender().fit(np.eye(3)), "limits": Limits(), **options}
    with pytest.raises(error, match=message):
        create_app(given.pop("recommender"), **given)


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from skgnnrec.serving import create_app
assert "fastapi" not in sys.modules
app = create_app(sys.argv[1])
from fastapi.testclient import TestClient
with TestClient(app) as client:
    assert client.post("/interactions", json={{"interactions": [{{"items": [0, 2]}}]}}).status_code == 200
    print(client.post("/recommendations", json={{"history": [0, 1], "n": 2}}).json()["items"])
"""


def run_without(packages, path):
    command = [sys.executable, "-c", WITHOUT.format(absent=packages), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def ridge(tmp_path):
    save(RidgeRecommender().fit(np.tri(5)), tmp_path / "ridge")
    return tmp_path / "ridge"


def test_a_closed_form_is_served_without_torch(ridge):
    run = run_without(("torch", "transformers", "tokenizers", "safetensors", "dgl"), ridge)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.startswith("[{'item': 2, ")


def test_the_extra_is_named_where_it_is_absent(ridge):
    run = run_without(("fastapi",), ridge)
    assert 'The service needs the extra "serve": pip install "skgnnrec[serve]".' in run.stderr
