"""Draws against their distributions.

False-alarm rates: every comparison of a mean is at 5 standard errors (6e-7), every
Kolmogorov-Smirnov test at a p-value of 1e-5.
"""

import pytest
import torch
from scipy import stats

from skrep.functional.energies import rectified_mean
from skrep.functional.gibbs import (
    draw_bernoulli_,
    draw_categorical,
    draw_multinomial,
    draw_rectified,
)

N = 20_000


@pytest.fixture
def generator(seed):
    return torch.Generator().manual_seed(seed)


def assert_mean(draws, expected):
    error = draws.std(dim=0) / len(draws) ** 0.5
    assert ((draws.mean(dim=0) - expected).abs() <= 5 * error + 1e-6).all()


def test_bernoulli(generator):
    p = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    out = torch.empty(N, 5)
    draws = draw_bernoulli_(p.expand(N, 5), out, generator)
    assert draws is out
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert_mean(draws, p)


def test_categorical(generator):
    logits = torch.tensor([0.0, 1.0, -2.0, 300.0 - 300.0])
    draws = draw_categorical(logits.expand(N, 4), generator)
    assert torch.equal(draws.sum(dim=1), torch.ones(N))
    assert_mean(draws, torch.softmax(logits, 0))


def test_multinomial(generator):
    logits = torch.tensor([0.0, 1.0, -1.0])
    count = torch.tensor([[0.0], [1.0], [7.0]]).repeat(N // 3, 1)
    draws = draw_multinomial(logits.expand(len(count), 3), count, generator)
    assert torch.equal(draws.sum(dim=1, keepdim=True), count)
    assert_mean(draws[2::3], 7 * torch.softmax(logits, 0))


def test_multinomial_without_words(generator):
    draws = draw_multinomial(torch.zeros(2, 3), torch.zeros(2, 1), generator)
    assert not draws.any()


@pytest.mark.parametrize("field", [-60.0, -31.0, -29.0, -5.0, 0.0, 4.0])
def test_rectified(generator, field):
    draws = draw_rectified(torch.full((N,), field, dtype=torch.float64), generator)
    assert (draws >= 0).all()
    # The distribution function of a normal cut off at 0, by survival functions in logarithms.
    log_all = stats.norm.logsf(-field)

    def cdf(h):
        return -torch.expm1(torch.as_tensor(stats.norm.logsf(h - field) - log_all)).numpy()

    assert stats.kstest(draws.numpy(), cdf).pvalue > 1e-5
    assert_mean(draws[:, None], rectified_mean(torch.tensor([field], dtype=torch.float64)))
