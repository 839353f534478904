"""The modules of MultimodalVAE and JMVAE against torch's distributions."""

import math

import pytest
import torch
from torch.distributions import Bernoulli as Coin
from torch.distributions import Categorical as Die
from torch.distributions import Normal, kl_divergence
from torch.distributions import Poisson as Counts

from skrep.nn import MLP
from skrep.nn.jmvae import JMVAEModule
from skrep.nn.likelihoods import Bernoulli, Categorical, Gaussian, Poisson
from skrep.nn.module import Batch
from skrep.nn.multimodal_vae import MultimodalVAEModule
from skrep.nn.scaling import ViewScaler

KINDS = ("product", "mixture", "mixture_of_products")
K = 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def scaler():
    return ViewScaler(
        [torch.full((3,), 2.0), torch.zeros(2)], [torch.full((3,), 4.0), torch.ones(2)]
    )


def module(experts="product", *, n_private=0, prior=None, beta=1.0, weights=(1.0, 1.0), **settings):
    return MultimodalVAEModule(
        scaler(),
        [MLP((4,))(3, 2 * (K + n_private)), MLP((4,))(2, 2 * (K + n_private))],
        [MLP((4,))(K + n_private, 3), MLP((4,))(K + n_private, 2)],
        [Gaussian(3, 0.5), Bernoulli(2)],
        experts=experts,
        prior=experts == "product" if prior is None else prior,
        n_subsets=None,
        view_weights=weights,
        n_components=K,
        n_private=n_private,
        beta=beta,
        **settings,
    )


def joint_module(alignment_weight=0.5, beta=1.0):
    return JMVAEModule(
        scaler(),
        MLP((4,))(5, 2 * K),
        [MLP((4,))(3, 2 * K), MLP((4,))(2, 2 * K)],
        [MLP((4,))(K, 3), MLP((4,))(K, 2)],
        [Gaussian(3, 0.5), Bernoulli(2)],
        alignment_weight=alignment_weight,
        n_components=K,
        beta=beta,
    )


def batch(rows=6, present=None):
    views = (draws(rows, 3), (draws(rows, 2, seed=1) > 0).float())
    return Batch(views, None if present is None else torch.tensor(present, dtype=torch.bool))


PRESENT = [[1, 1], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0]]


def view_log_probs(model, codes, x=None):
    """log p(x_v | z) of both views in the caller's units, from torch's distributions."""
    x = batch().views if x is None else x
    real, odds = (decoder(codes) for decoder in model.decoders)
    normal = Normal(2 + 4 * real, 4 * math.sqrt(0.5))
    return normal.log_prob(x[0]).sum(dim=-1), Coin(logits=odds).log_prob(x[1]).sum(dim=-1)


def experts_of(model):
    """Each view's own normal, from its encoder alone."""
    x = batch().views
    outs = [model.encoders[0]((x[0] - 2) / 4), model.encoders[1](x[1])]
    return [Normal(out[:, :K], torch.exp(0.5 * out[:, K : 2 * K])) for out in outs]


def product(normals):
    precision = sum(n.variance.reciprocal() for n in normals)
    mean = sum(n.mean / n.variance for n in normals) / precision
    return Normal(mean, precision.rsqrt())


def posteriors_of(model, kind):
    """The normals that are trained, in the order of the module, and the views they explain."""
    own, prior = experts_of(model), Normal(torch.zeros(6, K), torch.ones(6, K))
    both = (True, True)
    if kind == "mixture":
        return own, [both, both]
    if kind == "mixture_of_products":
        return [*own, product(own)], [both] * 3
    singles = [product([n, prior]) for n in own]
    return [*singles, product([*own, prior])], [(True, False), (False, True), both]


@pytest.mark.parametrize("kind", KINDS)
def test_training_loss_is_the_mean_of_the_bounds(kind):
    model = module(kind, beta=3.0, weights=(1.0, 5.0))
    normals, explained = posteriors_of(model, kind)
    noise = torch.empty(len(normals), 6, K).normal_(generator=generator(3))
    prior = Normal(0.0, 1.0)
    reconstruction, kl = 0.0, 0.0
    for q, targets, e in zip(normals, explained, noise, strict=True):
        first, second = view_log_probs(model, q.mean + q.stddev * e)
        reconstruction -= (targets[0] * first + targets[1] * 5.0 * second).mean() / len(normals)
        kl += kl_divergence(q, prior).sum(dim=-1).mean() / len(normals)
    terms = model.training_loss(batch(), generator(3))
    torch.testing.assert_close(terms.terms["reconstruction"], reconstruction)
    torch.testing.assert_close(terms.terms["kl"], kl)
    torch.testing.assert_close(terms.total, reconstruction + 3.0 * kl)


@pytest.mark.parametrize("n_private", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_absent_views_are_not_looked_at(kind, n_private):
    model = module(kind, n_private=n_private)
    one, other = batch(present=PRESENT), batch(present=PRESENT)
    for v, view in enumerate(other.views):
        view[~other.present[:, v]] = 1.0 - view[~other.present[:, v]]
    losses = [model.training_loss(b, generator(3)).total for b in (one, other)]
    torch.testing.assert_close(*losses)
    noise = draws(4, 1, model.n_noise)
    for method in (model.elbo, model.importance_bound):
        torch.testing.assert_close(method(one, noise), method(other, noise))
    losses[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("model", [module(k) for k in KINDS] + [joint_module()], ids=lambda m: "")
def test_posterior_of_a_row_without_a_view_is_that_of_the_rest(model):
    mean, log_var = model.posterior(batch(present=PRESENT))
    own = experts_of(model)
    if getattr(model, "experts", "") == "product":
        own = [product([n, Normal(0.0, 1.0)]) for n in own]
    for row, (first, second) in enumerate(PRESENT):
        if first != second:
            q = own[int(second)]
            torch.testing.assert_close(mean[row], q.mean[row])
            torch.testing.assert_close(log_var[row], q.variance.log()[row], rtol=1e-4, atol=1e-5)
    whole = model.posterior(batch())
    for row in (0, 3):
        torch.testing.assert_close(mean[row], whole[0][row])


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_from_their_definitions(kind):
    model = module(kind)
    normals, _ = posteriors_of(model, kind)
    normals = normals[-1:] if kind == "product" else normals
    noise, prior = draws(7, 1, K), Normal(0.0, 1.0)
    bounds, weights = [], []
    for q in normals:
        codes = q.mean + q.stddev * noise
        log_prob = sum(view_log_probs(model, codes))
        bounds.append(log_prob.mean(dim=0) - kl_divergence(q, prior).sum(dim=-1))
    torch.testing.assert_close(
        model.elbo(batch(), noise), torch.stack(bounds).mean(dim=0), rtol=1e-4, atol=1e-4
    )
    # The prior is one more part of what the importance-weighted estimate draws from.
    proposal = [*normals, Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))]
    for q in proposal:
        codes = q.mean + q.stddev * noise
        log_prob = sum(view_log_probs(model, codes))
        density = torch.stack([n.log_prob(codes).sum(dim=-1).exp() for n in proposal]).mean(dim=0)
        weights.append(log_prob + prior.log_prob(codes).sum(dim=-1) - density.log())
    exact = torch.stack(weights).flatten(end_dim=1).logsumexp(dim=0) - math.log(7 * len(proposal))
    torch.testing.assert_close(model.importance_bound(batch(), noise), exact, rtol=1e-4, atol=1e-4)


def test_the_warm_up_holds_in_training_only():
    model = module("mixture", beta=2.0, n_warmup_epochs=4)
    for epoch, weight in ((0, 0.0), (1, 0.5), (4, 2.0), (9, 2.0)):
        model.set_epoch(epoch)
        assert model.kl_weight == weight
    model.set_epoch(1)
    assert model.eval().kl_weight == 2.0


def test_random_subsets_are_neither_single_nor_whole():
    views = 4
    model = MultimodalVAEModule(
        ViewScaler([torch.zeros(1)] * views, [torch.ones(1)] * views),
        [MLP(())(1, 2) for _ in range(views)],
        [MLP(())(1, 1) for _ in range(views)],
        [Gaussian(1) for _ in range(views)],
        experts="product",
        prior=True,
        n_subsets=50,
        view_weights=[1.0] * views,
        n_components=1,
    )
    subsets = model._trained_subsets(generator())
    assert subsets.shape == (5 + 50, views)
    sizes = subsets.sum(dim=1)
    assert sizes[:5].tolist() == [1, 1, 1, 1, 4]
    assert set(sizes[5:].tolist()) == {2, 3}
    rows = Batch(tuple(draws(3, 1, seed=i) for i in range(views)))
    assert torch.isfinite(model.training_loss(rows, generator()).total)


@pytest.mark.parametrize("present", [None, PRESENT])
def test_jmvae_loss_from_its_definition(present):
    model = joint_module(alignment_weight=0.5, beta=2.0)
    x = batch().views
    out = model.joint_encoder(torch.cat([(x[0] - 2) / 4, x[1]], dim=1))
    own, prior = experts_of(model), Normal(0.0, 1.0)
    joint = Normal(out[:, :K], torch.exp(0.5 * out[:, K:]))
    there = torch.ones(6, 2) if present is None else torch.tensor(present).float()
    noise = torch.empty(6, K).normal_(generator=generator(3))
    complete = there.all(dim=1)
    if present is not None:
        # The joint encoder sees the centre where a view is absent, but is not asked there.
        means = [torch.where(complete, joint.mean[:, j], 0.0) for j in range(K)]
        for j in range(K):
            for v in range(2):
                alone = (there[:, v] == 1) & ~complete
                means[j] = torch.where(alone, own[v].mean[:, j], means[j])
        mean = torch.stack(means, dim=1)
        std = torch.where(complete[:, None], joint.stddev, own[0].stddev)
        second = (there[:, 1] == 1) & ~complete
        std = torch.where(second[:, None], own[1].stddev, std)
        q = Normal(mean, std)
    else:
        q = joint
    first, second = view_log_probs(model, q.mean + q.stddev * noise)
    reconstruction = -(there[:, 0] * first + there[:, 1] * second).mean()
    kl = kl_divergence(q, prior).sum(dim=-1).mean()
    apart = sum(kl_divergence(joint, n).sum(dim=-1) for n in own)
    alignment = (apart * complete).mean()
    terms = model.training_loss(batch(present=present), generator(3))
    torch.testing.assert_close(terms.terms["reconstruction"], reconstruction)
    torch.testing.assert_close(terms.terms["kl"], kl)
    torch.testing.assert_close(terms.terms["alignment"], alignment)
    torch.testing.assert_close(terms.total, reconstruction + 2.0 * kl + 0.5 * alignment)


def test_expected_views_of_a_linear_decoder():
    model = module("product")
    model.decoders[0] = torch.nn.Linear(K, 3)
    W, b = model.decoders[0].weight, model.decoders[0].bias
    half = torch.tensor([[1.0, 1.0], [1.0, -1.0]])[:, None]
    noise = torch.cat([half, -half])  # means 0, variances 1, uncorrelated
    mean, _, std, _ = model.expected(batch(present=[[0, 1]] * 6), noise)
    q_mean, q_log_var = model.posterior(batch(present=[[0, 1]] * 6))
    torch.testing.assert_close(mean, 2 + 4 * (q_mean @ W.T + b))
    variance = 16 * (q_log_var.exp() @ W.square().T + 0.5)
    torch.testing.assert_close(std.square(), variance, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_with_private_codes(kind):
    model = module(kind, n_private=3)
    noise = draws(64, 1, model.n_noise)
    assert model.n_noise == K + 2 * 3
    assert (model.importance_bound(batch(), noise) > model.elbo(batch(), noise)).all()
    mean, log_var = model.posterior(batch())
    assert mean.shape == log_var.shape == (6, K)
    assert [v.shape[1] for v in model.decode(mean)] == [3, 2]
    assert [v.shape for v in model.sample(9, generator())] == [(9, 3), (9, 2)]
    drawn = model.sample_given(batch(present=PRESENT), generator())
    assert set(drawn[1].unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("kind", ["mixture", "mixture_of_products"])
def test_draws_of_a_mixture_come_from_its_parts(kind):
    model = module(kind)
    n = 4000
    rows = Batch(tuple(view[:1].expand(n, -1) for view in batch().views))
    q = model.posteriors(rows)
    part = model._drawn_parts(q, generator()).ravel()
    counts = torch.bincount(part, minlength=len(q.mean)) / n
    share = 1 / len(q.mean)
    # Five standard errors: a false alarm in 6e-7 of the seeds.
    assert (counts - share).abs().max() < 5 * math.sqrt(share * (1 - share) / n)


def test_spread_is_the_variance_of_each_likelihood():
    out = draws(4, 3)
    die = Die(logits=out)
    expected = {
        Gaussian(3, 0.7): torch.full((4, 3), 0.7),
        Bernoulli(3): Coin(logits=out).variance,
        Categorical(3): die.probs * (1 - die.probs),
        Poisson(3): Counts(out.exp()).variance,
    }
    for likelihood, variance in expected.items():
        torch.testing.assert_close(likelihood.spread(out), variance)
