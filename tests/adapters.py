"""Wrappers that let scikit-learn's stock checks, which know one matrix, run on models of views."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skrep import Views

__all__ = ["OnHalves"]

FLOATS = (np.float64, np.float32)


class OnHalves(TransformerMixin, BaseEstimator):
    """Hand the two halves of a matrix's columns to an estimator of two views.

    A matrix of one column makes two views of it and of its square, since views that are the same
    are refused. `transform` gives the codes of both halves side by side.
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _halves(self, X: Any, reset: bool) -> Views:
        X = validate_data(
            self,
            X,
            accept_sparse="csr",
            dtype=FLOATS,
            reset=reset,
            ensure_min_samples=2 if reset else 1,
        )
        X = csr_array(X) if issparse(X) else X
        if X.shape[1] == 1:
            return Views((X, X * X))
        middle = X.shape[1] // 2
        return Views((X[:, :middle], X[:, middle:]))

    def fit(self, X: Any, y: Any = None) -> "OnHalves":
        self.estimator_ = clone(self.estimator).fit(self._halves(X, True))
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        return np.asarray(self.estimator_.transform(self._halves(X, False)))

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        check_is_fitted(self)
        return self.estimator_.get_feature_names_out()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.transformer_tags = inner.transformer_tags
        return tags
