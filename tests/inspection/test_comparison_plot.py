import sys
from copy import copy

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis

from skrep.datasets import make_low_rank
from skrep.inspection import compare

plt = pytest.importorskip("matplotlib.pyplot")


class Failing(PCA):
    def fit(self, X, y=None):
        raise ValueError("no")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


METRICS = ("reconstruction_r2", "linear_probe_accuracy", "knn_accuracy")


@pytest.fixture(scope="module")
def compared():
    X = make_low_rank(90, 8, rank=3, random_state=0)
    models = {"one": PCA(1), "a$b$": FactorAnalysis(3), "failing": Failing(2)}
    y = np.arange(90) % 3
    return compare(models, X, y, baselines="pca", metrics=METRICS, cv=3, random_state=0, verbose=0)


@pytest.fixture
def found(compared):
    """One that a test may change."""
    found = copy(compared)
    found.table = compared.table.copy()
    return found


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def dots(ax):
    return {float(line.get_ydata()[0]): line for line in ax.lines if line.get_marker() == "."}


def test_a_panel_per_metric_shows_every_split_best_on_top(found):
    axes = found.plot()
    assert [ax.get_title() for ax in axes] == ["R²", "linear probe", "5-NN"]
    ranked = list(found.table["reconstruction_r2"].sort_values(ascending=False).index)
    assert labels(axes[0]) == ranked
    assert axes[0].yaxis_inverted()
    for metric, ax in zip(found.metrics, axes, strict=True):
        drawn = dots(ax)
        assert len(drawn) == 3
        for row, name in enumerate(ranked[:3]):
            values = found.folds.loc[name, metric]
            np.testing.assert_array_equal(drawn[row + 0.25].get_xdata(), values)
        low, high = ax.get_xlim()
        assert low < found.folds[metric].min() <= found.folds[metric].max() < high


def test_baselines_and_unmeasured_rows_differ(found):
    (ax,) = found.plot("reconstruction_r2")
    marks = {int(line.get_ydata()[0]): line for line in ax.lines if line.get_marker() in "Ds"}
    names = labels(ax)
    assert marks[names.index("PCA")].get_marker() == "s"
    assert marks[names.index("one")].get_marker() == "D"
    assert marks[names.index("PCA")].get_color() != marks[names.index("one")].get_color()
    assert names[-1] == "failing"
    assert [text.get_text() for text in ax.texts] == ["–"]


def test_means_and_spreads_are_those_of_the_table(found):
    (ax,) = found.plot("reconstruction_r2")
    row = labels(ax).index("one")
    (mark,) = [line for line in ax.lines if line.get_marker() == "D" and line.get_ydata()[0] == row]
    mean, spread = found.table.loc["one", ["reconstruction_r2", "reconstruction_r2_std"]]
    assert mark.get_xdata()[0] == mean
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == row]
    np.testing.assert_allclose(bars[0].get_xdata(), [mean - spread, mean + spread])


def test_one_that_failed_to_learn_leaves_room_for_the_others(found):
    found.table.loc["one", "reconstruction_r2"] = -1e6
    (ax,) = found.plot("reconstruction_r2")
    assert ax.get_xlim()[0] > -2.0
    assert "◂ -1e+06" in [text.get_text() for text in ax.texts]


def test_a_metric_that_none_has_is_drawn_empty(found):
    found.table["knn_accuracy"] = np.nan
    (ax,) = found.plot("knn_accuracy")
    assert len(ax.texts) == 4


def test_given_axes_are_drawn_in(found):
    figure, ax = plt.subplots()
    (drawn,) = found.plot("reconstruction_r2", ax=ax)
    assert drawn is ax
    assert plt.get_fignums() == [figure.number]


def test_messages(found, monkeypatch):
    figure, ax = plt.subplots()
    with pytest.raises(ValueError, match="`ax` is one place, and there are 3 metrics to draw"):
        found.plot(ax=ax)
    with pytest.raises(ValueError, match="`metrics` is empty"):
        found.plot([])
    with pytest.raises(TypeError, match=r"`ax` of Comparison\.plot must be matplotlib Axes"):
        found.plot("reconstruction_r2", ax=figure)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Comparison\.plot needs matplotlib\. Install it with"):
        found.plot()
