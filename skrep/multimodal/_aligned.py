"""A linear start for models that align views: ridge CCA of two or more views, in one space."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from skrep.base import ModuleSpec
from skrep.nn.scaling import ViewScaler
from skrep.utils.statistics import principal_axes

__all__ = ["aligned_maps"]

_MAX_ROWS = 10_000
# Principal axes of a view that take part, so that wide views cost no more than these.
_MAX_AXES = 300


def aligned_maps(
    spec: ModuleSpec, scalers: list[ViewScaler], regularization: float
) -> list[np.ndarray]:
    """Return one map (n_components, width) per view, under which the views of a sample agree.

    Each view is whitened along its principal axes, with a ridge; the directions are those in
    which the whitened views side by side vary most, each weighted by the mean correlation of the
    views along it. Components that no correlation supports are small draws.

    Parameters
    ----------
    spec : ModuleSpec
        The data; samples with all views count. Where these are fewer than two, or all alike, or
        the start is not to follow the data, directions are random.
    scalers : list of ViewScaler
        Working units of the views.
    regularization : float
        Ridge, relative to the mean variance of a view's axes.
    """
    rng = np.random.default_rng(spec.seed)
    drawn = [rng.normal(size=(spec.n_components, width)) for width in spec.widths]
    rows = _complete_rows(spec, rng)
    if not spec.informed or len(rows) < 2:
        return [draw / np.sqrt(draw.shape[1]) for draw in drawn]
    whitening = [
        _whitening(array[rows], scaler, regularization, spec.seed)
        for array, scaler in zip(spec.data.arrays, scalers, strict=True)
    ]
    if not any(axes.shape[1] for axes in whitening):
        return [draw / np.sqrt(draw.shape[1]) for draw in drawn]
    joined = np.hstack(
        [
            _scaled_product(array[rows], scaler, axes)
            for array, scaler, axes in zip(spec.data.arrays, scalers, whitening, strict=True)
        ]
    )
    joined -= joined.mean(axis=0)
    covariance = joined.T @ joined / len(rows)
    n_found = min(spec.n_components, len(covariance))
    values, vectors = scipy.linalg.eigh(
        covariance, subset_by_index=(len(covariance) - n_found, len(covariance) - 1)
    )
    n_views = len(whitening)
    # Uncorrelated directions have the value 1 (less, for the ridge), shared ones up to n_views.
    shared = np.clip((values[::-1] - 1.0) / (n_views - 1), 0.0, 1.0)
    maps = []
    ends = np.cumsum([axes.shape[1] for axes in whitening])
    for axes, block, draw in zip(whitening, np.split(vectors, ends[:-1]), drawn, strict=True):
        made = 0.01 * draw / np.sqrt(draw.shape[1])
        made[:n_found] += (np.sqrt(n_views) * shared * (axes @ block[:, ::-1])).T
        maps.append(made)
    return maps


def _complete_rows(spec: ModuleSpec, rng: np.random.Generator) -> np.ndarray:
    present = spec.data.present
    rows = np.arange(spec.data.n_samples)
    if present is not None:
        rows = np.flatnonzero(present.all(axis=1))
    if len(rows) > _MAX_ROWS:
        rows = np.sort(rng.choice(rows, _MAX_ROWS, replace=False))
    return rows


def _whitening(
    array: np.ndarray, scaler: ViewScaler, regularization: float, seed: int
) -> np.ndarray:
    """Return axes as columns, (width, n_axes), along which a view has about unit variance.

    A view that does not vary has none.
    """
    centre, factor = scaler.centre.double().numpy(), 1.0 / scaler.scale.double().numpy()
    axes = principal_axes([array], [centre], [factor], _MAX_AXES, seed=seed, max_rows=_MAX_ROWS)
    kept = axes.variances > 1e-10 * axes.variances.max()
    variances = axes.variances[kept]
    ridge = regularization * variances.sum() / max(1, len(variances))
    whitened: np.ndarray = axes.components[kept].T / np.sqrt(variances + ridge)
    return whitened


def _scaled_product(array: np.ndarray, scaler: ViewScaler, axes: np.ndarray) -> np.ndarray:
    """Return the scaled rows times the axes, without a dense copy of sparse rows."""
    by = axes / scaler.scale.double().numpy()[:, None]
    product = array @ by if sp.issparse(array) else np.asarray(array, dtype=np.float64) @ by
    centred: np.ndarray = product - scaler.centre.double().numpy() @ by
    return centred
