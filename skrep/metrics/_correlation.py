"""How much the codes of several views have in common."""

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep.metrics._inputs import labels_of
from skrep.utils.random import seed_from
from skrep.views import Views, as_views

__all__ = [
    "canonical_correlations",
    "shared_representation_accuracy",
    "total_correlation_captured",
]


def canonical_correlations(Z: Any) -> np.ndarray:
    """Correlate the codes of different views, component by component.

    Component k of one view with component k of another, by Pearson's correlation over the samples
    that have both, averaged over all pairs of views. On codes that CCA made of held-out data
    these are the held-out canonical correlations. Codes are taken as they are: no direction is
    sought anew, and a signal that stands in several components counts in each of them.

    Parameters
    ----------
    Z : Views, tuple of at least 2 arrays or dict, each of shape (n_samples, n_components)
        One code per view, such as `transform` of a coordinated model or `transform_each` returns.
        Absent codes (rows of NaN) are left out, pair by pair.

    Returns
    -------
    ndarray of shape (n_components,)
        In [-1, 1], float64. A component that is constant in a view (its spread is within the
        rounding of its dtype) shares nothing: its correlation is 0, never NaN.

    Raises
    ------
    ValueError
        If there is one view, codes differ in size or hold NaN in part of a row, or two views
        have fewer than two samples in common.

    See Also
    --------
    total_correlation_captured : Their sum.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import canonical_correlations
    >>> code = np.random.default_rng(0).standard_normal((50, 2))
    >>> canonical_correlations((code, 3 * code + 1)).round(6).tolist()
    [1.0, 1.0]
    """
    views = _codes(Z)
    if views.n_views < 2:
        raise ValueError(
            f"Correlations are between views, and there is one, {views.names[0]!r}. Pass the codes "
            f"of two views or more."
        )
    _check_sizes(views, "canonical_correlations")
    pairs = list(combinations(range(views.n_views), 2))
    total = np.zeros(views.widths[0])
    for first, second in pairs:
        both = np.flatnonzero(views.present[:, first] & views.present[:, second])
        if len(both) < 2:
            raise ValueError(
                f"A correlation needs two samples or more, and {views.names[first]!r} and "
                f"{views.names[second]!r} have {len(both)} in common. Pass more samples."
            )
        directions = [_centred(np.asarray(views[view])[both]) for view in (first, second)]
        total += np.einsum("ij,ij->j", *directions)
    return np.clip(total / len(pairs), -1.0, 1.0)


def total_correlation_captured(Z: Any) -> float:
    """Sum the correlations of the codes of different views over components.

    The measure of [1]_ for held-out data: how much correlation `n_components` directions found
    in training capture. It grows with the number of components, so compare codes of one size.

    Parameters
    ----------
    Z : Views, tuple of at least 2 arrays or dict, each of shape (n_samples, n_components)
        One code per view, as for `canonical_correlations`.

    Returns
    -------
    float
        At most n_components; higher is better.

    Raises
    ------
    ValueError
        As `canonical_correlations`.

    References
    ----------
    .. [1] Andrew, G., Arora, R., Bilmes, J. and Livescu, K. "Deep canonical correlation
       analysis." ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import total_correlation_captured
    >>> code = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(total_correlation_captured((code, code)), 6)
    2.0
    """
    return float(canonical_correlations(Z).sum())


def shared_representation_accuracy(
    Z: Any,
    y: Any,
    *,
    source: str | int,
    target: str | int,
    classifier: Any = None,
    test_size: float = 0.5,
    Z_test: Any = None,
    y_test: Any = None,
    random_state: Any = None,
) -> float:
    """Train a classifier on one view's codes and test it on another's.

    It can be right only as far as the two codes say the same in the same place, the shared
    representation of [1]_. Training and test samples differ: they are a stratified split of the
    samples of `Z`, or `Z` and `Z_test`.

    Parameters
    ----------
    Z : Views, tuple of at least 2 arrays or dict, each of shape (n_samples, n_components)
        One code per view. Samples that lack the view in question are left out.
    y : array-like of shape (n_samples,)
        Class labels, integers or strings.
    source, target : str or int
        Names or positions of the views to train on and to test on. The same view twice gives
        what the code holds by itself, the ceiling to compare with.
    classifier : classifier, default=None
        Is cloned and fitted. None is a logistic regression on codes standardised by the mean and
        the deviation of the source's training codes.
    test_size : float, default=0.5
        Share of the samples to test on, in (0, 1); unused with `Z_test`. Classes of a single
        sample cannot be split and are left out.
    Z_test, y_test : as Z and y, default=None, None
        Samples to test on; then all of `Z` is trained on.
    random_state : int, RandomState or None, default=None
        Decides the split; an integer makes it repeatable.

    Returns
    -------
    float
        Share of right answers, 0 to 1; higher is better.

    Raises
    ------
    ValueError
        If labels are missing, are no classes or are fewer than two, numbers of rows or sizes of
        codes differ, or no sample is left to test on.
    KeyError or IndexError
        If there is no such view.

    References
    ----------
    .. [1] Ngiam, J., Khosla, A., Kim, M., Nam, J., Lee, H. and Ng, A. Y. "Multimodal deep
       learning." ICML 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import shared_representation_accuracy
    >>> y = np.arange(60) % 2
    >>> code = np.random.default_rng(0).standard_normal((60, 3)) + 9 * y[:, np.newaxis]
    >>> shared_representation_accuracy(
    ...     {"image": code, "text": code}, y, source="image", target="text", random_state=0
    ... )
    1.0
    """
    metric = "shared_representation_accuracy"
    train = _codes(Z)
    labels_of(y, metric)
    labels = _labels(y, train, "y")
    source, target = (v if isinstance(v, str) else _name_at(train, v) for v in (source, target))
    _check_sizes(train[list(dict.fromkeys((source, target)))], metric)
    if (Z_test is None) != (y_test is None):
        raise ValueError(
            f"`{metric}` takes `Z_test` and `y_test` together, or neither. Got "
            f"`{'y_test' if Z_test is None else 'Z_test'}` alone."
        )
    if Z_test is not None:
        test = _codes(Z_test, "Z_test", train.names)
        test_labels = _labels(y_test, test, "y_test")
    else:
        rows = _splittable(labels, metric)
        learn, hold = train_test_split(
            rows, test_size=test_size, stratify=labels[rows], random_state=seed_from(random_state)
        )
        test, test_labels = train[hold], labels[hold]
        train, labels = train[learn], labels[learn]
    X, y = _present(train, labels, source)
    X_test, y_test = _present(test, test_labels, target)
    if not len(y) or not len(y_test):
        what, view = ("train on", source) if not len(y) else ("test on", target)
        raise ValueError(
            f"No sample with view {view!r} is left to {what}. Pass samples that have it."
        )
    if classifier is None:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(np.mean(clone(classifier).fit(X, y).predict(X_test) == y_test))


def _codes(Z: Any, name: str = "Z", names: Any = None) -> Views:
    views = as_views(Z, name=name, names=names)
    for view, array, present in zip(views.names, views.arrays, views.present.T, strict=True):
        if not np.isfinite(np.asarray(array)[present]).all():
            raise ValueError(
                f"The codes of view {view!r} in `{name}` hold NaN or infinity in part of a row. A "
                f"code must be finite, or absent (NaN) as a whole."
            )
    return views


def _check_sizes(views: Views, metric: str) -> None:
    if len(set(views.widths)) > 1:
        sizes = ", ".join(
            f"{name!r} has {width}" for name, width in zip(views.names, views.widths, strict=True)
        )
        raise ValueError(
            f"`{metric}` needs codes of one size, and their numbers of components differ: {sizes}. "
            f"Pass what one coordinated model returns."
        )


def _centred(codes: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and length 1, or of zeros where a column is constant."""
    precision = np.finfo(codes.dtype).eps if codes.dtype.kind == "f" else 0.0
    codes = codes.astype(np.float64)
    # The square of a large entry would overflow, that of a small one vanish.
    largest = np.abs(codes).max(axis=0)
    codes /= np.where(largest > 0.0, largest, 1.0)
    codes -= codes.mean(axis=0)
    spread = np.sqrt(np.square(codes).sum(axis=0))
    rounding = 4.0 * max(precision, np.finfo(np.float64).eps) * np.sqrt(len(codes))
    return np.where(spread > rounding, codes / np.where(spread > rounding, spread, 1.0), 0.0)


def _labels(y: Any, views: Views, name: str) -> np.ndarray:
    if np.shape(y) != (len(views),):
        raise ValueError(
            f"`{name}` must hold one label per sample, shape ({len(views)},). Got shape "
            f"{np.shape(y)}."
        )
    return np.asarray(y)


def _splittable(labels: np.ndarray, metric: str) -> np.ndarray:
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if (counts >= 2).sum() < 2:
        raise ValueError(
            f"`{metric}` needs at least two classes of two samples each, and y has "
            f"{int((counts >= 2).sum())} among its {len(labels)} samples. Pass more samples."
        )
    return np.flatnonzero(counts[classes] >= 2)


def _name_at(views: Views, position: int) -> str:
    views[position]  # raises an IndexError that lists the views
    return views.names[position]


def _present(views: Views, labels: np.ndarray, view: str) -> tuple[Any, np.ndarray]:
    codes = np.asarray(views[view])
    rows = np.flatnonzero(views.present[:, views.names.index(view)])
    return codes[rows], labels[rows]
