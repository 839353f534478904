"""Fixtures and options shared by all tests.

Nothing here seeds a global generator: a test that draws takes the `seed` fixture.
"""

import os

import pytest

# Before torch is imported by any test: two xdist workers with all threads each would be slower
# than one, and reductions would add up in another order on another machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before scipy is imported: without it scikit-learn skips its check of array API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# Scripts that print timings, run by hand; `--doctest-modules` would import them.
collect_ignore = ["benchmarks"]


def parse_seeds(text: str) -> list[int]:
    """Read "0", "0,3,7" or "0-19" (both ends included) as a list of seeds."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds.extend(range(int(first), int(last or first) + 1))
    return seeds


@pytest.fixture(
    scope="session",
    params=parse_seeds(os.environ.get("SKREP_TEST_SEEDS", "0")),
    ids=lambda value: f"seed{value}",
)
def seed(request):
    """One seed, 0, unless `SKREP_TEST_SEEDS=0-19` asks for more."""
    return request.param


def pytest_collection_modifyitems(items):
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items:
        return
    import torch

    if not torch.cuda.is_available():
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
