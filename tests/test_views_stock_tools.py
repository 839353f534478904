"""scikit-learn's own tools work unchanged on `Views`."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import resample, shuffle

from skrep.compose import ConcatViews, PerView, SelectView, SplitViews
from skrep.views import Views

N = 60


GROUPS = np.arange(N) // 6


def groups_for(cv):
    # The other splitters warn about groups.
    return GROUPS if isinstance(cv, GroupKFold) else None


@pytest.fixture
def labels():
    return np.arange(N) % 3


@pytest.fixture
def views(seed, labels):
    """Two views that carry the label; the first column of each is the row number."""
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(N, w)) + 3 * np.eye(3)[labels][:, [0] * w] for w in (4, 3)]
    for array in arrays:
        array[:, 1] = 4 * labels + 0.1 * rng.normal(size=N)
        array[:, 0] = np.arange(N)
    return Views({"image": arrays[0], "text": arrays[1]})


@pytest.fixture
def matrix(views):
    return np.asarray(views)


@pytest.fixture
def pipe():
    """Steps that see views as views, then one matrix."""
    return Pipeline(
        [
            ("scale", PerView({"image": StandardScaler(), "text": StandardScaler()})),
            ("concat", ConcatViews()),
            ("pca", PCA(2)),
            ("model", LogisticRegression()),
        ]
    )


@pytest.fixture
def same(pipe):
    """The same on a matrix: scaling by view is scaling by column."""
    return make_pipeline(StandardScaler(), PCA(2), LogisticRegression())


def rows_of(part):
    """Check that a part still pairs the same samples, and return which they are."""
    assert isinstance(part, Views)
    np.testing.assert_array_equal(part["image"][:, 0], part["text"][:, 0])
    return part["image"][:, 0].astype(int)


GRID = {"pca__n_components": [1, 3], "scale__image__with_mean": [True, False]}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(pipe, views, labels, n_jobs):
    search = GridSearchCV(pipe, GRID, cv=3, n_jobs=n_jobs, error_score="raise").fit(views, labels)
    assert search.best_score_ > 0.8
    assert search.predict(views).shape == (N,)


def test_grid_search_equals_that_on_the_matrix(views, matrix, labels):
    grid = {"pca__n_components": [1, 2, 3]}
    on_views = GridSearchCV(make_pipeline(PCA(), LogisticRegression()), grid, cv=3)
    on_matrix = GridSearchCV(make_pipeline(PCA(), LogisticRegression()), grid, cv=3)
    np.testing.assert_array_equal(
        on_views.fit(views, labels).cv_results_["mean_test_score"],
        on_matrix.fit(matrix, labels).cv_results_["mean_test_score"],
    )


def test_grid_search_without_y(views):
    pipe = make_pipeline(PerView(StandardScaler()), PCA())
    search = GridSearchCV(pipe, {"pca__n_components": [1, 2]}, cv=3, error_score="raise")
    assert search.fit(views).best_params_["pca__n_components"] in (1, 2)


def test_grid_search_swaps_the_transformer_of_a_view(pipe, views, labels):
    grid = {"scale__text": [StandardScaler(), "passthrough", PCA(1)]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(views, labels)
    assert len(search.cv_results_["params"]) == 3


def test_randomized_search(pipe, views, labels):
    search = RandomizedSearchCV(pipe, GRID, n_iter=2, cv=3, random_state=0, error_score="raise")
    assert search.fit(views, labels).best_score_ > 0.8


def test_halving_grid_search(pipe, views, labels):
    search = HalvingGridSearchCV(pipe, GRID, cv=3, random_state=0, error_score="raise")
    assert search.fit(views, labels).best_score_ > 0.8


@pytest.mark.parametrize(
    "cv", [3, KFold(4), ShuffleSplit(3, random_state=0), GroupKFold(3), TimeSeriesSplit(3)], ids=str
)
def test_cross_validate(pipe, same, views, matrix, labels, cv):
    options = {"cv": cv, "groups": groups_for(cv), "return_train_score": True}
    ours = cross_validate(pipe, views, labels, error_score="raise", **options)
    theirs = cross_validate(same, matrix, labels, error_score="raise", **options)
    np.testing.assert_allclose(ours["test_score"], theirs["test_score"])
    np.testing.assert_allclose(ours["train_score"], theirs["train_score"])


@pytest.mark.parametrize(
    "cv", [ShuffleSplit(2, random_state=0), GroupKFold(3), TimeSeriesSplit(3)], ids=str
)
def test_splitters_index_samples(views, labels, cv):
    for train, test in cv.split(views, labels, groups=groups_for(cv)):
        np.testing.assert_array_equal(rows_of(views[train]), train)
        np.testing.assert_array_equal(rows_of(views[test]), test)


def test_cross_val_predict(pipe, same, views, matrix, labels):
    np.testing.assert_array_equal(
        cross_val_predict(pipe, views, labels, cv=3), cross_val_predict(same, matrix, labels, cv=3)
    )
    shares = cross_val_predict(pipe, views, labels, cv=3, method="predict_proba")
    assert shares.shape == (N, 3)


def test_learning_curve(pipe, views, labels):
    sizes, _, test = learning_curve(
        pipe, views, labels, cv=3, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert sizes.tolist() == [20, 40]
    assert test.shape == (2, 3)


def test_validation_curve(pipe, views, labels):
    train, _ = validation_curve(
        pipe,
        views,
        labels,
        param_name="pca__n_components",
        param_range=[1, 2],
        cv=3,
        error_score="raise",
    )
    assert train.shape == (2, 3)


def test_permutation_test_score(pipe, views, labels):
    score, _, pvalue = permutation_test_score(
        pipe, views, labels, cv=3, n_permutations=19, random_state=0
    )
    assert score > 0.8
    assert pvalue == pytest.approx(1 / 20)


def test_train_test_split(views, labels):
    train, test, y_train, y_test = train_test_split(
        views, labels, test_size=0.25, stratify=labels, random_state=0
    )
    np.testing.assert_array_equal(labels[rows_of(train)], y_train)
    np.testing.assert_array_equal(labels[rows_of(test)], y_test)
    assert np.bincount(y_test).tolist() == [5, 5, 5]
    assert sorted([*rows_of(train), *rows_of(test)]) == list(range(N))


def test_train_test_split_keeps_index_and_sparsity(labels):
    table = pd.DataFrame(np.ones((N, 2)), columns=["a", "b"], index=[f"s{i}" for i in range(N)])
    counts = sparse.csr_matrix(np.arange(N * 2).reshape(N, 2))
    train, test = train_test_split(Views((table, counts)), random_state=0)
    assert sparse.issparse(train[1])
    for part in (train, test):
        assert [f"s{i // 2}" for i in part[1].toarray()[:, 0]] == list(part.index)


@pytest.mark.parametrize("tool", [shuffle, resample])
def test_shuffle_and_resample(views, labels, tool):
    picked, y = tool(views, labels, random_state=0)
    np.testing.assert_array_equal(labels[rows_of(picked)], y)
    assert len(rows_of(tool(views, random_state=0, n_samples=10))) == 10


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_voting(views, labels, voting):
    parts = [(n, make_pipeline(SelectView(n), GaussianNB())) for n in views.names]
    model = VotingClassifier([*parts, ("both", LogisticRegression(max_iter=1000))], voting=voting)
    assert model.fit(views, labels).score(views, labels) > 0.8


def test_stacking(views, labels):
    parts = [(n, make_pipeline(SelectView(n), GaussianNB())) for n in views.names]
    model = StackingClassifier(parts, LogisticRegression(), cv=3)
    assert model.fit(views, labels).score(views, labels) > 0.8


def test_calibration(pipe, views, labels):
    model = CalibratedClassifierCV(pipe, cv=3).fit(views, labels)
    assert model.predict_proba(views).shape == (N, 3)


def test_one_vs_rest(pipe, views, labels):
    model = OneVsRestClassifier(pipe).fit(views, labels)
    assert model.predict(views).shape == (N,)


def test_function_transformer(views):
    halves = FunctionTransformer(lambda v: v.with_arrays([a / 2 for a in v])).fit_transform(views)
    np.testing.assert_allclose(np.asarray(halves), np.asarray(views) / 2)
    picked = FunctionTransformer(lambda v: v["text"]).fit_transform(views)
    np.testing.assert_array_equal(picked, views["text"])


def test_feature_union(views, matrix):
    union = FeatureUnion([("all", PCA(2)), ("text", SelectView("text")), ("views", ConcatViews())])
    out = union.fit_transform(views)
    assert out.shape == (N, 2 + 3 + 7)
    np.testing.assert_array_equal(out[:, -7:], matrix)
    names = FeatureUnion([("text", SelectView("text"))]).fit(views).get_feature_names_out()
    assert names.tolist() == ["text__text__x0", "text__text__x1", "text__text__x2"]


def test_transformed_target(views, matrix):
    pipe = make_pipeline(PerView(StandardScaler()), Ridge())
    model = TransformedTargetRegressor(pipe, func=np.log1p, inverse_func=np.expm1)
    y = np.exp(matrix[:, 2])
    assert model.fit(views, y).predict(views).shape == (N,)


def test_pls_and_views_as_y_side_matrix(views):
    assert PLSRegression(2).fit(views, views["text"]).transform(views).shape == (N, 2)


@pytest.fixture
def split_pipe(pipe):
    names = {"image": slice(0, 4), "text": slice(4, 7)}
    return Pipeline([("split", SplitViews(names)), *pipe.steps])


def test_bagging_with_split_views(split_pipe, matrix, views, labels):
    model = BaggingClassifier(split_pipe, n_estimators=3, random_state=0)
    assert model.fit(matrix, labels).score(matrix, labels) > 0.8
    # Bagging makes a matrix of whatever it gets.
    assert model.fit(views, labels).score(views, labels) > 0.8


def test_permutation_importance_with_split_views(split_pipe, matrix, labels):
    model = split_pipe.fit(matrix, labels)
    found = permutation_importance(model, matrix, labels, n_repeats=2, random_state=0)
    assert found.importances_mean.shape == (7,)
    # Columns 1 and 5 carry the label, columns 0 and 4 only count rows.
    assert found.importances_mean[[1, 5]].max() > found.importances_mean[[0, 4]].max()


def test_pandas_output_through_a_pipeline(split_pipe, matrix, labels):
    table = pd.DataFrame(matrix, columns=list("abcdefg"), index=[f"s{i}" for i in range(N)])
    steps = split_pipe[:3].set_output(transform="pandas")
    out = steps.fit_transform(table, labels)
    expected = [*(f"image__{c}" for c in "abcd"), *(f"text__{c}" for c in "efg")]
    assert out.columns.tolist() == expected
    assert out.index.equals(table.index)
    names = steps.get_feature_names_out()
    assert list(names) == expected
