"""The pseudo-likelihood of a restricted Boltzmann machine, whole or on a few units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from skrep.functional.pseudo_likelihood import (
    binary_conditional,
    choice_conditional,
    real_conditional,
)
from skrep.nn.units import CategoricalUnits

if TYPE_CHECKING:
    from skrep.nn.rbm import RBMModule

__all__ = ["blocks_given_rest", "log_pseudo_likelihood", "units_given_rest", "words_given_rest"]

# Entries of the largest intermediate.
_CHUNK = 1 << 21


def log_pseudo_likelihood(machine: RBMModule, x: Tensor) -> Tensor:
    """Return the sum over units of log p(unit | all others).

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.

    Returns
    -------
    Tensor of shape (rows,)
        Nats, in the caller's units.
    """
    field = _exact_field(machine, x)
    if isinstance(machine.visible, CategoricalUnits):
        return blocks_given_rest(machine, x, field)
    if machine.visible.counted:
        return words_given_rest(machine, x, field)
    rows = max(1, _CHUNK // machine.weight.numel())
    parts = []
    for start in range(0, len(x), rows):
        taken = slice(start, start + rows)
        n = len(x[taken])
        unit = torch.arange(x.shape[1], device=x.device).repeat(n)
        row = torch.arange(n, device=x.device).repeat_interleave(x.shape[1])
        each = units_given_rest(machine, x[taken], field[taken], row, unit)
        parts.append(each.view(n, -1).sum(dim=1))
    return torch.cat(parts) - machine.log_volume


def _exact_field(machine: RBMModule, x: Tensor) -> Tensor:
    # In float64, because a float32 product rounds by the place of a row in the batch.
    field = x.double() @ machine.weight.T.double()
    count = machine.visible.count(x)
    bias = machine.hidden_bias if count is None else count * machine.hidden_bias
    return (field + bias).to(x.dtype)


def units_given_rest(
    machine: RBMModule, x: Tensor, field: Tensor, row: Tensor, unit: Tensor
) -> Tensor:
    """Return log p(unit | all others) of single units.

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units.
    row, unit : Tensor of shape (pairs,)
        Which units of which rows.

    Returns
    -------
    Tensor of shape (pairs,)
        Nats, in working units.
    """
    column = machine.weight.T[unit]
    given = (x[row, unit], field[row], column, machine.visible_bias[unit])
    hidden = machine.hidden
    if not machine.visible.quadratic:
        return binary_conditional(*given, hidden.log_partition_each)
    binary = not hidden.quadratic
    return real_conditional(*given, hidden.log_partition_each, hidden.mean, binary=binary)


def blocks_given_rest(machine: RBMModule, x: Tensor, field: Tensor) -> Tensor:
    """Return the sum over one-hot blocks of log p(block | all others).

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units.

    Returns
    -------
    Tensor of shape (rows,)
        Nats.
    """
    total = x.new_zeros(len(x))
    start = 0
    for width in machine.visible.widths:
        part = slice(start, start + width)
        weight, own = machine.weight[:, part], x[:, part]
        without = field - own @ weight.T
        total += _chosen(machine, without, weight, machine.visible_bias[part], own)
        start += width
    return total


def _chosen(
    machine: RBMModule, without: Tensor, weight: Tensor, bias: Tensor, own: Tensor
) -> Tensor:
    step = max(1, _CHUNK // weight.numel())
    each = machine.hidden.log_partition_each
    parts = []
    for i in range(0, len(own), step):
        choices = choice_conditional(without[i : i + step], weight, bias, each)
        parts.append((own[i : i + step] * choices).sum(dim=1))
    return torch.cat(parts)


def words_given_rest(machine: RBMModule, x: Tensor, field: Tensor) -> Tensor:
    """Return the sum over words of log p(word | all others).

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units.

    Returns
    -------
    Tensor of shape (rows,)
        Nats.
    """
    weight, bias = machine.weight, machine.visible_bias
    total = x.new_zeros(len(x))
    row, word = x.nonzero(as_tuple=True)
    step = max(1, _CHUNK // weight.numel())
    for start in range(0, len(row), step):
        r, k = row[start : start + step], word[start : start + step]
        without = field[r] - weight.T[k]
        each = choice_conditional(without, weight, bias, machine.hidden.log_partition_each)
        total.index_add_(0, r, x[r, k] * each.gather(1, k.unsqueeze(1)).squeeze(1))
    return total
