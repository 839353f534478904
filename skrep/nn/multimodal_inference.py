"""What a restricted Boltzmann machine of several views expects of the absent ones.

With the present views clamped, the rest of the machine is a smaller one. Where its absent units or
its hidden units have few states, expectations are exact sums over these; elsewhere they are a mean
field, or averages over a Gibbs chain.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from skrep.nn.mixed_units import MixedUnits
from skrep.nn.rbm import RBMModule
from skrep.nn.units import CategoricalUnits, Units

__all__ = ["MAX_SUMMED", "Clamped", "Expected", "draw_alike", "uniform_like", "variance_of"]

#: Sums over at most so many states are exact.
MAX_SUMMED = 4096
# Entries of the largest intermediate.
_CHUNK = 1 << 20
_MEAN_FIELD_STEPS = 30
_BURN_IN, _KEPT = 20, 80


class Expected(NamedTuple):
    """What is expected given the present views.

    Attributes
    ----------
    hidden : Tensor of shape (rows, n_hidden)
        Hidden units.
    mean, variance : Tensor of shape (rows, n_absent)
        Units of the absent views.
    """

    hidden: Tensor
    mean: Tensor
    variance: Tensor


class Clamped:
    """A machine whose rows have the same views present, and clamped.

    Parameters
    ----------
    machine : RBMModule
        With `MixedUnits`.
    x : Tensor of shape (rows, n_visible)
        Visible states; the columns of absent views are not looked at.
    absent : sequence of int
        The absent views.
    words : Tensor of shape (n_counted,)
        Words of a row in every view of word counts, where it is absent.
    """

    def __init__(
        self, machine: RBMModule, x: Tensor, absent: tuple[int, ...], words: Tensor
    ) -> None:
        every: MixedUnits = machine.visible  # type: ignore[assignment]
        self.machine, self.hidden = machine, machine.hidden
        self.units, self.columns = every.select(absent)
        known = torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
        known[self.columns] = False
        self.field = machine.hidden_bias + (x * known) @ machine.weight.T
        self.weight = machine.weight[:, self.columns]
        self.bias = machine.visible_bias[self.columns]
        counted = [i for i, view in enumerate(every.views) if view.counted]
        own = [k for k, i in enumerate(counted) if i in absent]
        self.words = words[own].unsqueeze(0) if own else None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.field)

    def _count(self, n: int) -> Tensor | None:
        return None if self.words is None else self.words.expand(n, -1)

    def summed_side(self) -> str | None:
        """Return which units have few enough states for exact sums: "absent", "hidden" or None."""
        absent, hidden = self.units.n_states(), self.hidden.n_states()
        if min(absent, hidden) > MAX_SUMMED:
            return None
        return "absent" if absent <= hidden else "hidden"

    # -- exact ------------------------------------------------------------------------------

    def exact(self) -> Expected:
        """Return exact expectations, where `summed_side` says that there are any."""
        return self._over_absent() if self.summed_side() == "absent" else self._over_hidden()

    def log_mass(self) -> Tensor:
        """Return the log of the sum of exp(-E) over absent and hidden units, (rows,).

        Without the terms of E that hold present units only.
        """
        if self.summed_side() == "hidden":
            return torch.logsumexp(self._hidden_weights()[1], dim=1)
        states = self.units.states(0, int(self.units.n_states()), self.field)
        return torch.logsumexp(self._absent_weights(states), dim=1)

    def _over_hidden(self) -> Expected:
        states, log_weight = self._hidden_weights()
        share = torch.softmax(log_weight, dim=1)
        count = self._count(len(states))
        mean = self.units.mean(torch.addmm(self.bias, states, self.weight), count)
        square = variance_of(self.units, mean, count) + mean.square()
        expected = share @ mean
        variance = (share @ square - expected.square()).clamp_min(0.0)
        return Expected(share @ states, expected, variance)

    def _hidden_weights(self) -> tuple[Tensor, Tensor]:
        states = self.hidden.states(0, int(self.hidden.n_states()), self.field)
        above = torch.addmm(self.bias, states, self.weight)
        own = self.units.log_partition(above, self._count(len(states)))
        return states, self.field @ states.T + (own - self.hidden.base_energy(states))

    def _over_absent(self) -> Expected:
        states = self.units.states(0, int(self.units.n_states()), self.field)
        log_weight = self._absent_weights(states)
        share = torch.softmax(log_weight, dim=1)
        mean = share @ states
        variance = (share @ states.square() - mean.square()).clamp_min(0.0)
        return Expected(self._mean_hidden(states, share), mean, variance)

    def _absent_weights(self, states: Tensor) -> Tensor:
        own = states @ self.bias - self.units.base_energy(states)
        each = self.hidden.log_partition_each
        added = states @ self.weight.T
        parts = [each(f.unsqueeze(1) + added).sum(dim=2) for f in self._chunks(len(states))]
        return torch.cat(parts) + own

    def _mean_hidden(self, states: Tensor, share: Tensor) -> Tensor:
        added = states @ self.weight.T
        parts, start = [], 0
        for field in self._chunks(len(states)):
            own = share[start : start + len(field)].unsqueeze(1)
            parts.append(torch.bmm(own, self.hidden.mean(field.unsqueeze(1) + added)).squeeze(1))
            start += len(field)
        return torch.cat(parts)

    def _chunks(self, n_states: int) -> list[Tensor]:
        return list(self.field.split(max(1, _CHUNK // (n_states * self.field.shape[1]))))

    # -- approximate ------------------------------------------------------------------------

    def _start(self) -> Tensor:
        return self.machine.visible_offset[self.columns].expand(len(self), -1)

    def mean_field(self) -> Expected:
        """Return the fixed point at which every unit has the mean that the means of others give.

        Reached from the data's means by alternating both sides, a fixed number of times so that
        a row does not depend on its company.
        """
        mean, count = self._start(), self._count(len(self))
        for _ in range(_MEAN_FIELD_STEPS):
            hidden = self.hidden.mean(torch.addmm(self.field, mean, self.weight.T))
            mean = self.units.mean(torch.addmm(self.bias, hidden, self.weight), count)
        hidden = self.hidden.mean(torch.addmm(self.field, mean, self.weight.T))
        return Expected(hidden, mean, variance_of(self.units, mean, count))

    def averaged(self, seed: int) -> Expected:
        """Return averages over a Gibbs chain of what its other side expects.

        Every row is moved by the same random numbers, so that it does not depend on its company.

        Parameters
        ----------
        seed : int
            Of these numbers.

        Returns
        -------
        Expected
        """
        generator = torch.Generator(device=self.field.device).manual_seed(seed)
        count = self._count(len(self))
        field = torch.addmm(self.field, self._start(), self.weight.T)
        first = torch.zeros_like(self._start())
        second, hidden = torch.zeros_like(first), torch.zeros_like(field)
        for step in range(_BURN_IN + _KEPT):
            p = self.hidden.mean(field)
            h = (uniform_like(p[:1], generator) < p).to(p.dtype)
            above = torch.addmm(self.bias, h, self.weight)
            if step >= _BURN_IN:
                mean = self.units.mean(above, count)
                first += mean
                second += variance_of(self.units, mean, count) + mean.square()
                hidden += p
            x = draw_alike(self.units, above, count, generator)
            field = torch.addmm(self.field, x, self.weight.T)
        mean = first / _KEPT
        return Expected(hidden / _KEPT, mean, second / _KEPT - mean.square())

    # -- draws ------------------------------------------------------------------------------

    def draw(self, generator: torch.Generator, n_steps: int) -> Tensor:
        """Return absent units drawn given the present ones, (rows, n_absent).

        Independent draws where `summed_side` says so, else states of a Gibbs chain that starts
        at the data's means, after `n_steps`.

        Parameters
        ----------
        generator : torch.Generator
            Source of the draws.
        n_steps : int
            Length of the chain.

        Returns
        -------
        Tensor of shape (rows, n_absent)
        """
        side, count = self.summed_side(), self._count(len(self))
        if side == "absent":
            states = self.units.states(0, int(self.units.n_states()), self.field)
            return states[_pick(self._absent_weights(states), generator)]
        if side == "hidden":
            states, log_weight = self._hidden_weights()
            h = states[_pick(log_weight, generator)]
            return self.units.draw(torch.addmm(self.bias, h, self.weight), generator, count)
        x = self._start()
        for _ in range(n_steps):
            field = torch.addmm(self.field, x, self.weight.T)
            h = self.hidden.draw_(field, torch.empty_like(field), generator)
            above = torch.addmm(self.bias, h, self.weight)
            x = self.units.draw_(above, torch.empty_like(above), generator, count)
        return x


def uniform_like(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return draws from [0, 1), of the shape and kind of `like`.

    Parameters
    ----------
    like : Tensor
        Of any shape.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor
    """
    return torch.empty_like(like).uniform_(generator=generator)


def _pick(log_weight: Tensor, generator: torch.Generator) -> Tensor:
    times = torch.empty_like(log_weight).exponential_(generator=generator)
    return (log_weight - times.clamp_min(torch.finfo(times.dtype).tiny).log()).argmax(dim=1)


def variance_of(units: MixedUnits, mean: Tensor, count: Tensor | None) -> Tensor:
    """Return the variance of every unit given the hidden ones, from its mean.

    Parameters
    ----------
    units : MixedUnits
        Kinds of the units.
    mean : Tensor of shape (rows, n_units)
        Expected states.
    count : Tensor of shape (rows, n_counted_views) or None
        Words of each row, for counts.

    Returns
    -------
    Tensor of shape (rows, n_units)
    """
    parts = []
    for block, at, own in units.each(count):
        m = mean[:, at]
        if block.quadratic:
            parts.append(torch.ones_like(m))
        elif block.counted and own is not None:
            parts.append(m * (1.0 - m / own.clamp_min(1.0)))
        else:
            parts.append(m * (1.0 - m))
    return torch.cat(parts, dim=1)


def draw_alike(
    units: MixedUnits, field: Tensor, count: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Return states drawn given their fields, with the same random numbers in every row.

    Parameters
    ----------
    units : MixedUnits
        Kinds of the units.
    field : Tensor of shape (rows, n_units)
        What they hear.
    count : Tensor of shape (rows, n_counted_views) or None
        Words of each row, for counts.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of shape (rows, n_units)
    """
    parts = []
    for block, at, own in units.each(count):
        parts.append(_draw_block_alike(block, field[:, at], own, generator))
    return torch.cat(parts, dim=1)


def _draw_block_alike(
    block: Units, field: Tensor, count: Tensor | None, generator: torch.Generator
) -> Tensor:
    noise = uniform_like(field[:1], generator).clamp_min_(torch.finfo(field.dtype).tiny)
    if block.quadratic:
        normal: Tensor = torch.special.ndtri(noise)
        return field + normal
    if isinstance(block, CategoricalUnits):
        race = field - (-noise.log()).log()
        chosen = [
            torch.zeros_like(part).scatter_(1, part.argmax(dim=1, keepdim=True), 1.0)
            for part in block.blocks(race)
        ]
        return torch.cat(chosen, dim=1)
    if block.counted and count is not None:
        most = int(count.max())
        at = uniform_like(field.new_empty(1, most), generator).expand(len(field), -1).contiguous()
        ends = torch.softmax(field, dim=1).cumsum(dim=1)
        word = torch.searchsorted(ends, at).clamp_max_(field.shape[1] - 1)
        return torch.zeros_like(field).scatter_add_(1, word, torch.ones_like(at))
    drawn: Tensor = noise < torch.sigmoid(field)
    return drawn.to(field.dtype)
