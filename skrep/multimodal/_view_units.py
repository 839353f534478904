"""Kinds of units per view: what a Boltzmann machine of several views asks of its data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skrep._base_networks import per_view
from skrep.nn.units import VISIBLE_UNITS
from skrep.utils.domains import DOMAINS
from skrep.utils.validation import CheckedViews

__all__ = ["check_domains", "view_kinds", "word_counts"]


def view_kinds(visible: Any, names: Sequence[str]) -> list[str]:
    """Return the kind of units of every view.

    Raises
    ------
    ValueError
        If there is no such kind, or names or number do not match the views.
    """
    kinds = per_view(visible, names, "visible")
    for name, kind in zip(names, kinds, strict=True):
        if kind not in VISIBLE_UNITS:
            raise ValueError(
                f"`visible` of view {name!r} must be one of {', '.join(map(repr, VISIBLE_UNITS))}. "
                f"Got {kind!r}."
            )
    return kinds


def check_domains(checked: CheckedViews, visible: Any) -> None:
    """Raise for values outside the domain of their view's units; absent rows pass.

    Raises
    ------
    ValueError
        Naming view, row and value.
    """
    several = len(checked.names) > 1
    for i, (name, kind) in enumerate(
        zip(checked.names, view_kinds(visible, checked.names), strict=True)
    ):
        array = checked.arrays[i]
        if kind == "categorical" and checked.present is not None:
            # Rows of zeros, which are absent, would not be one-hot; NaN passes every check.
            dense = array.toarray() if sparse.issparse(array) else array
            array = np.where(checked.present[:, i, None], dense, np.nan)
        DOMAINS[VISIBLE_UNITS[kind].domain](
            array, view=name if several else None, argument=f"visible={kind!r}"
        )


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
