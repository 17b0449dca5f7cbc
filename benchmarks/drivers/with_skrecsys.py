"""Drive skrecsys: EASE, neighbours of items, least squares, XSimGCL."""

import time
from importlib import import_module
from typing import Any

import numpy as np
from answers import Data, Driver, answer


class Skrecsys(Driver):
    """A model of skrecsys. Users and items are ids; all items must be in the fit."""

    package = "skrecsys"

    def fit(self, data: Data, model: str, seconds: float | None = None, **parameters: Any) -> None:
        module, _, name = model.rpartition(".")
        cls = getattr(import_module(module), name)  # *
        pairs = np.column_stack(data.X.nonzero())  # *
        if seconds is None:
            self.model = cls(**parameters).fit(pairs)  # *
            return
        # The first epoch is timed to compute how many epochs the time limit allows.
        epoch_s = self._train(cls, pairs, parameters, 1)
        if epoch_s < seconds / 2:
            timing_s = epoch_s
            if epoch_s < seconds / 10:  # a large part of a fit is set-up
                three_s = self._train(cls, pairs, parameters, 3)
                epoch_s, timing_s = max(1e-3, (three_s - epoch_s) / 2), epoch_s + three_s
            self.not_counted = timing_s
            self._train(cls, pairs, parameters, int(min(seconds / epoch_s, parameters.get("max_iter", 100))))
        self.about = {"epochs": int(self.model.n_iter_)}

    def _train(self, cls: Any, pairs: np.ndarray, parameters: dict[str, Any], epochs: int) -> float:
        """Fit for a number of epochs and return the seconds."""
        before = time.perf_counter()
        self.model = cls(**parameters | {"max_iter": epochs}).fit(pairs)
        return time.perf_counter() - before

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        items, _ = self.model.recommend(users, n_recommendations=n)  # *
        return items


answer(Skrecsys())
