"""Compute what a large problem needs on a cluster, stage by stage, from measured rates of one core.

    python benchmarks/scale.py                                    100 million users, 10 million items, 10 billion pairs
    python benchmarks/scale.py --nodes 32 --cores 96 --price 0.03
    python benchmarks/scale.py --users 1e6 --items 1e5 --interactions 1e8 --nodes 1 --cores 16

This script measures nothing: the rates are in the JSON files of this folder. A time is the work, divided by the rate of
a core and by the cores that work, plus the bytes of a node, divided by the bandwidth of its network. The page
docs/scale.md explains the stages.
"""

import argparse
from dataclasses import dataclass, fields
from math import log
from typing import NamedTuple

import numpy as np
from common import stored, stored_rows
from tables import table

GOWALLA_ITEMS = 40_981  # of the stored index
INDEX_DEPTH = 256  # of the search in the index, with a recall of .9999
POSITION, NUMBER = 4, 4  # bytes of a position in a matrix, and of a number
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Problem:
    """The size of the data and of the models."""

    users: float = 1e8
    items: float = 1e7
    interactions: float = 1e10
    dim: int = 64  # of the vectors of users and items
    text_dim: int = 384
    layers: int = 3
    rank: int = 256  # of the decomposition
    passes: int = 6  # over the shards for the decomposition: two power iterations
    epochs: int = 3
    spread: float = 3.0  # mean of the squared number of interactions of a user, over the square of its mean
    kept: int = 100  # entries of an item in the pruned co-occurrence
    requests: float = 1e5  # a second


@dataclass(frozen=True)
class Cluster:
    """The machines."""

    nodes: int = 16
    cores: int = 64  # of a node
    memory_gb: float = 512.0  # of a node
    network_gb_s: float = 3.1  # of a node, 25 Gbit/s
    price: float = 0.05  # of a core for an hour, in dollars
    busy: float = 0.7  # share of the time in which cores work


class Rate(NamedTuple):
    """What a core does in a second."""

    name: str
    per_s: float
    source: str


class Stage(NamedTuple):
    """One line of the plan."""

    name: str
    where: str
    formula: str
    work: float
    rate: Rate
    moved: float  # bytes that a node sends and receives
    held: float  # bytes in the memory of a node


def rates() -> dict[str, Rate]:
    """Return the measured rates."""
    logs = max(stored_rows("big_logs", "reading"), key=lambda row: row["interactions"])
    own = {row["operation"]: row["per_s"] for row in stored_rows("scale", "rates")}
    threads = int(stored("devices")["embedding"]["machine"]["threads"])
    texts = {row["dtype"]: row["texts/s"] for row in stored_rows("devices", "embedding") if "Beauty" in row["texts"]}
    indexes = {(row["index"], row.get("depth")): row for row in stored_rows("studies", "export index")}
    index = indexes["voyager", INDEX_DEPTH]
    services = {row["service"]: row["requests/s"] for row in stored_rows("service", "load") if "failed" not in row}
    return {
        "ingest": Rate("interactions", logs["interactions"] / logs["read_cpu_s"], "big_logs reading"),
        "embed": Rate("texts", texts["float32"] / threads, "devices embedding"),
        "statistics": Rate("pairs of items", own["statistics"], "scale rates"),
        "propagation": Rate("edges, 64 numbers", own["propagation"], "scale rates"),
        "training": Rate("interactions", own["training"], "scale rates"),
        "index": Rate("items, of Gowalla", GOWALLA_ITEMS / index["build_s"] / 2, "studies, index"),
        "search": Rate("searches, of Gowalla", index["queries_per_s"], "studies, index"),
        "service": Rate("requests", services["GraphFilterRecommender, lists"] / 2, "service load"),
    }


def stages(of: Problem, on: Cluster, found: dict[str, Rate]) -> list[Stage]:
    """Return the stages until lists can be answered."""
    matrix = of.interactions * (POSITION + NUMBER) + 8 * of.users
    row_bytes = max(bytes_per_row(), 1.0)
    table = of.items * of.dim * NUMBER
    per_number = found["propagation"].per_s * 64  # products of an entry with one number
    deeper = log(of.items) / log(GOWALLA_ITEMS)  # an index of more items has more levels
    sketch = of.items * (of.rank + 10) * NUMBER
    return [
        Stage("ingest", "every node: its files, then its users", "N", of.interactions, found["ingest"],
              (3 * row_bytes + 2 * (POSITION + NUMBER)) * of.interactions / on.nodes, 2.5 * matrix / on.nodes),
        Stage("embed", "every core: its texts", "I", of.items, found["embed"],
              of.items * (100 + of.text_dim * NUMBER) / on.nodes, 1e9),
        Stage("statistics", "every node: its users, then its block of items", "spread · N² / U",
              of.spread * of.interactions**2 / of.users, found["statistics"],
              2 * of.items * 10 * of.kept * (POSITION + NUMBER), matrix / on.nodes + of.items * of.kept * 8 * 10),
        Stage("decomposition", "every node: its users; sketches are summed", "passes · (r + 10) · N",
              of.passes * (of.rank + 10) * of.interactions, Rate("products", per_number, "scale rates, edges · 64"),
              2 * of.passes * sketch, matrix / on.nodes + 3 * sketch),
        Stage("propagation", "every node: its users; item vectors are summed", "2 · K · N · d / 64",
              2 * of.layers * of.interactions * of.dim / 64, found["propagation"],
              2 * of.layers * table, matrix / on.nodes + 4 * table),
        Stage("training", "every node: its users; gradients are summed", "epochs · N", of.epochs * of.interactions,
              found["training"], 2 * of.epochs * 100 * table, matrix / on.nodes + 4 * table),
        Stage("index", "every node: its block of items", "I · log I / log I₀", of.items * deeper, found["index"],
              table / on.nodes, (table + of.items * 2 * 16 * POSITION) / on.nodes),
    ]  # fmt: skip


def bytes_per_row() -> float:
    """Return the bytes of an interaction in the files of a log."""
    row = max(stored_rows("big_logs", "reading"), key=lambda row: row["interactions"])
    return row["files_mib"] * 2**20 / row["interactions"]


def plan(of: Problem, on: Cluster) -> str:
    """Return the tables of the plan."""
    found, rows, totals = rates(), [], np.zeros(3)  # core-hours, hours, dollars
    for stage in stages(of, on, found):
        core_hours = stage.work / stage.rate.per_s / SECONDS_PER_HOUR
        hours = core_hours / (on.nodes * on.cores * on.busy) + stage.moved / on.network_gb_s / 1e9 / SECONDS_PER_HOUR
        cost = hours * on.nodes * on.cores * on.price
        totals += core_hours, hours, cost
        rows.append({
            "stage": stage.name, "where": stage.where, "work": f"{number(stage.work)} {stage.rate.name}",
            "formula": stage.formula, "rate of a core": f"{number(stage.rate.per_s)}/s, {stage.rate.source}",
            "core-hours": f"{core_hours:,.1f}", "GB moved by a node": f"{stage.moved / 1e9:,.0f}",
            "GB held by a node": f"{stage.held / 1e9:,.0f}{' (too much)' * (stage.held > 1e9 * on.memory_gb)}",
            "minutes": f"{60 * hours:,.1f}", "cost": f"${cost:,.2f}",
        })  # fmt: skip
    core_hours, hours, cost = totals
    total = {"core-hours": f"{core_hours:,.1f}", "minutes": f"{60 * hours:,.1f}", "cost": f"${cost:,.2f}"}
    says = (
        f"{number(of.users)} users, {number(of.items)} items and {number(of.interactions)} interactions, on "
        f"{on.nodes} nodes of {on.cores} cores and {on.memory_gb:g} GB, {on.network_gb_s:g} GB/s each way, "
        f"${on.price:g} for a core-hour, cores busy for {on.busy:.0%} of the time."
    )
    return "\n".join([says, *table([*rows, {"stage": "all", **total}]), "", serving(of, on, found)])


def serving(of: Problem, on: Cluster, found: dict[str, Rate]) -> str:
    """Return what answers need."""
    search = found["search"].per_s * log(GOWALLA_ITEMS) / log(of.items)
    cores = {"search": of.requests / search, "answer": of.requests / found["service"].per_s}
    total = 2 * sum(cores.values())  # half of the cores is for peaks and failures
    vectors = (of.users + of.items) * of.dim * NUMBER
    return (
        f"Serving {number(of.requests)} requests/s: searches in an index of {number(of.items)} items at "
        f"{number(search)}/s per core ({found['search'].source}, divided by log I / log I₀) need "
        f"{cores['search']:,.0f} cores, and answers at {number(found['service'].per_s)}/s per core "
        f"({found['service'].source}) {cores['answer']:,.0f} cores. Twice as many, for peaks and failures, are "
        f"{total:,.0f} cores, {total / on.cores:,.1f} nodes, ${24 * total * on.price:,.0f} a day. The vectors of users "
        f"and items take {vectors / 1e9:,.0f} GB, and answers of 2 KB {of.requests * 2e3 / 1e9:,.1f} GB/s."
    )


def number(value: float) -> str:
    """Return a number with three digits and a letter for its size."""
    for size, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g}"


def main() -> None:
    """Read the sizes, and print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for field in (*fields(Problem), *fields(Cluster)):
        kind = int if isinstance(field.default, int) else float
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    given = vars(parser.parse_args())
    of, on = ({field.name: given[field.name] for field in fields(kind)} for kind in (Problem, Cluster))
    print(plan(Problem(**of), Cluster(**on)))


if __name__ == "__main__":
    main()
