import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import CCA, JMVAE, MultimodalAutoencoder, MultimodalVAE, Views
from skrep.compose import PerView
from skrep.datasets import drop_views, make_multiview
from skrep.inspection import ViewWeightsDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def views():
    a, b = make_multiview(120, random_state=0)
    return Views({"image": a, "sound": b, "noise": np.random.default_rng(0).normal(size=(120, 4))})


@pytest.fixture(scope="module")
def gate(views):
    return MultimodalAutoencoder(2, fusion="gate", max_epochs=2, random_state=0).fit(views)


def test_boxes_of_the_fusion(gate, views):
    display = ViewWeightsDisplay.from_estimator(gate, views)
    weights = gate.fusion_weights(views)
    np.testing.assert_allclose(display.weights, weights)
    assert display.quantity == "fusion"
    medians = [line.get_ydata()[0] for line in display.artists_["medians"]]
    np.testing.assert_allclose(medians, np.median(weights, axis=0))
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["image", "sound", "noise"]


def test_bars_of_classes(gate, views):
    y = np.array(["cat", "dog", "cow"])[np.arange(120) % 3]
    display = ViewWeightsDisplay.from_estimator(gate, views, y=y)
    weights = gate.fusion_weights(views)
    wanted = [weights.mean(axis=0)] + [weights[y == c].mean(axis=0) for c in ("cat", "cow", "dog")]
    found = [[bar.get_height() for bar in bars] for bars in display.artists_]
    np.testing.assert_allclose(np.transpose(found), wanted, rtol=1e-5)
    tops = [bar.get_y() + bar.get_height() for bar in display.artists_[-1]]
    np.testing.assert_allclose(tops, 1.0, rtol=1e-6)
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["all", "cat", "cow", "dog"]


def test_bars_without_classes(gate, views):
    display = ViewWeightsDisplay.from_estimator(gate, views, kind="bars")
    assert [len(bars) for bars in display.artists_] == [1, 1, 1]


def experts(model, views):
    """Precisions and means of each view's expert, from the posteriors given one view."""
    found = []
    for name in views.names:
        alone = model.posterior(Views({n: views[n] if n == name else None for n in views.names}))
        precision = 1.0 / np.square(alone.std.astype(float)) - 1.0
        found.append((precision, alone.mean * (precision + 1.0)))
    return np.array(found)


def test_precision_of_a_product(views):
    model = MultimodalVAE(2, max_epochs=2, random_state=0).fit(views)
    display = ViewWeightsDisplay.from_estimator(model, views)
    assert display.quantity == "precision"
    precision, pulled = experts(model, views).transpose(1, 0, 2, 3)
    # The experts are what the joint posterior is made of, so the shares are its weights.
    joint = model.posterior(views)
    total = precision.sum(axis=0)
    np.testing.assert_allclose(1.0 / joint.std.astype(float) ** 2, 1.0 + total, rtol=1e-3)
    np.testing.assert_allclose(joint.mean, pulled.sum(axis=0) / (1.0 + total), atol=1e-3)
    np.testing.assert_allclose(display.weights.T, (precision / total).mean(axis=2), atol=1e-3)


def test_absent_views_have_no_weight(views):
    fewer = drop_views(views, 0.5, random_state=1)
    for kind in ("product", "mixture", "mixture_of_products"):
        model = MultimodalVAE(2, experts=kind, max_epochs=1, random_state=0).fit(views)
        weights = ViewWeightsDisplay.from_estimator(model, fewer).weights
        assert (weights[~fewer.present] == 0.0).all()
        assert (weights[fewer.present] > 0.0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_order_of_views_and_pipelines(views):
    plain = PerView(StandardScaler()).fit_transform(views)
    model = JMVAE(2, max_epochs=1, random_state=0).fit(plain)
    pipeline = make_pipeline(PerView(StandardScaler()).fit(views), model)
    wanted = ViewWeightsDisplay.from_estimator(model, plain).weights
    assert wanted.shape == (120, 3)
    found = ViewWeightsDisplay.from_estimator(pipeline, views).weights
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    turned = plain[["noise", "image", "sound"]]
    found = ViewWeightsDisplay.from_estimator(model, turned).weights
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_parts_of_the_mean_code(views):
    model = CCA(2).fit(views)
    display = ViewWeightsDisplay.from_estimator(model, views)
    assert display.quantity == "variance"
    codes = np.stack(model.transform(views).arrays)
    mean = codes.mean(axis=0)
    for j in range(2):
        wanted = [np.cov(z[:, j], mean[:, j])[0, 1] / 3 for z in codes] / np.var(mean[:, j], ddof=1)
        np.testing.assert_allclose(display.weights[j], wanted, rtol=1e-6)
        found = [bars[j].get_height() for bars in display.artists_]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert display.ax_.get_xlabel() == "component"


def test_plot_again_and_elsewhere(gate, views):
    display = ViewWeightsDisplay.from_estimator(gate, views, y=np.arange(120) % 2)
    before = display.weights.copy()
    figure, ax = plt.subplots(figsize=(2, 2))
    assert display.plot(ax) is display
    assert display.ax_ is ax
    figure.canvas.draw()
    n_artists = len(ax.get_children())
    display.plot(ax)
    assert len(ax.get_children()) == n_artists
    heights = [bar.get_height() for bars in display.artists_ for bar in bars]
    display.plot()
    assert [bar.get_height() for bars in display.artists_ for bar in bars] == heights
    np.testing.assert_array_equal(display.weights, before)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "pie"}, "`kind` must be 'auto', 'box' or 'bars'. Got 'pie'"),
        ({"y": [0, 1]}, "`y` must hold one label for each of the 120 samples"),
        ({"y": np.arange(120)}, "`y` has 120 different values, more than the 25 classes"),
    ],
)
def test_errors(gate, views, options, match):
    with pytest.raises(ValueError, match=match):
        ViewWeightsDisplay.from_estimator(gate, views, **options)


def test_who_has_none(views):
    with pytest.raises(TypeError, match="PCA does not say how much each of several views counts"):
        ViewWeightsDisplay.from_estimator(PCA(2).fit(np.asarray(views)), np.asarray(views))
    one = MultimodalVAE(1, max_epochs=1, random_state=0).fit(views["image"])
    with pytest.raises(ValueError, match="This MultimodalVAE was fitted on one array"):
        ViewWeightsDisplay.from_estimator(one, views["image"])
    model = CCA(1).fit(views)
    with pytest.raises(ValueError, match="CCA has weights per component, not per sample"):
        ViewWeightsDisplay.from_estimator(model, views, y=np.zeros(120))
    with pytest.raises(ValueError, match=r"two samples or more that have all of them. Got 1"):
        ViewWeightsDisplay.from_estimator(model, views[:1])
    with pytest.raises(NotFittedError):
        ViewWeightsDisplay.from_estimator(MultimodalAutoencoder(2), views)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_samples_without_a_class_count_in_all_only(gate, views, missing):
    y = np.full(120, missing, dtype=object)
    y[:40] = 1
    display = ViewWeightsDisplay.from_estimator(gate, views, y=y)
    weights = gate.fusion_weights(views)
    found = np.transpose([[bar.get_height() for bar in bars] for bars in display.artists_])
    np.testing.assert_allclose(found, [weights.mean(axis=0), weights[:40].mean(axis=0)], rtol=1e-5)


def test_a_class_may_be_called_all(gate, views):
    y = np.where(np.arange(120) < 30, "all", "some")
    display = ViewWeightsDisplay.from_estimator(gate, views, y=y)
    found = [bars[0].get_height() for bars in display.artists_]
    np.testing.assert_allclose(found, gate.fusion_weights(views).mean(axis=0), rtol=1e-5)
    assert len(display.artists_[0]) == 3
