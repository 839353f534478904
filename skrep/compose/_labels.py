"""Reading class labels, some of which are not known."""

import warnings
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["check_column", "is_minus_one", "read_labels"]


def check_column(y: Any, n_samples: int, owner: str) -> np.ndarray:
    """Return `y` as one column of `n_samples` entries.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels or targets.
    n_samples : int
        Rows of X.
    owner : str
        Class that asks, for the message.

    Raises
    ------
    ValueError
        If there is none, or it has another length.
    """
    if y is None:
        raise ValueError(
            f"{owner} requires y to be passed, but the target y is None. Pass labels of shape "
            f"(n_samples,)."
        )
    column: np.ndarray = column_or_1d(y, warn=True)
    if len(column) != n_samples:
        raise ValueError(
            f"y has {len(column)} labels, but X has {n_samples} samples. Pass one label per "
            f"sample, and mark those that are not known."
        )
    return column


def is_minus_one(y: np.ndarray) -> np.ndarray:
    """Return where `y` is the number -1."""
    if y.dtype.kind != "O":
        return y == -1 if y.dtype.kind in "iuf" else np.zeros(len(y), dtype=bool)
    return np.array([isinstance(v, Number) and bool(v == -1) for v in y], dtype=bool)


def read_labels(y: np.ndarray, stacklevel: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes, sorted, and which rows are labelled.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels; -1 marks a row without one, unless it is one of two classes on fully labelled rows.
    stacklevel : int, default=3
        Calls between this one and the caller's own.

    Returns
    -------
    tuple of ndarray
        Classes, and a mask of shape (n_samples,).

    Raises
    ------
    ValueError
        If no row is labelled, a label is NaN or continuous, or there is one class only.

    Warns
    -----
    UserWarning
        If -1 is read as a class.
    """
    labelled = ~is_minus_one(y)
    if not labelled.any():
        raise ValueError(
            f"Every label in y is -1, which marks unlabelled rows, so there is nothing to "
            f"learn ({len(y)} rows). Label some of them, or fit the estimator alone."
        )
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise ValueError(
            f"Input y contains NaN in row {int(np.isnan(y).argmax())}. Unlabelled rows of a "
            f"classifier hold -1."
        )
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise ValueError(
            f"Input y contains infinity in row {int(np.isinf(y).argmax())}. Labels of classes are "
            f"strings or whole numbers."
        )
    check_classification_targets(y[labelled])
    classes = np.unique(y[labelled])
    one_number = len(classes) == 1 and isinstance(classes[0], (int, float, np.number))
    if one_number and not labelled.all():
        warnings.warn(
            f"y holds only -1 and {classes[0]}, so -1 is read as a class and not as "
            f"the mark of unlabelled rows. Label rows of a second class if it was meant as "
            f"the mark.",
            UserWarning,
            stacklevel=stacklevel,
        )
        labelled = np.ones(len(y), dtype=bool)
        classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}, on {int(labelled.sum())} labelled "
            f"rows. A classifier needs labelled rows of at least two classes."
        )
    return classes, labelled
