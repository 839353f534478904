"""Chains of a general Boltzmann machine: samples, and its partition function by annealing."""

import torch
from torch import Tensor

from skrep.functional.annealing import (
    LogMean,
    annealed_log_weights,
    log_mean_weight,
    temperature_ladder,
)
from skrep.functional.ising import (
    Blocks,
    draw_exactly,
    exact_log_partition,
    gibbs_sweep_,
    make_blocks,
    unit_log_partition,
)
from skrep.nn.boltzmann import BoltzmannModule

__all__ = [
    "annealed_log_partition",
    "enumerated_log_partition",
    "gibbs_chain",
    "log2_states",
    "sample_states",
]

# Up to this many states samples are drawn from the table of all of them.
_EXACT_BITS = 16


def log2_states(module: BoltzmannModule) -> int:
    """Return the logarithm to base 2 of the states that a sum over all units enumerates.

    Parameters
    ----------
    module : BoltzmannModule
        The model.

    Returns
    -------
    int
    """
    return len(module.field) - max(len(block) for block in module.blocks)


def enumerated_log_partition(module: BoltzmannModule) -> float:
    """Return log Z by enumeration, in float64.

    Parameters
    ----------
    module : BoltzmannModule
        The model.

    Returns
    -------
    float
        Nats.
    """
    largest = max(module.blocks, key=len)
    coupling = module.dense_coupling().detach().double()
    return exact_log_partition(coupling, module.field.detach().double(), module.spin, largest)


def gibbs_chain(
    module: BoltzmannModule, states: Tensor, n_steps: int, generator: torch.Generator
) -> list[Tensor]:
    """Return the states after each of some sweeps over all units.

    Parameters
    ----------
    module : BoltzmannModule
        The model.
    states : Tensor of shape (n_chains, n_units)
        Where the chains start.
    n_steps : int
        Sweeps.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    list of Tensor of shape (n_chains, n_units)
        One per sweep.
    """
    blocks = make_blocks(module.coupling.detach(), module.blocks)
    field = module.field.detach()[blocks.order].unsqueeze(1)
    moved = states.T[blocks.order].contiguous()
    visited = []
    for _ in range(n_steps):
        gibbs_sweep_(moved, blocks, field, module.spin, generator)
        visited.append(_in_unit_order(moved, blocks))
    return visited


def sample_states(
    module: BoltzmannModule, n_samples: int, generator: torch.Generator, n_steps: int
) -> Tensor:
    """Draw states of all units.

    Independent draws where all states can be enumerated; else the ends of chains that are cooled
    from independent units for half of `n_steps` sweeps and go on at temperature 1.

    Parameters
    ----------
    module : BoltzmannModule
        The model.
    n_samples : int
        How many.
    generator : torch.Generator
        Source of the draws.
    n_steps : int
        Sweeps of the chains.

    Returns
    -------
    Tensor of shape (n_samples, n_units)
    """
    if log2_states(module) <= _EXACT_BITS:
        largest = max(module.blocks, key=len)
        coupling, field = module.dense_coupling().detach(), module.field.detach()
        return draw_exactly(coupling, field, module.spin, largest, n_samples, generator)
    blocks = make_blocks(module.coupling.detach(), module.blocks)
    base = _base_field(module)[blocks.order].unsqueeze(1)
    field = module.field.detach()[blocks.order].unsqueeze(1)
    states = _independent(base, n_samples, module.spin, generator)
    for step in range(n_steps):
        beta = min(1.0, 2.0 * (step + 1) / n_steps)
        mixed = torch.lerp(base, field, beta)
        gibbs_sweep_(states, blocks, mixed, module.spin, generator, beta)
    return _in_unit_order(states, blocks)


def annealed_log_partition(
    module: BoltzmannModule,
    n_chains: int,
    n_temperatures: int,
    generator: torch.Generator,
    start: Tensor | None = None,
) -> LogMean:
    """Return log Z by annealed importance sampling from independent units of fitting means.

    Parameters
    ----------
    module : BoltzmannModule
        The model.
    n_chains : int
        Chains that are annealed.
    n_temperatures : int
        Length of the ladder.
    generator : torch.Generator
        Source of the draws.
    start : Tensor of shape (n_chains, n_units) or None, default=None
        Samples of the model, for the estimate in reverse.

    Returns
    -------
    LogMean
    """
    blocks = make_blocks(module.coupling.detach(), module.blocks)
    base = _base_field(module)[blocks.order].unsqueeze(1)
    field = module.field.detach()[blocks.order].unsqueeze(1)
    spin = module.spin
    ladder = temperature_ladder(n_temperatures)

    def change(states: Tensor, beta: float, after: float) -> Tensor:
        pull = torch.cat([rows @ states for rows in blocks.rows]).mul_(0.5).add_(field - base)
        return (pull.mul_(states)).sum(dim=0).double() * (after - beta)

    def move(states: Tensor, beta: float) -> Tensor:
        mixed = torch.lerp(base, field, beta)
        return gibbs_sweep_(states, blocks, mixed, spin, generator, beta)

    if start is None:
        states = _independent(base, n_chains, spin, generator)
    else:
        ladder = ladder[::-1]
        states = start.T[blocks.order].contiguous()
    ratio = log_mean_weight(annealed_log_weights(states, ladder, change, move))
    known = float(unit_log_partition(base.double(), spin).sum())
    value = known + ratio.value if start is None else known - ratio.value
    return ratio._replace(value=value)


def _base_field(module: BoltzmannModule) -> Tensor:
    """Return fields of independent units with the means of the chains, or the model's own."""
    field = module.field.detach()
    if module.chains is None:
        return field
    n_chains = module.chains.shape[1]
    mean = module.chains.mean(dim=1)
    on = 0.5 * (mean + 1.0) if module.spin else mean
    odds = torch.logit((on * n_chains + 1.0) / (n_chains + 2.0))
    return 0.5 * odds if module.spin else odds


def _independent(field: Tensor, n_chains: int, spin: bool, generator: torch.Generator) -> Tensor:
    states = torch.rand(len(field), n_chains, dtype=field.dtype, generator=generator)
    on = torch.sigmoid(2.0 * field if spin else field)
    states = (states < on).to(field.dtype)
    return states.mul_(2.0).sub_(1.0) if spin else states


def _in_unit_order(states: Tensor, blocks: Blocks) -> Tensor:
    ordered = torch.empty_like(states)
    ordered[blocks.order] = states
    return ordered.T
