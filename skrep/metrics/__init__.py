"""Measures of a code, each a scorer `(estimator, X, y=None)` in which higher is better."""

from skrep.metrics._clusters import kmeans_accuracy as kmeans_accuracy
from skrep.metrics._clusters import kmeans_nmi as kmeans_nmi
from skrep.metrics._probe import linear_probe_accuracy as linear_probe_accuracy
from skrep.metrics._reconstruction import reconstruction_r2 as reconstruction_r2
from skrep.metrics._scorers import scorers as scorers

__all__ = [
    "kmeans_accuracy",
    "kmeans_nmi",
    "linear_probe_accuracy",
    "reconstruction_r2",
    "scorers",
]
