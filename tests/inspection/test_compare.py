import threading
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.manifold import TSNE
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, LeaveOneOut, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skrep import CCA, MultimodalAutoencoder, PerView, Views
from skrep.datasets import drop_views, make_low_rank, make_multiview
from skrep.inspection import compare
from skrep.inspection._baselines import BestPresentView, MeanFilled
from skrep.inspection._significance import holm
from skrep.inspection._splits import make_splits
from skrep.metrics import reconstruction_r2


class Recorder(PCA):
    """A PCA that leaves a trace of the seeds and rows it was given."""

    def fit(self, X, y=None):
        TRACE.append((self.random_state, X.shape))
        return super().fit(X)


class Broken(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise RuntimeError("no memory\nand more")


class Locked(PCA):
    """A PCA that cannot be pickled once fitted."""

    def fit(self, X, y=None):
        self.lock = threading.Lock()
        return super().fit(X)


TRACE = []


@pytest.fixture
def X(seed):  # noqa: N802
    return make_low_rank(90, 8, rank=3, random_state=seed)


@pytest.fixture
def y():
    return np.arange(90) % 3


def compared(*args, **options):
    usual = {"verbose": 0, "random_state": 0, "cv": 3, "baselines": None}
    return compare(*args, **{**usual, **options})


def run(*args, **options):
    return compared(*args, **options).table


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
        "peak_memory",
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
    assert "bad failed in split 1: RuntimeError: no memory" in table.attrs["notes"]
    assert any("plain failed in split 1" in n and "transform" in n for n in table.attrs["notes"])


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
    assert "late failed in split 2: RuntimeError: late" in table.attrs["notes"]


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_a_dash_with_a_note(value, X):
    metrics = {"m": lambda model, X, y: value if model.n_components == 2 else 1.0}
    found = compared({"two": PCA(2), "three": PCA(3)}, X, metrics=metrics)
    assert np.isnan(found.table.loc["two", "m"])
    assert found.table.loc["three", "m"] == 1.0
    assert found.notes[0] == f"two has no m: ValueError: it came out as {value}."
    assert "– [1]" in repr(found)


def test_metrics_may_be_called_by_numbers(X):
    found = compared([PCA(2)], X, metrics={1: lambda model, X, y: 1.0})
    assert found.metrics == ["1"]
    assert "1.000" in repr(found)


def test_split_parts_may_be_masks(X):
    held_out = np.arange(90) % 3 == 0
    masks = compared([PCA(2)], X, cv=[(~held_out, held_out)])
    rows = compared([PCA(2)], X, cv=[(np.flatnonzero(~held_out), np.flatnonzero(held_out))])
    assert masks.table["reconstruction_r2"].equals(rows.table["reconstruction_r2"])
    assert masks._test_to_train == rows._test_to_train == 0.5


def test_labels_with_gaps_are_no_classes(X, y):
    found = compared([PCA(2)], X, np.where(y == 0, np.nan, y))
    assert found.metrics == ["reconstruction_r2"]
    assert found.notes[0].startswith("No metric of labels was computed: Input y contains NaN")


def test_sparse_codes_get_a_ridge_too(X):
    model = RandomTreesEmbedding(5, max_depth=2)
    found = compared([model], X, metrics="reconstruction_r2")
    assert 0.0 < found.table.loc["RandomTreesEmbedding", "reconstruction_r2"] < 1.0


def test_why_a_ridge_cannot_decode_stands_in_place_of_that_it_does(X):
    found = compared([FactorAnalysis(2)], X, cv=LeaveOneOut())
    assert "FactorAnalysis has no reconstruction_r2: ValueError: Every feature" in found.notes[0]
    assert "– [1]" in repr(found)


def test_baselines_fit_into_the_training_rows(seed):
    wide = np.random.default_rng(seed).normal(size=(45, 60))
    model = RandomTreesEmbedding(10, max_depth=3)
    table = run([model], wide, baselines="pca")
    assert table["n_components"].tolist()[1] == 30
    assert np.isfinite(table.loc["PCA", "reconstruction_r2"])


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
    assert "split 1/3, PCA" in captured.err
    run([PCA(2)], X, verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimators": []}, ValueError, r"`estimators` is empty\. Give a dict or a list"),
        ({"estimators": {"p": PCA}}, TypeError, r"'p' in `estimators` is .*Pass PCA\(\)\."),
        ({"estimators": [PCA]}, TypeError, r"'PCA' in `estimators` is .*Pass PCA\(\)\."),
        ({"estimators": ["pca"]}, TypeError, r"'str' in `estimators` is 'pca'\."),
        ({"metrics": "r2"}, ValueError, r"Unknown metric 'r2'\. The metrics are"),
        ({"metrics": {"r2": "r2"}}, TypeError, r"The metric 'r2' is 'r2'\. Give a callable"),
        ({"metrics": "kmeans_nmi"}, ValueError, r"`kmeans_nmi` needs labels, and y is None"),
        ({"y": [0, 1]}, ValueError, r"X has 90 samples and y has 2\."),
        ({"metrics": "retrieval_recall"}, ValueError, r"'retrieval_recall' compares views"),
        ({"baselines": "ica"}, ValueError, r"Unknown baseline 'ica'\. For complete samples there"),
        ({"baselines": "cca"}, ValueError, r"'cca' does not apply: X is a single view\. Leave"),
        ({"n_repeats": 0}, ValueError, r"`n_repeats` must be an integer of 1 or more\. Got 0\."),
        ({"n_repeats": 2, "cv": KFold(3)}, ValueError, r"`n_repeats=2` repeats folds of an int"),
        ({"cv": 1}, ValueError, r"`cv=1` folds cannot be made of 90 samples"),
        ({"cv": 91}, ValueError, r"`cv=91` folds cannot be made of 90 samples"),
        ({"cv": []}, ValueError, r"`cv` gives no split\. Give one or more pairs"),
        ({"cv": [([0, 1], [])]}, ValueError, r"Split 1 of `cv` has no held-out rows"),
        ({"cv": [([], [0, 1])]}, ValueError, r"Split 1 of `cv` has no training rows"),
        ({"cv": [([0, 1], [90])]}, ValueError, r"The held-out rows of split 1 of `cv` must be int"),
        (
            {"cv": [([0, 1, 2], [3, 4]), ([3, 4, 5], [4, 5, 6])]},
            ValueError,
            r"Split 2 of `cv` holds out 2 rows that it trains on, the first 4\.",
        ),
        ({"estimators": {1: PCA(2), "1": PCA(3)}}, ValueError, r"same name as text: \[1, '1'\]"),
        ({"metrics": []}, ValueError, r"`metrics` is empty\. Name one or more"),
        ({"metrics": {}}, ValueError, r"`metrics` is empty\. Name one or more"),
        ({"metrics": len}, TypeError, r"`metrics` is <built-in .*as a dict by name"),
        ({"metrics": {"fit_seconds": len}}, ValueError, r"'fit_seconds' has the name of another"),
        ({"metrics": {"a": len, "a_std": len}}, ValueError, r"'a_std' has the name of another"),
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
    assert compare([PCA(2)], X, baselines=None, cv=2, random_state=seed).table.shape[0] == 1


# -- baselines --------------------------------------------------------------------------------


def test_baselines_of_one_table_have_the_models_code_size(X):
    found = compared({"mine": make_pipeline(StandardScaler(), PCA(3))}, X, baselines="auto")
    assert list(found.table.index) == ["mine", "PCA", "FactorAnalysis"]
    assert found.baselines == ["PCA", "FactorAnalysis"]
    assert (found.table["n_components"] == 3).all()
    alone = compared([PCA(3)], X, baselines="auto")
    assert list(alone.table.index) == ["PCA", "FactorAnalysis"]
    pd.testing.assert_series_equal(
        found.table.loc["PCA", ["reconstruction_r2"]], alone.table.loc["PCA", ["reconstruction_r2"]]
    )


def test_baselines_of_views_share_the_code_out(seed):
    views = make_multiview(60, (5, 7), random_state=seed)
    found = compared([CCA(2)], views, baselines="auto", metrics="reconstruction_r2")
    assert list(found.table.index) == [
        *("CCA", "PCA", "FactorAnalysis", "PCA per view", "CCA (scikit-learn)"),
    ]
    assert (found.table["n_components"] == 4).all()
    three = make_multiview(60, (5, 2, 7), random_state=seed)
    found = compared([PCA(8)], three, baselines=["pca_per_view"], metrics="reconstruction_r2")
    assert list(found.table["n_components"]) == [8, 8]
    per_view = PerView({"view0": PCA(3), "view1": PCA(2), "view2": PCA(3)})
    expected = run({"by hand": per_view}, three, metrics="reconstruction_r2")
    assert found.table.loc["PCA per view", "reconstruction_r2"] == pytest.approx(
        expected.loc["by hand", "reconstruction_r2"], rel=1e-9
    )
    with pytest.raises(
        ValueError, match=r"'cca' does not apply: .* relates two views, and X has 3"
    ):
        compared([PCA(2)], three, baselines="cca")


def test_wide_views_spare_scikit_learn_s_cca(seed):
    wide = make_multiview(30, (1001, 4), random_state=seed)
    found = compared([PCA(2)], wide, baselines="auto", metrics="reconstruction_r2")
    assert "CCA (scikit-learn)" not in found.table.index
    with pytest.raises(ValueError, match="a view of 1001 columns takes scikit-learn's CCA too"):
        compared([PCA(2)], wide, baselines=["cca"])


@pytest.fixture
def incomplete(seed):
    views = make_multiview(120, (5, 6), n_shared=2, noise=0.3, random_state=seed)
    return drop_views(views, 0.3, random_state=seed)


def test_baselines_stay_where_samples_lack_views(incomplete, seed):
    y = np.arange(120) % 2
    model = MultimodalAutoencoder(3, max_epochs=2)
    found = compared([model], incomplete, y, baselines="auto")
    assert list(found.table.index) == [
        *("MultimodalAutoencoder", "mean-filled PCA", "best present view"),
        "CCA (scikit-learn) on complete rows",
    ]
    assert np.isfinite(found.table.loc["mean-filled PCA", "imputation_r2"])
    told = [note for note in found.notes if "left out" in note]
    train, test = make_splits(3, 120, y, 0)[0][0]
    complete = incomplete.present.all(axis=1)
    assert told == [
        f"CCA (scikit-learn) on complete rows left out {(~complete[train]).sum()} of {len(train)} "
        f"training rows and {(~complete[test]).sum()} of {len(test)} held-out rows, which lack a "
        f"view, in the first split; its figures are of the other rows."
    ]
    row = next(line for line in repr(found).splitlines() if line.startswith("CCA"))
    assert row.count(f"[{found.notes.index(told[0]) + 1}]") == 4


def test_mean_filled_pca_learns_its_means_in_training(incomplete):
    splits = [(np.arange(80), np.arange(80, 120))]
    model = MultimodalAutoencoder(2, max_epochs=1)
    found = compared([model], incomplete, baselines="pca", cv=splits, metrics="reconstruction_r2")
    matrix = np.hstack([np.where(p[:, None], a, np.nan) for a, p in
                        zip(incomplete.arrays, incomplete.present.T, strict=True)])  # fmt: skip
    means = np.nanmean(matrix[:80], axis=0)
    filled = np.where(np.isnan(matrix), means, matrix)
    pca = PCA(2).fit(filled[:80])
    back = pca.inverse_transform(pca.transform(filled[80:]))
    test = matrix[80:]
    missed = np.nansum((test - back) ** 2)
    total = np.nansum((test - np.nanmean(test, axis=0)) ** 2)
    assert found.table.loc["mean-filled PCA", "reconstruction_r2"] == pytest.approx(
        1 - missed / total, rel=1e-6
    )


def test_best_present_view_takes_the_next_view_where_the_best_is_absent(seed):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 60)
    strong = rng.normal(size=(120, 4)) + 6 * y[:, None] * [1, 0, 0, 0]
    weak = strong @ rng.normal(size=(4, 5)) + 2 * rng.normal(size=(120, 5))
    present = np.ones((120, 2), dtype=bool)
    present[::3, 0] = False
    views = Views({"strong": strong, "weak": weak}, present=present)
    model = BestPresentView(2).fit(views, y)
    assert model.order_ == [0, 1]
    code = model.transform(views)
    own = PCA(2).fit(strong[present[:, 0]])
    np.testing.assert_allclose(code[present[:, 0]], own.transform(strong[present[:, 0]]), atol=1e-8)
    # What is guessed from the weak view still points the right way.
    guessed = code[~present[:, 0], 0]
    truth = own.transform(strong[~present[:, 0]])[:, 0]
    assert np.corrcoef(guessed, truth)[0, 1] > 0.7
    nothing = Views({"strong": strong[:3], "weak": weak[:3]}, present=np.zeros((3, 2), dtype=bool))
    np.testing.assert_array_equal(model.transform(nothing), 0.0)


def test_best_present_view_spares_what_it_cannot_use(seed):
    views = make_multiview(60, (4, 5), n_shared=2, random_state=seed)
    present = np.ones((60, 2), dtype=bool)
    present[:, 0] = False
    model = BestPresentView(2).fit(Views(views.arrays, views.names, present))
    assert model.order_ == [1]
    assert model.transform(views).shape == (60, 2)
    # Rare classes, and a view whose samples are all of one class, rank nothing.
    present[:20, 0] = True
    rare = np.arange(60) // 2
    assert BestPresentView(2).fit(views, rare).transform(views).shape == (60, 2)
    one_class = np.r_[np.zeros(20, dtype=int), np.arange(40) % 2]
    model = BestPresentView(2).fit(Views(views.arrays, views.names, present), one_class)
    assert model.order_ == [1, 0]
    present[:] = False
    with pytest.raises(ValueError, match="no view is there in two training samples"):
        BestPresentView(2).fit(Views(views.arrays, views.names, present))


def test_best_present_view_ranks_without_labels_by_what_it_tells_of_all(seed):
    views = make_multiview(100, (3, 8), n_shared=2, random_state=seed)
    noise = np.random.default_rng(seed).normal(size=(100, 3))
    assert BestPresentView(2).fit(Views((noise, views[1]))).order_[0] == 1


def test_no_complete_row_is_a_failing_baseline_not_a_crash(seed):
    views = make_multiview(40, (4, 4), random_state=seed)
    present = np.zeros((40, 2), dtype=bool)
    present[::2, 0] = present[1::2, 1] = True
    halves = Views(views.arrays, views.names, present)
    found = compared(
        [MultimodalAutoencoder(2, max_epochs=1)], halves, baselines=["pca", "cca"],
        metrics="reconstruction_r2",
    )  # fmt: skip
    assert any("no training sample has all views" in note for note in found.notes)
    assert np.isnan(found.table.loc["CCA (scikit-learn) on complete rows", "reconstruction_r2"])


# -- the result -------------------------------------------------------------------------------


def test_significance_is_the_corrected_resampled_t_test(X):
    found = compared([PCA(3), FactorAnalysis(2)], X, cv=5, metrics="reconstruction_r2")
    table = found.significance(reference="PCA")
    values = found.folds["reconstruction_r2"].unstack("estimator")
    gap = values["FactorAnalysis"] - values["PCA"]
    t = gap.mean() / np.sqrt((1 / 5 + 18 / 72) * gap.var(ddof=1))
    p = 2 * stats.t.sf(abs(t), 4)
    row = table.loc["FactorAnalysis"]
    assert row["difference"] == pytest.approx(gap.mean())
    assert row["t"] == pytest.approx(t)
    assert row["p"] == row["p_holm"] == pytest.approx(p)
    assert row["clear"] == (p < 0.05)


def test_reference_is_the_best_baseline(X):
    found = compared([PCA(3)], X, baselines="factor_analysis", metrics="reconstruction_r2")
    assert found.significance().index.name == "reconstruction_r2 against FactorAnalysis"
    alone = compared([PCA(3), PCA(2)], X, metrics="reconstruction_r2")
    assert list(alone.significance().index) == ["PCA-2"]


def test_identical_models_do_not_differ(X):
    found = compared({"a": PCA(2), "b": PCA(2)}, X, metrics="reconstruction_r2")
    row = found.significance().loc["b"]
    assert (row["difference"], row["p"], row["clear"]) == (0.0, 1.0, False)


def test_one_split_tells_nothing_of_luck(X):
    splits = [(np.arange(60), np.arange(60, 90))]
    found = compared({"a": PCA(2), "b": PCA(3)}, X, cv=splits, metrics="reconstruction_r2")
    row = found.significance().loc["b"]
    assert np.isnan(row["p"])
    assert not row["clear"]


def test_repeats_make_more_splits_of_the_same_folds(X, y):
    once = compared([PCA(2)], X, y, metrics="reconstruction_r2")
    twice = compared([PCA(2)], X, y, metrics="reconstruction_r2", n_repeats=2)
    assert twice.folds.shape[0] == 2 * once.folds.shape[0]
    np.testing.assert_array_equal(
        twice.folds["reconstruction_r2"].to_numpy()[:3], once.folds["reconstruction_r2"]
    )


def test_processes_find_the_same(X, y):
    models = {"pca": PCA(2), "random": PCA(2, svd_solver="randomized"), "bad": FactorAnalysis("x")}
    one, two = (compared(models, X, y, n_jobs=n).folds for n in (None, 2))
    measured = ["fit_seconds", "transform_seconds", "peak_memory"]
    pd.testing.assert_frame_equal(one.drop(columns=measured), two.drop(columns=measured))


def test_what_cannot_leave_its_process_is_a_failing_row(X):
    found = compared({"locked": Locked(2), "good": PCA(2)}, X, n_jobs=2)
    assert np.isfinite(found.table.loc["good", "reconstruction_r2"])
    assert "locked failed in split 1: it cannot be sent between processes" in found.notes[0]


def test_names_stay_in_their_cell(X):
    found = compared({"x<b>\nq": FactorAnalysis(2)}, X, metrics="reconstruction_r2")
    lines = found.to_markdown().splitlines()
    assert lines[2].startswith("| x\\<b> q | 2 |")
    assert lines[4].startswith("1. x\\<b> q has no inverse_transform")
    assert repr(found).splitlines()[2].startswith("x<b> q  ")


def test_markdown_marks_the_best_and_what_is_close_and_numbers_notes(X):
    models = {"a|b": PCA(3), "b": PCA(1), "c": FactorAnalysis(3), "none": Broken()}
    found = compared(models, X, metrics=["reconstruction_r2", "log_likelihood"])
    lines = found.to_markdown().splitlines()
    assert lines[0].startswith("| model | code | R² | log p, nats | fit | transform | memory |")
    assert lines[2].startswith("| a\\|b | 3 | **")
    assert next(line for line in lines if line.startswith("| c |")).count("[1]") == 1
    assert next(line for line in lines if line.startswith("| none |")).count("–") == 6
    assert "1. c has no inverse_transform: a ridge regression" in found.to_markdown()
    assert "≈" not in next(line for line in lines if line.startswith("| b |")).split("|")[3]


def test_what_a_model_lacks_is_a_dash_with_a_note(X):
    found = compared({"FA": FactorAnalysis(2), "Z": StandardScaler()}, X, metrics="log_likelihood")
    assert "– [1]" in repr(found)
    assert found.notes[0].startswith("Z has no log_likelihood: `log_likelihood` needs")


def test_text_of_the_result_is_its_table_and_notes(X):
    text = repr(compared([FactorAnalysis(2)], X, metrics="reconstruction_r2"))
    assert text.splitlines()[0].split() == ["model", "code", "R²", "fit", "transform", "memory"]
    assert text.splitlines()[-1].startswith("[1] FactorAnalysis has no inverse_transform")


def test_copies_of_the_table_are_free(X):
    found = compared([PCA(2)], X, metrics="reconstruction_r2")
    copied = found.to_frame()
    copied.loc["PCA"] = 0
    assert found.table.loc["PCA", "reconstruction_r2"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "r2"}, r"There is no metric 'r2' in this comparison; there are 'reconstr"),
        ({"reference": "CCA"}, r"There is no estimator 'CCA' that was measured on all splits"),
    ],
)
def test_significance_refuses_what_was_not_measured(options, message, X):
    found = compared([PCA(2)], X, metrics="reconstruction_r2")
    with pytest.raises(ValueError, match=message):
        found.significance(**options)


def test_memory_of_a_fit_is_seen(X):
    class Hungry(PCA):
        def fit(self, X, y=None):
            held = np.ones(2**25)  # 256 MiB
            time.sleep(0.05)
            del held
            return super().fit(X)

    table = run([Hungry(2)], X, metrics="reconstruction_r2", cv=2)
    assert 200 < table.loc["Hungry", "peak_memory"] < 400


def test_holm_is_the_step_down_method():
    np.testing.assert_allclose(
        holm(np.array([0.01, 0.04, np.nan, 0.03])), [0.03, 0.06, np.nan, 0.06]
    )
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_what_pca_fills_in_is_measured_on_complete_views_too(seed):
    views = make_multiview(80, (5, 6), n_shared=2, noise=0.3, random_state=seed)
    found = compared(
        {"mine": PCA(2)}, views, baselines="pca", metrics=["imputation_r2", "log_likelihood"]
    )
    assert np.isfinite(found.table.loc["PCA", "imputation_r2"])
    # On complete samples it is the PCA of the views side by side.
    assert found.table.loc["PCA", "log_likelihood"] == pytest.approx(
        found.table.loc["mine", "log_likelihood"], rel=1e-9
    )


def test_what_was_measured_on_other_rows_is_shown_and_not_ranked(incomplete):
    model = MultimodalAutoencoder(2, max_epochs=1)
    metrics = {"rows": lambda fitted, X, y: float(fitted.transform(X).shape[0] < 40)}
    found = compared([model], incomplete, baselines=["pca", "cca"], metrics=metrics)
    name = "CCA (scikit-learn) on complete rows"
    # Only it was scored on fewer rows than a fold of 40, and so has the largest value.
    assert found.table["rows"].idxmax() == name
    assert name not in found.significance(reference="mean-filled PCA").index
    assert name not in found.verdict()
    assert found.to_markdown().splitlines()[4].startswith(f"| {name} | 2 | 1.000 ± 0.000 [")


def test_infinite_values_are_refused_and_not_filled_in(incomplete):
    left = np.array(incomplete[0])
    left[np.flatnonzero(incomplete.present[:, 0])[0], 0] = np.inf
    spoiled = Views((left, incomplete[1]), incomplete.names, incomplete.present)
    with pytest.raises(ValueError, match="infinity"):
        MeanFilled(PCA(2)).fit(spoiled)
