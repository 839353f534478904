"""One table for any mix of scikit-learn and skrep transformers."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from skrep.inspection._comparison import run_comparison

__all__ = ["compare"]


def compare(
    estimators: Mapping[str, Any] | Iterable[Any],
    X: Any,
    y: Any = None,
    *,
    metrics: Any = None,
    cv: Any = 5,
    random_state: Any = None,
    verbose: int = 1,
) -> pd.DataFrame:
    """Fit several transformers on the same splits and tabulate how good their codes are.

    Every estimator is cloned, given a seed and fitted on the training rows of each fold; its
    code of the held-out rows is then measured. Give all of them the same `n_components`, and put
    what an estimator needs around it in a Pipeline, such as a `MinMaxScaler` before an RBM:
    reconstructions are compared in the units of the Pipeline's input, so all rows of the table
    speak of the same thing.

    Parameters
    ----------
    estimators : dict of str to estimator, or iterable of estimators
        Transformers or Pipelines that end in one. Without names they are called by their class
        (a Pipeline by that of its last step), numbered where that repeats.
    X : array-like of shape (n_samples, n_features), Views, or what makes one
        A tuple or dict of arrays becomes `Views`, so that it is split by sample.
    y : array-like of shape (n_samples,), default=None
        Class labels. They are passed to `fit`, as scikit-learn does, and to the metrics.
    metrics : str, iterable of str, dict of str to callable, or None, default=None
        Names from `skrep.metrics.scorers`, or scorers of your own `(estimator, X, y) -> float`.
        None is `reconstruction_r2` and, if `y` holds classes, the linear probe and both k-means
        scores.
    cv : int, splitter or iterable of (train, test), default=5
        An integer is a number of shuffled folds, stratified if `y` holds classes. More folds
        leave more rows to train on and fewer to measure on.
    random_state : int, RandomState or None, default=None
        Seeds the folds and, with another seed in each fold, every parameter called
        `random_state` in the clones, nested ones too; so the spread is over folds and seeds.
    verbose : int, default=1
        0 hides the progress bar on standard error.

    Returns
    -------
    DataFrame
        A row per estimator, in the order given. `n_components` is the width of the code; every
        metric has its mean over folds in a column of its name and the standard deviation (with
        n - 1) in `<name>_std`; `fit_seconds` and `transform_seconds` are means over folds, the
        latter for coding the held-out rows. What could not be measured is NaN. The list
        ``table.attrs["notes"]`` says why, which estimators were decoded by a ridge regression for
        want of an `inverse_transform`, and whether code sizes differ.

    Raises
    ------
    ValueError
        If there are no estimators, a metric is unknown, a metric needs labels and there are none,
        `X` and `y` differ in length, or every estimator failed. One failing estimator among
        others does not raise: its row is NaN and a note says what happened.
    TypeError
        If something among `estimators` is not an estimator.

    Notes
    -----
    For an estimator without `inverse_transform` (`FactorAnalysis`, `BernoulliRBM`), a ridge
    regression from its training codes to the training rows decodes. That is nearly the best any
    linear decoder could do, so it is generous to the estimator, and the note marks it.

    Examples
    --------
    >>> from sklearn.decomposition import PCA, FactorAnalysis
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import compare
    >>> X = make_low_rank(200, 10, rank=3, random_state=0)
    >>> table = compare([PCA(3), FactorAnalysis(3)], X, random_state=0, verbose=0)
    >>> list(table.index), list(table.columns[:3])
    (['PCA', 'FactorAnalysis'], ['n_components', 'reconstruction_r2', 'reconstruction_r2_std'])
    """
    return run_comparison(
        estimators, X, y, metrics=metrics, cv=cv, random_state=random_state, verbose=verbose
    ).table
