"""Two views of one picture: its halves, or a rotated picture and a noisy relative of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import Bunch

from skrep.utils.random import seed_from
from skrep.views import Views

__all__ = ["make_halves", "make_noisy_views"]

_BLOCK_PIXELS = 2**18  # about what stays in the cache of one core with its indices and weights


def make_halves(images: Any, *, image_shape: Sequence[int] | None = None) -> Views:
    """Cut images into a left and a right view.

    Parameters
    ----------
    images : array-like, CSR matrix or DataFrame of shape (n_samples, n_pixels), or an array of \
            shape (n_samples, height, width) or (n_samples, channels, height, width)
        Images, one per row. The dtype is kept, and so are sparsity, the index and the columns.
    image_shape : (height, width) or (channels, height, width), default=None
        Shape of one image. None takes it from an array of images, and for rows the square that
        their length allows.

    Returns
    -------
    Views
        "left" (n_samples, channels * height * (width // 2)) and "right", which has the middle
        column too if `width` is odd. Rows are images in the order of `image_shape`, so
        `skrep.nn.conv_encoder` folds them back.

    Raises
    ------
    ValueError
        If the shape does not fit the images, or an image is less than two pixels wide.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.datasets import make_halves
    >>> halves = make_halves(np.zeros((5, 784)))
    >>> halves.names, halves.widths
    (('left', 'right'), (392, 392))
    """
    rows, (channels, height, width) = _rows_and_shape(images, image_shape)
    if width < 2:
        raise ValueError(
            f"An image of one column has no halves: `image_shape` is {(channels, height, width)}. "
            f"Pass images of two or more columns."
        )
    pixels = np.arange(channels * height * width).reshape(channels, height, width)
    cut = width // 2
    return Views(
        {
            "left": _columns(rows, pixels[..., :cut].ravel()),
            "right": _columns(rows, pixels[..., cut:].ravel()),
        }
    )


def make_noisy_views(
    images: Any,
    y: Any,
    *,
    max_angle: float = np.pi / 4,
    noise: float = 1.0,
    random_state: Any = None,
    image_shape: Sequence[int] | None = None,
    return_truth: bool = False,
) -> Any:
    """Make a rotated view of each image and a noisy view of another image of its class.

    The first view is the image, rotated about its centre by an angle drawn uniformly from
    [-`max_angle`, `max_angle`] (bilinear, 0 outside the image). The second is an image drawn
    uniformly from the others of the same class, never the image itself, plus noise drawn
    uniformly from [0, `noise`] for each pixel, clipped to [0, 1]. What the two views share is
    the class. With the defaults and MNIST this is the noisy MNIST of [1]_, whose training,
    tuning and test parts are each made from their own images: call this once for each.

    Parameters
    ----------
    images : array-like of shape (n_samples, n_pixels), (n_samples, height, width) or \
            (n_samples, channels, height, width)
        Grey levels in [0, 1].
    y : array-like of shape (n_samples,)
        Class of each image.
    max_angle : float, default=0.7853981633974483
        Largest rotation in radians, either way, in [0, pi]: pi / 4 unless told otherwise, 0 for a
        first view that stays upright.
    noise : float, default=1.0
        Largest amount added to a pixel of the second view, 0 or more.
    random_state : int, RandomState or None, default=None
        An integer makes the views repeatable.
    image_shape : (height, width) or (channels, height, width), default=None
        Shape of one image, as for `make_halves`.
    return_truth : bool, default=False
        Return `(X, truth)` in place of X.

    Returns
    -------
    X : Views
        "rotated" and "noisy", each (n_samples, n_pixels), float32.
    truth : Bunch
        Only if `return_truth`: `angles` (n_samples,), in radians, counter-clockwise; `partners`
        (n_samples,), the row of the image that the second view shows.

    Raises
    ------
    ValueError
        If a grey level is outside [0, 1], a class has one image only, shapes do not fit, or
        `max_angle` or `noise` is out of range.

    References
    ----------
    .. [1] Wang, W., Arora, R., Livescu, K. and Bilmes, J. "On deep multi-view representation
       learning." ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.datasets import make_noisy_views
    >>> rng = np.random.default_rng(0)
    >>> X = make_noisy_views(rng.random((20, 64)), np.arange(20) % 2, random_state=0)
    >>> X.names, X.widths, X.dtype
    (('rotated', 'noisy'), (64, 64), dtype('float32'))
    """
    rows, shape = _rows_and_shape(images, image_shape)
    rows = np.asarray(rows.toarray() if sp.issparse(rows) else rows)
    _check_grey(rows)
    _check_range("max_angle", max_angle, np.pi, "in radians, in [0, pi]")
    _check_range("noise", noise, np.finfo(np.float64).max, "finite, 0 or more")
    rng = np.random.default_rng(seed_from(random_state))
    partners = _partners(_labels(y, len(rows)), rng)
    angles = rng.uniform(-max_angle, max_angle, size=len(rows))
    rotated = np.empty(rows.shape, dtype=np.float32)
    noisy = np.empty(rows.shape, dtype=np.float32)
    size = max(1, _BLOCK_PIXELS // rows.shape[1])
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        rotated[block] = _rotate(rows[block], angles[block], shape)
        other = rows[partners[block]].astype(np.float32)
        other += np.float32(noise) * rng.random(other.shape, dtype=np.float32)
        noisy[block] = np.minimum(other, np.float32(1.0))
    X = Views({"rotated": rotated, "noisy": noisy})
    return (X, Bunch(angles=angles, partners=partners)) if return_truth else X


def _rotate(rows: np.ndarray, angles: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Rotate images counter-clockwise: each pixel fetches what the inverse rotation points to."""
    channels, height, width = shape
    n_images = len(rows)
    # One pixel of zeros before and two after: all four neighbours of a clipped position exist.
    padded = np.zeros((n_images, channels, height + 3, width + 3), dtype=np.float32)
    padded[..., 1:-2, 1:-2] = rows.reshape(n_images, channels, height, width)
    down, right = np.indices((height, width), dtype=np.float32).reshape(2, 1, -1)
    down, right = down - np.float32((height - 1) / 2), right - np.float32((width - 1) / 2)
    cosine = np.cos(angles).astype(np.float32)[:, np.newaxis]
    sine = np.sin(angles).astype(np.float32)[:, np.newaxis]
    from_row = sine * right + cosine * down + np.float32((height - 1) / 2)
    from_column = cosine * right - sine * down + np.float32((width - 1) / 2)
    from_row = np.clip(from_row + 1, 0, height + 1)
    from_column = np.clip(from_column + 1, 0, width + 1)
    row, column = from_row.astype(np.intp), from_column.astype(np.intp)
    lower, across = (from_row - row).astype(np.float32), (from_column - column).astype(np.float32)
    first = np.arange(n_images)[:, np.newaxis] * (channels * (height + 3) * (width + 3))
    corner = first + row * (width + 3) + column
    out = np.empty((n_images, channels, height * width), dtype=np.float32)
    for channel in range(channels):
        at = corner + channel * (height + 3) * (width + 3)
        upper = padded.take(at) * (1 - across) + padded.take(at + 1) * across
        at += width + 3
        below = padded.take(at) * (1 - across) + padded.take(at + 1) * across
        out[:, channel] = upper * (1 - lower) + below * lower
    return out.reshape(n_images, -1)


def _partners(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw for each row another row of its class, uniformly."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)[labels]
    starts = np.searchsorted(labels[order], labels)
    position = np.empty(len(labels), dtype=np.intp)
    position[order] = np.arange(len(labels))
    drawn = rng.integers(0, counts - 1)
    # Of the others, those from one's own place on move up by one.
    drawn += drawn >= position - starts
    return order[starts + drawn]


def _labels(y: Any, n_samples: int) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise ValueError(
            f"`y` must hold one label per image, shape ({n_samples},). Got shape {y.shape}."
        )
    classes, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    if (counts < 2).any():
        lonely = classes[counts < 2].tolist()
        raise ValueError(
            f"Class {lonely[0]!r} has one image only ({len(lonely)} such classes), and its noisy "
            f"view must show another image of it. Leave such classes out."
        )
    return labels


def _check_grey(rows: np.ndarray) -> None:
    low, high = (float(rows.min()), float(rows.max())) if rows.size else (0.0, 1.0)
    if not (low >= 0.0 and high <= 1.0):
        hint = " Divide by 255." if low >= 0.0 and 1.0 < high <= 255.0 else " Rescale them."
        raise ValueError(
            f"`images` must hold grey levels in [0, 1]. Got values from {low:g} to {high:g} of "
            f"dtype {rows.dtype}.{hint}"
        )


def _check_range(name: str, value: Any, highest: float, accepted: str) -> None:
    if not 0.0 <= value <= highest:
        raise ValueError(f"`{name}` must be a number, {accepted}. Got {value!r}.")


def _rows_and_shape(images: Any, image_shape: Any) -> tuple[Any, tuple[int, int, int]]:
    """Return images as rows, and (channels, height, width)."""
    if not (sp.issparse(images) or isinstance(images, pd.DataFrame)):
        images = np.asarray(images)
    if images.ndim not in (2, 3, 4):
        raise ValueError(
            f"`images` must have shape (n_samples, n_pixels), (n_samples, height, width) or "
            f"(n_samples, channels, height, width). Got shape {images.shape}."
        )
    shape = None if image_shape is None else _three_sizes(image_shape)
    n_samples, *sizes = images.shape
    if images.ndim > 2:
        found = (1, *sizes) if images.ndim == 3 else tuple(sizes)
        if shape not in (None, found):
            raise ValueError(
                f"`image_shape={image_shape!r}` does not describe `images` of shape "
                f"{images.shape}. Leave it out, or pass rows."
            )
        return images.reshape(n_samples, -1), found
    (width,) = sizes
    side = int(np.sqrt(width))
    if shape is None and side * side != width:
        raise ValueError(
            f"Rows of {width} pixels make no square image. Pass `image_shape=(height, width)` or "
            f"`(channels, height, width)`."
        )
    shape = (1, side, side) if shape is None else shape
    if np.prod(shape) != width:
        raise ValueError(
            f"`image_shape={image_shape!r}` makes {np.prod(shape)} pixels, and the rows of "
            f"`images` have {width}."
        )
    return images.tocsr() if sp.issparse(images) else images, shape


def _three_sizes(image_shape: Any) -> tuple[int, int, int]:
    sizes = tuple(image_shape) if isinstance(image_shape, Sequence) else ()
    whole = all(isinstance(size, int | np.integer) and size > 0 for size in sizes)
    if len(sizes) not in (2, 3) or not whole:
        raise ValueError(
            f"`image_shape` must be (height, width) or (channels, height, width), of positive "
            f"integers. Got {image_shape!r}."
        )
    channels, height, width = sizes if len(sizes) == 3 else (1, *sizes)
    return int(channels), int(height), int(width)


def _columns(rows: Any, columns: np.ndarray) -> Any:
    return rows.iloc[:, columns] if isinstance(rows, pd.DataFrame) else rows[:, columns]
