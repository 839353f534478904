"""CCA against an SVD, scikit-learn's CCA, direct eigenproblems and least squares."""

import gc
import pickle
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from scipy import sparse, stats
from sklearn import cross_decomposition
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from skrep import Views
from skrep.cross_decomposition import CCA
from skrep.exceptions import MissingViewError

NAMES = ("image", "text", "sound")


def views_of(seed, n=200, widths=(6, 5), n_shared=2, noise=0.7, dtype=np.float64):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, n_shared))
    arrays = [
        common @ rng.normal(size=(n_shared, width)) + noise * rng.normal(size=(n, width)) + 3.0
        for width in widths
    ]
    return Views(tuple(each.astype(dtype) for each in arrays), NAMES[: len(arrays)])


def without(views, name, rows=slice(None)):
    """Return the views with rows of one of them absent."""
    present = np.ones((len(views), views.n_views), dtype=bool)
    present[rows, list(views.names).index(name)] = False
    return Views(views.arrays, views.names, present=present)


@pytest.fixture
def by_samples(monkeypatch):
    """Views of any width go by their samples where these are fewer than features."""
    monkeypatch.setattr("skrep.cross_decomposition._linear._NARROW", 0)


def correlations(a, b):
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True)])


def same_model(a, b, atol):
    for first, other in zip(a.weights_, b.weights_, strict=True):
        np.testing.assert_allclose(first, other, atol=atol)
    for first, other in zip(a.loadings_, b.loadings_, strict=True):
        np.testing.assert_allclose(first, other, atol=atol)
    np.testing.assert_allclose(a.correlations_, b.correlations_, atol=atol)
    np.testing.assert_allclose(a.regularization_, b.regularization_, atol=1e-8)
    for first, other in zip(a.decoder_.coefs, b.decoder_.coefs, strict=True):
        np.testing.assert_allclose(first, other, atol=atol)
    for first, other in zip(a.decoder_.residual_std, b.decoder_.residual_std, strict=True):
        np.testing.assert_allclose(first, other, atol=atol)


# -- the solution ---------------------------------------------------------------------------


def test_agrees_with_an_svd_of_orthonormal_bases(seed):
    for offset in range(5):
        a, b = views_of(seed + offset)
        model = CCA(5).fit((a, b))
        left, right = (np.linalg.qr(each - each.mean(axis=0))[0] for each in (a, b))
        U, values, _ = np.linalg.svd(left.T @ right, full_matrices=False)
        np.testing.assert_allclose(model.correlations_, values, atol=1e-10)
        codes = model.transform((a, b))[0]
        variates = left @ U * np.sqrt(len(a) - 1)
        np.testing.assert_allclose(np.abs(codes), np.abs(variates), atol=1e-7)


def test_agrees_with_scikit_learn(seed):
    a, b = views_of(seed)
    codes = CCA(2).fit_transform((a, b))
    theirs = cross_decomposition.CCA(2, max_iter=10_000, tol=1e-14).fit(a, b).transform(a, b)
    for mine, stock in zip(codes, theirs, strict=True):
        np.testing.assert_allclose(np.abs(correlations(mine, stock)), 1.0, atol=1e-6)
    np.testing.assert_allclose(correlations(*codes), np.abs(correlations(*theirs)), atol=1e-6)


def test_three_views_solve_the_generalised_eigenproblem(seed):
    views = views_of(seed, widths=(6, 5, 4))
    model = CCA(3).fit(views)
    S = np.cov(np.asarray(views), rowvar=False)
    within = scipy.linalg.block_diag(S[:6, :6], S[6:11, 6:11], S[11:, 11:])
    vectors = scipy.linalg.eigh(S, within)[1][:, ::-1][:, :3]
    codes = model.transform(views)
    for i, part in enumerate((slice(0, 6), slice(6, 11), slice(11, 15))):
        expected = (views[i] - views[i].mean(axis=0)) @ vectors[part]
        expected /= expected.std(axis=0, ddof=1)
        np.testing.assert_allclose(np.abs(codes[i]), np.abs(expected), atol=1e-7)
    pairs = [correlations(codes[i], codes[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    np.testing.assert_allclose(model.correlations_, np.mean(pairs, axis=0), atol=1e-10)
    assert model.score(views) == pytest.approx(model.correlations_.sum())


@pytest.mark.parametrize("regularization", [0.0, 0.1, "auto", (0.0, 0.2)])
@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.filterwarnings("ignore:Views .* vary in")
def test_dual_equals_primal(regularization, n_views, by_samples, seed):
    # Few samples by `fit` go by samples, by `partial_fit` by features.
    if isinstance(regularization, tuple) and n_views == 3:
        regularization = (*regularization, 0.3)
    views = views_of(seed, n=30, widths=(50, 4, 40)[:n_views])
    dual, primal = (
        getattr(CCA(2, regularization=regularization), method)(views)
        for method in ("fit", "partial_fit")
    )
    if regularization == 0.0:
        # Perfect correlations come in any basis; what they span and explain is the same.
        np.testing.assert_allclose(dual.correlations_[:1], primal.correlations_[:1], atol=1e-8)
        np.testing.assert_equal(dual.ranks_, primal.ranks_)
    else:
        same_model(dual, primal, atol=1e-6)
    codes = dual.transform(views)
    assert codes.widths == (2,) * n_views
    lacking = without(views, "image", slice(0, 5))
    ours, other = dual.impute(lacking, return_std=True), primal.impute(lacking, return_std=True)
    np.testing.assert_allclose(ours.values[0], other.values[0], atol=1e-6)
    np.testing.assert_allclose(ours.std[0], other.std[0], atol=1e-5)
    lacking = without(views, "text", slice(0, 5))
    ours, other = dual.impute(lacking, return_std=True), primal.impute(lacking, return_std=True)
    np.testing.assert_allclose(ours.values[1], other.values[1], atol=1e-6)
    np.testing.assert_allclose(ours.std[1], other.std[1], atol=1e-5)


@pytest.mark.parametrize(("n", "width"), [(200, 20), (25, 60)])
def test_csr_equals_dense(n, width, by_samples, seed):
    rng = np.random.default_rng(seed)
    a, b = views_of(seed, n=n, widths=(width, 4))
    a = a * (rng.uniform(size=a.shape) < 0.08)
    dense = CCA(2, regularization=0.1).fit((a, b))
    for kind in (sparse.csr_array, sparse.csr_matrix):
        thin = CCA(2, regularization=0.1).fit((kind(a), kind(b)))
        same_model(thin, dense, atol=1e-9)
        np.testing.assert_allclose(
            thin.transform((kind(a), b))[0], dense.transform((a, b))[0], atol=1e-9
        )
    lacking = Views((sparse.csr_array(a), b), present=[[True, False]] * n)
    expected = dense.impute(without(Views((a, b)), "view1"))
    np.testing.assert_allclose(thin.impute(lacking)[1], expected[1], atol=1e-9)


def test_csr_is_never_made_dense(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    a = sparse.random_array((400, 300), density=0.01, format="csr", rng=rng)
    b = sparse.random_array((400, 200), density=0.01, format="csr", rng=rng)

    def refuse(self, *args, **kwargs):
        # Products between features are dense anyway; what has a row per sample is not.
        if self.shape[0] == 400:
            raise AssertionError("CSR was made dense")
        return whole(self, *args, **kwargs)

    whole = sparse.csr_array.toarray
    monkeypatch.setattr(sparse.csr_array, "toarray", refuse)
    CCA(2, regularization=0.1).fit((a, b)).transform((a, b))


@pytest.mark.parametrize("regularization", [0.0, 0.1, "auto"])
def test_chunks_equal_the_whole(regularization, seed):
    views = views_of(seed, widths=(6, 5, 4))
    whole = CCA(2, regularization=regularization).fit(views)
    chunked = CCA(2, regularization=regularization)
    for rows in np.split(np.arange(len(views)), [50, 51, 120]):
        assert chunked.partial_fit(views[rows]) is chunked
    same_model(chunked, whole, atol=1e-8)
    assert chunked.n_samples_seen_ == 200
    on = CCA(2, regularization=regularization).fit(views[:90]).partial_fit(views[90:])
    same_model(on, whole, atol=1e-8)


def test_auto_is_chosen_per_view_and_beats_none_on_few_samples(seed):
    views = views_of(seed, n=1060, widths=(25, 25), noise=1.0)
    train, test = views[:60], views[60:]
    plain, shrunk = CCA(2).fit(train), CCA(2, regularization="auto").fit(train)
    assert plain.regularization_ == (0.0, 0.0)
    assert min(shrunk.regularization_) > 0
    assert shrunk.score(test) > plain.score(test)
    mixed = CCA(2, regularization={"text": "auto", "image": 0.5}).fit(train)
    assert mixed.regularization_ == (0.5, shrunk.regularization_[1])


def test_repeats_and_signs_stay(seed):
    views = views_of(seed)
    first, again = CCA(3).fit(views), CCA(3).fit(views)
    for a, b in zip(first.weights_, again.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
    largest = np.abs(first.loadings_[0]).argmax(axis=0)
    assert (first.loadings_[0][largest, range(3)] > 0).all()
    order = np.random.default_rng(seed).permutation(len(views))
    same_model(CCA(3).fit(views[order]), first, atol=1e-8)


# -- what follows from it -------------------------------------------------------------------


def test_loadings_are_correlations_with_the_codes(seed):
    views = views_of(seed)
    model = CCA(2, regularization=0.1).fit(views)
    for view, codes, loadings in zip(views, model.transform(views), model.loadings_, strict=True):
        both = np.corrcoef(np.hstack([view, codes]), rowvar=False)
        np.testing.assert_allclose(loadings, both[: view.shape[1], view.shape[1] :], atol=1e-10)


def test_codes_have_unit_variance_and_take_weights(seed):
    views = views_of(seed)
    plain, weighted = CCA(3).fit(views), CCA(3, weight_by_correlation=True).fit(views)
    for a, b in zip(plain.transform(views), weighted.transform(views), strict=True):
        np.testing.assert_allclose(a.std(axis=0, ddof=1), 1.0)
        np.testing.assert_allclose(b, a * plain.correlations_)
    assert weighted.score(views) == pytest.approx(plain.score(views))
    back = weighted.inverse_transform(weighted.transform(views))
    expected = plain.inverse_transform(plain.transform(views))
    mean = np.mean(list(plain.transform(views)), axis=0)
    np.testing.assert_allclose(back[0], expected[0], atol=1e-8)
    regression = Ridge(alpha=1e-9).fit(mean, views[0]).predict(mean)
    np.testing.assert_allclose(back[0], regression, atol=1e-6)


def test_decoder_is_least_squares_on_the_mean_code(seed):
    views = views_of(seed, widths=(6, 5, 4))
    model = CCA(2, regularization=0.1).fit(views)
    codes = model.transform(views)
    mean = np.mean(list(codes), axis=0)
    for i, view in enumerate(views):
        expected = Ridge(alpha=1e-10).fit(mean, view).predict(mean)
        np.testing.assert_allclose(model.inverse_transform(codes)[i], expected, atol=1e-7)
        np.testing.assert_allclose(
            model.decoder_.residual_std[i], (view - expected).std(axis=0, ddof=1), atol=1e-9
        )
    alone = Views((codes[0], codes[1], np.full_like(codes[2], np.nan)), NAMES)
    assert np.isfinite(model.inverse_transform(alone)[2]).all()


@pytest.mark.parametrize("regularization", [0.0, 0.3])
def test_impute_is_ridge_regression(regularization, seed):
    views = views_of(seed, widths=(6, 5, 4))
    model = CCA(2, regularization=regularization).fit(views)
    centred = [view - view.mean(axis=0) for view in views]
    root = [
        np.sqrt(regularization * view.var(axis=0, ddof=1).mean() * (len(view) - 1))
        for view in views
    ]
    for wanted, given in ((0, (1, 2)), (1, (0, 2)), (2, (1,))):
        lacking = [view.copy() for view in views]
        for i in set(range(3)) - set(given):
            lacking[i][:7] = np.nan
        found = model.impute(Views(tuple(lacking), NAMES), return_std=True)
        # Rows of the ridge's root below the data make least squares a ridge regression.
        A = np.hstack([centred[i] for i in given])
        penalty = np.diag(np.concatenate([np.full(views[i].shape[1], root[i]) for i in given]))
        extra = np.zeros((A.shape[1], centred[wanted].shape[1]))
        coef = np.linalg.lstsq(np.vstack([A, penalty]), np.vstack([centred[wanted], extra]))[0]
        expected = A @ coef + views[wanted].mean(axis=0)
        np.testing.assert_allclose(found.values[wanted][:7], expected[:7], atol=1e-8)
        np.testing.assert_array_equal(found.values[wanted][7:], views[wanted][7:])
        spread = (centred[wanted] - A @ coef).std(axis=0, ddof=1)
        np.testing.assert_allclose(found.std[wanted][:7], np.tile(spread, (7, 1)), atol=1e-8)
        np.testing.assert_array_equal(found.std[wanted][7:], 0.0)


def test_patterns_of_absence_do_not_mix(seed):
    views = views_of(seed, widths=(6, 5, 4))
    model = CCA(2).fit(views)
    arrays = [view.copy() for view in views]
    arrays[0][:3], arrays[1][3:6], arrays[2][5:8] = np.nan, np.nan, np.nan
    lacking = Views(tuple(arrays), NAMES)
    together = model.impute(lacking)
    for row in range(10):
        alone = model.impute(lacking[[row]])
        for i in range(3):
            np.testing.assert_allclose(alone[i], together[i][[row]], atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_none_stands_for_a_view_of_tables_too(dtype, seed):
    views = views_of(seed, dtype=dtype)
    people = [f"p{i}" for i in range(len(views))]
    image, text = (
        pd.DataFrame(array, index=people).rename(columns=lambda c, mark=name[0]: f"{mark}{c}")
        for name, array in zip(views.names, views.arrays, strict=True)
    )
    model = CCA(2).fit({"image": image, "text": text})
    expected = CCA(2).fit(views).impute((views[0], None))[1]
    found = model.impute({"text": None, "image": image}, return_std=True)
    assert list(found.values) == ["text", "image"]
    for filled in (found.values["text"], model.impute(Views((image, None), views.names))["text"]):
        np.testing.assert_allclose(filled, expected, rtol=1e-5)
        assert list(filled.index) == people
        assert list(filled.columns) == list(text.columns)
        assert set(filled.dtypes) == {np.dtype(dtype)}
    assert list(found.std["text"].columns) == list(text.columns)
    assert list(model.transform((image, None)).index) == people
    with pytest.raises(ValueError, match="Unknown: 'image__other'"):
        model.transform((image.rename(columns={"i0": "other"}), None))


def test_tables_of_any_number_type_are_filled(seed):
    views = views_of(seed)
    image = pd.DataFrame(views[0], columns=list("abcdef"))
    image = image.astype({"a": np.float32, "b": np.int64, "c": "Float32"})
    model = CCA(2).fit((image, views[1]))
    lacking = Views((image, views[1]), present=np.arange(200)[:, np.newaxis] >= [3, 0])
    filled = model.impute(lacking)[0]
    expected = model.impute((None, views[1]))[0]
    np.testing.assert_allclose(filled[:3].to_numpy(float), expected[:3], rtol=1e-5)
    np.testing.assert_array_equal(filled[3:].to_numpy(float), image[3:].to_numpy(float))
    kinds = ["float32", "float64", "Float32", "float64", "float64", "float64"]
    assert list(map(str, filled.dtypes)) == kinds


def test_none_stands_for_a_code(seed):
    views = views_of(seed)
    model = CCA(2).fit(views)
    codes = model.transform(views)
    expected = model.reconstruct((views[0], None))
    for alone in ({"image": codes[0], "text": None}, (codes[0], None)):
        np.testing.assert_allclose(model.inverse_transform(alone), expected)
    with pytest.raises(ValueError, match="with None or NaN for the code of an absent view"):
        model.inverse_transform({"image": codes[0]})


def test_absent_views_have_no_code(seed):
    views = views_of(seed)
    model = CCA(2).fit(views)
    lacking = without(views, "text", slice(0, 4))
    codes = model.transform(lacking)
    assert np.isnan(codes["text"][:4]).all()
    np.testing.assert_array_equal(codes["text"][4:], model.transform(views)["text"][4:])
    np.testing.assert_array_equal(codes["image"], model.transform(views)["image"])
    np.testing.assert_array_equal(codes.present[:, 1], np.arange(200) >= 4)
    each = model.transform_each(lacking)
    np.testing.assert_array_equal(each["text"], codes["text"])
    assert model.score(lacking) == pytest.approx(model.score(views[4:]))
    assert np.isnan(model.transform((views[0], None))[1]).all()
    assert model.score(views[:1]) == 0.0


def test_score_of_new_data_is_the_correlations_of_their_codes(seed):
    views = views_of(seed)
    model = CCA(3).fit(views[:150])
    codes = model.transform(views[150:])
    score = model.score(views[150:])
    assert type(score) is float
    assert score == pytest.approx(correlations(*codes).sum())
    constant = Views(tuple(np.ones_like(view) for view in views), views.names)
    assert model.score(constant) == 0.0


# -- the test for real components -----------------------------------------------------------


def test_false_alarms_are_as_rare_as_promised(seed):
    # 100 independent data sets at the level 0.05: p-values of a permutation test are exact, so
    # that more than 16 alarms have a probability below 1e-4 (binomial).
    alarms = [0, 0]
    assert stats.binom.sf(16, 100, 0.05) < 1e-4
    for i in range(100):
        rng = np.random.default_rng([seed, i])
        X = [rng.normal(size=(40, 3)), rng.exponential(size=(40, 4))]
        test = CCA(2).fit(X := tuple(X)).permutation_test(X, n_permutations=19, random_state=i)
        alarms[0] += test.n_real > 0
        shared = rng.normal(size=(40, 1))
        Y = (np.hstack([X[0], shared]), np.hstack([X[1], shared + 0.1 * rng.normal(size=(40, 1))]))
        test = CCA(2).fit(Y).permutation_test(Y, n_permutations=19, random_state=i)
        assert test.p_values[0] == 1 / 20
        alarms[1] += test.n_real > 1
    assert max(alarms) <= 16


@pytest.mark.parametrize(
    ("widths", "regularization"),
    [((6, 5), 0.0), ((6, 5), 0.2), ((6, 5, 4), 0.0), ((6, 5, 4), 0.2), ((6, 300), 0.2)],
)
def test_planted_components_are_counted(widths, regularization, by_samples, seed):
    views = views_of(seed, widths=widths, n_shared=2, noise=0.3)
    model = CCA(4, regularization=regularization).fit(views)
    test = model.permutation_test(views, n_permutations=60, random_state=seed)
    # Falsely more than two with a probability of about the level.
    assert test.n_real == 2 or (test.n_real > 2 and test.p_values[2] > 0.001)
    np.testing.assert_allclose(test.p_values[:2], 1 / 61)
    assert (np.diff(test.p_values) >= 0).all()
    again = model.permutation_test(views, n_permutations=60, random_state=seed)
    np.testing.assert_array_equal(again.p_values, test.p_values)


def test_statistic_is_wilks_lambda(seed):
    views = views_of(seed)
    model = CCA(5).fit(views)
    test = model.permutation_test(views, n_permutations=1, random_state=0)
    logs = -np.log1p(-(model.correlations_**2))
    np.testing.assert_allclose(test.statistics, logs[::-1].cumsum()[::-1], rtol=1e-8)
    three = views_of(seed, widths=(3, 4, 2))
    S = np.corrcoef(np.asarray(three), rowvar=False)
    expected = sum(
        np.linalg.slogdet(S[part, part])[1] for part in (slice(0, 3), slice(3, 7), slice(7, 9))
    )
    found = CCA(1).fit(three).permutation_test(three, n_permutations=1, random_state=0)
    np.testing.assert_allclose(found.statistics[0], expected - np.linalg.slogdet(S)[1])


def test_a_feature_in_both_views_is_no_trouble(seed):
    a, b = views_of(seed)
    model = CCA(2).fit((a, np.hstack([b, a[:, :1]])))
    assert model.correlations_[0] == pytest.approx(1.0)
    test = model.permutation_test((a, np.hstack([b, a[:, :1]])), random_state=0)
    assert test.p_values[0] == 1 / 201


# -- bad data -------------------------------------------------------------------------------


def bad_views(rng):
    """Return views with whatever makes correlations break."""
    n = int(rng.integers(4, 40))
    common = rng.normal(size=(n, 2))
    found = []
    for _ in range(int(rng.integers(2, 4))):
        width = int(rng.integers(1, 12))
        noise = rng.choice([0.0, 1e-9, 0.1, 1.0])
        view = common @ rng.normal(size=(2, width)) + noise * rng.normal(size=(n, width))
        kind = rng.integers(0, 7)
        if kind == 0:
            view = np.hstack([view, view[:, :1]])
        elif kind == 1:
            view[:, 0] = rng.choice([0.0, 3.3, 1e7])
        elif kind == 2:
            view = view * 10.0 ** rng.uniform(-6, 6, size=view.shape[1])
        elif kind == 3:
            view = view + 1e6 * rng.normal(size=view.shape[1])
        elif kind == 4:
            view = np.hstack([view, common])
        elif kind == 5:
            view = np.round(view).clip(0, 1)
        else:
            view = view * 1e-30
        found.append(view.astype(rng.choice([np.float32, np.float64])))
    return tuple(found)


@pytest.mark.parametrize("regularization", [0.0, 0.1, "auto"])
def test_no_nan_on_200_seeds_of_bad_data(regularization, seed):
    fitted, refusals = 0, []
    for i in range(200):
        X = bad_views(np.random.default_rng([seed, i]))
        model = CCA(1 + i % 2, regularization=regularization)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Views .* vary in")
            try:
                model.fit(X)
            except ValueError as error:
                refusals.append(str(error))
                continue
        fitted += 1
        codes = model.transform(X)
        filled = model.impute((None, *X[1:]), return_std=True)
        for numbers in (
            *codes,
            *model.weights_,
            *model.loadings_,
            *model.inverse_transform(codes),
            filled.values[0],
            filled.std[0],
            model.correlations_,
        ):
            assert np.isfinite(numbers).all(), (seed, i)
        assert np.abs(model.correlations_).max() <= 1.0
        assert model.score(X) == pytest.approx(model.correlations_.sum(), abs=1e-5)
    # Nothing to learn, and said so.
    known = ("exceeds", "is constant", "are the same")
    assert all(any(part in text for part in known) for text in refusals)
    assert fitted > 150


def test_perfect_correlations_of_few_samples_are_warned_of(seed):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(20, 15)), rng.normal(size=(20, 30)))
    with pytest.warns(UserWarning, match=r"at least 15 of their correlations are 1.*'auto'") as log:
        model = CCA(2).fit(X)
    assert log[0].filename == __file__
    with pytest.warns(UserWarning, match="'view0' and 'view1' vary in 15 and 19") as log:
        CCA(2).partial_fit(X)
    assert log[0].filename == __file__
    np.testing.assert_allclose(model.correlations_, 1.0)
    assert np.abs(CCA(2, regularization=1.0).fit(X).correlations_).max() < 1.0


# -- errors ---------------------------------------------------------------------------------


def test_views_that_are_missing_same_or_constant(seed):
    a, b = views_of(seed)
    with pytest.raises(ValueError, match=r"CCA relates views.*at least 2. Got 1.*SplitViews"):
        CCA().fit(a)
    for other in (a, a.copy()):
        with pytest.raises(ValueError, match="Views 'view0' and 'view2' are the same"):
            CCA().fit((a, b, other))
    thin = sparse.csr_array(a)
    with pytest.raises(ValueError, match="'view0' and 'view1' are the same"):
        CCA().partial_fit((thin, thin.copy()))
    CCA().fit((thin, sparse.csr_array(a[:, ::-1])))
    with pytest.raises(ValueError, match="View 'view1' is constant"):
        CCA(1).fit((a, np.full_like(b, 0.1)))
    with pytest.raises(ValueError, match="1 sample"):
        CCA(1).fit((a[:1], b[:1]))
    with pytest.raises(MissingViewError, match=r"CCA needs every view.*such as `Multimodal"):
        CCA().fit(without(views_of(seed), "text", slice(0, 3)))


def test_too_many_components(seed):
    views = views_of(seed, widths=(6, 3))
    with pytest.raises(ValueError, match=r"`n_components=4` exceeds 3, the rank of view 'text'"):
        CCA(4).fit(views)
    with pytest.raises(ValueError, match=r"`n_components=3` exceeds 1, the rank of view 'image'"):
        CCA(3).partial_fit(views[:2])


@pytest.mark.parametrize(
    ("regularization", "message"),
    [
        (-0.1, "'regularization' parameter of CCA must be"),
        ("none", "'regularization' parameter of CCA must be"),
        ((0.1, -1.0), r"`regularization` must be a number of at least 0.*-1.0 for view 'text'"),
        ((0.1, np.nan), r"at least 0.*nan for view 'text'"),
        ({"image": "oas", "text": 0.1}, r"at least 0.*'oas' for view 'image'"),
        ((0.1, 0.1, 0.1), r"`regularization` holds 3 values for 2 view"),
        (True, r"at least 0, or 'auto'\. Got True for view 'image'"),
        ({"image": 0.1, "sound": 0.1}, r"`regularization` names \['image', 'sound'\]"),
    ],
)
def test_illegal_regularization(regularization, message, seed):
    with pytest.raises(ValueError, match=message):
        CCA(regularization=regularization).fit(views_of(seed))


def test_going_on_where_there_is_nothing_to_go_on_from(seed):
    views = views_of(seed, n=20, widths=(520, 4))
    model = CCA(2, regularization=0.1).fit(views)
    with pytest.raises(ValueError, match="kept no covariances of features"):
        model.partial_fit(views)
    narrow = views_of(seed, n=20, widths=(30, 4))
    assert CCA(2, regularization=0.1).fit(narrow).partial_fit(narrow).n_samples_seen_ == 40


def test_a_failed_chunk_leaves_the_model(seed):
    views = views_of(seed)
    model = CCA(2).fit(views)
    before = model.transform(views)
    model.set_params(n_components=9)
    with pytest.raises(ValueError, match="exceeds 5"):
        model.partial_fit(views)
    assert model.n_samples_seen_ == 200
    np.testing.assert_array_equal(np.asarray(model.transform(views)), np.asarray(before))


def test_illegal_arguments_of_the_permutation_test(seed):
    views = views_of(seed)
    model = CCA(2).fit(views)
    with pytest.raises(ValueError, match="`n_permutations` must be an integer of at least 1"):
        model.permutation_test(views, n_permutations=0)
    with pytest.raises(ValueError, match=r"`level` must lie between 0 and 1\. Got 1"):
        model.permutation_test(views, level=1)
    with pytest.raises(ValueError, match="every view of every sample"):
        model.permutation_test(without(views, "text", slice(0, 3)))
    few = views[:10]
    with pytest.raises(ValueError, match="10 samples are too few for a test"):
        model.permutation_test(few)


# -- as an estimator ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_dtype_out_is_dtype_in(dtype, seed):
    arrays = [(view * 10 + 100).astype(dtype) for view in views_of(seed, dtype=np.float64)]
    model = CCA(2).fit(tuple(arrays))
    expected = dtype if dtype == np.float32 else np.float64
    assert all(codes.dtype == expected for codes in model.transform(tuple(arrays)))
    assert all(weights.dtype == np.float64 for weights in model.weights_)


def test_transform_takes_any_rows_and_containers(seed):
    views = views_of(seed)
    model = CCA(2).fit(views)
    whole = np.asarray(model.transform(views))
    single = np.vstack([np.asarray(model.transform(views[[i]])) for i in range(10)])
    np.testing.assert_allclose(single, whole[:10], atol=1e-12)
    for X in (tuple(views), dict(zip(views.names, views, strict=True)), views[["text", "image"]]):
        np.testing.assert_allclose(np.asarray(model.transform(X)), whole, atol=1e-12)
    frame = views.to_frame()
    framed = CCA(2).set_output(transform="pandas").fit(frame)
    out = framed.transform(frame)
    assert isinstance(out, pd.DataFrame)
    assert list(out.columns) == ["image__cca0", "image__cca1", "text__cca0", "text__cca1"]
    np.testing.assert_allclose(out, whole, atol=1e-12)


def test_travels_and_is_searched(seed):
    views = views_of(seed, n=60, widths=(20, 20))
    model = CCA(2, regularization=0.1).fit(views)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        np.asarray(other.transform(views)), np.asarray(model.transform(views))
    )
    search = GridSearchCV(CCA(), {"regularization": [0.1, 10.0, "auto"]}, cv=3, error_score="raise")
    assert np.isfinite(search.fit(views).cv_results_["mean_test_score"]).all()


def test_data_are_left_alone_and_not_kept(by_samples, seed):
    for n in (200, 20):
        arrays = [np.array(view) for view in views_of(seed, n=n, widths=(30, 5))]
        kept = [view.copy() for view in arrays]
        model = CCA(2, regularization=0.1).fit(tuple(arrays))
        model.transform(tuple(arrays))
        for view, copy in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(view, copy)
        watched = [weakref.ref(view) for view in arrays]
        del arrays, view
        gc.collect()
        assert all(reference() is None for reference in watched)
        assert np.isfinite(np.asarray(model.transform(tuple(kept)))).all()


def test_tags_say_what_it_can_do():
    tags = get_tags(CCA())
    assert tags.coordinated
    assert tags.imputation
    assert tags.reconstruction
    assert not tags.absent_views
