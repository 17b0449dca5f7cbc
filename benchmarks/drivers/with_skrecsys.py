"""Drive skrecsys: EASE, neighbours of items, least squares, XSimGCL."""

import time
from importlib import import_module
from typing import Any

import numpy as np
from answers import Data, Driver, answer


class Skrecsys(Driver):
    """One of its models. Users and items go by ids; it knows items of the fit only."""

    package = "skrecsys"

    def fit(self, data: Data, model: str, seconds: float | None = None, **parameters: Any) -> None:
        module, _, name = model.rpartition(".")
        cls = getattr(import_module(module), name)  # *
        pairs = np.column_stack(data.X.nonzero())  # *
        if seconds is not None:  # as many epochs as there is time for
            before = time.perf_counter()
            cls(**parameters | {"max_iter": 1}).fit(pairs)
            self.not_counted = time.perf_counter() - before
            parameters["max_iter"] = int(np.clip(seconds / self.not_counted, 1, parameters.get("max_iter", 100)))
        self.model = cls(**parameters).fit(pairs)  # *
        if seconds is not None:
            self.about = {"epochs": int(self.model.n_iter_)}

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        items, _ = self.model.recommend(users, n_recommendations=n)  # *
        return items


answer(Skrecsys())
