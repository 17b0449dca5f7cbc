"""Recommenders with vectors and categories of the items, and their re-rankers."""

import numpy as np
import pandas as pd
import pytest

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.reranking import (
    CalibratedRecommender,
    DiverseRecommender,
    ExploringRecommender,
    FairRecommender,
    LongTailRecommender,
    RulesRecommender,
)

KINDS = ["mug", "pot", "tray"]


@pytest.fixture(scope="session")
def kinds():
    """Return the kind of each of the 40 items; some have none."""
    kinds = np.array(KINDS, dtype=object)[np.random.default_rng(1).choice(3, 40, p=[0.6, 0.3, 0.1])]
    kinds[[5, 17]] = None
    return kinds


@pytest.fixture(scope="session")
def table(kinds, names):
    """Return the data of the 40 items."""
    return pd.DataFrame({"sku": names, "kind": kinds, "in_stock": np.arange(40) % 4 > 0})


@pytest.fixture(scope="session")
def ridge(table):
    """Return a ridge with a catalog of ids and kinds, to be cloned, never fitted."""
    return RidgeRecommender(catalog=ItemCatalog(table, ids="sku"), content_weight=0)


@pytest.fixture(scope="session")
def with_vectors():
    """Return a filter with vectors of the items, to be cloned, never fitted."""
    vectors = np.random.default_rng(2).standard_normal((40, 6))
    return GraphFilterRecommender(n_components=8, catalog=ItemCatalog(vectors))


WAYS = {
    "mmr": lambda ridge, strength: DiverseRecommender(ridge, diversity=strength),
    "dpp": lambda ridge, strength: DiverseRecommender(ridge, diversity=strength, method="dpp"),
    "calibrated": lambda ridge, strength: CalibratedRecommender(ridge, "kind", calibration=strength),
    "long tail": lambda ridge, strength: LongTailRecommender(ridge, novelty=strength),
    "rules": lambda ridge, strength: RulesRecommender(
        ridge, category="kind", max_per_category=max(1, round(10 * (1 - strength))) if strength else None
    ),
    "exploring": lambda ridge, strength: ExploringRecommender(ridge, exploration=strength, random_state=0),
    "fair": lambda ridge, strength: FairRecommender(ridge, "kind", {"tray": strength}),
}


@pytest.fixture(params=WAYS)
def rerank(request):
    """Return a function that makes each re-ranker of a recommender, with a strength from 0 to 1."""
    return WAYS[request.param]
