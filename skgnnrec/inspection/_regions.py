"""Regions of a map: their names from the words of the items, and the density of the items."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.feature_extraction.text import CountVectorizer

WORD = r"(?u)\b[^\W\d_]{3,}\b"
LEAST_ITEMS = 5  # with a word
LARGEST_SPREAD = 0.35  # of the items with a word, relative to all items
LARGEST_OVERLAP = 0.3  # of the items of two labels
GRID = 120  # cells of the density along an axis
SMOOTHING = 2.5  # cells
LEVELS = 6

Label = tuple[float, float, str]


def name_regions(coordinates: NDArray[np.float64], texts: list[str], n_labels: int) -> list[Label]:
    """Return the place and the name of regions, the most distinct first.

    A word or a pair of words names a region if the items with these words are near each other. Its spread is the median
    distance of these items from their centre, relative to that of all items.
    """
    vectorizer = CountVectorizer(binary=True, min_df=LEAST_ITEMS, token_pattern=WORD, ngram_range=(1, 2))
    try:
        items_of_word = vectorizer.fit_transform(texts).tocsc()
    except ValueError:  # no word is in enough texts
        return []
    _, overall = _centre(coordinates)
    candidates = []
    for word, name in enumerate(vectorizer.get_feature_names_out()):
        items = items_of_word.indices[items_of_word.indptr[word] : items_of_word.indptr[word + 1]]
        place, distance = _centre(coordinates[items])
        if distance < LARGEST_SPREAD * overall:
            candidates.append((np.log(len(items)) * (1 - distance / overall), name, place, set(items.tolist())))
    candidates.sort(key=lambda candidate: -candidate[0])
    labels: list[Label] = []
    named: list[set[int]] = []
    for _, name, (x, y), items in candidates:
        if len(labels) == n_labels:
            break
        if all(len(items & others) < LARGEST_OVERLAP * min(len(items), len(others)) for others in named):
            labels.append((float(x), float(y), str(name)))
            named.append(items)
    return labels


def draw_density(ax: Any, coordinates: NDArray[np.float64]) -> Any:
    """Draw contours of the smoothed density of the items within the limits of the axes."""
    bounds = np.array([ax.get_xlim(), ax.get_ylim()])
    counts, x_edges, y_edges = np.histogram2d(coordinates[:, 0], coordinates[:, 1], bins=GRID, range=bounds)
    density = np.sqrt(gaussian_filter(counts, SMOOTHING)).T  # the root shows regions with few items too
    if not density.any():
        return None
    x, y = ((edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges))
    levels = np.linspace(0.1 * density.max(), density.max(), LEVELS + 1)
    greys = np.linspace(0.97, 0.82, LEVELS)
    return ax.contourf(x, y, density, levels, colors=[(grey,) * 3 for grey in greys], extend="max", zorder=0)


def draw_labels(ax: Any, labels: list[Label]) -> list[Any]:
    """Draw names of regions, moved or left out where they would overlap."""
    from matplotlib import patheffects

    outline = [patheffects.withStroke(linewidth=3, foreground="white")]
    ax.figure.draw_without_rendering()  # so that the extents of texts are known
    drawn: list[Any] = []
    frame = ax.get_window_extent()
    for x, y, name in labels:
        text = ax.text(x, y, name, ha="center", va="center", fontsize=9, weight="bold", path_effects=outline, zorder=5)
        text.set(clip_on=True, parse_math=False)
        if not _find_room(ax, text, frame, [other.get_window_extent() for other in drawn]):
            text.remove()
            continue
        drawn.append(text)
    return drawn


def _find_room(ax: Any, text: Any, frame: Any, taken: list[Any]) -> bool:
    """Move a text within the frame and up or down until it overlaps no other; return whether this was possible."""
    box = text.get_window_extent()
    centre = ax.transData.transform(text.get_position())
    left, right = frame.x0 + box.width / 2 + 2, frame.x1 - box.width / 2 - 2
    centre[0] = min(max(centre[0], left), right)
    for step in (0.8, -0.8, 1.9, -1.9):
        place = centre + np.array([0, step * box.height])
        text.set_position(ax.transData.inverted().transform(place))
        moved = text.get_window_extent()
        inside = moved.y0 >= frame.y0 and moved.y1 <= frame.y1
        if inside and not any(moved.overlaps(other) for other in taken):
            return True
    return False


def _centre(coordinates: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the median place of items, and their median distance from it."""
    place = np.median(coordinates, axis=0)
    return place, float(np.median(np.linalg.norm(coordinates - place, axis=1)))
