"""A Boltzmann machine as an optimiser and as a learner: three problems with known answers.

1. Ground states of planar +-1 spin glasses, known exactly by minimum-weight perfect matching of
   frustrated plaquettes (Bieche et al., 1980).
2. Largest cuts of toroidal +-1 grids, the best of all restarts against the mean.
3. The 4-2-4 encoder of Ackley, Hinton and Sejnowski (1985), which solved it in 250 of 250 runs.

    python examples/papers/boltzmann_optimiser.py [--side 32] [--seeds 20]
"""

import argparse
import time

import networkx as nx
import numpy as np

from skrep import BoltzmannMachine
from skrep.datasets import make_ising_grid, max_cut_to_ising


def planar_ground_energy(J: np.ndarray, side: int) -> float:
    """Match frustrated plaquettes with each other or with the outside at the least total length.

    Every plaquette has a twin outside; twins are joined at no cost, so that any even or odd number
    of plaquettes may be matched with the boundary.
    """
    at = np.arange(side * side).reshape(side, side)
    right = J[at[:, :-1], at[:, 1:]]
    down = J[at[:-1], at[1:]]
    frustrated = np.argwhere(right[:-1] * right[1:] * down[:, :-1] * down[:, 1:] < 0)
    out = np.minimum(frustrated + 1, side - 1 - frustrated).min(axis=1)
    graph = nx.Graph()
    for a, (i, j) in enumerate(frustrated):
        graph.add_edge(("in", a), ("out", a), weight=-int(out[a]))
        for b in range(a + 1, len(frustrated)):
            apart = abs(i - frustrated[b][0]) + abs(j - frustrated[b][1])
            # A longer way is never shorter than two ways to the boundary.
            if apart <= out[a] + out[b]:
                graph.add_edge(("in", a), ("in", b), weight=-int(apart))
                graph.add_edge(("out", a), ("out", b), weight=0)
    matching = nx.max_weight_matching(graph, maxcardinality=True)
    unsatisfied = -sum(graph.edges[edge]["weight"] for edge in matching)
    return float(2 * unsatisfied - 2 * side * (side - 1))


def planar(side: int, seed: int) -> None:
    J = make_ising_grid(side, random_state=seed)
    started = time.perf_counter()
    exact = planar_ground_energy(J.toarray(), side)
    matched = time.perf_counter()
    found = BoltzmannMachine.from_couplings(J).anneal(n_restarts=100, random_state=seed)
    took = time.perf_counter() - matched
    near = np.mean(found.energies <= 0.98 * exact)
    print(
        f"planar {side} x {side}, seed {seed}: exact {exact:.0f} ({matched - started:.0f} s), best "
        f"{found.energies.min():.0f}, mean {found.energies.mean():.1f}, within 2 %: {near:.2f} of "
        f"100 restarts ({took:.1f} s); asked for 0.95",
        flush=True,
    )


def torus(side: int, seed: int) -> None:
    weights = make_ising_grid(side, boundary="periodic", random_state=seed)
    problem = max_cut_to_ising(weights)
    started = time.perf_counter()
    found = BoltzmannMachine.from_couplings(problem.J).anneal(n_restarts=100, random_state=seed)
    cuts = problem.offset - found.energies
    print(
        f"cut of a torus {side} x {side}, seed {seed}: best {cuts.max():.0f}, mean "
        f"{cuts.mean():.1f} ({time.perf_counter() - started:.1f} s)",
        flush=True,
    )


def encoder(seed: int) -> bool:
    mask = np.zeros((10, 10), dtype=bool)
    mask[:4, :4] = mask[4:8, 4:8] = mask[:8, 8:] = True
    mask |= mask.T
    np.fill_diagonal(mask, False)
    clean = np.hstack([np.eye(4), np.eye(4)])
    rng = np.random.default_rng(seed)
    many = np.tile(clean, (100, 1))
    # The noise of the paper: ones go off with 0.15, zeros on with 0.05.
    noisy = np.where(many == 1, rng.random(many.shape) > 0.15, rng.random(many.shape) < 0.05)
    model = BoltzmannMachine(
        2,
        units="spin",
        mask=mask,
        max_epochs=60,
        batch_size=40,
        learning_rate=0.05,
        random_state=seed,
    ).fit(2.0 * noisy - 1.0)
    clean = 2 * clean - 1
    codes = {tuple(code) for code in model.transform(clean) > 0}
    half = np.where(np.arange(8) < 4, clean, np.nan)
    return len(codes) == 4 and model.impute(half)[:, 4:].argmax(axis=1).tolist() == [0, 1, 2, 3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=20, help="runs of the encoder")
    arguments = parser.parse_args()
    started = time.perf_counter()
    for seed in range(3):
        planar(arguments.side, seed)
    torus(arguments.side, 0)
    solved = sum(encoder(seed) for seed in range(arguments.seeds))
    print(f"4-2-4 encoder: {solved} of {arguments.seeds} seeds (published 250 of 250)")
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes in all")


if __name__ == "__main__":
    main()
