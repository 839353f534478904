"""How much each view counts in the code, as far as an estimator says."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skrep.inspection._coded import codes_of
from skrep.inspection._display_inputs import before_last, estimator_name, last_step
from skrep.views import Views, as_views

__all__ = ["weights_of_views"]

_HAVE_WEIGHTS = (
    "MultimodalAutoencoder (`fusion_weights`), MultimodalVAE and JMVAE (`posterior` from each view "
    "alone), and models with a code per view such as CCA, DCCA and CLIP"
)


def weights_of_views(estimator: Any, X: Any) -> tuple[np.ndarray, tuple[str, ...], Any]:
    """Return weights, one row per sample or component, the names of the views, and the kind."""
    last = last_step(estimator)
    names = tuple(map(str, getattr(last, "view_names_in_", ())))
    fusion, posterior = getattr(last, "fusion_weights", None), getattr(last, "posterior", None)
    if getattr(last, "transform_each", None) is None:
        posterior = None
    if not names and (fusion is not None or posterior is not None):
        raise ValueError(
            f"This {estimator_name(estimator)} was fitted on one array, so there are no views to "
            f"weigh. Fit it on several."
        )
    if fusion is not None:
        return np.asarray(fusion(before_last(estimator, X)), dtype=np.float64), names, "fusion"
    if posterior is not None:
        views = as_views(before_last(estimator, X), names=names)
        return _precisions(last, views, names), names, "precision"
    if getattr(last, "transform", None) is not None:
        codes = codes_of(estimator, X)
        if codes.averaged and codes.names is not None:
            return _parts_of_variance(codes.parts), codes.names, "variance"
    raise TypeError(
        f"{estimator_name(estimator)} does not say how much each of several views counts. These "
        f"do: {_HAVE_WEIGHTS}."
    )


def _precisions(model: Any, views: Views, names: tuple[str, ...]) -> np.ndarray:
    """Return each view's share of the precision of the code, (n_samples, n_views)."""
    module = getattr(model, "module_", None)
    # A mixture multiplies nothing; in a product the prior may be one of the factors.
    takes_prior = getattr(module, "prior", True) and getattr(module, "experts", "") != "mixture"
    found: list[np.ndarray] = []
    for name in names:
        rows = np.flatnonzero(views.present[:, views.names.index(name)])
        precision: Any = None
        if len(rows):
            some = views[rows]
            alone = Views({n: some[n] if n == name else None for n in names})
            precision = 1.0 / np.square(np.asarray(model.posterior(alone).std, dtype=np.float64))
        found.append(_spread(precision, rows, len(views), float(takes_prior)))
    width = max(part.shape[1] for part in found)
    stacked = np.stack([np.broadcast_to(part, (len(views), width)) for part in found], axis=1)
    total = stacked.sum(axis=1, keepdims=True)
    # Of a component that no view says anything about, the views present have even shares.
    even = views[list(names)].present / views.present.sum(axis=1, keepdims=True)
    shares = np.where(total > 0.0, stacked / np.where(total > 0.0, total, 1.0), even[:, :, None])
    return np.asarray(shares.mean(axis=2))


def _spread(precision: Any, rows: np.ndarray, n_samples: int, prior: float) -> np.ndarray:
    if precision is None:
        return np.zeros((n_samples, 1))
    whole = np.zeros((n_samples, precision.shape[1]))
    # Rounding may put a code that a view says nothing about below its prior.
    whole[rows] = np.maximum(precision - prior, 0.0)
    return whole


def _parts_of_variance(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return each view's part in the variance of the mean code, (n_components, n_views)."""
    stacked = np.stack(parts, axis=2)
    stacked = stacked[~np.isnan(stacked).any(axis=(1, 2))]
    if len(stacked) < 2:
        raise ValueError(
            f"The weights of views need two samples or more that have all of them. Got "
            f"{len(stacked)}. Pass more samples."
        )
    stacked -= stacked.mean(axis=0)
    found = np.einsum("ikv,ik->kv", stacked, stacked.mean(axis=2))
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0.0, found / np.where(total > 0.0, total, 1.0), 1.0 / len(parts))
