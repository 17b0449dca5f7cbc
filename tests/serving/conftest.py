"""A shop whose recommender is served, and its clients."""

import socket
import threading
import time
from contextlib import ExitStack

import pandas as pd
import pytest

from skgnnrec import ItemCatalog, LogRecommender, RidgeRecommender, save
from skgnnrec.datasets import make_interactions

REASON = "the extra serve is not installed"


@pytest.fixture(scope="session")
def log():
    """Return a log of 60 users and 30 items with string ids."""
    data = make_interactions(60, 30, n_interactions=400, random_state=0)
    return pd.DataFrame(
        {
            "user": [f"user {user}" for user in data.events["user_id"]],
            "item": [f"sku {item}" for item in data.events["item_id"]],
        }
    )


@pytest.fixture(scope="session")
def catalog():
    """Return the catalog of the 30 items: colours and things."""
    colours, things = ["red", "blue", "green"], ["mug", "pot", "tray", "cup", "bowl"]
    titles = [f"{colour} {thing} {size}" for colour in colours for thing in things for size in ("small", "large")]
    return ItemCatalog(pd.DataFrame({"sku": [f"sku {item}" for item in range(30)], "title": titles}), ids="sku")


@pytest.fixture(scope="session")
def fitted(log, catalog):
    """Return a recommender of the log; no test may change it."""
    return LogRecommender(RidgeRecommender(catalog=catalog, content_weight=0), user="user", item="item").fit(log)


@pytest.fixture
def path(fitted, tmp_path):
    """Return the path of the saved recommender."""
    save(fitted, tmp_path / "shop.skgnnrec")
    return tmp_path / "shop.skgnnrec"


@pytest.fixture
def journal(tmp_path):
    """Return the path of a journal that does not exist yet."""
    return tmp_path / "shop.journal"


@pytest.fixture
def serve():
    """Return a function that starts a service inside the process and returns a client."""
    testclient = pytest.importorskip("fastapi.testclient", reason=REASON)
    pytest.importorskip("prometheus_client", reason=REASON)
    from skgnnrec.serving import create_app

    with ExitStack() as stack:

        def serve(recommender, **options):
            app = create_app(recommender, **options)
            return stack.enter_context(testclient.TestClient(app, raise_server_exceptions=False))

        yield serve


@pytest.fixture
def buy():
    """Return a function that sends interactions, pairs of a user and an item, and returns the answer."""

    def buy(client, *pairs, **members):
        interactions = [{"user": user, "item": item, **members} for user, item in pairs]
        return client.post("/interactions", json={"interactions": interactions})

    return buy


@pytest.fixture
def address(fitted):
    """Return the address of a service that listens at a free port, and has the token "secret"."""
    uvicorn = pytest.importorskip("uvicorn", reason=REASON)
    from skgnnrec.serving import create_app

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(fitted, token="secret"), log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()
