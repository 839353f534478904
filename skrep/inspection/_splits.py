"""Rows of whatever container, and the folds that everything is measured on."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, check_cv

from skrep.inspection._baselines import is_classes
from skrep.views import as_views, is_multiview, refuse_mis_split

__all__ = ["as_samples", "fold_seeds", "make_splits", "rows_of"]


def as_samples(X: Any) -> Any:
    """Return `X` as something that is indexed by sample: an array, CSR, DataFrame or Views."""
    refuse_mis_split(X)
    if is_multiview(X):
        return as_views(X)
    if sp.issparse(X):
        return X.tocsr()
    if getattr(X, "shape", None) is None:
        X = np.asarray(X)
    if len(X.shape) != 2:
        raise ValueError(
            f"X has shape {tuple(X.shape)}; `compare` takes one row per sample. Use "
            f"`X.reshape(len(X), -1)`."
        )
    return X


def rows_of(data: Any, rows: np.ndarray) -> Any:
    """Return some rows of `data`, in its own container."""
    if isinstance(data, pd.DataFrame | pd.Series):
        return data.iloc[rows]
    if isinstance(data, list | tuple):
        data = np.asarray(data)
    return data[rows]


def fold_seeds(seed: int, n_folds: int) -> list[int]:
    """Return one seed for each fold."""
    states = np.random.SeedSequence(seed).generate_state(n_folds)
    return [int(state) % (2**31 - 1) for state in states]


def make_splits(
    cv: Any, n_samples: int, y: Any, seed: int, n_repeats: int = 1
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Return the folds as (train, test) rows, and a remark if they are not stratified.

    Raises
    ------
    ValueError
        If `cv` is an integer below 2 or above the number of samples, gives no split, or one that
        lacks rows or holds out some that it trains on; if `n_repeats` is not a positive integer,
        or repeats are asked of a splitter, which has its own.
    """
    blank = np.zeros((n_samples, 1))
    if not isinstance(n_repeats, int | np.integer) or n_repeats < 1:
        raise ValueError(f"`n_repeats` must be an integer of 1 or more. Got {n_repeats!r}.")
    if not isinstance(cv, int | np.integer):
        if n_repeats > 1:
            raise ValueError(
                f"`n_repeats={n_repeats}` repeats folds of an integer `cv`, and `cv` is {cv!r}. "
                f"Use a splitter that repeats, such as RepeatedStratifiedKFold."
            )
        splitter = check_cv(cv, y, classifier=y is not None)
        parts = list(splitter.split(blank, y))
        if not parts:
            raise ValueError("`cv` gives no split. Give one or more pairs of train and test rows.")
        return [_checked_rows(i, pair, n_samples) for i, pair in enumerate(parts, 1)], ""
    if not 2 <= cv <= n_samples:
        raise ValueError(
            f"`cv={cv!r}` folds cannot be made of {n_samples} samples. Give an integer from 2 to "
            f"the number of samples, or a splitter."
        )
    remark = ""
    if is_classes(y):
        smallest = np.unique(np.asarray(y), return_counts=True)[1].min()
        if smallest >= cv:
            stratified = RepeatedStratifiedKFold(
                n_splits=cv, n_repeats=n_repeats, random_state=seed
            )
            return list(stratified.split(blank, y)), ""
        remark = (
            f"The folds are not stratified: the smallest class has {smallest} rows, fewer than "
            f"the {cv} folds."
        )
    folds = RepeatedKFold(n_splits=cv, n_repeats=n_repeats, random_state=seed)
    return list(folds.split(blank)), remark


def _checked_rows(
    number: int, parts: tuple[Any, Any], n_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a split as indices that `X` has, none of them in both parts."""
    rows = []
    for name, given in zip(("training", "held-out"), parts, strict=True):
        part = np.asarray(given)
        if not part.size:
            raise ValueError(f"Split {number} of `cv` has no {name} rows. Give it some.")
        part = np.flatnonzero(part) if part.dtype.kind == "b" else part
        if part.dtype.kind not in "iu" or part.min() < 0 or part.max() >= n_samples:
            raise ValueError(
                f"The {name} rows of split {number} of `cv` must be integers from 0 to "
                f"{n_samples - 1}. Got {part!r}."
            )
        rows.append(part)
    shared = np.intersect1d(rows[0], rows[1])
    if len(shared):
        raise ValueError(
            f"Split {number} of `cv` holds out {len(shared)} rows that it trains on, the first "
            f"{shared[0]}. What is measured must be new to the models: give parts without common "
            f"rows."
        )
    return rows[0], rows[1]
