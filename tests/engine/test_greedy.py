"""Layer by layer: what a layer sees, what stands still, what is shown."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch

from skrep.engine.greedy import Layer, layer_plan, make_rbm_layer, train_greedily
from skrep.engine.trainer import Trainer
from skrep.nn.module import Batch
from skrep.nn.units import BernoulliUnits
from skrep.utils.settings import Pretraining

WIDTHS = (10, 6, 4, 2)


def data(seed):
    return (np.random.default_rng(seed).random((40, WIDTHS[0])) < 0.3).astype(np.float32)


def stack(seed, seen, precision="float32"):
    """A stack of RBMs that notes what each was given, and how those below it look then."""
    pretraining = Pretraining("rbm")
    layers = []
    for number, (below, width) in enumerate(itertools.pairwise(WIDTHS)):
        plan = layer_plan(
            pretraining,
            Trainer(precision=precision),
            batch_size=10,
            device="cpu",
            seed=seed + number,
        )

        def make(arrays, plan=plan, below=below, width=width):
            seen.append(arrays)
            return make_rbm_layer(
                BernoulliUnits((below,)), BernoulliUnits((width,)), arrays, pretraining, plan
            )

        layers.append(Layer(make, plan))
    return layers


def test_a_layer_sees_the_codes_of_the_one_below(seed):
    X, seen = data(seed), []
    trained = train_greedily(stack(seed, seen), (X,), max_epochs=2)
    assert seen[0][0] is X
    below = torch.from_numpy(X)
    for module, codes in zip(trained.layers, [*seen[1:], (trained.codes,)], strict=True):
        with torch.no_grad():
            below = module.encode(Batch((below,)))
        np.testing.assert_array_equal(codes[0], below.numpy())


def test_layers_below_stand_still(seed):
    X, seen, at_that_time = data(seed), [], []
    layers = stack(seed, seen)
    built = []

    def noting(make, arrays):
        at_that_time.append([{k: v.clone() for k, v in m.state_dict().items()} for m in built])
        built.append(make(arrays))
        return built[-1]

    trained = train_greedily(
        [Layer(partial(noting, make), plan) for make, plan in layers], (X,), max_epochs=2
    )
    for states in at_that_time:
        for before, module in zip(states, trained.layers, strict=False):
            for name, value in module.state_dict().items():
                assert torch.equal(before[name], value), name
    for module in trained.layers:
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())
        assert all(p.grad is None for p in module.parameters())


def test_history_has_the_layers(seed):
    trained = train_greedily(stack(seed, []), (data(seed),), max_epochs=2)
    assert list(trained.history["layer"]) == [1, 1, 2, 2, 3, 3]
    assert list(trained.history["epoch"]) == [1, 2, 1, 2, 1, 2]
    assert np.isfinite(trained.history["loss"]).all()


def test_progress_says_which_layer(seed, capsys):
    train_greedily(stack(seed, []), (data(seed),), max_epochs=1, verbose=1, label="Stack")
    shown = capsys.readouterr().err
    for number in (1, 2, 3):
        assert f"Stack, layer {number} of 3: epoch 1/1" in shown


def test_precision_goes_all_the_way_up(seed):
    trained = train_greedily(stack(seed, [], "float64"), (data(seed),), max_epochs=1)
    assert trained.codes.dtype == np.float64


def test_generators_of_the_caller_stand_still(seed):
    before = torch.get_rng_state()
    train_greedily(stack(seed, []), (data(seed),), max_epochs=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("kind", "rate"), [("rbm", 0.05), ("denoising", 1e-3)])
def test_step_length_left_open(kind, rate):
    assert Pretraining(kind).rate() == rate
    assert Pretraining(kind, learning_rate=0.3).rate(gaussian=True) == 0.3
