"""What models with a decoder and likelihoods share: their start, their checks, their noise."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skrep._base_networks import linear_layer, make_scaler, per_view
from skrep.base import ModuleSpec
from skrep.engine.inference import CHUNK_ROWS
from skrep.engine.seeding import make_generator
from skrep.nn.likelihoods import LIKELIHOODS, Gaussian
from skrep.nn.likelihoods import Likelihood as LikelihoodModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.vae import LogCounts
from skrep.utils import domains
from skrep.utils.settings import Likelihood
from skrep.utils.validation import CheckedViews

__all__ = [
    "PAIRS_AT_ONCE",
    "LinearStart",
    "Posterior",
    "balanced_noise",
    "before_counts",
    "check_domains",
    "check_draws",
    "check_likelihoods",
    "draw_noise",
    "fitted_kinds",
    "is_linear",
    "linear_start",
    "make_likelihoods",
    "mean_links",
    "start_at_means",
    "start_variances",
]

# Antithetic pairs over which `score_samples` averages the bound. Odd moments cancel within a pair
# and each code's draws are brought to variance 1, so the bound of a linear model is exact up to
# products of codes. Free draws would be off by sqrt(n_components / 32) nats, the same for all rows.
_N_PAIRS = 16
# log p(x | z) of this many (draw, row) pairs at a time bounds the memory of a chunk.
PAIRS_AT_ONCE = 4 * CHUNK_ROWS
# Slope of log-odds at 1/2.
_LOGIT_SLOPE = 4.0


class Posterior(NamedTuple):
    """Distribution of the codes given the data: independent normals.

    Attributes
    ----------
    mean : ndarray of shape (n_samples, n_components)
        What `transform` returns.
    std : ndarray of shape (n_samples, n_components)
        Standard deviations.
    """

    mean: np.ndarray
    std: np.ndarray


# -- checks -----------------------------------------------------------------------------------


def check_draws(n_importance_samples: Any) -> int:
    """Return the number of draws; raise ValueError unless it is a positive integer."""
    if not isinstance(n_importance_samples, (int, np.integer)) or n_importance_samples < 1:
        raise ValueError(
            f"`n_importance_samples` must be a positive integer. Got {n_importance_samples!r}."
        )
    return int(n_importance_samples)


def check_likelihoods(likelihood: Any, checked: CheckedViews) -> None:
    """Raise for a `likelihood` that does not fit the views or the values in them."""
    settings = [Likelihood.of(value) for value in per_view(likelihood, checked.names, "likelihood")]
    for setting in settings:
        setting.check()
    check_domains(checked, [setting.kind for setting in settings])


def check_domains(checked: CheckedViews, kinds: Sequence[str]) -> None:
    """Raise for values, of views that are present, that a likelihood does not describe."""
    domains.check_domains(
        checked,
        [LIKELIHOODS[kind].domain for kind in kinds],
        [f"likelihood={kind!r}" for kind in kinds],
    )


def fitted_kinds(likelihoods: Any) -> list[str]:
    """Return the names of fitted likelihoods: the parameter may have been set since."""
    names = {cls: name for name, cls in LIKELIHOODS.items()}
    return [names[type(part)] for part in likelihoods]


# -- noise ------------------------------------------------------------------------------------


def draw_noise(seed: int, n_draws: int, width: int) -> Tensor:
    """Return standard normal noise (n_draws, 1, width), the same for one seed."""
    return torch.empty((n_draws, 1, width)).normal_(generator=make_generator(seed))


def balanced_noise(seed: int, width: int) -> Tensor:
    """Return antithetic standard normal noise (32, 1, width) whose columns have variance 1."""
    half = draw_noise(seed, _N_PAIRS, width)
    half = half / half.square().mean(dim=0).sqrt()
    return torch.cat([half, -half])


# -- building ---------------------------------------------------------------------------------


def make_likelihoods(
    likelihood: Any, spec: ModuleSpec
) -> tuple[list[LikelihoodModule], ViewScaler]:
    """Return a likelihood per view, and the scaler, which touches real-valued views only."""
    settings = [Likelihood.of(value) for value in per_view(likelihood, spec.names, "likelihood")]
    parts = [_observation_model(s, width) for s, width in zip(settings, spec.widths, strict=True)]
    scalings = [
        s.scaling if part.domain == "real" else None
        for s, part in zip(settings, parts, strict=True)
    ]
    return parts, make_scaler(spec, scalings)


def _observation_model(setting: Likelihood, width: int) -> LikelihoodModule:
    kind = LIKELIHOODS[setting.kind]
    return kind(width, variance=setting.variance) if issubclass(kind, Gaussian) else kind(width)


def before_counts(
    spec: ModuleSpec,
    parts: Sequence[LikelihoodModule],
    encoder: nn.Module,
    views: Sequence[int] | None = None,
) -> nn.Module:
    """Put the logarithm of counts before an encoder of some views (None is all) side by side."""
    views = range(len(parts)) if views is None else views
    counts = [parts[v].domain == "counts" for v in views]
    if not any(counts):
        return encoder
    means = [torch.as_tensor(spec.moments[v].mean, dtype=torch.float32) for v in views]
    is_count = [torch.full((spec.widths[v],), c) for v, c in zip(views, counts, strict=True)]
    return nn.Sequential(LogCounts(torch.cat(means), torch.cat(is_count)), encoder)


def start_at_means(link: np.ndarray, decoder: nn.Module) -> None:
    """Start the decoder's last bias at the links of the mean of the data."""
    last = [layer for layer in decoder.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(link))


def mean_links(spec: ModuleSpec, parts: Sequence[LikelihoodModule]) -> list[np.ndarray]:
    """Return the decoders' outputs that stand for the mean of each view; 0 for scaled views."""
    links = [
        part.link(torch.as_tensor(moments.mean, dtype=torch.float32)) * (part.domain != "real")
        for part, moments in zip(parts, spec.moments, strict=True)
    ]
    return [link.double().numpy() for link in links]


def start_variances(
    parts: Sequence[LikelihoodModule], residual: Sequence[np.ndarray], noise: float | None = None
) -> None:
    """Start learned variances at what is left of each feature; None is its mean over a view."""
    for part, rest in zip(parts, residual, strict=True):
        if isinstance(part, Gaussian) and part.variance in ("view", "feature"):
            whole = float(rest.mean()) if noise is None else noise
            start = np.full(1, whole) if part.variance == "view" else np.maximum(rest, whole / 10)
            with torch.no_grad():
                log_var = torch.as_tensor(np.log(start))
                part.free_log_var.copy_(log_var.reshape(part.free_log_var.shape))


class LinearStart(NamedTuple):
    """Probabilistic PCA of the views side by side, in working units.

    With axes U, variances L and noise s2 the loadings are W = U (L - s2)^(1/2), and the posterior
    of the codes has the mean L^-1 W' x and the variance s2 / L (Tipping and Bishop, 1999).

    Attributes
    ----------
    loadings : ndarray of shape (n_features, n_components)
        W; codes without an axis have zeros.
    noise : float
        s2.
    origin : ndarray of shape (n_features,)
        Where x is 0.
    slope : ndarray of shape (n_features,)
        From x to what decoders return. A Bernoulli view decodes to log-odds, whose slope at 1/2
        is 4.
    residual : list of ndarray of shape (width,)
        Variance of each feature that the axes leave, view by view.
    n_axes : int
        Axes found; codes beyond them are spare.
    """

    loadings: np.ndarray
    noise: float
    origin: np.ndarray
    slope: np.ndarray
    residual: list[np.ndarray]
    n_axes: int

    def encoder(self, features: slice, *, expert: bool = False) -> nn.Linear:
        """Return the linear encoder of some features: posterior means, then log-variances.

        The means are exact given those features, the variances the best of a diagonal normal.
        With `expert` the standard normal prior is divided out: multiplied in again, the result
        is that posterior.
        """
        W, k = self.loadings[features], self.loadings.shape[1]
        told = np.square(W).sum(axis=0) / self.noise
        if len(W) == len(self.loadings):
            into = W.T / (self.noise * (1.0 + told))[:, None]
        else:
            into = np.linalg.solve(np.eye(k) + W.T @ W / self.noise, W.T / self.noise)
        precision = 1.0 + told
        if expert:
            # A code of which these features tell nothing keeps a wide expert.
            precision = np.maximum(told, 1e-3)
            into *= ((1.0 + precision) / precision)[:, None]
        log_var = -np.log(precision)
        into[self.n_axes :] = 0.01 * torch.randn(k - self.n_axes, len(W)).numpy()
        log_var[self.n_axes :] = 0.0
        weight = np.vstack([into, np.zeros_like(into)])
        bias = np.concatenate([np.zeros(k), log_var]) - weight @ self.origin[features]
        return linear_layer(weight, bias)

    def left_open(self, known: np.ndarray) -> np.ndarray:
        """Return the mean squared error of each feature, decoded from draws given some features.

        Parameters
        ----------
        known : ndarray of bool of shape (n_features,)
            The features that the draws are given.

        Returns
        -------
        ndarray of shape (n_features,)
            Noise, what the known features leave open of the codes, and the spread of the draws.
        """
        W, given = self.loadings, self.loadings[known]
        told = given.T @ given / self.noise
        spread = np.linalg.inv(np.eye(len(told)) + told)
        drawn = 1.0 / (1.0 + np.diag(told))
        return self.noise + np.einsum("fk,kl,fl->f", W, spread, W) + np.square(W) @ drawn

    def decoder(self, features: slice, link: np.ndarray) -> nn.Linear:
        """Return the linear decoder of some features around the links of their mean."""
        return linear_layer(self.loadings[features] * self.slope[features, None], link)


def is_linear(parts: Sequence[LikelihoodModule]) -> bool:
    """Return whether probabilistic PCA is a start for views of these kinds."""
    return all(part.domain in ("real", "unit_interval") for part in parts)


def linear_start(
    spec: ModuleSpec, scaler: ViewScaler, parts: Sequence[LikelihoodModule]
) -> LinearStart:
    """Return probabilistic PCA's solution as a start.

    Started at random instead, a code can collapse to the prior and stay there.
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
    loadings = np.zeros((n_features, spec.n_components))
    loadings[:, :k] = axes.components.T * np.sqrt(variances - noise)
    return LinearStart(
        loadings,
        noise,
        (origin - centre) / scale,
        np.where(binary, _LOGIT_SLOPE, 1.0),
        np.split(axes.residual, cuts),
        k,
    )
