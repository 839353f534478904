"""Annealing: exact optima, by enumeration and by dynamic programming."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from skrep import BoltzmannMachine
from skrep.datasets import (
    make_ising_grid,
    make_max_cut,
    make_qubo,
    max_cut_to_ising,
    qubo_to_ising,
)
from skrep.functional.coloring import color_blocks


def grid_ground_energy(J, height, width):
    """Return the least energy of a grid with free boundaries, by a transfer over its rows."""
    J = J.toarray()
    rows = np.array(list(itertools.product((-1.0, 1.0), repeat=width)))

    def within(i):
        at = i * width + np.arange(width)
        return -sum(J[at[k], at[k + 1]] * rows[:, k] * rows[:, k + 1] for k in range(width - 1))

    best = within(0)
    for i in range(1, height):
        down = np.array([J[(i - 1) * width + k, i * width + k] for k in range(width)])
        between = -(rows * down) @ rows.T
        best = (best[:, None] + between).min(axis=0) + within(i)
    return float(best.min())


def brute_force(J, h):
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=len(h))))
    J = J.toarray() if sparse.issparse(J) else J
    return float((-0.5 * np.einsum("ij,jk,ik->i", states, J, states) - states @ h).min())


@pytest.mark.parametrize("shape", [(8, 8), (14, 10)])
def test_planar_grids_reach_their_exact_optimum(shape, seed):
    J = make_ising_grid(shape, random_state=seed)
    exact = grid_ground_energy(J, *shape)
    found = BoltzmannMachine.from_couplings(J).anneal(n_restarts=60, random_state=seed)
    assert found.energies.min() == pytest.approx(exact)
    assert (found.energies >= exact - 1e-9).all()
    assert (found.energies <= 0.95 * exact).mean() >= 0.9


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_energies_are_those_of_the_states(form, seed):
    J = make_max_cut(30, weights="normal", random_state=seed)
    J = J if form == "sparse" else J.toarray()
    h = np.random.default_rng(seed).standard_normal(30)
    machine = BoltzmannMachine.from_couplings(J, h)
    found = machine.anneal(np.geomspace(3, 0.3, 50), n_restarts=7, random_state=seed)
    assert found.states.shape == (7, 30)
    assert set(np.unique(found.states)) == {-1.0, 1.0}
    np.testing.assert_allclose(found.energies, machine.energy(found.states))
    for state, energy in zip(found.states, found.energies, strict=True):
        for i in range(30):
            other = state.copy()
            other[i] *= -1
            assert machine.energy(other[None])[0] >= energy - 1e-4


def test_dense_and_sparse_couplings_are_one_problem(seed):
    J = make_ising_grid(6, random_state=seed)
    schedule = np.geomspace(3, 0.3, 100)
    runs = [
        BoltzmannMachine.from_couplings(form).anneal(schedule, n_restarts=5, random_state=1)
        for form in (J, J.toarray())
    ]
    np.testing.assert_array_equal(runs[0].states, runs[1].states)


def test_max_cut_and_qubo_are_solved(seed):
    W = make_max_cut(14, weights="normal", random_state=seed)
    Q = make_qubo(14, random_state=seed)
    for problem in (max_cut_to_ising(W), qubo_to_ising(Q)):
        found = BoltzmannMachine.from_couplings(problem.J, problem.h).anneal(
            np.geomspace(5, 0.2, 300), n_restarts=30, random_state=seed
        )
        assert found.energies.min() == pytest.approx(brute_force(problem.J, problem.h), abs=1e-6)
    x = (found.states[found.energies.argmin()] + 1) / 2
    assert x @ Q @ x == pytest.approx(found.energies.min() + problem.offset, abs=1e-6)


def test_one_seed_one_result(seed):
    machine = BoltzmannMachine.from_couplings(make_ising_grid(5, random_state=seed))
    schedule = [1.0, 0.5]
    first, again, other = (
        machine.anneal(schedule, n_restarts=4, random_state=s).states for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_learnt_machine_can_be_annealed(seed):
    X = (np.random.default_rng(seed).random((50, 4)) < 0.5).astype(float)
    model = BoltzmannMachine(2, max_epochs=3, random_state=seed).fit(X)
    found = model.anneal([1.0, 0.1], n_restarts=20, random_state=seed)
    states = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    J, h = model.coupling_.astype(float), model.field_.astype(float)
    exact = (-0.5 * np.einsum("ij,jk,ik->i", states, J, states) - states @ h).min()
    assert found.states.shape == (20, 6)
    assert found.energies.min() == pytest.approx(exact, abs=1e-5)


def test_blocks_hold_no_connection_and_grids_need_two(seed):
    W = make_max_cut(80, random_state=seed)
    for graph in (W, W.toarray(), make_ising_grid(5, boundary="periodic", random_state=seed)):
        blocks = color_blocks(graph)
        assert sorted(np.concatenate(blocks)) == list(range(graph.shape[0]))
        dense = graph.toarray() if sparse.issparse(graph) else graph
        assert not any(dense[np.ix_(block, block)].any() for block in blocks)
    assert len(color_blocks(make_ising_grid((6, 9), random_state=seed))) == 2
    assert len(color_blocks(np.ones((4, 4)))) == 4
    assert [block.tolist() for block in color_blocks(np.zeros((3, 3)))] == [[0, 1, 2]]


REFUSALS = [
    ((np.ones((2, 3)),), r"`J` must be a square matrix of couplings. .*\(2, 3\)"),
    ((np.eye(3),), r"zero diagonal, but J\[0, 0\] is 1\.0"),
    ((np.eye(3, k=1),), r"must be symmetric, but J\[0, 1\] is 1\.0 and J\[1, 0\] is 0\.0"),
    ((sparse.csr_array(np.eye(3, k=1)),), r"must be symmetric"),
    ((np.full((2, 2), np.nan),), "`J` must be finite"),
    ((np.zeros((2, 2)), np.ones(3)), r"one field per unit, 2 as `J` has. Got the shape \(3,\)"),
    ((np.zeros((2, 2)), [np.inf, 0]), "`h` must be finite"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSALS)
def test_bad_couplings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        BoltzmannMachine.from_couplings(*arguments)


def test_bad_settings_are_named():
    machine = BoltzmannMachine.from_couplings(np.zeros((2, 2)))
    for schedule in ([1.0, 0.0], [[1.0]], [np.inf]):
        with pytest.raises(ValueError, match="`schedule` must be a one-dimensional array"):
            machine.anneal(schedule)
    with pytest.raises(ValueError, match=r"`n_restarts` must be a positive integer\. Got 0"):
        machine.anneal(n_restarts=0)
    sparse_machine = BoltzmannMachine.from_couplings(make_ising_grid(3, random_state=0))
    with pytest.raises(ValueError, match="Sparse couplings are not trained"):
        sparse_machine.partial_fit(np.ones((4, 9)))


def test_sparse_couplings_can_be_sampled_and_summed(seed):
    J = make_ising_grid(4, random_state=seed)
    machine = BoltzmannMachine.from_couplings(J)
    dense = BoltzmannMachine.from_couplings(J.toarray())
    assert machine.log_partition().value == pytest.approx(dense.log_partition().value, abs=1e-5)
    assert machine.sample(3, random_state=0).shape == (3, 16)
    assert machine.gibbs(np.ones((2, 16)), 2, random_state=0).shape == (2, 16)
    assert machine.impute(np.full((1, 16), np.nan)).shape == (1, 16)
