"""Peak memory that a fit on 60,000 x 784 adds to data and imports, a process per variant."""

import statistics
import subprocess
import sys
from pathlib import Path

from _interleave import print_machine, print_value, read_options

OURS = ("skrep, same network", "skrep, as it comes", "skrep VAE")
NAMES = (
    "plain loop, whole shuffle",
    "plain loop, batch gather",
    "skorch default",
    "MLPRegressor float32",
    *OURS,
)
GOAL_MIB = 120.0
STATUS = Path("/proc/self/status")


def resident(key: str) -> float:
    """Return VmRSS (now) or VmHWM (peak) of this process in MiB."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(key):
            return float(line.split()[1]) / 1024.0
    raise RuntimeError(f"{STATUS} has no {key}.")


def make_fit(name: str, X, epochs: int):
    from _peers import (
        autoencoder_network,
        mean_squared_error,
        mlp_regressor,
        plain_loop,
        skorch_default,
    )
    from torch import nn

    from skrep import VAE, Autoencoder
    from skrep.nn import MLP

    size = {"epochs": epochs, "batch_size": 128}
    common = {"max_epochs": epochs, "device": "cpu", "random_state": 0}

    def make():
        return nn.Sequential(*autoencoder_network(784, (256,), 64))

    same = {"encoder": MLP((256,)), "decoder": MLP((256,)), "scaling": None}
    return {
        NAMES[0]: plain_loop(make, mean_squared_error, X, **size),
        NAMES[1]: plain_loop(make, mean_squared_error, X, whole_shuffle=False, **size),
        NAMES[2]: skorch_default(make, X, **size),
        NAMES[3]: mlp_regressor((256, 64, 256), X, **size),
        OURS[0]: lambda: Autoencoder(64, **same, **common).fit(X),
        OURS[1]: lambda: Autoencoder(64, **common).fit(X),
        OURS[2]: lambda: VAE(20, likelihood="bernoulli", **common).fit(X),
    }[name]


def measure(options) -> None:
    """Print what one fit adds, in MiB: what the child process does."""
    import warnings

    from _peers import images

    warnings.simplefilter("ignore")
    X = images(options.data, 2_000 if options.quick else 60_000)
    # A fit of 256 rows loads what is imported lazily; that is counted as import.
    make_fit(options.child, X[:256], 1)()
    before = resident("VmRSS")
    # Since Linux 4.0, writing 5 resets the peak.
    Path("/proc/self/clear_refs").write_text("5")
    make_fit(options.child, X, options.epochs or 1)()
    print(resident("VmHWM") - before)


def ask(name: str) -> float:
    command = [sys.executable, __file__, *sys.argv[1:], "--child", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    options = read_options(__doc__, rounds=3)
    if not STATUS.exists():
        sys.exit("bench_memory.py reads /proc, which only Linux has.")
    if options.child is not None:
        measure(options)
        return
    print_machine("extra peak memory of a fit, 60,000 x 784 (data 180 MiB)", options)
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(options.rounds):
        for name in NAMES:
            found[name].append(ask(name))
    print_value(
        [
            (name, GOAL_MIB if name in OURS else None, statistics.median(values), "MiB")
            for name, values in found.items()
        ]
    )


if __name__ == "__main__":
    main()
