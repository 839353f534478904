r"""Joining several normal opinions about one code: products and mixtures of experts.

Experts are diagonal normals, (experts, rows, components). A product multiplies their densities, an
even mixture averages them; a mixture of products averages the products over several subsets.
"""

from collections.abc import Iterator
from itertools import combinations

import torch
from torch import Tensor

from skrep.functional.likelihoods import gaussian_log_prob

__all__ = [
    "join_posteriors",
    "mixture_log_prob",
    "mixture_moments",
    "product_of_experts",
    "view_subsets",
]


def product_of_experts(
    means: Tensor, log_vars: Tensor, mask: Tensor | None = None, *, prior: bool = False
) -> tuple[Tensor, Tensor]:
    r"""Return the normalised products of diagonal normals.

    .. math:: \prod_e N(m_e, \sigma_e^2) \propto N\Big(\frac{\sum_e m_e / \sigma_e^2}
        {\sum_e 1 / \sigma_e^2},\; \frac{1}{\sum_e 1 / \sigma_e^2}\Big)

    Parameters
    ----------
    means : Tensor of shape (experts, rows, components)
        Means of the experts.
    log_vars : Tensor of shape (experts, rows, components)
        Logarithms of their variances.
    mask : Tensor of shape (products, experts) or (products, rows, experts), or None, default=None
        Boolean: which experts each product multiplies. None is one product of all.
    prior : bool, default=False
        Whether a standard normal is multiplied in as one more expert. It always is where a
        product has no other.

    Returns
    -------
    mean : Tensor of shape (products, rows, components)
        Means of the products.
    log_var : Tensor of shape (products, rows, components)
        Logarithms of their variances.

    Examples
    --------
    >>> mean, log_var = product_of_experts(torch.tensor([[[0.0]], [[2.0]]]), torch.zeros(2, 1, 1))
    >>> mean.item()
    1.0
    """
    log_precision = -log_vars.unsqueeze(0)
    if mask is not None:
        # To (products, experts, rows or 1, 1).
        mask = mask[..., None, None] if mask.ndim == 2 else mask.transpose(1, 2).unsqueeze(-1)
        log_precision = torch.where(mask, log_precision, -torch.inf)
    if prior or mask is not None:
        alone = torch.zeros_like(log_precision[:, :1])
        if mask is not None and not prior:
            alone = torch.where(mask.any(dim=1, keepdim=True), -torch.inf, alone)
        log_precision = torch.cat([log_precision, alone], dim=1)
        means = torch.cat([means, torch.zeros_like(means[:1])])
    # Shares of the total precision by logarithms: a sum of precisions can overflow.
    total = torch.logsumexp(log_precision, dim=1, keepdim=True)
    mean = (torch.exp(log_precision - total) * means).sum(dim=1)
    return mean, -total.squeeze(1)


def join_posteriors(means: Tensor, log_vars: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the posterior given several things at once from the posteriors given each.

    Each posterior holds the standard normal prior once, so their product holds it too often and is
    divided by it: :math:`\prod_e q_e(z) / p(z)^{n - 1}`. The result is never wider than the
    narrowest posterior, whatever that division leaves.

    Parameters
    ----------
    means, log_vars : Tensor of shape (posteriors, rows, components)
        Means and logarithms of the variances.
    mask : Tensor of shape (rows, posteriors)
        Boolean: which posteriors a row joins; at least one.

    Returns
    -------
    mean, log_var : Tensor of shape (rows, components)
        Of the joined posterior.

    Examples
    --------
    >>> one = torch.zeros(2, 1, 3)
    >>> join_posteriors(one, one, torch.tensor([[True, False]]))[0].shape
    torch.Size([1, 3])
    """
    weight = mask.T.unsqueeze(-1).to(means.dtype)
    precision = torch.exp(-log_vars) * weight
    total = precision.sum(dim=0) - (weight.sum(dim=0) - 1.0)
    total = torch.maximum(total, precision.amax(dim=0))
    return (precision * means).sum(dim=0) / total, -total.log()


def mixture_moments(
    means: Tensor, log_vars: Tensor, there: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return mean and logarithm of the variance of even mixtures of diagonal normals.

    Parameters
    ----------
    means, log_vars : Tensor of shape (parts, rows, components)
        Means and logarithms of the variances.
    there : Tensor of shape (parts, rows) or None, default=None
        Boolean: which parts a row's mixture has; at least one. None is all.

    Returns
    -------
    mean, log_var : Tensor of shape (rows, components)
        Of the mixture: spread within the parts and between their means.

    Examples
    --------
    >>> mixture_moments(torch.tensor([[[-1.0]], [[1.0]]]), torch.zeros(2, 1, 1))[1].exp().item()
    2.0
    """
    if len(means) == 1:
        return means[0], log_vars[0]
    if there is None:
        weight = means.new_full((len(means), 1, 1), 1.0 / len(means))
    else:
        weight = (there / there.sum(dim=0)).to(means.dtype).unsqueeze(-1)
    mean = (weight * means).sum(dim=0)
    variance = (weight * (torch.exp(log_vars) + (means - mean).square())).sum(dim=0)
    return mean, variance.log()


def mixture_log_prob(
    codes: Tensor, means: Tensor, log_vars: Tensor, there: Tensor | None = None
) -> Tensor:
    """Return the log-density of even mixtures of diagonal normals.

    Parameters
    ----------
    codes : Tensor of shape (..., rows, components)
        Where the density is taken.
    means, log_vars : Tensor of shape (parts, rows, components)
        Means and logarithms of the variances.
    there : Tensor of shape (parts, rows) or None, default=None
        Boolean: which parts a row's mixture has; at least one. None is all.

    Returns
    -------
    Tensor of shape (..., rows)
        Nats.

    Examples
    --------
    >>> mixture_log_prob(torch.zeros(5, 4, 3), torch.zeros(2, 4, 3), torch.zeros(2, 4, 3)).shape
    torch.Size([5, 4])
    """
    parts, counts = [], torch.full((), float(len(means))) if there is None else there.sum(dim=0)
    # Part by part: all at once would hold parts times the codes.
    for i, (mean, log_var) in enumerate(zip(means, log_vars, strict=True)):
        log_prob = gaussian_log_prob(codes, mean, log_var)
        parts.append(log_prob if there is None else log_prob.masked_fill(~there[i], -torch.inf))
    total = torch.stack(parts).logsumexp(dim=0)
    return total - torch.log(counts.to(total))


def view_subsets(n_views: int, n_between: int | None = None) -> Tensor:
    """Return subsets of views: each alone, some in between, and all together.

    Parameters
    ----------
    n_views : int
        Number of views.
    n_between : int or None, default=None
        How many subsets of two or more views, but not all, are drawn with torch's global
        generator; None, or as many as there are, takes all.

    Returns
    -------
    Tensor of shape (subsets, n_views)
        Boolean, no subset twice: single views in order, those in between, all.

    Examples
    --------
    >>> view_subsets(3).sum(dim=1).tolist()
    [1, 1, 1, 2, 2, 2, 3]
    """
    singles, whole = torch.eye(n_views, dtype=torch.bool), torch.ones(1, n_views, dtype=torch.bool)
    if n_views == 1:
        return whole
    if n_between is None or n_between >= 2**n_views - n_views - 2:
        between = list(_between(n_views))
    else:
        between = _some_between(n_views, n_between)
    middle = torch.zeros(len(between), n_views, dtype=torch.bool)
    for row, members in zip(middle, between, strict=True):
        row[list(members)] = True
    return torch.cat([singles, middle, whole])


def _between(n_views: int) -> Iterator[tuple[int, ...]]:
    for size in range(2, n_views):
        yield from combinations(range(n_views), size)


def _some_between(n_views: int, n_between: int) -> list[tuple[int, ...]]:
    found: dict[tuple[int, ...], None] = {}
    while len(found) < n_between:
        members = tuple(torch.randint(2, (n_views,)).nonzero().ravel().tolist())
        if 2 <= len(members) < n_views:
            found[members] = None
    return sorted(found)
