"""How well a model fills in a view that a sample lacks."""

from typing import Any

import numpy as np

from skrep.metrics._inputs import in_order_of, matrix_of
from skrep.utils.columns import column_slices
from skrep.views import Views, as_views, is_multiview

__all__ = ["imputation_r2"]


def imputation_r2(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the share of a hidden view's variance that is filled in right, mean over views.

    Each view in turn is hidden from the samples that have it and at least one more; the model
    fills it in from the rest, and ``1 - sum((X - filled)**2) / sum((X - mean)**2)`` is taken over
    what was hidden, where the mean of each feature is taken over the same samples. The score is
    the mean of that over views, so that a wide view does not drown a narrow one; within a view,
    features count in proportion to their variance.

    Parameters
    ----------
    estimator : fitted estimator
        With `impute`, or with `transform` and `inverse_transform` that take samples which lack
        views.
    X : Views or what makes one
        Held-out samples, complete or not. Two views or more.
    y : None
        Ignored; scorers are called with it.

    Returns
    -------
    float
        At most 1, higher is better; 0 is the mean of each feature, known from the scored samples.

    Raises
    ------
    TypeError
        If the estimator has neither `impute` nor `inverse_transform`.
    ValueError
        If `X` is a single matrix, or no sample has two views.

    Examples
    --------
    >>> from skrep import MultimodalAutoencoder
    >>> from skrep.datasets import make_multiview
    >>> from skrep.metrics import imputation_r2
    >>> X = make_multiview(200, (6, 5), random_state=0)
    >>> model = MultimodalAutoencoder(2, max_epochs=2, random_state=0).fit(X[:150])
    >>> imputation_r2(model, X[150:]) < 1.0
    True
    """
    if not is_multiview(X) or as_views(X).n_views < 2:
        raise ValueError(
            "`imputation_r2` hides one view and fills it in from the others, and X is a single "
            "view. Pass `Views` of two or more."
        )
    views = as_views(X)
    fill = _filler(estimator)
    several = views.present.sum(axis=1) >= 2
    shares = []
    for i, columns in enumerate(column_slices(views.widths)):
        rows = np.flatnonzero(several & views.present[:, i])
        if not len(rows):
            continue
        known = views[rows]
        truth = matrix_of(known, absent=True)[:, columns]
        total = np.square(truth - truth.mean(axis=0)).sum()
        if total > 0.0:
            filled = matrix_of(in_order_of(known, fill(_without(known, i))), absent=True)
            shares.append(1.0 - np.square(truth - filled[:, columns]).sum() / total)
    if not shares:
        raise ValueError(
            "`imputation_r2` found nothing to hide: no sample has two views, or all that could be "
            "hidden is constant. Score on samples that have more of their views."
        )
    return float(np.mean(shares))


def _without(views: Views, i: int) -> Views:
    present = views.present.copy()
    present[:, i] = False
    return Views(views.arrays, views.names, present)


def _filler(estimator: Any) -> Any:
    impute = getattr(estimator, "impute", None)
    if impute is not None:
        return impute
    decode = getattr(estimator, "inverse_transform", None)
    if decode is None:
        raise TypeError(
            f"`imputation_r2` needs `impute` or `inverse_transform`, and "
            f"{type(estimator).__name__} has neither."
        )
    return lambda views: decode(estimator.transform(views))
