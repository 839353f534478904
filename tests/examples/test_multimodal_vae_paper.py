"""`examples/papers/multimodal_vae.py` runs and prints what it says it prints."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "papers" / "multimodal_vae.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def first_number(row):
    return float(row[1].split()[0])


def test_figures_of_image_and_label(script, folder, printed_rows):
    script["main"](["--data", str(folder), "--quick", "--only", "label"])
    rows = printed_rows()
    assert [row[0].rpartition(", 3 epochs")[0] or row[0] for row in rows] == [
        "log p(x)",
        "log p(x, y)",
        "log p(y)",
        "log p(x given y)",
        "label from image, accuracy",
        "image from label, probabilities of pixels, classified as that label",
        "image from label, drawn pixels, classified as that label",
    ]
    image, both, alone, given, *shares = map(first_number, rows)
    # Fair coins for all pixels would give 784 log 2 = 543 nats, and a label has at most log 10.
    assert -543 < both < given < 0
    assert -543 < image < 0
    assert given == pytest.approx(both - alone, abs=0.011)
    assert all(0 <= share <= 1 for share in shares)


def test_log_shares_of_labels(script):
    class Model:
        def sample(self, n_samples, random_state):
            drawn = np.arange(n_samples) % 4  # labels 0 to 3 alike, the others never
            return {"label": np.eye(10)[drawn]}

    found = script["log_shares_of_labels"](Model(), 100_000)
    np.testing.assert_allclose(np.exp(found[:4]), 0.25, atol=1e-4)
    assert np.isfinite(found).all()
    assert np.exp(found).sum() == pytest.approx(1.0)


def test_coherence_of_every_kind(script, folder, printed_rows):
    script["main"](["--data", str(folder), "--quick", "--only", "halves"])
    rows = printed_rows()
    assert [row[0].split(", ")[2] for row in rows[:3]] == [
        "product",
        "mixture",
        "mixture_of_products",
    ]
    assert [row[0].split(", ")[1] for row in rows[-2:]] == ["JMVAE", "MultimodalAutoencoder"]
    found = ["multivae" in row[2] for row in rows]
    assert found == [True, True, True, False, True, False]
    assert all(0 <= first_number(row) <= 1 for row in rows)


def test_halves_are_left_and_right(script):
    images = np.arange(2 * 784).reshape(2, 784)
    halves = script["halves_of"](images)
    square = images.reshape(2, 28, 28)
    np.testing.assert_array_equal(halves["left"][0, :14], square[0, 0, :14])
    np.testing.assert_array_equal(halves["right"][1, -14:], square[1, -1, 14:])


def test_an_unknown_figure_is_refused(script, folder, capsys):
    with pytest.raises(SystemExit):
        script["main"](["--data", str(folder), "--only", "labels"])
    assert "--only takes label, halves; got 'labels'" in capsys.readouterr().err
