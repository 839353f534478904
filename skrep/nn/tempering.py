"""Exchanges between chains at different temperatures."""

import torch
from torch import Tensor

__all__ = ["exchange_"]


def exchange_(states: Tensor, slope: Tensor, betas: Tensor, generator: torch.Generator) -> None:
    """Exchange states between neighbouring temperatures, in place, by Metropolis' rule.

    Parameters
    ----------
    states : Tensor of shape (n_betas, n_chains, n_units)
        Overwritten.
    slope : Tensor of shape (n_betas, n_chains)
        Slopes of the states' energies in beta; energies are linear in beta.
    betas : Tensor of shape (n_betas,)
        Inverse temperatures.
    generator : torch.Generator
        Source of the draws.
    """
    n_betas, m = slope.shape
    order = torch.arange(n_betas, device=slope.device).unsqueeze(1).repeat(1, m)
    slope = slope.clone()
    draws = torch.empty_like(slope).uniform_(generator=generator)
    for k in range(n_betas - 1):
        gain = (betas[k] - betas[k + 1]) * (slope[k] - slope[k + 1])
        swap = draws[k].log() < gain
        for table in (order, slope):
            upper = torch.where(swap, table[k + 1], table[k])
            table[k + 1] = torch.where(swap, table[k], table[k + 1])
            table[k] = upper
    states.copy_(states.gather(0, order.unsqueeze(2).expand_as(states)))
