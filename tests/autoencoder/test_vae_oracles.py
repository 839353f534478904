"""The VAE against closed forms and numerical integration."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from skrep import VAE, Likelihood, Trainer
from skrep.datasets import make_bars, make_low_rank
from skrep.functional.importance import importance_weighted_bound
from skrep.nn import MLP
from skrep.nn.module import Batch

N, D, K = 800, 12, 3


@pytest.fixture(name="X", scope="module")
def low_rank(seed):
    return make_low_rank(N, D, rank=K, noise=0.5, random_state=seed)


@pytest.fixture(scope="module")
def linear(X, seed):
    return VAE(K, hidden_layer_sizes=(), max_epochs=30, random_state=seed).fit(X)


@pytest.fixture(scope="module")
def rough(X, seed):
    """A linear model whose posterior is far from the exact one."""
    parts = {"encoder": MLP(()), "decoder": MLP(())}
    return VAE(K, **parts, max_epochs=3, learning_rate=1e-2, random_state=seed).fit(X)


def ppca_evidence(X, k):
    """Mean log-evidence of probabilistic PCA at its optimum (Tipping and Bishop, 1999)."""
    _n, d = X.shape
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[k:].mean()
    covariance = (vectors[:, :k] * (values[:k] - noise)) @ vectors[:, :k].T + noise * np.eye(d)
    return multivariate_normal(X.mean(axis=0), covariance).logpdf(X).mean()


def generative(model):
    """Loadings, mean and noise variance of a linear-Gaussian model, in the caller's units."""
    module = model.module_
    scale = module.scaler.scale.double().numpy()
    centre = module.scaler.centre.double().numpy()
    decoder = next(m for m in module.decoder.modules() if isinstance(m, torch.nn.Linear))
    W = decoder.weight.detach().double().numpy() * scale[:, None]
    mean = centre + scale * decoder.bias.detach().double().numpy()
    noise = module.likelihoods[0].log_var.detach().double().exp().numpy() * scale**2
    return W, mean, noise


def own_evidence(model, X):
    W, mean, noise = generative(model)
    return multivariate_normal(mean, W @ W.T + np.diag(noise)).logpdf(X)


def test_linear_gaussian_bound_reaches_the_evidence_of_ppca(linear, X):
    evidence = ppca_evidence(X, K)
    # 0.01 nat per feature below is the goal; above, nothing but rounding and the products of
    # codes that the balanced draws leave: 0.002 nat per feature.
    assert evidence - 0.01 * D < linear.score(X) < evidence + 0.002 * D


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_bound_is_in_the_units_of_the_input(X, factor, seed):
    model = VAE(K, hidden_layer_sizes=(), max_epochs=30, random_state=seed).fit(factor * X)
    evidence = ppca_evidence(factor * X, K)
    assert evidence - 0.01 * D < model.score(factor * X) < evidence + 0.002 * D


@pytest.mark.parametrize("scaling", ["feature", None])
def test_other_scalings_keep_the_units(X, scaling, seed):
    stretched = X * np.linspace(0.5, 3.0, D) + 2.0
    setting = Likelihood("gaussian", variance="feature", scaling=scaling)
    model = VAE(K, likelihood=setting, hidden_layer_sizes=(), max_epochs=40, random_state=seed)
    bound = model.fit(stretched).score(stretched)
    evidence = own_evidence(model, stretched).mean()
    assert evidence - 0.05 * D < bound < evidence + 0.01 * D


def test_a_random_start_gets_there_too(X, seed):
    model = VAE(
        K,
        encoder=MLP(()),
        decoder=MLP(()),
        max_epochs=150,
        learning_rate=1e-2,
        random_state=seed,
        trainer=Trainer(schedule="cosine"),
    ).fit(X)
    evidence = ppca_evidence(X, K)
    # Codes may be rotated, so a diagonal posterior need not be exact: 0.03 nat per feature. Above,
    # products of rotated codes remain in the Monte Carlo error: 32 draws, 3 pairs of codes whose
    # coefficient is at most 1, so 5 sd are 5 * sqrt(3 / 32) nats in the worst case.
    assert evidence - 0.03 * D < model.score(X) < evidence + 5 * np.sqrt(3 / 32)


def test_posterior_is_the_closed_form(X, seed):
    model = VAE(K, hidden_layer_sizes=(), max_epochs=1, learning_rate=1e-9, random_state=seed)
    mean, std = model.fit(X).posterior(X)
    W, centre, noise = generative(model)
    precision = np.eye(K) + (W.T / noise) @ W
    expected = np.linalg.solve(precision, (W.T / noise) @ (X - centre).T).T
    np.testing.assert_allclose(mean, expected, rtol=1e-3, atol=1e-4)
    exact = np.sqrt(np.diag(np.linalg.inv(precision)))
    np.testing.assert_allclose(std, np.broadcast_to(exact, std.shape), rtol=1e-3)
    np.testing.assert_array_equal(mean, model.transform(X))


def test_sample_has_the_moments_of_the_model(linear, seed):
    n = 20_000
    drawn = linear.sample(n, random_state=seed)
    W, mean, noise = generative(linear)
    covariance = W @ W.T + np.diag(noise)
    # Five standard errors each: 12 means and 78 covariances, a false alarm in 20 000 runs.
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * error).all()
    variances = np.diag(covariance)
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
    assert (np.abs(np.cov(drawn.T) - covariance) < 5 * error).all()


def test_sample_is_repeatable_and_leaves_the_global_generator(linear):
    state = torch.get_rng_state()
    first = linear.sample(5, random_state=3)
    np.testing.assert_array_equal(first, linear.sample(5, random_state=3))
    assert not np.array_equal(first, linear.sample(5, random_state=4))
    assert not np.array_equal(linear.sample(5), linear.sample(5))
    assert torch.equal(state, torch.get_rng_state())


def test_importance_weighting_closes_the_gap(rough, X, seed):
    evidence = own_evidence(rough, X).mean()
    elbo = rough.score(X)
    assert evidence - elbo > 0.5, "the test wants a model with a gap"
    batch = Batch((torch.as_tensor(X, dtype=torch.float32),))
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for n_draws in (1, 8, 64, 512):
        noise = torch.randn(n_draws, N, K, generator=generator)
        with torch.inference_mode():
            weights = rough.module_.log_weights(batch, noise)
        rows.append(importance_weighted_bound(weights).double().numpy())
    # Draws differ between rows, so means have a standard error; five of them, 3e-7 a comparison.
    for few, many in itertools.pairwise(rows):
        difference = many - few
        assert difference.mean() > -5 * difference.std() / np.sqrt(N)
    assert rows[-1].mean() > elbo + 0.5 * (evidence - elbo)
    gap = rows[-1] - own_evidence(rough, X)
    assert gap.mean() < 5 * gap.std() / np.sqrt(N)


def test_score_samples_with_draws_lies_between_bound_and_evidence(rough, X):
    elbo, evidence = rough.score(X), own_evidence(rough, X)
    rows = rough.score_samples(X, n_importance_samples=1000)
    assert elbo < rows.mean() < evidence.mean() + 0.1
    assert abs(rows.mean() - evidence.mean()) < 0.3 * (evidence.mean() - elbo)


@pytest.mark.parametrize("k", [1, 2])
def test_bernoulli_log_probability_against_a_grid(k, seed):
    X = make_bars(300, side=2, random_state=seed)
    model = VAE(k, likelihood="bernoulli", hidden_layer_sizes=(16,), max_epochs=30)
    model.set_params(learning_rate=1e-2, random_state=seed).fit(X)
    patterns = np.unique(X, axis=0)
    axis = np.linspace(-8, 8, 401)
    grid = np.stack(np.meshgrid(*[axis] * k, indexing="ij"), axis=-1).reshape(-1, k)
    probability = np.clip(model.inverse_transform(grid).astype(float), 1e-12, 1 - 1e-7)
    log_p = patterns @ np.log(probability).T + (1 - patterns) @ np.log1p(-probability).T
    prior = -0.5 * (grid**2).sum(axis=1) - 0.5 * k * np.log(2 * np.pi)
    exact = logsumexp(log_p + prior, axis=1) + k * np.log(axis[1] - axis[0])
    n_draws = 2000
    estimate = model.score_samples(patterns, n_importance_samples=n_draws)
    with torch.inference_mode():
        batch = Batch((torch.as_tensor(patterns, dtype=torch.float32),))
        log_w = model.module_.log_weights(batch, model._noise(n_draws)).double().numpy()
    weights = np.exp(log_w - log_w.max(axis=0))
    error = weights.std(axis=0) / weights.mean(axis=0) / np.sqrt(n_draws)
    # Five standard errors of at most 7 patterns (4e-6), and the rounding of float32.
    assert (np.abs(estimate - exact) < 5 * error + 2e-3).all()
    assert np.abs(estimate - exact).mean() < 0.1
    # The plain bound is a mean of 32 draws; balancing them only lowers its error.
    assert (model.score_samples(patterns) < exact + 5 * log_w.std(axis=0) / np.sqrt(32)).all()


def test_bernoulli_probabilities_of_all_patterns_sum_to_at_most_one(seed):
    X = make_bars(300, side=2, random_state=seed)
    model = VAE(2, likelihood="bernoulli", max_epochs=20, random_state=seed).fit(X)
    every = np.array(list(np.ndindex(2, 2, 2, 2)), dtype=float)
    total = np.exp(model.score_samples(every, n_importance_samples=2000)).sum()
    assert total == pytest.approx(1.0, abs=0.1)
    assert np.exp(model.score_samples(every)).sum() < total


def test_importance_weighted_training_raises_the_bound(seed):
    X = make_low_rank(500, 8, rank=2, noise=0.3, nonlinear=True, random_state=seed)
    settings = {"max_epochs": 40, "learning_rate": 3e-3, "random_state": seed}
    model = VAE(2, n_importance_samples=5, hidden_layer_sizes=(32,), **settings).fit(X)
    # On the very draws of training, the bound of five is never below the mean of their weights.
    assert list(model.history_.columns) == ["epoch", "loss", "learning_rate", "seconds"]
    batch = Batch((torch.as_tensor(X, dtype=torch.float32),))
    noise = torch.randn(5, 500, 2, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        weights = model.module_.log_weights(batch, noise)
    assert (importance_weighted_bound(weights) >= weights.mean(dim=0) - 1e-4).all()
    assert model.score_samples(X, n_importance_samples=5).mean() >= model.score(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_score_is_the_mean_of_score_samples(linear, X):
    assert isinstance(linear.score(X), float)
    assert linear.score(X) == pytest.approx(linear.score_samples(X).mean(), rel=1e-6)


@pytest.mark.parametrize("n_draws", [1, 7])
def test_score_samples_does_not_depend_on_neighbours(linear, X, n_draws):
    rows = linear.score_samples(X, n_draws)
    np.testing.assert_allclose(
        linear.score_samples(X[::-1][:50], n_draws), rows[::-1][:50], rtol=1e-4
    )
    np.testing.assert_allclose(linear.score_samples(X[7:8], n_draws), rows[7:8], rtol=1e-4)
