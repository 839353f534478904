"""Canonical correlations of several views from their moments, which are streamed block by block."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from skrep.utils.columns import column_slices

__all__ = [
    "BLOCK_BYTES",
    "NEGLIGIBLE",
    "CCASolution",
    "ViewMoments",
    "cca_of_arrays",
    "is_single",
    "max_components",
    "oas_ridge",
    "project",
    "signs_of",
    "solve_cca",
    "whitener",
]

# A block and the product it makes should stay in the cache; 4096 float32 rows lose nothing.
BLOCK_BYTES = 2**24
_BLOCK_ROWS = 4096
# Below this many multiply-adds float64 costs next to nothing.
_SMALL = 2e9
# CSR views with fewer entries than this stay sparse: their mean is small beside their spread, so
# that products of uncentred rows lose no digits.
_SPARSE = 0.1
# Directions with less than this share of the largest variance are not told from rounding errors:
# of standardised features; of raw ones, ridge included; and of raw ones however large the ridge.
NEGLIGIBLE = {"float32": 1e-5, "float64": 1e-10}
_NEGLIGIBLE_WITH_RIDGE = {"float32": 2e-6, "float64": 1e-12}
_NOISE = {"float32": 4e-7, "float64": 1e-14}


class ViewMoments:
    """Means and covariances of several views, gathered block by block in float64.

    Parameters
    ----------
    widths : sequence of int
        Number of features of each view.

    Attributes
    ----------
    n_samples : int
        Rows seen.
    mean : ndarray of shape (sum of widths,)
        Of all features, views side by side.
    slices : tuple of slice
        Where each view stands in `mean` and `covariance`.
    precision : {"float64", "float32"}
        Of the products inside a block. Sums over blocks are float64 always.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.slices = tuple(column_slices(widths))
        self.n_samples = 0
        self.mean = np.zeros(self.slices[-1].stop)
        self.precision = "float64"
        self._scatter = np.zeros((len(self.mean), len(self.mean)))

    @property
    def means(self) -> list[np.ndarray]:
        """Mean of each view, (width,)."""
        return [self.mean[part] for part in self.slices]

    def covariance(self) -> np.ndarray:
        """Return the covariance of all features, divided by n - 1, (sum of widths,) twice."""
        return self._scatter / max(1, self.n_samples - 1)

    def variance(self) -> np.ndarray:
        """Return the variance of all features, divided by n - 1, (sum of widths,)."""
        return self._scatter.diagonal() / max(1, self.n_samples - 1)

    def copy(self) -> "ViewMoments":
        """Return moments that go on separately."""
        other = ViewMoments([part.stop - part.start for part in self.slices])
        other.n_samples, other.precision = self.n_samples, self.precision
        other.mean, other._scatter = self.mean.copy(), self._scatter.copy()
        return other

    def update(self, arrays: Sequence[Any]) -> "ViewMoments":
        """Count more rows in.

        Parameters
        ----------
        arrays : sequence of ndarray or CSR of shape (n_samples, width)
            One per view, finite. CSR is made dense block by block, or stays sparse if it has few
            entries. Memory-mapped data are read block by block.

        Returns
        -------
        self : ViewMoments
        """
        # What overflows is infinite, which the solver refuses.
        with np.errstate(over="ignore", invalid="ignore"):
            if any(_stays_sparse(array) for array in arrays):
                found = [self._add(*_products(parts)) for parts in _parts(arrays)]
            else:
                found = self._update_dense(arrays)
            # What shifts and the distance of means add is of rank two a block: one product at last.
            weights, terms = (np.concatenate(each) for each in zip(*found, strict=True))
            self._scatter += (terms * weights[:, None]).T @ terms
        return self

    def _update_dense(self, arrays: Sequence[Any]) -> list[tuple[np.ndarray, np.ndarray]]:
        n, width = arrays[0].shape[0], len(self.mean)
        single = n * width**2 > _SMALL and all(_suits_single(array) for array in arrays)
        dtype = np.dtype(np.float32 if single else np.float64)
        if single:
            self.precision = "float32"
        rows = _block_rows(width, dtype.itemsize)
        buffer = np.empty((min(rows, n), width), dtype=dtype)
        product = np.empty((width, width), dtype=dtype)
        ones, found = np.ones(rows, dtype=dtype), []
        for start in range(0, n, rows):
            block = buffer[: min(rows, n - start)]
            shift = np.empty(width, dtype=dtype)
            for array, part in zip(arrays, self.slices, strict=True):
                raw = array[start : start + rows]
                raw = raw.toarray() if sp.issparse(raw) else raw
                # Centred before the product, so that data far from the origin lose nothing.
                shift[part] = (
                    raw.mean(axis=0, dtype=np.float64)
                    if raw.dtype != dtype
                    else (ones[: len(raw)] @ raw / len(raw))
                )
                np.subtract(raw, shift[part], out=block[:, part], casting="unsafe")
            np.matmul(block.T, block, out=product)
            sums = (ones[: len(block)] @ block).astype(np.float64)
            found.append(self._add(len(block), shift, sums, product))
        return found

    def _add(
        self, n: int, shift: np.ndarray, sums: np.ndarray, product: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Merge sums and products of `n` rows from which `shift` was taken.

        Returns the weights (2,) and rows (2, width) of what is still to be added to the products.
        """
        total = self.n_samples + n
        left = sums / n
        step = shift + left - self.mean
        weights = np.array([-n, self.n_samples * n / total])
        self._scatter += product
        self.mean += step * (n / total)
        self.n_samples = total
        return weights, np.stack([left, step])


class CCASolution(NamedTuple):
    """Linear maps of views whose images correlate.

    Attributes
    ----------
    weights : tuple of ndarray of shape (width, n_components)
        One per view; `(view - mean) @ weights` has unit variance (divided by n - 1).
    correlations : ndarray of shape (n_components,)
        Between the images, as they are on the data, averaged over pairs of views.
    ranks : tuple of int
        Directions of each view in which it varies.
    regularization : tuple of float
        Ridge of each view, relative to the mean variance of its features.
    means : tuple of ndarray of shape (width,)
        Of the views.
    """

    weights: tuple[np.ndarray, ...]
    correlations: np.ndarray
    ranks: tuple[int, ...]
    regularization: tuple[float, ...]
    means: tuple[np.ndarray, ...]

    def project(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """Return the canonical variates of each view, (n_samples, n_components)."""
        return [
            project(array, mean, weights)
            for array, mean, weights in zip(arrays, self.means, self.weights, strict=True)
        ]


def cca_of_arrays(
    arrays: Sequence[Any],
    n_components: int,
    regularization: Any = 0.0,
    *,
    names: Sequence[str] | None = None,
    fill: bool = False,
) -> CCASolution:
    """Return the linear CCA of views.

    Parameters
    ----------
    arrays : sequence of ndarray or CSR of shape (n_samples, width)
        Two or more, finite.
    n_components : int
        Components.
    regularization : float, "auto" or sequence of them, default=0.0
        As in `solve_cca`.
    names : sequence of str or None, default=None
        Of the views, for messages.
    fill : bool, default=False
        As in `solve_cca`.

    Returns
    -------
    CCASolution

    Raises
    ------
    ValueError
        If a view is constant, or `n_components` exceeds a rank, unless `fill`.
    """
    moments = ViewMoments([array.shape[1] for array in arrays]).update(arrays)
    return solve_cca(moments, n_components, regularization, names=names, fill=fill)


def solve_cca(
    moments: ViewMoments,
    n_components: int,
    regularization: Any = 0.0,
    *,
    names: Sequence[str] | None = None,
    widths: Sequence[int] | None = None,
    fill: bool = False,
) -> CCASolution:
    r"""Return the linear maps whose images correlate most.

    For two views the canonical correlations by an SVD between whitened views, for more the
    generalised eigenproblem (Kettenring's MAXVAR)

    .. math:: \max \sum_{i \ne j} w_i^\top S_{ij} w_j \quad\text{s.t.}\quad
        \sum_i w_i^\top (S_{ii} + \lambda_i \bar s_i I) w_i = 1

    where s is the mean variance of a feature of the view; for two views it is the same.

    Parameters
    ----------
    moments : ViewMoments
        Of the views.
    n_components : int
        Components.
    regularization : float, "auto" or sequence of them, default=0.0
        Ridge, relative to the mean variance of a view's features: 0.1 adds a tenth of it to the
        variance of every feature. "auto" shrinks by the oracle approximating formula. With 0
        nothing depends on the units of single features.
    names : sequence of str or None, default=None
        Of the views, for messages.
    widths : sequence of int or None, default=None
        Number of features over which variances are averaged, where the moments are those of
        reduced views.
    fill : bool, default=False
        Whether components beyond the lowest rank are zeros instead of an error.

    Returns
    -------
    CCASolution
        Ordered by what is maximised. The largest correlation of a feature of the first view with
        its variate is positive.

    Raises
    ------
    ValueError
        If a view is constant, or `n_components` exceeds a rank, unless `fill`; or if squares of
        values overflow.
    """
    S, parts = moments.covariance(), moments.slices
    if not np.isfinite(S).all():
        raise ValueError(
            "The squares of some values are too large for a float64. Divide the views by their "
            "scale, for example with `PerView(StandardScaler())`."
        )
    widths = [part.stop - part.start for part in parts] if widths is None else list(widths)
    names = [f"view{i}" for i in range(len(parts))] if names is None else list(names)
    asked = _per_view(regularization, len(parts))
    ridges = tuple(
        oas_ridge(S[part, part], moments.n_samples, width) if ridge == "auto" else float(ridge)
        for part, width, ridge in zip(parts, widths, asked, strict=True)
    )
    bases = [
        whitener(S[part, part], ridge, width, moments.mean[part], moments.precision)
        for part, width, ridge in zip(parts, widths, ridges, strict=True)
    ]
    ranks = tuple(basis.shape[1] for basis in bases)
    if not fill:
        _check_ranks(n_components, ranks, ridges, names)
    found = min(n_components, max_components(ranks))
    if found:
        weights = [
            _unit_variance(basis @ directions, S[part, part])
            for basis, directions, part in zip(
                bases, _directions(S, parts, bases, found), parts, strict=True
            )
        ]
        spread = np.sqrt(S.diagonal()[parts[0]])[:, None]
        covariance = S[parts[0], parts[0]] @ weights[0]
        signs = signs_of(
            np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
        )
        weights = [each * signs for each in weights]
    else:
        weights = [np.zeros((part.stop - part.start, 0)) for part in parts]
    weights = [np.pad(each, ((0, 0), (0, n_components - found))) for each in weights]
    return CCASolution(
        tuple(weights), _mean_correlations(S, parts, weights), ranks, ridges, tuple(moments.means)
    )


def max_components(ranks: Sequence[int]) -> int:
    """Return how many components views of these ranks allow."""
    return min(ranks)


def oas_ridge(covariance: np.ndarray, n_samples: int, width: int | None = None) -> float:
    """Return the oracle approximating shrinkage of a covariance as a relative ridge.

    Parameters
    ----------
    covariance : ndarray of shape (width, width)
        Divided by n - 1; or in coordinates of fewer dimensions.
    n_samples : int
        Rows it comes from.
    width : int or None, default=None
        Number of features, where the covariance is that of reduced coordinates.

    Returns
    -------
    float
        s / (1 - s) for the shrinkage s of [1]_: (1 - s) S + s mean(diag S) I is S with that ridge,
        relative to the mean variance, up to a factor.

    References
    ----------
    .. [1] Chen, Y. et al. "Shrinkage algorithms for MMSE covariance estimation." IEEE
       Transactions on Signal Processing 58, 2010.
    """
    p = len(covariance) if width is None else width
    mean = float(np.trace(covariance)) / p
    if mean <= 0:
        return 0.0
    scaled = covariance / mean
    square = float(np.einsum("ij,ij->", scaled, scaled)) / p**2
    spread = (n_samples + 1) * (square - 1 / p)
    shrinkage = 1.0 if spread <= 0 else min(1.0, (square + 1) / spread)
    # Full shrinkage would be an infinite ridge; this one leaves nothing of the covariances either.
    return shrinkage / max(1e-6, 1 - shrinkage)


def whitener(
    covariance: np.ndarray,
    ridge: float,
    width: int,
    mean: np.ndarray,
    precision: str = "float64",
) -> np.ndarray:
    """Return B, (width, rank), with B' (S + ridge I) B = I on what varies.

    Directions that are constant, or copies of others, are left out, so that no division is by
    rounding errors. Without a ridge features are standardised first: their scale plays no role.
    """
    variance = covariance.diagonal()
    # A constant far from the origin has the variance of its own rounding.
    eps = np.finfo(precision).eps
    varies = variance > (8 * eps * np.abs(mean)) ** 2
    varies &= variance > np.finfo(np.float64).tiny
    amount = ridge * float(variance[varies].sum()) / width
    scale = np.where(varies, 1.0 if amount > 0 else np.sqrt(np.where(varies, variance, 1.0)), 1.0)
    inner = covariance[np.ix_(varies, varies)]
    inner = inner / np.outer(scale[varies], scale[varies])
    basis = np.zeros((len(covariance), 0))
    if not len(inner):
        return basis
    values, vectors = scipy.linalg.eigh(inner)
    top = values[-1]
    least = NEGLIGIBLE[precision] * top
    if amount > 0:
        # What is divided by is variance and ridge, so that with a ridge small variances do no harm.
        least = max(_NEGLIGIBLE_WITH_RIDGE[precision] * top - amount, _NOISE[precision] * top)
    kept = np.flatnonzero(values > least)[::-1]
    basis = np.zeros((len(covariance), len(kept)))
    basis[varies] = vectors[:, kept] / np.sqrt(values[kept] + amount) / scale[varies, None]
    return basis


def signs_of(loadings: np.ndarray) -> np.ndarray:
    """Return the sign, (n_components,), that makes the largest loading of each column positive."""
    size = np.abs(loadings)
    # The first of those that are as good as largest: a tie must not turn on a rounding error.
    place = (size >= 0.999 * size.max(axis=0)).argmax(axis=0)
    return np.where(loadings[place, np.arange(loadings.shape[1])] < 0, -1.0, 1.0)


def project(array: Any, mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `(array - mean) @ weights` in float64, block by block, (n_samples, n_components)."""
    if sp.issparse(array):
        return np.asarray(array @ weights - mean @ weights, dtype=np.float64)
    out = np.empty((array.shape[0], weights.shape[1]))
    rows = _block_rows(array.shape[1], 8)
    for start in range(0, array.shape[0], rows):
        np.matmul(array[start : start + rows] - mean, weights, out=out[start : start + rows])
    return out


def _directions(
    S: np.ndarray, parts: Sequence[slice], bases: Sequence[np.ndarray], k: int
) -> list[np.ndarray]:
    """Return k orthonormal directions of each whitened view."""
    cross = {
        (i, j): bases[i].T @ S[parts[i], parts[j]] @ bases[j]
        for i, j in combinations(range(len(parts)), 2)
    }
    if len(parts) == 2:
        left, _, right = scipy.linalg.svd(cross[0, 1], full_matrices=False)
        return [left[:, :k], right[:k].T]
    ends = np.cumsum([0, *(basis.shape[1] for basis in bases)])
    whole = np.zeros((ends[-1], ends[-1]))
    for (i, j), block in cross.items():
        whole[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = block
        whole[ends[j] : ends[j + 1], ends[i] : ends[i + 1]] = block.T
    _, vectors = scipy.linalg.eigh(whole, subset_by_index=(ends[-1] - k, ends[-1] - 1))
    vectors = vectors[:, ::-1]
    return [vectors[a:b] for a, b in pairwise(ends)]


def _unit_variance(weights: np.ndarray, S: np.ndarray) -> np.ndarray:
    # Of more than two views some may have no part in a component: zeros, not noise blown up.
    size = np.sqrt(np.maximum(np.einsum("ij,ij->j", weights, S @ weights), 0.0))
    takes_part = size > 1e-8
    return np.where(takes_part, weights / np.where(takes_part, size, 1.0), 0.0)


def _mean_correlations(
    S: np.ndarray, parts: Sequence[slice], weights: Sequence[np.ndarray]
) -> np.ndarray:
    pairs = [
        np.einsum("ij,ij->j", weights[i], S[parts[i], parts[j]] @ weights[j])
        for i, j in combinations(range(len(parts)), 2)
    ]
    return np.asarray(np.clip(np.mean(pairs, axis=0), -1.0, 1.0))


def _check_ranks(
    n_components: int, ranks: Sequence[int], ridges: Sequence[float], names: Sequence[str]
) -> None:
    least = int(np.argmin(ranks))
    if ranks[least] == 0:
        raise ValueError(
            f"View {names[least]!r} is constant, so nothing in it can correlate with another "
            f"view. Leave it out."
        )
    if n_components > ranks[least]:
        raise ValueError(
            f"`n_components={n_components}` exceeds {ranks[least]}, the rank of view "
            f"{names[least]!r} in the data of the fit. Lower `n_components` to at most "
            f"{ranks[least]}, drop that view, or pass more samples if they are fewer than its "
            f"features."
            + (
                " Beside a ridge, features that vary 1e7 times less than others count for nothing: "
                "standardise them first."
                if ridges[least] > 0
                else ""
            )
        )


def _per_view(value: Any, n_views: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * n_views


def is_single(array: Any) -> bool:
    """Tell whether float32 holds the values exactly."""
    return array.dtype == np.float32 or (array.dtype.kind in "iub" and array.dtype.itemsize <= 2)


def _suits_single(array: Any) -> bool:
    """Tell whether products in float32 neither round values nor run out of range."""
    if not is_single(array):
        return False
    raw = array[:_BLOCK_ROWS]
    size = np.abs(raw.data if sp.issparse(raw) else raw).astype(np.float64)
    size = size[size > 0]
    return not len(size) or (float(size.min()) > 1e-14 and float(size.max()) < 1e14)


def _stays_sparse(array: Any) -> bool:
    return sp.issparse(array) and array.nnz < _SPARSE * array.shape[0] * array.shape[1]


def _block_rows(width: int, itemsize: int) -> int:
    return int(np.clip(BLOCK_BYTES // max(1, width * itemsize), 64, _BLOCK_ROWS))


def _parts(arrays: Sequence[Any]) -> Iterator[list[tuple[Any, np.ndarray]]]:
    """Yield blocks of (rows, what was taken from them); sparse rows stay as they are."""
    widths = [array.shape[1] for array in arrays if not _stays_sparse(array)]
    rows = _block_rows(sum(widths), 8) if widths else 2**16
    for start in range(0, arrays[0].shape[0], rows):
        parts = []
        for array in arrays:
            raw = array[start : start + rows]
            if _stays_sparse(array):
                parts.append((raw.astype(np.float64), np.zeros(array.shape[1])))
                continue
            raw = np.asarray(raw.toarray() if sp.issparse(raw) else raw, dtype=np.float64)
            mean = raw.mean(axis=0)
            parts.append((raw - mean, mean))
        yield parts


def _products(
    parts: Sequence[tuple[Any, np.ndarray]],
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, shift, sums and products of one block of sparse and dense views."""
    blocks: list[list[Any]] = [[None] * len(parts) for _ in parts]
    for i, (left, _) in enumerate(parts):
        for j, (right, _) in enumerate(parts[i:], start=i):
            made = left.T @ right
            blocks[i][j] = made.toarray() if sp.issparse(made) else np.asarray(made)
            blocks[j][i] = blocks[i][j].T
    sums = [np.asarray(rows.sum(axis=0)).ravel() for rows, _ in parts]
    shift = np.concatenate([mean for _, mean in parts])
    return parts[0][0].shape[0], shift, np.concatenate(sums), np.block(blocks)
