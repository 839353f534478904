"""Estimates of a log-evidence from importance weights."""

import math

import torch
from torch import Tensor

__all__ = ["effective_sample_size", "importance_weighted_bound"]


def importance_weighted_bound(log_weights: Tensor, dim: int = 0) -> Tensor:
    r"""Return the logarithm of the mean weight, a lower bound on the log-evidence in expectation.

    .. math:: \log \frac1K \sum_{k=1}^{K} w_k,
        \quad w_k = \frac{p(x, z_k)}{q(z_k \mid x)}, \quad z_k \sim q

    With K = 1 it is the single-draw evidence lower bound; its expectation never falls as K grows,
    and tends to log p(x) [1]_.

    Parameters
    ----------
    log_weights : Tensor of shape (draws, ...)
        Logarithms of the weights, in nats.
    dim : int, default=0
        The axis of the K draws.

    Returns
    -------
    Tensor of shape (...)
        Nats per row.

    References
    ----------
    .. [1] Burda, Y., Grosse, R. and Salakhutdinov, R. "Importance weighted autoencoders."
       ICLR 2016. https://arxiv.org/abs/1509.00519

    Examples
    --------
    >>> importance_weighted_bound(torch.zeros(50, 4)).shape
    torch.Size([4])
    """
    return torch.logsumexp(log_weights, dim=dim) - math.log(log_weights.shape[dim])


def effective_sample_size(log_weights: Tensor, dim: int = 0) -> Tensor:
    r"""Return how many equally weighted draws the weights are worth.

    .. math:: \frac{(\sum_k w_k)^2}{\sum_k w_k^2}

    Parameters
    ----------
    log_weights : Tensor of shape (draws, ...)
        Logarithms of the weights, up to a constant.
    dim : int, default=0
        The axis of the K draws.

    Returns
    -------
    Tensor of shape (...)
        Between 1 (one draw carries everything) and K (all weights equal).

    Examples
    --------
    >>> round(effective_sample_size(torch.zeros(50)).item())
    50
    """
    total = torch.logsumexp(log_weights, dim=dim)
    return torch.exp(2.0 * total - torch.logsumexp(2.0 * log_weights, dim=dim))
