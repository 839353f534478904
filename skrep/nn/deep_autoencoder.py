r"""Deep autoencoders of sigmoid layers with a linear code, and the way to them layer by layer.

Objective, a mean over rows with weights :math:`w` that sum to one:

.. math:: \sum_j w_j \,(x_j - \hat x_j)^2
   \quad\text{or}\quad
   -\sum_j w_j \,[x_j \log \hat x_j + (1 - x_j) \log(1 - \hat x_j)]

in squared working units, or in nats per feature.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.functional.corruption import masking_noise
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.rbm import RBMModule
from skrep.nn.scaling import ViewScaler

__all__ = ["LOSSES", "DeepAutoencoderModule", "linears", "make_linear", "unroll"]

LOSSES: Final = ("squared_error", "cross_entropy")


class DeepAutoencoderModule(RepresentationModule):
    """Linear maps with sigmoids between them, up to the code and back.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    up, down : sequence of torch.nn.Linear
        Of the encoder, from the data up, and of the decoder, from the code down.
    loss : {"squared_error", "cross_entropy"}
        Cross-entropy needs data in [0, 1] and puts a sigmoid after the decoder.
    sigmoid_code : bool, default=False
        Whether codes are between 0 and 1 rather than linear.
    mask_share : float, default=0.0
        Share of the inputs that are set to 0 in training.
    weights : Tensor of shape (n_features,) or None, default=None
        Of the errors, summing to 1; None weighs all alike.
    """

    weights: Tensor | None

    def __init__(
        self,
        scaler: ViewScaler,
        up: Sequence[nn.Linear],
        down: Sequence[nn.Linear],
        loss: str,
        *,
        sigmoid_code: bool = False,
        mask_share: float = 0.0,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.up = nn.ModuleList(up)
        self.down = nn.ModuleList(down)
        self.loss = loss
        self.sigmoid_code = sigmoid_code
        self.mask_share = mask_share
        self.register_buffer("weights", weights)

    def _code(self, x: Tensor) -> Tensor:
        for layer in self.up[:-1]:
            x = torch.sigmoid(layer(x))
        code: Tensor = self.up[-1](x)
        return torch.sigmoid(code) if self.sigmoid_code else code

    def _out(self, codes: Tensor) -> Tensor:
        for layer in self.down[:-1]:
            codes = torch.sigmoid(layer(codes))
        out: Tensor = self.down[-1](codes)
        return out

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, (rows, n_components)."""
        return self._code(self.scaler.join(batch.views))

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the reconstructed views in the caller's units."""
        out = self._out(codes)
        return self.scaler.split(torch.sigmoid(out) if self.loss == "cross_entropy" else out)

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean over rows of the objective above."""
        clean = self.scaler.join(batch.views)
        seen = clean
        if self.mask_share:
            seen = masking_noise(clean, self.mask_share, generator)
        out = self._out(self._code(seen))
        if self.loss == "cross_entropy":
            error = F.binary_cross_entropy_with_logits(out, clean, reduction="none")
        else:
            error = (out - clean).square()
        return LossTerms(error.mean() if self.weights is None else (error @ self.weights).mean())


def unroll(layers: Sequence[RepresentationModule]) -> tuple[list[nn.Linear], list[nn.Linear]]:
    """Return encoder and decoder that a stack of trained layers makes.

    Parameters
    ----------
    layers : sequence of RBMModule or DeepAutoencoderModule
        From the data up; of an autoencoder with one map each way.

    Returns
    -------
    up, down : list of torch.nn.Linear
        Copies, in the order of `DeepAutoencoderModule`. An RBM's connections serve both ways;
        the standard deviations of gaussian visible units go into the maps.
    """
    up, down = [], []
    for layer in layers:
        if isinstance(layer, RBMModule):
            into, out_of = layer.weight.detach(), layer.weight.detach().T
            bias = layer.visible_bias.detach()
            if layer.log_variance is not None:
                std = torch.exp(0.5 * layer.log_variance)
                into, out_of, bias = into / std, out_of * std.unsqueeze(1), bias * std
            up.append(make_linear(into, layer.hidden_bias))
            down.append(make_linear(out_of, bias))
        elif isinstance(layer, DeepAutoencoderModule):
            up += [make_linear(part.weight, part.bias) for part in linears(layer.up)]
            down += [make_linear(part.weight, part.bias) for part in linears(layer.down)]
        else:
            raise TypeError(
                f"A stack is made of RBMModule and DeepAutoencoderModule. Got {layer!r}."
            )
    return up, down[::-1]


def linears(parts: nn.ModuleList) -> list[nn.Linear]:
    """Return the linear maps among parts, in order.

    Parameters
    ----------
    parts : torch.nn.ModuleList
        Of any kind.

    Returns
    -------
    list of torch.nn.Linear
    """
    return [part for part in parts if isinstance(part, nn.Linear)]


def make_linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """Return a linear map with copies of what is given, without a draw of its own.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        Its connections.
    bias : Tensor of shape (n_out,)
        Its biases.

    Returns
    -------
    torch.nn.Linear
    """
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
    layer.to(weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer
