r"""Multimodal autoencoder: a fusion of views, decoders, and the error of what is known.

Objective, per row:

.. math:: \sum_v k_v \lambda_v \, \ell_v(x_v, g_v(f(x_S)))

with :math:`S` the views that the encoder :math:`f` sees, :math:`k_v` whether view v is known,
:math:`\ell_v` its mean error per feature and :math:`\lambda_v` its weight.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.nn.fusion import Completion, FusionModule, keep_some
from skrep.nn.likelihoods import Categorical, Likelihood
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["EncoderInputs", "MultimodalAutoencoderModule", "ViewDecoders"]


class EncoderInputs(nn.Module):
    """What encoders see of views that are not scaled: counts as log(1 + x), all centred.

    Parameters
    ----------
    is_count : Tensor of shape (n_features,)
        Boolean.
    centre, scale : Tensor of shape (n_features,)
        Subtracted and divided by, after the logarithm.
    """

    is_count: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, is_count: Tensor, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("is_count", is_count)
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self._counts = bool(is_count.any())

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, n_features) to the same shape."""
        if self._counts:
            x = torch.where(self.is_count, torch.log1p(x.clamp(min=0.0)), x)
        return (x - self.centre) / self.scale


class ViewDecoders(nn.Module):
    """One decoder per view, side by side.

    Parameters
    ----------
    decoders : sequence of torch.nn.Module
        (rows, size of what it decodes) to (rows, width).
    sizes : sequence of int or None, default=None
        Parts of the code that the decoders see; None shows all of it to each.
    """

    def __init__(self, decoders: Sequence[nn.Module], sizes: Sequence[int] | None = None) -> None:
        super().__init__()
        self.decoders = nn.ModuleList(decoders)
        self.sizes = None if sizes is None else tuple(sizes)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the decoded views side by side, (rows, n_features)."""
        if self.sizes is None:
            return torch.cat([decoder(codes) for decoder in self.decoders], dim=1)
        parts = codes.split_with_sizes(self.sizes, dim=1)
        decoded = [decoder(part) for decoder, part in zip(self.decoders, parts, strict=True)]
        return torch.cat(decoded, dim=1)


class MultimodalAutoencoderModule(RepresentationModule):
    """Fusion, decoders and errors of the views.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units; identity for views that are not real-valued.
    inputs : EncoderInputs or None
        From working units to what encoders see; None where that is the same.
    fusion : FusionModule
        Views to codes.
    completion : Completion or None
        Of codes of incomplete samples.
    decoder : torch.nn.Module
        (rows, n_components) to (rows, n_features): parameters of the likelihoods, side by side.
    likelihoods : sequence of Likelihood
        One per view. The error of a gaussian is squared, that of others a negative
        log-probability.
    weights : Tensor of shape (n_views,)
        Of the views' mean errors, summing to 1.
    rates : Tensor of shape (n_views,) or None, default=None
        Share of the training samples in which each view is known, by which its weight is divided
        where samples are incomplete; None counts 1.
    rate : float, default=0.0
        Share of the rows, in each step, that may lose views before they are encoded.
    """

    feature_weights: Tensor | None
    weight_map: Tensor
    coefficients: Tensor

    def __init__(
        self,
        scaler: ViewScaler,
        inputs: EncoderInputs | None,
        fusion: FusionModule,
        completion: Completion | None,
        decoder: nn.Module,
        likelihoods: Sequence[Likelihood],
        weights: Tensor,
        *,
        rates: Tensor | None = None,
        rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.inputs = inputs
        self.fusion = fusion
        self.completion = completion
        self.decoder = decoder
        self.likelihoods = nn.ModuleList(likelihoods)
        self.rate = rate
        self._is_squared = all(part.domain == "real" for part in likelihoods)
        widths = torch.tensor(scaler.widths)
        per_feature = torch.repeat_interleave((weights / widths).double(), widths)
        alike = bool((per_feature.max() - per_feature.min()) <= 1e-12 * per_feature.max())
        # Views that count by their number of features need no weights at all.
        flat = None if alike else per_feature.float()
        self.register_buffer("feature_weights", flat)
        coefficients = weights if rates is None else weights / rates
        self.register_buffer("coefficients", coefficients.float())
        index = torch.repeat_interleave(torch.arange(len(widths)), widths)
        weight_map = F.one_hot(index, len(widths)) * (coefficients / widths)
        self.register_buffer("weight_map", weight_map.float())

    # -- codes ------------------------------------------------------------------------------

    def _seen(self, target: Tensor) -> Tensor:
        return target if self.inputs is None else cast("Tensor", self.inputs(target))

    def _codes(self, x: Tensor, present: Tensor | None) -> Tensor:
        codes: Tensor = self.fusion(x, present)
        return codes if self.completion is None else self.completion(codes, present)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes, (rows, n_components)."""
        x = self._seen(self.scaler.join(batch.views))
        return self._codes(x, _as_numbers(batch.present, x))

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views in the caller's units."""
        out: Tensor = self.decoder(codes)
        if not self._is_squared:
            parts = out.split_with_sizes(self.scaler.widths, dim=1)
            out = torch.cat([p.mean(o) for p, o in zip(self._models(), parts, strict=True)], dim=1)
        return self.scaler.split(out)

    def expect(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the expected views, in the caller's units, given the present ones."""
        return self.decode(self.encode(batch))

    def view_weights(self, batch: Batch) -> Tensor:
        """Return how much each view counts, (rows, n_views), rows summing to 1.

        The weights of the fusion, where it has any; otherwise how far the code moves when the
        view is taken away, before anything is completed.
        """
        x = self._seen(self.scaler.join(batch.views))
        present = _as_numbers(batch.present, x)
        weights = self.fusion.view_weights(x, present)
        if weights is not None:
            return weights
        there = x.new_ones(len(x), len(self.likelihoods)) if present is None else present
        whole = self.fusion(x, there)
        shifts = []
        for i in range(there.shape[1]):
            without = there.clone()
            without[:, i] = 0.0
            shifts.append((whole - self.fusion(x, without)).norm(dim=1))
        # A code that no view moves is owed to all that are present alike.
        moved = (torch.stack(shifts, dim=1) + torch.finfo(x.dtype).tiny) * there
        return moved / moved.sum(dim=1, keepdim=True)

    # -- training ---------------------------------------------------------------------------

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean over rows of the objective above."""
        target = self.scaler.join(batch.views)
        known = _as_numbers(batch.present, target)
        seen = known
        if self.rate and len(batch.views) > 1:
            there = target.new_ones(len(target), len(batch.views)) if known is None else known
            seen = keep_some(there, self.rate, generator)
        out = self.decoder(self._codes(self._seen(target), seen))
        return LossTerms(self._error(out, target, known))

    def _error(self, out: Tensor, target: Tensor, known: Tensor | None) -> Tensor:
        if not self._is_squared:
            return self._mixed_error(out, target, known)
        if known is not None:
            errors = (out - target).square() @ self.weight_map
            return (errors * known).sum(dim=1).mean()
        if self.feature_weights is None:
            return F.mse_loss(out, target)
        return ((out - target).square() @ self.feature_weights).mean()

    def _mixed_error(self, out: Tensor, target: Tensor, known: Tensor | None) -> Tensor:
        widths = self.scaler.widths
        errors = []
        for part, o, t in zip(
            self._models(),
            out.split_with_sizes(widths, dim=1),
            target.split_with_sizes(widths, dim=1),
            strict=True,
        ):
            if part.domain == "real":
                errors.append((o - t).square().mean(dim=1))
            else:
                # One-hot rows are one variable, however many columns it takes.
                n_variables = 1 if isinstance(part, Categorical) else part.width
                errors.append(-part.log_prob(t, o) / n_variables)
        stacked = torch.stack(errors, dim=1)
        if known is not None:
            stacked = stacked * known
        return (stacked @ self.coefficients).mean()

    def _models(self) -> list[Likelihood]:
        return [cast("Likelihood", part) for part in self.likelihoods]


def _as_numbers(present: Tensor | None, like: Tensor) -> Tensor | None:
    return None if present is None else present.to(like.dtype)
