"""A one-hot block of visible units given all others, hidden units summed out."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skrep.functional.gibbs import draw_categorical

if TYPE_CHECKING:
    from skrep.nn.rbm import RBMModule

__all__ = ["label_logits", "redraw_label_"]

# Entries of the largest intermediate: what a core's cache holds.
_CHUNK = 1 << 18


def label_logits(machine: "RBMModule", without: Tensor, columns: tuple[int, int]) -> Tensor:
    r"""Return log p(category | all other visible units), up to a constant a row.

    .. math:: b_k + \sum_j \log(1 + \exp(f_j + W_{jk}))

    for binary hidden units; in general with the log-partition function of a hidden unit.

    Parameters
    ----------
    machine : RBMModule
        The model.
    without : Tensor of shape (rows, n_hidden)
        Fields f of the hidden units, the block left out.
    columns : tuple of (int, int)
        First column and end of the block.

    Returns
    -------
    Tensor of shape (rows, n_categories)
        Nats.
    """
    start, stop = columns
    connections = machine.weight[:, start:stop].T
    n_categories, n_hidden = connections.shape
    logits = without.new_empty(len(without), n_categories)
    step = max(1, _CHUNK // (n_categories * n_hidden))
    for i in range(0, len(without), step):
        fields = without[i : i + step].unsqueeze(1) + connections
        logits[i : i + step] = machine.hidden.log_partition_each(fields).sum(dim=2)
    return logits.add_(machine.visible_bias[start:stop])


def redraw_label_(
    machine: "RBMModule",
    x: Tensor,
    field: Tensor,
    columns: tuple[int, int],
    generator: torch.Generator,
) -> None:
    """Draw a one-hot block anew, given all other visible units, in place.

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states; the block's columns are overwritten.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units, which follow.
    columns : tuple of (int, int)
        First column and end of the block.
    generator : torch.Generator
        Source of the draws.
    """
    own = x[:, columns[0] : columns[1]]
    weight = machine.weight[:, columns[0] : columns[1]]
    field.addmm_(own, weight.T, alpha=-1.0)
    own.copy_(draw_categorical(label_logits(machine, field, columns), generator))
    field.addmm_(own, weight.T)
