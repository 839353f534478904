"""Looking at what models have learned: comparisons, displays, and what a code tells."""

from skrep.inspection._attractor import AttractorDisplay as AttractorDisplay
from skrep.inspection._canonical_correlation import (
    CanonicalCorrelationDisplay as CanonicalCorrelationDisplay,
)
from skrep.inspection._compare import compare as compare
from skrep.inspection._comparison import Comparison as Comparison
from skrep.inspection._components import ComponentsDisplay as ComponentsDisplay
from skrep.inspection._explained_variance import explained_variance as explained_variance
from skrep.inspection._explained_variance_display import (
    ExplainedVarianceDisplay as ExplainedVarianceDisplay,
)
from skrep.inspection._feature_correlations import feature_correlations as feature_correlations
from skrep.inspection._latent import LatentDisplay as LatentDisplay
from skrep.inspection._log_likelihood import LogLikelihoodDisplay as LogLikelihoodDisplay
from skrep.inspection._loss_curve import LossCurveDisplay as LossCurveDisplay
from skrep.inspection._reconstruction import ReconstructionDisplay as ReconstructionDisplay
from skrep.inspection._retrieval import RetrievalDisplay as RetrievalDisplay
from skrep.inspection._traversal import TraversalDisplay as TraversalDisplay
from skrep.inspection._view_weights import ViewWeightsDisplay as ViewWeightsDisplay

__all__ = [
    "AttractorDisplay",
    "CanonicalCorrelationDisplay",
    "Comparison",
    "ComponentsDisplay",
    "ExplainedVarianceDisplay",
    "LatentDisplay",
    "LogLikelihoodDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "RetrievalDisplay",
    "TraversalDisplay",
    "ViewWeightsDisplay",
    "compare",
    "explained_variance",
    "feature_correlations",
]
