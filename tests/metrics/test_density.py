import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrep import VAE
from skrep.datasets import make_low_rank
from skrep.metrics import log_likelihood


def test_factor_analysis_has_the_density_of_its_gaussian(seed):
    X = make_low_rank(120, 5, rank=2, random_state=seed)
    model = FactorAnalysis(2).fit(X[:90])
    gaussian = multivariate_normal(model.mean_, model.get_covariance())
    assert log_likelihood(model, X[90:]) == pytest.approx(gaussian.logpdf(X[90:]).mean())
    behind = make_pipeline(FunctionTransformer(), FactorAnalysis(2)).fit(X[:90])
    assert log_likelihood(behind, X[90:]) == pytest.approx(gaussian.logpdf(X[90:]).mean())


def test_it_is_the_mean_of_score_samples(seed):
    X = make_low_rank(60, 5, rank=2, random_state=seed)
    model = VAE(2, max_epochs=1, random_state=seed).fit(X)
    score = log_likelihood(model, X)
    assert isinstance(score, float)
    assert score == pytest.approx(np.mean(model.score_samples(X)), abs=0.5)
    assert log_likelihood(PCA(2).fit(X), X) == pytest.approx(PCA(2).fit(X).score(X))


def test_what_is_no_density_says_so():
    with pytest.raises(TypeError, match="needs `score_samples`, and StandardScaler has none"):
        log_likelihood(StandardScaler().fit(np.eye(3)), np.eye(3))
