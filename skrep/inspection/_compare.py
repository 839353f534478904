"""One table for any mix of scikit-learn and skrep transformers."""

from collections.abc import Iterable, Mapping
from typing import Any

from skrep.inspection._comparison import Comparison
from skrep.inspection._run import run_comparison

__all__ = ["compare"]


def compare(
    estimators: Mapping[str, Any] | Iterable[Any],
    X: Any,
    y: Any = None,
    *,
    baselines: Any = "auto",
    metrics: Any = None,
    cv: Any = 5,
    n_repeats: int = 1,
    random_state: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> Comparison:
    """Fit several transformers and simple baselines on the same splits and measure their codes.

    Every estimator is cloned, given a seed and fitted on the training rows of each split; its
    code of the held-out rows is then measured. Give all of them the same `n_components`, and put
    what an estimator needs around it in a Pipeline, such as a `MinMaxScaler` before an RBM:
    reconstructions are compared in the units of the Pipeline's input, so all rows of the table
    speak of the same thing. Baselines see `X` as it is: scale it first if its columns do not
    compare.

    Parameters
    ----------
    estimators : dict of str to estimator, or iterable of estimators
        Transformers or Pipelines that end in one. Without names they are called by their class
        (a Pipeline by that of its last step), numbered where that repeats.
    X : array-like of shape (n_samples, n_features), Views, or what makes one
        A tuple or dict of arrays becomes `Views`, so that it is split by sample. Samples may lack
        views.
    y : array-like of shape (n_samples,), default=None
        Class labels. They are passed to `fit`, as scikit-learn does, and to the metrics.
    baselines : "auto", str, iterable of str or None, default="auto"
        Rows to add, with codes of the size that the first estimator's has (no more than there are
        training rows): "pca",
        "factor_analysis" and, of several views, "pca_per_view" (the code shared out among views)
        and, of two, "cca" (scikit-learn's, half of the code for each view). Where samples lack
        views: "pca" on the views side by side, each filled with its training mean; "best_view",
        PCA of the best view that a sample has; and, of two, "cca" on complete rows, with a note
        of how many that leaves. "auto" takes all that apply and do not have the name of an
        estimator; scikit-learn's CCA is left out where a view is wider than 1000 columns. None
        takes none.
    metrics : str, iterable of str, dict of str to callable, or None, default=None
        Names from `skrep.metrics.scorers`, or scorers of your own `(estimator, X, y) -> float`,
        higher being better; the first ranks. None is `reconstruction_r2`, if `y` holds classes
        the linear probe and two k-means scores, and if samples lack views `imputation_r2`, for
        which known views are hidden.
    cv : int, splitter or iterable of (train, test), default=5
        An integer is a number of shuffled folds, stratified if `y` holds classes. More folds
        leave more rows to train on and fewer to measure on. Pairs of your own must not hold out
        what they train on.
    n_repeats : int, default=1
        How often the folds of an integer `cv` are drawn anew. Repeats tell smaller differences
        from luck, at the price of as many more fits.
    random_state : int, RandomState or None, default=None
        Seeds the folds and, with another seed in each split, every parameter called
        `random_state` in the clones, nested ones too; so the spread is over splits and seeds.
    n_jobs : int or None, default=None
        How many fits run at a time, in processes of their own; -1 is one per core and None is 1.
        Seconds and memory are then those of fits that share the machine.
    verbose : int, default=1
        0 hides the progress bar on standard error.

    Returns
    -------
    Comparison
        `table` is a DataFrame with a row per estimator; it prints as text and shows as a table in
        a notebook. `to_markdown()`, `to_html("report.html")`, `plot()`, `significance()` and
        `verdict()` say the same in other ways, `folds` holds the value of every split, `notes`
        what should be known about a row.

    Raises
    ------
    ValueError
        If there are no estimators, a metric or baseline is unknown, a metric needs labels or
        views and there are none, `X` and `y` differ in length, or every estimator failed. One
        failing estimator among others does not raise: its row is empty and a note says what
        happened.
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
    >>> found = compare([PCA(3), FactorAnalysis(3)], X, random_state=0, verbose=0)
    >>> list(found.table.index), list(found.table.columns[:3])
    (['PCA', 'FactorAnalysis'], ['n_components', 'reconstruction_r2', 'reconstruction_r2_std'])
    """
    return run_comparison(
        estimators,
        X,
        y,
        baselines=baselines,
        metrics=metrics,
        cv=cv,
        n_repeats=n_repeats,
        random_state=random_state,
        n_jobs=n_jobs,
        verbose=verbose,
    )
