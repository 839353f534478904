"""The scripts on energy models in `examples/papers/` run, and print what they say they print."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def likelihoods():
    return runpy.run_path(str(PAPERS / "rbm_mnist.py"))


@pytest.fixture(scope="module")
def fine_tuning():
    return runpy.run_path(str(PAPERS / "fine_tuning_mnist.py"))


@pytest.fixture(scope="module")
def speed():
    return runpy.run_path(str(PAPERS / "rbm_speed.py"))


def first_number(row):
    return float(row[1].split()[0])


def test_every_likelihood_is_printed(likelihoods, folder, printed_rows):
    likelihoods["main"](["--data", str(folder), "--quick"])
    rows = printed_rows()
    assert [row[0].partition(",")[0] for row in rows] == [
        "RBM 784-8",
        "RBM 784-4 on MNIST",
        "RBM 784-4 on MNIST",
        "RBM 784-4 on 1 - MNIST",
        "RBM 784-4 on 1 - MNIST",
    ]
    # Fair coins for all pixels would give 784 log 2 = 543 nats.
    assert all(-543 < first_number(row) < 0 for row in rows)
    assert all(float(row[3]) >= 0 for row in rows)


def test_annealing_both_ways_surrounds_the_exact_sum(likelihoods, images):
    train = Bunch(data=images[0].reshape(-1, 784).astype(np.float32) / 255)
    model = likelihoods["train_annealed"](train, 0, 4, 2)
    held_out = (images[2].reshape(-1, 784) > 127).astype(np.float32)
    true = float(model.log_likelihood(held_out, "exact").mean())
    up, down, *errors = likelihoods["measure_annealed"](model, held_out, 200)
    # Seeded; with fresh draws five standard errors would cry wolf about once in a million.
    for estimate, error in zip((up, down), errors, strict=True):
        assert estimate == pytest.approx(true, abs=5 * error + 0.01)


def test_centred_training_does_not_care_for_negatives(likelihoods, folder, printed_rows):
    likelihoods["main"](["--data", str(folder), "--quick", "--only", "exact"])
    rows = printed_rows()
    centred = [first_number(row) for row in rows if "centred" in row[0]]
    plain = [first_number(row) for row in rows if "plain" in row[0]]
    assert abs(centred[0] - centred[1]) < abs(plain[0] - plain[1])


def test_an_unknown_likelihood_is_refused(likelihoods, folder, capsys):
    with pytest.raises(SystemExit):
        likelihoods["main"](["--data", str(folder), "--only", "exakt"])
    assert "--only takes annealed, exact; got 'exakt'" in capsys.readouterr().err


def test_every_accuracy_is_a_mean_of_three_draws(fine_tuning, folder, printed_rows):
    fine_tuning["main"](["--data", str(folder), "--quick"])
    *accuracies, gain = printed_rows()
    assert len(accuracies) == 3
    for row in accuracies:
        each = [float(part) for part in row[1].partition("(")[2].rstrip(")").split(",")]
        assert first_number(row) == pytest.approx(np.mean(each), abs=0.011)
        assert all(0 <= accuracy <= 100 for accuracy in each)
    pretrained, *random = map(first_number, accuracies)
    assert first_number(gain) == pytest.approx(pretrained - max(random), abs=0.011)


def test_labels_are_drawn_without_repeats(fine_tuning):
    seen = []

    class Memory:
        def fit(self, X, y):
            seen.append((X[:, 0], y))
            return self

        def score(self, X, y):
            return float(len(seen))

    train = Bunch(data=np.arange(400.0)[:, None], target=np.arange(400))
    mean, found = fine_tuning["mean_accuracy"](lambda draw: Memory(), train, train, 100)
    assert mean == np.mean(found)
    assert found == [1.0, 2.0, 3.0]
    assert all(len(np.unique(y)) == 100 and (x == y).all() for x, y in seen)
    assert not np.array_equal(np.sort(seen[0][1]), np.sort(seen[1][1]))


def test_every_setting_of_the_peer_is_timed(speed, folder, printed_rows):
    speed["main"](["--data", str(folder), "--quick"])
    rows = printed_rows()
    assert len(rows) == len(speed["SETTINGS"])
    for row in rows:
        assert "of its time" in row[1] or row[1].startswith("not reached")
        assert float(row[2].split()[0]) >= 0


def test_the_peers_parameters_are_taken_over(speed, images):
    binary = (images[0].reshape(-1, 784) > 127).astype(np.float32)
    peer, seconds = speed["train_peer"](binary, 4, 20, 0.05, 1, 0)
    ours = speed["as_ours"](peer, binary)
    np.testing.assert_allclose(ours.transform(binary), peer.transform(binary), atol=1e-4)
    ours_free, peer_free = ours.free_energy(binary), peer._free_energy(binary)
    np.testing.assert_allclose(ours_free, peer_free, rtol=1e-4)
    assert seconds > 0
