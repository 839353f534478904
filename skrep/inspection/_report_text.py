"""The table and the verdict of a comparison, in words."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from skrep.inspection._significance import LEVEL, corrected_t_test

__all__ = ["Cell", "format_table", "layout", "markdown_table", "title_of", "verdict"]

_TITLES: Final = {
    "reconstruction_r2": "R²",
    "linear_probe_accuracy": "linear probe",
    "knn_accuracy": "5-NN",
    "kmeans_accuracy": "k-means ACC",
    "kmeans_nmi": "k-means NMI",
    "kmeans_ari": "k-means ARI",
    "log_likelihood": "log p, nats",
    "imputation_r2": "imputed R²",
    "canonical_correlations": "mean correlation",
    "total_correlation_captured": "correlation",
    "shared_representation_accuracy": "across views",
    "retrieval_recall": "recall@10",
    "mean_average_precision": "mAP",
    "mean_reciprocal_rank": "MRR",
    "neg_median_rank": "-median rank",
}
# How the verdict speaks of a metric: where it was won, and what the number is called.
_SPOKEN: Final = {
    "reconstruction_r2": ("on held-out reconstruction", "R²"),
    "linear_probe_accuracy": ("on the linear probe", "an accuracy of"),
    "imputation_r2": ("on filling in hidden views", "R²"),
    "total_correlation_captured": ("on held-out correlation", "a sum of"),
}


class Cell(NamedTuple):
    """One place of the table.

    Attributes
    ----------
    text : str
        What stands there.
    best : bool
        Whether it is the best of its column.
    close : bool
        Whether it is not clearly below the best.
    note : int
        Number of the note that explains it; 0 is none.
    """

    text: str
    best: bool = False
    close: bool = False
    note: int = 0


def title_of(metric: str) -> str:
    """Return the heading of a metric's column."""
    return _TITLES.get(metric, metric)


def layout(
    table: pd.DataFrame,
    metrics: Sequence[str],
    notes: Mapping[tuple[str, str], int],
    is_close: Callable[[str, str, str], bool],
    apart: Collection[str] = (),
) -> list[list[Cell]]:
    """Lay a table out in rows of cells under a row of headings, the best by the first on top.

    Parameters
    ----------
    table : DataFrame
        As in `Comparison`.
    metrics : sequence of str
        In order.
    notes : dict of (str, str) to int
        Number of the note on a cell, by estimator and metric.
    is_close : callable
        `(name, best name, metric) -> bool`: whether a value is not clearly below the best.
    apart : collection of str
        Estimators measured on other rows: they come last and are never the best or close to it.

    Returns
    -------
    list of list of Cell
    """
    table = table.sort_values(metrics[0], ascending=False, na_position="last", kind="stable")
    compared = table[~table.index.isin(list(apart))]
    table = pd.concat([compared, table[table.index.isin(list(apart))]])
    headings = ["model", "code", *map(title_of, metrics), "fit", "transform", "memory"]
    best = {m: compared[m].idxmax() for m in metrics if compared[m].notna().any()}
    rows = [[Cell(text) for text in headings]]
    for name, row in table.iterrows():
        cells = [
            Cell(" ".join(str(name).splitlines())),
            Cell("–" if pd.isna(row["n_components"]) else str(row["n_components"])),
        ]
        for metric in metrics:
            text = _with_spread(row[metric], row[f"{metric}_std"])
            first = bool(text != "–" and name == best.get(metric))
            known = text != "–" and not first and name not in apart
            near = known and is_close(str(name), str(best[metric]), metric)
            cells.append(Cell(text, first, bool(near), notes.get((str(name), metric), 0)))
        cells += [Cell(_seconds(row["fit_seconds"])), Cell(_seconds(row["transform_seconds"]))]
        rows.append([*cells, Cell(_mebibytes(row["peak_memory"]))])
    return rows


def format_table(rows: Sequence[Sequence[Cell]]) -> str:
    """Return the rows of `layout` in aligned columns."""
    texts = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *others]).rstrip())
    return "\n".join([lines[0], "-" * sum([*widths, 2 * len(widths) - 2]), *lines[1:]])


def markdown_table(rows: Sequence[Sequence[Cell]], notes: Sequence[str]) -> str:
    """Return the rows of `layout` as a Markdown table, with the notes below it."""
    heading, *body = rows
    lines = [[_escaped(cell.text) for cell in heading], ["---", *["---:"] * (len(heading) - 1)]]
    lines += [[_marked(cell) for cell in row] for row in body]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    remarks = "\n".join(f"{i}. {_escaped(note)}" for i, note in enumerate(notes, 1))
    return f"{text}\n\n{remarks}\n" if remarks else f"{text}\n"


def verdict(
    scores: Mapping[str, Mapping[str, np.ndarray]], test_to_train: float, baseline: str = "PCA"
) -> str:
    """Say in one sentence what won and by how much.

    All models were measured on the same splits, so their differences are paired. One counts as
    clear if a two-sided t-test on it, corrected for the training rows that splits share, falls
    below 5 %: over 3 folds that asks for 3.9 standard deviations, over 5 folds for 1.9, over 2
    folds for 15.6.

    Parameters
    ----------
    scores : dict of str to dict of str to ndarray
        Per metric and estimator the values over splits, of equal length.
    test_to_train : float
        Held-out rows per training row.
    baseline : str, default="PCA"
        The estimator that is named even if it is neither first nor second.

    Returns
    -------
    str
        One sentence.
    """
    # The metric that ranks, and others of which much can be said in few words.
    spoken = {metric: (f"on {title_of(metric)}", "a score of") for metric in list(scores)[:1]}
    spoken.update({metric: _SPOKEN[metric] for metric in scores if metric in _SPOKEN})
    parts = [
        _verdict_on(scores[metric], intro, unit, baseline, test_to_train)
        for metric, (intro, unit) in spoken.items()
    ]
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "Nothing could be measured."


def _verdict_on(
    scores: Mapping[str, np.ndarray], intro: str, unit: str, baseline: str, test_to_train: float
) -> str:
    if not scores:
        return ""
    ranked = sorted(scores, key=lambda name: -scores[name].mean())
    best = ranked[0]
    lead = f"{unit} {scores[best].mean():.3f}"
    if len(ranked) == 1:
        return f"{intro} {best} has {lead}"
    gaps = {name: scores[best] - scores[name] for name in ranked[1:]}
    close = [
        name for name, gap in gaps.items() if not corrected_t_test(gap, test_to_train).p < LEVEL
    ]
    apart = baseline in gaps and baseline not in close
    if close:
        text = (
            f"{intro} there is no clear winner: {best} leads with {lead}, but "
            f"{_behind(close, gaps)} too close to tell over these folds"
        )
        return f"{text}, while {baseline} is {_amount(gaps[baseline])} behind" if apart else text
    text = f"{intro} {best} wins clearly with {lead}, {_amount(gaps[ranked[1]])} above {ranked[1]}"
    if apart and ranked[1] != baseline:
        text += f" and {_amount(gaps[baseline])} above {baseline}"
    return text


def _behind(close: Sequence[str], gaps: Mapping[str, np.ndarray]) -> str:
    first, others = close[0], len(close) - 1
    told = f"{first} ({_amount(gaps[first])} behind)"
    if not others:
        return f"{told} is"
    return f"{told} and {close[1] if others == 1 else f'{others} others'} are"


def _amount(gap: np.ndarray) -> str:
    spread = f" ± {gap.std(ddof=1):.3f}" if len(gap) > 1 else ""
    return f"{gap.mean():.3f}{spread}"


def _with_spread(mean: float, spread: float) -> str:
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.3f} ± {spread:.3f}" if np.isfinite(spread) else f"{mean:.3f}"


def _seconds(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.1f} s" if value >= 0.95 else f"{value * 1e3:.0f} ms"


def _mebibytes(value: float) -> str:
    return f"{value:.0f} MiB" if np.isfinite(value) else "–"


def _plain(cell: Cell) -> str:
    return f"{cell.text} [{cell.note}]" if cell.note else cell.text


def _marked(cell: Cell) -> str:
    text = _escaped(cell.text)
    text = f"**{text}**" if cell.best else f"{text} ≈" if cell.close else text
    return f"{text} [{cell.note}]" if cell.note else text


def _escaped(text: str) -> str:
    """Return text that Markdown neither takes for the end of a cell or line nor for a tag."""
    return " ".join(text.splitlines()).replace("|", "\\|").replace("<", "\\<")
