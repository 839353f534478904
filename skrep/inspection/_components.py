"""`ComponentsDisplay`: weights from features to components, as images or a heat map."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skrep.inspection._component_weights import Found, find_weights
from skrep.inspection._display import draw_matrix, inches_of, label_features, one_axes, redrawing
from skrep.inspection._display_inputs import (
    check_fitted,
    check_image_shape,
    check_indices,
    estimator_name,
)
from skrep.inspection._montage import draw_montage, figure_size

__all__ = ["ComponentsDisplay"]

# Tiles, or rows of a heat map, that are drawn unless more are asked for.
_MAX_SHOWN = 64
_MAX_NUMBERED = 40


class ComponentsDisplay:
    """What each component answers to: its weights, each scaled by its own largest.

    Make one with `from_estimator`. Red raises a component, blue lowers it, white leaves it alone.

    Parameters
    ----------
    weights : ndarray of shape (n_shown, n_features)
        One row per component, unscaled.
    numbers : ndarray of shape (n_shown,)
        Which components these are.
    image_shape : tuple of int or None, default=None
        (height, width) of a row; None draws a heat map.
    feature_names : sequence of str or None, default=None
        For the heat map; they are written where there are at most 30.
    source : str or None, default=None
        Where the weights come from, for the title.
    name : str or None, default=None
        Model, and view where there are several, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn in.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skrep.inspection import ComponentsDisplay
    >>> model = PCA(12).fit(load_digits().data)
    >>> display = ComponentsDisplay.from_estimator(model, image_shape=(8, 8))
    >>> display.weights.shape
    (12, 64)
    """

    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        weights: np.ndarray,
        numbers: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        source: str | None = None,
        name: str | None = None,
    ) -> None:
        self.weights = weights
        self.numbers = numbers
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.source = source
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        components: int | Sequence[int] | None = None,
        view: str | int | None = None,
        ax: Any = None,
    ) -> "ComponentsDisplay":
        """Draw the weights of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `components_` (PCA, NMF, RBMs), one matrix of `weights_` per view (CCA),
            `patterns_` (Hopfield networks: what is stored), `coupling_` (Boltzmann machines),
            `coefs_` (scikit-learn's networks), or a `module_` whose first layer is linear
            (autoencoders, VAEs, deep machines). Of a Pipeline the last step, in the units that
            it is given.
        image_shape : tuple of int or None, default=None
            (height, width) of a row of weights as an image; None draws a heat map of components
            by features.
        components : int, sequence of int or None, default=None
            Which are drawn, in that order. None draws at most 64: the first ones of models that
            order theirs (PCA, CCA, linear paths), else those with the largest weights.
        view : str, int or None, default=None
            Which view's weights are drawn, where there are several; None is the first.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComponentsDisplay

        Raises
        ------
        TypeError
            If the estimator has no such weights.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `image_shape` does not fit the features, or there is no such component or view.

        Notes
        -----
        Weights of the models of skrep that scale their input apply to scaled features, except
        `components_` and `weights_`, which are in the units of the input. Of an encoder with a
        linear path beside its hidden layers that path is shown, one row per number of the code,
        else the first layer, one row per hidden unit. Hidden units that a view is not connected
        to are left out and not counted.
        """
        check_fitted(estimator)
        found = find_weights(estimator, view)
        shape = check_image_shape(image_shape, found.weights.shape[1])
        if shape is not None and len(shape) == 3:
            raise ValueError(
                f"Weights have a sign, which colour images cannot show. Got `image_shape="
                f"{image_shape!r}`; pass (height, width * channels) or None."
            )
        if components is None:
            numbers = _order(found)[:_MAX_SHOWN]
        else:
            n = len(found.weights)
            numbers = np.array(check_indices(components, n, "components", "components"))
        title = estimator_name(estimator)
        display = cls(
            weights=found.weights[numbers],
            numbers=numbers,
            image_shape=shape,
            feature_names=found.feature_names,
            source=found.source,
            name=title if found.view is None else f"{title}, {found.view}",
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None, *, cmap: Any = "RdBu_r") -> "ComponentsDisplay":
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str or Colormap, default="RdBu_r"
            From the most negative weight of a component to the most positive.

        Returns
        -------
        ComponentsDisplay
            This one.
        """
        largest = np.abs(self.weights).max(axis=1, keepdims=True)
        scaled = self.weights / np.where(largest > 0.0, largest, 1.0)
        scale = {"cmap": cmap, "vmin": -1.0, "vmax": 1.0}
        place = one_axes(ax, "ComponentsDisplay", figsize=self._figsize())
        self.ax_, self.figure_ = place.axes[0, 0], place.figure
        with redrawing(self, place):
            if self.image_shape is None:
                self._plot_heat_map(scaled, scale)
            else:
                self._plot_images(scaled, scale, self.image_shape)
        parts = [text for text in (self.name, self.source) if text is not None]
        self.ax_.set_title(": ".join(parts))
        return self

    def _grid(self) -> tuple[int, int]:
        n_columns = math.ceil(math.sqrt(len(self.weights)))
        return -(-len(self.weights) // n_columns), n_columns

    def _figsize(self) -> tuple[float, float]:
        if self.image_shape is None:
            room = min(inches_of(self.feature_names), 3.0)
            return 7.0, float(np.clip(1.2 + 0.18 * len(self.weights), 2.4, 10.0)) + room
        return figure_size(*self._grid(), self.image_shape, tile=0.7)

    def _plot_images(
        self, scaled: np.ndarray, scale: dict[str, Any], shape: tuple[int, ...]
    ) -> None:
        n_rows, n_columns = self._grid()
        tiles = np.full((n_rows * n_columns, scaled.shape[1]), np.nan)
        tiles[: len(scaled)] = scaled
        made = draw_montage(self.ax_, tiles.reshape(n_rows, n_columns, -1), shape, scale)
        if len(scaled) > _MAX_NUMBERED:
            return
        for k, number in enumerate(self.numbers):
            row, column = divmod(k, n_columns)
            left = made.column_centers[column] - shape[1] / 2
            top = made.row_centers[row] - shape[0] / 2
            self.ax_.text(
                left,
                top,
                str(number),
                fontsize=6,
                color="0.2",
                ha="left",
                va="top",
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
            )

    def _plot_heat_map(self, scaled: np.ndarray, scale: dict[str, Any]) -> None:
        image = draw_matrix(self.ax_, scaled, scale)
        shown = np.arange(len(scaled))[:: max(1, len(scaled) // 24)]
        self.ax_.set_yticks(shown, [str(self.numbers[k]) for k in shown], fontsize="small")
        self.ax_.set_ylabel("component")
        label_features(self.ax_, self.feature_names)
        self.figure_.colorbar(image, ax=self.ax_, pad=0.02, label="relative weight")


def _order(found: Found) -> np.ndarray:
    n = len(found.weights)
    if found.ordered:
        return np.arange(n)
    return np.argsort(-np.linalg.norm(found.weights, axis=1), kind="stable")
