import copy

import pytest
import torch
from torch import nn

from skrep.nn import MLP
from skrep.nn.autoencoder import AutoencoderModule, CodeSparsity, Corruptor, TiedDecoder
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def scaler():
    return ViewScaler(
        [torch.full((3,), 2.0), torch.zeros(2)], [torch.full((3,), 4.0), torch.ones(2)]
    )


def batch(rows=6):
    return Batch((draws(rows, 3), draws(rows, 2, seed=1)))


def module(output=None, weights=None, **parts):
    return AutoencoderModule(
        scaler(), MLP((4,))(5, 2), MLP((4,))(2, 5), output or nn.Identity(), weights, **parts
    )


def test_the_loss_is_the_mean_squared_error_in_working_units():
    model = module()
    x = model.scaler.join(batch().views)
    expected = (model.decoder(model.encoder(x)) - x).square().mean()
    terms = model.training_loss(batch(), generator())
    torch.testing.assert_close(terms.total, expected)
    assert terms.terms == {}


def test_weights_of_features():
    weights = torch.tensor([0.3, 0.2, 0.1, 0.4, 0.0])
    model = module(weights=weights)
    x = model.scaler.join(batch().views)
    expected = ((model.decoder(model.encoder(x)) - x).square() * weights).sum(dim=1).mean()
    torch.testing.assert_close(model.training_loss(batch(), generator()).total, expected)


def test_an_output_activation_decodes_to_the_callers_units():
    model = module(nn.Sigmoid())
    views = tuple(torch.sigmoid(v) for v in batch().views)
    codes = model.encode(Batch(views))
    decoded = torch.cat(model.decode(codes), dim=1)
    torch.testing.assert_close(decoded, torch.sigmoid(model.decoder(codes)))
    expected = (decoded - torch.cat(views, dim=1)).square().mean()
    torch.testing.assert_close(model.training_loss(Batch(views), generator()).total, expected)


def test_decode_gives_views_in_the_callers_units():
    model = module()
    codes = model.encode(batch())
    first, second = model.decode(codes)
    out = model.decoder(codes)
    torch.testing.assert_close(first, out[:, :3] * 4 + 2)
    torch.testing.assert_close(second, out[:, 3:])
    for view, again in zip(model.decode_batch(Batch((codes,))), (first, second), strict=True):
        torch.testing.assert_close(view, again)


@pytest.mark.parametrize("kind", ["gaussian", "masking", "salt_and_pepper"])
def test_a_corruptor_spoils_the_input_and_not_the_target(kind):
    spoiler = Corruptor(kind, 1.0, -torch.ones(5), torch.ones(5), torch.full((5,), 0.5))
    model = module(corruptor=spoiler)
    clean = model.scaler.join(batch().views)
    noisy = spoiler(clean, generator(3))
    expected = (model.decoder(model.encoder(noisy)) - clean).square().mean()
    torch.testing.assert_close(model.training_loss(batch(), generator(3)).total, expected)
    torch.testing.assert_close(model.encode(batch()), model.encoder(clean))
    if kind == "masking":
        assert torch.equal(noisy, torch.full_like(noisy, 0.5))
    if kind == "salt_and_pepper":
        assert set(noisy.unique().tolist()) == {-1.0, 1.0}


def test_sparsity_acts_on_codes_and_adds_its_penalty():
    model = module(sparsity=CodeSparsity("l1", 0.5, 0.0))
    codes = model.encode(batch())
    assert codes.min() >= 0
    terms = model.training_loss(batch(), generator())
    torch.testing.assert_close(terms.terms["sparsity"], 0.5 * codes.sum(dim=1).mean())
    torch.testing.assert_close(terms.total, terms.terms["reconstruction"] + terms.terms["sparsity"])


def test_ranges_of_the_kinds():
    codes = draws(10, 6)
    assert CodeSparsity("l1", 1.0, 0.0)(codes).min() == 0
    squashed = CodeSparsity("kl", 1.0, 0.1)(codes)
    assert 0 < squashed.min() < squashed.max() < 1
    assert ((CodeSparsity("top_k", 1.0, 2)(codes) != 0).sum(dim=1) == 2).all()
    assert CodeSparsity("top_k", 1.0, 2).penalty(codes) is None


@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("with_linear", [True, False])
def test_a_tied_decoder_is_the_transposed_encoder(activation, hidden, with_linear):
    encoder = MLP(hidden, activation)(5, 2)
    linear = nn.Linear(5, 2) if with_linear else None
    decoder = TiedDecoder(encoder, linear)
    codes = draws(7, 2)
    x = codes
    layers = [m for m in encoder if isinstance(m, nn.Linear)]
    for i, layer in enumerate(reversed(layers)):
        x = x @ layer.weight
        if i < len(layers) - 1 and activation == "relu":
            x = torch.relu(x)
    expected = x if linear is None else x + codes @ linear.weight
    torch.testing.assert_close(decoder(codes), expected)
    assert decoder(codes).shape == (7, 5)


def test_a_copy_of_a_tied_model_stays_tied():
    encoder = MLP((4,))(5, 2)
    model = AutoencoderModule(scaler(), encoder, TiedDecoder(encoder, None), nn.Identity(), None)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.encoder[0].weight.zero_()
    assert not twin.decoder.layers[-1].weight.any()
    assert model.decoder.layers[-1].weight.any()
