import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skrep import CCA, MultimodalAutoencoder
from skrep.inspection import ReconstructionDisplay
from skrep.views import Views


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 3)) @ rng.normal(size=(3, 12)) + 0.1 * rng.normal(size=(30, 12))


def images(display):
    return [ax.images[0].get_array() for ax in display.axes_.ravel()]


def test_heat_maps_are_the_samples_and_what_came_back(X):
    pca = PCA(2).fit(X)
    back = pca.inverse_transform(pca.transform(X))
    display = ReconstructionDisplay.from_estimator(pca, X, n_samples=5)
    rows = [0, 7, 14, 22, 29]
    for shown, expected in zip(images(display), (X, back, back - X), strict=True):
        np.testing.assert_allclose(shown, expected[rows])
    first, second, third = (ax.images[0] for ax in display.axes_[0])
    assert first.get_clim() == second.get_clim()
    assert third.get_clim()[0] == -third.get_clim()[1]
    r2 = 1 - np.square(X - back).sum() / np.square(X - X.mean(0)).sum()
    assert display.r2 == pytest.approx(r2)
    assert display.mse == pytest.approx(np.square(X - back).mean())
    assert display.figure_.texts[0].get_text() == f"PCA: R² {r2:.3f} over 30 samples"


def test_images_are_tiles_with_the_original_above(X):
    pca = PCA(2).fit(X)
    back = pca.inverse_transform(pca.transform(X))
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(4, 3), n_samples=2)
    image = images(display)[0]
    assert image.shape == (9, 7)
    np.testing.assert_allclose(image[:4, 4:], X[-1].reshape(4, 3))
    np.testing.assert_allclose(image[5:, :3], back[0].reshape(4, 3))
    assert [text.get_text() for text in display.axes_[0, 0].get_yticklabels()] == [
        "original",
        "reconstruction",
    ]
    color = ReconstructionDisplay.from_estimator(pca, X, image_shape=(2, 2, 3), n_samples=2)
    shown = images(color)[0]
    assert shown.shape == (5, 5, 3)
    assert shown.min() >= 0
    assert shown.max() <= 1


@pytest.mark.parametrize("shape", [None, (4, 3)])
def test_plot_is_repeatable_in_given_axes(X, shape):
    figure, (ax, other) = plt.subplots(1, 2)
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, image_shape=shape, ax=ax)
    first, n_axes = [np.array(image) for image in images(display)], len(figure.axes)
    display.plot(ax=ax)
    assert display.figure_ is figure
    assert len(figure.axes) == n_axes
    for before, after in zip(first, images(display), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not other.images


def test_colour_bars_of_given_axes_do_not_pile_up(X):
    figure, axes = plt.subplots(1, 3)
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, ax=axes)
    n_axes = len(figure.axes)
    display.plot(axes)
    assert len(figure.axes) == n_axes == 5
    assert [len(ax.images) for ax in axes] == [1, 1, 1]


def test_columns_name_the_features_and_units_that_differ_are_scaled(X):
    frame = pd.DataFrame(X * np.r_[np.ones(11), 1000.0]).rename(columns=lambda i: f"g{i}")
    pipe = make_pipeline(StandardScaler(), PCA(3)).fit(frame.to_numpy())
    display = ReconstructionDisplay.from_estimator(pipe, frame.to_numpy(), n_samples=30)
    shown = images(display)[0]
    np.testing.assert_allclose(shown.std(axis=0), 1.0)
    assert display.feature_names is None
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(frame), frame)
    assert [t.get_text() for t in display.axes_[0, 0].get_xticklabels()] == list(frame.columns)


def test_one_view_of_several(X):
    views = Views({"a": X[:, :8], "b": X[:, 8:]})
    model = MultimodalAutoencoder(2, max_epochs=1, random_state=0).fit(views)
    back = model.reconstruct(views)
    display = ReconstructionDisplay.from_estimator(model, views, view="b", n_samples=30)
    np.testing.assert_allclose(display.reconstructions, back["b"])
    assert display.name == "MultimodalAutoencoder, b"
    by_place = ReconstructionDisplay.from_estimator(model, tuple(views), view=1)
    assert by_place.name == "MultimodalAutoencoder, b"
    assert ReconstructionDisplay.from_estimator(model, views).originals.shape[1] == 8
    frame = model.set_output(transform="pandas")
    again = ReconstructionDisplay.from_estimator(frame, views.to_frame(), view="b", n_samples=30)
    np.testing.assert_allclose(again.reconstructions, display.reconstructions)


def test_samples_without_the_view_are_left_out(X):
    b = X[:, 8:].copy()
    views = Views({"a": X[:, :8], "b": b})
    cca = CCA(2).fit(views)
    b[[0, 4]] = np.nan
    display = ReconstructionDisplay.from_estimator(cca, Views({"a": X[:, :8], "b": b}), view="b")
    assert display.n_samples == 28
    np.testing.assert_array_equal(display.originals[0], b[1])


def test_constant_data_have_an_error_and_no_r2(X):
    same = np.ones((4, 12))
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(X), same)
    assert np.isnan(display.r2)
    assert f"mean squared error {display.mse:.3g}" in display.figure_.texts[0].get_text()


def test_errors(X):
    pca = PCA(2).fit(X)
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(PCA(2), X)
    with pytest.raises(TypeError, match="needs the method `inverse_transform`, which Normalizer"):
        ReconstructionDisplay.from_estimator(Normalizer().fit(X), X)
    with pytest.raises(ValueError, match="has 15 pixels, but there are 12 features"):
        ReconstructionDisplay.from_estimator(pca, X, image_shape=(5, 3))
    with pytest.raises(ValueError, match=r"`n_samples` must be a positive integer\. Got 0"):
        ReconstructionDisplay.from_estimator(pca, X, n_samples=0)
    with pytest.raises(ValueError, match=r"one name for each of the 12 features\. Got 2"):
        ReconstructionDisplay.from_estimator(pca, X, feature_names=["a", "b"])
    with pytest.raises(ValueError, match="chooses among several views"):
        ReconstructionDisplay.from_estimator(pca, X, view="a")
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="draws in 3 axes here, and `ax` holds 2"):
        ReconstructionDisplay.from_estimator(pca, X, ax=axes)
