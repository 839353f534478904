"""Kullback-Leibler divergences between diagonal normals, in nats per row."""

import torch
from torch import Tensor

__all__ = ["kl_normal", "kl_standard_normal"]


def kl_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    r"""Return the divergence of diagonal normals from the standard normal.

    .. math:: \mathrm{KL} = \tfrac12 \sum_j \left(m_j^2 + e^{s_j} - 1 - s_j\right)

    Parameters
    ----------
    mean : Tensor of shape (..., components)
        Means m.
    log_var : Tensor of shape (..., components)
        Logarithms s of the variances.

    Returns
    -------
    Tensor of shape (...)
        Nats per row; 0 or more, 0 only at mean 0 and variance 1.

    Examples
    --------
    >>> kl_standard_normal(torch.zeros(4, 2), torch.zeros(4, 2)).sum().item()
    0.0
    """
    # expm1 keeps the digits that exp(s) - 1 loses where a posterior sits close to the prior.
    return 0.5 * (mean.square() + torch.expm1(log_var) - log_var).sum(dim=-1)


def kl_normal(mean: Tensor, log_var: Tensor, other_mean: Tensor, other_log_var: Tensor) -> Tensor:
    r"""Return the divergence of diagonal normals from other diagonal normals.

    .. math:: \mathrm{KL} = \tfrac12 \sum_j
        \left(e^{d_j} - 1 - d_j + (m_j - m'_j)^2 e^{-s'_j}\right), \quad d_j = s_j - s'_j

    Parameters
    ----------
    mean, log_var : Tensor of shape (..., components)
        Means m and logarithms s of the variances of the first normal, over which the expectation is
        taken.
    other_mean, other_log_var : Tensor, broadcastable to the shape of `mean`
        The same of the second normal.

    Returns
    -------
    Tensor of shape (...)
        Nats per row; 0 or more, 0 only where the two agree.

    Examples
    --------
    >>> zeros, ones = torch.zeros(4, 2), torch.ones(4, 2)
    >>> kl_normal(ones, zeros, zeros, zeros).shape
    torch.Size([4])
    """
    log_ratio = log_var - other_log_var
    shift = (mean - other_mean).square() * torch.exp(-other_log_var)
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + shift).sum(dim=-1)
