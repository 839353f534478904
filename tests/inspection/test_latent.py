import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from skrep import CCA, MultimodalAutoencoder
from skrep.compose import PerView
from skrep.inspection import LatentDisplay
from skrep.views import Views


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    return np.random.default_rng(0).normal(size=(40, 6)) * np.arange(1, 7)


@pytest.fixture(scope="module")
def views(X):
    other = X[:, :4] + np.random.default_rng(1).normal(size=(40, 4))
    other[3] = np.nan
    return Views({"a": X, "b": other})


def drawn(display):
    return np.vstack([c.get_offsets() for c in display.collections_])


def test_two_numbers_are_shown_as_they_are(X):
    pca = PCA(2).fit(X)
    display = LatentDisplay.from_estimator(pca, X)
    np.testing.assert_allclose(drawn(display), pca.transform(X))
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("code 0", "code 1")
    assert display.ax_.get_title() == "PCA: codes"
    swapped = LatentDisplay.from_estimator(pca, X, components=(1, 0))
    np.testing.assert_allclose(drawn(swapped), pca.transform(X)[:, ::-1])


def test_more_numbers_come_along_their_principal_axes(X):
    pca = PCA(4).fit(X)
    codes = pca.transform(X)
    display = LatentDisplay.from_estimator(pca, X, components=(0, 2))
    # Codes of PCA are along their principal axes already, up to sign.
    np.testing.assert_allclose(np.abs(drawn(display)), np.abs(codes[:, [0, 2]]), atol=1e-9)
    share = 100 * codes.var(axis=0)[0] / codes.var(axis=0).sum()
    assert display.ax_.get_xlabel() == f"principal axis 0 of the code ({share:.0f} %)"
    raw = LatentDisplay.from_estimator(pca, X, method=None, components=(3, 1))
    np.testing.assert_allclose(drawn(raw), codes[:, [3, 1]])


def test_classes_have_colors_and_a_legend(X):
    y = np.array(["x", "y"] * 20)
    display = LatentDisplay.from_estimator(PCA(2).fit(X), X, y)
    np.testing.assert_allclose(display.collections_[1].get_offsets(), display.points[1::2])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["x", "y"]
    many = LatentDisplay.from_estimator(PCA(2).fit(X), X, np.arange(40) % 15)
    assert len(many.collections_) == 15
    assert many.ax_.get_legend() is None


def test_samples_of_unknown_class_are_grey(X):
    y = np.where(np.arange(40) < 30, np.arange(40) % 2, np.nan)
    display = LatentDisplay.from_estimator(PCA(2).fit(X), X, y)
    assert [len(c.get_offsets()) for c in display.collections_] == [15, 15, 10]
    np.testing.assert_allclose(display.collections_[2].get_facecolor()[0, :3], 0.75)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["0", "1"]
    mixed = np.array(["x", None] * 20, dtype=object)
    display = LatentDisplay.from_estimator(PCA(2).fit(X), X, mixed)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["x"]
    np.testing.assert_allclose(display.collections_[1].get_facecolor()[0, :3], 0.75)
    numbers = np.r_[np.linspace(0, 1, 39), np.nan]
    display = LatentDisplay.from_estimator(PCA(2).fit(X), X, numbers)
    display.figure_.canvas.draw()
    colors = display.collections_[0].get_facecolor()
    assert len(colors) == 40
    np.testing.assert_allclose(colors[-1, :3], 0.75)


def test_numbers_have_a_color_bar(X):
    y = np.linspace(0, 1, 40)
    display = LatentDisplay.from_estimator(PCA(2).fit(X), X, y)
    np.testing.assert_allclose(display.collections_[0].get_array(), y)
    assert len(display.figure_.axes) == 2
    display.plot(ax=display.ax_)
    assert len(display.figure_.axes) == 2
    assert len(display.ax_.collections) == 1


def test_one_number_is_spread_repeatably(X):
    pca = PCA(1).fit(X)
    first = LatentDisplay.from_estimator(pca, X, random_state=0)
    again = LatentDisplay.from_estimator(pca, X, random_state=0)
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_allclose(first.points[:, :1], pca.transform(X))
    assert first.ax_.get_ylabel() == "spread for legibility"


def test_codes_of_views_share_a_plane_with_a_marker_each(views):
    complete = views[views.present.all(axis=1)]
    cca = CCA(2).fit(complete)
    codes = cca.transform(complete)
    display = LatentDisplay.from_estimator(cca, complete)
    assert display.view_names == ("a", "b")
    for drawing, code in zip(display.collections_, codes, strict=True):
        np.testing.assert_allclose(drawing.get_offsets(), code)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["a", "b"]
    one = LatentDisplay.from_estimator(cca, complete, np.arange(39) % 3, view="b")
    assert one.ax_.get_title() == "CCA: codes of b"
    np.testing.assert_allclose(one.points, codes["b"])
    frame = CCA(2).fit(complete).set_output(transform="pandas")
    np.testing.assert_allclose(LatentDisplay.from_estimator(frame, complete).points, display.points)


def test_absent_views_have_no_point(views):
    cca = CCA(2).fit(views[views.present.all(axis=1)])
    y = np.arange(40) % 2
    display = LatentDisplay.from_estimator(cca, views, y)
    assert len(display.points) == 79
    assert len(display.collections_) == 4
    expected = np.r_[y, np.delete(y, 3)]
    np.testing.assert_array_equal(display.y, expected)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["0", "1", "a", "b"]


def test_a_joint_code_of_incomplete_views(views):
    model = MultimodalAutoencoder(2, max_epochs=1, random_state=0).fit(views)
    display = LatentDisplay.from_estimator(model, views)
    np.testing.assert_allclose(display.points, model.transform(views))


def test_tsne_keeps_clusters_apart_and_is_repeatable():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    X = rng.normal(size=(40, 5)) + 50.0 * y[:, None]
    pca = PCA(4).fit(X)
    display = LatentDisplay.from_estimator(pca, X, y, method="tsne", random_state=0)
    between = np.linalg.norm(display.points[y == 0].mean(0) - display.points[y == 1].mean(0))
    within = max(display.points[y == k].std() for k in (0, 1))
    assert between > 2 * within
    again = LatentDisplay.from_estimator(pca, X, y, method="tsne", random_state=0)
    np.testing.assert_array_equal(display.points, again.points)
    assert display.ax_.get_xlabel() == "t-SNE 0"


def test_umap_is_asked_for_only_if_it_is_there(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        LatentDisplay.from_estimator(PCA(3).fit(X), X, method="umap")

    class Stub:
        class UMAP:
            def __init__(self, n_components, random_state, n_jobs):
                assert (n_components, random_state, n_jobs) == (2, 7, 1)

            def fit_transform(self, codes):
                return codes[:, :2]

    monkeypatch.setitem(sys.modules, "umap", Stub)
    pca = PCA(3).fit(X)
    display = LatentDisplay.from_estimator(pca, X, method="umap", random_state=7)
    np.testing.assert_allclose(display.points, pca.transform(X)[:, :2])


def test_errors(X):
    pca = PCA(3).fit(X)
    with pytest.raises(NotFittedError):
        LatentDisplay.from_estimator(PCA(2), X)
    with pytest.raises(TypeError, match="needs the method `transform`, which LinearRegression"):
        LatentDisplay.from_estimator(LinearRegression().fit(X, X[:, 0]), X)
    with pytest.raises(ValueError, match="`method` is one of"):
        LatentDisplay.from_estimator(pca, X, method="mds")
    with pytest.raises(ValueError, match="there are 3: integers from -3 to 2"):
        LatentDisplay.from_estimator(pca, X, components=(0, 3))
    with pytest.raises(ValueError, match="`components` are the two axes"):
        LatentDisplay.from_estimator(pca, X, components=(0, 1, 2))
    with pytest.raises(ValueError, match="one label for each of the 40 samples"):
        LatentDisplay.from_estimator(pca, X, np.arange(3))
    with pytest.raises(ValueError, match="makes one code per sample"):
        LatentDisplay.from_estimator(pca, X, view="a")
    with pytest.raises(ValueError, match="t-SNE needs at least 4 samples"):
        LatentDisplay.from_estimator(pca, X[:3], method="tsne")


def test_a_single_sample_is_a_point(X):
    pca = PCA(4).fit(X)
    display = LatentDisplay.from_estimator(pca, X[:1])
    np.testing.assert_allclose(display.points, pca.transform(X[:1])[:, :2])
    assert display.ax_.get_xlabel() == "code 0"


def test_codes_of_different_widths(X):
    views = Views({"a": X, "b": X[:, :4]})
    scaled = PerView(StandardScaler()).fit(views)
    with pytest.raises(ValueError, match=r"views a, b have \[6, 4\] numbers.*Name one `view`"):
        LatentDisplay.from_estimator(scaled, views)
    assert LatentDisplay.from_estimator(scaled, views, view="b").points.shape == (40, 2)
