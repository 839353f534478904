"""Which units of a network can be updated together: a colouring of its connections."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

__all__ = ["color_blocks"]


def color_blocks(connected: Any) -> list[np.ndarray]:
    """Split units into blocks without a connection inside, few where a simple search finds few.

    Units take the lowest colour that no neighbour has, in breadth-first order: two blocks for any
    bipartite graph (an RBM, a grid), one block per unit where all are connected.

    Parameters
    ----------
    connected : ndarray or sparse matrix of shape (n_units, n_units)
        Symmetric; anything but 0 is a connection. The diagonal is not looked at.

    Returns
    -------
    list of ndarray of int
        Positions of the units of each block, rising within a block.

    Examples
    --------
    >>> import numpy as np
    >>> ring = np.eye(4, k=1) + np.eye(4, k=3)
    >>> [block.tolist() for block in color_blocks(ring + ring.T)]
    [[0, 2], [1, 3]]
    """
    graph = (
        sparse.csr_array(connected != 0)
        if sparse.issparse(connected)
        else sparse.csr_array(np.asarray(connected) != 0)
    )
    n_units = graph.shape[0]
    colors = np.full(n_units, -1)
    starts, neighbors = graph.indptr, graph.indices
    for unit in _breadth_first(graph):
        taken = set(colors[neighbors[starts[unit] : starts[unit + 1]]].tolist())
        color = 0
        while color in taken:
            color += 1
        colors[unit] = color
    return [np.flatnonzero(colors == c) for c in range(int(colors.max(initial=-1)) + 1)]


def _breadth_first(graph: sparse.csr_array) -> np.ndarray:
    """Return all units, component by component, each from its first unit outwards."""
    n_parts, labels = csgraph.connected_components(graph, directed=False)
    firsts = np.full(n_parts, -1)
    firsts[labels[::-1]] = np.arange(graph.shape[0])[::-1]
    orders = [
        csgraph.breadth_first_order(graph, first, directed=False, return_predecessors=False)
        for first in firsts
    ]
    return np.concatenate(orders) if orders else np.empty(0, dtype=int)
