"""The table and the verdict of a comparison, in words."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

__all__ = ["format_table", "verdict"]

_TITLES: Final = {
    "total_correlation_captured": "correlation",
    "shared_representation_accuracy": "across views",
    "reconstruction_r2": "R²",
    "linear_probe_accuracy": "linear probe",
    "kmeans_accuracy": "k-means ACC",
    "kmeans_nmi": "k-means NMI",
}
_LEVEL: Final = 0.05


def format_table(table: pd.DataFrame) -> str:
    """Lay a table of `compare` out in aligned columns, the best by the first metric on top."""
    metrics = [name for name in _TITLES if name in table]
    table = table.sort_values(metrics[0], ascending=False, na_position="last")
    header = ["model", *(_TITLES[name] for name in metrics), "fit", "transform"]
    rows = [header]
    for name, row in table.iterrows():
        cells = [_with_spread(row[metric], row[f"{metric}_std"]) for metric in metrics]
        rows.append([str(name), *cells, _seconds(row.fit_seconds), _seconds(row.transform_seconds)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row_cells in rows:
        first = row_cells[0].ljust(widths[0])
        others = (cell.rjust(w) for cell, w in zip(row_cells[1:], widths[1:], strict=True))
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join([lines[0], "-" * sum([*widths, 2 * len(widths) - 2]), *lines[1:]])


def verdict(folds: Mapping[str, Sequence[Mapping[str, float]]], baseline: str = "PCA") -> str:
    """Say in one sentence what won and by how much.

    All models were measured on the same folds, so their differences are paired. One counts as
    clear if a two-sided t-test on it, corrected for the training rows that folds share [1]_, falls
    below 5 %: over 3 folds that asks for 3.9 standard deviations, over 5 folds for 1.9, over 2
    folds for 15.6.

    Parameters
    ----------
    folds : dict of str to list of dict
        Measured values per estimator and fold, as in `Comparison.folds`.
    baseline : str, default="PCA"
        The estimator that is named even if it is neither first nor second.

    Returns
    -------
    str
        One sentence.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. "Inference for the generalization error." Machine Learning
       52, 2003.
    """
    parts = [
        _verdict_on(_scores(folds, metric), intro, unit, baseline)
        for metric, intro, unit in (
            ("reconstruction_r2", "on held-out reconstruction", "R²"),
            ("linear_probe_accuracy", "on the linear probe", "an accuracy of"),
        )
    ]
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else "Nothing could be measured."


def _scores(
    folds: Mapping[str, Sequence[Mapping[str, float]]], metric: str
) -> dict[str, np.ndarray]:
    scores = {
        name: np.array([row.get(metric, np.nan) for row in rows]) for name, rows in folds.items()
    }
    longest = max(map(len, scores.values()), default=0)
    return {
        name: values
        for name, values in scores.items()
        if longest and len(values) == longest and np.isfinite(values).all()
    }


def _verdict_on(scores: Mapping[str, np.ndarray], intro: str, unit: str, baseline: str) -> str:
    if not scores:
        return ""
    ranked = sorted(scores, key=lambda name: -scores[name].mean())
    best = ranked[0]
    lead = f"{unit} {scores[best].mean():.3f}"
    if len(ranked) == 1:
        return f"{intro} {best} has {lead}"
    gaps = {name: scores[best] - scores[name] for name in ranked[1:]}
    close = [name for name, gap in gaps.items() if not _is_clear(gap)]
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


def _is_clear(gap: np.ndarray) -> bool:
    n_folds = len(gap)
    if n_folds < 2:
        return False
    # The share of test to training rows is 1 / (n_folds - 1) in k-fold cross-validation.
    scale = np.sqrt(1.0 / n_folds + 1.0 / (n_folds - 1))
    limit = student_t.ppf(1.0 - _LEVEL / 2.0, n_folds - 1) * scale
    return bool(gap.mean() > limit * gap.std(ddof=1))


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
