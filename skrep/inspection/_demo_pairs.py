"""The second table of `python -m skrep`: what two views have in common."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._comparison import Comparison
from skrep.inspection._run import run_comparison
from skrep.metrics import scorers
from skrep.views import Views

__all__ = ["PairFindings", "compare_pair"]

# Pixels and profile correlations of the shipped digits: the pair that papers use.
_KNOWN_PAIRS = (("pix", "fac"),)
# scikit-learn's CCA iterates a long time where views are this wide.
_WIDEST = 1000


class PairFindings(NamedTuple):
    """A comparison of two views.

    Attributes
    ----------
    heading : str
        Which two.
    explanation : str
        What its columns are.
    comparison : Comparison
        The table.
    """

    heading: str
    explanation: str
    comparison: Comparison


def compare_pair(
    blocks: Mapping[str, np.ndarray],
    labels: Any,
    make_estimators: Callable[[int, bool], Mapping[str, Any]],
    *,
    n_components: int,
    n_folds: int,
    seed: int,
    fast: bool,
) -> PairFindings | None:
    """Compare models with a code per view on two views.

    Parameters
    ----------
    blocks : dict of str to ndarray of shape (n_samples, width)
        The views; two of them are taken, the first two where none is known to be better.
    labels : array-like of shape (n_samples,) or None
        Classes.
    make_estimators : callable
        `(n_components, fast) -> dict` of unfitted models with a code per view.
    n_components : int
        Size of a joint code; each of the two codes has half of it.
    n_folds : int
        Folds.
    seed : int
        Of folds and models.
    fast : bool
        Whether to train for a few epochs only.

    Returns
    -------
    PairFindings or None
        None where there are no two views narrow enough.
    """
    pair = _pick(blocks)
    if pair is None:
        return None
    views = Views({name: np.ascontiguousarray(blocks[name]) for name in pair})
    size = max(1, min(n_components // 2, *views.widths))
    names = ["total_correlation_captured"]
    ending = "."
    if labels is not None:
        names += ["shared_representation_accuracy", "linear_probe_accuracy"]
        ending = (
            "; across views: a classifier is trained on one view's code and tested on the other's."
        )
    comparison = run_comparison(
        make_estimators(size, fast),
        views,
        labels,
        metrics=scorers(*names),
        cv=n_folds,
        random_state=seed,
        verbose=1,
    )
    return PairFindings(
        f"What {pair[0]} and {pair[1]} have in common",
        f"A code of {size} numbers for each view. The held-out correlation is summed over "
        f"components, at most {size}{ending}",
        comparison,
    )


def _pick(blocks: Mapping[str, np.ndarray]) -> tuple[str, str] | None:
    for first, second in _KNOWN_PAIRS:
        if first in blocks and second in blocks:
            return first, second
    narrow = [name for name, block in blocks.items() if block.shape[1] <= _WIDEST and block.any()]
    return (narrow[0], narrow[1]) if len(narrow) > 1 else None
