"""How good what a model of several views generates and predicts is."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import accuracy_score

from skrep.views import as_views, is_multiview

__all__ = ["coherence", "importance_weighted_log_likelihood"]


def coherence(classifier: Any, generated: Any, y: Any, *, view: str | None = None) -> float:
    """Return the share of generated samples that a classifier takes for what they should be.

    A model that draws one view given another should keep what the two have in common, such as the
    digit: the class of the sample it was given. The classifier is trained by the user on real
    samples of the view that is generated, apart from those that the model is asked about.

    Parameters
    ----------
    classifier : fitted classifier
        With `predict`, for one view as it is.
    generated : array-like of shape (n_samples, n_features), several views, or a list of either
        Such as `impute` returns, or the list that `sample_given` returns, whose draws count alike.
    y : array-like of shape (n_samples,)
        Classes that the samples were given as.
    view : str, default=None
        Name of the generated view, where there are several.

    Returns
    -------
    float
        From 0 to 1; higher is better. The accuracy on real samples is the ceiling.

    Raises
    ------
    ValueError
        If there are several views and `view` is none of them, nothing was generated, or `y` has
        another length or holds no classes such as the classifier predicts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrep.metrics import coherence
    >>> real, kinds = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> classifier = LogisticRegression().fit(real, kinds)
    >>> coherence(classifier, {"left": real, "right": real[::-1]}, kinds, view="right")
    0.0
    """
    draws: list[Any] = list(generated) if isinstance(generated, list) else [generated]
    if not draws:
        raise ValueError("`generated` is an empty list. Draw at least one sample.")
    wanted = np.asarray(y)
    shares = []
    for draw in draws:
        samples = _one_view(draw, view)
        if samples.shape[0] != len(wanted):
            raise ValueError(
                f"`generated` has {samples.shape[0]} samples and y has {len(wanted)}. Give the "
                f"class that each sample was given as."
            )
        guessed = np.asarray(classifier.predict(samples))
        if (guessed.dtype.kind in "OUS") != (wanted.dtype.kind in "OUS"):
            raise ValueError(
                f"A mix of labels: y holds {wanted.dtype} and the classifier predicts "
                f"{guessed.dtype}. Give y as the classifier was given it."
            )
        # Refuses one-hot rows, which would compare as different without a word.
        shares.append(accuracy_score(wanted, guessed))
    return float(np.mean(shares))


def _one_view(draw: Any, view: str | None) -> Any:
    if not is_multiview(draw):
        return draw if sp.issparse(draw) else np.asarray(draw)
    views = as_views(draw, name="generated")
    if view is None or view not in views.names:
        raise ValueError(
            f"`view={view!r}` is none of the views {list(views.names)}. Name the one that was "
            f"generated and that the classifier knows."
        )
    array = views[view]
    return array if sp.issparse(array) else np.asarray(array)


def importance_weighted_log_likelihood(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    n_importance_samples: int = 100,
    given: str | Iterable[str] | None = None,
) -> float:
    """Return the mean log-likelihood of a latent-variable model, by importance sampling.

    Parameters
    ----------
    estimator : fitted estimator
        With `score_samples(X, n_importance_samples)`: `VAE`, `MultimodalVAE` or `JMVAE`.
    X : array-like of shape (n_samples, n_features), or several views
        Held-out samples.
    y : None
        Ignored, so that it serves as a scorer.
    n_importance_samples : int, default=100
        Draws of the code a sample. The estimate errs on the low side, less with more draws.
    given : str or sequence of str, default=None
        Views to condition on: the log-probability of the other views given these. None is the
        joint one.

    Returns
    -------
    float
        Nats per sample, in the units of the input; higher is better. A conditional is the
        difference of two estimates and may err either way.

    Raises
    ------
    TypeError
        If the estimator has no density.

    Examples
    --------
    >>> from skrep import VAE
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.metrics import importance_weighted_log_likelihood
    >>> X = make_low_rank(80, 6, rank=2, random_state=0)
    >>> model = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> type(importance_weighted_log_likelihood(model, X, n_importance_samples=50))
    <class 'float'>
    """
    score_samples = getattr(estimator, "score_samples", None)
    if score_samples is None:
        raise TypeError(
            f"{type(estimator).__name__} has no `score_samples`, so it assigns no probability. "
            f"Pass a `VAE`, `MultimodalVAE` or `JMVAE`."
        )
    if given is None:
        values = score_samples(X, n_importance_samples)
    else:
        wanted = [given] if isinstance(given, str) else list(given)
        values = score_samples(X, n_importance_samples, given=wanted)
    return float(np.mean(values, dtype=np.float64))
