"""The partition function of a restricted Boltzmann machine: by a sum over states, by annealing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skrep.functional.annealing import (
    LogMean,
    annealed_log_weights,
    log_mean_weight,
    temperature_ladder,
)

if TYPE_CHECKING:
    from skrep.nn.rbm import RBMModule

__all__ = ["MAX_STATES", "annealed_log_partition", "exact_log_partition"]

#: An exact sum over more states than this is refused.
MAX_STATES = 2**20
# Entries of the largest intermediate of a sum over states.
_CHUNK = 1 << 21


def exact_log_partition(machine: RBMModule, count: int | None) -> float:
    """Return log Z, by a sum over the states of the smaller layer or in closed form.

    Parameters
    ----------
    machine : RBMModule
        The model.
    count : int or None
        Words a row, for counts.

    Returns
    -------
    float
        Nats, in the caller's units.

    Raises
    ------
    ValueError
        If there are more than `MAX_STATES` states.
    """
    n_states = machine.n_states()
    if n_states > MAX_STATES:
        shown = "infinitely many" if math.isinf(n_states) else f"{n_states:.3g}"
        raise ValueError(
            f"`method='exact'` sums over the states of the smaller layer: {shown} states, "
            f"{MAX_STATES} at most. Use `method='ais'`."
        )
    parameters = (machine.weight, machine.visible_bias, machine.hidden_bias)
    w, b, c = (p.detach().double() for p in parameters)
    if n_states == 0.0:
        value = _gaussian(w, b, c)
    else:
        scaled = c * count if count is not None and machine.visible.counted else c
        value = _sum_states(machine, w, b, scaled, int(n_states), count)
    return value + float(machine.log_volume.double())


def _sum_states(
    machine: RBMModule, w: Tensor, b: Tensor, c: Tensor, n_states: int, count: int | None
) -> float:
    over_hidden = machine.hidden.n_states() == n_states
    step = max(1, _CHUNK // max(w.shape))
    totals = []
    for start in range(0, n_states, step):
        stop = min(start + step, n_states)
        if over_hidden:
            h = machine.hidden.states(start, stop, w)
            words = None if count is None else h.new_full((len(h), 1), float(count))
            value = h @ c + machine.visible.log_partition(b + h @ w, words)
        else:
            x = machine.visible.states(start, stop, w)
            value = x @ b + machine.hidden.log_partition(c + x @ w.T)
        totals.append(torch.logsumexp(value, dim=0))
    return float(torch.logsumexp(torch.stack(totals), dim=0))


def _gaussian(w: Tensor, b: Tensor, c: Tensor) -> float:
    n_hidden, n_visible = w.shape
    precision = torch.eye(n_hidden + n_visible, dtype=w.dtype, device=w.device)
    precision[:n_visible, n_visible:] = -w.T
    precision[n_visible:, :n_visible] = -w
    linear = torch.cat([b, c])
    factor = torch.linalg.cholesky(precision)
    whitened = torch.linalg.solve_triangular(factor, linear.unsqueeze(1), upper=False)
    log_det = 2.0 * factor.diagonal().log().sum()
    size = (n_hidden + n_visible) * math.log(2.0 * math.pi)
    return float(0.5 * (size - log_det + whitened.square().sum()))


def annealed_log_partition(
    machine: RBMModule,
    n_chains: int,
    n_temperatures: int,
    generator: torch.Generator,
    *,
    count: int | None,
    start: Tensor | None,
) -> LogMean:
    """Return log Z by annealed importance sampling from the model without connections.

    Parameters
    ----------
    machine : RBMModule
        The model.
    n_chains, n_temperatures : int
        Chains, and length of the ladder.
    generator : torch.Generator
        Source of the draws.
    count : int or None
        Words a row, for counts.
    start : Tensor of shape (n_chains, n_visible) or None
        Draws from the model: run the ladder the other way. None runs it forward.

    Returns
    -------
    LogMean
        Nats, in the caller's units.
    """
    betas = temperature_ladder(n_temperatures)
    words = None if count is None else machine.weight.new_full((n_chains, 1), float(count))
    x = machine.draw_base(n_chains, generator, words) if start is None else start
    shift = machine.visible_bias - machine.base_bias
    hidden = machine.hidden

    def with_field(states: Tensor) -> tuple[Tensor, Tensor]:
        return states, machine.hidden_field(states, machine.visible.count(states))

    def change(state: tuple[Tensor, Tensor], beta: float, after: float) -> Tensor:
        states, field = state
        gain = hidden.log_partition(after * field)
        gain -= hidden.log_partition(beta * field)
        return gain + (after - beta) * (states @ shift)

    def move(state: tuple[Tensor, Tensor], beta: float) -> tuple[Tensor, Tensor]:
        field = state[1] * beta
        h = hidden.draw_(field, torch.empty_like(field), generator)
        return with_field(machine.draw_visible(h, generator, beta, words))

    ladder = betas if start is None else betas[::-1]
    found = log_mean_weight(annealed_log_weights(with_field(x), ladder, change, move))
    base = float(_base_log_partition(machine, count)) + float(machine.log_volume.double())
    ratio = found.value if start is None else -found.value
    return found._replace(value=base + ratio)


def _base_log_partition(machine: RBMModule, count: int | None) -> Tensor:
    base = machine.base_bias.double().unsqueeze(0)
    words = None if count is None else base.new_full((1, 1), float(count))
    hidden = machine.hidden.log_partition(torch.zeros_like(machine.hidden_bias).double())
    return machine.visible.log_partition(base, words)[0] + hidden
