"""Kinds of units per view: what a Boltzmann machine of several views asks of its data."""

from collections.abc import Sequence

import numpy as np

from skrep.utils.validation import CheckedViews

__all__ = ["word_counts"]


def word_counts(checked: CheckedViews, kinds: Sequence[str]) -> np.ndarray:
    """Return the words of each row in every view of counts, NaN where it is absent."""
    columns = []
    for i, (array, kind) in enumerate(zip(checked.arrays, kinds, strict=True)):
        if kind == "multinomial":
            words = np.asarray(array.sum(axis=1)).reshape(-1).astype(np.float64)
            if checked.present is not None:
                words = np.where(checked.present[:, i], words, np.nan)
            columns.append(words)
    return np.stack(columns, axis=1) if columns else np.empty((checked.n_samples, 0))
