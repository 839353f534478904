"""The deep belief network against sums over all of its states."""

import itertools

import numpy as np
import pytest
import torch

from skrep import DBN, RBM, Pretraining
from skrep.nn.dbn import DBNModule, stack_rbms
from skrep.nn.module import Batch
from skrep.nn.rbm import RBMModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, GaussianUnits


def machine(n_visible, n_hidden, generator, visible=BernoulliUnits, scale=1.0):
    def normal(*shape):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    zeros, ones = torch.zeros(n_visible), torch.ones(n_visible)
    gaussian = visible is GaussianUnits
    return RBMModule(
        ViewScaler([zeros + 0.5 * gaussian], [ones + gaussian]),
        visible((n_visible,)),
        BernoulliUnits((n_hidden,)),
        normal(n_hidden, n_visible),
        normal(n_visible),
        normal(n_hidden),
        torch.zeros(n_visible),
        log_variance=0.3 * normal(n_visible) if gaussian else None,
    ).double()


def network(seed, widths=(5, 4, 3), visible=BernoulliUnits, *, wake_sleep=True, untied=0.3):
    """A small network in float64; going up and going down have weights of their own."""
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for below, width in itertools.pairwise(widths):
        kind = visible if not layers else BernoulliUnits
        layers.append(machine(below, width, generator, kind))
    chains = torch.zeros(7, widths[-1])
    module = stack_rbms(layers, wake_sleep=wake_sleep, n_gibbs_steps=1, chains=chains).double()
    with torch.no_grad():
        for layer in module.up:
            noise = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
            layer.weight += untied * noise
    return module


def states(n, dtype=torch.float64):
    return BernoulliUnits((n,)).states(0, 2**n, torch.zeros(1, dtype=dtype))


def log_given(module, number, below, above):
    """log p(below | above) by its definition, for binary units, all pairs."""
    p = torch.sigmoid(module.down[number](above))
    return below @ p.log().T + (1 - below) @ (1 - p).log().T


def exact_log_likelihood(module, x):
    """Sum over the states of the layers between the data and the top."""
    widths = [layer.out_features for layer in module.up]
    h = states(widths[-1])
    log_p = -module.top.free_energy(h) - module.top.exact_log_partition()
    for number in reversed(range(len(widths))):
        below = x if number == 0 else states(widths[number - 1])
        log_p = torch.logsumexp(log_given(module, number, below, h) + log_p, dim=1)
        h = below
    return log_p


def exact_bound(module, x):
    """The bound of a network with one layer below the top, its expectation summed exactly."""
    h = states(module.up[0].out_features)
    q = torch.sigmoid(module.up[0](x))
    log_q = q.log() @ h.T + (1 - q).log() @ (1 - h).T
    inner = log_given(module, 0, x, h) - module.top.free_energy(h) - log_q
    return (log_q.exp() * inner).sum(dim=1) - module.top.exact_log_partition()


def uniforms(module, n_draws, seed):
    generator = torch.Generator().manual_seed(seed + 1)
    shape = [(n_draws, 1, layer.out_features) for layer in module.up]
    return [torch.rand(s, generator=generator, dtype=torch.float64) for s in shape]


@torch.no_grad()
def test_exact_probabilities_sum_to_one(seed):
    for widths in ((5, 4, 3), (5, 4, 3, 2)):
        module = network(seed, widths)
        assert torch.logsumexp(exact_log_likelihood(module, states(5)), 0).abs() < 1e-9


@torch.no_grad()
def test_bound_is_its_expectation_and_lies_below_the_likelihood(seed):
    """Mean of independent draws: 4.9 standard errors for 32 rows, false alarms below 1e-4."""
    module, x = network(seed), states(5)
    expected, truth = exact_bound(module, x), exact_log_likelihood(module, x)
    assert (expected <= truth + 1e-9).all()
    log_z = module.top.exact_log_partition()
    noise = uniforms(module, 1000, seed)
    each = torch.stack(
        [module.bound(Batch((x,)), [u[None] for u in draw]) for draw in zip(*noise, strict=True)]
    )
    error = each.std(dim=0) / len(each) ** 0.5
    assert ((each.mean(dim=0) - log_z - expected).abs() < 4.9 * error + 1e-9).all()
    torch.testing.assert_close(module.bound(Batch((x,)), noise), each.mean(dim=0))


@torch.no_grad()
def test_bound_of_three_layers_lies_below_the_likelihood(seed):
    """Mean over rows of 1000 draws: its slack is 5 standard errors, false alarms below 1e-6."""
    module, x = network(seed, (5, 4, 3, 2)), states(5)
    noise = uniforms(module, 1000, seed)
    each = torch.stack(
        [module.bound(Batch((x,)), [u[None] for u in d]) for d in zip(*noise, strict=True)]
    )
    bound = each.mean(dim=0) - module.top.exact_log_partition()
    slack = 5 * each.std(dim=0) / len(each) ** 0.5
    assert (bound <= exact_log_likelihood(module, x) + slack).all()


@torch.no_grad()
def test_bound_integrates_below_one_for_real_data(seed):
    """exp(bound) over a grid of the caller's units is at most 1: the volume is in it."""
    module = network(seed, (2, 4, 3), GaussianUnits)
    axis = torch.linspace(-25, 25, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    exact = states(4)
    x = module.standardise((grid,))
    field = module.down[0](exact)
    log_p = -0.5 * (x[:, None] - field).square().sum(-1) - np.log(2 * np.pi) - module.log_volume
    log_h = -module.top.free_energy(exact) - module.top.exact_log_partition()
    truth = torch.logsumexp(log_p + log_h, dim=1)
    cell = 2 * float((axis[1] - axis[0]).log())
    assert abs(float(torch.logsumexp(truth, 0)) + cell) < 1e-3
    bound = module.bound(Batch((grid,)), uniforms(module, 64, seed))
    total = float(torch.logsumexp(bound - module.top.exact_log_partition(), 0)) + cell
    assert total < 1e-3


def test_gradients_are_those_of_the_two_phases(seed):
    """Autograd of -log p(layer | above) at what was drawn up, of -log q(above | layer) below."""
    module = network(seed)
    x = states(5)[:6]
    dreams, draw_down = [], module.draw_down
    module.draw_down = lambda *given: dreams.append(draw_down(*given)) or dreams[-1]
    again = torch.Generator().manual_seed(seed)
    module.accumulate_gradients(Batch((x,)), torch.Generator().manual_seed(seed))
    drawn = module.draw_up(x, again)
    loss = -log_given(module, 0, x, drawn[1]).diagonal().mean()
    weight, bias = torch.autograd.grad(loss, [module.down[0].weight, module.down[0].bias])
    torch.testing.assert_close(module.down[0].weight.grad, weight)
    torch.testing.assert_close(module.down[0].bias.grad, bias)
    below, above = dreams[0]
    assert len(below) == len(module.top.chains) == 7
    p = torch.sigmoid(module.up[0](below))
    loss = -(above * p.log() + (1 - above) * (1 - p).log()).sum(dim=1).mean()
    weight, bias = torch.autograd.grad(loss, [module.up[0].weight, module.up[0].bias])
    torch.testing.assert_close(module.up[0].weight.grad, weight)
    torch.testing.assert_close(module.up[0].bias.grad, bias)


def test_variance_of_real_data_follows_the_likelihood(seed):
    module = network(seed, (2, 4, 3), GaussianUnits)
    views = torch.randn(6, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    module.accumulate_gradients(Batch((views,)), torch.Generator().manual_seed(seed))
    found = module.log_variance.grad.clone()
    with torch.no_grad():
        start = module.standardise((views,))
        h = module.draw_up(start, torch.Generator().manual_seed(seed))[1]
    x = module.standardise((views,))
    error = x - module.down[0](h)
    loss = (0.5 * error.square().sum(dim=1)).mean() + module.log_volume
    (expected,) = torch.autograd.grad(loss, [module.log_variance])
    torch.testing.assert_close(found, expected)


def test_samples_have_the_moments_of_the_model(seed):
    """z-tests of 5 means and 10 products at 5: false alarms below 1e-5."""
    module = network(seed)
    every = states(5)
    with torch.no_grad():
        p = exact_log_likelihood(module, every).exp()
    n = 4000
    (drawn,) = module.sample(n, torch.Generator().manual_seed(seed + 5), 200)
    i, j = torch.triu_indices(5, 5)
    expected = (p[:, None] * every[:, i] * every[:, j]).sum(dim=0)
    found = (drawn[:, i] * drawn[:, j]).mean(dim=0)
    error = (expected * (1 - expected) / n).sqrt()
    assert ((found - expected).abs() < 5 * error).all()


def planted(seed, n=200):
    rng = np.random.default_rng(seed)
    factors = rng.random((n, 2)) < 0.5
    X = np.repeat(factors, 4, axis=1) ^ (rng.random((n, 8)) < 0.05)
    return X.astype(np.float64)


def small(**parameters):
    settings = {"n_components": 3, "layer_sizes": (4,), "max_epochs": 3, "random_state": 0}
    return DBN(**{**settings, **parameters})


def test_one_layer_is_the_rbm(seed):
    X = planted(seed)
    model = small(layer_sizes=()).fit(X)
    assert len(model.layers_) == 1
    top = model.layers_[0]
    free = top.free_energy(torch.from_numpy(X).float()).detach().numpy()
    log_z = model.log_partition("exact").value
    np.testing.assert_allclose(model.score_samples(X), -free - log_z, rtol=1e-5)
    same = RBM(3).fit(X)
    same.module_ = top
    np.testing.assert_allclose(model.score_samples(X), same.log_likelihood(X), rtol=1e-5)
    np.testing.assert_allclose(model.transform(X), same.transform(X), rtol=1e-5)


def test_score_is_a_bound_on_the_exact_likelihood(seed):
    """The mean of 32 draws that cover (0, 1) evenly is within 0.02 nats of its expectation."""
    X = planted(seed)
    model = small().fit(X)
    score = model.score(X)
    module = model.module_.double()
    with torch.no_grad():
        x = torch.from_numpy(X)
        truth = exact_log_likelihood(module, x).mean().item()
        expected = exact_bound(module, x).mean().item()
    assert expected <= truth
    assert score == pytest.approx(expected, abs=0.02)


def test_wake_sleep_moves_both_directions_and_not_the_layers(seed):
    X = planted(seed)
    model = small(max_epochs=5).fit(X)
    module, first = model.module_, model.layers_[0]
    assert isinstance(module, DBNModule)
    assert not torch.equal(module.up[0].weight, first.weight)
    assert not torch.equal(module.down[0].weight, first.weight.T)
    assert not torch.equal(module.up[0].weight, module.down[0].weight.T)
    again = small(max_epochs=5).fit(X)
    plain = small(fine_tuning=None, max_epochs=5).fit(X)
    assert torch.equal(first.weight, again.layers_[0].weight)
    assert torch.equal(first.weight, plain.layers_[0].weight)


def test_plain_stack_keeps_the_layers_below_the_top(seed):
    model = small(fine_tuning=None).fit(planted(seed))
    assert torch.equal(model.module_.up[0].weight, model.layers_[0].weight)
    assert model.layers_[1] is model.module_.top
    assert set(model.pretrain_history_["layer"]) == {1}
    model.partial_fit(planted(seed))
    assert torch.equal(model.module_.up[0].weight, model.layers_[0].weight)


def test_log_partition_is_estimated_once_and_anew_after_training(seed, monkeypatch):
    X = planted(seed)
    model = small().fit(X)
    calls = []
    inner = DBN._estimate_log_partition

    def counted(self, *arguments):
        calls.append(arguments)
        return inner(self, *arguments)

    monkeypatch.setattr(DBN, "_estimate_log_partition", counted)
    first = model.score(X)
    assert model.score(X) == first
    assert len(calls) == 1
    model.partial_fit(X)
    assert model.score(X) != first
    assert len(calls) == 2


def test_partial_fit_begins_with_one_pass_a_layer(seed):
    model = small().partial_fit(planted(seed))
    assert list(model.pretrain_history_["layer"]) == [1, 2]
    assert model.n_iter_ == 1


def test_better_than_independent_units_on_planted_data(seed):
    X = planted(seed, 400)
    model = small(max_epochs=20, learning_rate=0.05).fit(X)
    p = X.mean(axis=0)
    independent = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1).mean()
    assert model.score(X) > independent + 0.5


def test_ais_of_the_top_agrees_with_the_sum(seed):
    """Within 4 standard errors: false alarms below 1e-4."""
    model = small().fit(planted(seed))
    exact = model.log_partition("exact").value
    for method in ("ais", "reverse_ais"):
        found = model.log_partition(method, random_state=1)
        assert abs(found.value - exact) < 4 * found.standard_error + 1e-4


def test_gibbs_and_sample_are_repeatable(seed):
    X = planted(seed)
    model = small().fit(X)
    np.testing.assert_array_equal(model.gibbs(X, 2, 0), model.gibbs(X, 2, 0))
    assert set(np.unique(model.gibbs(X, 1, 0))) <= {0.0, 1.0}
    np.testing.assert_array_equal(model.sample(5, 0), model.sample(5, 0))


def test_real_and_categorical_data(seed):
    rng = np.random.default_rng(seed)
    model = small(visible="gaussian").fit(5 + 3 * rng.normal(size=(60, 4)))
    assert model.sample(50, 0).mean() == pytest.approx(5, abs=3)
    one_hot = np.eye(3)[rng.integers(0, 3, 60)]
    model = small(visible="categorical").fit((one_hot, one_hot))
    assert (np.asarray(model.sample(5, 0)).sum(axis=1) == 2).all()
    assert np.isfinite(model.score((one_hot, one_hot)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pretrain": Pretraining("denoising")}, "must be of the kind 'rbm'. Got 'denoising'"),
        ({"layer_sizes": (4, 0)}, r"`layer_sizes` must be positive integers.*Got \(4, 0\)"),
        ({"trainer__optimizer": "lbfgs"}, "fills its own, noisy gradients"),
    ],
)
def test_bad_parameters(parameters, message, seed):
    with pytest.raises(ValueError, match=message):
        small().set_params(**parameters).fit(planted(seed))


def test_bad_data_and_words(seed):
    X = planted(seed)
    with pytest.raises(ValueError, match=r"`visible='bernoulli'` needs values in \[0, 1\]"):
        small().fit(X + 1)
    model = small().fit(X)
    with pytest.raises(ValueError, match=r"`n_words` is for models of counts. Got n_words=3"):
        model.log_partition(n_words=3)
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\]"):
        model.score_samples(X - 1)
