"""How much each view counts in the code."""

from typing import Any, Literal

import numpy as np

from skrep.inspection._display import class_colors, one_axes, plain, redrawing
from skrep.inspection._display_inputs import (
    check_fitted,
    check_labels,
    classes_of,
    estimator_name,
)
from skrep.inspection._view_shares import weights_of_views

__all__ = ["ViewWeightsDisplay"]

_MAX_CLASSES = 25
# Inches of the axes that a bar with numbers in it takes.
_ROOM = 0.3
_LABELS = {
    "fusion": "weight in the fusion",
    "precision": "share of the precision of the code",
    "variance": "share of the variance of the mean code",
}


class ViewWeightsDisplay:
    r"""Shares of the views in the code: over samples, by class, or by component.

    Make it with `from_estimator`, which also draws it. What a share is depends on the model:

    - "fusion": what `fusion_weights` returns, for each sample;
    - "precision": of a model with a `posterior`, for each sample how sure each view alone makes the
      code. :math:`\lambda_v = 1 / \sigma_v^2` is the precision of the posterior given view v, less
      that of the prior where the prior is part of it, and the share
      :math:`\lambda_v / \sum_u \lambda_u` is averaged over components. In a product of experts
      these are the weights with which the views' means enter the code;
    - "variance": of a model with one code per view, for each component how much of the variance of
      the mean code comes with each view, :math:`\mathrm{Cov}(z_v, \bar z) / \sum_u
      \mathrm{Cov}(z_u, \bar z)`, over samples with all views. Of two views of one variance both
      have one half.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_views) or (n_components, n_views)
        Rows sum to 1; absent views have 0.
    view_names : sequence of str
        Names of the views.
    quantity : {"fusion", "precision", "variance"}
        What the weights are. Those of "variance" have a row per component, others per sample.
    y : ndarray of shape (n_samples,) or None, default=None
        Classes of the samples.
    estimator_name : str or None, default=None
        For the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn. Made by `plot`, as are the others.
    figure_ : matplotlib Figure
        The figure it is in.
    artists_ : list of matplotlib BarContainer, or dict of str to list
        Bars, one container per view; or what matplotlib's `boxplot` returns.

    See Also
    --------
    ExplainedVarianceDisplay : What the code tells of each view.

    Examples
    --------
    >>> from skrep import MultimodalAutoencoder
    >>> from skrep.datasets import make_multiview
    >>> from skrep.inspection import ViewWeightsDisplay
    >>> views = make_multiview(200, random_state=0)
    >>> model = MultimodalAutoencoder(2, fusion="gate", max_epochs=2, random_state=0).fit(views)
    >>> ViewWeightsDisplay.from_estimator(model, views).weights.shape
    (200, 2)
    """

    def __init__(
        self,
        *,
        weights: np.ndarray,
        view_names: Any,
        quantity: Literal["fusion", "precision", "variance"],
        y: np.ndarray | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.weights = weights
        self.view_names = view_names
        self.quantity = quantity
        self.y = y
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        y: Any = None,
        kind: Literal["auto", "box", "bars"] = "auto",
        ax: Any = None,
    ) -> "ViewWeightsDisplay":
        """Find the shares of the views in the code of a fitted estimator, and draw them.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `fusion_weights`, with `posterior`, or with a code per view.
        X : Views or what makes one
            Samples, which may lack views where the estimator allows it.
        y : array-like of shape (n_samples,) or None, default=None
            Classes: the mean weights of each are drawn. Not for models with a code per view.
        kind : {"auto", "box", "bars"}, default="auto"
            As in `plot`.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a figure.

        Returns
        -------
        display : ViewWeightsDisplay

        Raises
        ------
        TypeError
            If the estimator says nothing about its views.
        ValueError
            If the estimator was fitted on one array, or `y` has another length, too many classes,
            or nothing to do with weights per component.
        ImportError
            If matplotlib is not installed.
        """
        check_fitted(estimator)
        weights, names, quantity = weights_of_views(estimator, X)
        labels = None
        if y is not None and quantity == "variance":
            raise ValueError(
                f"{estimator_name(estimator)} has weights per component, not per sample, so "
                f"classes have none. Leave `y` None."
            )
        if y is not None:
            labels = check_labels(y, len(weights))
        display = cls(
            weights=weights,
            view_names=names,
            quantity=quantity,
            y=labels,
            estimator_name=estimator_name(estimator),
        )
        return display.plot(ax, kind=kind)

    def plot(
        self, ax: Any = None, *, kind: Literal["auto", "box", "bars"] = "auto"
    ) -> "ViewWeightsDisplay":
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a figure.
        kind : {"auto", "box", "bars"}, default="auto"
            "box" draws the spread over rows, a box per view that reaches from the lower to the
            upper quartile; "bars" stacks the mean weights of all samples and of each class, or
            those of each component. "auto" takes boxes for samples without classes.

        Returns
        -------
        self : ViewWeightsDisplay

        Raises
        ------
        ValueError
            If `kind` is none of these, or there are more than 25 classes.
        ImportError
            If matplotlib is not installed.
        """
        if kind not in ("auto", "box", "bars"):
            raise ValueError(f"`kind` must be 'auto', 'box' or 'bars'. Got {kind!r}.")
        if kind == "auto":
            kind = "box" if self.y is None and self.quantity != "variance" else "bars"
        groups = self._groups() if kind == "bars" else []
        n_bars = len(groups) if kind == "bars" else len(self.view_names)
        size = (min(max(4.6, 0.45 * n_bars + 2.4), 9.0), 3.4)
        place = one_axes(ax, type(self).__name__, size)
        self.figure_, self.ax_ = place.figure, place.axes[0, 0]
        with redrawing(self, place):
            if kind == "bars":
                self._draw_bars(self.ax_, groups)
            else:
                self._draw_boxes(self.ax_)
        top = 1.0 if kind == "bars" else min(1.02, 1.1 * float(self.weights.max()))
        self.ax_.set_ylim(0.0, top)
        self.ax_.set_ylabel(_LABELS[self.quantity], fontsize=9)
        self.ax_.set_title(self.estimator_name or "", fontsize=10)
        plain(self.ax_)
        return self

    def _groups(self) -> list[tuple[str, np.ndarray]]:
        """Return what is stacked: the name of each bar and its weights (n_views,)."""
        if self.quantity == "variance":
            return [(str(j), row) for j, row in enumerate(self.weights)]
        found = [("all", self.weights.mean(axis=0))]
        if self.y is None:
            return found
        classes = classes_of(self.y)
        if len(classes) > _MAX_CLASSES:
            raise ValueError(
                f"`y` has {len(classes)} different values, more than the {_MAX_CLASSES} classes "
                f"that can be told apart. Pass classes, or bin `y` first."
            )
        return found + [(str(c), self.weights[self.y == c].mean(axis=0)) for c in classes]

    def _draw_bars(self, ax: Any, groups: list[tuple[str, np.ndarray]]) -> None:
        bars_of, table = [name for name, _ in groups], np.array([row for _, row in groups])
        # A gap sets all samples apart from the classes.
        places = np.arange(len(table), dtype=float)
        if self.quantity != "variance":
            places[0] -= 0.4
        room = ax.get_window_extent().width / ax.figure.dpi / len(table)
        self.artists_: Any = []
        base = np.zeros(len(table))
        for j, (name, color) in enumerate(
            zip(self.view_names, class_colors(len(self.view_names)), strict=True)
        ):
            bars = ax.bar(places, table[:, j], 0.82, bottom=base, color=color, label=str(name))
            if room >= _ROOM:
                written = [f"{value:.2f}" if value >= 0.08 else "" for value in table[:, j]]
                ax.bar_label(bars, written, label_type="center", fontsize=7, color="white")
            self.artists_.append(bars)
            base += table[:, j]
        step = max(1, int(np.ceil(0.16 / room)))
        ax.set_xticks(places[::step], bars_of[::step])
        if max(map(len, bars_of)) * len(groups) > 50:
            ax.tick_params(axis="x", labelrotation=45)
        ax.set_xlabel("component" if self.quantity == "variance" else "class")
        if self.quantity != "variance" and self.y is None:
            ax.set_xlabel("")
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(
            handles[::-1], labels[::-1], frameon=False, fontsize=8, loc="center left",
            bbox_to_anchor=(1.0, 0.5),
        )  # fmt: skip

    def _draw_boxes(self, ax: Any) -> None:
        n_views = len(self.view_names)
        self.artists_ = ax.boxplot(
            self.weights,
            positions=np.arange(n_views),
            widths=0.55,
            patch_artist=True,
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": "gray"},
            medianprops={"color": "black"},
        )
        for box, color in zip(self.artists_["boxes"], class_colors(n_views), strict=True):
            box.set_facecolor(color)
            box.set_alpha(0.75)
        ax.axhline(1.0 / n_views, color="black", linewidth=0.8, linestyle=":")
        ax.annotate(
            "even",
            (1.0, 1.0 / n_views),
            xytext=(3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
        names = [str(name) for name in self.view_names]
        ax.set_xticks(np.arange(n_views), names)
        if max(map(len, names)) * n_views > 50:
            ax.tick_params(axis="x", labelrotation=45)
