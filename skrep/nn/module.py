"""What every trained module offers, and the two records it exchanges with the engine."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Batch", "LossTerms", "RepresentationModule"]


class Batch(NamedTuple):
    """Rows of a data set as a module sees them.

    Attributes
    ----------
    views : tuple of Tensor of shape (rows, width)
        One tensor per view. Rows of an absent view hold zeros.
    present : Tensor of shape (rows, n_views) or None
        Boolean; None when every view of every sample is there.
    rows : Tensor of shape (rows,) or None
        Positions in the training data, for models that keep state per sample.
    y : Tensor of shape (rows,) or None
        Labels, for models that use them.
    """

    views: tuple[Tensor, ...]
    present: Tensor | None = None
    rows: Tensor | None = None
    y: Tensor | None = None


class LossTerms:
    """A training loss and the named parts that the history shows.

    Parameters
    ----------
    total : Tensor of shape ()
        What is minimised: a mean over the rows of the batch.
    **terms : Tensor of shape ()
        Parts worth following, in the same unit. None when the total says it all.
    """

    __slots__ = ("terms", "total")

    def __init__(self, total: Tensor, **terms: Tensor) -> None:
        self.total = total
        self.terms = terms


class RepresentationModule(nn.Module, ABC):
    """A torch module that turns views into codes and codes into views.

    A subclass keeps scaling inside itself: what comes in and goes out is in the caller's units.
    """

    #: A trailing batch with fewer rows joins the batch before it.
    min_batch_size: int = 1

    #: Whether `accumulate_gradients` takes the place of autograd on `training_loss`.
    fills_gradients: ClassVar[bool] = False

    #: Whether `descend` can take the place of `accumulate_gradients` and a plain gradient step.
    descends: ClassVar[bool] = False

    @abstractmethod
    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, of shape (rows, n_components), without any draw."""

    @abstractmethod
    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return one expected view of shape (rows, width) per view."""

    def decode_batch(self, batch: Batch) -> tuple[Tensor, ...]:
        """Decode the codes that stand in a batch's only view."""
        return self.decode(batch.views[0])

    @abstractmethod
    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the loss of a batch; every draw comes from `generator`."""

    def accumulate_gradients(  # type: ignore[empty-body]
        self, batch: Batch, generator: torch.Generator
    ) -> LossTerms:
        """Put gradients on the parameters and return the loss, without autograd.

        Only called where `fills_gradients` is true, for models whose gradient is cheaper written
        out. What earlier steps left on the parameters is overwritten.
        """

    def descend(  # type: ignore[empty-body]
        self, batch: Batch, generator: torch.Generator, rate: float
    ) -> LossTerms:
        """Subtract `rate` times the gradient from the parameters and return the loss.

        Only called where `descends` is true, for models that need no gradient on the side.
        """

    def after_step(self) -> None:
        """Take note that the weights moved; only called where `fills_gradients` is true."""

    def set_epoch(self, epoch: int) -> None:
        """Take note that epoch `epoch` (from 0) begins, for schedules such as a KL warm-up."""
