import math
import pickle

import pytest
import torch
from torch import distributions

from skrep.nn.likelihoods import LIKELIHOODS, Bernoulli, Categorical, Gaussian, Poisson
from skrep.utils.domains import DOMAINS

WIDTH = 4


def generator(seed):
    return torch.Generator().manual_seed(seed)


def draws(seed, *shape):
    return torch.randn(*shape, generator=generator(seed))


ORACLES = {
    "gaussian": lambda p: distributions.Independent(distributions.Normal(p, 1.0), 1),
    "bernoulli": lambda p: distributions.Independent(distributions.Bernoulli(logits=p), 1),
    "categorical": lambda p: distributions.OneHotCategorical(logits=p),
    "poisson": lambda p: distributions.Independent(distributions.Poisson(torch.exp(p)), 1),
}


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_log_prob_and_mean_equal_torch_distributions(kind, seed):
    likelihood, parameters = LIKELIHOODS[kind](WIDTH), draws(seed, 3, 6, WIDTH)
    oracle = ORACLES[kind](parameters)
    x = likelihood.sample(parameters[0], generator(seed))
    # A learned variance starts at 1 + 1e-6.
    torch.testing.assert_close(
        likelihood.log_prob(x, parameters), oracle.log_prob(x), rtol=1e-4, atol=1e-4
    )
    assert likelihood.log_prob(x, parameters).shape == (3, 6)
    torch.testing.assert_close(likelihood.mean(parameters), oracle.mean)


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_draws_have_the_right_moments(kind, seed):
    likelihood, parameters = LIKELIHOODS[kind](WIDTH), draws(seed, WIDTH)
    oracle, n = ORACLES[kind](parameters), 40_000
    sample = likelihood.sample(parameters.expand(n, WIDTH), generator(seed + 1))
    assert sample.shape == (n, WIDTH)
    assert sample.dtype == torch.float32
    # Five standard errors in each of four features: a false alarm in 2.3e-6 of the seeds.
    assert ((sample.mean(dim=0) - oracle.mean).abs() < 5 * (oracle.variance / n).sqrt()).all()
    # The standard error of a variance is at most 1 % here, of a rare count 0.002: five and more fit
    # in these tolerances, a false alarm in less than 3e-6 of the seeds.
    torch.testing.assert_close(sample.var(dim=0), oracle.variance, rtol=0.1, atol=0.01)


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_draws_are_in_the_domain_and_owned_by_their_generator(kind, seed):
    likelihood, parameters = LIKELIHOODS[kind](WIDTH), draws(seed, 50, WIDTH)
    state = torch.get_rng_state()
    sample = likelihood.sample(parameters, generator(seed))
    again = likelihood.sample(parameters, generator(seed))
    other = likelihood.sample(parameters, generator(seed + 1))
    assert torch.equal(sample, again)
    assert not torch.equal(sample, other)
    assert torch.equal(state, torch.get_rng_state())
    check = DOMAINS[likelihood.domain]
    check(sample.detach().numpy(), view="drawn", argument=f"likelihood={kind!r}")


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_link_undoes_mean(kind, seed):
    likelihood = LIKELIHOODS[kind](WIDTH)
    mean = likelihood.mean(draws(seed, 6, WIDTH))
    torch.testing.assert_close(likelihood.mean(likelihood.link(mean)), mean)


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "poisson"])
def test_link_is_finite_at_the_edge_of_the_domain(kind):
    edge = torch.tensor([0.0, 0.0, 0.0, 1.0])
    likelihood = LIKELIHOODS[kind](WIDTH)
    assert torch.isfinite(likelihood.link(edge)).all()
    torch.testing.assert_close(likelihood.mean(likelihood.link(edge)), edge, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("variance", "shape"), [("view", ()), ("feature", (WIDTH,))])
def test_learned_variance_reaches_the_maximum_of_the_likelihood(variance, shape, seed):
    x = draws(seed, 200, WIDTH) * torch.tensor([0.5, 1.0, 2.0, 3.0])
    likelihood = Gaussian(WIDTH, variance)
    assert likelihood.log_var.shape == shape
    assert abs(likelihood.log_var.exp().max().item() - 1.0) < 1e-5
    optimiser = torch.optim.LBFGS(likelihood.parameters(), max_iter=100)

    def closure():
        optimiser.zero_grad()
        loss = -likelihood.log_prob(x, torch.zeros_like(x)).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    best = x.square().mean() if variance == "view" else x.square().mean(dim=0)
    torch.testing.assert_close(likelihood.log_var.exp(), best, rtol=1e-3, atol=0.0)


def test_learned_variance_stops_at_its_floor_and_comes_back():
    likelihood = Gaussian(WIDTH)
    with torch.no_grad():
        likelihood.free_log_var.fill_(-25.0)
    assert likelihood.log_var.exp().item() == pytest.approx(1e-6, rel=1e-3)
    loss = -likelihood.log_prob(torch.ones(5, WIDTH), torch.zeros(5, WIDTH)).mean()
    loss.backward()
    # Too small a variance for this error: descent must raise it.
    assert likelihood.free_log_var.grad.item() < -1e-3


def test_a_fixed_variance_is_no_parameter_and_moves_with_the_module():
    likelihood = Gaussian(WIDTH, 0.25)
    assert not list(likelihood.parameters())
    assert likelihood.log_var.exp().item() == pytest.approx(0.25)
    assert likelihood.double().log_var.dtype == torch.float64
    x = torch.zeros(3, WIDTH, dtype=torch.float64)
    expected = -0.5 * WIDTH * math.log(2 * math.pi * 0.25)
    assert likelihood.log_prob(x, x)[0].item() == pytest.approx(expected)


@pytest.mark.parametrize("variance", ["features", 0.0, -1.0, math.inf, math.nan, None])
def test_an_unusable_variance_is_refused(variance):
    message = r"`variance` must be 'view', 'feature' or a positive number, got"
    with pytest.raises(ValueError, match=message):
        Gaussian(WIDTH, variance)


def test_categorical_draws_are_right_in_float32_for_rare_classes(seed):
    n = 200_000
    logits = torch.tensor([0.0, math.log(1e-3)])
    sample = Categorical(2).sample(logits.expand(n, 2), generator(seed))
    p = 1e-3 / (1 + 1e-3)
    # Five standard errors: a false alarm in 6e-7 of the seeds.
    assert abs(sample[:, 1].mean().item() - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("cls", [Gaussian, Bernoulli, Categorical, Poisson])
def test_likelihoods_pickle_and_say_their_width(cls):
    restored = pickle.loads(pickle.dumps(cls(WIDTH)))
    assert type(restored) is cls
    assert restored.width == WIDTH
