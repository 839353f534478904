import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrep import HopfieldNetwork, Views
from skrep.inspection import AttractorDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def patterns(seed):
    return np.sign(np.random.default_rng(seed).standard_normal((12, 60)))


@pytest.fixture(scope="module")
def memory(patterns):
    with warnings.catch_warnings():
        # Overloaded on purpose: recall then takes several sweeps.
        warnings.simplefilter("ignore", UserWarning)
        return HopfieldNetwork(random_state=0).fit(patterns)


@pytest.fixture
def cues(patterns, seed):
    flipped = np.random.default_rng(seed + 1).random((3, 60)) < 0.35
    return np.where(flipped, -patterns[:3], patterns[:3])


def energy(states, coupling):
    return -0.5 * np.einsum("tni,ij,tnj->tn", states, coupling, states)


def test_states_are_sweeps_one_by_one(memory, cues):
    display = AttractorDisplay.from_estimator(memory, cues, image_shape=(6, 10))
    state = cues.copy()
    for t in range(1, len(display.states)):
        for unit in memory._order:
            field = state @ memory.coupling_[:, unit]
            state[:, unit] = np.where(np.abs(field) > 1e-9, np.sign(field), state[:, unit])
        np.testing.assert_array_equal(display.states[t], state)
    np.testing.assert_array_equal(display.states[-1], memory.transform(cues))
    np.testing.assert_allclose(display.energies, energy(display.states, memory.coupling_))
    assert (np.diff(display.energies, axis=0) <= 1e-9).all()
    assert (display.states[-1] != display.states[-2]).any()
    assert memory.max_sweeps == 100


def test_what_is_drawn(memory, cues):
    display = AttractorDisplay.from_estimator(memory, cues, image_shape=(6, 10), n_steps=2)
    assert display.axes_.shape == (3, 4)
    for i, t in np.ndindex(3, 3):
        shown = display.axes_[i, t].images[0].get_array()
        np.testing.assert_array_equal(shown, display.states[t, i].reshape(6, 10))
    for i, line in enumerate(display.lines_):
        np.testing.assert_array_equal(line.get_ydata(), display.energies[:, i])
    titles = [ax.get_title() for ax in display.axes_[0]]
    assert titles == ["cue", "1 sweep", "2 sweeps", "energy"]


def test_long_paths_are_thinned(memory, cues):
    display = AttractorDisplay.from_estimator(memory, cues, n_steps=20)
    assert display.states.shape == (21, 3, 60)
    assert len(display.shown_) == 7
    assert (display.shown_[0], display.shown_[-1]) == (0, 20)
    assert display.axes_[0, 0].images[0].get_array().shape == (1, 60)


def test_unknown_units(memory, cues):
    cues[1, 30:] = np.nan
    display = AttractorDisplay.from_estimator(memory, cues, image_shape=(6, 10))
    assert np.isnan(display.energies[0]).tolist() == [False, True, False]
    assert np.isfinite(display.energies[1:]).all()
    assert np.ma.getmaskarray(display.axes_[1, 0].images[0].get_array()).sum() == 30
    assert display.axes_[1, 0].get_xlabel() == ""
    display.figure_.canvas.draw()


def test_a_cue_at_rest_and_a_cycle(patterns):
    memory = HopfieldNetwork(random_state=0).fit(patterns[:2])
    display = AttractorDisplay.from_estimator(memory, patterns[:1])
    assert len(display.states) == 2
    np.testing.assert_array_equal(*display.states)
    swing = HopfieldNetwork(update="synchronous", random_state=0).fit([[1.0, -1.0]])
    display = AttractorDisplay.from_estimator(swing, [[1.0, 1.0]])
    np.testing.assert_array_equal(display.states[:, 0], [[1, 1], [-1, -1], [1, 1]])


def test_real_states_views_and_pipelines(patterns, seed):
    real = np.random.default_rng(seed).normal(size=(4, 10))
    modern = HopfieldNetwork("modern", random_state=0).fit(real)
    display = AttractorDisplay.from_estimator(modern, real + 0.1, image_shape=(2, 5))
    assert (np.diff(display.energies, axis=0) <= 1e-9).all()
    several = Views({"a": patterns[:2, :20], "b": patterns[:2, 20:]})
    memory = HopfieldNetwork(random_state=0).fit(several)
    turned = AttractorDisplay.from_estimator(memory, several[["b", "a"]])
    np.testing.assert_array_equal(turned.states[0], patterns[:2])
    np.testing.assert_allclose(turned.energies[0], memory.energy(several))
    frame = pd.DataFrame(patterns[:2]).add_prefix("unit")
    named = HopfieldNetwork(random_state=0).fit(frame)
    np.testing.assert_allclose(
        AttractorDisplay.from_estimator(named, frame).energies[0], named.energy(frame)
    )
    signs = make_pipeline(FunctionTransformer(np.sign), HopfieldNetwork(random_state=0))
    signs.fit(patterns[:2])
    display = AttractorDisplay.from_estimator(signs, 0.5 * patterns[:1])
    np.testing.assert_array_equal(display.states[0], patterns[:1])


def test_plot_again_and_elsewhere(memory, cues):
    display = AttractorDisplay.from_estimator(memory, cues, image_shape=(6, 10), n_steps=1)
    figure, ax = plt.subplots()
    for _ in range(2):
        assert display.plot(ax) is display
        assert len(figure.axes) == 1 + 9
    figure.canvas.draw()
    shown = display.axes_[2, 1].images[0].get_array()
    np.testing.assert_array_equal(shown, display.states[1, 2].reshape(6, 10))
    _, axes = plt.subplots(3, 3)
    for _ in range(2):
        display.plot(axes)
        assert [len(cell.images) for cell in axes[0]] == [1, 1, 0]
        assert len(axes[0, 2].lines) == 1
    with pytest.raises(ValueError, match="draws in 9 axes"):
        display.plot(plt.subplots(1, 2)[1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_steps": 0}, "`n_steps` must be a positive integer or None. Got 0"),
        ({"image_shape": (6, 6)}, "has 36 pixels, but there are 60"),
    ],
)
def test_errors(memory, cues, options, match):
    with pytest.raises(ValueError, match=match):
        AttractorDisplay.from_estimator(memory, cues, **options)


def test_more_errors(memory, patterns):
    with pytest.raises(ValueError, match=r"At most 10 cues can be drawn. Got 12"):
        AttractorDisplay.from_estimator(memory, patterns)
    with pytest.raises(TypeError, match="needs the method `recall`, which PCA lacks"):
        AttractorDisplay.from_estimator(PCA(2).fit(patterns), patterns)
    with pytest.raises(NotFittedError):
        AttractorDisplay.from_estimator(HopfieldNetwork(), patterns)
