"""The modules of deep CCA and RBM-CCA."""

import numpy as np
import pytest
import torch
from torch import nn

from skrep.functional.correlation import correlation_loss
from skrep.nn.dcca import CanonicalMap, CorrelationObjective, DCCAModule
from skrep.nn.module import Batch
from skrep.nn.rbm import make_rbm
from skrep.nn.rbmcca import RBMCCAModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits


def views_of(seed, n=20, widths=(5, 4)):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(n, width, generator=generator) for width in widths)


def deep(seed, *, decoders=False, weight=0.5, kind="correlation"):
    torch.manual_seed(seed)
    scalers = [ViewScaler([torch.full((w,), 0.5)], [torch.full((w,), 2.0)], [1.0]) for w in (5, 4)]
    return DCCAModule(
        scalers,
        [nn.Linear(5, 2), nn.Linear(4, 2)],
        CorrelationObjective(kind, (0.01, 0.01)),
        n_components=2,
        min_batch_size=6,
        decoders=[nn.Linear(2, 5), nn.Linear(2, 4)] if decoders else None,
        reconstruction_weight=weight,
    )


@pytest.fixture
def _own_rng():
    with torch.random.fork_rng():
        yield


pytestmark = pytest.mark.usefixtures("_own_rng")


def test_loss_is_that_of_the_codes(seed):
    module, views = deep(seed), views_of(seed)
    batch = Batch(views)
    loss = module.training_loss(batch, torch.Generator())
    assert loss.terms == {}
    codes = [e((x - 0.5) / 2.0) for e, x in zip(module.encoders, views, strict=True)]
    torch.testing.assert_close(loss.total, correlation_loss(codes, 0.01))
    for made, expected in zip(module.network_codes(batch), codes, strict=True):
        torch.testing.assert_close(made, expected)


def test_autoencoders_add_the_mean_error_per_feature_of_each_view(seed):
    module, views = deep(seed, decoders=True), views_of(seed)
    terms = module.training_loss(Batch(views), torch.Generator())
    errors = []
    for encode, decode, x in zip(module.encoders, module.decoders, views, strict=True):
        scaled = (x - 0.5) / 2.0
        errors.append((decode(encode(scaled)) - scaled).square().mean())
    torch.testing.assert_close(terms.terms["reconstruction"], sum(errors) / 2)
    expected = terms.terms["correlation"] + 0.5 * terms.terms["reconstruction"]
    torch.testing.assert_close(terms.total, expected)


def test_absent_views_have_no_code(seed):
    module, views = deep(seed).eval(), views_of(seed)
    present = torch.ones(20, 2, dtype=torch.bool)
    present[3, 0] = present[4, 1] = False
    codes = module.encode(Batch(views, present))
    assert codes.shape == (20, 4)
    assert torch.isnan(codes).nonzero().tolist() == [[3, 0], [3, 1], [4, 2], [4, 3]]


def test_decoders_undo_the_linear_map_first(seed):
    module, views = deep(seed, decoders=True).eval(), views_of(seed)
    generator = torch.Generator().manual_seed(seed)
    for into in module.maps:
        into.set(torch.randn(2, generator=generator), torch.randn(2, 2, generator=generator))
    outputs = module.network_codes(Batch(views))
    for i, (view, z) in enumerate(zip(views, outputs, strict=True)):
        expected = module.decoders[i](z) * 2.0 + 0.5
        back = module.decode(module.maps[i](z))[i]
        torch.testing.assert_close(back, expected, rtol=1e-3, atol=1e-4)
        assert back.shape == view.shape


def test_a_constant_code_is_undone_to_the_mean():
    into = CanonicalMap(2, 2)
    into.set(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 0.0], [0.0, 0.0]]))
    back = into.undo(into(torch.tensor([[5.0, 9.0]])))
    torch.testing.assert_close(back, torch.tensor([[5.0, 2.0]]))


def test_modules_without_decoders_say_so(seed):
    with pytest.raises(TypeError, match="built without decoders"):
        deep(seed).decode(torch.zeros(3, 2))
    with pytest.raises(TypeError, match="decoded by a regression"):
        machines(seed).decode(torch.zeros(3, 2))


def machines(seed):
    generator = torch.Generator().manual_seed(seed)
    rbms = [
        make_rbm(
            BernoulliUnits((w,)), BernoulliUnits((3,)), torch.full((w,), 0.4), generator=generator
        )
        for w in (5, 4)
    ]
    return RBMCCAModule(rbms, 2)


def test_every_machine_fills_its_own_gradient(seed):
    module, views = machines(seed), views_of(seed)
    alone = machines(seed)
    total = module.accumulate_gradients(Batch(views), torch.Generator().manual_seed(1)).total
    generator = torch.Generator().manual_seed(1)
    losses = [
        rbm.accumulate_gradients(Batch((view,)), generator).total
        for rbm, view in zip(alone.rbms, views, strict=True)
    ]
    torch.testing.assert_close(total, sum(losses))
    for (name, p), q in zip(module.named_parameters(), alone.parameters(), strict=True):
        assert p.grad.abs().sum() > 0, name
        torch.testing.assert_close(p.grad, q.grad)


def test_own_steps_are_gradient_steps(seed):
    views = views_of(seed)
    one, other = machines(seed), machines(seed)
    one.accumulate_gradients(Batch(views), torch.Generator().manual_seed(1))
    other.descend(Batch(views), torch.Generator().manual_seed(1), 0.1)
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.detach() - 0.1 * p.grad, q.detach(), rtol=1e-4, atol=1e-6)


def test_codes_are_maps_of_hidden_probabilities(seed):
    module, views = machines(seed).eval(), views_of(seed)
    with torch.no_grad():
        codes = module.encode(Batch(views))
    for i, (rbm, x) in enumerate(zip(module.rbms, views, strict=True)):
        field = x.numpy() @ rbm.weight.detach().numpy().T + rbm.hidden_bias.detach().numpy()
        hidden = 1.0 / (1.0 + np.exp(-field))
        np.testing.assert_allclose(codes[:, 2 * i : 2 * i + 2], hidden[:, :2], rtol=1e-5)
