"""Measures of codes: scorers `(estimator, X, y=None)`, and what compares the codes of views."""

from skrep.metrics._clusters import kmeans_accuracy as kmeans_accuracy
from skrep.metrics._clusters import kmeans_ari as kmeans_ari
from skrep.metrics._clusters import kmeans_nmi as kmeans_nmi
from skrep.metrics._correlation import canonical_correlations as canonical_correlations
from skrep.metrics._correlation import (
    shared_representation_accuracy as shared_representation_accuracy,
)
from skrep.metrics._correlation import total_correlation_captured as total_correlation_captured
from skrep.metrics._density import log_likelihood as log_likelihood
from skrep.metrics._generation import coherence as coherence
from skrep.metrics._generation import (
    importance_weighted_log_likelihood as importance_weighted_log_likelihood,
)
from skrep.metrics._imputation import imputation_r2 as imputation_r2
from skrep.metrics._probe import knn_accuracy as knn_accuracy
from skrep.metrics._probe import linear_probe_accuracy as linear_probe_accuracy
from skrep.metrics._reconstruction import reconstruction_r2 as reconstruction_r2
from skrep.metrics._retrieval import mean_average_precision as mean_average_precision
from skrep.metrics._retrieval import mean_reciprocal_rank as mean_reciprocal_rank
from skrep.metrics._retrieval import median_rank as median_rank
from skrep.metrics._retrieval import retrieval_recall as retrieval_recall
from skrep.metrics._scorers import scorers as scorers
from skrep.metrics._scorers import view_scorer as view_scorer

__all__ = [
    "canonical_correlations",
    "coherence",
    "importance_weighted_log_likelihood",
    "imputation_r2",
    "kmeans_accuracy",
    "kmeans_ari",
    "kmeans_nmi",
    "knn_accuracy",
    "linear_probe_accuracy",
    "log_likelihood",
    "mean_average_precision",
    "mean_reciprocal_rank",
    "median_rank",
    "reconstruction_r2",
    "retrieval_recall",
    "scorers",
    "shared_representation_accuracy",
    "total_correlation_captured",
    "view_scorer",
]
