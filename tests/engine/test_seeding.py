"""Randomness is owned: global generators stay where they are, and seeds decide everything."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from skrep import VAE, Autoencoder, DenoisingAutoencoder, Trainer
from skrep.engine.seeding import draws_from_global_rng, forked_rng, make_generator


class DropoutEncoder:
    """Factory of a network that draws from torch's global generator while it trains."""

    def __call__(self, n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, n_out))


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).random((60, 8)).astype(np.float32)


def models(random_state, max_epochs=2):
    how = {
        "hidden_layer_sizes": (4,),
        "max_epochs": max_epochs,
        "batch_size": 16,
        "random_state": random_state,
    }
    return {
        "plain": Autoencoder(2, **how),
        "denoising": DenoisingAutoencoder(2, **how),
        "variational": VAE(2, **how),
        "dropout": Autoencoder(2, encoder=DropoutEncoder(), **how),
        "stopping": Autoencoder(2, trainer=Trainer(early_stopping=1), **{**how, "max_epochs": 99}),
    }


NAMES = list(models(0))


@contextmanager
def global_generators_unmoved():
    kind, keys, position, *_ = np.random.get_state()  # noqa: NPY002 - this is what is watched
    torch_state = torch.get_rng_state()
    yield
    after = np.random.get_state()  # noqa: NPY002
    assert after[0] == kind
    np.testing.assert_array_equal(after[1], keys)
    assert after[2] == position
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("random_state", [0, None], ids=["int", "None"])
@pytest.mark.parametrize("name", NAMES)
def test_global_generators_never_move(name, random_state, X):
    with global_generators_unmoved():
        estimator = models(random_state)[name].fit(X)
        estimator.inverse_transform(estimator.transform(X))
        estimator.score(X)
        estimator.partial_fit(X)
        if name == "variational":
            estimator.sample(3)
            estimator.score_samples(X)


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_that_fails_leaves_them_too(name, X):
    with global_generators_unmoved(), pytest.raises(RuntimeError, match=r"non-finite|became"):
        models(0, max_epochs=50)[name].set_params(learning_rate=1e30).fit(X)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name, X, seed):
    first, again, other = (models(s)[name].fit(X) for s in (seed, seed, seed + 1))
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    np.testing.assert_array_equal(first.loss_curve_, again.loss_curve_)
    assert not np.array_equal(first.transform(X), other.transform(X))


@pytest.mark.parametrize("name", NAMES)
def test_the_callers_generators_do_not_matter(name, X, seed):
    fitted = []
    for global_seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            fitted.append(models(seed)[name].fit(X))
    np.testing.assert_array_equal(fitted[0].transform(X), fitted[1].transform(X))


def test_without_a_seed_fits_differ(X):
    first, second = (models(None)["plain"].fit(X) for _ in range(2))
    assert not np.array_equal(first.transform(X), second.transform(X))


def test_a_random_state_is_drawn_from(X, seed):
    state = np.random.RandomState(seed)
    first = models(state)["plain"].fit(X)
    second = models(state)["plain"].fit(X)
    again = models(np.random.RandomState(seed))["plain"].fit(X)
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    assert not np.array_equal(first.transform(X), second.transform(X))


@pytest.mark.parametrize("name", NAMES)
def test_two_threads_equal_one_after_the_other(name, X, seed):
    alone = [models(seed + i, max_epochs=6)[name].fit(X) for i in range(2)]
    together = [models(seed + i, max_epochs=6)[name] for i in range(2)]
    with global_generators_unmoved():
        threads = [threading.Thread(target=estimator.fit, args=(X,)) for estimator in together]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_dropout_is_off_after_fit(X, seed):
    estimator = models(seed)["dropout"].fit(X)
    np.testing.assert_array_equal(estimator.transform(X), estimator.transform(X))


class OwnLayer(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5, self.training)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2)), False),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)), True),
        (nn.AlphaDropout(0.1), True),
        (nn.Dropout2d(0.1), True),
        (nn.RReLU(), True),
        (nn.LSTM(2, 2), False),
        (nn.LSTM(2, 2, 2, dropout=0.1), True),
        (nn.TransformerEncoderLayer(4, 2, dropout=0.1), True),
        (nn.Sequential(OwnLayer()), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_modules_that_may_draw_are_found(module, expected):
    assert draws_from_global_rng(module) is expected


def test_a_fork_starts_from_its_seed_and_restores(seed):
    with global_generators_unmoved():
        with forked_rng(seed):
            first = torch.rand(3)
            with forked_rng(seed + 1):
                inner = torch.rand(3)
            second = torch.rand(3)
        with forked_rng(seed):
            expected = torch.rand(6)
    assert torch.equal(torch.cat([first, second]), expected)
    assert not torch.equal(inner, first)


def test_a_fork_restores_after_an_error(seed):
    def draw_and_fail():
        with forked_rng(seed):
            torch.rand(3)
            raise KeyError

    with global_generators_unmoved(), pytest.raises(KeyError):
        draw_and_fail()


def test_a_generator_is_its_own(seed):
    with global_generators_unmoved():
        one, other = make_generator(seed), make_generator(seed)
        assert torch.equal(torch.rand(4, generator=one), torch.rand(4, generator=other))


@pytest.mark.parametrize("large", [2**31 - 1, 2**32 - 1])
def test_every_legal_seed_works(large, X):
    models(large)["variational"].fit(X).partial_fit(X)
    models(large)["stopping"].fit(X)
