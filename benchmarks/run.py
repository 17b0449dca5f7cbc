"""Measure, and write the figures to JSON files and pages: the driver of all benchmarks.

    python benchmarks/run.py                                  all parts; what is stored of the present code is skipped
    python benchmarks/run.py PART [SECTION ...]               a part, or some of its tables
    python benchmarks/run.py results online_retail --rows ridge "ridge + text"
    python benchmarks/run.py --list

`--again` measures what is stored too. `--minutes` ends after the section in which the time is over, and the next call
continues. Each row is stored when it is complete. `report.py` writes the pages, and runs at the end.
"""

import argparse
import json
import sys
import time
from importlib import import_module

from common import EXPERIMENTS, Section, code_version, machine, store, stored, stored_rows

PARTS: list[str] = EXPERIMENTS["parts"]


def sections_of(part: str) -> dict[str, Section]:
    """Return the sections of a part."""
    return import_module(f"parts.{part}").SECTIONS


def measure(part: str, name: str, section: Section, names: list[str], again: bool) -> None:
    """Measure a section, or some of its rows, and store each row when it is complete."""
    if section.rows:
        checked(f"{part} {name} has the rows", section.rows, names)
        for wanted in names or section.rows:
            measure_row(part, name, section, wanted, again or bool(names))
    elif again or stored(part).get(name, {}).get("machine", {}).get("code") != code_version():
        rows, start = [], time.perf_counter()
        for row in section.measure():
            print(part, name, json.dumps(row), flush=True)
            rows.append(row)
        store(part, name, rows, minutes=round((time.perf_counter() - start) / 60, 1))
    else:
        print(f"{part} {name}: stored", flush=True)


def measure_row(part: str, name: str, section: Section, wanted: str, again: bool) -> None:
    """Measure a row, which may have several lines, and store it among the others."""
    known = next((row for row in stored_rows(part, name) if row[section.key] == wanted), {})
    if known.get("code") == code_version() and not again:
        print(f"{part} {name}: {wanted}: stored", flush=True)
        return
    for row in section.measure(wanted):
        print(part, name, json.dumps(row), flush=True)
        rows = [each for each in stored_rows(part, name) if each[section.key] != row[section.key]]
        rows.append({**row, "date": machine()["date"], "code": code_version()})
        rows.sort(key=lambda each: ([*section.rows, each[section.key]]).index(each[section.key]))
        store(part, name, rows)


def checked(says: str, known: tuple[str, ...] | list[str], given: list[str]) -> None:
    """Exit with a message if a given name is unknown."""
    if unknown := sorted(set(given) - set(known)):
        raise SystemExit(f"{says} {list(known)}; got {unknown}.")


def main() -> None:
    """Read the command line, measure, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help="a part and, optionally, sections of it; default: all parts")
    parser.add_argument("--rows", nargs="+", default=[], help="some rows, also if they are stored")
    parser.add_argument("--again", action="store_true", help="measure what is stored too")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no section after this time")
    parser.add_argument("--list", action="store_true", help="print parts and sections")
    given = parser.parse_args()
    checked("The parts are", PARTS, given.part[:1])
    end = time.monotonic() + 60 * given.minutes
    for part in given.part[:1] or PARTS:
        found = sections_of(part)
        checked(f"The sections of {part} are", list(found), given.part[1:])
        for name in given.part[1:] or found:
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
    else:
        main()
