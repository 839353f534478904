"""What DCCA and DCCAE have in common: networks, how they start, and checks."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import nn

from skrep._base_networks import (
    NETWORK_CONSTRAINTS,
    beside,
    call_factory,
    check_factory,
    check_scaling,
    linear_layer,
    make_scaler,
    per_view,
)
from skrep.base import ModuleSpec
from skrep.cross_decomposition._trained import (
    TrainedCorrelationMixin,
    check_regularization,
    fewest_rows,
    refuse_constant,
)
from skrep.nn.dcca import CorrelationObjective, DCCAModule
from skrep.nn.mlp import MLP
from skrep.nn.scaling import ViewScaler
from skrep.utils.correlation import ViewMoments, solve_cca
from skrep.utils.ridge import fit_ridge
from skrep.utils.settings import SCALINGS
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.statistics import principal_axes
from skrep.utils.validation import CheckedViews

__all__ = ["DEEP_CONSTRAINTS", "DeepCorrelationMixin", "build"]

DEEP_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    **{name: checks for name, checks in NETWORK_CONSTRAINTS.items() if name != "decoder"},
    "regularization": [Interval(Real, 0, None, closed="left"), dict, tuple],
    "encoder": [callable, dict, tuple, None],
    "scaling": [StrOptions(SCALINGS), dict, tuple, None],
}

# The start looks at this many rows, and at this many principal axes of a wider view.
_START_ROWS = 10_000
_START_AXES = 400
# Rows of a batch in which the unbiased loss exists.
_PAIRS = 4


class DeepCorrelationMixin(TrainedCorrelationMixin):
    """Checks of what depends on the networks."""

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        names = checked.names
        for factory in per_view(estimator.encoder, names, "encoder"):
            check_factory(factory, "encoder")
        check_scaling(estimator.scaling, names)
        self._check_layers(checked)
        self._check_rows(checked)
        super()._check_parameters(checked)

    def _check_layers(self, checked: CheckedViews) -> None:
        estimator: Any = self
        k, sizes = estimator.n_components, MLP(estimator.hidden_layer_sizes).hidden_layer_sizes
        factories = per_view(estimator.encoder, checked.names, "encoder")
        for name, array, factory in zip(checked.names, checked.arrays, factories, strict=True):
            if factory is not None:
                continue
            if sizes and k > min(sizes):
                raise ValueError(
                    f"`n_components={k}` exceeds {min(sizes)}, the narrowest of "
                    f"`hidden_layer_sizes={tuple(sizes)}`, through which the code has to pass. "
                    f"Lower `n_components` or widen that layer."
                )
            if not sizes and k > array.shape[1]:
                raise ValueError(
                    f"`n_components={k}` exceeds {array.shape[1]}, the number of features of view "
                    f"{name!r}, of which `hidden_layer_sizes=()` makes a linear code. Lower "
                    f"`n_components` to at most {array.shape[1]}, or give the network a layer."
                )

    def _check_rows(self, checked: CheckedViews) -> None:
        estimator: Any = self
        k, n_views, n = estimator.n_components, len(checked.names), checked.n_samples
        least = fewest_rows(n_views, k)
        unbiased = estimator.objective == "eckart_young"
        goes_on = estimator.__sklearn_is_fitted__()
        if n < (_PAIRS if unbiased and goes_on else least):
            raise ValueError(
                f"`n_components={k}` needs at least {_PAIRS if unbiased and goes_on else least} "
                f"samples: the codes of {n_views} views correlate perfectly on fewer, whatever "
                f"the data are. Got {n}. Lower `n_components` or pass more samples."
            )
        needed = _PAIRS if unbiased else least
        if estimator.batch_size < needed:
            other = (
                ""
                if unbiased
                else (
                    f", or take one that is unbiased in small batches: "
                    f"`DCCA(objective='eckart_young')`, from {_PAIRS} rows a batch"
                )
            )
            raise ValueError(
                f"`batch_size={estimator.batch_size}` is too small for `n_components={k}` of "
                f"{n_views} views: a batch needs at least {needed} rows to say anything of their "
                f"correlations, and several times as many to say it well. Raise `batch_size` to at "
                f"least {needed}{other}."
            )


def build(
    estimator: Any,
    spec: ModuleSpec,
    *,
    objective: str = "correlation",
    decoder: Any = None,
    reconstruction_weight: float | None = None,
) -> DCCAModule:
    """Return the untrained networks.

    Parameters
    ----------
    estimator : estimator
        Read for its network parameters.
    spec : ModuleSpec
        The data.
    objective : str, default="correlation"
        What is asked of the codes.
    decoder : callable, dict, tuple or None, default=None
        Factories of the decoders; None mirrors the encoders.
    reconstruction_weight : float or None, default=None
        None builds no decoders.
    """
    refuse_constant(spec)
    names, k = spec.names, spec.n_components
    ridges = check_regularization(estimator.regularization, names)
    scalers = _scalers(spec, estimator.scaling)
    sizes = MLP(estimator.hidden_layer_sizes).hidden_layer_sizes
    factories = per_view(estimator.encoder, names, "encoder")
    starts = _linear_starts(spec, scalers, ridges) if None in factories else []
    encoders = []
    for i, (width, factory) in enumerate(zip(spec.widths, factories, strict=True)):
        network = call_factory(factory or MLP(sizes, estimator.activation), "encoder", width, k)
        encoders.append(network if factory else beside(starts[i].encoder, network))
    decoders = None
    if reconstruction_weight is not None:
        mirror, decoders = MLP(sizes[::-1], estimator.activation), []
        for i, made in enumerate(per_view(decoder, names, "decoder")):
            network = call_factory(made or mirror, "decoder", k, spec.widths[i])
            plain = made is None and factories[i] is None
            decoders.append(beside(starts[i].decoder, network) if plain else network)
    n_views = len(names)
    least = _PAIRS
    if objective != "eckart_young":
        # The correlation of a small batch is too good to be true: its last one is no smaller than
        # half of the others.
        least = max(fewest_rows(n_views, k), estimator.batch_size // 2)
    return DCCAModule(
        scalers,
        encoders,
        CorrelationObjective(objective, ridges),
        n_components=k,
        min_batch_size=least,
        decoders=decoders,
        reconstruction_weight=reconstruction_weight or 0.0,
    )


def _scalers(spec: ModuleSpec, scaling: Any) -> list[ViewScaler]:
    joint = make_scaler(spec, per_view(scaling, spec.names, "scaling"))
    centres = joint.centre.split(spec.widths)
    scales = joint.scale.split(spec.widths)
    return [
        ViewScaler([centre], [scale], [variance])
        for centre, scale, variance in zip(centres, scales, joint.variances or (), strict=True)
    ]


class _Start(NamedTuple):
    """Linear CCA of a view, and the regression of the view on its variates, as layers."""

    encoder: nn.Linear
    decoder: nn.Linear


def _linear_starts(
    spec: ModuleSpec, scalers: Sequence[ViewScaler], ridges: Sequence[float]
) -> list[_Start]:
    n, k = spec.data.n_samples, spec.n_components
    rows = np.arange(n)
    if n > _START_ROWS:
        rows = np.sort(np.random.default_rng(spec.seed).choice(n, _START_ROWS, replace=False))
    bases = [
        _basis(array, scaler, spec.seed)
        for array, scaler in zip(spec.data.arrays, scalers, strict=True)
    ]
    scaled = [
        _scaled(array[rows] if len(rows) < n else array, scaler)
        for array, scaler in zip(spec.data.arrays, scalers, strict=True)
    ]
    reduced = [x if basis is None else x @ basis for x, basis in zip(scaled, bases, strict=True)]
    moments = ViewMoments([array.shape[1] for array in reduced]).update(reduced)
    solution = solve_cca(moments, k, ridges, widths=spec.widths, fill=True)
    starts = []
    for x, weight, mean, basis in zip(scaled, solution.weights, solution.means, bases, strict=True):
        into = weight if basis is None else basis @ weight
        offset = mean @ weight
        # Components beyond the rank start at small draws; zeros beside a silent network would
        # never move.
        idle = ~into.any(axis=0)
        into[:, idle] = 0.01 * torch.randn(len(into), int(idle.sum())).numpy()
        if not spec.informed:
            into = 0.1 * torch.randn(len(into), k).numpy()
        back = fit_ridge((x @ into - offset).astype(np.float32), [x])
        starts.append(
            _Start(linear_layer(into.T, -offset), linear_layer(back.coefs[0].T, back.intercepts[0]))
        )
    return starts


def _scaled(array: Any, scaler: ViewScaler) -> np.ndarray:
    dense = array if isinstance(array, np.ndarray) else array.toarray()
    centre, scale = (t.double().numpy() for t in (scaler.centre, scaler.scale))
    scaled: np.ndarray = ((dense - centre) / scale).astype(np.float32)
    return scaled


def _basis(array: Any, scaler: ViewScaler, seed: int) -> np.ndarray | None:
    """Return principal axes of a wide view as columns, None for one that is not."""
    if array.shape[1] <= _START_AXES:
        return None
    centre, scale = (t.double().numpy() for t in (scaler.centre, scaler.scale))
    axes = principal_axes([array], [centre], [1.0 / scale], _START_AXES, seed=seed)
    return axes.components.T
