"""Optimisation problems: the converters keep the value of every state."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from skrep.datasets import (
    make_ising_grid,
    make_max_cut,
    make_qubo,
    max_cut_to_ising,
    qubo_to_ising,
)


def spins(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def energies(states, J, h):
    return -0.5 * np.einsum("ij,ij->i", (J @ states.T).T, states) - states @ h


@pytest.mark.parametrize("as_sparse", [False, True])
def test_qubo_has_the_value_of_its_ising_problem(as_sparse, seed):
    Q = make_qubo(7, density=0.6, random_state=seed)
    Q[0, 1] += 1.5  # one triangle heavier than the other
    problem = qubo_to_ising(sparse.csr_array(Q) if as_sparse else Q)
    s = spins(7)
    x = (s + 1) / 2
    values = np.einsum("ij,jk,ik->i", x, Q, x)
    np.testing.assert_allclose(
        energies(s, problem.J, problem.h) + problem.offset, values, atol=1e-12
    )
    assert sparse.issparse(problem.J) == as_sparse
    assert not problem.J.diagonal().any()
    assert abs(problem.J - problem.J.T).max() == 0


@pytest.mark.parametrize("as_sparse", [False, True])
def test_cut_has_the_value_of_its_ising_problem(as_sparse, seed):
    W = make_max_cut(8, degree=3.0, weights="normal", random_state=seed).toarray()
    problem = max_cut_to_ising(sparse.csr_array(W) if as_sparse else W)
    s = spins(8)
    cut = [sum(W[i, j] for i in range(8) for j in range(i) if t[i] != t[j]) for t in s]
    np.testing.assert_allclose(problem.offset - energies(s, problem.J, problem.h), cut, atol=1e-12)


@pytest.mark.parametrize(
    ("boundary", "n_edges"), [("free", 5 * 6 + 4 * 7), ("periodic", 2 * 5 * 7)]
)
def test_grid_couples_neighbours(boundary, n_edges, seed):
    J = make_ising_grid((5, 7), boundary=boundary, random_state=seed).toarray()
    assert J.shape == (35, 35)
    np.testing.assert_array_equal(J, J.T)
    assert set(np.unique(J)) == {-1.0, 0.0, 1.0}
    assert np.count_nonzero(J) == 2 * n_edges
    rows, columns = np.divmod(np.arange(35), 7)
    for i, j in np.argwhere(J):
        apart = [abs(rows[i] - rows[j]), abs(columns[i] - columns[j])]
        if boundary == "periodic":
            apart = [min(apart[0], 5 - apart[0]), min(apart[1], 7 - apart[1])]
        assert sorted(apart) == [0, 1]


def test_random_graph_has_the_degree_asked_for(seed):
    """The number of edges is binomial: five standard deviations, false alarm 6e-7."""
    W = make_max_cut(400, degree=8.0, random_state=seed)
    pairs = 400 * 399 / 2
    p = 8.0 / 399
    assert abs(W.nnz / 2 - pairs * p) < 5 * np.sqrt(pairs * p * (1 - p))
    assert not W.diagonal().any()
    assert abs(W - W.T).max() == 0
    assert set(W.data) == {1.0}


def test_one_seed_one_problem(seed):
    for maker in (make_ising_grid, make_max_cut):
        first, again = (maker(9, random_state=seed).toarray() for _ in range(2))
        np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(make_qubo(random_state=seed), make_qubo(random_state=seed))
    assert set(np.unique(make_ising_grid(6, couplings="normal").toarray() != 0)) == {False, True}


REFUSALS = [
    (lambda: make_ising_grid(1), r"`side` must be at least 2 .* Got 1"),
    (lambda: make_ising_grid((2, 5), boundary="periodic"), "at least 3 with `boundary='periodic'`"),
    (lambda: make_ising_grid(boundary="open"), "`boundary` must be 'free' or 'periodic'"),
    (lambda: make_ising_grid(couplings="even"), "must be 'signs' or 'normal'.* Got 'even'"),
    (lambda: make_max_cut(1), "`n_nodes` must be at least 2"),
    (lambda: make_max_cut(5, degree=6.0), r"`degree` must be in .*\(0, 4\]. Got 6.0"),
    (lambda: make_qubo(0), "`n_variables` must be at least 1"),
    (lambda: make_qubo(density=2.0), r"`density` must be in \[0, 1\]"),
    (lambda: qubo_to_ising(np.ones((2, 3))), r"`Q` must be a square matrix. .*\(2, 3\)"),
    (lambda: qubo_to_ising(np.full((2, 2), np.nan)), "`Q` must be finite"),
    (lambda: max_cut_to_ising(np.eye(3)), "zero diagonal, but node 0 .* of weight 1.0"),
    (lambda: max_cut_to_ising(np.eye(3, k=1)), "`weights` must be symmetric"),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
