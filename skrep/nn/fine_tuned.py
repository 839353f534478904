r"""An encoder and a linear head, trained end to end on labels.

Objective, a mean over rows with code :math:`z = f(x)` and head :math:`a = W z + b`:

.. math:: -\log \operatorname{softmax}(a)_y \quad \text{or} \quad (y - a)^2

in nats, or in squared units of the targets that are passed in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.nn.module import Batch, LossTerms, RepresentationModule

__all__ = ["FineTunedModule", "with_head"]


class FineTunedModule(RepresentationModule):
    """A module whose codes feed a linear head; its loss needs `Batch.y`.

    Parts that fill their own gradients stay in evaluation mode throughout: what they do in
    training mode, such as showing weights that are not averaged, belongs to their own training.

    Parameters
    ----------
    encoder : RepresentationModule
        Trained in place, as far as `encode` depends on it.
    weight : Tensor of shape (n_outputs, n_components)
        Of the head, at the start.
    bias : Tensor of shape (n_outputs,)
        Of the head, at the start.
    loss : callable
        (outputs of shape (rows, n_outputs), y) to a mean over rows.
    """

    def __init__(
        self,
        encoder: RepresentationModule,
        weight: Tensor,
        bias: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.encoder = encoder
        # A plain linear layer would be drawn from torch's global generator first.
        self.head = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)
        self._loss = loss

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, (rows, n_components)."""
        return self.encoder.encode(batch)

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return what the encoder's own module decodes, which the head has no part in."""
        return self.encoder.decode(codes)

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean loss of labelled rows."""
        if batch.y is None:
            raise ValueError("The loss of a head needs labels: `Batch.y` is None.")
        return LossTerms(self._loss(self.head(self.encode(batch)), batch.y))

    def train(self, mode: bool = True) -> "FineTunedModule":
        """Set the mode of the head and of whatever leaves its training to the caller."""
        self.training = mode
        self.head.train(mode)
        _set_mode(self.encoder, mode)
        return self

    @contextmanager
    def only_what_counts(self, batch: Batch) -> Iterator[None]:
        """Take parameters that the code does not depend on, as a decoder's, out of training."""
        candidates = [p for p in self.encoder.parameters() if p.requires_grad]
        found = torch.autograd.grad(self.encode(batch).sum(), candidates, allow_unused=True)
        idle = [p for p, gradient in zip(candidates, found, strict=True) if gradient is None]
        for parameter in idle:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in idle:
                parameter.requires_grad_(True)


def with_head(
    encoder: RepresentationModule, weight: np.ndarray, bias: np.ndarray, *, classes: bool
) -> FineTunedModule:
    """Put a linear head on the code of a module.

    Parameters
    ----------
    encoder : RepresentationModule
        Makes the codes.
    weight : ndarray of shape (n_outputs, n_components)
        Of the head, at the start.
    bias : ndarray of shape (n_outputs,)
        Of the head, at the start.
    classes : bool
        Whether `Batch.y` holds positions of classes, int64, for the cross-entropy; otherwise one
        real target, for the squared error.

    Returns
    -------
    FineTunedModule
    """
    loss = F.cross_entropy if classes else _squared_error
    return FineTunedModule(encoder, torch.as_tensor(weight), torch.as_tensor(bias), loss)


def _squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(outputs.squeeze(-1), y)


def _set_mode(module: nn.Module, mode: bool) -> None:
    if isinstance(module, RepresentationModule) and module.fills_gradients:
        return
    if not any(isinstance(m, RepresentationModule) and m.fills_gradients for m in module.modules()):
        module.train(mode)
        return
    module.training = mode
    for part in module.children():
        _set_mode(part, mode)
