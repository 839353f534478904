"""Building a multimodal autoencoder from parameters."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from skrep._base_networks import (
    beside,
    check_factory,
    has_sizes_per_view,
    linear_layer,
    make_scaler,
    networks,
    per_view,
    sizes_per_view,
    view_shares,
)
from skrep._base_variational import check_likelihoods
from skrep.base import ModuleSpec
from skrep.multimodal._fusion_start import Start, Working, principal_start
from skrep.nn.fusion import (
    AttentionFusion,
    Completion,
    ConcatFusion,
    EarlyFusion,
    FusionModule,
    GateFusion,
    LateFusion,
    OneProductPath,
    ViewCodes,
    ViewWeigher,
)
from skrep.nn.likelihoods import LIKELIHOODS, Gaussian, Likelihood
from skrep.nn.linear_path import WithLinearPath
from skrep.nn.mlp import MLP
from skrep.nn.multimodal_autoencoder import (
    EncoderInputs,
    MultimodalAutoencoderModule,
    ViewDecoders,
)
from skrep.nn.scaling import ViewScaler
from skrep.utils import settings
from skrep.utils.columns import column_slices
from skrep.utils.validation import CheckedViews

__all__ = ["build", "check_networks", "fusion_of", "likelihood_settings"]


class _Parts(NamedTuple):
    """What the networks of one fit are made from."""

    spec: ModuleSpec
    working: Working
    models: list[Likelihood]
    weights: np.ndarray
    designs: list[SimpleNamespace]
    is_default: bool

    @property
    def slices(self) -> list[slice]:
        return column_slices(self.spec.widths)


def fusion_of(estimator: Any, n_views: int) -> settings.Fusion:
    """Return the fusion asked for; one view is an autoencoder, whatever was."""
    given = settings.Fusion.of(estimator.fusion)
    return given if n_views > 1 else settings.Fusion("early")


def likelihood_settings(estimator: Any, names: Sequence[str]) -> list[settings.Likelihood]:
    """Return one likelihood per view."""
    return [
        settings.Likelihood.of(value)
        for value in per_view(estimator.likelihood, names, "likelihood")
    ]


def check_networks(estimator: Any, checked: CheckedViews) -> None:
    """Raise for networks and likelihoods that do not fit the fusion or the data."""
    fusion = fusion_of(estimator, len(checked.names))
    settings.Fusion.of(estimator.fusion).check()
    n_views = len(checked.names)
    if fusion.kind == "late" and estimator.n_components < n_views:
        raise ValueError(
            f"Fusion('late') gives every view a part of the code. Got n_components="
            f"{estimator.n_components} for {n_views} views. Set `n_components` to {n_views} or "
            f"more."
        )
    one_encoder = fusion.kind in ("early", "early_weighted")
    for argument, is_one in (
        ("encoder", one_encoder),
        ("decoder", fusion.shares_decoder),
        ("hidden_layer_sizes", one_encoder and fusion.shares_decoder),
    ):
        value = getattr(estimator, argument)
        if n_views > 1 and is_one and _is_per_view(argument, value):
            raise ValueError(
                f"`{argument}` has a value for each view, but {fusion.kind!r} fusion has one "
                f"{'decoder' if argument == 'decoder' else 'encoder'} for all views. Pass one "
                f"value, or choose `fusion='concat'`, which has one per view."
            )
    for argument in ("encoder", "decoder"):
        for factory in per_view(getattr(estimator, argument), checked.names, argument):
            check_factory(factory, argument)
    for sizes in sizes_per_view(estimator.hidden_layer_sizes, checked.names):
        MLP(sizes)
    check_likelihoods(estimator.likelihood, checked)


def _is_per_view(argument: str, value: Any) -> bool:
    if argument == "hidden_layer_sizes":
        return has_sizes_per_view(value)
    return isinstance(value, (dict, tuple))


def _designs(estimator: Any, names: Sequence[str]) -> list[SimpleNamespace]:
    """Return what `networks` reads, one per view."""
    rows = zip(
        per_view(estimator.encoder, names, "encoder"),
        per_view(estimator.decoder, names, "decoder"),
        sizes_per_view(estimator.hidden_layer_sizes, names),
        strict=True,
    )
    return [
        SimpleNamespace(
            encoder=encoder,
            decoder=decoder,
            hidden_layer_sizes=sizes,
            activation=estimator.activation,
            n_components=estimator.n_components,
        )
        for encoder, decoder, sizes in rows
    ]


def build(estimator: Any, spec: ModuleSpec) -> MultimodalAutoencoderModule:
    """Return the module of a multimodal autoencoder.

    Parameters
    ----------
    estimator : estimator
        Read for its parameters.
    spec : ModuleSpec
        The data.
    """
    fusion = fusion_of(estimator, len(spec.names))
    chosen = likelihood_settings(estimator, spec.names)
    models = [
        _observation_model(s.kind, width) for s, width in zip(chosen, spec.widths, strict=True)
    ]
    real = [model.domain == "real" for model in models]
    scaler = make_scaler(
        spec, [s.scaling if r else None for s, r in zip(chosen, real, strict=True)]
    )
    working, inputs = _working(spec, scaler, models)
    shares = view_shares(spec, estimator.view_weights)
    weights = np.repeat(shares / np.array(spec.widths, dtype=float), spec.widths)
    designs = _designs(estimator, spec.names)
    is_default = all(d.encoder is None and d.decoder is None for d in designs)
    parts = _Parts(spec, working, models, weights, designs, is_default)
    make = _late if fusion.kind == "late" else _joint
    encoder, completion, decoder = make(parts, fusion)
    rates = None
    if spec.data.present is not None:
        rates = torch.from_numpy(spec.data.present.mean(axis=0))
    return MultimodalAutoencoderModule(
        scaler,
        inputs,
        encoder,
        completion,
        decoder,
        models,
        torch.from_numpy(shares),
        rates=rates,
        rate=fusion.rate,
    )


def _observation_model(kind: str, width: int) -> Likelihood:
    made = LIKELIHOODS[kind]
    # The error of a gaussian is squared: its variance has nothing to weigh.
    return made(width, variance=1.0) if issubclass(made, Gaussian) else made(width)


def _working(
    spec: ModuleSpec, scaler: ViewScaler, models: list[Likelihood]
) -> tuple[Working, EncoderInputs | None]:
    """Return the space that encoders see, and the way to it where it is not that of the targets."""
    counts = tuple(model.domain == "counts" for model in models)
    if all(model.domain == "real" for model in models):
        return Working(scaler.centre, scaler.scale, counts), None
    empty = Working(scaler.centre, scaler.scale, counts)
    logs = replace(spec, data=spec.data._replace(arrays=empty.logs(spec.data.arrays)))
    own = make_scaler(logs, ["view"] * len(models))
    cuts = list(spec.widths)
    rows = zip(
        models,
        scaler.centre.split(cuts),
        scaler.scale.split(cuts),
        own.centre.split(cuts),
        own.scale.split(cuts),
        strict=True,
    )
    # Real views are in working units already.
    pairs = [(c, s) if m.domain == "real" else (oc, os) for m, c, s, oc, os in rows]
    working = Working(torch.cat([c for c, _ in pairs]), torch.cat([s for _, s in pairs]), counts)
    seen = [
        (torch.zeros_like(c), torch.ones_like(s)) if m.domain == "real" else (c, s)
        for m, (c, s) in zip(models, pairs, strict=True)
    ]
    is_count = torch.repeat_interleave(torch.tensor(counts), torch.tensor(cuts))
    inputs = EncoderInputs(
        is_count, torch.cat([c for c, _ in seen]), torch.cat([s for _, s in seen])
    )
    return working, inputs


def _joint(
    parts: _Parts, fusion: settings.Fusion
) -> tuple[FusionModule, Completion | None, nn.Module]:
    """Return fusion, completion and decoder of views that are trained jointly."""
    spec, designs = parts.spec, parts.designs
    k, n_features = spec.n_components, sum(spec.widths)
    one_encoder = fusion.kind in ("early", "early_weighted")
    rows = list(zip(designs, spec.widths, strict=True))
    encoders: list[nn.Module]
    if one_encoder and fusion.shares_decoder:
        encoder, decoder, _ = networks(designs[0], n_features, k, n_features)
        encoders, decoders = [encoder], [decoder]
    else:
        pairs = [networks(design, width, k, width)[:2] for design, width in rows]
        encoders, decoders = [e for e, _ in pairs], [d for _, d in pairs]
        if one_encoder:
            encoders = [networks(designs[0], n_features, k, 1)[0]]
        if fusion.shares_decoder:
            decoders = [networks(designs[0], 1, k, n_features)[1]]
    weighs = fusion.kind in ("early_weighted", "gate", "attention")
    is_mean = weighs and not one_encoder
    shares = np.full(len(spec.names), 1.0 / len(spec.names))
    completion = None
    if parts.is_default:
        start = principal_start(spec, parts.working, parts.weights, is_mean=is_mean)
        shares = start.shares if weighs else shares
        completion = start.completion if len(spec.names) > 1 else None
        encoders = _with_paths_in(parts, start, encoders, divide=is_mean)
        decoders = _with_paths_out(parts, start.out_of, decoders)
    elif fusion.shares_decoder or all(d.decoder is None for d in designs):
        _start_at_means(parts, decoders)
    start_shares = torch.from_numpy(shares).float()
    fused = _fused(fusion.kind, encoders, spec.widths, k, start_shares, is_sum=parts.is_default)
    return fused, completion, decoders[0] if len(decoders) == 1 else ViewDecoders(decoders)


def _fused(
    kind: str,
    encoders: list[nn.Module],
    widths: tuple[int, ...],
    k: int,
    shares: Tensor,
    *,
    is_sum: bool,
) -> FusionModule:
    if kind == "early":
        return EarlyFusion(encoders[0], widths)
    if kind == "early_weighted":
        return EarlyFusion(encoders[0], widths, ViewWeigher(shares))
    codes = ViewCodes(encoders, widths)
    if kind == "concat":
        return ConcatFusion(codes, k, is_sum=is_sum)
    made = GateFusion if kind == "gate" else AttentionFusion
    return made(codes, k, shares)


def _late(
    parts: _Parts, fusion: settings.Fusion
) -> tuple[FusionModule, Completion | None, nn.Module]:
    """Return one autoencoder per view, side by side."""
    spec = parts.spec
    sizes = _divided(spec.n_components, spec.widths)
    encoders, decoders = [], []
    for i, (size, features) in enumerate(zip(sizes, parts.slices, strict=True)):
        views = slice(i, i + 1)
        design = SimpleNamespace(**{**vars(parts.designs[i]), "n_components": size})
        present = spec.data.present
        rows = np.arange(spec.data.n_samples) if present is None else np.flatnonzero(present[:, i])
        array = spec.data.arrays[i] if present is None else spec.data.arrays[i][rows]
        alone = replace(spec, data=CheckedViews((array,), (spec.names[i],)), n_components=size)
        own = _Parts(
            alone,
            parts.working.part(views, features),
            parts.models[views],
            parts.weights[features],
            [design],
            design.encoder is None and design.decoder is None,
        )
        encoder, decoder, _ = networks(design, spec.widths[i], size, spec.widths[i])
        if own.is_default:
            start = principal_start(alone, own.working, own.weights, is_mean=False)
            (encoder,) = _with_paths_in(own, start, [encoder], divide=False)
            encoder = _one_product(encoder)
            (decoder,) = _with_paths_out(own, start.out_of, [decoder])
        elif design.decoder is None:
            _start_at_means(own, [decoder])
        encoders.append(encoder)
        decoders.append(decoder)
    return LateFusion(ViewCodes(encoders, spec.widths)), None, ViewDecoders(decoders, sizes)


def _divided(n_components: int, widths: Sequence[int]) -> list[int]:
    """Divide the code evenly; a view takes no more than its width as long as others have room."""
    sizes = [0] * len(widths)
    for _ in range(n_components):
        open_views = [i for i, width in enumerate(widths) if sizes[i] < width]
        # The first of those that have least.
        sizes[min(open_views or range(len(widths)), key=sizes.__getitem__)] += 1
    return sizes


def _with_paths_in(
    parts: _Parts, start: Start, encoders: list[nn.Module], *, divide: bool
) -> list[nn.Module]:
    """Put the linear start beside the encoders; for a mean of codes each is brought to one size."""
    if len(encoders) == 1:
        return [beside(linear_layer(start.into), encoders[0])]
    shares = start.shares if divide else np.ones(len(encoders))
    return [
        _one_product(beside(linear_layer(start.into[:, features] / share), encoder))
        for features, share, encoder in zip(parts.slices, shares, encoders, strict=True)
    ]


def _one_product(encoder: nn.Module) -> nn.Module:
    if not isinstance(encoder, WithLinearPath):
        return encoder
    return OneProductPath(encoder.linear, cast("nn.Sequential", encoder.network))


def _with_paths_out(
    parts: _Parts, out_of: np.ndarray, decoders: list[nn.Module]
) -> list[nn.Module]:
    """Put the linear start beside the decoders, in the units of each view's likelihood."""
    maps, biases = [], []
    scales = parts.working.scale.double().numpy()
    for model, features, mean in zip(parts.models, parts.slices, _means(parts.spec), strict=True):
        slope = np.ones(model.width)
        if model.domain == "unit_interval":  # of log-odds, at 1/2
            slope = 4.0 * scales[features]
        elif model.domain == "one_hot":  # of log-probabilities, at equal ones
            slope = model.width * scales[features]
        elif model.domain == "counts":  # codes are of logarithms
            slope = scales[features]
        maps.append(out_of[features] * slope[:, None])
        biases.append(_link(model, mean))
    if len(decoders) == 1:
        return [beside(linear_layer(np.vstack(maps), np.concatenate(biases)), decoders[0])]
    rows = zip(maps, biases, decoders, strict=True)
    return [beside(linear_layer(weight, bias), decoder) for weight, bias, decoder in rows]


def _start_at_means(parts: _Parts, decoders: list[nn.Module]) -> None:
    """Start the last bias of default decoders at the mean of the data."""
    biases = [_link(m, mean) for m, mean in zip(parts.models, _means(parts.spec), strict=True)]
    if len(decoders) == 1:
        biases = [np.concatenate(biases)]
    for decoder, bias in zip(decoders, biases, strict=True):
        last = [layer for layer in decoder.modules() if isinstance(layer, nn.Linear)]
        if last and len(last[-1].bias) == len(bias):
            with torch.no_grad():
                last[-1].bias.copy_(torch.from_numpy(bias))


def _means(spec: ModuleSpec) -> list[np.ndarray]:
    return [moments.mean for moments in spec.moments]


def _link(model: Likelihood, mean: np.ndarray) -> np.ndarray:
    """Return the decoder output that stands for the mean of the data; 0 for real views."""
    if model.domain == "real":
        return np.zeros(model.width)
    return model.link(torch.as_tensor(mean, dtype=torch.float32)).double().numpy()
