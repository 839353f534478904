"""Checks that a view holds the kind of values that an option asks for.

All checks share one signature and return nothing. A matrix is read in blocks of rows and up to the
first offender, so that a memory-mapped view is never loaded whole; CSR is never made dense. NaN
passes: it marks an absent row, and is judged where views are validated.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
from scipy import sparse

from skrep.utils.validation import CheckedViews

__all__ = [
    "DOMAINS",
    "DomainCheck",
    "check_binary",
    "check_counts",
    "check_domains",
    "check_non_negative",
    "check_one_hot",
    "check_real",
    "check_signed_unit",
    "check_spin",
    "check_unit_interval",
]

# Rounding in a scaler may leave a value this far outside an interval.
_SLACK = 1e-6
_BLOCK_VALUES = 1 << 20


class DomainCheck(Protocol):
    """The signature all checks share."""

    def __call__(self, X: Any, *, view: str | None, argument: str) -> None:
        """Raise ValueError if `X` is outside the domain."""


def check_real(X: Any, *, view: str | None, argument: str) -> None:
    """Accept every number.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view.
    view : str or None
        Name of the view, for the message.
    argument : str
        The option that asks for the domain, as in ``"likelihood='gaussian'"``.
    """


def check_unit_interval(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is between 0 and 1, give or take a millionth for rounding.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"likelihood='bernoulli'"``.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_unit_interval(np.eye(3), view="image", argument="likelihood='bernoulli'")
    """
    _check_values(
        X,
        lambda values: (values < -_SLACK) | (values > 1.0 + _SLACK),
        f"`{argument}` needs values in [0, 1]",
        view,
        "Scale them into [0, 1], for example with `MinMaxScaler()`, "
        "or choose an option for real values.",
    )


def check_binary(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is 0 or 1.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_binary(np.eye(3), view="clicks", argument="visible='bernoulli'")
    """
    _check_values(
        X,
        _not_binary,
        f"`{argument}` needs values 0 or 1",
        view,
        "Threshold them, for example with `Binarizer()`, or choose an option for real values.",
    )


def check_spin(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is -1 or 1.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view. The zeros that a sparse matrix leaves out are zeros, hence refused.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"units='spin'"``.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_spin(2 * np.eye(3) - 1, view=None, argument="units='spin'")
    """
    _check_values(
        X.toarray() if sparse.issparse(X) else X,
        lambda values: (np.abs(values) != 1) & ~np.isnan(values),
        f"`{argument}` needs values -1 or 1",
        view,
        "Threshold them, for example with `2.0 * (X > 0) - 1.0`, or choose another option.",
    )


def check_counts(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is a count: 0, 1, 2, ...

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view; whole numbers in a float array are counts.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"likelihood='poisson'"``.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_counts(np.arange(6).reshape(3, 2), view="words", argument="likelihood='poisson'")
    """
    _check_values(
        X,
        # A remainder of NaN is NaN, which is not above 0: absent rows pass.
        lambda values: (values < 0) | (np.abs(values - np.rint(values)) > 0),
        f"`{argument}` needs counts (0, 1, 2, ...)",
        view,
        "Pass the raw counts, neither centred nor normalised, or choose an option for real values.",
    )


def check_one_hot(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every row holds a single 1 and zeros.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view, one column per class.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"likelihood='categorical'"``.

    Raises
    ------
    ValueError
        Naming the first offending row with its column and value, or with its sum.

    Examples
    --------
    >>> check_one_hot(np.eye(3), view="label", argument="likelihood='categorical'")
    """
    problem = f"`{argument}` needs one-hot rows (a single 1, zeros elsewhere)"
    advice = "Encode one variable as one view, for example with `OneHotEncoder()`."
    _check_values(X, _not_binary, problem, view, advice)
    for start, block in _row_blocks(X):
        sums = np.asarray(block.sum(axis=1)).ravel()
        bad = (sums < 1) | (sums > 1)
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"{problem}, but row {start + row} of {_named(view)} sums to "
                f"{sums[row].item()!r}. {advice}"
            )


def check_non_negative(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is 0 or more, give or take a millionth for rounding.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"output_activation='relu'"``.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_non_negative(np.eye(3), view=None, argument="output_activation='relu'")
    """
    _check_values(
        X,
        lambda values: values < -_SLACK,
        f"`{argument}` needs values of 0 or more",
        view,
        "Choose an option for real values, such as 'identity'.",
    )


def check_signed_unit(X: Any, *, view: str | None, argument: str) -> None:
    """Raise unless every value is between -1 and 1, give or take a millionth for rounding.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Values of one view.
    view : str or None
        Name of the view, for the message; None for a lone matrix.
    argument : str
        The option that asks for the domain, as in ``"output_activation='tanh'"``.

    Raises
    ------
    ValueError
        Naming the first offending row, column and value.

    Examples
    --------
    >>> check_signed_unit(-np.eye(3), view=None, argument="output_activation='tanh'")
    """
    _check_values(
        X,
        lambda values: np.abs(values) > 1.0 + _SLACK,
        f"`{argument}` needs values in [-1, 1]",
        view,
        "Scale them, for example with `MinMaxScaler((-1, 1))`, or choose 'identity'.",
    )


DOMAINS: Final[dict[str, DomainCheck]] = {
    "real": check_real,
    "unit_interval": check_unit_interval,
    "signed_unit": check_signed_unit,
    "non_negative": check_non_negative,
    "binary": check_binary,
    "counts": check_counts,
    "one_hot": check_one_hot,
}


def check_domains(checked: CheckedViews, domains: Sequence[str], arguments: Sequence[str]) -> None:
    """Raise unless every view holds what is asked of it; rows of absent views pass.

    Parameters
    ----------
    checked : CheckedViews
        The views.
    domains : sequence of str
        A name in `DOMAINS` for each view.
    arguments : sequence of str
        For each view the option that asks for it, as in ``"likelihood='categorical'"``.

    Raises
    ------
    ValueError
        Naming view, row and value.

    Examples
    --------
    >>> views = CheckedViews((np.eye(3), np.ones((3, 1))), ("label", "image"))
    >>> check_domains(views, ["one_hot", "real"], ["visible='categorical'", "visible='gaussian'"])
    """
    several = len(checked.names) > 1
    for i, (name, array, domain, argument) in enumerate(
        zip(checked.names, checked.arrays, domains, arguments, strict=True)
    ):
        if domain == "one_hot" and checked.present is not None:
            # Zeros stand in absent rows, which only here are outside; NaN passes, and rows keep
            # their numbers.
            dense = array.toarray() if sparse.issparse(array) else array
            array = np.where(checked.present[:, i, None], dense, np.nan)
        DOMAINS[domain](array, view=name if several else None, argument=argument)


def _not_binary(values: np.ndarray) -> Any:
    """Return where values are neither 0 nor 1 nor NaN."""
    return (values != 0) & (values != 1) & ~np.isnan(values)


def _check_values(
    X: Any,
    outside: Callable[[np.ndarray], Any],
    problem: str,
    view: str | None,
    advice: str,
) -> None:
    """Raise on the first value for which `outside` is true; 0 must be inside for sparse input."""
    for start, block in _row_blocks(X):
        values = block.data if sparse.issparse(block) else block
        bad = outside(values)
        if not bad.any():
            continue
        row, column, value = _locate(block, int(bad.argmax()))
        raise ValueError(
            f"{problem}, but row {start + row}, column {column} of {_named(view)} is {value!r}. "
            f"{advice}"
        )


def _row_blocks(X: Any) -> Iterator[tuple[int, Any]]:
    """Yield (first row, rows): bounded blocks, or one for CSR, whose values are in memory."""
    if sparse.issparse(X):
        yield 0, X.tocsr()
        return
    step = max(1, _BLOCK_VALUES // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield start, np.asarray(X[start : start + step])


def _locate(block: Any, position: int) -> tuple[int, int, float | int | bool]:
    """Return row, column and value at a flat position among the (stored) values of a block."""
    if sparse.issparse(block):
        row = int(np.searchsorted(block.indptr, position, side="right")) - 1
        return row, int(block.indices[position]), block.data[position].item()
    row, column = divmod(position, block.shape[1])
    return row, column, block[row, column].item()


def _named(view: str | None) -> str:
    """Return the view as a message names it."""
    return "X" if view is None else f"view {view!r}"
