"""What every metric does with what it is given: one matrix, one code, whole-number labels."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import type_of_target

from skrep._views_arrays import dense
from skrep.views import Views, as_views, is_multiview

__all__ = ["check_code", "code_of", "in_order_of", "labels_of", "matrix_of"]


def matrix_of(X: Any, *, absent: bool = False) -> np.ndarray:
    """Return `X`, one array or several, as one float64 matrix with views side by side.

    Where samples may lack views, `absent` makes these entries NaN instead of an error.
    """
    if is_multiview(X):
        X = as_views(X)
        if absent and not X.is_complete:
            blocks = zip(X.arrays, X.present.T, strict=True)
            return np.hstack(
                [np.where(has[:, None], dense(array, np.float64), np.nan) for array, has in blocks]
            )
    if sp.issparse(X):
        X = X.toarray()
    return np.asarray(X, dtype=np.float64)


def in_order_of(X: Any, made: Any) -> Any:
    """Return views that a model made in the order of those it was given."""
    if isinstance(X, Views) and isinstance(made, Views) and set(X.names) == set(made.names):
        return made[list(X.names)]
    return made


def code_of(estimator: Any, X: Any) -> np.ndarray:
    """Return the code of `X` as one float64 matrix.

    Raises
    ------
    ValueError
        If `transform` returns something that is not a finite matrix.
    """
    code = matrix_of(estimator.transform(X))
    check_code(type(estimator).__name__, code, code)
    return code


def check_code(name: str, code: np.ndarray, there: np.ndarray) -> None:
    """Raise a ValueError if a code is no matrix, or its rows that are there are not finite."""
    if code.ndim != 2 or not np.isfinite(there).all():
        raise ValueError(
            f"{name}.transform returned an array of shape {code.shape}"
            f"{' with NaN or infinity in it' if code.ndim == 2 else ''}; a code must be a finite "
            f"matrix with one row per sample."
        )


def labels_of(y: Any, metric: str) -> np.ndarray:
    """Return labels as integers 0, 1, …; raise a ValueError if there are none to speak of."""
    if y is None:
        raise ValueError(
            f"`{metric}` needs labels, and y is None. Pass y, or choose `reconstruction_r2`, "
            f"which needs none."
        )
    # scikit-learn casts NaN before it refuses it.
    with np.errstate(invalid="ignore"):
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
