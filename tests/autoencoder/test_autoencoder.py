"""The plain autoencoder against PCA, and what its parameters do."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from torch import nn

from skrep import Autoencoder, Trainer, Views
from skrep.datasets import make_low_rank, make_multiview
from skrep.nn import MLP, conv_decoder, conv_encoder


@pytest.fixture(scope="module")
def digits(seed):
    return train_test_split(load_digits().data, test_size=0.3, random_state=seed)


@pytest.fixture(name="X", scope="module")
def low_rank(seed):
    return make_low_rank(200, 12, rank=3, noise=0.2, random_state=seed)


def small(seed, **parameters):
    settings = {"n_components": 3, "hidden_layer_sizes": (16,), "max_epochs": 3}
    return Autoencoder(**{**settings, "random_state": seed, **parameters})


RANDOM = {
    "encoder": MLP(()),
    "decoder": MLP(()),
    "max_epochs": 100,
    "learning_rate": 2e-2,
    "trainer": Trainer(schedule="cosine"),
}


@pytest.mark.parametrize(
    "settings",
    [RANDOM, {"hidden_layer_sizes": (), "max_epochs": 10}],
    ids=["random start", "default start"],
)
def test_linear_autoencoder_spans_the_subspace_of_pca(digits, settings, seed):
    train, test = digits
    pca = PCA(8).fit(train)
    best = ((test - pca.inverse_transform(pca.transform(test))) ** 2).mean()
    model = Autoencoder(8, random_state=seed, **settings).fit(train)
    assert -model.score(test) < 1.01 * best
    decoder = next(m for m in model.module_.decoder.modules() if isinstance(m, nn.Linear))
    angles = subspace_angles(decoder.weight.detach().numpy(), pca.components_.T)
    assert np.degrees(angles.max()) < 5


@pytest.mark.parametrize("decoder", [None, "tied"])
@pytest.mark.parametrize("hidden", [(), (16,)])
@pytest.mark.parametrize("scaling", ["view", None])
def test_training_starts_at_pca(X, decoder, hidden, scaling, seed):
    X = X - X.mean(axis=0)
    pca = PCA(3).fit(X)
    best = ((X - pca.inverse_transform(pca.transform(X))) ** 2).mean()
    model = small(seed, decoder=decoder, hidden_layer_sizes=hidden, scaling=scaling)
    model.set_params(max_epochs=1, learning_rate=1e-12).fit(X)
    assert -model.score(X) == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", "identity", "tanh"])
@pytest.mark.parametrize("hidden", [(), (10,), (10, 6)])
def test_tied_weights_are_transposes_and_stay_so(X, activation, hidden, seed):
    model = small(seed, decoder="tied", activation=activation, hidden_layer_sizes=hidden)
    model.set_params(max_epochs=5, learning_rate=1e-2).fit(X)
    module = model.module_
    first = [m for m in module.encoder.modules() if isinstance(m, nn.Linear)]
    again = [m for m in module.decoder.modules() if isinstance(m, nn.Linear)]
    assert {id(m) for m in first} == {id(m) for m in again}
    # The encoder owns one bias per layer besides; the decoder adds biases and no weights.
    n_weights = sum(m.weight.numel() for m in first)
    total = sum(p.numel() for p in module.parameters() if p.ndim == 2)
    assert total == n_weights
    # The decoder is the linear map of the transposes where nothing bends.
    if not hidden:
        W, bias = first[0].weight.detach().numpy(), module.decoder.biases[0].detach().numpy()
        Z = model.transform(X)
        working = (model.inverse_transform(Z) - module.scaler.centre.numpy()) / (
            module.scaler.scale.numpy()
        )
        np.testing.assert_allclose(working, Z @ W + bias, rtol=1e-3, atol=1e-4)


def test_tied_and_a_factory_of_the_encoder_exclude_each_other(X, seed):
    with pytest.raises(ValueError, match="reuses the weights of the default encoder"):
        small(seed, decoder="tied", encoder=MLP((4,))).fit(X)


def test_convolutions_on_images(digits, seed):
    train = digits[0][:400]
    model = small(
        seed,
        encoder=conv_encoder((8, 8), (4, 8)),
        decoder=conv_decoder((8, 8), (8, 4)),
        max_epochs=5,
        learning_rate=3e-3,
    ).fit(train)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.reconstruct(train[:5]).shape == (5, 64)


def test_a_logistic_output_stays_in_the_range_of_the_data(digits, seed):
    train = digits[0][:300] / 16
    model = small(seed, output_activation="logistic").fit(train)
    back = model.inverse_transform(50 * model.transform(train))
    assert back.min() >= 0
    assert back.max() <= 1


def test_early_fusion_is_one_matrix(seed):
    views = make_multiview(150, (8, 5, 3), random_state=seed)
    joined = np.asarray(views)
    settings = {"view_weights": "features", "scaling": None}
    several = small(seed, **settings).fit(views)
    one = small(seed, scaling=None).fit(joined)
    np.testing.assert_allclose(several.transform(views), one.transform(joined), atol=1e-5)
    np.testing.assert_allclose(several.loss_curve_, one.loss_curve_, rtol=1e-6)


def errors(model, views):
    back = model.reconstruct(views)
    return [((a - b) ** 2).mean() for a, b in zip(views, back, strict=True)]


def test_view_weights_move_the_error_between_views(seed):
    views = make_multiview(300, (10, 10), n_shared=1, n_private=4, random_state=seed)
    left = small(seed, view_weights={"view0": 0.95, "view1": 0.05}, max_epochs=20).fit(views)
    right = small(seed, view_weights={"view0": 0.05, "view1": 0.95}, max_epochs=20).fit(views)
    even = small(seed, max_epochs=20).fit(views)
    assert errors(left, views)[0] < errors(even, views)[0] < errors(right, views)[0]
    assert errors(left, views)[1] > errors(even, views)[1] > errors(right, views)[1]


def test_balanced_does_not_let_a_wide_view_drown_a_narrow_one(seed):
    views = make_multiview(300, (60, 4), n_shared=1, n_private=3, random_state=seed)
    balanced = small(seed, max_epochs=20).fit(views)
    plain = small(seed, max_epochs=20, view_weights="features").fit(views)
    assert errors(balanced, views)[1] < errors(plain, views)[1]


def test_score_does_not_move_with_view_weights_as_such(seed):
    # Both start at weighted PCA of full rank, which is the identity whatever the weights.
    views = make_multiview(100, (3, 3), n_shared=1, n_private=1, random_state=seed)
    fitted = [
        small(seed, n_components=6, view_weights=weights, max_epochs=1, learning_rate=1e-12)
        .set_params(hidden_layer_sizes=())
        .fit(views)
        for weights in ("balanced", {"view0": 9.0, "view1": 1.0})
    ]
    codes = np.zeros((100, 6), dtype=np.float32)
    np.testing.assert_allclose(
        *[np.asarray(model.inverse_transform(codes)) for model in fitted], atol=1e-5
    )
    scores = [model.score(views) for model in fitted]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_score_is_the_squared_error_in_units_of_the_input(X, seed):
    model = small(seed).fit(X)
    assert model.score(X) == pytest.approx(-((X - model.reconstruct(X)) ** 2).mean(), rel=1e-5)
    scaled = small(seed).fit(100 * X)
    assert scaled.score(100 * X) == pytest.approx(1e4 * model.score(X), rel=1e-3)


def test_score_of_views_is_relative_to_their_variance(seed):
    views = make_multiview(150, (8, 5), random_state=seed)
    model = small(seed).fit(views)
    relative = [e / a.var(axis=0).mean() for e, a in zip(errors(model, views), views, strict=True)]
    assert model.score(views) == pytest.approx(-np.mean(relative), rel=1e-4)
    stretched = Views((1e3 * views[0], views[1]))
    assert small(seed).fit(stretched).score(stretched) == pytest.approx(
        model.score(views), rel=1e-3
    )


def test_a_constant_view_is_harmless(seed):
    views = make_multiview(150, (8, 5), random_state=seed)
    padded = Views({"a": views[0], "b": views[1], "flat": np.full((150, 3), 7.0)})
    model = small(seed).fit(padded)
    np.testing.assert_allclose(model.reconstruct(padded)["flat"], 7.0, atol=0.1)
    assert np.isfinite(model.score(padded))


@pytest.mark.parametrize("scaling", ["view", "feature", None])
def test_constant_features_are_fine(X, scaling, seed):
    X = np.hstack([X, np.full((200, 2), 5.0)])
    model = small(seed, scaling=scaling, max_epochs=30).fit(X)
    assert np.isfinite(model.transform(X)).all()
    np.testing.assert_allclose(model.reconstruct(X)[:, -2:], 5.0, atol=0.5)


def test_equal_seeds_equal_fits(X, seed):
    first, second = (small(seed).fit(X).transform(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, small(seed + 1).fit(X).transform(X))


def test_codes_beyond_the_rank(seed):
    X = make_low_rank(60, 5, rank=2, random_state=seed)
    model = small(seed, n_components=9).fit(X)
    assert model.transform(X).shape == (60, 9)
    assert model.transform(X).std(axis=0).min() > 0


def test_a_factory_may_use_the_global_generator_without_moving_it(X, seed):
    class Dropped:
        def __call__(self, n_in, n_out):
            return nn.Sequential(nn.Dropout(0.5), nn.Linear(n_in, n_out))

    state = torch.get_rng_state()
    settings = {"encoder": Dropped(), "decoder": MLP(())}
    first, second = (small(seed, **settings).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert torch.equal(state, torch.get_rng_state())
