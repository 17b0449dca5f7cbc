"""Drive implicit: alternating least squares, BPR, and neighbours of items."""

from importlib import import_module
from typing import Any

import numpy as np
from answers import Data, Driver, answer, rows_of
from scipy import sparse
from threadpoolctl import threadpool_limits


class Implicit(Driver):
    """A model of implicit. BLAS has one thread, as its documentation recommends; the model has all threads."""

    package = "implicit"

    def fit(self, data: Data, model: str, **parameters: Any) -> None:
        module, _, name = model.rpartition(".")
        cls = getattr(import_module(module), name)  # *
        with threadpool_limits(1, "blas"):  # *
            self.model = cls(num_threads=data.n_threads, **parameters)  # *
            self.model.fit(data.X, show_progress=False)  # *
        self.X = data.X
        # The neighbour models score new rows directly, ALS solves for their factors, and BPR does not support them.
        self.row = {"recalculate_user": True} if name == "AlternatingLeastSquares" else {}
        if name == "BayesianPersonalizedRanking":
            self.lists_of_rows = None
        # Lists of the neighbour models end with items of the history, with a score of 0.
        self.lowest = 0.0 if "nearest_neighbours" in module else np.finfo(np.float32).min / 2

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        with threadpool_limits(1, "blas"):
            items, scores = self.model.recommend(users, rows_of(self.X, users), N=n)  # *
        return np.where(scores > self.lowest, items, -1)

    def similar(self, items: np.ndarray, n: int) -> np.ndarray:
        with threadpool_limits(1, "blas"):
            return self.model.similar_items(items, N=n + 1)[0]  # the item itself is in its list

    def lists_of_rows(self, rows: sparse.csr_matrix, n: int) -> np.ndarray:
        with threadpool_limits(1, "blas"):
            items, scores = self.model.recommend(np.arange(rows.shape[0]), rows, N=n, **self.row)
        return np.where(scores > self.lowest, items, -1)


answer(Implicit())
