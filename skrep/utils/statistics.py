"""Moments and principal axes of views, in one pass over rows and without copying the data."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

__all__ = ["Moments", "PrincipalAxes", "RunningMoments", "column_moments", "principal_axes"]

# Small enough for a block's copy to stay in the cache.
_BLOCK_ROWS = 1024
# Up to this many features the covariance is the quickest way; beyond, a randomised SVD.
_MAX_COVARIANCE = 1500


class Moments(NamedTuple):
    """Mean and variance of every feature, each of shape (width,), float64."""

    mean: np.ndarray
    variance: np.ndarray


class RunningMoments:
    """Mean and squared deviations of columns that come block by block.

    Chan's pairwise update stays exact for data far from the origin.

    Attributes
    ----------
    count : int
        Rows so far.
    mean, squares : ndarray of shape (width,), float64
        Mean, and sum of squared deviations from it.
    """

    def __init__(self, width: int) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(width), np.zeros(width)

    def add(self, block: np.ndarray, *, overwrite: bool = False) -> None:
        """Count in a float64 block of shape (n_rows, width), which may be used as scratch."""
        if not len(block):
            return
        mean = block.mean(axis=0)
        # A new block for every sum costs three times as much as the sums.
        left = np.subtract(block, mean, out=block if overwrite else None)
        total = self.count + len(block)
        shift = mean - self.mean
        self.squares += np.einsum("ij,ij->j", left, left)
        self.squares += shift**2 * (self.count * len(block) / total)
        self.mean += shift * (len(block) / total)
        self.count = total

    @property
    def raw(self) -> np.ndarray:
        """Sum of squares, without the mean taken off."""
        return self.squares + self.count * self.mean**2


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
    # Blocks in float64 give the same moments to the same values whatever dtype holds them. Values
    # whose squares overflow have an infinite variance, which is for the caller to judge.
    found = RunningMoments(array.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for start, block in _blocks(array, np.arange(array.shape[0])):
            rows = block if present is None else block[present[start : start + len(block)]]
            found.add(rows, overwrite=True)
    return Moments(found.mean, found.squares / max(1, found.count))


def _blocks(array: Any, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position, fresh float64 copy) of successive blocks of the rows asked for."""
    whole = len(rows) == array.shape[0]
    for start in range(0, len(rows), _BLOCK_ROWS):
        stop = start + _BLOCK_ROWS
        block = array[start:stop] if whole else array[rows[start:stop]]
        yield start, (block.toarray() if sp.issparse(block) else block).astype(np.float64)


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
    width = sum(array.shape[1] for array in arrays)
    n_axes = min(n_axes, len(rows), width)
    blocks = _joined_blocks(arrays, centres, factors, rows)
    if width <= _MAX_COVARIANCE:
        covariance = np.zeros((width, width))
        for block in blocks:
            covariance += block.T @ block
        covariance /= len(rows)
        total = covariance.diagonal().copy()
        values, vectors = scipy.linalg.eigh(
            covariance, subset_by_index=(width - n_axes, width - 1), overwrite_a=True
        )
        components, variances = vectors.T[::-1], np.maximum(values[::-1], 0.0)
    else:
        joined = np.vstack([block.astype(np.float32) for block in blocks])
        total = np.einsum("ij,ij->j", joined, joined, dtype=np.float64) / len(joined)
        _, singular, components = randomized_svd(joined, n_axes, random_state=seed)
        variances = singular.astype(np.float64) ** 2 / len(joined)
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    residual = np.maximum(total - (variances[:, None] * components**2).sum(axis=0), 0.0)
    return PrincipalAxes(components, variances, float(residual.sum()), residual)


def _joined_blocks(
    arrays: Sequence[Any],
    centres: Sequence[np.ndarray],
    factors: Sequence[np.ndarray],
    rows: np.ndarray,
) -> Iterator[np.ndarray]:
    """Yield blocks of `(array - centre) * factor`, views side by side, float64."""
    columns = [_blocks(array, rows) for array in arrays]
    for parts in zip(*columns, strict=True):
        for (_, block), centre, factor in zip(parts, centres, factors, strict=True):
            block -= centre
            block *= factor
        yield np.hstack([block for _, block in parts])
