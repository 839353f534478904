"""A deep Boltzmann machine of several views, some of which a row may lack."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from skrep.nn.dbm import DBMModule
from skrep.nn.mixed_units import MixedUnits
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.multimodal_inference import draw_alike, uniform_like, variance_of
from skrep.nn.units import Units

__all__ = ["Inferred", "MultimodalDBMModule"]

# Gibbs steps that absent views make beside the clamped ones before a gradient step.
_CLAMPED_STEPS = 10


class Inferred(NamedTuple):
    """States that the present views make expect.

    Attributes
    ----------
    mu : list of Tensor of shape (rows, n_l)
        Visible states, absent ones expected, and mean-field probabilities of the hidden layers.
    known : Tensor of shape (rows, n_visible) or None
        Where visible states are data; None where all are.
    words : Tensor of shape (rows, groups) or None
        Of each row in every view of counts.
    """

    mu: list[Tensor]
    known: Tensor | None
    words: Tensor | None


class MultimodalDBMModule(RepresentationModule):
    """A machine with `MixedUnits`, and what to do about absent views.

    Nothing is clamped where a view is absent: its units are free, like hidden ones. They are
    inferred along with these, and in training drawn.

    Parameters
    ----------
    machine : DBMModule
        Its visible units are `MixedUnits`; its lower connections may join pathways only.
    words : Tensor of shape (n_counted,)
        Words of a row in every view of word counts, where it is absent.
    """

    fills_gradients: ClassVar[bool] = True

    words: Tensor

    def __init__(self, machine: DBMModule, words: Tensor) -> None:
        super().__init__()
        self.machine = machine
        self.register_buffer("words", words)

    @property
    def units(self) -> MixedUnits:
        """The visible layer."""
        return self.machine.visible  # type: ignore[return-value]

    # -- inference --------------------------------------------------------------------------

    def infer(self, batch: Batch, n_steps: int | None = None) -> Inferred:
        """Return the mean-field states of all layers given what is present of each row."""
        x = self.machine.standardise(batch.views)
        present = batch.present
        if present is None or bool(present.all()):
            count = self.units.count(x)
            return Inferred(self.machine.mean_field(x, n_steps), None, count)
        known, count = self._known(present), self._count(x, present)
        mu = self.machine.mean_field(x, n_steps, known=known, count=count)
        return Inferred(mu, known[0], count)

    def _known(self, present: Tensor) -> list[Tensor]:
        """Return for each layer below the top which units stand above views that are present."""
        columns = [present[:, i : i + 1] for i in range(present.shape[1])]
        first = [at.stop - at.start for at in self.units.view_columns]
        levels = [first]
        for blocks, bias in zip(self.machine.blocks, list(self.machine.biases)[1:-1], strict=False):
            one = [len(bias)]
            levels.append(one if blocks is None else [r.stop - r.start for r, _ in blocks])
        return [
            torch.cat([c.expand(-1, w) for c, w in zip(columns, widths, strict=True)], dim=1)
            for widths in levels
        ]

    def _count(self, x: Tensor, present: Tensor) -> Tensor | None:
        count = self.units.count(x)
        if count is None:
            return None
        counted = [i for i, view in enumerate(self.units.views) if view.counted]
        return torch.where(present[:, counted], count, self.words)

    def _each(self, count: Tensor | None) -> Iterator[tuple[int, Units, slice, Tensor | None]]:
        """Yield number, units, columns and counts of every view."""
        group = 0
        for i, (units, at) in enumerate(self.units.by_view):
            own = None
            if units.counted and count is not None:
                own = count[:, group : group + 1]
                group += 1
            yield i, units, at, own

    def encode(self, batch: Batch) -> Tensor:
        """Return the mean-field probabilities of the top layer, (rows, n_components)."""
        return self.infer(batch).mu[-1]

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views when the top layer is held, of `words` words for counts."""
        count = self.words.unsqueeze(0) if len(self.words) else None
        return self.machine.decode(codes, count)

    def bound(self, batch: Batch) -> Tensor:
        """Return a lower bound on log p(what is present) + log Z, (rows,).

        Minus the expected energy plus the entropy of all that is free, absent views included.
        """
        mu, known, count = self.infer(batch)
        total = self.machine.bound_of(mu)
        if known is None or batch.present is None:
            return total
        field = self.machine.field(0, mu)
        for i, units, at, own in self._each(count):
            x, f = mu[0][:, at], field[:, at]
            # Entropy less base energy, from the field that x is the mean of.
            free = units.log_partition(f, own) - (f * x).sum(dim=1) + units.base_energy(x)
            total = total + torch.where(batch.present[:, i], 0.0, free + self._log_volume(at))
        return total

    def _log_volume(self, at: slice) -> Tensor:
        machine = self.machine
        total = machine.scaler.scale[at].log().sum()
        return (
            total if machine.log_variance is None else total + 0.5 * machine.log_variance[at].sum()
        )

    # -- training ---------------------------------------------------------------------------

    def infer_drawn(self, batch: Batch, generator: torch.Generator) -> Inferred:
        """Return mean-field states of the hidden layers, absent views drawn given the present ones.

        As part of the mean field, absent units would not depend on each other nor on the hidden
        ones, and statistics with them would teach the machine that they do not.
        """
        present = batch.present
        if present is None or bool(present.all()):
            return self.infer(batch)
        x, known = self.machine.standardise(batch.views), self._known(present)[0]
        rows = torch.nonzero(~present.all(dim=1)).ravel()
        lacking = Batch(tuple(view[rows] for view in batch.views), present[rows])
        states, _ = self.draw_absent(lacking, generator, _CLAMPED_STEPS)
        x = x.index_copy(0, rows, states[0])
        return Inferred(self.machine.mean_field(x), known, self._count(x, present))

    def _loss(self, found: Inferred, field: Tensor, present: Tensor | None) -> LossTerms:
        total = field.new_zeros(len(field))
        for i, units, at, own in self._each(found.words):
            x, f = found.mu[0][:, at], field[:, at]
            inner = (x * f).sum(dim=1) - units.base_energy(x)
            log_p = inner - units.log_partition(f, own) - self._log_volume(at)
            total = total + (log_p if present is None else torch.where(present[:, i], log_p, 0.0))
        return LossTerms(-total.mean())

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the log-probability of what is present given its codes, nats per row."""
        found = self.infer(batch)
        return self._loss(found, self.machine.field(0, found.mu), batch.present)

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradient of mean-field statistics against those of the chains on the parameters.

        Parameters
        ----------
        batch : Batch
            Data.
        generator : torch.Generator
            Source of the draws of chains and absent views.

        Returns
        -------
        LossTerms
            Minus the log-probability of what is present given its codes, nats per row.
        """
        found = self.infer_drawn(batch, generator)
        field = self.machine.contrast(found.mu, generator, found.known)
        return self._loss(found, field, batch.present)

    # -- draws ------------------------------------------------------------------------------

    @torch.no_grad()
    def draw_absent(
        self, batch: Batch, generator: torch.Generator, n_steps: int
    ) -> tuple[list[Tensor], Tensor | None]:
        """Return states of all layers after Gibbs steps with the present views clamped.

        Parameters
        ----------
        batch : Batch
            Data.
        generator : torch.Generator
            Source of the draws.
        n_steps : int
            Steps, from states drawn given a pass up and down; rows that lack nothing need none.

        Returns
        -------
        states : list of Tensor of shape (rows, n_l)
            From the visible layer up.
        count : Tensor of shape (rows, groups) or None
            Words of each row.
        """
        # Rounds of mean field settle on one way to fill absent views; draws are of all.
        mu, known, count = self.infer(batch, None if batch.present is None else 0)
        states = [mu[0]]
        for q in mu[1:]:
            uniform = torch.empty_like(q).uniform_(generator=generator)
            states.append((uniform < q).to(q.dtype))
        if known is not None:
            for _ in range(n_steps):
                self.machine.draw_layers(self.machine.odd, states, generator)
                self.machine.draw_layers(self.machine.even, states, generator, count=count)
                states[0] = torch.where(known, mu[0], states[0])
        return states, count

    @torch.no_grad()
    def gibbs(
        self, batch: Batch, n_steps: int, generator: torch.Generator, n_clamped: int
    ) -> tuple[Tensor, ...]:
        """Return views after steps that start where absent views have been drawn."""
        states, count = self.draw_absent(batch, generator, n_clamped)
        for _ in range(n_steps):
            self.machine.draw_layers(self.machine.odd, states, generator)
            self.machine.draw_layers(self.machine.even, states, generator, count=count)
        return self.machine.to_views(states[0])

    def given(self, batch: Batch, generator: torch.Generator, n_steps: int) -> tuple[Tensor, ...]:
        """Return views, absent ones drawn given the present ones."""
        return self.machine.to_views(self.draw_absent(batch, generator, n_steps)[0][0])

    @torch.no_grad()
    def expect(
        self, batch: Batch, seed: int, n_chains: int = 10, n_burn_in: int = 10, n_kept: int = 10
    ) -> tuple[Tensor, ...]:
        """Return views and, after these, variances of absent units given the present ones.

        Averages over Gibbs chains with the present views clamped of what their lowest hidden layer
        expects, in the caller's units. A pathway that hears little from above stays long where a
        chain began, so that several short chains say more than one long one. Every row is moved by
        the same random numbers, so that it does not depend on its company. What is returned for
        present views does not count.

        Parameters
        ----------
        batch : Batch
            Data.
        seed : int
            Of the chains.
        n_chains, n_burn_in, n_kept : int, default=10, 10, 10
            Chains, steps before the average, and steps in it.
        """
        # Without rounds of mean field, which would bring all chains to the same place.
        mu, known, count = self.infer(batch, 0)
        machine = self.machine
        mean, second = torch.zeros_like(mu[0]), torch.zeros_like(mu[0])
        if known is not None:
            generator = torch.Generator(device=mu[0].device).manual_seed(seed)
            for _ in range(n_chains):
                states = [mu[0], *(_alike(q, generator) for q in mu[1:])]
                for step in range(n_burn_in + n_kept):
                    field = self._move_alike(states, known, count, generator)
                    if step >= n_burn_in:
                        m = self.units.mean(field, count)
                        mean += m / (n_chains * n_kept)
                        square = variance_of(self.units, m, count) + m.square()
                        second += square / (n_chains * n_kept)
        scale = machine.scaler.scale
        if machine.log_variance is not None:
            scale = scale * torch.exp(0.5 * machine.log_variance)
        variance = (second - mean.square()).clamp_min(0.0) * scale.square()
        spread = variance.split_with_sizes(machine.scaler.widths, dim=1)
        return (*machine.to_views(mean), *spread)

    def _move_alike(
        self, states: list[Tensor], known: Tensor, count: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        """Take a Gibbs step, alike in every row; return the fields of the visible units."""
        machine = self.machine
        for layer in (*machine.odd, *machine.even[1:]):
            states[layer] = _alike(machine.mean_of(layer, states), generator)
        field = machine.field(0, states)
        states[0] = torch.where(known, states[0], draw_alike(self.units, field, count, generator))
        return field


def _alike(p: Tensor, generator: torch.Generator) -> Tensor:
    """Return zeros and ones with these probabilities, by the same random numbers in every row."""
    return (uniform_like(p[:1], generator) < p).to(p.dtype)
