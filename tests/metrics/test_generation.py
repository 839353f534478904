"""Coherence of generated views, and likelihoods by importance sampling."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skrep import VAE, MultimodalVAE, Views
from skrep.datasets import make_low_rank, make_multiview
from skrep.metrics import coherence, importance_weighted_log_likelihood


class Sign:
    """Classifies by the sign of the first feature."""

    def predict(self, X):
        return (np.asarray(X)[:, 0] > 0).astype(int)


def test_coherence_counts_agreement():
    samples = np.array([[1.0], [-1.0], [1.0], [1.0]])
    assert coherence(Sign(), samples, [1, 0, 1, 0]) == 0.75
    views = Views((samples, -samples), ("left", "right"))
    assert coherence(Sign(), views, [1, 0, 1, 0], view="right") == 0.25
    assert coherence(Sign(), [views, views[[1, 0, 2, 3]]], [1, 0, 1, 0], view="left") == 0.5


def test_coherence_refuses_what_it_cannot_compare():
    samples = np.ones((3, 2))
    with pytest.raises(ValueError, match="3 samples and y has 2"):
        coherence(Sign(), samples, [1, 0])
    with pytest.raises(ValueError, match="empty list"):
        coherence(Sign(), [], [1, 0])
    with pytest.raises(ValueError, match="`view=None` is none of the views"):
        coherence(Sign(), (samples, samples), [1, 0, 1])
    # Compared entry by entry these would count as something without a word.
    with pytest.raises(ValueError, match="mix of"):
        coherence(Sign(), samples, np.eye(2)[[1, 0, 1]])
    with pytest.raises(ValueError, match="A mix of labels: y holds"):
        coherence(Sign(), samples, ["cat", "dog", "cat"])
    assert coherence(Sign(), samples, [[1], [0], [1]]) == pytest.approx(2 / 3)


def test_likelihood_is_the_mean_of_score_samples(seed):
    X = make_low_rank(60, 6, rank=2, random_state=seed)
    model = VAE(2, max_epochs=3, random_state=seed).fit(X)
    found = importance_weighted_log_likelihood(model, X, n_importance_samples=20)
    assert found == pytest.approx(model.score_samples(X, 20).mean(), rel=1e-6)


def test_joint_is_marginal_and_conditional(seed):
    X = make_multiview(60, random_state=seed)
    model = MultimodalVAE(2, hidden_layer_sizes=(8,), max_epochs=3, random_state=seed).fit(X)
    first = X.names[0]
    joint = importance_weighted_log_likelihood(model, X, n_importance_samples=50)
    given = importance_weighted_log_likelihood(model, X, n_importance_samples=50, given=first)
    alone = Views((X.arrays[0], None), X.names)
    marginal = importance_weighted_log_likelihood(model, alone, n_importance_samples=50)
    # The same draws serve both, so that only rounding is left.
    assert given == pytest.approx(joint - marginal, abs=1e-3)


def test_a_model_without_density_is_named():
    X = make_low_rank(30, 4, rank=2, random_state=0)
    with pytest.raises(TypeError, match="StandardScaler has no `score_samples`"):
        importance_weighted_log_likelihood(StandardScaler().fit(X), X)
