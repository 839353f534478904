"""Hopfield networks: rules against their definitions, recall against the energy."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skrep import HopfieldNetwork, Views
from skrep.boltzmann._rules import CAPACITY

RULES = ["hebb", "storkey", "projection", "modern"]


def patterns(n_patterns, n_units, seed):
    return np.sign(np.random.default_rng(seed).standard_normal((n_patterns, n_units)))


def flipped(X, share, seed):
    return X * np.where(np.random.default_rng(seed + 1).random(X.shape) < share, -1.0, 1.0)


def overlaps(network, X, cues):
    return (network.transform(cues) * X).mean(axis=1)


def test_hebb_is_the_mean_outer_product(seed):
    X = patterns(4, 30, seed)
    coupling = HopfieldNetwork().fit(X).coupling_
    expected = sum(np.outer(x, x) for x in X) / 30
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(coupling, expected, atol=1e-12)


def test_storkey_is_its_definition(seed):
    X = patterns(3, 8, seed)
    W = np.zeros((8, 8))
    for x in X:
        new = W.copy()
        for i in range(8):
            for j in range(8):
                if i == j:
                    continue
                h_ij = sum(W[i, k] * x[k] for k in range(8) if k not in (i, j))
                h_ji = sum(W[j, k] * x[k] for k in range(8) if k not in (i, j))
                new[i, j] += (x[i] * x[j] - x[i] * h_ji - h_ij * x[j]) / 8
        W = new
    np.testing.assert_allclose(HopfieldNetwork("storkey").fit(X).coupling_, W, atol=1e-12)


def test_projection_is_the_projector_without_its_diagonal(seed):
    X = patterns(6, 20, seed)
    expected = np.linalg.pinv(X) @ X
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(HopfieldNetwork("projection").fit(X).coupling_, expected, atol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_partial_fit_adds_patterns(rule, seed):
    X = patterns(6, 64, seed)
    whole = HopfieldNetwork(rule, random_state=0).fit(X)
    parts = HopfieldNetwork(rule, random_state=0).partial_fit(X[:2]).partial_fit(X[2:])
    assert parts.n_patterns_ == whole.n_patterns_ == 6
    if rule == "modern":
        np.testing.assert_array_equal(parts.patterns_, whole.patterns_)
    else:
        np.testing.assert_allclose(parts.coupling_, whole.coupling_, atol=1e-10)
    assert parts.fit(X[:3]).n_patterns_ == 3


@pytest.mark.parametrize("rule", ["hebb", "storkey", "projection"])
def test_energy_never_rises_one_unit_at_a_time(rule, seed):
    """Each sweep is a prefix of a longer one, so the energy after k sweeps is read off."""
    X = patterns(30, 100, seed)
    starts = np.sign(np.random.default_rng(seed + 2).standard_normal((20, 100)))
    with pytest.warns(UserWarning, match="load") if rule == "hebb" else nullcontext():
        network = HopfieldNetwork(rule, random_state=0).fit(X)
    runs = [network.set_params(max_sweeps=sweeps).recall(starts).energies for sweeps in range(1, 8)]
    energies = [network.energy(starts), *runs]
    assert (np.diff(energies, axis=0) <= 1e-9).all()
    assert (energies[-1] < energies[0]).all()


@pytest.mark.parametrize("rule", ["hebb", "storkey", "projection"])
def test_no_single_update_raises_the_energy(rule, seed):
    X = patterns(5, 60, seed)
    network = HopfieldNetwork(rule, random_state=0).fit(X)
    state = np.sign(np.random.default_rng(seed + 2).standard_normal(60))
    final = network.transform(state[None])[0]
    before = network.energy(final[None])[0]
    for i in range(60):
        other = final.copy()
        other[i] *= -1
        assert network.energy(other[None])[0] >= before - 1e-9


def test_energy_of_modern_recall_never_rises(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 10))
    network = HopfieldNetwork("modern", inverse_temperature=0.3).fit(X)
    starts = 2.0 * rng.standard_normal((30, 10))
    runs = [network.set_params(max_sweeps=sweeps).recall(starts).energies for sweeps in range(1, 8)]
    energies = [network.energy(starts), *runs]
    assert (np.diff(energies, axis=0) <= 1e-9).all()


def test_energies_against_their_definitions(seed):
    X = patterns(2, 16, seed)
    states = patterns(5, 16, seed + 1)
    network = HopfieldNetwork().fit(X)
    expected = [-0.5 * s @ network.coupling_ @ s for s in states]
    np.testing.assert_allclose(network.energy(states), expected)
    modern = HopfieldNetwork("modern", inverse_temperature=0.7).fit(X)
    sums = [np.sum(np.exp(0.7 * (X @ s - 8.0))) for s in states]
    np.testing.assert_allclose(modern.energy(states), 8.0 - np.log(sums) / 0.7)


@pytest.mark.parametrize("update", ["asynchronous", "synchronous"])
@pytest.mark.parametrize("rule", RULES)
def test_noisy_and_partial_cues_are_recalled(rule, update, seed):
    """Loads of 0.05 with a tenth flipped or half unknown: failure has odds below 1e-6."""
    X = patterns(10, 200, seed)
    network = HopfieldNetwork(rule, update=update, random_state=0).fit(X)
    assert network.score(X) == pytest.approx(1.0)
    assert (overlaps(network, X, flipped(X, 0.1, seed)) > 0.95).all()
    half = np.where(np.arange(200) < 100, X, np.nan)
    assert (overlaps(network, X, half) > 0.95).all()
    assert network.score(half) > 0.95
    assert network.recall(half).converged.all()


def test_zeros_and_ones_are_the_same_memory(seed):
    X = patterns(5, 80, seed)
    cues = flipped(X, 0.2, seed)
    spin = HopfieldNetwork(random_state=0).fit(X)
    bits = HopfieldNetwork(random_state=0).fit((X + 1) / 2)
    assert (spin.units_, bits.units_) == ("spin", "binary")
    np.testing.assert_array_equal(2 * bits.transform((cues + 1) / 2) - 1, spin.transform(cues))
    np.testing.assert_allclose(bits.energy((cues + 1) / 2), spin.energy(cues))


def test_modern_recalls_real_data_from_half(seed):
    X = np.random.default_rng(seed).standard_normal((50, 40)) * 7.0 + 3.0
    network = HopfieldNetwork("modern").fit(X)
    assert network.units_ == "real"
    half = np.where(np.arange(40) < 20, X, np.nan)
    np.testing.assert_allclose(network.transform(half), X, atol=1e-3)
    assert network.score(X) == pytest.approx(1.0, abs=1e-6)


def test_capacity_at_small_size(seed):
    """Either side of Hebb's limit, and the projection rule far beyond it."""
    X = patterns(120, 300, seed)
    cues = flipped(X, 0.1, seed)
    low = HopfieldNetwork(random_state=0).fit(X[:24])
    assert (overlaps(low, X[:24], cues[:24]) > 0.95).mean() >= 0.9
    with pytest.warns(UserWarning, match=r"75 patterns on 300 units .* 0\.25; .* 41\.4"):
        high = HopfieldNetwork(random_state=0).fit(X[:75])
    assert (overlaps(high, X[:75], cues[:75]) > 0.95).mean() <= 0.2
    full = HopfieldNetwork("projection", random_state=0).fit(X)
    assert (overlaps(full, X, cues) > 0.95).mean() >= 0.95


def test_modern_holds_more_patterns_than_units(seed):
    X = patterns(2000, 64, seed)
    network = HopfieldNetwork("modern").fit(X)
    assert (overlaps(network, X, flipped(X, 0.1, seed)) > 0.95).mean() >= 0.98


@pytest.mark.parametrize(("rule", "n"), [("hebb", 20), ("storkey", 70), ("modern", 100)])
def test_a_load_above_capacity_is_said_in_numbers(rule, n, seed):
    n_units = 12 if rule == "modern" else 100
    capacity = CAPACITY[rule](n_units)
    with pytest.warns(UserWarning, match=rf"{n} patterns on {n_units} units .*{capacity:.4g}"):
        HopfieldNetwork(rule).fit(patterns(n, n_units, seed))


def test_projection_warns_when_full_and_refuses_more(seed):
    corners = 1.0 - 2.0 * np.eye(8)
    with pytest.warns(UserWarning, match="8 patterns on 8 units"):
        HopfieldNetwork("projection").fit(corners)
    with pytest.raises(ValueError, match=r"at most as many patterns as .*, 8\. Got 9 different"):
        HopfieldNetwork("projection").fit(np.vstack([corners, np.ones(8)]))
    repeated = np.repeat(corners[:2], 20, axis=0)
    assert HopfieldNetwork("projection").fit(repeated).n_patterns_ == 2


def test_recall_says_how_it_went(seed):
    X = patterns(3, 50, seed)
    network = HopfieldNetwork(random_state=0).fit(X)
    found = network.recall(X)
    assert found.converged.all()
    np.testing.assert_array_equal(found.n_sweeps, 1)
    np.testing.assert_array_equal(found.states, network.transform(X))
    np.testing.assert_allclose(found.energies, network.energy(found.states))
    hasty = network.set_params(max_sweeps=1).recall(flipped(X, 0.3, seed))
    assert not hasty.converged.any()


def test_updates_at_once_may_swing_and_say_so():
    """Two units that want to be unequal swap for ever when started equal."""
    network = HopfieldNetwork(update="synchronous").fit(np.array([[1.0, -1.0]]))
    found = network.recall(np.array([[1.0, 1.0], [1.0, -1.0]]))
    assert found.converged.tolist() == [False, True]
    assert found.n_sweeps[0] < 100


def test_views_sparse_and_frames(seed):
    X = (patterns(4, 30, seed) + 1) / 2
    views = Views((X[:, :10], X[:, 10:]), ("a", "b"))
    network = HopfieldNetwork(random_state=0).fit(views)
    cue = Views((np.full((4, 10), np.nan), X[:, 10:]), ("a", "b"))
    np.testing.assert_array_equal(network.transform(cue), X)
    back = network.inverse_transform(network.transform(cue))
    assert back.names == ("a", "b")
    np.testing.assert_array_equal(np.asarray(back), X)
    np.testing.assert_array_equal(HopfieldNetwork().fit(sparse.csr_array(X)).transform(X), X)
    frame = pd.DataFrame(X, columns=[f"unit{i}" for i in range(30)], index=list("wxyz"))
    out = HopfieldNetwork().set_output(transform="pandas").fit(frame).transform(frame)
    pd.testing.assert_frame_equal(out, frame)


def test_bad_input_is_named(seed):
    X = patterns(2, 20, seed)
    bad = X.copy()
    bad[1, 4] = 0.5
    with pytest.raises(ValueError, match=r"row 1, column 4 of X is 0\.5\. Threshold .*'modern'"):
        HopfieldNetwork().fit(bad)
    bad[1, 4] = 0.0
    with pytest.raises(ValueError, match="Got -1, 0 and 1 in one `X`"):
        HopfieldNetwork().fit(bad)
    with pytest.raises(ValueError, match="`units='real'` needs `rule='modern'`"):
        HopfieldNetwork(units="real").fit(X)
    with pytest.raises(ValueError, match=r"needs values 0 or 1, but row 0"):
        HopfieldNetwork(units="binary").fit(-np.ones((2, 3)))
    network = HopfieldNetwork().fit(X)
    with pytest.raises(ValueError, match=r"`units='spin'` needs values -1 or 1.*row 1, column 4"):
        network.transform(bad)
    with pytest.raises(ValueError, match=r"needs values -1 or 1, but row 0, column 0 of X is 3"):
        network.partial_fit(3.0 * np.ones((1, 20)))
    with pytest.raises(ValueError, match="NaN"):
        network.fit(np.full((2, 4), np.nan))
    cue = X.copy()
    cue[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"complete states, but row 1, column 2 of X is NaN"):
        HopfieldNetwork().fit(X).energy(cue)
