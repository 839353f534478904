"""skorch's callbacks work as they are, and the caller's objects stay untouched."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback

from skrep import Autoencoder, Trainer


@pytest.fixture(name="X")
def make_data(seed):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def model(seed, *, callbacks=(), max_epochs=3, **settings):
    return Autoencoder(
        2,
        hidden_layer_sizes=(4,),
        max_epochs=max_epochs,
        batch_size=16,
        random_state=seed,
        trainer=Trainer(callbacks=callbacks, **settings),
    )


class Record(Callback):
    """Note the net's losses in a list that the caller handed over."""

    def __init__(self, seen=None):
        self.seen = [] if seen is None else seen
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1
        self.seen.append(net.history[-1]["train_loss"])


def test_lr_scheduler_steps_every_epoch(X, seed):
    schedule = skorch_callbacks.LRScheduler("StepLR", step_size=1, gamma=0.5)
    history = model(seed, callbacks=[schedule], max_epochs=4).fit(X).history_
    np.testing.assert_allclose(history["learning_rate"], 1e-3 * 0.5 ** np.arange(4))


def test_lr_scheduler_steps_every_batch(X, seed):
    schedule = skorch_callbacks.LRScheduler("StepLR", step_size=1, gamma=0.5, step_every="batch")
    history = model(seed, callbacks=[schedule], max_epochs=2).fit(X).history_
    # Four batches of 16 rows each epoch.
    np.testing.assert_allclose(history["learning_rate"], 1e-3 * 0.5 ** np.array([4, 8]))


def test_plateau_scheduler_reads_the_held_out_loss(X, seed):
    schedule = skorch_callbacks.LRScheduler("ReduceLROnPlateau", monitor="valid_loss")
    estimator = model(seed, callbacks=[schedule], early_stopping=50)
    with pytest.warns(UserWarning, match="max_epochs"):
        assert estimator.fit(X).n_iter_ == 3


def mean_code(net, X, y):
    """Score by what the module makes of the data that skorch hands over."""
    with torch.no_grad():
        return float(net.module_.encode(X.batch(slice(0, len(X)))).mean())


def test_epoch_scoring_takes_a_callable(X, seed):
    scoring = skorch_callbacks.EpochScoring(mean_code, on_train=True, name="mean_code")
    estimator = model(seed, callbacks=[scoring]).fit(X)
    expected = estimator.transform(X).mean()
    np.testing.assert_allclose(estimator.history_["mean_code"].iloc[-1], expected, rtol=1e-4)


def test_epoch_scoring_on_held_out_rows_gets_those_rows(X, seed):
    sizes = []

    def size(net, X, y):
        sizes.append(len(X))
        return 0.0

    scoring = partial(skorch_callbacks.EpochScoring, size, name="size")
    estimator = model(seed, callbacks=[scoring], early_stopping=50, validation_fraction=0.25)
    with pytest.warns(UserWarning, match="max_epochs"):
        estimator.fit(X)
    assert sizes == [15, 15, 15]


def test_gradient_norm_clipping_is_our_own_clipping(X, seed):
    theirs = model(
        seed, callbacks=[skorch_callbacks.GradientNormClipping(0.01)], optimizer="sgd"
    ).fit(X)
    ours = model(seed, gradient_clip=0.01, optimizer="sgd").fit(X)
    unclipped = model(seed, optimizer="sgd").fit(X)
    np.testing.assert_array_equal(theirs.transform(X), ours.transform(X))
    assert not np.array_equal(ours.transform(X), unclipped.transform(X))


def test_checkpoint_of_the_best_epoch(X, seed, tmp_path):
    saver = skorch_callbacks.Checkpoint(dirname=str(tmp_path), monitor="valid_loss_best")
    estimator = model(seed, callbacks=[saver], early_stopping=2, max_epochs=200)
    estimator.set_params(learning_rate=0.3).fit(X)
    weights = torch.load(tmp_path / "params.pt")
    for name, value in estimator.module_.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=0)


def test_checkpoint_at_the_end(X, seed, tmp_path):
    saver = skorch_callbacks.TrainEndCheckpoint(dirname=str(tmp_path))
    estimator = model(seed, callbacks=[saver]).fit(X)
    weights = torch.load(tmp_path / "train_end_params.pt")
    for name, value in estimator.module_.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=0)


def test_print_log_writes_a_row_an_epoch_to_its_sink(X, seed):
    lines = []
    log = partial(skorch_callbacks.PrintLog, sink=lines.append)
    history = model(seed, callbacks=[log]).fit(X).history_
    assert "train_loss" in lines[0]
    assert len(lines) == 2 + 3
    # skorch colours the best loss; the number stands between the escapes.
    assert f"{history['loss'].iloc[-1]:.4f}" in lines[-1]


def test_freezer_freezes(X, seed):
    start, end = _weights_before_and_after(X, seed, skorch_callbacks.Freezer("encoder*"))
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert any(name.startswith("decoder") for name in moved)
    assert not any(name.startswith("encoder") for name in moved)


def test_freezer_freezes_later_too(X, seed):
    at_second = {}

    class Note(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                weights = net.module_.named_parameters()
                at_second.update({n: p.detach().clone() for n, p in weights})

    freezer = skorch_callbacks.Freezer("encoder*", at=2)
    estimator = model(seed, callbacks=[Note, freezer]).fit(X)
    same = {n for n, p in estimator.module_.named_parameters() if torch.equal(p, at_second[n])}
    assert same == {name for name in at_second if name.startswith("encoder")}


def _weights_before_and_after(X, seed, callback):
    start = {}

    class Begin(Callback):
        def on_train_begin(self, net, **kwargs):
            start.update({n: p.detach().clone() for n, p in net.module_.named_parameters()})

    estimator = model(seed, callbacks=[Begin, callback]).fit(X)
    return start, {n: p.detach() for n, p in estimator.module_.named_parameters()}


def test_callbacks_can_be_named_and_named_as_ours_are(X, seed, tmp_path):
    seen = []
    callbacks = [("progress", lambda: Record(seen)), ("checkpoint", lambda: Record(seen))]
    estimator = model(seed, callbacks=callbacks, checkpoint=tmp_path).fit(X)
    np.testing.assert_allclose(seen, np.repeat(estimator.loss_curve_, 2))


@pytest.mark.parametrize(
    "factory", [lambda seen: lambda: Record(seen), lambda seen: partial(Record, seen)]
)
def test_a_factory_is_called_once_a_fit(factory, X, seed):
    seen = []
    estimator = model(seed, callbacks=[factory(seen)])
    estimator.fit(X)
    np.testing.assert_allclose(seen, estimator.loss_curve_)
    estimator.fit(X)
    assert len(seen) == 6


def test_the_callers_callback_is_left_alone(X, seed):
    record = Record()
    stop = skorch_callbacks.EarlyStopping(patience=1, load_best=True, sink=str)
    before = copy.deepcopy(vars(stop))
    estimator = model(seed, callbacks=[record], early_stopping=stop, max_epochs=30).fit(X)
    assert record.seen == []
    assert record.epochs == 0
    assert vars(stop) == before
    assert estimator.trainer.callbacks[0] is record


def test_callbacks_of_any_shape_clone(X, seed):
    record = Record([1.0])
    twin = clone(model(seed, callbacks=[record, ("named", record), Record]))
    assert twin.trainer.callbacks[0] is not record
    assert twin.trainer.callbacks[0].seen == [1.0]
    assert twin.trainer.callbacks[1][0] == "named"
    assert twin.trainer.callbacks[2] is Record
    assert twin.fit(X).n_iter_ == 3


class BoardFactory:
    """Make a TensorBoard callback with a writer of its own."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self):
        from torch.utils.tensorboard import SummaryWriter

        return skorch_callbacks.TensorBoard(SummaryWriter(str(self.folder)))


@pytest.fixture
def board(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    return BoardFactory(tmp_path / "board")


def logged(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_holds_the_loss_of_every_epoch(X, seed, board):
    estimator = model(seed, callbacks=[board]).fit(X)
    scalars = logged(board.folder)
    np.testing.assert_allclose(scalars["Loss/train_loss"], estimator.loss_curve_, rtol=1e-6)


def test_a_model_with_a_tensorboard_factory_travels(X, seed, board):
    estimator = model(seed, callbacks=[board], max_epochs=1).fit(X)
    expected = estimator.transform(X)
    for copied in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        np.testing.assert_array_equal(copied.transform(X), expected)
    np.testing.assert_array_equal(clone(estimator).fit_transform(X), expected)


def test_a_model_with_a_tensorboard_factory_is_searched(X, seed, board):
    search = GridSearchCV(
        model(seed, callbacks=[board], max_epochs=1), {"n_components": [1, 2]}, cv=2
    )
    assert search.fit(X).best_params_ == {"n_components": 2}
    assert len(list(board.folder.iterdir())) >= 1


class Uncopyable(Callback):
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle '_thread.lock' object")


@pytest.mark.parametrize("use", [clone, lambda estimator: estimator.fit(np.eye(4))])
def test_a_callback_that_cannot_be_copied_is_named(use, seed):
    with pytest.raises(TypeError, match=r"callback Uncopyable cannot be copied.*Pass a factory"):
        use(model(seed, callbacks=[Uncopyable()]))


@pytest.mark.parametrize("entry", [3, "EarlyStopping", (1, 2), ("name", 3)])
def test_a_bad_entry_is_refused(entry, seed):
    message = r"takes skorch callbacks, \(name, callback\) pairs or factories without arguments"
    with pytest.raises(TypeError, match=message):
        model(seed, callbacks=[entry]).fit(np.eye(4))


def test_a_factory_must_make_a_callback(seed):
    with pytest.raises(TypeError, match="must return a skorch callback"):
        model(seed, callbacks=[dict]).fit(np.eye(4))
