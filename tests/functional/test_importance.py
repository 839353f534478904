import math

import torch
from torch.autograd import gradcheck
from torch.distributions import Normal

from skrep.functional.importance import effective_sample_size, importance_weighted_bound


def toy_log_weights(seed, n_draws, n_rows):
    """Log-weights of z ~ N(0, 1), x | z ~ N(z, 1) at x = 1, with the prior as proposal."""
    z = torch.randn(
        n_draws, n_rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return Normal(z, 1.0).log_prob(torch.tensor(1.0, dtype=torch.float64))


def test_one_draw_gives_the_weight_itself(seed):
    log_weights = toy_log_weights(seed, 1, 20)
    torch.testing.assert_close(importance_weighted_bound(log_weights), log_weights[0])


def test_bound_is_the_log_of_the_mean_weight_along_any_axis(seed):
    log_weights = toy_log_weights(seed, 6, 4)
    expected = log_weights.exp().mean(dim=0).log()
    torch.testing.assert_close(importance_weighted_bound(log_weights), expected)
    torch.testing.assert_close(importance_weighted_bound(log_weights.T, dim=1), expected)


def test_bound_survives_weights_that_underflow():
    log_weights = torch.tensor([[-5000.0], [-5000.0]])
    assert importance_weighted_bound(log_weights).item() == -5000.0


def test_bound_grows_with_the_number_of_draws_and_stays_under_the_evidence(seed):
    n_rows = 20_000
    evidence = Normal(0.0, math.sqrt(2.0)).log_prob(torch.tensor(1.0)).item()
    bounds = [importance_weighted_bound(toy_log_weights(seed + k, k, n_rows)) for k in (1, 4, 16)]
    means = [bound.mean().item() for bound in bounds]
    errors = [bound.std().item() / math.sqrt(n_rows) for bound in bounds]
    # In expectation the three stand 0.40, 0.05 and 0.01 under the evidence. Neighbours are more
    # than ten standard errors of their difference apart, and five are allowed above the evidence:
    # the false-alarm rate is under 1e-6 in all.
    assert means == sorted(means)
    assert all(mean < evidence + 5 * error for mean, error in zip(means, errors, strict=True))
    assert evidence - means[-1] < 0.02


def test_effective_sample_size_on_known_weights():
    equal = torch.full((50, 3), -7.0, dtype=torch.float64)
    torch.testing.assert_close(
        effective_sample_size(equal), torch.full((3,), 50.0, dtype=torch.float64)
    )
    one = torch.tensor([0.0, -1000.0, -1000.0])
    assert effective_sample_size(one).item() == 1.0
    # Weights 1, 1, 2: (1 + 1 + 2)^2 / (1 + 1 + 4) = 8 / 3.
    mixed = torch.tensor([[1.0, 1.0, 2.0]], dtype=torch.float64).log()
    assert abs(effective_sample_size(mixed, dim=1).item() - 8 / 3) < 1e-12


def test_gradients(seed):
    log_weights = toy_log_weights(seed, 5, 3).requires_grad_()
    assert gradcheck(importance_weighted_bound, log_weights)
    assert gradcheck(effective_sample_size, log_weights)
