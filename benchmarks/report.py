"""Write the stored results into README.md and benchmarks/README.md, and draw the plots.

    python benchmarks/report.py

This script measures nothing. The pages show the results in the JSON files of this folder.
"""

import json
import re
from pathlib import Path

import picture
import report_peers

HERE = Path(__file__).parent
TITLES = {
    "gowalla": "Gowalla, the LightGCN split (29,858 users, 40,981 places)",
    "beauty": "Amazon Beauty, last item of each user (22,363 users, 12,101 items)",
    "toys": "Amazon Toys, last item of each user (19,412 users, 11,924 items)",
    "online_retail": "Online Retail, last fifth in time (UCI 352)",
    "movietweetings": "MovieTweetings, last fifth in time",
    "lastfm": "LastFM, a random fifth of each user",
    "lastfm_quarter": "LastFM with one pair in four, a random fifth of each user",
    "movietweetings_quarter": "MovieTweetings with one pair in four, a random fifth of each user",
}
# Published figures on the same splits, (recall, NDCG).
PUBLISHED = {
    "gowalla": {"LightGCN": (0.1830, 0.1554), "SimpleX": (0.1872, 0.1557), "BSPM-EM": (0.1920, 0.1597)},
    "beauty": {"ActionPiece": (0.0775, 0.0424), "SASRec+SS": (0.0921, 0.0531), "eSASRec": (0.0928, 0.0523)},
    "toys": {"GRAM": (0.0987, 0.0603)},
}


def row_of(cells: list) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def measured_on(machine: dict) -> str:
    """Return the machine, the versions and the date of a measurement."""
    versions = ", ".join(f"{name} {value}" for name, value in machine.items() if name not in ("date", "machine"))
    return f"Measured on {machine['date']}: {machine['machine']}; {versions}."


def measured_when(results: dict) -> str:
    """Return the machine, the versions and the dates of the rows of results.json."""
    days = {row["date"] for rows in results["tasks"].values() for row in rows}
    return measured_on({**results["machine"], "date": " and ".join(sorted(days))})


def ranks(row: dict) -> tuple[str, str]:
    """Return the names of the recall and NDCG columns of a row."""
    recall = next(name for name in row if name.startswith("recall@"))
    return recall, recall.replace("recall", "ndcg")


def summary(results: dict) -> str:
    """Return the table of results.json for the README."""
    lines = [
        row_of(["data", "recommender", "recall", "NDCG", "fit, s", "rank all users, s"]),
        "|---|---|---|---|---|---|",
    ]
    for task, rows in results["tasks"].items():
        ours = [row for row in rows if "fit_s" in row]
        recall, ndcg = ranks(ours[0])
        best = sorted(ours, key=lambda row: -row[ndcg])[:2] + [row for row in ours if row["model"] == "popularity"]
        shown = [(row["model"], row[recall], row[ndcg], row["fit_s"], row["rank_s"]) for row in best]
        shown += [(f"{name} (published)", *figures, "", "") for name, figures in PUBLISHED.get(task, {}).items()]
        title = f"{TITLES[task]}, @{recall.partition('@')[2]}"
        for name, found, quality, *seconds in shown:
            lines.append(row_of([title, name, f"{found:.4f}", f"{quality:.4f}", *seconds]))
            title = ""
    return "\n".join([*lines, "", measured_when(results)])


EVALUATION = {
    "metrics": "Ranking metrics on the lists of all users of Gowalla, compared with ranx",
    "search": "40 candidates: a search with a cache, compared with separate fits",
    "leak": "A ridge on MovieTweetings, with and without a leak",
}
PRIOR = {"prior": "Popularity exponent of the graph neural network: Gowalla, held-out parts of the training part"}
EPOCHS = {"epochs": "Seconds of an epoch, compared with packages with the same models, Gowalla"}
PROPAGATION = {"cpu": "Message passing on the graph of Gowalla, and its rate relative to the copy bandwidth"}
TEXT = {
    "speed": "Embedding texts, compared with sentence-transformers, all-MiniLM-L6-v2",
    "cache": "Embedding a catalog with a cache file",
    "shared": "Embedding while other processes use the cores: waiting threads of OpenMP that spin or sleep",
}
UPDATES = {
    "seconds": "Updates with 100 interactions, compared with a new fit",
    "month": "The last 30 days of Online Retail: ridge + text, with and without updates",
}
COMPRESSION = {
    "online_retail": "Compressed recommenders: Online Retail",
    "beauty": "Compressed recommenders: Amazon Beauty",
    "gowalla": "Compressed recommenders: Gowalla",
    "text": "Graph of ONNX of the text embedder, with dynamic quantisation",
}
QUERIES = {
    "queries": "Queries of half of the words of a wanted item: NDCG@10 by the weight of the query",
    "explanations": "Share of the score of the best item without its reasons (deletion), or with them (insertion)",
}
SERVICE = {"service": "The service under load: 32 clients, 60 s, Online Retail"}
EXPORT = {"online_retail": "Exported graphs: Online Retail", "beauty": "Exported graphs: Amazon Beauty"}
EXPORT |= {"gowalla": "Exported graphs: Gowalla", "index": "Indexes of nearest items"}
RERANKING = {
    "online_retail": "Re-rankers: Online Retail, ridge + text",
    "online_retail, time": "Re-rankers: time with 1,000 candidates, Online Retail",
    "beauty": "Re-rankers: Amazon Beauty, filter + text",
    "beauty, time": "Re-rankers: time with 1,000 candidates, Amazon Beauty",
}
TWO_STAGE = {"two_stage": "Two stages: Online Retail, with price, quantity and recency as features"}
TRIED = {"tried": "One setting changed, validation parts, NDCG@10: what does not help, or helps on some data only"}
FINE_TUNING = {
    "online_retail": "Fine-tuned text models: Online Retail, NDCG@10",
    "beauty": "Fine-tuned text models: Amazon Beauty, NDCG@10",
    "labels": "Fine-tuned text models: labels of texts, AUC",
    "transfer": "Fine-tuned text models: transfer to a catalog without common items, NDCG@10",
    "settings": "Fine-tuned text models: settings, Online Retail, validation part, NDCG@10",
}


def tables(measured: dict, titles: dict[str, str]) -> list[str]:
    """Return the tables of a script, each with the machine and the date."""
    lines = []
    for part, title in titles.items():
        if measured.get(part):
            rows = measured[part]["rows"]
            columns = list(dict.fromkeys(name for row in rows for name in row))
            lines += ["", f"### {title}", "", row_of(columns), "|---" * len(columns) + "|"]
            lines += [row_of([row.get(name, "") for name in columns]) for row in rows]
            lines += ["", measured_on(measured[part]["machine"])]
    return lines


RATINGS = {
    "movietweetings, random": "Ratings of MovieTweetings (0 to 10), a random tenth: RMSE",
    "movietweetings, time": "Ratings of MovieTweetings (0 to 10), the last tenth in time: RMSE",
    "ml-100k, u1": "Ratings of MovieLens 100K (1 to 5), u1.test: RMSE",
}
# Published errors on the same test parts: van den Berg et al. (2017), table 3.
PUBLISHED_RATINGS = {"ml-100k, u1": {"GC-MC": 0.910, "GC-MC with features": 0.905}}


def ratings(measured: dict) -> list[str]:
    """Return the tables of ratings.py."""
    lines = []
    for split, rows in measured.get("splits", {}).items():
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines += ["", f"### {RATINGS[split]}", "", row_of(columns), "|---" * len(columns) + "|"]
        lines += [row_of([row.get(name, "") for name in columns]) for row in rows]
        published = PUBLISHED_RATINGS.get(split, {})
        lines += ["", "Published on this test part: "] if published else []
        lines[-1] += "; ".join(f"{name} {error:.3f}" for name, error in published.items())
    return [*lines, "", measured_on(measured["machine"])] if lines else []


def growth_tables(growth: dict) -> list[str]:
    """Return the exponents, the plot and the tables of growth.py."""
    if "growth" not in growth:
        return []
    lines = ["", "### Growth of the closed forms", "", "![time and memory over size](growth.png)", ""]
    lines += ["The cost is proportional to the size to the power of the exponent.", ""]
    costs = list(picture.COSTS)
    lines += [row_of(["more", "model", *costs]), "|---" * (2 + len(costs)) + "|"]
    for axis, models in growth["growth"].items():
        for model, grown in models.items():
            lines.append(row_of([axis, model, *(grown["exponents"][cost] for cost in costs)]))
    for axis, models in growth["growth"].items():
        columns = list(next(iter(models.values()))["rows"][0])
        lines += ["", f"Growth with the {axis}:", "", row_of(["model", *columns]), "|---" * (1 + len(columns)) + "|"]
        lines += [row_of([model, *row.values()]) for model, grown in models.items() for row in grown["rows"]]
    return [*lines, "", measured_on(growth["machine"])]


def rating_summary(measured: dict) -> str:
    """Return the sentence about ratings for the README."""
    rows = {row["model"]: row["test"] for row in measured.get("splits", {}).get("ml-100k, u1", [])}
    if not rows:
        return ""
    published = ", ".join(f"{name} {error:.3f}" for name, error in PUBLISHED_RATINGS["ml-100k, u1"].items())
    return (
        f"\n\nRatings of MovieLens 100K, u1.test, RMSE: `GNNRatingRegressor` {rows['GNN']:.3f}; biases alone "
        f"{rows['biases']:.3f}; published {published}. {measured_on(measured['machine'])}"
    )


def epochs(measured: dict) -> dict:
    """Return the results of epochs.py as rows of plain values."""
    if not measured:
        return {}
    rows = []
    for row in measured["rows"]:
        values = {name: row[name] for name in ("model", "package", "version", "failed") if name in row}
        for name in ("seconds_per_epoch", "ratio"):
            if name in row:
                values[name] = "{median} ({min}-{max})".format(**row[name])
        rows.append(values)
    return {"epochs": {"rows": rows, "machine": measured["machine"]}}


def training(measured: dict) -> list[str]:
    """Return the plot and the table of training.py."""
    if not measured:
        return []
    lines = tables({"training": measured}, {"training": "Accuracy over seconds of training, Gowalla, test part"})
    return [*lines[:2], "", "![recall over seconds of training](training.png)", *lines[2:]]


def exported(measured: dict) -> dict:
    """Return the results of export.py as tables."""
    rows = measured.get("rows", {})
    return {
        name: {"rows": part, "machine": measured["machine"]} for name, part in rows.items() if isinstance(part, list)
    }


def service(measured: dict) -> dict:
    """Return the results of service.py as a table; "mixed" has updates, "lists" has none."""
    rows = [
        {
            "service": name,
            "requests/s": row["requests_per_second"],
            "errors": sum(row["errors"].values()),
            "p50, ms": row["p50_ms"],
            "p99, ms": row["p99_ms"],
            "p99 of lists for users, ms": row["routes"]["user"]["p99_ms"],
            "memory, MiB": row["memory_mib"]["second quarter"],
            "memory at the end, MiB": row["memory_mib"]["last quarter"],
        }
        for name, row in measured.get("rows", {}).items()
    ]
    return {"service": {"rows": rows, "machine": measured["machine"]}} if rows else {}


def reranking(measured: dict) -> list[str]:
    """Return the plot and the tables of reranking.py."""
    lines = tables(measured, RERANKING)
    return [*lines[:2], "", "![accuracy over the aims of re-rankers](reranking.png)", *lines[2:]] if lines else []


def details(results: dict) -> str:
    """Return the tables of benchmarks/README.md, except those of peers.py and serving.py."""
    parts = [measured_when(results)]
    for task, rows in results["tasks"].items():
        columns = list(dict.fromkeys(name for row in rows for name in row if name != "task"))
        parts += ["", f"### {TITLES[task]}", "", row_of(columns), "|---" * len(columns) + "|"]
        parts += [row_of([row.get(name, "") for name in columns]) for row in rows]
        parts += ["", "Published on this split: "] if task in PUBLISHED else []
        parts[-1] += "; ".join(f"{name} {r:.4f} / {n:.4f}" for name, (r, n) in PUBLISHED.get(task, {}).items())
    parts += training(stored("training")) + tables({"prior": stored("prior")}, PRIOR)
    parts += tables(epochs(stored("epochs")), EPOCHS)
    parts += tables(stored("propagation"), PROPAGATION) + growth_tables(stored("growth"))
    parts += tables(stored("evaluation"), EVALUATION) + ratings(stored("ratings"))
    parts += tables(stored("updates"), UPDATES) + tables(stored("tried"), TRIED)
    parts += tables(stored("queries"), QUERIES) + tables(exported(stored("export")), EXPORT)
    parts += tables(service(stored("service")), SERVICE)
    parts += tables(stored("compression"), COMPRESSION) + reranking(stored("reranking"))
    parts += tables(stored("two_stage"), TWO_STAGE)
    parts += tables(stored("text"), TEXT) + tables(stored("finetuning"), FINE_TUNING)
    return "\n".join(parts)


def fill(path: Path, text: str) -> None:
    """Replace the text between the marks of a page."""
    page = path.read_text(encoding="utf-8")
    start, end = "<!-- figures:start -->", "<!-- figures:end -->"
    if start not in page or end not in page:
        raise ValueError(f"{path} has no marks {start} ... {end}.")
    filled = re.sub(f"{start}.*{end}", lambda _: f"{start}\n{text}\n{end}", page, flags=re.DOTALL)
    path.write_text(filled, encoding="utf-8")


def stored(name: str) -> dict:
    """Return the stored results of a script, empty if it was not run."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    results, peers, serving = stored("results"), stored("peers"), stored("serving")
    picture.main()
    beside = report_peers.summary(peers, TITLES, measured_on)
    more = "\n\nAll figures, with commands and settings, are in [benchmarks/README.md](benchmarks/README.md)."
    fill(
        HERE.parent / "README.md",
        "## Figures\n\n" + beside + summary(results) + rating_summary(stored("ratings")) + more,
    )
    compared = report_peers.tables(peers, TITLES, measured_on) + report_peers.serving(serving, TITLES, measured_on)
    fill(HERE / "README.md", "## Figures\n\n" + "\n".join([*compared, details(results)]))
