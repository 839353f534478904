"""What the VAE's parameters do."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn

from skrep import VAE, Likelihood, Trainer, Views, Warmup
from skrep.datasets import make_bars, make_low_rank
from skrep.nn import conv_decoder, conv_encoder


@pytest.fixture(name="X", scope="module")
def low_rank(seed):
    return make_low_rank(300, 10, rank=3, noise=0.3, random_state=seed)


def small(seed, **parameters):
    settings = {"n_components": 2, "hidden_layer_sizes": (16,), "max_epochs": 3}
    return VAE(**{**settings, "random_state": seed, **parameters})


class BatchNormed:
    """A factory of networks that read one axis of rows only."""

    def __call__(self, n_in, n_out):
        return nn.Sequential(
            nn.Linear(n_in, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, n_out)
        )


def test_a_larger_beta_gives_a_smaller_kl(X, seed):
    kls = [
        small(seed, beta=beta, max_epochs=20, learning_rate=1e-2).fit(X).history_["kl"].iloc[-1]
        for beta in (0.1, 1.0, 10.0)
    ]
    assert kls[0] > kls[1] > kls[2]


def test_score_does_not_move_with_beta_as_such(X, seed):
    one, ten = small(seed, beta=1.0), small(seed, beta=10.0)
    for model in (one, ten):
        model.set_params(max_epochs=1, learning_rate=1e-12).fit(X)
    assert one.score(X) == pytest.approx(ten.score(X), abs=1e-3)
    assert one.loss_curve_[0] < ten.loss_curve_[0]


def test_warm_up_rises_epoch_by_epoch(X, seed):
    model = small(seed, beta=Warmup(2.0, n_epochs=4), max_epochs=6).fit(X)
    history = model.history_
    weights = (history["loss"] - history["reconstruction"]) / history["kl"]
    np.testing.assert_allclose(weights, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0], atol=1e-3)
    assert model.module_.current_beta == 2.0


def test_held_out_losses_of_a_warm_up_use_the_final_weight(X, seed):
    model = small(
        seed, beta=Warmup(1.0, n_epochs=3), max_epochs=4, trainer=Trainer(early_stopping=4)
    )
    with pytest.warns(UserWarning, match="Raise `max_epochs`"):
        history = model.fit(X).history_
    weights = (history["valid_loss"] - history["valid_reconstruction"]) / history["valid_kl"]
    np.testing.assert_allclose(weights, 1.0, atol=1e-3)


def test_warm_up_goes_on_in_partial_fit(X, seed):
    model = small(seed, beta=Warmup(1.0, n_epochs=2))
    for _ in range(3):
        model.partial_fit(X)
    assert model.module_.current_beta == 1.0


@pytest.mark.parametrize("beta", [2.0, 0.0, Warmup(1.0, n_epochs=5), Warmup(3.0, n_epochs=0)])
def test_beta_and_importance_weights_exclude_each_other(X, beta, seed):
    with pytest.raises(ValueError, match="`beta` weighs the KL divergence, which the importance"):
        small(seed, beta=beta, n_importance_samples=4).fit(X)


def test_networks_see_rows_only(X, seed):
    # Batch normalisation fails on a lone row in training and on (draws, rows, features).
    factory = BatchNormed()
    model = small(seed, encoder=factory, decoder=factory, n_importance_samples=3).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.score_samples(X, 5)).all()
    assert model.sample(3, random_state=0).shape == (3, 10)


def test_convolutions_on_images(seed):
    X = load_digits().data[:400] / 16
    model = small(
        seed,
        encoder=conv_encoder((8, 8), (4, 8)),
        decoder=conv_decoder((8, 8), (8, 4)),
        likelihood="bernoulli",
        max_epochs=5,
        learning_rate=3e-3,
    ).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.score_samples(X[:5], 3).shape == (5,)
    decoded = model.inverse_transform(model.transform(X[:5]))
    assert decoded.shape == (5, 64)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def mixed_views(seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((200, 2))
    return Views(
        {
            "real": z @ rng.standard_normal((2, 5)) + 10,
            "binary": (z @ rng.standard_normal((2, 4)) > 0).astype(float),
            "class": np.eye(3)[(z[:, 0] > 0).astype(int) + (z[:, 1] > 0)],
            "count": rng.poisson(np.exp(z[:, :1] + 1) * np.ones(3)),
        }
    )


KINDS = {"real": "gaussian", "binary": "bernoulli", "class": "categorical", "count": "poisson"}


def test_one_likelihood_per_view_by_name_or_position(seed):
    views = mixed_views(seed)
    by_name = small(seed, likelihood=KINDS, max_epochs=20, learning_rate=1e-2).fit(views)
    by_position = clone(by_name).set_params(likelihood=tuple(KINDS.values())).fit(views)
    np.testing.assert_array_equal(by_name.transform(views), by_position.transform(views))
    back = by_name.reconstruct(views)
    assert back["binary"].min() >= 0
    assert back["binary"].max() <= 1
    np.testing.assert_allclose(back["class"].sum(axis=1), 1, rtol=1e-5)
    assert back["count"].min() >= 0
    np.testing.assert_allclose(back["real"].mean(axis=0), views["real"].mean(axis=0), atol=1.0)
    drawn = by_name.sample(50, random_state=seed)
    assert drawn.names == views.names
    assert set(np.unique(drawn["binary"])) <= {0.0, 1.0}
    np.testing.assert_array_equal(drawn["class"].sum(axis=1), 1)
    np.testing.assert_array_equal(drawn["count"], np.rint(drawn["count"]))
    assert by_name.loss_curve_[-1] < by_name.loss_curve_[0]


def test_one_likelihood_for_all_views(seed):
    views = Views((make_bars(60, 2, random_state=seed), make_bars(60, 3, random_state=seed)))
    together = small(seed, likelihood="bernoulli").fit(views)
    alone = small(seed, likelihood="bernoulli").fit(np.asarray(views))
    np.testing.assert_allclose(
        together.transform(views), alone.transform(np.asarray(views)), rtol=1e-5
    )
    np.testing.assert_allclose(together.score(views), alone.score(np.asarray(views)), rtol=1e-5)


def margins_log_prob(kind, X):
    """Mean log-probability of X under the product of its own margins."""
    means = X.mean(axis=0)
    if kind == "poisson":
        return poisson(means).logpmf(X).sum(axis=1).mean()
    logs = X * np.log(means)
    return (logs + (kind == "bernoulli") * (1 - X) * np.log1p(-means)).sum(axis=1).mean()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("categorical", lambda rng: np.eye(4)[rng.choice(4, p=[0.1, 0.2, 0.3, 0.4], size=600)]),
        ("poisson", lambda rng: rng.poisson([0.5, 1.0, 3.0, 8.0], size=(600, 4))),
        ("bernoulli", lambda rng: (rng.random((600, 4)) < [0.1, 0.5, 0.7, 0.9]).astype(float)),
    ],
)
def test_independent_data_reach_the_product_of_their_margins(kind, make, seed):
    X = make(np.random.default_rng(seed))
    model = small(seed, likelihood=kind, max_epochs=100, learning_rate=1e-2).fit(X)
    # Nothing is shared between features, so a code can only chase chance: the gain over the
    # margins stays below half a nat, and what unfinished training loses below as much.
    gain = model.score(X) - margins_log_prob(kind, X)
    assert -0.5 < gain < 0.5


def test_large_counts_do_not_overflow(seed):
    rng = np.random.default_rng(seed)
    X = rng.poisson(np.exp(rng.normal(6, 1, (300, 20))))
    model = small(seed, likelihood="poisson", max_epochs=20).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_fixed_variance_stays(X, seed):
    model = small(seed, likelihood=Likelihood("gaussian", variance=0.5)).fit(X)
    assert float(model.module_.likelihoods[0].log_var.exp()) == pytest.approx(0.5)


def test_a_variance_per_feature_finds_the_noisy_one(seed):
    rng = np.random.default_rng(seed + 1)
    X = make_low_rank(500, 6, rank=1, noise=0.1, random_state=seed)
    X[:, 2] += 3 * rng.standard_normal(500)
    model = small(seed, n_components=1, hidden_layer_sizes=(), max_epochs=60)
    # Scaled by feature, or the start would be the axis of largest variance: the noise itself.
    model.set_params(likelihood__variance="feature", likelihood__scaling="feature")
    model.set_params(learning_rate=1e-2).fit(X)
    assert int(model.module_.likelihoods[0].log_var.argmax()) == 2


def test_float64_throughout(X, seed):
    model = small(seed, trainer=Trainer(precision="float64")).fit(X)
    mean, std = model.posterior(X)
    for array in (model.transform(X), mean, std, model.score_samples(X), model.sample(2)):
        assert array.dtype == np.float64
    assert {p.dtype for p in model.module_.parameters()} == {torch.float64}


@pytest.mark.parametrize("n_components", [10, 14])
def test_codes_as_wide_as_the_data_or_wider(X, n_components, seed):
    model = small(seed, n_components=n_components).fit(X)
    assert model.transform(X).shape == (300, n_components)
    assert np.isfinite(model.score(X))


def test_data_without_noise_have_a_finite_density(seed):
    X = make_low_rank(100, 8, rank=2, noise=0.0, random_state=seed)
    model = small(seed, n_components=3, hidden_layer_sizes=()).fit(X)
    assert np.isfinite(model.score_samples(X)).all()


def test_a_warm_up_is_set_from_a_plain_weight():
    model = VAE(beta=4.0).set_params(beta__n_epochs=5)
    assert (model.beta.value, model.beta.n_epochs) == (4.0, 5)


def test_a_bernoulli_model_does_not_start_collapsed(seed):
    """A deep, wide one used to lose its code to the prior: KL 0 and the data's mean for all."""
    X = make_bars(400, side=6, random_state=seed)
    model = VAE(
        16, likelihood="bernoulli", hidden_layer_sizes=(64, 64), max_epochs=1, random_state=seed
    ).fit(X)
    assert model.history_["kl"].iloc[0] > 1.0
    error = np.square(model.reconstruct(X) - X).mean()
    assert error < 0.5 * np.square(X - X.mean(axis=0)).mean()


def test_domains_are_those_of_the_fit(seed):
    X = make_low_rank(60, 5, random_state=seed)
    fitted = small(seed).fit(X).set_params(likelihood="bernoulli")
    assert np.isfinite(fitted.score(X))
