"""How families turn their parameters into encoders, decoders and scales."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from skrep.base import TRAINING_CONSTRAINTS, ModuleSpec
from skrep.nn.activations import ACTIVATIONS
from skrep.nn.linear_path import WithLinearPath, silence
from skrep.nn.mlp import MLP
from skrep.nn.scaling import ViewScaler
from skrep.utils.settings import SCALINGS
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.statistics import Moments

__all__ = [
    "NETWORK_CONSTRAINTS",
    "beside",
    "call_factory",
    "check_factory",
    "check_scaling",
    "feature_weights",
    "has_sizes_per_view",
    "linear_layer",
    "make_scaler",
    "networks",
    "per_view",
    "principal_maps",
    "sizes_per_view",
    "view_shares",
    "view_variances",
]

#: Legality of the parameters of a model with networks.
NETWORK_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "encoder": [callable, None],
    "decoder": [callable, None],
    **TRAINING_CONSTRAINTS,
}

# Between these, float32 holds a value, and what is left of it after a division by the other.
_LARGEST, _SMALLEST = 1e37, 1e-37


def view_variances(spec: ModuleSpec) -> tuple[float, ...]:
    """Return the mean variance per feature of each view, 1 where all features are constant.

    Raises
    ------
    ValueError
        If every feature of every view is constant, or hardly varies next to its mean, or values
        are too large for float32.
    """
    for name, moments in zip(spec.names, spec.moments, strict=True):
        size = np.maximum(np.abs(moments.mean), np.sqrt(moments.variance))
        if not (size < _LARGEST).all():  # NaN, from an overflow, is not small either
            raise ValueError(
                f"{_place(spec, name)} holds values near or above {_LARGEST:g}, in column "
                f"{int(np.argmin(size < _LARGEST))} first, which float32 cannot hold. Divide it "
                f"by a constant."
            )
    found = [float(np.where(_varies(m), m.variance, 0.0).mean()) for m in spec.moments]
    if not any(found):
        if any((m.variance > 1e-28 * m.mean**2).any() for m in spec.moments):
            raise ValueError(
                "All features of X vary by less than a ten-millionth of their mean, which float32 "
                "rounds away. Centre them first, for example with `StandardScaler()`."
            )
        raise ValueError(
            "All features of X are constant, so there is nothing to learn. Check that rows are "
            "samples and columns are features."
        )
    return tuple(variance or 1.0 for variance in found)


def _varies(moments: Moments) -> np.ndarray:
    # A variance at the level of float32's rounding is none.
    return moments.variance > 1e-14 * moments.mean**2


def _place(spec: ModuleSpec, name: str) -> str:
    return f"View {name!r}" if len(spec.names) > 1 else "X"


def per_view(value: Any, names: Sequence[str], argument: str) -> list[Any]:
    """Return one setting per view from one for all, a dict by name or a tuple by position.

    Raises
    ------
    ValueError
        If names or number do not match the views.
    """
    if isinstance(value, dict):
        if set(value) != set(names):
            raise ValueError(
                f"`{argument}` names {list(value)}, but the views are {list(names)}. Give every "
                f"view one value."
            )
        return [value[name] for name in names]
    if isinstance(value, tuple):
        if len(value) != len(names):
            raise ValueError(
                f"`{argument}` holds {len(value)} values for {len(names)} view(s). Give one value "
                f"per view, or one for all."
            )
        return list(value)
    return [value] * len(names)


def make_scaler(spec: ModuleSpec, scalings: Sequence[str | None]) -> ViewScaler:
    """Return the map between the caller's units and working units.

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    scalings : sequence of {"view", "feature"} or None
        For each view: one scale, one per feature, or left as it is.

    Raises
    ------
    ValueError
        As `view_variances`, or if a scale is too small for float32.
    """
    centres, scales = [], []
    variances = view_variances(spec)
    for name, moments, variance, scaling in zip(
        spec.names, spec.moments, variances, scalings, strict=True
    ):
        if scaling is None:
            centres.append(np.zeros_like(moments.mean))
            scales.append(np.ones_like(moments.mean))
            continue
        scale = np.full_like(moments.mean, np.sqrt(variance))
        if scaling == "feature":
            scale = np.where(_varies(moments), np.sqrt(moments.variance), scale)
        if not (scale > _SMALLEST).all():
            raise ValueError(
                f"{_place(spec, name)} varies by {scale.min():.1g} (standard deviation), which is "
                f"too little for float32. Multiply it by a constant."
            )
        centres.append(moments.mean)
        scales.append(scale)
    return ViewScaler([_tensor(c) for c in centres], [_tensor(s) for s in scales], variances)


def check_scaling(scaling: Any, names: Sequence[str]) -> None:
    """Raise unless `scaling` is one that every view knows.

    Raises
    ------
    ValueError
        If it is not, or names or number do not match the views.
    """
    for value in per_view(scaling, names, "scaling"):
        if value is not None and not (isinstance(value, str) and value in SCALINGS):
            raise ValueError(
                f"`scaling` must be 'view', 'feature' or None for every view. Got {value!r}."
            )


def has_sizes_per_view(hidden_layer_sizes: Any) -> bool:
    """Tell whether hidden layer sizes are given for each view: a dict, or a tuple of tuples."""
    return isinstance(hidden_layer_sizes, dict) or (
        isinstance(hidden_layer_sizes, tuple)
        and any(isinstance(sizes, (tuple, list)) for sizes in hidden_layer_sizes)
    )


def sizes_per_view(hidden_layer_sizes: Any, names: Sequence[str]) -> list[Any]:
    """Return hidden layer sizes for each view, from one setting for all or one for each."""
    if has_sizes_per_view(hidden_layer_sizes):
        return per_view(hidden_layer_sizes, names, "hidden_layer_sizes")
    return [hidden_layer_sizes] * len(names)


def view_shares(spec: ModuleSpec, view_weights: Any) -> np.ndarray:
    """Return the weight of each view's mean error per feature, (n_views,), summing to 1.

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    view_weights : {"balanced", "features"} or dict of str to float
        Each view alike, each feature alike, or the weight of each view's mean error.

    Raises
    ------
    ValueError
        If a dict names other views than the data has, or weights that are not positive.
    """
    widths = np.array(spec.widths, dtype=float)
    if isinstance(view_weights, dict):
        if set(view_weights) != set(spec.names):
            raise ValueError(
                f"`view_weights` names {list(view_weights)}, but the views are "
                f"{list(spec.names)}. Give every view one weight."
            )
        given = [view_weights[name] for name in spec.names]
        shares = np.array([w if isinstance(w, Real) else np.nan for w in given], dtype=float)
        if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
            raise ValueError(
                f"`view_weights` must be finite numbers, not negative and not all 0. "
                f"Got {view_weights!r}."
            )
    else:
        shares = widths if view_weights == "features" else np.ones(len(widths))
    found: np.ndarray = shares / shares.sum()
    return found


def feature_weights(spec: ModuleSpec, view_weights: Any) -> tuple[np.ndarray, Tensor | None]:
    """Return weights of the squared errors, summing to 1, and the tensor (None when all alike).

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    view_weights : {"balanced", "features"} or dict of str to float
        As `view_shares`.

    Raises
    ------
    ValueError
        As `view_shares`.
    """
    shares = view_shares(spec, view_weights)
    weights = np.repeat(shares / np.array(spec.widths, dtype=float), spec.widths)
    # Equal shares differ in the last digit where widths do.
    return weights, None if np.ptp(weights) <= 1e-12 * weights.max() else _tensor(weights)


def check_factory(factory: Any, argument: str) -> None:
    """Raise where a module instance stands in for a factory.

    Raises
    ------
    TypeError
        An instance would be trained in place, and every clone would start from its weights.
    """
    if isinstance(factory, nn.Module):
        raise TypeError(
            f"`{argument}` must be a factory `(n_in, n_out) -> torch.nn.Module`. Got the module "
            f"instance {type(factory).__name__}, which `fit` would train in place and every clone "
            f"would share. Pass a function or class that builds it, such as "
            f"`skrep.nn.MLP((64,))`."
        )


def call_factory(factory: Any, argument: str, n_in: int, n_out: int) -> nn.Module:
    """Build a network and check that it maps n_in to n_out features.

    Raises
    ------
    TypeError
        If the factory does not return a module.
    ValueError
        If its output has another width.
    """
    network = factory(n_in, n_out)
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"`{argument}` must return a torch.nn.Module. Got {type(network).__name__}."
        )
    was_training = network.training
    with torch.no_grad():
        shape = tuple(network.eval()(torch.zeros(2, n_in)).shape)
    network.train(was_training)
    if shape != (2, n_out):
        raise ValueError(
            f"`{argument}` was called with n_in={n_in}, n_out={n_out} and must map (rows, {n_in}) "
            f"to (rows, {n_out}). For 2 rows it returned the shape {shape}."
        )
    return network


def networks(
    estimator: Any, n_in: int, n_code: int, n_out: int
) -> tuple[nn.Module, nn.Module, bool]:
    """Return encoder, decoder and whether both are the default design.

    Parameters
    ----------
    estimator : estimator
        Read for `encoder`, `decoder`, `hidden_layer_sizes` and `activation`.
    n_in, n_code, n_out : int
        Features in, features that the encoder returns, features that the decoder returns.
    """
    sizes = _sizes(estimator.hidden_layer_sizes)
    default = estimator.encoder is None and (
        estimator.decoder is None or estimator.decoder == "tied"
    )
    encoder_factory = estimator.encoder or MLP(sizes, estimator.activation)
    encoder = call_factory(encoder_factory, "encoder", n_in, n_code)
    if estimator.decoder == "tied":
        return encoder, nn.Identity(), default
    decoder_factory = estimator.decoder or MLP(sizes[::-1], estimator.activation)
    decoder = call_factory(decoder_factory, "decoder", estimator.n_components, n_out)
    return encoder, decoder, default


def _sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    return tuple(MLP(hidden_layer_sizes).hidden_layer_sizes)


def linear_layer(weight: np.ndarray, bias: np.ndarray | None = None) -> nn.Linear:
    """Return a linear layer with the weight (n_out, n_in) and bias (n_out,) given."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(_tensor(weight))
        layer.bias.copy_(torch.zeros(len(weight)) if bias is None else _tensor(bias))
    return layer


def beside(linear: nn.Linear, network: nn.Module) -> nn.Module:
    """Put a linear path beside a default network; a network that is linear itself is replaced."""
    if not isinstance(network, nn.Sequential) or len(network) == 1:
        return linear
    return WithLinearPath(linear, silence(network))


def principal_maps(
    spec: ModuleSpec, scaler: Any, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of weighted PCA into codes, (k, n_features), and out of them.

    Without weights the two are each other's transposes, as tied weights need them.

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    scaler : object with tensors centre and scale of shape (n_features,)
        The caller's units of working units.
    weights : ndarray of shape (n_features,) or None
        Of the squared errors.
    """
    n_features = sum(spec.widths)
    centres = np.split(scaler.centre.double().numpy(), np.cumsum(spec.widths)[:-1])
    balance = np.ones(n_features) if weights is None else np.sqrt(weights / weights.mean())
    factors = np.split(balance / scaler.scale.double().numpy(), np.cumsum(spec.widths)[:-1])
    axes = spec.principal_axes(centres, factors)
    # One factor for all codes brings them near unit size and keeps PCA's geometry.
    size = max(float(np.sqrt(axes.variances.mean())), 1e-30)
    size = 1.0 if weights is None else size
    into = np.zeros((spec.n_components, n_features))
    out_of = np.zeros((n_features, spec.n_components))
    into[: len(axes.components)] = axes.components * balance / size
    inverse = np.divide(1.0, balance, out=np.zeros_like(balance), where=balance > 0)
    out_of[:, : len(axes.components)] = axes.components.T * inverse[:, None] * size
    # Codes beyond the rank start at small draws; zeros on both sides would never move.
    spare = spec.n_components - len(axes.components)
    if spare:
        into[-spare:] = 0.01 * torch.randn(spare, n_features).numpy()
    return into, out_of


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
