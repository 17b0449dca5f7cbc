"""Plot of the spectrum of the interactions and of the response of a filter."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgnnrec.inspection._axes import GREY, legend_above, line_styles, new_axes
from skgnnrec.inspection._rankings import check_text, named_estimators
from skgnnrec.metrics import check_numbers
from skgnnrec.ranking import fitted_recommender

N_MARKERS = 12  # on a line of hundreds of components


class SpectralResponseDisplay:
    """Plot which part of each component of the interactions a graph filter keeps.

    The horizontal axis has the components of the interactions, the strongest first. The grey line shows their squared
    singular values: how much of the interactions they explain. A coloured line shows the response: the factor by which
    the filter multiplies the part of a history along the component. If it falls slowly, the filter keeps weak signals;
    if it falls fast, the filter recommends what many users have in common.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    singular_values : dict of str to ndarray of shape (n_components,)
        The singular values of each filter, relative to the largest one, descending.
    response : dict of str to ndarray of shape (n_components,)
        The response of each filter to its components.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        The response of each filter.
    spectra_ : list of matplotlib Line2D
        The squared singular values of each filter.

    See Also
    --------
    skgnnrec.GraphFilterRecommender : The filter, with the formula of its response.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GraphFilterRecommender
    >>> from skgnnrec.inspection import SpectralResponseDisplay
    >>> rec = GraphFilterRecommender(n_components=2).fit(np.kron(np.eye(4), np.ones((3, 2))))
    >>> display = SpectralResponseDisplay.from_estimator(rec)
    >>> display.singular_values["GraphFilterRecommender"].round(2)
    array([1., 1.])
    """

    def __init__(
        self, *, singular_values: Mapping[str, NDArray[np.float64]], response: Mapping[str, NDArray[np.float64]]
    ) -> None:
        self.singular_values = singular_values
        self.response = response

    @classmethod
    def from_estimator(cls, estimator: Any, *, name: str | None = None, ax: Any = None) -> "SpectralResponseDisplay":
        """Plot the response of fitted filters.

        Parameters
        ----------
        estimator : GraphFilterRecommender or dict of str to GraphFilterRecommender
            A fitted filter, or fitted filters by name. Fitted searches, pipelines and `LogRecommender` are accepted.
        name : str, default=None
            The name of a single filter. If None, it is the name of its class.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SpectralResponseDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If a recommender has no spectrum: another one than `GraphFilterRecommender`, or one with ``n_components=0``.
        """
        filters = {key: fitted_recommender(each, None)[0] for key, each in named_estimators(estimator, name).items()}
        filters = {key: getattr(each, "recommender_", each) for key, each in filters.items()}
        for key, each in filters.items():
            if not len(getattr(each, "singular_values_", ())):
                raise ValueError(
                    "estimator must be a GraphFilterRecommender with n_components > 0, whose spectrum is plotted; "
                    f"got a {type(each).__name__} as {key!r}."
                )
        singular_values = {key: each.singular_values_ for key, each in filters.items()}
        response = {key: each.response_ for key, each in filters.items()}
        return cls(singular_values=singular_values, response=response).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls, singular_values: ArrayLike, response: ArrayLike, *, name: str = "response", ax: Any = None
    ) -> "SpectralResponseDisplay":
        """Plot a response.

        Parameters
        ----------
        singular_values : array-like of shape (n_components,)
            The singular values, descending.
        response : array-like of shape (n_components,)
            The response to each component.
        name : str, default="response"
            The name in the legend.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SpectralResponseDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the arrays differ in length, hold no numbers, or the singular values are not descending.
        """
        check_text("name", name)
        sigma = check_numbers(singular_values, "singular_values", "numbers >= 0, descending")
        h = check_numbers(response, "response", "a number for each singular value")
        if len(sigma) != len(h) or not len(sigma):
            raise ValueError(
                f"response must have one number for each singular value; got {len(h)} for {len(sigma)} singular_values."
            )
        if (np.diff(sigma) > 0).any() or sigma[-1] < 0:
            raise ValueError(f"singular_values must be descending and non-negative; got {sigma[:5].tolist()}.")
        return cls(singular_values={name: sigma}, response={name: h}).plot(ax=ax)

    def plot(self, ax: Any = None) -> "SpectralResponseDisplay":
        """Plot the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SpectralResponseDisplay
            The display itself.
        """
        self.ax_ = new_axes(ax, "SpectralResponseDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_: list[Any] = []
        self.spectra_: list[Any] = []
        for name, style in line_styles(self.response, self.ax_).items():
            components = np.arange(1, len(self.response[name]) + 1)
            label = "spectrum σ²" if not self.spectra_ else "_"
            self.spectra_ += self.ax_.plot(
                components, self.singular_values[name] ** 2, color=GREY, ls="--", label=label
            )
            spacing = max(1, len(components) // N_MARKERS)
            self.lines_ += self.ax_.plot(
                components, self.response[name], label=name, markersize=5, markevery=spacing, **style
            )
        self.ax_.set_ylim(bottom=0, auto=True)
        self.ax_.grid(alpha=0.3)
        self.ax_.set(xlabel="Component of the interactions, the strongest first", ylabel="Response and squared value")
        legend_above(self.ax_)
        return self
