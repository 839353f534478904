"""`ReconstructionDisplay`: originals and what comes back from the code."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skrep.inspection._display import (
    color_scale,
    draw_matrix,
    grid_of_axes,
    inches_of,
    label_features,
    redrawing,
    set_title,
    spread_rows,
    units_differ,
)
from skrep.inspection._display_inputs import (
    check_count,
    check_fitted,
    check_has,
    check_image_shape,
    estimator_name,
    pick_view,
    view_names,
)
from skrep.inspection._montage import draw_montage, figure_size
from skrep.views import as_views, is_multiview

__all__ = ["ReconstructionDisplay"]


class ReconstructionDisplay:
    """Samples above or beside their reconstructions.

    Make one with `from_estimator`.

    Parameters
    ----------
    originals : ndarray of shape (n_shown, n_features)
        Samples of one view.
    reconstructions : ndarray of shape (n_shown, n_features)
        What the model made of them.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, 3) of a row; None draws heat maps.
    feature_names : sequence of str or None, default=None
        For heat maps; they are written where there are at most 30.
    r2 : float or None, default=None
        Share of the variance of the view that comes back.
    mse : float or None, default=None
        Mean squared error per feature, in squared units of the data.
    n_samples : int or None, default=None
        How many samples both numbers were computed on.
    name : str or None, default=None
        Model, and view where there are several, for the title.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (1, 1) or (1, 3)
        One for images; original, reconstruction and difference for heat maps.
    figure_ : matplotlib Figure
        Their figure.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skrep.inspection import ReconstructionDisplay
    >>> X = load_digits().data
    >>> display = ReconstructionDisplay.from_estimator(PCA(8).fit(X), X, image_shape=(8, 8))
    >>> display.originals.shape, display.axes_.shape
    ((8, 64), (1, 1))
    """

    axes_: np.ndarray
    figure_: Any

    def __init__(
        self,
        *,
        originals: np.ndarray,
        reconstructions: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        r2: float | None = None,
        mse: float | None = None,
        n_samples: int | None = None,
        name: str | None = None,
    ) -> None:
        self.originals = originals
        self.reconstructions = reconstructions
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.r2 = r2
        self.mse = mse
        self.n_samples = n_samples
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_samples: int = 8,
        view: str | int | None = None,
        feature_names: Sequence[str] | None = None,
        ax: Any = None,
    ) -> "ReconstructionDisplay":
        """Reconstruct samples and draw them beside the originals.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `reconstruct`, or `transform` and `inverse_transform`.
        X : array-like, sparse matrix or several views
            As `transform` takes it. Better samples that the model was not fitted on.
        image_shape : tuple of int or None, default=None
            (height, width), or (height, width, 3), of a row as an image; None draws heat maps of
            samples by features.
        n_samples : int, default=8
            How many samples are drawn, evenly spread over X. The error is that of all of them.
        view : str, int or None, default=None
            Which view is drawn, where there are several; None is the first.
        feature_names : sequence of str or None, default=None
            For heat maps; None takes the columns of a DataFrame.
        ax : matplotlib Axes, array of Axes or None, default=None
            Where to draw; None makes a figure. Heat maps need three axes, or one in whose place
            they are put.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        TypeError
            If the estimator cannot decode.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `image_shape` or `feature_names` does not fit the view, there is no such view, no
            sample has it, or `n_samples` is not a positive integer.

        Notes
        -----
        One `transform` and one `inverse_transform` of X.
        """
        check_count(n_samples, "n_samples")
        names = view_names(estimator, X)
        original, label = pick_view(X, view, "ReconstructionDisplay", names)
        shape = check_image_shape(image_shape, original.shape[1])
        columns = _feature_names(X, label, names, feature_names, original.shape[1])
        decoded, _ = pick_view(_reconstructed(estimator, X), label, "ReconstructionDisplay")
        if decoded.shape != original.shape:
            raise ValueError(
                f"{estimator_name(estimator)} made a reconstruction of shape {decoded.shape} of "
                f"data of shape {original.shape}; they must be the same."
            )
        there = np.flatnonzero(np.isfinite(original).all(axis=1))
        if not len(there):
            raise ValueError(f"No sample of X has the view {label!r}, so none can be drawn.")
        r2, mse = _errors(original[there], decoded[there])
        rows = there[spread_rows(len(there), n_samples)]
        title = estimator_name(estimator)
        display = cls(
            originals=original[rows],
            reconstructions=decoded[rows],
            image_shape=shape,
            feature_names=columns,
            r2=r2,
            mse=mse,
            n_samples=len(there),
            name=title if label is None else f"{title}, {label}",
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None, *, cmap: Any = None) -> "ReconstructionDisplay":
        """Draw originals and reconstructions.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, Colormap or None, default=None
            None is "gray_r" for images, and for heat maps blue to red about 0 where values have
            both signs, else viridis. Where the units of features differ by far, heat maps are
            drawn in standard deviations of each.

        Returns
        -------
        ReconstructionDisplay
            This one.
        """
        if self.image_shape is None:
            self._plot_heat_maps(ax, cmap)
        else:
            self._plot_images(ax, cmap, self.image_shape)
        return self

    def _plot_images(self, ax: Any, cmap: Any, shape: tuple[int, ...]) -> None:
        size = figure_size(2, len(self.originals), shape)
        place = grid_of_axes(ax, 1, 1, "ReconstructionDisplay", figsize=size)
        self.axes_, self.figure_ = place.axes, place.figure
        # The originals set the limits: a reconstruction beyond them is as dark as they get.
        scale = color_scale(self.originals, signed=False)
        scale["cmap"] = "gray_r" if cmap is None else cmap
        strips = np.stack([self.originals, self.reconstructions])
        labels = ("original", "reconstruction")
        with redrawing(self, place):
            draw_montage(place.axes[0, 0], strips, shape, scale, row_labels=labels)
        set_title(place, self._title())

    def _plot_heat_maps(self, ax: Any, cmap: Any) -> None:
        height = float(np.clip(1.4 + 0.16 * len(self.originals), 2.4, 8.0)) + min(
            inches_of(self.feature_names), 3.0
        )
        place = grid_of_axes(ax, 1, 3, "ReconstructionDisplay", figsize=(9.0, height))
        self.axes_, self.figure_ = place.axes, place.figure
        before, after = self.originals, self.reconstructions
        label = "value"
        spread = before.std(axis=0)
        if units_differ(spread):
            mean, spread = before.mean(axis=0), np.where(spread > 0.0, spread, 1.0)
            before, after = (before - mean) / spread, (after - mean) / spread
            label = "standard deviations of the feature"
        scale = color_scale(before)
        if cmap is not None:
            scale["cmap"] = cmap
        first, second, third = place.axes[0]
        with redrawing(self, place):
            draw_matrix(first, before, scale)
            shared = draw_matrix(second, after, scale)
            own = draw_matrix(third, after - before, color_scale(after - before, signed=True))
            for axes, text in zip(
                place.axes[0], ("original", "reconstruction", "difference"), strict=True
            ):
                axes.set_title(text, fontsize="small")
                label_features(axes, self.feature_names)
            first.set_ylabel("sample")
            self.figure_.colorbar(shared, ax=[first, second], shrink=0.9, pad=0.02, label=label)
            self.figure_.colorbar(own, ax=third, shrink=0.9, pad=0.04)
        set_title(place, self._title())

    def _title(self) -> str:
        parts = [] if self.name is None else [self.name]
        if self.r2 is not None and np.isfinite(self.r2):
            parts.append(f"R² {self.r2:.3f}")
        elif self.mse is not None:
            parts.append(f"mean squared error {self.mse:.3g}")
        if self.n_samples is not None and len(parts) > (self.name is not None):
            parts[-1] += f" over {self.n_samples} samples"
        return ": ".join(parts)


def _reconstructed(estimator: Any, X: Any) -> Any:
    check_fitted(estimator)
    own = getattr(estimator, "reconstruct", None)
    if callable(own):
        return own(X)
    others = "all models of skrep, PCA, NMF and Pipelines of such"
    display = "ReconstructionDisplay"
    encode = check_has(estimator, "transform", display, others)
    return check_has(estimator, "inverse_transform", display, others)(encode(X))


def _errors(original: np.ndarray, decoded: np.ndarray) -> tuple[float, float]:
    """Return the share of variance that comes back, NaN where there is none, and the error."""
    error = np.square(decoded - original)
    total = np.square(original - original.mean(axis=0)).sum()
    return (float(1.0 - error.sum() / total) if total > 0.0 else np.nan), float(error.mean())


def _feature_names(
    X: Any, label: str | None, names: Sequence[str] | None, given: Any, width: int
) -> list[str] | None:
    if given is None:
        if is_multiview(X):
            X = as_views(X, names=names)[label]
        columns = getattr(X, "columns", None)
        return None if columns is None else [str(column) for column in columns]
    found = [str(name) for name in given]
    if len(found) != width:
        raise ValueError(
            f"`feature_names` needs one name for each of the {width} features. Got {len(found)}."
        )
    return found
