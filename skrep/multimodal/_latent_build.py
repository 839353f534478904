"""Networks, likelihoods and start of the models that generate views from one code."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from skrep._base_networks import beside, networks, per_view, sizes_per_view
from skrep._base_variational import (
    LinearStart,
    before_counts,
    is_linear,
    linear_start,
    make_likelihoods,
    mean_links,
    start_at_means,
    start_variances,
)
from skrep.base import ModuleSpec
from skrep.nn.likelihoods import Likelihood as LikelihoodModule
from skrep.nn.scaling import ViewScaler
from skrep.utils.columns import column_slices
from skrep.utils.validation import CheckedViews

__all__ = ["Blocks", "build_blocks", "linear_encoder"]


class Blocks(NamedTuple):
    """What a module of several views is made of.

    Attributes
    ----------
    parts : list of Likelihood
        One per view.
    scaler : ViewScaler
        Between the caller's units and working units.
    encoders, decoders : list of Module
        One per view.
    start : LinearStart or None
        Where the networks started, if that was a linear method.
    """

    parts: list[LikelihoodModule]
    scaler: ViewScaler
    encoders: list[nn.Module]
    decoders: list[nn.Module]
    start: LinearStart | None


def build_blocks(
    estimator: Any, spec: ModuleSpec, *, n_private: int = 0, experts: bool = False
) -> Blocks:
    """Return networks, likelihoods and scaler.

    Parameters
    ----------
    estimator : estimator
        Read for its parameters.
    spec : ModuleSpec
        The data.
    n_private : int, default=0
        Size of each view's private code.
    experts : bool, default=False
        Whether encoders start as factors of a product with the prior, and not as posteriors.
    """
    parts, scaler = make_likelihoods(estimator.likelihood, spec)
    built = _view_networks(estimator, spec, spec.n_components + n_private)
    encoders, decoders = [pair[0] for pair in built], [pair[1] for pair in built]
    links = mean_links(spec, parts)
    start = None
    complete = _complete(spec)
    if all(pair[2] for pair in built) and is_linear(parts) and complete is not None:
        start = linear_start(complete, scaler, parts)
        start_variances(parts, start.residual, start.noise)
    own_decoder = [f is None for f in per_view(estimator.decoder, spec.names, "decoder")]
    for v, features in enumerate(column_slices(spec.widths)):
        if start is not None:
            linear = start.encoder(features, expert=experts)
            encoders[v] = beside(_with_room(linear, n_private, 2), encoders[v])
            linear = start.decoder(features, links[v])
            decoders[v] = beside(_with_inputs(linear, n_private), decoders[v])
        elif own_decoder[v]:
            start_at_means(links[v], decoders[v])
        encoders[v] = before_counts(spec, parts, encoders[v], [v])
    return Blocks(parts, scaler, encoders, decoders, start)


def linear_encoder(start: LinearStart | None, network: nn.Module) -> nn.Module:
    """Put the linear start of an encoder of all views beside its network."""
    return network if start is None else beside(start.encoder(slice(None)), network)


def _view_networks(
    estimator: Any, spec: ModuleSpec, n_code: int
) -> list[tuple[nn.Module, nn.Module, bool]]:
    """Return encoder, decoder and whether both are the default design, for each view."""
    names = spec.names
    settings = zip(
        sizes_per_view(estimator.hidden_layer_sizes, names),
        per_view(estimator.encoder, names, "encoder"),
        per_view(estimator.decoder, names, "decoder"),
        spec.widths,
        strict=True,
    )
    found = []
    for sizes, encoder, decoder, width in settings:
        design = SimpleNamespace(
            hidden_layer_sizes=sizes,
            activation=estimator.activation,
            encoder=encoder,
            decoder=decoder,
            n_components=n_code,
        )
        found.append(networks(design, width, 2 * n_code, width))
    return found


def _complete(spec: ModuleSpec) -> ModuleSpec | None:
    """Return the samples that have every view, or None where they are too few for a start."""
    present = spec.data.present
    if present is None:
        return spec
    rows = np.flatnonzero(present.all(axis=1))
    if len(rows) < max(2, 2 * spec.n_components):
        return None
    arrays = tuple(array[rows] for array in spec.data.arrays)
    data = CheckedViews(arrays, spec.names)
    return ModuleSpec(data, spec.n_components, spec.seed, spec.informed, spec.one_pass)


def _with_room(linear: nn.Linear, n_private: int, n_blocks: int) -> nn.Linear:
    """Append outputs for a private code, small at random, to each of the blocks of outputs."""
    if n_private == 0:
        return linear
    wide = nn.Linear(linear.in_features, linear.out_features + n_blocks * n_private)
    with torch.no_grad():
        weights, biases = [], []
        for i, (weight, bias) in enumerate(
            zip(linear.weight.chunk(n_blocks), linear.bias.chunk(n_blocks), strict=True)
        ):
            room = 0.01 * torch.randn(n_private, linear.in_features) * (i == 0)
            weights += [weight, room]
            biases += [bias, torch.zeros(n_private)]
        wide.weight.copy_(torch.cat(weights))
        wide.bias.copy_(torch.cat(biases))
    return wide


def _with_inputs(linear: nn.Linear, n_private: int) -> nn.Linear:
    """Append inputs for a private code, small at random."""
    if n_private == 0:
        return linear
    wide = nn.Linear(linear.in_features + n_private, linear.out_features)
    with torch.no_grad():
        room = 0.01 * torch.randn(linear.out_features, n_private)
        wide.weight.copy_(torch.cat([linear.weight, room], dim=1))
        wide.bias.copy_(linear.bias)
    return wide
