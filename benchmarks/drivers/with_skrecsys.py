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
            begin = time.perf_counter()
            epoch_s = self._seconds(cls, pairs, parameters, 1)
            if epoch_s < seconds / 10:  # a good part of it is no epoch
                epoch_s = max(1e-3, (self._seconds(cls, pairs, parameters, 3) - epoch_s) / 2)
            self.not_counted = time.perf_counter() - begin
            parameters["max_iter"] = int(np.clip(seconds / epoch_s, 1, parameters.get("max_iter", 100)))
        self.model = cls(**parameters).fit(pairs)  # *
        if seconds is not None:
            self.about = {"epochs": int(self.model.n_iter_)}

    def _seconds(self, cls: Any, pairs: np.ndarray, parameters: dict[str, Any], epochs: int) -> float:
        before = time.perf_counter()
        cls(**parameters | {"max_iter": epochs}).fit(pairs)
        return time.perf_counter() - before

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        items, _ = self.model.recommend(users, n_recommendations=n)  # *
        return items


answer(Skrecsys())
