"""The machine against sums over its states, quadrature and autograd.

Models here are float64 and small enough to enumerate.
"""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from torch.func import functional_call

from skrep.nn.module import Batch
from skrep.nn.rbm import MAX_STATES, ContrastiveSettings, RBMModule, make_rbm
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import HIDDEN_UNITS, VISIBLE_UNITS

PAIRS = list(itertools.product(VISIBLE_UNITS, HIDDEN_UNITS))
WORDS = 3
GRID = torch.linspace(-12, 12, 481, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


def machine(visible, hidden, seed, *, n_hidden=3, widths=(4,), scale=0.4, **options):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    units = VISIBLE_UNITS[visible](widths)
    zeros, ones = (f(units.width, dtype=torch.float64) for f in (torch.zeros, torch.ones))
    scaler = ViewScaler(zeros.split(widths), ones.split(widths))
    if visible == "gaussian":
        scaler = ViewScaler((zeros + 0.5).split(widths), (2 * ones).split(widths))
        options["log_variance"] = normal(units.width)
    module = RBMModule(
        scaler,
        units,
        HIDDEN_UNITS[hidden]((n_hidden,)),
        normal(n_hidden, units.width),
        normal(units.width),
        normal(n_hidden),
        normal(units.width),
        visible_offset=0.5 * normal(units.width).abs(),
        **options,
    ).double()
    if units.quadratic:
        module.eval()  # keeps the precision positive definite
    return module.train()


def some_states(module, seed, n=6):
    generator = torch.Generator().manual_seed(seed + 100)
    count = None
    if module.visible.counted:
        count = torch.randint(1, 5, (n, 1), generator=generator).double()
    return module.draw_base(n, generator, count)


def hidden_grid(module):
    """All hidden states, or a grid of them, with the logarithm of the volume of a cell."""
    if module.hidden.quadratic:
        axis = torch.linspace(0, 12, 241, dtype=torch.float64) if rectified(module) else GRID
        log_weight = torch.full_like(axis, math.log(STEP))
        if rectified(module):
            log_weight[0] -= math.log(2.0)  # trapezoidal rule: the end counts half
        return axis[:, None], log_weight
    states = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    return states, torch.zeros(2, dtype=torch.float64)


def rectified(module):
    return isinstance(module.hidden, HIDDEN_UNITS["rectified"])


def visible_states(module):
    if module.visible.counted:
        every = torch.cartesian_prod(*[torch.arange(WORDS + 1.0, dtype=torch.float64)] * 4)
        return every[every.sum(dim=1) == WORDS], 0.0
    if module.visible.quadratic:
        axis = torch.linspace(-14, 14, 141, dtype=torch.float64)
        size = math.log(0.2) * module.visible.width + module.log_volume.item()
        return torch.cartesian_prod(*[axis] * module.visible.width), size
    return module.visible.states(0, int(module.visible.n_states()), module.weight), 0.0


def true_log_partition(module):
    states, size = visible_states(module)
    with torch.no_grad():
        return float(torch.logsumexp(-module.free_energy(states), dim=0)) + size


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_free_energy_sums_the_hidden_units_out(visible, hidden, seed):
    module = machine(visible, hidden, seed, n_hidden=1)
    x = some_states(module, seed)
    h, log_weight = hidden_grid(module)
    energies = torch.stack([module.energy(x, one.expand(len(x), 1)) for one in h])
    total = -torch.logsumexp(-energies + log_weight[:, None], dim=0)
    tolerance = 1e-3 if rectified(module) else 1e-9
    torch.testing.assert_close(module.free_energy(x), total, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_free_energy_adds_over_hidden_units(visible, hidden, seed):
    """With several hidden units: the sum over all joint states, for binary ones."""
    module = machine(visible, hidden, seed)
    x = some_states(module, seed)
    outer = module.visible.base_energy(x) - x @ module.visible_bias
    total = torch.zeros(len(x), dtype=torch.float64)
    for i in range(3):
        one = machine(visible, hidden, seed, n_hidden=1)
        one.weight.data, one.hidden_bias.data = (
            module.weight[i : i + 1],
            module.hidden_bias[i, None],
        )
        one.visible_bias.data = module.visible_bias.data
        total += one.free_energy(x) - outer
    torch.testing.assert_close(module.free_energy(x) - outer, total)


@pytest.mark.parametrize(
    ("visible", "hidden"), [p for p in PAIRS if p != ("gaussian", "rectified")]
)
def test_exact_log_partition(visible, hidden, seed):
    widths = (2,) if visible == "gaussian" else (4,)
    module = machine(visible, hidden, seed, widths=widths, scale=0.2)
    words = WORDS if module.visible.counted else None
    if module.n_states() > MAX_STATES:
        with pytest.raises(ValueError, match="infinitely many states, 1048576 at most"):
            module.exact_log_partition(words)
        return
    assert module.exact_log_partition(words) == pytest.approx(true_log_partition(module), abs=1e-8)


def test_log_partition_sums_the_smaller_side(seed):
    wide = machine("bernoulli", "bernoulli", seed, n_hidden=3, widths=(9,))
    tall = machine("categorical", "bernoulli", seed, n_hidden=9, widths=(3, 2))
    for module in (wide, tall):
        assert module.n_states() == min(2**3, 6) if module is tall else 8
        assert module.exact_log_partition() == pytest.approx(true_log_partition(module), abs=1e-9)


def test_enumeration_that_would_not_fit_names_the_number(seed):
    module = machine("bernoulli", "bernoulli", seed, n_hidden=21, widths=(30,))
    with pytest.raises(ValueError, match=r"2\.1e\+06 states, 1048576 at most. Use `method='ais'`"):
        module.exact_log_partition()


@pytest.mark.parametrize("model", range(20))
def test_annealing_agrees_with_enumeration(model, seed):
    """Four standard errors on each side of 20 models: false-alarm rate below 3e-3 in all."""
    module = machine(
        "bernoulli", "bernoulli", 20 * seed + model, n_hidden=6, widths=(8,), scale=1.0
    )
    exact = module.exact_log_partition()
    generator = torch.Generator().manual_seed(seed)
    forward = module.annealed_log_partition(200, 100, generator)
    states, _ = visible_states(module)
    log_p = -module.free_energy(states) - exact
    start = states[torch.multinomial(log_p.exp(), 200, True, generator=generator)]
    backward = module.annealed_log_partition(200, 100, generator, start=start)
    assert abs(forward.value - exact) < 4 * forward.standard_error
    assert abs(backward.value - exact) < 4 * backward.standard_error


def test_annealing_errs_low_forward_and_high_backward(seed):
    """With a ladder of two rungs both biases are far larger than their noise."""
    below, above = [], []
    for model in range(20):
        module = machine("bernoulli", "bernoulli", model, n_hidden=6, widths=(8,), scale=2.5)
        exact = module.exact_log_partition()
        generator = torch.Generator().manual_seed(seed)
        states, _ = visible_states(module)
        p = torch.exp(-module.free_energy(states) - exact)
        start = states[torch.multinomial(p, 20, True, generator=generator)]
        below.append(module.annealed_log_partition(20, 3, generator).value - exact)
        above.append(module.annealed_log_partition(20, 3, generator, start=start).value - exact)
    assert np.mean(below) < 0 < np.mean(above)


@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_annealing_of_every_pair(visible, hidden, seed):
    """False-alarm rate 6e-5 each: four standard errors."""
    widths = (2,) if visible == "gaussian" else (4,)
    module = machine(visible, hidden, seed, widths=widths)
    words = WORDS if module.visible.counted else None
    found = module.annealed_log_partition(300, 60, torch.Generator().manual_seed(seed), count=words)
    assert abs(found.value - true_log_partition(module)) < 4 * found.standard_error + 1e-6


# -- pseudo-likelihood --------------------------------------------------------------------------


def joined(x):
    return Batch((x,))


def views_of(module, x):
    return Batch(module.to_views(x))


@pytest.mark.parametrize("hidden", HIDDEN_UNITS)
def test_binary_pseudo_likelihood_by_flipping(hidden, seed):
    module = machine("bernoulli", hidden, seed)
    x = some_states(module, seed)
    total = torch.zeros(len(x), dtype=torch.float64)
    for j in range(4):
        flipped = x.clone()
        flipped[:, j] = 1 - flipped[:, j]
        total += torch.nn.functional.logsigmoid(module.free_energy(flipped) - module.free_energy(x))
    torch.testing.assert_close(module.log_pseudo_likelihood(joined(x)), total)


@pytest.mark.parametrize("hidden", HIDDEN_UNITS)
def test_categorical_pseudo_likelihood_by_exchange(hidden, seed):
    module = machine("categorical", hidden, seed, widths=(3, 2))
    x = some_states(module, seed)
    total = torch.zeros(len(x), dtype=torch.float64)
    for block in (slice(0, 3), slice(3, 5)):
        others = []
        for one in torch.eye(block.stop - block.start, dtype=torch.float64):
            changed = x.clone()
            changed[:, block] = one
            others.append(-module.free_energy(changed))
        total += -module.free_energy(x) - torch.logsumexp(torch.stack(others), dim=0)
    torch.testing.assert_close(module.log_pseudo_likelihood(Batch(x.split((3, 2), dim=1))), total)


@pytest.mark.parametrize("hidden", HIDDEN_UNITS)
def test_word_pseudo_likelihood_by_exchange(hidden, seed):
    module = machine("multinomial", hidden, seed)
    x = some_states(module, seed)

    def log_p(states):  # of one order of the words: without the number of orders
        return -module.free_energy(states) + module.visible.base_energy(states)

    total = torch.zeros(len(x), dtype=torch.float64)
    for row in range(len(x)):
        for k in range(4):
            if x[row, k]:
                swapped = x[row] - torch.eye(4)[k] + torch.eye(4)
                inner = log_p(x[row : row + 1])[0] - torch.logsumexp(log_p(swapped.double()), 0)
                total[row] += x[row, k] * inner
    torch.testing.assert_close(module.log_pseudo_likelihood(joined(x)), total)


@pytest.mark.parametrize("hidden", HIDDEN_UNITS)
@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_gaussian_pseudo_likelihood_by_quadrature(hidden, scale, seed):
    module = machine("gaussian", hidden, seed, scale=scale)
    x = some_states(module, seed)
    total = torch.zeros(len(x), dtype=torch.float64)
    axis = torch.linspace(-80, 80, 16001, dtype=torch.float64)
    for j in range(4):
        moved = x[:, None].repeat(1, len(axis), 1)
        moved[:, :, j] = axis
        log_p = -module.free_energy(moved.flatten(0, 1)).view(len(x), -1)
        total += -module.free_energy(x) - torch.logsumexp(log_p, dim=1) - math.log(0.01)
    got = module.log_pseudo_likelihood(views_of(module, x))
    torch.testing.assert_close(got, total - module.log_volume, rtol=1e-6, atol=1e-6)


def test_gaussian_pseudo_likelihood_without_connections_is_the_density(seed):
    module = machine("gaussian", "bernoulli", seed)
    module.weight.data.zero_()
    module.visible_bias.data.zero_()
    v = 3 * torch.randn(7, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spread = 2 * torch.exp(0.5 * module.log_variance)
    expected = torch.distributions.Normal(0.5, spread).log_prob(v).sum(dim=1)
    torch.testing.assert_close(module.log_pseudo_likelihood(Batch((v,))), expected)


# -- gradients ----------------------------------------------------------------------------------


def gradients(module, x, seed):
    generator = torch.Generator().manual_seed(seed)
    module.accumulate_gradients(views_of(module, x), generator)
    samples = module.contrast.scratch[len(x)].samples.clone()
    return {name: p.grad.clone() for name, p in module.named_parameters()}, samples


def contrast(module, parameters, v, samples):
    """Mean F(data) - mean F(samples), data and samples fixed in the caller's units."""

    def mean_free_energy(states):
        return functional_call(module, parameters, (views_in(states),)).mean()

    def views_in(states):
        return Batch((states,))

    class Free(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, batch):
            return self.inner.free_energy_of(batch)

    free = Free()
    named = {f"inner.{k}": p for k, p in parameters.items()}
    return (
        functional_call(free, named, (Batch((v,)),)).mean()
        - functional_call(free, named, (Batch((samples,)),)).mean()
    )


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_gradient_is_that_of_the_contrast(visible, hidden, persistent, seed):
    settings = ContrastiveSettings(persistent=persistent, centred=False, n_gibbs_steps=2)
    counts = torch.full((5, 1), 3.0) if visible == "multinomial" else None
    module = machine(visible, hidden, seed, settings=settings, n_chains=5, chain_counts=counts)
    x = some_states(module, seed)
    filled, samples = gradients(module, x, seed)
    (v,), (fantasy,) = module.to_views(x), module.to_views(samples)
    free = {name: p.detach().clone().requires_grad_() for name, p in module.named_parameters()}
    loss = contrast(module, free, v.detach(), fantasy.detach())
    for name, slope in zip(free, torch.autograd.grad(loss, list(free.values())), strict=True):
        torch.testing.assert_close(filled[name], slope, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("visible", ["bernoulli", "multinomial"])
def test_centred_gradient_is_that_of_the_centred_parameters(visible, seed):
    counts = torch.full((5, 1), 3.0) if visible == "multinomial" else None
    module = machine(visible, "bernoulli", seed, n_chains=5, chain_counts=counts)
    mu, mean = module.visible_offset.clone(), module.hidden_offset.clone()
    x = some_states(module, seed)
    filled, samples = gradients(module, x, seed)
    w, b, c = (
        p.detach().clone().requires_grad_()
        for p in (
            module.weight,
            module.visible_bias + module.weight.T @ mean,
            module.hidden_bias + module.weight @ mu,
        )
    )
    # Energies of (x - n mu) and (h - mean): the same machine in other coordinates.
    parameters = {"weight": w, "visible_bias": b - w.T @ mean, "hidden_bias": c - w @ mu}
    loss = contrast(module, parameters, x, samples)
    gw, gb, gc = torch.autograd.grad(loss, (w, b, c))
    if visible == "multinomial":
        # The product of the offsets does not cancel where words are as many as they please.
        spare = samples.sum(dim=1).mean() - x.sum(dim=1).mean()
        gw = gw + spare * torch.outer(mean, mu)
    torch.testing.assert_close(filled["weight"], gw)
    torch.testing.assert_close(filled["visible_bias"], gb - gw.T @ mean)
    torch.testing.assert_close(filled["hidden_bias"], gc - gw @ mu)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("visible", VISIBLE_UNITS)
def test_descent_is_the_gradient_times_the_rate(visible, centred, seed):
    counts = torch.full((5, 1), 3.0) if visible == "multinomial" else None
    settings = ContrastiveSettings(centred=centred, target=0.2, target_weight=0.5)
    options = {"settings": settings, "n_chains": 5, "chain_counts": counts}
    module = machine(visible, "bernoulli", seed, **options)
    other = machine(visible, "bernoulli", seed, **options)
    x = some_states(module, seed)
    batch = views_of(module, x)
    for step in range(3):
        generators = [torch.Generator().manual_seed(seed + step) for _ in range(2)]
        loss = module.descend(batch, generators[0], 0.1).total
        filled = other.accumulate_gradients(batch, generators[1]).total
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.sub_(0.1 * parameter.grad)
        torch.testing.assert_close(loss, filled)
    assert all(p.grad is None for p in module.parameters())
    for name, value in other.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value)


def test_large_batches_have_the_gradient_of_small_ones(seed):
    """Products take over from sums where there are many entries."""
    settings = ContrastiveSettings(persistent=False)
    found = []
    for repeats in (1, 3000):
        module = machine("gaussian", "gaussian", seed, settings=settings)
        x = some_states(module, seed).repeat(repeats, 1)
        work = module.contrast._scratch_for(module, len(x))
        work.data.copy_(x)
        work.samples.copy_(2 * x + 1)
        work.right.copy_(module.hidden_field(work.left).detach())
        with torch.no_grad():
            slopes = module.contrast._slopes(module, work)
        found.append((slopes.right.T @ slopes.left, *slopes[2:]))
    for few, many in zip(*found, strict=True):
        torch.testing.assert_close(few, many)


def test_offsets_follow_the_data(seed):
    module = machine("bernoulli", "bernoulli", seed, settings=ContrastiveSettings(offset_rate=1.0))
    x = some_states(module, seed)
    expected = module.encode(joined(x)).mean(dim=0).detach()
    gradients(module, x, seed)
    torch.testing.assert_close(module.visible_offset, x.mean(dim=0))
    torch.testing.assert_close(module.hidden_offset, expected)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_contrastive_divergence_in_closed_form(n_steps, seed):
    """The expected gradient by the transition matrix; false-alarm rate 1e-5: five errors."""
    n = 40_000
    settings = ContrastiveSettings(persistent=False, centred=False, n_gibbs_steps=n_steps)
    module = machine("bernoulli", "bernoulli", seed, scale=1.0, settings=settings)
    visible, _ = visible_states(module)
    hidden = module.hidden.states(0, 8, module.weight)
    joint = torch.exp(-torch.stack([module.energy(visible, h.expand(16, 3)) for h in hidden], 1))
    joint = joint.detach()
    up, down = joint / joint.sum(1, keepdim=True), joint / joint.sum(0)
    transition = up @ down.T
    start = torch.zeros(16, dtype=torch.float64)
    start[5] = 1.0
    end = start @ torch.linalg.matrix_power(transition, n_steps)
    mean = module.encode(joined(visible)).detach()
    expected = (end[:, None] * mean).T @ visible - (start[:, None] * mean).T @ visible
    filled, _ = gradients(module, visible[5].expand(n, 4), seed)
    # Each statistic lies in [0, 1], so its error is at most 1 / (2 sqrt(n)).
    assert ((filled["weight"] - expected).abs() < 5 * 0.5 / n**0.5).all()


@pytest.mark.parametrize("n_temperatures", [1, 4])
def test_persistent_chains_reach_the_moments_of_the_model(n_temperatures, seed):
    """Against enumeration; false-alarm rate 1e-5: five standard errors."""
    m = 10_000
    betas = tuple(np.linspace(1, 0, n_temperatures)) if n_temperatures > 1 else (1.0,)
    settings = ContrastiveSettings(centred=False, n_gibbs_steps=30, betas=betas)
    module = machine("bernoulli", "bernoulli", seed, scale=0.8, settings=settings, n_chains=m)
    visible, _ = visible_states(module)
    p = torch.softmax(-module.free_energy(visible).detach(), dim=0)
    moments = (p[:, None] * module.encode(joined(visible)).detach()).T @ visible
    data = visible[:1]
    filled, samples = gradients(module, data, seed)
    got = filled["weight"] + module.encode(joined(data)).detach().T @ data
    assert ((got - moments).abs() < 5 * 0.5 / m**0.5).all()
    assert ((samples.mean(0) - p @ visible).abs() < 5 * 0.5 / m**0.5).all()


def test_tempering_crosses_a_barrier_that_a_plain_chain_does_not(seed):
    """Two modes of equal weight, 20 nats apart: chains that start in one reach the other."""
    found = {}
    for n in (1, 8):
        settings = ContrastiveSettings(n_gibbs_steps=100, betas=tuple(np.linspace(1, 0, n)))
        settings = ContrastiveSettings(n_gibbs_steps=100) if n == 1 else settings
        module = machine(
            "bernoulli", "bernoulli", seed, n_hidden=1, settings=settings, n_chains=200
        )
        module.weight.data.fill_(10.0)
        module.visible_bias.data.fill_(-5.0)
        module.hidden_bias.data.fill_(-20.0)
        module.base_bias.zero_()
        module.chains.zero_()
        _, samples = gradients(module, torch.ones(2, 4, dtype=torch.float64), seed)
        found[n] = samples.mean().item()
    assert found[1] < 0.1
    assert 0.3 < found[8] < 0.7


def test_sparsity_pulls_the_mean_activation_by_the_bias(seed):
    settings = ContrastiveSettings(centred=False, target=0.1, target_weight=2.0)
    module = machine("bernoulli", "bernoulli", seed, settings=settings, n_chains=4)
    plain = machine(
        "bernoulli", "bernoulli", seed, settings=ContrastiveSettings(centred=False), n_chains=4
    )
    x = some_states(module, seed)
    pulled, free = gradients(module, x, seed)[0], gradients(plain, x, seed)[0]
    mean = plain.encode(joined(x)).mean(dim=0)
    torch.testing.assert_close(pulled["hidden_bias"] - free["hidden_bias"], 2 * (mean - 0.1))
    torch.testing.assert_close(pulled["weight"], free["weight"])


# -- gaussian machines --------------------------------------------------------------------------


def test_gaussian_gaussian_moments_are_those_of_the_precision_matrix(seed):
    """The covariance of long chains; false-alarm rate 1e-5 each: five standard errors."""
    n = 20_000
    module = machine("gaussian", "gaussian", seed, n_hidden=2, widths=(3,))
    w, b, c = (p.detach() for p in (module.weight, module.visible_bias, module.hidden_bias))
    precision = torch.eye(3, dtype=torch.float64) - w.T @ w
    mean = torch.linalg.solve(precision, b + w.T @ c)
    x = module.sample(n, torch.Generator().manual_seed(seed), 200)
    covariance = torch.linalg.inv(precision)
    error = (covariance.diagonal() / n).sqrt()
    assert ((x.mean(dim=0) - mean).abs() < 5 * error).all()
    got = torch.cov(x.T)
    spread = torch.outer(covariance.diagonal(), covariance.diagonal()) + covariance.square()
    assert ((got - covariance).abs() < 5 * (spread / n).sqrt()).all()


@pytest.mark.parametrize("hidden", ["gaussian", "rectified"])
def test_precision_stays_positive_definite(hidden, seed):
    module = machine("gaussian", hidden, seed, scale=5.0)
    module.weight.data.mul_(100.0)
    for _ in range(20):
        module.after_step()
    assert torch.linalg.matrix_norm(module.weight, ord=2) < 1
    module.weight.data.mul_(100.0)
    module.eval()
    assert torch.linalg.matrix_norm(module.weight, ord=2) <= 0.99 + 1e-9
    assert module.exact_log_partition() < math.inf if hidden == "gaussian" else True


# -- the rest -----------------------------------------------------------------------------------


def test_averaged_weights_are_shown_in_evaluation_and_training_goes_on_from_the_last(seed):
    module = machine("bernoulli", "bernoulli", seed, settings=ContrastiveSettings(averaging=0.5))
    first = module.weight.detach().clone()
    module.weight.data.add_(1.0)
    module.after_step()
    last = module.weight.detach().clone()
    module.eval()
    torch.testing.assert_close(module.weight.detach(), first + 0.5)
    module.eval()
    torch.testing.assert_close(module.weight.detach(), first + 0.5)
    again = pickle.loads(pickle.dumps(module)).train()
    torch.testing.assert_close(again.weight.detach(), last)


def test_loss_is_minus_the_pseudo_likelihood(seed):
    """Small models are watched on all units of all rows, hence exactly."""
    for visible, widths in (("bernoulli", (4,)), ("categorical", (2, 2)), ("multinomial", (4,))):
        counts = torch.full((100, 1), 3.0) if visible == "multinomial" else None
        module = machine(visible, "bernoulli", seed, widths=widths, chain_counts=counts)
        batch = Batch(some_states(module, seed).split(widths, dim=1))
        generator = torch.Generator().manual_seed(seed)
        loss = module.accumulate_gradients(batch, generator).total
        torch.testing.assert_close(loss, module.training_loss(batch, generator).total.detach())


def test_scratch_space_is_not_pickled(seed):
    module = machine("bernoulli", "bernoulli", seed)
    gradients(module, some_states(module, seed), seed)
    assert module.contrast.scratch
    assert not pickle.loads(pickle.dumps(module)).contrast.scratch
    assert not module.eval().contrast.scratch


def test_a_state_that_kept_its_scratch_space_is_read(seed):
    module = machine("bernoulli", "bernoulli", seed)
    state = {**copy.deepcopy(module).__getstate__(), "_buffers_of": {}, "_n_batches": 7}
    again = RBMModule.__new__(RBMModule)
    again.__setstate__(state)
    assert not hasattr(again, "_buffers_of")
    x = some_states(module, seed)
    found, expected = gradients(again, x, seed)[0], gradients(module, x, seed)[0]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("visible", VISIBLE_UNITS)
def test_an_untrained_machine_has_the_means_of_the_data(visible, seed):
    mean = torch.tensor([0.2, 0.5, 0.3])
    module = make_rbm(
        VISIBLE_UNITS[visible]((3,)),
        HIDDEN_UNITS["bernoulli"]((2,)),
        mean,
        generator=torch.Generator().manual_seed(seed),
    )
    (back,) = module.decode(torch.zeros(1, 2))
    torch.testing.assert_close(back[0].detach(), mean, atol=1e-3, rtol=0)
