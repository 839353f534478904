"""Building a VAE from parameters, and what its density needs."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skrep._base_networks import (
    beside,
    check_factory,
    linear_layer,
    make_scaler,
    networks,
    per_view,
)
from skrep.base import ModuleSpec
from skrep.engine.inference import CHUNK_ROWS
from skrep.engine.seeding import make_generator
from skrep.functional.importance import importance_weighted_bound
from skrep.mixins import DensityMixin, GenerativeMixin, ReconstructionMixin
from skrep.nn.likelihoods import LIKELIHOODS, Gaussian
from skrep.nn.likelihoods import Likelihood as LikelihoodModule
from skrep.nn.mlp import MLP
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler
from skrep.nn.vae import LogCounts, VAEModule
from skrep.utils.domains import DOMAINS
from skrep.utils.settings import Likelihood, Warmup
from skrep.utils.validation import CheckedViews

__all__ = ["VariationalMixin", "build_vae"]

# Antithetic pairs over which `score_samples` averages the bound. Odd moments cancel within a pair
# and each code's draws are brought to variance 1, so the bound of a linear model is exact up to
# products of codes. Free draws would be off by sqrt(n_components / 32) nats, the same for all rows.
_N_PAIRS = 16
# log p(x | z) of this many (draw, row) pairs at a time bounds the memory of a chunk.
_PAIRS_AT_ONCE = 4 * CHUNK_ROWS


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
        settings = [
            Likelihood.of(value)
            for value in per_view(estimator.likelihood, checked.names, "likelihood")
        ]
        for setting in settings:
            setting.check()
        _check_domains(checked, [setting.kind for setting in settings])

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
        if not isinstance(n_importance_samples, (int, np.integer)) or n_importance_samples < 1:
            raise ValueError(
                f"`n_importance_samples` must be a positive integer. Got {n_importance_samples!r}."
            )
        checked = self._check(X)  # type: ignore[attr-defined]
        if n_importance_samples == 1:
            return self._log_density(checked)
        _check_domains(checked, _fitted_kinds(self))
        noise = self._noise(int(n_importance_samples))

        def bound(module: Any, batch: Batch) -> Tensor:
            return importance_weighted_bound(module.log_weights(batch, noise.to(batch.views[0])))

        rows = _PAIRS_AT_ONCE // int(n_importance_samples)
        return self._apply_to_batches(bound, checked, rows)  # type: ignore[attr-defined]

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        _check_domains(checked, _fitted_kinds(self))
        half = self._noise(_N_PAIRS)
        half = half / half.square().mean(dim=0).sqrt()
        noise = torch.cat([half, -half])

        def bound(module: Any, batch: Batch) -> Tensor:
            elbo: Tensor = module.elbo(batch, noise.to(batch.views[0]))
            return elbo

        rows = _PAIRS_AT_ONCE // len(noise)
        return self._apply_to_batches(bound, checked, rows)  # type: ignore[attr-defined]

    def _noise(self, n_draws: int) -> Tensor:
        estimator: Any = self
        generator = make_generator(estimator._noise_seed)
        shape = (n_draws, 1, estimator.module_.n_components)
        return torch.empty(shape).normal_(generator=generator)


def _check_domains(checked: CheckedViews, kinds: list[str]) -> None:
    for name, array, kind in zip(checked.names, checked.arrays, kinds, strict=True):
        DOMAINS[LIKELIHOODS[kind].domain](
            array,
            view=name if len(checked.names) > 1 else None,
            argument=f"likelihood={kind!r}",
        )


def _fitted_kinds(estimator: Any) -> list[str]:
    # Of the fit: `likelihood` may have been set since, for the next one.
    names = {cls: name for name, cls in LIKELIHOODS.items()}
    return [names[type(part)] for part in estimator.module_.likelihoods]


def build_vae(estimator: Any, spec: ModuleSpec) -> VAEModule:
    """Return the module of a VAE.

    Parameters
    ----------
    estimator : estimator
        Read for its parameters.
    spec : ModuleSpec
        The data.
    """
    settings = [
        Likelihood.of(value) for value in per_view(estimator.likelihood, spec.names, "likelihood")
    ]
    parts = [_observation_model(s, width) for s, width in zip(settings, spec.widths, strict=True)]
    real = [part.domain == "real" for part in parts]
    scaler = make_scaler(
        spec, [s.scaling if r else None for s, r in zip(settings, real, strict=True)]
    )
    n_features = sum(spec.widths)
    encoder, decoder, default = networks(estimator, n_features, 2 * spec.n_components, n_features)
    if default and all(part.domain in ("real", "unit_interval") for part in parts):
        encoder, decoder = _start_at_ppca(spec, scaler, parts, encoder, decoder)
    elif estimator.decoder is None:
        _start_at_means(spec, parts, decoder)
    encoder = _before_counts(spec, parts, encoder)
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


def _observation_model(setting: Likelihood, width: int) -> LikelihoodModule:
    kind = LIKELIHOODS[setting.kind]
    return kind(width, variance=setting.variance) if issubclass(kind, Gaussian) else kind(width)


def _before_counts(
    spec: ModuleSpec, parts: list[LikelihoodModule], encoder: nn.Module
) -> nn.Module:
    counts = [part.domain == "counts" for part in parts]
    if not any(counts):
        return encoder
    means = torch.cat([torch.as_tensor(m.mean, dtype=torch.float32) for m in spec.moments])
    is_count = torch.cat([torch.full((w,), c) for w, c in zip(spec.widths, counts, strict=True)])
    return nn.Sequential(LogCounts(means, is_count), encoder)


def _start_at_means(spec: ModuleSpec, parts: list[LikelihoodModule], decoder: nn.Module) -> None:
    """Start the decoder's last bias at the mean of the data."""
    last = [layer for layer in decoder.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(_mean_links(spec, parts)))


def _start_at_ppca(
    spec: ModuleSpec,
    scaler: ViewScaler,
    parts: list[LikelihoodModule],
    encoder: nn.Module,
    decoder: nn.Module,
) -> tuple[nn.Module, nn.Module]:
    """Put linear paths beside the networks that start at probabilistic PCA's solution.

    With axes U, variances L and noise s2: the decoder is U (L - s2)^(1/2), the posterior mean
    (L - s2)^(1/2) L^-1 U' x and its variance s2 / L (Tipping and Bishop, 1999). A Bernoulli view
    decodes to log-odds: those of its mean, and 4 times the path, the slope of log-odds at 1/2.
    Started at random instead, its code can collapse to the prior and stay there.
    """
    cuts = np.cumsum(spec.widths)[:-1]
    centre, scale = scaler.centre.double().numpy(), scaler.scale.double().numpy()
    mean = np.concatenate([moments.mean for moments in spec.moments])
    binary = np.repeat([part.domain != "real" for part in parts], spec.widths)
    origin = np.where(binary, mean, centre)
    axes = spec.principal_axes(np.split(origin, cuts), np.split(1.0 / scale, cuts))
    n_features, k = len(centre), len(axes.components)
    # As many axes as features leave no noise; a thousandth keeps the start regular.
    floor = 1e-3 * float(axes.variances.mean() + 1e-6)
    noise = max(axes.rest / max(1, n_features - k), floor if n_features == k else 1e-4 * floor)
    variances = np.maximum(axes.variances, noise * (1 + 1e-3))
    signal = np.sqrt(variances - noise)
    out_of = np.zeros((n_features, spec.n_components))
    out_of[:, :k] = axes.components.T * signal * np.where(binary, 4.0, 1.0)[:, None]
    into = np.zeros((2 * spec.n_components, n_features))
    into[:k] = axes.components * (signal / variances)[:, None]
    bias = np.zeros(2 * spec.n_components)
    bias[spec.n_components : spec.n_components + k] = np.log(noise / variances)
    if spec.n_components > k:
        spare = spec.n_components - k
        into[k : spec.n_components] = 0.01 * torch.randn(spare, n_features).numpy()
    bias -= into @ ((origin - centre) / scale)
    for part, residual in zip(parts, np.split(axes.residual, cuts), strict=True):
        _start_variance(part, residual, noise)
    into_code, out_of_code = (
        linear_layer(into, bias),
        linear_layer(out_of, _mean_links(spec, parts)),
    )
    return beside(into_code, encoder), beside(out_of_code, decoder)


def _mean_links(spec: ModuleSpec, parts: list[LikelihoodModule]) -> np.ndarray:
    """Return the decoder output that stands for the mean of the data; 0 for scaled views."""
    links = [
        part.link(torch.as_tensor(moments.mean, dtype=torch.float32)) * (part.domain != "real")
        for part, moments in zip(parts, spec.moments, strict=True)
    ]
    return torch.cat(links).double().numpy()


def _start_variance(part: LikelihoodModule, residual: np.ndarray, noise: float) -> None:
    if isinstance(part, Gaussian) and part.variance in ("view", "feature"):
        start = np.full(1, noise) if part.variance == "view" else np.maximum(residual, noise / 10)
        with torch.no_grad():
            part.free_log_var.copy_(torch.as_tensor(np.log(start)).reshape(part.free_log_var.shape))
