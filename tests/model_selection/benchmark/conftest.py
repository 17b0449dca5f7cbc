"""A log with times, its items, and a small benchmark of it."""

import gc

import pytest

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.model_selection import BenchmarkData, benchmark

COLUMNS = {"user": "user_id", "item": "item_id", "timestamp": "timestamp"}


@pytest.fixture(scope="session")
def made():
    return make_interactions(120, 40, n_interactions=1500, random_state=0)


@pytest.fixture(scope="session")
def items(made):
    return ItemCatalog(made.item_frame["text"], ids=made.item_ids)


@pytest.fixture(scope="session")
def data(made):
    return BenchmarkData(made.events, **COLUMNS)


@pytest.fixture(scope="session")
def models():
    return {"ridge": RidgeRecommender(), "popularity": PopularityRecommender()}


@pytest.fixture(scope="session")
def result(models, data):
    gc.freeze()
    yield benchmark(models, {"made": data}, n_repeats=2, n_resamples=50)
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_collect():
    """Exclude what is imported from garbage collection, which a benchmark runs before each fit."""
    gc.freeze()
    yield
    gc.unfreeze()
