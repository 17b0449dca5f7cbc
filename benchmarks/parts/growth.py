"""How time and memory grow with the number of users, items and interactions, from 1x to 16x.

With more users, each user has as many interactions as before. With more items or more interactions, the number of users
is fixed. Each size is measured in a process of its own. The exponent is the slope of the logarithm of the cost over the
logarithm of the size. The memory is that of the fit and the ranking without the data.
"""

import numpy as np
from common import Row, Rows, forget_peak, in_process, peak_mib, sections, timed

from skgnnrec import GraphFilterRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions

SIZES = {"users": 10_000, "items": 2_500, "interactions": 25}  # interactions of a user
FACTORS = (1, 2, 4, 8, 16)
MODELS = {"filter": GraphFilterRecommender, "ridge": RidgeRecommender}
LARGEST = {("ridge", "items"): 8}  # 16x is 40,000 items: more than a fit of 12 n_items² bytes can hold
COSTS = ("fit_s", "recommend_s", "added_mib")


def rows_of(axis: str) -> Rows:
    """Yield the rows of all sizes, and a row of exponents for each model."""
    for name in MODELS:
        rows = []
        for factor in FACTORS:
            if factor <= LARGEST.get((name, axis), factor):
                rows.append({"model": name, "times": factor, **in_process("growth", name, axis, str(factor))})
                yield rows[-1]
        slopes = {cost: slope([row[axis] for row in rows], [row[cost] for row in rows]) for cost in COSTS}
        yield {"model": name, "times": "exponent", **slopes}


def slope(sizes: list[float], costs: list[float]) -> float:
    """Return the slope of log(cost) over log(size)."""
    return round(float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-2)), 1)[0]), 2)


def worker(name: str, axis: str, factor: str) -> Row:
    """Return the seconds and the memory of one size."""
    size = {**SIZES, axis: SIZES[axis] * int(factor)}
    n_interactions = size["users"] * size["interactions"]
    X = make_interactions(size["users"], size["items"], n_interactions=n_interactions, random_state=0).interactions
    base = forget_peak()
    fit_s, model = timed(lambda: MODELS[name]().fit(X))
    recommend_s, _ = timed(lambda: model.recommend(X))
    row = {"users": X.shape[0], "items": X.shape[1], "interactions": X.nnz, "fit_s": round(fit_s, 2)}
    return row | {"recommend_s": round(recommend_s, 2), "data_mib": base, "added_mib": peak_mib() - base}


SECTIONS = sections("Growth with the {}", rows_of, SIZES)
