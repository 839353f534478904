import torch
from torch.autograd import gradcheck
from torch.distributions import Normal, kl_divergence

from skrep.functional.divergences import kl_normal, kl_standard_normal


def draws(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def normal(mean, log_var):
    return Normal(mean, torch.exp(0.5 * log_var))


def test_kl_standard_normal_equals_torch_distributions(seed):
    mean, log_var = draws(seed, 2, 3, 6, 4)
    expected = kl_divergence(normal(mean, log_var), Normal(0.0, 1.0)).sum(dim=-1)
    torch.testing.assert_close(kl_standard_normal(mean, log_var), expected)


def test_kl_normal_equals_torch_distributions_and_broadcasts(seed):
    mean, log_var, other_mean, other_log_var = draws(seed, 4, 6, 4)
    other_mean, other_log_var = other_mean[:1], other_log_var[:1]
    expected = kl_divergence(normal(mean, log_var), normal(other_mean, other_log_var)).sum(dim=-1)
    found = kl_normal(mean, log_var, other_mean, other_log_var)
    torch.testing.assert_close(found, expected)


def test_kl_normal_equals_a_monte_carlo_mean_of_log_ratios(seed):
    mean, log_var, other_mean, other_log_var = 0.5 * draws(seed, 4, 2)
    first, second = normal(mean, log_var), normal(other_mean, other_log_var)
    z = mean + torch.exp(0.5 * log_var) * draws(seed + 1, 50_000, 2)
    ratio = (first.log_prob(z) - second.log_prob(z)).sum(dim=-1)
    error = ratio.std() / len(ratio) ** 0.5
    # Five standard errors: a false alarm in 6e-7 of the seeds.
    gap = kl_normal(mean, log_var, other_mean, other_log_var) - ratio.mean()
    assert gap.abs() < 5 * error


def test_both_are_zero_where_the_normals_agree(seed):
    mean, log_var = draws(seed, 2, 6, 4)
    assert not kl_normal(mean, log_var, mean, log_var).any()
    assert not kl_standard_normal(torch.zeros(6, 4), torch.zeros(6, 4)).any()


def test_small_divergences_keep_their_digits_in_float32():
    log_var = torch.full((1, 1), 1e-3)
    # To second order the divergence is log_var ** 2 / 4; exp(s) - 1 - s would lose it to rounding.
    found = kl_standard_normal(torch.zeros(1, 1), log_var).item()
    assert abs(found / 2.5e-7 - 1.0) < 1e-3


def test_gradients(seed):
    values = draws(seed, 4, 3, 2).unbind()
    values = tuple(value.clone().requires_grad_() for value in values)
    assert gradcheck(kl_standard_normal, values[:2])
    assert gradcheck(kl_normal, values)
