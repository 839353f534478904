"""What the transformers of this package share: reading views, checking names, naming outputs."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skrep._views_arrays import dense
from skrep._views_frames import blank_rows, flat_names, frame_of
from skrep.utils.sklearn_private import get_output_config
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

__all__ = [
    "ViewsTransformer",
    "framed",
    "join_with_nan",
    "scatter_rows",
    "split_matrix",
    "with_nan",
]


class ViewsTransformer(TransformerMixin, BaseEstimator):
    """Base of the transformers that take or give `Views`."""

    feature_names_in_: Any
    n_features_in_: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Switch off scikit-learn's wrapping, which would make one flat DataFrame of `Views`."""
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(self, *, transform: str | None = None) -> Any:
        """Choose the container of what comes out.

        Parameters
        ----------
        transform : {"default", "pandas"}, default=None
            With "pandas" each array that comes out is a DataFrame with the index that went in;
            CSR stays CSR and raw strings stay as they are. None changes nothing.

        Returns
        -------
        self : object
            The transformer itself.

        Raises
        ------
        ValueError
            If `transform` is anything else; views hold no polars frames.
        """
        if transform not in (None, "default", "pandas"):
            raise ValueError(
                f"`transform` must be 'default', 'pandas' or None. Got {transform!r} instead."
            )
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def _gives_frames(self) -> bool:
        return get_output_config(self) == "pandas"

    def _record(self, X: Any) -> Views:
        """Read what `fit` got and record names and widths."""
        views = self._read(X, reset=True)
        self.view_names_in_ = views.names
        self._widths = views.widths
        self._columns = views.columns
        if is_multiview(X):
            self.n_features_in_ = views.shape[1]
            self._flat_names_in = flat_names(views.arrays, views.names)
            if "feature_names_in_" in vars(self):
                del self.feature_names_in_
            if views.column_names() is not None:
                self.feature_names_in_ = np.asarray(self._flat_names_in, dtype=object)
        else:
            self._flat_names_in = self._plain_names()
        return views

    def _plain_names(self) -> list[str]:
        """Return the column names of one matrix that `_read` has recorded."""
        unnamed = [f"x{j}" for j in range(self.n_features_in_)]
        return list(getattr(self, "feature_names_in_", unnamed))

    def _match(self, X: Any) -> Views:
        """Read what `transform` got, in the order of `fit`, and check it against `fit`."""
        check_is_fitted(self)
        names = self.view_names_in_
        views = self._read(X, names=names)
        if set(views.names) != set(names):
            raise ValueError(
                f"{type(self).__name__} was fitted on the views {list(names)} and got "
                f"{list(views.names)}. Name the views as in `fit`, with None for an absent one."
            )
        if views.names != names:
            views = views[list(names)]
        for i, name in enumerate(names):
            self._check_width(name, views.widths[i], self._widths[i])
            self._check_columns(name, views.columns[i], self._columns[i])
        return views

    def _check_width(self, name: str, got: int, fitted: int) -> None:
        if got not in (fitted, 0):
            raise ValueError(
                f"X has {got} features, but {type(self).__name__} is expecting {fitted} features "
                f"as input (view {name!r})."
            )

    def _check_columns(self, name: str, got: Any, fitted: Any) -> None:
        # A view that is wholly absent has no columns to compare.
        if got is not None and fitted is not None and not got.equals(fitted):
            wrong = [column for column in got if column not in fitted]
            what = f"{wrong[:5]} were not seen at fit" if wrong else "they are in another order"
            raise ValueError(
                "The feature names should match those that were passed during fit. The columns "
                f"of view {name!r} do not: {what}."
            )

    def _read(self, X: Any, *, names: Any = None, reset: bool = False) -> Views:
        refuse_mis_split(X)
        if is_multiview(X):
            return as_views(X, names=names)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=None,
                ensure_all_finite="allow-nan",
            )
        return Views((X,), names if names is not None and len(names) == 1 else None)

    def _labels_in(self) -> list[Any]:
        """Return the columns of each view, x0, x1, ... where it has none."""
        return [
            pd.Index([f"x{j}" for j in range(width)]) if columns is None else columns
            for width, columns in zip(self._widths, self._columns, strict=True)
        ]

    def _names_in(self, input_features: Any = None) -> Any:
        """Return the flat names of what goes in, checked against what `fit` saw."""
        check_is_fitted(self)
        known = getattr(self, "feature_names_in_", None)
        if input_features is None:
            return np.asarray(self._flat_names_in, dtype=object)
        given = np.asarray(input_features, dtype=object)
        if known is not None and not np.array_equal(known, given):
            raise ValueError("input_features is not equal to feature_names_in_.")
        if len(given) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(given)}."
            )
        return given

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


def with_nan(array: Any, present: Any) -> Any:
    """Return a dense array whose absent rows are NaN; integers become floats if there are any."""
    if present.all():
        return array
    if isinstance(array, pd.DataFrame):
        return blank_rows(array, ~present)
    if sparse.issparse(array):
        array = array.toarray()
    out = array.astype(array.dtype if array.dtype.kind in "fcO" else np.float64)
    out[~present] = np.nan
    return out


def join_with_nan(views: Views, widths: Any) -> Any:
    """Return the views side by side as a dense matrix that is NaN where a view is absent.

    `widths` are the widths of `fit`, for views that came as None.
    """
    blocks = []
    for array, mask, width in zip(views.arrays, views.present.T, widths, strict=True):
        if array.ndim == 2 and array.shape[1] == 0:
            # float16 leaves the result type to the views that are there.
            blocks.append(np.full((len(views), width), np.nan, dtype=np.float16))
        else:
            blocks.append(with_nan(dense(array), mask))
    return np.hstack(blocks)


def split_matrix(X: Any, widths: Any, names: Any, columns: Any = None) -> Views:
    """Cut a matrix into views of the given widths; frames and CSR stay what they are.

    Anything else becomes an ndarray.

    `columns` names the columns of each view where X is a frame.
    """
    is_frame = isinstance(X, pd.DataFrame)
    if sparse.issparse(X):
        X = X.tocsr()
    elif not is_frame:
        X = check_array(X, dtype=None, ensure_all_finite="allow-nan")
    ends = np.cumsum(widths)
    if ends[-1] != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, but the views {list(names)} have {list(widths)}, which "
            f"is {ends[-1]} in all."
        )
    parts = []
    for i, (end, width) in enumerate(zip(ends, widths, strict=True)):
        part = X.iloc[:, end - width : end] if is_frame else X[:, end - width : end]
        if is_frame and columns is not None:
            part = part.set_axis(columns[i], axis=1)
        parts.append(part)
    return Views(tuple(parts), names)


def scatter_rows(rows: Any, mask: Any) -> Any:
    """Return `rows` at the places of the mask and absence elsewhere."""
    if mask.all():
        return rows
    n_samples = len(mask)
    if sparse.issparse(rows):
        counts = np.zeros(n_samples + 1, dtype=rows.indptr.dtype)
        counts[1:][mask] = np.diff(rows.indptr)
        shape = (n_samples, rows.shape[1])
        return type(rows)((rows.data, rows.indices, np.cumsum(counts)), shape=shape)
    if isinstance(rows, pd.DataFrame):
        return rows.set_axis(np.flatnonzero(mask), axis=0).reindex(range(n_samples))
    dtype = rows.dtype if rows.dtype.kind in "fcO" else np.float64
    out = np.full((n_samples, rows.shape[1]), np.nan, dtype=dtype)
    out[mask] = rows
    return out


def framed(array: Any, columns: Any, index: Any) -> Any:
    """Return a DataFrame where `array` is one or `columns` are given; CSR and text stay."""
    if isinstance(array, pd.DataFrame):
        array = array if index is None else array.set_axis(index, axis=0)
        return array if columns is None else array.set_axis(columns, axis=1)
    if columns is None or sparse.issparse(array) or array.ndim == 1 or not array.shape[1]:
        return array
    return frame_of(array, columns=columns, index=index)
