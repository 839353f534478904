import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skrep import CCA, RBM, VAE, MultimodalVAE
from skrep.inspection import TraversalDisplay
from skrep.views import Views


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 12)) * np.linspace(2, 1, 12)


@pytest.fixture(scope="module")
def vae(X):
    return VAE(3, max_epochs=1, random_state=0).fit(X)


def test_steps_of_pca_move_along_a_component(X):
    pca = PCA(3).fit(X)
    codes = pca.transform(X)
    display = TraversalDisplay.from_estimator(pca, X, n_steps=5)
    assert display.decoded.shape == (3, 5, 12)
    np.testing.assert_allclose(display.base, X.mean(axis=0), atol=1e-9)
    steps = np.array([-2, -1, 0, 1, 2])
    for k in range(3):
        z = steps * codes[:, k].std()
        np.testing.assert_allclose(display.values[k], z, atol=1e-9)
        expected = X.mean(axis=0) + z[:, None] * pca.components_[k]
        np.testing.assert_allclose(display.decoded[k], expected, atol=1e-9)


def test_a_row_of_the_data_can_be_the_base(X):
    pca = PCA(3).fit(X)
    codes = pca.transform(X)
    middle = int(np.argmin(np.abs(codes).sum(axis=1)))
    display = TraversalDisplay.from_estimator(pca, X, base=middle, components=-1, scale=1.0)
    np.testing.assert_allclose(display.base, pca.inverse_transform(codes)[middle])
    assert display.components.tolist() == [2]
    expected = codes[middle, 2] + codes[:, 2].std()
    np.testing.assert_allclose(display.values[0, -1], expected)


def test_no_step_leaves_the_range_of_the_codes(X):
    binary = (X > 0).astype(float)
    rbm = RBM(4, max_epochs=1, random_state=0).fit(binary)
    codes = rbm.transform(binary)
    display = TraversalDisplay.from_estimator(rbm, binary, scale=50.0)
    np.testing.assert_allclose(display.values[:, 0], codes.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(display.values[:, -1], codes.max(axis=0), rtol=1e-6)


def test_without_data_the_prior_is_traversed(vae):
    display = TraversalDisplay.from_estimator(vae, n_steps=3, scale=1.5)
    np.testing.assert_allclose(display.values, [[-1.5, 0, 1.5]] * 3)
    codes = np.zeros((1, 3), dtype=np.float32)
    np.testing.assert_allclose(display.base, vae.inverse_transform(codes)[0], atol=1e-6)
    codes[0, 1] = 1.5
    expected = vae.inverse_transform(codes)[0]
    np.testing.assert_allclose(display.decoded[1, 2], expected, atol=1e-6)


def test_images_are_tiles(vae):
    display = TraversalDisplay.from_estimator(vae, n_steps=3, components=[2, 0], image_shape=(4, 3))
    image = display.ax_.images[0].get_array()
    assert image.shape == (9, 11)
    np.testing.assert_allclose(image[5:, 8:], display.decoded[1, 2].reshape(4, 3))
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["code 2", "code 0"]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["−2", "+2"]
    one = TraversalDisplay.from_estimator(vae, n_steps=1, image_shape=(4, 3))
    assert one.decoded.shape == (3, 1, 12)


def test_heat_map_is_the_difference_from_the_base(X):
    frame = pd.DataFrame(X).rename(columns=lambda i: f"g{i}")
    display = TraversalDisplay.from_estimator(PCA(2).fit(frame), frame, n_steps=4)
    lines = display.ax_.images[0].get_array()
    assert lines.shape == (9, 12)
    np.testing.assert_allclose(lines[:4], display.decoded[0] - display.base)
    assert lines.mask[4].all()
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == list(frame.columns)


def test_features_whose_units_differ_are_scaled(X):
    wide = X * np.r_[np.ones(11), 1000.0]
    pipe = make_pipeline(StandardScaler(), PCA(3)).fit(wide)
    display = TraversalDisplay.from_estimator(pipe, wide)
    largest = np.abs(display.ax_.images[0].get_array()).max(axis=0)
    np.testing.assert_allclose(largest, 1.0)


def test_codes_of_views_move_together(X):
    views = Views({"a": X[:, :8], "b": X[:, 8:] + X[:, :4]})
    cca = CCA(2).fit(views)
    codes = np.mean(cca.transform(views).arrays, axis=0)
    display = TraversalDisplay.from_estimator(cca, views, view="b", n_steps=3)
    z = np.tile(codes.mean(axis=0), (1, 1))
    z[0, 1] += 2 * codes[:, 1].std()
    np.testing.assert_allclose(display.values[1, 2], z[0, 1])
    expected = cca.inverse_transform((z, z))["b"][0]
    np.testing.assert_allclose(display.decoded[1, 2], expected)
    assert display.name == "CCA, b"
    frame = CCA(2).fit(views).set_output(transform="pandas")
    again = TraversalDisplay.from_estimator(frame, views, view="b", n_steps=3)
    np.testing.assert_allclose(again.decoded, display.decoded)


def test_prior_of_several_views(X):
    model = MultimodalVAE(2, max_epochs=1, random_state=0).fit((X[:, :8], X[:, 8:]))
    display = TraversalDisplay.from_estimator(model, view=1, n_steps=3)
    expected = model.inverse_transform(np.zeros((1, 2), dtype=np.float32))[1][0]
    np.testing.assert_allclose(display.base, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [None, (4, 3)])
def test_plot_is_repeatable_in_given_axes(vae, shape):
    figure, ax = plt.subplots()
    display = TraversalDisplay.from_estimator(vae, image_shape=shape, ax=ax)
    first, n_axes = ax.images[0].get_array().copy(), len(figure.axes)
    display.plot(ax=ax)
    assert (display.figure_, len(figure.axes), len(ax.images)) == (figure, n_axes, 1)
    np.testing.assert_array_equal(ax.images[0].get_array(), first)


def test_errors(X, vae):
    pca = PCA(2).fit(X)
    with pytest.raises(NotFittedError):
        TraversalDisplay.from_estimator(PCA(2), X)
    with pytest.raises(TypeError, match="needs the method `inverse_transform`, which Normalizer"):
        TraversalDisplay.from_estimator(Normalizer().fit(X), X)
    with pytest.raises(ValueError, match=r"PCA has no standard normal prior.*Pass samples as X"):
        TraversalDisplay.from_estimator(pca)
    with pytest.raises(ValueError, match="`base` is a row of X, and X is None"):
        TraversalDisplay.from_estimator(vae, base=0)
    with pytest.raises(ValueError, match="`base` holds positions of rows of X"):
        TraversalDisplay.from_estimator(pca, X, base=200)
    with pytest.raises(ValueError, match="axes of the code, of which there are 2"):
        TraversalDisplay.from_estimator(pca, X, components=[2])
    with pytest.raises(ValueError, match="`n_steps` must be a positive integer"):
        TraversalDisplay.from_estimator(pca, X, n_steps=0)
    with pytest.raises(ValueError, match="`scale` must be a positive number"):
        TraversalDisplay.from_estimator(pca, X, scale=-1.0)
    with pytest.raises(ValueError, match="has 10 pixels, but there are 12 features"):
        TraversalDisplay.from_estimator(pca, X, image_shape=(5, 2))
    with pytest.raises(ValueError, match="chooses among several views"):
        TraversalDisplay.from_estimator(pca, X, view="a")


def test_codes_of_the_views_that_are_there_say_where_to_start(X):
    views = Views({"a": X[:, :8], "b": X[:, 8:] + X[:, :4]})
    cca = CCA(2).fit(views)
    a, b = X[:, :8].copy(), views["b"].copy()
    a[:100], b[150:] = np.nan, np.nan
    fewer = Views({"a": a, "b": b})
    codes = np.nanmean(np.stack(cca.transform(fewer).arrays), axis=0)
    display = TraversalDisplay.from_estimator(cca, fewer, base=3, scale=0.5, n_steps=3)
    np.testing.assert_allclose(display.values[:, 1], codes[3])
    np.testing.assert_allclose(display.values[:, 2], codes[3] + 0.5 * codes.std(axis=0))
    with pytest.raises(ValueError, match="`base` holds positions of rows of X"):
        TraversalDisplay.from_estimator(cca, fewer, base=1.5)
