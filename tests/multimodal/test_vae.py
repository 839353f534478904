"""MultimodalVAE: equalities with one view, exact linear models, incomplete samples, errors."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone

from skrep import VAE, Likelihood, MissingViewError, Trainer, Views, Warmup
from skrep.datasets import make_multiview
from skrep.multimodal import JMVAE, MultimodalVAE
from skrep.nn import MLP
from skrep.nn.module import Batch
from skrep.utils.settings import Experts

KINDS = ("product", "mixture", "mixture_of_products")
WIDTHS = (5, 4)
PLACES = (slice(0, 5), slice(5, 9))
# Draws that settle the mean to 0.2 nats. All rows share them, so that more rows do not help, and
# a posterior given one view is narrower than the true one, so that weights have heavy tails.
MANY = 5000


@pytest.fixture(name="X", scope="module")
def two_views(seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((300, 2))
    arrays = [z @ rng.standard_normal((2, w)) + 0.5 * rng.standard_normal((300, w)) for w in WIDTHS]
    return Views((arrays[0] + 3.0, 2.0 * arrays[1]), ("left", "right"))


def make(kind, seed, **parameters):
    settings = {"n_components": 2, "hidden_layer_sizes": (), "max_epochs": 15, "random_state": seed}
    settings |= {"learning_rate": 5e-3, **parameters}
    return JMVAE(**settings) if kind == "jmvae" else MultimodalVAE(experts=kind, **settings)


@pytest.fixture(name="linear", scope="module", params=[*KINDS, "jmvae", "private"])
def linear_model(request, X, seed):
    kind = Experts("mixture_of_products", n_private=1) if request.param == "private" else None
    return make(kind or request.param, seed).fit(X)


def gaussian_of(model):
    """Mean and covariance of all views under a model with linear decoders, in caller's units."""
    module = model.module_
    k, p, n_views = module.n_components, module.n_private, module.n_views
    scales, centres = (
        np.split(t.double().numpy(), [WIDTHS[0]])
        for t in (module.scaler.scale, module.scaler.centre)
    )
    W = np.zeros((sum(WIDTHS), k + n_views * p))
    means, noises = [], []
    for v, decoder in enumerate(module.decoders):
        layer = next(m for m in decoder.modules() if isinstance(m, torch.nn.Linear))
        weight = layer.weight.detach().double().numpy() * scales[v][:, None]
        W[PLACES[v], :k] = weight[:, :k]
        W[PLACES[v], k + v * p : k + (v + 1) * p] = weight[:, k:]
        means.append(centres[v] + scales[v] * layer.bias.detach().double().numpy())
        noise = module.likelihoods[v].log_var.detach().double().exp().item()
        noises.append(noise * scales[v] ** 2)
    return np.concatenate(means), W @ W.T + np.diag(np.concatenate(noises))


def evidence(model, X, place=slice(None)):
    mean, covariance = gaussian_of(model)
    return multivariate_normal(mean[place], covariance[place, place]).logpdf(
        np.asarray(X)[:, place]
    )


def test_evidence_is_bounded_from_both_sides(linear, X):
    X = X[:80]
    exact = evidence(linear, X)
    # Balanced draws leave only products of codes in the error of the bound.
    assert linear.score(X) < exact.mean() + 0.05
    rows = linear.score_samples(X, MANY)
    assert linear.score(X) < rows.mean() + 0.05
    assert rows.mean() == pytest.approx(exact.mean(), abs=0.15)
    assert np.corrcoef(rows, exact)[0, 1] > 0.97


def test_marginals_and_conditionals_are_the_gaussian_ones(linear, X):
    X = X[:80]
    left, right = (evidence(linear, X, place) for place in PLACES)
    joint = evidence(linear, X)
    estimate = linear.score_samples((X["left"], None), MANY)
    assert estimate.mean() == pytest.approx(left.mean(), abs=0.2)
    for given, known in (("left", left), (["right"], right)):
        conditional = linear.score_samples(X, MANY, given=given)
        assert conditional.mean() == pytest.approx((joint - known).mean(), abs=0.3)
        assert np.corrcoef(conditional, joint - known)[0, 1] > 0.95


def test_a_posterior_that_is_too_narrow_does_not_mislead(linear, X, monkeypatch):
    X = X[:80]
    module = type(linear.module_)
    honest = module.posteriors

    def narrow(self, batch):
        q = honest(self, batch)
        return q._replace(log_var=q.log_var - 6.0)

    monkeypatch.setattr(module, "posteriors", narrow)
    estimate = linear.score_samples((X["left"], None), 4 * MANY)
    # Draws from the narrow posterior alone are a nat or more low.
    assert estimate.mean() == pytest.approx(evidence(linear, X, PLACES[0]).mean(), abs=0.3)


@pytest.mark.parametrize("n_draws", [1, 7])
def test_score_samples_does_not_depend_on_neighbours(linear, X, n_draws):
    for given in (None, "right"):
        rows = linear.score_samples(X, n_draws, given=given)
        some = linear.score_samples(X[::-1][:50], n_draws, given=given)
        np.testing.assert_allclose(some, rows[::-1][:50], rtol=1e-4, atol=1e-4)
        one = linear.score_samples(X[7:8], n_draws, given=given)
        np.testing.assert_allclose(one, rows[7:8], rtol=1e-4, atol=1e-4)


def test_score_is_the_mean_of_score_samples(linear, X):
    assert isinstance(linear.score(X), float)
    assert linear.score(X) == pytest.approx(linear.score_samples(X).mean(), rel=1e-6)


def with_holes(X, seed):
    arrays = [np.array(a) for a in X.arrays]
    order = np.random.default_rng(seed).permutation(len(X))
    arrays[0][order[:60]] = np.nan
    arrays[1][order[60:150]] = np.nan
    return Views(tuple(arrays), X.names)


def test_rows_of_incomplete_samples_are_those_of_the_views_present(linear, X, seed):
    holes = with_holes(X, seed)
    codes, density = linear.transform(holes), linear.score_samples(holes, 5)
    for v, name in enumerate(X.names):
        rows = holes.present[:, v] & ~holes.present[:, 1 - v]
        alone = tuple(X[name][rows] if i == v else None for i in range(2))
        np.testing.assert_allclose(codes[rows], linear.transform(alone), rtol=1e-4, atol=1e-5)
        expected = linear.score_samples(alone, 5)
        np.testing.assert_allclose(density[rows], expected, rtol=1e-4, atol=1e-4)
        each = linear.transform_each(X)[v][rows]
        np.testing.assert_allclose(codes[rows], each, rtol=1e-4, atol=1e-5)
    both = holes.present.all(axis=1)
    np.testing.assert_allclose(codes[both], linear.transform(X[both]), rtol=1e-4, atol=1e-5)


def test_a_row_without_the_given_view_is_judged_by_the_others(linear, X, seed):
    holes = with_holes(X, seed)
    found = linear.score_samples(holes, 5, given="left")
    without = ~holes.present[:, 0]
    alone = linear.score_samples(holes, 5)
    np.testing.assert_allclose(found[without], alone[without], rtol=1e-5)
    only = ~holes.present[:, 1]
    np.testing.assert_allclose(found[only], 0.0, atol=1e-4)


def test_imputation_is_the_conditional_expectation(linear, X):
    filled = linear.impute((X["left"], None), return_std=True)
    values, std = filled.values[1], filled.std[1]
    assert filled.values[0] is X["left"] or np.array_equal(filled.values[0], X["left"])
    assert (filled.std[0] == 0).all()
    assert (std > 0).all()
    mean, covariance = gaussian_of(linear)
    first, second = PLACES
    slope = np.linalg.solve(covariance[first, first], covariance[first, second])
    exact = mean[second] + (X["left"] - mean[first]) @ slope
    # The posterior given one view is diagonal and learned: near the exact one, not equal to it.
    spread = np.square(exact - X["right"]).mean()
    assert np.square(values - X["right"]).mean() < 0.9 * X["right"].var()
    assert np.square(values - exact).mean() < 0.2 * spread


def test_draws_leave_present_views_untouched_and_spread_as_impute_says(linear, X, seed):
    holes = with_holes(X, seed)
    drawn = linear.sample_given(holes, 200, random_state=seed)
    assert len(drawn) == 200
    for v, name in enumerate(X.names):
        there = holes.present[:, v]
        np.testing.assert_array_equal(drawn[0][name][there], X[name][there])
    mean, std = linear.impute(holes, return_std=True)
    rows = ~holes.present[:, 1]
    found = np.stack([views["right"][rows] for views in drawn])
    # 360 means of 200 draws: six standard errors, a false alarm in a million seeds. The mean and
    # spread of `impute` are averages over 32 draws themselves, hence the share of the spread.
    error = np.abs(found.mean(axis=0) - mean["right"][rows])
    assert (error < (6 / np.sqrt(200) + 0.2) * std["right"][rows]).all()
    ratio = found.std(axis=0).mean() / std["right"][rows].mean()
    assert ratio == pytest.approx(1.0, abs=0.1)
    again = linear.sample_given(holes, 1, random_state=seed)[0]
    np.testing.assert_array_equal(np.asarray(again), np.asarray(drawn[0]))


def test_sample_has_the_moments_of_the_model(linear, seed):
    n = 4000
    drawn = np.asarray(linear.sample(n, random_state=seed))
    mean, covariance = gaussian_of(linear)
    # Five standard errors each of 9 means and 45 covariances: a false alarm in 30 000 seeds.
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / n)).all()
    variances = np.diag(covariance)
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
    assert (np.abs(np.cov(drawn.T) - covariance) < 5 * error).all()


@pytest.mark.parametrize("kind", ["mixture", "mixture_of_products"])
def test_one_view_is_the_vae(kind, X, seed):
    matrix = np.asarray(X)
    settings = {"hidden_layer_sizes": (8,), "max_epochs": 3}
    ours = make(kind, seed, **settings).fit(matrix)
    other = VAE(2, learning_rate=5e-3, random_state=seed, **settings).fit(matrix)
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(ours.transform(matrix), other.transform(matrix), atol=1e-4)
    np.testing.assert_allclose(ours.posterior(matrix).std, other.posterior(matrix).std, rtol=1e-3)
    for n_draws in (1, 9):
        np.testing.assert_allclose(
            ours.score_samples(matrix, n_draws), other.score_samples(matrix, n_draws), rtol=1e-4
        )
    np.testing.assert_allclose(
        ours.sample(4, random_state=seed), other.sample(4, random_state=seed), rtol=1e-3, atol=1e-3
    )


def test_one_view_of_a_product_is_the_vae_with_the_prior_multiplied_in(X, seed):
    matrix = np.asarray(X)
    ours = make("product", seed, max_epochs=1, learning_rate=1e-9).fit(matrix)
    other = VAE(2, hidden_layer_sizes=(), max_epochs=1, learning_rate=1e-9, random_state=seed)
    # Both start at probabilistic PCA: the expert is its posterior with the prior divided out.
    np.testing.assert_allclose(
        ours.transform(matrix), other.fit(matrix).transform(matrix), atol=1e-4
    )
    assert ours.loss_curve_[0] == pytest.approx(other.loss_curve_[0], rel=1e-4)
    x = ours.module_.scaler.join((torch.as_tensor(matrix, dtype=torch.float32),))
    expert_mean, expert_log_var = ours.module_.encoders[0](x).detach().chunk(2, dim=1)
    precision = 1 + torch.exp(-expert_log_var)
    np.testing.assert_allclose(
        ours.transform(matrix), expert_mean * (precision - 1) / precision, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_incomplete_samples_train(kind, X, seed):
    holes = with_holes(X, seed)
    model = make(kind, seed, hidden_layer_sizes=(8,)).fit(holes)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.score(holes))
    filled = model.impute(holes)
    error = np.square(filled["right"] - X["right"])[~holes.present[:, 1]].mean()
    assert error < 0.9 * X["right"].var()
    np.testing.assert_array_equal(model.fit(holes).transform(X), model.fit(holes).transform(X))


def test_few_complete_samples_start_at_random(X, seed):
    holes = with_holes(X, seed)
    # Two of these samples are complete: too few for a linear start.
    some = holes[np.r_[np.flatnonzero(~holes.present.all(axis=1)), :2]]
    model = make("product", seed, hidden_layer_sizes=(8,)).fit(some)
    assert np.isfinite(model.score(some))


def test_three_views_with_random_subsets(seed):
    views = make_multiview(150, random_state=seed)
    views = Views((*views.arrays, views[0][:, :3]))
    for kind in (Experts("product", n_subsets=2), Experts("mixture_of_products", n_subsets=1)):
        model = make(kind, seed, max_epochs=2).fit(views)
        assert model.transform((views[0], None, views[2])).shape == (150, 2)
    assert len(model.module_.subsets) == 3 + 1 + 1


def mixed_views(seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((200, 2))
    return Views(
        {
            "real": z @ rng.standard_normal((2, 5)) + 10,
            "class": np.eye(3)[(z[:, 0] > 0).astype(int) + (z[:, 1] > 0)],
            "count": rng.poisson(np.exp(z[:, :1] + 1) * np.ones(3)).astype(float),
        }
    )


KIND_OF_VIEW = {"real": "gaussian", "class": "categorical", "count": "poisson"}


@pytest.mark.parametrize("kind", [*KINDS, "jmvae"])
def test_one_likelihood_and_size_per_view(kind, seed):
    views = mixed_views(seed)
    sizes = {"real": (16, 8), "class": (4,), "count": 8}
    by_name = make(kind, seed, likelihood=KIND_OF_VIEW, hidden_layer_sizes=sizes).fit(views)
    by_position = clone(by_name).set_params(
        likelihood=tuple(KIND_OF_VIEW.values()), hidden_layer_sizes=((16, 8), (4,), (8,))
    )
    np.testing.assert_array_equal(by_name.transform(views), by_position.fit(views).transform(views))
    drawn = by_name.sample_given((views["real"], None, None), 1, random_state=seed)[0]
    np.testing.assert_array_equal(drawn["class"].sum(axis=1), 1)
    np.testing.assert_array_equal(drawn["count"], np.rint(drawn["count"]))
    guess = by_name.impute((None, None, views["count"]))
    np.testing.assert_allclose(guess[1].sum(axis=1), 1, rtol=1e-4)
    # Absent rows hold zeros inside, which are no one-hot rows: nobody may look.
    holes = Views((views["real"], None, views["count"]), views.names)
    assert np.isfinite(by_name.score(holes))


def test_factories_per_view(X, seed):
    factories = {"left": MLP((6,)), "right": MLP((3,), "tanh")}
    for kind in ("product", "jmvae"):
        model = make(kind, seed, max_epochs=1, encoder=factories, decoder=MLP((5,))).fit(X)
        encoder = next(
            m for m in model.module_.encoders[1].modules() if isinstance(m, torch.nn.Linear)
        )
        assert encoder.out_features == 3


def test_view_weights(X, seed):
    plain = make("mixture", seed, max_epochs=1, learning_rate=1e-9)
    weighted = clone(plain).set_params(experts__view_weights={"left": 1.0, "right": 3.0})
    balanced = clone(plain).set_params(experts__view_weights="balanced")
    for model in (plain, weighted, balanced):
        model.fit(X)
    assert weighted.module_.view_weights == (1.0, 3.0)
    assert balanced.module_.view_weights == (9 / 10, 9 / 8)
    assert weighted.score(X) == pytest.approx(plain.score(X), abs=1e-3)


def test_searchable_settings(X, seed):
    model = make("mixture", seed).set_params(
        experts__n_private=2, beta__n_epochs=3, likelihood__variance="feature"
    )
    assert model.experts.kind == "mixture"
    assert model.experts.n_private == 2
    assert model.set_params(max_epochs=1).fit(X).module_.n_private == 2
    assert model.module_.n_warmup_epochs == 3


def test_private_codes_hold_what_views_do_not_share(seed):
    rng = np.random.default_rng(seed)
    z, own = rng.standard_normal((400, 1)), rng.standard_normal((400, 2))
    noise = 0.2 * rng.standard_normal((2, 400, 6))
    A, B, P = rng.standard_normal((1, 6)), rng.standard_normal((1, 6)), rng.standard_normal((2, 6))
    X = Views((z @ A + own[:, :1] @ P[:1] + noise[0], z @ B + own[:, 1:] @ P[1:] + noise[1]))
    settings = {"n_components": 1, "max_epochs": 60, "learning_rate": 1e-2}
    private = make(Experts("mixture_of_products", n_private=1), seed, **settings).fit(X)
    none = make(Experts("mixture_of_products"), seed, **settings).fit(X)
    assert private.score(X) > none.score(X) + 1.0
    codes = private.transform(X)[:, 0]
    assert abs(np.corrcoef(codes, z[:, 0])[0, 1]) > 0.9


def views_with_detail_of_their_own(n, seed):
    """Two views of one shared factor and one factor each."""
    rng = np.random.default_rng(seed)
    z, own = rng.standard_normal((n, 1)), rng.standard_normal((n, 2))
    maps = rng.standard_normal((2, 2, 1, 6))
    return tuple(
        z @ maps[v, 0] + own[:, v : v + 1] @ maps[v, 1] + 0.2 * rng.standard_normal((n, 6))
        for v in range(2)
    )


@pytest.mark.parametrize("kind", ["mixture", "mixture_of_products"])
@pytest.mark.parametrize("variance", ["view", "feature"])
def test_variances_of_a_mixture_start_at_its_errors(kind, variance, seed):
    X = views_with_detail_of_their_own(400, seed)
    setting = Likelihood("gaussian", variance=variance)
    start = make(kind, seed, n_components=3, likelihood=setting, max_epochs=1, learning_rate=1e-9)
    module = start.fit(X).module_
    views = tuple(torch.as_tensor(x, dtype=torch.float32) for x in X)
    q = module.posteriors(Batch(views))
    noise = torch.randn(200, 1, *q.mean.shape[1:], generator=torch.Generator().manual_seed(seed))
    codes = (q.mean + torch.exp(0.5 * q.log_var) * noise).flatten(end_dim=1)
    for v, x in enumerate(module.working_views(Batch(views))):
        error = (
            x - module.decoders[v](codes.flatten(end_dim=1)).unflatten(0, codes.shape[:2])
        ).square()
        error = error.mean() if variance == "view" else error.mean(dim=(0, 1))
        found = module.likelihoods[v].log_var.exp()
        # One is of the samples, the other of the linear model: features of little noise differ.
        torch.testing.assert_close(found, error, rtol=0.25, atol=0.06)


@pytest.mark.parametrize("kind", ["mixture", "mixture_of_products"])
def test_what_views_do_not_share_is_in_the_spread_of_imputed_values(kind, seed):
    X = views_with_detail_of_their_own(800, seed)
    train, new = tuple(x[:400] for x in X), tuple(x[400:] for x in X)
    model = make(kind, seed, n_components=3, hidden_layer_sizes=(16,), max_epochs=10).fit(train)
    values, std = model.impute((new[0], None), return_std=True)
    standardised = (new[1] - values[1]) / std[1]
    assert 0.7 < np.sqrt(np.square(standardised).mean()) < 1.6


@pytest.mark.parametrize("kind", [*KINDS, "jmvae"])
def test_held_out_losses_of_a_warm_up_use_the_final_weight(kind, X, seed):
    model = make(kind, seed, beta=Warmup(1.0, n_epochs=3), max_epochs=4)
    with pytest.warns(UserWarning, match="Raise `max_epochs`"):
        history = model.set_params(trainer=Trainer(early_stopping=4)).fit(X).history_
    parts = history["valid_loss"] - history["valid_reconstruction"]
    if kind == "jmvae":
        parts = parts - 0.1 * history["valid_alignment"]
    np.testing.assert_allclose(parts / history["valid_kl"], 1.0, atol=1e-3)


# -- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "jmvae"])
def test_one_view_is_fine(kind, X, seed):
    model = make(kind, seed, max_epochs=1).fit(X["left"])
    assert model.transform(X["left"]).shape == (300, 2)
    with pytest.raises(ValueError, match="`given` must name some, but not all"):
        model.score_samples(X["left"], 5, given="left")
    with pytest.raises(ValueError, match="only be filled in where there are several"):
        model.impute(X["left"])


@pytest.mark.parametrize("kind", ["product", "jmvae"])
def test_a_view_absent_everywhere_is_refused(kind, X, seed):
    with pytest.raises(MissingViewError, match="View 'right' is absent from every sample"):
        make(kind, seed).fit({"left": X["left"], "right": np.full((300, 4), np.nan)})


@pytest.mark.parametrize("kind", ["product", "jmvae"])
def test_likelihoods_that_do_not_fit(kind, X, seed):
    with pytest.raises(ValueError, match=r"`likelihood='bernoulli'` needs values in \[0, 1\], but"):
        make(kind, seed, likelihood={"left": "bernoulli", "right": "gaussian"}).fit(X)
    with pytest.raises(ValueError, match="`likelihood` names"):
        make(kind, seed, likelihood={"left": "gaussian"}).fit(X)
    with pytest.raises(ValueError, match="`likelihood` holds 1 values for 2 view"):
        make(kind, seed, likelihood=("gaussian",)).fit(X)
    views = mixed_views(seed)
    model = make(kind, seed, likelihood=KIND_OF_VIEW, max_epochs=1).fit(views)
    with pytest.raises(ValueError, match="needs one-hot rows"):
        model.score_samples((None, views["class"] * 0.5, None))


@pytest.mark.parametrize("given", ["middle", ["left", "right"], [], ["left", "middle"]])
def test_unknown_given_views(linear, X, given):
    with pytest.raises(ValueError, match=r"`given` must name some, but not all, of the views \["):
        linear.score_samples(X, 5, given=given)


@pytest.mark.parametrize("n_draws", [0, 2.5])
def test_draws_are_counted(linear, X, n_draws):
    with pytest.raises(ValueError, match="`n_importance_samples` must be a positive integer"):
        linear.score_samples(X, n_draws)


@pytest.mark.parametrize("kind", ["product", "jmvae"])
def test_factories_are_checked(kind, X, seed):
    with pytest.raises(TypeError, match="`decoder` must be a factory"):
        make(kind, seed, decoder={"left": None, "right": torch.nn.Linear(2, 4)}).fit(X)
    with pytest.raises(ValueError, match="`hidden_layer_sizes` names"):
        make(kind, seed, hidden_layer_sizes={"left": (3,)}).fit(X)


def test_settings_are_checked(X, seed):
    with pytest.raises(ValueError, match="'n_private' parameter of Experts"):
        make(Experts("product", n_private=-1), seed).fit(X)
    with pytest.raises(ValueError, match="'experts' parameter of MultimodalVAE"):
        make("sum", seed).fit(X)
    with pytest.raises(ValueError, match="`view_weights` names"):
        make(Experts("product", view_weights={"left": 1.0}), seed).fit(X)
    with pytest.raises(ValueError, match="'alignment_weight' parameter of JMVAE"):
        make("jmvae", seed, alignment_weight=-1.0).fit(X)
    with pytest.raises(ValueError, match="'value' parameter of Warmup"):
        make("product", seed, beta=Warmup(-1.0)).fit(X)


def test_likelihood_objects(X, seed):
    setting = Likelihood("gaussian", variance="feature", scaling="feature")
    model = make("product", seed, likelihood=(setting, "gaussian"), max_epochs=1).fit(X)
    assert model.module_.likelihoods[0].log_var.shape == (5,)
