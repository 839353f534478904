"""Metrics by name, in the form that scikit-learn's `scoring=` takes."""

from collections.abc import Callable
from typing import Any, Final

from skrep.metrics._clusters import kmeans_accuracy, kmeans_nmi
from skrep.metrics._probe import linear_probe_accuracy
from skrep.metrics._reconstruction import reconstruction_r2

__all__ = ["LABEL_METRICS", "METRICS", "Scorer", "scorers"]

Scorer = Callable[..., float]

METRICS: Final[dict[str, Scorer]] = {
    metric.__name__: metric
    for metric in (reconstruction_r2, linear_probe_accuracy, kmeans_accuracy, kmeans_nmi)
}
LABEL_METRICS: Final = ("linear_probe_accuracy", "kmeans_accuracy", "kmeans_nmi")


def scorers(*names: str) -> dict[str, Any]:
    """Return metrics by name, for `scoring=` of `cross_validate` or `GridSearchCV`.

    Parameters
    ----------
    *names : str
        Any of "reconstruction_r2", "linear_probe_accuracy", "kmeans_accuracy" and "kmeans_nmi";
        all of them when none is given.

    Returns
    -------
    dict of str to callable
        Each called as `(estimator, X, y=None)`, higher is better. With several of them a search
        needs `refit=` to name the one that decides.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.metrics import scorers
    >>> X = make_low_rank(rank=3, random_state=0)
    >>> search = GridSearchCV(
    ...     PCA(), {"n_components": [1, 3]}, scoring=scorers("reconstruction_r2"),
    ...     refit="reconstruction_r2",
    ... ).fit(X)
    >>> search.best_params_
    {'n_components': 3}
    """
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(
            f"Unknown metric {unknown[0]!r}. The metrics are {', '.join(map(repr, METRICS))}."
        )
    return {name: METRICS[name] for name in names or METRICS}
