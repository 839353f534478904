"""Ridge regression from codes to views, for models that have no decoder of their own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

__all__ = ["RidgeDecoder", "fit_ridge"]

_BLOCK_ROWS = 4096


class RidgeDecoder(NamedTuple):
    """A linear map from one code per sample to views.

    Attributes
    ----------
    coefs : tuple of ndarray of shape (n_components, width)
        One per view.
    intercepts : tuple of ndarray of shape (width,)
        One per view.
    residual_std : tuple of ndarray of shape (width,)
        Standard deviation of what the codes leave open, per feature, on the data of the fit.
    """

    coefs: tuple[np.ndarray, ...]
    intercepts: tuple[np.ndarray, ...]
    residual_std: tuple[np.ndarray, ...]

    def predict(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view, in the dtype of the codes."""
        return [
            (codes @ coef + intercept).astype(codes.dtype, copy=False)
            for coef, intercept in zip(self.coefs, self.intercepts, strict=True)
        ]


def fit_ridge(
    codes: np.ndarray,
    arrays: Sequence[Any],
    present: np.ndarray | None = None,
    *,
    regularization: float = 1e-6,
) -> RidgeDecoder:
    """Regress views on codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Finite.
    arrays : sequence of ndarray or CSR of shape (n_samples, width)
        The views; read block by block.
    present : ndarray of shape (n_samples, n_views) or None, default=None
        Rows of each view that count; None counts all.
    regularization : float, default=1e-6
        Ridge, relative to the mean variance of the codes, so that codes that are constant or copies
        of each other are no trouble.

    Returns
    -------
    RidgeDecoder
    """
    found = [
        _regress(codes, array, None if present is None else present[:, i], regularization)
        for i, array in enumerate(arrays)
    ]
    coefs, intercepts, spreads = zip(*found, strict=True)
    return RidgeDecoder(coefs, intercepts, spreads)


def _regress(
    codes: np.ndarray, array: Any, rows: np.ndarray | None, regularization: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k, width = codes.shape[1], array.shape[1]
    kept = np.arange(array.shape[0]) if rows is None else np.flatnonzero(rows)
    n = max(1, len(kept))
    centre = codes[kept].mean(axis=0, dtype=np.float64) if len(kept) else np.zeros(k)
    # One row of the view takes the place of its mean, which is not known before the pass.
    origin = _dense(array[kept[:1]])[0] if len(kept) else np.zeros(width)
    gram, cross = np.zeros((k, k)), np.zeros((k, width))
    total, squares = np.zeros(width), np.zeros(width)
    for start in range(0, len(kept), _BLOCK_ROWS):
        part = kept[start : start + _BLOCK_ROWS]
        z = codes[part].astype(np.float64) - centre
        x = _dense(array[part]) - origin
        gram += z.T @ z
        cross += z.T @ x
        total += x.sum(axis=0)
        squares += np.einsum("ij,ij->j", x, x)
    mean = total / n
    # Codes that are all zero leave a unit ridge, and coefficients of zero.
    ridge = regularization * (float(np.trace(gram)) / max(1, k)) or 1.0
    coef = scipy.linalg.solve(gram + ridge * np.eye(k), cross, assume_a="pos")
    left = squares - n * mean**2 - 2 * np.einsum("ij,ij->j", coef, cross)
    left += np.einsum("ij,ij->j", coef, gram @ coef)
    intercept = origin + mean - centre @ coef
    return coef, intercept, np.sqrt(np.maximum(left, 0.0) / n)


def _dense(block: Any) -> np.ndarray:
    made = block.toarray() if sp.issparse(block) else block
    return np.asarray(made, dtype=np.float64)
