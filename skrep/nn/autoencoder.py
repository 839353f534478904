r"""Autoencoders: plain, denoising and sparse are one module with different parts.

Objective, per row, in squared working units:

.. math:: \sum_j w_j \, (t_j - g(f(c(x)))_j)^2 + \Omega(f(x))

with :math:`c` a corruption, :math:`f` the encoder, :math:`g` the decoder, :math:`t` the clean
target, :math:`w` weights that sum to one and :math:`\Omega` a penalty on the codes.
"""

from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.functional.corruption import CORRUPTIONS
from skrep.functional.sparsity import kl_to_rate, l1_penalty, top_k
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["SPARSITIES", "AutoencoderModule", "CodeSparsity", "Corruptor", "TiedDecoder"]


class Corruptor(nn.Module):
    """Spoil inputs during training.

    Parameters
    ----------
    kind : {"gaussian", "masking", "salt_and_pepper"}
        See `skrep.functional.corruption`.
    level : float
        Standard deviation of the noise in working units, or share of entries spoiled.
    low, high : Tensor of shape (n_features,)
        What salt and pepper set entries to, in working units.
    fill : Tensor of shape (n_features,)
        What masking sets entries to, in working units: the caller's zero.
    """

    low: Tensor
    high: Tensor
    fill: Tensor

    def __init__(self, kind: str, level: float, low: Tensor, high: Tensor, fill: Tensor) -> None:
        super().__init__()
        self.kind = kind
        self.level = level
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.register_buffer("fill", fill)

    def forward(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a spoiled copy of (rows, n_features)."""
        corrupt = CORRUPTIONS[self.kind]
        if self.kind == "masking":
            # The noise function masks with 0, so zero is moved to where the caller's zero lies.
            return corrupt(x - self.fill, self.level, generator) + self.fill
        return corrupt(x, self.level, generator, low=self.low, high=self.high)


SPARSITIES: Final = ("l1", "kl", "top_k")


class CodeSparsity(nn.Module):
    """Make codes sparse: by their range, and by a penalty.

    Parameters
    ----------
    kind : {"l1", "kl", "top_k"}
        Rectified codes with the sum of their sizes; codes in (0, 1) whose mean activation is
        drawn to a rate; or only the largest codes of each row.
    weight : float
        Of the penalty; unused for "top_k".
    target : float
        The rate for "kl", the number of codes kept for "top_k".
    """

    def __init__(self, kind: Literal["l1", "kl", "top_k"], weight: float, target: float) -> None:
        super().__init__()
        self.kind = kind
        self.weight = weight
        self.target = target

    def forward(self, codes: Tensor) -> Tensor:
        """Return sparse codes of the same shape."""
        if self.kind == "top_k":
            return top_k(codes, int(self.target))
        return torch.relu(codes) if self.kind == "l1" else torch.sigmoid(codes)

    def penalty(self, codes: Tensor) -> Tensor | None:
        """Return the weighted penalty per row, or None where the range does it all."""
        if self.kind == "l1":
            return self.weight * l1_penalty(codes)
        return self.weight * kl_to_rate(codes, self.target) if self.kind == "kl" else None


class TiedDecoder(nn.Module):
    """The encoder run backwards: transposed weights, biases of its own.

    Parameters
    ----------
    encoder : torch.nn.Sequential
        Linear layers with activations between them.
    linear : torch.nn.Linear or None
        Linear path of the encoder, transposed too.
    """

    def __init__(self, encoder: nn.Sequential, linear: nn.Linear | None) -> None:
        super().__init__()
        layers = [m for m in reversed(encoder) if isinstance(m, nn.Linear)]
        between = [m for m in reversed(encoder) if not isinstance(m, nn.Linear)]
        if not between:  # "identity" leaves no module between the layers
            between = [nn.Identity() for _ in layers[1:]]
        self.layers = nn.ModuleList(layers)
        self.between = nn.ModuleList([*between, nn.Identity()])
        self.biases = nn.ParameterList(torch.zeros(layer.in_features) for layer in layers)
        self.linear = linear

    def forward(self, codes: Tensor) -> Tensor:
        """Map (rows, n_components) to (rows, n_features)."""
        x = codes
        for layer, bias, between in zip(self.layers, self.biases, self.between, strict=True):
            x = between(F.linear(x, layer.get_parameter("weight").T, bias))
        return x if self.linear is None else x + F.linear(codes, self.linear.weight.T)


class AutoencoderModule(RepresentationModule):
    """Encoder, decoder and squared error.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    encoder, decoder : torch.nn.Module
        (rows, n_features) to (rows, n_components) and back.
    output : torch.nn.Module
        Activation after the decoder. `Identity` decodes to working units, anything else to the
        caller's.
    weights : Tensor of shape (n_features,) or None
        Of the squared errors, summing to 1; None weighs all alike.
    corruptor : Corruptor or None, default=None
        Spoils the input in training.
    sparsity : CodeSparsity or None, default=None
        Acts on the codes.
    """

    weights: Tensor | None

    def __init__(
        self,
        scaler: ViewScaler,
        encoder: nn.Module,
        decoder: nn.Module,
        output: nn.Module,
        weights: Tensor | None,
        *,
        corruptor: Corruptor | None = None,
        sparsity: CodeSparsity | None = None,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.encoder = encoder
        self.decoder = decoder
        self.output = output
        self.register_buffer("weights", weights)
        self.corruptor = corruptor
        self.sparsity = sparsity
        self._in_working_units = isinstance(output, nn.Identity)

    def _codes(self, x: Tensor) -> Tensor:
        codes: Tensor = self.encoder(x)
        return codes if self.sparsity is None else self.sparsity(codes)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, (rows, n_components)."""
        return self._codes(self.scaler.join(batch.views))

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the reconstructed views in the caller's units."""
        out = self.output(self.decoder(codes))
        if self._in_working_units:
            return self.scaler.split(out)
        return tuple(out.split_with_sizes(self.scaler.widths, dim=-1))

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean over rows of the objective above."""
        clean = self.scaler.join(batch.views)
        noisy = clean if self.corruptor is None else self.corruptor(clean, generator)
        codes = self._codes(noisy)
        out = self.decoder(codes)
        target = clean
        if not self._in_working_units:
            out, target = self.output(out), _joined(batch.views)
        error = self._squared_error(out, target)
        penalty = None if self.sparsity is None else self.sparsity.penalty(codes)
        if penalty is None:
            return LossTerms(error)
        return LossTerms(error + penalty, reconstruction=error, sparsity=penalty)

    def _squared_error(self, out: Tensor, target: Tensor) -> Tensor:
        if self.weights is None:
            return F.mse_loss(out, target)
        return ((out - target).square() @ self.weights).mean()


def _joined(views: tuple[Tensor, ...]) -> Tensor:
    return views[0] if len(views) == 1 else torch.cat(views, dim=1)
