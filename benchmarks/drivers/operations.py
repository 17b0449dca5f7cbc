"""The operations that guard.py compares, of the package that is first in the path of modules."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from answers import serve

from skgnnrec import GNNRecommender, GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import paired_bootstrap, split_interactions


def operations() -> dict[str, Callable[[], Any]]:
    """Return the operations by name."""
    data = make_interactions(3000, 1200, n_interactions=60_000, random_state=0)
    X, rng = data.interactions, np.random.default_rng(0)
    catalog = ItemCatalog(rng.standard_normal((1200, 64)).astype(np.float32))
    past, future = split_interactions(X, random_state=0)
    models = {
        "filter": GraphFilterRecommender(catalog=catalog),
        "ridge": RidgeRecommender(catalog=catalog),
        "gnn": GNNRecommender(embedding_dim=32, max_iter=1, early_stopping=False, device="cpu"),
    }
    watched: dict[str, Callable[[], Any]] = {}
    single = [X[[user]] for user in range(50)]
    for name, model in models.items():
        watched[f"fit {name}"] = partial(model.fit, X)
        recommend = model.fit(X).recommend
        watched[f"recommend {name}, all users"] = partial(recommend, X)
        watched[f"recommend {name}, 50 users one by one"] = lambda recommend=recommend: [recommend(x) for x in single]
    of_log = LogRecommender(RidgeRecommender(), user="user_id", item="item_id")
    return watched | {
        "score ridge": partial(models["ridge"].score, past, future),
        "fit log of ridge": partial(of_log.fit, data.events),
        "ranking_metrics": partial(ranking_metrics, X, models["ridge"].recommend(X, 20)[0]),
        "split_interactions": partial(split_interactions, X, random_state=0),
        "paired_bootstrap": partial(paired_bootstrap, {name: rng.random(3000) for name in "ab"}),
    }


class Operations:
    """The commands, by name."""

    def __init__(self) -> None:
        self.by_name = operations()

    def names(self) -> list[str]:
        return list(self.by_name)

    def seconds(self, name: str) -> float:
        before = time.perf_counter()
        self.by_name[name]()
        return time.perf_counter() - before


if __name__ == "__main__":
    serve(Operations())
