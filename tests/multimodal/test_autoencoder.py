"""The multimodal autoencoder against PCA, Autoencoder and the exact conditional expectation."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from skrep import Autoencoder, Likelihood, MissingViewError, Trainer, Views
from skrep.datasets import drop_views, make_multiview
from skrep.multimodal import MultimodalAutoencoder
from skrep.nn import MLP
from skrep.utils.settings import Fusion

KINDS = Fusion.KINDS
JOINT = [kind for kind in KINDS if kind != "late"]


@pytest.fixture(name="X", scope="module")
def three_views(seed):
    return make_multiview(200, (8, 5, 3), n_shared=2, n_private=0, random_state=seed)


@pytest.fixture(name="lost", scope="module")
def incomplete(X, seed):
    return drop_views(X, 0.4, random_state=seed)


def small(seed, **parameters):
    settings = {"n_components": 3, "hidden_layer_sizes": (16,), "max_epochs": 2}
    return MultimodalAutoencoder(**{**settings, "random_state": seed, **parameters})


def at_start(seed, **parameters):
    return small(seed, max_epochs=1, learning_rate=1e-12, **parameters)


@pytest.mark.parametrize("view_weights", ["balanced", "features"])
def test_early_fusion_is_the_autoencoder(X, view_weights, seed):
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 2, "view_weights": view_weights}
    plain = Autoencoder(3, random_state=seed, **settings).fit(X)
    early = small(seed, fusion="early", view_weights=view_weights).fit(X)
    np.testing.assert_array_equal(early.transform(X), plain.transform(X))
    np.testing.assert_array_equal(early.loss_curve_, plain.loss_curve_)
    assert early.score(X) == plain.score(X)


@pytest.mark.parametrize("kind", ["concat", "late"])
def test_one_array_is_an_autoencoder_whatever_the_fusion(X, kind, seed):
    x = np.asarray(X)
    plain = Autoencoder(3, hidden_layer_sizes=(16,), max_epochs=2, random_state=seed).fit(x)
    ours = small(seed, fusion=kind).fit(x)
    np.testing.assert_array_equal(ours.transform(x), plain.transform(x))
    np.testing.assert_array_equal(ours.fusion_weights(x), np.ones((200, 1)))
    assert ours.score(x) == plain.score(x)


@pytest.fixture(name="pca", scope="module")
def untrained_autoencoder(X, seed):
    return Autoencoder(3, max_epochs=1, learning_rate=1e-12, random_state=seed).fit(X)


@pytest.mark.parametrize(("hidden", "shared"), [((), False), ((16,), False), ((16,), True)])
@pytest.mark.parametrize("kind", JOINT)
def test_training_starts_at_pca(X, pca, kind, shared, hidden, seed):
    fusion = Fusion(kind, shared_decoder=shared)
    model = at_start(seed, fusion=fusion, hidden_layer_sizes=hidden).fit(X)
    assert model.score(X) == pytest.approx(pca.score(X), rel=1e-4)
    np.testing.assert_allclose(model.transform(X), pca.transform(X), atol=1e-4)


def test_late_fusion_is_one_autoencoder_per_view(X, seed):
    # Linear networks start at PCA, without draws; all see the rows in the same order.
    settings = {"hidden_layer_sizes": (), "max_epochs": 4, "trainer": Trainer(optimizer="sgd")}
    model = small(seed, n_components=4, fusion="late", learning_rate=0.3, **settings).fit(X)
    cuts = [(0, 2), (2, 3), (3, 4)]
    for view, (start, stop) in zip(X.arrays, cuts, strict=True):
        # The error of a view counts a third beside those of the others.
        alone = Autoencoder(stop - start, random_state=seed, learning_rate=0.1, **settings)
        alone.fit(view)
        codes = model.transform(X)[:, start:stop]
        np.testing.assert_allclose(codes, alone.transform(view), atol=1e-4)


def linear_views(seed, n=1500):
    rng = np.random.default_rng(seed)
    maps = [rng.normal(size=(2, width)) for width in (8, 8)]
    codes = rng.normal(size=(n, 2))
    return tuple(codes @ m + 0.5 * rng.normal(size=(n, 8)) for m in maps), maps


def test_a_narrow_view_takes_no_more_of_the_code_than_its_width(X, seed):
    model = small(seed, n_components=14, fusion="late").fit(X)
    assert model.module_.decoder.sizes == (6, 5, 3)
    more = small(seed, n_components=18, fusion="late").fit(X)
    assert more.transform(X).shape == (200, 18)


@pytest.mark.parametrize("kind", KINDS)
def test_imputation_is_near_the_conditional_expectation(kind, seed):
    (a, b), (A, B) = linear_views(seed)
    model = MultimodalAutoencoder(
        4 if kind == "late" else 2,
        fusion=kind if kind == "late" else Fusion(kind, denoise_views=True),
        hidden_layer_sizes=(),
        max_epochs=4,
        random_state=seed,
    ).fit((a[:1000], b[:1000]))
    found = model.impute((a[1000:], None))[1]
    best = a[1000:] @ np.linalg.solve(A.T @ A + 0.25 * np.eye(8), A.T @ B)
    error, least = (((b[1000:] - guess) ** 2).mean() for guess in (found, best))
    assert error < 1.1 * least


def test_a_gate_ignores_a_view_of_noise(seed):
    rng = np.random.default_rng(seed)
    views = make_multiview(400, (10, 10), n_shared=3, n_private=0, noise=0.1, random_state=seed)
    X = Views({"a": views[0], "b": views[1], "noise": rng.normal(size=(400, 10))})
    model = small(seed, fusion="gate", max_epochs=30).fit(X)
    weights = model.fusion_weights(X).mean(axis=0)
    assert weights[2] < 0.1 * weights[:2].min()


@pytest.mark.parametrize("kind", KINDS)
def test_any_subset_of_views_will_do(X, lost, kind, seed):
    for model in (small(seed, fusion=kind).fit(X), small(seed, fusion=kind).fit(lost)):
        codes = model.transform(lost)
        assert np.isfinite(codes).all()
        complete = lost.present.all(axis=1)
        np.testing.assert_allclose(codes[complete], model.transform(X)[complete], atol=1e-5)
        filled = model.impute(lost)
        for i, (array, was) in enumerate(zip(filled.arrays, lost.arrays, strict=True)):
            there = lost.present[:, i]
            np.testing.assert_array_equal(array[there], was[there])
            error = ((array - X.arrays[i])[~there] ** 2).mean()
            assert error < X.arrays[i][~there].var()
        each = model.transform_each(lost)
        assert [a.shape for a in each.arrays] == [(200, 3)] * 3
        np.testing.assert_array_equal(each.present, lost.present)


def test_transform_each_sees_one_view_only(X, seed):
    model = small(seed).fit(X)
    alone = model.transform((None, X.arrays[1], None))
    np.testing.assert_allclose(model.transform_each(X)[1], alone, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_fusion_weights_are_shares_of_present_views(lost, kind, seed):
    model = small(seed, fusion=kind).fit(lost)
    weights = model.fusion_weights(lost)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(weights > 0, lost.present)
    framed = model.set_output(transform="pandas").fusion_weights(lost)
    assert list(framed.columns) == list(lost.names)


def test_dropping_views_makes_codes_of_few_views_better(seed):
    views = make_multiview(600, (20, 20, 20), n_shared=3, noise=0.5, random_state=seed)
    train, test = views[:400], views[400:]
    some = drop_views(test, 0.6, random_state=seed)
    errors = []
    for rate in (True, False):
        fusion = Fusion("concat", denoise_views=rate)
        model = small(seed, fusion=fusion, hidden_layer_sizes=(64,), max_epochs=30)
        filled = model.set_params(learning_rate=3e-3).fit(train).impute(some)
        errors.append(
            np.mean(
                [
                    ((f - t)[~p] ** 2).mean()
                    for f, t, p in zip(filled, test, some.present.T, strict=True)
                ]
            )
        )
    assert errors[0] < errors[1]


def test_the_spread_of_what_is_imputed_is_its_error(seed):
    (a, b), _ = linear_views(seed)
    model = MultimodalAutoencoder(2, hidden_layer_sizes=(), max_epochs=3, random_state=seed)
    values, std = model.fit((a[:1000], b[:1000])).impute((a[1000:], None), return_std=True)
    assert (std[0] == 0).all()
    # 500 x 8 errors: a ratio of 1 has a standard error near 0.02 for correlated columns.
    ratio = np.sqrt(((values[1] - b[1000:]) ** 2).mean() / (std[1] ** 2).mean())
    assert ratio == pytest.approx(1, abs=0.15)


def test_fewer_views_leave_more_open(seed):
    X = make_multiview(400, (6, 6, 6), n_shared=2, n_private=0, noise=0.5, random_state=seed)
    model = small(seed, n_components=2).fit(X)
    two = model.impute((X.arrays[0], X.arrays[1], None), return_std=True).std[2]
    one = model.impute((X.arrays[0], None, None), return_std=True).std[2]
    assert (one**2).mean() > (two**2).mean()


def test_score_counts_what_is_present(X, lost, seed):
    model = small(seed).fit(X)
    back = model.reconstruct(lost)
    variances = [a.var(axis=0).mean() for a in X.arrays]
    errors = [
        ((out - truth)[there] ** 2).mean() / variance
        for out, truth, there, variance in zip(
            back, X.arrays, lost.present.T, variances, strict=True
        )
    ]
    assert model.score(lost) == pytest.approx(-np.mean(errors), rel=1e-5)


def mixed_views(seed, n=300):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, 2))
    rate = np.exp(0.8 * factor @ rng.normal(size=(2, 5)) + 1)
    logits = 2 * factor @ rng.normal(size=(2, 4))
    return Views(
        {
            "real": factor @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(n, 6)),
            "bits": (rng.random((n, 4)) < 1 / (1 + np.exp(-logits))).astype(float),
            "class": np.eye(3)[(factor[:, 0] > 0).astype(int) + (factor[:, 1] > 0)],
            "counts": rng.poisson(rate),
        }
    )


LIKELIHOODS = {
    "real": Likelihood("gaussian", scaling="feature"),
    "bits": "bernoulli",
    "class": "categorical",
    "counts": "poisson",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_view_has_its_likelihood(kind, seed):
    X = mixed_views(seed)
    settings = {"n_components": 4, "fusion": kind, "likelihood": LIKELIHOODS, "max_epochs": 10}
    model = small(seed, **settings).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    back = model.reconstruct(X)
    assert ((back["bits"] > 0) & (back["bits"] < 1)).all()
    np.testing.assert_allclose(back["class"].sum(axis=1), 1, atol=1e-5)
    assert (back["counts"] > 0).all()
    # Knowing the code is better than the mean, for every view.
    for name in X.names:
        assert ((back[name] - X[name]) ** 2).mean() < X[name].var(axis=0).mean()
    lost = drop_views(X, 0.3, random_state=seed)
    assert np.isfinite(small(seed, **{**settings, "max_epochs": 1}).fit(lost).score(X))


def test_networks_of_each_view(X, seed):
    sizes = dict(zip(X.names, [(8,), (4, 4), ()], strict=True))
    model = small(seed, hidden_layer_sizes=sizes).fit(X)
    encoders = model.module_.fusion.codes.encoders
    assert [sum(p.ndim == 2 for p in e.parameters()) for e in encoders] == [2, 3, 1]
    by_place = small(seed, hidden_layer_sizes=tuple(sizes.values())).fit(X)
    np.testing.assert_array_equal(by_place.transform(X), model.transform(X))


@pytest.mark.parametrize("kind", KINDS)
def test_factories_take_the_place_of_the_default_networks(X, kind, seed):
    one = kind.startswith("early")
    encoder = MLP((8,)) if one else dict.fromkeys(X.names, MLP((8,)))
    model = small(seed, fusion=kind, encoder=encoder, learning_rate=1e-2, max_epochs=8).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    # Given a random start there is no regression on PCA's code, but for codes side by side.
    assert (model.module_.completion is None) is (kind != "late")


def test_sparse_views_are_the_same_views(X, seed):
    as_sparse = Views(tuple(sparse.csr_array(a) for a in X.arrays), X.names)
    dense, csr = (small(seed).fit(views) for views in (X, as_sparse))
    np.testing.assert_allclose(csr.transform(as_sparse), dense.transform(X), atol=1e-4)


def test_partial_fit_goes_on(X, lost, seed):
    model = small(seed, fusion="late").partial_fit(X).partial_fit(lost)
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(lost)).all()


def test_frames_keep_their_columns(X, seed):
    frame = X.to_frame().set_index(pd.Index(range(1000, 1200)))
    lost = frame.copy()
    lost.iloc[:7, :8] = np.nan
    filled = small(seed).fit(frame).impute(lost)
    pd.testing.assert_index_equal(filled.columns, frame.columns)
    pd.testing.assert_frame_equal(filled.iloc[7:], frame.iloc[7:], check_dtype=False)


def test_fusion_is_a_parameter_object(X, seed):
    model = small(seed, fusion="gate").set_params(fusion__denoise_views=0.5)
    assert model.fusion.get_params() == Fusion("gate", denoise_views=0.5).get_params()
    assert clone(model).fit(X).module_.rate == 0.5
    assert [Fusion(kind).rate for kind in KINDS] == [0.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    assert [Fusion(kind).shares_decoder for kind in KINDS] == [kind == "early" for kind in KINDS]
    assert Fusion.of("late").get_params() == Fusion("late").get_params()


REFUSED = {
    "unknown fusion": ({"fusion": "middle"}, "'fusion' parameter of MultimodalAutoencoder"),
    "unknown kind": ({"fusion": Fusion("middle")}, "The 'kind' parameter of Fusion must be"),
    "late, dropped": ({"fusion": Fusion("late", denoise_views=True)}, "trains one autoencoder per"),
    "late, shared": ({"fusion": Fusion("late", shared_decoder=True)}, "Leave both at None"),
    "late, short": ({"fusion": "late", "n_components": 2}, "n_components=2 for 3 views"),
    "likelihood names": ({"likelihood": {"sound": "gaussian"}}, "`likelihood` names"),
    "weight names": ({"view_weights": {"sound": 1.0}}, "`view_weights` names"),
    "size names": ({"hidden_layer_sizes": {"sound": (3,)}}, "`hidden_layer_sizes` names"),
    "encoder names": ({"encoder": {"sound": MLP((3,))}}, "`encoder` names"),
    "decoder count": ({"decoder": (MLP((3,)), None)}, "`decoder` holds 2 values for 3"),
    "bernoulli": ({"likelihood": ("gaussian", "bernoulli", "gaussian")}, r"values in \[0, 1\]"),
    "poisson": ({"likelihood": "poisson"}, "needs counts"),
    "categorical": ({"likelihood": "categorical"}, "needs one-hot rows"),
    "one encoder": (
        {"fusion": "early", "encoder": (MLP((3,)),) * 3},
        "'early' fusion has one encoder for all views",
    ),
    "one decoder": (
        {"fusion": Fusion("gate", shared_decoder=True), "decoder": (MLP((3,)),) * 3},
        "'gate' fusion has one decoder for all views",
    ),
    "one size": ({"fusion": "early", "hidden_layer_sizes": ((3,), (3,), (3,))}, "Pass one value"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(X, case, seed):
    parameters, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        small(seed, **parameters).fit(X)


def test_a_module_is_no_factory(X, seed):
    with pytest.raises(TypeError, match="`encoder` must be a factory"):
        small(seed, encoder={name: MLP(())(8, 3) for name in X.names}).fit(X)


def test_samples_without_any_view_are_refused(X, seed):
    model = small(seed).fit(X)
    arrays = [np.array(a) for a in X.arrays]
    for array in arrays:
        array[5] = np.nan
    for call in (small(seed).fit, model.transform, model.impute, model.fusion_weights):
        with pytest.raises(MissingViewError, match="Every view is absent in row 5"):
            call(tuple(arrays))


def test_a_view_that_is_never_there_is_refused(X, seed):
    arrays = [np.array(a) for a in X.arrays]
    arrays[1][:] = np.nan
    with pytest.raises(MissingViewError, match="View 'view1' is absent from every sample of `fit`"):
        small(seed).fit(tuple(arrays))


def test_a_row_that_is_nan_in_part_is_refused(X, seed):
    arrays = [np.array(a) for a in X.arrays]
    arrays[1][7, 2] = np.nan
    with pytest.raises(ValueError, match=r"'view1' is NaN in part of row 7.*SimpleImputer"):
        small(seed).fit(tuple(arrays))
