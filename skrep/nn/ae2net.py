r"""Autoencoder in autoencoder networks: one shared code per sample from which all views follow.

Objective, per row, in squared working units, over the views v that are present:

.. math:: \sum_v \frac{1}{d_v} \lVert x_v - g_v(f_v(x_v)) \rVert^2
          + \frac{\lambda}{m} \lVert f_v(x_v) - s_v(h) \rVert^2

with the inner autoencoder :math:`g_v \circ f_v` of a view, :math:`m` the size of its code, the
degradation network :math:`s_v` and :math:`h` the shared code, which is learned for every sample.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["AE2NetModule"]

# Levenberg-Marquardt steps with which the code of a new sample is found, at most.
_MAX_STEPS = 50
# A code has arrived when a step moves it by less than this share of its size.
_TOLERANCE = 1e-7
# Rows at a time: bounds the memory of the Jacobians.
_ROWS = 256
# Pull of a code to zero, which decides between codes that say the same.
_RIDGE = 1e-4
# Share of the mean variance of codes that is added to all directions of their covariance.
_FLAT = 1e-3


class AE2NetModule(RepresentationModule):
    """Inner autoencoders, degradation networks and the codes of the training samples.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units.
    encoders, decoders, degradations : sequence of torch.nn.Module
        For each view: (rows, width) to (rows, n_inner), back, and (rows, n_components) to
        (rows, n_inner).
    codes : Tensor of shape (n_samples, n_components)
        Of the training samples, at the start.
    degradation_weight : float
        Weight of the second term.
    sparse : bool, default=True
        Whether gradients of codes are sparse in their rows, as `BlockAdam` takes them and most
        optimisers of torch do not.
    """

    codes: nn.Parameter
    start: Tensor
    centre: Tensor
    pull: Tensor

    def __init__(
        self,
        scaler: ViewScaler,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        degradations: Sequence[nn.Module],
        codes: Tensor,
        degradation_weight: float,
        *,
        sparse: bool = True,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(decoders)
        self.degradations = nn.ModuleList(degradations)
        self.codes = nn.Parameter(codes)
        self.register_buffer("start", codes.mean(dim=0))
        # Where codes of incomplete rows are drawn to, and how much.
        self.register_buffer("centre", torch.zeros(codes.shape[1]))
        self.register_buffer("pull", _RIDGE * torch.eye(codes.shape[1]))
        self.degradation_weight = degradation_weight
        self.sparse = sparse

    def blocks(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return what is moved in turn, each with the factor of its step length.

        A code meets its sample once an epoch, so codes take longer steps.
        """
        inner = [*self.encoders.parameters(), *self.decoders.parameters()]
        return [(inner, 1.0), (list(self.degradations.parameters()), 1.0), ([self.codes], 10.0)]

    def set_epoch(self, epoch: int) -> None:
        """Take note of where the codes lie, from where those of new samples are looked for."""
        self.start.copy_(self.codes.detach().mean(dim=0))

    def expect_codes(self, codes: Tensor, noise: float) -> None:
        """Draw codes of incomplete rows to where others lie: a normal with their moments.

        Views that are there may leave a code open in some directions, in which it would be
        anywhere.

        Parameters
        ----------
        codes : Tensor of shape (rows, n_components)
            Of rows that have most views.
        noise : float
            Variance of what is left between a code's prediction and an inner code.
        """
        spread = codes.double() - codes.double().mean(dim=0)
        covariance = spread.T @ spread / len(codes)
        flat = _FLAT * covariance.diagonal().mean() + 1e-12
        covariance.diagonal().add_(flat)
        eye = torch.eye(codes.shape[1], dtype=covariance.dtype)
        self.centre.copy_(codes.double().mean(dim=0))
        self.pull.copy_(noise * torch.linalg.inv(covariance) + _RIDGE * eye)

    # -- the objective ----------------------------------------------------------------------

    def _inner_codes(self, views: Sequence[Tensor]) -> list[Tensor]:
        return [encoder(view) for encoder, view in zip(self.encoders, views, strict=True)]

    def _working_views(self, batch: Batch) -> tuple[Tensor, ...]:
        return self.scaler.join(batch.views).split_with_sizes(self.scaler.widths, dim=-1)

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean of the objective over rows; codes of held-out rows are solved for."""
        if self.training and batch.rows is not None:
            rows = batch.rows.to(self.codes.device)
            # Sparse in its rows, so that codes of other samples, and their momentum, stay put.
            codes = F.embedding(rows, self.codes, sparse=self.sparse)
        else:
            codes = self.encode(batch)
        views = self._working_views(batch)
        reconstruction, degradation = codes.new_zeros(()), codes.new_zeros(())
        for i, (view, inner) in enumerate(zip(views, self._inner_codes(views), strict=True)):
            there = None if batch.present is None else batch.present[:, i].to(view.dtype)
            reconstruction = reconstruction + _mean_square(self.decoders[i](inner) - view, there)
            degradation = degradation + _mean_square(self.degradations[i](codes) - inner, there)
        total = reconstruction + self.degradation_weight * degradation
        return LossTerms(total, reconstruction=reconstruction, degradation=degradation)

    # -- inference --------------------------------------------------------------------------

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the views that codes stand for, in the caller's units."""
        parts = [
            decoder(degradation(codes))
            for decoder, degradation in zip(self.decoders, self.degradations, strict=True)
        ]
        return self.scaler.split(torch.cat(parts, dim=-1))

    def encode(self, batch: Batch) -> Tensor:
        """Return the code of each row that fits the inner codes of its views best.

        Every row is solved for by itself, by Levenberg-Marquardt from one start for all,
        with the networks frozen.
        """
        with torch.inference_mode(False), torch.no_grad():
            networks, target = self._targets(batch)
            weight = _weights(target, batch.present, len(networks))
            start = self.start.double()
            whole = _Pull(torch.zeros_like(start), _RIDGE * torch.eye(len(start)).to(start))
            part = _Pull(self.centre.double(), self.pull.double())
            codes = start.repeat(len(target), 1)
            complete = weight.all(dim=1)
            for rows, pull in ((complete, whole), (~complete, part)):
                for some in rows.nonzero().ravel().split(_ROWS):
                    if len(some):
                        codes[some] = _solve(networks, start, target[some], weight[some], pull)
        return codes.to(self.codes.dtype)

    def misfit(self, batch: Batch) -> Tensor:
        """Return each row's mean squared difference of inner codes from predicted ones."""
        codes = self.encode(batch).double()
        with torch.inference_mode(False), torch.no_grad():
            networks, target = self._targets(batch)
            weight = _weights(target, batch.present, len(networks))
            apart = weight * (_predict(networks, codes.clone()) - target).square()
            return apart.sum(dim=1) / weight.sum(dim=1)

    def _targets(self, batch: Batch) -> tuple[nn.ModuleList, Tensor]:
        """Return degradation networks, and inner codes side by side, in float64."""
        # Codes that hardly change what they predict would move with the rounding of float32,
        # which depends on the rows beside.
        views = self._working_views(Batch(tuple(view.clone() for view in batch.views)))
        encoders, networks = (
            copy.deepcopy(part).double() for part in (self.encoders, self.degradations)
        )
        inner = [encoder(view.double()) for encoder, view in zip(encoders, views, strict=True)]
        return networks, torch.cat(inner, dim=-1)


def _weights(target: Tensor, present: Tensor | None, n_views: int) -> Tensor:
    """Return 1 for inner codes of views that are there and 0 for others."""
    if present is None:
        return torch.ones_like(target)
    there = present.to(target.dtype).clone()
    return there.repeat_interleave(target.shape[1] // n_views, dim=1)


class _Pull(NamedTuple):
    """A quadratic penalty of codes: (h - centre) @ strength @ (h - centre)."""

    centre: Tensor
    strength: Tensor

    def of(self, code: Tensor) -> Tensor:
        away = code - self.centre
        return (away @ self.strength * away).sum(dim=1)


def _solve(
    networks: Iterable[nn.Module], start: Tensor, target: Tensor, weight: Tensor, pull: _Pull
) -> Tensor:
    code = start.expand(len(target), -1).clone()
    damping = torch.full_like(target[:, 0], 1e-2)
    error = _misfit(networks, code, target, weight, pull)
    active = torch.arange(len(target), device=target.device)
    for _ in range(_MAX_STEPS):
        if not len(active):
            break
        now, wanted, counts = code[active], target[active], weight[active]
        step = _step(networks, now, wanted, counts, damping[active], pull)
        after = _misfit(networks, now + step, wanted, counts, pull)
        better = after < error[active]
        small = step.norm(dim=1) <= _TOLERANCE * (now.norm(dim=1) + _TOLERANCE)
        code[active[better]] = (now + step)[better]
        error[active[better]] = after[better]
        damping[active] *= torch.where(better, 0.3, 5.0).to(damping)
        active = active[~small & (damping[active] < 1e6)]
    return code


def _misfit(
    networks: Iterable[nn.Module], code: Tensor, target: Tensor, weight: Tensor, pull: _Pull
) -> Tensor:
    misfit = (weight * (_predict(networks, code) - target).square()).sum(dim=1)
    return misfit + pull.of(code)


def _predict(networks: Iterable[nn.Module], code: Tensor) -> Tensor:
    return torch.cat([network(code) for network in networks], dim=-1)


def _step(
    networks: Iterable[nn.Module],
    code: Tensor,
    target: Tensor,
    weight: Tensor,
    damping: Tensor,
    pull: _Pull,
) -> Tensor:
    slope = torch.cat([_slope(network, code) for network in networks], dim=-1)
    weighted = slope * weight.unsqueeze(1)
    curvature = weighted @ slope.transpose(1, 2) + pull.strength
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    # Marquardt's scaling, with a floor for directions that change nothing.
    floor = 1e-6 * diagonal.mean(dim=1, keepdim=True) + 1e-12
    lift = damping.unsqueeze(1) * (diagonal + floor)
    downhill = weighted @ (target - _predict(networks, code)).unsqueeze(2)
    downhill = downhill.squeeze(2) - (code - pull.centre) @ pull.strength
    solved: Tensor = torch.linalg.solve(curvature + torch.diag_embed(lift), downhill)
    return solved


def _slope(network: nn.Module, code: Tensor) -> Tensor:
    """Return the derivative of a network of linear layers and elementwise activations.

    The entry (row, i, j) is that of output j in input i.
    """
    slope, x = torch.eye(code.shape[1], dtype=code.dtype, device=code.device), code
    for layer in network.children():
        if isinstance(layer, nn.Linear):
            slope, x = slope @ layer.weight.T, layer(x)
            continue
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = layer(x)
            (derivative,) = torch.autograd.grad(y.sum(), x)
        slope, x = slope * derivative.unsqueeze(1), y.detach()
    return slope.expand(len(code), -1, -1)


def _mean_square(difference: Tensor, there: Tensor | None) -> Tensor:
    """Return the mean over rows and features of squares, rows that are not there left out."""
    if there is None:
        return difference.square().mean()
    return (difference.square().mean(dim=1) * there).sum() / there.sum().clamp_min(1.0)
