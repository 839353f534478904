"""A restricted Boltzmann machine of several views, some of which a row may lack."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from skrep.nn.label_conditional import redraw_label_
from skrep.nn.mixed_units import MixedUnits
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.multimodal_inference import Clamped, Expected
from skrep.nn.rbm import RBMModule
from skrep.nn.rbm_pseudo_likelihood import log_pseudo_likelihood, view_given_rest

__all__ = ["MultimodalRBMModule"]

# Gibbs steps that absent views make beside the clamped ones before a gradient step.
_CLAMPED_STEPS = 5


class MultimodalRBMModule(RepresentationModule):
    """A machine with `MixedUnits`, and what to do about absent views.

    In training the absent views of a row are drawn given the present ones before the gradient is
    taken, so that it follows the likelihood of what is present.

    Parameters
    ----------
    machine : RBMModule
        Its visible units are `MixedUnits`.
    words : Tensor of shape (n_counted,)
        Words of a row in every view of word counts, where it is absent.
    """

    fills_gradients: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    words: Tensor

    def __init__(self, machine: RBMModule, words: Tensor) -> None:
        super().__init__()
        self.machine = machine
        self.register_buffer("words", words)

    @property
    def units(self) -> MixedUnits:
        """The visible layer."""
        return self.machine.visible  # type: ignore[return-value]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Take how many times faster than others the parameters of each view learn."""
        ends = [(at.start, at.stop) for at in self.units.view_columns]
        weights = tuple((at, r) for at, r in zip(ends, rates, strict=True) if r != 1.0)
        self.machine.take_settings(replace(self.machine.settings, column_weights=weights))

    # -- absent views -----------------------------------------------------------------------

    def patterns(self, present: Tensor) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
        """Yield rows that lack the same views, and these views; complete rows are left out."""
        kinds, which = present.unique(dim=0, return_inverse=True)
        for k, kind in enumerate(kinds):
            absent = tuple(torch.nonzero(~kind).ravel().tolist())
            if absent:
                yield torch.nonzero(which == k).ravel(), absent

    def clamped(self, x: Tensor, absent: tuple[int, ...]) -> Clamped:
        """Return the machine with the other views of these rows clamped."""
        return Clamped(self.machine, x, absent, self.words)

    def _filled(
        self, x: Tensor, present: Tensor | None, fill: Callable[[Clamped], Tensor]
    ) -> Tensor:
        if present is None:
            return x
        x = x.clone()
        for rows, absent in self.patterns(present):
            clamped = self.clamped(x[rows], absent)
            x[rows.unsqueeze(1), clamped.columns] = fill(clamped)
        return x

    def filled_with_means(self, batch: Batch) -> Tensor:
        """Return visible states, absent ones as `expected_quickly` has them."""
        x = self.machine.standardise(batch.views)
        return self._filled(x, batch.present, lambda clamped: expected_quickly(clamped).mean)

    def draw_absent(self, batch: Batch, generator: torch.Generator, n_steps: int) -> Tensor:
        """Return visible states, absent ones drawn given the present ones."""
        x = self.machine.standardise(batch.views)
        return self._filled(
            x, batch.present, lambda clamped: clamped.draw(generator, n_steps).to(x.dtype)
        )

    def expect(self, batch: Batch, seed: int) -> tuple[Tensor, ...]:
        """Return views and, after these, variances, of absent units given the present ones.

        Exact sums where absent or hidden units have few states, else averages over a Gibbs chain;
        in the caller's units. What is returned for present views does not count.
        """
        x = self.machine.standardise(batch.views)
        variance = torch.zeros_like(x)
        if batch.present is not None:
            for rows, absent in self.patterns(batch.present):
                clamped = self.clamped(x[rows], absent)
                found = clamped.averaged(seed) if clamped.summed_side() is None else clamped.exact()
                at = (rows.unsqueeze(1), clamped.columns)
                x[at], variance[at] = found.mean, found.variance
        scale = self.machine.scaler.scale
        if self.machine.log_variance is not None:
            scale = scale * torch.exp(0.5 * self.machine.log_variance)
        spread = (variance * scale.square()).split_with_sizes(self.machine.scaler.widths, dim=1)
        return (*self.machine.to_views(x), *spread)

    # -- codes ------------------------------------------------------------------------------

    def encode(self, batch: Batch) -> Tensor:
        """Return the expected hidden states given the present views, (rows, n_hidden)."""
        machine = self.machine
        if batch.present is None:
            return machine.encode(batch)
        x = machine.standardise(batch.views)
        codes = machine.hidden.mean(machine.hidden_field(x))
        for rows, absent in self.patterns(batch.present):
            codes = codes.index_copy(
                0, rows, expected_quickly(self.clamped(x[rows], absent)).hidden
            )
        return codes

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views given hidden states, of `words` words for counts."""
        machine = self.machine
        count = self.words.expand(len(codes), -1) if len(self.words) else None
        return machine.to_views(self.units.mean(machine.visible_field(codes), count))

    # -- probabilities ----------------------------------------------------------------------

    def free_energy_of(self, batch: Batch) -> Tensor:
        """Return minus the log of the unnormalised probability of the present views, (rows,).

        Raises
        ------
        ValueError
            If a row lacks views whose sum is too long.
        """
        machine = self.machine
        x = machine.standardise(batch.views)
        energies = machine.free_energy(x)
        if batch.present is None:
            return energies
        for rows, absent in self.patterns(batch.present):
            clamped = self.clamped(x[rows], absent)
            if clamped.summed_side() is None:
                raise ValueError(
                    "The probability of samples that lack views is a sum over absent or hidden "
                    "units, and both have too many states. Fill the views in with `impute`, or "
                    "leave these samples out."
                )
            mass = self._outer(x[rows], absent) - clamped.log_mass()
            volume = sum(self._log_volume(self.units.view_columns[i]) for i in absent)
            energies = energies.index_copy(0, rows, mass - volume)
        return energies

    def _outer(self, x: Tensor, absent: tuple[int, ...]) -> Tensor:
        """Return U(x) - b . x of the present views."""
        total = x.new_zeros(len(x))
        for i, (view, at) in enumerate(self.units.by_view):
            if i not in absent:
                own = x[:, at]
                total = total + view.base_energy(own) - own @ self.machine.visible_bias[at]
        return total

    def log_pseudo_likelihood(self, batch: Batch) -> Tensor:
        """Return the sum over present units of log p(unit | all others), (rows,).

        Absent units stand at what is expected of them; in the caller's units.
        """
        x = self.filled_with_means(batch)
        if batch.present is None:
            return log_pseudo_likelihood(self.machine, x)
        total = x.new_zeros(len(x))
        for i, (view, at) in enumerate(self.units.by_view):
            rows = torch.nonzero(batch.present[:, i]).ravel()
            if len(rows):
                own = view_given_rest(self.machine, x[rows], view, at)
                total = total.index_add(0, rows, own - self._log_volume(at))
        return total

    def _log_volume(self, at: slice) -> Tensor:
        machine = self.machine
        total = machine.scaler.scale[at].log().sum()
        return (
            total if machine.log_variance is None else total + 0.5 * machine.log_variance[at].sum()
        )

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the mean log pseudo-likelihood, for data that are held out."""
        return LossTerms(-self.log_pseudo_likelihood(batch).mean())

    # -- training ---------------------------------------------------------------------------

    def _completed(self, batch: Batch, generator: torch.Generator) -> Tensor:
        x = self.machine.standardise(batch.views)
        if batch.present is None or bool(batch.present.all()):
            return x
        return self._drawn(x, batch.present, generator)

    def _drawn(self, x: Tensor, present: Tensor, generator: torch.Generator) -> Tensor:
        """Draw absent units in place of what stands there."""
        machine, label = self.machine, self.machine.settings.label
        widths = torch.tensor([at.stop - at.start for at in self.units.view_columns])
        known = present.repeat_interleave(widths.to(x.device), dim=1)
        x = torch.where(known, x, machine.visible_offset)
        others = present
        if label is not None:
            others = present.clone()
            others[:, self._label_view(label)] = True
        rows = torch.nonzero(~others.all(dim=1)).ravel()
        if len(rows):
            x[rows] = self._beside_clamped(x[rows], known[rows], present[rows], generator)
        if label is not None:
            rows = torch.nonzero(~present[:, self._label_view(label)]).ravel()
            own = x[rows]
            redraw_label_(machine, own, machine.hidden_field(own), label, generator)
            x[rows] = own
        return x

    def _label_view(self, label: tuple[int, int]) -> int:
        return next(i for i, at in enumerate(self.units.view_columns) if at.start == label[0])

    def _beside_clamped(
        self, x: Tensor, known: Tensor, present: Tensor, generator: torch.Generator
    ) -> Tensor:
        count = self.units.count(x)
        if count is not None:
            counted = [i for i, view in enumerate(self.units.views) if view.counted]
            count = torch.where(present[:, counted], count, self.words)
        for _ in range(_CLAMPED_STEPS):
            field = self.machine.hidden_field(x)
            h = self.machine.hidden.draw_(field, torch.empty_like(field), generator)
            x = torch.where(known, x, self.machine.draw_visible(h, generator, 1.0, count))
        return x

    @torch.no_grad()
    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradient of mean F(data) - mean F(samples) on the parameters."""
        x = self._completed(batch, generator)
        return self.machine.contrast.fill(self.machine, x, generator)

    @torch.no_grad()
    def descend(self, batch: Batch, generator: torch.Generator, rate: float) -> LossTerms:
        """Subtract `rate` times that gradient from the parameters, in one pass over the weights."""
        x = self._completed(batch, generator)
        return self.machine.contrast.descend(self.machine, x, generator, rate)

    def set_epoch(self, epoch: int) -> None:
        """Take note that an epoch begins."""
        self.machine.set_epoch(epoch)

    def after_step(self) -> None:
        """Do what the machine does after a step."""
        self.machine.after_step()


def expected_quickly(clamped: Clamped) -> Expected:
    """Return exact expectations where few states make them, else those of a mean field."""
    return clamped.mean_field() if clamped.summed_side() is None else clamped.exact()
