"""A bar in a terminal and a notebook, ten lines in a log file, nothing when not asked."""

import os
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from skrep import VAE, Autoencoder, Trainer
from skrep.engine import progress
from skrep.exceptions import NonFiniteLossError


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).normal(size=(30, 5)).astype(np.float32)


def model(seed, *, verbose=1, max_epochs=3, cls=Autoencoder, **settings):
    return cls(
        2,
        hidden_layer_sizes=(4,),
        max_epochs=max_epochs,
        random_state=seed,
        verbose=verbose,
        trainer=Trainer(**settings),
    )


@pytest.mark.filterwarnings("ignore:Training ended:sklearn.exceptions.ConvergenceWarning")
def test_a_line_holds_epoch_loss_parts_validation_and_time(X, seed, capsys):
    model(seed, cls=VAE, early_stopping=50).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    for i, line in enumerate(lines):
        found = re.search(
            r"VAE: epoch (\d+)/3, loss -?[\d.e+-]+, .*valid_loss .*, about \d+ s", line
        )
        assert found, line
        assert int(found[1]) == i + 1
        names = re.findall(r"([a-z_]+) -?\d", line)
        assert names[:2] == ["epoch", "loss"]
        assert len(names) >= 5  # a VAE's loss has at least two parts


@pytest.mark.parametrize("max_epochs", [1, 5, 10, 13, 19, 100, 101])
def test_a_log_gets_about_ten_lines(max_epochs, X, seed, capsys):
    model(seed, max_epochs=max_epochs).fit(X)
    lines = capsys.readouterr().err.splitlines()
    assert min(max_epochs, 10) <= len(lines) <= 11
    assert f"epoch 1/{max_epochs}" in lines[0]
    assert f"epoch {max_epochs}/{max_epochs}" in lines[-1]
    assert "\r" not in "".join(lines)


def test_an_early_stop_shows_the_last_epoch(X, seed, capsys):
    estimator = model(seed, max_epochs=500, early_stopping=2).set_params(learning_rate=0.5).fit(X)
    assert estimator.n_iter_ < 100
    assert f"epoch {estimator.n_iter_}/500" in capsys.readouterr().err.splitlines()[-1]


def test_quiet_by_default(X, seed, capfd):
    model(seed, verbose=0).fit(X)
    Autoencoder(2, max_epochs=2).fit(X).transform(X)
    model(seed, verbose=0, max_epochs=60, early_stopping=2).set_params(learning_rate=0.5).fit(X)
    assert capfd.readouterr() == ("", "")


def test_time_left_is_that_of_the_epochs_seen(capsys):
    bar = progress.ProgressBar(10, "fit")
    net = SimpleNamespace(history=[{"epoch": 9, "train_loss": 1.0}])
    bar.on_train_begin(net)
    bar.started_ = time.monotonic() - 20.0
    # A fit that goes on from epoch 8: one epoch took 20 s, one is left.
    bar.on_epoch_end(net)
    assert re.search(r"epoch 9/10, loss 1, about (19|20|21) s left", capsys.readouterr().err)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_moving_bar(X, seed, monkeypatch):
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with os.fdopen(follower, "w", buffering=1) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        model(seed, max_epochs=4).fit(X)
        # What was written comes through in pieces, when the kernel finds the time.
        written = ""
        while written.count("\n") < 1:
            written += os.read(leader, 100_000).decode()
    os.close(leader)
    assert "Autoencoder: 100%" in written
    assert "4/4" in written
    assert "loss=" in written
    assert "epoch/s" in written or "s/epoch" in written
    assert written.count("\r") >= 2
    assert written.count("\n") == 1


class FakeBar:
    """What a notebook's bar is asked to do."""

    made: list

    def __init__(self, **settings):
        self.settings = settings
        self.steps = 0
        self.shown = []
        self.closed = False
        FakeBar.made.append(self)

    def set_postfix(self, shown, refresh=True):
        self.shown.append(shown)

    def update(self):
        self.steps += 1

    def close(self):
        self.closed = True


@pytest.fixture
def notebook(monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "auto_tqdm", FakeBar)
    FakeBar.made = []
    return shell


def test_a_notebook_gets_its_own_bar(X, seed, notebook, capsys):
    estimator = model(seed, max_epochs=4).fit(X)
    (bar,) = FakeBar.made
    assert bar.settings == {"total": 4, "desc": "Autoencoder", "unit": "epoch"}
    assert bar.steps == 4
    assert bar.closed
    assert [float(shown["loss"]) for shown in bar.shown] == pytest.approx(
        estimator.loss_curve_, rel=1e-3
    )
    assert capsys.readouterr().err == ""


def test_a_bar_is_closed_when_training_fails(X, seed, notebook):
    estimator = model(seed, max_epochs=40, optimizer="sgd").set_params(learning_rate=1e6)
    with pytest.raises(NonFiniteLossError):
        estimator.fit(X)
    assert FakeBar.made[0].closed


@pytest.mark.parametrize("shell", [None, SimpleNamespace(config={}), SimpleNamespace()])
def test_a_shell_that_is_no_notebook_is_none(shell, notebook, monkeypatch, X, seed, capsys):
    module = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    model(seed).fit(X)
    assert FakeBar.made == []
    assert "epoch 3/3" in capsys.readouterr().err


class _OnlyWrite:
    """What some tools put in place of standard error."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def test_a_stream_that_can_only_write_gets_lines(X, seed, monkeypatch):
    stream = _OnlyWrite()
    monkeypatch.setattr(sys, "stderr", stream)
    model(seed).fit(X)
    assert stream.text.count("\n") == 3


def test_without_standard_error_nothing_is_shown(X, seed, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw, and processes without a console
    assert model(seed).fit(X).n_iter_ == 3
