"""A loss that is not finite ends the fit and says where and what to try."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skrep import Autoencoder, Trainer
from skrep.engine.data import ViewData
from skrep.engine.plan import TrainingPlan
from skrep.engine.train import run_training
from skrep.exceptions import NonFiniteLossError
from skrep.nn.module import LossTerms, RepresentationModule


class Scripted(RepresentationModule):
    """Its losses are read off a list, one per training batch; the gradient is 1."""

    def __init__(self, losses, gradient=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.losses = iter(losses)
        self.gradient = gradient

    def encode(self, batch):
        return batch.views[0]

    def decode(self, codes):
        return (codes,)

    def training_loss(self, batch, generator):
        zero = (self.weight - self.weight.detach()).sum() * self.gradient
        value = next(self.losses) if self.training else 0.0
        return LossTerms(zero + value)


class SeesBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


def run(losses, *, max_epochs=3, gradient=1.0, **settings):
    module = Scripted(losses, gradient)
    plan = TrainingPlan(
        Trainer("sgd", **settings), batch_size=5, learning_rate=0.125, device="cpu", seed=0
    )
    return run_training(module, ViewData([np.ones((20, 2))]), plan, max_epochs=max_epochs)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("callbacks", [(), (SeesBatches(),)], ids=["lean", "watched"])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, r"in epoch 1, batch 1 \(no finite value before it\)"),
        (2, r"in epoch 1, batch 3 \(last finite value 2\)"),
        (3, r"in epoch 1, batch 4 \(last finite value 3\)"),
        (4, r"in epoch 2, batch 1 \(last finite value 2\.5\)"),  # the mean of the epoch before
        (9, r"in epoch 3, batch 2 \(last finite value 9\)"),
    ],
)
def test_the_message_names_place_and_values(bad, callbacks, place, message, seed):
    losses = [float(i + 1) for i in range(12)]
    losses[place] = bad
    advice = (
        r"\. Lower `learning_rate` \(now 0\.125\), set `Trainer\(gradient_clip=1\.0\)`, "
        r"or scale the features\."
    )
    with pytest.raises(NonFiniteLossError, match=f"Loss became {bad} {message}{advice}"):
        run(losses, callbacks=callbacks)


def test_the_fit_ends_with_the_epoch():
    losses = iter([1.0, np.nan, *np.ones(100)])
    with pytest.raises(NonFiniteLossError):
        run(losses, max_epochs=20)
    assert len(list(losses)) == 98


def test_a_weight_that_breaks_in_the_last_step():
    with pytest.raises(NonFiniteLossError, match=r"Weights became non-finite in epoch 3, in its l"):
        # Twelve steps of 0.125 * 2.35e38: only the last one passes float32's 3.4e38.
        run(np.ones(12), gradient=2.35e38)


def test_a_model_that_diverges_says_so(seed):
    X = np.random.default_rng(seed).normal(size=(60, 8))
    estimator = Autoencoder(
        2, learning_rate=1e4, trainer=Trainer("sgd"), max_epochs=50, random_state=seed
    )
    with pytest.raises(NonFiniteLossError, match=r"epoch \d+, (batch|in its).*\(now 10000\)"):
        estimator.fit(X)


def test_it_is_a_runtime_error():
    assert issubclass(NonFiniteLossError, RuntimeError)


def test_the_epoch_counts_earlier_passes(seed):
    X = np.random.default_rng(seed).normal(size=(20, 4))
    model = Autoencoder(2, hidden_layer_sizes=(4,), random_state=seed, batch_size=5)
    model.partial_fit(X).partial_fit(X)
    model.set_params(learning_rate=1e30, trainer=Trainer("sgd"))
    with pytest.raises(NonFiniteLossError, match="in epoch 3"):
        model.partial_fit(X)
