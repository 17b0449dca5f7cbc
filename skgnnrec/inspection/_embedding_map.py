"""The catalog as a map: items near each other in the embedding."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skgnnrec._recommended import chosen
from skgnnrec._validation import check_interactions
from skgnnrec.inspection._plotting import COLOURS, GREY, MARKERS, new_axes

METHODS = ("pca", "umap")
OTHERS = "others"
HOVER_WIDTH = 40  # characters of a line
HOVER_LINES = 4


class EmbeddingMapDisplay:
    """The items of a catalog in the two dimensions that keep most of their embedding.

    These are principal components, or what UMAP [1]_ finds. Vectors are scaled to unit length first, so that near means
    a high cosine, whatever the items' popularity. Under the pointer an item shows its text, where the backend of
    matplotlib is interactive.

    It is recommended to use `from_estimator` or `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    coordinates : ndarray of shape (n_items, 2)
        Where the items stand.
    axis_labels : tuple of two str
        What the axes are.
    texts : list of str of length n_items or None, default=None
        What the pointer shows.
    groups : ndarray of shape (n_items,) or None, default=None
        The group of each item, by which it is coloured: the seven largest, and "others".
    values : ndarray of shape (n_items,) or None, default=None
        A number >= 0 of each item, by which it is coloured where there are no groups.
    value_name : str, default="value"
        What the numbers are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    points_ : list of matplotlib PathCollection
        The items, a collection for each group.
    annotation_ : matplotlib Annotation or None
        The text under the pointer.

    References
    ----------
    .. [1] L. McInnes, J. Healy and J. Melville, "UMAP: uniform manifold approximation and projection for dimension
       reduction", arXiv:1802.03426, 2018.

    Examples
    --------
    >>> from skgnnrec.inspection import EmbeddingMapDisplay
    >>> display = EmbeddingMapDisplay.from_predictions(
    ...     [[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1]], texts=["red mug", "blue mug", "tea pot"]
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
    ) -> None:
        self.coordinates = coordinates
        self.axis_labels = axis_labels
        self.texts = texts
        self.groups = groups
        self.values = values
        self.value_name = value_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        method: str = "pca",
        texts: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        max_items: int = 5000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "EmbeddingMapDisplay":
        """Draw the embedding that a fitted recommender has of its items.

        Parameters
        ----------
        estimator : BaseRecommender
            A fitted recommender with an `item_embedding_` of two or more dimensions; also a search over one, or a
            `TableRecommender`.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            Interactions: items are coloured by how many users have them, where there are no groups.
        method : {"pca", "umap"}, default="pca"
            Principal components, or UMAP by the cosine, which needs the package umap-learn.
        texts : array-like of str of shape (n_items,), default=None
            What the pointer shows. None takes the catalog's texts, if it has one column of them, else its ids.
        groups : array-like of shape (n_items,), default=None
            The group of each item, by which it is coloured.
        max_items : int, default=5000
            Of more items a random part is drawn, of all alike.
        random_state : int, RandomState instance or None, default=0
            Seeds the choice of items and UMAP.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : EmbeddingMapDisplay
            The drawn display.
        """
        check_is_fitted(estimator)
        recommender = chosen(estimator)
        values = None
        if X is not None:
            checked = check_interactions(X)
            values = np.bincount(checked.indices, minlength=checked.shape[1])
        return cls.from_predictions(
            recommender.item_embedding_,
            method=method,
            texts=_texts_of(recommender) if texts is None else texts,
            groups=groups,
            values=values,
            value_name="Users who have the item",
            max_items=max_items,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        vectors: ArrayLike,
        *,
        method: str = "pca",
        texts: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        values: ArrayLike | None = None,
        value_name: str = "value",
        max_items: int = 5000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "EmbeddingMapDisplay":
        """Draw vectors of items.

        Parameters
        ----------
        vectors : array-like of shape (n_items, n_dimensions)
            The items: an embedding, or what a text model made of their texts.
        method : {"pca", "umap"}, default="pca"
            Principal components, or UMAP by the cosine, which needs the package umap-learn.
        texts : array-like of str of shape (n_items,), default=None
            What the pointer shows.
        groups : array-like of shape (n_items,), default=None
            The group of each item, by which it is coloured.
        values : array-like of shape (n_items,), default=None
            A number >= 0 of each item, by which it is coloured where there are no groups.
        value_name : str, default="value"
            What the numbers are.
        max_items : int, default=5000
            Of more items a random part is drawn, of all alike.
        random_state : int, RandomState instance or None, default=0
            Seeds the choice of items and UMAP.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : EmbeddingMapDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If vectors have fewer than two dimensions, or a column is not as long as there are items.
        ImportError
            If UMAP is asked for and not installed.
        """
        if method not in METHODS:
            raise ValueError(f"method must be 'pca' or 'umap'; got {method!r}.")
        if max_items < 3:
            raise ValueError(f"max_items must be at least 3, or there is no map; got {max_items!r}.")
        points = check_array(vectors, dtype=np.float64, input_name="vectors", ensure_min_samples=3)
        if points.shape[1] < 2:
            raise ValueError(f"vectors must have two or more dimensions to be drawn as a map; got {points.shape[1]}.")
        rng = check_random_state(random_state)
        n_items = len(points)
        shown = np.sort(rng.permutation(n_items)[:max_items])
        columns = {"texts": texts, "groups": groups, "values": values}
        kept = {name: _take(column, shown, name, n_items) for name, column in columns.items()}
        coordinates, labels = (_umap if method == "umap" else _pca)(normalize(points[shown]), rng)
        return cls(
            coordinates=coordinates,
            axis_labels=labels,
            texts=None if kept["texts"] is None else [str(text) for text in kept["texts"]],
            groups=kept["groups"],
            values=kept["values"],
            value_name=value_name,
        ).plot(ax=ax)

    def plot(self, ax: Any = None) -> "EmbeddingMapDisplay":
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : EmbeddingMapDisplay
            The display itself, with `ax_` and `figure_`.
        """
        self.ax_ = new_axes(ax, "EmbeddingMapDisplay.plot", size=(7.2, 5.6))
        self.figure_ = self.ax_.figure
        self._order: list[NDArray[np.intp]] = []
        self.points_: list[Any] = []
        size = float(np.clip(20_000 / len(self.coordinates), 9, 36))
        if self.groups is not None:
            self._draw_groups(self.groups, size)
        else:
            self._draw_values(size)
        self.ax_.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1], xticks=[], yticks=[])
        self.ax_.margins(0.05)
        self.annotation_: Any = self._make_annotation() if self.texts is not None else None
        return self

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
            self._scatter(np.arange(len(self.coordinates)), size, color=COLOURS[0])
            return
        from matplotlib.colors import LogNorm

        # Those of large values last, on top. One more than the value: a logarithmic scale has no zero.
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
        points = self.ax_.scatter(x, y, s=size, alpha=0.75, linewidths=0, **options)
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
            parse_math=False,  # a price in dollars is no formula
            visible=False,
            zorder=10,
        )
        annotation.set_in_layout(False)
        # Of methods the canvas holds weak references, which would end with a display that nobody keeps.
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
        # Away from the nearer edges, so that the text stays inside.
        x, y = self.ax_.transAxes.inverted().transform((event.x, event.y))
        self.annotation_.set(ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top")
        self.annotation_.set_position((8 if x < 0.5 else -8, 8 if y < 0.5 else -8))
        self.annotation_.set_visible(True)
        self.figure_.canvas.draw_idle()

    def _item_under(self, event: Any) -> int | None:
        for points, items in zip(reversed(self.points_), reversed(self._order), strict=True):
            inside, found = points.contains(event)
            if inside:
                # Of several under the pointer the nearest.
                places = self.ax_.transData.transform(self.coordinates[items[found["ind"]]])
                nearest = np.argmin(np.hypot(*(places - (event.x, event.y)).T))
                return int(items[found["ind"][nearest]])
        return None


def _pca(vectors: NDArray[np.float64], rng: np.random.RandomState) -> tuple[NDArray[np.float64], tuple[str, str]]:
    pca = PCA(2, svd_solver="covariance_eigh" if vectors.shape[1] <= len(vectors) else "full")
    coordinates = pca.fit_transform(vectors)
    first, second = (f"{100 * share:.0f} % of the variance" for share in pca.explained_variance_ratio_)
    return coordinates, (f"First component ({first})", f"Second component ({second})")


def _umap(vectors: NDArray[np.float64], rng: np.random.RandomState) -> tuple[NDArray[np.float64], tuple[str, str]]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("method='umap' needs UMAP, which is not installed: pip install umap-learn") from error
    seed = int(rng.randint(np.iinfo(np.int32).max))
    n_neighbors = min(15, len(vectors) - 1)
    umap = UMAP(metric="cosine", n_neighbors=n_neighbors, random_state=seed, n_jobs=1)
    return np.asarray(umap.fit_transform(vectors), dtype=np.float64), ("UMAP 1", "UMAP 2")


def _texts_of(recommender: Any) -> Any:
    """Return the catalog's texts where one column of it holds them, else the ids."""
    ids = recommender.item_ids_
    catalog = getattr(recommender, "items", None)
    if catalog is None:
        return ids
    if ids is not None and catalog.ids is not None:
        catalog = catalog.align(ids)
    frame = pd.DataFrame(catalog.data) if getattr(catalog.data, "ndim", 2) == 1 else catalog.data
    if not isinstance(frame, pd.DataFrame):
        return ids
    are_texts = [not pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    return frame.loc[:, are_texts].iloc[:, 0].tolist() if sum(are_texts) == 1 else ids


def _take(column: Any, shown: NDArray[np.intp], name: str, n_items: int) -> Any:
    if column is None:
        return None
    column = np.asarray(column)
    if column.shape != (n_items,):
        raise ValueError(f"{name} must hold one for each of {n_items} items, shape ({n_items},); got {column.shape}.")
    return column[shown]
