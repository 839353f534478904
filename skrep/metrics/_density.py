"""How probable held-out data are under a model."""

from typing import Any

import numpy as np

__all__ = ["log_likelihood"]


def log_likelihood(estimator: Any, X: Any, y: Any = None) -> float:
    """Score the mean log-probability of the samples, in nats per sample.

    It is the mean of `estimator.score_samples(X)`: exact or estimated for a Boltzmann machine
    (annealed importance sampling), an importance-weighted bound for a VAE, exact for
    `FactorAnalysis` and `PCA`; each says so in its own documentation. Numbers compare only
    between densities on the same units: a model behind a `StandardScaler` measures another space,
    and a probability of binary data does not compare with a density of real data.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `score_samples`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Held-out samples.
    y : None
        Ignored; scorers are called with it.

    Returns
    -------
    float
        Higher is better.

    Raises
    ------
    TypeError
        If the estimator has no `score_samples`: it is no density.

    Examples
    --------
    >>> from sklearn.decomposition import FactorAnalysis
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.metrics import log_likelihood
    >>> X = make_low_rank(rank=3, random_state=0)
    >>> log_likelihood(FactorAnalysis(3).fit(X), X) > log_likelihood(FactorAnalysis(1).fit(X), X)
    True
    """
    # A Pipeline or search has the method only if what it holds does.
    score_samples = getattr(estimator, "score_samples", None)
    if score_samples is None:
        raise TypeError(
            f"`log_likelihood` needs `score_samples`, and {type(estimator).__name__} has none: it "
            f"is no density. Use a VAE, a Boltzmann machine or FactorAnalysis."
        )
    return float(np.mean(score_samples(X)))
