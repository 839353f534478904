"""One picture of a comparison: codes in two dimensions, reconstructions, loss curves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skrep.inspection._baselines import CompleteRows, is_classes
from skrep.inspection._display import class_colors, color_scale, spread_rows
from skrep.inspection._display_inputs import last_step
from skrep.inspection._splits import rows_of
from skrep.metrics._inputs import code_of, in_order_of, matrix_of
from skrep.views import as_views

__all__ = [
    "Pictured",
    "chosen_images",
    "chosen_rows",
    "codes_in_plane",
    "decoded",
    "draw_report",
    "image_strip",
    "loss_curve",
    "matplotlib_figure",
    "shown_columns",
]

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
        From `compare`; its second column ranks.
    models : dict of str to estimator
        Fitted.
    held_out : array, CSR, DataFrame or Views of shape (n_samples, n_features)
        Rows that none of them was fitted on.
    labels : array-like of shape (n_samples,) or None
        Their classes; anything else is not shown.
    image_shape : tuple of int or None
        Height and width, if rows can be shown as images.
    to_images : callable
        From rows to pixels.
    """

    title: str
    table: pd.DataFrame
    models: Mapping[str, Any]
    held_out: Any
    labels: Any
    image_shape: tuple[int, int] | None = None
    to_images: Callable[[np.ndarray], np.ndarray] = field(default=lambda values: values)

    @property
    def metric(self) -> str:
        """Name of the metric that ranks."""
        names = [str(name) for name in self.table.columns if name != "n_components"]
        return names[0]

    @property
    def names(self) -> list[str]:
        """Names of the models, best first."""
        ranked = self.table.sort_values(self.metric, ascending=False, kind="stable").index
        return [str(name) for name in ranked if name in self.models]

    @property
    def classes(self) -> np.ndarray | None:
        """Class of each held-out row."""
        return np.asarray(self.labels).ravel() if is_classes(self.labels) else None


def matplotlib_figure(width: float, height: float) -> Any:
    """Return a figure of so many inches that no pyplot state knows of.

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
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    figure = Figure(figsize=(width, height), layout=engine)
    FigureCanvasAgg(figure)
    return figure


def draw_report(pictured: Pictured) -> Any:
    """Draw the report and return a matplotlib figure; no window and no pyplot state is touched.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    names = pictured.names
    trained = [name for name in names if len(loss_curve(pictured.models[name])) > 1]
    lower = 0.55 * (len(names) + 1) + 0.6 if pictured.image_shape else 4.2
    figure = matplotlib_figure(max(2.3 * len(names), 10.0), 3.9 + lower)
    figure.suptitle(f"skrep on {pictured.title}", fontsize=14, parse_math=False)
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


# -- what is shown ----------------------------------------------------------------------------


def codes_in_plane(model: Any, held_out: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return codes along their two widest directions, and which rows of `held_out` they are of.

    Held-out rows keep their order, which may be by class: those shown are spread over all of them.
    """
    X, kept = _usable(model, held_out)
    flat = _in_plane(code_of(model, X))
    shown = spread_rows(len(kept), _MAX_SAMPLES)
    return flat[shown], kept[shown]


def decoded(model: Any, held_out: Any, rows: np.ndarray) -> np.ndarray | None:
    """Return what comes back from the codes of some rows, None from a model that cannot decode."""
    if getattr(model, "inverse_transform", None) is None:
        return None
    X, kept = _usable(model, rows_of(held_out, rows))
    back = np.full((len(rows), held_out.shape[1]), np.nan)
    if len(kept):
        try:
            made = in_order_of(X, model.inverse_transform(model.transform(X)))
            back[kept] = matrix_of(made, absent=True)
        except Exception:  # noqa: BLE001 - a picture must not cost the rest of the report
            return None
    return back


def loss_curve(model: Any) -> np.ndarray:
    """Return the training loss of each epoch, empty where there is none."""
    return np.asarray(getattr(last_step(model), "loss_curve_", ()), dtype=float)


def chosen_rows(pictured: Pictured) -> np.ndarray:
    """Return the rows of a heat map, sorted by class."""
    order = np.arange(pictured.held_out.shape[0])
    classes = pictured.classes
    if classes is not None:
        order = np.argsort(classes, kind="stable")
    return order[spread_rows(len(order), _HEAT_ROWS)]


def chosen_images(pictured: Pictured, most: int = 10) -> np.ndarray:
    """Return rows to show as images, one per class."""
    classes = pictured.classes
    if classes is None:
        return np.arange(min(most, pictured.held_out.shape[0]))
    return np.array([np.flatnonzero(classes == value)[0] for value in np.unique(classes)[:most]])


def shown_columns(n_columns: int) -> np.ndarray:
    """Return the columns of a heat map, spread over all."""
    return spread_rows(n_columns, _HEAT_COLUMNS)


def image_strip(images: np.ndarray, shape: tuple[int, int], background: float) -> np.ndarray:
    """Put images side by side with a gap of two pixels."""
    framed = np.pad(
        images.reshape(-1, *shape), ((0, 0), (1, 1), (1, 1)), constant_values=background
    )
    return np.hstack(list(framed))


def _usable(model: Any, X: Any) -> tuple[Any, np.ndarray]:
    """Return the rows that a model can code, and which they are."""
    inner = getattr(model, "estimator", model)
    if isinstance(model, CompleteRows) or isinstance(inner, CompleteRows):
        kept = np.flatnonzero(as_views(X).present.all(axis=1))
        return rows_of(X, kept), kept
    return X, np.arange(X.shape[0])


def _in_plane(code: np.ndarray) -> np.ndarray:
    if code.shape[1] == 1:
        return np.column_stack([code, np.zeros(len(code))])
    if code.shape[1] == 2:
        return code
    centered = code - code.mean(axis=0)
    axes = np.linalg.eigh(centered.T @ centered)[1][:, [-1, -2]]
    # Which way an axis points is left open by the decomposition.
    return centered @ (axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]]))


# -- the picture ------------------------------------------------------------------------------


def _draw_codes(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle(
        "Codes of held-out rows along their two widest directions (scores: means over folds)",
        fontsize=11,
    )
    classes = pictured.classes
    values = np.array([]) if classes is None else np.unique(classes)
    colors = class_colors(len(values))
    size = 8 if pictured.held_out.shape[0] > 150 else 18
    handles: list[Any] = []
    for name, ax in zip(names, np.ravel(figure.subplots(1, len(names))), strict=True):
        flat, rows = codes_in_plane(pictured.models[name], pictured.held_out)
        title = f"{name}\n{_numbers(pictured.table.loc[name], pictured.metric)}"
        ax.set_title(title, fontsize=8.5, parse_math=False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_box_aspect(1)
        if classes is None:
            ax.scatter(*flat.T, s=size, color="tab:blue", alpha=0.6, linewidths=0)
            continue
        handles = []
        for value, color in zip(values, colors, strict=True):
            members = flat[classes[rows] == value]
            handles.append(ax.scatter(*members.T, s=size, color=color, alpha=0.75, linewidths=0))
    if 0 < len(values) <= _MAX_CLASSES_IN_LEGEND:
        figure.legend(
            handles,
            [str(value) for value in values],
            loc="outside lower center",
            ncols=len(values),
            fontsize=8,
            frameon=False,
            markerscale=2 if size == 8 else 1.3,
            handletextpad=0.1,
            columnspacing=1.2,
        )


def _draw_images(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle("Held-out originals and what comes back from the code", fontsize=11)
    chosen = chosen_images(pictured)
    rows = matrix_of(rows_of(pictured.held_out, chosen), absent=True)
    strips = {"original": pictured.to_images(rows)}
    strips.update({name: pictured.to_images(v) for name, v in _panels(pictured, names, chosen)})
    low, high = float(np.nanmin(strips["original"])), float(np.nanmax(strips["original"]))
    shape = pictured.image_shape or (1, 1)
    axes = np.ravel(figure.subplots(len(strips), 1))
    for (name, images), ax in zip(strips.items(), axes, strict=True):
        ax.imshow(image_strip(images, shape, low), cmap="gray_r", vmin=low, vmax=high)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, parse_math=False)
        ax.set_xticks([])
        ax.set_yticks([])
        for side in ax.spines.values():
            side.set_visible(False)


def _draw_heat_maps(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle(
        "Held-out rows and what comes back from the code (columns: features)", fontsize=11
    )
    chosen = chosen_rows(pictured)
    rows = matrix_of(rows_of(pictured.held_out, chosen), absent=True)
    panels = {"original": rows, **dict(_panels(pictured, names, chosen))}
    columns = shown_columns(rows.shape[1])
    scale = color_scale(rows)
    n_columns = -(-len(panels) // 2)
    axes = np.ravel(figure.subplots(2, n_columns))
    for ax in axes[len(panels) :]:
        ax.remove()
    for (name, values), ax in zip(panels.items(), axes[: len(panels)], strict=True):
        image = ax.imshow(values[:, columns], aspect="auto", interpolation="nearest", **scale)
        ax.set_title(name, fontsize=9, parse_math=False)
        ax.set_xticks([])
        ax.set_yticks([])
    figure.colorbar(image, ax=list(axes[: len(panels)]), location="right", shrink=0.8, pad=0.01)


def _panels(pictured: Pictured, names: list[str], rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return what each model that decodes makes of some rows."""
    found = [(name, decoded(pictured.models[name], pictured.held_out, rows)) for name in names]
    return [(name, values) for name, values in found if values is not None]


def _draw_losses(figure: Any, pictured: Pictured, names: list[str]) -> None:
    figure.suptitle("Training loss per epoch (units differ between models)", fontsize=11)
    n_columns = min(2, len(names))
    axes = np.ravel(figure.subplots(-(-len(names) // n_columns), n_columns))
    for ax in axes[len(names) :]:
        ax.remove()
    for name, ax in zip(names, axes[: len(names)], strict=True):
        losses = loss_curve(pictured.models[name])
        ax.plot(np.arange(1, len(losses) + 1), losses, color="tab:blue", linewidth=1.4)
        ax.set_title(name, fontsize=9, parse_math=False)
        ax.set_xlabel("epoch", fontsize=8)
        ax.locator_params(axis="x", integer=True)
        ax.tick_params(labelsize=8)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)


def _numbers(row: pd.Series, metric: str) -> str:
    if metric != "reconstruction_r2":
        return f"{row[metric]:.3f}"
    text = f"R² {row[metric]:.3f}"
    if "linear_probe_accuracy" in row.index:
        text += f", probe {row['linear_probe_accuracy']:.3f}"
    return text
