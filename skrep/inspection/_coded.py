"""Data and their codes side by side, for what measures a code component by component."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skrep._views_arrays import dense, take_rows
from skrep._views_frames import column_labels
from skrep.inspection._display_inputs import (
    before_last,
    check_fitted,
    estimator_name,
    has_tag,
    last_step,
    view_names,
)
from skrep.metrics._inputs import check_code
from skrep.views import Views, as_views, is_multiview

__all__ = [
    "ONE_VIEW",
    "Codes",
    "block_of",
    "chunks",
    "code_of_each",
    "codes_of",
    "data_of",
    "feature_names",
]

#: What one array is called in a table that has a row or column per view.
ONE_VIEW = "X"
# A block is read many times, so it should not be much larger than the cache.
_BLOCK_ROWS, _BLOCK_VALUES = 2048, 2**20


class Codes(NamedTuple):
    """Codes of samples: one for all views, or one per view.

    Attributes
    ----------
    parts : tuple of ndarray of shape (n_samples, n_components), float64
        One, or one per view, NaN where a view is absent.
    names : tuple of str or None
        Of the views they belong to; None for one code of all.
    as_views : bool
        Whether they came as several arrays, and go back as such.
    averaged : bool
        Whether the decoder takes the mean of the codes that are there.
    """

    parts: tuple[np.ndarray, ...]
    names: tuple[str, ...] | None
    as_views: bool
    averaged: bool

    @property
    def n_components(self) -> int:
        """Components of the largest code."""
        return max(part.shape[1] for part in self.parts)

    def part_of(self, view: str) -> np.ndarray:
        """Return the code that belongs to a view."""
        if self.names is None or view not in self.names:
            return np.hstack(self.parts) if len(self.parts) > 1 else self.parts[0]
        return self.parts[self.names.index(view)]


def data_of(estimator: Any, X: Any) -> Views:
    """Return one array, or several, as views in the order in which they came."""
    if is_multiview(X):
        return as_views(X, names=view_names(estimator))
    return Views({ONE_VIEW: X})


def codes_of(estimator: Any, X: Any) -> Codes:
    """Return what `transform` makes of `X`.

    Raises
    ------
    ValueError
        If a code is no finite matrix.
    """
    Z = estimator.transform(X)
    last = last_step(estimator)
    averaged = has_tag(last, "coordinated")
    if is_multiview(Z):
        views = as_views(Z, name="Z")
        arrays = zip(views.arrays, views.present.T, strict=True)
        parts = tuple(_code(estimator, array, mask) for array, mask in arrays)
        return Codes(parts, views.names, True, averaged)
    if averaged:
        # A DataFrame under `set_output`: the codes of all views side by side.
        names = tuple(map(str, last.view_names_in_))
        split = np.split(np.asarray(Z, dtype=np.float64), len(names), axis=1)
        parts = tuple(
            _code(estimator, part, np.asarray(~np.isnan(part).all(axis=1))) for part in split
        )
        return Codes(parts, names, False, True)
    return Codes((_code(estimator, Z, None),), None, False, False)


def code_of_each(estimator: Any, X: Any) -> Views | None:
    """Return the code of every view by itself, None where a model has none."""
    check_fitted(estimator)
    last = last_step(estimator)
    each = getattr(last, "transform_each", None)
    if each is None:
        transform = getattr(estimator, "transform", None)
        found = None if transform is None else transform(X)
        return as_views(found) if is_multiview(found) else None
    codes: Views = each(before_last(estimator, X))
    return codes


def _code(estimator: Any, array: Any, present: np.ndarray | None) -> np.ndarray:
    code = np.array(dense(array), dtype=np.float64)
    rows = code if present is None else code[present]
    check_code(estimator_name(estimator), code, rows)
    if present is not None:
        code[~present] = np.nan
    return code


def chunks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield positions of rows of a width, as many at a time as are worked on at once."""
    step = min(_BLOCK_ROWS, max(32, _BLOCK_VALUES // max(1, width)))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def block_of(views: Views, view: int, rows: np.ndarray) -> np.ndarray:
    """Return some rows of a view as a dense float64 matrix.

    Raises
    ------
    ValueError
        If a value is no finite number.
    """
    name = views.names[view]
    try:
        block = np.asarray(dense(take_rows(views.arrays[view], rows)), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"View {name!r} must hold numbers: {error}. Pass what the earlier steps of a Pipeline "
            f"make of it, and the steps after them."
        ) from error
    if not np.isfinite(block).all():
        row = int(rows[np.argwhere(~np.isfinite(block))[0, 0]])
        raise ValueError(
            f"Row {row} of view {name!r} holds NaN or infinity beside other values. A view of a "
            f"sample must be finite, or absent (NaN) as a whole."
        )
    return block


def feature_names(estimator: Any, views: Views) -> list[list[str]]:
    """Return the names of the features of each view: of the data, of the fit, or x0, x1, ..."""
    fitted = _names_in_fit(estimator, views)
    found = []
    for name, array, width in zip(views.names, views.arrays, views.widths, strict=True):
        labels = column_labels(array)
        if labels is None and isinstance(array, pd.DataFrame):
            labels = map(str, array.columns)
        known = fitted.get(name, [f"x{j}" for j in range(width)])
        found.append(known if labels is None else list(labels))
    return found


def _names_in_fit(estimator: Any, views: Views) -> dict[str, list[str]]:
    columns = getattr(estimator, "feature_names_in_", None)
    columns = (
        getattr(last_step(estimator), "feature_names_in_", None) if columns is None else columns
    )
    names: Sequence[str] = view_names(estimator) or views.names
    if columns is None or len(columns) != sum(views.widths) or set(names) != set(views.names):
        return {}
    widths = [views.widths[views.names.index(name)] for name in names]
    split = np.split(np.asarray(columns, dtype=object), np.cumsum(widths)[:-1])
    return {
        name: [str(column).removeprefix(f"{name}__") for column in part]
        for name, part in zip(names, split, strict=True)
    }
