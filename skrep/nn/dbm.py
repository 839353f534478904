r"""The deep Boltzmann machine: layers of units with connections between neighbours.

With :math:`h_0 = x` the visible units (gaussian ones divided by their standard deviations):

.. math:: E(h) = U(h_0) - \sum_l c_l \cdot h_l - \sum_{l \ge 1} h_l^\top W_l h_{l-1}

Given the even layers the odd ones are independent, and the other way round, which is what Gibbs
steps, mean-field equations and annealing use.
"""

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from skrep.functional.annealing import (
    LogMean,
    annealed_log_weights,
    log_mean_weight,
    temperature_ladder,
)
from skrep.functional.energies import binary_states
from skrep.nn.block_weights import Blocks, add_from_above, add_from_below, centred_moment
from skrep.nn.mixed_units import parts_of
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.rbm import MAX_STATES
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, Units

__all__ = [
    "DBMModule",
    "DoubledRBMModule",
    "JoinedLayer",
    "compose_layers",
    "gains",
    "join_pathways",
]

# Entries of the largest intermediate of an enumeration.
_CHUNK = 1 << 20
# How fast the offsets of centring follow the batches.
_OFFSET_RATE = 0.01


def gains(layer: int, n_layers: int) -> tuple[int, int]:
    """Return by how much the connections below a layer are multiplied upwards and downwards.

    A unit in the middle hears from two sides. Where only one is there to be heard, as in training
    layer by layer, that side counts twice.

    Parameters
    ----------
    layer : int
        From 1, the lowest hidden layer.
    n_layers : int
        Number of hidden layers.

    Returns
    -------
    tuple of int
        Factor of what goes up, factor of what goes down.
    """
    return (2 if layer < n_layers else 1), (2 if layer > 1 else 1)


class _Real(RepresentationModule):
    """Between views and standardised visible units."""

    scaler: ViewScaler
    visible: Units
    log_variance: nn.Parameter | None

    def standardise(self, views: tuple[Tensor, ...]) -> Tensor:
        """Return views as visible states x, side by side."""
        x = self.scaler.join(views)
        return x if self.log_variance is None else x * torch.exp(-0.5 * self.log_variance)

    def to_views(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return visible states in the caller's units."""
        if self.log_variance is not None:
            x = x * torch.exp(0.5 * self.log_variance)
        return self.scaler.split(x)

    @property
    def log_volume(self) -> Tensor:
        """Log of the volume, in the caller's units, of a unit cube of states x."""
        total = self.scaler.scale.log().sum()
        return total if self.log_variance is None else total + 0.5 * self.log_variance.sum()

    def _log_given(self, x: Tensor, field: Tensor) -> Tensor:
        """Return log p(x | field), in the caller's units."""
        inner = (x * field).sum(dim=-1) - self.visible.base_energy(x)
        count = self.visible.count(x)
        return inner - self.visible.log_partition(field, count) - self.log_volume

    def _set_log_variance(self, slope: Tensor) -> None:
        """Put the gradient on the variances, those of gaussian units."""
        if self.log_variance is None:
            return
        gradient = torch.zeros_like(slope)
        for columns in self.visible.quadratic_columns:
            gradient[columns] = slope[columns]
        _set(self.log_variance, 0.5 * gradient)


class DoubledRBMModule(_Real):
    """One layer of a deep Boltzmann machine by itself: what lies on its other side is doubled.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    visible : Units
        Kind of the lower layer.
    weight : Tensor of shape (n_hidden, n_visible)
        Connections at the start.
    visible_bias, hidden_bias : Tensor of shape (n_visible,) and (n_hidden,)
        Biases at the start.
    log_variance : Tensor of shape (n_visible,) or None, default=None
        Of gaussian visible units, in working units.
    up, down : int, default=1, 1
        How often the connections count in each direction.
    n_gibbs_steps : int, default=1
        Steps of the chains before their statistics are taken.
    n_chains : int, default=0
        Persistent chains; 0 starts chains at the data.
    learns : bool, default=True
        False leaves everything at its start.
    """

    fills_gradients: ClassVar[bool] = True

    visible_offset: Tensor
    hidden_offset: Tensor
    chains: Tensor

    def __init__(
        self,
        scaler: ViewScaler,
        visible: Units,
        weight: Tensor,
        visible_bias: Tensor,
        hidden_bias: Tensor,
        *,
        log_variance: Tensor | None = None,
        up: int = 1,
        down: int = 1,
        n_gibbs_steps: int = 1,
        n_chains: int = 0,
        learns: bool = True,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.visible = visible
        self.learns = learns
        self.hidden = BernoulliUnits((len(weight),))
        self.weight = nn.Parameter(weight.clone())
        self.visible_bias = nn.Parameter(visible_bias.clone())
        self.hidden_bias = nn.Parameter(hidden_bias.clone())
        self.log_variance = None if log_variance is None else nn.Parameter(log_variance.clone())
        self.up, self.down = up, down
        self.n_gibbs_steps = n_gibbs_steps
        self.register_buffer("visible_offset", visible.mean(visible_bias.unsqueeze(0))[0])
        self.register_buffer("hidden_offset", torch.sigmoid(hidden_bias))
        self.register_buffer("chains", torch.sigmoid(hidden_bias).repeat(n_chains, 1).round())

    def _above(self, x: Tensor) -> Tensor:
        return torch.addmm(self.hidden_bias, x, self.weight.T, alpha=float(self.up))

    def _below(self, h: Tensor) -> Tensor:
        return torch.addmm(self.visible_bias, h, self.weight, alpha=float(self.down))

    def encode(self, batch: Batch) -> Tensor:
        """Return the probabilities of the hidden units, (rows, n_hidden)."""
        return torch.sigmoid(self._above(self.standardise(batch.views)))

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views given hidden states."""
        return self.to_views(self.visible.mean(self._below(codes)))

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the log-probability of the data given their codes, nats per row."""
        x = self.standardise(batch.views)
        field = self._below(torch.sigmoid(self._above(x)))
        return LossTerms(-self._log_given(x, field).mean())

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the contrastive divergence of the data and the chains on the parameters."""
        if not self.learns:
            for parameter in self.parameters():
                _set(parameter, torch.zeros_like(parameter))
            return self.training_loss(batch, generator)
        x = self.standardise(batch.views)
        q = torch.sigmoid(self._above(x))
        persistent = len(self.chains) > 0
        h = self.chains if persistent else self.hidden.draw(self._above(x), generator)
        count = self.visible.count(x)
        if persistent and count is not None:
            # Chains are not tied to rows; theirs are texts of ordinary length.
            count = count.mean(dim=0, keepdim=True).round().expand(len(h), -1)
        v, p = x, q
        for _ in range(self.n_gibbs_steps):
            v = self.visible.draw(self._below(h), generator, count)
            field = self._above(v)
            p = torch.sigmoid(field)
            h = self.hidden.draw(field, generator)
        if persistent:
            self.chains.copy_(h)
        below = self._below(q)
        if self.log_variance is not None:
            slope = (v * (v - self._below(p))).mean(dim=0) - (x * (x - below)).mean(dim=0)
            self._set_log_variance(slope)
        o_v, o_h = self.visible_offset, self.hidden_offset
        weight = centred_moment(p, o_h, v, o_v) - centred_moment(q, o_h, x, o_v)
        visible = v.mean(dim=0) - x.mean(dim=0)
        hidden = p.mean(dim=0) - q.mean(dim=0)
        _set(self.weight, weight)
        _set(self.visible_bias, visible - self.down * (weight.T @ o_h))
        _set(self.hidden_bias, hidden - self.up * (weight @ o_v))
        o_v.lerp_(x.mean(dim=0), _OFFSET_RATE)
        o_h.lerp_(q.mean(dim=0), _OFFSET_RATE)
        return LossTerms(-self._log_given(x, below).mean())


class DBMModule(_Real):
    """A visible layer and one or more layers of binary hidden units.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    visible : Units
        Kind of the visible layer.
    weights : sequence of Tensor of shape (n_l, n_{l-1})
        Connections at the start, from the data up.
    biases : sequence of Tensor of shape (n_l,)
        Biases at the start, the visible ones first.
    base_bias : Tensor of shape (n_visible,)
        Visible biases that alone give the data's means; where annealing starts.
    log_variance : Tensor of shape (n_visible,) or None, default=None
        Of gaussian visible units, in working units.
    n_mean_field_steps : int, default=10
        Rounds of the mean-field equations.
    n_gibbs_steps : int, default=5
        Steps of the chains between two gradient steps.
    n_chains : int, default=100
        Persistent chains.
    chain_counts : Tensor of shape (n_chains, groups) or None, default=None
        Words in each chain, for visible units that are counts.
    blocks : sequence of Blocks or None, default=None
        For each of the connections, the pathways that they join; None joins everything.
    """

    fills_gradients: ClassVar[bool] = True

    base_bias: Tensor
    chain_counts: Tensor | None

    def __init__(
        self,
        scaler: ViewScaler,
        visible: Units,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        base_bias: Tensor,
        *,
        log_variance: Tensor | None = None,
        n_mean_field_steps: int = 10,
        n_gibbs_steps: int = 5,
        n_chains: int = 100,
        chain_counts: Tensor | None = None,
        blocks: Sequence[Blocks] | None = None,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.visible = visible
        self.blocks = [None] * len(weights) if blocks is None else list(blocks)
        self.kinds = nn.ModuleList([visible, *(BernoulliUnits((len(w),)) for w in weights)])
        self.weights = nn.ParameterList(w.clone() for w in weights)
        self.biases = nn.ParameterList(b.clone() for b in biases)
        self.log_variance = None if log_variance is None else nn.Parameter(log_variance.clone())
        self.n_mean_field_steps = n_mean_field_steps
        self.n_gibbs_steps = n_gibbs_steps
        self.register_buffer("base_bias", base_bias.clone())
        self.register_buffer("chain_counts", chain_counts)
        words = None if chain_counts is None else chain_counts.mean(dim=0, keepdim=True)
        for layer, bias in enumerate(biases):
            mean = self._units(layer).mean(bias.unsqueeze(0), None if layer else words)
            self.register_buffer(f"offset_{layer}", mean[0])
            if layer % 2:
                self.register_buffer(f"chain_{layer}", mean.round().repeat(n_chains, 1))
        self.chains_started = False

    @property
    def n_layers(self) -> int:
        """Number of hidden layers."""
        return len(self.weights)

    @property
    def odd(self) -> range:
        """Every other layer, from the lowest hidden one."""
        return range(1, self.n_layers + 1, 2)

    @property
    def even(self) -> range:
        """Every other layer, from the visible one."""
        return range(0, self.n_layers + 1, 2)

    def _units(self, layer: int) -> Units:
        return cast("Units", self.kinds[layer])

    def field(self, layer: int, states: Sequence[Tensor]) -> Tensor:
        """Return the total input of a layer given its neighbours, (rows, n_l)."""
        total: Tensor = self.biases[layer]
        if layer > 0:
            total = self.add_input(total, layer, states[layer - 1])
        if layer < self.n_layers:
            weight, blocks = self.weights[layer], self.blocks[layer]
            total = add_from_above(total, states[layer + 1], weight, blocks)
        return total

    def add_input(self, total: Tensor, layer: int, below: Tensor, gain: float = 1.0) -> Tensor:
        """Return `total` plus what a layer hears from the one below."""
        return add_from_below(total, below, self.weights[layer - 1], self.blocks[layer - 1], gain)

    def mean_of(self, layer: int, states: Sequence[Tensor], count: Tensor | None = None) -> Tensor:
        """Return the expected states of a layer given its neighbours, (rows, n_l)."""
        return self._units(layer).mean(self.field(layer, states), None if layer else count)

    # -- inference --------------------------------------------------------------------------

    def mean_field(
        self,
        x: Tensor,
        n_steps: int | None = None,
        *,
        known: Sequence[Tensor] | None = None,
        count: Tensor | None = None,
    ) -> list[Tensor]:
        """Return x and the mean-field probabilities of the hidden layers.

        Parameters
        ----------
        x : Tensor of shape (rows, n_visible)
            Visible states.
        n_steps : int or None, default=None
            Rounds of updates, after one pass up in which inputs count twice where those from above
            are missing. None takes `n_mean_field_steps`.
        known : sequence of Tensor of shape (rows, n_l) or None, default=None
            For each layer below the top, where its units stand above data. All others are free,
            visible ones too: they start at what the top layer makes expect, which at first hears
            their means over the data from them.
        count : Tensor of shape (rows, groups) or None, default=None
            Words of each row, where visible units that are counts are not known.
        """
        mu = [x]
        for layer in range(1, self.n_layers + 1):
            up, _ = gains(layer, self.n_layers)
            if known is not None:
                offset = self.get_buffer(f"offset_{layer - 1}")
                mu[-1] = torch.where(known[layer - 1], mu[-1], offset)
            mu.append(torch.sigmoid(self.add_input(self.biases[layer], layer, mu[-1], float(up))))
        if known is not None:
            for layer in reversed(range(self.n_layers)):
                free = self._heard_from_above(layer, mu[layer + 1], count)
                mu[layer] = torch.where(known[layer], mu[layer], free)
        if self.n_layers > 1 or known is not None:
            for _ in range(self.n_mean_field_steps if n_steps is None else n_steps):
                for layer in (*self.odd, *self.even[1:]):
                    mu[layer] = self.mean_of(layer, mu)
                if known is not None:
                    mu[0] = torch.where(known[0], x, self.mean_of(0, mu, count))
        return mu

    def _heard_from_above(self, layer: int, above: Tensor, count: Tensor | None) -> Tensor:
        """Return the expected states of a layer that hears nothing from below."""
        _, down = gains(layer + 1, self.n_layers)
        weight, blocks = self.weights[layer], self.blocks[layer]
        field = add_from_above(self.biases[layer], above, weight, blocks, float(down))
        return self._units(layer).mean(field, None if layer else count)

    def encode(self, batch: Batch) -> Tensor:
        """Return the mean-field probabilities of the top layer, (rows, n_components)."""
        return self.mean_field(self.standardise(batch.views))[-1]

    def decode(self, codes: Tensor, count: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the expected views when the top layer is held, by mean-field equations.

        Counts are those of `count` words, (1, groups), or the probabilities of one word.
        """
        states = [codes]
        for layer in reversed(range(self.n_layers)):
            states.insert(0, self._heard_from_above(layer, states[0], count))
        free = [layer for layer in (*self.odd, *self.even) if layer < self.n_layers]
        if len(free) > 1:
            for _ in range(self.n_mean_field_steps):
                for layer in free:
                    states[layer] = self.mean_of(layer, states, count)
        return self.to_views(states[0])

    def bound(self, batch: Batch) -> Tensor:
        """Return a lower bound on log p + log Z, (rows,), by mean-field equations.

        Exact with one hidden layer.
        """
        return self.bound_of(self.mean_field(self.standardise(batch.views)))

    def bound_of(self, mu: Sequence[Tensor]) -> Tensor:
        """Return minus the expected energy plus the entropy of mean states, (rows,)."""
        total: Tensor = mu[0] @ self.biases[0] - self.visible.base_energy(mu[0])
        for layer in range(1, self.n_layers + 1):
            inner = self.add_input(self.biases[layer], layer, mu[layer - 1])
            entropy = torch.special.entr(mu[layer]) + torch.special.entr(1.0 - mu[layer])
            total = total + (inner * mu[layer] + entropy).sum(dim=1)
        return total

    # -- chains -----------------------------------------------------------------------------

    def draw_layers(
        self,
        layers: Sequence[int],
        states: list[Tensor],
        generator: torch.Generator,
        beta: float = 1.0,
        count: Tensor | None = None,
    ) -> None:
        """Draw layers that are not neighbours given the others, in place of what they hold.

        Parameters
        ----------
        layers : sequence of int
            All odd or all even; 0 is the visible one.
        states : list of Tensor of shape (rows, n_l)
            Changed at these positions.
        generator : torch.Generator
            Source of the draws.
        beta : float, default=1.0
            Inverse temperature; 0 is the base model.
        count : Tensor of shape (rows, groups) or None, default=None
            Words of each row, for visible units that are counts.
        """
        for layer in layers:
            states[layer] = self._units(layer).draw(
                self._mixed(layer, self.field(layer, states), beta),
                generator,
                None if layer else count,
            )

    def _mixed(self, layer: int, field: Tensor, beta: float) -> Tensor:
        """Return the field at an inverse temperature; at 0 it is the base model's."""
        if beta == 1.0:
            return field
        field = beta * field
        return field + (1.0 - beta) * self.base_bias if layer == 0 else field

    def _start(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Return odd layers drawn from the base model; even ones are left empty."""
        states = [self.base_bias.new_empty(0)] * (self.n_layers + 1)
        for layer in self.odd:
            zeros = self.biases[layer].new_zeros(n, len(self.biases[layer]))
            states[layer] = self._units(layer).draw(zeros, generator)
        return states

    @torch.no_grad()
    def sample(
        self, n: int, generator: torch.Generator, n_steps: int, count: Tensor | None = None
    ) -> list[Tensor]:
        """Return n states of all layers: chains that are cooled, then run at temperature 1.

        Counts are of `count` words, (n or 1, groups), or of as many as chains at random have.
        """
        states = self._start(n, generator)
        if count is not None:
            count = count.expand(n, -1)
        elif self.chain_counts is not None:
            known = self.chain_counts
            count = known[torch.randint(len(known), (n,), generator=generator)]
        for k in range(n_steps):
            beta = min(1.0, 2.0 * (k + 1) / n_steps)
            self.draw_layers(self.even, states, generator, beta, count)
            self.draw_layers(self.odd, states, generator, beta)
        self.draw_layers(self.even, states, generator, count=count)
        return states

    @torch.no_grad()
    def gibbs(self, batch: Batch, n_steps: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return views after steps that start at hidden states drawn from the mean-field ones."""
        mu = self.mean_field(self.standardise(batch.views))
        states = [mu[0]]
        for q in mu[1:]:
            uniform = torch.empty_like(q).uniform_(generator=generator)
            states.append((uniform < q).to(q.dtype))
        for _ in range(n_steps):
            self.draw_layers(self.odd, states, generator)
            self.draw_layers(self.even, states, generator)
        return self.to_views(states[0])

    # -- partition function -----------------------------------------------------------------

    def n_states(self) -> float:
        """Return how many states an exact sum has to visit: those of the odd or the even layers."""
        return min(self._states_of(self.odd), self._states_of(self.even))

    def _states_of(self, layers: Sequence[int]) -> float:
        binary = all(isinstance(units, BernoulliUnits) for units, _ in parts_of(self.visible))
        if 0 in layers and not binary:
            return math.inf
        return 2.0 ** sum(len(self.biases[layer]) for layer in layers)

    @torch.no_grad()
    def exact_log_partition(self, count: Tensor | None = None) -> float:
        """Return log Z in the caller's units, by a sum over every other layer.

        Parameters
        ----------
        count : Tensor of shape (1, groups) or None, default=None
            Words a row, for visible units that are counts.

        Raises
        ------
        ValueError
            If there are more than `MAX_STATES` states.
        """
        n_states = self.n_states()
        if n_states > MAX_STATES:
            raise ValueError(
                f"`method='exact'` sums over the states of every other layer: {n_states:.3g} "
                f"states, {MAX_STATES} at most. Use `method='ais'`."
            )
        layers = self.odd if self._states_of(self.odd) == n_states else self.even
        widths = [len(self.biases[layer]) for layer in layers]
        step = max(1, _CHUNK // max(len(bias) for bias in self.biases))
        totals = []
        for start in range(0, int(n_states), step):
            stop = min(start + step, int(n_states))
            bits = binary_states(start, stop, sum(widths), self.base_bias)
            states = [self.base_bias.new_empty(0)] * (self.n_layers + 1)
            for layer, block in zip(layers, bits.split_with_sizes(widths, dim=1), strict=True):
                states[layer] = block
            energies = self._summed_out(states, layers, 1.0, count)
            totals.append(torch.logsumexp(-energies, dim=0))
        total = torch.logsumexp(torch.stack(totals), dim=0)
        return float(total + self.log_volume.double())

    def _summed_out(
        self, states: list[Tensor], kept: Sequence[int], beta: float, count: Tensor | None
    ) -> Tensor:
        """Return the free energy of every other layer at an inverse temperature, float64."""
        total = self.base_bias.new_zeros(len(states[kept[0]])).double()
        for layer in range(self.n_layers + 1):
            units = self._units(layer)
            if layer in kept:
                bias = self._mixed(layer, self.biases[layer].detach(), beta)
                total += (units.base_energy(states[layer]) - states[layer] @ bias).double()
            else:
                field = self._mixed(layer, self.field(layer, states), beta)
                total -= units.log_partition(field, None if layer else count).double()
        return total

    @torch.no_grad()
    def annealed_log_partition(
        self,
        n_chains: int,
        n_temperatures: int,
        generator: torch.Generator,
        *,
        reverse_steps: int = 0,
        count: Tensor | None = None,
    ) -> LogMean:
        """Return log Z in the caller's units by annealing the odd layers, even ones summed out.

        Parameters
        ----------
        n_chains, n_temperatures : int
            Chains, and length of the ladder from a model without connections.
        generator : torch.Generator
            Source of the draws.
        reverse_steps : int, default=0
            Above 0 the ladder is run the other way, from chains of the model of so many steps.
        count : Tensor of shape (1, groups) or None, default=None
            Words a row, for visible units that are counts.
        """
        odd, even = self.odd, self.even
        betas = temperature_ladder(n_temperatures)
        if reverse_steps:
            states, betas = self.sample(n_chains, generator, reverse_steps, count), betas[::-1]
        else:
            states = self._start(n_chains, generator)

        words = None if count is None else count.expand(n_chains, -1)

        def change(state: list[Tensor], beta: float, after: float) -> Tensor:
            before = self._summed_out(state, odd, beta, words)
            return before - self._summed_out(state, odd, after, words)

        def move(state: list[Tensor], beta: float) -> list[Tensor]:
            moved = list(state)
            self.draw_layers(even, moved, generator, beta, words)
            self.draw_layers(odd, moved, generator, beta)
            return moved

        found = log_mean_weight(annealed_log_weights(states, betas, change, move))
        base = self.visible.log_partition(self.base_bias.double().unsqueeze(0), count)[0]
        n_hidden = sum(len(bias) for bias in self.biases) - len(self.base_bias)
        known = float(base + self.log_volume.double()) + n_hidden * math.log(2.0)
        return found._replace(value=known + (-found.value if reverse_steps else found.value))

    # -- training ---------------------------------------------------------------------------

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the log-probability of the data given their codes, nats per row."""
        mu = self.mean_field(self.standardise(batch.views))
        return LossTerms(-self._log_given(mu[0], self.field(0, mu)).mean())

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradient of mean-field statistics against those of the chains on the parameters.

        Parameters
        ----------
        batch : Batch
            Data.
        generator : torch.Generator
            Source of the chains' draws.

        Returns
        -------
        LossTerms
            Minus the log-probability of the data given their mean-field codes, nats per row.
        """
        mu = self.mean_field(self.standardise(batch.views))
        below = self.contrast(mu, generator)
        return LossTerms(-self._log_given(mu[0], below).mean())

    def contrast(
        self, mu: list[Tensor], generator: torch.Generator, known: Tensor | None = None
    ) -> Tensor:
        """Put the gradient of data against chains on the parameters, and move the chains.

        Parameters
        ----------
        mu : list of Tensor of shape (rows, n_l)
            States of all layers that the data make expect.
        generator : torch.Generator
            Source of the chains' draws.
        known : Tensor of shape (rows, n_visible) or None, default=None
            Where visible states are data, not expectations.

        Returns
        -------
        Tensor of shape (rows, n_visible)
            Fields of the visible units given the data's other states.
        """
        if not self.chains_started:
            self._start_chains(mu, generator)
        states = [self.get_buffer(f"chain_{i}") if i % 2 else mu[i] for i in range(len(mu))]
        for k in range(self.n_gibbs_steps):
            if k:
                self.draw_layers(self.odd, states, generator)
            self.draw_layers(self.even, states, generator, count=self.chain_counts)
        # Means of the odd layers in place of draws make the statistics less noisy.
        means = list(states)
        for layer in self.odd:
            means[layer] = torch.sigmoid(self.field(layer, states))
        self.draw_layers(self.odd, states, generator)
        for layer in self.odd:
            self.get_buffer(f"chain_{layer}").copy_(states[layer])
        below = self.field(0, mu)
        if self.log_variance is not None:
            v, x = means[0], mu[0]
            spread = x * (x - below)
            if known is not None:
                # The mean of x (x - field) over what is not known: the variance, 1.
                spread = torch.where(known, spread, torch.ones_like(spread))
            slope = (v * (v - self.field(0, means))).mean(dim=0) - spread.mean(dim=0)
            self._set_log_variance(slope)
        self._fill(mu, means)
        return below

    def _start_chains(self, mu: list[Tensor], generator: torch.Generator) -> None:
        """Put the chains on the first rows, of which layers trained one by one know all modes."""
        for layer in self.odd:
            chains = self.get_buffer(f"chain_{layer}")
            rows = torch.arange(len(chains), device=chains.device) % len(mu[layer])
            uniform = torch.empty_like(chains).uniform_(generator=generator)
            chains.copy_(uniform < mu[layer][rows])
        self.chains_started = True

    def _fill(self, data: list[Tensor], model: list[Tensor]) -> None:
        offsets = [self.get_buffer(f"offset_{layer}") for layer in range(len(data))]
        slopes = [m.mean(dim=0) - d.mean(dim=0) for d, m in zip(data, model, strict=True)]
        for layer, weight in enumerate(self.weights, start=1):
            above, below = offsets[layer], offsets[layer - 1]
            blocks = self.blocks[layer - 1]
            gradient = centred_moment(model[layer], above, model[layer - 1], below, blocks)
            gradient -= centred_moment(data[layer], above, data[layer - 1], below, blocks)
            _set(weight, gradient)
            # The biases take back what the offsets do to the mean.
            slopes[layer] -= gradient @ below
            slopes[layer - 1] -= gradient.T @ above
        for bias, slope in zip(self.biases, slopes, strict=True):
            _set(bias, slope)
        for offset, states in zip(offsets, data, strict=True):
            offset.lerp_(states.mean(dim=0), _OFFSET_RATE)


class JoinedLayer(NamedTuple):
    """One layer that layers of pathways make side by side; attributes as in `DoubledRBMModule`."""

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor


def join_pathways(layers: Sequence[DoubledRBMModule]) -> JoinedLayer:
    """Return the layer that one layer of each pathway makes, without connections across.

    Parameters
    ----------
    layers : sequence of DoubledRBMModule
        One per pathway, at the same height.

    Returns
    -------
    JoinedLayer
    """
    return JoinedLayer(
        torch.block_diag(*(layer.weight.detach() for layer in layers)),
        torch.cat([layer.visible_bias.detach() for layer in layers]),
        torch.cat([layer.hidden_bias.detach() for layer in layers]),
    )


def compose_layers(
    layers: Sequence[DoubledRBMModule | JoinedLayer],
) -> tuple[list[Tensor], list[Tensor]]:
    """Return connections and biases of the machine that layers trained one by one make.

    Parameters
    ----------
    layers : sequence of DoubledRBMModule or JoinedLayer
        From the data up. A layer in the middle has the mean of the biases that the two machines
        it took part in give it.

    Returns
    -------
    weights, biases : list of Tensor
        For `DBMModule`.
    """
    weights = [layer.weight.detach() for layer in layers]
    biases = [layers[0].visible_bias.detach()]
    for below, above in itertools.pairwise(layers):
        biases.append(0.5 * (below.hidden_bias.detach() + above.visible_bias.detach()))
    return weights, [*biases, layers[-1].hidden_bias.detach()]


def _set(parameter: Tensor, value: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    parameter.grad.copy_(value)
