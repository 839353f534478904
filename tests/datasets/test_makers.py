import numpy as np
import pytest

from skrep.datasets import make_bars, make_low_rank, make_multiview

MAKERS = [make_low_rank, make_bars, make_multiview]


@pytest.mark.parametrize("make", MAKERS)
def test_same_seed_same_data_and_global_generator_untouched(make, seed):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the caller's generator is the point
    first, second = make(random_state=seed), make(random_state=seed)
    other, fresh = make(random_state=seed + 1), make()
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    assert not np.array_equal(np.asarray(first), np.asarray(other))
    assert not np.array_equal(np.asarray(first), np.asarray(fresh))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("make", MAKERS)
def test_truth_comes_second_and_does_not_change_the_data(make, seed):
    X, _ = make(random_state=seed, return_truth=True)
    np.testing.assert_array_equal(np.asarray(X), np.asarray(make(random_state=seed)))


def test_low_rank_without_noise_has_the_planted_rank_and_factors(seed):
    X, truth = make_low_rank(60, 12, 3, 0.0, random_state=seed, return_truth=True)
    assert np.linalg.matrix_rank(X) == 3
    np.testing.assert_allclose(X, truth.codes @ truth.loadings, atol=1e-12)
    assert truth.mixing is None


def test_low_rank_noise_has_the_stated_deviation(seed):
    X, truth = make_low_rank(1000, 20, 4, 0.3, random_state=seed, return_truth=True)
    noise = (X - truth.signal) / 0.3
    # The mean of n squared standard normals has standard error sqrt(2 / n): 5 of them, 6e-7.
    assert abs(np.mean(noise**2) - 1.0) < 5 * np.sqrt(2 / noise.size)
    assert truth.noise == 0.3


def test_nonlinear_sheet_fills_more_planes_than_its_rank(seed):
    X, truth = make_low_rank(200, 20, 2, 0.0, nonlinear=True, random_state=seed, return_truth=True)
    assert np.linalg.matrix_rank(X) == 8  # 4 bent directions for each of the 2 codes
    again = 1.2 * np.tanh(2.0 * truth.codes @ truth.mixing) @ truth.loadings
    np.testing.assert_allclose(X, again, atol=1e-12)


@pytest.mark.parametrize("nonlinear", [False, True])
def test_signal_has_about_unit_variance(nonlinear, seed):
    _, truth = make_low_rank(
        2000, 200, 8, nonlinear=nonlinear, random_state=seed, return_truth=True
    )
    assert 0.5 < truth.signal.var() < 1.5


def test_bars_of_one_orientation_are_the_known_set_of_patterns(seed):
    side = 3
    X, truth = make_bars(4000, side, random_state=seed, return_truth=True)
    rows = np.repeat(np.eye(side), side, axis=1)
    columns = np.tile(np.eye(side), (1, side))
    bits = (np.arange(2**side)[:, None] >> np.arange(side)) & 1
    expected = {tuple(p) for p in np.vstack([bits @ rows, bits @ columns])}
    assert len(expected) == 2 ** (side + 1) - 2
    # The rarest pattern has probability 1/16: all appear but for a chance of 14 * (15/16)**4000.
    assert {tuple(image) for image in X} == expected
    drawn = np.clip(truth.bars @ np.vstack([rows, columns]), 0, 1)
    np.testing.assert_array_equal(X, drawn)


def test_bars_of_both_orientations_overlap_and_are_independent(seed):
    X, truth = make_bars(
        5000, 4, orientation="both", probability=0.25, random_state=seed, return_truth=True
    )
    share = truth.bars.mean(axis=0)
    # Eight means of 5000 Bernoulli draws within 5 standard errors: false alarm below 5e-6.
    assert np.all(np.abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 5000))
    images = X.reshape(-1, 4, 4).astype(bool)
    np.testing.assert_array_equal(images, truth.bars[:, :4, None] | truth.bars[:, None, 4:])
    assert (truth.bars[:, :4].any(axis=1) & truth.bars[:, 4:].any(axis=1)).any()


def test_bars_at_the_ends_of_probability(seed):
    assert not make_bars(5, probability=0.0, random_state=seed).any()
    assert make_bars(5, probability=1.0, random_state=seed).all()


def test_multiview_shares_exactly_the_shared_code(seed):
    X, truth = make_multiview(
        300, (8, 9, 10), n_shared=2, n_private=(1, 0, 3), noise=0.0,
        random_state=seed, return_truth=True,
    )  # fmt: skip
    assert X.widths == (8, 9, 10)
    for i, view in enumerate(X):
        codes = np.hstack([truth.shared, truth.private[i]])
        np.testing.assert_allclose(view, codes @ truth.loadings[i], atol=1e-12)
    ranks = [np.linalg.matrix_rank(view) for view in X]
    assert ranks == [3, 2, 5]
    assert np.linalg.matrix_rank(np.asarray(X)) == 2 + 1 + 0 + 3


def test_multiview_bends_each_view(seed):
    _, truth = make_multiview(
        200, (30, 30), n_shared=1, n_private=1, nonlinear=True, random_state=seed, return_truth=True
    )
    assert [np.linalg.matrix_rank(signal) for signal in truth.signal] == [8, 8]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_low_rank(0), r"`n_samples` must be an integer, 1 or more\. Got 0\."),
        (lambda: make_low_rank(5, 3.0), r"`n_features` must be an integer, 1 or more\. Got 3\.0"),
        (lambda: make_low_rank(5, 3, rank=4), r"`rank=4` exceeds `n_features=3`\."),
        (lambda: make_low_rank(noise=-1.0), r"`noise` must be a finite number, 0 or more\."),
        (lambda: make_bars(side=True), r"`side` must be an integer, 1 or more\. Got True\."),
        (lambda: make_bars(orientation="up"), r"`orientation` must be 'either' or 'both'\."),
        (lambda: make_bars(probability=1.5), r"`probability` must lie in \[0, 1\]\. Got 1\.5"),
        (lambda: make_multiview(n_features=()), r"`n_views` must be an integer, 1 or more"),
        (lambda: make_multiview(n_shared=0), r"`n_shared` must be an integer, 1 or more"),
        (lambda: make_multiview(n_private=-1), r"`n_private` must be an integer, 0 or more"),
        (lambda: make_multiview(n_private=(1, 2, 3)), r"`n_private` has 3 entries and .* has 2"),
        (lambda: make_multiview(noise=float("nan")), r"`noise` must be a finite number"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
