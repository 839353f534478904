import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.cross_decomposition import PLSCanonical
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import BernoulliRBM, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skrep import (
    CCA,
    CLIP,
    DBN,
    DCCA,
    RBM,
    VAE,
    Autoencoder,
    BoltzmannMachine,
    DeepAutoencoder,
    HopfieldNetwork,
    MultimodalAutoencoder,
    MultimodalDBM,
    MultimodalRBM,
    SparseAutoencoder,
)
from skrep.compose import PairedEstimator, PerView
from skrep.inspection import ComponentsDisplay
from skrep.views import Views


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    return np.random.default_rng(0).normal(size=(30, 12))


@pytest.fixture(scope="module")
def binary(X):
    return (X > 0).astype(float)


@pytest.fixture(scope="module")
def views(binary):
    return Views({"a": binary[:, :8], "b": binary[:, 8:]})


def test_tiles_are_the_weights_over_their_largest(X):
    pca = PCA(3).fit(X)
    display = ComponentsDisplay.from_estimator(pca, image_shape=(4, 3))
    image = display.ax_.images[0].get_array()
    assert image.shape == (9, 7)
    for k, (top, left) in enumerate([(0, 0), (0, 4), (5, 0)]):
        tile = pca.components_[k] / np.abs(pca.components_[k]).max()
        np.testing.assert_allclose(image[top : top + 4, left : left + 3], tile.reshape(4, 3))
    assert image.mask[5:, 4:].all()
    assert display.ax_.images[0].get_clim() == (-1, 1)
    assert [text.get_text() for text in display.ax_.texts] == ["0", "1", "2"]
    assert display.ax_.get_title() == "PCA: components"


def test_heat_map_and_choice_of_components(X):
    pca = PCA(4).fit(X)
    display = ComponentsDisplay.from_estimator(pca, components=[2, -1])
    expected = pca.components_[[2, 3]]
    expected = expected / np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(display.ax_.images[0].get_array(), expected)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["2", "3"]
    assert len(ComponentsDisplay.from_estimator(pca, components=1).weights) == 1


def test_components_without_an_order_come_by_their_size(X, binary):
    rbm = BernoulliRBM(5, n_iter=2, random_state=0).fit(binary)
    display = ComponentsDisplay.from_estimator(rbm)
    sizes = np.linalg.norm(rbm.components_, axis=1)
    np.testing.assert_array_equal(display.numbers, np.argsort(-sizes))
    np.testing.assert_array_equal(display.weights, rbm.components_[display.numbers])
    many = RBM(70, max_epochs=1, random_state=0).fit(binary)
    assert len(ComponentsDisplay.from_estimator(many).weights) == 64
    assert len(ComponentsDisplay.from_estimator(many, components=range(70)).weights) == 70
    parts = NMF(2, init="nndsvda", max_iter=500).fit(np.abs(X))
    np.testing.assert_array_equal(np.sort(ComponentsDisplay.from_estimator(parts).numbers), [0, 1])


def test_plot_is_repeatable_in_given_axes(X):
    for shape in (None, (4, 3)):
        figure, ax = plt.subplots()
        display = ComponentsDisplay.from_estimator(PCA(3).fit(X), image_shape=shape, ax=ax)
        before, n_axes = display.weights.copy(), len(figure.axes)
        n_texts = len(ax.texts)
        display.plot(ax=ax)
        assert len(figure.axes) == n_axes
        assert len(ax.images) == 1
        assert len(ax.texts) == n_texts
        np.testing.assert_array_equal(display.weights, before)
    zero = ComponentsDisplay(weights=np.zeros((1, 3)), numbers=np.array([0])).plot()
    assert not zero.ax_.images[0].get_array().any()


def first(module, name):
    return dict(module.named_parameters())[name].detach().numpy()


@pytest.mark.parametrize(
    ("model", "name", "source"),
    [
        (Autoencoder(3, max_epochs=1), "encoder.linear.weight", "linear path to the code"),
        (VAE(3, max_epochs=1), "encoder.linear.weight", "linear path to the code"),
        (SparseAutoencoder(3, max_epochs=1), "encoder.0.weight", "weights of the first layer"),
        (DBN(3, layer_sizes=(5,), max_epochs=1), "up.0.weight", "weights of the first"),
        (DeepAutoencoder(3, hidden_layer_sizes=(5,), max_epochs=1), "up.0.weight", "weights of"),
    ],
    ids=lambda value: str(value).split("(")[0],
)
def test_first_layers_of_networks(binary, model, name, source):
    model.set_params(random_state=0).fit(binary)
    rows = first(model.module_, name)
    if "linear" in name:
        rows = rows[:3]
    shown = ComponentsDisplay.from_estimator(model, components=range(len(rows)))
    np.testing.assert_array_equal(shown.weights, rows)
    assert shown.source.startswith(source)


@pytest.mark.parametrize(
    ("model", "name", "width"),
    [
        (MultimodalAutoencoder(3, max_epochs=1), "fusion.codes.encoders.1.both.weight", 4),
        (CLIP(2, max_epochs=1), "towers.1.linear.weight", 4),
        (DCCA(2, max_epochs=1), "encoders.1.linear.weight", 4),
        (MultimodalRBM(5, visible="bernoulli", max_epochs=1), "machine.weight", 12),
    ],
    ids=lambda value: str(value).split("(")[0],
)
def test_weights_of_one_view(X, binary, model, name, width):
    real = not isinstance(model, MultimodalRBM)
    data = X if real else binary
    model.set_params(random_state=0).fit((data[:, :8], data[:, 8:]))
    expected = first(model.module_, name)[: model.n_components, width - 4 :]
    display = ComponentsDisplay.from_estimator(
        model, view="view1", components=range(model.n_components)
    )
    np.testing.assert_allclose(display.weights, expected, rtol=1e-6)
    assert display.name == f"{type(model).__name__}, view1"
    assert ComponentsDisplay.from_estimator(model, image_shape=(2, 4)).weights.shape[1] == 8


def test_units_of_other_views_are_left_out(views):
    model = MultimodalDBM(3, layer_sizes=(5,), max_epochs=1, random_state=0).fit(views)
    display = ComponentsDisplay.from_estimator(model, view="b")
    assert display.weights.shape == (5, 4)


def test_weights_of_a_closed_form(X):
    cca = CCA(2).fit((X[:, :8], X[:, 8:]))
    display = ComponentsDisplay.from_estimator(cca, view=1)
    np.testing.assert_array_equal(display.weights, cca.weights_[1].T)


def test_couplings_and_patterns(binary):
    spins = 2 * binary[:1] - 1
    network = HopfieldNetwork().fit(spins)
    display = ComponentsDisplay.from_estimator(network)
    np.testing.assert_allclose(display.weights, network.coupling_)
    assert display.source == "couplings of each unit"
    modern = HopfieldNetwork(rule="modern").fit(2 * binary[:3] - 1)
    display = ComponentsDisplay.from_estimator(modern, image_shape=(4, 3))
    np.testing.assert_array_equal(display.weights, modern.patterns_)
    machine = BoltzmannMachine(3, max_epochs=1, random_state=0).fit(binary)
    display = ComponentsDisplay.from_estimator(machine, components=[0, 1, 2])
    np.testing.assert_array_equal(display.weights, machine.coupling_[12:, :12])


def test_scikit_learns_networks_in_a_pipeline(X):
    network = MLPRegressor(
        hidden_layer_sizes=(5,), max_iter=200, solver="lbfgs", tol=1.0, random_state=0
    )
    make = make_pipeline(StandardScaler(), network).fit(X, X[:, 0])
    display = ComponentsDisplay.from_estimator(make, components=range(5))
    np.testing.assert_array_equal(display.weights, network.coefs_[0].T)


def test_errors(X):
    pca = PCA(2).fit(X)
    with pytest.raises(NotFittedError):
        ComponentsDisplay.from_estimator(PCA(2))
    with pytest.raises(TypeError, match="Normalizer has none that it knows"):
        ComponentsDisplay.from_estimator(Normalizer().fit(X))
    with pytest.raises(ValueError, match="has 8 pixels, but there are 12 features"):
        ComponentsDisplay.from_estimator(pca, image_shape=(4, 2))
    with pytest.raises(ValueError, match="colour images cannot show"):
        ComponentsDisplay.from_estimator(pca, image_shape=(2, 2, 3))
    with pytest.raises(ValueError, match="components, of which there are 2"):
        ComponentsDisplay.from_estimator(pca, components=[2])
    with pytest.raises(ValueError, match="was fitted on one array"):
        ComponentsDisplay.from_estimator(pca, view="a")
    cca = CCA(1).fit((X[:, :8], X[:, 8:]))
    with pytest.raises(ValueError, match="`view` is one of 'view0', 'view1'"):
        ComponentsDisplay.from_estimator(cca, view="c")


def test_composers(X):
    views = Views({"a": X[:, :8], "b": X[:, 8:]})
    each = PerView(PCA(2)).fit(views)
    display = ComponentsDisplay.from_estimator(each, view="b")
    np.testing.assert_array_equal(display.weights, PCA(2).fit(X[:, 8:]).components_)
    assert display.name == "PerView, b"
    with pytest.raises(TypeError, match="StandardScaler has none that it knows"):
        ComponentsDisplay.from_estimator(PerView(StandardScaler()).fit(views))
    with pytest.raises(TypeError, match="PairedEstimator has none that it knows"):
        ComponentsDisplay.from_estimator(PairedEstimator(PLSCanonical(1)).fit(views))
