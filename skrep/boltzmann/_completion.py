"""Means of unobserved units given the observed ones."""

import numpy as np
import torch
from torch import Tensor

from skrep.functional.energies import binary_states
from skrep.functional.ising import ising_energy
from skrep.nn.boltzmann import BoltzmannModule

__all__ = ["complete"]

# Up to this many unknown units their states are enumerated.
_EXACT_UNITS = 12
_CHUNK_ROWS = 1024


def complete(module: BoltzmannModule, visible: Tensor) -> Tensor:
    """Return visible rows with NaN replaced by conditional means, (rows, n_visible), float64."""
    n_hidden = len(module.field) - module.n_visible
    unknown = torch.isnan(visible).numpy()
    filled = visible.clone()
    patterns, place = np.unique(unknown, axis=0, return_inverse=True)
    place = np.ravel(place)
    rest = np.zeros(len(unknown), dtype=bool)
    for k, pattern in enumerate(patterns):
        rows = np.flatnonzero(place == k)
        if not pattern.any():
            continue
        if pattern.sum() + n_hidden > _EXACT_UNITS:
            rest[rows] = True
            continue
        for start in range(0, len(rows), _CHUNK_ROWS):
            some = rows[start : start + _CHUNK_ROWS]
            filled[some] = _enumerate(module, visible[some], pattern)
    if rest.any():
        means = module.means(visible[rest].to(module.field.dtype))
        filled[rest] = means[:, : module.n_visible].double()
    return filled


def _enumerate(module: BoltzmannModule, visible: Tensor, pattern: np.ndarray) -> Tensor:
    coupling, field = module.dense_coupling().double(), module.field.double()
    n_hidden = len(field) - module.n_visible
    open_units = np.concatenate([pattern, np.ones(n_hidden, dtype=bool)])
    free, fixed = np.flatnonzero(open_units), np.flatnonzero(~open_units)
    known = visible[:, fixed]
    states = binary_states(0, 1 << len(free), len(free), field)
    if module.spin:
        states = 2.0 * states - 1.0
    alone = -ising_energy(states, coupling[free][:, free], field[free])
    pull = known @ coupling[fixed][:, free]
    weights = torch.softmax(pull @ states.T + alone, dim=1)
    filled = visible.clone()
    filled[:, np.flatnonzero(pattern)] = (weights @ states)[:, : int(pattern.sum())]
    return filled
