import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import VAE, Autoencoder, Trainer
from skrep.inspection import LossCurveDisplay


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="X")
def make_data():
    return np.random.default_rng(0).normal(size=(60, 4))


@pytest.fixture(scope="module")
def stopped(X):
    # A rate this large overshoots, so that the held-out loss rises again and training stops.
    trainer = Trainer(early_stopping=3)
    return Autoencoder(2, max_epochs=200, learning_rate=0.05, random_state=0, trainer=trainer).fit(
        X
    )


def test_curves_are_the_history_and_the_mark_is_the_best_epoch(stopped):
    display = LossCurveDisplay.from_estimator(stopped)
    training, held_out = display.lines_
    epochs = np.arange(1, stopped.n_iter_ + 1)
    np.testing.assert_array_equal(training.get_xdata(), epochs)
    np.testing.assert_array_equal(training.get_ydata(), stopped.loss_curve_)
    np.testing.assert_array_equal(held_out.get_ydata(), stopped.history_["valid_loss"])
    # Three epochs without improvement ended training: the best is three before the last.
    assert display.best_epoch == stopped.n_iter_ - 3
    mark = display.ax_.lines[-1]
    assert mark.get_xydata().tolist() == [
        [display.best_epoch, stopped.history_["valid_loss"].min()]
    ]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == [
        "Autoencoder, training",
        "Autoencoder, held-out",
        f"kept: epoch {display.best_epoch}",
    ]


def test_repeats_on_the_same_axes_and_overlays_others(stopped, X):
    display = LossCurveDisplay.from_estimator(stopped)
    ax, n_lines = display.ax_, len(display.ax_.lines)
    color = display.lines_[0].get_color()
    display.plot(ax=ax)
    assert len(ax.lines) == n_lines
    assert display.lines_[0].get_color() == color
    vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    other = LossCurveDisplay.from_estimator(vae, ax=ax, name="other")
    assert len(ax.lines) == n_lines + 1
    assert other.lines_[0].get_color() != color
    assert ax.get_legend().get_texts()[-1].get_text() == "other"
    assert ax.get_ylabel() == "loss (units differ)"
    assert LossCurveDisplay.from_estimator(vae).ax_.get_ylabel() == "loss (nats per sample)"
    assert LossCurveDisplay.from_estimator(vae, unit="bits").ax_.get_ylabel() == "loss (bits)"


def test_training_that_goes_on_leaves_no_best_epoch(stopped, X):
    gone_on = Autoencoder(2, max_epochs=4, random_state=0, trainer=Trainer(early_stopping=9))
    with pytest.warns(UserWarning, match="before the held-out loss"):
        gone_on.fit(X)
    assert LossCurveDisplay.from_estimator(gone_on).best_epoch is not None
    gone_on.partial_fit(X)
    assert LossCurveDisplay.from_estimator(gone_on).best_epoch is None


def test_a_single_epoch_is_a_point(X):
    display = LossCurveDisplay.from_estimator(Autoencoder(2, max_epochs=1, random_state=0).fit(X))
    assert display.lines_[0].get_marker() == "o"
    assert display.ax_.get_ylabel() == "loss"


def test_scikit_learns_networks_and_pipelines(X):
    y = (X[:, 0] > 0).astype(int)
    network = MLPClassifier(early_stopping=True, max_iter=500, n_iter_no_change=2, random_state=0)
    pipe = make_pipeline(StandardScaler(), network).fit(X, y)
    display = LossCurveDisplay.from_estimator(pipe)
    np.testing.assert_array_equal(display.loss, network.loss_curve_)
    np.testing.assert_allclose(display.valid_loss, 1 - np.array(network.validation_scores_))
    best = network.validation_scores_[display.best_epoch - 1]
    assert best == network.best_validation_score_


def test_errors(X):
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(Autoencoder(2))
    with pytest.raises(TypeError, match="needs `loss_curve_`, which PCA lacks"):
        LossCurveDisplay.from_estimator(PCA(2).fit(X))
    untrained = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    untrained.loss_curve_ = np.empty(0)
    with pytest.raises(ValueError, match="trained for no epoch"):
        LossCurveDisplay.from_estimator(untrained)
