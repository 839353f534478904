"""The estimator: units, scales, likelihoods, messages."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM
from skorch.callbacks import Callback

from skrep import RBM, Gradient, NonFiniteLossError, Sparsity, Trainer, Views


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data[:400] / 16.0).astype(np.float32)


def toy(seed, n=300):
    """Two clusters of binary rows with a tenth of the bits flipped."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.integers(0, 2, (n, 1)), 6, axis=1)
    return np.where(rng.random((n, 6)) < 0.1, 1 - rows, rows).astype(float)


def data_of(visible, seed):
    rng = np.random.default_rng(seed)
    topic = toy(seed)[:, :1] * [1, 1, 1, -1, -1, -1] + [0, 0, 0, 1, 1, 1]
    return {
        "bernoulli": toy(seed),
        "gaussian": toy(seed) * 30.0 + rng.normal(size=(300, 6)),
        "categorical": np.eye(6)[rng.integers(0, 6, 300)],
        "multinomial": rng.poisson(2.0 * topic + 0.2).astype(float),
    }[visible]


def small(**parameters):
    settings = {"n_components": 2, "learning_rate": 0.05, "max_epochs": 5, "random_state": 0}
    return RBM(**{**settings, **parameters})


# -- learning -----------------------------------------------------------------------------------


def test_learns_two_clusters_to_their_entropy(seed):
    """The best any model can do is 1 + 6 H(0.1) bits; one hidden unit holds the cluster."""
    X = toy(seed, 600)
    entropy = -np.log(2) - 6 * -(0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    model = RBM(2, max_epochs=25, learning_rate=0.1, random_state=seed).fit(X)
    assert model.log_likelihood(X).mean() > entropy - 0.15
    independent = 6 * -np.log(2)
    assert model.log_likelihood(X).mean() > independent + 0.5


@pytest.mark.parametrize("visible", ["gaussian", "multinomial", "categorical"])
def test_likelihood_rises_for_other_units(visible, seed):
    X = data_of(visible, seed)
    first = small(visible=visible, max_epochs=1, learning_rate=1e-6).fit(X)
    last = small(visible=visible, max_epochs=25).fit(X)
    gain = last.log_likelihood(X, random_state=0).mean() - first.log_likelihood(X).mean()
    assert gain > (0.3 if visible != "categorical" else -0.05)


def test_score_is_comparable_with_scikit_learn(digits):
    """Same data, same passes, same rate: at least as good a pseudo-likelihood."""
    theirs = BernoulliRBM(16, learning_rate=0.1, n_iter=5, random_state=0).fit(digits)
    ours = RBM(16, max_epochs=5, random_state=0).fit(digits)
    swapped = clone(ours).fit(digits)
    module = swapped.module_
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(theirs.components_))
        module.visible_bias.copy_(torch.from_numpy(theirs.intercept_visible_))
        module.hidden_bias.copy_(torch.from_numpy(theirs.intercept_hidden_))
    np.testing.assert_allclose(swapped.transform(digits), theirs.transform(digits), atol=1e-4)
    binary = (digits > 0.5).astype(np.float32)
    expected = theirs._free_energy(binary)
    np.testing.assert_allclose(swapped.free_energy(binary), expected, rtol=1e-4, atol=1e-3)
    assert ours.score(binary) > swapped.score(binary)


def test_complement_of_the_data_is_learned_alike_when_centred(seed):
    """Flipping every bit moves the centred likelihood by less than the plain one."""
    X = toy(seed, 1000)
    X[:, :3] = 1.0
    scores = {
        kind: [
            RBM(2, gradient=kind, max_epochs=3, random_state=0).fit(Z).log_likelihood(Z).mean()
            for Z in (X, 1 - X)
        ]
        for kind in ("centred", "plain")
    }
    assert abs(np.subtract(*scores["centred"])) < 0.2


# -- scales and containers ----------------------------------------------------------------------


def test_gaussian_model_is_the_same_density_in_other_units(seed):
    X = data_of("gaussian", seed)
    model = small(visible="gaussian", max_epochs=20).fit(X)
    moved = small(visible="gaussian", max_epochs=20).fit(1000.0 * X + 5.0)
    np.testing.assert_allclose(
        moved.log_likelihood(1000.0 * X + 5.0) + 6 * np.log(1000.0),
        model.log_likelihood(X),
        atol=5e-2,
    )
    np.testing.assert_allclose(
        moved.score_samples(1000.0 * X + 5.0) + 6 * np.log(1000.0),
        model.score_samples(X),
        atol=5e-2,
    )


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_energy_from_the_public_weights(visible, seed):
    """E from the documented equation and the attributes, up to one constant."""
    X = data_of(visible, seed)
    model = small(visible=visible, max_epochs=20).fit(X)
    H = np.random.default_rng(seed).integers(0, 2, (len(X), 2)).astype(float)
    w, b, c = model.components_, model.intercept_visible_, model.intercept_hidden_
    assert (w.shape, b.shape, c.shape) == ((2, 6), (6,), (2,))
    precision = 1.0 / model.variance_ if visible == "gaussian" else np.ones(6)
    own = (X**2 / 2 * precision).sum(axis=1) if visible == "gaussian" else 0.0
    scaled = X * precision
    by_hand = own - scaled @ b - H @ c - ((scaled @ w.T) * H).sum(axis=1)
    difference = model.energy(X, H) - by_hand
    np.testing.assert_allclose(difference, difference[0], atol=2e-2)
    if visible == "bernoulli":
        np.testing.assert_allclose(difference, 0, atol=1e-3)


def test_variance_belongs_to_gaussian_units(seed):
    with pytest.raises(AttributeError, match="visible='bernoulli'"):
        _ = small().fit(toy(seed)).variance_
    model = small(visible="gaussian", max_epochs=30).fit(data_of("gaussian", seed))
    assert model.variance_.shape == (6,)


def test_free_energy_sums_the_energies(seed):
    X = toy(seed)[:20]
    model = small().fit(X)
    states = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    energies = [model.energy(X, np.tile(h, (20, 1))) for h in states]
    total = -np.log(np.exp(-np.array(energies)).sum(axis=0))
    np.testing.assert_allclose(model.free_energy(X), total, atol=1e-4)


def test_sparse_rows_are_the_same(seed):
    X = toy(seed)
    model, again = small().fit(X), small().fit(sparse.csr_array(X))
    np.testing.assert_allclose(model.components_, again.components_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.score_samples(sparse.csr_array(X)), model.score_samples(X), rtol=1e-5
    )


def test_several_variables_are_several_views(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, 300)
    X = Views((np.eye(3)[first], np.eye(2)[(first > 0).astype(int)]), names=("a", "b"))
    model = small(visible="categorical", max_epochs=30, learning_rate=0.2).fit(X)
    back = model.sample(50, random_state=0)
    assert back.names == ("a", "b")
    assert (np.asarray(back["a"]).sum(axis=1) == 1).all()
    agree = np.asarray(back["b"])[:, 1] == 1 - np.asarray(back["a"])[:, 0]
    assert agree.mean() > 0.8


def test_frames_keep_their_labels(seed):
    frame = pd.DataFrame(toy(seed), columns=list("abcdef"), index=range(1000, 1300))
    model = small().set_output(transform="pandas").fit(frame)
    assert list(model.gibbs(frame, 2, random_state=0).columns) == list("abcdef")
    assert list(model.gibbs(frame, 2, random_state=0).index) == list(frame.index)


@pytest.mark.parametrize("hidden", ["bernoulli", "gaussian", "rectified"])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "categorical", "multinomial"])
def test_every_pair_does_everything(visible, hidden, seed):
    X = data_of(visible, seed)
    X = X[X.sum(axis=1) > 0] if visible == "multinomial" else X
    model = small(visible=visible, hidden=hidden, learning_rate=0.01).fit(X)
    assert model.transform(X).shape == (len(X), 2)
    if hidden != "gaussian":
        assert (model.transform(X) >= 0).all()
    assert model.reconstruct(X).shape == X.shape
    assert np.isfinite(model.score_samples(X)).all()
    drawn = model.gibbs(X, 2, random_state=0)
    assert np.isfinite(model.free_energy(drawn)).all()  # draws lie in the domain
    assert np.isfinite(model.free_energy(model.sample(5, random_state=0))).all()
    if visible == "multinomial":
        np.testing.assert_array_equal(drawn.sum(axis=1), X.sum(axis=1))
    X2 = X[:20]
    logs = model.log_likelihood(X2, n_chains=50, n_temperatures=50, random_state=0)
    assert logs.shape == (20,)
    model.partial_fit(X)
    assert model.n_iter_ == 6


# -- likelihood ---------------------------------------------------------------------------------


def test_probabilities_sum_to_one(seed):
    model = small(max_epochs=10).fit(toy(seed))
    states = np.array(np.meshgrid(*[[0.0, 1.0]] * 6)).reshape(6, -1).T
    assert np.exp(model.log_likelihood(states)).sum() == pytest.approx(1, abs=1e-4)


def test_counts_have_one_partition_function_for_every_length(seed):
    X = data_of("multinomial", seed)
    model = small(visible="multinomial", max_epochs=10).fit(X)
    every = np.array(np.meshgrid(*[range(4)] * 6)).reshape(6, -1).T.astype(float)
    for n_words in (1, 3):
        rows = every[every.sum(axis=1) == n_words]
        assert np.exp(model.log_likelihood(rows)).sum() == pytest.approx(1, abs=1e-3)
    exact = model.log_partition(n_words=3)
    assert exact.standard_error == 0
    ais = model.log_partition("ais", n_words=3, random_state=0)
    assert ais.value == pytest.approx(exact.value, abs=4 * ais.standard_error + 1e-5)


def test_both_directions_of_annealing_agree_on_a_trained_model(digits):
    model = RBM(12, max_epochs=3, random_state=0).fit(digits)
    exact = model.log_partition()
    assert exact.standard_error == 0
    for method in ("ais", "reverse_ais"):
        found = model.log_partition(method, n_temperatures=500, random_state=0)
        assert found.value == pytest.approx(exact.value, abs=4 * found.standard_error + 0.02)
        again = model.log_partition(method, n_temperatures=500, random_state=0)
        assert again == found


def test_a_ladder_that_is_too_short_warns_with_the_spread(digits):
    model = RBM(12, max_epochs=1, random_state=0).fit(digits)
    import torch

    with torch.no_grad():
        model.module_.weight.normal_(0.0, 3.0, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match=r"standard deviation of \d+.* nats.*`n_temperatures`"):
        model.log_partition("ais", n_temperatures=3, random_state=0)


# -- settings -----------------------------------------------------------------------------------


def test_sparsity_target_is_approached(digits):
    free = RBM(16, max_epochs=8, random_state=0).fit(digits)
    held = RBM(16, max_epochs=8, random_state=0, sparsity=Sparsity("kl", weight=1.0, target=0.1))
    mean = held.fit(digits).transform(digits).mean()
    assert abs(mean - 0.1) < abs(free.transform(digits).mean() - 0.1)
    assert mean < 0.25


def test_settings_nest_from_names_and_from_none():
    model = RBM().set_params(
        gradient__momentum=0.5, sparsity__target=0.1, trainer__schedule="linear"
    )
    assert model.gradient.momentum == 0.5
    assert model.sparsity.kind == "kl"
    assert model.trainer.schedule == "linear"


@pytest.mark.parametrize(
    "parameters",
    [
        {"gradient": Gradient(momentum=0.5)},
        {"gradient": Gradient(averaging=0.01)},
        {"gradient": Gradient(n_chains=37, n_temperatures=3)},
        {"trainer": Trainer(schedule="linear", weight_decay=1e-4)},
        {"trainer": Trainer(early_stopping=15)},
        {"trainer": Trainer(optimizer="adam"), "learning_rate": 0.01},
        {"trainer": Trainer(gradient_clip=0.5)},
        {"n_gibbs_steps": 3, "persistent": False},
        {"batch_size": 1000, "learning_rate": 2.0},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_option_learns(parameters, seed):
    X = toy(seed)
    model = small(**{"max_epochs": 30, "learning_rate": 0.2, **parameters}).fit(X)
    start = small(max_epochs=1, learning_rate=1e-9).fit(X)
    assert model.log_likelihood(X).mean() > start.log_likelihood(X).mean() + 0.01


class _Watching(Callback):
    def on_batch_end(self, net, **_):
        """Make the net leave gradients behind."""


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian", "multinomial"])
def test_steps_without_a_gradient_are_the_optimisers_own(visible, seed):
    """A callback that sees batches makes the optimiser step; without one the machine does."""
    X = data_of(visible, seed)
    options = {"visible": visible, "learning_rate": 0.01, "random_state": seed}
    lean = small(trainer=Trainer(schedule="linear"), **options).fit(X)
    full = small(trainer=Trainer(schedule="linear", callbacks=[_Watching()]), **options).fit(X)
    np.testing.assert_allclose(lean.components_, full.components_, atol=1e-5)
    np.testing.assert_allclose(lean.loss_curve_, full.loss_curve_, rtol=1e-4)


def test_plain_steps_by_default_momentum_on_request(seed):
    X = toy(seed)
    by_name = small(trainer=Trainer(optimizer="sgd")).fit(X)
    np.testing.assert_array_equal(small().fit(X).components_, by_name.components_)
    moving = small(gradient=Gradient(momentum=0.9)).fit(X)
    assert np.abs(moving.components_).mean() > np.abs(by_name.components_).mean()


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visible", "value", "message"),
    [
        ("bernoulli", 1.5, r"values in \[0, 1\], but row 3, column 2 of X is 1\.5"),
        ("multinomial", -1.0, r"needs counts .* row 3, column 2 of X is -1\.0"),
        ("multinomial", 0.5, r"needs counts .* row 3, column 2 of X is 0\.5"),
        ("categorical", 0.5, r"needs one-hot rows .* row 3, column 2 of X is 0\.5"),
    ],
)
def test_values_outside_the_domain_are_named(visible, value, message, seed):
    X = data_of(visible, seed)
    fitted = small(visible=visible).fit(X)
    X = X.copy()
    X[3, 2] = value
    for method in (small(visible=visible).fit, fitted.free_energy, fitted.score_samples):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_two_ones_are_not_one_hot(seed):
    X = data_of("categorical", seed)
    X[4] = 1.0
    with pytest.raises(ValueError, match=r"row 4 of X sums to 6\.0"):
        small(visible="categorical").fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gradient": Gradient(n_temperatures=2), "persistent": False}, "persistent=True"),
        ({"sparsity": Sparsity("l1")}, "Got Sparsity\\('l1'\\) with hidden='bernoulli'"),
        ({"sparsity": "kl", "hidden": "gaussian"}, "with hidden='gaussian'"),
        ({"sparsity": Sparsity("kl", target=1.5)}, "mean activation"),
        ({"trainer": Trainer(optimizer="lbfgs")}, "optimizer='lbfgs'"),
        ({"trainer": Trainer(precision="bfloat16")}, "precision='bfloat16'"),
        ({"trainer": Trainer(compile=True)}, "compile=True"),
    ],
)
def test_settings_that_do_not_fit_are_named(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(toy(seed))


def test_arguments_are_checked(seed):
    X = toy(seed)
    model = small().fit(X)
    with pytest.raises(ValueError, match=r"`method` is one of .* Got 'magic'"):
        model.log_partition("magic")
    with pytest.raises(ValueError, match=r"`n_chains` must be an integer of at least 2. Got 1"):
        model.log_partition("ais", n_chains=1)
    with pytest.raises(ValueError, match=r"`n_temperatures` must be an integer of at least 2"):
        model.log_partition("ais", n_temperatures=1)
    with pytest.raises(ValueError, match=r"`n_steps` must be an integer of at least 1. Got 0"):
        model.gibbs(X, 0)
    with pytest.raises(ValueError, match=r"Got n_words=3 with visible='bernoulli'"):
        model.log_partition(n_words=3)
    with pytest.raises(ValueError, match=r"H must have shape \(300, 2\)\. Got \(300, 3\)"):
        model.energy(X, np.zeros((300, 3)))
    with pytest.raises(ValueError, match=r"`hidden='bernoulli'` needs values in"):
        model.energy(X, np.full((300, 2), 2.0))
    rectified = small(hidden="rectified").fit(X)
    with pytest.raises(ValueError, match=r"at least 0. The least value of H is -1.0"):
        rectified.energy(X, np.full((300, 2), -1.0))


def test_enumeration_that_does_not_fit_names_the_states(seed):
    X = np.tile(toy(seed), (1, 4))
    model = RBM(24, max_epochs=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"1\.68e\+07 states, 1048576 at most"):
        model.log_partition("exact")
    assert model.log_partition(random_state=0).standard_error > 0


def test_divergence_is_an_error(seed):
    X = data_of("gaussian", seed)
    with pytest.raises(NonFiniteLossError, match="learning_rate"):
        small(visible="gaussian", learning_rate=1e6, max_epochs=30).fit(X)
