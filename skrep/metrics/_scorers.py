"""Metrics by name, in the form that scikit-learn's `scoring=` takes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final, Literal

import numpy as np

from skrep.metrics._clusters import kmeans_accuracy, kmeans_ari, kmeans_nmi
from skrep.metrics._correlation import (
    canonical_correlations,
    shared_representation_accuracy,
    total_correlation_captured,
)
from skrep.metrics._density import log_likelihood
from skrep.metrics._imputation import imputation_r2
from skrep.metrics._probe import knn_accuracy, linear_probe_accuracy
from skrep.metrics._reconstruction import reconstruction_r2
from skrep.metrics._retrieval import (
    Similarity,
    mean_average_precision,
    mean_reciprocal_rank,
    median_rank,
    retrieval_recall,
)
from skrep.views import Views, as_views, is_multiview

__all__ = ["LABEL_METRICS", "METRICS", "VIEW_METRICS", "Scorer", "scorers", "view_scorer"]

Scorer = Callable[..., float]
Positives = Literal["auto", "labels", "pairs"]

METRICS: Final[dict[str, Scorer]] = {
    metric.__name__: metric
    for metric in (
        reconstruction_r2,
        linear_probe_accuracy,
        knn_accuracy,
        kmeans_accuracy,
        kmeans_nmi,
        kmeans_ari,
        log_likelihood,
        imputation_r2,
    )
}
LABEL_METRICS: Final = (
    *("linear_probe_accuracy", "knn_accuracy"),
    *("kmeans_accuracy", "kmeans_nmi", "kmeans_ari"),
)
_USUAL: Final = ("reconstruction_r2", "linear_probe_accuracy", "kmeans_accuracy", "kmeans_nmi")

_RETRIEVAL: Final[dict[str, Scorer]] = {
    "retrieval_recall": retrieval_recall,
    "mean_average_precision": mean_average_precision,
    "mean_reciprocal_rank": mean_reciprocal_rank,
    "neg_median_rank": median_rank,
}
VIEW_METRICS: Final = (
    "canonical_correlations",
    "total_correlation_captured",
    "shared_representation_accuracy",
    *_RETRIEVAL,
)


def scorers(*names: str) -> dict[str, Any]:
    """Return metrics by name, for `scoring=` of `cross_validate` or `GridSearchCV`.

    Parameters
    ----------
    *names : str
        Any of "reconstruction_r2", "linear_probe_accuracy", "kmeans_accuracy" and "kmeans_nmi",
        which are also what none gives; "knn_accuracy", "kmeans_ari", "log_likelihood",
        "imputation_r2"; or, for models with a code per view, any name that `view_scorer` takes,
        with its defaults.

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
    unknown = [name for name in names if name not in METRICS and name not in VIEW_METRICS]
    if unknown:
        raise ValueError(
            f"Unknown metric {unknown[0]!r}. The metrics are "
            f"{', '.join(map(repr, (*METRICS, *VIEW_METRICS)))}."
        )
    return {name: METRICS.get(name) or view_scorer(name) for name in names or _USUAL}


def view_scorer(
    name: str,
    *,
    source: str | None = None,
    target: str | None = None,
    k: int = 10,
    metric: Similarity = "cosine",
    positives: Positives = "auto",
    classifier: Any = None,
) -> Scorer:
    """Return a scorer that compares the codes of different views, for `scoring=` of a search.

    The codes are what `transform` returns, if that is one code per view (the CCA family, CLIP),
    and otherwise what `transform_each` returns. Samples that lack a view are left out where it is
    needed.

    Parameters
    ----------
    name : str
        "canonical_correlations" (their mean over components), "total_correlation_captured",
        "shared_representation_accuracy" (split by a fixed seed), "retrieval_recall",
        "mean_average_precision", "mean_reciprocal_rank" or "neg_median_rank", which is minus
        `median_rank` so that higher is better.
    source, target : str, default=None, None
        Names of two views: correlate these, train on `source` and test on `target`, or look for
        `target` with queries from `source`. None, for both, takes all views: a measure with a
        direction is averaged over all ordered pairs of them.
    k : int, default=10
        For "retrieval_recall", how many of the first items count.
    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        For retrieval, the similarity.
    positives : {"auto", "labels", "pairs"}, default="auto"
        For retrieval, what is relevant to a query: what shares its label, or the same sample and
        nothing else. "auto" means labels where the scorer is given y, else pairs.
    classifier : classifier, default=None
        For "shared_representation_accuracy", as there.

    Returns
    -------
    callable
        Called as `(estimator, X, y=None)`, returns a float, higher is better; it can be pickled.

    Raises
    ------
    ValueError
        If a name or an option is unknown, or one of `source` and `target` is given alone; and
        when called, what the measure itself raises.
    TypeError
        When called, if the estimator has no code per view.

    Examples
    --------
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skrep.datasets import make_multiview
    >>> from skrep.metrics import view_scorer
    >>> X = make_multiview(100, (5, 5), random_state=0)
    >>> score = view_scorer("total_correlation_captured")
    >>> -5.0 < score(FunctionTransformer(), X) < 5.0
    True
    """
    if name not in VIEW_METRICS:
        raise ValueError(
            f"Unknown metric {name!r}. The metrics that compare views are "
            f"{', '.join(map(repr, VIEW_METRICS))}."
        )
    if (source is None) != (target is None):
        raise ValueError(
            f"`source` and `target` must both name a view, or neither. Got {source!r} and "
            f"{target!r}."
        )
    if positives not in ("auto", "labels", "pairs"):
        raise ValueError(f"`positives` must be 'auto', 'labels' or 'pairs'. Got {positives!r}.")
    return _ViewScorer(name, source, target, k, metric, positives, classifier)


@dataclass(frozen=True)
class _ViewScorer:
    """What `view_scorer` returns: an object, so that worker processes can unpickle it."""

    name: str
    source: str | None
    target: str | None
    k: int
    metric: Similarity
    positives: Positives
    classifier: Any

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score the codes that `estimator` gives to `X`."""
        Z = _codes_by_view(estimator, X)
        if self.source is not None and self.target is not None:
            _check_names(Z, self.source, self.target)
            pairs = [(self.source, self.target)]
        else:
            pairs = list(permutations(Z.names, 2))
        if self.name in ("canonical_correlations", "total_correlation_captured"):
            if self.source is not None:
                Z = Z[list(pairs[0])]
            measure = (
                total_correlation_captured
                if self.name == "total_correlation_captured"
                else canonical_correlations
            )
            return float(np.mean(measure(Z)))
        if not pairs:
            raise ValueError(
                f"{self.name!r} compares views, and there is one, {Z.names[0]!r}. Use a model "
                f"with a code for each of two views or more."
            )
        return float(np.mean([self._directed(Z, y, *pair) for pair in pairs]))

    def _directed(self, Z: Views, y: Any, source: str, target: str) -> float:
        if self.name not in _RETRIEVAL:
            return shared_representation_accuracy(
                Z, y, source=source, target=target, classifier=self.classifier, random_state=0
            )
        has_query, has_target = (Z.present[:, Z.names.index(name)] for name in (source, target))
        labelled = self.positives == "labels" or (self.positives == "auto" and y is not None)
        if labelled and y is None:
            raise ValueError(
                f"{self.name!r} with `positives='labels'` needs labels, and y is None. Pass y, or "
                f"choose `positives='pairs'`."
            )
        if not labelled:
            has_query = has_target = has_query & has_target
        queries, gallery = np.asarray(Z[source])[has_query], np.asarray(Z[target])[has_target]
        labels = (np.asarray(y)[has_query], np.asarray(y)[has_target]) if labelled else ()
        options: dict[str, Any] = {"metric": self.metric}
        if self.name == "retrieval_recall":
            options["k"] = self.k
        value = _RETRIEVAL[self.name](queries, gallery, *labels, **options)
        return -value if self.name.startswith("neg_") else value


def _codes_by_view(estimator: Any, X: Any) -> Views:
    codes = estimator.transform(X)
    if is_multiview(codes):
        return as_views(codes)
    # A stock Pipeline has no such method, and scikit-learn has no tag for it.
    each = getattr(estimator, "transform_each", None)
    if each is None:
        raise TypeError(
            f"{type(estimator).__name__} has no code per view: `transform` returned one "
            f"{type(codes).__name__} and there is no `transform_each`. Use a model of the CCA "
            f"family or a multimodal one, and no `set_output`."
        )
    return as_views(each(X))


def _check_names(Z: Views, *names: str) -> None:
    for name in names:
        if name not in Z.names:
            raise ValueError(
                f"There is no view {name!r} among the codes; there are "
                f"{', '.join(map(repr, Z.names))}."
            )
