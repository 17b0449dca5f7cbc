"""Parts of the HTML that notebooks show: tables and bars, without scripts and style sheets."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["bar", "cell", "interval", "shorten", "table"]

LONGEST = 60  # characters of a cell
WIDTH, HEIGHT = 120, 12  # of a bar, in pixels
GREY = "#8c8c8c"  # is legible on white and on black


def shorten(value: Any, longest: int = LONGEST) -> str:
    """Return the text of a value on one line, escaped and not longer than `longest` characters."""
    text = " ".join(str(value).split())
    return html.escape(text if len(text) <= longest else f"{text[: longest - 1]}…")


def cell(content: str, kind: str = "td", *, align: str = "left", bold: bool = False) -> str:
    """Return a cell of a table with content that is escaped already."""
    weight = ";font-weight:bold" if bold else ""
    return f'<{kind} style="text-align:{align};white-space:nowrap;padding:0.1em 0.5em{weight}">{content}</{kind}>'


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table of cells below a title, with a note below it; title and note are escaped already."""
    lines = [f"<tr>{''.join(row)}</tr>" for row in rows]
    below = f'<div style="color:{GREY}">{note}</div>' if note else ""
    content = f"<table><thead><tr>{''.join(head)}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div style="overflow-x:auto"><div><strong>{title}</strong></div>{content}{below}</div>'


def bar(value: float, largest: float, colour: str) -> str:
    """Return a bar from the middle, to the right for positive values; `largest` fills half of the width."""
    half = WIDTH / 2
    length = half * min(1.0, abs(value) / largest) if largest > 0 else 0.0
    start = half if value >= 0 else half - length
    return _drawing(
        f'<rect x="{start:.1f}" y="1" width="{length:.1f}" height="{HEIGHT - 2}" fill="{colour}"/>'
        f'<line x1="{half}" x2="{half}" y1="0" y2="{HEIGHT}" stroke="{GREY}"/>'
    )


def interval(mean: float, low: float, high: float, limits: tuple[float, float], colour: str) -> str:
    """Return a point with its interval on an axis with given limits."""
    least, most = limits
    scale = (WIDTH - 8) / (most - least) if most > least else 0.0
    middle = HEIGHT / 2
    left, point, right = (4 + scale * (value - least) for value in (low, mean, high))
    return _drawing(
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{point:.1f}" cy="{middle}" r="3.5" fill="{colour}"/>'
    )


def _drawing(content: str) -> str:
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} aria-hidden="true" style="vertical-align:middle">{content}</svg>'
