"""Correlations between the codes of views, component by component."""

from typing import Any

import numpy as np
import pandas as pd

from skrep.inspection._coded import code_of_each
from skrep.inspection._display import (
    MAX_LEGEND,
    class_colors,
    grid_of_axes,
    plain,
    redrawing,
    series_color,
)
from skrep.inspection._display_inputs import (
    check_count,
    check_indices,
    check_labels,
    classes_of,
    estimator_name,
    place_of_view,
    view_names,
)
from skrep.metrics import canonical_correlations
from skrep.views import Views, as_views, is_multiview

__all__ = ["CanonicalCorrelationDisplay"]

_HAVE_CODES = "CCA, RBMCCA, DCCA, DCCAE, CLIP, models with `transform_each`, and PairedEstimator"
# Beyond this many components bars are too thin for their numbers.
_MAX_BARS = 12
# Inches of the axes that a bar with its number takes.
_ROOM = 0.22


class CanonicalCorrelationDisplay:
    """Correlations between the codes of views per component, in training and held out.

    Make it with `from_estimator`, which also draws it. Where held-out correlations fall far below
    those of training, the component was fitted to noise: take a larger `regularization` or fewer
    components.

    Parameters
    ----------
    correlations : ndarray of shape (n_components,)
        Averaged over pairs of views.
    correlations_test : ndarray of shape (n_components,) or None, default=None
        The same on held-out samples.
    variates : tuple of 2 ndarrays of shape (n_samples,), or None, default=None
        One component of two views, drawn against each other.
    variate_names : tuple of 2 str or None, default=None
        Names of those views, which the axes are labelled with.
    component : int or None, default=None
        Which component they are.
    y : ndarray of shape (n_samples,) or None, default=None
        Classes that colour the samples.
    estimator_name : str or None, default=None
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the correlations are. Made by `plot`, as are the others.
    axes_ : ndarray of shape (1,) or (2,) of matplotlib Axes
        With those of the scatter plot, if there is one.
    figure_ : matplotlib Figure
        The figure they are in.
    lines_ : list of matplotlib BarContainer or Line2D
        Of training and, if given, held-out correlations.
    scatter_ : list of matplotlib PathCollection
        One per class; empty without `variates`.

    See Also
    --------
    skrep.metrics.canonical_correlations : The numbers.

    Examples
    --------
    >>> from skrep import CCA
    >>> from skrep.datasets import make_multiview
    >>> from skrep.inspection import CanonicalCorrelationDisplay
    >>> views = make_multiview(200, random_state=0)
    >>> model = CCA(2).fit(views[:100])
    >>> display = CanonicalCorrelationDisplay.from_estimator(
    ...     model, views[:100], X_test=views[100:]
    ... )
    >>> display.correlations_test.shape
    (2,)
    """

    def __init__(
        self,
        *,
        correlations: np.ndarray,
        correlations_test: np.ndarray | None = None,
        variates: tuple[np.ndarray, np.ndarray] | None = None,
        variate_names: tuple[str, str] | None = None,
        component: int | None = None,
        y: np.ndarray | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.correlations = correlations
        self.correlations_test = correlations_test
        self.variates = variates
        self.variate_names = variate_names
        self.component = component
        self.y = y
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        X_test: Any = None,
        n_components: int | None = None,
        component: int | None = None,
        pair: tuple[str | int, str | int] = (0, 1),
        y: Any = None,
        ax: Any = None,
    ) -> "CanonicalCorrelationDisplay":
        """Correlate the codes of a fitted estimator, and draw the correlations.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With a code per view: from `transform_each`, or from a `transform` that gives `Views`.
        X : Views or what makes one
            Samples of the fit.
        X_test : Views or what makes one, or None, default=None
            Samples that were held out.
        n_components : int or None, default=None
            How many components to show, the first ones. None shows all.
        component : int or None, default=None
            The component to draw a scatter plot of, one view against another, on `X_test` if that
            is given; None draws none.
        pair : tuple of 2 str or int, default=(0, 1)
            Names or positions of the views of that plot.
        y : array-like of shape (n_samples,) or None, default=None
            Classes of the samples of that plot, which colour them.
        ax : matplotlib Axes, array of Axes, or None, default=None
            Where to draw: one Axes, and with a scatter plot two, or one that both are put in place
            of. None makes a figure.

        Returns
        -------
        display : CanonicalCorrelationDisplay

        Raises
        ------
        TypeError
            If the estimator has no code per view.
        ValueError
            If there is no such component or view, or `y` has another length.
        ImportError
            If matplotlib is not installed.
        """
        codes = _codes(estimator, X)
        found = canonical_correlations(codes)
        check_count(n_components, "n_components", most=len(found), optional=True)
        test = None if X_test is None else _codes(estimator, X_test)
        display = cls(
            correlations=found[:n_components],
            correlations_test=None if test is None else canonical_correlations(test)[:n_components],
            estimator_name=estimator_name(estimator),
        )
        if component is not None:
            display._take_variates(codes if test is None else test, component, pair, y)
        elif y is not None:
            raise ValueError("`y` colours the scatter plot. Say of which `component`, or leave it.")
        return display.plot(ax)

    def _take_variates(self, codes: Views, component: int, pair: Any, y: Any) -> None:
        if np.ndim(pair) != 1 or len(pair) != 2:
            raise ValueError(f"`pair` must name two views. Got {pair!r}.")
        first, second = (place_of_view(codes.names, view) for view in pair)
        (j,) = check_indices([component], codes.widths[first], "component", "components")
        labels = check_labels(y, len(codes))
        both = codes.present[:, first] & codes.present[:, second]
        self.variates = (np.asarray(codes[first])[both, j], np.asarray(codes[second])[both, j])
        self.variate_names = (codes.names[first], codes.names[second])
        self.component = j
        self.y = None if labels is None else labels[both]

    def plot(self, ax: Any = None) -> "CanonicalCorrelationDisplay":
        """Draw the correlations, and the scatter plot if there is one.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes, or None, default=None
            As in `from_estimator`.

        Returns
        -------
        self : CanonicalCorrelationDisplay

        Raises
        ------
        ValueError
            If `ax` is an array of another length.
        ImportError
            If matplotlib is not installed.
        """
        n_axes = 1 if self.variates is None else 2
        k = len(self.correlations)
        per_component = 0.6 if self.correlations_test is None else 0.8
        width = min(max(3.4, per_component * k + 1.2), 8.5)
        place = grid_of_axes(
            ax,
            1,
            n_axes,
            type(self).__name__,
            figsize=(width + 3.6 * (n_axes - 1), 3.4),
            width_ratios=None if n_axes == 1 else [width, 3.4],
        )
        self.figure_, self.axes_ = place.figure, place.axes.ravel()
        self.ax_ = self.axes_[0]
        self.scatter_: list[Any] = []
        with redrawing(self, place):
            self._draw_correlations(self.ax_)
            if self.variates is not None:
                self._draw_variates(self.axes_[1])
        return self

    def _draw_correlations(self, ax: Any) -> None:
        series = {"training": self.correlations}
        if self.correlations_test is not None:
            series["held out"] = self.correlations_test
        k = len(self.correlations)
        # Numbers over thin bars would run into each other.
        inches = ax.get_window_extent().width / ax.figure.dpi
        room = inches / (k * len(series))
        self.lines_ = []
        for i, (label, values) in enumerate(series.items()):
            color = series_color(i)
            if k > _MAX_BARS:
                self.lines_ += ax.plot(
                    np.arange(k), values, marker="o", markersize=3, color=color, label=label
                )
                continue
            size = 0.8 / len(series)
            places = np.arange(k) + size * (i - 0.5 * (len(series) - 1))
            bars = ax.bar(places, values, 0.92 * size, color=color, label=label)
            if room >= _ROOM:
                written = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in values]
                ax.bar_label(bars, written, fontsize=7, padding=1)
            self.lines_.append(bars)
        if k <= _MAX_BARS and room * len(series) >= 0.2:
            ax.set_xticks(np.arange(k))
        else:
            ax.locator_params(axis="x", integer=True)
        lowest = min(0.0, *(float(np.min(values)) - 0.06 for values in series.values()))
        # Above 1 is the place of the legend.
        ax.set_ylim(lowest, 1.08 if len(series) == 1 else 1.24)
        ax.set_yticks([tick for tick in np.linspace(-1.0, 1.0, 11).round(1) if tick >= lowest])
        ax.axhline(0.0, color="black", linewidth=0.8)
        ax.set_xlabel("component")
        ax.set_ylabel("correlation between views")
        ax.set_title(self.estimator_name or "", fontsize=10)
        if len(series) > 1:
            ax.legend(
                frameon=False,
                fontsize=8,
                loc="upper right",
                ncols=1 + (inches > 2.2),
                borderaxespad=0.1,
            )
        plain(ax)

    def _draw_variates(self, ax: Any) -> None:
        a, b = self.variates or (np.empty(0), np.empty(0))
        size = 8 if len(a) > 300 else 14
        classes = [None] if self.y is None else classes_of(self.y)
        for value, color in zip(classes, class_colors(len(classes)), strict=True):
            rows = slice(None) if self.y is None else self.y == value
            self.scatter_.append(
                ax.scatter(
                    a[rows], b[rows], s=size, color=color, alpha=0.7, linewidths=0, label=str(value)
                )
            )
        unknown = np.zeros(0, dtype=bool) if self.y is None else pd.isna(self.y)
        if unknown.any():
            ax.scatter(a[unknown], b[unknown], s=size, color="0.75", linewidths=0, zorder=0.5)
        if 1 < len(classes) <= MAX_LEGEND:
            ax.legend(
                frameon=False,
                fontsize=7,
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                handletextpad=0.1,
            )
        r = canonical_correlations((a[:, None], b[:, None]))[0]
        ax.set_title(f"component {self.component}, r = {r:.2f}", fontsize=10)
        first, second = self.variate_names or ("first view", "second view")
        ax.set_xlabel(first)
        ax.set_ylabel(second)
        plain(ax)


def _codes(estimator: Any, X: Any) -> Views:
    # A Pipeline may make several views of one array.
    found = code_of_each(
        estimator, as_views(X, names=view_names(estimator)) if is_multiview(X) else X
    )
    if found is None or found.n_views < 2:
        raise TypeError(
            f"CanonicalCorrelationDisplay needs one code per view, which "
            f"{estimator_name(estimator)} does not make. These do: {_HAVE_CODES}."
        )
    return found
