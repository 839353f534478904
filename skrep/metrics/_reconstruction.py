"""How much of the data a code keeps."""

from typing import Any

import numpy as np

from skrep.metrics._inputs import in_order_of, matrix_of
from skrep.views import as_views, is_multiview

__all__ = ["reconstruction_r2"]


def reconstruction_r2(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the share of variance that survives coding and decoding, in the units of `X`.

    ``1 - sum((X - reconstruction)**2) / sum((X - mean)**2)`` over all samples and features, where
    the mean of each feature is taken over the `X` that is scored, so that 0 is the score of the
    best constant and a score is at most 1. Features count in proportion to their variance:
    scale them first if their units do not compare. The reconstruction is
    ``estimator.inverse_transform(estimator.transform(X))``, which a Pipeline chains through all
    its steps, so a score is always in the units of the Pipeline's input.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform` and `inverse_transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Held-out samples. Views are compared side by side, matched by name; what a sample lacks is
        left out of both sums.
    y : None
        Ignored; scorers are called with it.

    Returns
    -------
    float
        At most 1, higher is better; below 0 is worse than the mean.

    Raises
    ------
    TypeError
        If the estimator cannot decode (no `inverse_transform`). `skrep.compare`, which sees the
        training rows, fits a linear decoder in that case; a scorer sees none to fit it on.
    ValueError
        If every feature of `X` is constant, or the reconstruction has another shape.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.metrics import reconstruction_r2
    >>> X = make_low_rank(rank=3, random_state=0)
    >>> reconstruction_r2(PCA(3).fit(X), X) > reconstruction_r2(PCA(2).fit(X), X)
    True
    """
    # A Pipeline, like any composite, has the method only if all of its steps do; scikit-learn
    # declares this capability nowhere else.
    decode = getattr(estimator, "inverse_transform", None)
    if decode is None:
        raise TypeError(
            f"`reconstruction_r2` needs `inverse_transform`, and {_describe(estimator)} has none. "
            f"Use `skrep.compare`, which fits a linear decoder on the training codes, or a model "
            f"that decodes."
        )
    if is_multiview(X):
        X = as_views(X)
    reconstruction = decode(estimator.transform(X))
    original = matrix_of(X, absent=True)
    decoded = matrix_of(in_order_of(X, reconstruction), absent=True)
    if decoded.shape != original.shape:
        raise ValueError(
            f"The reconstruction has shape {decoded.shape} and X has shape {original.shape}. "
            f"`inverse_transform` must return what `transform` was given."
        )
    known = np.isfinite(original) if is_multiview(X) else np.ones_like(original, dtype=bool)
    counts = np.maximum(known.sum(axis=0), 1)
    original = np.where(known, original, 0.0)
    mean = original.sum(axis=0) / counts
    total = np.square(original - mean, where=known, out=np.zeros_like(original)).sum()
    if not total > 0.0:
        raise ValueError(
            f"Every feature of X is constant over its {len(original)} rows, so that a share of "
            f"variance is not defined. Score on more rows."
        )
    missed = np.square(original - decoded, where=known, out=np.zeros_like(original)).sum()
    return float(1.0 - missed / total)


def _describe(estimator: Any) -> str:
    lacking = [
        type(step).__name__
        for _, step in getattr(estimator, "steps", [])
        if getattr(step, "inverse_transform", None) is None and step != "passthrough"
    ]
    name = type(estimator).__name__
    return f"{lacking[0]} (a step of {name})" if lacking else name
