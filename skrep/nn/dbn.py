r"""The deep belief network: a directed net below, a restricted Boltzmann machine on top.

With layers :math:`h_0 = x, h_1, \dots, h_{L-1}` and the machine over :math:`(h_{L-1}, h_L)`:

.. math:: p(x) = \sum_h \prod_{l<L-1} p(h_l \mid h_{l+1})\; p(h_{L-1})

Inference is a net of its own, :math:`q(h_{l+1} \mid h_l)`, which gives the lower bound

.. math:: \log p(x) \ge E_q\Big[\sum_l \log p(h_l \mid h_{l+1}) - F(h_{L-1})\Big] + H(q) - \log Z
"""

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from skrep.functional.energies import softplus
from skrep.nn.deep_autoencoder import linears, make_linear
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.rbm import ContrastiveSettings, RBMModule
from skrep.nn.units import BernoulliUnits, Units

__all__ = ["DBNModule", "stack_rbms"]


class DBNModule(RepresentationModule):
    """Recognition and generation between binary layers, and the machine on top.

    Parameters
    ----------
    bottom : RBMModule or None
        Whose units, scaling and variances the data have; None where the top takes the data.
    up, down : sequence of torch.nn.Linear
        Recognition (n_l to n_{l+1}) and generation (n_{l+1} to n_l), from the data up.
    top : RBMModule
        Over the last two layers.
    wake_sleep : bool
        Whether training moves all layers; otherwise only the top.
    """

    fills_gradients: ClassVar[bool] = True

    def __init__(
        self,
        bottom: RBMModule | None,
        up: Sequence[nn.Linear],
        down: Sequence[nn.Linear],
        top: RBMModule,
        *,
        wake_sleep: bool,
    ) -> None:
        super().__init__()
        first = top if bottom is None else bottom
        self.visible: Units = first.visible
        kinds = [first.visible, *(BernoulliUnits((layer.out_features,)) for layer in up)]
        self._kinds = nn.ModuleList(kinds)
        self.scaler = first.scaler
        self.log_variance = None
        if bottom is not None and bottom.log_variance is not None:
            self.log_variance = nn.Parameter(bottom.log_variance.detach().clone())
        self.up = nn.ModuleList(up)
        self.down = nn.ModuleList(down)
        self.top = top
        self.wake_sleep = wake_sleep and bool(up)
        for part in (self.up, self.down):
            part.requires_grad_(self.wake_sleep)
        if self.log_variance is not None:
            self.log_variance.requires_grad_(self.wake_sleep)

    # -- units ------------------------------------------------------------------------------

    def standardise(self, views: tuple[Tensor, ...]) -> Tensor:
        """Return views as visible states x, side by side."""
        if not self.up:
            return self.top.standardise(views)
        x = self.scaler.join(views)
        return x if self.log_variance is None else x * torch.exp(-0.5 * self.log_variance)

    def to_views(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return visible states in the caller's units."""
        if not self.up:
            return self.top.to_views(x)
        if self.log_variance is not None:
            x = x * torch.exp(0.5 * self.log_variance)
        return self.scaler.split(x)

    @property
    def log_volume(self) -> Tensor:
        """Log of the volume, in the caller's units, of a unit cube of x; 0 if the top has it."""
        if not self.up:
            return self.scaler.scale.new_zeros(())
        total = self.scaler.scale.log().sum()
        return total if self.log_variance is None else total + 0.5 * self.log_variance.sum()

    def _units(self, layer: int) -> Units:
        return cast("Units", self._kinds[layer])

    # -- inference and generation -----------------------------------------------------------

    def encode(self, batch: Batch) -> Tensor:
        """Return the probabilities of the top units, (rows, n_components), by one pass up."""
        h = self._recognise(self.standardise(batch.views))
        return self.top.hidden.mean(self.top.hidden_field(h))

    def _recognise(self, x: Tensor) -> Tensor:
        for layer in linears(self.up):
            x = torch.sigmoid(layer(x))
        return x

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views, each layer taken at its mean given the one above."""
        h = self.top.visible.mean(self.top.visible_field(codes))
        for number in reversed(range(len(self.down))):
            h = self._units(number).mean(linears(self.down)[number](h))
        return self.to_views(h)

    def draw_down(self, h: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Return states of all layers from the data up to `h`, each drawn given the one above."""
        states = [h]
        for number in reversed(range(len(self.down))):
            states.append(
                self._units(number).draw(linears(self.down)[number](states[-1]), generator)
            )
        return states[::-1]

    def draw_up(self, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Return states of all layers from `x` up to the top machine's visible units."""
        states = [x]
        for number, layer in enumerate(linears(self.up), start=1):
            states.append(self._units(number).draw(layer(states[-1]), generator))
        return states

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator, n_steps: int) -> tuple[Tensor, ...]:
        """Return n draws of the views: a chain of the top machine, then one pass down."""
        h = self.top.sample(n, generator, n_steps)
        return self.to_views(self.draw_down(h, generator)[0])

    @torch.no_grad()
    def gibbs(self, batch: Batch, n_steps: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return views after a draw up, steps of the top machine and a draw down."""
        h = self.draw_up(self.standardise(batch.views), generator)[-1]
        for _ in range(n_steps):
            h = self.top.gibbs_step(h, generator)
        return self.to_views(self.draw_down(h, generator)[0])

    # -- likelihood -------------------------------------------------------------------------

    def bound(self, batch: Batch, uniforms: Sequence[Tensor]) -> Tensor:
        """Return the lower bound on log p + log Z, (rows,), in the caller's units.

        Parameters
        ----------
        batch : Batch
            Views.
        uniforms : sequence of Tensor of shape (n_draws, 1, width)
            Numbers in (0, 1) that decide the draws, one tensor for each layer in `up`.

        Returns
        -------
        Tensor of shape (rows,)
            Nats, averaged over the draws; exact where there is nothing below the top.
        """
        state = self.standardise(batch.views).unsqueeze(0)
        total = torch.zeros_like(state[..., 0])
        for number, uniform in enumerate(uniforms):
            field = linears(self.up)[number](state)
            h = (uniform < torch.sigmoid(field)).to(field.dtype)
            total = total + _entropy(field) + self._log_given(number, state, h)
            state = h
        flat = state.reshape(-1, state.shape[-1])
        total = total - self.top.free_energy(flat).view(state.shape[:-1])
        return total.mean(dim=0) - self.log_volume

    def _log_given(self, number: int, state: Tensor, above: Tensor) -> Tensor:
        """Return log p(state of a layer | state of the one above), without the volume."""
        units: Units = self._units(number)
        field: Tensor = linears(self.down)[number](above)
        return (state * field).sum(dim=-1) - units.base_energy(state) - units.log_partition(field)

    # -- training ---------------------------------------------------------------------------

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return what the history shows, for data that are held out."""
        if not self.up:
            return self.top.training_loss(batch, generator)
        x = self.standardise(batch.views)
        if not self.wake_sleep:
            return self.top.training_loss(Batch((self._recognise(x),)), generator)
        states = self.draw_up(x, generator)
        return self._terms(states, self.top.training_loss(Batch((states[-1],)), generator))

    def _terms(self, states: list[Tensor], top: LossTerms) -> LossTerms:
        below = states[0].new_zeros(len(states[0]))
        for number, layer in enumerate(linears(self.up)):
            below = below - _entropy(layer(states[number]))
            below = below - self._log_given(number, states[number], states[number + 1])
        layers = below.mean() + self.log_volume
        return LossTerms(layers + top.total, layers=layers, top=top.total)

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradients of one step of wake-sleep, or of the top alone, on the parameters.

        Parameters
        ----------
        batch : Batch
            Data.
        generator : torch.Generator
            Source of the draws.

        Returns
        -------
        LossTerms
            Nats per row: minus the bound, with the pseudo-likelihood of the top machine in place
            of its likelihood. Without wake-sleep the top's part alone.
        """
        if not self.up:
            return self.top.accumulate_gradients(batch, generator)
        x = self.standardise(batch.views)
        if not self.wake_sleep:
            return self.top.accumulate_gradients(Batch((self._recognise(x),)), generator)
        states = self.draw_up(x, generator)
        for number, layer in enumerate(linears(self.down)):
            self._pull(layer, states[number + 1], states[number], self._units(number))
        if self.log_variance is not None:
            residual = x - linears(self.down)[0](states[1])
            _set(self.log_variance, 0.5 - 0.5 * (x * residual).mean(dim=0))
        terms = self._terms(states, self.top.accumulate_gradients(Batch((states[-1],)), generator))
        dreamt = self.top.visible.draw(self.top.visible_field(self.top.chains), generator)
        dream = self.draw_down(dreamt, generator)
        for number, layer in enumerate(linears(self.up)):
            self._pull(layer, dream[number], dream[number + 1], self._units(number + 1))
        return terms

    def _pull(self, layer: nn.Module, given: Tensor, target: Tensor, units: Units) -> None:
        """Set the gradient of minus the mean log-probability of `target` given the other side."""
        error = (units.mean(layer(given)) - target).div_(len(target))
        _set(layer.get_parameter("weight"), error.T @ given)
        _set(layer.get_parameter("bias"), error.sum(dim=0))

    def after_step(self) -> None:
        """Pass the news on to the top."""
        self.top.after_step()

    def set_epoch(self, epoch: int) -> None:
        """Pass the news on to the top."""
        self.top.set_epoch(epoch)


def stack_rbms(
    layers: Sequence[RBMModule],
    *,
    wake_sleep: bool,
    n_gibbs_steps: int,
    chains: Tensor,
) -> DBNModule:
    """Return the deep belief network that a stack of machines makes.

    Parameters
    ----------
    layers : sequence of RBMModule
        From the data up. They are copied.
    wake_sleep : bool
        Whether training moves all layers.
    n_gibbs_steps : int
        Of the top's persistent chains, between two gradient steps.
    chains : Tensor of shape (n_chains, n_components)
        Hidden states of the top at the start of its chains.

    Returns
    -------
    DBNModule
    """
    *lower, last = layers
    up = [make_linear(layer.weight, layer.hidden_bias) for layer in lower]
    down = [make_linear(layer.weight.T, layer.visible_bias) for layer in lower]
    log_variance = last.log_variance
    top = RBMModule(
        last.scaler,
        last.visible,
        last.hidden,
        last.weight.detach().clone(),
        last.visible_bias.detach().clone(),
        last.hidden_bias.detach().clone(),
        last.base_bias,
        log_variance=None if log_variance is None else log_variance.detach().clone(),
        settings=ContrastiveSettings(n_gibbs_steps=n_gibbs_steps, persistent=True),
        n_chains=len(chains),
        visible_offset=last.visible_offset,
    )
    top.chains.copy_(chains)
    bottom = lower[0] if lower else None
    return DBNModule(bottom, up, down, top, wake_sleep=wake_sleep)


def _entropy(field: Tensor) -> Tensor:
    return (softplus(field) - field * torch.sigmoid(field)).sum(dim=-1)


def _set(parameter: Tensor, value: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    parameter.grad.copy_(value)
