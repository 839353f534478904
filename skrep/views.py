"""Several arrays on the same samples, which scikit-learn can index by sample."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from skrep._views_arrays import (
    all_names,
    as_view,
    common_dtype,
    common_rows,
    dense,
    dtype_of,
    is_matrix,
    is_nested,
    listed,
    presence,
    row_key,
    take_rows,
    values_and_names,
    width_of,
)
from skrep._views_arrays import refuse_mis_split as refuse_mis_split
from skrep._views_frames import (
    align_tables,
    column_labels,
    flat_names,
    frame_of,
    html_table,
    join_frames,
    shared_index,
    split_frame,
    text_table,
)
from skrep.exceptions import MissingViewError

__all__ = ["Views", "as_views", "is_multiview", "refuse_mis_split"]


class Views:
    """Several arrays, one per view, that describe the same samples.

    It behaves like a DataFrame whose columns are whole arrays: its length is the number of
    samples, what is picked by name or position is a view, and a slice, a mask or integers pick
    samples. scikit-learn's model selection therefore splits it by sample, where it would split
    a raw tuple of arrays by view.

    Parameters
    ----------
    arrays : sequence or dict of arrays
        One array per view; a dict gives the names too. An array is an ndarray, CSR matrix,
        DataFrame or tensor of shape (n_samples, n_features), raw strings of shape (n_samples,),
        or None for a view that is wholly absent. Nothing dense is copied. Any sparse format
        becomes CSR, a tensor becomes an ndarray, DataFrames stay as they are.
    names : sequence of str, default=None
        One name per view; ``view0``, ``view1``, ... where it is None.
    present : array-like of bool of shape (n_samples, n_views), default=None
        False where a sample lacks a view. It says for CSR and integer arrays what a row that is
        all NaN says in any case; both are respected.

    Attributes
    ----------
    arrays : tuple
        The arrays, in order. A view given as None has shape (n_samples, 0).
    names : tuple of str
        The names, in order.
    widths : tuple of int
        Features per view: 1 for raw strings, 0 for a view given as None.
    n_views, n_samples : int
        Counts of views and samples.
    shape : tuple of int
        (n_samples, features in all views together).
    present : ndarray of bool of shape (n_samples, n_views)
        Which views each sample has; read-only.
    is_complete : bool
        Whether every sample has every view.
    index : pandas.Index or None
        The index that the DataFrames share.
    columns : tuple of (pandas.Index or None)
        The columns of each view that is a DataFrame.
    alignment : pandas.DataFrame or None
        What `align` did: per view its ``rows``, and how many samples were ``matched``,
        ``absent`` and ``dropped``. It is not carried to views picked from these.

    Raises
    ------
    ValueError
        If there is no view, a name occurs twice, numbers of rows or indexes differ, or an array
        does not have two dimensions.

    See Also
    --------
    skrep.compose.SplitViews : Make views of one matrix inside a Pipeline.

    Notes
    -----
    Objects are immutable: a dense array that is handed out is a read-only window on the
    caller's array, which itself stays writable. Two `Views` are equal only if they are the same
    object.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.views import Views
    >>> views = Views({"image": np.ones((6, 4)), "text": np.zeros((6, 3))})
    >>> len(views), views.shape, views[:2]["text"].shape
    (6, (6, 7), (2, 3))
    >>> image, text = views
    >>> np.asarray(views).shape
    (6, 7)
    """

    __slots__ = ("__weakref__", "_alignment", "_arrays", "_index", "_names", "_present")

    _arrays: tuple[Any, ...]
    _names: tuple[str, ...]
    _present: Any
    _index: Any
    _alignment: Any

    def __init__(self, arrays: Any, names: Any = None, present: Any = None) -> None:
        index = None
        if isinstance(arrays, Views):
            index = arrays.index
            present = arrays.present if present is None else arrays.present & present
            names = arrays.names if names is None else names
            arrays = arrays.arrays
        values, names = values_and_names(arrays, names)
        index = shared_index(values, names) if index is None else index
        found = [None if v is None else as_view(v, n) for v, n in zip(values, names, strict=True)]
        n_samples = common_rows(found, names)
        filled = tuple(np.empty((n_samples, 0)) if a is None else a for a in found)
        self._set(filled, names, presence(filled, names, present), index)

    def _set(
        self, arrays: Any, names: Any, present: Any, index: Any, alignment: Any = None
    ) -> "Views":
        present.flags.writeable = False
        for slot, value in (
            ("_arrays", arrays),
            ("_names", names),
            ("_present", present),
            ("_index", index),
            ("_alignment", alignment),
        ):
            object.__setattr__(self, slot, value)
        return self

    @classmethod
    def from_frame(cls, df: pd.DataFrame) -> "Views":
        """Make views of a DataFrame with two column levels, (view, feature).

        Parameters
        ----------
        df : pandas.DataFrame of shape (n_samples, n_features)
            The columns of one view need not stand together; views come in order of appearance.

        Returns
        -------
        views : Views
            One DataFrame per view, with the index of `df`.

        Raises
        ------
        TypeError
            If `df` is no DataFrame or does not have two column levels.
        """
        return cls(split_frame(df))

    @classmethod
    def align(
        cls, tables: Any, *, names: Any = None, join: Literal["outer", "inner"] = "outer"
    ) -> "Views":
        """Make views of tables whose indexes differ.

        Parameters
        ----------
        tables : sequence or dict of DataFrame
            One table per view; its index identifies the samples and holds none twice.
        names : sequence of str, default=None
            As for `Views`.
        join : {"outer", "inner"}, default="outer"
            "outer" keeps every sample and fills those missing from a table with absent rows
            (integers become floats); "inner" keeps the samples that all tables have. Samples
            come in order of appearance.

        Returns
        -------
        views : Views
            Its attribute `alignment` holds the counts, which are also logged by the logger
            ``skrep`` at level INFO.

        Raises
        ------
        ValueError
            If an index repeats a sample, or no sample is left.

        Warns
        -----
        UserWarning
            If no sample is in two tables, so that nothing can be learned of both.

        Examples
        --------
        >>> import pandas as pd
        >>> from skrep.views import Views
        >>> rna = pd.DataFrame({"g": [1.0, 2.0]}, index=["p1", "p2"])
        >>> atac = pd.DataFrame({"a": [3.0, 4.0]}, index=["p2", "p3"])
        >>> views = Views.align({"rna": rna, "atac": atac})
        >>> list(views.index), views.alignment["absent"].to_dict()
        (['p1', 'p2', 'p3'], {'rna': 1, 'atac': 1})
        """
        values, view_names = values_and_names(tables, names)
        aligned, counts = align_tables(dict(zip(view_names, values, strict=True)), join)
        views = cls(aligned)
        in_table = np.column_stack([views.index.isin(table.index) for table in values])
        if len(values) > 1 and not (in_table.sum(axis=1) > 1).any():
            warnings.warn(
                "No sample is in two of the tables: their indexes have nothing in common. Look at "
                f"{[str(table.index[0]) for table in values if len(table)]}, the first sample of "
                "each, and make the names the same; rows are samples.",
                UserWarning,
                stacklevel=2,
            )
        return views._set(views.arrays, views.names, views.present & in_table, views.index, counts)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays, in order."""
        return self._arrays

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return self._names

    @property
    def present(self) -> Any:
        """Boolean mask of shape (n_samples, n_views)."""
        return self._present

    @property
    def index(self) -> Any:
        """The pandas index of the samples, or None."""
        return self._index

    @property
    def alignment(self) -> Any:
        """The counts that `align` made, or None."""
        return self._alignment

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns of each view that is a DataFrame, None for the others."""
        return tuple(a.columns if isinstance(a, pd.DataFrame) else None for a in self._arrays)

    @property
    def widths(self) -> tuple[int, ...]:
        """Features per view."""
        return tuple(width_of(array) for array in self._arrays)

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self._arrays)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self._present)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, features in all views together)."""
        return self.n_samples, sum(self.widths)

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the one matrix; object where a view holds strings."""
        return common_dtype(dtype_of(a) for a in self._arrays if width_of(a))

    @property
    def is_complete(self) -> bool:
        """Whether every sample has every view."""
        return bool(self._present.all())

    def column_names(self) -> list[str] | None:
        """Return ``view__column`` for each column, or None where no view has string columns.

        Columns of views without names are called x0, x1, ... within their view.
        """
        if all(column_labels(array) is None for array in self._arrays):
            return None
        return flat_names(self._arrays, self._names)

    def to_frame(self) -> pd.DataFrame:
        """Return one DataFrame with two column levels, (view, feature).

        Returns
        -------
        df : pandas.DataFrame of shape (n_samples, n_features)
            Absent rows are NaN, CSR is made dense, unnamed columns are x0, x1, ... A view given
            as None has no column and does not come back.
        """
        frames = {
            name: frame_of(array, present=mask)
            for array, name, mask in zip(self._arrays, self._names, self._present.T, strict=True)
        }
        return join_frames(frames, self._index, self.n_samples)

    def with_arrays(self, arrays: Any) -> "Views":
        """Return views of other arrays on the same samples, with the same names and index.

        Parameters
        ----------
        arrays : sequence of arrays
            One per view, each with n_samples rows.

        Returns
        -------
        views : Views
            A row is absent where it is absent here or is all NaN in its new array.
        """
        new = Views(tuple(arrays), self._names, self._present)
        index = new.index if self._index is None else self._index
        if new.index is not None and not new.index.equals(index):
            raise ValueError("The new arrays have another index than these views.")
        return new._set(new.arrays, new.names, new.present, index)

    def _with_index(self, index: Any) -> "Views":
        """Take an index over, on views that were just made."""
        return self._set(self._arrays, self._names, self._present, index)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.n_samples

    def __iter__(self) -> Iterator[Any]:
        """Yield the arrays, so that ``image, text = views`` unpacks."""
        return iter(self._arrays)

    def __contains__(self, name: object) -> bool:
        """Tell whether a view has this name."""
        return isinstance(name, str) and name in self._names

    def __reversed__(self) -> Iterator[Any]:
        """Yield the arrays from the last; Python's default would count samples and find none."""
        return iter(self._arrays[::-1])

    def __getitem__(self, key: Any) -> Any:
        """Pick a view (name or position), several (list of names), or samples (anything else)."""
        if isinstance(key, str):
            return self._arrays[self._position(key)]
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if not -self.n_views <= key < self.n_views:
                raise IndexError(
                    f"There is no view {key}: there are {self.n_views}, {listed(self._names)}. "
                    f"Use `views[{key}:{key} + 1]` for one sample."
                )
            return self._arrays[key]
        if isinstance(key, tuple):
            # `views[rows, ...]` is how scikit-learn picks rows.
            if len(key) != 2 or key[1] is not Ellipsis:
                raise TypeError(
                    f"Views are picked by name and samples by row, not both. Got {key!r}. Use "
                    "`views[rows]`, `views['name']`, or one after the other."
                )
            return self._rows(row_key(key[0], self.n_samples))
        if isinstance(key, (list, np.ndarray, pd.Index)) and len(key) and all_names(key):
            return self._pick(list(key))
        return self._rows(row_key(key, self.n_samples))

    def _position(self, name: str) -> int:
        if name not in self._names:
            raise KeyError(f"There is no view {name!r}; there are {listed(self._names)}.")
        return self._names.index(name)

    def _pick(self, names: list[str]) -> "Views":
        picked = [self._position(name) for name in names]
        if len(set(picked)) < len(picked):
            raise ValueError(f"A view may be picked only once. Got {names!r}.")
        return Views.__new__(type(self))._set(
            tuple(self._arrays[i] for i in picked),
            tuple(str(name) for name in names),
            self._present[:, picked],
            self._index,
        )

    def _rows(self, rows: Any) -> "Views":
        taken = tuple(take_rows(array, rows) for array in self._arrays)
        for array in taken:
            if isinstance(array, np.ndarray):  # a copy could be written to otherwise
                array.flags.writeable = False
        return Views.__new__(type(self))._set(
            taken,
            self._names,
            self._present[rows],
            None if self._index is None else self._index[rows],
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the views side by side as one dense matrix.

        Raises
        ------
        MissingViewError
            If a sample lacks a view.
        """
        if not self.is_complete:
            raise MissingViewError(
                f"One matrix needs every view of every sample; {self._absences()}. Use a model "
                "that takes incomplete data, put `ConcatViews(absent='nan')` before an imputer, "
                "or drop those samples with `views[views.present.all(axis=1)]`."
            )
        target = self.dtype if dtype is None else np.dtype(dtype)
        only = self._arrays[0]
        if self.n_views == 1 and isinstance(only, np.ndarray) and only.dtype == target:
            return np.array(dense(only)) if copy else dense(only)
        if copy is False:
            raise ValueError("Views cannot be joined into one matrix without a copy.")
        return np.hstack([dense(array, target) for array in self._arrays])

    def _absences(self) -> str:
        absent = (~self._present).sum(axis=0)
        return ", ".join(
            f"{name!r} is absent for {count} of {self.n_samples}"
            for name, count in zip(self._names, absent, strict=True)
            if count
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: views are immutable."""
        raise AttributeError(
            f"Views are immutable, so {name!r} cannot be set. Make a new `Views` instead."
        )

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: views are immutable."""
        raise AttributeError(f"Views are immutable, so {name!r} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by parts; what `present` says is kept, not found anew."""
        state = (self._arrays, self._names, self._present, self._index, self._alignment)
        return _restore, (type(self), *state)

    def __repr__(self) -> str:
        """Show names, shapes, dtypes and the share of samples that have each view."""
        return text_table(self._arrays, self._names, self._present)

    def _repr_html_(self) -> str:
        return html_table(self._arrays, self._names, self._present)


def _restore(cls: Any, arrays: Any, names: Any, present: Any, index: Any, counts: Any) -> Views:
    arrays = tuple(as_view(array, name) for array, name in zip(arrays, names, strict=True))
    restored: Views = cls.__new__(cls)._set(arrays, names, np.array(present), index, counts)
    return restored


def is_multiview(X: Any) -> bool:
    """Tell whether `X` is one of the kinds that stand for several views.

    Parameters
    ----------
    X : object
        Anything that was passed as data.

    Returns
    -------
    answer : bool
        True for `Views`, a dict, a DataFrame with two column levels, and a tuple of at least two
        arrays of which one is two-dimensional. A tuple of rows is an ordinary array-like.
    """
    if isinstance(X, (Views, Mapping)):
        return True
    if isinstance(X, pd.DataFrame):
        return bool(X.columns.nlevels == 2)
    return isinstance(X, tuple) and len(X) > 1 and any(is_matrix(v) or is_nested(v) for v in X)


def as_views(X: Any, *, name: str = "X", names: Any = None) -> Views:
    """Return `X` as `Views`.

    Parameters
    ----------
    X : Views, tuple of at least 2 arrays, dict or DataFrame with two column levels
        In a tuple or a dict, None stands for a view that is wholly absent.
    name : str, default="X"
        What the error message calls `X`.
    names : sequence of str, default=None
        Names for the arrays of a tuple of that length, which has none of its own.

    Returns
    -------
    views : Views
        `X` itself if it is `Views` already.

    Raises
    ------
    TypeError
        If `X` is anything else.
    ValueError
        If `X` looks like a tuple of views that was split by view, or its views do not fit.
    """
    if isinstance(X, Views):
        return X
    refuse_mis_split(X)
    if not is_multiview(X):
        got = f"{type(X).__name__} of shape {X.shape}" if is_matrix(X) else type(X).__name__
        raise TypeError(
            f"`{name}` must be `Views`, a tuple of at least 2 arrays, a dict of arrays or a "
            f"DataFrame with two column levels. Got {got}. Use `SplitViews` to make views of one "
            "matrix."
        )
    if isinstance(X, pd.DataFrame):
        return Views.from_frame(X)
    fits = isinstance(X, tuple) and names is not None and len(names) == len(X)
    return Views(X, names if fits else None)
