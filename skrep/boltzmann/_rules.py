"""Storage rules and recall dynamics of Hopfield networks, on float64 arrays.

States of the three classical rules are +1 and -1, with 0 for a unit that is not known yet; their
couplings are symmetric with a zero diagonal, and the energy of a state s is -s W s / 2.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

__all__ = ["CAPACITY", "RULES", "Memory", "recall_modern", "recall_spins"]

# Fields this small, relative to the largest possible one, are sums that cancel up to rounding.
_TIE = 1e-9
# Rows of modern recall are taken in blocks of about this many similarities.
_BLOCK_VALUES = 1 << 19


class Memory(NamedTuple):
    """What a classical rule has learned so far.

    Attributes
    ----------
    coupling : ndarray of shape (n_units, n_units)
        Symmetric; its diagonal is cleared only when states are recalled, since rules need it.
    n_patterns : int
        Stored so far.
    """

    coupling: np.ndarray
    n_patterns: int


def hebb(memory: Memory, patterns: np.ndarray) -> Memory:
    """Add the mean outer products: W += sum of s s' / N."""
    coupling = memory.coupling + patterns.T @ patterns / patterns.shape[1]
    np.fill_diagonal(coupling, 0.0)
    return Memory(coupling, memory.n_patterns + len(patterns))


def storkey(memory: Memory, patterns: np.ndarray) -> Memory:
    """Add one pattern after the other, less what the field of the others already says."""
    coupling = memory.coupling.copy()
    n_units = patterns.shape[1]
    for pattern in patterns:
        # h_ij: the field at i without the shares of i and j. The diagonal of W is zero.
        local = (coupling @ pattern)[:, None] - coupling * pattern[None, :]
        crossed = local * pattern[None, :]
        coupling += (np.outer(pattern, pattern) - crossed - crossed.T) / n_units
        np.fill_diagonal(coupling, 0.0)
    return Memory(coupling, memory.n_patterns + len(patterns))


def projection(memory: Memory, patterns: np.ndarray) -> Memory:
    """Widen the projector on the span of the patterns by what lies outside it."""
    residual = patterns - patterns @ memory.coupling
    # A second pass removes what rounding left of the known span.
    residual -= residual @ memory.coupling
    _, sizes, axes = np.linalg.svd(residual, full_matrices=False)
    new = axes[sizes > 1e-8 * math.sqrt(patterns.size)]
    return Memory(memory.coupling + new.T @ new, memory.n_patterns + len(patterns))


RULES: Final[dict[str, Callable[[Memory, np.ndarray], Memory]]] = {
    "hebb": hebb,
    "storkey": storkey,
    "projection": projection,
}

#: Patterns that n units hold when patterns are random and not correlated.
CAPACITY: Final[dict[str, Callable[[int], float]]] = {
    "hebb": lambda n: 0.138 * n,
    "storkey": lambda n: n / math.sqrt(2.0 * math.log(max(n, 3))),
    "projection": lambda n: float(n),
    "modern": lambda n: 2.0 ** min(n / 2.0, 1000.0),
}


def recall_spins(
    states: np.ndarray,
    coupling: np.ndarray,
    order: np.ndarray | None,
    max_sweeps: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Update +1/-1 states until nothing changes.

    Parameters
    ----------
    states : ndarray of shape (n_samples, n_units)
        Cues; 0 where a unit is unknown.
    coupling : ndarray of shape (n_units, n_units)
        Symmetric, with a zero diagonal.
    order : ndarray of shape (n_units,) or None
        The order in which units are updated one by one; None updates all at once.
    max_sweeps : int
        Sweeps over the units, at most.

    Returns
    -------
    states : ndarray of shape (n_samples, n_units)
        +1 and -1.
    converged : ndarray of shape (n_samples,)
        Whether a whole sweep left the state as it was.
    n_sweeps : ndarray of shape (n_samples,)
        Sweeps made, the last one without a change included.
    """
    states = states.copy()
    converged = np.zeros(len(states), dtype=bool)
    n_sweeps = np.zeros(len(states), dtype=np.int64)
    tie = _TIE * max(float(np.abs(coupling).sum(axis=1).max(initial=0.0)), 1e-300)
    active = np.arange(len(states))
    before = states.copy()
    for _ in range(max_sweeps):
        if not len(active):
            break
        old = states[active]
        new = _all_at_once(old, coupling, tie) if order is None else old.copy()
        if order is not None:
            _one_by_one(new, coupling, order, tie)
        still = (new == old).all(axis=1)
        # Updates at once may swing between two states for ever: such a row stays unconverged.
        swings = (new == before[active]).all(axis=1) & ~still if order is None else ~still & False
        before[active] = old
        states[active] = new
        n_sweeps[active] += 1
        converged[active[still]] = True
        active = active[~(still | swings)]
    return np.where(states == 0.0, 1.0, states), converged, n_sweeps


def _decide(field: np.ndarray, state: np.ndarray, tie: float) -> np.ndarray:
    """Return the sign of the field; without one a unit stays, and an unknown one turns +1."""
    kept = np.where(state == 0.0, 1.0, state)
    return np.where(np.abs(field) <= tie, kept, np.sign(field))


def _all_at_once(states: np.ndarray, coupling: np.ndarray, tie: float) -> np.ndarray:
    return _decide(states @ coupling, states, tie)


def _one_by_one(states: np.ndarray, coupling: np.ndarray, order: np.ndarray, tie: float) -> None:
    # The fields are kept up to date, so that a unit that stays costs next to nothing.
    fields = states @ coupling
    for unit in order:
        new = _decide(fields[:, unit], states[:, unit], tie)
        changed = np.flatnonzero(new != states[:, unit])
        if len(changed):
            step = new[changed] - states[changed, unit]
            fields[changed] += step[:, None] * coupling[unit]
            states[changed, unit] = new[changed]


def recall_modern(
    cues: np.ndarray,
    patterns: np.ndarray,
    inverse_temperature: float,
    max_sweeps: int,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Replace each state by the mean of the patterns, weighted by a softmax of their nearness.

    Parameters
    ----------
    cues : ndarray of shape (n_samples, n_units)
        NaN where a unit is unknown: the first nearness is taken over the known ones.
    patterns : ndarray of shape (n_patterns, n_units)
        The memory.
    inverse_temperature : float
        Per squared unit of the data.
    max_sweeps : int
        Updates, at most.
    tolerance : float
        A row has converged when no unit moves further than this.

    Returns
    -------
    states : ndarray of shape (n_samples, n_units)
    converged : ndarray of shape (n_samples,)
    n_sweeps : ndarray of shape (n_samples,)
    """
    states = np.empty_like(cues)
    converged = np.zeros(len(cues), dtype=bool)
    n_sweeps = np.zeros(len(cues), dtype=np.int64)
    norms = 0.5 * np.einsum("ij,ij->i", patterns, patterns)
    step = max(1, _BLOCK_VALUES // max(1, len(patterns)))
    for start in range(0, len(cues), step):
        rows = np.arange(start, min(start + step, len(cues)))
        cue = cues[rows]
        known = ~np.isnan(cue)
        filled = np.where(known, cue, 0.0)
        near = filled @ patterns.T - (
            norms if known.all() else known.astype(np.float64) @ (0.5 * patterns.T**2)
        )
        current = filled
        for _ in range(max_sweeps):
            near *= inverse_temperature
            near -= near.max(axis=1, keepdims=True)
            weights = np.exp(near, out=near)
            new = weights @ patterns / weights.sum(axis=1, keepdims=True)
            still = (np.abs(new - current) <= tolerance).all(axis=1)
            states[rows] = new
            n_sweeps[rows] += 1
            converged[rows[still]] = True
            rows, current = rows[~still], new[~still]
            if not len(rows):
                break
            near = current @ patterns.T - norms
    return states, converged, n_sweeps
