"""Contrastive losses between the codes of two views, in nats per sample, and their recall.

Neither loss needs a mask of positives: similarities are linear in each side, so what positives add
is a product with the (mean) code of a sample's positives, and the square matrix of similarities
is only read for the normalisers. These come block by block where `block_rows` is given, and are
computed again for the gradient: memory is then block_rows * rows instead of rows * rows.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

__all__ = ["info_nce", "pairwise_sigmoid", "recall_at_one"]

# Cosines closer than this differ by rounding alone.
_RESOLUTION = 1e-6


def info_nce(
    a: Tensor,
    b: Tensor,
    temperature: Tensor | float,
    labels: Tensor | None = None,
    *,
    block_rows: int | None = None,
) -> Tensor:
    r"""Return the symmetric InfoNCE loss of paired codes.

    .. math:: \frac{1}{2n} \sum_i \Big( \log \sum_j e^{s_{ij}} + \log \sum_j e^{s_{ji}}
        - \frac{1}{|P_i|} \sum_{j \in P_i} (s_{ij} + s_{ji}) \Big), \quad
        s_{ij} = a_i \cdot b_j / \tau

    Parameters
    ----------
    a, b : Tensor of shape (rows, components)
        Codes of the two views; row i of one belongs to row i of the other.
    temperature : Tensor of shape () or float
        The positive number tau.
    labels : Tensor of shape (rows,) or None, default=None
        Integers from 0. The positives P_i of sample i are all samples with its label, i included;
        None makes i its only positive.
    block_rows : int or None, default=None
        Rows of similarities that are held at a time; None holds all.

    Returns
    -------
    Tensor of shape ()
        Nats per sample, log(rows) where all similarities are equal.

    Examples
    --------
    >>> loss = info_nce(torch.ones(8, 2), torch.ones(8, 2), 0.1)
    >>> round(loss.exp().item())
    8
    """
    scaled = a / temperature
    if labels is None:
        positive = (scaled * b).sum(dim=1).mean()
    else:
        towards_b, towards_a = _class_means(b, labels), _class_means(a, labels)
        positive = 0.5 * (scaled * towards_b + (b / temperature) * towards_a).sum(dim=1).mean()
    if block_rows is None or block_rows >= len(a):
        rows, columns = _normalisers(scaled, b)
    else:
        parts = [
            checkpoint(_normalisers, block, b, use_reentrant=False)
            for block in scaled.split(block_rows)
        ]
        rows = torch.cat([part[0] for part in parts])
        columns = torch.stack([part[1] for part in parts]).logsumexp(dim=0)
    return 0.5 * (rows.mean() + columns.mean()) - positive


def _normalisers(scaled: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    similarity = scaled @ b.T
    return similarity.logsumexp(dim=1), similarity.logsumexp(dim=0)


def _class_means(codes: Tensor, labels: Tensor) -> Tensor:
    """Return, for each row, the mean code of the rows with its label."""
    sums, counts = _class_sums(codes, labels)
    return (sums / counts.clamp(min=1.0)[:, None])[labels]


def _class_sums(codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    n_classes = int(labels.max()) + 1
    sums = codes.new_zeros(n_classes, codes.shape[1]).index_add(0, labels, codes)
    return sums, torch.bincount(labels, minlength=n_classes).to(codes.dtype)


def pairwise_sigmoid(
    a: Tensor,
    b: Tensor,
    temperature: Tensor | float,
    bias: Tensor | float,
    labels: Tensor | None = None,
    *,
    block_rows: int | None = None,
) -> Tensor:
    r"""Return the sigmoid loss: every pair of codes is one binary decision.

    .. math:: \frac1n \sum_{ij} \log\left(1 + e^{-z_{ij} (a_i \cdot b_j / \tau + c)}\right)

    with :math:`z_{ij} = 1` for positives and -1 for all other pairs.

    Parameters
    ----------
    a, b : Tensor of shape (rows, components)
        Codes of the two views; row i of one belongs to row i of the other.
    temperature : Tensor of shape () or float
        The positive number tau.
    bias : Tensor of shape () or float
        The number c; the cosine from which on a pair counts as positive is -c * tau.
    labels : Tensor of shape (rows,) or None, default=None
        As in `info_nce`.
    block_rows : int or None, default=None
        As in `info_nce`.

    Returns
    -------
    Tensor of shape ()
        Nats per sample of `a`; 0 or more.

    Examples
    --------
    >>> codes = 20 * torch.eye(3)
    >>> pairwise_sigmoid(codes, codes, 1.0, -200.0).item() < 1e-6
    True
    """
    scaled = a / temperature
    # log(1 + e^-x) = log(1 + e^x) - x, so positives only add what is linear in them.
    if labels is None:
        positive = (scaled * b).sum() + bias * len(a)
    else:
        left, counts = _class_sums(scaled, labels)
        positive = (left * _class_sums(b, labels)[0]).sum() + bias * counts.square().sum()
    shift = torch.as_tensor(bias, dtype=a.dtype, device=a.device)
    if block_rows is None or block_rows >= len(a):
        total = _softplus_sum(scaled, b, shift)
    else:
        parts = [
            checkpoint(_softplus_sum, block, b, shift, use_reentrant=False)
            for block in scaled.split(block_rows)
        ]
        total = torch.stack(parts).sum()
    loss: Tensor = (total - positive) / len(a)
    return loss


def _softplus_sum(scaled: Tensor, b: Tensor, bias: Tensor) -> Tensor:
    return F.softplus(scaled @ b.T + bias).sum()


def recall_at_one(a: Tensor, b: Tensor, *, block_rows: int = 1024) -> float:
    """Return the share of codes whose nearest code of the other view is their own partner's.

    Parameters
    ----------
    a, b : Tensor of shape (rows, components)
        Codes of unit length; row i of one belongs to row i of the other.
    block_rows : int, default=1024
        Rows of similarities that are held at a time.

    Returns
    -------
    float
        Mean of both directions, 0 to 1. Partners that tie for the first place count as their
        chance of it.

    Examples
    --------
    >>> recall_at_one(torch.eye(4), torch.eye(4))
    1.0
    """
    found = [_first_places(queries, gallery, block_rows) for queries, gallery in ((a, b), (b, a))]
    return float(sum(found) / (2 * len(a)))


def _first_places(queries: Tensor, gallery: Tensor, block_rows: int) -> float:
    total = 0.0
    for start in range(0, len(queries), block_rows):
        similarity = queries[start : start + block_rows] @ gallery.T
        own = similarity.diagonal(start)[:, None]
        better = (similarity > own + _RESOLUTION).any(dim=1)
        tied = (similarity >= own - _RESOLUTION).sum(dim=1)
        total += float(torch.where(better, 0.0, 1.0 / tied).sum(dtype=torch.float64))
    return total
