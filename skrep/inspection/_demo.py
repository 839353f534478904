"""What `python -m skrep` does once it knows the data and the models."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from skrep.datasets import load_mfeat
from skrep.inspection._comparison import Comparison, run_comparison
from skrep.inspection._demo_pairs import pair_report
from skrep.inspection._read_file import FileData, InputError, read_file
from skrep.inspection._report_picture import Pictured, draw_report
from skrep.inspection._report_text import format_table, verdict

__all__ = ["DemoOptions", "run_demo"]

_FAST_ROWS = 400


@dataclass
class DemoOptions:
    """What was asked on the command line; None leaves a choice to the data."""

    file: Path | None = None
    label: str | None = None
    n_components: int | None = None
    n_folds: int | None = None
    out: Path = Path("skrep-report")
    seed: int = 0
    fast: bool = False


def run_demo(
    options: DemoOptions,
    make_estimators: Callable[[int, bool], Mapping[str, Any]],
    make_pair_estimators: Callable[[int, bool], Mapping[str, Any]],
) -> None:
    """Compare models on the shipped digits or on a file; write the findings and a picture.

    Parameters
    ----------
    options : DemoOptions
        As asked.
    make_estimators : callable
        `(n_components, fast) -> dict` of unfitted transformers.
    make_pair_estimators : callable
        The same for models of two views.

    Raises
    ------
    InputError
        If the file or an option cannot be used.
    """
    started = perf_counter()
    data = _load(options)
    matrix, units = _in_common_units(data)
    n_folds = options.n_folds or (2 if options.fast else 3)
    n_components = _code_size(options.n_components, matrix, n_folds)
    _say(_describe(data))
    _say(
        f"Codes of {n_components} numbers, measured on held-out rows of {n_folds} folds; ± is the "
        f"standard deviation over folds."
    )
    try:
        comparison = run_comparison(
            make_estimators(n_components, options.fast),
            matrix,
            data.labels,
            metrics=None,
            cv=n_folds,
            random_state=options.seed,
            verbose=1,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    _say("")
    _say(format_table(comparison.table))
    for note in comparison.table.attrs["notes"]:
        _say(f"Note: {note}")
    _say("")
    _say(verdict(comparison.folds))
    blocks = {name: matrix[:, columns] for name, (columns, _, _) in units.items()}
    for line in pair_report(
        blocks,
        data.labels,
        make_pair_estimators,
        n_components=n_components,
        n_folds=n_folds,
        seed=options.seed,
        fast=options.fast,
    ):
        _say(line)
    _save_picture(options.out, data, comparison, matrix, units)
    _say(f"Time: {perf_counter() - started:.0f} s.")


def _load(options: DemoOptions) -> FileData:
    if options.file is not None:
        data = read_file(options.file, options.label)
    elif options.label is not None:
        raise InputError("--label names a column of a file; give the FILE too.")
    else:
        views, target = load_mfeat(return_X_y=True)
        arrays = dict(zip(views.names, views.arrays, strict=True))
        data = FileData("mfeat", arrays, target, image_view="pix", image_shape=(16, 15))
    if options.fast and data.n_samples > _FAST_ROWS:
        rows = np.random.default_rng(options.seed).permutation(data.n_samples)[:_FAST_ROWS]
        data.views = {name: values[rows] for name, values in data.views.items()}
        data.labels = None if data.labels is None else data.labels[rows]
    return data


def _in_common_units(data: FileData) -> tuple[np.ndarray, dict[str, Any]]:
    """Return all views as one matrix in which no view drowns the others, and how to undo it.

    The units are fixed once, before any split, so that every model in every fold is measured
    with the same rod.
    """
    blocks, units = [], {}
    start = 0
    for name, values in data.views.items():
        scaler = StandardScaler().fit(values.astype(np.float64))
        n_varying = int((scaler.var_ > 0).sum())
        weight = 1.0 / np.sqrt(max(n_varying, 1)) if len(data.views) > 1 else 1.0
        blocks.append(scaler.transform(values.astype(np.float64)) * weight)
        units[name] = (slice(start, start + values.shape[1]), scaler, weight)
        start += values.shape[1]
    matrix = np.hstack(blocks).astype(np.float32)
    if not matrix.any():
        raise InputError("Every column is constant; there is nothing to learn.")
    return matrix, units


def _code_size(asked: int | None, matrix: np.ndarray, n_folds: int) -> int:
    n_samples, n_features = matrix.shape
    if n_samples < 2 * n_folds:
        raise InputError(
            f"The data have {n_samples} rows, too few for {n_folds} folds; at least {2 * n_folds} "
            f"are needed."
        )
    smallest_training = n_samples - -(-n_samples // n_folds)
    limit = min(n_features, smallest_training)
    if asked is None:
        return max(1, min(16, n_features // 2, smallest_training - 1))
    if asked > limit:
        raise InputError(
            f"--components {asked} is too large: PCA has at most {limit} on {n_features} columns "
            f"and {smallest_training} training rows."
        )
    return asked


def _describe(data: FileData) -> str:
    widths = {name: values.shape[1] for name, values in data.views.items()}
    if len(widths) > 1:
        listed = ", ".join(f"{name} {width}" for name, width in widths.items())
        what = f"{len(widths)} views side by side ({listed} columns)"
        scale = "Columns are standardised and every view is weighted to the same total variance."
    else:
        what = f"{next(iter(widths.values()))} columns"
        scale = "Columns are standardised."
    classes = "no labels"
    if data.labels is not None:
        classes = f"{len(np.unique(data.labels))} classes"
    return f"{data.name}: {data.n_samples} samples, {what}, {classes}.\n{scale}"


def _save_picture(
    folder: Path,
    data: FileData,
    comparison: Comparison,
    matrix: np.ndarray,
    units: Mapping[str, Any],
) -> None:
    rows = comparison.first_test
    pictured = Pictured(
        title=data.name,
        table=comparison.table,
        models=comparison.first_models,
        held_out=matrix[rows],
        labels=None if data.labels is None else data.labels[rows],
    )
    if data.image_view is not None:
        columns, scaler, weight = units[data.image_view]
        pictured.image_shape = data.image_shape
        pictured.to_images = lambda values: scaler.inverse_transform(values[:, columns] / weight)
    path = folder / f"{data.name}.png"
    try:
        figure = draw_report(pictured)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except ImportError as error:
        _say(f"No picture: {error}")
    except OSError as error:
        raise InputError(
            f"The picture cannot be written to {str(path)!r} ({error.strerror or error}). Name "
            f"another folder with --out."
        ) from error
    else:
        _say(f"Picture: {path}")


def _say(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # A terminal in plain ASCII gets "?" for "±" rather than a crash at the end of the run.
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
