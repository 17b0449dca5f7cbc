"""The tables of the results of peers.py and serving.py."""

from collections.abc import Callable

Spread = dict[str, float]
Tell = Callable[[dict], str]

SEPARATOR = "|---"
COLUMNS = {
    "recall@10": "R@10",
    "ndcg@10": "N@10",
    "recall@20": "R@20",
    "ndcg@20": "N@20",
    "ndcg@10, recency": "N@10, recency",
    "fit_s": "fit, s",
    "users_per_s": "users/s",
    "peak_mib": "peak, MiB",
    "model_mib": "model, MiB",
    "lines": "lines",
}
ACCURACY = ("recall", "ndcg")
RATIOS = (
    "Ratios are the time of the other package divided by the time of skgnnrec, measured in turn: median (minimum to "
    "maximum). Above 1, skgnnrec is faster."
)


def row_of(cells: list) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def cell(row: dict, column: str) -> str:
    """Return a figure as text, empty if it is missing."""
    value = row.get(column)
    if value is None:
        return ""
    if column.removeprefix("new users, ").removeprefix("cold items, ").startswith(ACCURACY):
        return f"{value:.4f}"
    return f"{value:.2f}" if column == "fit_s" else f"{value:,}" if column == "users_per_s" else str(value)


def named(name: str, row: dict) -> str:
    """Return the name of a row, in bold for skgnnrec."""
    return f"**{name}**" if row["package"] == "skgnnrec" else name


def best_of(rows: dict[str, dict], ours: bool, n: int) -> list[str]:
    """Return the n rows with the highest NDCG@10, of skgnnrec or of the other packages."""
    found = [name for name, row in rows.items() if "ndcg@10" in row and (row["package"] == "skgnnrec") == ours]
    return sorted(found, key=lambda name: -rows[name]["ndcg@10"])[:n]


def summary(results: dict, titles: dict[str, str], measured_on: Tell) -> str:
    """Return the plot and the table of the README: the best three rows of skgnnrec and of the other packages."""
    tasks = {task: stored for task, stored in results.get("tasks", {}).items() if best_of(stored["rows"], False, 1)}
    if not tasks:
        return ""
    lines = [
        "A comparison with other packages on the same data, with the same threads and metrics. The settings are the "
        "documented ones or the best of four candidates, without recency. Recommenders of skgnnrec are in bold.",
        "",
        "![accuracy against seconds, a point for each recommender](benchmarks/accuracy_cost.png)",
        "",
    ]
    columns = ["recall@20", "ndcg@10", "fit_s", "users_per_s", "peak_mib", "lines"]
    lines += [row_of(["data", "recommender", *(COLUMNS[c] for c in columns)]), SEPARATOR * (2 + len(columns)) + "|"]
    for task, stored in tasks.items():
        rows, title = stored["rows"], titles[task]
        for name in best_of(rows, True, 3) + best_of(rows, False, 3):
            lines.append(row_of([title, named(name, rows[name]), *(cell(rows[name], c) for c in columns)]))
            title = ""
    everything = {f"{task} {name}": row for task, stored in tasks.items() for name, row in stored["rows"].items()}
    machine = next(iter(tasks.values()))["machine"]
    return "\n".join(
        [
            *lines,
            "",
            f"{measured_on(machine)} {_about(everything)}",
            "",
            "With recency weights, and settings from larger searches:",
            "",
            "",
        ]
    )


def ratio(values: Spread) -> str:
    """Return a median with its minimum and maximum."""
    return f"{values['median']:.2f} ({values['min']:.2f} to {values['max']:.2f})"


def tables(results: dict, titles: dict[str, str], measured_on: Tell) -> list[str]:
    """Return all rows of all tasks, the reasons of missing rows, the ratios, new users and cold items."""
    lines: list[str] = []
    for task, stored in results.get("tasks", {}).items():
        rows = stored["rows"]
        lines += ["", f"### Side by side: {titles[task]}", "", row_of(["recommender", "settings", *COLUMNS.values()])]
        lines.append(SEPARATOR * (2 + len(COLUMNS)) + "|")
        for name, row in rows.items():
            if "failed" not in row:
                lines.append(row_of([named(name, row), row["settings"], *(cell(row, column) for column in COLUMNS)]))
        lines += [f"\n{name}: {row['failed']}." for name, row in rows.items() if "failed" in row]
        epochs = [f"{name} {row['epochs']}" for name, row in rows.items() if "epochs" in row]
        if epochs:
            limit = f"(other packages: within {stored['limit_s']} s)"
            lines += ["", f"Epochs of the graph models {limit}: {'; '.join(epochs)}."]
        encoded = [f"{name} {row['encode_s']} s" for name, row in rows.items() if "encode_s" in row]
        if encoded:
            lines += ["", f"Not part of the fit, vectors of the texts: {'; '.join(encoded)}."]
        lines += _ratios(rows) + _others(rows) + ["", f"{measured_on(stored['machine'])} {_about(rows)}"]
    return lines


def _about(rows: dict[str, dict]) -> str:
    """Return the versions, threads and dates of the rows."""
    versions = {row["package"]: row["version"] for row in rows.values() if "version" in row}
    found = ", ".join(f"{package} {version}" for package, version in versions.items() if package != "skgnnrec")
    threads, dates = (sorted({row[key] for row in rows.values()}) for key in ("threads", "date"))
    when = dates[0] if len(dates) == 1 else f"between {dates[0]} and {dates[-1]}"
    return f"Other packages: {found}; {'/'.join(map(str, threads))} threads, {when}."


def _ratios(rows: dict[str, dict]) -> list[str]:
    """Return the ratios of the short rows to the rows of skgnnrec."""
    found = {name: row["ratio"] for name, row in rows.items() if "ratio" in row}
    if not found:
        return []
    lines = ["", RATIOS, ""]
    lines += [row_of(["recommender", "compared with", "fit", "lists for all users"]), SEPARATOR * 4 + "|"]
    for name, ratios in found.items():
        lines.append(row_of([name, ratios["against"], ratio(ratios["fit_s"]), ratio(ratios["lists_s"])]))
    return lines


def _others(rows: dict[str, dict]) -> list[str]:
    """Return the figures for new users and cold items, or the reasons why they are missing."""
    keys = {"newcomers": "new users, ", "cold": "cold items, "}
    says = "New users without a new fit, and cold items ranked on their own:"
    columns = [f"{prefix}{metric}" for prefix in keys.values() for metric in ("recall@10", "ndcg@10")]
    if not any(column in row for row in rows.values() for column in columns):
        return []
    lines = ["", says, "", row_of(["recommender", *columns]), SEPARATOR * (1 + len(columns)) + "|"]
    for name, row in rows.items():
        cells: list[str] = []
        for key, prefix in keys.items():
            cells += (
                [row[key], ""]
                if key in row
                else [cell(row, f"{prefix}{metric}") for metric in ("recall@10", "ndcg@10")]
            )
        if any(cells):
            lines.append(row_of([named(name, row), *cells]))
    return lines


def serving(results: dict, titles: dict[str, str], measured_on: Tell) -> list[str]:
    """Return the table of serving.py."""
    if not results:
        return []
    lines = [
        "",
        "### Serving",
        "",
        f"{RATIOS} The rows of rankers are compared with `recommend` of the same recommender: below 1, the ranker is "
        "faster.",
        "",
    ]
    lines += [
        row_of(
            [
                "data",
                "kind",
                "recommender",
                "users/s",
                "one user p50, ms",
                "p99, ms",
                "all",
                "p50",
                "p99",
                "similar items/s",
            ]
        )
    ]
    lines.append(SEPARATOR * 10 + "|")
    for task, kinds in results["rows"].items():
        for kind, rows in kinds.items():
            for row in rows:
                first = [titles[task].partition(",")[0], kind, named(row["system"], row)]
                if "failed" in row:
                    lines.append(row_of([*first, row["failed"], "", "", "", "", "", ""]))
                    continue
                similar = f"{row['items_per_s']:,}" if "items_per_s" in row else ""
                served = [f"{row['users_per_s']:,}", *(f"{row[key]['median']:.3f}" for key in ("p50_ms", "p99_ms"))]
                ratios = [ratio(row["ratio"][key]) if "ratio" in row else "" for key in ("all_s", "p50_ms", "p99_ms")]
                lines.append(row_of([*first, *served, *ratios, similar]))
    return [*lines, "", measured_on(results["machine"])]
