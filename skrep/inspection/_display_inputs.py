"""What the displays ask of the estimators and the arguments that they are given."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrep._views_arrays import dense
from skrep.metrics._inputs import matrix_of
from skrep.views import Views, as_views, is_multiview

__all__ = [
    "before_last",
    "check_count",
    "check_fitted",
    "check_has",
    "check_image_shape",
    "check_indices",
    "check_labels",
    "classes_of",
    "dense_matrix",
    "estimator_name",
    "has_tag",
    "last_step",
    "pick_view",
    "place_of_view",
    "steps_of",
    "view_names",
]


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """Return the fitted steps before the last one, and that: inside Pipelines and searches."""
    before: list[Any] = []
    while True:
        best = getattr(estimator, "best_estimator_", None)
        if best is not None:
            estimator = best
            continue
        if not isinstance(estimator, Pipeline):
            return before, estimator
        steps = [step for _, step in estimator.steps if step is not None]
        steps = [step for step in steps if not isinstance(step, str)]
        if not steps:
            raise TypeError(f"Pass a Pipeline with an estimator in it. Got {estimator!r}.")
        before += steps[:-1]
        estimator = steps[-1]


def last_step(estimator: Any) -> Any:
    """Return the last step of a Pipeline, the best model of a search, anything else as it is."""
    return steps_of(estimator)[1]


def before_last(estimator: Any, X: Any) -> Any:
    """Return what reaches the last step of a Pipeline; `X` itself for anything else."""
    for step in steps_of(estimator)[0]:
        X = step.transform(X)
    return X


def estimator_name(estimator: Any) -> str:
    """Return the name of the class, of the last step for a Pipeline."""
    return type(last_step(estimator)).__name__


def has_tag(estimator: Any, name: str) -> bool:
    """Return whether an estimator, or the last step of a Pipeline, declares a capability."""
    tags = getattr(last_step(estimator), "__sklearn_tags__", None)
    return bool(callable(tags) and getattr(tags(), name, False))


def check_fitted(estimator: Any) -> None:
    """Raise NotFittedError for an estimator, or a last step of a Pipeline, that is not fitted."""
    last = last_step(estimator)
    if isinstance(last, type):
        raise TypeError(f"Pass a fitted estimator, not a class. Got {last!r}.")
    if getattr(last, "fit", None) is not None:
        check_is_fitted(last)


def check_has(estimator: Any, method: str, display: str, others: str = "") -> Any:
    """Return the method of a fitted estimator.

    Parameters
    ----------
    estimator : object
        The estimator, a Pipeline or a search.
    method : str
        Its name.
    display : str
        Name of the display that needs it.
    others : str, default=""
        Which estimators have it, as in "autoencoders, VAEs and PCA".

    Raises
    ------
    TypeError
        If there is none.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    """
    check_fitted(estimator)
    found = getattr(estimator, method, None)
    if not callable(found):
        hint = f" These have: {others}." if others else ""
        lacking = estimator_name(estimator)
        if callable(getattr(last_step(estimator), method, None)):
            lacking = f"the {type(estimator).__name__} around {lacking}"
        raise TypeError(f"{display} needs the method `{method}`, which {lacking} lacks.{hint}")
    return found


def dense_matrix(X: Any) -> np.ndarray:
    """Return one array, DataFrame, CSR matrix or tensor, or several, as a dense float64 matrix."""
    found = matrix_of(X)
    if found.ndim != 2:
        raise ValueError(f"X must be two-dimensional. Got an array of shape {found.shape}.")
    return found


def view_names(estimator: Any, X: Any = None) -> tuple[str, ...] | None:
    """Return the names of the views, None where there is one array."""
    names = getattr(last_step(estimator), "view_names_in_", None)
    if names is not None:
        return tuple(map(str, names))
    return as_views(X).names if X is not None and is_multiview(X) else None


def place_of_view(names: Sequence[str], view: Any) -> int:
    """Return the place of a view that is given by name or position.

    Raises
    ------
    ValueError
        If there is no such view.
    """
    if isinstance(view, str) and view in names:
        return list(names).index(view)
    whole = isinstance(view, (int, np.integer)) and not isinstance(view, bool)
    if whole and -len(names) <= view < len(names):
        return int(view) % len(names)
    raise ValueError(
        f"`view` is one of {', '.join(map(repr, names))}, or a position below {len(names)}. "
        f"Got {view!r}."
    )


def pick_view(
    X: Any, view: Any, display: str, names: Sequence[str] | None = None
) -> tuple[np.ndarray, str | None]:
    """Return one matrix of what may be one array or several views, and the name of the view.

    Parameters
    ----------
    X : array-like, or several views
        Data, or what `inverse_transform` returned.
    view : str, int or None
        Which of several; None takes the first.
    display : str
        Name of the display, for messages.
    names : sequence of str or None
        Names for the arrays of a tuple.

    Raises
    ------
    ValueError
        If there is no such view, or `view` is given where there is one array.
    """
    if not is_multiview(X):
        if view is not None:
            raise ValueError(
                f"`view` chooses among several views, and {display} got one array. Got "
                f"`view={view!r}`; leave it None."
            )
        return dense_matrix(X), None
    views: Views = as_views(X, names=names)
    place = 0 if view is None else place_of_view(views.names, view)
    matrix = np.array(dense(views.arrays[place]), dtype=np.float64)
    # Absent rows of integer and sparse views hold zeros.
    matrix[~views.present[:, place]] = np.nan
    return matrix, views.names[place]


def check_image_shape(image_shape: Any, width: int) -> tuple[int, ...] | None:
    """Return the shape of an image as a tuple, None as it is.

    Raises
    ------
    ValueError
        If it is not two or three positive integers, or their product is not `width`.
    """
    if image_shape is None:
        return None
    sizes = tuple(image_shape) if np.iterable(image_shape) else ()
    whole = all(isinstance(n, (int, np.integer)) and n > 0 for n in sizes)
    if not whole or len(sizes) not in (2, 3) or (len(sizes) == 3 and sizes[2] not in (1, 3, 4)):
        raise ValueError(
            f"`image_shape` is (height, width), or (height, width, 3) for colour. Got "
            f"{image_shape!r}."
        )
    if math.prod(sizes) != width:
        raise ValueError(
            f"An image of shape {image_shape!r} has {math.prod(sizes)} pixels, but there are "
            f"{width} features. Pass a shape whose product is {width}."
        )
    return tuple(int(n) for n in (sizes[:2] if sizes[2:] == (1,) else sizes))


def check_indices(indices: Any, n: int, argument: str, what: str) -> list[int]:
    """Return one index or several as a list of non-negative integers.

    Parameters
    ----------
    indices : int or sequence of int
        As the caller gave it.
    n : int
        How many there are.
    argument : str
        Its name.
    what : str
        What is counted, in the plural.

    Raises
    ------
    ValueError
        If one is out of range or no integer.
    """
    found = list(indices) if np.iterable(indices) else [indices]
    for index in found:
        good = isinstance(index, (int, np.integer)) and not isinstance(index, (bool, np.bool_))
        if not good or not -n <= index < n:
            raise ValueError(
                f"`{argument}` holds positions of {what}, of which there are {n}: integers from "
                f"{-n} to {n - 1}. Got {index!r}."
            )
    if not found:
        raise ValueError(f"`{argument}` must name at least one of the {n} {what}. Got {indices!r}.")
    return [int(index) % n for index in found]


def check_count(
    value: Any, argument: str, *, most: int | None = None, optional: bool = False
) -> None:
    """Raise a ValueError unless a value is an integer from 1 to `most`, or None if `optional`."""
    if optional and value is None:
        return
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and value >= 1 and (most is None or value <= most)):
        wanted = "a positive integer" if most is None else f"an integer from 1 to {most}"
        raise ValueError(f"`{argument}` must be {wanted}{' or None' * optional}. Got {value!r}.")


def check_labels(y: Any, n_samples: int) -> np.ndarray | None:
    """Return labels as an array (n_samples,), None as it is.

    Numbers stay numbers, NaN where one is missing; all else becomes strings, None where one is
    missing.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.dtype.kind == "U" and isinstance(y, (list, tuple)):
        # Where it makes strings of a list numpy makes "nan" of NaN.
        labels = np.asarray(y, dtype=object)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != n_samples:
        raise ValueError(
            f"`y` must hold one label for each of the {n_samples} samples of X. Got an array of "
            f"shape {labels.shape}."
        )
    if labels.dtype.kind in "biufUS":
        return labels
    known = ~pd.isna(labels)
    numbers = [isinstance(label, Real) and not isinstance(label, bool) for label in labels[known]]
    found: np.ndarray = np.full(n_samples, np.nan if all(numbers) else None)
    found[known] = labels[known] if all(numbers) else labels[known].astype(str)
    return found


def classes_of(y: np.ndarray) -> list[Any]:
    """Return the different labels among those that are known, in order."""
    known = y[~pd.isna(y)]
    found: list[Any] = np.unique(known.astype(str) if y.dtype.kind == "O" else known).tolist()
    # Whole numbers that came as floats, such as beside NaN.
    if y.dtype.kind == "f" and all(float(value).is_integer() for value in found):
        return [int(value) for value in found]
    return found
