"""Capacity of Hopfield networks: share of patterns recalled against the load.

Random patterns of N = 1000 units start with 10 % of the units flipped; a pattern counts as recalled
when the overlap with its recall is above 0.95. Theory: Hebb's rule breaks at a load of 0.138
(Amit, Gutfreund and Sompolinsky, 1985), Storkey's at 1 / sqrt(2 log N), the projection rule holds
up to a load of 1, and modern networks exponentially many (Ramsauer et al., 2021).

    python examples/papers/hopfield_capacity.py
"""

import time
import warnings

import numpy as np

from skrep import HopfieldNetwork

# Rule, units, patterns, the share asked for.
ROWS = [
    ("hebb", 1000, 120, ">= 0.90"),
    ("hebb", 1000, 138, ""),
    ("hebb", 1000, 160, "<= 0.50"),
    ("storkey", 1000, 160, ""),
    ("storkey", 1000, 250, ""),
    ("projection", 1000, 400, ">= 0.99"),
    ("projection", 1000, 600, ""),
    ("modern", 64, 10_000, ">= 0.98"),
]
SEEDS = (0, 1, 2)


def share_recalled(rule: str, n_units: int, n_patterns: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n_patterns, n_units)) < 0.5, -1.0, 1.0)
    cues = X * np.where(rng.random(X.shape) < 0.1, -1.0, 1.0)
    recalled = HopfieldNetwork(rule, random_state=seed).fit(X).transform(cues)
    return float(np.mean((recalled * X).mean(axis=1) > 0.95))


def main() -> None:
    warnings.filterwarnings("ignore", message=".*are a load of")
    started = time.perf_counter()
    print(f"{'rule':<12}{'N':>6}{'patterns':>10}{'load':>9}{'recalled':>10}  asked for")
    for rule, n_units, n_patterns, asked in ROWS:
        share = np.mean([share_recalled(rule, n_units, n_patterns, s) for s in SEEDS])
        load = n_patterns / n_units
        print(
            f"{rule:<12}{n_units:>6}{n_patterns:>10}{load:>9.3f}{share:>10.3f}  {asked}", flush=True
        )
    print(f"{len(SEEDS)} seeds a row, {(time.perf_counter() - started) / 60:.1f} minutes in all")


if __name__ == "__main__":
    main()
