"""One picture of a comparison: codes in two dimensions, reconstructions, loss curves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from skrep.metrics._inputs import code_of, matrix_of

__all__ = ["Pictured", "draw_report"]

_MAX_SAMPLES = 400
_MAX_CLASSES_IN_LEGEND = 12
_HEAT_ROWS, _HEAT_COLUMNS = 40, 60


@dataclass
class Pictured:
    """What is drawn.

    Attributes
    ----------
    title : str
        Of the data.
    table : DataFrame
        From `compare`.
    models : dict of str to estimator
        Fitted, able to decode.
    held_out : ndarray of shape (n_samples, n_features)
        Rows that none of them was fitted on.
    labels : ndarray of shape (n_samples,) or None
        Their classes.
    image_shape : tuple of int or None
        Height and width, if rows can be shown as images.
    to_images : callable
        From rows to pixels.
    """

    title: str
    table: pd.DataFrame
    models: Mapping[str, Any]
    held_out: np.ndarray
    labels: np.ndarray | None
    image_shape: tuple[int, int] | None = None
    to_images: Callable[[np.ndarray], np.ndarray] = field(default=lambda values: values)


def draw_report(pictured: Pictured) -> Any:
    """Draw the report and return a matplotlib figure; no window and no pyplot state is touched.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ImportError(
            "drawing needs matplotlib. Install it with `pip install skrep[plot]`."
        ) from error
    ranked = pictured.table.sort_values("reconstruction_r2", ascending=False).index
    names = [name for name in ranked if name in pictured.models]
    trained = [name for name in names if len(_loss_curve(pictured.models[name])) > 1]
    lower = 0.55 * (len(names) + 1) + 0.6 if pictured.image_shape else 4.2
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(max(2.3 * len(names), 10.0), 3.9 + lower), layout=engine)
    FigureCanvasAgg(figure)
    figure.suptitle(f"skrep on {pictured.title}", fontsize=14)
    rows: Any = figure.subfigures(2, 1, height_ratios=[3.1, lower])
    codes, rest = rows
    _draw_codes(codes, pictured, names)
    widths = [1.0, 1.15] if pictured.image_shape else [1.15, 1.0]
    halves = np.ravel(rest.subfigures(1, 2, width_ratios=widths)) if trained else [rest]
    if pictured.image_shape:
        _draw_images(halves[0], pictured, names)
    else:
        _draw_heat_maps(halves[0], pictured, names)
    if trained:
        _draw_losses(halves[1], pictured, trained)
    return figure


def _draw_codes(figure: Any, pictured: Pictured, names: list[str]) -> None:
    from matplotlib import colormaps

    figure.suptitle(
        "Codes of held-out rows along their two widest directions (scores: means over folds)",
        fontsize=11,
    )
    # Held-out rows keep their order, which may be by class: the first few would miss some.
    n_samples = len(pictured.held_out)
    shown = np.unique(np.linspace(0, n_samples - 1, min(_MAX_SAMPLES, n_samples)).astype(int))
    labels = None if pictured.labels is None else pictured.labels[shown]
    classes = np.array([]) if pictured.labels is None else np.unique(pictured.labels)
    size = 8 if len(pictured.held_out) > 150 else 18
    palette = colormaps["tab10" if len(classes) <= 10 else "turbo"]
    handles: list[Any] = []
    for name, ax in zip(names, np.ravel(figure.subplots(1, len(names))), strict=True):
        flat = _in_plane(code_of(pictured.models[name], pictured.held_out))[shown]
        ax.set_title(f"{name}\n{_numbers(pictured.table.loc[name])}", fontsize=8.5)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_box_aspect(1)
        if labels is None:
            ax.scatter(*flat.T, s=size, color="tab:blue", alpha=0.6, linewidths=0)
            continue
        handles = []
        for i, value in enumerate(classes):
            color = palette(i) if len(classes) <= 10 else palette(i / (len(classes) - 1))
            members = flat[labels == value]
            handles.append(ax.scatter(*members.T, s=size, color=color, alpha=0.75, linewidths=0))
    if 0 < len(classes) <= _MAX_CLASSES_IN_LEGEND:
        figure.legend(
            handles,
            [str(value) for value in classes],
            loc="outside lower center",
            ncols=len(classes),
            fontsize=8,
            frameon=False,
            markerscale=2 if size == 8 else 1.3,
            handletextpad=0.1,
            columnspacing=1.2,
        )


def _draw_images(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle("Held-out originals and what comes back from the code", fontsize=11)
    chosen = _one_per_class(pictured.labels, len(pictured.held_out))
    rows = pictured.held_out[chosen]
    strips = {"original": pictured.to_images(rows)}
    strips.update({n: pictured.to_images(_decoded(pictured.models[n], rows)) for n in names})
    low, high = float(strips["original"].min()), float(strips["original"].max())
    shape = pictured.image_shape or (1, 1)
    axes = figure.subplots(len(strips), 1)
    for (name, images), ax in zip(strips.items(), axes, strict=True):
        ax.imshow(_strip(images, shape, low), cmap="gray_r", vmin=low, vmax=high)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
        for side in ax.spines.values():
            side.set_visible(False)


def _draw_heat_maps(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle(
        "Held-out rows and what comes back from the code (columns: features)", fontsize=11
    )
    order = np.arange(len(pictured.held_out))
    if pictured.labels is not None:
        order = np.argsort(pictured.labels, kind="stable")
    step = max(1, len(order) // _HEAT_ROWS)
    rows = pictured.held_out[order[::step][:_HEAT_ROWS]]
    panels = {"original": rows, **{n: _decoded(pictured.models[n], rows) for n in names}}
    limit = float(np.quantile(np.abs(rows), 0.99)) or 1.0
    n_columns = -(-len(panels) // 2)
    axes = np.ravel(figure.subplots(2, n_columns))
    for ax in axes[len(panels) :]:
        ax.remove()
    for (name, values), ax in zip(panels.items(), axes[: len(panels)], strict=True):
        image = ax.imshow(
            values[:, :_HEAT_COLUMNS], aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit,
            interpolation="nearest",
        )  # fmt: skip
        ax.set_title(name, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(image, ax=list(axes[: len(panels)]), location="right", shrink=0.8, pad=0.01)


def _draw_losses(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle("Training loss per epoch (units differ between models)", fontsize=11)
    n_columns = min(2, len(names))
    axes = np.ravel(figure.subplots(-(-len(names) // n_columns), n_columns))
    for ax in axes[len(names) :]:
        ax.remove()
    for name, ax in zip(names, axes[: len(names)], strict=True):
        losses = _loss_curve(pictured.models[name])
        ax.plot(np.arange(1, len(losses) + 1), losses, color="tab:blue", linewidth=1.4)
        ax.set_title(name, fontsize=9)
        ax.set_xlabel("epoch", fontsize=8)
        ax.locator_params(axis="x", integer=True)
        ax.tick_params(labelsize=8)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)


def _loss_curve(model: Any) -> np.ndarray:
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    return np.asarray(getattr(last, "loss_curve_", ()), dtype=float)


def _decoded(model: Any, rows: np.ndarray) -> np.ndarray:
    return matrix_of(model.inverse_transform(model.transform(rows)))


def _in_plane(code: np.ndarray) -> np.ndarray:
    if code.shape[1] == 1:
        return np.column_stack([code, np.zeros(len(code))])
    return code if code.shape[1] == 2 else PCA(2).fit_transform(code)


def _numbers(row: pd.Series) -> str:
    text = f"R² {row['reconstruction_r2']:.3f}"
    if "linear_probe_accuracy" in row.index:
        text += f", probe {row['linear_probe_accuracy']:.3f}"
    return text


def _one_per_class(labels: np.ndarray | None, n_samples: int, most: int = 10) -> np.ndarray:
    if labels is None:
        return np.arange(min(most, n_samples))
    return np.array([np.flatnonzero(labels == value)[0] for value in np.unique(labels)[:most]])


def _strip(images: np.ndarray, shape: tuple[int, int], background: float) -> np.ndarray:
    """Put images side by side with a gap of two pixels."""
    framed = np.pad(
        images.reshape(-1, *shape), ((0, 0), (1, 1), (1, 1)), constant_values=background
    )
    return np.hstack(list(framed))
