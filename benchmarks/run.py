"""Measure, and write the figures to JSON files and pages: the driver of all benchmarks.

    python benchmarks/run.py                                  all parts; what is stored of the present code is skipped
    python benchmarks/run.py PART [SECTION ...]               a part, or some of its tables
    python benchmarks/run.py results online_retail --rows ridge "ridge + text"
    python benchmarks/run.py online_retail --models ridge     the same
    python benchmarks/run.py --list

`--again` measures what is stored too. `--minutes` ends after the section in which the time is over, and the next call
continues. Each row is stored when it is complete. `report.py` writes the pages, and runs at the end.
"""

import argparse
import json
import sys
import time
from importlib import import_module
from typing import Any

from common import Section, code_version, machine, store, stored
from tasks import TASKS

PARTS = [
    "settings", "results", "tried", "growth", "updates", "queries", "devices", "ratings",
    "reranking", "two_stage", "compression", "export", "embeddings", "images", "social", "sequences", "privacy",
    "whole_system", "big_logs", "scale", "serving", "peers", "service",
]  # fmt: skip


def sections_of(part: str) -> dict[str, Section]:
    """Return the sections of a part."""
    return import_module(f"parts.{part}").SECTIONS


def measure(part: str, name: str, section: Section, names: list[str], again: bool) -> None:
    """Measure a section, or some of its rows, and store each row when it is complete."""
    before = stored(part).get(name, {"rows": []})
    is_present = before.get("machine", {}).get("code") == code_version()
    if not section.rows:
        if is_present and not again:
            print(f"{part} {name}: stored", flush=True)
            return
        rows, start = [], time.perf_counter()
        for row in section.measure():
            print(part, name, json.dumps(row), flush=True)
            rows.append(row)
        store(part, name, rows, minutes=round((time.perf_counter() - start) / 60, 1))
        return
    unknown = set(names) - set(section.rows)
    if unknown:
        raise SystemExit(f"{part} {name} has the rows {list(section.rows)}; got {sorted(unknown)}.")
    for wanted in names or section.rows:
        rows = stored(part).get(name, {"rows": []})["rows"]
        known = next((row for row in rows if row[section.key] == wanted), {})
        if known.get("code") == code_version() and not again and not names:
            print(f"{part} {name}: {wanted}: stored", flush=True)
            continue
        for row in section.measure(wanted):
            marked = {**row, "date": machine()["date"], "code": code_version()}
            print(part, name, json.dumps(row), flush=True)
            rows = [each for each in rows if each[section.key] != row[section.key]] + [marked]
            rows.sort(key=lambda each: ([*section.rows, each[section.key]]).index(each[section.key]))
            store(part, name, rows)


def main() -> None:
    """Read the command line, measure, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", help="a part, or a task of the part results; default: all parts")
    parser.add_argument("section", nargs="*", help="default: all sections of the part")
    parser.add_argument("--rows", "--models", nargs="+", default=[], help="some rows, also if they are stored")
    parser.add_argument("--again", action="store_true", help="measure what is stored too")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no section after this time")
    parser.add_argument("--list", action="store_true", help="print parts and sections")
    given = parser.parse_args()
    sections = [given.part, *given.section] if given.part in TASKS else given.section
    parts = ["results"] if given.part in TASKS else [given.part] if given.part else PARTS
    end = time.monotonic() + 60 * given.minutes
    for part in parts:
        if part not in PARTS:
            raise SystemExit(f"The parts are {PARTS}, and the tasks of results {list(TASKS)}; got {part!r}.")
        found: dict[str, Any] = sections_of(part)
        unknown = set(sections) - set(found)
        if unknown:
            raise SystemExit(f"The sections of {part} are {list(found)}; got {sorted(unknown)}.")
        for name in sections or found:
            if given.list:
                print(part, name, "|", found[name].title)
            elif time.monotonic() < end:
                try:
                    measure(part, name, found[name], given.rows, given.again)
                except (FileNotFoundError, ImportError) as error:  # data or packages that are not here
                    print(f"{part} {name}: left out: {error}", flush=True)
    if not given.list:
        import_module("report").main()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(import_module(f"parts.{sys.argv[2]}").worker(*sys.argv[3:])))
    elif sys.argv[1:2] == ["--row"]:  # as run.py called itself until 2026-11-29
        print(json.dumps({"task": sys.argv[2], **import_module("parts.results").worker(*sys.argv[2:4])}))
    else:
        main()
