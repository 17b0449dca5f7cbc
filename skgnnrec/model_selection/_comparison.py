"""The table of a comparison, which notebooks show with its intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from skgnnrec._html import GREY, cell, interval, shorten, table

__all__ = ["Comparison"]

BEST, OTHER = "#0072B2", GREY
COSTS = {"fit_s": "fit", "recommend_s": "recommend", "peak_mib": "peak", "model_mib": "model"}
NOT_METRICS = ("p_value", "cost")


class Comparison(pd.DataFrame):
    """A DataFrame of `compare_recommenders`. What is computed from it is a DataFrame of pandas."""

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        metrics = [name for name in dict.fromkeys(self.columns.get_level_values(0)) if name not in NOT_METRICS]
        head = [cell("recommender", "th")]
        for metric in metrics:
            head += [cell(shorten(metric), "th"), cell("", "th"), cell("p", "th", align="right")]
        head += [cell(name, "th", align="right") for name in COSTS.values()]
        limits = {metric: (float(self[metric]["low"].min()), float(self[metric]["high"].max())) for metric in metrics}
        best = {metric: self[metric]["mean"].idxmax() for metric in metrics}
        rows = []
        for name in self.index:
            row = [cell(shorten(name), bold=name == best[metrics[0]])]
            for metric in metrics:
                row += _measured(self.loc[name, metric], limits[metric], name == best[metric])
            row += [cell(_with_unit(self.loc[name, ("cost", cost)], cost), align="right") for cost in COSTS]
            rows.append(row)
        note = "Mean and confidence interval of each metric; p of the test that the recommender equals the best one."
        return table(f"Comparison of {len(self)} recommenders", head, rows, note)


def _measured(values: pd.Series, limits: tuple[float, float], is_best: bool) -> list[str]:
    mean, low, high, p_value = (float(values[name]) for name in ("mean", "low", "high", "p_vs_best"))
    numbers = f"{mean:.4f} [{low:.4f}, {high:.4f}]"
    drawn = interval(mean, low, high, limits, BEST if is_best else OTHER)
    p_text = "" if math.isnan(p_value) else f"{p_value:.3f}"
    return [cell(numbers, bold=is_best), cell(drawn), cell(p_text, align="right")]


def _with_unit(value: Any, cost: str) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3g} s" if cost.endswith("_s") else f"{value:.1f} MiB"
