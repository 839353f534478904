"""AE2-Net: its alternating steps, its solver for new samples, incomplete samples."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from skrep import NonFiniteLossError, Trainer, Views
from skrep.datasets import make_multiview
from skrep.engine.block_adam import BlockAdam
from skrep.engine.seeding import make_generator
from skrep.multimodal import AE2Net
from skrep.nn.ae2net import AE2NetModule
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler


def small(seed, **parameters):
    settings = {"n_inner_components": 6, "degradation_layer_sizes": (5,), "batch_size": 40}
    settings |= {"max_epochs": 5, "random_state": seed, **parameters}
    return AE2Net(3, **settings)


def linear_module(seed, n=12, k=2, m=4, widths=(5, 3)):
    generator = torch.Generator().manual_seed(seed)

    def linear(n_in, n_out):
        layer = nn.Linear(n_in, n_out)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(n_out, n_in, generator=generator))
            layer.bias.copy_(torch.randn(n_out, generator=generator))
        return layer

    scaler = ViewScaler([torch.zeros(w) for w in widths], [torch.ones(w) for w in widths])
    return AE2NetModule(
        scaler,
        [linear(w, m) for w in widths],
        [linear(m, w) for w in widths],
        [nn.Sequential(linear(k, m)) for _ in widths],
        torch.randn(n, k, generator=generator),
        0.7,
    ).double()


def batch_of(module, seed, n=12, present=None):
    generator = torch.Generator().manual_seed(seed + 1)
    views = tuple(
        torch.randn(n, w, generator=generator, dtype=torch.float64) for w in module.scaler.widths
    )
    return Batch(views, present, torch.arange(n))


def test_objective_is_the_written_sum(seed):
    module = linear_module(seed)
    batch = batch_of(module, seed)
    loss = module.train().training_loss(batch, make_generator(0))
    total = 0.0
    for i, x in enumerate(batch.views):
        inner = module.encoders[i](x)
        total += ((module.decoders[i](inner) - x) ** 2).mean()
        total += 0.7 * ((module.degradations[i](module.codes) - inner) ** 2).mean()
    torch.testing.assert_close(loss.total, total)
    torch.testing.assert_close(
        loss.terms["reconstruction"] + 0.7 * loss.terms["degradation"], loss.total
    )


def test_absent_views_drop_out_of_the_sum(seed):
    module = linear_module(seed)
    present = torch.ones(12, 2, dtype=torch.bool)
    present[:5, 1] = False
    batch = batch_of(module, seed, present=present)
    loss = module.train().training_loss(batch, make_generator(0)).total
    x, z = batch.views, [e(v) for e, v in zip(module.encoders, batch.views, strict=True)]
    expected = ((module.decoders[0](z[0]) - x[0]) ** 2).mean()
    expected = expected + 0.7 * ((module.degradations[0](module.codes) - z[0]) ** 2).mean()
    expected = expected + ((module.decoders[1](z[1]) - x[1])[5:] ** 2).mean()
    expected = expected + 0.7 * ((module.degradations[1](module.codes) - z[1])[5:] ** 2).mean()
    torch.testing.assert_close(loss, expected)


def test_every_block_step_lowers_the_objective(seed):
    """A small enough step down a smooth function lowers it: no false alarm to speak of."""
    module = linear_module(seed)
    batch = batch_of(module, seed)
    optimizer = BlockAdam(module.parameters(), lr=1e-4, blocks=module.blocks)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = module.train().training_loss(batch, make_generator(0)).total
        loss.backward()
        seen.append(float(loss.detach()))
        return loss

    for _ in range(20):
        optimizer.step(closure)
    assert len(seen) == 60
    assert all(after < before for before, after in pairwise(seen))


def test_blocks_move_one_at_a_time_as_adam_moves_them(seed):
    module = linear_module(seed)
    batch = batch_of(module, seed)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer = BlockAdam(module.parameters(), lr=1e-3, blocks=module.blocks)
    moved_at = []

    def closure():
        optimizer.zero_grad()
        moved_at.append(
            {n for n, p in module.named_parameters() if not torch.equal(p.detach(), before[n])}
        )
        loss = module.train().training_loss(batch, make_generator(0)).total
        loss.backward()
        return loss

    optimizer.step(closure)
    assert moved_at[0] == set()
    assert {name.split(".")[0] for name in moved_at[1]} == {"encoders", "decoders"}
    assert {name.split(".")[0] for name in moved_at[2]} == {"encoders", "decoders", "degradations"}
    # The first step of Adam has the length of the rate, ten times as much for codes.
    step = (module.codes.detach() - before["codes"]).abs()
    torch.testing.assert_close(step, torch.full_like(step, 1e-2), rtol=1e-4, atol=0)
    assert all(p.requires_grad for p in module.parameters())


def test_codes_out_of_the_batch_stay_put(seed):
    module = linear_module(seed)
    whole = batch_of(module, seed)
    optimizer = BlockAdam(module.parameters(), lr=1e-2, blocks=module.blocks)

    def step(rows):
        batch = Batch(tuple(v[rows] for v in whole.views), None, rows)

        def closure():
            optimizer.zero_grad()
            loss = module.train().training_loss(batch, make_generator(0)).total
            loss.backward()
            return loss

        optimizer.step(closure)

    step(torch.arange(6))
    held = module.codes.detach()[:6].clone()
    step(torch.arange(6, 12))
    assert torch.equal(module.codes.detach()[:6], held)
    steps = optimizer.state[module.codes]["steps"].ravel()
    assert steps.tolist() == [1.0] * 12


def test_blocks_must_hold_every_parameter():
    module = linear_module(0)
    with pytest.raises(ValueError, match="exactly one block"):
        BlockAdam(module.parameters(), lr=0.1, blocks=lambda: [([module.codes], 1.0)])


@pytest.mark.parametrize("absent", [False, True])
def test_new_codes_are_the_least_squares_solution(seed, absent):
    """With linear degradation networks the code is the solution of a linear system."""
    module = linear_module(seed)
    present = torch.ones(12, 2, dtype=torch.bool)
    present[:6, 0] = not absent
    batch = batch_of(module, seed, present=present if absent else None)
    codes = module.eval().encode(batch)
    z = [e(v) for e, v in zip(module.encoders, batch.views, strict=True)]
    for row in range(12):
        views = [i for i in range(2) if present[row, i]]
        weights = torch.cat([module.degradations[i][0].weight for i in views])
        targets = torch.cat([z[i][row] - module.degradations[i][0].bias for i in views])
        gram = weights.T @ weights + 1e-4 * torch.eye(2, dtype=torch.float64)
        expected = torch.linalg.solve(gram, weights.T @ targets)
        torch.testing.assert_close(codes[row], expected, rtol=1e-4, atol=1e-4)


def test_codes_of_incomplete_rows_are_drawn_to_those_of_others(seed):
    """With linear networks the code is the mean of a normal given what a view says of it."""
    module = linear_module(seed)
    generator = torch.Generator().manual_seed(seed)
    others = 3.0 + torch.randn(50, 2, generator=generator, dtype=torch.float64)
    module.expect_codes(others, 0.5)
    present = torch.ones(12, 2, dtype=torch.bool)
    present[:6, 0] = False
    batch = batch_of(module, seed, present=present)
    codes, whole = module.eval().encode(batch), module.encode(batch._replace(present=None))
    torch.testing.assert_close(codes[6:], whole[6:])
    layer = module.degradations[1][0]
    covariance = torch.cov(others.T, correction=0)
    covariance += 1e-3 * covariance.diagonal().mean() * torch.eye(2)
    told = module.encoders[1](batch.views[1]) - layer.bias - others.mean(dim=0) @ layer.weight.T
    noisy = layer.weight @ covariance @ layer.weight.T + 0.5 * torch.eye(4)
    gain = covariance @ layer.weight.T @ torch.linalg.inv(noisy)
    expected = others.mean(dim=0) + told @ gain.T
    torch.testing.assert_close(codes[:6], expected[:6], rtol=1e-3, atol=1e-3)
    apart = (layer(codes[:6]) - module.encoders[1](batch.views[1][:6])).square().mean(dim=1)
    torch.testing.assert_close(module.misfit(batch)[:6], apart)


def sum_of_two(n, seed):
    """Two views of a factor each, and one of both: either of the first explains half of it."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, n, 1))
    maps = rng.choice([-1.0, 1.0], size=(4, 1, 5))
    both = np.hstack([first @ maps[2], second @ maps[3]])
    clean = (first @ maps[0], second @ maps[1], both)
    return tuple(view + 0.1 * rng.standard_normal(view.shape) for view in clean)


QUICK = {"max_epochs": 40, "n_inner_components": 10, "learning_rate": 1e-2, "batch_size": 60}


def test_imputed_values_are_expectations_and_their_spread_is_honest(seed):
    X = sum_of_two(600, seed)
    train, new = tuple(a[:300] for a in X), tuple(a[300:] for a in X)
    model = small(seed, **QUICK).fit(train)
    stds = []
    # The exact expectation leaves half of the variance, and next to nothing.
    for given, left in (((new[0], None, None), 0.75), ((*new[:2], None), 0.25)):
        values, std = model.impute(given, return_std=True)
        error = values[2] - new[2]
        assert np.square(error).mean() < left * new[2].var()
        # Errors at 300 rows of one or two factors, whose spread is known to 10 per cent or so.
        assert np.sqrt(np.square(error / std[2]).mean()) == pytest.approx(1.0, abs=0.3)
        stds.append(std[2].mean())
    assert stds[1] < stds[0]


def test_without_complete_samples_those_with_most_views_stand_for_all(seed):
    X = sum_of_two(300, seed)
    holes = [array.copy() for array in X]
    for i, array in enumerate(holes):
        array[i::3] = np.nan
    model = small(seed, **QUICK).fit(tuple(holes))
    error = model.impute(tuple(holes))[2][2::3] - X[2][2::3]
    assert np.square(error).mean() < 0.75 * X[2].var()


def test_samples_of_one_view_each_train(seed):
    left, right = (array.copy() for array in sum_of_two(60, seed)[:2])
    left[:30] = right[30:] = np.nan
    model = small(seed).fit((left, right))
    assert np.isfinite(model.impute((left, right))[1]).all()


def test_codes_of_the_training_samples_are_transform(seed):
    X = make_multiview(80, random_state=seed)
    model = small(seed)
    codes = model.fit_transform(X)
    np.testing.assert_array_equal(codes, model.codes_)
    np.testing.assert_allclose(model.transform(X[3:9]), codes[3:9], rtol=1e-4, atol=1e-4)


def test_learns_planted_factors(seed):
    X = make_multiview(200, random_state=seed)
    model = small(seed, max_epochs=50, n_inner_components=12, learning_rate=1e-2).fit(X)
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert model.score(X) > -0.8


def test_incomplete_samples(seed):
    X = make_multiview(80, random_state=seed)
    holes = np.array(X.arrays[1], dtype=float)
    holes[:20] = np.nan
    incomplete = Views((X.arrays[0], holes), X.names)
    model = small(seed).fit(incomplete)
    assert np.isfinite(model.codes_).all()
    filled, std = model.impute(incomplete, return_std=True)
    assert np.isfinite(filled[1]).all()
    np.testing.assert_array_equal(filled[1][20:], holes[20:])
    assert (std[1][:20] > 0).all()
    assert (std[1][20:] == 0).all()
    each = model.transform_each(incomplete)
    assert np.isnan(each.arrays[1][:20]).all()
    assert np.isfinite(each.arrays[0]).all()


def test_partial_fit_takes_other_samples(seed):
    X = make_multiview(90, random_state=seed)
    model = small(seed).partial_fit(X[:50])
    assert model.codes_.shape == (50, 3)
    model.partial_fit(X[50:])
    assert model.codes_.shape == (40, 3)
    assert model.n_iter_ == 2


def test_a_partial_fit_that_fails_leaves_the_codes_of_the_samples_before(seed):
    X = make_multiview(90, random_state=seed)
    model = small(seed).partial_fit(X[:50])
    codes = model.codes_
    with pytest.raises(NonFiniteLossError):
        model.set_params(learning_rate=1e30).partial_fit(X[50:])
    np.testing.assert_array_equal(model.codes_, codes)
    model.codes_[:] = 0.0  # a copy
    np.testing.assert_array_equal(model.codes_, codes)


def test_bad_input(seed):
    X = make_multiview(40, random_state=seed)
    with pytest.raises(ValueError, match=r"needs at least 2\. Got 1.*SplitViews"):
        small(seed).fit(X.arrays[0])
    for name, value in (("gradient_clip", 1.0),):
        with pytest.raises(ValueError, match=rf"Trainer\({name}=1.0\)"):
            small(seed, trainer=Trainer(**{name: value})).fit(X)
    with pytest.raises(ValueError, match="`activation='softmax'` is not elementwise"):
        small(seed, activation="softmax").fit(X)
    with pytest.raises(ValueError, match="`scaling` must be 'view'"):
        small(seed, scaling=("view", "other")).fit(X)
