"""The table of an explanation, which notebooks show with bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from skgnnrec._html import bar, cell, shorten, table
from skgnnrec.inspection._axes import COLOURS, GREY

__all__ = ["Contributions"]

KINDS = {"interactions": COLOURS[0], "content": COLOURS[1], "query": COLOURS[2], "counterfactual": COLOURS[3]}
MOST_TABLES, MOST_ROWS = 5, 6


class Contributions(pd.DataFrame):
    """A DataFrame of `explain`. What is computed from it is a DataFrame of pandas."""

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        groups = list(self.groupby(["user", "item"], sort=False))
        shown = "".join(_explained(user, item, rows) for (user, item), rows in groups[:MOST_TABLES])
        n_others = len(groups) - MOST_TABLES
        return shown + (f"<div>… and {n_others} more recommendations</div>" if n_others > 0 else "")


def _explained(user: Any, item: Any, rows: pd.DataFrame) -> str:
    """Return the table of one recommended item."""
    order = rows["contribution"].abs().sort_values(ascending=False, kind="stable").index
    largest = float(rows["contribution"].abs().max())
    drawn = [
        _contribution("" if source is None else source, kind, float(value), largest)
        for source, kind, value in rows.loc[order[:MOST_ROWS], ["source", "kind", "contribution"]].to_numpy(object)
    ]
    if len(order) > MOST_ROWS:
        rest = float(rows.loc[order[MOST_ROWS:], "contribution"].sum())
        drawn.append(_contribution(f"{len(order) - MOST_ROWS} others", "", rest, largest))
    title = f"Item {shorten(item)} for user {shorten(user)}"
    if "counterfactual" not in set(rows["kind"]):  # differences are no terms of a sum
        title += f": score {rows['contribution'].sum():.4g}"
    head = [cell("source", "th"), cell("kind", "th"), cell("", "th"), cell("contribution", "th", align="right")]
    return table(title, head, drawn)


def _contribution(source: Any, kind: str, value: float, largest: float) -> list[str]:
    drawn = bar(value, largest, KINDS.get(kind, GREY))
    return [cell(shorten(source)), cell(shorten(kind)), cell(drawn), cell(f"{value:+.4g}", align="right")]
