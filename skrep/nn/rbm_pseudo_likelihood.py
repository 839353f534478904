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
from skrep.nn.mixed_units import parts_of
from skrep.nn.units import CategoricalUnits, Units

if TYPE_CHECKING:
    from skrep.nn.rbm import RBMModule

__all__ = [
    "blocks_given_rest",
    "log_pseudo_likelihood",
    "units_given_rest",
    "view_given_rest",
    "words_given_rest",
]

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
    total: Tensor | float = 0.0
    for units, at in parts_of(machine.visible):
        total = total + _part_given_rest(machine, x, field, units, at)
    return total - machine.log_volume


def view_given_rest(machine: RBMModule, x: Tensor, units: Units, at: slice) -> Tensor:
    """Return the sum over the units of one view of log p(unit | all others), as above.

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    units : Units
        Of the view.
    at : slice
        Where it stands.

    Returns
    -------
    Tensor of shape (rows,)
        Nats, in working units.
    """
    return _part_given_rest(machine, x, _exact_field(machine, x), units, at)


def _part_given_rest(
    machine: RBMModule, x: Tensor, field: Tensor, units: Units, at: slice
) -> Tensor:
    if isinstance(units, CategoricalUnits):
        return blocks_given_rest(machine, x, field, units, at)
    if units.counted:
        return words_given_rest(machine, x, field, at)
    rows = max(1, _CHUNK // (len(machine.weight) * units.width))
    which = torch.arange(at.start, at.stop, device=x.device)
    parts = []
    for start in range(0, len(x), rows):
        taken = slice(start, start + rows)
        n = len(x[taken])
        row = torch.arange(n, device=x.device).repeat_interleave(len(which))
        each = units_given_rest(
            machine, x[taken], field[taken], row, which.repeat(n), quadratic=units.quadratic
        )
        parts.append(each.view(n, -1).sum(dim=1))
    return torch.cat(parts)


def _exact_field(machine: RBMModule, x: Tensor) -> Tensor:
    # In float64, because a float32 product rounds by the place of a row in the batch.
    field = x.double() @ machine.weight.T.double()
    count = machine.visible.count(x) if machine.visible.counted else None
    bias = machine.hidden_bias if count is None else count * machine.hidden_bias
    return (field + bias).to(x.dtype)


def units_given_rest(
    machine: RBMModule, x: Tensor, field: Tensor, row: Tensor, unit: Tensor, *, quadratic: bool
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
    quadratic : bool
        Whether these units are gaussian, not binary.

    Returns
    -------
    Tensor of shape (pairs,)
        Nats, in working units.
    """
    column = machine.weight.T[unit]
    given = (x[row, unit], field[row], column, machine.visible_bias[unit])
    hidden = machine.hidden
    if not quadratic:
        return binary_conditional(*given, hidden.log_partition_each)
    binary = not hidden.quadratic
    return real_conditional(*given, hidden.log_partition_each, hidden.mean, binary=binary)


def blocks_given_rest(
    machine: RBMModule, x: Tensor, field: Tensor, units: CategoricalUnits, at: slice
) -> Tensor:
    """Return the sum over one-hot blocks of log p(block | all others).

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units.
    units : CategoricalUnits
        The blocks.
    at : slice
        Where they stand among the visible units.

    Returns
    -------
    Tensor of shape (rows,)
        Nats.
    """
    total = x.new_zeros(len(x))
    start = at.start
    for width in units.widths:
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


def words_given_rest(machine: RBMModule, x: Tensor, field: Tensor, at: slice) -> Tensor:
    """Return the sum over words of log p(word | all others).

    Parameters
    ----------
    machine : RBMModule
        The model.
    x : Tensor of shape (rows, n_visible)
        Visible states.
    field : Tensor of shape (rows, n_hidden)
        Fields of the hidden units.
    at : slice
        Where the vocabulary stands among the visible units.

    Returns
    -------
    Tensor of shape (rows,)
        Nats.
    """
    weight, bias = machine.weight[:, at], machine.visible_bias[at]
    total, x = x.new_zeros(len(x)), x[:, at]
    row, word = x.nonzero(as_tuple=True)
    step = max(1, _CHUNK // weight.numel())
    for start in range(0, len(row), step):
        r, k = row[start : start + step], word[start : start + step]
        without = field[r] - weight.T[k]
        each = choice_conditional(without, weight, bias, machine.hidden.log_partition_each)
        total.index_add_(0, r, x[r, k] * each.gather(1, k.unsqueeze(1)).squeeze(1))
    return total
