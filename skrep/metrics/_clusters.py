"""How well the clusters of a code match the labels."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from skrep.metrics._inputs import code_of, labels_of

__all__ = ["kmeans_accuracy", "kmeans_ari", "kmeans_nmi"]


def kmeans_accuracy(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the accuracy of k-means on the code, clusters matched to classes one to one.

    k is the number of classes in `y`; k-means runs on the code as it is (its scale is part of
    it), 10 starts from a fixed seed. The matching is the best of all one-to-one matchings, so
    that a clustering is not blamed for the numbers of its clusters.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Samples, held out or not: k-means never sees the labels.
    y : array-like of shape (n_samples,)
        Class labels, integers or strings.

    Returns
    -------
    float
        Share of samples whose cluster is matched to their class, above 0 up to 1; higher is
        better.

    Raises
    ------
    ValueError
        If `y` is None, is not made of classes, or has a single class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.metrics import kmeans_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> kmeans_accuracy(PCA(2).fit(X), X, y) > 0.8
    True
    """
    labels = labels_of(y, "kmeans_accuracy")
    table = contingency_matrix(labels, _clusters(estimator, X, labels))
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels))


def kmeans_nmi(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the normalised mutual information of labels and k-means clusters of the code.

    k is the number of classes in `y`; k-means runs on the code as it is, 10 starts from a fixed
    seed. The normaliser is the arithmetic mean of the two entropies.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Samples, held out or not: k-means never sees the labels.
    y : array-like of shape (n_samples,)
        Class labels, integers or strings.

    Returns
    -------
    float
        0 for independent, 1 for identical partitions; higher is better.

    Raises
    ------
    ValueError
        If `y` is None, is not made of classes, or has a single class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.metrics import kmeans_nmi
    >>> X, y = load_iris(return_X_y=True)
    >>> kmeans_nmi(PCA(2).fit(X), X, y) > 0.6
    True
    """
    labels = labels_of(y, "kmeans_nmi")
    return float(normalized_mutual_info_score(labels, _clusters(estimator, X, labels)))


def kmeans_ari(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the adjusted Rand index of labels and k-means clusters of the code.

    k is the number of classes in `y`; k-means runs on the code as it is, 10 starts from a fixed
    seed. The index counts pairs of samples on which the two partitions agree, less what chance
    would give.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Samples, held out or not: k-means never sees the labels.
    y : array-like of shape (n_samples,)
        Class labels, integers or strings.

    Returns
    -------
    float
        1 for identical partitions, 0 on average for independent ones, down to -0.5; higher is
        better.

    Raises
    ------
    ValueError
        If `y` is None, is not made of classes, or has a single class.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skrep.metrics import kmeans_ari
    >>> X, y = load_iris(return_X_y=True)
    >>> kmeans_ari(PCA(2).fit(X), X, y) > 0.6
    True
    """
    labels = labels_of(y, "kmeans_ari")
    return float(adjusted_rand_score(labels, _clusters(estimator, X, labels)))


def _clusters(estimator: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    n_classes = int(labels.max()) + 1
    return KMeans(n_classes, n_init=10, random_state=0).fit_predict(code_of(estimator, X))
