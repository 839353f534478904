"""What the plain, the denoising and the sparse autoencoder have in common."""

from typing import Any, Final

import numpy as np
import torch
from torch import nn

from skrep._base_networks import (
    NETWORK_CONSTRAINTS,
    beside,
    check_factory,
    check_scaling,
    feature_weights,
    linear_layer,
    make_scaler,
    networks,
    per_view,
    principal_maps,
)
from skrep.base import ModuleSpec
from skrep.mixins import ReconstructionErrorMixin, ReconstructionMixin
from skrep.nn.activations import ACTIVATIONS, activation
from skrep.nn.autoencoder import AutoencoderModule, CodeSparsity, Corruptor, TiedDecoder
from skrep.nn.mlp import MLP
from skrep.nn.scaling import ViewScaler
from skrep.utils.domains import check_domains
from skrep.utils.settings import SCALINGS
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["AUTOENCODER_CONSTRAINTS", "AutoencoderMixin", "build"]

AUTOENCODER_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    **NETWORK_CONSTRAINTS,
    "output_activation": [StrOptions(set(ACTIVATIONS))],
    "scaling": [StrOptions(SCALINGS), dict, tuple, None],
    "decoder": [StrOptions({"tied"}), callable, None],
}

# What an output activation can reach, beyond which its target would be squashed.
_RANGES: Final = {
    "logistic": "unit_interval",
    "softmax": "unit_interval",
    "tanh": "signed_unit",
    "relu": "non_negative",
    "softplus": "non_negative",
}


class AutoencoderMixin(ReconstructionMixin, ReconstructionErrorMixin):
    """Decoding and the checks that need the data."""

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        checked = CheckedViews((codes,), ("code",))
        return self._apply("decode_batch", checked)  # type: ignore[attr-defined]

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        check_factory(estimator.encoder, "encoder")
        check_factory(estimator.decoder, "decoder")
        MLP(estimator.hidden_layer_sizes)
        check_scaling(estimator.scaling, checked.names)
        if estimator.decoder == "tied" and estimator.encoder is not None:
            raise ValueError(
                "`decoder='tied'` reuses the weights of the default encoder, but `encoder` is a "
                "factory. Pass a decoder factory too, or leave `encoder=None`."
            )
        if estimator.output_activation == "softmax" and len(checked.names) > 1:
            raise ValueError(
                "`output_activation='softmax'` makes all features of a sample sum to 1, so it "
                f"fits one view of one-hot rows. Got {len(checked.names)} views. Use "
                "`VAE(likelihood='categorical')`, which normalises each view by itself."
            )
        domain = _RANGES.get(estimator.output_activation)
        if domain is not None:
            n_views = len(checked.names)
            argument = f"output_activation={estimator.output_activation!r}"
            check_domains(checked, [domain] * n_views, [argument] * n_views)


def build(
    estimator: Any,
    spec: ModuleSpec,
    *,
    view_weights: Any = "balanced",
    corruption: Any = None,
    sparsity: CodeSparsity | None = None,
) -> AutoencoderModule:
    """Return the module of an autoencoder.

    Parameters
    ----------
    estimator : estimator
        Read for its network parameters.
    spec : ModuleSpec
        The data.
    view_weights : str or dict, default="balanced"
        See `feature_weights`.
    corruption : object with kind and level, or None, default=None
        What spoils the input.
    sparsity : CodeSparsity or None, default=None
        What makes codes sparse.
    """
    scaler = make_scaler(spec, per_view(estimator.scaling, spec.names, "scaling"))
    n_features = sum(spec.widths)
    weights, weight_tensor = feature_weights(spec, view_weights)
    encoder, decoder, default = networks(estimator, n_features, spec.n_components, n_features)
    tied = estimator.decoder == "tied"
    output = activation(estimator.output_activation)
    linear = None
    if default and isinstance(output, nn.Identity) and sparsity is None:
        into, out_of = principal_maps(spec, scaler, None if tied else weights)
        linear = linear_layer(into)
        plain = encoder
        encoder = beside(linear, encoder)
        decoder = decoder if tied else beside(linear_layer(out_of), decoder)
        if encoder is linear:  # a linear model: the path is the whole encoder
            plain = nn.Sequential(linear)
            linear = None
    else:
        plain = encoder
    if tied:
        decoder = TiedDecoder(_sequential(plain), linear)
    return AutoencoderModule(
        scaler,
        encoder,
        decoder,
        output,
        weight_tensor,
        corruptor=None if corruption is None else _corruptor(corruption, spec, scaler),
        sparsity=sparsity,
    )


def _sequential(module: nn.Module) -> nn.Sequential:
    return module if isinstance(module, nn.Sequential) else nn.Sequential(module)


def _corruptor(corruption: Any, spec: ModuleSpec, scaler: ViewScaler) -> Corruptor:
    lowest = torch.cat([torch.as_tensor(_extreme(a, "min")) for a in spec.data.arrays])
    highest = torch.cat([torch.as_tensor(_extreme(a, "max")) for a in spec.data.arrays])
    to_working = [
        (values.float() - scaler.centre) / scaler.scale
        for values in (lowest, highest, torch.zeros_like(highest))
    ]
    return Corruptor(corruption.kind, float(corruption.level), *to_working)


def _extreme(array: Any, which: str) -> np.ndarray:
    found = getattr(array, which)(axis=0)
    found = found.toarray() if not isinstance(found, np.ndarray) else found
    return np.asarray(found, dtype=np.float64).ravel()
