"""`LatentDisplay`: codes in two dimensions."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from skrep.inspection._coded import codes_of
from skrep.inspection._display import MAX_LEGEND, class_colors, one_axes, plain, redrawing
from skrep.inspection._display_inputs import (
    check_has,
    check_labels,
    classes_of,
    estimator_name,
    place_of_view,
)
from skrep.inspection._plane import SPREAD, in_plane
from skrep.utils.random import seed_from

__all__ = ["LatentDisplay"]

_METHODS = ("auto", "pca", "tsne", "umap", None)
# Of points whose label is missing.
_UNKNOWN = "0.75"
_MARKERS = "o^sDvP*X"
# More numbers than this are a quantity rather than classes.
_MAX_CLASSES = 20


class LatentDisplay:
    """Codes of samples as points in a plane, coloured by what is known of them.

    Make one with `from_estimator`.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Where the points are; those of the views one after the other for models with a code per
        view.
    y : ndarray of shape (n_points,) or None, default=None
        Classes or numbers that give the colours.
    view_of_point : ndarray of shape (n_points,) or None, default=None
        Position in `view_names` of the view that each code was made of.
    view_names : tuple of str, default=()
        Names of the views that are shown.
    axis_labels : tuple of (str, str), default=('code 0', 'code 1')
        What the axes are.
    name : str or None, default=None
        Name of the model, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn in.
    figure_ : matplotlib Figure
        Its figure.
    collections_ : list of matplotlib PathCollection
        The groups of points: one per class and view.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.inspection import LatentDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LatentDisplay.from_estimator(PCA(2).fit(X), X, y)
    >>> display.points.shape, len(display.collections_)
    ((150, 2), 3)
    """

    ax_: Any
    figure_: Any
    collections_: list[Any]

    def __init__(
        self,
        *,
        points: np.ndarray,
        y: np.ndarray | None = None,
        view_of_point: np.ndarray | None = None,
        view_names: tuple[str, ...] = (),
        axis_labels: tuple[str, str] = ("code 0", "code 1"),
        name: str | None = None,
    ) -> None:
        self.points = points
        self.y = y
        self.view_of_point = view_of_point
        self.view_names = view_names
        self.axis_labels = axis_labels
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        method: Literal["auto", "pca", "tsne", "umap"] | None = "auto",
        components: Sequence[int] = (0, 1),
        view: str | int | None = None,
        ax: Any = None,
        random_state: Any = None,
    ) -> "LatentDisplay":
        """Compute codes and draw them.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `transform`.
        X : array-like, sparse matrix or several views
            As `transform` takes it.
        y : array-like of shape (n_samples,) or None, default=None
            Classes (strings, booleans or at most 20 whole numbers), which get a colour each, or
            numbers, which get a colour bar. Where it is NaN or None points are grey.
        method : {"auto", "pca", "tsne", "umap"} or None, default="auto"
            How codes of more than two numbers come into the plane: "pca" along their widest
            directions, "tsne" by scikit-learn and "umap" by umap-learn keep neighbours together
            and distort distances. "auto" shows codes of one or two numbers as they are and takes
            "pca" for others. None takes two numbers of the code as they are.
        components : sequence of 2 int, default=(0, 1)
            Which axes are drawn: numbers of the code, or principal axes for "pca".
        view : str, int or None, default=None
            Of a model with a code per view, the view whose codes are shown; None shows all of
            them, with a marker each.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        random_state : int, RandomState or None, default=None
            Of t-SNE, UMAP and the offsets that spread codes of one number out. An integer makes
            the picture repeatable; None takes fresh entropy.

        Returns
        -------
        LatentDisplay

        Raises
        ------
        TypeError
            If the estimator has no `transform`.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If `method`, `components` or `view` is none of what there is, or `y` has another length
            than X.
        ImportError
            If `method="umap"` and umap-learn is not installed.

        Notes
        -----
        One `transform` of X. PCA takes less than that, t-SNE seconds per thousand samples.
        """
        if method not in _METHODS:
            raise ValueError(f"`method` is one of {_METHODS}. Got {method!r}.")
        check_has(estimator, "transform", "LatentDisplay", "all transformers")
        codes, names = _codes(estimator, X, view)
        n_samples = len(codes[0])
        labels = check_labels(y, n_samples)
        joined = np.vstack(codes)
        # A view that is absent has no code.
        there = np.isfinite(joined).all(axis=1)
        if not there.any():
            raise ValueError("There is no point to draw: every code is NaN.")
        seed = seed_from(random_state)
        points, axis_labels = in_plane(joined[there], method, components, seed)
        of_view = np.repeat(np.arange(len(codes)), n_samples)[there]
        display = cls(
            points=points,
            y=None if labels is None else np.tile(labels, len(codes))[there],
            view_of_point=of_view if names else None,
            view_names=names,
            axis_labels=axis_labels,
            name=estimator_name(estimator),
        )
        return display.plot(ax=ax)

    def plot(
        self, ax: Any = None, *, cmap: Any = "viridis", size: float | None = None
    ) -> "LatentDisplay":
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str or Colormap, default="viridis"
            Of numbers.
        size : float or None, default=None
            Area of a marker in square points; None takes less for more points.

        Returns
        -------
        LatentDisplay
            This one.
        """
        place = one_axes(ax, "LatentDisplay")
        self.ax_, self.figure_ = place.axes[0, 0], place.figure
        self.collections_ = []
        if size is None:
            size = float(np.clip(6000.0 / len(self.points), 6.0, 28.0))
        with redrawing(self, place):
            if self.y is None or _are_classes(self.y):
                self._draw_classes(size)
            else:
                self._draw_numbers(size, cmap)
        plain(self.ax_)
        self.ax_.set_xlabel(self.axis_labels[0])
        self.ax_.set_ylabel(self.axis_labels[1])
        if self.axis_labels[1] == SPREAD:
            self.ax_.set_yticks([])
        self.ax_.set_title(self._title())
        return self

    def _title(self) -> str:
        title = "codes" if self.name is None else f"{self.name}: codes"
        return f"{title} of {self.view_names[0]}" if len(self.view_names) == 1 else title

    def _groups(self) -> list[tuple[np.ndarray, str, str]]:
        """Return a mask, a marker and a name for each view."""
        if self.view_of_point is None:
            return [(np.ones(len(self.points), dtype=bool), "o", "")]
        return [
            (self.view_of_point == i, _MARKERS[i % len(_MARKERS)], name)
            for i, name in enumerate(self.view_names)
        ]

    def _draw_classes(self, size: float) -> None:
        classes = [None] if self.y is None else classes_of(self.y)
        groups = self._groups()
        # Without classes the views differ by colour, too.
        colors = class_colors(len(groups) if self.y is None else len(classes))
        for g, (of_view, marker, _) in enumerate(groups):
            for c, value in enumerate(classes):
                members = of_view if value is None else of_view & (self.y == value)
                color = colors[g if value is None else c]
                self._scatter(members, size, marker, color=color)
        if self.y is not None:
            for of_view, marker, _ in groups:
                unknown = of_view & pd.isna(self.y)
                if unknown.any():
                    self._scatter(unknown, size, marker, color=_UNKNOWN, zorder=0.5)
        entries: list[tuple[str, str, Any]] = []
        if self.y is not None and len(classes) <= MAX_LEGEND:
            entries = [(str(v), "o", colors[c]) for c, v in enumerate(classes)]
        if len(groups) > 1:
            by_color = self.y is None
            entries += [
                (name, marker, colors[g] if by_color else "0.4")
                for g, (_, marker, name) in enumerate(groups)
            ]
        self._legend(entries)

    def _draw_numbers(self, size: float, cmap: Any) -> None:
        values = np.asarray(self.y, dtype=np.float64)
        from matplotlib import colormaps

        colors = colormaps.get_cmap(cmap).with_extremes(bad=_UNKNOWN)
        limits = {"vmin": np.nanmin(values), "vmax": np.nanmax(values), "cmap": colors}
        groups = self._groups()
        for of_view, marker, _ in groups:
            drawn = self._scatter(
                of_view, size, marker, c=values[of_view], plotnonfinite=True, **limits
            )
        self.figure_.colorbar(drawn, ax=self.ax_, label="y")
        if len(groups) > 1:
            self._legend([(name, marker, "0.4") for _, marker, name in groups])

    def _scatter(self, members: np.ndarray, size: float, marker: str, **how: Any) -> Any:
        shown = self.points[members]
        drawn = self.ax_.scatter(
            shown[:, 0], shown[:, 1], s=size, marker=marker, alpha=0.75, linewidths=0, **how
        )
        self.collections_.append(drawn)
        return drawn

    def _legend(self, entries: list[tuple[str, str, Any]]) -> None:
        if not entries:
            return
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], linestyle="none", marker=marker, color=color, label=text)
            for text, marker, color in entries
        ]
        # Beside the axes: there is no corner that points surely leave free.
        self.ax_.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize="small",
            handletextpad=0.2,
        )


def _codes(estimator: Any, X: Any, view: Any) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """Return one matrix per view that is shown and their names, none where there is one code."""
    codes = codes_of(estimator, X)
    if codes.names is None:
        if view is not None:
            raise ValueError(
                f"`view` chooses among codes of several views, and {estimator_name(estimator)} "
                f"makes one code per sample. Got `view={view!r}`; leave it None."
            )
        return codes.parts, ()
    if view is None:
        widths = [part.shape[1] for part in codes.parts]
        if len(set(widths)) > 1:
            raise ValueError(
                f"The codes of the views {', '.join(codes.names)} have {widths} numbers, so they "
                f"share no plane. Name one `view`."
            )
        return codes.parts, codes.names
    place = place_of_view(codes.names, view)
    return (codes.parts[place],), (codes.names[place],)


def _are_classes(y: np.ndarray) -> bool:
    if y.dtype.kind in "OUSb":
        return True
    known = np.array(classes_of(y))
    return len(known) <= _MAX_CLASSES and bool((known == np.round(known)).all())
