"""A view with more features than samples in the coordinates of its samples."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from skrep.utils.correlation import BLOCK_BYTES, NEGLIGIBLE, is_single

__all__ = ["ReducedView", "reduce_wide"]


class ReducedView(NamedTuple):
    """A view with more features than samples in the coordinates of its samples.

    Attributes
    ----------
    coordinates : ndarray of shape (n_samples, rank)
        `(view - mean) / scale @ axes`.
    axes : ndarray of shape (width, rank)
        Orthonormal columns.
    mean, scale : ndarray of shape (width,)
        Of the features. The scale of constant features is infinite.
    variance : ndarray of shape (width,)
        Of the features, divided by n - 1.
    """

    coordinates: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    variance: np.ndarray


def reduce_wide(array: Any, standardise: bool) -> ReducedView:
    """Return a view with more features than samples in the coordinates of its samples.

    Parameters
    ----------
    array : ndarray or CSR of shape (n_samples, width)
        Read in blocks of columns; CSR stays sparse.
    standardise : bool
        Whether features are divided by their standard deviation first.
    """
    n, width = array.shape
    mean, variance = _column_moments(array)
    eps = np.finfo(np.float32 if is_single(array) else np.float64).eps
    varies = variance > np.maximum((8 * eps * np.abs(mean)) ** 2, np.finfo(np.float64).tiny)
    spread = np.sqrt(np.where(varies, variance, 1.0)) if standardise else 1.0
    scale = np.where(varies, spread, np.inf)
    gram = np.zeros((n, n))
    if sp.issparse(array):
        scaled = sp.csr_array(array.astype(np.float64) @ sp.diags_array(1 / scale))
        gram = (scaled @ scaled.T).toarray()
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1, keepdims=True)
    else:
        for _, block in _column_blocks(array, mean, scale):
            gram += block @ block.T
    values, vectors = scipy.linalg.eigh(gram)
    kept = np.flatnonzero(values > NEGLIGIBLE["float64"] * max(values[-1], 0.0))[::-1]
    vectors = vectors[:, kept]
    vectors -= vectors.mean(axis=0)
    lengths = np.sqrt(values[kept])
    axes = np.zeros((width, len(kept)))
    if sp.issparse(array):
        axes = np.asarray(scaled.T @ vectors) / lengths
    else:
        for part, block in _column_blocks(array, mean, scale):
            axes[part] = block.T @ vectors / lengths
    return ReducedView(vectors * lengths, axes, mean, scale, variance)


def _column_moments(array: Any) -> tuple[np.ndarray, np.ndarray]:
    n, width = array.shape
    if sp.issparse(array):
        mean = np.asarray(array.sum(axis=0, dtype=np.float64)).ravel() / n
        square = np.asarray(array.astype(np.float64).power(2).sum(axis=0)).ravel()
        return mean, np.maximum(square - n * mean**2, 0.0) / max(1, n - 1)
    mean = array.mean(axis=0, dtype=np.float64)
    variance = np.empty(width)
    for part, block in _column_blocks(array, mean, np.ones(width)):
        variance[part] = np.einsum("ij,ij->j", block, block) / max(1, n - 1)
    return mean, variance


def _column_blocks(
    array: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (columns, their centred and scaled values in float64)."""
    columns = max(1, BLOCK_BYTES // (8 * max(1, array.shape[0])))
    for start in range(0, array.shape[1], columns):
        part = slice(start, start + columns)
        yield part, (array[:, part] - mean[part]) / scale[part]
