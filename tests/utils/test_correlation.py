"""Moments against NumPy, CCA against a QR and SVD in float64, shrinkage against scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
from scipy import sparse
from sklearn.covariance import OAS

from skrep.utils.correlation import (
    ViewMoments,
    cca_of_arrays,
    max_components,
    oas_ridge,
    project,
    signs_of,
    solve_cca,
    whitener,
)


def shared(seed, n=200, widths=(6, 5), n_shared=2, noise=0.5):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, n_shared))
    return [
        common @ rng.normal(size=(n_shared, width)) + noise * rng.normal(size=(n, width))
        for width in widths
    ]


def by_qr(a, b):
    """Return canonical correlations the slow, exact way."""
    a, b = (np.linalg.qr(each - each.mean(axis=0))[0] for each in (a, b))
    return np.linalg.svd(a.T @ b, compute_uv=False)


def direct_covariance(arrays):
    return np.cov(np.hstack(arrays), rowvar=False)


@pytest.mark.parametrize("form", ["dense", "csr", "mixed", "half_full_csr"])
def test_moments_are_those_of_numpy_in_any_chunks(form, seed):
    rng = np.random.default_rng(seed)
    density = 0.5 if form == "half_full_csr" else 0.05
    a = rng.normal(size=(300, 30)) * (rng.uniform(size=(300, 30)) < density)
    b = rng.normal(size=(300, 4)) + 5.0
    inner = [a, b]
    if form != "dense":
        inner[0] = sparse.csr_array(a)
    if form == "csr":
        b = b * (rng.uniform(size=b.shape) < density)
        inner[1] = sparse.csr_array(b)
    whole = ViewMoments((30, 4)).update(inner)
    chunked = ViewMoments((30, 4))
    for rows in np.split(np.arange(300), [1, 2, 150]):
        chunked.update([each[rows] for each in inner])
    for moments in (whole, chunked, chunked.copy()):
        np.testing.assert_allclose(moments.covariance(), direct_covariance([a, b]), atol=1e-12)
        np.testing.assert_allclose(np.hstack(moments.means), np.hstack([a, b]).mean(axis=0))
        assert moments.n_samples == 300


def test_blocks_in_float32_agree_far_from_the_origin(monkeypatch, seed):
    monkeypatch.setattr("skrep.utils.correlation._SMALL", 0)
    monkeypatch.setattr("skrep.utils.correlation._BLOCK_ROWS", 64)
    arrays = [each.astype(np.float32) for each in shared(seed, n=1000)]
    far = [each + np.float32(1024) for each in arrays]
    drifting = [each + np.linspace(0, 512, 1000, dtype=np.float32)[:, None] for each in arrays]
    for views in (arrays, far, drifting):
        moments = ViewMoments((6, 5)).update(views)
        assert moments.precision == "float32"
        expected = direct_covariance([each.astype(np.float64) for each in views])
        spread = np.sqrt(expected.diagonal())
        error = (moments.covariance() - expected) / np.outer(spread, spread)
        # A float32 holds 6e-8; sums of 64 and the values of drifting data add a little.
        assert np.abs(error).max() < 2e-6


def test_float32_is_left_where_squares_would_leave_its_range(monkeypatch, seed):
    monkeypatch.setattr("skrep.utils.correlation._SMALL", 0)
    for factor in (1e-20, 1e20):
        arrays = [(each * factor).astype(np.float32) for each in shared(seed)]
        moments = ViewMoments((6, 5)).update(arrays)
        assert moments.precision == "float64"
        assert (moments.covariance().diagonal() > 0).all()
    moments = ViewMoments((6, 5)).update([np.zeros((20, 6), np.float32), arrays[1][:20]])
    assert moments.precision == "float64"


def test_bytes_are_summed_exactly(monkeypatch, seed):
    monkeypatch.setattr("skrep.utils.correlation._SMALL", 0)
    a = np.random.default_rng(seed).integers(0, 256, size=(500, 3)).astype(np.uint8)
    moments = ViewMoments((3,)).update([a])
    np.testing.assert_allclose(moments.covariance(), np.cov(a.astype(float), rowvar=False), 1e-5)


def test_two_views_agree_with_qr_and_svd(seed):
    for offset in range(5):
        a, b = shared(seed + offset)
        solution = cca_of_arrays([a, b], 5)
        np.testing.assert_allclose(solution.correlations, by_qr(a, b), atol=1e-10)
        for codes in solution.project([a, b]):
            np.testing.assert_allclose(np.cov(codes, rowvar=False), np.eye(5), atol=1e-9)
        assert solution.ranks == (6, 5)
        assert max_components(solution.ranks) == 5


def test_scale_of_features_plays_no_role_without_a_ridge(seed):
    a, b = shared(seed)
    scales = 10.0 ** np.linspace(-6, 6, 6)
    plain, scaled = cca_of_arrays([a, b], 3), cca_of_arrays([a * scales, b * 1e-9], 3)
    np.testing.assert_allclose(scaled.correlations, plain.correlations, atol=1e-9)
    np.testing.assert_allclose(scaled.weights[0] * scales[:, None], plain.weights[0], rtol=1e-6)


def test_scale_of_views_plays_no_role_with_a_ridge(seed):
    a, b = shared(seed)
    plain, scaled = cca_of_arrays([a, b], 3, 0.2), cca_of_arrays([a * 1e5, b * 1e-5], 3, 0.2)
    np.testing.assert_allclose(scaled.correlations, plain.correlations, atol=1e-9)


def test_ridge_is_the_regularised_eigenproblem(seed):
    arrays = shared(seed, widths=(6, 5, 4))
    for views in (arrays[:2], arrays):
        ridges = [0.3, 0.1, 0.2][: len(views)]
        solution = cca_of_arrays(views, 3, ridges)
        S = direct_covariance(views)
        ends = np.cumsum([0, *(each.shape[1] for each in views)])
        within = np.zeros_like(S)
        for a, b, ridge in zip(ends[:-1], ends[1:], ridges, strict=True):
            block = S[a:b, a:b]
            within[a:b, a:b] = block + ridge * np.trace(block) / (b - a) * np.eye(b - a)
        between = S - scipy.linalg.block_diag(*[S[a:b, a:b] for a, b in pairwise(ends)])
        vectors = scipy.linalg.eigh(between, within)[1][:, ::-1][:, :3]
        for a, b, weights in zip(ends[:-1], ends[1:], solution.weights, strict=True):
            cosine = np.einsum("ij,ij->j", vectors[a:b], weights) / (
                np.linalg.norm(vectors[a:b], axis=0) * np.linalg.norm(weights, axis=0)
            )
            np.testing.assert_allclose(np.abs(cosine), 1.0, atol=1e-9)


@pytest.mark.parametrize("n", [12, 50, 400])
def test_shrinkage_is_that_of_scikit_learn(n, seed):
    a = shared(seed, n=n, widths=(20,))[0]
    shrinkage = OAS().fit(a).shrinkage_
    assert oas_ridge(np.cov(a, rowvar=False), n) == pytest.approx(shrinkage / (1 - shrinkage))
    assert cca_of_arrays([a, a[:, :3] + a[:, 3:6]], 2, "auto").regularization[0] == pytest.approx(
        shrinkage / (1 - shrinkage)
    )


def test_shrinkage_of_what_has_no_structure():
    assert oas_ridge(np.zeros((3, 3)), 10) == 0.0
    assert oas_ridge(np.eye(3), 10) == pytest.approx(1e6)


def test_copies_and_constants_are_left_out(seed):
    a, b = shared(seed)
    wide = np.hstack([a, a[:, :2], np.full((len(a), 1), 1e7 / 3), a @ np.ones((6, 1))])
    solution, plain = cca_of_arrays([wide, b], 3), cca_of_arrays([a, b], 3)
    assert solution.ranks == (6, 5)
    np.testing.assert_allclose(solution.correlations, plain.correlations, atol=1e-9)
    np.testing.assert_array_equal(solution.weights[0][8], 0.0)


def test_what_is_beyond_the_rank_is_an_error_or_zeros(seed):
    a, b = shared(seed)
    a = a[:, :2] @ np.random.default_rng(seed).normal(size=(2, 6))
    with pytest.raises(ValueError, match="`n_components=3` exceeds 2, the rank of view 'sound'"):
        cca_of_arrays([a, b], 3, names=["sound", "text"])
    with pytest.raises(ValueError, match="vary 1e7 times less than others count for nothing"):
        cca_of_arrays([b * 10.0 ** (3 * np.arange(-2, 3)), b], 5, 0.1)
    filled = cca_of_arrays([a, b], 4, fill=True)
    assert filled.weights[0].shape == (6, 4)
    np.testing.assert_array_equal(filled.correlations[2:], 0.0)
    with pytest.raises(ValueError, match="View 'view1' is constant"):
        cca_of_arrays([a, np.full((200, 2), 0.1)], 1)
    nothing = cca_of_arrays([a, np.full((200, 2), 0.1)], 2, fill=True)
    np.testing.assert_array_equal(nothing.project([a, b[:, :2]])[0], 0.0)
    np.testing.assert_array_equal(nothing.correlations, 0.0)


def test_squares_that_overflow_are_an_error(seed):
    a, b = shared(seed)
    with pytest.raises(ValueError, match="squares of some values are too large"):
        cca_of_arrays([a * 1e200, b], 1)


def test_a_view_without_a_part_in_a_component_gets_zeros():
    # Exactly uncorrelated by construction: columns of an orthogonal design.
    design = scipy.linalg.hadamard(16)[:, 1:].astype(float)
    a, b, c = design[:, [0]], design[:, [0]], design[:, [1]]
    solution = cca_of_arrays([a, b, c], 1)
    np.testing.assert_allclose(solution.weights[0], np.sqrt(15 / 16))
    np.testing.assert_array_equal(solution.weights[2], 0.0)
    np.testing.assert_allclose(solution.correlations, [1 / 3])


def test_sign_is_that_of_the_largest_loading(seed):
    np.testing.assert_array_equal(signs_of(np.array([[-2.0, 1.0], [1.0, -0.5]])), [-1.0, 1.0])
    np.testing.assert_array_equal(signs_of(np.array([[-1.0], [1.0 + 1e-9]])), [-1.0])
    a, b = shared(seed)
    first, again = cca_of_arrays([a, b], 3), cca_of_arrays([-a, b], 3)
    for codes, negative in zip(first.project([a, b]), again.project([-a, b]), strict=True):
        np.testing.assert_allclose(codes, -negative, atol=1e-9)


def test_whitener_whitens(seed):
    a = shared(seed, widths=(6,))[0]
    S = np.cov(a, rowvar=False)
    for ridge in (0.0, 0.5):
        root = whitener(S, ridge, 6, np.zeros(6))
        inner = S + ridge * np.trace(S) / 6 * np.eye(6)
        np.testing.assert_allclose(root.T @ inner @ root, np.eye(6), atol=1e-10)


def test_projection_of_csr_is_that_of_dense(seed):
    a, b = shared(seed)
    solution = solve_cca(ViewMoments((6, 5)).update([a, b]), 2)
    np.testing.assert_allclose(
        project(sparse.csr_array(a), solution.means[0], solution.weights[0]),
        project(a, solution.means[0], solution.weights[0]),
        atol=1e-10,
    )
