"""What `python -m skrep` does once it knows the data and the models."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from skrep.datasets import load_mfeat
from skrep.inspection._column_views import listed
from skrep.inspection._comparison import Comparison
from skrep.inspection._demo_pairs import PairFindings, compare_pair
from skrep.inspection._read_file import FileData, InputError, read_file
from skrep.inspection._report_html import Part, html_report
from skrep.inspection._report_picture import Pictured, draw_report
from skrep.inspection._run import run_comparison
from skrep.views import Views

__all__ = ["DemoModels", "DemoOptions", "run_demo"]

_FAST_ROWS = 400

Maker = Callable[[int, bool], Mapping[str, Any]]


@dataclass
class DemoOptions:
    """What was asked on the command line; None leaves a choice to the data."""

    file: Path | None = None
    label: str | None = None
    views: Sequence[str] | None = None
    n_components: int | None = None
    n_folds: int | None = None
    out: Path = Path("skrep-report")
    report: Path | None = None
    seed: int = 0
    fast: bool = False


class DemoModels(NamedTuple):
    """Makers of unfitted models, `(n_components, fast) -> dict`.

    Attributes
    ----------
    joint : callable
        Models of one matrix.
    pair : callable
        Models of two views, with a code for each.
    incomplete : callable
        Models of samples that may lack views.
    """

    joint: Maker
    pair: Maker
    incomplete: Maker


def run_demo(options: DemoOptions, models: DemoModels) -> None:
    """Compare models on the shipped digits or on a file; write the findings and a picture.

    Parameters
    ----------
    options : DemoOptions
        As asked.
    models : DemoModels
        What is compared.

    Raises
    ------
    InputError
        If the file or an option cannot be used.
    """
    started = perf_counter()
    if options.report is not None:
        _check_report(options.report, options.file)
    data = _load(options)
    X, units = _in_common_units(data)
    n_folds = options.n_folds or (2 if options.fast else 3)
    n_components = _code_size(options.n_components, X, n_folds)
    explained = _describe(data)
    explained.append(
        f"Codes of {n_components} numbers, measured on held-out rows of {n_folds} folds; ± is the "
        f"standard deviation over folds."
    )
    for line in explained:
        _say(line)
    comparison = _compare(options, models, X, data.labels, n_components, n_folds)
    _say(f"\n{comparison!r}\n\n{comparison.verdict()}")
    found = _compare_pair(options, models.pair, data, X, units, n_components, n_folds)
    if found is not None:
        _say(f"\n{found.heading}: {found.explanation[0].lower()}{found.explanation[1:]}")
        _say(f"\n{found.comparison!r}")
    pictured = _pictured(data, comparison, units)
    # The report first: a picture that cannot be written must not cost it.
    if options.report is not None:
        _save_report(options.report, explained[1:], pictured, comparison, found)
    _save_picture(options.out / f"{data.name}.png", pictured)
    _say(f"Time: {perf_counter() - started:.0f} s.")


def _load(options: DemoOptions) -> FileData:
    if options.file is not None:
        data = read_file(options.file, options.label, options.views)
    elif options.label is not None:
        raise InputError("--label names a column of a file; give the FILE too.")
    elif options.views is not None:
        raise InputError("--views names columns of a file; give the FILE too, before --views.")
    else:
        views, target = load_mfeat(return_X_y=True)
        arrays = dict(zip(views.names, views.arrays, strict=True))
        data = FileData("mfeat", arrays, target, image_view="pix", image_shape=(16, 15))
    if options.fast and data.n_samples > _FAST_ROWS:
        rows = np.random.default_rng(options.seed).permutation(data.n_samples)[:_FAST_ROWS]
        data.views = {name: values[rows] for name, values in data.views.items()}
        data.labels = None if data.labels is None else data.labels[rows]
    return data


def _in_common_units(data: FileData) -> tuple[Any, dict[str, Any]]:
    """Return all views in units in which none drowns the others, and how to undo that.

    They come as one matrix, or as `Views` where samples lack some. The units are fixed once,
    before any split, so that every model in every fold is measured with the same rod.
    """
    blocks: dict[str, np.ndarray] = {}
    units: dict[str, Any] = {}
    start = 0
    for name, values in data.views.items():
        # NaN, which is in rows that lack the view, is left out of means and variances.
        scaler = StandardScaler().fit(values.astype(np.float64))
        n_varying = int((scaler.var_ > 0).sum())
        weight = 1.0 / np.sqrt(max(n_varying, 1)) if len(data.views) > 1 else 1.0
        scaled = scaler.transform(values.astype(np.float64)) * weight
        blocks[name] = scaled.astype(np.float32)
        units[name] = (slice(start, start + values.shape[1]), scaler, weight)
        start += values.shape[1]
    if not any(np.nan_to_num(block).any() for block in blocks.values()):
        raise InputError("Every column is constant; there is nothing to learn.")
    if not data.present.all():
        return Views(blocks, present=data.present), units
    return np.hstack(list(blocks.values())), units


def _code_size(asked: int | None, X: Any, n_folds: int) -> int:
    n_samples, n_features = X.shape
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


def _describe(data: FileData) -> list[str]:
    widths = {name: values.shape[1] for name, values in data.views.items()}
    complete = bool(data.present.all())
    if len(widths) > 1:
        told = ", ".join(f"{name} {width}" for name, width in widths.items())
        side = " side by side" if complete else ""
        what = f"{len(widths)} views{side} ({told} columns)"
        scale = "Columns are standardised and every view is weighted to the same total variance."
    else:
        what = f"{next(iter(widths.values()))} columns"
        scale = "Columns are standardised."
    classes = "no labels"
    if data.labels is not None:
        classes = f"{len(np.unique(data.labels))} classes"
    lines = [f"{data.name}: {data.n_samples} samples, {what}, {classes}."]
    if not complete:
        absent = (~data.present).sum(axis=0)
        told = ", ".join(f"{n} from {k}" for n, k in zip(widths, absent, strict=True) if k)
        lines.append(f"Views are absent: {told} of {data.n_samples} samples.")
    if data.left_out:
        count = len(data.left_out)
        lines.append(f"Left out, being in no view: {count} column(s), {listed(data.left_out, 5)}.")
    return [*lines, scale]


def _compare(
    options: DemoOptions, models: DemoModels, X: Any, y: Any, n_components: int, n_folds: int
) -> Comparison:
    # The models of one matrix have PCA among them.
    incomplete = isinstance(X, Views)
    make, baselines = (models.incomplete, "auto") if incomplete else (models.joint, None)
    try:
        return run_comparison(
            make(n_components, options.fast),
            X,
            y,
            baselines=baselines,
            cv=n_folds,
            random_state=options.seed,
            verbose=1,
        )
    except ValueError as error:
        raise InputError(str(error)) from error


def _compare_pair(
    options: DemoOptions,
    make: Maker,
    data: FileData,
    X: Any,
    units: Mapping[str, Any],
    n_components: int,
    n_folds: int,
) -> PairFindings | None:
    """Return what two views share, None where there are no two that all samples have."""
    if isinstance(X, Views):
        return None
    blocks = {name: X[:, columns] for name, (columns, _, _) in units.items()}
    try:
        return compare_pair(
            blocks,
            data.labels,
            make,
            n_components=n_components,
            n_folds=n_folds,
            seed=options.seed,
            fast=options.fast,
        )
    except ValueError as error:
        _say(f"\nTwo views could not be compared: {error}")
        return None


def _pictured(data: FileData, comparison: Comparison, units: Mapping[str, Any]) -> Pictured:
    pictured = Pictured(
        title=data.name,
        table=comparison.table,
        models=comparison.models,
        held_out=comparison.held_out,
        labels=comparison.held_out_labels,
    )
    if data.image_view is not None:
        columns, scaler, weight = units[data.image_view]
        pictured.image_shape = data.image_shape
        pictured.to_images = lambda values: scaler.inverse_transform(values[:, columns] / weight)
    return pictured


def _save_picture(path: Path, pictured: Pictured) -> None:
    try:
        figure = draw_report(pictured)
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # Signs that the font lacks, in names that are the person's, show as boxes.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
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


def _check_report(path: Path, source: Path | None) -> None:
    """Refuse a place that cannot be written to before the models are fitted, not after."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(_cannot_write(path, error.strerror or str(error))) from error
    if path.is_dir():
        raise InputError(_cannot_write(path, "it is a folder"))
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise InputError(_cannot_write(path, "it is the file of the data"))


def _save_report(
    path: Path,
    explained: Sequence[str],
    pictured: Pictured,
    comparison: Comparison,
    found: PairFindings | None,
) -> None:
    joint = Part(comparison, intro=explained, pictured=pictured)
    parts = [joint]
    if found is not None:
        joint.heading = "All columns, one code"
        parts.append(Part(found.comparison, heading=found.heading, intro=[found.explanation]))
    try:
        path.write_text(html_report(parts, pictured.title), encoding="utf-8")
    except OSError as error:
        raise InputError(_cannot_write(path, error.strerror or str(error))) from error
    _say(f"Report: {path}")


def _cannot_write(path: Path, reason: str) -> str:
    return f"The report cannot be written to {str(path)!r} ({reason}). Name another with --report."


def _say(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # A terminal in plain ASCII gets "?" for "±" rather than a crash at the end of the run.
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
