r"""Variational autoencoder: the bound, its importance-weighted form, and sampling.

| symbol | variable |
|---|---|
| :math:`q(z \mid x) = N(\mu, \sigma^2)` | `mean`, `log_var` of `posterior` |
| :math:`p(x \mid z)` | `likelihoods`, one per view |
| :math:`K` | `n_importance_samples` |
"""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from skrep.functional.divergences import kl_standard_normal
from skrep.functional.importance import importance_weighted_bound
from skrep.functional.likelihoods import gaussian_log_prob
from skrep.nn.likelihoods import Likelihood
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["LogCounts", "VAEModule"]


class LogCounts(nn.Module):
    """What an encoder sees of counts: log(1 + x), centred; other features pass.

    Counts are not scaled, and span orders of magnitude: fed in as they are, they would make the
    variances of an untrained encoder overflow. The likelihood sees the counts themselves.

    Parameters
    ----------
    means : Tensor of shape (n_features,)
        Mean counts; what stands at other features does not matter.
    is_count : Tensor of shape (n_features,)
        Boolean.
    """

    centre: Tensor
    is_count: Tensor

    def __init__(self, means: Tensor, is_count: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", torch.log1p(means.clamp(min=0.0)))
        self.register_buffer("is_count", is_count)

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, n_features) to the same shape."""
        logs = torch.log1p(x.clamp(min=0.0)) - self.centre
        return torch.where(self.is_count, logs, x)


class VAEModule(RepresentationModule):
    """Gaussian encoder, decoder and one likelihood per view.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units; identity for views that are not real-valued.
    encoder : torch.nn.Module
        (rows, n_features) to (rows, 2 * n_components): means, then log-variances.
    decoder : torch.nn.Module
        (rows, n_components) to (rows, n_features): parameters of the likelihoods, side by side.
    likelihoods : sequence of Likelihood
        One per view.
    n_components : int
        Size of the code.
    beta : float
        Weight of the KL divergence at the end of the warm-up.
    n_warmup_epochs : int
        Epochs over which the weight rises linearly from 0.
    n_importance_samples : int
        Draws per row; more than one trains the importance-weighted bound.
    """

    def __init__(
        self,
        scaler: ViewScaler,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihoods: Sequence[Likelihood],
        *,
        n_components: int,
        beta: float,
        n_warmup_epochs: int,
        n_importance_samples: int,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.encoder = encoder
        self.decoder = decoder
        self.likelihoods = nn.ModuleList(likelihoods)
        self.n_components = n_components
        self.beta = beta
        self.n_warmup_epochs = n_warmup_epochs
        self.n_importance_samples = n_importance_samples
        self.current_beta = beta
        # What a change of units adds to a log-density, so that it is in the caller's units.
        self._log_jacobian = -float(scaler.scale.double().log().sum())

    def set_epoch(self, epoch: int) -> None:
        """Move the KL weight along its warm-up."""
        done = 1.0 if self.n_warmup_epochs == 0 else min(1.0, epoch / self.n_warmup_epochs)
        self.current_beta = self.beta * done

    # -- inference --------------------------------------------------------------------------

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x), each (rows, n_components)."""
        mean, log_var = self.encoder(self.scaler.join(batch.views)).chunk(2, dim=-1)
        return mean, log_var

    def encode(self, batch: Batch) -> Tensor:
        """Return the posterior mean."""
        return self.posterior(batch)[0]

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views given the codes, in the caller's units."""
        return self._to_units([p.mean(o) for p, o in self._observed(codes)])

    def sample(self, n_samples: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw views from the model, observation noise included."""
        shape = (n_samples, self.n_components)
        codes = self.scaler.centre.new_empty(shape).normal_(generator=generator)
        return self._to_units([p.sample(o, generator) for p, o in self._observed(codes)])

    def _observed(self, codes: Tensor) -> list[tuple[Likelihood, Tensor]]:
        """Return each view's likelihood with its parameters, (..., width)."""
        # Draws and rows become one axis: a decoder need not know of more than (rows, features).
        out: Tensor = self.decoder(codes.flatten(end_dim=-2))
        out = out.reshape(*codes.shape[:-1], out.shape[-1])
        parts = cast("Iterable[Likelihood]", self.likelihoods)
        return list(zip(parts, out.split_with_sizes(self.scaler.widths, dim=-1), strict=True))

    def _to_units(self, views: list[Tensor]) -> tuple[Tensor, ...]:
        return self.scaler.split(torch.cat(views, dim=-1))

    # -- densities --------------------------------------------------------------------------

    def log_likelihood(self, batch: Batch, codes: Tensor) -> Tensor:
        """Return log p(x | z) in nats in the caller's units; codes (..., rows, n_components)."""
        x = self.scaler.join(batch.views).split_with_sizes(self.scaler.widths, dim=-1)
        total = codes.new_full((), self._log_jacobian)
        for view, (likelihood, out) in zip(x, self._observed(codes), strict=True):
            total = total + likelihood.log_prob(view, out)
        return total

    def log_weights(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return log p(x, z) - log q(z | x) at z = mean + std * noise.

        Parameters
        ----------
        batch : Batch
            Rows.
        noise : Tensor of shape (n_draws, rows or 1, n_components)
            Standard normal.

        Returns
        -------
        Tensor of shape (n_draws, rows)
            Nats.
        """
        mean, log_var = self.posterior(batch)
        codes = mean + torch.exp(0.5 * log_var) * noise
        prior = gaussian_log_prob(codes, torch.zeros_like(codes), torch.zeros_like(codes))
        return self.log_likelihood(batch, codes) + prior - gaussian_log_prob(codes, mean, log_var)

    def elbo(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the evidence lower bound per row, averaged over the draws in `noise`."""
        mean, log_var = self.posterior(batch)
        codes = mean + torch.exp(0.5 * log_var) * noise
        return self.log_likelihood(batch, codes).mean(dim=0) - kl_standard_normal(mean, log_var)

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the negative bound, nats per row, with the KL weighted by beta.

        In evaluation mode the weight is the final one, so that held-out losses of a warm-up are
        comparable and early stopping does not prefer its first epochs.
        """
        if self.n_importance_samples > 1:
            return self._importance_loss(batch, generator)
        mean, log_var = self.posterior(batch)
        noise = torch.empty_like(mean).normal_(generator=generator)
        codes = mean + torch.exp(0.5 * log_var) * noise
        reconstruction = -self.log_likelihood(batch, codes).mean()
        kl = kl_standard_normal(mean, log_var).mean()
        total = reconstruction + (self.current_beta if self.training else self.beta) * kl
        return LossTerms(total, reconstruction=reconstruction, kl=kl)

    def _importance_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        shape = (self.n_importance_samples, len(batch.views[0]), self.n_components)
        noise = self.scaler.centre.new_empty(shape).normal_(generator=generator)
        bound = importance_weighted_bound(self.log_weights(batch, noise)).mean()
        return LossTerms(-bound)
