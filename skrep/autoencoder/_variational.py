"""Building a VAE from parameters, and what its density needs."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrep._base_networks import beside, check_factory, networks
from skrep._base_variational import (
    PAIRS_AT_ONCE,
    balanced_noise,
    before_counts,
    check_domains,
    check_draws,
    check_likelihoods,
    draw_noise,
    fitted_kinds,
    is_linear,
    linear_start,
    make_likelihoods,
    mean_links,
    start_at_means,
    start_variances,
)
from skrep.base import ModuleSpec
from skrep.functional.importance import importance_weighted_bound
from skrep.mixins import DensityMixin, GenerativeMixin, ReconstructionMixin
from skrep.nn.mlp import MLP
from skrep.nn.module import Batch
from skrep.nn.vae import VAEModule
from skrep.utils.settings import Warmup
from skrep.utils.validation import CheckedViews

__all__ = ["VariationalMixin", "build_vae"]


class VariationalMixin(DensityMixin, GenerativeMixin, ReconstructionMixin):
    """Checks, decoding, density and draws of a VAE."""

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        check_factory(estimator.encoder, "encoder")
        check_factory(estimator.decoder, "decoder")
        MLP(estimator.hidden_layer_sizes)
        warmup = Warmup.of(estimator.beta)
        warmup.check()
        if estimator.n_importance_samples > 1 and (warmup.value != 1 or warmup.n_epochs):
            raise ValueError(
                f"`beta` weighs the KL divergence, which the importance-weighted bound does not "
                f"contain. Got beta={estimator.beta!r} with `n_importance_samples="
                f"{estimator.n_importance_samples}`. Leave one of them at 1."
            )
        check_likelihoods(estimator.likelihood, checked)

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        checked = CheckedViews((codes,), ("code",))
        return self._apply("decode_batch", checked)  # type: ignore[attr-defined]

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        with torch.inference_mode():
            views = self.module_.sample(n_samples, generator)  # type: ignore[attr-defined]
        return [view.numpy() for view in views]

    def score_samples(self, X: Any, n_importance_samples: int = 1) -> np.ndarray:
        """Return a lower bound on the log-probability of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.
        n_importance_samples : int, default=1
            1 gives the evidence lower bound (beta = 1, averaged over 32 balanced draws of the
            code, KL in closed form); more give the tighter importance-weighted bound with that
            many draws.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample in the units of the input. The same draws serve every row and were
            fixed at `fit`, so a row's value does not depend on the rows beside it.

        Raises
        ------
        ValueError
            If `n_importance_samples` is not a positive integer, or the data are not what the
            likelihood describes.
        """
        check_is_fitted(self)
        n_draws = check_draws(n_importance_samples)
        checked = self._check(X)  # type: ignore[attr-defined]
        if n_draws == 1:
            return self._log_density(checked)
        check_domains(checked, fitted_kinds(self.module_.likelihoods))  # type: ignore[attr-defined]
        noise = self._noise(n_draws)

        def bound(module: Any, batch: Batch) -> Tensor:
            return importance_weighted_bound(module.log_weights(batch, noise.to(batch.views[0])))

        rows = PAIRS_AT_ONCE // n_draws
        return self._apply_to_batches(bound, checked, rows)  # type: ignore[attr-defined]

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        estimator: Any = self
        check_domains(checked, fitted_kinds(estimator.module_.likelihoods))
        noise = balanced_noise(estimator._noise_seed, estimator.module_.n_components)

        def bound(module: Any, batch: Batch) -> Tensor:
            elbo: Tensor = module.elbo(batch, noise.to(batch.views[0]))
            return elbo

        rows = PAIRS_AT_ONCE // len(noise)
        return self._apply_to_batches(bound, checked, rows)  # type: ignore[attr-defined]

    def _noise(self, n_draws: int) -> Tensor:
        estimator: Any = self
        return draw_noise(estimator._noise_seed, n_draws, estimator.module_.n_components)


def build_vae(estimator: Any, spec: ModuleSpec) -> VAEModule:
    """Return the module of a VAE.

    Parameters
    ----------
    estimator : estimator
        Read for its parameters.
    spec : ModuleSpec
        The data.
    """
    parts, scaler = make_likelihoods(estimator.likelihood, spec)
    n_features = sum(spec.widths)
    encoder, decoder, default = networks(estimator, n_features, 2 * spec.n_components, n_features)
    link = np.concatenate(mean_links(spec, parts))
    if default and is_linear(parts):
        start = linear_start(spec, scaler, parts)
        start_variances(parts, start.residual, start.noise)
        encoder = beside(start.encoder(slice(None)), encoder)
        decoder = beside(start.decoder(slice(None), link), decoder)
    elif estimator.decoder is None:
        start_at_means(link, decoder)
    encoder = before_counts(spec, parts, encoder)
    warmup = Warmup.of(estimator.beta)
    return VAEModule(
        scaler,
        encoder,
        decoder,
        parts,
        n_components=spec.n_components,
        beta=warmup.value,
        n_warmup_epochs=warmup.n_epochs,
        n_importance_samples=estimator.n_importance_samples,
    )
