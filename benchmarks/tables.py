"""Rows of results as tables of Markdown, with the machine and the date of the measurement."""

from typing import Any

from common import Row


def table(rows: list[Row], columns: list[str] | None = None) -> list[str]:
    """Return the lines of a table, without rows that have none but the first column."""
    columns = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else columns
    shown = [[row.get(column) for column in columns] for row in rows if any(name in row for name in columns[1:])]
    lines = [f"| {' | '.join(map(cell, values))} |" for values in (columns, *shown)]
    return ["", lines[0], "|---" * len(columns) + "|", *lines[1:]]


def cell(value: Any) -> str:
    """Return a value as text: repeated measurements as median (minimum to maximum)."""
    if isinstance(value, dict):
        if {"median", "min", "max"} <= set(value):
            return f"{value['median']} ({value['min']} to {value['max']})"
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def named(row: Row) -> Row:
    """Return a row whose recommender is in bold if it is of skgnnrec."""
    is_ours = row.get("package") == "skgnnrec" and "recommender" in row
    return row | {"recommender": f"**{row['recommender']}**"} if is_ours else row


def days_of(section: dict) -> list[str]:
    """Return the days on which the rows of a section were measured."""
    return sorted({row.get("date", section["machine"]["date"]) for row in section["rows"]})


def measured_on(section: dict) -> str:
    """Return the machine, the versions and the dates of a section."""
    versions = {name: each for name, each in section["machine"].items() if name not in ("date", "machine", "code")}
    versions |= {row["package"]: row["version"] for row in section["rows"] if {"package", "version"} <= set(row)}
    days, said = days_of(section), ", ".join(f"{name} {each}" for name, each in versions.items())
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Measured on {when}: {section['machine']['machine']}; {said}."
