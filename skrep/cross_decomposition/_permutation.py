"""How many canonical components are real, by permuting the samples of views."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dpotrf

from skrep.cross_decomposition._linear import Problem
from skrep.utils.correlation import project, whitener
from skrep.utils.random import seed_from

__all__ = ["PermutationTest", "permute"]


class PermutationTest(NamedTuple):
    """What `CCA.permutation_test` returns.

    Attributes
    ----------
    p_values : ndarray of shape (n_components,)
        Of the hypothesis that nothing is shared from this component on; they never fall.
    statistics : ndarray of shape (n_components,)
        Minus the logarithm of Wilks' lambda of the components from this one on.
    n_real : int
        Leading components whose p-value is at most the level asked for.
    """

    p_values: np.ndarray
    statistics: np.ndarray
    n_real: int


def permute(
    arrays: Sequence[Any],
    names: Sequence[str],
    n_components: int,
    regularization: Sequence[Any],
    *,
    n_permutations: int,
    level: float,
    random_state: Any,
) -> PermutationTest:
    """Test component after component; rows of all views but the first are permuted."""
    problem = Problem.of(arrays, regularization)
    solution = problem.solve(n_components, regularization, names)
    n = problem.moments.n_samples
    unridged = sum(
        rank
        for rank, ridge in zip(solution.ranks, solution.regularization, strict=True)
        if ridge == 0
    )
    if unridged > n - 1:
        raise ValueError(
            f"{n} samples are too few for a test: the views vary in {unridged} directions, so that "
            f"permuted samples fit as perfectly. Set `regularization`, for example to 'auto', or "
            f"reduce the views first."
        )
    rotated = [
        _rotated(problem, solution.weights[i], solution.regularization[i], i, array)
        for i, array in enumerate(arrays)
    ]
    order = _pivots([variates.shape[1] for variates in rotated], n_components)
    observed = _statistics(rotated, order, n_components)
    rng = np.random.default_rng(seed_from(random_state))
    as_large = np.ones(n_components)
    for _ in range(n_permutations):
        drawn = [rotated[0], *(variates[rng.permutation(n)] for variates in rotated[1:])]
        # Equal up to rounding counts as equal: the errors of both lie near 1e-12.
        as_large += _statistics(drawn, order, n_components) >= observed * (1 - 1e-9) - 1e-12
    p_values = np.maximum.accumulate(as_large / (n_permutations + 1))
    return PermutationTest(p_values, observed, int((p_values <= level).sum()))


def _rotated(problem: Problem, weights: np.ndarray, ridge: float, i: int, array: Any) -> np.ndarray:
    """Return whitened rows of a view whose leading columns are its canonical variates."""
    moments, view, width = problem.moments, problem.reduced[i], problem.widths[i]
    part = moments.slices[i]
    S, mean = moments.covariance()[part, part], moments.means[i]
    root = whitener(S, ridge, width, mean, moments.precision)
    amount = ridge * float(np.trace(S)) / width
    directions = root.T @ (S @ weights + amount * weights)
    rotation, _ = scipy.linalg.qr(directions)
    maps = root @ rotation
    if view is not None:
        maps, mean = view.axes / view.scale[:, None] @ maps, view.mean
    # Columns after the first few of the rotation span what is left; a permutation of rows keeps
    # every view white, so that the same columns are what is left after it as well.
    return project(array, mean, maps / np.sqrt(moments.n_samples - 1))


def _pivots(ranks: Sequence[int], n_components: int) -> np.ndarray:
    """Return (component, position) of all variates in the order of elimination, last first."""
    ends = np.cumsum([0, *ranks])
    component = np.concatenate([np.minimum(np.arange(rank), n_components) for rank in ranks])
    order = np.argsort(-component, kind="stable")
    return np.stack([component[order], np.arange(ends[-1])[order]])


def _statistics(rotated: Sequence[np.ndarray], pivots: np.ndarray, n_components: int) -> np.ndarray:
    """Return minus the log-determinant of the correlations of variates from each component on."""
    ends = np.cumsum([0, *(variates.shape[1] for variates in rotated)])
    joint = np.eye(ends[-1])
    for i, left in enumerate(rotated):
        for j, right in enumerate(rotated[:i]):
            joint[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = left.T @ right
    joint = np.tril(joint) + np.tril(joint, -1).T
    component, position = pivots
    factor, stopped = dpotrf(joint[np.ix_(position, position)], lower=1)
    # One factorisation serves all: its leading blocks are those of later components.
    logs = np.zeros(len(component))
    good = len(component) if stopped == 0 else stopped - 1
    diagonal = factor.diagonal()[:good]
    logs[:good] = -2 * np.log(np.maximum(diagonal, np.finfo(float).tiny))
    logs[good:] = np.inf
    totals = np.cumsum(logs)
    return np.array([totals[component >= k][-1] for k in range(n_components)])
