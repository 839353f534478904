"""From whatever the caller passed to one checked array per view."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skrep._views_arrays import without_torch
from skrep.exceptions import MissingViewError
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

__all__ = ["CheckedViews", "check_views", "view_widths"]

_FLOATS = (np.float32, np.float64)


class CheckedViews(NamedTuple):
    """Views that passed validation.

    Attributes
    ----------
    arrays : tuple of ndarray or CSR of shape (n_samples, width)
        Real and finite. Rows of absent views hold zeros.
    names : tuple of str
        Of the views, in the order of `fit`.
    present : ndarray of shape (n_samples, n_views) or None
        None when nothing is absent.
    index : pandas.Index or None
        Of the table that came in.
    """

    arrays: tuple[Any, ...]
    names: tuple[str, ...]
    present: np.ndarray | None = None
    index: Any = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.arrays[0].shape[0])


def check_views(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    accept_absent: bool = False,
    accept_nan: bool = False,
    min_samples: int = 1,
) -> CheckedViews:
    """Validate `X` for `estimator` and record, or compare, what it is made of.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_`, `feature_names_in_`, `view_names_in_` and `view_widths_in_` when
        `reset` is true; otherwise they are compared.
    X : array-like, sparse matrix, tuple, dict, Views or DataFrame with two column levels
        One array, or several on the same samples.
    reset : bool
        True in `fit`.
    accept_absent : bool, default=False
        Whether a sample may lack whole views.
    accept_nan : bool, default=False
        Whether single values may be NaN; a row that is NaN in a whole view is then no absence.
    min_samples : int, default=1
        Fewest rows that make sense.

    Returns
    -------
    CheckedViews

    Raises
    ------
    ValueError
        If something is not a finite real matrix, or does not match what was fitted.
    MissingViewError
        If a view is absent and may not be.
    """
    refuse_mis_split(X)
    if is_multiview(X):
        views = as_views(X)
        if accept_nan:
            return _check_several(estimator, views, reset, True, min_samples, accept_nan=True)
        return _check_several(estimator, views, reset, accept_absent, min_samples)
    return _check_one(estimator, X, reset, min_samples, accept_nan)


def view_widths(estimator: Any) -> tuple[int, ...]:
    """Return the number of features of each view that `estimator` was fitted on."""
    widths = getattr(estimator, "view_widths_in_", None)
    return (estimator.n_features_in_,) if widths is None else tuple(widths)


def _check_one(
    estimator: Any, X: Any, reset: bool, min_samples: int, accept_nan: bool
) -> CheckedViews:
    fitted_names = None if reset else getattr(estimator, "view_names_in_", None)
    if fitted_names is not None:
        raise ValueError(
            f"X is one array, but {type(estimator).__name__} was fitted on the views "
            f"{', '.join(map(repr, fitted_names))}. Pass a tuple, a dict or `Views`; "
            f"`skrep.compose.SplitViews` makes `Views` of a matrix."
        )
    if not reset and _is_plain(estimator, X):
        return CheckedViews((X,), ("view0",))
    X = without_torch(X)
    if getattr(X, "ndim", 0) > 2:
        raise ValueError(
            f"Found array with dim {X.ndim} (shape {tuple(X.shape)}) while dim <= 2 is required by "
            f"{type(estimator).__name__}: every sample is a row, images too. Pass "
            f"`X.reshape(len(X), -1)`; `skrep.nn.conv_encoder(image_shape)` folds rows back."
        )
    if reset:
        for stale in ("view_names_in_", "view_widths_in_"):
            if stale in vars(estimator):
                delattr(estimator, stale)
    # The sum by which finiteness is found warns where both infinities meet.
    with np.errstate(invalid="ignore"):
        array = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype="numeric",
            order="C",
            ensure_all_finite="allow-nan" if accept_nan else True,
            ensure_min_samples=min_samples,
        )
    return CheckedViews((_as_real(array),), ("view0",), None, getattr(X, "index", None))


def _is_plain(estimator: Any, X: Any) -> bool:
    # Serving one row at a time should cost microseconds: what is obviously right skips the
    # general machinery. A sum is finite only if every entry is (overflow aside, checked below).
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.type in _FLOATS
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and X.flags.c_contiguous
        and "feature_names_in_" not in vars(estimator)
        and _has_finite_sum(X)
    )


def _has_finite_sum(X: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def _as_real(array: Any) -> Any:
    if array.dtype.kind in "biu" or array.dtype.type in _FLOATS:
        return array
    return array.astype(np.float64)


def _check_several(
    estimator: Any,
    views: Views,
    reset: bool,
    accept_absent: bool,
    min_samples: int,
    accept_nan: bool = False,
) -> CheckedViews:
    if not reset:
        views = _in_fitted_order(estimator, views, accept_absent)
    expected = None if reset else view_widths(estimator)
    owner = type(estimator).__name__
    if len(views) < min_samples:
        raise ValueError(
            f"Found views with {len(views)} sample(s) while a minimum of {min_samples} is "
            f"required by {owner}."
        )
    present = np.asarray(views.present, dtype=bool)
    if accept_nan:
        present = np.ones_like(present)
    if not present.all():
        _check_presence(owner, views.names, present, accept_absent, reset)
    arrays = tuple(
        _check_view(
            owner,
            name,
            array,
            present[:, i],
            None if expected is None else expected[i],
            accept_nan,
        )
        for i, (name, array) in enumerate(zip(views.names, views.arrays, strict=True))
    )
    columns = views.column_names()
    if reset:
        _record(estimator, views, arrays, columns)
    else:
        _compare_columns(_known_columns(estimator, views), columns)
        _compare_columns(estimator._view_labels_in_, _other_labels(views))
    return CheckedViews(arrays, views.names, None if present.all() else present, views.index)


def _check_presence(
    owner: str, names: Sequence[str], present: np.ndarray, accept_absent: bool, reset: bool
) -> None:
    if not accept_absent:
        absent = (~present).sum(axis=0)
        worst = int(absent.argmax())
        raise MissingViewError(
            f"{owner} needs every view of every sample; {names[worst]!r} is absent for "
            f"{absent[worst]} of {len(present)}. Drop those samples, for example with "
            f"`views[views.present.all(axis=1)]`, leave that view out, or use a model that takes "
            f"incomplete samples, such as `MultimodalAutoencoder` or `MultimodalRBM`."
        )
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise MissingViewError(
            f"Every view is absent in row {empty[0]} ({len(empty)} such rows). Drop them: a "
            f"sample needs at least one view."
        )
    if reset and not present.any(axis=0).all():
        name = names[int(np.flatnonzero(~present.any(axis=0))[0])]
        raise MissingViewError(
            f"View {name!r} is absent from every sample of `fit`, so nothing can be learned of "
            f"it. Leave it out."
        )


def _check_view(
    owner: str,
    name: str,
    array: Any,
    there: np.ndarray,
    width: int | None,
    accept_nan: bool = False,
) -> Any:
    if accept_nan and (array is None or array.shape[1] == 0):
        return np.full((len(there), width or 0), np.nan)
    if not there.any() and (array is None or array.shape[1] == 0):
        return np.zeros((len(there), width or 0), dtype=np.float32)
    if not sp.issparse(array) and not there.all():
        array = np.array(array, dtype=np.result_type(np.asarray(array).dtype, np.float32))
        array[~there] = 0.0
    try:
        with np.errstate(invalid="ignore"):
            checked = check_array(
                array,
                accept_sparse="csr",
                dtype="numeric",
                order="C",
                ensure_all_finite="allow-nan" if accept_nan else True,
            )
    except (ValueError, TypeError) as error:
        raise ValueError(_say_which(name, array, error)) from error
    if width is not None and checked.shape[1] != width:
        raise ValueError(
            f"X has {checked.shape[1]} features, but {owner} is expecting {width} features as "
            f"input (view {name!r})."
        )
    return _as_real(checked)


def _say_which(name: str, array: Any, error: Exception) -> str:
    text = f"View {name!r}: {error}"
    # pandas' own mark of what is missing is no NaN, and cannot be made a number either.
    if not sp.issparse(array) and any(mark in str(error) for mark in ("NaN", "NAType")):
        rows = np.flatnonzero(np.asarray(pd.isna(array)).any(axis=1))
        if not len(rows):
            return text
        return (
            f"View {name!r} is NaN in part of row {rows[0]}. Only a whole view of a sample may be "
            f"absent (all NaN); fill single values first, for example with "
            f"`PerView(SimpleImputer())`."
        )
    return text


def _in_fitted_order(estimator: Any, views: Views, accept_absent: bool) -> Views:
    names = getattr(estimator, "view_names_in_", None)
    owner = type(estimator).__name__
    if names is None:
        raise ValueError(
            f"X holds the views {', '.join(map(repr, views.names))}, but {owner} was fitted on "
            f"one array. Pass one array, for example `np.asarray(views)`."
        )
    names = tuple(names)
    unnamed = views.names == tuple(f"view{i}" for i in range(views.n_views))
    if views.names == names or (unnamed and views.n_views == len(names)):
        return views if views.names == names else Views(views.arrays, names, views.present)
    missing = [name for name in names if name not in views.names]
    unknown = [name for name in views.names if name not in names]
    if missing or unknown:
        raise ValueError(
            f"{owner} was fitted on the views {', '.join(map(repr, names))}; X "
            + (f"lacks {', '.join(map(repr, missing))}" if missing else "")
            + (" and " if missing and unknown else "")
            + (f"has the unknown {', '.join(map(repr, unknown))}" if unknown else "")
            + (". Pass None for a view that is wholly absent." if accept_absent else ".")
        )
    return views[list(names)]


def _record(
    estimator: Any, views: Views, arrays: Sequence[Any], columns: Sequence[str] | None
) -> None:
    estimator.view_names_in_ = np.asarray(views.names, dtype=object)
    estimator.view_widths_in_ = tuple(int(array.shape[1]) for array in arrays)
    estimator.n_features_in_ = sum(estimator.view_widths_in_)
    estimator._view_labels_in_ = _other_labels(views)
    if columns is not None:
        estimator.feature_names_in_ = np.asarray(columns, dtype=object)
    elif "feature_names_in_" in vars(estimator):
        del estimator.feature_names_in_


def _other_labels(views: Views) -> list[str] | None:
    # Names are strings only, as everywhere in scikit-learn; a table whose columns are numbered or
    # tuples can be out of order all the same.
    if any(columns is None for columns in views.columns) or views.column_names() is not None:
        return None
    return [
        f"{name}__{column}"
        for name, columns in zip(views.names, views.columns, strict=True)
        for column in columns
    ]


def _known_columns(estimator: Any, views: Views) -> list[str] | None:
    """Return the column names of `fit`, less those of views that came as None."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is None:
        return None
    ends = np.cumsum(view_widths(estimator))[:-1]
    of_views = np.split(np.asarray(known), ends)
    return [
        str(column)
        for columns, width in zip(of_views, views.widths, strict=True)
        if width
        for column in columns
    ]


def _compare_columns(known: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    if known is None or columns is None or list(known) == list(columns):
        return
    unseen = [name for name in columns if name not in set(known)]
    lost = [name for name in known if name not in set(columns)]
    detail = "The columns stand in another order"
    if unseen or lost:
        detail = "".join(
            f"{what}: {', '.join(map(repr, names[:5]))}{' …' if len(names) > 5 else ''}. "
            for what, names in (("Unknown", unseen), ("Missing", lost))
            if names
        ).rstrip(". ")
    raise ValueError(
        f"The columns should match those that were passed to `fit`. {detail}. Select and order "
        f"them as they were there."
    )
