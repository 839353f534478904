"""A fit that was interrupted goes on, and ends where it would have ended."""

from functools import partial

import numpy as np
import pytest
import torch
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback

from skrep import VAE, Autoencoder, DenoisingAutoencoder, Trainer
from skrep.engine import checkpoint as checkpoint_module
from skrep.engine.checkpoint import fingerprint

N_EPOCHS = 8


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).random((60, 8)).astype(np.float32)


class InterruptedFitError(RuntimeError):
    """What stops the first fit."""


class Raise(Callback):
    """Raise at the start of an epoch (from 1)."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise InterruptedFitError


class CountEpochs(Callback):
    """Add 1 to a list of the caller's for every epoch that is trained."""

    def __init__(self, seen):
        self.seen = seen

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append(1)


KINDS = {
    "adam": (Autoencoder, {}, {}),
    "noise": (DenoisingAutoencoder, {}, {}),
    "vae": (VAE, {}, {}),
    "sgd": (Autoencoder, {}, {"optimizer": "sgd", "gradient_clip": 0.1}),
    # With a line search: without one it may diverge.
    "lbfgs": (
        Autoencoder,
        {"batch_size": 64},
        {"optimizer": partial(torch.optim.LBFGS, max_iter=4, line_search_fn="strong_wolfe")},
    ),
    "one_cycle": (Autoencoder, {}, {"schedule": "one_cycle"}),
    "stopping": (Autoencoder, {"learning_rate": 0.3}, {"early_stopping": 3}),
    "late stopping": (DenoisingAutoencoder, {}, {"early_stopping": 7}),
    "lr scheduler": (
        Autoencoder,
        {},
        {"callbacks": [skorch_callbacks.LRScheduler("StepLR", step_size=2, gamma=0.3)]},
    ),
}


def model(kind, folder, seed, *, callbacks=(), **settings):
    cls, parameters, how = KINDS[kind]
    how = {**how, "callbacks": [*how.get("callbacks", ()), *callbacks]}
    parameters = {"batch_size": 16, "max_epochs": N_EPOCHS, **parameters, **settings}
    return cls(
        2,
        hidden_layer_sizes=(4,),
        random_state=seed,
        trainer=Trainer(checkpoint=folder, **how),
        **parameters,
    )


def assert_same_fit(one, other):
    for (name, left), right in zip(
        one.module_.state_dict().items(), other.module_.state_dict().values(), strict=True
    ):
        assert torch.equal(left, right), name
    numbers = one.history_.columns.drop("seconds")
    assert list(one.history_.columns) == list(other.history_.columns)
    np.testing.assert_array_equal(one.history_[numbers], other.history_[numbers])
    assert one.n_iter_ == other.n_iter_


@pytest.mark.filterwarnings("ignore:Training ended:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_fit_ends_as_if_it_had_not_been(kind, X, seed, tmp_path):
    whole = model(kind, None, seed).fit(X)
    interrupted = model(kind, tmp_path, seed, callbacks=[Raise(4)])
    with pytest.raises(InterruptedFitError):
        interrupted.fit(X)
    seen = []
    resumed = model(kind, tmp_path, seed, callbacks=[lambda: CountEpochs(seen)]).fit(X)
    assert len(seen) == whole.n_iter_ - 3
    assert_same_fit(resumed, whole)


def test_a_finished_fit_is_not_done_again(X, seed, tmp_path):
    first = model("adam", tmp_path, seed).fit(X)
    seen = []
    again = model("adam", tmp_path, seed, callbacks=[lambda: CountEpochs(seen)]).fit(X)
    assert seen == []
    assert_same_fit(again, first)


class Widths:
    """Factory of an encoder; its text says nothing about its width."""

    def __init__(self, width):
        self.width = width

    def __call__(self, n_in, n_out):
        return torch.nn.Sequential(
            torch.nn.Linear(n_in, self.width), torch.nn.Linear(self.width, n_out)
        )

    def __repr__(self):
        return "Widths()"


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.01},
        {"batch_size": 15},
        {"max_epochs": N_EPOCHS + 1},
        {"random_state": 123},
        {"activation": "tanh"},
        {"n_components": 3},
        {"trainer__weight_decay": 0.1},
        {"trainer__optimizer": "sgd"},
        {"trainer__schedule": "linear"},
        {"encoder": Widths(5)},
    ],
    ids=str,
)
def test_another_fit_never_reads_the_file(change, X, seed, tmp_path):
    model("adam", tmp_path, seed).fit(X)
    if "encoder" in change:
        model("adam", tmp_path, seed, encoder=Widths(4)).fit(X)
    fresh = model("adam", None, seed).set_params(**change).fit(X)
    beside = model("adam", tmp_path, seed).set_params(**change).fit(X)
    assert_same_fit(beside, fresh)


@pytest.mark.parametrize("change", ["value", "order", "rows", "columns", "views"])
def test_other_data_never_read_the_file(change, X, seed, tmp_path):
    model("adam", tmp_path, seed).fit(X)
    other = {
        "value": X + np.eye(*X.shape, dtype=np.float32) * 1e-3,
        "order": X[::-1].copy(),
        "rows": X[:-1],
        "columns": X[:, :-1].copy(),
        "views": (X[:, :4].copy(), X[:, 4:].copy()),
    }[change]
    fresh = model("adam", None, seed).fit(other)
    assert_same_fit(model("adam", tmp_path, seed).fit(other), fresh)


def test_a_pass_after_other_data_never_reads_the_file(X, seed, tmp_path):
    def passes(folder, first):
        return model("adam", folder, seed).partial_fit(first).partial_fit(X[40:])

    passes(tmp_path, X[:20])
    assert_same_fit(passes(tmp_path, X[20:40]), passes(None, X[20:40]))


def test_a_schedule_made_anew_never_reads_the_file(X, seed, tmp_path):
    def fitted(folder, step):
        estimator = model("adam", folder, seed)
        estimator.set_params(
            trainer__schedule=lambda optimizer, n: torch.optim.lr_scheduler.StepLR(optimizer, step)
        )
        return estimator.fit(X)

    # The first function is gone when the second is made, perhaps at the same address.
    fitted(tmp_path, 1)
    assert_same_fit(fitted(tmp_path, 50), fitted(None, 50))


def step_down(optimizer, n_steps):
    return torch.optim.lr_scheduler.StepLR(optimizer, 3)


def build_encoder(n_in, n_out):
    return torch.nn.Linear(n_in, n_out)


def test_a_fit_is_known_again_in_another_process(seed):
    estimator = model("adam", "folder", seed, encoder=build_encoder)
    stop = skorch_callbacks.EarlyStopping()
    estimator.set_params(trainer__schedule=step_down, trainer__early_stopping=stop)
    # An address would be another one there.
    assert " at 0x" not in estimator._identity()


def test_fingerprints_tell_functions_apart():
    def scaled(factor):
        return lambda x: factor * x

    assert fingerprint(scaled(2)) == fingerprint(scaled(2)) != fingerprint(scaled(3))
    assert fingerprint(step_down) == fingerprint(step_down) != fingerprint(build_encoder)
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    # A generator cannot be written down, so it is never the same.
    endless = iter(x for x in [1])
    assert fingerprint(endless) != fingerprint(endless)


def test_a_crash_while_writing_leaves_the_last_good_file(X, seed, tmp_path, monkeypatch):
    whole = model("noise", None, seed).fit(X)
    save = torch.save
    saved = []

    def crash_at_the_fourth(state, path):
        saved.append(path)
        if len(saved) == 4:
            path.write_bytes(b"half a fi")
            raise OSError("the disk is full")
        save(state, path)

    monkeypatch.setattr(checkpoint_module.torch, "save", crash_at_the_fourth)
    with pytest.raises(OSError, match="full"):
        model("noise", tmp_path, seed).fit(X)
    monkeypatch.undo()
    seen = []
    resumed = model("noise", tmp_path, seed, callbacks=[lambda: CountEpochs(seen)]).fit(X)
    assert len(seen) == N_EPOCHS - 3
    assert_same_fit(resumed, whole)


def test_another_number_of_threads_warns(X, seed, tmp_path):
    with pytest.raises(InterruptedFitError):
        model("adam", tmp_path, seed, callbacks=[Raise(3)]).fit(X)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with pytest.warns(UserWarning, match=rf"written with {before} threads .* may differ"):
            model("adam", tmp_path, seed).fit(X)
    finally:
        torch.set_num_threads(before)


def test_one_file_a_fit_and_none_without_a_folder(X, seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model("adam", None, seed).fit(X)
    assert list(tmp_path.iterdir()) == []
    folder = tmp_path / "new" / "folder"
    model("adam", str(folder), seed).fit(X)
    model("adam", folder, seed + 1).fit(X)
    assert len(list(folder.iterdir())) == 2
    assert all(path.suffix == ".pt" for path in folder.iterdir())
