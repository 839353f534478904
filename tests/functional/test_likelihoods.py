import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import distributions
from torch.autograd import gradcheck

from skrep.functional.likelihoods import (
    bernoulli_log_prob,
    categorical_log_prob,
    gaussian_log_prob,
    poisson_log_prob,
)


@pytest.fixture
def parameters(seed):
    """Parameters of 3 draws, 7 rows and 5 features."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 7, 5, generator=generator, dtype=torch.float64)


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def test_gaussian_equals_scipy_and_broadcasts(parameters, rng):
    x, log_var = rng.normal(size=(7, 5)), rng.normal(size=5)
    expected = scipy.stats.norm.logpdf(x, parameters.numpy(), np.exp(log_var / 2)).sum(axis=-1)
    found = gaussian_log_prob(torch.from_numpy(x), parameters, torch.from_numpy(log_var))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_gaussian_takes_one_variance_or_one_per_entry(parameters):
    x = torch.zeros(7, 5, dtype=torch.float64)
    one = gaussian_log_prob(x, parameters, torch.tensor(0.7, dtype=torch.float64))
    each = gaussian_log_prob(x, parameters, torch.full_like(parameters, 0.7))
    torch.testing.assert_close(one, each)


def test_bernoulli_equals_scipy_and_broadcasts(parameters, rng):
    x = rng.integers(0, 2, size=(7, 5)).astype(float)
    expected = scipy.stats.bernoulli.logpmf(x, torch.sigmoid(parameters).numpy()).sum(axis=-1)
    found = bernoulli_log_prob(torch.from_numpy(x), parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_bernoulli_is_linear_between_zero_and_one(parameters):
    zeros, ones = torch.zeros(7, 5, dtype=torch.float64), torch.ones(7, 5, dtype=torch.float64)
    expected = 0.75 * bernoulli_log_prob(zeros, parameters)
    expected = expected + 0.25 * bernoulli_log_prob(ones, parameters)
    torch.testing.assert_close(bernoulli_log_prob(0.25 * ones, parameters), expected)


def test_bernoulli_neither_overflows_nor_cancels_in_float32():
    logits = torch.tensor([[40.0], [-40.0], [200.0], [-200.0]])
    found = bernoulli_log_prob(torch.tensor([[1.0], [0.0], [0.0], [1.0]]), logits)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, -200.0, -200.0]), rtol=0, atol=1e-12)


def test_categorical_equals_torch_distributions_and_broadcasts(parameters, rng):
    labels = torch.from_numpy(rng.integers(0, 5, size=7))
    x = torch.nn.functional.one_hot(labels, 5).double()
    expected = distributions.Categorical(logits=parameters).log_prob(labels)
    torch.testing.assert_close(categorical_log_prob(x, parameters), expected)


def test_categorical_takes_rows_of_probabilities(parameters):
    target = torch.softmax(parameters[0], dim=-1)
    entropy = distributions.Categorical(probs=target).entropy()
    # Cross-entropy with itself is the entropy.
    torch.testing.assert_close(categorical_log_prob(target, parameters)[0], -entropy)


def test_poisson_equals_scipy_and_broadcasts(parameters, rng):
    x = rng.poisson(3.0, size=(7, 5)).astype(float)
    expected = scipy.stats.poisson.logpmf(x, np.exp(parameters.numpy())).sum(axis=-1)
    found = poisson_log_prob(torch.from_numpy(x), parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_discrete_probabilities_sum_to_one():
    logits = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    binary = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    assert bernoulli_log_prob(binary, logits.expand(8, 3)).exp().sum().item() == pytest.approx(1)
    classes = torch.eye(3, dtype=torch.float64)
    assert categorical_log_prob(classes, logits.expand(3, 3)).exp().sum().item() == pytest.approx(1)
    counts = torch.arange(200, dtype=torch.float64).unsqueeze(1)
    rates = torch.full_like(counts, math.log(20.0))
    assert poisson_log_prob(counts, rates).exp().sum().item() == pytest.approx(1)


def test_gradients(parameters):
    x = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    parameters = parameters[:2, :1].clone().requires_grad_()
    each = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64).requires_grad_()
    one = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    for log_var in (each, one):
        assert gradcheck(lambda m, s: gaussian_log_prob(x, m, s), (parameters, log_var))
    for log_prob in (bernoulli_log_prob, categorical_log_prob, poisson_log_prob):
        assert gradcheck(lambda p, f=log_prob: f(x, p), (parameters,))
