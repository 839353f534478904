import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, kl_divergence

from skrep.functional.sparsity import kl_to_rate, l1_penalty, top_k


def draws(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_l1_penalty_on_a_hand_made_code():
    assert l1_penalty(torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.0, 0.5]])).item() == 2.0


def test_kl_to_rate_equals_torch_distributions(seed):
    activations = draws(seed, 30, 5).sigmoid()
    expected = kl_divergence(Bernoulli(0.1), Bernoulli(activations.mean(dim=0))).sum()
    # The margin at 0 and 1 moves the means by up to 1e-6.
    torch.testing.assert_close(
        kl_to_rate(activations, 0.1), expected, rtol=1e-5, atol=1e-5, check_dtype=False
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kl_to_rate_is_zero_at_the_rate(dtype):
    activations = torch.tensor([[0.0, 0.1], [0.5, 0.4]], dtype=dtype)
    assert abs(kl_to_rate(activations, 0.25).item()) < 1e-6


@pytest.mark.parametrize(("value", "sign"), [(0.0, -1.0), (1.0, 1.0)])
def test_kl_to_rate_is_finite_and_pulls_back_at_the_ends(value, sign):
    activations = torch.full((8, 3), value, requires_grad=True)
    loss = kl_to_rate(activations, 0.05)
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    assert torch.isfinite(activations.grad).all()
    assert (activations.grad.sign() == sign).all()


def test_kl_to_rate_gradient(seed):
    logits = draws(seed, 6, 3).requires_grad_()
    assert gradcheck(lambda z: kl_to_rate(z.sigmoid(), 0.2), logits)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.2])
def test_kl_to_rate_refuses_an_impossible_rate(rate):
    with pytest.raises(ValueError, match=r"`rate` is a mean activation.*strictly between 0 and 1"):
        kl_to_rate(torch.zeros(2, 2), rate)


def test_top_k_keeps_the_largest_magnitudes(seed):
    codes = draws(seed, 50, 9)
    kept = top_k(codes, 4)
    threshold = codes.abs().sort(dim=-1, descending=True).values[:, 3:4]
    assert torch.equal(kept, codes * (codes.abs() >= threshold))


@pytest.mark.parametrize("k", [1, 3, 6])
def test_top_k_keeps_exactly_k_among_ties(k):
    codes = torch.tensor([[2.0, 2.0, -2.0, 2.0, -2.0, 2.0]]).repeat(5, 1)
    kept = top_k(codes, k)
    assert ((kept != 0).sum(dim=-1) == k).all()
    assert ((kept == 0) | (kept == codes)).all()


def test_top_k_of_all_units_is_the_identity_and_leading_axes_pass(seed):
    codes = draws(seed, 2, 5, 4)
    assert torch.equal(top_k(codes, 4), codes)
    assert torch.equal(top_k(codes, 2)[1], top_k(codes[1], 2))


def test_top_k_gradient_is_one_where_kept_and_zero_elsewhere(seed):
    codes = draws(seed, 20, 6).requires_grad_()
    kept = top_k(codes, 2)
    kept.sum().backward()
    assert torch.equal(codes.grad, (kept != 0).double())
    assert gradcheck(lambda z: top_k(z, 2), codes)


@pytest.mark.parametrize("k", [0, 5])
def test_top_k_refuses_a_k_outside_the_code(k):
    with pytest.raises(ValueError, match=f"`k={k}` is not between 1 and 4, the number of units"):
        top_k(torch.zeros(3, 4), k)
