"""Many small images in one: tiles with gaps, in one axes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._display import as_colors, bare

__all__ = ["Montage", "draw_montage", "figure_size", "make_montage"]


class Montage(NamedTuple):
    """Tiles side by side.

    Attributes
    ----------
    image : ndarray of shape (height, width) or (height, width, 3)
        NaN, or white for colours, between tiles.
    row_centers, column_centers : ndarray
        Where the middle of each row and column of tiles is, in pixels.
    """

    image: np.ndarray
    row_centers: np.ndarray
    column_centers: np.ndarray


def make_montage(tiles: np.ndarray) -> Montage:
    """Put tiles beside each other.

    Parameters
    ----------
    tiles : ndarray of shape (n_rows, n_columns, height, width) or with channels last
        NaN where a tile is missing. Colours are in [0, 1].
    """
    n_rows, n_columns, height, width = tiles.shape[:4]
    gap = max(1, round(0.1 * max(height, width)))
    tall, wide = height + gap, width + gap
    shape = (n_rows * tall - gap, n_columns * wide - gap, *tiles.shape[4:])
    image = np.full(shape, 1.0 if tiles.ndim == 5 else np.nan)
    for i in range(n_rows):
        for j in range(n_columns):
            part = tiles[i, j]
            image[i * tall : i * tall + height, j * wide : j * wide + width] = part
    rows = np.arange(n_rows) * tall + (height - 1) / 2
    columns = np.arange(n_columns) * wide + (width - 1) / 2
    return Montage(image, rows, columns)


def draw_montage(
    ax: Any,
    rows: np.ndarray,
    image_shape: tuple[int, ...],
    scale: dict[str, Any],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Montage:
    """Draw rows of pixels as tiles.

    Parameters
    ----------
    ax : Axes
        Where.
    rows : ndarray of shape (n_rows, n_columns, n_pixels)
        The tiles.
    image_shape : tuple of int
        (height, width), or with channels last: values are then brought from the limits of `scale`
        to [0, 1].
    scale : dict
        `cmap`, `vmin` and `vmax`.
    row_labels, column_labels : sequence of str
        Left of the rows and below the columns; none where empty.
    """
    tiles = np.asarray(rows, dtype=np.float64).reshape(*rows.shape[:2], *image_shape)
    if len(image_shape) == 3:
        tiles = as_colors(tiles, scale)
    made = make_montage(tiles)
    # NaN is transparent, so that gaps are as light as the page.
    ax.imshow(made.image, interpolation="nearest", **scale)
    bare(ax)
    for labels, centers, place in (
        (row_labels, made.row_centers, ax.set_yticks),
        (column_labels, made.column_centers, ax.set_xticks),
    ):
        if len(labels):
            place(centers, labels)
    ax.tick_params(length=0, labelsize="small")
    return made


def figure_size(
    n_rows: int, n_columns: int, image_shape: tuple[int, ...], tile: float = 0.75
) -> tuple[float, float]:
    """Return inches for so many tiles, `tile` the longer side of one, labels included."""
    height, width = (tile * n / max(image_shape[:2]) for n in image_shape[:2])
    return max(1.0 + 1.08 * n_columns * width, 3.0), max(0.8 + 1.08 * n_rows * height, 1.6)
