import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrep.datasets import make_low_rank, make_multiview
from skrep.metrics import (
    kmeans_accuracy,
    kmeans_ari,
    kmeans_nmi,
    knn_accuracy,
    linear_probe_accuracy,
    reconstruction_r2,
    scorers,
)
from skrep.views import Views

LABEL_METRICS = [
    linear_probe_accuracy, knn_accuracy, kmeans_accuracy, kmeans_nmi, kmeans_ari
]  # fmt: skip
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


class Identity(TransformerMixin, BaseEstimator):
    """Code equal to the data, so that a metric sees exactly what the test wrote down."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    def inverse_transform(self, Z):
        return Z


@pytest.fixture
def X(seed):  # noqa: N802
    return make_low_rank(200, 10, rank=3, random_state=seed) * np.arange(1, 11) + 5.0


@pytest.fixture
def blobs(seed):
    y = np.repeat([0, 1, 2], 40)
    return 20.0 * np.eye(3)[y] + np.random.default_rng(seed).standard_normal((120, 3)), y


def test_r2_of_pca_is_its_explained_variance(X):
    pca = PCA(2).fit(X)
    expected = pca.explained_variance_ratio_.sum()
    assert reconstruction_r2(pca, X) == pytest.approx(expected, rel=1e-10)


def test_r2_is_in_the_units_of_the_pipelines_input(X):
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(X[:100])
    held_out = X[100:]
    error = held_out - pipeline.inverse_transform(pipeline.transform(held_out))
    spread = held_out - held_out.mean(axis=0)
    expected = 1 - (error**2).sum() / (spread**2).sum()
    assert reconstruction_r2(pipeline, held_out) == pytest.approx(expected, rel=1e-10)


def test_r2_has_the_ends_it_should(X):
    assert reconstruction_r2(Identity(), X) == 1.0
    mean = FunctionTransformer(inverse_func=lambda Z: np.broadcast_to(X.mean(axis=0), Z.shape))
    assert reconstruction_r2(mean, X) == pytest.approx(0.0, abs=1e-12)


def test_r2_of_views_is_that_of_the_joined_matrix_and_matches_by_name(seed):
    views = make_multiview(50, (4, 6), random_state=seed)
    joined = np.asarray(views)
    pca = PCA(2).fit(joined)
    expected = reconstruction_r2(pca, joined)
    assert reconstruction_r2(pca, views) == pytest.approx(expected, rel=1e-12)
    assert reconstruction_r2(pca, views.arrays) == pytest.approx(expected, rel=1e-12)

    class Reordering(Identity):
        def transform(self, X):
            return X

        def inverse_transform(self, Z):
            return Z[list(reversed(Z.names))]

    assert reconstruction_r2(Reordering(), views) == 1.0


def test_r2_reads_sparse_input(X):
    pca = PCA(2, svd_solver="arpack", random_state=0).fit(sp.csr_matrix(X))
    dense, sparse = reconstruction_r2(pca, X), reconstruction_r2(pca, sp.csr_matrix(X))
    assert sparse == pytest.approx(dense, rel=1e-10)


def test_r2_needs_a_decoder(X):
    with pytest.raises(TypeError, match="needs `inverse_transform`, and FactorAnalysis has none"):
        reconstruction_r2(FactorAnalysis(2).fit(X), X)
    pipeline = make_pipeline(StandardScaler(), FactorAnalysis(2)).fit(X)
    with pytest.raises(TypeError, match=r"FactorAnalysis \(a step of Pipeline\) has none"):
        reconstruction_r2(pipeline, X)


def test_r2_messages(X):
    with pytest.raises(ValueError, match="Every feature of X is constant over its 5 rows"):
        reconstruction_r2(Identity(), np.ones((5, 3)))
    narrow = FunctionTransformer(inverse_func=lambda Z: Z[:, :2])
    with pytest.raises(ValueError, match=r"reconstruction has shape \(200, 2\) and X has shape"):
        reconstruction_r2(narrow, X)


def test_probe_finds_what_is_there(blobs):
    X, y = blobs
    assert linear_probe_accuracy(Identity(), X, y) == 1.0
    assert linear_probe_accuracy(Identity(), X, np.array(["a", "b", "c"])[y]) == 1.0


def test_probe_finds_nothing_where_there_is_nothing(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((2000, 3)), np.arange(2000) % 2
    # Every row is scored once by a probe that has not seen it: 2000 fair coins, 5 standard errors,
    # false alarm 6e-7.
    assert abs(linear_probe_accuracy(Identity(), X, y) - 0.5) < 5 * np.sqrt(0.25 / 2000)


def test_probe_standardises_the_code(blobs):
    X, y = blobs
    assert linear_probe_accuracy(Identity(), X * [1e-6, 1.0, 1e6], y) == 1.0


def test_neighbours_find_what_no_line_divides(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(400, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)  # opposite quarters
    assert knn_accuracy(Identity(), X, y) > 0.9
    assert linear_probe_accuracy(Identity(), X, y) < 0.7
    # The scale of the code is part of it: what is blown up decides alone.
    noise = rng.standard_normal((400, 1)) * 1e6
    assert abs(knn_accuracy(Identity(), np.hstack([X, noise]), y) - 0.5) < 5 * np.sqrt(0.25 / 400)


def test_neighbours_need_as_many_rows_as_they_ask():
    with pytest.raises(ValueError, match="n_neighbors"):
        knn_accuracy(Identity(), np.arange(4.0)[:, None], [0, 0, 1, 1])


def test_probe_copes_with_small_classes(blobs):
    X, y = blobs
    kept = np.r_[0:40, 40:42, 80:81]  # 40, 2 and 1 rows of a class
    score = linear_probe_accuracy(Identity(), X[kept], y[kept])
    assert score >= 40 / 42


def test_clusters_are_matched_to_classes_one_to_one():
    # Cluster A holds classes 0 0 1, cluster B holds 0 1 1: the best matching is right on 4 of 6.
    y = np.array([0, 0, 1, 0, 1, 1])
    code = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    assert kmeans_accuracy(Identity(), code, y) == pytest.approx(4 / 6)
    joint = np.array([2, 1, 1, 2]) / 6
    information = (joint * np.log(joint / 0.25)).sum()
    assert kmeans_nmi(Identity(), code, y) == pytest.approx(information / np.log(2))
    # Pairs together in both: 2. In one partition 6, 15 in all: (2 - 36/15) / (6 - 36/15).
    assert kmeans_ari(Identity(), code, y) == pytest.approx(-0.4 / 3.6)


def test_clusters_of_blobs_are_found_whatever_the_names(blobs):
    X, y = blobs
    for labels in (y, 2 - y, np.array(["x", "y", "z"])[y]):
        assert kmeans_accuracy(Identity(), X, labels) == 1.0
        assert kmeans_nmi(Identity(), X, labels) == pytest.approx(1.0)
        assert kmeans_ari(Identity(), X, labels) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", LABEL_METRICS)
def test_labels_are_needed(metric, X):
    name = metric.__name__
    with pytest.raises(ValueError, match=f"`{name}` needs labels, and y is None"):
        metric(Identity(), X)
    with pytest.raises(ValueError, match=f"`{name}` needs one class label .* y is 'continuous'"):
        metric(Identity(), X, X[:, 0])
    with pytest.raises(ValueError, match=f"`{name}` needs at least two classes, and y holds only"):
        metric(Identity(), X, np.ones(200))


def test_probe_needs_two_classes_of_two():
    with pytest.raises(ValueError, match="two classes of two rows each, and y has 1 among its 5"):
        linear_probe_accuracy(Identity(), np.eye(5), [0, 0, 0, 0, 1])


@pytest.mark.parametrize("metric", LABEL_METRICS)
def test_code_must_be_a_finite_matrix(metric, X):
    broken = FunctionTransformer(lambda X: X * np.nan)
    with pytest.raises(ValueError, match=r"shape \(200, 10\) with NaN or infinity in it"):
        metric(broken, X, np.arange(200) % 2)


@pytest.mark.parametrize("metric", LABEL_METRICS)
def test_codes_may_be_views_or_sparse(metric, blobs):
    X, y = blobs
    in_views = FunctionTransformer(lambda X: Views((X[:, :2], X[:, 2:])))
    in_csr = FunctionTransformer(sp.csr_matrix)
    assert metric(in_views, X, y) == metric(in_csr, X, y) == metric(Identity(), X, y)


def test_scorers_serve_stock_model_selection(blobs):
    X, y = blobs
    pipeline = make_pipeline(StandardScaler(), PCA())
    folds = cross_validate(pipeline, X, y, cv=FOLDS, scoring=scorers(), error_score="raise")
    assert {key[5:] for key in folds if key.startswith("test_")} == set(scorers())
    search = GridSearchCV(
        pipeline,
        {"pca__n_components": [1, 2]},
        scoring=scorers("reconstruction_r2", "kmeans_nmi"),
        refit="reconstruction_r2",
        error_score="raise",
        cv=FOLDS,
    ).fit(X, y)
    assert search.best_params_ == {"pca__n_components": 2}


def test_scorers_score_views_without_labels(seed):
    views = make_multiview(60, random_state=seed)
    folds = cross_validate(
        PCA(2), views, cv=3, scoring=scorers("reconstruction_r2"), error_score="raise"
    )
    assert np.all(folds["test_reconstruction_r2"] > 0)


def test_scorers_refuse_unknown_names():
    with pytest.raises(ValueError, match=r"Unknown metric 'r2'\. The metrics are 'reconstructi"):
        scorers("r2")
    assert list(scorers("kmeans_nmi")) == ["kmeans_nmi"]
