import math

import pytest
import torch

from skrep.functional.corruption import (
    CORRUPTIONS,
    gaussian_noise,
    masking_noise,
    salt_and_pepper,
)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def assert_share(count, n, p):
    # Five standard errors: a false alarm in 6e-7 of the seeds.
    assert abs(count / n - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_input_untouched_same_seed_same_result_and_global_rng_still(kind, seed):
    x = torch.rand(50, 7, generator=generator(seed))
    before, state = x.clone(), torch.get_rng_state()
    first = CORRUPTIONS[kind](x, 0.3, generator(seed + 1), low=0.0, high=1.0)
    second = CORRUPTIONS[kind](x, 0.3, generator(seed + 1), low=0.0, high=1.0)
    other = CORRUPTIONS[kind](x, 0.3, generator(seed + 2), low=0.0, high=1.0)
    assert torch.equal(x, before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_level_zero_changes_nothing_and_dtype_is_kept(kind, dtype, seed):
    x = torch.rand(20, 3, generator=generator(seed)).to(dtype)
    spoiled = CORRUPTIONS[kind](x, 0.0, generator(seed))
    assert spoiled.dtype == dtype
    assert torch.equal(spoiled, x)


def test_gaussian_noise_has_the_asked_standard_deviation(seed):
    n = 40_000
    noise = gaussian_noise(torch.full((n, 1), 3.0), 0.5, generator(seed)) - 3.0
    # Mean and standard deviation each within five standard errors: together 1.2e-6 false alarms.
    assert abs(noise.mean().item()) < 5 * 0.5 / math.sqrt(n)
    assert abs(noise.std().item() - 0.5) < 5 * 0.5 / math.sqrt(2 * n)


def test_masking_noise_zeroes_the_asked_share_and_keeps_the_rest(seed):
    x = torch.rand(200, 100, generator=generator(seed)) + 1.0
    spoiled = masking_noise(x, 0.3, generator(seed + 1))
    masked = spoiled == 0
    assert torch.equal(spoiled[~masked], x[~masked])
    assert_share(masked.sum().item(), masked.numel(), 0.3)
    # Entries are masked one by one, not in rows: the share in a row varies as a binomial does.
    assert 0 < masked.float().mean(dim=1).std() < 0.1


def test_masking_noise_share_is_exact_in_bfloat16(seed):
    spoiled = masking_noise(torch.ones(500, 100, dtype=torch.bfloat16), 0.003, generator(seed))
    assert_share((spoiled == 0).sum().item(), spoiled.numel(), 0.003)


def test_masking_noise_at_one_erases_everything(seed):
    assert not masking_noise(torch.ones(30, 4), 1.0, generator(seed)).any()


def test_salt_and_pepper_replaces_evenly(seed):
    x = torch.full((200, 100), 0.5)
    spoiled = salt_and_pepper(x, 0.2, generator(seed), low=-1.0, high=2.0)
    assert set(spoiled.unique().tolist()) == {-1.0, 0.5, 2.0}
    assert_share((spoiled == -1.0).sum().item(), x.numel(), 0.1)
    assert_share((spoiled == 2.0).sum().item(), x.numel(), 0.1)


def test_salt_and_pepper_takes_a_value_per_feature_and_keeps_float64(seed):
    x = torch.zeros(100, 2, dtype=torch.float64)
    low = torch.tensor([0.1, 0.2], dtype=torch.float64)
    spoiled = salt_and_pepper(x, 1.0, generator(seed), low=low, high=low + 1.0)
    assert torch.equal(spoiled.min(dim=0).values, low)
    assert torch.equal(spoiled.max(dim=0).values, low + 1.0)
    assert salt_and_pepper(x, 1.0, generator(seed), low=0.1, high=0.1).eq(0.1).all()


def test_gradient_reaches_only_what_is_kept(seed):
    x = torch.ones(40, 5, requires_grad=True)
    spoiled = masking_noise(x, 0.5, generator(seed))
    spoiled.sum().backward()
    assert torch.equal(x.grad, spoiled.detach())


@pytest.mark.parametrize("corrupt", [masking_noise, salt_and_pepper])
@pytest.mark.parametrize("level", [-0.1, 1.5, math.nan])
def test_a_level_that_is_no_probability_is_refused(corrupt, level, seed):
    with pytest.raises(ValueError, match=r"`level` is the probability.*Pass a number in \[0, 1\]"):
        corrupt(torch.zeros(2, 2), level, generator(seed))


def test_a_negative_standard_deviation_is_refused(seed):
    with pytest.raises(ValueError, match=r"`level` is the standard deviation.*got -1\.0"):
        gaussian_noise(torch.zeros(2, 2), -1.0, generator(seed))
