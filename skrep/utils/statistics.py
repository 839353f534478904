"""Moments and principal axes of views, in one pass over rows and without copying the data."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

__all__ = ["Moments", "PrincipalAxes", "column_moments", "principal_axes"]

_BLOCK_ROWS = 4096
# Up to this many features the covariance is the quickest way; beyond, a randomised SVD.
_MAX_COVARIANCE = 1500


class Moments(NamedTuple):
    """Mean and variance of every feature, each of shape (width,), float64."""

    mean: np.ndarray
    variance: np.ndarray


class PrincipalAxes(NamedTuple):
    """Leading principal axes of views side by side.

    Attributes
    ----------
    components : ndarray of shape (n_axes, n_features)
        Orthonormal rows, by falling variance; the largest entry of each is positive.
    variances : ndarray of shape (n_axes,)
        Along the axes.
    rest : float
        Variance that the axes leave, summed over features.
    residual : ndarray of shape (n_features,)
        The same, feature by feature.
    """

    components: np.ndarray
    variances: np.ndarray
    rest: float
    residual: np.ndarray


def column_moments(array: Any, present: np.ndarray | None = None) -> Moments:
    """Return mean and variance (divided by n) of the columns of `array`.

    Parameters
    ----------
    array : ndarray or CSR of shape (n_samples, width)
        Memory-mapped data are read block by block.
    present : ndarray of shape (n_samples,) or None, default=None
        Rows to count; None counts all.
    """
    # Chan's pairwise update: means and squares per block, in float64, stay exact for data far
    # from the origin.
    count, mean, squares = 0, np.zeros(array.shape[1]), np.zeros(array.shape[1])
    for start, block in _blocks(array):
        rows = block if present is None else block[present[start : start + len(block)]]
        if len(rows) == 0:
            continue
        block_mean = rows.mean(axis=0, dtype=np.float64)
        near = block_mean.astype(np.result_type(rows.dtype, np.float32))
        deviation = rows - near
        block_squares = np.einsum("ij,ij->j", deviation, deviation, dtype=np.float64)
        # What the rounding of the mean to the data's dtype added.
        block_squares -= len(rows) * (block_mean - near) ** 2
        total = count + len(rows)
        shift = block_mean - mean
        squares += block_squares + shift**2 * (count * len(rows) / total)
        mean += shift * (len(rows) / total)
        count = total
    return Moments(mean, np.maximum(squares, 0.0) / max(1, count))


def _blocks(array: Any) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, array.shape[0], _BLOCK_ROWS):
        block = array[start : start + _BLOCK_ROWS]
        yield start, block.toarray() if sp.issparse(block) else block


def principal_axes(
    arrays: Sequence[Any],
    centres: Sequence[np.ndarray],
    factors: Sequence[np.ndarray],
    n_axes: int,
    *,
    seed: int,
    max_rows: int = 10_000,
) -> PrincipalAxes:
    """Return the leading principal axes of `(array - centre) * factor`, views side by side.

    Parameters
    ----------
    arrays : sequence of ndarray or CSR of shape (n_samples, width)
        One per view.
    centres, factors : sequence of ndarray of shape (width,)
        What is subtracted from, and multiplied onto, each view.
    n_axes : int
        Axes asked for; fewer come back where rank is lower.
    seed : int
        Of the choice of rows and of the randomised SVD.
    max_rows : int, default=10000
        More rows than this are represented by a random part of them.
    """
    n = arrays[0].shape[0]
    rows = np.arange(n)
    if n > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(n, max_rows, replace=False))
    joined = np.hstack(
        [
            ((_dense(array[rows]) - centre) * factor)
            for array, centre, factor in zip(arrays, centres, factors, strict=True)
        ]
    )
    n_axes = min(n_axes, *joined.shape)
    total = np.einsum("ij,ij->j", joined, joined) / len(joined)
    if joined.shape[1] <= _MAX_COVARIANCE:
        width = joined.shape[1]
        values, vectors = scipy.linalg.eigh(
            joined.T @ joined / len(joined), subset_by_index=(width - n_axes, width - 1)
        )
        components, variances = vectors.T[::-1], np.maximum(values[::-1], 0.0)
    else:
        _, singular, components = randomized_svd(joined, n_axes, random_state=seed)
        variances = singular**2 / len(joined)
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    residual = np.maximum(total - (variances[:, None] * components**2).sum(axis=0), 0.0)
    return PrincipalAxes(components, variances, float(residual.sum()), residual)


def _dense(rows: Any) -> np.ndarray:
    return (rows.toarray() if sp.issparse(rows) else rows).astype(np.float64)
