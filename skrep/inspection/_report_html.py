"""A comparison as HTML: a table for notebooks, and a page that needs nothing beside itself."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from skrep.inspection._display import require_matplotlib
from skrep.inspection._report_picture import Pictured
from skrep.inspection._report_text import title_of
from skrep.inspection._significance import LEVEL

__all__ = ["Part", "html_page", "html_report", "html_table"]

_VERSIONED: Final = ("skrep", "scikit-learn", "torch", "skorch", "numpy", "pandas", "matplotlib")
_MEANINGS: Final = {
    "reconstruction_r2": "share of the held-out rows' variance that comes back from their codes; "
    "at most 1, below 0 is worse than the mean",
    "linear_probe_accuracy": "accuracy of a logistic regression trained on codes",
    "knn_accuracy": "share of codes whose five nearest neighbours vote for their class",
    "kmeans_accuracy": "share of rows that k-means on codes puts with their class, one cluster "
    "per class",
    "kmeans_nmi": "mutual information of k-means clusters and classes, normalised to [0, 1]",
    "kmeans_ari": "Rand index of k-means clusters and classes, 0 by chance, at most 1",
    "log_likelihood": "mean log-density of held-out rows, or the bound that the model has, in nats",
    "imputation_r2": "share of variance of a hidden view that is filled in from the other views",
    "canonical_correlations": "correlation of two views' held-out codes, mean over components",
    "total_correlation_captured": "correlation of two views' held-out codes, summed over "
    "components",
    "shared_representation_accuracy": "accuracy on one view's codes of a classifier trained on "
    "another view's",
    "retrieval_recall": "share of queries that find a match in the other view among the first 10",
    "mean_average_precision": "mean over queries of the average precision of what the other view "
    "returns",
    "mean_reciprocal_rank": "mean over queries of one over the rank of the first match",
    "neg_median_rank": "minus the median rank of the first match",
}


@dataclass
class Part:
    """One comparison of a report.

    Attributes
    ----------
    comparison : Comparison
        What was found.
    heading : str
        Above it, if the page has several.
    intro : sequence of str
        What should be known before the table is read.
    pictured : Pictured or None
        What is drawn; None takes it from the comparison.
    """

    comparison: Any
    heading: str = ""
    intro: Sequence[str] = ()
    pictured: Pictured | None = None


@dataclass
class _Pictures:
    """What is drawn of one comparison, empty where matplotlib is missing."""

    metrics: list[Any] = field(default_factory=list)
    codes: list[Any] = field(default_factory=list)
    classes: list[tuple[str, str]] = field(default_factory=list)
    reconstructions: list[Any] = field(default_factory=list)
    losses: list[Any] = field(default_factory=list)
    are_images: bool = False


def html_page(comparison: Any, title: str) -> str:
    """Return the report on a comparison as one page that loads nothing.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    title : str
        Heading.
    """
    return html_report([Part(comparison)], title)


def html_table(comparison: Any) -> str:
    """Return the table and its notes as an element that can stand in a notebook."""
    return (
        _environment()
        .get_template("_report_table.html")
        .render(rows=_rows(comparison), notes=comparison.notes)
    )


def html_report(parts: Sequence[Part], title: str) -> str:
    """Return the report on several comparisons as one page that loads nothing.

    Parameters
    ----------
    parts : sequence of Part
        What was found.
    title : str
        Heading.
    """
    why_none = _why_no_pictures()
    pictures = [
        _Pictures() if why_none else _draw(part, f"p{i}") for i, part in enumerate(parts, 1)
    ]
    return (
        _environment()
        .get_template("_report.html")
        .render(
            title=title,
            style=_read("_report.css"),
            parts=[
                _described(part, drawn, f"p{i}")
                for i, (part, drawn) in enumerate(zip(parts, pictures, strict=True), 1)
            ],
            meanings=_meanings(parts),
            why_none=why_none,
            versions=_versions(),
            level=f"{LEVEL:.0%}".replace("%", " %"),
        )
    )


# -- what is said -----------------------------------------------------------------------------


def _described(part: Part, pictures: _Pictures, prefix: str) -> dict[str, Any]:
    comparison = part.comparison
    return {
        "prefix": prefix,
        "heading": part.heading,
        "intro": list(part.intro),
        "data": _data_in_words(comparison.data),
        "verdict": comparison.verdict(),
        "rows": _rows(comparison),
        "notes": comparison.notes,
        "n_splits": comparison.data.get("splits", 0),
        "tests": _tests(comparison),
        "settings": _settings(comparison),
        "pictures": pictures,
    }


def _rows(comparison: Any) -> list[dict[str, Any]]:
    """Return the rows of the table, the headings first."""
    heading, *body = comparison._layout()
    rows = [{"cells": heading, "is_baseline": False}]
    rows += [{"cells": c, "is_baseline": c[0].text in comparison.baselines} for c in body]
    return rows


def _data_in_words(data: dict[str, Any]) -> list[str]:
    said = [f"{data['samples']} samples"] if "samples" in data else []
    if "views" in data:
        widths = ", ".join(f"{name} {width}" for name, width in data["views"].items())
        said.append(f"{len(data['views'])} views ({widths} columns)")
    elif "features" in data:
        said.append(f"{data['features']} features")
    if "absent" in data:
        lacking = ", ".join(f"{name} {count}" for name, count in data["absent"].items() if count)
        said.append(f"samples that lack a view: {lacking}")
    if "classes" in data:
        said.append(f"{data['classes']} classes")
    if "splits" in data:
        said.append(f"{data['splits']} {'split' if data['splits'] == 1 else 'splits'}")
    return said


def _tests(comparison: Any) -> list[dict[str, Any]]:
    """Return the differences from the reference, metric by metric."""
    found = []
    for metric in comparison.metrics:
        try:
            table = comparison.significance(metric)
        except ValueError:
            # Nothing was measured on all splits.
            continue
        if not len(table):
            continue
        table = table.sort_values("difference", ascending=False, kind="stable")
        rows = [
            {
                "name": str(name),
                "mean": f"{row['mean']:.3f}",
                "difference": _signed(row["difference"], row["std"]),
                "p": _p_value(row["p"]),
                "p_holm": _p_value(row["p_holm"]),
                "finding": _finding(row["clear"], row["difference"]),
            }
            for name, row in table.iterrows()
        ]
        reference = str(table.index.name).removeprefix(f"{metric} against ")
        found.append({"title": title_of(metric), "reference": reference, "rows": rows})
    return found


def _finding(clear: bool, difference: float) -> str:
    return "no" if not clear else "better" if difference > 0 else "worse"


def _signed(difference: float, spread: float) -> str:
    text = f"{difference:+.3f}".replace("-", "\u2212")
    return f"{text} ± {spread:.3f}" if np.isfinite(spread) else text


def _p_value(p: float) -> str:
    if not np.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _settings(comparison: Any) -> list[tuple[str, str]]:
    """Return how each estimator was set, those that `compare` added included."""
    found = {name: repr(model) for name, model in comparison.estimators.items()}
    for name in comparison.baselines:
        model = comparison.models.get(name)
        if model is not None:
            # A decoder that `compare` put around it is none of its settings.
            found[name] = repr(getattr(model, "estimator", model))
    return list(found.items())


def _meanings(parts: Sequence[Part]) -> list[tuple[str, str]]:
    metrics = dict.fromkeys(metric for part in parts for metric in part.comparison.metrics)
    return [(title_of(name), _MEANINGS[name]) for name in metrics if name in _MEANINGS]


def _versions() -> list[tuple[str, str]]:
    found = {name: _version_of(name) for name in _VERSIONED}
    return [("Python", platform.python_version()), *((n, v) for n, v in found.items() if v)]


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


# -- what is drawn ----------------------------------------------------------------------------


def _why_no_pictures() -> str:
    try:
        require_matplotlib("A picture")
    except ImportError as error:
        return str(error)
    return ""


def _draw(part: Part, prefix: str) -> _Pictures:
    from skrep.inspection import _report_figures as figures

    comparison = part.comparison
    pictured = part.pictured or Pictured(
        title=part.heading,
        table=comparison.table,
        models=comparison.models,
        held_out=comparison.held_out,
        labels=comparison.held_out_labels,
    )
    return _Pictures(
        metrics=figures.metric_plots(comparison, prefix),
        codes=figures.code_images(pictured),
        classes=figures.class_legend(pictured),
        reconstructions=figures.reconstructions(pictured),
        losses=figures.loss_plots(pictured, prefix),
        are_images=pictured.image_shape is not None,
    )


# -- templates --------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    # Names and messages are the user's: everything is escaped unless marked.
    return Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read(name: str) -> Markup:
    # A file of ours, so it may stand as it is.
    return Markup((Path(__file__).parent / name).read_text(encoding="utf-8"))
