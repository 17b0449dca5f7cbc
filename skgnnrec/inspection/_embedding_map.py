"""Map of the items by their embedding."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec.inspection._axes import COLOURS, GREY, MARKERS, new_axes
from skgnnrec.inspection._projections import METHODS, project, robust_limits
from skgnnrec.inspection._rankings import check_count, check_text, matrix_recommender, unwrap, users_per_item
from skgnnrec.inspection._regions import draw_density, draw_labels, name_regions
from skgnnrec.interactions import as_ids
from skgnnrec.metrics import check_numbers, check_vectors

OTHERS = "others"
HOVER_WIDTH = 40  # characters of a line
HOVER_LINES = 4
LEAST_DENSE = 100  # items for a density
ITEMS = "_items"  # the label of items of one colour, which is not in legends


class EmbeddingMapDisplay:
    """Plot the items of a catalog as a map, in which similar items are near each other.

    The vectors of the items are scaled to unit length, so that near items have a high cosine, and then projected to two
    dimensions by t-SNE [1]_, UMAP [2]_ or principal components. Grey contours show the density of the items. Regions
    have the name of a word if most items with this word are near each other. The limits of the axes ignore outliers;
    their number is written into the plot. With an interactive backend of matplotlib, the text of an item is shown under
    the pointer.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    coordinates : ndarray of shape (n_items, 2)
        The coordinates of the items.
    axis_labels : tuple of two str
        The labels of the axes.
    texts : list of str of length n_items or None, default=None
        The texts of the items, which are shown under the pointer.
    groups : ndarray of shape (n_items,) or None, default=None
        The group of each item. The seven largest groups and all others have different colours.
    values : ndarray of shape (n_items,) or None, default=None
        A non-negative number for each item, which defines its colour if there are no groups.
    value_name : str, default="value"
        The name of the numbers.
    labels : list of tuple of (x, y, name) or None, default=None
        The names of regions, the most important first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    points_ : list of matplotlib PathCollection
        The items, one collection for each group.
    labels_ : list of matplotlib Text
        The names of regions that are drawn. Names that would overlap are left out.
    annotation_ : matplotlib Annotation or None
        The text under the pointer.

    References
    ----------
    .. [1] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", Journal of Machine Learning Research 9,
       2008.
    .. [2] L. McInnes, J. Healy and J. Melville, "UMAP: uniform manifold approximation and projection for dimension
       reduction", arXiv:1802.03426, 2018.

    Examples
    --------
    >>> from skgnnrec.inspection import EmbeddingMapDisplay
    >>> display = EmbeddingMapDisplay.from_predictions(
    ...     [[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]], method="pca", texts=["red mug", "blue mug", "tea pot"]
    ... )
    >>> display.coordinates.shape
    (3, 2)
    """

    def __init__(
        self,
        *,
        coordinates: NDArray[np.float64],
        axis_labels: tuple[str, str] = ("first", "second"),
        texts: list[str] | None = None,
        groups: NDArray[Any] | None = None,
        values: NDArray[np.float64] | None = None,
        value_name: str = "value",
        labels: list[tuple[float, float, str]] | None = None,
    ) -> None:
        self.coordinates = coordinates
        self.axis_labels = axis_labels
        self.texts = texts
        self.groups = groups
        self.values = values
        self.value_name = value_name
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        method: str = "tsne",
        texts: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_labels: int = 15,
        max_items: int = 2000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "EmbeddingMapDisplay":
        """Plot the item embedding of a fitted recommender.

        Parameters
        ----------
        estimator : BaseRecommender
            A fitted recommender with an `item_embedding_` of two or more dimensions. Fitted searches and pipelines are
            accepted too.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The interactions, or a log for `LogRecommender`. If there are no groups, the colour of an item is its number
            of users.
        method : {"tsne", "umap", "pca"}, default="tsne"
            The projection to two dimensions. UMAP needs the package umap-learn.
        texts : array-like of str of shape (n_items,), default=None
            The texts of the items. If None, the text column of the catalog is used, or the ids if the catalog has no
            text column or several.
        groups : array-like of shape (n_items,), default=None
            The group of each item, which defines its colour.
        n_labels : int, default=15
            The largest number of regions with a name, if there are texts and no groups. Pass 0 for no names.
        max_items : int, default=2000
            The largest number of items. If there are more, a random subset is plotted.
        random_state : int, RandomState instance or None, default=0
            The seed of the subset and the projection.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : EmbeddingMapDisplay
            The display after plotting.

        Raises
        ------
        TypeError
            If the recommender has no item embedding.
        ValueError
            If the embedding has fewer than two dimensions, or `texts` or `groups` have another length.
        ImportError
            If `method` is "umap" and umap-learn is not installed.
        """
        recommender, X = unwrap(estimator, X)
        inner = matrix_recommender(recommender)
        if not hasattr(inner, "item_embedding_"):
            raise TypeError(
                f"{type(inner).__name__} has no item_embedding_; pass vectors of the items to from_predictions."
            )
        return cls.from_predictions(
            inner.item_embedding_,
            method=method,
            texts=_texts_of(inner, recommender.item_ids_) if texts is None else texts,
            groups=groups,
            values=None if X is None else users_per_item(recommender, X),
            value_name="Users of the item",
            n_labels=n_labels,
            max_items=max_items,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        vectors: ArrayLike,
        *,
        method: str = "tsne",
        texts: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        values: ArrayLike | None = None,
        value_name: str = "value",
        n_labels: int = 15,
        max_items: int = 2000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "EmbeddingMapDisplay":
        """Plot vectors of items.

        Parameters
        ----------
        vectors : array-like of shape (n_items, n_dimensions)
            The vectors of the items, such as an embedding or text vectors.
        method : {"tsne", "umap", "pca"}, default="tsne"
            The projection to two dimensions. UMAP needs the package umap-learn.
        texts : array-like of str of shape (n_items,), default=None
            The texts of the items.
        groups : array-like of shape (n_items,), default=None
            The group of each item, which defines its colour.
        values : array-like of shape (n_items,), default=None
            A non-negative number for each item, which defines its colour if there are no groups.
        value_name : str, default="value"
            The name of the numbers.
        n_labels : int, default=15
            The largest number of regions with a name, if there are texts and no groups. Pass 0 for no names.
        max_items : int, default=2000
            The largest number of items. If there are more, a random subset is plotted.
        random_state : int, RandomState instance or None, default=0
            The seed of the subset and the projection.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : EmbeddingMapDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If `vectors` have fewer than two dimensions, or `texts`, `groups` or `values` have another length.
        ImportError
            If `method` is "umap" and umap-learn is not installed.
        """
        if not isinstance(method, str) or method not in METHODS:
            raise ValueError(f"method must be 'tsne', 'umap' or 'pca'; got {method!r}.")
        check_count("max_items", max_items, least=3)
        check_count("n_labels", n_labels, least=0)
        points = _check_points(vectors)
        check_text("value_name", value_name)
        validate_parameter_constraints({"random_state": ["random_state"]}, {"random_state": random_state}, cls.__name__)
        rng = check_random_state(random_state)
        n_items = len(points)
        shown = np.sort(rng.permutation(n_items)[:max_items])
        kept_texts, kept_groups = _take(texts, shown, "texts", n_items), _take(groups, shown, "groups", n_items)
        numbers = None if values is None else _check_values(values, n_items)[shown]
        coordinates, axis_labels = project(normalize(points[shown]), method, rng)
        named = [] if kept_texts is None else [str(text) for text in kept_texts]
        return cls(
            coordinates=coordinates,
            axis_labels=axis_labels,
            texts=named or None,
            groups=kept_groups,
            values=numbers,
            value_name=value_name,
            labels=name_regions(coordinates, named, n_labels) if named and groups is None else None,
        ).plot(ax=ax)

    def plot(self, ax: Any = None) -> "EmbeddingMapDisplay":
        """Plot the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : EmbeddingMapDisplay
            The display itself.
        """
        self.ax_ = new_axes(ax, "EmbeddingMapDisplay.plot", size=(7.2, 5.6))
        self.figure_ = self.ax_.figure
        self._order: list[NDArray[np.intp]] = []
        self.points_: list[Any] = []
        limits = self._set_limits()
        if len(self.coordinates) >= LEAST_DENSE:
            draw_density(self.ax_, self.coordinates)
        size = float(np.clip(16_000 / len(self.coordinates), 5, 36))
        if self.groups is not None:
            self._draw_groups(self.groups, size)
        else:
            self._draw_values(size)
        self.ax_.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1], xticks=[], yticks=[])
        self._count_outside(limits)
        self.labels_ = draw_labels(self.ax_, self.labels or [])
        self.annotation_: Any = self._make_annotation() if self.texts is not None else None
        return self

    def _set_limits(self) -> list[tuple[float, float]]:
        """Set limits that ignore outliers, and that include other displays on the axes."""
        limits = [robust_limits(values) for values in self.coordinates.T]
        if self.ax_.has_data():
            shown = [self.ax_.get_xlim(), self.ax_.get_ylim()]
            limits = [(min(low, *old), max(high, *old)) for (low, high), old in zip(limits, shown, strict=True)]
        self.ax_.set(xlim=limits[0], ylim=limits[1])
        return limits

    def _count_outside(self, limits: list[tuple[float, float]]) -> None:
        """Write the number of items beyond the limits of the axes into the plot."""
        low, high = np.transpose(limits)
        n_outside = int(((self.coordinates < low) | (self.coordinates > high)).any(axis=1).sum())
        if n_outside:
            text = f"{n_outside:,} of {len(self.coordinates):,} items are outside"
            place = {"xy": (1, 0), "xycoords": "axes fraction", "xytext": (-4, 4), "textcoords": "offset points"}
            self.ax_.annotate(text, **place, ha="right", va="bottom", fontsize=8, color="#555555")

    def _draw_groups(self, groups: NDArray[Any], size: float) -> None:
        sizes = pd.Series(groups, dtype=object).astype(str)
        counts = sizes.value_counts()
        largest = counts.index[: len(COLOURS)].tolist() if len(counts) > len(COLOURS) else counts.index.tolist()
        styles = [(name, colour, marker) for name, colour, marker in zip(largest, COLOURS, MARKERS, strict=False)]
        others = np.flatnonzero(~sizes.isin(largest))
        if len(others):
            self._scatter(others, size, color=GREY, marker=".", label=f"{OTHERS} ({len(counts) - len(largest)} groups)")
        for name, colour, marker in styles:
            self._scatter(np.flatnonzero(sizes == name), size, color=colour, marker=marker, label=name)
        self.ax_.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            frameon=False,
            borderaxespad=0,
            markerscale=1.5,
            alignment="left",
        )

    def _draw_values(self, size: float) -> None:
        if self.values is None:
            n_others = sum(collection.get_label() == ITEMS for collection in self.ax_.collections)
            colour = COLOURS[n_others % len(COLOURS)]
            self._scatter(np.arange(len(self.coordinates)), size, color=colour, label=ITEMS)
            return
        from matplotlib.colors import LogNorm

        # Large values are drawn last, on top. Colours are those of values plus one, because the scale is logarithmic.
        order = np.argsort(self.values, kind="stable")
        norm = LogNorm(1, max(2.0, float(self.values.max()) + 1))
        points = self._scatter(order, size, c=self.values[order] + 1, cmap="cividis_r", norm=norm)
        bar = self.figure_.colorbar(points, ax=self.ax_, label=self.value_name, pad=0.02)
        top = float(self.values.max())
        ticks = [0.0, *[tick for tick in (10.0 ** np.arange(0, 12)) if tick < top / 2], top]
        bar.set_ticks([tick + 1 for tick in ticks], labels=[f"{tick:,.0f}" for tick in ticks])
        bar.ax.minorticks_off()

    def _scatter(self, items: NDArray[np.intp], size: float, **options: Any) -> Any:
        x, y = self.coordinates[items].T
        points = self.ax_.scatter(x, y, s=size, alpha=0.75, linewidths=0, zorder=2, **options)
        self.points_.append(points)
        self._order.append(items)
        return points

    def _make_annotation(self) -> Any:
        annotation = self.ax_.annotate(
            "",
            (0, 0),
            xytext=(0, 0),
            textcoords="offset points",
            bbox={"boxstyle": "round", "fc": "white", "ec": GREY, "alpha": 0.95},
            fontsize=9,
            parse_math=False,  # a text with dollar signs is no formula
            visible=False,
            zorder=10,
        )
        annotation.set_in_layout(False)
        # The canvas has only weak references to methods; a function keeps the display alive.
        self.figure_.canvas.mpl_connect("motion_notify_event", lambda event: self._on_move(event))
        return annotation

    def _on_move(self, event: Any) -> None:
        item = self._item_under(event) if event.inaxes is self.ax_ else None
        if item is None:
            if self.annotation_.get_visible():
                self.annotation_.set_visible(False)
                self.figure_.canvas.draw_idle()
            return
        assert self.texts is not None  # or there is no annotation to move
        self.annotation_.xy = self.coordinates[item]
        self.annotation_.set_text(
            "\n".join(textwrap.wrap(self.texts[item], HOVER_WIDTH, max_lines=HOVER_LINES, placeholder=" ..."))
        )
        # The text extends away from the nearer edges, so that it stays inside.
        x, y = self.ax_.transAxes.inverted().transform((event.x, event.y))
        self.annotation_.set(ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top")
        self.annotation_.set_position((8 if x < 0.5 else -8, 8 if y < 0.5 else -8))
        self.annotation_.set_visible(True)
        self.figure_.canvas.draw_idle()

    def _item_under(self, event: Any) -> int | None:
        for points, items in zip(reversed(self.points_), reversed(self._order), strict=True):
            inside, found = points.contains(event)
            if inside:
                places = self.ax_.transData.transform(self.coordinates[items[found["ind"]]])
                nearest = np.argmin(np.hypot(*(places - (event.x, event.y)).T))
                return int(items[found["ind"][nearest]])
        return None


def _texts_of(recommender: Any, ids: Any) -> Any:
    """Return the text column of the catalog if there is exactly one, else the ids."""
    catalog = getattr(recommender, "catalog", None)
    if catalog is None:
        return ids
    if ids is not None and catalog.ids is not None:
        catalog = catalog.align(ids)
    frame = pd.DataFrame(catalog.data) if getattr(catalog.data, "ndim", 2) == 1 else catalog.data
    if not isinstance(frame, pd.DataFrame):
        return ids
    are_texts = [not pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    return frame.loc[:, are_texts].iloc[:, 0].tolist() if sum(are_texts) == 1 else ids


def _check_points(vectors: Any) -> NDArray[np.float64]:
    if sparse.issparse(vectors):
        raise TypeError(
            f"vectors must be a dense array; got a {type(vectors).__name__}. Reduce its dimensions first, for example "
            "with TruncatedSVD."
        )
    points: NDArray[np.float64] = check_vectors(vectors, "vectors")
    if len(points) < 3:
        raise ValueError(f"vectors must have three or more items for a map; got {len(points)}.")
    if points.shape[1] < 2:
        raise ValueError(f"vectors must have two or more dimensions for a map; got {points.shape[1]}.")
    return points


def _take(column: Any, shown: NDArray[np.intp], name: str, n_items: int) -> Any:
    if column is None:
        return None
    values = as_ids(column, name, missing_ok=True)
    if len(values) != n_items:
        raise ValueError(f"{name} must have one value for each of {n_items} items; got {len(values)} values.")
    return values[shown]


def _check_values(values: Any, n_items: int) -> NDArray[np.float64]:
    numbers = check_numbers(values, "values", "finite numbers >= 0, shape (n_items,)")
    if len(numbers) != n_items:
        raise ValueError(f"values must have one value for each of {n_items} items; got {len(numbers)} values.")
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        raise ValueError(f"values must hold finite numbers >= 0; got {numbers[:5].tolist()}.")
    return numbers
