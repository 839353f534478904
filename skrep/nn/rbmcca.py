"""RBM-CCA: a restricted Boltzmann machine per view, then linear maps of their hidden units.

The machines do not know of each other while they learn: the loss is the sum of theirs, and each
fills the gradients of its own weights.
"""

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from skrep.nn.dcca import CanonicalMap, codes_side_by_side
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.rbm import RBMModule

__all__ = ["RBMCCAModule"]


class RBMCCAModule(RepresentationModule):
    """Machines side by side, and what follows them.

    Parameters
    ----------
    rbms : sequence of RBMModule
        One per view.
    n_components : int
        Size of the code of each view.
    """

    fills_gradients: ClassVar[bool] = True
    descends: ClassVar[bool] = True

    #: There is none: the views are decoded by a regression.
    decoders: None = None

    def __init__(self, rbms: Sequence[RBMModule], n_components: int) -> None:
        super().__init__()
        self.rbms = nn.ModuleList(rbms)
        self.maps = nn.ModuleList(CanonicalMap(rbm.hidden.width, n_components) for rbm in rbms)

    def _each(self, batch: Batch) -> list[tuple[RBMModule, Batch]]:
        machines = cast("list[RBMModule]", list(self.rbms))
        return [(rbm, Batch((view,))) for rbm, view in zip(machines, batch.views, strict=True)]

    def network_codes(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the expected hidden states of each machine, (rows, n_hidden)."""
        return tuple(rbm.encode(alone) for rbm, alone in self._each(batch))

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes side by side, (rows, n_views * n_components); NaN where absent."""
        return codes_side_by_side(self.maps, self.network_codes(batch), batch.present)

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Refuse: several hidden states lead to one code."""
        raise TypeError("The codes of an RBM-CCA are decoded by a regression.")

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return minus the log pseudo-likelihood, summed over views, for data that are held out."""
        return _sum([rbm.training_loss(alone, generator) for rbm, alone in self._each(batch)])

    def accumulate_gradients(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Put the gradients of all machines on their parameters."""
        return _sum(
            [rbm.accumulate_gradients(alone, generator) for rbm, alone in self._each(batch)]
        )

    def descend(self, batch: Batch, generator: torch.Generator, rate: float) -> LossTerms:
        """Let every machine make a step of length `rate`."""
        return _sum([rbm.descend(alone, generator, rate) for rbm, alone in self._each(batch)])

    def after_step(self) -> None:
        """Tell every machine that its weights moved."""
        for rbm in cast("list[RBMModule]", list(self.rbms)):
            rbm.after_step()

    def set_epoch(self, epoch: int) -> None:
        """Tell every machine that an epoch begins."""
        for rbm in cast("list[RBMModule]", list(self.rbms)):
            rbm.set_epoch(epoch)


def _sum(losses: list[LossTerms]) -> LossTerms:
    return LossTerms(torch.stack([loss.total for loss in losses]).sum())
