"""A comparison as a picture: every split of every estimator, a panel per metric."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Final

import numpy as np

from skrep.inspection._display import one_axes, plain, require_matplotlib
from skrep.inspection._report_text import title_of

__all__ = ["draw_comparison", "draw_metric", "order_of"]

# Estimators, and the baselines that `compare` added.
_COLORS: Final = ("tab:blue", "tab:gray")
_MARKERS: Final = ("D", "s")
# How many times the distance from the median estimator to the best one the axis reaches below the
# median, if not further: one that failed to learn must not press all others together.
_REACH: Final = 5.0
# Longer names take two lines and more.
_WRAP: Final = 22


def draw_comparison(comparison: Any, metrics: Sequence[str], ax: Any = None) -> np.ndarray:
    """Draw a panel per metric, a row per estimator, the best by the first metric of all on top.

    Parameters
    ----------
    comparison : Comparison
        What is drawn.
    metrics : sequence of str
        Which of its metrics.
    ax : matplotlib Axes or None
        Where to draw a single metric; None makes a pyplot figure.

    Returns
    -------
    ndarray of Axes of shape (n_metrics,)

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no metric, or `ax` is given for several.
    """
    require_matplotlib("Comparison.plot")
    metrics = list(metrics)
    if not metrics:
        raise ValueError("`metrics` is empty. Name one or more, or pass None for all.")
    if ax is not None:
        if len(metrics) > 1:
            raise ValueError(
                f"`ax` is one place, and there are {len(metrics)} metrics to draw: "
                f"{', '.join(map(repr, metrics))}. Name one of them, or leave `ax` out."
            )
        axes = one_axes(ax, "Comparison.plot").axes.ravel()
    else:
        from matplotlib import pyplot as plt

        height = 0.34 * len(comparison.table) + 1.3
        _, grid = plt.subplots(
            1,
            len(metrics),
            figsize=(1.8 + 2.6 * len(metrics), height),
            squeeze=False,
            sharey=True,
            layout="constrained",
        )
        axes = grid[0]
    for place, metric in zip(axes, metrics, strict=True):
        draw_metric(comparison, metric, place)
        if place is not axes[0]:
            place.tick_params(labelleft=False)
    return np.asarray(axes)


def order_of(comparison: Any) -> list[str]:
    """Return the names of all estimators, the best by the first metric first."""
    table = comparison.table
    first = comparison.metrics[0]
    return [str(name) for name in table.sort_values(first, ascending=False, kind="stable").index]


def draw_metric(comparison: Any, metric: str, ax: Any) -> None:
    """Draw one metric in one axes: splits as dots, means as marks, standard deviations as bars."""
    names = order_of(comparison)
    means = comparison.table[metric].reindex(names).to_numpy(dtype=float)
    spreads = np.nan_to_num(comparison.table[f"{metric}_std"].reindex(names).to_numpy(dtype=float))
    left, right = _limits(comparison, metric, means)
    for row, name in enumerate(names):
        is_baseline = name in comparison.baselines
        color, marker = _COLORS[is_baseline], _MARKERS[is_baseline]
        if not np.isfinite(means[row]):
            ax.text(0.5, row, "–", transform=ax.get_yaxis_transform(), ha="center", va="center")
            continue
        if means[row] < left:
            told = f"◂ {means[row]:.3g}"
            ax.text(
                0.02, row, told, transform=ax.get_yaxis_transform(), color=color, va="center",
                fontsize="small",
            )  # fmt: skip
            continue
        # Dots a little below the mark, so that it hides none of them.
        values = comparison.folds.loc[name, metric].to_numpy(dtype=float)
        ax.plot(
            values, np.full(len(values), row + 0.25), ".", color=color, alpha=0.7, markersize=5,
            markeredgewidth=0,
        )  # fmt: skip
        ax.plot(
            [means[row] - spreads[row], means[row] + spreads[row]], [row, row], color=color,
            alpha=0.45, linewidth=3, solid_capstyle="butt",
        )  # fmt: skip
        ax.plot(means[row], row, marker, color=color, markersize=5.5, linestyle="none")
    if np.isfinite(means).any():
        ax.axvline(np.nanmax(means), color="tab:gray", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_xlim(left, right)
    ax.set_ylim(len(names) - 0.5, -0.5)
    # Names are the user's: a dollar in one is no formula.
    ax.set_yticks(range(len(names)))
    ax.set_yticklabels(["\n".join(wrap(name, _WRAP)) or name for name in names], parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize="small")
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="y", alpha=0.15)
    ax.set_axisbelow(True)
    ax.set_title(title_of(metric), parse_math=False)
    plain(ax)
    ax.spines["left"].set_visible(False)


def _limits(comparison: Any, metric: str, means: np.ndarray) -> tuple[float, float]:
    known = means[np.isfinite(means)]
    if not len(known):
        return 0.0, 1.0
    middle, best = float(np.median(known)), float(known.max())
    lowest = middle - max(_REACH * (best - middle), abs(best), 1e-12)
    names = order_of(comparison)
    shown = [name for name, mean in zip(names, means, strict=True) if mean >= lowest]
    values = comparison.folds[metric].loc[shown].to_numpy(dtype=float)
    table = comparison.table.loc[shown]
    bars = np.nan_to_num(table[f"{metric}_std"].to_numpy(dtype=float))
    ends = table[metric].to_numpy(dtype=float) + np.array([-1.0, 1.0])[:, None] * bars
    low = max(float(min(values.min(), ends.min())), lowest)
    high = float(max(values.max(), ends.max()))
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin
