"""Activations by name, and the initial weights that suit them.

"identity", "logistic", "tanh" and "relu" are scikit-learn's names; the others are torch's.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Final, Literal, get_args

import torch
from torch import nn

__all__ = ["ACTIVATIONS", "ActivationName", "activation", "check_activation", "initialise"]

ActivationName = Literal[
    "identity",
    "logistic",
    "tanh",
    "relu",
    "elu",
    "gelu",
    "leaky_relu",
    "mish",
    "selu",
    "silu",
    "softmax",
    "softplus",
]

ACTIVATIONS: Final[tuple[str, ...]] = get_args(ActivationName)

_MODULES: Final[dict[str, Callable[[], nn.Module]]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "softmax": partial(nn.Softmax, dim=-1),
    "softplus": nn.Softplus,
}

# Half of the input is (nearly) zeroed by these, so the weights' variance doubles to make up for it
# (He et al. 2015).
_RECTIFIERS: Final = frozenset({"relu", "elu", "gelu", "leaky_relu", "mish", "silu"})


def check_activation(name: str, argument: str = "activation") -> None:
    """Raise if `name` is not the name of an activation.

    Parameters
    ----------
    name : str
        What was asked for.
    argument : str, default="activation"
        The parameter it was given to, for the message.

    Raises
    ------
    ValueError
        If `name` is not one of `ACTIVATIONS`.

    Examples
    --------
    >>> check_activation("relu")
    """
    if name not in ACTIVATIONS:
        accepted = ", ".join(repr(known) for known in ACTIVATIONS)
        raise ValueError(
            f"`{argument}={name!r}` is not a known activation. Choose one of {accepted}."
        )


def activation(name: str) -> nn.Module:
    """Make the activation of this name.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`. "softmax" normalises over the last axis.

    Returns
    -------
    torch.nn.Module
        A new module without parameters, (..., units) to (..., units).

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.

    Examples
    --------
    >>> activation("relu")
    ReLU()
    """
    check_activation(name)
    return _MODULES[name]()


@torch.no_grad()
def initialise(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, following: str) -> None:
    """Draw the weights of a layer for the activation that follows it, and set its bias to 0.

    The rectifiers ("relu", "leaky_relu", "elu", "gelu", "mish", "silu") get He's uniform weights of
    variance ``2 / fan_in``, "selu" LeCun's ``1 / fan_in``, and the rest Glorot's ``2 / (fan_in +
    fan_out)``. Draws come from torch's global generator.

    Parameters
    ----------
    layer : nn.Linear, nn.Conv2d or nn.ConvTranspose2d
        Changed in place.
    following : str
        Name of the activation applied to the output of `layer`.

    Examples
    --------
    >>> layer = nn.Linear(3, 2)
    >>> initialise(layer, "relu")
    >>> layer.bias.abs().sum().item()
    0.0
    """
    fan_in, fan_out = _fans(layer)
    if following in _RECTIFIERS:
        variance = 2.0 / fan_in
    elif following == "selu":
        variance = 1.0 / fan_in
    else:
        variance = 2.0 / (fan_in + fan_out)
    bound = math.sqrt(3.0 * variance)
    layer.weight.uniform_(-bound, bound)
    if layer.bias is not None:
        layer.bias.zero_()


def _fans(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> tuple[float, float]:
    """Return how many inputs an output sums over, and how many outputs an input feeds."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    taps, stride = math.prod(layer.kernel_size), math.prod(layer.stride)
    # A stride thins out the taps that meet one pixel, on the side that has the more pixels.
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.in_channels * taps / stride, layer.out_channels * taps
    return layer.in_channels * taps, layer.out_channels * taps / stride
