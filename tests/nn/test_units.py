"""Every kind of units is the exponential family that it says it is."""

import pytest
import torch
from torch.autograd import grad

from skrep.nn.units import (
    HIDDEN_UNITS,
    VISIBLE_UNITS,
    BernoulliUnits,
    CategoricalUnits,
    GaussianUnits,
    MultinomialUnits,
    RectifiedUnits,
)

KINDS = [*VISIBLE_UNITS.values(), RectifiedUnits]


def some_field(seed, rows=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_is_the_derivative_of_the_log_partition(kind, seed):
    units, field = kind((2, 3)), some_field(seed).requires_grad_()
    count = torch.arange(5.0, dtype=torch.float64)[:, None] if units.counted else None
    (slope,) = grad(units.log_partition(field, count).sum(), field)
    torch.testing.assert_close(units.mean(field.detach(), count), slope)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_mean(kind, seed):
    """False-alarm rate 6e-7 per unit: 5 standard errors."""
    units, n = kind((2, 3)), 20_000
    field = some_field(seed, 1).expand(n, 5)
    count = torch.full((n, 1), 4.0, dtype=torch.float64) if units.counted else None
    draws = units.draw(field, torch.Generator().manual_seed(seed), count)
    error = draws.std(dim=0) / n**0.5
    assert ((draws.mean(dim=0) - units.mean(field, count)[0]).abs() < 5 * error).all()


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_leaves_the_mean_behind(kind, seed):
    units, field = kind((2, 3)), some_field(seed)
    expected = units.mean(field)
    out = torch.empty_like(field)
    assert units.draw_(field, out, torch.Generator().manual_seed(seed)) is out
    torch.testing.assert_close(field, expected)


@pytest.mark.parametrize("kind", [BernoulliUnits, CategoricalUnits])
def test_log_partition_is_the_sum_over_states(kind, seed):
    units, field = kind((2, 3)), some_field(seed)
    states = units.states(0, int(units.n_states()), field)
    assert len(torch.unique(states, dim=0)) == units.n_states()
    total = torch.logsumexp(field @ states.T - units.base_energy(states), dim=1)
    torch.testing.assert_close(units.log_partition(field), total)


def test_log_partition_of_counts_is_the_sum_over_counts(seed):
    units, field = MultinomialUnits((3,)), some_field(seed)[:, :3]
    every = torch.cartesian_prod(*[torch.arange(5.0, dtype=torch.float64)] * 3)
    states = every[every.sum(dim=1) == 4]
    count = torch.full((5, 1), 4.0, dtype=torch.float64)
    total = torch.logsumexp(field @ states.T - units.base_energy(states), dim=1)
    torch.testing.assert_close(units.log_partition(field, count), total)


@pytest.mark.parametrize("kind", [GaussianUnits, RectifiedUnits, MultinomialUnits])
def test_what_cannot_be_enumerated_says_so(kind):
    units = kind((2,))
    assert units.n_states() == float("inf")
    with pytest.raises(TypeError, match=r"no finite set of states|not enumerated"):
        units.states(0, 1, torch.zeros(1))


def test_tables_name_the_kinds():
    assert set(HIDDEN_UNITS) == {"bernoulli", "gaussian", "rectified"}
    assert set(VISIBLE_UNITS) == {"bernoulli", "gaussian", "categorical", "multinomial"}
