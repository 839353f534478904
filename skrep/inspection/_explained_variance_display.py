"""Components by views: what each tells of each, as a heat map."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from skrep.inspection._display import bare, grid_of_axes, plain, redrawing
from skrep.inspection._display_inputs import estimator_name
from skrep.inspection._explained_variance import explained_variance

__all__ = ["ExplainedVarianceDisplay"]

# More rows than this leave no room for numbers in them.
_MAX_WRITTEN = 30


class ExplainedVarianceDisplay:
    """Heat map of the share of each view's variance that each component tells alone.

    Make it with `from_estimator`, which also draws it. It shows which components views share and
    which belong to one view only. The bars above say what the whole code tells of a view.

    Parameters
    ----------
    table : DataFrame of shape (n_components + 1, n_views)
        From `explained_variance`: components, then "total".
    estimator_name : str or None, default=None
        For the title.

    Attributes
    ----------
    axes_ : ndarray of shape (2,) of matplotlib Axes
        Bars and heat map. Made by `plot`, as are the others.
    figure_ : matplotlib Figure
        The figure they are in.
    bars_ : matplotlib BarContainer
        One bar per view.
    image_ : matplotlib AxesImage
        The heat map; shares below 0 have the colour of 0.
    texts_ : list of matplotlib Text
        The percentages in the cells, row by row.

    See Also
    --------
    explained_variance : The numbers, and how they are defined.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import ExplainedVarianceDisplay
    >>> X = make_low_rank(100, 10, rank=3, random_state=0)
    >>> display = ExplainedVarianceDisplay.from_estimator(PCA(3).fit(X), X)
    >>> display.image_.get_array().shape
    (3, 1)
    """

    def __init__(self, *, table: pd.DataFrame, estimator_name: str | None = None) -> None:
        self.table = table
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        decoder: Literal["auto", "linear"] = "auto",
        ax: Any = None,
    ) -> "ExplainedVarianceDisplay":
        """Measure what the components of a fitted estimator tell, and draw it.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline
            With `transform`.
        X : array-like of shape (n_samples, n_features), Views or what makes one
            Samples to measure on. Of each view the rows count that are present.
        decoder : {"auto", "linear"}, default="auto"
            As in `explained_variance`.
        ax : matplotlib Axes, array of 2 Axes, or None, default=None
            One Axes is emptied, and both parts are drawn in its place. None makes a figure.

        Returns
        -------
        display : ExplainedVarianceDisplay

        Raises
        ------
        TypeError
            If the estimator has no `transform`.
        ValueError
            If a view does not vary, or holds a value that is no finite number.
        ImportError
            If matplotlib is not installed.
        """
        table = explained_variance(estimator, X, decoder=decoder)
        return cls(table=table, estimator_name=estimator_name(estimator)).plot(ax)

    def plot(self, ax: Any = None) -> "ExplainedVarianceDisplay":
        """Draw the bars and the heat map.

        Parameters
        ----------
        ax : matplotlib Axes, array of 2 Axes, or None, default=None
            As in `from_estimator`.

        Returns
        -------
        self : ExplainedVarianceDisplay

        Raises
        ------
        ValueError
            If `ax` is an array of another length.
        ImportError
            If matplotlib is not installed.
        """
        shares = 100.0 * self.table.to_numpy(dtype=float)
        names = [str(name) for name in self.table.columns]
        n_rows, n_columns = len(shares) - 1, len(names)
        # Rows without numbers in them can be low.
        height = 0.32 * n_rows if n_rows <= _MAX_WRITTEN else min(max(5.0, 0.14 * n_rows), 8.0)
        place = grid_of_axes(
            ax,
            2,
            1,
            type(self).__name__,
            figsize=(max(4.2, 1.0 + 0.85 * n_columns), 2.2 + height),
            height_ratios=[1.2, max(height, 0.8)],
        )
        self.figure_, self.axes_ = place.figure, place.axes.ravel()
        above, below = self.axes_
        with redrawing(self, place):
            self.bars_ = self._draw_bars(above, shares[-1])
            self._draw_cells(below, shares[:-1], names)
        title = "variance explained by a component alone (%)"
        above.set_title(
            title if not self.estimator_name else f"{self.estimator_name}\n{title}", fontsize=10
        )
        return self

    def _draw_bars(self, ax: Any, totals: np.ndarray) -> Any:
        bars = ax.bar(np.arange(len(totals)), totals, width=0.7, color="tab:gray")
        ax.bar_label(bars, [f"{value:.0f}" for value in totals], fontsize=8, padding=1)
        ax.set_xlim(-0.5, len(totals) - 0.5)
        low = min(0.0, float(totals.min()))
        ax.set_ylim(1.2 * low, max(115.0 if totals.max() > 60 else 1.25 * totals.max(), 1.0))
        ax.set_ylabel("total R² (%)", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.set_xticks([])
        plain(ax)
        return bars

    def _draw_cells(self, ax: Any, shares: np.ndarray, names: list[str]) -> None:
        known = shares[np.isfinite(shares)]
        top = max(float(known.max(initial=0.0)), 1e-9)
        # Masked, so that what a view does not have stays empty.
        cells = np.ma.masked_invalid(shares)
        self.image_ = ax.imshow(
            cells, cmap="Blues", vmin=0.0, vmax=top, aspect="auto", interpolation="nearest"
        )
        bare(ax)
        ax.set_xticks(np.arange(len(names)), names, fontsize=9)
        turn = max(map(len, names)) * len(names) > 45
        ax.tick_params(length=0, labelrotation=0)
        if turn:
            ax.tick_params(axis="x", labelrotation=45)
        step = -(-len(shares) // _MAX_WRITTEN)
        ax.set_yticks(np.arange(0, len(shares), step))
        ax.tick_params(axis="y", labelsize=8)
        ax.set_ylabel("component", fontsize=9)
        self.texts_ = []
        if len(shares) > _MAX_WRITTEN:
            ax.figure.colorbar(self.image_, ax=ax, label="R² (%)", location="bottom", shrink=0.8)
            return
        for i, j in np.ndindex(*shares.shape):
            value = shares[i, j]
            text = "–" if np.isnan(value) else f"{value:.1f}".replace("-", "\N{MINUS SIGN}")
            color = "white" if value > 0.6 * top else "black"
            self.texts_.append(
                ax.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
            )
