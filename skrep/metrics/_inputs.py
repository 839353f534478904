"""What every metric does with what it is given: one matrix, one code, whole-number labels."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import type_of_target

from skrep.views import as_views, is_multiview

__all__ = ["code_of", "labels_of", "matrix_of"]


def matrix_of(X: Any) -> np.ndarray:
    """Return `X`, one array or several, as one float64 matrix with views side by side."""
    if is_multiview(X):
        X = as_views(X)
    if sp.issparse(X):
        X = X.toarray()
    return np.asarray(X, dtype=np.float64)


def code_of(estimator: Any, X: Any) -> np.ndarray:
    """Return the code of `X` as one float64 matrix.

    Raises
    ------
    ValueError
        If `transform` returns something that is not a finite matrix.
    """
    code = matrix_of(estimator.transform(X))
    if code.ndim != 2 or not np.isfinite(code).all():
        raise ValueError(
            f"{type(estimator).__name__}.transform returned an array of shape {code.shape}"
            f"{'' if code.ndim != 2 else ' with NaN or infinity in it'}; a code must be a finite "
            f"matrix with one row per sample."
        )
    return code


def labels_of(y: Any, metric: str) -> np.ndarray:
    """Return labels as integers 0, 1, …; raise a ValueError if there are none to speak of."""
    if y is None:
        raise ValueError(
            f"`{metric}` needs labels, and y is None. Pass y, or choose `reconstruction_r2`, "
            f"which needs none."
        )
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"`{metric}` needs one class label per sample, and y is {kind!r}. Pass classes as "
            f"integers or strings."
        )
    classes, labels = np.unique(np.asarray(y).ravel(), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"`{metric}` needs at least two classes, and y holds only {classes.tolist()[0]!r}. "
            f"Shuffle before splitting, or stratify the split."
        )
    return labels
