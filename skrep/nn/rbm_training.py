"""How a restricted Boltzmann machine learns: contrastive divergence, its gradient written out.

The gradient of mean F(data) - mean F(samples) is a product of the states and the expected hidden
states of both phases. Small batches spend most of their time reading the weights, so these are
read twice and written once a step: the phases share a product, centring works on the factors, and
plain descent adds the product of the factors to the weights without a gradient in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from skrep.nn.label_conditional import redraw_label_
from skrep.nn.mixed_units import parts_of
from skrep.nn.module import LossTerms
from skrep.nn.rbm_pseudo_likelihood import blocks_given_rest, units_given_rest, words_given_rest
from skrep.nn.tempering import exchange_
from skrep.nn.units import BernoulliUnits, CategoricalUnits, Units

if TYPE_CHECKING:
    from skrep.nn.rbm import RBMModule

__all__ = ["Contrast", "ContrastiveSettings"]

# Entries that the running estimate of the loss may cost a step.
_WATCHED = 4096
# Below this many entries elementwise sums are cheaper than a product with a vector.
_SMALL = 1 << 16
# In the first batches of an epoch, and in one of every few of the others, the loss is estimated.
_ALWAYS_WATCHED = 16
_WATCH_EVERY = 8


@dataclass(frozen=True)
class ContrastiveSettings:
    """How the gradient is estimated.

    Parameters
    ----------
    n_gibbs_steps : int, default=1
        Steps of the chains before their statistics are taken.
    persistent : bool, default=True
        Whether chains go on from step to step; otherwise they start at the data.
    centred : bool, default=True
        Whether mean activations are subtracted from both layers.
    offset_rate : float, default=0.01
        How fast the means follow the batches.
    averaging : float, default=0.0
        Weight of the newest weights in their running mean; 0 keeps no mean.
    betas : tuple of float, default=(1.0,)
        Inverse temperatures of the chains, the first 1; more than one is parallel tempering.
    target : float or None, default=None
        Mean activation that hidden units are drawn to.
    target_weight : float, default=0.0
        Strength of that draw.
    label : tuple of (int, int) or None, default=None
        First column and end of a one-hot block that chains draw given all other visible units,
        hidden units summed out, instead of given the hidden ones.
    column_weights : tuple of ((int, int), float), default=()
        Columns whose gradient is multiplied, and by what.
    """

    n_gibbs_steps: int = 1
    persistent: bool = True
    centred: bool = True
    offset_rate: float = 0.01
    averaging: float = 0.0
    betas: tuple[float, ...] = (1.0,)
    target: float | None = None
    target_weight: float = 0.0
    label: tuple[int, int] | None = None
    column_weights: tuple[tuple[tuple[int, int], float], ...] = ()


class _Slopes(NamedTuple):
    """The gradient; that of the weights is right^T left."""

    left: Tensor
    right: Tensor
    visible: Tensor
    hidden: Tensor
    log_variance: Tensor | None


class _Scratch:
    """Buffers of a step with n rows of data and m of samples, the data first."""

    def __init__(self, weight: Tensor, n: int, m: int, *, centred: bool) -> None:
        n_hidden, n_visible = weight.shape
        self.left = weight.new_empty(n + m, n_visible)
        self.right = weight.new_empty(n + m, n_hidden)
        self.data, self.samples = self.left[:n], self.left[n:]
        self.data_hidden, self.sample_hidden = self.right[:n], self.right[n:]
        self.visible = weight.new_empty(m, n_visible)
        self.hidden = weight.new_empty(m, n_hidden)
        self.centred = torch.empty_like(self.left) if centred else self.left
        self.centred_data = self.centred[:n]
        # What each row counts in mean F(data) - mean F(samples), whose slope in W is -h x^T.
        self.share = weight.new_full((n + m, 1), 1.0 / m)
        self.share[:n] = -1.0 / n


class Contrast:
    """The learning of one machine.

    Parameters
    ----------
    settings : ContrastiveSettings
        How gradients are estimated.
    """

    def __init__(self, settings: ContrastiveSettings) -> None:
        self._settings = settings
        self.scratch: dict[int, _Scratch] = {}
        self._n_batches = 0
        self._last_loss = torch.zeros(())

    def start_epoch(self) -> None:
        """Take note that an epoch begins, whose first batches are watched."""
        self._n_batches = 0

    def forget(self) -> None:
        """Give scratch space back."""
        self.scratch = {}

    def fill(self, machine: RBMModule, x: Tensor, generator: torch.Generator) -> LossTerms:
        """Put the gradient on the parameters.

        Parameters
        ----------
        machine : RBMModule
            What learns.
        x : Tensor of shape (rows, n_visible)
            Data, as visible states.
        generator : torch.Generator
            Source of the chains' draws.

        Returns
        -------
        LossTerms
            Minus the log pseudo-likelihood, nats per row, estimated on a few units of a few rows.
        """
        slopes = self._slopes(machine, self._both_phases(machine, x, generator))
        if machine.weight.grad is None:
            machine.weight.grad = torch.empty_like(machine.weight)
        torch.mm(slopes.right.T, slopes.left, out=machine.weight.grad)
        machine.visible_bias.grad = slopes.visible
        machine.hidden_bias.grad = slopes.hidden
        if machine.log_variance is not None:
            machine.log_variance.grad = slopes.log_variance
        return LossTerms(self._last_loss)

    def descend(
        self, machine: RBMModule, x: Tensor, generator: torch.Generator, rate: float
    ) -> LossTerms:
        """Subtract `rate` times the gradient from the parameters; otherwise as `fill`.

        Parameters
        ----------
        machine : RBMModule
            Its parameters are moved in place.
        x : Tensor of shape (rows, n_visible)
            Data in working units.
        generator : torch.Generator
            Of all draws.
        rate : float
            Length of the step.

        Returns
        -------
        LossTerms
            The last estimate of minus the log pseudo-likelihood.
        """
        slopes = self._slopes(machine, self._both_phases(machine, x, generator))
        machine.weight.addmm_(slopes.right.T, slopes.left, alpha=-rate)
        machine.visible_bias.add_(slopes.visible, alpha=-rate)
        machine.hidden_bias.add_(slopes.hidden, alpha=-rate)
        if machine.log_variance is not None and slopes.log_variance is not None:
            machine.log_variance.add_(slopes.log_variance, alpha=-rate)
        return LossTerms(self._last_loss)

    # -- phases -----------------------------------------------------------------------------

    def _both_phases(self, machine: RBMModule, x: Tensor, generator: torch.Generator) -> _Scratch:
        """Return states and expected hidden states of the data and of the chains."""
        work = self._scratch_for(machine, len(x))
        work.data.copy_(x)
        if self._settings.persistent:
            watched = self._with_chains(machine, work, generator)
        else:
            watched = self._from_data(machine, work, generator)
        if watched is not None:
            self._last_loss = self._watch(machine, work.data, watched, generator)
        self._n_batches += 1
        return work

    def _scratch_for(self, machine: RBMModule, n: int) -> _Scratch:
        if n not in self.scratch:
            settings = self._settings
            m = len(machine.chains) // len(settings.betas) if settings.persistent else n
            self.scratch[n] = _Scratch(machine.weight, n, m, centred=settings.centred)
        return self.scratch[n]

    def _with_chains(
        self, machine: RBMModule, work: _Scratch, generator: torch.Generator
    ) -> Tensor | None:
        # The chains do not wait for the data, so both phases share one product.
        settings = self._settings
        visible, hidden, h = machine.visible, machine.hidden, machine.chains
        if len(settings.betas) > 1:
            self._temper(machine, generator)
            h = h[: len(work.samples)]
        for k in range(settings.n_gibbs_steps):
            field = torch.addmm(machine.visible_bias, h, machine.weight, out=work.visible)
            visible.draw_(field, work.samples, generator, machine.chain_counts)
            if k < settings.n_gibbs_steps - 1:
                field = self._field_into(machine, work.samples, work.hidden)
                self._settle(machine, work.samples, field, generator)
                hidden.draw_(field, h, generator)
        self._field_into(machine, work.left, work.right)
        self._settle(machine, work.samples, work.sample_hidden, generator)
        watched = self._seen(machine, work.data_hidden)
        hidden.draw_(work.sample_hidden, h, generator)
        hidden.mean_(work.data_hidden)
        return watched

    def _from_data(
        self, machine: RBMModule, work: _Scratch, generator: torch.Generator
    ) -> Tensor | None:
        hidden, h = machine.hidden, work.hidden
        count = machine.visible.count(work.data)
        field = self._field_into(machine, work.data, work.data_hidden)
        watched = self._seen(machine, field)
        hidden.draw_(field, h, generator)
        for k in range(self._settings.n_gibbs_steps):
            below = torch.addmm(machine.visible_bias, h, machine.weight, out=work.visible)
            machine.visible.draw_(below, work.samples, generator, count)
            field = self._field_into(machine, work.samples, work.sample_hidden)
            self._settle(machine, work.samples, field, generator)
            if k < self._settings.n_gibbs_steps - 1:
                hidden.draw_(field, h, generator)
        hidden.mean_(work.sample_hidden)
        return watched

    def _settle(
        self, machine: RBMModule, x: Tensor, field: Tensor, generator: torch.Generator
    ) -> None:
        if self._settings.label is not None:
            redraw_label_(machine, x, field, self._settings.label, generator)

    def _field_into(self, machine: RBMModule, x: Tensor, out: Tensor) -> Tensor:
        count = machine.visible.count(x) if machine.visible.counted else None
        if count is None:
            return torch.addmm(machine.hidden_bias, x, machine.weight.T, out=out)
        return torch.mm(x, machine.weight.T, out=out).addcmul_(count, machine.hidden_bias)

    def _temper(self, machine: RBMModule, generator: torch.Generator) -> None:
        """Move the chains at all temperatures and exchange neighbours."""
        chains = machine.chains
        betas = machine.weight.new_tensor(self._settings.betas)
        m = len(chains) // len(betas)
        beta = betas.repeat_interleave(m).unsqueeze(1)
        known = machine.chain_counts
        counts = None if known is None else known.repeat(len(betas), 1)
        shift = machine.visible_bias - machine.base_bias
        for _ in range(self._settings.n_gibbs_steps):
            x = machine.draw_visible(chains, generator, beta, counts)
            field = machine.hidden_field(x, counts)
            machine.hidden.draw_(field * beta, chains, generator)
            # Energies are linear in beta, and this is their slope.
            slope = -(field * chains).sum(dim=1) - x @ shift
            exchange_(chains.view(len(betas), m, -1), slope.view(-1, m), betas, generator)

    # -- gradient ---------------------------------------------------------------------------

    def _slopes(self, machine: RBMModule, work: _Scratch) -> _Slopes:
        settings = self._settings
        log_variance = None if machine.log_variance is None else self._variance_slope(machine, work)
        pull = None
        if settings.target is not None:
            pull = settings.target_weight * (work.data_hidden.mean(dim=0) - settings.target)
        count = machine.visible.count(work.left) if machine.visible.counted else None
        visible, hidden = (
            self._centred(machine, work, count) if settings.centred else self._plain(work, count)
        )
        if pull is not None:
            hidden += pull
        return _Slopes(work.centred, work.right, visible, hidden, log_variance)

    def _variance_slope(self, machine: RBMModule, work: _Scratch) -> Tensor:
        slope = torch.zeros_like(machine.visible_bias)
        for at in machine.visible.quadratic_columns:
            field = torch.addmm(machine.visible_bias[at], work.right, machine.weight[:, at])
            x = work.left[:, at]
            slope[at] = (0.5 * x * (x - field) * work.share).sum(dim=0)
        for (start, stop), weight in self._settings.column_weights:
            slope[start:stop].mul_(weight)
        return slope

    def _centred(
        self, machine: RBMModule, work: _Scratch, count: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        r"""Centre both factors, move the offsets, and return the biases' slopes.

        With rows :math:`l_k = x_k - n_k \mu` and :math:`r_k = s_k (h_k - \bar h)`, the biases'
        plain slopes less what the weights' slope does to the means are
        :math:`\sum_k l_k (s_k - r_k \cdot \bar h)` and :math:`\sum_k r_k (n_k - l_k \cdot \mu)`;
        what centring took from the plain ones is :math:`\sum_k s_k n_k` times the offsets, which
        is 0 but for counts.
        """
        offset, mean = machine.visible_offset, machine.hidden_offset
        left, right, share = work.centred, work.right, work.share
        if count is None:
            torch.sub(work.left, offset, out=left)
        else:
            torch.addcmul(work.left, count, offset, value=-1.0, out=left)
        moved = work.centred_data.sum(dim=0) if count is None else None
        self._weigh(left)
        right.sub_(mean).mul_(share)
        visible = _weighted_sum(left, share - _against(right, mean))
        hidden = _weighted_sum(right, (1.0 if count is None else count) - _against(left, offset))
        n, rate = len(work.data), self._settings.offset_rate
        if moved is not None:
            offset.add_(moved, alpha=rate / n)
        elif count is not None:
            spare = (share * count).sum()
            visible += spare * offset
            hidden += spare * mean
            offset.lerp_(work.data.mean(dim=0) / count[:n].mean().clamp_min(1.0), rate)
        # The shares of the data are -1 / n.
        mean.add_(work.data_hidden.sum(dim=0), alpha=-rate)
        return visible, hidden

    def _plain(self, work: _Scratch, count: Tensor | None) -> tuple[Tensor, Tensor]:
        """Give the hidden rows their shares, and return the biases' slopes."""
        self._weigh(work.left)
        work.right.mul_(work.share)
        visible = _weighted_sum(work.left, work.share)
        if count is None:
            return visible, work.right.sum(dim=0)
        return visible, _weighted_sum(work.right, count)

    def _weigh(self, left: Tensor) -> None:
        for (start, stop), weight in self._settings.column_weights:
            left[:, start:stop].mul_(weight)

    # -- what the history shows -------------------------------------------------------------

    def _seen(self, machine: RBMModule, field: Tensor) -> Tensor | None:
        if self._n_batches >= _ALWAYS_WATCHED and self._n_batches % _WATCH_EVERY:
            return None
        rows = min(len(field), max(1, _WATCHED // (field.shape[1] * self._choices_a_unit(machine))))
        return field[:rows].clone()

    def _choices_a_unit(self, machine: RBMModule) -> int:
        return max(_choices(units) for units, _ in parts_of(machine.visible))

    def _watch(
        self, machine: RBMModule, x: Tensor, field: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return minus the log pseudo-likelihood, from a few units of the first rows."""
        rows = len(field)
        total = machine.log_volume
        for units, at in parts_of(machine.visible):
            if units.counted:
                total = total - words_given_rest(machine, x[:rows], field, at).mean()
                continue
            if isinstance(units, CategoricalUnits):
                total = total - blocks_given_rest(machine, x[:rows], field, units, at).mean()
                continue
            n = min(units.width, max(1, _WATCHED // (rows * field.shape[1] * _choices(units))))
            unit = torch.empty(rows, units.width, device=x.device).uniform_(generator=generator)
            unit = unit.topk(n, dim=1).indices.reshape(-1) + at.start
            row = torch.arange(rows, device=x.device).repeat_interleave(n)
            each = units_given_rest(machine, x, field, row, unit, quadratic=units.quadratic)
            total = total - each.mean() * units.width
        return total


def _choices(units: Units) -> int:
    if units.quadratic:
        return 24
    return 1 if isinstance(units, BernoulliUnits) else max(units.widths)


def _against(rows: Tensor, vector: Tensor) -> Tensor:
    """Return rows . vector, (rows, 1)."""
    if rows.numel() > _SMALL:
        return torch.mv(rows, vector).unsqueeze(1)
    # Kernels for products cost more than a small sum.
    return (rows * vector).sum(dim=1, keepdim=True)


def _weighted_sum(rows: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of the rows, each times its weight, (columns,)."""
    if rows.numel() > _SMALL:
        return torch.mv(rows.T, weights.squeeze(1))
    return (rows * weights).sum(dim=0)
