"""Penalties and selections that make a code sparse."""

import torch
from torch import Tensor

__all__ = ["kl_to_rate", "l1_penalty", "top_k"]

# Distance kept from 0 and 1 before a logarithm; far below any rate one would ask for.
_MARGIN = 1e-6


def l1_penalty(codes: Tensor) -> Tensor:
    """Return the mean over rows of the sum of absolute codes.

    Parameters
    ----------
    codes : Tensor of shape (rows, units)
        Codes of a batch.

    Returns
    -------
    Tensor of shape ()
        Penalty per sample, in the units of the code; 0 or more.

    Examples
    --------
    >>> l1_penalty(torch.tensor([[1.0, -2.0], [0.0, 1.0]])).item()
    2.0
    """
    return codes.abs().sum(dim=-1).mean()


def kl_to_rate(activations: Tensor, rate: float) -> Tensor:
    r"""Return the divergence of each unit's mean activation from a target rate, summed over units.

    .. math:: \sum_j \rho \log \frac{\rho}{m_j} + (1 - \rho) \log \frac{1 - \rho}{1 - m_j}

    where :math:`m_j` is the mean over rows of unit j. Nats; 0 or more, 0 only where every mean
    equals the rate.

    Parameters
    ----------
    activations : Tensor of shape (rows, units)
        Activations between 0 and 1, for example after a sigmoid. A mean outside [0, 1] gives NaN.
    rate : float
        Target mean activation :math:`\rho`, strictly between 0 and 1; lower means sparser codes.

    Returns
    -------
    Tensor of shape ()
        Divergence in nats, one number for the batch.

    Raises
    ------
    ValueError
        If `rate` is not strictly between 0 and 1.

    Examples
    --------
    >>> kl_to_rate(torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 0.5).item() > 0
    True
    """
    if not 0 < rate < 1:
        raise ValueError(
            f"`rate` is a mean activation; got {rate!r}. Pass a number strictly between 0 and 1."
        )
    # Squeezed into [margin, 1 - margin] rather than clamped: a clamp has gradient 0 outside its
    # bounds, which would leave a unit that is always off there for ever.
    mean = _MARGIN + (1.0 - 2.0 * _MARGIN) * activations.mean(dim=0)
    on = rate * (torch.log(torch.full_like(mean, rate)) - mean.log())
    off = (1.0 - rate) * (torch.log1p(torch.full_like(mean, -rate)) - torch.log1p(-mean))
    return (on + off).sum()


def top_k(codes: Tensor, k: int) -> Tensor:
    """Keep the `k` codes largest in absolute value of every row and set the others to 0.

    For codes that are never negative this is the same as the `k` largest values. Gradients pass
    unchanged through what is kept and are 0 elsewhere. Of equal magnitudes at the boundary some are
    kept and some not, so that the number kept is exactly `k`.

    Parameters
    ----------
    codes : Tensor of shape (..., units)
        Codes, one row per sample.
    k : int
        Number of codes kept in each row, from 1 to units.

    Returns
    -------
    Tensor of shape (..., units)
        Codes with ``units - k`` zeros put into every row.

    Raises
    ------
    ValueError
        If `k` is less than 1 or more than the number of units.

    Examples
    --------
    >>> top_k(torch.tensor([[3.0, -4.0, 1.0]]), 2)
    tensor([[ 3., -4.,  0.]])
    """
    units = codes.shape[-1]
    if not 1 <= k <= units:
        raise ValueError(
            f"`k={k!r}` is not between 1 and {units}, the number of units of the code."
        )
    kept = codes.abs().topk(k, dim=-1, sorted=False).indices
    return torch.zeros_like(codes).scatter(-1, kept, codes.gather(-1, kept))
