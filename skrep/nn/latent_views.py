r"""Several views given one code: what all models have in common that generate views from a code.

| symbol | variable |
|---|---|
| :math:`z`, shared code | `codes`, (..., rows, n_components) |
| :math:`w_v`, private code of view v | `private[v]`, (..., rows, n_private) |
| :math:`p(x_v \mid z, w_v)` | `decoders[v]` and `likelihoods[v]` |
| :math:`q(z \mid x) = \frac1P \sum_p N(\mu_p, \sigma_p^2)` | `Posteriors` |
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from skrep.functional.divergences import kl_standard_normal
from skrep.functional.experts import mixture_log_prob, mixture_moments
from skrep.functional.likelihoods import gaussian_log_prob
from skrep.nn.likelihoods import Likelihood
from skrep.nn.module import Batch, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["LatentViewsModule", "Posteriors"]

Private = Sequence[Tensor | None]


class Posteriors(NamedTuple):
    """Distribution of the codes of a batch given the views that are present.

    Attributes
    ----------
    mean, log_var : Tensor of shape (parts, rows, n_components)
        Of the shared code: an even mixture of diagonal normals, one for most models.
    there : Tensor of shape (parts, rows) or None
        Boolean: which parts a row has. None is all.
    private_mean, private_log_var : Tensor of shape (n_views, rows, n_private) or None
        Of the private codes, one normal per view; None where there are none.
    """

    mean: Tensor
    log_var: Tensor
    there: Tensor | None = None
    private_mean: Tensor | None = None
    private_log_var: Tensor | None = None


class LatentViewsModule(RepresentationModule, ABC):
    """A decoder and a likelihood per view; a subclass infers the code.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units; identity for views that are not real-valued.
    decoders : sequence of torch.nn.Module
        One per view, (rows, n_components + n_private) to (rows, width): parameters of the
        likelihood.
    likelihoods : sequence of Likelihood
        One per view.
    n_components : int
        Size of the shared code.
    n_private : int
        Size of each view's private code.
    beta : float
        Weight of the KL divergence at the end of the warm-up.
    n_warmup_epochs : int
        Epochs over which the weight rises linearly from 0.
    """

    def __init__(
        self,
        scaler: ViewScaler,
        decoders: Sequence[nn.Module],
        likelihoods: Sequence[Likelihood],
        *,
        n_components: int,
        n_private: int,
        beta: float,
        n_warmup_epochs: int,
    ) -> None:
        super().__init__()
        self.scaler = scaler
        self.decoders = nn.ModuleList(decoders)
        self.likelihoods = nn.ModuleList(likelihoods)
        self.n_views = len(self.decoders)
        self.n_components = n_components
        self.n_private = n_private
        self.n_noise = n_components + self.n_views * n_private
        self.beta = beta
        self.n_warmup_epochs = n_warmup_epochs
        self.current_beta = beta
        # What a change of units adds to a log-density, so that it is in the caller's units.
        scales = scaler.scale.double().log().split_with_sizes(scaler.widths)
        self._log_jacobians = [-float(scale.sum()) for scale in scales]

    def set_epoch(self, epoch: int) -> None:
        """Move the KL weight along its warm-up."""
        done = 1.0 if self.n_warmup_epochs == 0 else min(1.0, epoch / self.n_warmup_epochs)
        self.current_beta = self.beta * done

    @property
    def kl_weight(self) -> float:
        """Weight of the KL divergence now; the final one in evaluation mode.

        Held-out losses of a warm-up are then comparable, and early stopping does not prefer its
        first epochs.
        """
        return self.current_beta if self.training else self.beta

    # -- inference --------------------------------------------------------------------------

    @property
    @abstractmethod
    def n_parts(self) -> int:
        """Number of parts of the posterior of the shared code."""

    @abstractmethod
    def posteriors(self, batch: Batch) -> Posteriors:
        """Return the distribution of the codes given the views that are present."""

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the shared code, each (rows, n_components)."""
        q = self.posteriors(batch)
        return mixture_moments(q.mean, q.log_var, q.there)

    def encode(self, batch: Batch) -> Tensor:
        """Return the posterior mean of the shared code."""
        return self.posterior(batch)[0]

    def working_views(self, batch: Batch) -> list[Tensor]:
        """Return the views in working units; rows of an absent view are zeros."""
        if self.scaler.is_identity:
            return list(batch.views)
        joined = self.scaler.join(batch.views)
        views = list(joined.split_with_sizes(self.scaler.widths, dim=-1))
        if batch.present is None:
            return views
        # Zeros are zeros in the caller's units; an encoder should see the centre instead.
        return [x * there.unsqueeze(-1) for x, there in zip(views, batch.present.T, strict=True)]

    # -- generation -------------------------------------------------------------------------

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Return the expected views given shared codes, in the caller's units.

        Private codes are at the mean of their prior, 0.
        """
        private = self._split_private(codes.new_zeros(*codes.shape[:-1], self.n_noise))
        return self._to_units([part.mean(out) for part, out in self._observed_all(codes, private)])

    def sample(self, n_samples: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw views from the model, observation noise included."""
        noise = self.scaler.centre.new_empty(n_samples, self.n_noise).normal_(generator=generator)
        return self._draw_views(noise[:, : self.n_components], noise, generator)

    def sample_given(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw every view given the present ones: a code from its posterior, then the views."""
        q = self.posteriors(batch)
        noise = q.mean.new_empty(q.mean.shape[1], self.n_noise).normal_(generator=generator)
        part = self._drawn_parts(q, generator)
        own = part.expand(1, -1, q.mean.shape[2])
        mean, log_var = q.mean.gather(0, own)[0], q.log_var.gather(0, own)[0]
        codes = mean + torch.exp(0.5 * log_var) * noise[:, : self.n_components]
        return self._draw_views(codes, noise, generator)

    def _drawn_parts(self, q: Posteriors, generator: torch.Generator) -> Tensor:
        """Return one part of each row's mixture at random, (rows, 1)."""
        if len(q.mean) == 1:
            return torch.zeros_like(q.mean[0, :, :1], dtype=torch.long)
        return torch.multinomial(self._part_weights(q).T, 1, generator=generator)

    def _draw_views(
        self, codes: Tensor, noise: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        observed = self._observed_all(codes, self._split_private(noise))
        return self._to_units([part.sample(out, generator) for part, out in observed])

    def expected(self, batch: Batch, noise: Tensor) -> tuple[Tensor, ...]:
        """Return mean and standard deviation of views given the present ones.

        What is returned of present views is not meant to be read: their private codes are drawn
        from the prior too.

        Parameters
        ----------
        batch : Batch
            Rows, some of whose views are absent.
        noise : Tensor of shape (n_draws, 1, n_noise)
            Standard normal.

        Returns
        -------
        tuple of 2 * n_views Tensor of shape (rows, width)
            Means of all views, then standard deviations of all, in the caller's units.
        """
        q = self.posteriors(batch)
        codes = self._shared_draws(q, noise)
        # Draws and parts weigh alike: (draws * parts, rows, 1).
        weight = self._part_weights(q).repeat(len(noise), 1).unsqueeze(-1) / len(noise)
        private = self._split_private(noise.repeat_interleave(len(q.mean), dim=0))
        means, stds = [], []
        for part, out in self._observed_all(codes, private):
            mean = part.mean(out)
            average = (weight * mean).sum(dim=0)
            variance = (weight * (part.spread(out) + (mean - average).square())).sum(dim=0)
            means.append(average)
            stds.append(variance.sqrt())
        scales = self.scaler.scale.split_with_sizes(self.scaler.widths)
        spread = tuple(std * scale for std, scale in zip(stds, scales, strict=True))
        return self._to_units(means) + spread

    def _observed(self, v: int, codes: Tensor, private: Tensor | None) -> Tensor:
        """Return the parameters of a view's likelihood, (..., rows, width)."""
        if private is not None:
            codes = torch.cat([codes, private.expand(*codes.shape[:-1], self.n_private)], dim=-1)
        # Draws and rows become one axis: a decoder need not know of more than (rows, features).
        out: Tensor = self.decoders[v](codes.flatten(end_dim=-2))
        return out.reshape(*codes.shape[:-1], out.shape[-1])

    def _observed_all(self, codes: Tensor, private: Private) -> list[tuple[Likelihood, Tensor]]:
        return [
            (self._likelihood(v), self._observed(v, codes, private[v])) for v in range(self.n_views)
        ]

    def _likelihood(self, v: int) -> Likelihood:
        return cast("Likelihood", self.likelihoods[v])

    def _split_private(self, noise: Tensor) -> Private:
        """Return each view's part of (..., n_noise), None where codes have no private part."""
        if self.n_private == 0:
            return [None] * self.n_views
        return list(torch.split(noise[..., self.n_components :], self.n_private, dim=-1))

    def _to_units(self, views: list[Tensor]) -> tuple[Tensor, ...]:
        if self.scaler.is_identity:
            return tuple(views)
        return self.scaler.split(torch.cat(views, dim=-1))

    # -- densities --------------------------------------------------------------------------

    def view_log_prob(self, v: int, x: Tensor, codes: Tensor, private: Tensor | None) -> Tensor:
        """Return log p(x_v | z, w_v), (..., rows), in nats in the caller's units; x working."""
        out = self._observed(v, codes, private)
        return self._likelihood(v).log_prob(x, out) + self._log_jacobians[v]

    def log_likelihood(self, batch: Batch, codes: Tensor, private: Private) -> Tensor:
        """Return log p(x | z, w) of the views that are present, (..., rows)."""
        total = codes.new_zeros(())
        for v, x in enumerate(self.working_views(batch)):
            log_prob = self.view_log_prob(v, x, codes, private[v])
            if batch.present is not None:
                log_prob = torch.where(batch.present[:, v], log_prob, 0.0)
            total = total + log_prob
        return total

    def elbo(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the evidence lower bound per row, averaged over draws and parts.

        Of a mixture it is the mean of the bounds of its parts.

        Parameters
        ----------
        batch : Batch
            Rows.
        noise : Tensor of shape (n_draws, 1, n_noise)
            Standard normal.

        Returns
        -------
        Tensor of shape (rows,)
            Nats.
        """
        q = self.posteriors(batch)
        codes, private = self._shared_draws(q, noise), self._private_draws(q, noise)
        log_prob = self.log_likelihood(batch, codes, private)
        log_prob = log_prob.reshape(len(noise), *q.mean.shape[:2]).mean(dim=0)
        bound: Tensor = log_prob - kl_standard_normal(q.mean, q.log_var)
        bound = (self._part_weights(q) * bound).sum(dim=0)
        if q.private_mean is None or q.private_log_var is None:
            return bound
        kl = kl_standard_normal(q.private_mean, q.private_log_var)
        return bound - (kl if batch.present is None else kl * batch.present.T).sum(dim=0)

    def importance_bound(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the importance-weighted estimate of the log-probability of the present views.

        Every part of the posterior gets the same draws, and each is weighed against the density
        of the whole mixture. Of several views the prior is one more part: given a view that says
        little, such as a label, codes spread wider than the posterior, and draws from it alone
        would miss most of them.

        Parameters
        ----------
        batch : Batch
            Rows.
        noise : Tensor of shape (n_draws, 1, n_noise)
            Standard normal.

        Returns
        -------
        Tensor of shape (rows,)
            Nats.
        """
        q = self._with_prior(self.posteriors(batch))
        codes, private = self._shared_draws(q, noise), self._private_draws(q, noise)
        zero = torch.zeros_like(codes)
        log_weight = self.log_likelihood(batch, codes, private)
        log_weight = log_weight + gaussian_log_prob(codes, zero, zero)
        log_weight = log_weight - mixture_log_prob(codes, q.mean, q.log_var, q.there)
        if q.private_mean is not None and q.private_log_var is not None:
            ratio = self._private_log_ratio(batch, q, private)
            log_weight = log_weight + ratio
        # In a mixture each part's draws stand for its share of the density.
        log_share = self._part_weights(q).log().repeat(len(noise), 1)
        count = torch.full((), float(len(noise))).log().to(log_weight)
        return torch.logsumexp(log_weight + log_share, dim=0) - count

    def _with_prior(self, q: Posteriors) -> Posteriors:
        """Return the posterior with the prior as one more part; of one view as it is."""
        if self.n_views == 1:
            return q
        zero = torch.zeros_like(q.mean[:1])
        return q._replace(
            mean=torch.cat([q.mean, zero]),
            log_var=torch.cat([q.log_var, zero]),
            there=None
            if q.there is None
            else torch.cat([q.there, q.there.new_ones(zero.shape[:2])]),
        )

    def _private_log_ratio(self, batch: Batch, q: Posteriors, private: Private) -> Tensor:
        """Return log p(w) - log q(w) of the present views, (draws * parts, rows)."""
        total = q.mean.new_zeros(())
        for v, drawn in enumerate(private):
            w, mean, log_var = (
                cast("Tensor", t) for t in (drawn, q.private_mean, q.private_log_var)
            )
            zero = torch.zeros_like(w)
            ratio = gaussian_log_prob(w, zero, zero) - gaussian_log_prob(w, mean[v], log_var[v])
            if batch.present is not None:
                ratio = torch.where(batch.present[:, v], ratio, 0.0)
            total = total + ratio
        return total

    def _shared_draws(self, q: Posteriors, noise: Tensor) -> Tensor:
        """Return codes (draws * parts, rows, n_components); parts run faster than draws."""
        own = noise[:, None, :, : self.n_components]
        return (q.mean + torch.exp(0.5 * q.log_var) * own).flatten(end_dim=1)

    def _private_draws(self, q: Posteriors, noise: Tensor) -> Private:
        """Return each view's private codes, (draws * parts, rows, n_private)."""
        if q.private_mean is None or q.private_log_var is None:
            return [None] * self.n_views
        std = torch.exp(0.5 * q.private_log_var)
        parts = self._split_private(noise.repeat_interleave(len(q.mean), dim=0))
        return [q.private_mean[v] + std[v] * cast("Tensor", part) for v, part in enumerate(parts)]

    def _part_weights(self, q: Posteriors) -> Tensor:
        """Return the share of each part in each row's mixture, (parts, rows)."""
        if q.there is None:
            return q.mean.new_full(q.mean.shape[:2], 1.0 / len(q.mean))
        return (q.there / q.there.sum(dim=0)).to(q.mean.dtype)
