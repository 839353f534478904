"""Correlation as a loss, against an SVD, the generalised eigenproblem and numerical gradients."""

import numpy as np
import pytest
import scipy.linalg
import torch

from skrep.functional.correlation import correlation_loss, eckart_young_loss


def codes_of(seed, n=30, widths=(3, 3), dtype=torch.float64, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(n, 2, generator=generator, dtype=dtype)
    return [
        (
            shared @ torch.randn(2, width, generator=generator, dtype=dtype)
            + torch.randn(n, width, generator=generator, dtype=dtype)
        ).requires_grad_(requires_grad)
        for width in widths
    ]


def centred(codes):
    found = [code.detach().numpy() for code in codes]
    return [code - code.mean(axis=0) for code in found]


def generalised_eigenvalues(codes, regularization):
    """Solve between w = lambda (within + ridge) w by scipy, largest first."""
    parts = centred(codes)
    joined = np.hstack(parts)
    covariance = joined.T @ joined / (len(joined) - 1)
    blocks = [
        (p.T @ p + regularization * np.square(p).sum() / p.shape[1] * np.eye(p.shape[1]))
        / (len(p) - 1)
        for p in parts
    ]
    within = scipy.linalg.block_diag(*[p.T @ p / (len(p) - 1) for p in parts])
    return scipy.linalg.eigh(covariance - within, scipy.linalg.block_diag(*blocks))[0][::-1]


@pytest.mark.parametrize("widths", [(3, 3), (2, 5)])
def test_two_views_give_the_canonical_correlations(widths, seed):
    codes = codes_of(seed, widths=widths)
    bases = [np.linalg.qr(part)[0] for part in centred(codes)]
    expected = np.linalg.svd(bases[0].T @ bases[1])[1].sum()
    assert -correlation_loss(codes, 0.0).item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n_views", [2, 3, 4])
def test_any_number_of_views_gives_the_generalised_problem(n_views, seed):
    codes = codes_of(seed, widths=(3,) * n_views)
    expected = generalised_eigenvalues(codes, 0.1)[:3].sum() / (n_views - 1)
    assert -correlation_loss(codes, 0.1).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("widths", [(3, 3), (2, 4), (3, 3, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("regularization", [0.0, 0.05])
def test_gradient_is_that_of_the_value(widths, regularization, seed):
    codes = codes_of(seed, n=12, widths=widths, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *z: correlation_loss(z, regularization), codes)


@pytest.mark.parametrize("n_views", [2, 3])
def test_squared_correlations_and_their_gradient(n_views, seed):
    codes = codes_of(seed, n=12, widths=(2,) * n_views, requires_grad=True)
    with torch.no_grad():
        values = generalised_eigenvalues(codes, 0.05)[:2] / (n_views - 1)
        loss = correlation_loss(codes, 0.05, squared=True)
    assert -loss.item() == pytest.approx(np.square(values).sum(), abs=1e-10)
    assert torch.autograd.gradcheck(lambda *z: correlation_loss(z, 0.05, squared=True), codes)


def test_each_view_has_its_own_ridge(seed):
    codes = codes_of(seed, n=12, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *z: correlation_loss(z, (0.5, 0.01)), codes)
    one, other = correlation_loss(codes, (0.5, 0.01)), correlation_loss(codes, (0.01, 0.5))
    assert one.item() != pytest.approx(other.item(), abs=1e-6)


@pytest.mark.parametrize("widths", [(3, 3), (2, 2, 2)])
def test_gradient_of_eckart_young_is_that_of_its_value(widths, seed):
    codes = codes_of(seed, n=9, widths=widths, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *z: eckart_young_loss(z), codes)


def test_ties_have_a_gradient(seed):
    # All canonical correlations are 1: a gradient through eigenvectors would divide by 0.
    code = codes_of(seed, n=12)[0]
    pair = [code.clone().requires_grad_(), code.clone().requires_grad_()]
    loss = correlation_loss(pair, 1e-6)
    loss.backward()
    assert loss.item() == pytest.approx(-3.0, abs=1e-4)
    assert all(torch.isfinite(z.grad).all() and z.grad.abs().max() < 1e-3 for z in pair)


def test_value_depends_on_neither_scale_nor_origin(seed):
    codes = codes_of(seed)
    moved = [codes[0] * 1e-9 + 3.0, codes[1] * 1e9 - 5e9]
    expected = correlation_loss(codes, 0.1).item()
    assert correlation_loss(moved, 0.1).item() == pytest.approx(expected, abs=1e-6)


def bad_codes():
    generator = torch.Generator().manual_seed(0)
    free = torch.randn(10, 4, generator=generator)
    return {
        "constant": free * 0.0 + 2.0,
        "copies": free[:, :1].expand(10, 4).clone(),
        "huge": free * 1e30,
        "tiny": free * 1e-30,
        "dead column": torch.cat([free[:, :3], torch.zeros(10, 1)], dim=1),
        "one row": free[:1].expand(10, 4).clone(),
    }


@pytest.mark.parametrize("rows", [1, 2, 3, 10])
@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("name", bad_codes())
def test_never_a_nan(name, n_views, rows):
    codes = [z[:rows].clone() for z in [bad_codes()[name]] * n_views]
    codes[0] = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))
    codes = [z.requires_grad_() for z in codes]
    for loss in (correlation_loss(codes, 1e-3), correlation_loss(codes, 0.0)):
        assert -4.0 - 1e-5 <= loss.item() <= 0.0
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss, codes))


def test_constant_codes_correlate_with_nothing():
    codes = [bad_codes()["constant"], bad_codes()["huge"]]
    assert correlation_loss(codes).item() == 0.0
    assert eckart_young_loss([codes[0], codes[0]]).item() == 0.0


def test_codes_that_are_not_finite_are_not_hidden():
    codes = codes_of(0)
    codes[1][3, 1] = torch.nan
    assert torch.isnan(correlation_loss(codes))
    codes[1][3, 1] = torch.inf
    assert torch.isnan(correlation_loss(codes))


def test_float32_codes_are_summed_in_float64(seed):
    codes = codes_of(seed)
    single = correlation_loss([z.float() for z in codes], 0.0)
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(correlation_loss(codes, 0.0).item(), abs=1e-5)


@pytest.mark.parametrize("n_views", [2, 3])
def test_eckart_young_minimum_is_minus_the_squared_eigenvalues(n_views, seed):
    # All rows twice over, halves alike: then the loss of the best linear codes is exact.
    parts = centred(codes_of(seed, n=200, widths=(4,) * n_views))
    joined = np.hstack(parts)
    covariance = joined.T @ joined
    within = scipy.linalg.block_diag(*[p.T @ p for p in parts])
    values, vectors = scipy.linalg.eigh(covariance - within, within)
    values, vectors = values[-2:], vectors[:, -2:]
    weights = np.split(vectors * np.sqrt(values) * np.sqrt(len(joined) - 1), n_views)
    codes = [torch.from_numpy(p @ w) for p, w in zip(parts, weights, strict=True)]
    n = len(joined)
    twice = [torch.cat([z, z]) for z in codes]
    # n - 1 of n rows in each half, 2n - 1 of 2n in the whole.
    expected = np.square(values).sum() * (1 - 4 * (n - 1) / (2 * n - 1))
    assert eckart_young_loss(twice).item() == pytest.approx(expected, rel=1e-9)
    for scale in (0.9, 1.1):
        assert eckart_young_loss([scale * z for z in twice]).item() > expected


def test_eckart_young_is_unbiased_in_small_batches(seed):
    # Mean over 2000 batches of 6 rows against the loss of the population, within five standard
    # errors: a false alarm in about 6e-7 of runs.
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(4, 4))
    shared = rng.normal(size=(2000, 6, 2))
    both = np.concatenate([shared, rng.normal(size=(2000, 6, 2))], axis=2) @ mix
    found = [
        eckart_young_loss([torch.from_numpy(b[:, :2]), torch.from_numpy(b[:, 2:])]).item()
        for b in both
    ]
    covariance = mix.T @ mix
    within = covariance[:2, :2] + covariance[2:, 2:]
    expected = np.square(within).sum() - 4.0 * np.trace(covariance[:2, 2:])
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 5 * error
