"""Write the stored results into the pages of `pages`, and draw the plots.

    python benchmarks/report.py

This script measures nothing. The pages show the results in the JSON files of this folder, and a test compares them.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import scale
from common import EXPERIMENTS, HERE, TITLES, Row, command_of, stored
from run import PARTS, sections_of
from tables import days_of, measured_on, named, table

PUBLISHED: dict[str, dict[str, list[float]]] = EXPERIMENTS["published"]
STUDIES = "studies"  # measured once, for a decision: their scripts are in the commit that their commands name
HIDDEN = {"code", "date", "threads", "parameters", "ndcg_of_days", "kinds of errors", "version"}
# Columns of the comparison with other packages in tables of their own: ratios of times, new users, and cold items.
MORE = (("against", "fit, times", "lists, times"), ("new",), ("cold",))
BESIDE = {"recall@20": "R@20", "ndcg@10": "N@10", "fit_s": "fit, s", "users_per_s": "users/s", "peak_mib": "peak, MiB"}
DOCS = HERE.parent / "docs"


def sections() -> Iterator[tuple[str, str, str, dict]]:
    """Yield part, name, title and content of each stored section, in the order of the parts."""
    for part in [*PARTS, STUDIES]:
        content = stored(part)
        known = {} if part == STUDIES else sections_of(part)
        for name in sorted(content, key=[*known, *content].index):
            if part != "settings" and content[name]["rows"]:
                title = known[name].title if name in known else content[name].get("title", name)
                command = content[name].get("command", command_of(part, name))
                yield part, name, title, {"source": f"`{command}`", **content[name]}


def published(name: str, says: str = "Published on this split: ") -> list[str]:
    """Return the line of the published figures of a split, where there are any."""
    found = PUBLISHED.get(name, {})
    digits = 4 if all(len(figures) > 1 for figures in found.values()) else 3
    figures = (f"{who} {' / '.join(f'{each:.{digits}f}' for each in values)}" for who, values in found.items())
    return ["", says + "; ".join(figures)] if found else []


def tables_of(part: str, name: str, title: str, section: dict) -> list[str]:
    """Return the tables of a section, with its command, the machine and the date."""
    shown = [named(row) for row in section["rows"] if "failed" not in row]
    columns = [name for name in dict.fromkeys(key for row in shown for key in row) if name not in HIDDEN]
    groups = MORE if part == "peers" else ()
    more = [[column for column in columns if column.startswith(kind)] for kind in groups]
    lines = ["", f"### {title}", *table(shown, [name for name in columns if not any(name in each for each in more)])]
    for chosen in filter(None, more):
        lines += table(shown, ["recommender", *chosen])
    failed = [row for row in section["rows"] if "failed" in row]
    lines += [f"\n{row.get('recommender', row.get('service'))}: {row['failed']}." for row in failed]
    lines += published(name) if part in ("results", "ratings") else []
    return [*lines, "", f"{section['source']}. {measured_on(section)}"]


def details() -> str:
    """Return the page of all tables: first what was measured when."""
    found = list(sections())
    summary = [
        {"command": each["source"], "table": title, "rows": len(each["rows"]), "measured": days_of(each)[-1]}
        for _, _, title, each in found
    ]
    lines = ["## Summary", *table(summary), "", "## Figures"]
    for part, name, title, section in found:
        plot = EXPERIMENTS["plots"].get(f"{part} {name}")
        lines += ["", f"![{plot}]({plot}.png)"] if plot else []
        lines += tables_of(part, name, title, section)
    return "\n".join(lines)


def side_by_side() -> list[str]:
    """Return the plot, and the best three rows of skgnnrec and of the other packages."""
    content, rows = stored("peers"), []
    for task, title in TITLES.items():
        measured = [row for row in content.get(task, {"rows": []})["rows"] if "ndcg@10" in row]
        ordered = sorted(measured, key=lambda row: -row["ndcg@10"])
        for is_ours in (True, False):
            for row in [row for row in ordered if (row["package"] == "skgnnrec") == is_ours][:3]:
                figures = {says: figure(row[key], key) for key, says in BESIDE.items()}
                rows.append({"data": title, **named(row), **figures})
    return [
        "A comparison with other packages on the same data, with the same threads and metrics. The settings are the "
        "documented ones or the best of four candidates, without recency. Recommenders of skgnnrec are in bold.",
        "",
        "![accuracy against seconds, a point for each recommender](../benchmarks/accuracy_cost.png)",
        *table(once(rows), ["data", "recommender", *BESIDE.values(), "lines"]),
        "",
        measured_on({**content["gowalla"], "rows": [row for each in content.values() for row in each["rows"]]}),
    ]


def figure(value: Any, name: str) -> str:
    """Return a figure with the digits of its column."""
    return f"{value:{',' if name == 'users_per_s' else '.2f' if name == 'fit_s' else '.4f' if '@' in name else ''}}"


def once(rows: list[Row], key: str = "data") -> list[Row]:
    """Return rows in which a value is left out where the row before has the same."""
    before = [None, *(row[key] for row in rows)]
    return [row | {key: "" if row[key] == last else row[key]} for row, last in zip(rows, before, strict=False)]


def summary() -> str:
    """Return the tables of docs/benchmarks.md."""
    rows: list[Row] = []
    content = {task: each for task in TITLES for name, each in stored("results").items() if name == task}
    for task, section in content.items():
        measured = [row for row in section["rows"] if "fit_s" in row]
        recall = next(name for name in measured[0] if name.startswith("recall@"))
        ndcg, title = recall.replace("recall", "ndcg"), f"{TITLES[task]}, @{recall.partition('@')[2]}"
        best = sorted(measured, key=lambda row: -row[ndcg])[:2] + [r for r in measured if r["model"] == "popularity"]
        shown = [(row["model"], row[recall], row[ndcg], row["fit_s"], row["rank_s"]) for row in best]
        shown += [(f"{who} (published)", *figures) for who, figures in PUBLISHED.get(task, {}).items()]
        for name, found, quality, *seconds in shown:
            row = {"data": title, "recommender": name, "recall": f"{found:.4f}", "NDCG": f"{quality:.4f}"}
            rows.append(row | dict(zip(("fit, s", "rank all users, s"), seconds, strict=False)))
    together = {**section, "rows": [row for each in content.values() for row in each["rows"]]}
    lines = [*side_by_side(), "", "With recency weights, and settings from larger searches:", *table(once(rows))]
    return "\n".join([*lines, "", measured_on(together), "", rating_summary()])


def rating_summary() -> str:
    """Return the sentence about ratings."""
    section = stored("ratings")["ml-100k, u1"]
    test = {row["model"]: row["test"] for row in section["rows"]}
    known = ", ".join(f"{name} {error:.3f}" for name, (error,) in PUBLISHED["ml-100k, u1"].items())
    return (
        f"Ratings of MovieLens 100K, u1.test, RMSE: `GNNRatingRegressor` {test['GNN']:.3f}; biases alone "
        f"{test['biases']:.3f}; published {known}. {measured_on(section)}"
    )


def filled(page: str, text: str) -> str:
    """Return a page with a text between its marks."""
    start, end = "<!-- figures:start -->", "<!-- figures:end -->"
    if start not in page or end not in page:
        raise ValueError(f"The page has no marks {start} ... {end}.")
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n{text}\n{end}", page, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """Return the pages as the stored results make them."""
    plan = scale.plan(scale.Problem(), scale.Cluster())
    texts = {DOCS / "benchmarks.md": summary(), DOCS / "scale.md": plan, HERE / "README.md": details()}
    return {path: filled(path.read_text(encoding="utf-8"), text) for path, text in texts.items()}


def main() -> None:
    """Write the pages and draw the plots."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    import_module("picture").main()


if __name__ == "__main__":
    main()
