"""Log-probabilities of observation models, in nats per row.

Symbols: x is (rows, features); parameters are (..., rows, features), so that several draws of a
code share one x; the result is (..., rows), summed over features, every normalising constant
included.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "bernoulli_log_prob",
    "categorical_log_prob",
    "gaussian_log_prob",
    "poisson_log_prob",
]

_LOG_TWO_PI: Final = math.log(2.0 * math.pi)


def gaussian_log_prob(x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Return the log-density of rows under independent normals.

    Parameters
    ----------
    x : Tensor of shape (rows, features)
        Observations.
    mean : Tensor of shape (..., rows, features)
        Means, in the units of `x`.
    log_var : Tensor, broadcastable to the shape of `mean`
        Logarithm of the variances: one number, one per feature, or one per entry.

    Returns
    -------
    Tensor of shape (..., rows)
        Nats per row.

    Examples
    --------
    >>> x = torch.zeros(4, 3)
    >>> gaussian_log_prob(x, torch.zeros(2, 4, 3), torch.tensor(0.0)).shape
    torch.Size([2, 4])
    """
    squares, precision, constant = (mean - x).square(), torch.exp(-log_var), log_var + _LOG_TWO_PI
    if log_var.ndim == 0:
        # One variance for all comes out of the sum, which halves the cost of value and gradient.
        return -0.5 * (squares.sum(dim=-1) * precision + x.shape[-1] * constant)
    return -0.5 * (squares * precision + constant).sum(dim=-1)


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """Return the log-probability of rows of zeros and ones under independent Bernoulli variables.

    Parameters
    ----------
    x : Tensor of shape (rows, features)
        Zeros and ones. Values between them are weighed linearly, which is the negative
        cross-entropy and no longer a normalised density.
    logits : Tensor of shape (..., rows, features)
        Log-odds of a one.

    Returns
    -------
    Tensor of shape (..., rows)
        Nats per row; never above 0.

    Examples
    --------
    >>> x = torch.ones(4, 3)
    >>> bernoulli_log_prob(x, torch.zeros(4, 3)).shape
    torch.Size([4])
    """
    target = x.expand_as(logits)
    # The same number as x * l - softplus(l), in one kernel that neither overflows nor cancels.
    return -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=-1)


def categorical_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """Return the log-probability of one-hot rows under a softmax over the features.

    Parameters
    ----------
    x : Tensor of shape (rows, features)
        One-hot rows, or rows of probabilities, for which the result is the negative cross-entropy.
    logits : Tensor of shape (..., rows, features)
        Log-probabilities up to a constant per row.

    Returns
    -------
    Tensor of shape (..., rows)
        Nats per row; never above 0.

    Examples
    --------
    >>> x = torch.eye(3)
    >>> categorical_log_prob(x, torch.zeros(7, 3, 3)).shape
    torch.Size([7, 3])
    """
    return (x * F.log_softmax(logits, dim=-1)).sum(dim=-1)


def poisson_log_prob(x: Tensor, log_rate: Tensor) -> Tensor:
    """Return the log-probability of rows of counts under independent Poisson variables.

    Parameters
    ----------
    x : Tensor of shape (rows, features)
        Counts 0, 1, 2, ...
    log_rate : Tensor of shape (..., rows, features)
        Logarithm of the expected counts. In float32 the rate overflows above a log-rate of 88,
        where the result is minus infinity.

    Returns
    -------
    Tensor of shape (..., rows)
        Nats per row; never above 0.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 2.0]])
    >>> poisson_log_prob(x, torch.zeros(1, 2)).shape
    torch.Size([1])
    """
    # The constant is summed on its own: it is (rows,), however many draws of the parameters there
    # are.
    constant = torch.lgamma(x + 1.0).sum(dim=-1)
    return (x * log_rate - torch.exp(log_rate)).sum(dim=-1) - constant
