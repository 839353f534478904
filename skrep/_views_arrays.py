"""What `Views` asks of its arguments and of one array at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

__all__ = [
    "all_names",
    "as_view",
    "common_dtype",
    "common_rows",
    "dense",
    "dtype_of",
    "is_matrix",
    "is_nested",
    "is_text",
    "listed",
    "presence",
    "present_rows",
    "refuse_mis_split",
    "row_key",
    "take_rows",
    "values_and_names",
    "width_of",
    "without_torch",
]


def as_view(value: Any, name: str) -> Any:
    """Return `value` as a read-only ndarray, a CSR matrix or an unchanged DataFrame."""
    if sparse.issparse(value):
        _check_ndim(value.ndim, value.shape, name)
        return value.tocsr()
    if isinstance(value, pd.DataFrame):
        if value.columns.nlevels > 1:
            raise ValueError(
                f"View {name!r} is a DataFrame with {value.columns.nlevels} column levels; a view "
                "takes one level. Use `Views.from_frame(df)` for columns of (view, feature)."
            )
        return value
    array = _as_ndarray(value, name)
    if not (array.ndim == 1 and is_text(array)):
        _check_ndim(array.ndim, array.shape, name)
    # A view of the buffer: the caller's own array keeps its flags and stays writable.
    array = array.view()
    array.flags.writeable = False
    return array


def _as_ndarray(value: Any, name: str) -> Any:
    if isinstance(value, np.memmap):
        return value  # np.asarray would hide that the rows lie on disk
    value = without_torch(value)
    if isinstance(value, pd.Series):
        return value.to_numpy(dtype=object)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"View {name!r} is no array: {error}. Pass rows of equal length, shape "
            "(n_samples, n_features)."
        ) from error
    if isinstance(value, (list, tuple)) and array.dtype.kind == "U":
        return array.astype(object)
    return array


def without_torch(value: Any) -> Any:
    """Return a torch tensor as an ndarray, a copy only where it has to be; all else as it is."""
    # By name: whoever holds a tensor has loaded torch, and nobody else should pay for it.
    if type(value).__module__.partition(".")[0] != "torch":
        return value
    value = value.detach().cpu()
    return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()


def _check_ndim(ndim: int, shape: tuple[int, ...], name: str) -> None:
    if ndim == 2:
        return
    if ndim == 1:
        hint = "Use `X.reshape(-1, 1)` if it is one feature. Only raw strings may be 1-D."
    else:
        hint = "Images are rows: use `X.reshape(len(X), -1)`."
    raise ValueError(
        f"View {name!r} has {ndim} dimension(s), shape {shape}; a view has 2, "
        f"(n_samples, n_features). {hint}"
    )


def is_text(array: Any) -> bool:
    """Tell whether an ndarray holds strings (missing entries apart)."""
    if array.dtype.kind in "US":
        return True
    kinds = ("string", "bytes", "empty")
    return array.dtype.kind == "O" and pd.api.types.infer_dtype(array.ravel(), skipna=True) in kinds


def width_of(array: Any) -> int:
    """Return the number of features; raw strings count as one."""
    return 1 if array.ndim == 1 else int(array.shape[1])


def present_rows(array: Any) -> Any:
    """Return the mask (n_samples,) of rows that are not wholly NaN.

    A view without columns says nothing about any sample, so all its rows are absent.
    """
    n_samples = array.shape[0]
    if width_of(array) == 0:
        return np.zeros(n_samples, dtype=bool)
    if sparse.issparse(array):
        return _present_in_csr(array)
    if not isinstance(array, pd.DataFrame) and array.dtype.kind not in "fcOmM":
        return np.ones(n_samples, dtype=bool)
    if array.ndim == 1:
        return ~pd.isna(array)
    # Only rows whose first entry is NaN can be absent: one column is read, not the whole view.
    is_frame = isinstance(array, pd.DataFrame)
    absent = np.asarray(pd.isna(array.iloc[:, 0] if is_frame else array[:, 0])).copy()
    rows = np.flatnonzero(absent)
    if rows.size:
        absent[rows] = np.asarray(pd.isna(take_rows(array, rows))).all(axis=1)
    return ~absent


def _present_in_csr(array: Any) -> Any:
    present = np.ones(array.shape[0], dtype=bool)
    if array.dtype.kind not in "fc" or not np.isnan(array.data).any():
        return present
    full = np.flatnonzero(np.diff(array.indptr) == array.shape[1])
    present[full] = ~np.isnan(array[full].toarray()).all(axis=1)
    return present


def take_rows(array: Any, rows: Any) -> Any:
    """Pick rows by a slice or an integer array."""
    return array.iloc[rows] if isinstance(array, pd.DataFrame) else array[rows]


def dtype_of(array: Any) -> np.dtype[Any]:
    """Return the dtype that `dense` gives."""
    if not isinstance(array, pd.DataFrame):
        dtype = np.dtype(array.dtype)
        return np.dtype(object) if dtype.kind in "USO" else dtype
    found = {
        dtype
        if isinstance(dtype, np.dtype)
        # pandas' nullable numbers hold pd.NA, which only a float can stand for.
        else np.dtype(np.float64 if pd.api.types.is_numeric_dtype(dtype) else object)
        for dtype in array.dtypes
    }
    return common_dtype(found)


def common_dtype(dtypes: Any) -> np.dtype[Any]:
    """Return the dtype that holds all of `dtypes`; object where numbers meet anything else."""
    found = set(dtypes)
    if len(found) > 1 and any(dtype.kind not in "biufc" for dtype in found):
        return np.dtype(object)
    return np.dtype(np.result_type(*found)) if found else np.dtype(np.float64)


def dense(array: Any, dtype: Any = None) -> Any:
    """Return a 2-D ndarray of one view."""
    if sparse.issparse(array):
        out = array.toarray()
    elif isinstance(array, pd.DataFrame):
        target = dtype_of(array)
        # pandas 2 refuses a NaN for integers, also where nothing is missing.
        missing = {"na_value": np.nan} if target.kind in "fcO" else {}
        out = array.to_numpy(dtype=target, **missing)
    else:
        out = array[:, None] if array.ndim == 1 else array
    return out if dtype is None else out.astype(dtype, copy=False)


def listed(names: Any) -> str:
    """Return the names, quoted, for a message."""
    return ", ".join(repr(name) for name in names)


def all_names(key: Any) -> bool:
    """Tell whether all entries are strings."""
    return all(isinstance(item, str) for item in key)


def values_and_names(arrays: Any, names: Any) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Return the arrays and their names, which are checked; the arrays are not."""
    if isinstance(arrays, Mapping):
        if names is not None:
            raise TypeError("A dict of arrays has its own names, so `names` must be None.")
        arrays, names = tuple(arrays.values()), tuple(arrays)
    elif not isinstance(arrays, (list, tuple)):
        raise TypeError(
            f"`arrays` must be a tuple or a dict of arrays. Got {type(arrays).__name__}. Use "
            "`Views((X,))` for one view, `Views.from_frame(df)` for a frame with two column levels."
        )
    if isinstance(names, str):
        raise TypeError(f"`names` must be a sequence with one name per view. Got {names!r}.")
    names = tuple(f"view{i}" for i in range(len(arrays))) if names is None else tuple(names)
    if not arrays:
        raise ValueError("There must be at least one view. Got 0 arrays.")
    if len(names) != len(arrays):
        raise ValueError(
            f"There must be one name per view. Got {len(arrays)} arrays and {len(names)} names: "
            f"{listed(names)}."
        )
    if not all_names(names):
        raise TypeError(f"View names must be strings. Got {listed(names)}.")
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise ValueError(
            f"View names must differ: {listed(twice)} occurs more than once among {listed(names)}."
        )
    return tuple(arrays), tuple(str(name) for name in names)


def common_rows(arrays: list[Any], names: tuple[str, ...]) -> int:
    """Return the number of rows that all arrays have; None has none."""
    rows = {n: a.shape[0] for n, a in zip(names, arrays, strict=True) if a is not None}
    if not rows:
        raise ValueError(
            f"At least one view must be an array, to say how many samples there are. Got None for "
            f"{listed(names)}."
        )
    if len(set(rows.values())) > 1:
        said = ", ".join(f"{name!r} has {count} rows" for name, count in rows.items())
        raise ValueError(
            f"Views must describe the same samples: {said}. Align them, or fill the rows of an "
            "absent view with NaN."
        )
    return int(next(iter(rows.values())))


def presence(arrays: tuple[Any, ...], names: tuple[str, ...], given: Any) -> Any:
    """Return the mask (n_samples, n_views): what the arrays say and what `given` says."""
    present = np.column_stack([present_rows(array) for array in arrays])
    if given is None:
        return present
    mask = np.asarray(given)
    if mask.dtype != np.bool_ or mask.shape != present.shape:
        raise ValueError(
            f"`present` must be a boolean array of shape {present.shape}: one row per sample, one "
            f"column per view ({listed(names)}). Got dtype {mask.dtype} and shape {mask.shape}."
        )
    return present & mask


def row_key(key: Any, n_samples: int) -> Any:
    """Return the rows that `key` means: a slice, or an integer array from a mask or integers."""
    if isinstance(key, slice):
        return key
    rows = np.atleast_1d(np.asarray(key))
    if rows.ndim == 1 and rows.dtype == np.bool_:
        if len(rows) != n_samples:
            raise IndexError(f"The mask has {len(rows)} entries for {n_samples} samples.")
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise TypeError(
            "Views are picked by name or position, samples by a slice, a mask or integers. Got "
            f"{key!r}."
        )
    rows = rows.astype(np.intp)
    if rows.size and not (-n_samples <= rows.min() and rows.max() < n_samples):
        raise IndexError(
            f"Rows must lie in [{-n_samples}, {n_samples}). Got rows from {rows.min()} to "
            f"{rows.max()}."
        )
    return rows


def is_matrix(value: Any) -> bool:
    """Tell whether this is an array, frame or tensor of two or more dimensions."""
    return not isinstance(value, (list, tuple)) and getattr(value, "ndim", 0) >= 2


def is_nested(value: Any) -> bool:
    """Tell whether this is a list of lists: a matrix written out."""
    return isinstance(value, (list, tuple)) and any(isinstance(v, (list, tuple)) for v in value)


def refuse_mis_split(X: Any) -> None:
    """Raise if `X` is what a tuple of views becomes when scikit-learn splits it by view.

    Parameters
    ----------
    X : object
        Anything that was passed as data. A list of rows passes.

    Raises
    ------
    ValueError
        If `X` is a list that holds a two-dimensional array, a tuple that holds such a list, or a
        tuple that holds one two-dimensional array and nothing else.
    """
    if not isinstance(X, (list, tuple)):
        return
    held = list(X) if isinstance(X, list) else [v for v in X if isinstance(v, list)]
    inner = held if isinstance(X, list) else [v for part in held for v in part]
    count = sum(is_matrix(value) for value in inner)
    kind = "list" if isinstance(X, list) else "tuple with a list"
    if isinstance(X, tuple) and len(X) == 1 and is_matrix(X[0]):
        kind, count = "tuple", 1
    if count:
        raise ValueError(
            f"Got a {kind} holding {count} array{'s' * (count > 1)}, which is what a tuple of "
            "views becomes when it is split by view. Pass `Views((a, b))` to model selection, so "
            "that it is split by sample."
        )
