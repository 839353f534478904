import math

import pytest
import torch
from torch import distributions, nn

from skrep.nn import MLP
from skrep.nn.likelihoods import Bernoulli, Gaussian, Poisson
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler
from skrep.nn.vae import LogCounts, VAEModule


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def module(*, beta=1.0, n_warmup_epochs=0, n_importance_samples=1, encoder=None, decoder=None):
    scaler = ViewScaler(
        [torch.full((3,), 2.0), torch.zeros(2)], [torch.full((3,), 4.0), torch.ones(2)]
    )
    return VAEModule(
        scaler,
        encoder or MLP((4,))(5, 4),
        decoder or MLP((4,))(2, 5),
        [Gaussian(3, 0.5), Bernoulli(2)],
        n_components=2,
        beta=beta,
        n_warmup_epochs=n_warmup_epochs,
        n_importance_samples=n_importance_samples,
    )


def batch(rows=6):
    return Batch((draws(rows, 3), (draws(rows, 2, seed=1) > 0).float()))


def expected_log_likelihood(model, codes):
    """log p(x | z) in the caller's units, from torch's distributions."""
    x, binary = batch().views
    out = model.decoder(codes)
    # In units of x: mean 2 + 4 m, standard deviation 4 sqrt(0.5).
    normal = distributions.Normal(2 + 4 * out[..., :3], 4 * math.sqrt(0.5))
    coin = distributions.Bernoulli(logits=out[..., 3:])
    return normal.log_prob(x).sum(dim=-1) + coin.log_prob(binary).sum(dim=-1)


def test_log_likelihood_is_in_the_callers_units():
    model = module()
    for codes in (draws(6, 2), draws(3, 6, 2)):
        torch.testing.assert_close(
            model.log_likelihood(batch(), codes), expected_log_likelihood(model, codes)
        )


def test_log_weights_and_elbo_from_their_definitions():
    model = module()
    mean, log_var = model.posterior(batch())
    noise = draws(7, 1, 2)
    std = torch.exp(0.5 * log_var)
    codes = mean + std * noise
    q = distributions.Normal(mean, std)
    p = distributions.Normal(0.0, 1.0)
    likelihood = expected_log_likelihood(model, codes)
    weights = likelihood + p.log_prob(codes).sum(dim=-1) - q.log_prob(codes).sum(dim=-1)
    torch.testing.assert_close(model.log_weights(batch(), noise), weights, rtol=1e-4, atol=1e-4)
    kl = distributions.kl_divergence(q, distributions.Normal(torch.zeros(6, 2), 1.0)).sum(dim=-1)
    torch.testing.assert_close(
        model.elbo(batch(), noise), likelihood.mean(dim=0) - kl, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_training_loss(beta):
    model = module(beta=beta)
    terms = model.training_loss(batch(), generator(3))
    noise = torch.empty(6, 2).normal_(generator=generator(3))
    mean, log_var = model.posterior(batch())
    codes = mean + torch.exp(0.5 * log_var) * noise
    torch.testing.assert_close(
        terms.terms["reconstruction"], -expected_log_likelihood(model, codes).mean()
    )
    torch.testing.assert_close(
        terms.total, terms.terms["reconstruction"] + beta * terms.terms["kl"]
    )


def test_importance_weighted_loss():
    model = module(n_importance_samples=5)
    loss = model.training_loss(batch(), generator(3)).total
    noise = torch.empty(5, 6, 2).normal_(generator=generator(3))
    weights = model.log_weights(batch(), noise)
    torch.testing.assert_close(loss, -(torch.logsumexp(weights, 0) - math.log(5)).mean())


def test_the_warm_up_holds_in_training_only():
    model = module(beta=2.0, n_warmup_epochs=4)
    for epoch, weight in ((0, 0.0), (1, 0.5), (3, 1.5), (4, 2.0), (9, 2.0)):
        model.set_epoch(epoch)
        assert model.current_beta == weight
    model.set_epoch(1)
    for training, weight in ((True, 0.5), (False, 2.0)):
        model.train(training)
        terms = model.training_loss(batch(), generator())
        torch.testing.assert_close(
            terms.total, terms.terms["reconstruction"] + weight * terms.terms["kl"]
        )


def test_a_decoder_sees_rows_only():
    seen = []

    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 5)

        def forward(self, z):
            seen.append(tuple(z.shape))
            return self.inner(z)

    model = module(decoder=Recorder())
    assert model.log_weights(batch(), draws(7, 1, 2)).shape == (7, 6)
    assert seen == [(42, 2)]


def test_sample_has_the_shapes_and_ranges_of_the_views():
    real, binary = module().sample(9, generator())
    assert real.shape == (9, 3)
    assert set(binary.unique().tolist()) <= {0.0, 1.0}


def test_counts_reach_the_encoder_as_centred_logarithms():
    means = torch.tensor([7.0, 99.0, -3.0])
    module = LogCounts(means, torch.tensor([True, True, False]))
    x = torch.tensor([[7.0, 99.0, -5.0], [0.0, 0.0, 2.0]])
    out = module(x)
    torch.testing.assert_close(out[0], torch.tensor([0.0, 0.0, -5.0]))
    torch.testing.assert_close(out[1], torch.tensor([-math.log(8), -math.log(100), 2.0]))


def test_counts_are_judged_as_counts():
    scaler = ViewScaler([torch.zeros(2)], [torch.ones(2)])
    model = VAEModule(
        scaler,
        nn.Sequential(LogCounts(torch.ones(2), torch.tensor([True, True])), nn.Linear(2, 2)),
        nn.Linear(1, 2),
        [Poisson(2)],
        n_components=1,
        beta=1.0,
        n_warmup_epochs=0,
        n_importance_samples=1,
    )
    x = torch.tensor([[3.0, 0.0]])
    codes = torch.zeros(1, 1)
    expected = distributions.Poisson(torch.exp(model.decoder(codes))).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(model.log_likelihood(Batch((x,)), codes), expected)
