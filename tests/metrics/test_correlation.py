import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer

from skrep.datasets import load_mfeat, make_multiview
from skrep.metrics import (
    canonical_correlations,
    mean_average_precision,
    median_rank,
    retrieval_recall,
    scorers,
    shared_representation_accuracy,
    total_correlation_captured,
    view_scorer,
)
from skrep.views import Views

VIEW_METRICS = [
    "canonical_correlations",
    "total_correlation_captured",
    "shared_representation_accuracy",
    "retrieval_recall",
    "mean_average_precision",
    "mean_reciprocal_rank",
    "neg_median_rank",
]


class TwoViews(TransformerMixin, BaseEstimator):
    """CCA by an SVD."""

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit(self, X, y=None):
        self.means_ = [view.mean(axis=0) for view in X]
        triangles, bases = [], []
        for view, mean in zip(X, self.means_, strict=True):
            basis, triangle = np.linalg.qr(view - mean)
            bases.append(basis)
            triangles.append(triangle)
        left, _, right = np.linalg.svd(bases[0].T @ bases[1])
        self.weights_ = [
            np.linalg.solve(triangle, directions[:, : self.n_components])
            for triangle, directions in zip(triangles, (left, right.T), strict=True)
        ]
        return self

    def transform(self, X):
        codes = [
            (view - mean) @ weights
            for view, mean, weights in zip(X, self.means_, self.weights_, strict=True)
        ]
        return Views(codes, names=X.names)


class EachOnly(BaseEstimator):
    def transform(self, X):
        return np.zeros((len(X), 1))

    def transform_each(self, X):
        return X


@pytest.fixture
def codes(seed):
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((40, 3))
    return tuple(shared + rng.standard_normal((40, 3)) for _ in range(3))


def test_two_views_give_pearson_for_each_component(codes):
    a, b, _ = codes
    expected = [np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(canonical_correlations((a, b)), expected, rtol=1e-12)
    assert total_correlation_captured((a, b)) == pytest.approx(sum(expected), rel=1e-12)


def test_more_views_give_the_mean_over_pairs(codes):
    a, b, c = codes
    expected = np.mean([canonical_correlations(p) for p in ((a, b), (a, c), (b, c))], axis=0)
    np.testing.assert_allclose(canonical_correlations(codes), expected, rtol=1e-12)


def test_canonical_correlations_of_cca_codes_are_the_singular_values(seed):
    a, b = make_multiview(200, (4, 5), random_state=seed)
    left, right = (np.linalg.qr(v - v.mean(axis=0))[0] for v in (a, b))
    U, singular, Vt = np.linalg.svd(left.T @ right)
    np.testing.assert_allclose(
        canonical_correlations((left @ U, right @ Vt.T[:, :4])), singular, rtol=1e-9
    )


@pytest.mark.parametrize("scale", [1e-200, 1e-12, 1.0, 1e12, 1e200])
def test_scale_and_shift_do_not_matter(codes, scale):
    a, b, _ = codes
    expected = canonical_correlations((a, b))
    np.testing.assert_allclose(canonical_correlations((a * scale, b)), expected, rtol=1e-9)
    np.testing.assert_allclose(canonical_correlations((a, 1e3 - b)), -expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("constant", [0.0, 7.0, -1e6])
def test_constant_component_shares_nothing(codes, constant, dtype):
    a, b = (10 * code for code in codes[:2])
    a[:, 1] = constant
    found = canonical_correlations((a.astype(dtype), b.astype(dtype)))
    assert found[1] == 0.0
    assert np.all(found[[0, 2]] != 0.0)
    rounded = np.nextafter(np.float32(0.1), 1, dtype=np.float32)
    a[:, 1] = np.where(np.arange(40) % 2, np.float32(0.1), rounded)
    assert canonical_correlations((a.astype(np.float32), b))[1] == 0.0


def test_absent_codes_are_left_out_pair_by_pair(codes):
    a, b, c = (code.copy() for code in codes)
    a[:5], b[3:9] = np.nan, np.nan
    kept = np.r_[0:3, 9:40]
    pairs = ((a[9:], b[9:]), (a[5:], c[5:]), (b[kept], c[kept]))
    expected = [canonical_correlations(pair) for pair in pairs]
    np.testing.assert_allclose(canonical_correlations((a, b, c)), np.mean(expected, axis=0))


def test_correlation_messages(codes):
    a, b, _ = codes
    with pytest.raises(ValueError, match="between views, and there is one, 'view0'"):
        canonical_correlations(Views((a,)))
    with pytest.raises(ValueError, match="'view0' has 3, 'view1' has 2"):
        canonical_correlations((a, b[:, :2]))
    with pytest.raises(ValueError, match="'view0' and 'view1' have 1 in common"):
        canonical_correlations((a[:1], b[:1]))
    a = a.copy()
    a[2, 1] = np.nan
    with pytest.raises(ValueError, match="view 'view0' in `Z` hold NaN or infinity in part"):
        canonical_correlations((a, b))
    with pytest.raises(TypeError, match="`Z` must be `Views`"):
        canonical_correlations(b)


def test_shared_accuracy_is_one_or_chance_as_planted(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(2000) % 2
    code = rng.standard_normal((2000, 3)) + 12.0 * y[:, np.newaxis]
    noise = rng.standard_normal((2000, 3))
    Z = Views({"a": code, "b": code + 0.1 * noise, "noise": noise})
    options = {"source": "a", "random_state": seed}
    assert shared_representation_accuracy(Z, y, target="b", **options) == 1.0
    assert shared_representation_accuracy(Z, y, target=0, **options) == 1.0
    # Noise lies on one side of the boundary between codes: the share of that class, a half.
    assert shared_representation_accuracy(Z, y, target="noise", **options) == 0.5
    names = np.array(["x", "y"])[y]
    assert shared_representation_accuracy(Z, names, target="b", **options) == 1.0


def test_shared_accuracy_never_tests_on_what_it_trained_on(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 2000)
    code = rng.standard_normal((2000, 2))
    nearest = KNeighborsClassifier(1)
    score = shared_representation_accuracy(
        (code, code), y, source=0, target=1, classifier=nearest, random_state=seed
    )
    # A row that was seen would be its own nearest neighbour. 1000 fair coins, 5 standard errors.
    assert abs(score - 0.5) < 5 * np.sqrt(0.25 / 1000)
    given = shared_representation_accuracy(
        (code, code), y, source=0, target=1, classifier=nearest, Z_test=(code, code), y_test=y
    )
    assert given == 1.0
    with pytest.raises(AttributeError):
        nearest.classes_  # noqa: B018 - a clone was fitted, not the caller's


def test_shared_accuracy_repeats_with_a_seed_and_leaves_out_what_is_absent(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(300) % 3
    a = rng.standard_normal((300, 2)) + y[:, np.newaxis]
    b = a + rng.standard_normal((300, 2))
    b[::7] = np.nan
    options = {"source": "view0", "target": "view1"}
    first, second = (
        shared_representation_accuracy((a, b), y, random_state=seed, **options) for _ in range(2)
    )
    assert first == second
    test = Views((a, b))
    present = test.present[:, 1]
    given = shared_representation_accuracy(test, y, Z_test=test, y_test=y, **options)
    kept = test[present]
    assert given == shared_representation_accuracy(
        test, y, Z_test=kept, y_test=y[present], **options
    )


def test_shared_accuracy_messages(codes):
    a, b, c = codes
    y = np.arange(40) % 2
    ask = {"source": "view0", "target": "view1"}
    with pytest.raises(ValueError, match="needs labels, and y is None"):
        shared_representation_accuracy((a, b), None, **ask)
    with pytest.raises(ValueError, match=r"one label per sample, shape \(40,\). Got shape \(39,\)"):
        shared_representation_accuracy((a, b), y[:39], **ask)
    with pytest.raises(ValueError, match=r"together, or neither. Got `y_test` alone"):
        shared_representation_accuracy((a, b), y, y_test=y, **ask)
    with pytest.raises(ValueError, match="two classes of two samples each, and y has 1 among"):
        shared_representation_accuracy((a[:4], b[:4]), [0, 0, 0, 1], **ask)
    with pytest.raises(ValueError, match="'view0' has 3, 'view1' has 2"):
        shared_representation_accuracy((a, b[:, :2]), y, **ask)
    with pytest.raises(KeyError, match="There is no view 'text'"):
        shared_representation_accuracy((a, b), y, source="text", target="view1")
    with pytest.raises(IndexError, match="There is no view 5"):
        shared_representation_accuracy((a, b), y, source=0, target=5)
    with pytest.raises(ValueError, match="No sample with view 'view1' is left to test on"):
        shared_representation_accuracy((a, np.full_like(b, np.nan)), y, **ask)
    # The size of a view that is not asked for does not matter.
    assert 0.0 <= shared_representation_accuracy((a, b, c[:, :1]), y, **ask) <= 1.0


@pytest.mark.parametrize("name", VIEW_METRICS)
def test_view_scorers_serve_stock_model_selection(name, seed):
    X, truth = make_multiview(120, (6, 7), random_state=seed, return_truth=True)
    y = (truth.shared[:, 0] > 0).astype(int)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    scoring = view_scorer(name, k=3)
    search = GridSearchCV(
        TwoViews(), {"n_components": [1, 3]}, scoring=scoring, cv=folds, error_score="raise"
    ).fit(X, y)
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))
    assert pickle.loads(pickle.dumps(scoring)) == scoring


def test_search_finds_the_number_of_shared_components(seed):
    X = make_multiview(300, (6, 7), n_shared=3, random_state=seed)
    search = GridSearchCV(
        TwoViews(),
        {"n_components": [1, 3]},
        scoring=scorers("total_correlation_captured"),
        refit="total_correlation_captured",
        cv=3,
    ).fit(X)
    assert search.best_params_ == {"n_components": 3}
    assert search.best_score_ > 2.5


def test_scorer_is_the_measure_of_the_codes(seed):
    X, y = load_mfeat(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(2000)[:300]
    X, y = X[["fou", "kar", "zer"]][rows], y[rows]
    codes = Views([PCA(5).fit_transform(array) for array in X], names=X.names)
    a, b, _ = codes
    model, ends = EachOnly(), {"source": "fou", "target": "kar"}
    assert view_scorer("mean_average_precision", **ends)(model, codes, y) == (
        mean_average_precision(a, b, y, y)
    )
    pairs = view_scorer("retrieval_recall", **ends, k=3, metric="dot", positives="pairs")
    assert pairs(model, codes, y) == retrieval_recall(a, b, k=3, metric="dot")
    assert view_scorer("neg_median_rank", **ends)(model, codes) == -median_rank(a, b)
    both = [
        shared_representation_accuracy(codes, y, source=s, target=t, random_state=0)
        for s in codes.names
        for t in codes.names
        if s != t
    ]
    every = view_scorer("shared_representation_accuracy")
    assert every(model, codes, y) == pytest.approx(np.mean(both))
    correlation = view_scorer("canonical_correlations", **ends)
    assert correlation(model, codes) == pytest.approx(canonical_correlations((a, b)).mean())
    total = view_scorer("total_correlation_captured")
    assert total(model, codes) == total_correlation_captured(codes)


def test_scorer_leaves_out_absent_codes(codes, seed):
    a, b, _ = (code.copy() for code in codes)
    a[:4], b[8:12] = np.nan, np.nan
    Z, both = Views((a, b)), np.r_[4:8, 12:40]
    ends = {"source": "view0", "target": "view1"}
    found = view_scorer("mean_reciprocal_rank", **ends)(EachOnly(), Z)
    assert found == mean_average_precision(a[both], b[both])
    y = np.arange(40) % 2
    in_a, in_b = ~np.isnan(a[:, 0]), ~np.isnan(b[:, 0])
    found = view_scorer("mean_average_precision", **ends)(EachOnly(), Z, y)
    assert found == mean_average_precision(a[in_a], b[in_b], y[in_a], y[in_b])


def test_view_scorer_messages(codes):
    Z = Views(codes)
    with pytest.raises(ValueError, match=r"Unknown metric 'r2'.*compare views are 'canonical"):
        view_scorer("r2")
    with pytest.raises(ValueError, match=r"must both name a view, or neither. Got 'a' and None"):
        view_scorer("neg_median_rank", source="a")
    with pytest.raises(ValueError, match=r"`positives` must be 'auto'.*Got 'rows'"):
        view_scorer("neg_median_rank", positives="rows")
    with pytest.raises(ValueError, match="There is no view 'a' among the codes; there are 'view0'"):
        view_scorer("neg_median_rank", source="a", target="view0")(EachOnly(), Z)
    with pytest.raises(ValueError, match="'labels'` needs labels, and y is None"):
        view_scorer("neg_median_rank", positives="labels")(EachOnly(), Z)
    with pytest.raises(ValueError, match="compares views, and there is one, 'view0'"):
        view_scorer("neg_median_rank")(EachOnly(), Z[["view0"]])
    with pytest.raises(TypeError, match="PCA has no code per view: `transform` returned one ndarr"):
        view_scorer("total_correlation_captured")(PCA(2).fit(Z), Z)


def test_several_view_scorers_at_once(codes):
    folds = cross_validate(
        FunctionTransformer(), Views(codes), cv=2, scoring=scorers(*VIEW_METRICS[:2])
    )
    assert {f"test_{name}" for name in VIEW_METRICS[:2]} <= set(folds)
