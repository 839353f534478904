"""LabelAsView: a classifier made of a model that imputes views."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skrep.compose._labels import check_column, is_minus_one, read_labels
from skrep.utils.sklearn_private import HasMethods, fit_context
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews, check_views
from skrep.views import Views

__all__ = ["LabelAsView"]


class LabelAsView(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Classifier made of a multimodal model, which gets the labels as one more view.

    The model learns data and labels together, from rows with a label and without, and predicts
    what it imputes for the absent label. Choose it where few of many rows have a label, or where
    views may be absent from the rows to be classified.

    Parameters
    ----------
    estimator : estimator
        A model with `impute`, such as `MultimodalRBM` or `MultimodalAutoencoder`; it is cloned.
        Its settings per view may name the label view, such as
        `visible={"view0": "bernoulli", "label": "categorical"}`.
    label_name : str, default="label"
        Name of the label view. One matrix is the view "view0".

    Attributes
    ----------
    estimator_ : estimator
        Fitted on the views of X followed by the label view, one column per class.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted; the columns of the label view.
    n_features_in_ : int
        Number of features, of all views together, without the label view.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in, without the label view.

    See Also
    --------
    FineTunedClassifier : A linear head on an encoder, trained on labelled rows.
    skrep.MultimodalRBM : Its p(label | views) is exact.

    Notes
    -----
    Labels are one-hot rows; -1 marks a row without one, whose label view is absent. The
    probabilities are the imputed label view, negative entries set to 0, divided by its sum. From
    a model that imputes the exact conditional mean, as `MultimodalRBM` does with a categorical
    label view, that is p(label | views).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import MultimodalRBM
    >>> from skrep.compose import LabelAsView
    >>> X, y = load_digits(return_X_y=True)
    >>> y[1000:] = -1  # no label there
    >>> units = {"view0": "bernoulli", "label": "categorical"}
    >>> model = LabelAsView(MultimodalRBM(32, visible=units, max_epochs=2, random_state=0))
    >>> model.fit(X / 16, y).predict_proba(X / 16).shape
    (1797, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "label_name": [str],
    }

    def __init__(self, estimator: Any, *, label_name: str = "label") -> None:
        self.estimator = estimator
        self.label_name = label_name

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> "LabelAsView":
        """Fit a clone of the estimator on the views of X and the label view.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            Rows with a label and without, in any container that `estimator` takes.
        y : array-like of shape (n_samples,)
            Labels; rows without one hold -1.

        Returns
        -------
        self : estimator

        Raises
        ------
        TypeError
            If `estimator` does not impute views.
        ValueError
            If `X` or `y` is not legal, no row is labelled, or a view has the name of the label
            view.
        """
        tags = get_tags(self.estimator)
        if not getattr(tags, "imputation", False):
            raise TypeError(
                f"`estimator` must be a model that imputes absent views, such as `MultimodalRBM` "
                f"or `MultimodalAutoencoder`. Got {self.estimator!r}. Other models go before a "
                f"classifier in a `Pipeline`, or into `FineTunedClassifier`."
            )
        accepts = bool(getattr(tags, "absent_views", False))
        checked = check_views(self, X, reset=True, accept_absent=accepts, min_samples=2)
        if self.label_name in checked.names:
            raise ValueError(
                f"`label_name={self.label_name!r}` is the name of a view of X already. Choose "
                f"another."
            )
        y = check_column(y, checked.n_samples, type(self).__name__)
        self.classes_, labelled = read_labels(y)
        label = np.zeros((checked.n_samples, len(self.classes_)), dtype=np.float32)
        rows = np.flatnonzero(labelled)
        label[rows, np.searchsorted(self.classes_, y[labelled])] = 1.0
        self.estimator_ = clone(self.estimator).fit(self._beside(checked, label, labelled))
        return self

    def _beside(self, checked: CheckedViews, label: Any, labelled: np.ndarray) -> Views:
        """Return the views followed by the label view."""
        n, n_views = checked.n_samples, len(checked.names)
        present = np.ones((n, n_views), bool) if checked.present is None else checked.present
        return Views(
            (*checked.arrays, label),
            (*checked.names, self.label_name),
            np.column_stack([present, labelled]),
        )

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to 1.
        """
        check_is_fitted(self)
        checked = check_views(self, X, reset=False, accept_absent=True)
        none = np.zeros(checked.n_samples, dtype=bool)
        label = np.zeros((checked.n_samples, len(self.classes_)), dtype=np.float32)
        filled = self.estimator_.impute(self._beside(checked, label, none))
        found = np.asarray(filled[self.label_name], dtype=np.float64).clip(0.0)
        total = found.sum(axis=1, keepdims=True)
        even = np.full_like(found, 1.0 / found.shape[1])
        return np.divide(found, total, out=even, where=total > 0.0)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Of `classes_`.
        """
        probabilities = self.predict_proba(X)
        labels: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of labelled rows that are predicted right; higher is better.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.
        y : array-like of shape (n_samples,)
            Labels; rows with -1 do not count, unless it is one of `classes_`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            In [0, 1].

        Raises
        ------
        ValueError
            If no row is labelled.
        """
        predicted = self.predict(X)
        y = check_column(y, len(predicted), type(self).__name__)
        known = ~is_minus_one(y) | is_minus_one(self.classes_).any()
        if not known.any():
            raise ValueError(
                f"None of the {len(y)} rows of y is labelled, so there is no score. Score rows "
                f"with labels."
            )
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        true = y[known].astype(predicted.dtype) if y.dtype.kind == "O" else y[known]
        return float(accuracy_score(true, predicted[known], sample_weight=weights))

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare what the estimator inside declares of its input."""
        tags = SkrepTags.extend(super().__sklearn_tags__())
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.multi_view = True
        tags.absent_views = bool(getattr(inner, "absent_views", False))
        return tags
