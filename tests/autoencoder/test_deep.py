"""The deep autoencoder: where it starts, what fine-tuning does, what it refuses."""

import numpy as np
import pytest
import torch

from skrep import DeepAutoencoder, Pretraining
from skrep.datasets import make_low_rank
from skrep.nn.deep_autoencoder import unroll
from skrep.nn.mlp import MLP
from skrep.nn.module import Batch
from skrep.nn.units import GaussianUnits

KINDS = ("rbm", "denoising", "autoencoder")
BOTH = pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
ALL = pytest.mark.parametrize("pretrain", KINDS)


def planted(seed, n=150):
    X = make_low_rank(n, 10, rank=3, noise=0.1, random_state=seed)
    return (X - X.min()) / (X.max() - X.min())


def small(**parameters):
    settings = {"n_components": 3, "hidden_layer_sizes": (8, 6), "max_epochs": 4}
    return DeepAutoencoder(**{**settings, "random_state": 0, "batch_size": 32, **parameters})


def frozen_at_the_start(X, **parameters):
    """The model after a step too short to be seen."""
    pretrain = Pretraining(parameters.pop("pretrain"), n_epochs=10)
    return small(pretrain=pretrain, learning_rate=1e-12, max_epochs=1, **parameters).fit(X)


@ALL
@BOTH
def test_starts_from_the_unrolled_layers(pretrain, loss, seed):
    X = planted(seed)
    model = frozen_at_the_start(X, pretrain=pretrain, loss=loss)
    x = torch.from_numpy(X).float()
    with torch.no_grad():
        code = x
        for layer in model.layers_:
            code = layer.encode(Batch((code,)))
        back = code
        for layer in reversed(model.layers_):
            (back,) = layer.decode(back)
    np.testing.assert_allclose(model.transform(X), code.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), back.numpy(), rtol=1e-4, atol=1e-5)


def test_weights_of_the_rbms_serve_both_ways(seed):
    model = frozen_at_the_start(planted(seed), pretrain="rbm", loss="cross_entropy")
    up, down = model.module_.up, model.module_.down[::-1]
    assert len(model.layers_) == len(up) == 3
    for layer, into, out_of in zip(model.layers_, up, down, strict=True):
        torch.testing.assert_close(into.weight, layer.weight)
        torch.testing.assert_close(out_of.weight, layer.weight.T)
        torch.testing.assert_close(into.bias, layer.hidden_bias)
        torch.testing.assert_close(out_of.bias, layer.visible_bias)
    assert isinstance(model.layers_[-1].hidden, GaussianUnits)


@ALL
@BOTH
def test_fine_tuning_does_not_make_reconstructions_worse(pretrain, loss, seed):
    X = planted(seed)
    before = frozen_at_the_start(X, pretrain=pretrain, loss=loss)
    after = small(
        pretrain=Pretraining(pretrain, n_epochs=10), loss=loss, learning_rate=0.01, max_epochs=25
    ).fit(X)
    assert after.score(X) >= before.score(X)
    assert after.loss_curve_[-1] < after.loss_curve_[0]


@ALL
def test_layers_stand_still_in_fine_tuning(pretrain, seed):
    X = planted(seed)
    setting = Pretraining(pretrain, n_epochs=2)
    short, long = (small(pretrain=setting, max_epochs=n).fit(X) for n in (1, 5))
    for a, b in zip(short.layers_, long.layers_, strict=True):
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(p, q)
            assert not q.requires_grad
    assert not torch.equal(short.module_.up[0].weight, long.module_.up[0].weight)
    assert list(long.pretrain_history_["layer"]) == [1, 1, 2, 2, 3, 3]


def test_without_pretraining_there_are_no_layers(seed):
    X = planted(seed)
    model = small(pretrain=None).fit(X)
    assert model.layers_ == []
    assert len(model.pretrain_history_) == 0
    untrained = small()._fit_untrained(X)
    assert untrained.layers_ == []
    assert untrained.transform(X).shape == (150, 3)


def test_partial_fit_begins_with_one_pass_a_layer(seed):
    model = small().partial_fit(planted(seed))
    assert list(model.pretrain_history_["layer"]) == [1, 2, 3]
    assert model.n_iter_ == 1


def test_reconstructions_of_cross_entropy_stay_in_range(seed):
    X = planted(seed)
    out = small(loss="cross_entropy").fit(X).inverse_transform(100 * np.ones((2, 3)))
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("shift", [(0.0, 1.0), (100.0, 50.0)])
def test_codes_do_not_depend_on_the_units_of_the_data(shift, seed):
    X = planted(seed)
    codes = small().fit(X).transform(X)
    moved = shift[0] + shift[1] * X
    np.testing.assert_allclose(small().fit(moved).transform(moved), codes, rtol=1e-2, atol=1e-3)


def test_settings_of_pretraining_nest(seed):
    model = small().set_params(pretrain__n_epochs=1)
    assert model.pretrain.kind == "rbm"
    assert len(model.fit(planted(seed)).pretrain_history_) == 3


def test_progress_names_layers_and_then_the_model(seed, capsys):
    small(max_epochs=1, verbose=1).fit(planted(seed))
    shown = capsys.readouterr().err
    assert "DeepAutoencoder, layer 3 of 3: epoch 1/1" in shown
    assert "DeepAutoencoder: epoch 1/1" in shown


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "cross_entropy"}, r"`loss='cross_entropy'` needs values in \[0, 1\]"),
        ({"scaling": ("no",)}, "`scaling` must be 'view', 'feature' or None"),
        ({"pretrain": Pretraining(n_epochs=0)}, "'n_epochs' parameter of Pretraining"),
        ({"pretrain": Pretraining("no")}, "'kind' parameter of Pretraining"),
    ],
)
def test_bad_parameters(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(planted(seed) + 1)


def test_only_layers_are_unrolled():
    with pytest.raises(TypeError, match="A stack is made of RBMModule and DeepAutoencoderModule"):
        unroll([MLP(())(2, 2)])
