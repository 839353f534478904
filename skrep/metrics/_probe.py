"""How much of the labels a code keeps within reach of a linear classifier."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep.metrics._inputs import code_of, labels_of

__all__ = ["linear_probe_accuracy"]

_N_FOLDS = 5


def linear_probe_accuracy(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the accuracy of a logistic regression on the code, cross-validated within `X`.

    The code of `X` is split into 5 stratified folds (fewer where a class is smaller, at least
    2); a logistic regression on standardised codes is fitted on the others and scored on each.
    Neither the estimator nor the probe is scored on rows it was fitted on, as long as `X` is
    held out. Classes of a single row in `X` cannot be both learned and scored; they are left out.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Held-out samples.
    y : array-like of shape (n_samples,)
        Class labels, integers or strings.

    Returns
    -------
    float
        Share of right answers, 0 to 1, averaged over folds; higher is better. The same rows give
        the same score: the folds do not depend on a random state.

    Raises
    ------
    ValueError
        If `y` is None, is not made of classes, or holds fewer than two classes of two rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.metrics import linear_probe_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> linear_probe_accuracy(PCA(2).fit(X), X, y) > 0.9
    True
    """
    labels = labels_of(y, "linear_probe_accuracy")
    counts = np.bincount(labels)
    usable = counts[labels] >= 2
    sizes = counts[counts >= 2]
    if len(sizes) < 2:
        raise ValueError(
            f"`linear_probe_accuracy` needs at least two classes of two rows each, and y has "
            f"{len(sizes)} among its {len(labels)} rows. Score on more rows, or join rare classes."
        )
    code = code_of(estimator, X)
    folds = StratifiedKFold(min(_N_FOLDS, int(sizes.min())), shuffle=True, random_state=0)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    scores = cross_val_score(probe, code[usable], labels[usable], cv=folds, error_score="raise")
    return float(scores.mean())
