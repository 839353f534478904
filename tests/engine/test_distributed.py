"""Spreading batches over processes changes who computes, not what comes out."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from skrep import Autoencoder, DenoisingAutoencoder, Trainer

accelerate = pytest.importorskip(
    "accelerate", reason="accelerate is not installed (`pip install skrep[distributed]`)"
)


@pytest.fixture(name="X")
def make_data(seed):
    return np.random.default_rng(seed).normal(size=(60, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def accelerator():
    return accelerate.Accelerator(cpu=True)


def model(cls, seed, accelerator=None, **settings):
    return cls(
        2,
        hidden_layer_sizes=(4,),
        max_epochs=3,
        batch_size=16,
        device="cpu",
        random_state=seed,
        trainer=Trainer(distributed=accelerator, **settings),
    )


@pytest.mark.parametrize("cls", [Autoencoder, DenoisingAutoencoder])
@pytest.mark.parametrize("settings", [{}, {"gradient_clip": 0.1}, {"optimizer": "sgd"}], ids=str)
def test_one_process_gives_what_none_gives(cls, settings, X, seed, accelerator):
    alone = model(cls, seed, **settings).fit(X)
    one = model(cls, seed, accelerator, **settings).fit(X)
    np.testing.assert_array_equal(one.transform(X), alone.transform(X))
    np.testing.assert_array_equal(one.loss_curve_, alone.loss_curve_)


def test_a_clone_shares_the_accelerator(seed, accelerator):
    estimator = model(Autoencoder, seed, accelerator)
    assert clone(estimator).trainer.distributed is accelerator
    assert clone(estimator.trainer).distributed is accelerator


def test_a_fit_leaves_nothing_with_the_accelerator(X, seed, accelerator):
    estimator = model(Autoencoder, seed, accelerator).fit(X)
    assert accelerator._models == []
    assert type(estimator.module_).__module__.startswith("skrep.")


@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_the_fitted_model_travels(travel, X, seed, accelerator):
    estimator = model(Autoencoder, seed, accelerator).fit(X)
    np.testing.assert_array_equal(travel(estimator).transform(X), estimator.transform(X))


WORKER = """
import sys
import numpy as np
from accelerate import Accelerator
from skrep import DenoisingAutoencoder, Trainer

folder, random_state, stop = sys.argv[1], eval(sys.argv[2]), eval(sys.argv[3])
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
X = np.random.default_rng(0).normal(size=(61, 8)).astype(np.float32)
estimator = DenoisingAutoencoder(
    2, hidden_layer_sizes=(4,), max_epochs=5, batch_size=15, learning_rate=0.01,
    random_state=random_state,
    trainer=Trainer(distributed=accelerator, early_stopping=stop, optimizer="sgd"),
).fit(X)
weights = [p.detach().numpy().ravel() for p in estimator.module_.parameters()]
np.savez(
    f"{folder}/{accelerator.process_index}.npz",
    weights=np.concatenate(weights), n_iter=estimator.n_iter_, score=estimator.score(X),
)
accelerator.end_training()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("random_state", "stop"), [(0, None), (None, 3)])
def test_two_processes_end_with_equal_weights(random_state, stop, tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    arguments = [str(tmp_path), repr(random_state), repr(stop)]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *launch, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    np.testing.assert_array_equal(first["weights"], second["weights"])
    assert first["n_iter"] == second["n_iter"]
    assert np.isfinite(first["score"])
