"""The general Boltzmann machine against enumeration written out in NumPy."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skrep import BoltzmannMachine, Trainer, Views
from skrep.datasets import make_bars, make_max_cut
from skrep.nn.module import Batch

UNITS = pytest.mark.parametrize("units", ["binary", "spin"])
BIPARTITE_OR_FULL = pytest.mark.parametrize("mask", [None, "bipartite"])


def all_states(n, units):
    values = (-1.0, 1.0) if units == "spin" else (0.0, 1.0)
    return np.array(list(itertools.product(values, repeat=n)))


def energies(states, J, h):
    return -0.5 * np.einsum("ij,jk,ik->i", states, J, states) - states @ h


def data(units, seed, n=60, width=5):
    X = (np.random.default_rng(seed).random((n, width)) < 0.4).astype(float)
    X[:, 1] = np.where(np.random.default_rng(seed + 1).random(n) < 0.9, X[:, 0], X[:, 1])
    return 2 * X - 1 if units == "spin" else X


def machine(units="binary", seed=0, n_components=3, scale=1.0, width=5, **settings):
    """Return a fitted machine with couplings and fields drawn anew, and those two."""
    settings = {"max_epochs": 1, "random_state": seed, **settings}
    model = BoltzmannMachine(n_components, units=units, **settings).fit(
        data(units, seed, width=width)
    )
    rng = np.random.default_rng(seed)
    n = width + n_components
    J = scale * rng.standard_normal((n, n)) / np.sqrt(n)
    J = (J + J.T) * (model.coupling_ != 0)
    h = 0.5 * rng.standard_normal(n)
    with torch.no_grad():
        model.module_.coupling.copy_(torch.tensor(J))
        model.module_.field.copy_(torch.tensor(h))
    return model, J, h


def log_probabilities(X, J, h, units):
    """Return log p of visible rows by summing over everything."""
    n, width = len(h), X.shape[1]
    states = all_states(n, units)
    weights = -energies(states, J, h)
    log_z = np.logaddexp.reduce(weights)
    rows = []
    for x in X:
        same = (states[:, :width] == x).all(axis=1)
        rows.append(np.logaddexp.reduce(weights[same]) - log_z)
    return np.array(rows)


@UNITS
@BIPARTITE_OR_FULL
def test_exact_log_partition(units, mask, seed):
    model, J, h = machine(units, seed, mask=mask)
    found = model.log_partition()
    expected = np.logaddexp.reduce(-energies(all_states(8, units), J, h))
    assert found.value == pytest.approx(expected, abs=1e-4)
    assert found.standard_error == 0.0


@UNITS
def test_annealed_log_partition_is_within_four_standard_errors(units, seed):
    """Five random models, forward and reverse; false alarm 10 * 6e-5 if weights are normal."""
    for k in range(5):
        model, J, h = machine(units, seed + k, width=8, n_components=4)
        exact = np.logaddexp.reduce(-energies(all_states(12, units), J, h))
        for method in ("ais", "reverse_ais"):
            found = model.log_partition(method, n_chains=200, n_temperatures=200, random_state=k)
            assert 0.0 < found.standard_error < 0.1
            assert abs(found.value - exact) < 4 * found.standard_error + 1e-3


@UNITS
def test_bipartite_machine_is_an_rbm(units, seed):
    """Log-likelihood by the RBM's own formula: hidden units summed in closed form."""
    model, J, h = machine(units, seed, mask="bipartite")
    X = data(units, seed)
    W, b, c = J[:5, 5:], h[:5], h[5:]

    def log_unnormalised(V):
        pull = V @ W + c
        part = np.logaddexp(0, pull) if units == "binary" else np.logaddexp(-pull, pull)
        return V @ b + part.sum(axis=1)

    log_z = np.logaddexp.reduce(log_unnormalised(all_states(5, units)))
    expected = log_unnormalised(X) - log_z
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-4)
    np.testing.assert_allclose(model.log_likelihood(X), expected, atol=1e-4)
    sizes = [set(block) for block in model.module_.blocks]
    assert sizes == [set(range(5)), set(range(5, 8))]
    assert model.score(X) == pytest.approx(expected.mean(), abs=1e-4)


def test_bipartite_machine_agrees_with_rbm(seed):
    """The same weights in `RBM` and in a masked machine give the same likelihood."""
    from skrep import RBM

    X = data("binary", seed)
    rbm = RBM(3, max_epochs=5, random_state=seed).fit(X)
    model, _, _ = machine("binary", seed, mask="bipartite")
    J = np.zeros((8, 8))
    J[5:, :5] = rbm.components_
    h = np.concatenate([rbm.intercept_visible_, rbm.intercept_hidden_])
    with torch.no_grad():
        model.module_.coupling.copy_(torch.tensor(J + J.T))
        model.module_.field.copy_(torch.tensor(h))
    np.testing.assert_allclose(model.log_likelihood(X), rbm.log_likelihood(X), atol=1e-4)
    np.testing.assert_allclose(model.transform(X), rbm.transform(X), atol=1e-5)


@UNITS
def test_score_samples_is_a_lower_bound(units, seed):
    model, J, h = machine(units, seed, scale=1.5)
    X = data(units, seed)
    exact = log_probabilities(X, J, h, units)
    bound = model.score_samples(X)
    assert (bound <= exact + 1e-4).all()
    assert (bound > exact - 3 * np.log(2)).all()


@UNITS
@pytest.mark.parametrize("n_components", [0, 3])
def test_exact_gradient_is_that_of_the_log_likelihood(units, n_components, seed):
    """Central differences of the mean log-likelihood by enumeration, in float64."""
    settings = {"learning": "exact", "trainer": Trainer(precision="float64")}
    model, J, h = machine(units, seed, n_components, width=4, **settings)
    X = data(units, seed, width=4)
    module = model.module_
    batch = Batch((torch.tensor(X),))
    terms = module.accumulate_gradients(batch, torch.Generator())
    mean = log_probabilities(X, J, h, units).mean()
    assert float(terms.total) == pytest.approx(-mean, rel=1e-9)
    held_out = module.training_loss(batch, torch.Generator()).total
    assert held_out.item() == pytest.approx(-mean)
    step = 1e-5
    for i, j in [(0, 1), (2, 3), (0, len(h) - 1)]:
        moved = np.zeros_like(J)
        moved[i, j] = moved[j, i] = step
        slope = (
            log_probabilities(X, J + moved, h, units).mean()
            - log_probabilities(X, J - moved, h, units).mean()
        ) / (2 * step)
        assert float(module.coupling.grad[i, j]) == pytest.approx(-slope, abs=1e-7)
    for i in range(len(h)):
        moved = step * (np.arange(len(h)) == i)
        slope = (
            log_probabilities(X, J, h + moved, units).mean()
            - log_probabilities(X, J, h - moved, units).mean()
        ) / (2 * step)
        assert float(module.field.grad[i]) == pytest.approx(-slope, abs=1e-7)


@UNITS
def test_persistent_gradient_is_unbiased_when_chains_have_mixed(units, seed):
    """No hidden couplings, so the positive phase is exact; 40,000 chains, five standard errors."""
    model, _, _ = machine(
        units, seed, mask="bipartite", learning="persistent", n_chains=40000, n_gibbs_steps=100
    )
    batch = Batch((torch.tensor(data(units, seed), dtype=torch.float32),))
    module = model.module_
    module.accumulate_gradients(batch, torch.Generator().manual_seed(seed))
    drawn = module.coupling.grad.clone(), module.field.grad.clone()
    module.exact = True
    module.accumulate_gradients(batch, torch.Generator())
    # A product of two units has a standard deviation of at most 1.
    assert (drawn[0] - module.coupling.grad).abs().max() < 5 / np.sqrt(40000)
    assert (drawn[1] - module.field.grad).abs().max() < 5 / np.sqrt(40000)


def test_gradient_stays_on_the_mask_and_symmetric(seed):
    mask = np.zeros((8, 8), dtype=bool)
    mask[0, 1] = mask[1, 5] = mask[5, 6] = True
    mask |= mask.T
    for learning in ("exact", "persistent"):
        model = BoltzmannMachine(3, mask=mask, learning=learning, max_epochs=5, random_state=seed)
        J = model.fit(data("binary", seed)).coupling_
        np.testing.assert_array_equal(J, J.T)
        np.testing.assert_array_equal(J != 0, mask)


@UNITS
def test_exact_learning_reaches_the_data(units, seed):
    """All pairs of 5 visible units: moments of the model meet those of the data."""
    X = data(units, seed, n=400)
    model = BoltzmannMachine(
        0,
        units=units,
        learning="exact",
        max_epochs=600,
        batch_size=400,
        learning_rate=0.02,
        random_state=seed,
    ).fit(X)
    states = all_states(5, units)
    weights = -energies(states, model.coupling_.astype(float), model.field_.astype(float))
    p = np.exp(weights - np.logaddexp.reduce(weights))
    np.testing.assert_allclose(p @ states, X.mean(axis=0), atol=0.01)
    np.testing.assert_allclose((states.T * p) @ states, X.T @ X / len(X), atol=0.01)


def test_persistent_learning_beats_independent_units(seed):
    X = make_bars(400, side=3, random_state=seed)
    model = BoltzmannMachine(
        8, learning="persistent", max_epochs=150, learning_rate=0.01, random_state=seed
    ).fit(X)
    rates = X.mean(axis=0)
    independent = float((X * np.log(rates) + (1 - X) * np.log(1 - rates)).sum(axis=1).mean())
    assert model.score(X) > independent + 1.0


@UNITS
def test_samples_have_the_moments_of_the_model(units, seed):
    """Drawn by enumeration and by chains; five standard errors of 20,000 draws."""
    model, J, h = machine(units, seed, width=6)
    states = all_states(9, units)
    weights = -energies(states, J, h)
    mean = np.exp(weights - np.logaddexp.reduce(weights)) @ states[:, :6]
    drawn = model.sample(20000, random_state=seed)
    assert drawn.shape == (20000, 6)
    assert set(np.unique(drawn)) == ({-1.0, 1.0} if units == "spin" else {0.0, 1.0})
    assert np.abs(drawn.mean(axis=0) - mean).max() < 5 / np.sqrt(20000)
    moved = model.gibbs(drawn[:1].repeat(20000, axis=0), 60, random_state=seed)
    assert np.abs(moved.mean(axis=0) - mean).max() < 5 / np.sqrt(20000)


def test_samples_of_many_units_come_from_chains(seed):
    """A ring of 40 spins: nearest neighbours correlate by tanh J (up to tanh J ** 39)."""
    J = 0.5 * (np.eye(40, k=1) + np.eye(40, k=-1))
    J[0, -1] = J[-1, 0] = 0.5
    J[0, 2] = J[2, 0] = 1e-9  # not bipartite any more
    model = BoltzmannMachine.from_couplings(J)
    drawn = model.sample(4000, random_state=seed)
    correlation = (drawn * np.roll(drawn, 1, axis=1)).mean()
    assert abs(correlation - np.tanh(0.5)) < 5 * np.sqrt(2.0 / (4000 * 40))


def test_log_partition_of_a_ring_is_its_transfer_matrix(seed):
    n, J = 60, 0.4
    ring = J * (np.eye(n, k=1) + np.eye(n, k=-1))
    ring[0, -1] = ring[-1, 0] = J
    expected = n * np.log(2 * np.cosh(J)) + np.log1p(np.tanh(J) ** n)
    model = BoltzmannMachine.from_couplings(ring)
    for method in ("auto", "ais", "reverse_ais"):
        found = model.log_partition(method, n_temperatures=300, random_state=seed)
        assert abs(found.value - expected) < 4 * found.standard_error + 1e-3


def test_gibbs_returns_its_chain(seed):
    model, _, _ = machine("binary", seed)
    X = data("binary", seed)
    chain = model.gibbs(X, 4, random_state=3, return_chain=True)
    assert chain.shape == (4, 60, 5)
    np.testing.assert_array_equal(chain[-1], model.gibbs(X, 4, random_state=3))
    with pytest.raises(ValueError, match=r"`n_steps` must be an integer of at least 1\. Got 0"):
        model.gibbs(X, 0)


@UNITS
def test_impute_is_the_conditional_mean(units, seed):
    model, J, h = machine(units, seed)
    X = data(units, seed)[:6]
    X[:, 2] = np.nan
    X[3, 4] = np.nan
    filled, std = model.impute(X, return_std=True)
    states = all_states(8, units)
    weights = -energies(states, J, h)
    for row, out, spread in zip(X, filled, std, strict=True):
        known = ~np.isnan(row)
        same = (states[:, :5][:, known] == row[known]).all(axis=1)
        p = np.exp(weights[same] - np.logaddexp.reduce(weights[same]))
        mean = p @ states[same][:, :5]
        np.testing.assert_allclose(out, mean, atol=1e-4)
        variance = p @ states[same][:, :5] ** 2 - mean**2
        np.testing.assert_allclose(spread, np.sqrt(np.maximum(variance, 0)), atol=1e-3)
        np.testing.assert_array_equal(out[known], row[known])


def test_impute_beyond_enumeration_keeps_what_is_known(seed):
    X = data("binary", seed, width=20)
    model = BoltzmannMachine(4, max_epochs=3, random_state=seed).fit(X)
    cue = np.where(np.arange(20) < 10, X, np.nan)
    filled = model.impute(cue)
    np.testing.assert_array_equal(filled[:, :10], X[:, :10])
    assert ((filled >= 0) & (filled <= 1)).all()
    assert model.transform(cue).shape == (60, 4)


def test_transform_of_a_bipartite_machine_is_exact(seed):
    model, J, h = machine("spin", seed, mask="bipartite")
    X = data("spin", seed)
    np.testing.assert_allclose(model.transform(X), np.tanh(X @ J[:5, 5:] + h[5:]), atol=1e-5)
    back = model.inverse_transform(model.transform(X))
    np.testing.assert_allclose(back, np.tanh(model.transform(X) @ J[5:, :5] + h[:5]), atol=1e-5)


def test_no_hidden_units_give_no_columns(seed):
    model = BoltzmannMachine(0, max_epochs=2, random_state=seed).fit(data("binary", seed))
    assert model.transform(data("binary", seed)).shape == (60, 0)
    assert np.isfinite(model.score(data("binary", seed)))


def test_energy_is_its_definition(seed):
    model, J, h = machine("binary", seed)
    V, H = data("binary", seed), data("binary", seed + 1, width=3)
    np.testing.assert_allclose(model.energy(V, H), energies(np.hstack([V, H]), J, h), atol=1e-5)
    with pytest.raises(ValueError, match=r"the states of the 3 hidden units too. .*free_energy"):
        model.energy(V)
    with pytest.raises(ValueError, match=r"H must have shape \(60, 3\). Got \(60, 2\)"):
        model.energy(V, H[:, :2])
    ring = BoltzmannMachine.from_couplings(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="no hidden units, but `H` was passed"):
        ring.energy(np.ones((1, 2)), np.ones((1, 1)))


def test_cached_log_partition_follows_the_fit(seed):
    X = data("binary", seed)
    model = BoltzmannMachine(3, max_epochs=2, random_state=seed).fit(X)
    first = model.score(X)
    assert model.score(X) == first == pickle.loads(pickle.dumps(model)).score(X)
    again = model.partial_fit(X).score(X)
    assert again != first
    assert again == pytest.approx(
        float(np.mean(-model.free_energy(X))) - model.log_partition().value, abs=1e-5
    )


def test_views_come_back(seed):
    X = data("binary", seed)
    views = Views((X[:, :2], X[:, 2:]), ("a", "b"))
    model = BoltzmannMachine(2, max_epochs=2, random_state=seed).fit(views)
    assert model.sample(4, random_state=0).widths == (2, 3)
    assert model.inverse_transform(model.transform(views)).names == ("a", "b")
    holes = Views((np.full((60, 2), np.nan), X[:, 2:]), ("a", "b"))
    np.testing.assert_array_equal(model.impute(holes)["b"], X[:, 2:])
    frame = pd.DataFrame(X, columns=list("pqrst"))
    pandas = BoltzmannMachine(2, max_epochs=1).set_output(transform="pandas").fit(frame)
    assert list(pandas.impute(frame).columns) == list("pqrst")


def mask_424():
    """Visible groups of four, coupled within; two hidden units, coupled to both groups."""
    mask = np.zeros((10, 10), dtype=bool)
    mask[:4, :4] = mask[4:8, 4:8] = mask[:8, 8:] = True
    mask |= mask.T
    np.fill_diagonal(mask, False)
    return mask


def encoder_is_learnt(seed):
    """Train on noisy copies, as Ackley et al. did, and ask for a code and for completion."""
    rng = np.random.default_rng(seed)
    clean = np.hstack([np.eye(4), np.eye(4)])
    many = np.tile(clean, (100, 1))
    noisy = np.where(many == 1, rng.random(many.shape) > 0.15, rng.random(many.shape) < 0.05)
    model = BoltzmannMachine(
        2,
        units="spin",
        mask=mask_424(),
        max_epochs=60,
        batch_size=40,
        learning_rate=0.05,
        random_state=seed,
    ).fit(2.0 * noisy - 1.0)
    clean = 2 * clean - 1
    codes = {tuple(code) for code in model.transform(clean) > 0}
    half = np.where(np.arange(8) < 4, clean, np.nan)
    completed = model.impute(half)[:, 4:].argmax(axis=1)
    return len(codes) == 4 and completed.tolist() == [0, 1, 2, 3]


def test_encoder_424(seed):
    assert encoder_is_learnt(seed)


@pytest.mark.slow
def test_encoder_424_from_any_of_twenty_seeds():
    assert [s for s in range(20) if not encoder_is_learnt(s)] == []


def test_bad_input_is_named(seed):
    X = data("binary", seed)
    bad = X.copy()
    bad[3, 1] = 2.0
    with pytest.raises(ValueError, match=r"`units='binary'` needs .* row 3, column 1 of X is 2\.0"):
        BoltzmannMachine().fit(bad)
    with pytest.raises(ValueError, match=r"`units='spin'` needs values -1 or 1, but row 0"):
        BoltzmannMachine(units="spin").fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"-1 or 1, but row 0, column 0 of view 'a' is 0"):
        BoltzmannMachine(units="spin").fit({"a": sparse.csr_array((3, 2)), "b": np.ones((3, 2))})
    model = BoltzmannMachine(2, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match=r"row 3, column 1 of X is 2\.0"):
        model.score(bad)
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 3, column 1 is NaN. Fill X with `impute`"):
        model.free_energy(bad)
    with pytest.raises(ValueError, match=r"2\*\*25 = 33554432; at most 2\*\*20 .*'persistent'"):
        BoltzmannMachine(20, learning="exact").fit(X)
    wide = BoltzmannMachine(30, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match=r"would enumerate 2\*\*34 = 17179869184 states"):
        wide.log_partition("exact")
    with pytest.raises(ValueError, match="`n_words` applies to word counts"):
        model.log_partition(n_words=3)


def test_bad_masks_are_named(seed):
    X = data("binary", seed)
    with pytest.raises(ValueError, match=r"5 visible and 2 hidden: \(7, 7\). Got .* \(5, 5\)"):
        BoltzmannMachine(2, mask=np.ones((5, 5))).fit(X)
    lopsided = np.zeros((7, 7))
    lopsided[0, 1] = 1
    with pytest.raises(ValueError, match=r"must be symmetric, but \[0, 1\] is True"):
        BoltzmannMachine(2, mask=lopsided).fit(X)
    with pytest.raises(ValueError, match="zero diagonal, but couples unit 0 to itself"):
        BoltzmannMachine(2, mask=np.eye(7)).fit(X)


def test_too_few_temperatures_are_said_with_the_spread(seed):
    J = 4.0 * make_max_cut(60, weights="normal", random_state=seed).toarray()
    model = BoltzmannMachine.from_couplings(J)
    with pytest.warns(UserWarning, match=r"unreliable: .* standard deviation of .* nats"):
        model.log_partition("ais", n_temperatures=3, random_state=seed)
