"""Reading a person's own data for the command line, with errors that say where the trouble is."""

import csv
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from skrep.inspection._column_views import (
    FILL,
    FileData,
    InputError,
    check_present,
    listed,
    plan_views,
    split_columns,
)

__all__ = ["FileData", "InputError", "read_file"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})


def read_file(path: Path, label: str | None, views: Sequence[str] | None = None) -> FileData:
    """Read a CSV with a header, a Parquet table, or an npz of views.

    Parameters
    ----------
    path : Path
        Ends in .npz or .parquet, or is taken for a CSV if it ends in .csv, .tsv or .txt.
    label : str or None
        Column, or one-dimensional array, that holds the classes. None is the array "y" of an npz
        and nothing in a table.
    views : sequence of str or None
        For a table as in `plan_views`; for an npz names of arrays. None takes all: the columns of
        a table as one view.

    Returns
    -------
    FileData

    Raises
    ------
    InputError
        If the file is not there, or something in it cannot be used.
    """
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    readers: dict[str, Callable[..., FileData]] = {
        **dict.fromkeys((".csv", ".tsv", ".txt"), _read_csv),
        **dict.fromkeys((".parquet", ".pq"), _read_parquet),
        ".npz": _read_npz,
    }
    if path.suffix.lower() not in readers:
        raise InputError(
            f"{str(path)!r} must be a .csv, .tsv or .txt with a header line, a .parquet, or an "
            f".npz of views."
        )
    data = readers[path.suffix.lower()](path, label, views)
    if not data.n_samples:
        raise InputError(f"{str(path)!r} holds no rows of data.")
    _check_labels(data, label)
    return data


# -- text -------------------------------------------------------------------------------------


def _read_csv(path: Path, label: str | None, views: Sequence[str] | None) -> FileData:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            return _parse(csv.reader(file, delimiter=delimiter), path.stem, label, views)
    except UnicodeDecodeError as error:
        line = _first_line_not_utf8(path)
        raise InputError(
            f"{str(path)!r} is not a text file in UTF-8: {error.reason} on line {line}. Save it "
            f"as UTF-8."
        ) from error
    except csv.Error as error:
        raise InputError(f"{str(path)!r} cannot be read as a CSV ({error}).") from error
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be opened ({error.strerror}).") from error


def _first_line_not_utf8(path: Path) -> int:
    data = path.read_bytes()
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n") + 1
    return 1


def _parse(reader: Any, name: str, label: str | None, wanted: Sequence[str] | None) -> FileData:
    header = [cell.strip() for cell in next(filter(None, reader), [])]
    if not header:
        raise InputError("The file is empty; it needs a header line that names the columns.")
    if all(_is_number(cell) for cell in header):
        raise InputError(
            "The first line holds numbers only; it must be a header that names the columns."
        )
    views = _plan(header, label, wanted)
    taken = [at for columns in views.values() for at in columns]
    label_at = None if label is None else header.index(label)
    values, lines = array("d"), array("q")
    labels: list[str] = []
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(
                f"Line {reader.line_num} has {len(row)} cells, and the header has {len(header)}."
            )
        lines.append(reader.line_num)
        values.extend([_number(row[at], reader.line_num, header[at]) for at in taken])
        if label_at is not None:
            labels.append(_class(row[label_at], reader.line_num, header[label_at]))
    matrix = np.frombuffer(values, dtype=np.float64).reshape(-1, len(taken))
    return _assemble(
        name, header, views, matrix, np.asarray(labels) if labels else None, label,
        lambda i: f"on line {lines[i]}",
    )  # fmt: skip


def _number(cell: str, line: int, column: str) -> float:
    """Return the number in a cell, NaN where it is missing."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return np.nan
    try:
        value = float(cell)
    except ValueError:
        raise InputError(
            f"Line {line}, column {column!r}: {cell!r} is not a number. Name the column that "
            f"holds the classes with --label, and drop or encode other columns of text."
        ) from None
    if np.isinf(value):
        raise InputError(f"Line {line}, column {column!r}: {cell!r} is not a finite number.")
    return value


def _class(cell: str, line: int, column: str) -> str:
    cell = cell.strip()
    if cell.lower() in _MISSING:
        raise InputError(_no_class(column, f"on line {line}"))
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- Parquet ----------------------------------------------------------------------------------


def _read_parquet(path: Path, label: str | None, wanted: Sequence[str] | None) -> FileData:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise InputError(
            "Parquet files need pyarrow. Install it with `pip install skrep[parquet]`."
        ) from error
    except (OSError, ValueError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{str(path)!r} cannot be read as Parquet ({reason}).") from error
    header = [str(name) for name in frame.columns]
    views = _plan(header, label, wanted)
    numbered = isinstance(frame.index, pd.RangeIndex)

    def place_of(i: int) -> str:
        return f"in row {i}, counted from 0" if numbered else f"in row {frame.index[i]!r}"

    labels = None
    if label is not None:
        labels = _classes(frame.iloc[:, header.index(label)], label, place_of)
    taken = [at for columns in views.values() for at in columns]
    blocks = [_numbers(frame.iloc[:, at], header[at], place_of) for at in taken]
    return _assemble(path.stem, header, views, np.column_stack(blocks), labels, label, place_of)


def _numbers(column: Any, name: str, place_of: Callable[[int], str]) -> np.ndarray:
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    real = is_numeric_dtype(column) and not is_complex_dtype(column)
    if not real and not is_bool_dtype(column):
        raise InputError(
            f"Column {name!r} holds {column.dtype}, not numbers. Name the column that holds the "
            f"classes with --label, and drop or encode other columns of text."
        )
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise InputError(f"Column {name!r} is infinite {place_of(int(infinite[0]))}.")
    return np.asarray(values)


def _classes(column: Any, name: str, place_of: Callable[[int], str]) -> np.ndarray:
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise InputError(_no_class(name, place_of(int(missing[0]))))
    values = np.asarray(column)
    return values if values.dtype.kind in "biuf" else np.asarray([str(value) for value in values])


# -- tables -----------------------------------------------------------------------------------


def _plan(
    header: list[str], label: str | None, wanted: Sequence[str] | None
) -> dict[str, list[int]]:
    """Check the names of columns and share them out among views."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"The header names the column {repeated[0]!r} more than once.")
    if label is not None and label not in header:
        raise InputError(
            f"There is no column {label!r} for --label. The columns are {listed(header)}."
        )
    views = plan_views(header, label, wanted)
    if sum(map(len, views.values())) < 2:
        raise InputError(
            f"The file has {len(header)} column(s) ({', '.join(header[:10])}); at least two "
            f"columns of numbers are needed beside the label."
        )
    return views


def _assemble(
    name: str,
    header: list[str],
    views: dict[str, list[int]],
    matrix: np.ndarray,
    labels: np.ndarray | None,
    label: str | None,
    place_of: Callable[[int], str],
) -> FileData:
    """Make views of the columns that were taken, which stand in the order of `views`."""
    taken = [at for columns in views.values() for at in columns]
    places: dict[str, list[int]] = {}
    for view, columns in views.items():
        start = sum(map(len, places.values()))
        places[view] = list(range(start, start + len(columns)))
    blocks = split_columns(matrix, [header[at] for at in taken], places, place_of)
    kept = {header[at] for at in taken} | {label}
    return FileData(name, blocks, labels, left_out=[c for c in header if c not in kept])


def _no_class(column: str, place: str) -> str:
    return f"Column {column!r} of --label has a missing value {place}. Drop such rows first."


# -- arrays -----------------------------------------------------------------------------------


def _read_npz(path: Path, label: str | None, wanted: Sequence[str] | None) -> FileData:
    arrays = _load_arrays(path)
    name = label or "y"
    if label is not None and label not in arrays:
        raise InputError(
            f"There is no array {label!r} for --label. The arrays are "
            f"{listed(list(arrays)) or 'none'}."
        )
    labels = arrays.pop(name, None)
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.ravel()
    if labels is not None and labels.ndim != 1:
        raise InputError(f"The labels {name!r} have shape {labels.shape}, not one per row.")
    views = _take_arrays(arrays, wanted, path)
    for view, values in views.items():
        _check_view(view, values, len(views) > 1)
    rows = {view: len(values) for view, values in views.items()}
    if labels is not None:
        rows[name] = len(labels)
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{view!r} has {count}" for view, count in rows.items())
        raise InputError(f"All arrays must have one row per sample, in the same order: {told}.")
    check_present(views, lambda i: f"in row {i}, counted from 0")
    left_out = [view for view in arrays if view not in views and wanted is not None]
    return FileData(path.stem, views, labels, left_out=left_out)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (BadZipFile, EOFError, OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as an npz file of plain arrays ({error})."
        ) from error


def _take_arrays(
    arrays: dict[str, np.ndarray], wanted: Sequence[str] | None, path: Path
) -> dict[str, np.ndarray]:
    if wanted is None:
        # One-dimensional arrays beside the labels (class names, ids) are no views.
        views = {name: values for name, values in arrays.items() if values.ndim != 1}
        if not views:
            raise InputError(f"{str(path)!r} holds no two-dimensional array, which a view must be.")
        return views
    for name in wanted:
        if name not in arrays:
            raise InputError(
                f"There is no array {name!r} for --views, which in an npz are names of arrays. "
                f"The arrays are {listed(list(arrays)) or 'none'}."
            )
    return {name: arrays[name] for name in wanted}


def _check_view(name: str, values: np.ndarray, several: bool) -> None:
    if values.ndim != 2:
        raise InputError(
            f"The view {name!r} has shape {values.shape}; every sample must be one row "
            f"(`a.reshape(len(a), -1)`)."
        )
    if values.dtype.kind not in "biuf":
        raise InputError(f"The view {name!r} holds {values.dtype}, not real numbers.")
    if values.dtype.kind != "f":
        return
    bad = np.isnan(values)
    if several:
        # A row without any number is a sample without the view.
        bad &= ~bad.all(axis=1, keepdims=True)
    if bad.any():
        column = int(np.flatnonzero(bad.any(axis=0))[0])
        count, row = int(bad[:, column].sum()), int(np.argmax(bad[:, column]))
        raise InputError(
            f"The view {name!r} has {int(bad.sum())} missing value(s), {count} of them in column "
            f"{column}, the first in row {row}. {FILL}"
        )
    if np.isinf(values).any():
        row, column = (int(at) for at in np.argwhere(np.isinf(values))[0])
        raise InputError(f"The view {name!r} is infinite at row {row}, column {column}.")


# -- labels -----------------------------------------------------------------------------------


def _check_labels(data: FileData, label: str | None) -> None:
    if data.labels is None:
        return
    name = label or "y"
    labels = data.labels
    if labels.dtype.kind in "cV":
        raise InputError(f"The label {name!r} holds {labels.dtype}, not classes.")
    if labels.dtype.kind == "S":
        data.labels = labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "U" and all(_is_number(text) for text in np.unique(labels)):
        labels = labels.astype(np.float64)
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and (labels == np.round(labels)).all()):
            raise InputError(
                f"The label {name!r} holds real numbers, not classes. Leave --label out and drop "
                f"that column, or put it into classes first."
            )
        data.labels = labels.astype(np.int64)
    n_classes = len(np.unique(labels))
    if n_classes < 2 or n_classes > len(labels) / 2:
        raise InputError(
            f"The label {name!r} has {n_classes} different values in {len(labels)} rows; classes "
            f"must be at least two, with two rows each on average."
        )
