r"""Log-probabilities of one visible unit given all others, for pseudo-likelihoods.

Without hidden units the visible ones have the free energy :math:`F(x) = U(x) - b \cdot x -
\sum_i \Lambda(a_i)` with :math:`a = W x + c` and :math:`\Lambda` the log-partition function of a
hidden unit. A change of one unit changes :math:`a` by a multiple of a column of W, so every
conditional costs O(n_hidden). Pairs of a row and a unit stand along the first axis.
"""

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from skrep.functional.energies import softplus

__all__ = ["binary_conditional", "choice_conditional", "real_conditional"]

LogPartition = Callable[[Tensor], Tensor]

_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)
# Beyond this many standard deviations lies less than 1e-9 of a normal.
_TAIL: Final = 6.5
_MAX_POINTS: Final = 2048


def binary_conditional(
    x: Tensor, field: Tensor, column: Tensor, bias: Tensor, log_partition: LogPartition
) -> Tensor:
    """Return log p(x_j | all others) of a binary unit.

    Parameters
    ----------
    x : Tensor of shape (pairs,)
        The unit's states. Values between 0 and 1 weigh the two outcomes.
    field : Tensor of shape (pairs, n_hidden)
        Fields of the hidden units, the unit itself included.
    column : Tensor of shape (pairs, n_hidden)
        The unit's connections.
    bias : Tensor of shape (pairs,)
        The unit's bias.
    log_partition : callable
        Of a hidden unit, applied to every entry.

    Returns
    -------
    Tensor of shape (pairs,)
        Nats; at most 0.

    Examples
    --------
    >>> zeros = torch.zeros(1, 2)
    >>> round(binary_conditional(torch.ones(1), zeros, zeros, torch.zeros(1), softplus).item(), 3)
    -0.693
    """
    off = field - x.unsqueeze(1) * column
    odds = bias + (log_partition(off + column) - log_partition(off)).sum(dim=1)
    return x * odds - softplus(odds)


def choice_conditional(
    without: Tensor, weight: Tensor, bias: Tensor, log_partition: LogPartition
) -> Tensor:
    """Return log p(k | all others) for every category k of one variable, or word of one place.

    Parameters
    ----------
    without : Tensor of shape (pairs, n_hidden)
        Fields of the hidden units, the variable left out.
    weight : Tensor of shape (n_hidden, n_categories)
        The categories' connections.
    bias : Tensor of shape (n_categories,)
        The categories' biases.
    log_partition : callable
        Of a hidden unit, applied to every entry.

    Returns
    -------
    Tensor of shape (pairs, n_categories)
        Nats; their exponentials sum to 1.

    Examples
    --------
    >>> p = choice_conditional(torch.zeros(4, 2), torch.zeros(2, 3), torch.zeros(3), softplus)
    >>> p.shape
    torch.Size([4, 3])
    """
    fields = without.unsqueeze(1) + weight.T
    return torch.log_softmax(bias + log_partition(fields).sum(dim=2), dim=1)


def real_conditional(
    x: Tensor,
    field: Tensor,
    column: Tensor,
    bias: Tensor,
    log_partition: LogPartition,
    mean: Callable[[Tensor], Tensor],
    *,
    binary: bool,
) -> Tensor:
    r"""Return log p(x_j | all others) of a unit with base energy x^2 / 2, by quadrature.

    The conditional is a mixture of normals of variance 1, so the trapezoidal rule with spacing
    :math:`\le 1` has a relative error of at most :math:`2 e^{-2\pi^2} \approx 5 \cdot 10^{-9}`;
    as much is lost beyond the ends of the grid. A conditional that could spread over more than
    2,000 standard deviations gets a coarser grid.

    Parameters
    ----------
    x : Tensor of shape (pairs,)
        The unit's states.
    field : Tensor of shape (pairs, n_hidden)
        Fields of the hidden units, the unit itself included.
    column : Tensor of shape (pairs, n_hidden)
        The unit's connections.
    bias : Tensor of shape (pairs,)
        The unit's bias.
    log_partition, mean : callable
        Of a hidden unit, applied to every entry, and its derivative.
    binary : bool
        Whether hidden units are zeros and ones, which bounds the conditional means. If not, the
        squares of each row of `column` must sum to less than 1.

    Returns
    -------
    Tensor of shape (pairs,)
        Nats.

    Examples
    --------
    >>> zeros = torch.zeros(1, 2)
    >>> at = real_conditional(
    ...     torch.zeros(1), zeros, zeros, torch.zeros(1), softplus, torch.sigmoid, binary=True
    ... )
    >>> round(at.item(), 4)
    -0.9189
    """
    without = field - x.unsqueeze(1) * column

    def log_weight(t: Tensor) -> Tensor:
        inner = log_partition(without + t.unsqueeze(1) * column).sum(dim=1)
        return inner + t * (bias - 0.5 * t)

    if binary:
        low = bias + column.clamp_max(0.0).sum(dim=1) - _TAIL
        high = bias + column.clamp_min(0.0).sum(dim=1) + _TAIL
    else:
        low, high = _bounds_of_concave(without, column, bias, mean)
    span = high - low
    widest = float(span.detach().max()) if span.numel() else 1.0
    # Weights that diverge must not make an endless grid.
    n_points = _MAX_POINTS if not widest < _MAX_POINTS - 2 else max(2, math.ceil(widest) + 1)
    spacing = span / (n_points - 1)
    total = torch.full_like(x, -math.inf)
    for k in range(n_points):
        total = torch.logaddexp(total, log_weight(low + k * spacing))
    return log_weight(x) - total - spacing.log()


def _bounds_of_concave(
    without: Tensor, column: Tensor, bias: Tensor, mean: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    # The log-density curves down at least by 1 - |w|^2, so it decays like a normal around its mode.
    curvature = (1.0 - column.square().sum(dim=1)).clamp_min(1e-4)
    mode = bias.clone()
    for _ in range(20):
        slope = bias - mode + (column * mean(without + mode.unsqueeze(1) * column)).sum(dim=1)
        # A step of slope / largest curvature cannot overshoot; Newton's lower bound is not needed.
        mode = mode + slope
    slope = bias - mode + (column * mean(without + mode.unsqueeze(1) * column)).sum(dim=1)
    # What is left of the slope says how far away the mode can still be.
    reach = _TAIL * curvature.rsqrt() + slope.abs() / curvature
    return mode - reach, mode + reach
