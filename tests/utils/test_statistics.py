import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from skrep.datasets import make_low_rank
from skrep.utils import statistics
from skrep.utils.statistics import RunningMoments, column_moments, principal_axes


def check_moments(found, X, rtol=1e-6):
    X = np.asarray(X, dtype=np.float64)
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.variance, X.var(axis=0), rtol=rtol, atol=1e-12)
    assert found.mean.dtype == found.variance.dtype == np.float64


@pytest.fixture(name="X")
def several_blocks(seed, monkeypatch):
    monkeypatch.setattr(statistics, "_BLOCK_ROWS", 64)  # several blocks, the last one short
    return np.random.default_rng(seed).standard_normal((300, 7)) * np.arange(7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_moments_far_from_the_origin(X, dtype, offset):
    X = (X + offset).astype(dtype)
    check_moments(column_moments(X), X, rtol=1e-5)


def test_moments_of_whole_numbers(seed):
    X = np.random.default_rng(seed).integers(0, 255, (200, 3))
    for dtype in (np.int64, np.uint8):
        check_moments(column_moments(X.astype(dtype)), X)
    check_moments(column_moments(X > 100), X > 100)


def test_moments_of_stored_data(X, tmp_path):
    X[X < 0] = 0
    mapped = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=X.shape)
    mapped[:] = X
    for data in (mapped, sparse.csr_array(X), sparse.csr_matrix(X)):
        check_moments(column_moments(data), X)


def test_moments_of_the_rows_present(X, seed):
    present = np.random.default_rng(seed).random(300) < 0.5
    present[:70] = False  # a whole block without rows
    check_moments(column_moments(X, present), X[present])
    check_moments(column_moments(sparse.csr_array(X), present), X[present])


def test_constant_columns_have_no_variance():
    for value in (0.0, 0.1, 1e6 + 0.1):
        for dtype in (np.float64, np.float32):
            X = np.full((500, 2), value, dtype=dtype)
            assert (column_moments(X).variance <= 1e-14 * value**2).all()


@pytest.mark.parametrize("limit", [1500, 5], ids=["covariance", "randomised"])
def test_principal_axes_are_pca(seed, limit, monkeypatch):
    monkeypatch.setattr(statistics, "_MAX_COVARIANCE", limit)
    X = make_low_rank(200, 10, rank=3, noise=0.05, random_state=seed)
    pca = PCA(3, svd_solver="full").fit(X)
    axes = principal_axes([X], [X.mean(axis=0)], [np.ones(10)], 3, seed=seed)
    np.testing.assert_allclose(
        np.abs(np.sum(axes.components * pca.components_, axis=1)), 1, atol=1e-4
    )
    np.testing.assert_allclose(axes.variances, pca.explained_variance_ * 199 / 200, rtol=1e-3)
    left = X - X.mean(axis=0) - pca.transform(X) @ pca.components_
    np.testing.assert_allclose(axes.residual, (left**2).mean(axis=0), rtol=0.05)
    assert axes.rest == pytest.approx((left**2).sum() / 200, rel=0.05)
    np.testing.assert_allclose(axes.components @ axes.components.T, np.eye(3), atol=1e-5)
    largest = np.abs(axes.components).argmax(axis=1)
    assert (axes.components[np.arange(3), largest] > 0).all()


def test_principal_axes_of_scaled_views_side_by_side(seed):
    X = make_low_rank(150, 8, rank=2, random_state=seed)
    X[np.abs(X) < 0.3] = 0
    factors = np.linspace(1, 3, 8)
    joined = (X - X.mean(axis=0)) * factors
    expected = PCA(2, svd_solver="full").fit(joined)
    axes = principal_axes(
        [X[:, :5], sparse.csr_array(X[:, 5:])],
        np.split(X.mean(axis=0), [5]),
        np.split(factors, [5]),
        2,
        seed=seed,
    )
    np.testing.assert_allclose(
        np.abs(np.sum(axes.components * expected.components_, axis=1)), 1, atol=1e-6
    )


def test_no_more_axes_than_rows_or_columns(seed):
    X = np.random.default_rng(seed).standard_normal((4, 9))
    assert len(principal_axes([X], [X.mean(axis=0)], [np.ones(9)], 6, seed=0).components) == 4
    assert len(principal_axes([X.T], [X.mean(axis=1)], [np.ones(4)], 6, seed=0).components) == 4


def test_many_rows_are_represented_by_some(seed):
    X = make_low_rank(2000, 6, rank=2, noise=0.05, random_state=seed)
    few, again, whole = (
        principal_axes([X], [X.mean(axis=0)], [np.ones(6)], 2, seed=seed, max_rows=rows)
        for rows in (500, 500, 2000)
    )
    np.testing.assert_array_equal(few.components, again.components)
    np.testing.assert_allclose(
        few.components @ whole.components.T @ whole.components @ few.components.T,
        np.eye(2),
        atol=0.01,
    )


def test_running_moments_do_not_depend_on_the_blocks_and_leave_them_alone(seed):
    X = 1e4 + np.random.default_rng(seed).standard_normal((50, 3))
    before, moments = X.copy(), RunningMoments(3)
    for rows in (slice(0, 7), slice(7, 7), slice(7, 50)):
        moments.add(X[rows])
    np.testing.assert_array_equal(X, before)
    assert moments.count == 50
    np.testing.assert_allclose(moments.squares, 50 * X.var(axis=0), rtol=1e-8)
    np.testing.assert_allclose(moments.raw, np.square(X).sum(axis=0), rtol=1e-12)
