"""From data and a mask to an untrained Boltzmann machine."""

from typing import Any

import numpy as np
import torch

from skrep.base import ModuleSpec
from skrep.nn.boltzmann import BoltzmannModule

__all__ = ["connections", "make_machine"]

# Standard deviation of the first couplings: large enough to break ties between hidden units.
_START = 0.05


def connections(mask: Any, n_visible: int, n_hidden: int) -> np.ndarray:
    """Return which units may be coupled, (n_units, n_units), float32 zeros and ones.

    Raises
    ------
    ValueError
        If a mask has another shape, is not symmetric, or couples a unit to itself.
    """
    n_units = n_visible + n_hidden
    if mask is None:
        return 1.0 - np.eye(n_units, dtype=np.float32)
    if isinstance(mask, str):  # "bipartite"
        hidden = np.arange(n_units) >= n_visible
        return (hidden[:, None] != hidden[None, :]).astype(np.float32)
    made = np.asarray(mask) != 0
    if made.shape != (n_units, n_units):
        raise ValueError(
            f"`mask` must have one row and one column per unit, {n_visible} visible and "
            f"{n_hidden} hidden: {(n_units, n_units)}. Got the shape {made.shape}."
        )
    if (made != made.T).any():
        i, j = np.argwhere(made != made.T)[0]
        raise ValueError(
            f"`mask` must be symmetric, but [{i}, {j}] is {bool(made[i, j])} and [{j}, {i}] is "
            f"{bool(made[j, i])}. Pass `mask | mask.T`."
        )
    if made.diagonal().any():
        i = int(np.flatnonzero(made.diagonal())[0])
        raise ValueError(
            f"`mask` must have a zero diagonal, but couples unit {i} to itself. Clear it with "
            f"`np.fill_diagonal(mask, False)`."
        )
    return made.astype(np.float32)


def make_machine(
    spec: ModuleSpec,
    *,
    spin: bool,
    mask: Any,
    exact: bool,
    n_chains: int,
    n_gibbs_steps: int,
) -> BoltzmannModule:
    """Return a machine whose visible fields fit the data's means and whose couplings are small."""
    n_visible = sum(spec.widths)
    connected = connections(mask, n_visible, spec.n_components)
    n_units = len(connected)
    upper = torch.triu(_START * torch.randn(n_units, n_units), diagonal=1)
    coupling = (upper + upper.T) * torch.from_numpy(connected)
    mean = np.concatenate([moments.mean for moments in spec.moments])
    on = 0.5 * (mean + 1.0) if spin else mean
    # Half a row of each value keeps the field of a constant feature finite.
    n = spec.data.n_samples
    on = (on * n + 0.5) / (n + 1.0)
    field = torch.zeros(n_units)
    odds = np.log(on / (1.0 - on))
    field[:n_visible] = torch.as_tensor(0.5 * odds if spin else odds, dtype=torch.float32)
    start = torch.sigmoid(2.0 * field if spin else field).unsqueeze(1)
    chains = (torch.rand(n_units, n_chains) < start).float()
    return BoltzmannModule(
        coupling,
        field,
        n_visible,
        spin=spin,
        connected=connected,
        exact=exact,
        chains=None if exact else (2.0 * chains - 1.0 if spin else chains),
        n_gibbs_steps=n_gibbs_steps,
        widths=spec.widths,
    )
