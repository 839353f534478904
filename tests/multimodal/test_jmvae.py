"""JMVAE: what it has beyond what it shares with MultimodalVAE (`test_vae.py`)."""

import numpy as np
import pytest

from skrep import VAE, Views
from skrep.datasets import make_multiview
from skrep.multimodal import JMVAE


@pytest.fixture(name="X", scope="module")
def two_views(seed):
    return make_multiview(200, random_state=seed)


def make(seed, **parameters):
    settings = {"n_components": 3, "hidden_layer_sizes": (16,), "max_epochs": 20}
    return JMVAE(**{**settings, "learning_rate": 5e-3, "random_state": seed, **parameters})


def test_without_alignment_the_joint_model_is_a_vae_of_views_side_by_side(X, seed):
    joint = make(seed, alignment_weight=0.0, hidden_layer_sizes=(), max_epochs=1)
    joint = joint.set_params(learning_rate=1e-9).fit(X)
    vae = VAE(3, hidden_layer_sizes=(), max_epochs=1, learning_rate=1e-9, random_state=seed).fit(X)
    np.testing.assert_allclose(joint.transform(X), vae.transform(X), atol=1e-4)
    assert joint.score(X) == pytest.approx(vae.score(X), abs=1e-3)


def test_more_alignment_brings_single_views_closer_to_the_joint_code(X, seed):
    apart = []
    for weight in (0.0, 0.1, 10.0):
        model = make(seed, alignment_weight=weight).fit(X)
        assert list(model.history_.columns[1:5]) == ["loss", "reconstruction", "kl", "alignment"]
        apart.append(model.history_["alignment"].iloc[-1])
    assert apart[0] > apart[1] > apart[2]


def test_codes_of_single_views_predict_the_joint_code(X, seed):
    model = make(seed, alignment_weight=1.0, max_epochs=40).fit(X)
    codes, each = model.transform(X), model.transform_each(X)
    for alone in each:
        assert np.square(alone - codes).mean() < 0.8 * codes.var()


def test_samples_with_two_of_three_views(X, seed):
    three = Views((*X.arrays, X[1][:, :4] + 1.0))
    model = make(seed, max_epochs=5).fit(three)
    two = model.posterior((three[0], three[1], None))
    one = model.posterior((three[0], None, None))
    assert (two.std <= one.std + 1e-6).all()


def test_incomplete_samples_train(X, seed):
    right = np.array(X[1])
    right[:80] = np.nan
    holes = Views((X[0], right))
    model = make(seed).fit(holes)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.score_samples(holes, 5)).all()
    assert model.impute(holes)[1].shape == X[1].shape
