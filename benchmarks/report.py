"""Write the stored results into docs/benchmarks.md and benchmarks/README.md, and draw the plots.

    python benchmarks/report.py

This script measures nothing. The pages show the results in the JSON files of this folder, and a test compares them.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from common import HERE, command_of, stored
from run import PARTS
from tasks import TITLES

# Published figures on the same splits, (recall, NDCG), and errors: van den Berg et al. (2017), table 3.
PUBLISHED = {
    "gowalla": {"LightGCN": (0.1830, 0.1554), "SimpleX": (0.1872, 0.1557), "BSPM-EM": (0.1920, 0.1597)},
    "beauty": {"ActionPiece": (0.0775, 0.0424), "SASRec+SS": (0.0921, 0.0531), "eSASRec": (0.0928, 0.0523)},
    "toys": {"GRAM": (0.0987, 0.0603)},
}
PUBLISHED_RATINGS = {"GC-MC": 0.910, "GC-MC with features": 0.905}
STUDIES = "studies"  # measured once, for a decision: their scripts are in the commit that their commands name
HIDDEN = {"code", "date", "threads", "parameters", "ndcg_of_days", "kinds of errors", "version"}
PLOTS = {"growth users": "growth", "updates seconds": "updates", "reranking online_retail": "reranking"}
PLOTS |= {"studies training": "training", "privacy generated": "privacy"}  # above a section
# Columns of peers.py in tables of their own: ratios of times, new users, and cold items.
MORE_OF_PEERS = (("against", "fit, times", "lists, times"), ("new",), ("cold",))
MORE = tuple(name for names in MORE_OF_PEERS for name in names)
FORMATS = {"fit_s": ".2f", "users_per_s": ","}
BESIDE = {
    "recall@20": "R@20", "ndcg@10": "N@10", "fit_s": "fit, s", "users_per_s": "users/s", "peak_mib": "peak, MiB",
    "lines": "lines",
}  # fmt: skip


def line_of(cells: list) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(cell, cells))} |"


def cell(value: Any) -> str:
    """Return a value as text: repeated measurements as median (minimum to maximum)."""
    if isinstance(value, dict):
        if {"median", "min", "max"} <= set(value):
            return f"{value['median']} ({value['min']} to {value['max']})"
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def named(name: str, row: dict) -> str:
    """Return the name of a row, in bold for skgnnrec."""
    return f"**{name}**" if row.get("package") == "skgnnrec" else name


def measured_on(section: dict) -> str:
    """Return the machine, the versions and the dates of a section."""
    versions = {name: each for name, each in section["machine"].items() if name not in ("date", "machine", "code")}
    versions |= {row["package"]: row["version"] for row in section["rows"] if {"package", "version"} <= set(row)}
    days = sorted({row.get("date", section["machine"]["date"]) for row in section["rows"]})
    when = days[0] if len(set(days)) == 1 else f"{days[0]} to {days[-1]}"
    said = ", ".join(f"{name} {each}" for name, each in versions.items())
    return f"Measured on {when}: {section['machine']['machine']}; {said}."


def table(rows: list[dict], columns: list[str]) -> list[str]:
    """Return the lines of a table, without rows that have none but the first column."""
    lines = ["", line_of(columns), "|---" * len(columns) + "|"]
    for row in rows:
        values = {**row, "recommender": named(row["recommender"], row)} if "recommender" in row else row
        if any(column in row for column in columns[1:]):
            lines.append(line_of([values.get(column) for column in columns]))
    return lines


def table_of(part: str, name: str, title: str, section: dict) -> list[str]:
    """Return the tables of a section, with its command, the machine and the date."""
    shown = [row for row in section["rows"] if "failed" not in row]
    columns = [name for name in dict.fromkeys(key for row in shown for key in row) if name not in HIDDEN]
    more = [name for name in columns if part == "peers" and name.startswith(MORE)]
    lines = ["", f"### {title}", *table(shown, [name for name in columns if name not in more])]
    for kind in MORE_OF_PEERS:
        chosen = [name for name in more if name.startswith(kind)]
        lines += table(shown, ["recommender", *chosen]) if chosen else []
    failed = [row for row in section["rows"] if "failed" in row]
    lines += [f"\n{row.get('recommender', row.get('service'))}: {row['failed']}." for row in failed]
    if part == "results" and name in PUBLISHED:
        found = (f"{each} {recall:.4f} / {ndcg:.4f}" for each, (recall, ndcg) in PUBLISHED[name].items())
        lines += ["", f"Published on this split: {'; '.join(found)}"]
    if name == "ml-100k, u1":
        found = (f"{each} {error:.3f}" for each, error in PUBLISHED_RATINGS.items())
        lines += ["", f"Published on this test part: {'; '.join(found)}"]
    return [*lines, "", f"`{section['command']}`. {measured_on(section)}"]


def sections() -> Iterator[tuple[str, str, str, dict]]:
    """Yield part, name, title and content of each stored section, in the order of the parts."""
    for part in [*PARTS, STUDIES]:
        content = stored(part)
        known = {} if part == STUDIES else import_module(f"parts.{part}").SECTIONS
        for name in [*(each for each in known if each in content), *(each for each in content if each not in known)]:
            if part != "settings" and content[name]["rows"]:
                title = known[name].title if name in known else content[name].get("title", name)
                yield part, name, title, {"command": command_of(part, name), **content[name]}


def details() -> str:
    """Return the page of all tables: first what was measured when."""
    found = list(sections())
    lines = ["## Summary", "", line_of(["command", "table", "rows", "measured"]), "|---" * 4 + "|"]
    for _, _, title, section in found:
        days = sorted({row.get("date", section["machine"]["date"]) for row in section["rows"]})
        lines.append(line_of([f"`{section['command']}`", title, len(section["rows"]), days[-1]]))
    lines += ["", "## Figures"]
    for part, name, title, section in found:
        plot = PLOTS.get(f"{part} {name}")
        lines += ["", f"![{plot}]({plot}.png)"] if plot else []
        lines += table_of(part, name, title, section)
    return "\n".join(lines)


def side_by_side() -> list[str]:
    """Return the plot, and the best three rows of skgnnrec and of the other packages."""
    content, last = stored("peers"), None
    lines = [
        "A comparison with other packages on the same data, with the same threads and metrics. The settings are the "
        "documented ones or the best of four candidates, without recency. Recommenders of skgnnrec are in bold.",
        "",
        "![accuracy against seconds, a point for each recommender](../benchmarks/accuracy_cost.png)",
        "",
        line_of(["data", "recommender", *BESIDE.values()]),
        "|---" * (2 + len(BESIDE)) + "|",
    ]
    for task in TITLES:
        measured = [row for row in content.get(task, {"rows": []})["rows"] if "ndcg@10" in row]
        ordered = sorted(measured, key=lambda row: -row["ndcg@10"])
        ours = [row for row in ordered if row["package"] == "skgnnrec"][:3]
        for row in ours + [row for row in ordered if row["package"] != "skgnnrec"][:3]:
            title = "" if task == last else TITLES[task]
            last = task
            figures = [f"{row[key]:{'.4f' if '@' in key else FORMATS.get(key, '')}}" for key in BESIDE]
            lines.append(line_of([title, named(row["recommender"], row), *figures]))
    return [*lines, "", measured_on(content[last])] if last else []


def summary() -> str:
    """Return the tables of docs/benchmarks.md."""
    lines = [*side_by_side(), "", "With recency weights, and settings from larger searches:", ""]
    columns = ["data", "recommender", "recall", "NDCG", "fit, s", "rank all users, s"]
    lines += [line_of(columns), "|---" * len(columns) + "|"]
    content = stored("results")
    for task in [task for task in TITLES if task in content]:
        rows = [row for row in content[task]["rows"] if "fit_s" in row]
        recall = next(name for name in rows[0] if name.startswith("recall@"))
        ndcg = recall.replace("recall", "ndcg")
        best = sorted(rows, key=lambda row: -row[ndcg])[:2] + [row for row in rows if row["model"] == "popularity"]
        shown = [(row["model"], row[recall], row[ndcg], row["fit_s"], row["rank_s"]) for row in best]
        shown += [(f"{name} (published)", *figures, "", "") for name, figures in PUBLISHED.get(task, {}).items()]
        title = f"{TITLES[task]}, @{recall.partition('@')[2]}"
        for name, found, quality, *seconds in shown:
            lines.append(line_of([title, name, f"{found:.4f}", f"{quality:.4f}", *seconds]))
            title = ""
    together = {**content[task], "rows": [row for each in content.values() for row in each["rows"]]}
    return "\n".join([*lines, "", measured_on(together), "", rating_summary()])


def rating_summary() -> str:
    """Return the sentence about ratings."""
    section = stored("ratings").get("ml-100k, u1")
    if section is None:
        return ""
    rows = {row["model"]: row["test"] for row in section["rows"]}
    published = ", ".join(f"{name} {error:.3f}" for name, error in PUBLISHED_RATINGS.items())
    return (
        f"Ratings of MovieLens 100K, u1.test, RMSE: `GNNRatingRegressor` {rows['GNN']:.3f}; biases alone "
        f"{rows['biases']:.3f}; published {published}. {measured_on(section)}"
    )


def filled(page: str, text: str) -> str:
    """Return a page with a text between its marks."""
    start, end = "<!-- figures:start -->", "<!-- figures:end -->"
    if start not in page or end not in page:
        raise ValueError(f"The page has no marks {start} ... {end}.")
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n{text}\n{end}", page, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """Return the pages as the stored results make them."""
    texts = {HERE.parent / "docs" / "benchmarks.md": summary(), HERE / "README.md": details()}
    return {path: filled(path.read_text(encoding="utf-8"), text) for path, text in texts.items()}


def main() -> None:
    """Write the pages and draw the plots."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    import_module("picture").main()


if __name__ == "__main__":
    main()
