"""The deep Boltzmann machine of several views as a module, against sums over all of its states."""

import itertools

import pytest
import torch

from skrep.nn.block_weights import (
    add_from_above,
    add_from_below,
    centred_moment,
    pathway_blocks,
)
from skrep.nn.dbm import DBMModule, DoubledRBMModule, compose_layers, join_pathways
from skrep.nn.mixed_units import MixedUnits
from skrep.nn.module import Batch
from skrep.nn.multimodal_dbm import MultimodalDBMModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, CategoricalUnits, GaussianUnits, MultinomialUnits

KINDS = {
    "b": BernoulliUnits,
    "c": CategoricalUnits,
    "g": GaussianUnits,
    "m": MultinomialUnits,
}


def tiny(seed, kinds="bc", levels=((3, 3), (2, 2)), n_top=2, *, scale=0.7, words=4.0, **options):
    """A small machine in float64: widths of the views, of every level of pathways, of the top."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, size=scale):
        return size * torch.randn(*shape, generator=generator, dtype=torch.float64)

    widths = [sum(level) for level in levels]
    blocks = [pathway_blocks(b, a) for a, b in itertools.pairwise(levels)]
    weights = [
        torch.block_diag(*(normal(b, a) for a, b in zip(below, above, strict=True)))
        for below, above in itertools.pairwise(levels)
    ]
    gaussian = torch.cat(
        [torch.full((w,), k == "g") for k, w in zip(kinds, levels[0], strict=True)]
    )
    centres = [torch.full((w,), 0.5 * (k == "g")) for k, w in zip(kinds, levels[0], strict=True)]
    scales = [torch.full((w,), 1.0 + (k == "g")) for k, w in zip(kinds, levels[0], strict=True)]
    counts = torch.full((7, kinds.count("m")), words) if "m" in kinds else None
    machine = DBMModule(
        ViewScaler(centres, scales),
        MixedUnits([KINDS[k]((w,)) for k, w in zip(kinds, levels[0], strict=True)]),
        [*weights, normal(n_top, widths[-1])],
        [*(normal(w) for w in widths), normal(n_top)],
        normal(widths[0]),
        log_variance=normal(widths[0], size=0.3) * gaussian if "g" in kinds else None,
        n_chains=7,
        chain_counts=counts,
        blocks=[*blocks, None],
        **options,
    )
    return MultimodalDBMModule(machine, torch.full((kinds.count("m"),), words)).double()


def bits(n):
    return BernoulliUnits((n,)).states(0, 2**n, torch.zeros(1, dtype=torch.float64))


def joint(module, visible):
    """Minus the energy of every combination, (visible, hidden), with dense connections."""
    machine = module.machine
    widths = [len(b) for b in machine.biases][1:]
    hidden = bits(sum(widths)).split(widths, dim=1)
    total = sum(h @ c for h, c in zip(hidden, machine.biases[1:], strict=True))
    for below, above, w in zip(hidden[:-1], hidden[1:], machine.weights[1:], strict=True):
        total = total + ((below @ w.T) * above).sum(dim=1)
    outer = visible @ machine.biases[0] - machine.visible.base_energy(visible)
    return outer[:, None] + visible @ machine.weights[0].T @ hidden[0].T + total


def compositions(width, total):
    """Every row of counts with this total."""
    rows = itertools.product(range(int(total) + 1), repeat=width)
    return torch.tensor([r for r in rows if sum(r) == total], dtype=torch.float64)


def all_visible(module):
    units = module.units
    parts = [
        compositions(view.width, float(module.words[0]))
        if view.counted
        else view.states(0, int(view.n_states()), torch.zeros(1, dtype=torch.float64))
        for view in units.views
    ]
    picks = itertools.product(*(range(len(part)) for part in parts))
    return torch.stack(
        [torch.cat([p[i] for p, i in zip(parts, pick, strict=True)]) for pick in picks]
    )


def batch_of(module, x, present=None):
    return Batch(x.split(list(module.machine.scaler.widths), dim=1), present)


def lacking(module, x, absent):
    present = torch.ones(len(x), len(module.units.views), dtype=torch.bool)
    present[:, absent] = False
    x = x.clone()
    x[:, module.units.view_columns[absent]] = 0.0
    return batch_of(module, x, present)


MACHINES = pytest.mark.parametrize(
    ("kinds", "levels"),
    [
        ("bc", ((3, 3), (2, 2))),
        ("bm", ((3, 2), (2, 2))),
        ("bbc", ((2, 2, 3), (2, 1, 2))),
        ("bc", ((2, 3), (2, 2), (2, 1))),
    ],
    ids=["binary_category", "binary_counts", "three", "deeper"],
)


# -- products with blocks ---------------------------------------------------------------------


def test_block_products_are_the_dense_ones(seed):
    generator = torch.Generator().manual_seed(seed)
    above, below = (2, 3, 1), (4, 1, 2)
    blocks = pathway_blocks(above, below)
    weight = torch.block_diag(
        *(torch.randn(a, b, generator=generator) for a, b in zip(above, below, strict=True))
    )
    up, down = torch.randn(5, 7, generator=generator), torch.randn(5, 6, generator=generator)
    for start in (torch.randn(6, generator=generator), torch.randn(5, 6, generator=generator)):
        torch.testing.assert_close(
            add_from_below(start, up, weight, blocks, 2.0), start + 2 * up @ weight.T
        )
    start = torch.randn(7, generator=generator)
    torch.testing.assert_close(
        add_from_above(start, down, weight, blocks, 2.0), start + 2 * down @ weight
    )
    o_a, o_b = torch.randn(6, generator=generator), torch.randn(7, generator=generator)
    dense = (down - o_a).T @ (up - o_b) / 5
    torch.testing.assert_close(centred_moment(down, o_a, up, o_b, blocks), dense * (weight != 0))
    torch.testing.assert_close(centred_moment(down, o_a, up, o_b), dense)
    assert pathway_blocks((3,), (4,)) is None


# -- probabilities ----------------------------------------------------------------------------


@torch.no_grad()
@MACHINES
def test_exact_log_partition(kinds, levels, seed):
    module = tiny(seed, kinds, levels)
    count = module.words.unsqueeze(0) if "m" in kinds else None
    truth = float(torch.logsumexp(joint(module, all_visible(module)).flatten(), 0))
    assert module.machine.exact_log_partition(count) == pytest.approx(truth, abs=1e-9)


@torch.no_grad()
@MACHINES
@pytest.mark.parametrize("reverse", [0, 60])
def test_annealing_is_within_four_standard_errors(kinds, levels, reverse, seed):
    """Eight runs at 4 standard errors: false alarms below 6e-4."""
    module = tiny(seed, kinds, levels)
    count = module.words.unsqueeze(0) if "m" in kinds else None
    found = module.machine.annealed_log_partition(
        200, 100, torch.Generator().manual_seed(seed), reverse_steps=reverse, count=count
    )
    truth = module.machine.exact_log_partition(count)
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error < 0.15


@torch.no_grad()
@MACHINES
def test_bound_of_complete_rows(kinds, levels, seed):
    module = tiny(seed, kinds, levels)
    x = all_visible(module)
    truth = torch.logsumexp(joint(module, x), dim=1)
    gap = truth - module.bound(batch_of(module, x))
    assert (gap > -1e-9).all()
    weak = tiny(seed, kinds, levels, scale=0.05)
    truth = torch.logsumexp(joint(weak, x), dim=1)
    assert (truth - weak.bound(batch_of(weak, x))).max() < 1e-3


def summed_over(module, x, absent):
    """log p(present) + log Z: the sum over all states of the absent view, (rows,)."""
    kept = torch.ones(x.shape[1], dtype=torch.bool)
    kept[module.units.view_columns[absent]] = False
    logs = torch.logsumexp(joint(module, x), dim=1)
    alike = (x[:, None, kept] == x[None, :, kept]).all(dim=2)
    return torch.logsumexp(torch.where(alike, logs, -torch.inf), dim=1)


@torch.no_grad()
@MACHINES
@pytest.mark.parametrize("absent", [0, 1])
def test_bound_of_incomplete_rows(kinds, levels, absent, seed):
    module = tiny(seed, kinds, levels)
    x = all_visible(module)
    gap = summed_over(module, x, absent) - module.bound(lacking(module, x, absent))
    assert (gap > -1e-9).all()
    weak = tiny(seed, kinds, levels, scale=0.1)
    gap = summed_over(weak, x, absent) - weak.bound(lacking(weak, x, absent))
    assert gap.abs().max() < 2e-3 * x.shape[1]


@torch.no_grad()
def test_bound_of_real_views_integrates_the_absent_one(seed):
    """Against a grid, in the caller's units; volumes of both views are in it."""
    module = tiny(seed, "bg", ((2, 1), (2, 2)), scale=0.04)
    axis = torch.linspace(-30, 30, 2001, dtype=torch.float64)
    b = bits(2)
    views = (b.repeat_interleave(len(axis), 0), axis.repeat(4)[:, None])
    logs = torch.logsumexp(joint(module, module.machine.standardise(views)), dim=1)
    truth = torch.logsumexp(logs.view(4, -1), dim=1) + (axis[1] - axis[0]).log()
    present = torch.tensor([[True, False]]).expand(4, 2)
    found = module.bound(Batch((b, torch.zeros(4, 1, dtype=torch.float64)), present))
    torch.testing.assert_close(found, truth, atol=2e-3, rtol=0)
    assert module.machine.exact_log_partition() == pytest.approx(
        float(torch.logsumexp(truth, 0)), abs=1e-6
    )


# -- inference --------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("absent", [0, 1])
def test_mean_field_satisfies_its_equations(absent, seed):
    module = tiny(seed, "bm", ((3, 2), (2, 2)), scale=0.4)
    machine, x = module.machine, all_visible(module)
    mu, known, words = module.infer(lacking(module, x, absent), 300)
    for layer in (1, 2):
        torch.testing.assert_close(mu[layer], torch.sigmoid(machine.field(layer, mu)))
    expected = module.units.mean(machine.field(0, mu), words)
    torch.testing.assert_close(mu[0], torch.where(known, x, expected))
    assert known.all(dim=0).tolist() == [(i < 3) != (absent == 0) for i in range(5)]


@torch.no_grad()
def test_complete_rows_among_incomplete_ones_are_encoded_alike(seed):
    module = tiny(seed)
    x = all_visible(module)[:6]
    present = torch.ones(6, 2, dtype=torch.bool)
    present[3:, 1] = False
    mixed = module.encode(batch_of(module, x, present))
    torch.testing.assert_close(mixed[:3], module.encode(batch_of(module, x))[:3])


def exact_means(module, x, absent):
    """Conditional means of all visible units given the other views."""
    kept = torch.ones(x.shape[1], dtype=torch.bool)
    kept[module.units.view_columns[absent]] = False
    logs = torch.logsumexp(joint(module, x), dim=1)
    alike = (x[:, None, kept] == x[None, :, kept]).all(dim=2)
    return torch.softmax(torch.where(alike, logs, -torch.inf), dim=1) @ x


@torch.no_grad()
@pytest.mark.parametrize(
    ("kinds", "levels", "absent"),
    [
        ("bc", ((3, 3), (2, 2)), 0),
        ("bc", ((3, 3), (2, 2)), 1),
        ("bm", ((3, 2), (2, 2)), 1),
        ("bc", ((2, 3), (2, 2), (2, 1)), 0),
    ],
    ids=["binary", "category", "counts", "deeper"],
)
def test_imputation_is_the_conditional_mean(kinds, levels, absent, seed):
    """Averages over 800 steps of a fast chain: a standard error near 0.015 a word or unit."""
    module = tiny(seed, kinds, levels)
    x = all_visible(module)
    found = module.expect(lacking(module, x, absent), seed, 1, 20, 800)
    n, at = len(module.units.views), module.units.view_columns[absent]
    means = torch.cat(found[:n], dim=1)
    truth = exact_means(module, x, absent)
    size = float(module.words[0]) if module.units.views[absent].counted else 1.0
    assert (means - truth)[:, at].abs().max() < 0.08 * size
    second = exact_means(module, x, absent).square()
    variance = torch.cat(found[n:], dim=1)
    assert (variance >= 0).all()
    if not module.units.views[absent].counted:
        torch.testing.assert_close(variance[:, at], (truth - second)[:, at], atol=0.08, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("absent", [0, 1])
def test_draws_have_the_conditional_means(absent, seed):
    """z-tests of 3 means in 2 cases at 4.5: false alarms below 5e-5."""
    module = tiny(seed)
    x, n = all_visible(module), 3000
    row = x[5:6].expand(n, -1)
    batch = lacking(module, row, absent)
    drawn = torch.cat(module.given(batch, torch.Generator().manual_seed(seed), 40), dim=1)
    at = module.units.view_columns[absent]
    p = exact_means(module, x, absent)[5, at]
    error = (p * (1 - p) / n).sqrt()
    assert ((drawn[:, at].mean(dim=0) - p).abs() < 4.5 * error).all()
    other = module.units.view_columns[1 - absent]
    assert torch.equal(drawn[:, other], row[:, other])


# -- training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [None, 0, 1])
def test_gradient_is_that_of_the_bound(absent, seed):
    """Autograd of the bound of the data at fixed mean-field states, less that of the chains."""
    module = tiny(seed, "bg", ((3, 2), (2, 2)))
    machine = module.machine
    generator = torch.Generator().manual_seed(seed)
    views = (
        (torch.rand(9, 3, generator=generator, dtype=torch.float64) < 0.5).double(),
        3 * torch.randn(9, 2, generator=generator, dtype=torch.float64),
    )
    batch = Batch(views)
    if absent is not None:
        present = torch.ones(9, 2, dtype=torch.bool)
        present[:5, absent] = False
        batch = Batch(tuple(v * present[:, i : i + 1] for i, v in enumerate(views)), present)
    machine.n_mean_field_steps = 400
    model = machine.sample(7, generator, 20)
    for layer in range(3):
        machine.get_buffer(f"offset_{layer}").zero_()
    found = module.infer(batch)
    known = found.known
    data = [m.detach() for m in found.mu]
    with torch.no_grad():
        machine._fill(data, model)
    filled = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    names = [n for n, _ in module.named_parameters() if "log_variance" not in n]
    parameters = [p for n, p in module.named_parameters() if n in names]
    # At its fixed point the bound does not move with the states, so this is its whole gradient.
    loss = machine.bound_of(model).mean() - module.bound(batch).mean()
    for name, expected in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        if name.endswith("weights.0"):
            assert (filled[name][~_joined(machine)] == 0).all()
            expected = expected * _joined(machine)
        torch.testing.assert_close(filled[name], expected, atol=1e-7, rtol=1e-6)
    assert known is None or not known.all()


@torch.no_grad()
@pytest.mark.parametrize("absent", [0, 1])
def test_statistics_of_incomplete_rows(absent, seed):
    """The data's moments are those of complete rows, weighed by p(absent | present).

    24,000 rows, 5 standard errors and 0.01 for the length of the chains: some 40 numbers in two
    cases, below 1e-4. Products of mean-field states of the absent units are 0.07 off.
    """
    module = tiny(seed, scale=1.0)
    machine, x = module.machine, all_visible(module)
    machine.n_mean_field_steps = 50
    kept = torch.ones(x.shape[1], dtype=torch.bool)
    kept[module.units.view_columns[absent]] = False
    logs = torch.logsumexp(joint(module, x), dim=1)
    alike = (x[:, None, kept] == x[None, :, kept]).all(dim=2)
    weight = torch.softmax(torch.where(alike, logs, -torch.inf), dim=1).mean(dim=0)
    every = machine.mean_field(x)
    many = lacking(module, x.repeat(24000 // len(x), 1), absent)
    drawn = module.infer_drawn(many, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        drawn.mu[0][:, kept], torch.cat(many.views, dim=1)[:, kept], atol=0, rtol=0
    )
    for layer in (1, 2):
        found = drawn.mu[layer].T @ drawn.mu[layer - 1] / 24000
        expected = (every[layer] * weight[:, None]).T @ every[layer - 1]
        assert (found - expected).abs().max() < 5 * 0.5 / 24000**0.5 + 0.01


@torch.no_grad()
def test_chains_start_at_the_first_rows(seed):
    """Of layers trained one by one they know all modes; later batches move nothing there."""
    module = tiny(seed, scale=0.0)
    machine = module.machine
    generator = torch.Generator().manual_seed(seed)
    mu = machine.mean_field(all_visible(module))
    mu[1] = torch.arange(len(mu[1])).remainder(2).double()[:, None].expand_as(mu[1])
    machine._start_chains(mu, generator)
    expected = torch.arange(7).remainder(2).double()[:, None].expand(7, 4)
    assert torch.equal(machine.get_buffer("chain_1"), expected)
    assert machine.chains_started


def _joined(machine):
    """Where the lowest connections join a pathway."""
    mask = torch.zeros_like(machine.weights[0], dtype=torch.bool)
    for rows, columns in machine.blocks[0]:
        mask[rows, columns] = True
    return mask


@torch.no_grad()
def test_variances_follow_what_is_known(seed):
    """Rows that lack the real view pull the variances nowhere; other views have none.

    Two means of 21 draws at 4 standard errors of 0.19: false alarms below 2e-4.
    """
    module = tiny(seed, "bg", ((3, 2), (2, 2)), n_mean_field_steps=300)
    machine = module.machine
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    mu, known, _ = module.infer(lacking(module, x, 1))
    model = torch.zeros_like(machine.log_variance)
    machine.n_gibbs_steps = 20
    for _ in range(3):
        machine.contrast(mu, generator, known)
        model += machine.log_variance.grad / 3
    assert (machine.log_variance.grad[:3] == 0).all()
    # Of the chains the mean of x (x - field) is 1, as it is taken to be in the data.
    assert model[3:].abs().max() < 0.75


def test_no_connection_leaves_its_pathway(seed):
    module = tiny(seed, "bc", ((3, 3), (2, 2), (2, 1)))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(seed)
    x = all_visible(module)
    for _ in range(5):
        module.accumulate_gradients(batch_of(module, x), generator)
        optimizer.step()
    first, second, top = module.machine.weights
    assert (first[:2, 3:] == 0).all()
    assert (first[2:, :3] == 0).all()
    assert (second[:2, 2:] == 0).all()
    assert (second[2:, :2] == 0).all()
    assert (first[:2, :3] != 0).all()
    assert (top != 0).all()


@torch.no_grad()
def test_loss_counts_what_is_present(seed):
    module = tiny(seed, "bm", ((3, 2), (2, 2)))
    x = all_visible(module)
    generator = torch.Generator().manual_seed(seed)
    found = module.infer(batch_of(module, x))
    complete = module.training_loss(batch_of(module, x), generator).total
    expected = module.machine._log_given(x, module.machine.field(0, found.mu))
    torch.testing.assert_close(complete, -expected.mean())
    batch = lacking(module, x, 1)
    field = module.machine.field(0, module.infer(batch).mu)[:, :3]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(field, x[:, :3]) * 3
    torch.testing.assert_close(module.training_loss(batch, generator).total, expected)


@torch.no_grad()
def test_chains_keep_their_words(seed):
    module = tiny(seed, "mm", ((3, 2), (2, 2)))
    module.machine.chain_counts[:, 0] = torch.arange(7) + 1.0
    states = module.machine.sample(50, torch.Generator().manual_seed(seed), 5)
    drawn = states[0]
    assert (drawn[:, 3:].sum(dim=1) == 4).all()
    assert set(drawn[:, :3].sum(dim=1).tolist()) <= {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}
    assert len(set(drawn[:, :3].sum(dim=1).tolist())) > 3
    fixed = module.machine.sample(
        5, torch.Generator().manual_seed(seed), 5, torch.tensor([[2.0, 3.0]]).double()
    )[0]
    assert (fixed[:, :3].sum(dim=1) == 2).all()


# -- from layers ------------------------------------------------------------------------------


def test_pathways_are_put_side_by_side(seed):
    generator = torch.Generator().manual_seed(seed)

    def layer(n_hidden, n_visible):
        zeros, ones = torch.zeros(n_visible), torch.ones(n_visible)
        return DoubledRBMModule(
            ViewScaler([zeros], [ones]),
            BernoulliUnits((n_visible,)),
            torch.randn(n_hidden, n_visible, generator=generator),
            torch.randn(n_visible, generator=generator),
            torch.randn(n_hidden, generator=generator),
        )

    left, right, top = layer(2, 3), layer(4, 2), layer(3, 6)
    weights, biases = compose_layers([join_pathways([left, right]), top])
    assert torch.equal(weights[0][:2, :3], left.weight)
    assert torch.equal(weights[0][2:, 3:], right.weight)
    assert weights[0].count_nonzero() == 6 + 8
    middle = torch.cat([left.hidden_bias, right.hidden_bias])
    torch.testing.assert_close(biases[1], 0.5 * (middle + top.visible_bias))


@torch.no_grad()
def test_counted_layer_keeps_the_words_of_its_rows(seed):
    zeros, ones = torch.zeros(4), torch.ones(4)
    generator = torch.Generator().manual_seed(seed)
    for n_chains in (0, 5):
        module = DoubledRBMModule(
            ViewScaler([zeros], [ones]),
            MultinomialUnits((4,)),
            0.1 * torch.randn(3, 4, generator=generator),
            zeros,
            torch.zeros(3),
            n_chains=n_chains,
        )
        module.hidden_offset.zero_()
        x = torch.tensor([[3.0, 0, 1, 0], [0, 0, 8, 0], [1, 1, 1, 1]])
        loss = module.accumulate_gradients(Batch((x,)), generator)
        assert torch.isfinite(loss.total)
        # Chains have the words of their rows, or of a mean row, so gradients of biases sum to 0.
        assert module.visible_bias.grad.sum().abs() < (1e-5 if not n_chains else 0.5)
