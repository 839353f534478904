import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.cross_decomposition import CCA as SklearnCCA  # noqa: N811
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import CCA, MultimodalVAE
from skrep.compose import PairedEstimator, PerView, SplitViews
from skrep.datasets import drop_views, make_multiview
from skrep.inspection import CanonicalCorrelationDisplay
from skrep.metrics import canonical_correlations


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def views(seed):
    return make_multiview(160, random_state=seed)


@pytest.fixture(scope="module")
def model(views):
    return CCA(3).fit(views[:100])


def heights(bars):
    return [bar.get_height() for bar in bars]


def test_bars_are_the_correlations(model, views):
    display = CanonicalCorrelationDisplay.from_estimator(model, views[:100], X_test=views[100:])
    train, test = display.lines_
    # CCA's own numbers are of the same rows.
    np.testing.assert_allclose(heights(train), model.correlations_, rtol=1e-8)
    wanted = canonical_correlations(model.transform(views[100:]))
    np.testing.assert_allclose(heights(test), wanted)
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["training", "held out"]
    assert display.axes_.shape == (1,)
    assert display.scatter_ == []


def test_fewer_components_and_one_series(model, views):
    display = CanonicalCorrelationDisplay.from_estimator(model, views[:100], n_components=2)
    assert len(display.lines_) == 1
    assert len(display.lines_[0]) == 2
    assert display.ax_.get_legend() is None


def test_many_components_are_lines(seed):
    r = np.sort(np.random.default_rng(seed).random(20))[::-1]
    display = CanonicalCorrelationDisplay(correlations=r, correlations_test=r - 0.5).plot()
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), r)
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), r - 0.5)
    assert display.ax_.get_ylim()[0] < (r - 0.5).min()


def test_scatter(model, views):
    fewer = drop_views(views, 0.3, random_state=0)
    y = np.arange(160) % 3
    display = CanonicalCorrelationDisplay.from_estimator(
        model, views, X_test=fewer, component=1, pair=("view1", "view0"), y=y
    )
    both = fewer.present.all(axis=1)
    codes = model.transform(views)
    assert display.variate_names == ("view1", "view0")
    for value, dots in enumerate(display.scatter_):
        rows = both & (y == value)
        wanted = np.column_stack([codes[name][rows, 1] for name in ("view1", "view0")])
        np.testing.assert_allclose(dots.get_offsets(), wanted)
    assert display.component == 1
    assert "component 1" in display.axes_[1].get_title()


def test_codes_of_other_models(views):
    wanted = canonical_correlations(make_pipeline(CCA(2)).fit(views).transform(views))
    matrix = np.asarray(views)
    several = {
        "pipeline": (make_pipeline(PerView(StandardScaler()), CCA(2)).fit(views), views),
        "split": (make_pipeline(SplitViews(list(views.widths)), CCA(2)).fit(matrix), matrix),
        "pair": (PairedEstimator(SklearnCCA(2, max_iter=5000)).fit(views), views),
    }
    for name, (estimator, X) in several.items():
        display = CanonicalCorrelationDisplay.from_estimator(estimator, X)
        # scikit-learn's takes components off one by one and is less exact.
        np.testing.assert_allclose(display.correlations, wanted, rtol=0.01, err_msg=name)
    joint = MultimodalVAE(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(views)
    display = CanonicalCorrelationDisplay.from_estimator(joint, tuple(views))
    wanted = canonical_correlations(joint.transform_each(views))
    np.testing.assert_allclose(display.correlations, wanted, rtol=1e-6)


def test_plot_again_and_elsewhere(model, views):
    figure, axes = plt.subplots(1, 2)
    display = CanonicalCorrelationDisplay.from_estimator(model, views, component=0, ax=axes)
    assert display.figure_ is figure
    assert display.ax_ is axes[0]
    before = heights(display.lines_[0])
    dots = np.array(display.scatter_[0].get_offsets())
    artists = [len(ax.get_children()) for ax in axes]
    display.plot(axes)
    assert [len(ax.get_children()) for ax in axes] == artists
    assert display.plot() is display
    assert heights(display.lines_[0]) == before
    np.testing.assert_array_equal(display.scatter_[0].get_offsets(), dots)
    _, narrow = plt.subplots(figsize=(1.5, 2))
    display.plot(narrow).figure_.canvas.draw()
    with pytest.raises(ValueError, match="draws in 2 axes"):
        display.plot(plt.subplots(1, 3)[1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_components": 4}, "`n_components` must be an integer from 1 to 3"),
        ({"n_components": True}, "`n_components` must be an integer from 1 to 3"),
        ({"component": 3}, "`component` holds positions of components"),
        ({"component": 0, "pair": ("view0", "sound")}, "`view` is one of 'view0', 'view1'"),
        ({"component": 0, "pair": "view0"}, "`pair` must name two views"),
        ({"component": 0, "y": [1, 2]}, "`y` must hold one label for each of the 160"),
        ({"y": np.zeros(160)}, "`y` colours the scatter plot"),
    ],
)
def test_errors(model, views, options, match):
    with pytest.raises(ValueError, match=match):
        CanonicalCorrelationDisplay.from_estimator(model, views, **options)


def test_no_code_per_view(views):
    matrix = np.asarray(views)
    with pytest.raises(TypeError, match=r"one code per view, which PCA does not make. These do"):
        CanonicalCorrelationDisplay.from_estimator(PCA(2).fit(matrix), matrix)
    heads = make_pipeline(PCA(2), LogisticRegression()).fit(matrix, np.arange(160) % 2)
    with pytest.raises(TypeError, match="one code per view, which LogisticRegression does not"):
        CanonicalCorrelationDisplay.from_estimator(heads, matrix)
    with pytest.raises(NotFittedError):
        CanonicalCorrelationDisplay.from_estimator(CCA(2), views)


def test_samples_without_a_class_are_grey(model, views):
    y = np.where(np.arange(160) % 2, "odd", None)
    display = CanonicalCorrelationDisplay.from_estimator(model, views, component=0, y=y)
    assert len(display.scatter_) == 1
    grey = display.axes_[1].collections[1]
    assert len(grey.get_offsets()) == len(display.scatter_[0].get_offsets()) == 80
