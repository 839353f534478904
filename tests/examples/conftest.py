"""A small stand-in for MNIST in a folder, and a reader of printed tables."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def images():
    """Training and test images (n, 28, 28) and labels: small digits, three times as large."""
    digits, y = load_digits(return_X_y=True)
    large = np.kron(digits.reshape(-1, 8, 8) * 15.9, np.ones((3, 3)))
    large = np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return large[:400], y[:400], large[400:500], y[400:500]


@pytest.fixture(scope="session")
def folder(images, tmp_path_factory):
    """Where `mnist.npz` with those images lies."""
    path = tmp_path_factory.mktemp("data")
    names = ("X_train", "y_train", "X_test", "y_test")
    np.savez(path / "mnist.npz", **dict(zip(names, images, strict=True)))
    return path


@pytest.fixture
def printed_rows(capsys):
    """Return a function to the cells of the Markdown table printed so far."""

    def read():
        head, rule, *rows = capsys.readouterr().out.splitlines()
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
        assert set(rule) == {"|", "-"}
        assert all(len(row) == head.count("|") - 1 for row in cells)
        return cells

    return read
