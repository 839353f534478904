"""The loop makes the numbers of a plain torch loop, and calls what skorch would call."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skrep.autoencoder import Autoencoder
from skrep.engine.data import ViewData
from skrep.engine.plan import TrainingPlan
from skrep.engine.train import run_training
from skrep.engine.trainer import Trainer
from skrep.nn.module import LossTerms, RepresentationModule

N_SAMPLES, WIDTH, BATCH = 50, 6, 16


class Bottleneck(RepresentationModule):
    """A small autoencoder with an optional draw in its loss."""

    def __init__(self, seed, noise=0.0):
        super().__init__()
        self.into = nn.Linear(WIDTH, 3)
        self.out = nn.Linear(3, WIDTH)
        self.noise = noise
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)

    def encode(self, batch):
        return torch.tanh(self.into(batch.views[0]))

    def decode(self, codes):
        return (self.out(codes),)

    def training_loss(self, batch, generator):
        x = batch.views[0]
        noisy = x + self.noise * torch.randn(x.shape, generator=generator) if self.noise else x
        codes = torch.tanh(self.into(noisy))
        error = (self.out(codes) - x).square().mean()
        size = codes.square().mean()
        return LossTerms(error + 0.1 * size, reconstruction=error, size=size)


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).normal(size=(N_SAMPLES, WIDTH)).astype(np.float32)


def make_plan(seed, trainer=None, learning_rate=0.01):
    return TrainingPlan(
        trainer, batch_size=BATCH, learning_rate=learning_rate, device="cpu", seed=seed
    )


def by_engine(X, seed, trainer=None, *, epochs=3, noise=0.0, learning_rate=0.01):
    module = Bottleneck(seed, noise)
    plan = make_plan(seed, trainer, learning_rate)
    result = run_training(module, ViewData([X]), plan, max_epochs=epochs)
    return module, result.history


def by_hand(X, seed, make_optimizer, *, epochs=3, noise=0.0, after_backward=None):
    """The loop anyone would write, with the engine's seeds and batch order."""
    module = Bottleneck(seed, noise)
    optimizer = make_optimizer(module.parameters())
    order = torch.Generator().manual_seed(seed)
    draws = torch.Generator().manual_seed(seed + 1)
    data = torch.from_numpy(X)
    losses = []
    for _ in range(epochs):
        permutation = torch.randperm(N_SAMPLES, generator=order)
        total = 0.0
        for rows in permutation.split(BATCH):
            batch = ViewData([X]).batch(rows.numpy())
            torch.testing.assert_close(batch.views[0], data[rows])
            seen = []

            def closure(batch=batch, seen=seen):
                optimizer.zero_grad()
                loss = module.training_loss(batch, draws).total
                loss.backward()
                if after_backward is not None:
                    after_backward(module)
                seen.append(loss.item())
                return loss

            optimizer.step(closure)
            total += seen[0] * len(rows)
        losses.append(total / N_SAMPLES)
    return module, losses


def assert_same_weights(one, other, atol=1e-6):
    for (name, left), right in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(
            left, right, rtol=0, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )


CASES = {
    "adam": (Trainer(), lambda p: torch.optim.Adam(p, lr=0.01)),
    "adam with decay": (
        Trainer(weight_decay=0.1),
        lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    ),
    "adamw": (
        Trainer("adamw", weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ),
    "adamw, no decay": (
        Trainer("adamw", weight_decay=0.0),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.0),
    ),
    "sgd": (Trainer("sgd"), lambda p: torch.optim.SGD(p, lr=0.01)),
    "rmsprop": (Trainer("rmsprop"), lambda p: torch.optim.RMSprop(p, lr=0.01)),
    "lbfgs": (Trainer("lbfgs"), lambda p: torch.optim.LBFGS(p, lr=0.01)),
    "a class": (Trainer(torch.optim.Adagrad), lambda p: torch.optim.Adagrad(p, lr=0.01)),
    "lbfgs from a factory": (
        Trainer(lambda p, lr: torch.optim.LBFGS(p, lr=lr, max_iter=4)),
        lambda p: torch.optim.LBFGS(p, lr=0.01, max_iter=4),
    ),
}


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("case", CASES)
def test_three_epochs_equal_a_plain_torch_loop(case, noise, X, seed):
    trainer, make_optimizer = CASES[case]
    module, history = by_engine(X, seed, trainer, noise=noise)
    expected, losses = by_hand(X, seed, make_optimizer, noise=noise)
    assert_same_weights(module, expected)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)


def test_float64_is_computed_in_float64(X, seed):
    def doubled():
        module = Bottleneck(seed).double()
        plan = make_plan(seed, Trainer(precision="float64"))
        run_training(module, ViewData([X], dtype=plan.dtype), plan, max_epochs=3)
        return module

    module, expected = doubled(), Bottleneck(seed).double()
    optimizer = torch.optim.Adam(expected.parameters(), lr=0.01)
    order = torch.Generator().manual_seed(seed)
    for _ in range(3):
        for rows in torch.randperm(N_SAMPLES, generator=order).split(BATCH):
            optimizer.zero_grad()
            batch = ViewData([X], dtype=torch.float64).batch(rows.numpy())
            expected.training_loss(batch, order).total.backward()
            optimizer.step()
    assert_same_weights(module, expected, atol=1e-12)


def test_clipping_equals_a_plain_torch_loop(X, seed):
    def clip(module):
        nn.utils.clip_grad_norm_(module.parameters(), 0.05)

    module, _ = by_engine(X, seed, Trainer("sgd", gradient_clip=0.05), learning_rate=0.5)
    expected, _ = by_hand(X, seed, lambda p: torch.optim.SGD(p, lr=0.5), after_backward=clip)
    assert_same_weights(module, expected)


def test_history_holds_the_named_terms_and_they_add_up(X, seed):
    _, history = by_engine(X, seed)
    columns = ["epoch", "loss", "reconstruction", "size", "learning_rate", "seconds"]
    assert list(history.columns) == columns
    assert history["epoch"].tolist() == [1, 2, 3]
    total = history["reconstruction"] + 0.1 * history["size"]
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)


class Watcher(Callback):
    """Count every hook, and what came with it."""

    def __init__(self, calls):
        self.calls = calls

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        assert len(X[0]) == N_SAMPLES
        self.calls["train_begin"] += 1

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.calls["train_end"] += 1

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        assert len(dataset_train) == N_SAMPLES
        self.calls["epoch_begin"] += 1

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls["epoch_end"] += 1

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.calls["batch_begin", training] += 1

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        assert np.isfinite(kwargs["loss"].item())
        self.calls["batch_end", training] += 1

    def on_grad_computed(self, net, named_parameters, training=None, **kwargs):
        assert all(parameter.grad is not None for _, parameter in named_parameters)
        self.calls["grad", training] += 1


def test_every_hook_is_called_as_often_as_skorch_says(X, seed):
    calls = Counter()
    by_engine(X, seed, Trainer(callbacks=[lambda: Watcher(calls)]))
    batches = 3 * 4
    assert calls == {
        "train_begin": 1,
        "train_end": 1,
        "epoch_begin": 3,
        "epoch_end": 3,
        ("batch_begin", True): batches,
        ("batch_end", True): batches,
        ("grad", True): batches,
    }


def test_hooks_see_held_out_batches_too(X, seed):
    calls = Counter()
    trainer = Trainer(
        callbacks=[lambda: Watcher(calls)], early_stopping=100, validation_fraction=0.4
    )
    with pytest.warns(UserWarning, match="max_epochs"):
        by_engine(X, seed, trainer)
    # 30 rows are trained on, 20 held out: two batches each.
    assert calls["batch_begin", True] == calls["batch_end", True] == calls["grad", True] == 6
    assert calls["batch_begin", False] == calls["batch_end", False] == 6
    assert calls["epoch_end"] == 3


class SeesBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


class SeesGradients(Callback):
    def on_grad_computed(self, net, named_parameters, **kwargs):
        pass


@pytest.mark.parametrize("watcher", [SeesBatches, SeesGradients])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "lbfgs"},
        {"gradient_clip": 0.1, "schedule": "one_cycle"},
        {"early_stopping": 2},
    ],
    ids=str,
)
def test_a_watched_fit_gives_the_same_weights(watcher, settings, X, seed):
    # A rate at which the held-out loss rises, so that early stopping stops.
    rate, epochs = (0.3, 40) if "early_stopping" in settings else (0.01, 2)
    how = {"noise": 0.2, "learning_rate": rate, "epochs": epochs}
    lean, history = by_engine(X, seed, Trainer(**settings), **how)
    watched, seen = by_engine(X, seed, Trainer(**settings, callbacks=[watcher()]), **how)
    assert_same_weights(lean, watched, atol=0)
    numbers = history.columns.drop("seconds")
    np.testing.assert_array_equal(history[numbers], seen[numbers])


def test_the_lean_loop_reads_the_loss_once_an_epoch(X, seed, monkeypatch):
    reads = Counter()
    item = torch.Tensor.item

    def counted(tensor):
        reads["item"] += 1
        return item(tensor)

    monkeypatch.setattr(torch.Tensor, "item", counted)
    by_engine(X, seed)
    assert reads["item"] <= 3


@pytest.mark.gpu
def test_what_partial_fit_keeps_for_the_next_pass_is_on_the_cpu(seed):
    X = np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)
    for optimizer in ("adam", "lbfgs"):
        model = Autoencoder(2, device="cuda", random_state=seed, trainer=Trainer(optimizer))
        model.partial_fit(X)
        kept = pickle.loads(pickle.dumps(model._optimizer_state))
        state = [value for entry in kept["state"].values() for value in entry.values()]
        assert all(t.device.type == "cpu" for t in state if isinstance(t, torch.Tensor))
        assert model.partial_fit(X).n_iter_ == 2
