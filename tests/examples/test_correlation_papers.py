"""The scripts on correlated views in `examples/papers/` run, and print what they say they print."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def noisy():
    return runpy.run_path(str(PAPERS / "noisy_mnist.py"))


@pytest.fixture(scope="module")
def halves():
    return runpy.run_path(str(PAPERS / "mnist_halves.py"))


@pytest.fixture(scope="module")
def parts(noisy, images):
    X, y, X_test, y_test = images
    train, test = (
        Bunch(data=data.reshape(-1, 784).astype(np.float32) / 255, target=target)
        for data, target in ((X, y), (X_test, y_test))
    )
    return noisy["make_parts"](train, test)


def test_every_error_is_printed(noisy, folder, printed_rows):
    noisy["main"](["--data", str(folder), "--quick", "--seeds", "0", "1"])
    rows = printed_rows()
    assert [row[0].partition("-")[0] for row in rows] == ["CCA", "DCCA", "DCCAE"]
    for row in rows:
        testing, tuning, fitting = row[1].split("; ")
        mean, _, each = testing.partition(" (")
        found = [float(error) for error in each.rstrip(")").split(", ") if error]
        assert len(found) == (0 if row[0].startswith("CCA") else 2)
        if found:
            assert float(mean) == pytest.approx(np.mean(found), abs=0.011)
        assert 0 <= float(mean) <= 100
        assert 0 <= float(tuning.removeprefix("tuning ")) <= 100
        assert fitting.startswith("fitted in ")


def test_parts_share_no_image(parts, images):
    assert [len(part.y) for part in parts] == [333, 67, 100]
    np.testing.assert_array_equal(parts[1].y, images[1][333:])
    assert all(part.views.names == ("rotated", "noisy") for part in parts)


def test_errors_are_those_of_each_part(noisy, parts):
    """Codes are the digit for two parts, and the digit after it for the last."""
    codes = [
        np.eye(10)[(part.y + later) % 10] for part, later in zip(parts, (0, 0, 1), strict=True)
    ]
    assert noisy["errors"](codes, parts)[:2] == (0, 100)


def test_dropout_by_the_byte_drops_the_share_it_says(noisy):
    torch.manual_seed(0)
    drop = noisy["Drop"](0.3)
    x = torch.ones(999, 101)
    seen = drop(x)
    share, n = round(256 * 0.3) / 256, x.numel()
    # Five standard errors: a false alarm in about two million runs.
    assert (seen == 0).double().mean() == pytest.approx(share, abs=5 * (0.25 / n) ** 0.5)
    assert torch.unique(seen).tolist() == pytest.approx([0, 1 / (1 - share)])
    assert drop.eval()(x) is x


def test_images_are_moved_whole(noisy):
    torch.manual_seed(0)
    spoil = noisy["Spoil"](0.0, 1)
    image = torch.zeros(7, 7)
    image[2:5, 3:5] = torch.rand(3, 2) + 0.5
    moved = spoil(image.reshape(1, -1).repeat(500, 1)).reshape(-1, 7, 7)
    wanted = [image.roll((dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    counts = [sum(torch.equal(m, w) for m in moved) for w in wanted]
    # Each about 56 of 500; 20 or fewer for one of nine happens once in ten million runs.
    assert sum(counts) == 500
    assert min(counts) > 20
    rows = torch.rand(3, 49)
    assert spoil.eval()(rows) is rows


def test_matrices_alone_decay(noisy):
    network = noisy["Encoder"]((4,), masking=0.1)(49, 3)
    decayed, free = noisy["decay_matrices"](network.parameters(), lr=0.1).param_groups
    assert [p.ndim for p in decayed["params"]] == [2, 2]
    assert [p.ndim for p in free["params"]] == [1, 1, 1]
    assert (decayed["weight_decay"], free["weight_decay"]) == (2e-4, 0.0)


def test_an_unknown_model_is_refused(noisy, folder, capsys):
    with pytest.raises(SystemExit):
        noisy["main"](["--data", str(folder), "--only", "pls"])
    assert "--only takes cca, dcca, dccae; got 'pls'" in capsys.readouterr().err


def test_every_figure_of_halves_is_printed(halves, folder, printed_rows):
    halves["main"](["--data", str(folder), "--quick"])
    rows = printed_rows()
    assert [row[0].partition("-")[0] for row in rows] == [
        "CCA",
        "DCCA",
        "raw CCA",
        "RBMCCA",
        "raw CCA",
        "RBMCCA",
    ]
    assert all(0 < float(row[1]) <= 5 for row in rows[:2])
    for row in rows[2:]:
        there, back = map(float, row[1].split(" / "))
        # Ten classes: even codes of five numbers after two epochs beat chance.
        assert all(15 < accuracy <= 100 for accuracy in (there, back))


def test_an_unknown_figure_of_halves_is_refused(halves, folder, capsys):
    with pytest.raises(SystemExit):
        halves["main"](["--data", str(folder), "--only", "thirds"])
    assert "--only takes total, shared, mfeat; got 'thirds'" in capsys.readouterr().err
