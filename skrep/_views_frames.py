"""What `Views` does with pandas: column levels, indexes, alignment; and how it is shown."""

import logging
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skrep._views_arrays import dense, width_of

__all__ = [
    "align_tables",
    "blank_rows",
    "column_labels",
    "flat_names",
    "frame_of",
    "html_table",
    "join_frames",
    "shared_index",
    "split_frame",
    "text_table",
]

_logger = logging.getLogger("skrep")


def shared_index(values: Sequence[Any], names: Sequence[str]) -> Any:
    """Return the one index of the pandas objects among `values`, or None where there is none."""
    first: Any = None
    for value, name in zip(values, names, strict=True):
        if not isinstance(value, (pd.DataFrame, pd.Series)):
            continue
        if first is None:
            first, first_name = value.index, name
        elif not first.equals(value.index):
            raise ValueError(
                f"Views must describe the same samples: the indexes of {first_name!r} and "
                f'{name!r} differ. Use `Views.align(tables, join="outer")`, which fills samples '
                'missing from a table with absent rows, or `join="inner"`, which drops them.'
            )
    return first


def column_labels(array: Any) -> Any:
    """Return the string columns of a DataFrame, or None where it has none or is no DataFrame."""
    if isinstance(array, pd.DataFrame) and all(isinstance(c, str) for c in array.columns):
        return array.columns
    return None


def flat_names(arrays: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return `view__column` for every column; unnamed columns are x0, x1, ..."""
    flat: list[str] = []
    for array, name in zip(arrays, names, strict=True):
        labels = column_labels(array)
        columns = _unnamed(width_of(array)) if labels is None else labels
        flat.extend(f"{name}__{column}" for column in columns)
    return flat


def _unnamed(width: int) -> list[str]:
    return [f"x{j}" for j in range(width)]


def frame_of(array: Any, *, columns: Any = None, present: Any = None, index: Any = None) -> Any:
    """Return one view as a new DataFrame whose absent rows are NaN.

    A DataFrame keeps its dtypes; `columns` and `index`, where given, replace what it has.
    """
    if isinstance(array, pd.DataFrame):
        frame = array.copy()
    else:
        frame = pd.DataFrame(dense(array).copy(), columns=_unnamed(width_of(array)))
    if columns is not None:
        frame.columns = columns
    if present is not None and not present.all():
        frame = blank_rows(frame, ~present)
    if index is not None:
        frame.index = index
    return frame


def blank_rows(frame: Any, absent: Any) -> Any:
    """Return the frame with NaN in the rows of the mask."""
    return frame.mask(np.broadcast_to(absent[:, None], frame.shape))


def join_frames(frames: Mapping[str, Any], index: Any, n_samples: int) -> Any:
    """Put frames side by side under two column levels, (view, feature)."""
    rows = pd.RangeIndex(n_samples)
    # A common positional index keeps concat from joining on labels, which may repeat.
    joined = pd.concat(
        {name: frame.set_axis(rows, axis=0) for name, frame in frames.items()}, axis=1
    )
    joined.columns = joined.columns.set_names(["view", "feature"])
    return joined if index is None else joined.set_axis(index, axis=0)


def split_frame(frame: Any) -> dict[str, Any]:
    """Split a DataFrame with two column levels into one DataFrame per name of the first."""
    if not isinstance(frame, pd.DataFrame) or frame.columns.nlevels != 2:
        levels = frame.columns.nlevels if isinstance(frame, pd.DataFrame) else None
        got = type(frame).__name__ if levels is None else f"{levels} column level(s)"
        raise TypeError(
            f"`df` must be a DataFrame with two column levels, (view, feature). Got {got}. "
            "Use `Views({name: frame, ...})` for one frame per view."
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"`df` has the column {twice!r} twice. Rename or drop one of them.")
    first = frame.columns.get_level_values(0)
    tables = {}
    for name in first.unique():
        table = frame.loc[:, first == name]
        tables[name] = table.set_axis(table.columns.get_level_values(1), axis=1)
        tables[name].columns.name = None
    return tables


def align_tables(tables: Mapping[str, Any], join: str) -> tuple[dict[str, Any], Any]:
    """Bring tables to one index; return them and the counts, one row a table."""
    if join not in ("outer", "inner"):
        raise ValueError(f"`join` must be 'outer' or 'inner'. Got {join!r} instead.")
    index = None
    for name, table in tables.items():
        _check_table(table, name)
        if index is None:
            index = table.index
        elif join == "outer":
            index = index.append(table.index.difference(index, sort=False))
        else:
            index = index[index.isin(table.index)]
    if index is None or len(index) == 0:
        rows = ", ".join(f"{name!r} has {len(table)} rows" for name, table in tables.items())
        raise ValueError(
            f"No sample is in every table: {rows or 'there is no table'}. Check that their "
            'indexes hold the same identifiers, or use `join="outer"`.'
        )
    counts = pd.DataFrame(
        {
            "rows": {name: len(table) for name, table in tables.items()},
            "matched": {name: int(index.isin(t.index).sum()) for name, t in tables.items()},
        }
    )
    counts["absent"] = len(index) - counts["matched"]
    counts["dropped"] = counts["rows"] - counts["matched"]
    for name, row in counts.iterrows():
        _logger.info(
            "align(join=%r): %r has %d rows, %d matched, %d absent, %d dropped of %d samples.",
            join,
            name,
            *row.tolist(),
            len(index),
        )
    return {name: table.reindex(index) for name, table in tables.items()}, counts


def _check_table(table: Any, name: str) -> None:
    if not isinstance(table, (pd.DataFrame, pd.Series)):
        raise TypeError(
            f"`Views.align` matches samples by index, so {name!r} must be a DataFrame. "
            f"Got {type(table).__name__}. Wrap it with `pd.DataFrame(array, index=ids)`."
        )
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise ValueError(
            f"The index of {name!r} names the sample {twice!r} twice. Keep one row per sample."
        )


def _rows(arrays: Sequence[Any], names: Sequence[str], present: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for array, name, mask in zip(arrays, names, present.T, strict=True):
        if sparse.issparse(array):
            kind = f"{array.dtype}, CSR"
        elif isinstance(array, pd.DataFrame):
            kind = "DataFrame"
        else:
            kind = str(array.dtype)
        share = float(np.mean(mask)) if len(mask) else 1.0
        rows.append((name, str(tuple(array.shape)), kind, f"{share:.0%} present"))
    return rows


def text_table(arrays: Sequence[Any], names: Sequence[str], present: Any) -> str:
    """Return the lines that `repr` shows: name, shape, dtype and share present."""
    rows = _rows(arrays, names, present)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    head = f"Views of {len(present)} samples"
    return "\n".join([head, *(f"  {line.rstrip()}" for line in lines)])


def html_table(arrays: Sequence[Any], names: Sequence[str], present: Any) -> str:
    """Return the same as an HTML table."""
    head = "".join(f"<th>{title}</th>" for title in ("view", "shape", "dtype", "present"))
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(arrays, names, present)
    )
    return (
        f"<table><caption>Views of {len(present)} samples</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
