"""RBM-CCA: machines per view, then CCA of their hidden units."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from skrep import RBM, Gradient, Trainer, Views
from skrep.cross_decomposition import CCA, RBMCCA
from skrep.datasets import load_mfeat, make_multiview
from skrep.nn.module import Batch

TINY = {"n_hidden": 8, "max_epochs": 2, "batch_size": 20, "random_state": 0}


def real(seed, n=200):
    return make_multiview(n, random_state=seed)


def binary(seed, n=200):
    return Views(tuple((x > 0).astype(np.float32) for x in real(seed, n).arrays))


def test_codes_are_the_cca_of_hidden_units(seed):
    X = binary(seed)
    model = RBMCCA(3, regularization=0.01, **TINY).fit(X)
    hidden = [
        1.0 / (1.0 + np.exp(-(x @ r.weight.numpy().T + r.hidden_bias.numpy())))
        for x, r in zip(X.arrays, model.module_.requires_grad_(False).rbms, strict=True)
    ]
    exact = CCA(3, regularization=0.01).fit(tuple(h.astype(np.float64) for h in hidden))
    np.testing.assert_allclose(model.correlations_, exact.correlations_, atol=1e-4)
    for mine, theirs in zip(model.transform(X), exact.transform(tuple(hidden)), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
    assert model.score(X) == pytest.approx(exact.correlations_.sum(), abs=1e-3)


def test_machines_learn_as_an_rbm_does(seed):
    # Two machines share one stream of draws, so losses agree as two seeds of one machine do.
    X = binary(seed, 600)
    both = RBMCCA(2, n_hidden=8, max_epochs=8, batch_size=20, random_state=seed).fit(X)
    alone = [
        RBM(8, persistent=False, max_epochs=8, batch_size=20, random_state=seed).fit(x).score(x)
        for x in X.arrays
    ]
    with torch.no_grad():
        together = [
            float(rbm.log_pseudo_likelihood(Batch((torch.tensor(x),))).mean())
            for rbm, x in zip(both.module_.rbms, X.arrays, strict=True)
        ]
    np.testing.assert_allclose(together, alone, rtol=0.1)
    assert both.loss_curve_[-1] < both.loss_curve_[0]


@pytest.mark.parametrize("gradient", ["plain", Gradient(momentum=0.5), Gradient(averaging=0.1)])
@pytest.mark.parametrize("persistent", [False, True])
def test_gradients_of_every_kind(gradient, persistent, seed):
    model = RBMCCA(2, gradient=gradient, persistent=persistent, **TINY).fit(binary(seed))
    assert np.isfinite(np.asarray(model.transform(binary(seed)))).all()


def test_units_per_view(seed):
    counts = np.random.default_rng(seed).poisson(2.0, size=(200, 6))
    labels = np.eye(3)[np.arange(200) % 3]
    X = Views((binary(seed)[0], real(seed)[1], labels, counts), ("bits", "real", "label", "words"))
    kinds = {
        "bits": "bernoulli",
        "real": "gaussian",
        "label": "categorical",
        "words": "multinomial",
    }
    model = RBMCCA(2, visible=kinds, learning_rate=0.01, **{**TINY, "n_hidden": (4, 5, 6, 7)})
    codes = model.fit(X).transform(X)
    assert codes.widths == (2, 2, 2, 2)
    assert [rbm.hidden.width for rbm in model.module_.rbms] == [4, 5, 6, 7]
    assert np.isfinite(np.asarray(codes)).all()
    by_position = model.set_params(visible=tuple(kinds.values())).fit(X).transform(X)
    np.testing.assert_array_equal(np.asarray(by_position), np.asarray(codes))


def test_impute_predicts_an_absent_view(seed):
    X = binary(seed, 800)
    model = RBMCCA(3, n_hidden=32, max_epochs=10, batch_size=20, random_state=seed).fit(X[:600])
    values = model.impute((X[600:][0], None))
    error = np.square(values[1] - X[600:][1]).mean()
    assert error < 0.9 * X[600:][1].var(axis=0).mean()


def test_shared_representation_is_above_that_of_raw_cca(seed):
    # Left and right halves of 16 x 15 pixels.
    data = load_mfeat()
    pixels = data.data["pix"].reshape(-1, 16, 15) / 6.0
    X = Views((pixels[:, :, :7].reshape(2000, -1), pixels[:, :, 7:].reshape(2000, -1)))
    rows = np.random.default_rng(seed).permutation(len(X))
    train, test = rows[:1400], rows[1400:]
    found = {}
    for name, model in {
        "raw": CCA(10, regularization=0.01),
        "rbm": RBMCCA(10, n_hidden=100, max_epochs=10, batch_size=20, random_state=seed),
    }.items():
        codes = model.fit(X[train]).transform(X)
        found[name] = [
            LogisticRegression(max_iter=1000)
            .fit(codes[a][train], data.target[train])
            .score(codes[b][test], data.target[test])
            for a, b in ((0, 1), (1, 0))
        ]
    assert found["rbm"][0] > found["raw"][0] + 0.02, found
    assert found["rbm"][1] > found["raw"][1] + 0.02, found


# -- refusals -----------------------------------------------------------------------------------


def test_data_outside_the_domain_are_refused_by_name(seed):
    with pytest.raises(ValueError, match=r"`visible='bernoulli'` needs .*'view0'"):
        RBMCCA(**TINY).fit(real(seed))
    with pytest.raises(ValueError, match=r"`visible` of view 'view1' must be one of"):
        RBMCCA(visible=("bernoulli", "binary"), **TINY).fit(binary(seed))


def test_sizes_that_do_not_fit_are_refused(seed):
    with pytest.raises(ValueError, match=r"`n_hidden` of view 'view0' .* at least `n_components=9"):
        RBMCCA(9, **TINY).fit(binary(seed))
    with pytest.raises(ValueError, match=r"`n_hidden` of view 'view1' must be an integer"):
        RBMCCA(2, **{**TINY, "n_hidden": (8, 2.5)}).fit(binary(seed))
    with pytest.raises(ValueError, match=r"`n_components=8` needs at least 18 samples.* Got 15"):
        RBMCCA(8, **TINY).fit(binary(seed, 15))


def test_views_in_which_there_is_nothing_to_relate_are_refused(seed):
    X = binary(seed)
    with pytest.raises(ValueError, match="'view0' and 'view1' are the same"):
        RBMCCA(**TINY).fit((X[0], X[0].copy()))
    with pytest.raises(ValueError, match="View 'view1' is constant"):
        RBMCCA(**TINY).fit((X[0], np.ones((200, 3))))
    with pytest.raises(ValueError, match=r"View 'view1' holds values near or above 1e\+37"):
        RBMCCA(**{**TINY, "visible": "gaussian"}).fit((X[0], X[1].astype(float) * 1e160))


def test_settings_that_do_not_apply_are_refused(seed):
    with pytest.raises(ValueError, match="Parallel tempering needs chains that go on"):
        RBMCCA(gradient=Gradient(n_temperatures=2), **TINY).fit(binary(seed))
    with pytest.raises(ValueError, match=r"Trainer\(optimizer='lbfgs'\) does not apply"):
        RBMCCA(trainer=Trainer(optimizer="lbfgs"), **TINY).fit(binary(seed))
    with pytest.raises(ValueError, match="regularization"):
        RBMCCA(regularization=(0.1, -0.1), **TINY).fit(binary(seed))
