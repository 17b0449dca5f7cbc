"""The result of a benchmark: a table, a figure, and a file."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skgnnrec._html import cell, interval, shorten, table

FORMAT = 1
KEYS = ("date", "versions", "machine", "options", "data", "recommenders", "splits", "results")
# The colours of Okabe and Ito, which colour-blind readers can distinguish.
BEST, OTHER = "#0072B2", "#999999"
PANEL = (4.4, 0.38)  # inches: the width of a panel, the height of a recommender
MOST_COLUMNS = 3


class BenchmarkResult:
    """The result of `benchmark`: accuracy with intervals, and cost, as a table, a figure and a file.

    Parameters
    ----------
    content : dict
        The content of the file, see `to_json`.

    Attributes
    ----------
    content : dict
        The options, versions, data sets, recommenders, splits and results.

    See Also
    --------
    benchmark : Measure recommenders.
    rerun_benchmark : Measure a stored benchmark again.

    Examples
    --------
    >>> from skgnnrec import PopularityRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.model_selection import benchmark
    >>> X = make_interactions(100, 30, random_state=0).interactions
    >>> benchmark({"popularity": PopularityRecommender()}, {"made": X}, protocols=["random"], n_repeats=1)
    BenchmarkResult(data=['made'], protocols=['random'], recommenders=['popularity'])
    """

    def __init__(self, content: dict[str, Any]) -> None:
        if not isinstance(content, dict):
            raise TypeError(f"content must be a dict; got a {type(content).__name__}.")
        missing = [key for key in KEYS if key not in content]
        if missing:
            raise ValueError(f"content must have the keys {list(KEYS)}; got {list(content)}.")
        self.content = {"format": FORMAT, **content}

    @classmethod
    def from_json(cls, path: Any) -> "BenchmarkResult":
        """Return a stored result.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        result : BenchmarkResult
            The result.

        Raises
        ------
        ValueError
            If the file has other content or is of a later format.
        """
        file = _as_path(path)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"path must be a file that to_json wrote; got {str(path)!r}: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"path must be a file of format {FORMAT} that to_json wrote; got {str(path)!r}.")
        return cls(content)

    def to_json(self, path: Any) -> None:
        """Write the result with all that is necessary to measure it again, except recommenders and data.

        The file contains the options with the seed, versions, sizes and hashes of the data sets, parameters of the
        recommenders, leaks of the splits, selected settings, and results.

        Parameters
        ----------
        path : str or path-like
            The file.
        """
        _as_path(path).write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each data set, protocol and recommender.

        Returns
        -------
        table : DataFrame
            The columns are `data`, `protocol` and `recommender`; for each metric, such as "ndcg@10", its mean over
            users, the ends of its confidence interval ("ndcg@10 low", "ndcg@10 high"), the p-value of a difference from
            the best recommender of the split ("ndcg@10 p", without correction for the number of pairs) and the standard
            deviation over repeats ("ndcg@10 seed_std"); `fit_s`, `recommend_s`, `peak_mib` and `model_mib` as in
            `compare_recommenders`; `n_users`, the number of users with held-out interactions; and `early`, the share of
            held-out interactions that are earlier than an interaction of the fit (nan without times).
        """
        splits = {(split["data"], split["protocol"]): split for split in self.content["splits"]}
        rows = []
        for result in self.content["results"]:
            row: dict[str, Any] = {key: result[key] for key in ("data", "protocol", "recommender")}
            for metric, found in result["metrics"].items():
                row |= {metric: found["mean"], f"{metric} low": found["low"], f"{metric} high": found["high"]}
                row |= {f"{metric} p": found["p_vs_best"], f"{metric} seed_std": found["seed_std"]}
            split = splits[row["data"], row["protocol"]]
            early = None if split["n_early"] is None else split["n_early"] / max(1, split["n_held_out"])
            rows.append({**row, **result["cost"], "n_users": split["n_users"], "early": early})
        names = ["data", "protocol", "recommender"]
        frame = pd.DataFrame(rows)
        return frame.astype({name: float for name in frame.columns if name not in [*names, "n_users"]})

    def plot(self, metric: str | None = None) -> Any:
        """Draw a metric with its intervals and the seconds of the fits, one panel for each data set and protocol.

        Parameters
        ----------
        metric : str, default=None
            The name of the metric. If None, the first.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the metric was not measured.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "BenchmarkResult.plot needs matplotlib, which the extra `plot` installs: pip install 'skgnnrec[plot]'"
            ) from error
        known = list(self.content["results"][0]["metrics"])
        if metric is not None and not (isinstance(metric, str) and metric in known):
            raise ValueError(f"metric must be one of {known}; got {metric!r}.")
        metric = known[0] if metric is None else metric
        parts = list(self.to_frame().groupby(["data", "protocol"], sort=False))
        n_columns = min(MOST_COLUMNS, len(parts))
        n_rows = -(-len(parts) // n_columns)
        height = max(len(rows) for _, rows in parts) * PANEL[1] + 1.1
        size = (PANEL[0] * n_columns, height * n_rows)
        figure, grid = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False, layout="constrained")
        for ax in grid.ravel()[len(parts) :]:
            ax.remove()
        for ax, ((data, protocol), rows) in zip(grid.ravel(), parts, strict=False):
            _draw(ax, rows.sort_values(metric, kind="stable"), metric)
            ax.set_title(f"{data}, {protocol}", fontsize=10)
        return figure

    def _repr_html_(self) -> str:
        """Return the tables of all data sets and protocols for a notebook; the best recommender is bold."""
        metrics = list(self.content["results"][0]["metrics"])
        head = [cell("recommender", "th")]
        for name in metrics:
            head += [cell(shorten(name), "th"), cell("", "th")]
        head += [cell(name, "th", align="right") for name in ("fit", "recommend")]
        parts = []
        for (data, protocol), rows in self.to_frame().groupby(["data", "protocol"], sort=False):
            limits = {name: (rows[f"{name} low"].min(), rows[f"{name} high"].max()) for name in metrics}
            lines = []
            for place, row in enumerate(rows.to_dict("records")):
                line = [cell(shorten(row["recommender"]), bold=place == 0)]
                for name in metrics:
                    ends = (row[name], row[f"{name} low"], row[f"{name} high"])
                    line.append(cell("{:.4f} [{:.4f}, {:.4f}]".format(*ends), bold=place == 0))
                    line.append(cell(interval(*ends, limits[name], OTHER if place else BEST)))
                line += [cell(f"{row[name]:.3g} s", align="right") for name in ("fit_s", "recommend_s")]
                lines.append(line)
            title = f"{shorten(data)}, {shorten(protocol)}, {rows['n_users'].iloc[0]} users"
            parts.append(table(title, head, lines))
        return "".join(parts)

    def __repr__(self) -> str:
        names = {
            key: list(dict.fromkeys(row[key] for row in self.content["results"]))
            for key in ("data", "protocol", "recommender")
        }
        return (
            f"BenchmarkResult(data={names['data']}, protocols={names['protocol']}, recommenders={names['recommender']})"
        )


def _as_path(path: Any) -> Path:
    if not isinstance(path, str | PathLike):
        raise TypeError(f"path must be a str or path-like; got a {type(path).__name__}.")
    return Path(path)


def rounded(value: Any, digits: int = 6) -> float | None:
    """Return a number as a file holds it; None for nan."""
    return None if np.isnan(value) else round(float(value), digits)


def _draw(ax: Any, table: pd.DataFrame, metric: str) -> None:
    """Draw the rows of a table from bottom to top, the best one last."""
    right = table[f"{metric} high"].max()
    for place, row in enumerate(table.to_dict("records")):
        color = BEST if place == len(table) - 1 else OTHER
        ends = [[row[metric] - row[f"{metric} low"]], [row[f"{metric} high"] - row[metric]]]
        ax.errorbar(row[metric], place, xerr=np.maximum(ends, 0), fmt="o", color=color, capsize=3)
        ax.annotate(f"{row['fit_s']:.3g} s", (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    ax.annotate("fit", (1.02, len(table) - 0.45), xycoords=("axes fraction", "data"), fontsize=8)
    ax.set_yticks(range(len(table)), labels=table["recommender"])
    ax.set(xlabel=metric, xlim=(0, 1.05 * right if right > 0 else 1), ylim=(-0.6, len(table) - 0.4))
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
