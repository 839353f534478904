import math

import pytest
import torch
from torch.distributions import Normal

from skrep.functional.experts import (
    join_posteriors,
    mixture_log_prob,
    mixture_moments,
    product_of_experts,
    view_subsets,
)

GRID = torch.linspace(-12, 12, 4801, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


@pytest.fixture(name="experts", scope="module")
def three_experts(seed):
    """Means and log-variances of 3 experts for 5 rows of 2 components."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)
    return means, 0.5 * torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)


def densities(means, log_vars):
    """Return every expert's density on the grid, (experts, rows, components, points)."""
    return Normal(means[..., None], torch.exp(0.5 * log_vars[..., None])).log_prob(GRID).exp()


def moments_on_grid(density):
    mass = density.sum(dim=-1) * STEP
    mean = (density * GRID).sum(dim=-1) * STEP / mass
    variance = (density * (GRID - mean[..., None]).square()).sum(dim=-1) * STEP / mass
    return mean, variance.log()


@pytest.mark.parametrize("prior", [False, True])
def test_product_against_a_grid(experts, prior):
    product = densities(*experts).prod(dim=0)
    if prior:
        product = product * Normal(0.0, 1.0).log_prob(GRID).exp()
    found = product_of_experts(*experts, prior=prior)
    for mine, exact in zip(found, moments_on_grid(product), strict=True):
        torch.testing.assert_close(mine[0], exact, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("prior", [False, True])
def test_masked_products_against_a_grid(experts, prior):
    mask = torch.tensor([[True, False, True], [False, True, False]])
    mean, log_var = product_of_experts(*experts, mask, prior=prior)
    for i, members in enumerate(mask):
        product = densities(*experts)[members].prod(dim=0)
        if prior:
            product = product * Normal(0.0, 1.0).log_prob(GRID).exp()
        exact_mean, exact_log_var = moments_on_grid(product)
        torch.testing.assert_close(mean[i], exact_mean, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(log_var[i], exact_log_var, rtol=1e-6, atol=1e-8)


def test_masks_by_row_are_masks_row_by_row(experts):
    by_row = torch.tensor([[True, True, False], [False, False, True], [True, True, True]])
    by_row = by_row[torch.tensor([0, 1, 2, 1, 0])].unsqueeze(0)
    mean, log_var = product_of_experts(*experts, by_row)
    for row, members in enumerate(by_row[0]):
        alone = product_of_experts(*(e[:, row : row + 1] for e in experts), members.unsqueeze(0))
        torch.testing.assert_close(mean[:, row : row + 1], alone[0])
        torch.testing.assert_close(log_var[:, row : row + 1], alone[1])


def test_a_product_of_nobody_is_the_prior(experts):
    mean, log_var = product_of_experts(*experts, torch.zeros(1, 3, dtype=torch.bool))
    torch.testing.assert_close(mean, torch.zeros_like(mean))
    torch.testing.assert_close(log_var, torch.zeros_like(log_var))


def test_precisions_do_not_overflow():
    means, log_vars = torch.tensor([[[1.0]], [[3.0]]]), torch.full((2, 1, 1), -120.0)
    mean, log_var = product_of_experts(means, log_vars)
    assert mean.item() == pytest.approx(2.0, rel=1e-4)
    assert log_var.item() == pytest.approx(-120.0 - math.log(2.0))


def test_gradients_of_products_with_absent_experts(experts):
    means, log_vars = (e.clone().requires_grad_() for e in experts)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    torch.autograd.gradcheck(lambda m, s: product_of_experts(m, s, mask), (means, log_vars))


def test_joined_posteriors_are_the_posterior_of_a_linear_model(seed):
    generator = torch.Generator().manual_seed(seed)
    # Each view tells precision t about a standard normal code: its posterior is N(., 1 / (1 + t)).
    told = torch.rand(3, 4, 2, generator=generator, dtype=torch.float64) * 5
    message = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    means, log_vars = told * message / (1 + told), -torch.log1p(told)
    mask = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)
    mean, log_var = join_posteriors(means, log_vars, mask)
    weight = mask.T[..., None]
    precision = 1 + (told * weight).sum(dim=0)
    torch.testing.assert_close(mean, (told * message * weight).sum(dim=0) / precision)
    torch.testing.assert_close(log_var, -precision.log())


def test_joined_posteriors_are_never_wider_than_one_of_them():
    wide = torch.full((2, 1, 1), 2.0)
    _, log_var = join_posteriors(torch.zeros(2, 1, 1), wide, torch.tensor([[True, True]]))
    assert log_var.item() == pytest.approx(2.0)


def test_mixture_against_a_grid(experts):
    there = torch.tensor([[1, 1, 0, 1, 1], [1, 0, 1, 0, 1], [1, 0, 0, 1, 1]], dtype=torch.bool)
    share = there / there.sum(dim=0)
    exact = moments_on_grid((densities(*experts) * share[..., None, None]).sum(dim=0))
    for mine, true in zip(mixture_moments(*experts, there), exact, strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-6, atol=1e-8)
    whole = moments_on_grid(densities(*experts).mean(dim=0))
    for mine, true in zip(mixture_moments(*experts), whole, strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-6, atol=1e-8)


def test_mixture_density_from_its_definition(experts, seed):
    codes = torch.randn(7, 5, 2, generator=torch.Generator().manual_seed(seed + 1)).double()
    there = torch.tensor([[1, 1, 0, 1, 1], [1, 0, 1, 0, 1], [1, 0, 0, 1, 1]], dtype=torch.bool)
    normals = Normal(experts[0][:, None], torch.exp(0.5 * experts[1])[:, None])
    density = normals.log_prob(codes).sum(dim=-1).exp()  # (parts, draws, rows)
    exact = (density * there[:, None]).sum(dim=0) / there.sum(dim=0)
    torch.testing.assert_close(mixture_log_prob(codes, *experts, there), exact.log())
    torch.testing.assert_close(mixture_log_prob(codes, *experts), density.mean(dim=0).log())


def test_subsets_are_all_that_are_not_empty():
    for n in range(1, 6):
        subsets = view_subsets(n)
        assert len({tuple(row) for row in subsets.tolist()}) == len(subsets) == 2**n - 1
        assert subsets.any(dim=1).all()
        assert subsets[-1].all()
        assert torch.equal(subsets[:n], torch.eye(n, dtype=torch.bool))


@pytest.mark.parametrize(("n_between", "expected"), [(0, 6), (3, 9), (24, 30), (100, 31)])
def test_some_subsets(n_between, expected, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        subsets = view_subsets(5, n_between)
    assert len({tuple(row) for row in subsets.tolist()}) == len(subsets) == expected
    sizes = subsets.sum(dim=1)
    assert (sizes[:5] == 1).all()
    assert ((sizes[5:-1] > 1) & (sizes[5:-1] < 5)).all()
    assert sizes[-1] == 5
