r"""Networks of two-valued units with any symmetric couplings: energy, Gibbs sweeps, exact sums.

The energy of a state s is :math:`E(s) = -\tfrac12 s^\top J s - h^\top s`, in nats at temperature 1.
Units are "spins" (-1 and 1) or binary (0 and 1). Sweeps hold chains as columns, since a block of
units is then a run of rows.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skrep.functional.energies import binary_states, softplus

__all__ = [
    "MAX_STATES",
    "Blocks",
    "draw_exactly",
    "exact_log_partition",
    "gibbs_sweep_",
    "ising_energy",
    "make_blocks",
    "mean_field_",
    "unit_entropy",
    "unit_log_partition",
    "unit_mean",
]

#: More states than this are not enumerated.
MAX_STATES = 1 << 20
_CHUNK_STATES = 1 << 13
_LOG_TWO = math.log(2.0)


def unit_mean(field: Tensor, spin: bool) -> Tensor:
    """Return the mean of a unit given its field: tanh for spins, the logistic function for bits.

    Parameters
    ----------
    field : Tensor of shape (...)
        What a change of the unit by 1 adds to the log-probability.
    spin : bool
        Values -1 and 1 rather than 0 and 1.

    Returns
    -------
    Tensor of the same shape

    Examples
    --------
    >>> unit_mean(torch.zeros(2), spin=False)
    tensor([0.5000, 0.5000])
    """
    return torch.tanh(field) if spin else torch.sigmoid(field)


def unit_log_partition(field: Tensor, spin: bool) -> Tensor:
    """Return the logarithm of the sum of exp(field * s) over the two values of a unit.

    Parameters
    ----------
    field : Tensor of shape (...)
        As in `unit_mean`.
    spin : bool
        Values -1 and 1 rather than 0 and 1.

    Returns
    -------
    Tensor of the same shape
        Nats; its derivative is `unit_mean`.

    Examples
    --------
    >>> bool(unit_log_partition(torch.zeros(1), spin=True) > 0.69)
    True
    """
    return softplus(2.0 * field) - field if spin else softplus(field)


def unit_entropy(mean: Tensor, spin: bool) -> Tensor:
    """Return the entropy of a unit of known mean.

    Parameters
    ----------
    mean : Tensor of shape (...)
        In [-1, 1] for spins, in [0, 1] for bits.
    spin : bool
        Values -1 and 1 rather than 0 and 1.

    Returns
    -------
    Tensor of the same shape
        Nats, from 0 to log 2.

    Examples
    --------
    >>> unit_entropy(torch.tensor([0.0, 1.0]), spin=False).abs()
    tensor([0., 0.])
    """
    on = 0.5 * (mean + 1.0) if spin else mean
    entropy: Tensor = -(torch.special.xlogy(on, on) + torch.special.xlogy(1.0 - on, 1.0 - on))
    return entropy


def ising_energy(states: Tensor, coupling: Tensor, field: Tensor) -> Tensor:
    r"""Return :math:`-\tfrac12 s^\top J s - h^\top s` for each row.

    Parameters
    ----------
    states : Tensor of shape (rows, n_units)
        Any values; means give the energy of the means.
    coupling : Tensor of shape (n_units, n_units)
        Symmetric, zero diagonal; dense or sparse.
    field : Tensor of shape (n_units,)
        Biases.

    Returns
    -------
    Tensor of shape (rows,)
        Nats; lower is more probable.

    Examples
    --------
    >>> J = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> ising_energy(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), J, torch.zeros(2))
    tensor([-1.,  1.])
    """
    pull = (coupling @ states.T).T
    energy: Tensor = -0.5 * (states * pull).sum(dim=1) - states @ field
    return energy


class Blocks(NamedTuple):
    """A network in an order in which the units of a block stand together.

    Attributes
    ----------
    order : Tensor of shape (n_units,)
        Unit at each place.
    bounds : tuple of (int, int)
        First place of each block and the one after its last.
    rows : tuple of Tensor of shape (block size, n_units)
        Couplings of each block to all units, in the new order; dense or sparse.
    """

    order: Tensor
    bounds: tuple[tuple[int, int], ...]
    rows: tuple[Tensor, ...]


def make_blocks(coupling: Tensor, blocks: Sequence[np.ndarray]) -> Blocks:
    """Bring couplings into the order of `blocks`.

    Parameters
    ----------
    coupling : Tensor of shape (n_units, n_units)
        Symmetric; dense or sparse.
    blocks : sequence of ndarray of int
        A split of the units without couplings inside a part, as from `color_blocks`.

    Returns
    -------
    Blocks

    Examples
    --------
    >>> made = make_blocks(torch.zeros(3, 3), [np.array([0, 2]), np.array([1])])
    >>> made.bounds
    ((0, 2), (2, 3))
    """
    order = torch.from_numpy(np.concatenate(blocks)).to(coupling.device)
    stops = np.cumsum([len(block) for block in blocks]).tolist()
    bounds = tuple(zip([0, *stops[:-1]], stops, strict=True))
    if coupling.is_sparse:
        permuted = coupling.index_select(0, order).index_select(1, order)
        rows = tuple(permuted.narrow_copy(0, a, b - a).coalesce() for a, b in bounds)
        return Blocks(order, bounds, rows)
    permuted = coupling.index_select(0, order).index_select(1, order)
    return Blocks(order, bounds, tuple(permuted[a:b] for a, b in bounds))


def gibbs_sweep_(
    states: Tensor,
    blocks: Blocks,
    field: Tensor,
    spin: bool,
    generator: torch.Generator,
    beta: float = 1.0,
) -> Tensor:
    """Draw every block given all others, in place.

    Parameters
    ----------
    states : Tensor of shape (n_units, n_chains)
        In the order of `blocks`; overwritten.
    blocks : Blocks
        The network.
    field : Tensor of shape (n_units, 1)
        In the order of `blocks`; not multiplied with `beta`.
    spin : bool
        Values -1 and 1 rather than 0 and 1.
    generator : torch.Generator
        Source of the draws.
    beta : float, default=1.0
        Inverse temperature of the couplings.

    Returns
    -------
    Tensor
        `states`.

    Examples
    --------
    >>> blocks = make_blocks(torch.zeros(2, 2), [np.arange(2)])
    >>> field = torch.full((2, 1), 50.0)
    >>> gibbs_sweep_(-torch.ones(2, 3), blocks, field, True, torch.Generator()).sum()
    tensor(6.)
    """
    for (start, stop), rows in zip(blocks.bounds, blocks.rows, strict=True):
        pull = rows @ states
        pull.mul_(beta).add_(field[start:stop])
        probability = pull.mul_(2.0).sigmoid_() if spin else pull.sigmoid_()
        part = states[start:stop]
        part.uniform_(generator=generator)
        torch.lt(part, probability, out=part)
        if spin:
            part.mul_(2.0).sub_(1.0)
    return states


def mean_field_(
    means: Tensor,
    coupling: Tensor,
    field: Tensor,
    blocks: Sequence[Tensor],
    spin: bool,
    n_sweeps: int,
    free: Tensor | None = None,
) -> Tensor:
    """Set each block to its mean given the means of all others, in place, again and again.

    No sweep raises the variational free energy, since a block has no couplings inside.

    Parameters
    ----------
    means : Tensor of shape (rows, n_units)
        Observed values, and where the means start; overwritten.
    coupling : Tensor of shape (n_units, n_units)
        Symmetric, zero diagonal.
    field : Tensor of shape (n_units,)
        Biases.
    blocks : sequence of Tensor of int
        The units that are updated, in blocks.
    spin : bool
        Values -1 and 1 rather than 0 and 1.
    n_sweeps : int
        How often; a fixed number, so that a row does not depend on its company.
    free : Tensor of shape (rows, n_units) or None, default=None
        Boolean: entries that may change. None means all those in `blocks`.

    Returns
    -------
    Tensor
        `means`.

    Examples
    --------
    >>> means = torch.zeros(1, 2)
    >>> blocks = [torch.tensor([0, 1])]
    >>> mean_field_(means, torch.zeros(2, 2), torch.zeros(2), blocks, False, 1)
    tensor([[0.5000, 0.5000]])
    """
    columns = [(block, coupling[:, block], field[block]) for block in blocks]
    for _ in range(n_sweeps):
        for block, pull, bias in columns:
            new = unit_mean(torch.addmm(bias, means, pull), spin)
            if free is not None:
                new = torch.where(free[:, block], new, means[:, block])
            means[:, block] = new
    return means


def _value_rows(start: int, stop: int, n_units: int, like: Tensor, spin: bool) -> Tensor:
    bits = binary_states(start, stop, n_units, like)
    return bits.mul_(2.0).sub_(1.0) if spin else bits


def _enumerate(
    coupling: Tensor, field: Tensor, spin: bool, summed: np.ndarray
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (states of the other units, fields of the summed ones, log-weights) in chunks."""
    n_units = len(field)
    inner = torch.from_numpy(summed).to(field.device)
    outer = torch.from_numpy(np.setdiff1d(np.arange(n_units), summed)).to(field.device)
    across = coupling[outer][:, inner]
    within = coupling[outer][:, outer]
    n_states = 1 << len(outer)
    for start in range(0, n_states, _CHUNK_STATES):
        states = _value_rows(start, min(start + _CHUNK_STATES, n_states), len(outer), field, spin)
        pull = states @ across + field[inner]
        weights = -ising_energy(states, within, field[outer])
        yield states, pull, weights + unit_log_partition(pull, spin).sum(dim=1)


def exact_log_partition(coupling: Tensor, field: Tensor, spin: bool, summed: np.ndarray) -> float:
    """Return the logarithm of the sum of exp(-E) over all states, by enumeration.

    Parameters
    ----------
    coupling : Tensor of shape (n_units, n_units)
        Symmetric, zero diagonal.
    field : Tensor of shape (n_units,)
        Biases.
    spin : bool
        Values -1 and 1 rather than 0 and 1.
    summed : ndarray of int
        Units without couplings among them, which are summed in closed form; the states of the
        others are enumerated. The largest of `color_blocks` leaves the fewest.

    Returns
    -------
    float
        Nats.

    Examples
    --------
    >>> value = exact_log_partition(torch.zeros(3, 3), torch.zeros(3), False, np.arange(3))
    >>> round(math.exp(value))
    8
    """
    parts = [
        weights.double().logsumexp(dim=0)
        for _, _, weights in _enumerate(coupling, field, spin, summed)
    ]
    return float(torch.stack(parts).logsumexp(dim=0))


def draw_exactly(
    coupling: Tensor,
    field: Tensor,
    spin: bool,
    summed: np.ndarray,
    n_samples: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw independent states by enumeration.

    Parameters
    ----------
    coupling, field, spin, summed
        As in `exact_log_partition`.
    n_samples : int
        How many.
    generator : torch.Generator
        Source of the draws, on the CPU.

    Returns
    -------
    Tensor of shape (n_samples, n_units)

    Examples
    --------
    >>> J, h = torch.zeros(3, 3), torch.zeros(3)
    >>> draw_exactly(J, h, True, np.arange(3), 5, torch.Generator()).shape
    torch.Size([5, 3])
    """
    weights = torch.cat([w for _, _, w in _enumerate(coupling, field, spin, summed)]).double()
    cumulative = torch.softmax(weights, dim=0).cumsum(dim=0)
    uniform = torch.rand(n_samples, dtype=torch.float64, generator=generator)
    # Rounding may leave the last sum below 1, and 1 - u is never 0.
    picked = torch.searchsorted(cumulative, (1.0 - uniform) * cumulative[-1])
    picked = picked.clamp_max_(len(weights) - 1)
    n_units = len(field)
    outer = np.setdiff1d(np.arange(n_units), summed)
    bits = ((picked.unsqueeze(1) >> torch.arange(len(outer))) & 1).to(field.dtype)
    states = torch.empty(n_samples, n_units, dtype=field.dtype)
    states[:, outer] = 2.0 * bits - 1.0 if spin else bits
    pull = states[:, outer] @ coupling[outer][:, summed] + field[summed]
    on = torch.rand(pull.shape, dtype=pull.dtype, generator=generator)
    on = (on < torch.sigmoid(2.0 * pull if spin else pull)).to(field.dtype)
    states[:, summed] = 2.0 * on - 1.0 if spin else on
    return states
