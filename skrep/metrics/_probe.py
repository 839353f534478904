"""How much of the labels a code keeps within reach of a simple classifier."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep.metrics._inputs import code_of, labels_of

__all__ = ["knn_accuracy", "linear_probe_accuracy"]

_N_FOLDS = 5
_N_NEIGHBORS = 5


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
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return _cross_validated("linear_probe_accuracy", probe, estimator, X, y)


def knn_accuracy(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the accuracy of 5 nearest neighbours on the code, cross-validated within `X`.

    The code is taken as it is (Euclidean distance, its scale is part of it) and split into 5
    stratified folds (fewer where a class is smaller, at least 2); each row is given the class of
    most of its 5 nearest rows in the other folds. Unlike a linear probe, this asks whether classes
    are close together, wherever they lie.

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
        the same score.

    Raises
    ------
    ValueError
        If `y` is None, is not made of classes, or holds fewer than two classes of two rows; or if
        a fold leaves fewer than 5 rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.metrics import knn_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> knn_accuracy(PCA(2).fit(X), X, y) > 0.9
    True
    """
    return _cross_validated("knn_accuracy", KNeighborsClassifier(_N_NEIGHBORS), estimator, X, y)


def _cross_validated(name: str, probe: Any, estimator: Any, X: Any, y: Any) -> float:
    labels = labels_of(y, name)
    counts = np.bincount(labels)
    usable = counts[labels] >= 2
    sizes = counts[counts >= 2]
    if len(sizes) < 2:
        raise ValueError(
            f"`{name}` needs at least two classes of two rows each, and y has {len(sizes)} among "
            f"its {len(labels)} rows. Score on more rows, or join rare classes."
        )
    code = code_of(estimator, X)
    folds = StratifiedKFold(min(_N_FOLDS, int(sizes.min())), shuffle=True, random_state=0)
    scores = cross_val_score(probe, code[usable], labels[usable], cv=folds, error_score="raise")
    return float(scores.mean())
