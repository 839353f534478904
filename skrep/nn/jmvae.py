r"""Joint multimodal variational autoencoder: one encoder of all views, one of each view alone.

| symbol | variable |
|---|---|
| :math:`q(z \mid x_1, \ldots, x_V)` | `joint_encoder` |
| :math:`q_v(z \mid x_v)` | `encoders[v]` |
| :math:`\alpha` | `alignment_weight` |
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skrep.functional.divergences import kl_normal, kl_standard_normal
from skrep.functional.experts import join_posteriors
from skrep.nn.latent_views import LatentViewsModule, Posteriors
from skrep.nn.likelihoods import Likelihood
from skrep.nn.module import Batch, LossTerms
from skrep.nn.scaling import ViewScaler

__all__ = ["JMVAEModule"]


class JMVAEModule(LatentViewsModule):
    """A joint encoder, and an encoder, a decoder and a likelihood per view.

    Parameters
    ----------
    scaler : ViewScaler
        Between the caller's units and working units; identity for views that are not real-valued.
    joint_encoder : torch.nn.Module
        (rows, sum of widths) to (rows, 2 * n_components): means, then log-variances.
    encoders : sequence of torch.nn.Module
        One per view, (rows, width) to (rows, 2 * n_components).
    decoders : sequence of torch.nn.Module
        One per view, (rows, n_components) to (rows, width): parameters of the likelihood.
    likelihoods : sequence of Likelihood
        One per view.
    alignment_weight : float
        Weight of the divergence of the joint posterior from those given one view.
    n_components : int
        Size of the code.
    beta : float, default=1.0
        Weight of the KL divergence at the end of the warm-up.
    n_warmup_epochs : int, default=0
        Epochs over which the weight rises linearly from 0.
    """

    def __init__(
        self,
        scaler: ViewScaler,
        joint_encoder: nn.Module,
        encoders: Sequence[nn.Module],
        decoders: Sequence[nn.Module],
        likelihoods: Sequence[Likelihood],
        *,
        alignment_weight: float,
        n_components: int,
        beta: float = 1.0,
        n_warmup_epochs: int = 0,
    ) -> None:
        super().__init__(
            scaler,
            decoders,
            likelihoods,
            n_components=n_components,
            n_private=0,
            beta=beta,
            n_warmup_epochs=n_warmup_epochs,
        )
        self.joint_encoder = joint_encoder
        self.encoders = nn.ModuleList(encoders)
        self.alignment_weight = alignment_weight

    @property
    def n_parts(self) -> int:
        """Number of parts of the posterior of the code: one."""
        return 1

    def posteriors(self, batch: Batch) -> Posteriors:
        """Return the distribution of the codes given the views that are present."""
        x = self.working_views(batch)
        if batch.present is None:
            mean, log_var = self._joint(x)
        else:
            mean, log_var = self._incomplete(*self._joint(x), *self._each(x), batch.present)
        return Posteriors(mean.unsqueeze(0), log_var.unsqueeze(0))

    def _joint(self, x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        joined = x[0] if len(x) == 1 else torch.cat(tuple(x), dim=-1)
        mean, log_var = self.joint_encoder(joined).chunk(2, dim=-1)
        return mean, log_var

    def _each(self, x: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the posteriors given each view alone, (n_views, rows, n_components)."""
        halves = [
            encoder(view).chunk(2, dim=-1) for encoder, view in zip(self.encoders, x, strict=True)
        ]
        return torch.stack([half[0] for half in halves]), torch.stack([half[1] for half in halves])

    def _incomplete(
        self, mean: Tensor, log_var: Tensor, means: Tensor, log_vars: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the joint posterior where all views are there, else that of those present."""
        complete = present.all(dim=1, keepdim=True)
        other_mean, other_log_var = join_posteriors(means, log_vars, present)
        mean = torch.where(complete, mean, other_mean)
        return mean, torch.where(complete, log_var, other_log_var)

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the negative bound plus the weighted alignment, nats per row."""
        x = self.working_views(batch)
        joint_mean, joint_log_var = mean, log_var = self._joint(x)
        means, log_vars = self._each(x)
        apart = kl_normal(joint_mean, joint_log_var, means, log_vars).sum(dim=0)
        if batch.present is not None:
            mean, log_var = self._incomplete(mean, log_var, means, log_vars, batch.present)
            apart = torch.where(batch.present.all(dim=1), apart, 0.0)
        noise = torch.empty_like(mean).normal_(generator=generator)
        codes = mean + torch.exp(0.5 * log_var) * noise
        private = [None] * self.n_views
        reconstruction = -self.log_likelihood(batch, codes, private).mean()
        kl = kl_standard_normal(mean, log_var).mean()
        alignment = apart.mean()
        total = reconstruction + self.kl_weight * kl + self.alignment_weight * alignment
        return LossTerms(total, reconstruction=reconstruction, kl=kl, alignment=alignment)
