"""The deep Boltzmann machine against sums over all of its states."""

import itertools

import numpy as np
import pytest
import torch

from skrep import DBM, RBM, Pretraining
from skrep.nn.dbm import DBMModule, compose_layers, gains
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, CategoricalUnits, GaussianUnits


def machine(seed, widths=(6, 4, 3), visible=BernoulliUnits, *, scale=0.7, **options):
    """A small machine in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    gaussian = visible is GaussianUnits
    zeros, ones = torch.zeros(widths[0]), torch.ones(widths[0])
    return DBMModule(
        ViewScaler([zeros + 0.5 * gaussian], [ones + gaussian]),
        visible((widths[0],)),
        [normal(b, a) for a, b in itertools.pairwise(widths)],
        [normal(w) for w in widths],
        normal(widths[0]),
        log_variance=normal(widths[0]) if gaussian else None,
        **options,
    ).double()


def states(n):
    return BernoulliUnits((n,)).states(0, 2**n, torch.zeros(1, dtype=torch.float64))


def joint(module, visible):
    """Minus the energy of every combination, (visible, hidden), by the definition."""
    widths = [len(b) for b in module.biases][1:]
    hidden = states(sum(widths)).split(widths, dim=1)
    total = sum(h @ c for h, c in zip(hidden, module.biases[1:], strict=True))
    for below, above, w in zip(hidden[:-1], hidden[1:], module.weights[1:], strict=True):
        total = total + ((below @ w.T) * above).sum(dim=1)
    outer = visible @ module.biases[0] - module.visible.base_energy(visible)
    return outer[:, None] + visible @ module.weights[0].T @ hidden[0].T + total


def all_visible(module):
    return module.visible.states(0, int(module.visible.n_states()), module.base_bias)


def enumerated(module):
    return float(torch.logsumexp(joint(module, all_visible(module)).flatten(), 0))


SHAPES = pytest.mark.parametrize("widths", [(6, 4), (6, 4, 3), (5, 3, 4, 2)], ids=str)


@torch.no_grad()
@SHAPES
def test_exact_log_partition(widths, seed):
    module = machine(seed, widths)
    assert module.exact_log_partition() == pytest.approx(enumerated(module), abs=1e-9)
    assert module.n_states() == 2 ** min(sum(widths[::2]), sum(widths[1::2]))


@torch.no_grad()
def test_exact_log_partition_of_one_hot_data(seed):
    module = machine(seed, (4, 6, 3), CategoricalUnits)
    assert module.exact_log_partition() == pytest.approx(enumerated(module), abs=1e-9)


@torch.no_grad()
def test_exact_log_partition_of_real_data(seed):
    """A grid in the caller's units, so that the volume is in it."""
    module = machine(seed, (2, 3, 2), GaussianUnits, scale=0.4)
    axis = torch.linspace(-30, 30, 401, dtype=torch.float64)
    x = module.standardise((torch.cartesian_prod(axis, axis),))
    total = torch.logsumexp(joint(module, x).flatten(), 0) + 2 * (axis[1] - axis[0]).log()
    assert module.exact_log_partition() == pytest.approx(float(total), abs=1e-4)


@torch.no_grad()
@SHAPES
@pytest.mark.parametrize("reverse", [0, 100])
def test_annealing_is_within_four_standard_errors(widths, reverse, seed):
    """Six runs at 4 standard errors: false alarms below 4e-4."""
    module = machine(seed + 1, widths)
    generator = torch.Generator().manual_seed(seed)
    found = module.annealed_log_partition(200, 200, generator, reverse_steps=reverse)
    assert abs(found.value - enumerated(module)) < 4 * found.standard_error
    assert found.standard_error < 0.1


@torch.no_grad()
@SHAPES
def test_bound_lies_below_the_likelihood_and_rises(widths, seed):
    module = machine(seed, widths)
    x = all_visible(module)
    truth = torch.logsumexp(joint(module, x), dim=1)
    bounds = [module.bound_of(module.mean_field(x, n)) for n in range(8)]
    for before, after in itertools.pairwise(bounds):
        assert (after >= before - 1e-9).all()
    assert (bounds[-1] <= truth + 1e-9).all()
    if len(widths) == 2:
        torch.testing.assert_close(bounds[0], truth)
    else:
        assert (truth - bounds[-1]).max() > 1e-6


@torch.no_grad()
def test_mean_field_ends_in_a_fixed_point(seed):
    module = machine(seed, (5, 3, 4, 2))
    mu = module.mean_field(all_visible(module), 200)
    for layer in (1, 2, 3):
        torch.testing.assert_close(mu[layer], torch.sigmoid(module.field(layer, mu)))


@SHAPES
def test_gradient_is_that_of_the_bound(widths, seed):
    """Without offsets: autograd of the mean bound of the data, and of minus the chains' energy."""
    module = machine(seed, widths)
    generator = torch.Generator().manual_seed(seed)
    data = [x.detach() for x in module.mean_field(all_visible(module)[:9])]
    model = module.sample(7, generator, 20)
    for layer in range(len(widths)):
        module.get_buffer(f"offset_{layer}").zero_()
    with torch.no_grad():
        module._fill(data, model)
    found = {name: p.grad.clone() for name, p in module.named_parameters()}
    loss = module.bound_of(model).mean() - module.bound_of(data).mean()
    names, parameters = zip(*module.named_parameters(), strict=True)
    for name, expected in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(found[name], expected)


def test_offsets_change_the_course_and_not_the_goal(seed):
    """Where the plain gradient vanishes, so does the centred one; and it is a descent direction."""
    module = machine(seed)
    data = [x.detach() for x in module.mean_field(all_visible(module)[:9])]
    model = module.sample(7, torch.Generator().manual_seed(seed), 20)
    with torch.no_grad():
        offsets = [module.get_buffer(f"offset_{i}").clone() for i in range(3)]
        module._fill(data, model)
        centred = [p.grad.clone() for p in module.parameters()]
        for i in range(3):
            module.get_buffer(f"offset_{i}").zero_()
        module._fill(data, model)
        plain = [p.grad.clone() for p in module.parameters()]
        for i, offset in enumerate(offsets):
            module.get_buffer(f"offset_{i}").copy_(offset)
        assert sum((a * b).sum() for a, b in zip(centred, plain, strict=True)) > 0
        module._fill(data, data)
        assert all(p.grad.abs().max() < 1e-12 for p in module.parameters())


@torch.no_grad()
def test_samples_have_the_moments_of_the_model(seed):
    """z-tests of 21 moments at 5: false alarms below 2e-5."""
    module = machine(seed, scale=0.5)
    every = all_visible(module)
    p = (torch.logsumexp(joint(module, every), dim=1) - enumerated(module)).exp()
    n = 4000
    drawn = module.sample(n, torch.Generator().manual_seed(seed), 100)[0]
    moved = module.gibbs(Batch((drawn,)), 20, torch.Generator().manual_seed(seed + 1))[0]
    i, j = torch.triu_indices(6, 6)
    expected = (p[:, None] * every[:, i] * every[:, j]).sum(dim=0)
    error = (expected * (1 - expected) / n).sqrt()
    for found in (drawn, moved):
        assert (((found[:, i] * found[:, j]).mean(dim=0) - expected).abs() < 5 * error).all()


def planted(seed, n=200):
    rng = np.random.default_rng(seed)
    factors = rng.random((n, 2)) < 0.5
    X = np.repeat(factors, 4, axis=1) ^ (rng.random((n, 8)) < 0.05)
    return X.astype(np.float64)


def small(**parameters):
    settings = {"n_components": 3, "layer_sizes": (4,), "max_epochs": 3, "random_state": 0}
    return DBM(**{**settings, **parameters})


@pytest.mark.parametrize(
    ("n_layers", "expected"),
    [(1, [(1, 1)]), (2, [(2, 1), (1, 2)]), (3, [(2, 1), (2, 2), (1, 2)])],
)
def test_a_missing_side_is_doubled(n_layers, expected):
    assert [gains(i + 1, n_layers) for i in range(n_layers)] == expected


def test_joint_training_starts_from_the_layers(seed):
    X = planted(seed)
    model = small(learning_rate=1e-12, max_epochs=2).fit(X)
    first, second = model.layers_
    assert (first.up, first.down, second.up, second.down) == (2, 1, 1, 2)
    weights, biases = compose_layers(model.layers_)
    for found, expected in zip(model.module_.weights, weights, strict=True):
        torch.testing.assert_close(found.detach(), expected)
    middle = 0.5 * (first.hidden_bias + second.visible_bias)
    torch.testing.assert_close(biases[1], middle)
    torch.testing.assert_close(model.module_.biases[1].detach(), middle)


def test_layers_stand_still_in_joint_training(seed):
    X = planted(seed)
    pretrain = Pretraining("rbm", n_epochs=2)
    short, long = (small(pretrain=pretrain, max_epochs=n).fit(X) for n in (1, 4))
    for a, b in zip(short.layers_, long.layers_, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert not b.weight.requires_grad
    assert not torch.equal(short.module_.weights[0], long.module_.weights[0])
    assert list(long.pretrain_history_["layer"]) == [1, 1, 2, 2]
    assert small(pretrain=None).fit(X).layers_ == []


def test_second_layer_sees_the_codes_of_the_first(seed, monkeypatch):
    X, seen = planted(seed), []
    inner = DBM._make_layer

    def noting(self, layer, working, widths, plan, arrays):
        seen.append(arrays[0])
        return inner(self, layer, working, widths, plan, arrays)

    monkeypatch.setattr(DBM, "_make_layer", noting)
    model = small().fit(X)
    first = model.layers_[0]
    x = torch.from_numpy(X).float()
    expected = torch.sigmoid(2 * x @ first.weight.T + first.hidden_bias)
    np.testing.assert_allclose(seen[1], expected.detach().numpy(), rtol=1e-5)


def test_score_is_below_the_exact_likelihood(seed):
    X = planted(seed)
    model = small().fit(X)
    score = model.score(X)
    module = model.module_.double()
    with torch.no_grad():
        truth = torch.logsumexp(joint(module, torch.from_numpy(X)), dim=1) - enumerated(module)
    assert score <= truth.mean().item() + 1e-5
    assert score > truth.mean().item() - 0.5


def test_one_layer_is_an_rbm(seed):
    X = planted(seed)
    model = small(layer_sizes=()).fit(X)
    rbm = RBM(3, max_epochs=1, random_state=0).fit(X)
    with torch.no_grad():
        rbm.module_.weight.copy_(model.module_.weights[0])
        rbm.module_.visible_bias.copy_(model.module_.biases[0])
        rbm.module_.hidden_bias.copy_(model.module_.biases[1])
    np.testing.assert_allclose(model.score_samples(X), rbm.log_likelihood(X), rtol=1e-4)
    np.testing.assert_allclose(model.transform(X), rbm.transform(X), rtol=1e-4)


@pytest.mark.parametrize("pretrain", ["rbm", None, Pretraining("rbm", persistent=True)])
def test_better_than_independent_units_on_planted_data(pretrain, seed):
    X = planted(seed, 400)
    model = small(max_epochs=20, learning_rate=0.1, pretrain=pretrain).fit(X)
    p = X.mean(axis=0)
    independent = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1).mean()
    assert model.score(X) > independent + 0.5


def test_real_and_categorical_data(seed):
    rng = np.random.default_rng(seed)
    X = 5 + 3 * rng.normal(size=(60, 4))
    model = small(visible="gaussian").fit(X)
    assert model.sample(50, 0).mean() == pytest.approx(5, abs=3)
    assert model.score(X) == pytest.approx(-4 * (np.log(3) + 1.419), abs=1.5)
    one_hot = np.eye(3)[rng.integers(0, 3, 60)]
    model = small(visible="categorical").fit((one_hot, one_hot))
    assert (np.asarray(model.sample(5, 0)).sum(axis=1) == 2).all()


def test_gibbs_is_repeatable(seed):
    X = planted(seed)
    model = small().fit(X)
    np.testing.assert_array_equal(model.gibbs(X, 2, 0), model.gibbs(X, 2, 0))
    np.testing.assert_array_equal(model.sample(4, 0), model.sample(4, 0))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pretrain": "autoencoder"}, "'pretrain' parameter of DBM"),
        ({"pretrain": Pretraining("autoencoder")}, "must be of the kind 'rbm'"),
        ({"layer_sizes": (-4,)}, "`layer_sizes` must be positive integers"),
        ({"visible": "multinomial"}, "'visible' parameter of DBM"),
    ],
)
def test_bad_parameters(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(planted(seed))


def test_too_many_states_are_named(seed):
    module = machine(seed, (22, 21, 3))
    with pytest.raises(ValueError, match=r"sums over the states of every other layer: 2.1e\+06"):
        module.exact_log_partition()
