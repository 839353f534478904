"""SplitViews: one matrix cut into views."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skrep._views_arrays import is_text
from skrep._views_frames import frame_of
from skrep.compose._base import ViewsTransformer, join_with_nan, split_matrix
from skrep.utils.sklearn_private import fit_context
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

__all__ = ["SplitViews"]


class SplitViews(ViewsTransformer):
    """Cut one matrix into views.

    It lets a multi-view model stand in a `Pipeline` that is fed a matrix or a DataFrame, and
    behind tools that make a matrix of whatever they get, such as `BaggingClassifier` and
    `permutation_importance`.

    Parameters
    ----------
    sections : array-like of int, or dict
        Widths of the views from left to right, which add up to the number of columns; or a dict
        of view names and columns. Columns are a slice, positions, a boolean mask, or names if X
        is a DataFrame. A single name picks one column; if that holds strings, the view is
        the raw strings of shape (n_samples,), as a `TfidfVectorizer` takes them. Every column
        belongs to one view.

    Attributes
    ----------
    columns_ : dict
        Per view name the positions of its columns, an ndarray of int.
    n_features_in_ : int
        Number of columns seen at `fit`.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns, where X was a DataFrame with string columns.

    See Also
    --------
    ConcatViews : The way back, from views to a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.compose import SplitViews
    >>> views = SplitViews([4, 3]).fit_transform(np.ones((6, 7)))
    >>> views.names, views.widths
    (('view0', 'view1'), (4, 3))
    >>> SplitViews({"a": slice(0, 2), "b": [3, 2]}).fit_transform(np.ones((6, 4))).widths
    (2, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"sections": ["array-like", dict]}

    def __init__(self, sections: Any) -> None:
        self.sections = sections

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "SplitViews":
        """Find the columns of each view.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features)
            The matrix; NaN is allowed.
        y : None
            Ignored.

        Returns
        -------
        self : SplitViews
            The fitted transformer.

        Raises
        ------
        ValueError
            If a column belongs to no view or to two, or widths do not add up.
        """
        X = self._matrix(X, reset=True)
        self._flat_names_in = self._plain_names()
        self._labels = X.columns if isinstance(X, pd.DataFrame) else None
        self.columns_ = self._resolve(X.shape[1])
        _check_partition(self.columns_, X.shape[1])
        single = {n for n, c in self._items() if isinstance(c, str)}
        self._text = {n for n in single if _holds_strings(X.iloc[:, self.columns_[n][0]])}
        return self

    def _matrix(self, X: Any, *, reset: bool = False) -> Any:
        refuse_mis_split(X)
        if is_multiview(X):
            X = np.asarray(as_views(X))
        return self._read(X, reset=reset).arrays[0]

    def _items(self) -> list[tuple[str, Any]]:
        return list(self.sections.items()) if isinstance(self.sections, Mapping) else []

    def _resolve(self, n_features: int) -> dict[str, Any]:
        if isinstance(self.sections, Mapping):
            return {name: self._positions(name, c, n_features) for name, c in self._items()}
        widths = np.asarray(self.sections)
        if widths.ndim != 1 or widths.dtype.kind not in "iu" or not widths.size or min(widths) < 1:
            raise ValueError(
                "`sections` must be positive widths such as [240, 216], or a dict of names and "
                f"columns. Got {self.sections!r}."
            )
        if widths.sum() != n_features:
            raise ValueError(
                f"`sections={widths.tolist()}` add up to {widths.sum()} columns, but X has "
                f"{n_features} features. Give widths that add up to {n_features}."
            )
        parts = np.split(np.arange(n_features), np.cumsum(widths)[:-1])
        return {f"view{i}": part for i, part in enumerate(parts)}

    def _positions(self, name: str, columns: Any, n_features: int) -> Any:
        everything = np.arange(n_features)
        if isinstance(columns, slice):
            return everything[columns]
        if isinstance(columns, Integral):
            raise ValueError(
                f"`sections[{name!r}]={columns!r}` could be a width or a position. Use "
                f"`slice(start, stop)`, or [{columns}] for one column."
            )
        asked = [columns] if isinstance(columns, str) else list(columns)
        if asked and all(isinstance(column, str) for column in asked):
            return self._positions_of_names(name, asked)
        try:
            return everything[np.asarray(asked, dtype=None if asked else int)]
        except IndexError as error:
            raise ValueError(
                f"`sections[{name!r}]` must hold positions below {n_features}, a mask of that "
                f"length, a slice or column names. Got {columns!r}."
            ) from error

    def _positions_of_names(self, name: str, asked: list[str]) -> Any:
        if self._labels is None:
            raise ValueError(
                f"`sections[{name!r}]` holds column names, but X is no DataFrame. Pass a "
                "DataFrame, or positions."
            )
        missing = [column for column in asked if column not in self._labels]
        if missing:
            raise ValueError(f"`sections[{name!r}]` names columns that X does not have: {missing}.")
        return np.asarray([self._labels.get_loc(column) for column in asked])

    def transform(self, X: Any) -> Views:
        """Return the views.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features_in_)
            The matrix. A block that is all NaN in a row is an absent view.

        Returns
        -------
        views : Views
            Of the kind that X is; of DataFrames with ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        X = self._matrix(X)
        if self._gives_frames() and not sparse.issparse(X):
            X = frame_of(X, columns=self._names_in())
        return Views({name: self._cut(X, name, c) for name, c in self.columns_.items()})

    def _cut(self, X: Any, name: str, columns: Any) -> Any:
        if isinstance(X, pd.DataFrame):
            return X.iloc[:, columns[0]] if name in self._text else X.iloc[:, columns]
        # A run of columns is cut without a copy.
        run = columns[-1] - columns[0] + 1 == len(columns) and (np.diff(columns) == 1).all()
        return X[:, columns[0] : columns[-1] + 1] if run else X[:, columns]

    def inverse_transform(self, X: Any) -> Any:
        """Put the views back into one matrix, in the order of columns that `fit` saw.

        Parameters
        ----------
        X : Views, tuple, dict, two-level DataFrame or matrix
            The views as `transform` gives them, or the same side by side.

        Returns
        -------
        matrix : ndarray, CSR or DataFrame of shape (n_samples, n_features_in_)
            NaN where a view is absent; CSR if all views are CSR and none is absent; a DataFrame
            with the columns of `fit` under ``set_output(transform="pandas")``.

        Raises
        ------
        ValueError
            If names or widths of the views are not those of `columns_`.
        """
        check_is_fitted(self)
        names = tuple(self.columns_)
        widths = tuple(len(columns) for columns in self.columns_.values())
        refuse_mis_split(X)
        views = as_views(X, names=names) if is_multiview(X) else split_matrix(X, widths, names)
        if set(views.names) == set(names):
            views = views[list(names)]
        got = tuple(w or known for w, known in zip(views.widths, widths, strict=False))
        if views.names != names or got != widths:
            raise ValueError(
                f"X must hold the views {dict(zip(names, widths, strict=True))} (name: width). "
                f"Got {dict(zip(views.names, views.widths, strict=True))}."
            )
        order = np.argsort(np.concatenate(list(self.columns_.values())))
        if views.is_complete and all(sparse.issparse(array) for array in views.arrays):
            return sparse.hstack(views.arrays, format="csr")[:, order]
        matrix = join_with_nan(views, widths)[:, order]
        if self._gives_frames():
            columns = self._names_in() if self._labels is None else self._labels
            return frame_of(matrix, columns=columns, index=views.index)
        return matrix

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns of all views, as one matrix has them.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features_in_,), default=None
            Names of the columns that go in, where they are not known from `fit`.

        Returns
        -------
        names : ndarray of str of shape (n_features_in_,)
            ``view__column``.
        """
        names = self._names_in(input_features)
        flat = [f"{name}__{names[j]}" for name, columns in self.columns_.items() for j in columns]
        return np.asarray(flat, dtype=object)


def _holds_strings(column: Any) -> bool:
    return is_text(column.to_numpy(dtype=object))


def _check_partition(columns: dict[str, Any], n_features: int) -> None:
    for name, picked in columns.items():
        if not len(picked):
            raise ValueError(f"`sections[{name!r}]` picks no column. Name at least one.")
    times = np.bincount(np.concatenate(list(columns.values())), minlength=n_features)
    if (times != 1).any():
        wrong = np.flatnonzero(times != 1)[:5].tolist()
        raise ValueError(
            f"Every column must belong to one view, but those at {wrong} belong to "
            f"{times[wrong].tolist()}. Give each column to one view, or drop it before."
        )
