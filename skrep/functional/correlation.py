r"""Correlation between codes of several views as a training loss.

With :math:`Z_v` the centred codes of view v, (n, k), covariances :math:`C_{uv} = Z_u^\top Z_v /
(n - 1)` and :math:`D_v = C_{vv} + r\, \frac{\mathrm{tr}\, C_{vv}}{k} I`, the total correlation is
the sum of the k largest eigenvalues :math:`\lambda` of

.. math:: \sum_{v \ne u} C_{uv} w_v = \lambda D_u w_u

divided by V - 1, which lies in [0, k]. For two views it is the sum of the canonical correlations,
the trace norm of :math:`D_1^{-1/2} C_{12} D_2^{-1/2}`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["correlation_loss", "eckart_young_loss"]

# Added to unit mean variance, so that a factorisation in float64 never fails.
_LEAST_RIDGE = 1e-10


def correlation_loss(
    codes: Sequence[Tensor],
    regularization: float | Sequence[float] = 1e-4,
    *,
    squared: bool = False,
) -> Tensor:
    """Return minus the total correlation of two or more codes.

    The gradient is written out from the eigenvectors that the value needs [1]_: nothing is divided
    by a difference of eigenvalues, so ties do no harm. Computed in float64 whatever comes in.

    Parameters
    ----------
    codes : sequence of Tensor of shape (rows, n_components)
        One per view; widths may differ for two views.
    regularization : float or sequence of float, default=1e-4
        Ridge of each view, relative to the mean variance of its codes.
    squared : bool, default=False
        Whether correlations are squared before they are summed, which lets weak components wait
        until strong ones are found.

    Returns
    -------
    Tensor of shape ()
        Between minus the smallest width and 0; NaN only where a code is not finite. 0 for codes
        that are constant. Rows no more than all widths together give the best value whatever the
        data are.

    References
    ----------
    .. [1] Andrew, G., Arora, R., Bilmes, J. and Livescu, K. "Deep canonical correlation analysis."
       ICML 2013.
    """
    ridges = _per_view(regularization, len(codes))
    value: Tensor = _TotalCorrelation.apply(ridges, squared, *codes)  # type: ignore[no-untyped-call]
    return -value


def eckart_young_loss(codes: Sequence[Tensor]) -> Tensor:
    r"""Return the Eckart-Young loss of two or more codes, whose mean over batches is unbiased.

    .. math:: -2 \sum_{u \ne v} \mathrm{tr}\, C_{uv} + \mathrm{tr}(S\, S'), \quad
        S = \sum_v C_{vv}

    with S and S' from the two halves of the batch, so that the expected loss is that of all data
    however small the batch [1]_. Its minimum over linear codes is minus the sum of the k largest
    squared eigenvalues of the generalised problem: for two views, of the squared canonical
    correlations.

    Parameters
    ----------
    codes : sequence of Tensor of shape (rows, n_components)
        One per view, all of one width; at least 4 rows, in no order.

    Returns
    -------
    Tensor of shape ()
        0 for codes that are constant; unlike a correlation it depends on the codes' scale.

    References
    ----------
    .. [1] Chapman, J., Wells, L. and Lawry Aguila, A. "Unconstrained stochastic CCA: unifying
       multiview and self-supervised learning." ICLR 2024.
    """
    exact = [_exact(code) for code in codes]
    n = exact[0].shape[0]
    total = sum(exact[1:], start=exact[0])
    # The sum over pairs of different views is that over all pairs without the views themselves.
    within = _trace_of_covariance(torch.cat(exact, dim=1))
    between = _trace_of_covariance(total) - within
    first, second = (
        torch.stack([_covariance(x[rows]) for x in exact]).sum(dim=0) for rows in _halves(n)
    )
    return _returned((first * second).sum() - 2.0 * between, codes[0])


def _halves(n: int) -> tuple[slice, slice]:
    return slice(0, n // 2), slice(n // 2, n)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.T @ centred / max(1, len(x) - 1)


def _trace_of_covariance(x: Tensor) -> Tensor:
    return (x - x.mean(dim=0)).square().sum() / max(1, len(x) - 1)


def _exact(x: Tensor) -> Tensor:
    # MPS has no float64; the codes are few.
    return x.double() if x.device.type != "mps" else x.cpu().double()


def _returned(value: Tensor, like: Tensor) -> Tensor:
    # A loss in bfloat16 would have two digits.
    return value.to(like.device, torch.promote_types(like.dtype, torch.float32))


def _per_view(regularization: float | Sequence[float], n_views: int) -> tuple[float, ...]:
    if isinstance(regularization, Sequence):
        return tuple(map(float, regularization))
    return (float(regularization),) * n_views


class _TotalCorrelation(torch.autograd.Function):
    """Value and gradient in one pass: both come from one decomposition."""

    @staticmethod
    def forward(ctx: Any, ridges: tuple[float, ...], squared: bool, *codes: Tensor) -> Tensor:
        value, slopes = _value_and_slopes([_exact(code) for code in codes], ridges, squared)
        ctx.save_for_backward(*(s.to(c) for s, c in zip(slopes, codes, strict=True)))
        return _returned(value, codes[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *((grad * slope).to(slope) for slope in ctx.saved_tensors)


def _value_and_slopes(
    codes: list[Tensor], ridges: tuple[float, ...], squared: bool
) -> tuple[Tensor, list[Tensor]]:
    """Return the total correlation and its gradient with respect to every code."""
    per = 1.0 / max(1, len(codes[0]) - 1)
    widths = [code.shape[1] for code in codes]
    ridges = tuple(max(ridge, _LEAST_RIDGE) for ridge in ridges)
    # A decomposition of NaN raises; a loss that is NaN is for the training loop to judge.
    finite = torch.stack([code.isfinite().all() for code in codes]).all()
    centred = [torch.where(finite, code - code.mean(dim=0), 0.0) for code in codes]
    # Unit mean variance: the value does not depend on scale, and rounding should not either.
    sizes = [(x.square().sum() * per / x.shape[1]).sqrt() for x in centred]
    sizes = [torch.where(size > 0, size, 1.0) for size in sizes]
    joined = torch.cat([x / size for x, size in zip(centred, sizes, strict=True)], dim=1)
    covariance = joined.T @ joined * per
    factor = torch.block_diag(
        *(
            torch.linalg.cholesky_ex(block + ridge * torch.eye(len(block)).to(block))[0]
            for block, ridge in zip(_diagonal_blocks(covariance, widths), ridges, strict=True)
        )
    )
    half = torch.linalg.solve_triangular(factor, covariance, upper=False)
    whitened = torch.linalg.solve_triangular(factor.T, half, upper=True, left=False)
    values, vectors = _leading(whitened, widths)
    joined_weights = torch.linalg.solve_triangular(factor.T, vectors, upper=True)
    weights = joined_weights.split(widths)
    views = joined.split(widths, dim=1)
    variates = [x @ w for x, w in zip(views, weights, strict=True)]
    everything = torch.stack(variates).sum(dim=0)
    correlations = values / (len(codes) - 1)
    # Slope of what is summed, component by component.
    share = 2.0 * correlations if squared else torch.ones_like(correlations)
    share = share * (2.0 * per / (len(codes) - 1))
    slopes = []
    for x, w, z, ridge, size in zip(views, weights, variates, ridges, sizes, strict=True):
        # The ridge follows the mean variance, which the codes move too.
        trace = (w.square() * (values * share)).sum() * (ridge / x.shape[1])
        slopes.append((((everything - z * (1.0 + values)) * share) @ w.T - trace * x) / size)
    total = (correlations.square() if squared else correlations).sum()
    return torch.where(finite, total, torch.nan), slopes


def _diagonal_blocks(matrix: Tensor, widths: list[int]) -> list[Tensor]:
    stops = torch.tensor(widths).cumsum(0).tolist()
    return [matrix[b - w : b, b - w : b] for b, w in zip(stops, widths, strict=True)]


def _leading(whitened: Tensor, widths: list[int]) -> tuple[Tensor, Tensor]:
    """Return the leading eigenvalues between views and their vectors."""
    if len(widths) == 2:
        # The symmetric problem of twice the size has these values, and these vectors over root 2.
        first = widths[0]
        left, values, right = torch.linalg.svd(whitened[:first, first:], full_matrices=False)
        return values, torch.cat([left, right.T]) * 0.5**0.5
    for block in _diagonal_blocks(whitened, widths):
        block.zero_()
    values, vectors = torch.linalg.eigh(whitened)
    k = min(widths)
    return values[-k:], vectors[:, -k:]
