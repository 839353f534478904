r"""Deep CCA and its autoencoders: a network per view, trained for codes that correlate.

Loss of a batch, with networks :math:`f_v`, decoders :math:`g_v` and working units x:

.. math:: L(f_1(x_1), \dots, f_V(x_V))
    + \frac{\gamma}{V} \sum_v \frac{1}{d_v} \| x_v - g_v(f_v(x_v)) \|^2

with L from `skrep.functional.correlation`. Codes leave the module through one more linear map per
view, :math:`(f_v(x_v) - m_v) W_v`: the linear CCA of all training codes, which makes them
uncorrelated, of unit variance and ordered.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.functional.correlation import correlation_loss, eckart_young_loss
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["CanonicalMap", "CorrelationObjective", "DCCAModule", "codes_side_by_side"]


class CorrelationObjective:
    """What is asked of the codes.

    Parameters
    ----------
    kind : {"correlation", "squared_correlation", "eckart_young"}
        See `skrep.functional.correlation`.
    regularization : sequence of float
        Ridge of each view, relative to the mean variance of its codes; not of "eckart_young".
    """

    def __init__(self, kind: str, regularization: Sequence[float]) -> None:
        self.kind = kind
        self.regularization = tuple(regularization)

    def __call__(self, codes: Sequence[Tensor]) -> Tensor:
        """Return the loss of codes (rows, n_components), one per view."""
        if self.kind == "eckart_young":
            return eckart_young_loss(codes)
        return correlation_loss(
            codes, self.regularization, squared=self.kind == "squared_correlation"
        )


class CanonicalMap(nn.Module):
    """The linear map of a view that follows its network.

    Parameters
    ----------
    n_in, n_out : int
        Width of what the network returns, and of the code.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_in))
        self.register_buffer("weight", torch.eye(n_in, n_out))

    @torch.no_grad()
    def set(self, mean: Tensor, weight: Tensor) -> None:
        """Take over (n_in,) and (n_in, n_out)."""
        self.mean.copy_(mean)
        self.weight.copy_(weight)

    def forward(self, outputs: Tensor) -> Tensor:
        """Return canonical variates, (rows, n_out)."""
        codes: Tensor = (outputs - self.mean) @ self.weight
        return codes

    def undo(self, codes: Tensor) -> Tensor:
        """Return what the network would have had to return for codes, (rows, n_in)."""
        # A code that is constant has no weight, and nothing comes back of it.
        inverse = torch.linalg.pinv(self.weight.double().cpu(), rtol=1e-7)
        outputs: Tensor = codes @ inverse.to(codes) + self.mean
        return outputs


def codes_side_by_side(
    maps: nn.ModuleList, outputs: Sequence[Tensor], present: Tensor | None
) -> Tensor:
    """Return the codes of all views beside each other.

    Parameters
    ----------
    maps : torch.nn.ModuleList of CanonicalMap
        One per view.
    outputs : sequence of Tensor of shape (rows, n_in)
        What the network of each view returned.
    present : Tensor of shape (rows, n_views) or None
        None where nothing is absent.

    Returns
    -------
    Tensor of shape (rows, n_views * n_components)
        NaN where a view is absent.
    """
    codes = [to_code(z) for to_code, z in zip(maps, outputs, strict=True)]
    if present is not None:
        codes = [
            code.masked_fill(~present[:, i : i + 1], torch.nan) for i, code in enumerate(codes)
        ]
    return torch.cat(codes, dim=1)


class DCCAModule(RepresentationModule):
    """Encoders, linear maps and, for autoencoders, decoders.

    Parameters
    ----------
    scalers : sequence of ViewScaler
        Between the caller's units and working units, one per view.
    encoders : sequence of torch.nn.Module
        (rows, width) to (rows, n_components), one per view.
    objective : callable
        Loss of the codes, such as `CorrelationObjective`.
    n_components : int
        Size of the code of each view.
    min_batch_size : int
        Fewest rows in which a correlation says anything.
    decoders : sequence of torch.nn.Module or None, default=None
        (rows, n_components) to (rows, width), one per view. None for a model without.
    reconstruction_weight : float, default=0.0
        Of the decoders' squared error per feature, in working units.
    """

    def __init__(
        self,
        scalers: Sequence[ViewScaler],
        encoders: Sequence[nn.Module],
        objective: Callable[[Sequence[Tensor]], Tensor],
        *,
        n_components: int,
        min_batch_size: int,
        decoders: Sequence[nn.Module] | None = None,
        reconstruction_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.scalers = nn.ModuleList(scalers)
        self.encoders = nn.ModuleList(encoders)
        self.decoders = None if decoders is None else nn.ModuleList(decoders)
        self.objective = objective
        self.maps = nn.ModuleList(CanonicalMap(n_components, n_components) for _ in scalers)
        self.reconstruction_weight = reconstruction_weight
        self.min_batch_size = min_batch_size

    def _inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        return [
            scaler.join((view,))  # type: ignore[operator]
            for scaler, view in zip(self.scalers, views, strict=True)
        ]

    def network_codes(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return what the network of each view returns, (rows, n_components)."""
        inputs = self._inputs(batch.views)
        return tuple(encode(x) for encode, x in zip(self.encoders, inputs, strict=True))

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes side by side, (rows, n_views * n_components); NaN where absent."""
        return codes_side_by_side(self.maps, self.network_codes(batch), batch.present)

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the views that one code per sample, (rows, n_components), stands for."""
        if self.decoders is None:
            raise TypeError("This module was built without decoders.")
        return tuple(
            scaler.split(decoder(back.undo(codes)))[0]  # type: ignore[operator]
            for scaler, decoder, back in zip(self.scalers, self.decoders, self.maps, strict=True)
        )

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the loss above."""
        inputs = self._inputs(batch.views)
        codes = [encode(x) for encode, x in zip(self.encoders, inputs, strict=True)]
        loss = self.objective(codes)
        if self.decoders is None:
            return LossTerms(loss)
        errors = [
            F.mse_loss(decode(z), x)
            for decode, z, x in zip(self.decoders, codes, inputs, strict=True)
        ]
        error = torch.stack(errors).mean()
        return LossTerms(
            loss + self.reconstruction_weight * error, correlation=loss, reconstruction=error
        )
