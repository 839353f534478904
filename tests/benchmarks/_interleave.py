"""Time variants in turns, so that a busy neighbour slows all of them alike.

Imports nothing but the standard library: thread counts must be set before numpy and torch load.
"""

import argparse
import contextlib
import gc
import importlib.util
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
PACKAGES = ("numpy", "scikit-learn", "torch", "skorch", "pythae")


@dataclass(frozen=True)
class Turn:
    """What one run of one variant took, in seconds, and the loss it ended with."""

    cpu: float
    wall: float
    loss: float | None


@dataclass(frozen=True)
class Comparison:
    """A row of the table: ours over a peer, with the ratio that is hoped for."""

    ours: str
    peer: str
    goal: float | None = None


def read_options(text: str, *, rounds: int = 5, argv: Sequence[str] | None = None):
    """Read the command line and set the number of threads, before anything heavy is imported."""
    parser = argparse.ArgumentParser(description=text.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="turns of every variant")
    parser.add_argument("--threads", type=int, default=1, help="threads of every library")
    parser.add_argument("--epochs", type=int, default=None, help="passes over the data a fit")
    parser.add_argument("--quick", action="store_true", help="tiny data, one round: does it run?")
    parser.add_argument("--data", type=Path, default=None, help="folder that holds mnist.npz")
    parser.add_argument("--child", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds = 1
    for name in THREAD_VARIABLES:
        os.environ[name] = str(options.threads)
    return options


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def interleave(variants: dict[str, Callable[[], float | None]], rounds: int, *, warm_up=True):
    """Run all variants in every round and return {name: [Turn, ...]}.

    A round starts one variant later than the one before it, so that none always comes first.
    The warm-up round is thrown away: it pays for lazy imports, caches and kernel selection.
    """
    names = list(variants)
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for i in range(-1 if warm_up else 0, rounds):
        shift = i % len(names)
        for name in names[shift:] + names[:shift]:
            turn = _run(variants[name])
            if i >= 0:
                turns[name].append(turn)
    return turns


def _run(variant: Callable[[], float | None]) -> Turn:
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wall, cpu = time.perf_counter(), time.process_time()
        loss = variant()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Turn(cpu, wall, loss)


def print_variants(turns: dict[str, list[Turn]]) -> None:
    """Print what every variant took: medians over the rounds."""
    print("\n| variant | CPU s | wall s | last loss |\n| --- | ---: | ---: | ---: |")
    for name, mine in turns.items():
        cpu = statistics.median(turn.cpu for turn in mine)
        wall = statistics.median(turn.wall for turn in mine)
        loss = mine[-1].loss
        shown = "-" if loss is None else f"{loss:.4g}"
        print(f"| {name} | {cpu:.4f} | {wall:.4f} | {shown} |")


def print_ratios(turns: dict[str, list[Turn]], comparisons: Sequence[Comparison]) -> None:
    """Print ours over each peer: the ratio within each round, then the median over rounds."""
    print("\n| ratio | goal | CPU | min - max | wall | reached |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for row in comparisons:
        if row.peer not in turns:
            print(f"| {row.ours} / {row.peer} | {_number(row.goal)} | not installed | - | - | - |")
            continue
        pairs = list(zip(turns[row.ours], turns[row.peer], strict=True))
        cpu = [mine.cpu / theirs.cpu for mine, theirs in pairs]
        wall = statistics.median(mine.wall / theirs.wall for mine, theirs in pairs)
        median = statistics.median(cpu)
        print(
            f"| {row.ours} / {row.peer} | {_number(row.goal)} | {median:.2f} | "
            f"{min(cpu):.2f} - {max(cpu):.2f} | {wall:.2f} | {reached(median, row.goal)} |"
        )


def print_value(rows: Sequence[tuple[str, float | None, float, str]]) -> None:
    """Print rows of (what, goal, value, unit)."""
    print("\n| value | goal | measured | reached |\n| --- | ---: | ---: | --- |")
    for what, goal, value, unit in rows:
        limit = "-" if goal is None else f"<= {goal:g} {unit}"
        print(f"| {what} | {limit} | {value:.3g} {unit} | {reached(value, goal)} |")


def reached(value: float, goal: float | None) -> str:
    if goal is None:
        return "-"
    return "yes" if value <= goal else "NO"


def _number(goal: float | None) -> str:
    return "-" if goal is None else f"<= {goal:g}"


def print_machine(title: str, options: argparse.Namespace) -> None:
    """Print what a reader needs to judge the numbers below."""
    versions = []
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{package} {metadata.version(package)}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"\n## {title}\n")
    print(f"- processor: {_processor()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    print(f"- Python {platform.python_version()}, {', '.join(versions)}")
    print(f"- {options.threads} thread(s), {options.rounds} round(s)", end="")
    print(", QUICK MODE: the numbers mean nothing" if options.quick else "")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", maxsplit=1)[1].strip()
    return platform.processor() or platform.machine()
