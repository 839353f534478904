import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.manifold import TSNE
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skrep.datasets import make_low_rank, make_multiview
from skrep.inspection import compare
from skrep.metrics import reconstruction_r2


class Recorder(PCA):
    """A PCA that leaves a trace of the seeds and rows it was given."""

    def fit(self, X, y=None):
        TRACE.append((self.random_state, X.shape))
        return super().fit(X)


class Broken(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise RuntimeError("no memory\nand more")


TRACE = []


@pytest.fixture
def X(seed):  # noqa: N802
    return make_low_rank(90, 8, rank=3, random_state=seed)


@pytest.fixture
def y():
    return np.arange(90) % 3


def run(*args, **options):
    return compare(*args, **{"verbose": 0, "random_state": 0, "cv": 3, **options})


def test_numbers_are_those_of_a_plain_loop(X):
    splits = list(KFold(4, shuffle=True, random_state=1).split(X))
    table = run({"PCA": PCA(2)}, X, cv=splits)
    scores = []
    for train, test in splits:
        pca = PCA(2).fit(X[train])
        rest = X[test] - pca.inverse_transform(pca.transform(X[test]))
        scores.append(1 - (rest**2).sum() / ((X[test] - X[test].mean(axis=0)) ** 2).sum())
    assert table.loc["PCA", "reconstruction_r2"] == pytest.approx(np.mean(scores), rel=1e-10)
    spread = np.std(scores, ddof=1)
    assert table.loc["PCA", "reconstruction_r2_std"] == pytest.approx(spread, rel=1e-8)
    assert table.loc["PCA", "n_components"] == 2
    assert table.attrs["notes"] == []


def test_columns_follow_the_labels(X, y):
    with_labels = run([PCA(2)], X, y)
    assert list(with_labels.columns) == [
        "n_components",
        *(
            f"{metric}{suffix}"
            for metric in (
                "reconstruction_r2",
                "linear_probe_accuracy",
                "kmeans_accuracy",
                "kmeans_nmi",
            )
            for suffix in ("", "_std")
        ),
        "fit_seconds",
        "transform_seconds",
    ]
    assert not with_labels.isna().any(axis=None)
    without = run([PCA(2)], X)
    assert "kmeans_nmi" not in without
    assert (without[["fit_seconds", "transform_seconds"]] > 0).all(axis=None)


def test_names_come_from_classes_and_do_not_collide(X):
    models = [PCA(2), make_pipeline(StandardScaler(), PCA(2)), PCA(3), FactorAnalysis(2)]
    table = run(models, X, metrics="reconstruction_r2")
    assert list(table.index) == ["PCA", "PCA-2", "PCA-3", "FactorAnalysis"]
    assert list(run(PCA(2), X).index) == ["PCA"]


def test_all_see_the_same_folds_with_another_seed_in_each(X, seed):
    TRACE.clear()
    models = {"a": Recorder(2), "b": make_pipeline(StandardScaler(), Recorder(2, random_state=5))}
    run(models, X, random_state=seed)
    seeds = [trace[0] for trace in TRACE]
    assert len(TRACE) == 6
    assert seeds[0::2] == seeds[1::2]
    assert len(set(seeds)) == 3
    assert {trace[1] for trace in TRACE} == {(60, 8)}
    first = list(TRACE)
    TRACE.clear()
    run(models, X, random_state=seed)
    assert first == TRACE


def test_caller_s_estimators_and_generator_are_untouched(X):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = PCA(2)
    run([model], X, random_state=None)
    assert not hasattr(model, "components_")
    assert model.random_state is None
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_models_without_decoder_get_a_ridge_and_a_note(X):
    table = run([PCA(3), FactorAnalysis(3), make_pipeline(MinMaxScaler(), FactorAnalysis(3))], X)
    assert table.attrs["notes"] == [
        f"{name} has no inverse_transform: a ridge regression fitted on its training codes decodes."
        for name in ("FactorAnalysis", "FactorAnalysis-2")
    ]
    # Three factors hold all but 1 % of this signal's variance, in the input's units through a
    # scaler as well.
    assert (table["reconstruction_r2"] > 0.95).all()
    assert table.loc["FactorAnalysis", "reconstruction_r2"] <= table.loc["PCA", "reconstruction_r2"]


def test_one_failure_is_a_row_of_nan_and_a_note(X):
    table = run({"good": PCA(2), "bad": Broken(), "plain": TSNE()}, X)
    assert table.loc[["bad", "plain"]].isna().all(axis=None)
    assert table.loc["good"].notna().all()
    assert "bad failed in fold 1: RuntimeError: no memory" in table.attrs["notes"]
    assert any("plain failed in fold 1" in n and "transform" in n for n in table.attrs["notes"])


def test_failure_in_a_later_fold_leaves_no_half_mean(X):
    class Late(PCA):
        def fit(self, X, y=None):
            if len(TRACE) == 1:
                raise RuntimeError("late")
            TRACE.append(None)
            return super().fit(X)

    TRACE.clear()
    table = run({"good": PCA(2), "late": Late(2)}, X)
    assert table.loc["late"].isna().all()
    assert "late failed in fold 2: RuntimeError: late" in table.attrs["notes"]


def test_all_failing_raises(X):
    with pytest.raises(ValueError, match=r"Every estimator failed\. Broken: RuntimeError: no mem"):
        run([Broken()], X)


def test_own_scorers_and_those_that_do_not_apply(X):
    metrics = {
        "r2": reconstruction_r2,
        "likelihood": lambda model, X, y: model.score(X),
    }
    table = run({"FA": FactorAnalysis(2), "scaled": StandardScaler()}, X, metrics=metrics)
    assert np.isfinite(table.loc["FA", "likelihood"])
    assert np.isnan(table.loc["scaled", "likelihood"])
    assert table.loc["scaled", "r2"] == pytest.approx(1.0)
    assert any("scaled has no likelihood: AttributeError" in n for n in table.attrs["notes"])


def test_unequal_code_sizes_are_noted(X):
    notes = run([PCA(2), PCA(3)], X).attrs["notes"]
    assert notes == [
        "Code sizes differ, so the rows do not compare like with like: PCA 2, PCA-2 3."
    ]


def test_views_are_split_by_sample_and_equal_the_joined_matrix(seed):
    views = make_multiview(60, (5, 7), random_state=seed)
    expected = run([PCA(2)], np.asarray(views))["reconstruction_r2"]
    for form in (views, tuple(views.arrays), dict(zip("ab", views.arrays, strict=True))):
        pd.testing.assert_series_equal(run([PCA(2)], form)["reconstruction_r2"], expected)
    pd.testing.assert_series_equal(run([PCA(2)], views.to_frame())["reconstruction_r2"], expected)


def test_frames_lists_and_sparse_matrices_are_taken(X):
    expected = run([PCA(2, svd_solver="arpack")], X)["reconstruction_r2"]
    frame = pd.DataFrame(X, index=np.arange(90)[::-1], columns=list("abcdefgh"))
    for form in (frame, X.tolist(), sp.coo_matrix(X)):
        again = run([PCA(2, svd_solver="arpack")], form)["reconstruction_r2"]
        pd.testing.assert_series_equal(again, expected)


def test_labels_may_be_a_series_with_an_index_of_its_own(X, y):
    series = pd.Series(np.array(["a", "b", "c"])[y], index=np.arange(90)[::-1])
    for labels in (series, series.tolist()):
        again = run([PCA(2)], X, labels)
        assert np.isfinite(again.loc["PCA", "kmeans_nmi"])


def test_integers_give_stratified_folds_where_classes_allow(X):
    y = np.repeat([0, 1], [84, 6])
    assert run([PCA(2)], X, y).attrs["notes"] == []
    y = np.repeat([0, 1], [88, 2])
    notes = run([PCA(2)], X, y, metrics="reconstruction_r2").attrs["notes"]
    assert notes == [
        "The folds are not stratified: the smallest class has 2 rows, fewer than the 3 folds."
    ]


def test_stock_splitters_are_taken(X, y):
    table = run([PCA(2)], X, y, cv=StratifiedKFold(2))
    assert np.isfinite(table.loc["PCA", "linear_probe_accuracy"])


def test_targets_that_are_no_classes_leave_reconstruction(X):
    table = run([PCA(2)], X, X[:, 0])
    assert "kmeans_nmi" not in table
    assert "No metric of labels was computed" in table.attrs["notes"][0]


def test_progress_is_on_standard_error_and_can_be_hidden(X, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run([PCA(2)], X, verbose=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fold 1/3, PCA" in captured.err
    run([PCA(2)], X, verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimators": []}, ValueError, r"`estimators` is empty\. Give a dict or a list"),
        ({"estimators": {"p": PCA}}, TypeError, r"'p' in `estimators` is .*Pass PCA\(\)\."),
        ({"estimators": ["pca"]}, TypeError, r"'str' in `estimators` is 'pca'\."),
        ({"metrics": "r2"}, ValueError, r"Unknown metric 'r2'\. The metrics are"),
        ({"metrics": {"r2": "r2"}}, TypeError, r"The metric 'r2' is 'r2'\. Give a callable"),
        ({"metrics": "kmeans_nmi"}, ValueError, r"`kmeans_nmi` needs labels, and y is None"),
        ({"y": [0, 1]}, ValueError, r"X has 90 samples and y has 2\."),
        ({"cv": 1}, ValueError, r"`cv=1` folds cannot be made of 90 samples"),
        ({"cv": 91}, ValueError, r"`cv=91` folds cannot be made of 90 samples"),
        ({"X": np.zeros(5)}, ValueError, r"X has shape \(5,\); `compare` takes one row"),
        ({"X": np.zeros((5, 2, 2))}, ValueError, r"X has shape \(5, 2, 2\)"),
        ({"X": [np.zeros((5, 2)), np.zeros((5, 3))]}, ValueError, r"`?Views`?"),
    ],
)
def test_messages(options, error, message, X):
    arguments = {"estimators": [PCA(2)], "X": X, **options}
    with pytest.raises(error, match=message):
        run(arguments.pop("estimators"), arguments.pop("X"), **arguments)


def test_r2_agrees_with_scikit_learn_s_weighted_r2(X):
    train, test = np.arange(60), np.arange(60, 90)
    table = run([PCA(2)], X, cv=[(train, test)])
    pca = PCA(2).fit(X[train])
    back = pca.inverse_transform(pca.transform(X[test]))
    expected = r2_score(X[test], back, multioutput="variance_weighted")
    assert table.loc["PCA", "reconstruction_r2"] == pytest.approx(expected, rel=1e-10)
    assert np.isnan(table.loc["PCA", "reconstruction_r2_std"])


def test_without_standard_error_nothing_is_shown(seed, monkeypatch):
    X = make_low_rank(60, 6, rank=2, random_state=seed)
    monkeypatch.setattr("sys.stderr", None)
    assert compare([PCA(2)], X, cv=2, random_state=seed).shape[0] == 1
