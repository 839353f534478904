r"""Energies and log-partition functions of layers of units, in nats.

A layer has the distribution :math:`p(x) \propto \exp(f \cdot x - U(x))` given its total input
:math:`f` (bias plus what comes over the connections), called its field, with :math:`U` the base
energy of the units: 0 for binary units, :math:`x^2/2` for gaussian and rectified ones.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "binary_states",
    "bipartite_energy",
    "gaussian_log_partition",
    "log_multinomial_coefficient",
    "rectified_log_partition",
    "rectified_mean",
    "softplus",
]

_SQRT_HALF: Final = math.sqrt(0.5)
_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)
# Beyond this the mean of a rectified unit is taken from its asymptotic series.
_FAR: Final = 10.0


def softplus(field: Tensor) -> Tensor:
    """Return log(1 + exp(field)), the log-partition function of a binary unit.

    Parameters
    ----------
    field : Tensor of shape (...)
        Log-odds of a one.

    Returns
    -------
    Tensor of the same shape
        Nats; exact in both tails.

    Examples
    --------
    >>> softplus(torch.tensor([-200.0, 200.0]))
    tensor([  0., 200.])
    """
    return F.softplus(field, threshold=40.0)


def gaussian_log_partition(field: Tensor) -> Tensor:
    r"""Return :math:`\log \int \exp(f x - x^2/2)\,dx = f^2/2 + \frac12\log 2\pi`.

    Parameters
    ----------
    field : Tensor of shape (...)
        Mean of the unit.

    Returns
    -------
    Tensor of the same shape
        Nats.

    Examples
    --------
    >>> gaussian_log_partition(torch.zeros(2)).shape
    torch.Size([2])
    """
    return 0.5 * field.square() + _HALF_LOG_TWO_PI


def rectified_log_partition(field: Tensor) -> Tensor:
    r"""Return :math:`\log \int_0^\infty \exp(f h - h^2/2)\,dh`, of a normal cut off below 0.

    It equals :math:`f^2/2 + \frac12\log 2\pi + \log\Phi(f)`; left of 0, where these terms cancel,
    it is taken from the scaled complementary error function instead.

    Parameters
    ----------
    field : Tensor of shape (...)
        Mean of the uncut normal, whose variance is 1.

    Returns
    -------
    Tensor of the same shape
        Nats; finite and accurate for any finite field.

    Examples
    --------
    >>> bool(rectified_log_partition(torch.tensor([-1e4, 0.0, 50.0])).isfinite().all())
    True
    """
    left = torch.log(0.5 * torch.special.erfcx(-field.clamp_max(0.0) * _SQRT_HALF))
    positive = field.clamp_min(0.0)
    right = 0.5 * positive.square() + torch.log(0.5 * torch.erfc(-positive * _SQRT_HALF))
    return torch.where(field < 0.0, left, right) + _HALF_LOG_TWO_PI


def rectified_mean(field: Tensor) -> Tensor:
    r"""Return the mean of a normal of mean `field` and variance 1, cut off below 0.

    .. math:: f + \phi(f) / \Phi(f)

    Parameters
    ----------
    field : Tensor of shape (...)
        Mean of the uncut normal.

    Returns
    -------
    Tensor of the same shape
        Above 0; the derivative of `rectified_log_partition`.

    Examples
    --------
    >>> rectified_mean(torch.tensor([-1e3, 1e3]))
    tensor([1.0000e-03, 1.0000e+03])
    """
    near = field.clamp_min(-_FAR)
    left = near.clamp_max(0.0)
    hazard_left = math.sqrt(2.0 / math.pi) / torch.special.erfcx(-left * _SQRT_HALF)
    right = near.clamp_min(0.0)
    density = torch.exp(-0.5 * right.square() - _HALF_LOG_TWO_PI)
    hazard_right = density / (0.5 * torch.erfc(-right * _SQRT_HALF))
    mean = near + torch.where(field < 0.0, hazard_left, hazard_right)
    inverse = field.clamp_max(-_FAR).reciprocal()
    square = inverse.square()
    tail = -inverse * (1.0 - square * (2.0 - square * (10.0 - 74.0 * square)))
    return torch.where(field < -_FAR, tail, mean)


def log_multinomial_coefficient(counts: Tensor) -> Tensor:
    """Return the logarithm of the number of orders in which the counted words can stand.

    Parameters
    ----------
    counts : Tensor of shape (..., n_words)
        Whole numbers.

    Returns
    -------
    Tensor of shape (...)
        Nats.

    Examples
    --------
    >>> round(log_multinomial_coefficient(torch.tensor([1.0, 2.0])).exp().item())
    3
    """
    return torch.lgamma(counts.sum(dim=-1) + 1.0) - torch.lgamma(counts + 1.0).sum(dim=-1)


def bipartite_energy(
    visible: Tensor, hidden: Tensor, weight: Tensor, visible_bias: Tensor, hidden_bias: Tensor
) -> Tensor:
    r"""Return :math:`-v^\top W^\top h - b \cdot v - c \cdot h`, without base energies.

    Parameters
    ----------
    visible : Tensor of shape (rows, n_visible)
        States of one side.
    hidden : Tensor of shape (rows, n_hidden)
        States of the other.
    weight : Tensor of shape (n_hidden, n_visible)
        Connections.
    visible_bias : Tensor of shape (n_visible,)
        Of one side.
    hidden_bias : Tensor of shape (n_hidden,) or (rows, n_hidden)
        Of the other.

    Returns
    -------
    Tensor of shape (rows,)
        Nats; lower is more probable.

    Examples
    --------
    >>> v, h = torch.ones(2, 3), torch.ones(2, 4)
    >>> bipartite_energy(v, h, torch.ones(4, 3), torch.zeros(3), torch.zeros(4))
    tensor([-12., -12.])
    """
    field = visible @ weight.T + hidden_bias
    return -(field * hidden).sum(dim=-1) - visible @ visible_bias


def binary_states(start: int, stop: int, n_units: int, like: Tensor) -> Tensor:
    """Return the binary expansions of the integers from `start` to `stop` - 1.

    Parameters
    ----------
    start, stop : int
        Range of states, within 0 and 2 ** `n_units`.
    n_units : int
        Bits a state.
    like : Tensor
        Gives dtype and device.

    Returns
    -------
    Tensor of shape (stop - start, n_units)
        Zeros and ones, the lowest bit first.

    Examples
    --------
    >>> binary_states(0, 4, 2, torch.zeros(1))
    tensor([[0., 0.],
            [1., 0.],
            [0., 1.],
            [1., 1.]])
    """
    numbers = torch.arange(start, stop, device=like.device).unsqueeze(1)
    bits = torch.arange(n_units, device=like.device)
    return ((numbers >> bits) & 1).to(like.dtype)
