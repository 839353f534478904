"""Which columns of a table make which view, and which samples lack a view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape

import numpy as np

__all__ = [
    "FILL",
    "FileData",
    "InputError",
    "check_present",
    "listed",
    "plan_views",
    "split_columns",
]

FILL = "Fill them (for example with `sklearn.impute.SimpleImputer`) or drop those rows first."


class InputError(ValueError):
    """The file or an option cannot be used; the message is one line for the person."""


@dataclass
class FileData:
    """Views and labels as they came.

    Attributes
    ----------
    name : str
        What the data are called.
    views : dict of str to ndarray of shape (n_samples, width)
        Finite numbers, and rows that are all NaN where a sample lacks the view.
    labels : ndarray of shape (n_samples,) or None
        Classes as strings or whole numbers.
    image_view : str or None
        The view that can be shown as an image.
    image_shape : tuple of int
        Its height and width.
    left_out : list of str
        Columns or arrays that are in no view.
    """

    name: str
    views: dict[str, np.ndarray]
    labels: np.ndarray | None = None
    image_view: str | None = None
    image_shape: tuple[int, int] = (0, 0)
    left_out: list[str] = field(default_factory=list)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(next(iter(self.views.values())))

    @property
    def present(self) -> np.ndarray:
        """Which views each sample has, of shape (n_samples, n_views)."""
        return np.column_stack([~_absent_rows(values) for values in self.views.values()])


def plan_views(
    columns: Sequence[str], label: str | None, wanted: Sequence[str] | None
) -> dict[str, list[int]]:
    """Return the positions of the columns of each view.

    Parameters
    ----------
    columns : sequence of str
        All columns of the table, each once.
    label : str or None
        The one among them that is in no view.
    wanted : sequence of str or None
        ``NAME=PATTERN[,PATTERN...]`` with shell patterns over column names, or a prefix, which
        names the view too. None is one view of all columns.

    Raises
    ------
    InputError
        If something in `wanted` cannot be read, matches nothing, or takes a column twice.
    """
    candidates = [name for name in columns if name != label]
    if wanted is None:
        return {"table": [columns.index(name) for name in candidates]}
    views: dict[str, list[int]] = {}
    owner: dict[str, str] = {}
    for text in wanted:
        view, patterns = _parsed(text)
        if view in views:
            raise InputError(f"--views names the view {view!r} twice. Join its patterns by commas.")
        for column in _matching(candidates, view, patterns):
            if column in owner:
                raise InputError(
                    f"--views puts the column {column!r} into the views {owner[column]!r} and "
                    f"{view!r}. Write patterns that do not overlap."
                )
            owner[column] = view
        views[view] = [i for i, name in enumerate(columns) if owner.get(name) == view]
    return views


def _parsed(text: str) -> tuple[str, list[str]]:
    """Return the name of a view and its patterns."""
    if "=" not in text:
        return text.rstrip("_.-: ") or text, [f"{escape(text)}*"]
    view, _, globs = text.partition("=")
    patterns = [pattern.strip() for pattern in globs.split(",") if pattern.strip()]
    if not view.strip() or not patterns:
        raise InputError(
            f"--views {text!r} cannot be read. Write NAME=PATTERN, as in 'rna=rna_*', or the "
            f"prefix of the columns, as in 'rna_'."
        )
    return view.strip(), patterns


def _matching(columns: Sequence[str], view: str, patterns: Sequence[str]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        # A column may be called "x[1]", which as a pattern would not match itself.
        exact = pattern in columns
        hits = [c for c in columns if (c == pattern if exact else fnmatchcase(c, pattern))]
        if not hits:
            raise InputError(
                f"No column matches {pattern!r} of the view {view!r} in --views. The columns are "
                f"{listed(columns)}."
            )
        found += [column for column in hits if column not in found]
    return found


def split_columns(
    matrix: np.ndarray,
    columns: Sequence[str],
    views: Mapping[str, Sequence[int]],
    place_of: Callable[[int], str],
) -> dict[str, np.ndarray]:
    """Return the columns of each view, all NaN in rows that lack it.

    Parameters
    ----------
    matrix : ndarray of shape (n_samples, n_columns)
        Numbers, NaN where a cell is missing; what is in no view is not looked at.
    columns : sequence of str
        Names of the columns.
    views : dict of str to sequence of int
        From `plan_views`.
    place_of : callable
        How a message speaks of a row: "on line 7".

    Raises
    ------
    InputError
        If a cell is missing whose row has others of the same view, a row lacks all views, or a
        view is lacking in all rows.
    """
    blocks = {name: matrix[:, list(taken)] for name, taken in views.items()}
    partly: dict[str, list[int]] = {}
    for name, taken in views.items():
        missing = np.isnan(blocks[name])
        if len(views) > 1:
            missing &= ~missing.all(axis=1, keepdims=True)
        for at, lacks in zip(taken, missing.T, strict=True):
            if lacks.any():
                partly[columns[at]] = np.flatnonzero(lacks).tolist()
    if partly:
        hint = ""
        if len(views) > 1:
            hint = " A sample without a view has none of the cells of that view filled."
        raise InputError(_say_missing(partly, place_of) + hint)
    check_present(blocks, place_of)
    return blocks


def check_present(views: Mapping[str, np.ndarray], place_of: Callable[[int], str]) -> None:
    """Raise an InputError for a view that no sample has, and a sample that has no view."""
    absent = np.column_stack([_absent_rows(values) for values in views.values()])
    for name, rows in zip(views, absent.T, strict=True):
        if len(rows) and rows.all():
            raise InputError(f"The view {name!r} is empty in all rows. Leave it out.")
    bare = np.flatnonzero(absent.all(axis=1))
    if len(bare):
        raise InputError(
            f"{len(bare)} row(s) have no view at all, the first {place_of(int(bare[0]))}. Drop "
            f"those rows first."
        )


def _absent_rows(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f":
        return np.zeros(len(values), dtype=bool)
    return np.asarray(np.isnan(values).all(axis=1))


def _say_missing(missing: Mapping[str, Sequence[int]], place_of: Callable[[int], str]) -> str:
    told = [
        f"column {name!r} has {len(rows)} missing value(s), the first {place_of(rows[0])}"
        for name, rows in list(missing.items())[:3]
    ]
    more = len(missing) - len(told)
    text = "; ".join(told) + (f", and so have {more} more columns" if more else "")
    return f"{text[0].upper()}{text[1:]}. {FILL}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Return names in quotes, the first of them if they are many."""
    return ", ".join(map(repr, names[:most])) + (", …" if len(names) > most else "")
