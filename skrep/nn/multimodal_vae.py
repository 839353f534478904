r"""Multimodal variational autoencoders: products, mixtures and mixtures of products of experts.

| symbol | variable |
|---|---|
| :math:`q_v(z \mid x_v)`, the expert of view v | `encoders[v]` |
| :math:`S`, a subset of the views | a row of `subsets`, a boolean (n_subsets, n_views) |
| :math:`q_S(z \mid x_S)` | what `_fuse` returns for that row |
| :math:`\lambda_v` | `view_weights[v]` |
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from skrep.functional.divergences import kl_standard_normal
from skrep.functional.experts import product_of_experts, view_subsets
from skrep.nn.latent_views import LatentViewsModule, Posteriors
from skrep.nn.likelihoods import Likelihood
from skrep.nn.module import Batch, LossTerms
from skrep.nn.scaling import ViewScaler

__all__ = ["MultimodalVAEModule"]


class _Opinions(NamedTuple):
    """What each view says: shared (n_views, rows, n_components), private likewise or None."""

    mean: Tensor
    log_var: Tensor
    private_mean: Tensor | None
    private_log_var: Tensor | None


class MultimodalVAEModule(LatentViewsModule):
    """An encoder, a decoder and a likelihood per view, joined by experts.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units; identity for views that are not real-valued.
    encoders : sequence of torch.nn.Module
        One per view, (rows, width) to (rows, 2 * (n_components + n_private)): means of the shared
        and the private code, then their log-variances.
    decoders : sequence of torch.nn.Module
        One per view, (rows, n_components + n_private) to (rows, width): parameters of the
        likelihood.
    likelihoods : sequence of Likelihood
        One per view.
    experts : {"product", "mixture", "mixture_of_products"}
        How the opinions of the views on the shared code are joined.
    prior : bool
        Whether the prior is one more factor of each product.
    n_subsets : int or None
        Subsets of some, but not all, of three or more views: drawn in every step for "product",
        and once, here, for "mixture_of_products" (None takes all).
    view_weights : sequence of float
        Weights of the views' log-likelihoods in training.
    n_components : int
        Size of the shared code.
    n_private : int, default=0
        Size of each view's private code.
    beta : float, default=1.0
        Weight of the KL divergence at the end of the warm-up.
    n_warmup_epochs : int, default=0
        Epochs over which the weight rises linearly from 0.
    """

    subsets: Tensor

    def __init__(
        self,
        scaler: ViewScaler,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        likelihoods: Sequence[Likelihood],
        *,
        experts: Literal["product", "mixture", "mixture_of_products"],
        prior: bool,
        n_subsets: int | None,
        view_weights: Sequence[float],
        n_components: int,
        n_private: int = 0,
        beta: float = 1.0,
        n_warmup_epochs: int = 0,
    ) -> None:
        super().__init__(
            scaler,
            decoders,
            likelihoods,
            n_components=n_components,
            n_private=n_private,
            beta=beta,
            n_warmup_epochs=n_warmup_epochs,
        )
        self.encoders = nn.ModuleList(encoders)
        self.experts = experts
        self.prior = prior
        self.view_weights = tuple(view_weights)
        # Mean and log-variance of a view's private code where its subset lacks the view.
        if n_private:
            self.outside = nn.Parameter(torch.zeros(2, self.n_views, n_private))
        n = self.n_views
        self.n_drawn = 0 if experts != "product" or n < 3 or n_subsets is None else n_subsets
        if experts == "mixture_of_products":
            subsets = view_subsets(n, n_subsets)
        else:
            # Of a product these are trained: all views together and each alone.
            subsets = view_subsets(n, 0) if experts == "product" else torch.eye(n).bool()
        self.register_buffer("subsets", subsets)

    # -- inference --------------------------------------------------------------------------

    @property
    def n_parts(self) -> int:
        """Number of parts of the posterior of the shared code."""
        return 1 if self.experts == "product" else len(self.subsets)

    def posteriors(self, batch: Batch) -> Posteriors:
        """Return the distribution of the codes given the views that are present."""
        own = self._opinions(self.working_views(batch))
        # A product is one part: the experts of all views that are present.
        subsets = self.subsets[-1:] if self.experts == "product" else self.subsets
        mean, log_var, there = self._fuse(own, subsets, batch.present)
        # A product of no view is the prior, which is what is known of such a row.
        there = None if self.experts == "product" else there
        return Posteriors(mean, log_var, there, own.private_mean, own.private_log_var)

    def _opinions(self, x: Sequence[Tensor]) -> _Opinions:
        """Encode every view once."""
        halves = [
            encoder(view).chunk(2, dim=-1) for encoder, view in zip(self.encoders, x, strict=True)
        ]
        mean, log_var = (torch.stack([half[i] for half in halves]) for i in (0, 1))
        if self.n_private == 0:
            return _Opinions(mean, log_var, None, None)
        k = self.n_components
        return _Opinions(mean[..., :k], log_var[..., :k], mean[..., k:], log_var[..., k:])

    def _fuse(
        self, own: _Opinions, subsets: Tensor, present: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return mean and log-variance (n_subsets, rows, n_components), and which rows have it."""
        if self.experts == "mixture":
            return own.mean, own.log_var, None if present is None else present.T
        mask = subsets if present is None else subsets.unsqueeze(1) & present
        mean, log_var = product_of_experts(own.mean, own.log_var, mask, prior=self.prior)
        return mean, log_var, None if present is None else mask.any(dim=-1)

    # -- training ---------------------------------------------------------------------------

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the negative mean of the bounds of all subsets, nats per row.

        Every view is encoded once, and decoded once from the codes of all subsets stacked.
        """
        x = self.working_views(batch)
        own = self._opinions(x)
        subsets = self._trained_subsets(generator)
        mean, log_var, there = self._fuse(own, subsets, batch.present)
        noise = torch.empty_like(mean).normal_(generator=generator)
        codes = mean + torch.exp(0.5 * log_var) * noise
        weights = _row_weights(mean, there)
        members = subsets.tolist()
        reconstruction = mean.new_zeros(())
        for v, view in enumerate(x):
            # A subset's product has to explain its own views, a mixture's part all of them.
            some = [s for s, views in enumerate(members) if views[v] or self.experts != "product"]
            inside = [members[s][v] for s in some]
            private = self._training_private(own, v, inside, generator)
            chosen = codes if len(some) == len(members) else codes[some]
            log_prob = self.view_log_prob(v, view, chosen, private)
            if batch.present is not None:
                log_prob = torch.where(batch.present[:, v], log_prob, 0.0)
            share = weights if len(some) == len(members) or weights.ndim == 0 else weights[some]
            reconstruction = reconstruction - self.view_weights[v] * (share * log_prob).sum()
        kl = kl_standard_normal(mean, log_var)
        if own.private_mean is not None and own.private_log_var is not None:
            kl = kl + self._private_kl(own, subsets, batch.present)
        kl = (weights * kl).sum()
        return LossTerms(reconstruction + self.kl_weight * kl, reconstruction=reconstruction, kl=kl)

    def _trained_subsets(self, generator: torch.Generator) -> Tensor:
        if self.n_drawn == 0:
            return self.subsets
        device, n = self.subsets.device, self.n_views
        sizes = torch.randint(2, n, (self.n_drawn, 1), generator=generator, device=device)
        ranks = torch.rand(self.n_drawn, n, generator=generator, device=device).argsort(dim=1)
        return torch.cat([self.subsets, ranks < sizes])

    def _training_private(
        self, own: _Opinions, v: int, inside: list[bool], generator: torch.Generator
    ) -> Tensor | None:
        """Return private codes (subsets, rows, n_private) of view v for some subsets.

        What a view tells of itself alone must not be asked of the others: a subset without the
        view decodes it from one distribution for all rows, learned for this.
        """
        if own.private_mean is None or own.private_log_var is None:
            return None
        mean, log_var = own.private_mean[v], own.private_log_var[v]
        noise = mean.new_empty(len(inside), *mean.shape).normal_(generator=generator)
        known = torch.tensor(inside, device=mean.device)[:, None, None]
        other_mean, other_log_var = self.outside[:, v]
        mean, log_var = (
            torch.where(known, mean, other_mean),
            torch.where(known, log_var, other_log_var),
        )
        return mean + torch.exp(0.5 * log_var) * noise

    def _private_kl(self, own: _Opinions, subsets: Tensor, present: Tensor | None) -> Tensor:
        """Return the divergence of the private codes of each subset's targets, (subsets, rows)."""
        inside = kl_standard_normal(own.private_mean, own.private_log_var)  # type: ignore[arg-type]
        outside = kl_standard_normal(*self.outside).unsqueeze(1).expand_as(inside)
        if present is not None:
            inside, outside = inside * present.T, outside * present.T
        members = subsets.to(inside.dtype)
        if self.experts == "product":
            return members @ inside
        return members @ inside + (1.0 - members) @ outside


def _row_weights(mean: Tensor, there: Tensor | None) -> Tensor:
    """Return weights that average over the subsets a row has, and then over rows."""
    n_subsets, n_rows = mean.shape[:2]
    if there is None:
        return mean.new_full((), 1.0 / (n_subsets * n_rows))
    counts = there.sum(dim=0).clamp(min=1)
    return there.to(mean.dtype) / (counts * n_rows)
