"""Log-partition functions against quadrature, their derivatives and their tails."""

import numpy as np
import pytest
import torch
from scipy import integrate

from skrep.functional.energies import (
    binary_states,
    bipartite_energy,
    gaussian_log_partition,
    log_multinomial_coefficient,
    rectified_log_partition,
    rectified_mean,
    softplus,
)


@pytest.mark.parametrize("field", [-30.0, -3.0, -0.1, 0.0, 0.1, 3.0, 30.0])
def test_rectified_log_partition_is_the_integral(field):
    # Relative to the largest value of the integrand, so that nothing overflows.
    peak = max(field, 0.0)
    top = field * peak - peak**2 / 2
    width = 12.0 if field > 0 else 60.0 / (1.0 - field)
    grid = np.linspace(max(0.0, peak - width), peak + width, 400_001)
    mass = integrate.simpson(np.exp(field * grid - grid**2 / 2 - top), x=grid)
    got = rectified_log_partition(torch.tensor(field, dtype=torch.float64))
    assert got.item() == pytest.approx(np.log(mass) + top, abs=1e-7, rel=1e-7)


def test_rectified_mean_is_the_derivative():
    field = torch.linspace(-60, 60, 2001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(rectified_log_partition(field).sum(), field)
    torch.testing.assert_close(rectified_mean(field.detach()), slope, rtol=2e-5, atol=0)


def test_rectified_units_are_accurate_in_float32():
    field = torch.cat([-torch.logspace(-3, 6, 200), torch.logspace(-3, 4, 200)])
    for function in (rectified_log_partition, rectified_mean):
        single, double = function(field), function(field.double())
        assert single.isfinite().all()
        torch.testing.assert_close(single.double(), double, rtol=2e-4, atol=1e-5)


def test_rectified_tail_goes_as_one_over_the_field():
    field = torch.tensor([-1e3, -1e5], dtype=torch.float64)
    torch.testing.assert_close(rectified_mean(field), -1 / field, rtol=1e-5, atol=0)


def test_softplus_keeps_both_tails():
    field = torch.tensor([-80.0, 0.0, 80.0], dtype=torch.float64)
    expected = torch.logaddexp(field, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(softplus(field), expected, rtol=1e-12, atol=0)


def test_gaussian_log_partition_is_the_integral():
    grid = np.linspace(-20, 20, 4001)
    mass = integrate.simpson(np.exp(1.3 * grid - grid**2 / 2), x=grid)
    assert gaussian_log_partition(torch.tensor(1.3)).item() == pytest.approx(np.log(mass), rel=1e-6)


def test_multinomial_coefficient_counts_orders():
    counts = torch.tensor([[3.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 0.0]])
    orders = log_multinomial_coefficient(counts).exp()
    torch.testing.assert_close(orders, torch.tensor([1.0, 6.0, 6.0]))


def test_bipartite_energy_by_hand():
    v, h = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])
    energy = bipartite_energy(v, h, torch.tensor([[5.0, 7.0]]), torch.ones(2), torch.tensor([11.0]))
    assert energy.item() == -(3 * (5 + 14) + 3 + 33)


def test_binary_states_are_all_different():
    states = binary_states(0, 16, 4, torch.zeros(1))
    assert len(torch.unique(states, dim=0)) == 16
    assert torch.equal(binary_states(3, 9, 4, torch.zeros(1)), states[3:9])
