"""Settings and fixtures for all tests."""

import importlib
import os

# Read when scipy is imported: without it, scikit-learn skips its array API checks.
os.environ["SCIPY_ARRAY_API"] = "1"
# Each process of pytest-xdist has a core. Threads of several processes on one core wait for each other, above all
# in the training of small networks. Read when torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test reaches for a model hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
from hypothesis import settings
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import (
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
)
from skgnnrec.datasets import make_interactions

settings.register_profile("skgnnrec", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("skgnnrec")

# Every test of the contract, the promises and the properties runs on each of these: a new recommender is one line.
RECOMMENDERS = [
    PopularityRecommender(),
    RidgeRecommender(),
    RidgeRecommender(order_weight=0.8, rank_decay=0.7),
    GraphFilterRecommender(),
    GNNRecommender(embedding_dim=16, max_iter=8, early_stopping=False, device="cpu"),
    GNNRecommender(embedding_dim=8, conv="attention", loss="bpr", max_iter=3, early_stopping=True, device="cpu"),
    SequenceRecommender(embedding_dim=8, max_iter=3, early_stopping=False, device="cpu"),
]
# Those that are linear in the history, and in which nothing is drawn by an item's or a user's position.
CLOSED_FORMS = [PopularityRecommender(), RidgeRecommender(), GraphFilterRecommender()]
# Those that give different users different items.
PERSONAL = [recommender for recommender in RECOMMENDERS if not isinstance(recommender, PopularityRecommender)]


def _name(recommender):
    attends, has_order = getattr(recommender, "conv", "") == "attention", getattr(recommender, "order_weight", 0) > 0
    return f"{type(recommender).__name__}{'-attention' if attends else '-order' if has_order else ''}"


@pytest.fixture(scope="session", autouse=True)
def folder_for_what_is_written(tmp_path_factory):
    """Run in a new folder: caches and files with relative paths are not written into the repository."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("written"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session", params=RECOMMENDERS, ids=_name)
def prototype(request):
    """Return each recommender, to be cloned, never fitted."""
    return request.param


@pytest.fixture(scope="session", params=PERSONAL, ids=_name)
def personal_prototype(request):
    """Return each recommender that reads histories, to be cloned, never fitted."""
    return request.param


@pytest.fixture(scope="session", params=CLOSED_FORMS, ids=_name)
def closed_form_prototype(request):
    """Return each recommender without training, to be cloned, never fitted."""
    return request.param


@pytest.fixture
def recommender(prototype):
    """Return each recommender, not fitted."""
    return clone(prototype)


@pytest.fixture
def personal(personal_prototype):
    """Return each recommender that reads histories, not fitted."""
    return clone(personal_prototype)


@pytest.fixture(scope="session")
def tastes():
    """Return interactions of 120 users with 40 items, in which four topics can be found."""
    return make_interactions(120, 40, n_interactions=0.12, n_topics=4, random_state=0)


@pytest.fixture(name="X")
def interactions(tastes):
    """Return the interactions as a fresh canonical CSR array."""
    return sparse.csr_array(tastes.interactions, dtype=np.float32)


@pytest.fixture(scope="session")
def titles(tastes):
    """Return the titles of the 40 items."""
    return tastes["items"]["text"]


@pytest.fixture(scope="session")
def names(titles):
    """Return an id, a string, for each of the 40 items; not in alphabetical order."""
    return np.array([f"sku-{(7 * j) % len(titles)}" for j in range(len(titles))], dtype=object)


@pytest.fixture(scope="session")
def catalog(titles, names):
    """Return the catalog of the 40 items."""
    return ItemCatalog(titles, ids=names)


@pytest.fixture(scope="session")
def encoder():
    """Return an item encoder for titles, to be cloned, never fitted."""
    return make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0))


@pytest.fixture(scope="session")
def furnish(catalog, encoder):
    """Return a function that gives a recommender the catalog and, where it reads item data, an encoder."""

    def furnish(recommender, catalog=catalog, item_encoder=encoder):
        if "recommenders" in recommender.get_params(deep=False):
            parts = [(name, furnish(part, catalog, item_encoder)) for name, part in recommender.recommenders]
            return clone(recommender).set_params(recommenders=parts)
        recommender = clone(recommender).set_params(catalog=catalog)
        if "item_encoder" in recommender.get_params(deep=False):
            recommender.set_params(item_encoder=clone(item_encoder) if item_encoder is not None else None)
        return recommender

    return furnish


@pytest.fixture
def reader(recommender, furnish):
    """Return each recommender with the catalog of the 40 items, not fitted."""
    return furnish(recommender)


@pytest.fixture
def count_calls(monkeypatch):
    """Return a function that records the calls of functions, given by import path, in a list of their names."""

    def count(*paths):
        calls = []

        def watch(path):
            module, _, name = path.rpartition(".")
            original = getattr(importlib.import_module(module), name)
            monkeypatch.setattr(path, lambda *args, **kwargs: calls.append(name) or original(*args, **kwargs))

        for path in paths:
            watch(path)
        return calls

    return count
