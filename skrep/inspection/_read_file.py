"""Reading a person's own data for the command line, with errors that say where the trouble is."""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

__all__ = ["FileData", "InputError", "read_file"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_FILL = "Fill them (for example with `sklearn.impute.SimpleImputer`) or drop those rows first."


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
        Finite numbers.
    labels : ndarray of shape (n_samples,) or None
        Classes as strings or whole numbers.
    image_view : str or None
        The view that can be shown as an image.
    image_shape : tuple of int
        Its height and width.
    """

    name: str
    views: dict[str, np.ndarray]
    labels: np.ndarray | None = None
    image_view: str | None = None
    image_shape: tuple[int, int] = (0, 0)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(next(iter(self.views.values())))


def read_file(path: Path, label: str | None) -> FileData:
    """Read a CSV with a header, or an npz of views.

    Parameters
    ----------
    path : Path
        Ends in .npz, or is taken for a CSV if it ends in .csv, .tsv or .txt.
    label : str or None
        Column, or one-dimensional array, that holds the classes. None is the array "y" of an npz
        and nothing in a CSV.

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
    readers = {".npz": _read_npz, ".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv}
    if path.suffix.lower() not in readers:
        raise InputError(
            f"{str(path)!r} must be a .csv, .tsv or .txt with a header line, or an .npz of views."
        )
    data = readers[path.suffix.lower()](path, label)
    _check_labels(data, label)
    return data


def _read_csv(path: Path, label: str | None) -> FileData:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            return _parse(csv.reader(file, delimiter=delimiter), path.stem, label)
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not a text file in UTF-8 ({error.reason}).") from error
    except csv.Error as error:
        raise InputError(f"{str(path)!r} cannot be read as a CSV ({error}).") from error
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be opened ({error.strerror}).") from error


def _parse(reader: "csv.Reader", name: str, label: str | None) -> FileData:  # type: ignore[name-defined]
    header = [cell.strip() for cell in next(reader, [])]
    label_at = _check_header(header, label)
    values = array("d")
    labels: list[str] = []
    missing: dict[str, list[int]] = {}
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(
                f"Line {reader.line_num} has {len(row)} cells, and the header has {len(header)}."
            )
        for at, cell in enumerate(row):
            cell = cell.strip()
            if cell.lower() in _MISSING:
                missing.setdefault(header[at], []).append(reader.line_num)
                cell = "nan"
            if at == label_at:
                labels.append(cell)
            else:
                values.append(_number(cell, reader.line_num, header[at]))
    if missing:
        raise InputError(_say_missing(missing))
    width = len(header) - (label_at is not None)
    matrix = np.frombuffer(values, dtype=np.float64).reshape(-1, width)
    return FileData(name, {"table": matrix}, None if label_at is None else np.asarray(labels))


def _check_header(header: Sequence[str], label: str | None) -> int | None:
    if not header:
        raise InputError("The file is empty; it needs a header line that names the columns.")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"The header names the column {repeated[0]!r} more than once.")
    if all(_is_number(name) for name in header):
        raise InputError(
            "The first line holds numbers only; it must be a header that names the columns."
        )
    if label is not None and label not in header:
        shown = ", ".join(map(repr, header[:10])) + (", …" if len(header) > 10 else "")
        raise InputError(f"There is no column {label!r} for --label. The columns are {shown}.")
    if len(header) - (label is not None) < 2:
        raise InputError(
            f"The file has {len(header)} column(s) ({', '.join(header)}); at least two columns "
            f"of numbers are needed beside the label."
        )
    return None if label is None else header.index(label)


def _number(cell: str, line: int, column: str) -> float:
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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _say_missing(missing: dict[str, list[int]]) -> str:
    told = [
        f"column {name!r} has {len(lines)} missing value(s), the first on line {lines[0]}"
        for name, lines in list(missing.items())[:3]
    ]
    more = len(missing) - len(told)
    rest = f", and so have {more} more columns" if more else ""
    text = "; ".join(told) + rest
    return f"{text[0].upper()}{text[1:]}. {_FILL}"


def _read_npz(path: Path, label: str | None) -> FileData:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (BadZipFile, EOFError, OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as an npz file of plain arrays ({error})."
        ) from error
    wanted = label or "y"
    if label is not None and label not in arrays:
        raise InputError(
            f"There is no array {label!r} for --label. The arrays are "
            f"{', '.join(map(repr, arrays)) or 'none'}."
        )
    labels = arrays.pop(wanted, None)
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.ravel()
    # One-dimensional arrays beside the labels (class names, ids) are no views.
    views = {name: values for name, values in arrays.items() if values.ndim != 1}
    if not views:
        raise InputError(f"{str(path)!r} holds no two-dimensional array, which a view must be.")
    for name, values in views.items():
        _check_view(name, values)
    rows = {name: len(values) for name, values in views.items()}
    if labels is not None:
        if labels.ndim != 1:
            raise InputError(f"The labels {wanted!r} have shape {labels.shape}, not one per row.")
        rows[wanted] = len(labels)
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
        raise InputError(f"All arrays must have one row per sample, in the same order: {told}.")
    return FileData(path.stem, views, labels)


def _check_view(name: str, values: np.ndarray) -> None:
    if values.ndim != 2:
        raise InputError(
            f"The view {name!r} has shape {values.shape}; every sample must be one row "
            f"(`a.reshape(len(a), -1)`)."
        )
    if values.dtype.kind not in "biuf":
        raise InputError(f"The view {name!r} holds {values.dtype}, not real numbers.")
    bad = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    if bad.any():
        column = int(np.flatnonzero(bad.any(axis=0))[0])
        raise InputError(
            f"The view {name!r} has {int(bad.sum())} missing value(s), "
            f"{int(bad[:, column].sum())} of them in column {column}. {_FILL}"
        )
    if not np.isfinite(values).all():
        row, column = (int(at) for at in np.argwhere(~np.isfinite(values))[0])
        raise InputError(f"The view {name!r} is infinite at row {row}, column {column}.")


def _check_labels(data: FileData, label: str | None) -> None:
    if data.labels is None:
        return
    name = label or "y"
    labels = data.labels
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
