"""How far a view lies from what the other views say of it, measured where it is known."""

from collections.abc import Callable, Sequence

import numpy as np

from skrep._base_views import take_rows
from skrep._views_arrays import dense
from skrep.multimodal._fusion_start import sample_rows
from skrep.utils.validation import CheckedViews

__all__ = ["measured_spread"]

# Rows that represent the data.
_ROWS = 500


def measured_spread(
    checked: CheckedViews,
    seed: int,
    expect: Callable[[CheckedViews], Sequence[np.ndarray]],
    at_most: int = _ROWS,
    fewest: int = 1,
) -> list[np.ndarray]:
    """Return, for each view, root mean squared errors by how many other views are given.

    Parameters
    ----------
    checked : CheckedViews
        Data.
    seed : int
        Of the choice of rows and of the views that are hidden.
    expect : callable
        Returns all views, expected given those that are present.
    at_most : int, default=500
        Rows that are looked at.
    fewest : int, default=1
        Other views from which on errors are measured.

    Returns
    -------
    list of ndarray of shape (n_views, width)
        Row m is for m others, row 0 the standard deviation, as are those not measured.
    """
    rows = sample_rows(checked.n_samples, seed, at_most)
    some = checked if len(rows) == checked.n_samples else take_rows(checked, rows)
    n_views = len(some.names)
    there = np.ones((some.n_samples, n_views), bool) if some.present is None else some.present
    rng = np.random.default_rng(seed)
    found = []
    for i, array in enumerate(some.arrays):
        known = np.flatnonzero(there[:, i])
        truth = np.asarray(dense(array[known]))
        spread = truth.std(axis=0, dtype=np.float64) if len(known) else np.zeros(truth.shape[1])
        table = np.tile(spread, (n_views, 1))
        for m in range(fewest, n_views):
            kept = _some_others(there[known], i, m, rng)
            full = np.flatnonzero(kept.sum(axis=1) == m)
            if len(full):
                arrays = tuple(a[known[full]] for a in some.arrays)
                given = CheckedViews(arrays, some.names, kept[full])
                error = expect(given)[i] - truth[full]
                table[m:] = np.sqrt(np.square(error, dtype=np.float64).mean(axis=0))
        found.append(table)
    return found


def _some_others(there: np.ndarray, i: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Return a mask that keeps m random known views other than i, fewer where there are fewer."""
    order = np.where(there, rng.random(there.shape), np.inf)
    order[:, i] = np.inf
    rank = order.argsort(axis=1).argsort(axis=1)
    kept: np.ndarray = (rank < m) & np.isfinite(order)
    return kept
