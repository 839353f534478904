"""ConcatViews: the views side by side as one matrix."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skrep._views_frames import frame_of
from skrep.compose._base import ViewsTransformer, join_with_nan, split_matrix
from skrep.utils.sklearn_private import StrOptions, fit_context
from skrep.views import Views

__all__ = ["ConcatViews"]


class ConcatViews(ViewsTransformer):
    """Put the views side by side as one matrix.

    Estimators that take a matrix read `Views` as one in any case; this step is for CSR views,
    which it keeps sparse, for column names, and for the way back.

    Parameters
    ----------
    absent : {"raise", "nan"}, default="raise"
        What to do about samples that lack a view: refuse, or fill with NaN for a next step that
        takes it. "nan" makes CSR dense when a view is absent.

    Attributes
    ----------
    view_names_in_ : tuple of str
        Names of the views seen at `fit`.
    n_features_in_ : int
        Features in all views together.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        ``view__column``, where the views have string columns.

    See Also
    --------
    SplitViews : The way from a matrix to views.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.compose import ConcatViews
    >>> concat = ConcatViews()
    >>> Z = concat.fit_transform({"image": np.ones((6, 4)), "text": np.zeros((6, 3))})
    >>> Z.shape, concat.inverse_transform(Z).names
    ((6, 7), ('image', 'text'))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "absent": [StrOptions({"raise", "nan"})],
    }

    def __init__(self, *, absent: str = "raise") -> None:
        self.absent = absent

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "ConcatViews":
        """Record names and widths of the views.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data.
        y : None
            Ignored.

        Returns
        -------
        self : ConcatViews
            The fitted transformer.
        """
        self._record(X)
        return self

    def transform(self, X: Any) -> Any:
        """Return the views side by side.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or array of shape (n_samples, n_features)
            The data, with the views seen at `fit`.

        Returns
        -------
        Z : ndarray or CSR of shape (n_samples, n_features_in_)
            CSR if all views are. With ``set_output(transform="pandas")`` a DataFrame.

        Raises
        ------
        MissingViewError
            If a sample lacks a view and ``absent="raise"``.
        """
        views = self._match(X)
        if views.is_complete:
            if all(sparse.issparse(array) for array in views.arrays):
                return sparse.hstack(views.arrays, format="csr")
            matrix = np.asarray(views)
        elif self.absent == "raise":
            matrix = np.asarray(views)  # raises, naming the views
        else:
            matrix = join_with_nan(views, self._widths)
        if self._gives_frames():
            return frame_of(matrix, columns=self.get_feature_names_out(), index=views.index)
        return matrix

    def inverse_transform(self, X: Any) -> Views:
        """Cut the matrix into views again.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features_in_)
            The matrix. A block that is all NaN in a row is an absent view.

        Returns
        -------
        views : Views
            With names and widths of `fit`; of DataFrames where X is one or pandas output is set.

        Raises
        ------
        ValueError
            If X has another number of columns than the views seen at `fit`.
        """
        check_is_fitted(self)
        if self._gives_frames() and not sparse.issparse(X) and not isinstance(X, pd.DataFrame):
            X = pd.DataFrame(X)
        return split_matrix(X, self._widths, self.view_names_in_, self._labels_in())

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns that come out.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of all columns that go in, where they are not known from `fit`.

        Returns
        -------
        names : ndarray of str of shape (n_features_in_,)
            ``view__column``; unnamed columns are x0, x1, ...
        """
        return self._names_in(input_features)
