"""What a model of several views can do: codes of each view, imputation, conditional draws."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from skrep._views_arrays import dense
from skrep._views_frames import column_labels
from skrep.engine.seeding import make_generator
from skrep.utils.random import seed_from
from skrep.utils.ridge import RidgeDecoder
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews, view_widths
from skrep.views import Views, as_views, is_multiview

__all__ = ["CoordinatedMixin", "EachViewMixin", "ImputeMixin", "Imputed", "SampleGivenMixin"]


class Imputed(NamedTuple):
    """What `impute(return_std=True)` returns.

    Attributes
    ----------
    values : Views, tuple, dict or DataFrame
        The data, absent views filled in.
    std : Views, tuple, dict or DataFrame
        Predictive standard deviation of every filled-in value; 0 where a value was given.
    """

    values: Any
    std: Any


def only_view(checked: CheckedViews, i: int, rows: np.ndarray) -> CheckedViews:
    """Return some rows as if view `i` were all there is of them."""
    arrays = tuple(
        array[rows] if j == i else np.zeros((len(rows), array.shape[1]), dtype=np.float32)
        for j, array in enumerate(checked.arrays)
    )
    present = np.zeros((len(rows), len(arrays)), dtype=bool)
    present[:, i] = True
    return CheckedViews(arrays, checked.names, present)


class EachViewMixin:
    """`transform_each` of a model with one joint code that takes incomplete samples."""

    def transform_each(self, X: Any) -> Views:
        """Return the code of each view of each sample, inferred from that view alone.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        Views
            One array of shape (n_samples, n_components) per view, under the names of the views;
            rows are NaN where a view is absent. Codes of different views share one space, so they
            can be compared.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        width = self._n_features_out  # type: ignore[attr-defined]
        parts = []
        for i in range(len(checked.names)):
            rows = np.arange(checked.n_samples)
            if checked.present is not None:
                rows = np.flatnonzero(checked.present[:, i])
            if not len(rows):
                parts.append(np.full((checked.n_samples, width), np.nan, dtype=np.float32))
                continue
            alone = only_view(checked, i, rows) if len(checked.names) > 1 else checked
            codes = self._encode(alone)  # type: ignore[attr-defined]
            whole = np.full((checked.n_samples, width), np.nan, dtype=codes.dtype)
            whole[rows] = codes
            parts.append(whole)
        return Views(tuple(parts), checked.names, checked.present)._with_index(checked.index)


class ImputeMixin(ABC):
    """`impute`: absent views from the present ones."""

    @abstractmethod
    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """Return expected views given the present ones, (n_samples, width) each, and their spread.

        What is returned for present views is not looked at. The spread is a standard deviation,
        and may be None unless `with_std`.
        """

    def impute(self, X: Any, return_std: bool = False) -> Any:
        """Fill absent views with their conditional expectation given the present ones.

        Parameters
        ----------
        X : tuple, dict, Views or DataFrame with two column levels
            The views of `fit`. Rows that are all NaN in a view are absent there; None stands for
            a view that is wholly absent.
        return_std : bool, default=False
            Whether to return the predictive standard deviation of what was filled in, too.

        Returns
        -------
        Views, tuple, dict or DataFrame
            In the container, index and columns of `X`; what was present is returned untouched.
            With `return_std` a named tuple (values, std) of two of them.

        Raises
        ------
        ValueError
            If `X` is one array, or does not match what was fitted.
        skrep.exceptions.MissingViewError
            If every view of a sample is absent.
        """
        check_is_fitted(self)
        given = _several(self, X)
        checked = self._check(X)  # type: ignore[attr-defined]
        rows = _incomplete(checked)
        means: list[np.ndarray] = []
        stds: list[np.ndarray] | None = None
        if len(rows):
            means, stds = self._expect(take_rows(checked, rows), bool(return_std))
        filled = _filled(self, given, checked, rows, means)
        if not return_std:
            return _in_container(X, filled)
        return Imputed(
            _in_container(X, filled),
            _in_container(X, _spread(given, checked, filled, rows, stds or [])),
        )

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the behaviour."""
        tags: SkrepTags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.imputation = True
        return tags


class SampleGivenMixin(ABC):
    """`sample_given`: draws of absent views given the present ones."""

    @abstractmethod
    def _draw_given(self, checked: CheckedViews, generator: Any) -> list[np.ndarray]:
        """Return one draw of every view given the present ones, (n_samples, width) each."""

    def sample_given(self, X: Any, n_samples: int = 1, random_state: Any = None) -> list[Any]:
        """Draw absent views given the present ones.

        Parameters
        ----------
        X : tuple, dict, Views or DataFrame with two column levels
            As in `impute`.
        n_samples : int, default=1
            How many draws of each sample.
        random_state : int, RandomState or None, default=None
            An integer makes the draws repeatable; None takes fresh entropy.

        Returns
        -------
        list of n_samples Views
            With the samples, names and index of `X`; what was present is returned untouched.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer, or `X` is one array or does not match what
            was fitted.
        skrep.exceptions.MissingViewError
            If every view of a sample is absent.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
            raise ValueError(f"`n_samples` must be a positive integer. Got {n_samples!r}.")
        given = _several(self, X)
        checked = self._check(X)  # type: ignore[attr-defined]
        rows = _incomplete(checked)
        some = take_rows(checked, rows)
        generator = make_generator(seed_from(random_state))
        return [
            _filled(
                self, given, checked, rows, self._draw_given(some, generator) if len(rows) else []
            )
            for _ in range(int(n_samples))
        ]

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the behaviour."""
        tags: SkrepTags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.conditional = True
        return tags


def take_rows(checked: CheckedViews, rows: np.ndarray) -> CheckedViews:
    """Return some rows of validated views."""
    present = None if checked.present is None else checked.present[rows]
    return CheckedViews(tuple(array[rows] for array in checked.arrays), checked.names, present)


def _several(estimator: Any, X: Any) -> Views:
    """Return `X` as views with the names of `fit`, in the order in which they came."""
    names = getattr(estimator, "view_names_in_", None)
    if names is None or not is_multiview(X):
        raise ValueError(
            f"Absent views can only be filled in where there are several. Got "
            f"{'one array' if not is_multiview(X) else 'several views'}, and "
            f"{type(estimator).__name__} was fitted on "
            f"{'one array' if names is None else 'several views'}. Pass the views as a tuple, a "
            f"dict or `Views`, with None or NaN rows for what is absent."
        )
    return as_views(X, names=tuple(names))


def _incomplete(checked: CheckedViews) -> np.ndarray:
    if checked.present is None:
        return np.empty(0, dtype=int)
    return np.flatnonzero(~checked.present.all(axis=1))


def _places(given: Views, checked: CheckedViews) -> list[int]:
    """Return where each view that came in stands among the fitted ones."""
    names = list(checked.names)
    known = set(given.names) == set(names)
    return [names.index(name) if known else i for i, name in enumerate(given.names)]


def _filled(
    estimator: Any,
    given: Views,
    checked: CheckedViews,
    rows: np.ndarray,
    means: Sequence[np.ndarray],
) -> Views:
    if not len(rows):
        return given
    widths, labels = view_widths(estimator), _labels(estimator, given)
    arrays = []
    for array, place in zip(given.arrays, _places(given, checked), strict=True):
        absent = ~checked.present[rows, place]  # type: ignore[index]
        if not absent.any():
            arrays.append(array)
            continue
        values = means[place][absent]
        if array.shape[1] == widths[place]:
            arrays.append(_with_rows(array, rows[absent], values))
            continue
        # It came as None, so that every row is absent.
        values = values.astype(_precision(given, values), copy=False)
        columns = labels[place]
        arrays.append(values if columns is None else pd.DataFrame(values, given.index, columns))
    filled = Views(tuple(arrays), given.names)
    return filled if filled.index is not None else filled._with_index(given.index)


def _labels(estimator: Any, given: Views) -> list[list[str] | None]:
    """Return the columns of each view in `fit`, None where they had no names or no table came."""
    names = tuple(estimator.view_names_in_)
    known = getattr(estimator, "feature_names_in_", None)
    if known is None or given.index is None:
        return [None] * len(names)
    of_views = np.split(known, np.cumsum(view_widths(estimator))[:-1])
    return [
        [column.removeprefix(f"{name}__") for column in columns]
        for name, columns in zip(names, of_views, strict=True)
    ]


def _precision(given: Views, values: np.ndarray) -> type[np.floating[Any]]:
    """Return float32 where the data or the model are no more precise."""
    return np.float32 if np.float32 in (given.dtype, values.dtype) else np.float64


def _with_rows(array: Any, rows: np.ndarray, values: np.ndarray) -> Any:
    if isinstance(array, pd.DataFrame):
        frame = array.copy()
        floats = {c: np.float64 for c in frame.columns if frame[c].dtype.kind != "f"}
        frame = frame.astype(floats) if floats else frame
        # pandas refuses values that a column would have to round.
        for kind in frame.dtypes.unique():
            places = np.flatnonzero(frame.dtypes == kind)
            frame.iloc[rows, places] = values[:, places].astype(f"f{kind.itemsize}")
        return frame
    out = np.array(dense(array), dtype=np.result_type(array.dtype, np.float32))
    out[rows] = values
    return sp.csr_array(out) if sp.issparse(array) else out


def _spread(
    given: Views,
    checked: CheckedViews,
    filled: Views,
    rows: np.ndarray,
    stds: Sequence[np.ndarray],
) -> Views:
    """Return the standard deviations in the shape of what was filled, 0 where data were given."""
    places = _places(given, checked)
    arrays = []
    for array, place in zip(filled.arrays, places, strict=True):
        out = np.zeros(array.shape, dtype=np.float64)
        if len(rows):
            absent = ~checked.present[rows, place]  # type: ignore[index]
            out[rows[absent]] = stds[place][absent]
        labels = column_labels(array)
        arrays.append(
            out if labels is None else pd.DataFrame(out, index=array.index, columns=labels)
        )
    return Views(tuple(arrays), filled.names)._with_index(filled.index)


def _in_container(X: Any, views: Views) -> Any:
    if isinstance(X, Views):
        return views
    if isinstance(X, pd.DataFrame):
        frame = views.to_frame()
        frame.columns = frame.columns.set_names(X.columns.names)
        return frame[list(X.columns)] if len(X.columns) == frame.shape[1] else frame
    if isinstance(X, tuple):
        return tuple(views.arrays)
    return dict(zip(X, views.arrays, strict=True))


class CoordinatedMixin:
    """One code per view: the names of what comes out, `transform_each`, and a ridge decoder.

    A model without a decoder of its own puts a `RidgeDecoder` from the mean of a sample's codes
    to its views into `decoder_`.
    """

    decoder_: RidgeDecoder

    def transform_each(self, X: Any) -> Views:
        """Return the code of each view of each sample, inferred from that view alone.

        Parameters
        ----------
        X : several views
            As in `transform`.

        Returns
        -------
        Views
            What `transform` returns, also under `set_output`: one array of shape
            (n_samples, n_components) per view, rows NaN where a view is absent.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        parts = np.split(self._encode(checked), len(checked.names), axis=1)  # type: ignore[attr-defined]
        return Views(tuple(parts), checked.names, checked.present)._with_index(checked.index)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the codes side by side: view, two underscores, class, number.

        Parameters
        ----------
        input_features : None, default=None
            Not used.

        Returns
        -------
        ndarray of str of shape (n_views * n_components,)
            Such as `image__cca0`.
        """
        check_is_fitted(self)
        names = self.view_names_in_  # type: ignore[attr-defined]
        prefix = type(self).__name__.lower()
        width = self._n_features_out // len(names)  # type: ignore[attr-defined]
        found = [f"{name}__{prefix}{i}" for name in names for i in range(width)]
        return np.asarray(found, dtype=object)

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        """Decode the mean of the codes that are there; codes side by side."""
        return self._decode_joint(mean_code(codes, len(self.view_names_in_)))  # type: ignore[attr-defined]

    def _decode_joint(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return one array (n_samples, width) per view, from one code per sample."""
        return self.decoder_.predict(codes)


def mean_code(codes: np.ndarray, n_views: int) -> np.ndarray:
    """Return the mean of the codes of each sample that are not NaN, (n_samples, n_components).

    Raises
    ------
    ValueError
        If a sample has no code at all.
    """
    stacked = codes.reshape(len(codes), n_views, -1)
    there = ~np.isnan(stacked).any(axis=2, keepdims=True)
    count = there.sum(axis=1)
    if (count == 0).any():
        row = int(np.flatnonzero(count.ravel() == 0)[0])
        raise ValueError(
            f"All codes of row {row} of Z are NaN. A sample needs the code of at least one view."
        )
    total: np.ndarray = np.where(there, stacked, 0.0).sum(axis=1)
    return (total / count).astype(codes.dtype, copy=False)
