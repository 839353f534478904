"""DCCA and DCCAE: linear networks against CCA, planted structure, absent views, refusals."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from skrep import Trainer, Views
from skrep.cross_decomposition import CCA, DCCA, DCCAE
from skrep.datasets import load_mfeat, make_multiview
from skrep.nn import MLP

TINY = {"max_epochs": 3, "hidden_layer_sizes": (8,), "random_state": 0}


def circles(seed, n=600):
    """Return views that share an angle's parity of turns and nothing linear."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, size=(n, 1))
    a = np.hstack([t, rng.normal(size=(n, 2))])
    b = np.hstack([t**2, rng.normal(size=(n, 2))])
    return Views((a + 0.05 * rng.normal(size=a.shape), b + 0.05 * rng.normal(size=b.shape)))


# -- against linear CCA -------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(10, 14), (8, 9, 10)])
@pytest.mark.parametrize("encoder", [None, MLP(())], ids=["from CCA", "from random weights"])
def test_linear_networks_reach_cca(widths, encoder, seed):
    X = make_multiview(300, widths, noise=1.0, random_state=seed)
    exact = CCA(3).fit(X)
    model = DCCA(
        3,
        hidden_layer_sizes=(),
        encoder=encoder,
        regularization=1e-7,
        learning_rate=1e-3 if encoder is None else 0.02,
        max_epochs=10 if encoder is None else 400,
        trainer=None if encoder is None else Trainer(schedule="cosine"),
        random_state=seed,
    ).fit(X)
    np.testing.assert_allclose(model.correlations_, exact.correlations_, atol=1e-3)
    assert model.score(X) == pytest.approx(exact.score(X), abs=3e-3)
    if len(widths) == 2:  # of more views the loss is the generalised problem's
        assert -model.loss_curve_[-1] == pytest.approx(exact.correlations_.sum(), abs=3e-3)


def test_linear_eckart_young_reaches_cca_in_small_batches(seed):
    X = make_multiview(400, (10, 14), noise=1.0, random_state=seed)
    exact = CCA(3).fit(X)
    model = DCCA(
        3,
        objective="eckart_young",
        encoder=MLP(()),
        regularization=1e-7,
        batch_size=20,
        learning_rate=0.01,
        max_epochs=60,
        trainer=Trainer(schedule="cosine"),
        random_state=seed,
    ).fit(X)
    # Noise of the steps is left.
    np.testing.assert_allclose(model.correlations_, exact.correlations_, atol=0.04)


def test_training_starts_at_cca(seed):
    X = make_multiview(300, random_state=seed)
    exact = CCA(3, regularization=0.01).fit(X)
    model = DCCA(3, max_epochs=1, learning_rate=1e-9, random_state=seed).fit(X)
    np.testing.assert_allclose(model.correlations_, exact.correlations_, atol=1e-3)


def test_defaults_are_above_cca_on_held_out_samples(seed):
    X = load_mfeat().data[["fou", "zer"]]
    rows = np.random.default_rng(seed).permutation(len(X))
    train, test = X[rows[:1000]], X[rows[1000:]]
    deep = DCCA(5, random_state=seed).fit(train).score(test)
    linear = max(CCA(5, regularization=r).fit(train).score(test) for r in (0.0, 0.01, 0.1))
    assert deep > linear + 0.1


def test_finds_what_no_line_can(seed):
    X, test = circles(seed), circles(seed + 1000)
    assert CCA(1).fit(X).score(test) < 0.3
    for model in (
        DCCA(1, learning_rate=0.01, random_state=seed),
        DCCAE(1, learning_rate=0.01, random_state=seed),
        DCCA(1, learning_rate=0.01, objective="squared_correlation", random_state=seed),
        DCCA(1, learning_rate=0.01, objective="eckart_young", random_state=seed),
    ):
        assert model.fit(X).score(test) > 0.85


# -- codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [DCCA(3, **TINY), DCCAE(3, **TINY)], ids=["DCCA", "DCCAE"])
def test_codes_are_canonical_variates(model, seed):
    X = make_multiview(200, random_state=seed)
    codes = model.fit(X).transform(X)
    assert isinstance(codes, Views)
    assert codes.names == X.names
    assert codes.widths == (3, 3)
    for code in codes:
        np.testing.assert_allclose(code.mean(axis=0), 0.0, atol=1e-4)
        np.testing.assert_allclose(np.diag(np.cov(code.T)), 1.0, atol=1e-3)
    across = np.corrcoef(np.asarray(codes).T)[:3, 3:]
    np.testing.assert_allclose(np.diag(across), model.correlations_, atol=1e-3)
    assert (np.diff(model.correlations_) <= 1e-6).all()
    assert model.score(X) == pytest.approx(model.correlations_.sum(), abs=1e-3)


def test_codes_can_be_weighted_by_their_correlations(seed):
    X = make_multiview(200, noise=1.0, random_state=seed)
    plain = DCCA(3, **TINY).fit(X)
    weighted = DCCA(3, weight_by_correlation=True, **TINY).fit(X)
    for a, b in zip(plain.transform(X), weighted.transform(X), strict=True):
        np.testing.assert_allclose(a * plain.correlations_, b, rtol=1e-4, atol=1e-5)
    assert weighted.score(X) == pytest.approx(plain.score(X), abs=1e-5)
    a, b = plain.reconstruct(X)[0], weighted.reconstruct(X)[0]
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_trailing_batch_joins_the_one_before():
    X = make_multiview(230, random_state=0)
    model = DCCA(3, batch_size=100, **TINY).fit(X)
    assert model.module_.min_batch_size == 50
    assert DCCA(3, batch_size=10, **TINY).fit(X).module_.min_batch_size == 8
    small = DCCA(3, batch_size=10, objective="eckart_young", **TINY).fit(X)
    assert small.module_.min_batch_size == 4


# -- absent views and reconstruction ------------------------------------------------------------


@pytest.mark.parametrize("make", [DCCA, DCCAE])
@pytest.mark.parametrize("widths", [(12, 15), (9, 10, 11)])
def test_impute_predicts_an_absent_view_and_its_spread(make, widths, seed):
    X = make_multiview(1600, widths, noise=1.0, n_private=0, random_state=seed)
    train, test = X[:800], X[800:]
    model = make(3, random_state=seed, max_epochs=30, hidden_layer_sizes=(32,)).fit(train)
    holes = Views((test[0], None, *test.arrays[2:]))
    values, std = model.impute(holes, return_std=True)
    np.testing.assert_array_equal(values[0], test[0])
    error = np.square(values[1] - test[1]).mean(axis=0)
    assert error.mean() < 0.8 * test[1].var(axis=0).mean()
    assert (std[0] == 0).all()
    np.testing.assert_allclose(np.square(std[1]).mean(), error.mean(), rtol=0.2)


def test_absent_views_have_no_code_and_are_left_out_of_the_mean(seed):
    X = make_multiview(150, random_state=seed)
    model = DCCA(3, **TINY).fit(X)
    holes = X[1].copy()
    holes[:40] = np.nan
    codes = model.transform(Views((X[0], holes)))
    assert np.isnan(codes[1][:40]).all()
    assert not np.isnan(codes[1][40:]).any()
    np.testing.assert_array_equal(codes[0], model.transform(X)[0])
    back = model.inverse_transform(codes)
    assert np.isfinite(np.asarray(back)).all()
    np.testing.assert_allclose(back[0][40:], model.reconstruct(X)[0][40:], rtol=1e-4, atol=1e-4)
    assert np.isfinite(model.score(Views((X[0], holes))))


def test_reconstruction_weight_keeps_more_of_the_view(seed):
    X = make_multiview(400, noise=0.5, n_private=4, random_state=seed)
    errors = []
    for weight in (0.0, 0.1, 10.0):
        model = DCCAE(4, reconstruction_weight=weight, learning_rate=5e-3, random_state=seed).fit(X)
        errors.append(model.history_["reconstruction"].iloc[-1])
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5
    assert {"correlation", "reconstruction"} < set(model.history_.columns)


# -- networks and training ----------------------------------------------------------------------


class Masked(nn.Module):
    """Zero a tenth of the inputs in training."""

    def forward(self, x):
        return x * (torch.rand_like(x) >= 0.1) if self.training else x


def wide_network(n_in, n_out):
    return nn.Sequential(
        Masked(),
        nn.Linear(n_in, 16, bias=False),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(16, n_out),
        nn.BatchNorm1d(n_out, affine=False),
    )


def decay_of_matrices(parameters, lr):
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 2e-4},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


@pytest.mark.parametrize("make", [DCCA, partial(DCCAE, decoder=MLP((16,)))], ids=["DCCA", "DCCAE"])
def test_networks_optimisers_and_schedules_of_ones_own(make, seed):
    X = make_multiview(300, random_state=seed)
    model = make(
        3,
        encoder={"view0": wide_network, "view1": None},
        batch_size=100,
        learning_rate=0.01,
        max_epochs=10,
        trainer=Trainer(optimizer=decay_of_matrices, schedule="one_cycle"),
        random_state=seed,
    ).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    np.testing.assert_array_equal(model.transform(X)[0], model.transform(X)[0])
    assert model.score(X) > 2


@pytest.mark.parametrize("objective", ["correlation", "eckart_young"])
def test_precisions(objective, seed):
    X = make_multiview(200, random_state=seed)
    found = {}
    for precision in ("float32", "float64", "bfloat16"):
        model = DCCA(2, objective=objective, trainer=Trainer(precision=precision), **TINY).fit(X)
        found[precision] = model.loss_curve_[-1]
        expected = np.float64 if precision == "float64" else np.float32
        assert model.transform(X)[0].dtype == expected
    assert found["float64"] == pytest.approx(found["float32"], rel=1e-3)
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.05)


def test_partial_fit_goes_on_and_small_parts_leave_the_final_cca(seed):
    X = make_multiview(200, random_state=seed)
    model = DCCA(2, objective="eckart_young", batch_size=20, hidden_layer_sizes=(8,))
    model.set_params(random_state=seed).partial_fit(X).partial_fit(X)
    assert model.n_iter_ == 2
    before, weights = model.correlations_, model.module_.maps[0].weight.clone()
    model.partial_fit(X[:5])
    assert model.correlations_ is before
    assert torch.equal(model.module_.maps[0].weight, weights)
    with pytest.raises(ValueError, match="needs at least 4 samples"):
        model.partial_fit(X[:3])
    with pytest.raises(ValueError, match="needs at least 6 samples"):
        model.set_params(objective="correlation").partial_fit(X[:5])


def test_a_failed_part_leaves_the_model(seed):
    X = make_multiview(100, random_state=seed)
    model = DCCA(2, hidden_layer_sizes=(8,), batch_size=50, random_state=seed).partial_fit(X)
    before = np.asarray(model.transform(X))
    with pytest.raises(ValueError, match=r"the same for all samples.* in which that view varies"):
        model.partial_fit((X[0], np.ones_like(X[1])))
    np.testing.assert_array_equal(np.asarray(model.transform(X)), before)
    assert model.n_iter_ == len(model.history_) == 1


# -- refusals -----------------------------------------------------------------------------------


def test_small_batches_are_refused_with_what_would_do(seed):
    X = make_multiview(200, random_state=seed)
    words = r"`batch_size=16` is too small for `n_components=10` of 2 views.* at least 22 rows"
    with pytest.raises(ValueError, match=words):
        DCCA(10, batch_size=16).fit(X)
    with pytest.raises(ValueError, match=r"objective='eckart_young'"):
        DCCAE(10, batch_size=16).fit(X)
    DCCA(10, batch_size=22, max_epochs=1).fit(X)
    DCCA(10, batch_size=16, objective="eckart_young", max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="at least 4 rows"):
        DCCA(10, batch_size=3, objective="eckart_young").fit(X)


def test_few_samples_are_refused_with_what_would_do(seed):
    X = make_multiview(20, random_state=seed)
    with pytest.raises(ValueError, match=r"`n_components=10` needs at least 22 samples.* Got 20"):
        DCCA(10).fit(X)
    DCCA(9, max_epochs=1).fit(X)


@pytest.mark.parametrize("make", [DCCA, DCCAE])
def test_codes_wider_than_the_layers_are_refused(make, seed):
    X = make_multiview(100, (6, 9), random_state=seed)
    with pytest.raises(ValueError, match=r"`n_components=5` exceeds 4, the narrowest of `hidden"):
        make(5, hidden_layer_sizes=(64, 4)).fit(X)
    with pytest.raises(ValueError, match=r"`n_components=7` exceeds 6, .* of view 'view0'"):
        make(7, hidden_layer_sizes=()).fit(X)


@pytest.mark.parametrize("make", [DCCA, DCCAE])
def test_views_in_which_there_is_nothing_to_relate_are_refused(make, seed):
    X = make_multiview(100, (6, 9), random_state=seed)
    with pytest.raises(ValueError, match="'view0' and 'view1' are the same"):
        make().fit((X[0], X[0].copy()))
    with pytest.raises(ValueError, match="View 'view1' is constant"):
        make().fit((X[0], np.full((100, 3), 4.0)))
    with pytest.raises(ValueError, match=r"View 'view1' holds values near or above 1e\+37"):
        make().fit((X[0], X[1] * 1e160))
    with pytest.raises(ValueError, match=r"needs at least 2\. Got 1.*SplitViews"):
        make().fit(X[0])


def dead_network(n_in, n_out):
    network = nn.Sequential(nn.Linear(n_in, 4), nn.ReLU(), nn.Linear(4, n_out))
    nn.init.constant_(network[0].bias, -1e6)
    return network


def test_networks_that_return_a_constant_are_named(seed):
    X = make_multiview(100, random_state=seed)
    with pytest.raises(ValueError, match="network of view 'view1' returns is the same for all"):
        DCCA(encoder=(MLP((4,)), dead_network), max_epochs=2).fit(X)


@pytest.mark.parametrize("value", [-0.1, {"view0": 0.1, "view1": -1.0}, (0.1, np.nan), (0.1, "a")])
def test_regularization_is_a_number_per_view(value, seed):
    X = make_multiview(100, random_state=seed)
    with pytest.raises(ValueError, match=r"regularization"):
        DCCA(regularization=value).fit(X)


def test_settings_per_view_need_every_view(seed):
    X = make_multiview(100, random_state=seed)
    with pytest.raises(ValueError, match=r"`regularization` holds 3 values for 2 view"):
        DCCA(regularization=(0.1, 0.1, 0.1)).fit(X)
    with pytest.raises(ValueError, match=r"`encoder` names \['left'\]"):
        DCCA(encoder={"left": MLP()}).fit(X)
    with pytest.raises(ValueError, match=r"`scaling` must be 'view', 'feature' or None"):
        DCCA(scaling=("view", "column")).fit(X)


def test_modules_in_place_of_factories_are_refused(seed):
    X = make_multiview(100, random_state=seed)
    with pytest.raises(TypeError, match=r"`encoder` must be a factory"):
        DCCA(encoder=(nn.Linear(20, 2), None)).fit(X)
    with pytest.raises(TypeError, match=r"`decoder` must be a factory"):
        DCCAE(decoder=nn.Linear(2, 20)).fit(X)
