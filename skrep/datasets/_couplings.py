"""Optimisation problems on two-valued variables, as couplings and fields of spins."""

from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse

from skrep.utils.random import seed_from

__all__ = [
    "IsingProblem",
    "make_ising_grid",
    "make_max_cut",
    "make_qubo",
    "max_cut_to_ising",
    "qubo_to_ising",
]


class IsingProblem(NamedTuple):
    """Couplings and fields of spins, and how their energy relates to the problem they stand for.

    Attributes
    ----------
    J : ndarray or CSR array of shape (n_spins, n_spins)
        Symmetric, zero diagonal; positive values want equal spins.
    h : ndarray of shape (n_spins,)
        Positive values want a spin of 1.
    offset : float
        What the converter says to add to the energy.
    """

    J: Any
    h: np.ndarray
    offset: float


def make_ising_grid(
    side: int | tuple[int, int] = 32,
    *,
    boundary: Literal["free", "periodic"] = "free",
    couplings: Literal["signs", "normal"] = "signs",
    random_state: Any = None,
) -> sparse.csr_array:
    """Make the couplings of a two-dimensional spin glass.

    Each site of a grid is coupled to its right and lower neighbour by a random number. With free
    boundaries the grid is planar, and its ground state can be found exactly in polynomial time;
    with periodic ones it is a torus.

    Parameters
    ----------
    side : int or tuple of int, default=32
        Height and width; one number for a square.
    boundary : {"free", "periodic"}, default="free"
        Whether the last site of a row or column is coupled to the first.
    couplings : {"signs", "normal"}, default="signs"
        Drawn from -1 and 1, or from a standard normal distribution.
    random_state : int, RandomState or None, default=None
        An integer makes the problem repeatable.

    Returns
    -------
    CSR array of shape (height * width, height * width)
        Symmetric, zero diagonal, float64. Site (i, j) is spin ``i * width + j``. There are no
        fields: the energy of spins s is ``-s @ J @ s / 2``.

    Raises
    ------
    ValueError
        If a side is below 2, or below 3 with periodic boundaries.

    Examples
    --------
    >>> from skrep.datasets import make_ising_grid
    >>> J = make_ising_grid(4, random_state=0)
    >>> J.shape, J.nnz
    ((16, 16), 48)
    """
    height, width = (side, side) if isinstance(side, (int, np.integer)) else side
    least = 3 if boundary == "periodic" else 2
    if boundary not in ("free", "periodic"):
        raise ValueError(f"`boundary` must be 'free' or 'periodic'. Got {boundary!r}.")
    if min(height, width) < least:
        raise ValueError(
            f"`side` must be at least {least} with `boundary={boundary!r}`. Got {side!r}."
        )
    rng = np.random.default_rng(seed_from(random_state))
    sites = np.arange(height * width).reshape(height, width)
    right, below = np.roll(sites, -1, axis=1), np.roll(sites, -1, axis=0)
    stop = None if boundary == "periodic" else -1
    ends = np.hstack(
        [
            np.stack([sites[:, :stop].ravel(), right[:, :stop].ravel()]),
            np.stack([sites[:stop].ravel(), below[:stop].ravel()]),
        ]
    )
    return _symmetric(ends, _values(couplings, ends.shape[1], rng), height * width)


def make_max_cut(
    n_nodes: int = 100,
    *,
    degree: float = 6.0,
    weights: Literal["ones", "signs", "normal"] = "ones",
    random_state: Any = None,
) -> sparse.csr_array:
    """Make a random weighted graph, to be cut in two so that the cut edges weigh the most.

    Parameters
    ----------
    n_nodes : int, default=100
        At least 2.
    degree : float, default=6.0
        Mean number of edges at a node; every edge is there with the same chance.
    weights : {"ones", "signs", "normal"}, default="ones"
        All 1; -1 or 1; standard normal.
    random_state : int, RandomState or None, default=None
        An integer makes the graph repeatable.

    Returns
    -------
    CSR array of shape (n_nodes, n_nodes)
        Symmetric weights, zero diagonal, float64; `max_cut_to_ising` makes couplings of them.

    Raises
    ------
    ValueError
        If there are fewer than 2 nodes, or `degree` is not in (0, n_nodes - 1].

    Examples
    --------
    >>> from skrep.datasets import make_max_cut
    >>> make_max_cut(20, random_state=0).shape
    (20, 20)
    """
    if n_nodes < 2:
        raise ValueError(f"`n_nodes` must be at least 2. Got {n_nodes!r}.")
    if not 0 < degree <= n_nodes - 1:
        raise ValueError(
            f"`degree` must be in (0, n_nodes - 1], here (0, {n_nodes - 1}]. Got {degree!r}."
        )
    rng = np.random.default_rng(seed_from(random_state))
    n_pairs = n_nodes * (n_nodes - 1) // 2
    n_edges = rng.binomial(n_pairs, degree / (n_nodes - 1))
    pairs = rng.choice(n_pairs, size=n_edges, replace=False)
    # Pair k of the upper triangle, without a table of all pairs: column by column.
    column = np.floor((1.0 + np.sqrt(1.0 + 8.0 * pairs)) / 2.0).astype(np.int64)
    column -= column * (column - 1) // 2 > pairs
    row = pairs - column * (column - 1) // 2
    return _symmetric(np.stack([row, column]), _values(weights, n_edges, rng), n_nodes)


def make_qubo(
    n_variables: int = 50, *, density: float = 0.5, random_state: Any = None
) -> np.ndarray:
    """Make a random quadratic function of zeros and ones, to be minimised.

    Parameters
    ----------
    n_variables : int, default=50
        At least 1.
    density : float, default=0.5
        Share of pairs that have a term, in [0, 1]; every variable has a linear one.
    random_state : int, RandomState or None, default=None
        An integer makes the problem repeatable.

    Returns
    -------
    ndarray of shape (n_variables, n_variables)
        Symmetric Q of standard normal numbers; the function is ``x @ Q @ x``, so its diagonal
        holds the linear terms. `qubo_to_ising` makes couplings and fields of it.

    Raises
    ------
    ValueError
        If there is no variable, or `density` is not in [0, 1].

    Examples
    --------
    >>> from skrep.datasets import make_qubo
    >>> make_qubo(5, random_state=0).shape
    (5, 5)
    """
    if n_variables < 1:
        raise ValueError(f"`n_variables` must be at least 1. Got {n_variables!r}.")
    if not 0 <= density <= 1:
        raise ValueError(f"`density` must be in [0, 1]. Got {density!r}.")
    rng = np.random.default_rng(seed_from(random_state))
    upper = np.triu(rng.standard_normal((n_variables, n_variables)), k=1)
    upper *= rng.random(upper.shape) < density
    return upper + upper.T + np.diag(rng.standard_normal(n_variables))


def qubo_to_ising(Q: Any) -> IsingProblem:
    """Turn a quadratic function of zeros and ones into couplings and fields of spins.

    With spins ``s = 2 x - 1`` the function is ``x @ Q @ x = -s @ J @ s / 2 - h @ s + offset``.

    Parameters
    ----------
    Q : array-like or sparse matrix of shape (n_variables, n_variables)
        Any square matrix; only the sum of an entry and its mirror image counts.

    Returns
    -------
    IsingProblem
        A named tuple (J, h, offset); J is a CSR array if Q is sparse.

    Raises
    ------
    ValueError
        If Q is not square or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.datasets import qubo_to_ising
    >>> problem = qubo_to_ising(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> problem.J.shape, problem.offset
    ((2, 2), 0.5)
    """
    Q = _square(Q, "Q")
    even = 0.5 * (Q + Q.T)
    linear = even.diagonal()
    pairs = _without_diagonal(even)
    # x = (1 + s) / 2 in sum over pairs of 2 Q_ij x_i x_j plus Q_ii x_i.
    rows = np.asarray(pairs.sum(axis=1)).ravel()
    offset = 0.25 * float(rows.sum()) + 0.5 * float(linear.sum())
    return IsingProblem(-0.5 * pairs, -0.5 * (rows + linear), offset)


def max_cut_to_ising(weights: Any) -> IsingProblem:
    """Turn a graph to be cut into couplings of spins that say on which side a node is.

    The weight of the edges that are cut is ``-energy + offset`` with the energy
    ``-s @ J @ s / 2``, so the lowest energy is the largest cut.

    Parameters
    ----------
    weights : array-like or sparse matrix of shape (n_nodes, n_nodes)
        Symmetric, zero diagonal.

    Returns
    -------
    IsingProblem
        A named tuple (J, h, offset); J is a CSR array if `weights` is sparse, h is 0.

    Raises
    ------
    ValueError
        If `weights` is not square, finite and symmetric, or an edge leads to its own node.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.datasets import max_cut_to_ising
    >>> problem = max_cut_to_ising(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> s = np.array([1.0, -1.0])
    >>> float(s @ problem.J @ s / 2 + problem.offset)  # the one edge is cut
    1.0
    """
    weights = _square(weights, "weights")
    if abs(weights - weights.T).max() > 0:
        raise ValueError(
            "`weights` must be symmetric: an edge weighs the same from both ends. Pass "
            "`weights + weights.T` if every edge stands in one triangle only."
        )
    if np.any(weights.diagonal() != 0):
        node = int(np.flatnonzero(weights.diagonal())[0])
        raise ValueError(
            f"`weights` must have a zero diagonal, but node {node} has an edge to itself of weight "
            f"{weights.diagonal()[node].item()!r}. Such an edge cannot be cut; remove it."
        )
    return IsingProblem(-0.5 * weights, np.zeros(weights.shape[0]), 0.25 * float(weights.sum()))


def _values(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "ones":
        return np.ones(size)
    if kind == "signs":
        return rng.choice([-1.0, 1.0], size=size)
    if kind == "normal":
        return rng.standard_normal(size)
    raise ValueError(f"Values must be 'signs' or 'normal' (or 'ones' for a graph). Got {kind!r}.")


def _symmetric(ends: np.ndarray, values: np.ndarray, n: int) -> sparse.csr_array:
    both = np.hstack([ends, ends[::-1]])
    made = sparse.coo_array((np.concatenate([values, values]), tuple(both)), shape=(n, n))
    return made.tocsr()


def _square(matrix: Any, name: str) -> Any:
    if sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix, dtype=np.float64)
        values = matrix.data
    else:
        matrix = values = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"`{name}` must be a square matrix. Got the shape {matrix.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite. It holds NaN or infinity.")
    return matrix


def _without_diagonal(matrix: Any) -> Any:
    if sparse.issparse(matrix):
        return sparse.csr_array(matrix - sparse.csr_array(sparse.diags(matrix.diagonal())))
    return matrix - np.diag(matrix.diagonal())
