"""Simulated annealing of two-valued units, many restarts at once."""

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from skrep.engine.seeding import make_generator
from skrep.functional.coloring import color_blocks
from skrep.functional.ising import Blocks, gibbs_sweep_, make_blocks

__all__ = ["Annealed", "anneal", "as_tensor", "check_couplings", "default_schedule", "energies_of"]

_N_SWEEPS = 2500
# A dense matrix with fewer couplings than this share is multiplied as a sparse one.
_SPARSE_SHARE = 0.05


class Annealed(NamedTuple):
    """What `BoltzmannMachine.anneal` returns.

    Attributes
    ----------
    states : ndarray of shape (n_restarts, n_units)
        A local minimum of the energy per restart.
    energies : ndarray of shape (n_restarts,)
        Their energies; ``states[energies.argmin()]`` is the best.
    """

    states: np.ndarray
    energies: np.ndarray


def check_couplings(J: Any, h: Any) -> tuple[Any, np.ndarray]:
    """Return couplings (float64 ndarray or CSR) and fields, or raise for what they are not.

    Parameters
    ----------
    J : array-like or sparse matrix of shape (n_units, n_units)
        Couplings.
    h : array-like of shape (n_units,) or None
        Fields; None stands for zeros.

    Returns
    -------
    J : ndarray or CSR array
    h : ndarray of shape (n_units,)

    Raises
    ------
    ValueError
        If shapes do not fit, something is not finite, or J is not symmetric with a zero diagonal.
    """
    J = sparse.csr_array(J, dtype=np.float64) if sparse.issparse(J) else np.asarray(J, dtype=float)
    if J.ndim != 2 or J.shape[0] != J.shape[1] or J.shape[0] == 0:
        raise ValueError(f"`J` must be a square matrix of couplings. Got the shape {J.shape}.")
    n = J.shape[0]
    h = np.zeros(n) if h is None else np.asarray(h, dtype=float)
    if h.shape != (n,):
        raise ValueError(
            f"`h` must hold one field per unit, {n} as `J` has. Got the shape {h.shape}."
        )
    for name, values in (("J", J.data if sparse.issparse(J) else J), ("h", h)):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` must be finite. It holds NaN or infinity.")
    _check_symmetric(J)
    return J, h


def _check_symmetric(J: Any) -> None:
    gap = abs(J - J.T)
    worst = float(gap.max())
    if worst > 1e-8 * max(float(abs(J).max()), 1e-300):
        i, j = divmod(int(gap.argmax()), J.shape[1])
        raise ValueError(
            f"`J` must be symmetric, but J[{i}, {j}] is {float(J[i, j])!r} and J[{j}, {i}] is "
            f"{float(J[j, i])!r}. Pass `(J + J.T) / 2`, which has the same energies."
        )
    diagonal = J.diagonal()
    if np.any(diagonal != 0):
        i = int(np.flatnonzero(diagonal)[0])
        raise ValueError(
            f"`J` must have a zero diagonal, but J[{i}, {i}] is {float(diagonal[i])!r}. A unit is "
            f"not coupled to itself: for spins drop it, which shifts every energy by the same "
            f"amount; for 0 and 1 add half of it to `h`."
        )


def as_tensor(J: Any, dtype: torch.dtype) -> torch.Tensor:
    """Return couplings as a dense or sparse (COO) tensor."""
    if not sparse.issparse(J):
        return torch.as_tensor(J, dtype=dtype)
    J = J.tocoo()
    places = torch.from_numpy(np.vstack([J.row, J.col]).astype(np.int64))
    values = torch.as_tensor(J.data, dtype=dtype)
    return torch.sparse_coo_tensor(places, values, J.shape, check_invariants=False).coalesce()


def energies_of(states: np.ndarray, J: Any, h: np.ndarray) -> np.ndarray:
    """Return -s J s / 2 - h s of each row, in float64."""
    states = states.astype(np.float64)
    return np.asarray(-0.5 * np.einsum("ij,ij->i", (J @ states.T).T, states) - states @ h)


def default_schedule(J: Any, h: np.ndarray) -> np.ndarray:
    """Return temperatures that fall from above all couplings to well below the smallest.

    Parameters
    ----------
    J : ndarray or CSR array of shape (n_units, n_units)
        Couplings.
    h : ndarray of shape (n_units,)
        Fields.

    Returns
    -------
    ndarray of shape (2500,)
        Geometric, from the root mean square of the fields that random states make to a tenth
        of it.
    """
    squares = J.power(2) if sparse.issparse(J) else J**2
    field = float(np.sqrt(np.mean(np.asarray(squares.sum(axis=1)).ravel() + h**2)))
    field = field if field > 0.0 else 1.0
    return np.geomspace(field, field / 10.0, _N_SWEEPS)


def anneal(
    J: Any, h: np.ndarray, spin: bool, schedule: np.ndarray, n_restarts: int, seed: int
) -> Annealed:
    """Sweep over all units at each temperature, then descend until nothing changes.

    Parameters
    ----------
    J : ndarray or CSR array of shape (n_units, n_units)
        Symmetric, zero diagonal.
    h : ndarray of shape (n_units,)
        Fields.
    spin : bool
        Values -1 and 1 rather than 0 and 1.
    schedule : ndarray of shape (n_sweeps,)
        Temperature of each sweep.
    n_restarts : int
        Independent runs, which share every matrix product.
    seed : int
        Of all draws.

    Returns
    -------
    Annealed
    """
    n_units = len(h)
    if not sparse.issparse(J) and np.count_nonzero(J) < _SPARSE_SHARE * J.size:
        J = sparse.csr_array(J)
    blocks = make_blocks(as_tensor(J, torch.float32), color_blocks(J))
    field = torch.as_tensor(h, dtype=torch.float32)[blocks.order].unsqueeze(1)
    generator = make_generator(seed)
    states = torch.rand(n_units, n_restarts, generator=generator).round_()
    if spin:
        states.mul_(2.0).sub_(1.0)
    for temperature in schedule.tolist():
        gibbs_sweep_(states, blocks, field / temperature, spin, generator, beta=1.0 / temperature)
    _descend_(states, blocks, field, spin)
    found = torch.empty_like(states)
    found[blocks.order] = states
    rows = np.ascontiguousarray(found.T.numpy()).astype(np.float64)
    return Annealed(rows, energies_of(rows, J, h))


def _descend_(states: torch.Tensor, blocks: Blocks, field: torch.Tensor, spin: bool) -> None:
    """Set units to the sign of their field until no unit changes; the energy only falls."""
    for _ in range(len(states) + 1):
        moved = False
        for (start, stop), rows in zip(blocks.bounds, blocks.rows, strict=True):
            pull = (rows @ states).add_(field[start:stop])
            part = states[start:stop]
            best = pull.sign() if spin else (pull > 0).to(part.dtype)
            # Float32 fields this small may be sums that cancel: such units stay.
            new = torch.where(pull.abs() <= 1e-5, part, best)
            moved = moved or bool((new != part).any())
            part.copy_(new)
        if not moved:
            return
