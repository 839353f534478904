"""Early stopping holds rows out, stops, and brings the best weights back."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import callbacks as skorch_callbacks

from skrep.engine.data import ViewData
from skrep.engine.plan import TrainingPlan
from skrep.engine.train import run_training
from skrep.engine.trainer import Trainer
from skrep.nn.module import LossTerms, RepresentationModule


class Mean(RepresentationModule):
    """Learns one row; its loss is a squared distance plus a constant, and it notes what it saw."""

    def __init__(self, offset=0.0):
        super().__init__()
        self.centre = torch.nn.Parameter(torch.zeros(2))
        self.offset = offset
        self.seen = {True: set(), False: set()}

    def encode(self, batch):
        return batch.views[0]

    def decode(self, codes):
        return (codes,)

    def training_loss(self, batch, generator):
        self.seen[self.training].update(batch.rows.tolist())
        return LossTerms((batch.views[0] - self.centre).square().mean() + self.offset)


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).normal(size=(40, 2)).astype(np.float32)


def run(X, seed, stop, *, offset=0.0, max_epochs=300, learning_rate=0.3, **settings):
    module = Mean(offset)
    trainer = Trainer("sgd", early_stopping=stop, **settings)
    plan = TrainingPlan(trainer, batch_size=5, learning_rate=learning_rate, device="cpu", seed=seed)
    return module, run_training(module, ViewData([X]), plan, max_epochs=max_epochs).history


def held_out_loss(module, X):
    rows = sorted(module.seen[False])
    centre = module.centre.detach().numpy()
    return float(np.square(X[rows] - centre).mean()) + module.offset


@pytest.mark.parametrize("offset", [0.0, -50.0], ids=["positive losses", "negative losses"])
def test_the_best_weights_come_back(offset, X, seed):
    module, history = run(X, seed, 3, offset=offset)
    best = int(history["valid_loss"].argmin())
    assert history["valid_loss"].iloc[-1] > history["valid_loss"].iloc[best]
    np.testing.assert_allclose(
        held_out_loss(module, X), history["valid_loss"].iloc[best], rtol=1e-5
    )


@pytest.mark.parametrize("patience", [1, 4, np.int64(2)])
@pytest.mark.parametrize("offset", [0.0, -50.0])
def test_training_stops_after_patience_epochs_without_improvement(patience, offset, X, seed):
    _, history = run(X, seed, patience, offset=offset)
    best = int(history["valid_loss"].argmin())
    assert len(history) == best + 1 + patience
    assert len(history) < 300


def test_held_out_rows_are_never_trained_on(X, seed):
    module, _ = run(X, seed, 2, validation_fraction=0.25)
    assert len(module.seen[False]) == 10
    assert module.seen[True] | module.seen[False] == set(range(40))
    assert not module.seen[True] & module.seen[False]


def test_nothing_is_held_out_unless_asked(X, seed):
    module, history = run(X, seed, None, max_epochs=2)
    assert module.seen == {True: set(range(40)), False: set()}
    assert "valid_loss" not in history


@pytest.mark.parametrize("stop", [3, skorch_callbacks.EarlyStopping(patience=1)])
def test_a_single_pass_trains_on_every_row(stop, X, seed):
    module, history = run(X, seed, stop, max_epochs=1)
    assert module.seen == {True: set(range(40)), False: set()}
    assert len(history) == 1


def test_one_row_is_held_out_at_least(X, seed):
    module, _ = run(X[:4], seed, 1, validation_fraction=0.01)
    assert len(module.seen[False]) == 1


def test_too_few_epochs_warn(X, seed):
    with pytest.warns(ConvergenceWarning, match=r"`max_epochs=2` before the held-out loss had"):
        run(X, seed, 5, max_epochs=2)


def test_a_skorch_callback_stops_by_its_own_rule(X, seed):
    stop = skorch_callbacks.EarlyStopping(patience=2, threshold=10.0, threshold_mode="abs")
    _, history = run(X, seed, stop)
    # No epoch improves by 10 on the first one.
    assert len(history) == 3


def test_a_skorch_callback_restores_if_it_says_so(X, seed):
    stop = skorch_callbacks.EarlyStopping(patience=3, threshold=0, load_best=True, sink=str)
    module, history = run(X, seed, stop)
    np.testing.assert_allclose(held_out_loss(module, X), history["valid_loss"].min(), rtol=1e-5)


def test_a_skorch_callback_in_callbacks_watches_the_training_loss(X, seed):
    stop = skorch_callbacks.EarlyStopping("train_loss", patience=2)
    module, history = run(X, seed, None, callbacks=[stop])
    assert len(history) < 300
    assert not module.seen[False]


@pytest.mark.parametrize(("n_samples", "fraction"), [(2, 0.9), (1, 0.1), (3, 0.99)])
def test_holding_out_every_row_is_refused(n_samples, fraction, X, seed):
    message = r"`early_stopping` holds out \d of \d samples, which leaves none to train on"
    with pytest.raises(ValueError, match=message):
        run(X[:n_samples], seed, 2, validation_fraction=fraction)


def test_validation_noise_is_the_same_in_every_epoch(X, seed):
    class Noisy(Mean):
        def training_loss(self, batch, generator):
            drawn = torch.rand((), generator=generator)
            return LossTerms(drawn + 0.0 * self.centre.sum())

    module = Noisy()
    plan = TrainingPlan(
        Trainer("sgd", early_stopping=2), batch_size=5, learning_rate=0.1, device="cpu", seed=seed
    )
    history = run_training(module, ViewData([X]), plan, max_epochs=9).history
    assert history["valid_loss"].nunique() == 1
    assert history["loss"].nunique() == len(history) == 3
