"""The script on Wikipedia articles in `examples/papers/` runs and prints its rows."""

import runpy
from pathlib import Path

import numpy as np
import pytest

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    """Where a small stand-in for `wikipedia.npz` lies: image and text share a category."""
    rng = np.random.default_rng(0)
    words, topics = rng.random((2, 10, 128)) ** 4, rng.random((10, 10)) ** 4
    arrays = {}
    for part, n in (("train", 200), ("test", 60)):
        y = np.arange(n) % 10
        for name, means in (("image", words[0]), ("text", topics)):
            drawn = rng.gamma(5.0 * means[y] + 0.05)
            arrays[f"{name}_{part}"] = drawn / drawn.sum(axis=1, keepdims=True)
        arrays[f"y_{part}"] = y
    folder = tmp_path_factory.mktemp("articles")
    np.savez(folder / "wikipedia.npz", **arrays)
    return folder


def test_every_precision_is_printed(articles, printed_rows):
    script = runpy.run_path(str(PAPERS / "wikipedia.py"))
    script["main"](["--data", str(articles), "--quick"])
    rows = printed_rows()
    assert len(rows) == 8
    assert rows[0][0] == "CCA"
    for row in rows:
        both = [float(part) for part in row[1].split("/")]
        # An order without sense gives about the share of a category, 0.1.
        assert all(0.12 < value <= 1.0 for value in both)
