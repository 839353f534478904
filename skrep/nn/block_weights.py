"""Products with the connections between two layers, where these may fall into pathways.

Connections are one matrix of shape (n_above, n_below). Where layers consist of pathways that do
not touch, only the blocks of that matrix that join the two ends of a pathway are used; the rest is
zero and costs nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from skrep.utils.columns import column_slices

__all__ = ["Blocks", "add_from_above", "add_from_below", "centred_moment", "pathway_blocks"]

#: Rows and columns of each pathway, in order and without gaps; None joins everything.
Blocks = tuple[tuple[slice, slice], ...] | None


def pathway_blocks(above: Sequence[int], below: Sequence[int]) -> Blocks:
    """Return where the pathways stand, given their widths in two layers.

    Parameters
    ----------
    above, below : sequence of int
        Width of each pathway; of one pathway there is nothing to be kept apart.

    Returns
    -------
    tuple of (slice, slice) or None
        Rows and columns of each block; None for one pathway.
    """
    if len(above) == 1:
        return None
    return tuple(zip(column_slices(above), column_slices(below), strict=True))


def add_from_below(
    total: Tensor, below: Tensor, weight: Tensor, blocks: Blocks, gain: float = 1.0
) -> Tensor:
    """Return total + gain * below W^T, (rows, n_above).

    Parameters
    ----------
    total : Tensor of shape (n_above,) or (rows, n_above)
        What it is added to.
    below : Tensor of shape (rows, n_below)
        States of the lower layer.
    weight : Tensor of shape (n_above, n_below)
        Connections.
    blocks : Blocks
        Where they are not zero.
    gain : float, default=1.0
        How often they count.

    Returns
    -------
    Tensor of shape (rows, n_above)
    """
    if blocks is None:
        return torch.addmm(total, below, weight.T, alpha=gain)
    parts = [
        torch.addmm(total[..., rows], below[:, columns], weight[rows, columns].T, alpha=gain)
        for rows, columns in blocks
    ]
    return torch.cat(parts, dim=1)


def add_from_above(
    total: Tensor, above: Tensor, weight: Tensor, blocks: Blocks, gain: float = 1.0
) -> Tensor:
    """Return total + gain * above W, (rows, n_below).

    Parameters
    ----------
    total : Tensor of shape (n_below,) or (rows, n_below)
        What it is added to.
    above : Tensor of shape (rows, n_above)
        States of the upper layer.
    weight : Tensor of shape (n_above, n_below)
        Connections.
    blocks : Blocks
        Where they are not zero.
    gain : float, default=1.0
        How often they count.

    Returns
    -------
    Tensor of shape (rows, n_below)
    """
    if blocks is None:
        return torch.addmm(total, above, weight, alpha=gain)
    parts = [
        torch.addmm(total[..., columns], above[:, rows], weight[rows, columns], alpha=gain)
        for rows, columns in blocks
    ]
    return torch.cat(parts, dim=1)


def centred_moment(
    above: Tensor, above_offset: Tensor, below: Tensor, below_offset: Tensor, blocks: Blocks = None
) -> Tensor:
    """Return the mean of (above - offset)^T (below - offset), zero outside the blocks.

    Parameters
    ----------
    above : Tensor of shape (rows, n_above)
        States of the upper layer.
    above_offset : Tensor of shape (n_above,)
        What is subtracted from them.
    below : Tensor of shape (rows, n_below)
        States of the lower layer.
    below_offset : Tensor of shape (n_below,)
        What is subtracted from them.
    blocks : Blocks, default=None
        Where the layers are joined.

    Returns
    -------
    Tensor of shape (n_above, n_below)
    """
    above, below = above - above_offset, below - below_offset
    if blocks is None:
        return (above.T @ below) / len(above)
    moment = above.new_zeros(above.shape[1], below.shape[1])
    for rows, columns in blocks:
        moment[rows, columns] = (above[:, rows].T @ below[:, columns]) / len(above)
    return moment
