"""What the displays share: places to draw in, colours and looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "MAX_LEGEND",
    "Place",
    "as_colors",
    "bare",
    "class_colors",
    "color_scale",
    "draw_matrix",
    "grid_of_axes",
    "inches_of",
    "label_features",
    "one_axes",
    "plain",
    "redrawing",
    "require_matplotlib",
    "series_color",
    "set_title",
    "show_image",
    "spread_rows",
    "units_differ",
]

#: More entries than this make a legend that nobody reads.
MAX_LEGEND = 12
# More labels than this run into each other.
_MAX_FEATURE_LABELS = 30

_SERIES = ("blue", "orange", "green", "red", "purple", "brown", "pink", "gray", "olive", "cyan")

# Where axes keep the grid that stands in their place, and a display what it has drawn: kept with
# them, so that closed figures are not held in memory.
_GRID, _DRAWN = "_skrep_grid", "_skrep_drawn"


def require_matplotlib(display: str = "A display") -> None:
    """Raise an ImportError that says how to install matplotlib if it is missing."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{display} needs matplotlib. Install it with `pip install skrep[plot]`."
        ) from error


class Place(NamedTuple):
    """Where a display draws.

    Attributes
    ----------
    figure : matplotlib Figure or SubFigure
    axes : ndarray of Axes of shape (n_rows, n_columns)
    own : bool
        Whether the figure was made for this display, which may then give it a title.
    outer : Axes or None
        The axes, now invisible, inside which the grid stands; None where there are none.
    """

    figure: Any
    axes: np.ndarray
    own: bool
    outer: Any


def one_axes(ax: Any, display: str, figsize: tuple[float, float] | None = None) -> Place:
    """Return the axes to draw in: those given, or those of a new pyplot figure.

    Parameters
    ----------
    ax : Axes, array of one Axes, or None
        As the caller gave it.
    display : str
        Name of the display, for messages.
    figsize : tuple of (float, float) or None
        Inches of a new figure.
    """
    require_matplotlib(display)
    if ax is None:
        from matplotlib import pyplot as plt

        figure, made = plt.subplots(figsize=figsize, layout="constrained")
        return Place(figure, np.array([[made]], dtype=object), True, None)
    found = _check_axes(ax, 1, display)
    if _remove_grid(found[0]):
        found[0].set_axis_on()
    return Place(found[0].figure, found.reshape(1, 1), False, None)


def grid_of_axes(
    ax: Any,
    n_rows: int,
    n_columns: int,
    display: str,
    *,
    figsize: tuple[float, float] | None = None,
    hspace: float | None = None,
    wspace: float | None = None,
    width_ratios: Sequence[float] | None = None,
    height_ratios: Sequence[float] | None = None,
) -> Place:
    """Return a grid of axes: in a new pyplot figure, inside given axes, or the array given.

    Parameters
    ----------
    ax : Axes, array of n_rows * n_columns Axes, or None
        One Axes is emptied, and the grid stands in its place; again if it did so before.
    n_rows, n_columns : int
        Shape of the grid.
    display : str
        Name of the display, for messages.
    figsize : tuple of (float, float) or None
        Inches of a new figure.
    hspace, wspace : float or None
        Gaps, in units of the mean height and width of the axes.
    width_ratios, height_ratios : sequence of float or None
        As in matplotlib's GridSpec.
    """
    require_matplotlib(display)
    ratios = {"width_ratios": width_ratios, "height_ratios": height_ratios}
    n_axes = n_rows * n_columns
    if ax is not None and (n_axes == 1 or not _is_axes(ax)):
        found = _check_axes(ax, n_axes, display)
        return Place(found[0].figure, found.reshape(n_rows, n_columns), False, None)
    if ax is None:
        from matplotlib import pyplot as plt
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        # Without gaps of their own, tiles of images stand as close as they are meant to.
        engine = ConstrainedLayoutEngine(hspace=hspace, wspace=wspace)
        figure = plt.figure(figsize=figsize, layout=engine)
        spec = figure.add_gridspec(n_rows, n_columns, **ratios)
    else:
        figure = ax.figure
        spec = _inner_grid(ax, n_rows, n_columns, hspace=hspace, wspace=wspace, **ratios)
    cells = [figure.add_subplot(spec[r, c]) for r in range(n_rows) for c in range(n_columns)]
    if ax is not None:
        vars(ax)[_GRID] = cells
    axes = np.empty((n_rows, n_columns), dtype=object)
    axes.ravel()[:] = cells
    return Place(figure, axes, ax is None, ax)


def _inner_grid(ax: Any, n_rows: int, n_columns: int, **settings: Any) -> Any:
    _remove_grid(ax)
    ax.set_axis_off()
    given = {name: value for name, value in settings.items() if value is not None}
    spec = ax.get_subplotspec()
    if spec is not None:
        return spec.subgridspec(n_rows, n_columns, **given)
    # Axes placed by hand, which belong to no grid.
    box = ax.get_position()
    sides = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
    return ax.figure.add_gridspec(n_rows, n_columns, **sides, **given)


def _remove_grid(ax: Any) -> bool:
    """Take away the grid that stands in the place of axes; return whether there was one."""
    old = [cell for cell in vars(ax).pop(_GRID, ()) if cell in ax.figure.axes]
    for cell in old:
        for artist in cell.get_children():
            _remove_bar(artist)
        cell.remove()
    return bool(old)


@contextmanager
def redrawing(display: Any, place: Place) -> Iterator[None]:
    """Take away what a display has drawn in a place before, and remember what it draws inside.

    What others have drawn there stays, so that displays can be laid over each other.
    """
    cells = list(place.axes.ravel())
    for ax, drawn in vars(display).pop(_DRAWN, ()):
        if any(ax is cell for cell in cells):
            _remove([artist for artist in ax.get_children() if artist in drawn])
    before = [ax.get_children() for ax in cells]
    yield
    vars(display)[_DRAWN] = [
        (ax, [artist for artist in ax.get_children() if artist not in old])
        for ax, old in zip(cells, before, strict=True)
    ]


def _remove(artists: list[Any]) -> None:
    for artist in artists:
        _remove_bar(artist)
        artist.remove()


def _remove_bar(artist: Any) -> None:
    bar = getattr(artist, "colorbar", None)
    if bar is not None:
        bar.remove()


def _is_axes(ax: Any) -> bool:
    from matplotlib.axes import Axes

    return isinstance(ax, Axes)


def _check_axes(ax: Any, count: int, display: str) -> np.ndarray:
    found = np.empty(1, dtype=object)
    if _is_axes(ax):
        found[0] = ax
    else:
        found = np.asarray(ax, dtype=object).ravel()
    wrong = [value for value in found if not _is_axes(value)]
    if wrong:
        raise TypeError(
            f"`ax` of {display} must be matplotlib Axes, or an array of them. Got {wrong[0]!r}."
        )
    if len(found) != count:
        raise ValueError(
            f"{display} draws in {count} axes here, and `ax` holds {len(found)}. Pass an array of "
            f"{count} Axes, or a single one, in whose place they are put."
        )
    return found


def series_color(i: int) -> str:
    """Return the colour of the i-th line or group; ten that differ, then again from the start."""
    return f"tab:{_SERIES[i % len(_SERIES)]}"


def class_colors(n_classes: int) -> list[Any]:
    """Return one colour per class: ten or twenty distinct ones, beyond that along a map."""
    from matplotlib import colormaps

    if n_classes <= 10:
        return [series_color(i) for i in range(n_classes)]
    if n_classes <= 20:
        return [colormaps["tab20"](i) for i in range(n_classes)]
    return [colormaps["turbo"](i / (n_classes - 1)) for i in range(n_classes)]


def color_scale(values: Any, *, signed: bool | None = None) -> dict[str, Any]:
    """Return `cmap`, `vmin` and `vmax` for values: blue to red about 0, or viridis.

    Parameters
    ----------
    values : array-like
        NaN and infinity are left out.
    signed : bool or None, default=None
        Whether 0 is in the middle; None where both signs occur.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if signed or (signed is None and low < 0 < high):
        # A few extreme values would leave the rest pale.
        limit = float(np.quantile(np.abs(finite), 0.995)) if finite.size else 1.0
        limit = limit or float(np.abs(finite).max(initial=0.0)) or 1.0
        return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    return {"cmap": "viridis", "vmin": low, "vmax": high if high > low else low + 1.0}


def units_differ(sizes: np.ndarray) -> bool:
    """Return whether one colour scale would show only the largest of some features."""
    known = sizes[sizes > 0.0]
    return bool(known.size) and float(known.max()) > 20.0 * float(np.median(known))


def plain(ax: Any) -> None:
    """Leave only the left and lower spine of a line plot."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def bare(ax: Any) -> None:
    """Take ticks and frame of an image away; its labels stay."""
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(False)


def set_title(place: Place, title: str) -> None:
    """Put a title above everything that a display draws."""
    if place.axes.size == 1:
        place.axes[0, 0].set_title(title)
    elif place.own:
        place.figure.suptitle(title)
    elif place.axes.shape[1] % 2:
        # Above the title that the axes in the middle have of their own.
        middle = place.axes[0, place.axes.shape[1] // 2]
        middle.set_title(f"{title}\n{middle.get_title()}".strip(), fontsize="medium")
    else:
        place.axes[0, 0].set_title(title, loc="left", fontsize="medium")


def as_colors(values: np.ndarray, scale: dict[str, Any]) -> np.ndarray:
    """Bring values from the limits of a scale to [0, 1], NaN to white."""
    low, high = scale["vmin"], scale["vmax"]
    return np.nan_to_num(np.clip((values - low) / (high - low), 0.0, 1.0), nan=1.0)


def show_image(
    ax: Any, row: np.ndarray, image_shape: tuple[int, ...], scale: dict[str, Any]
) -> Any:
    """Draw one row as an image, without ticks.

    Parameters
    ----------
    ax : Axes
        Where.
    row : ndarray of shape (width,)
        The pixels.
    image_shape : tuple of int
        (height, width), or with 3 channels last, whose values are brought from the limits of
        `scale` to [0, 1].
    scale : dict
        From `color_scale`.
    """
    image = np.asarray(row, dtype=float).reshape(image_shape)
    if len(image_shape) == 3:
        image = as_colors(image, scale)
    drawn = ax.imshow(image, interpolation="nearest", **scale)
    bare(ax)
    return drawn


def draw_matrix(ax: Any, values: np.ndarray, scale: dict[str, Any]) -> Any:
    """Draw a matrix as a heat map that fills its axes, without ticks."""
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **scale)
    ax.set_xticks([])
    ax.set_yticks([])
    return image


def label_features(ax: Any, names: Sequence[str] | None) -> None:
    """Write the names of features below a heat map, level where they fit, or what they are."""
    if names is None or len(names) > _MAX_FEATURE_LABELS:
        ax.set_xlabel("feature")
        return
    room = ax.get_window_extent().width / ax.figure.dpi / len(names)
    angle = 0 if inches_of(names) < room else 90
    ax.set_xticks(np.arange(len(names)), names, rotation=angle, fontsize="small")
    ax.set_xlabel("")


def inches_of(names: Sequence[str] | None) -> float:
    """Return how long the longest label of features is, 0 where none is written."""
    if names is None or not 0 < len(names) <= _MAX_FEATURE_LABELS:
        return 0.0
    return 0.07 * max(len(name) for name in names)


def spread_rows(n_rows: int, most: int) -> np.ndarray:
    """Return at most `most` positions spread evenly over `n_rows`, first and last among them."""
    return np.unique(np.linspace(0, n_rows - 1, min(most, n_rows)).round().astype(int))
