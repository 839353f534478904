import builtins

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skrep.inspection import _display as shared
from skrep.inspection import _display_inputs as inputs
from skrep.inspection._montage import make_montage
from skrep.views import Views


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_missing_matplotlib_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"ADisplay needs matplotlib.*skrep\[plot\]"):
        shared.one_axes(None, "ADisplay")


def test_new_figures_given_axes_and_arrays():
    place = shared.one_axes(None, "ADisplay")
    assert place.own
    assert place.axes[0, 0].figure is place.figure
    _, ax = plt.subplots()
    assert shared.one_axes(ax, "ADisplay").axes[0, 0] is ax
    _, many = plt.subplots(2, 2)
    assert (shared.grid_of_axes(many, 2, 2, "ADisplay").axes == many).all()
    assert shared.grid_of_axes(None, 2, 3, "ADisplay").axes.shape == (2, 3)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_grid_stands_inside_the_axes_given_and_is_made_anew(by_hand):
    figure = plt.figure()
    ax = figure.add_axes([0.5, 0.1, 0.4, 0.8]) if by_hand else figure.add_subplot(1, 2, 2)
    box = ax.get_position()
    for _ in range(2):
        place = shared.grid_of_axes(ax, 1, 3, "ADisplay")
        image = place.axes[0, 0].imshow(np.eye(2))
        figure.colorbar(image, ax=place.axes[0, 0])
        shared.set_title(place, "a title")
        # The emptied axes, three cells and the colour bar.
        assert len(figure.axes) == 5
    figure.canvas.draw()
    for cell in place.axes.ravel():
        inner = cell.get_position()
        assert inner.x0 > box.x0 - 1e-6
        assert inner.x1 < box.x1 + 1e-6


def test_wrong_axes_are_refused():
    _, many = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="draws in 3 axes here, and `ax` holds 2"):
        shared.grid_of_axes(many, 1, 3, "ADisplay")
    with pytest.raises(TypeError, match=r"must be matplotlib Axes, .* Got 'x'"):
        shared.one_axes("x", "ADisplay")


def test_titles_above_grids_keep_the_titles_of_cells():
    _, many = plt.subplots(1, 3)
    place = shared.grid_of_axes(many, 1, 3, "ADisplay")
    place.axes[0, 1].set_title("middle")
    shared.set_title(place, "all")
    assert many[1].get_title() == "all\nmiddle"
    _, many = plt.subplots(1, 2)
    shared.set_title(shared.grid_of_axes(many, 1, 2, "ADisplay"), "all")
    assert many[0].get_title(loc="left") == "all"
    place = shared.grid_of_axes(None, 1, 2, "ADisplay")
    shared.set_title(place, "all")
    assert place.figure.texts[0].get_text() == "all"


def test_colors_differ_between_classes():
    for n in (1, 10, 20, 35):
        colors = {plt.matplotlib.colors.to_hex(color) for color in shared.class_colors(n)}
        assert len(colors) == n
    assert shared.series_color(0) == shared.series_color(10)


def test_color_scales_are_symmetric_where_signs_mix():
    scale = shared.color_scale([-1.0, 3.0, np.nan])
    assert scale["vmin"] == -scale["vmax"]
    assert shared.color_scale([1.0, 3.0]) == {"cmap": "viridis", "vmin": 1.0, "vmax": 3.0}
    assert shared.color_scale([2.0, 2.0])["vmax"] > 2.0
    assert shared.color_scale([np.nan])["vmax"] == 1.0
    # One entry in a thousand sets no limit, and all zeros are no division by zero.
    many = np.r_[np.full(999, -1.0), 500.0]
    assert shared.color_scale(many)["vmax"] == pytest.approx(1.0)
    assert shared.color_scale(np.zeros(3), signed=True)["vmax"] == 1.0


def test_estimators_are_asked_for_what_they_have():
    pipe = make_pipeline(StandardScaler(), PCA(1))
    with pytest.raises(NotFittedError):
        inputs.check_has(pipe, "transform", "ADisplay")
    X = np.random.default_rng(0).normal(size=(5, 2))
    pipe.fit(X)
    assert inputs.check_has(pipe, "transform", "ADisplay")(X).shape == (5, 1)
    with pytest.raises(TypeError, match=r"method `sample`, which PCA lacks\. These have: V"):
        inputs.check_has(pipe, "sample", "ADisplay", "VAE")
    with pytest.raises(TypeError, match="not a class"):
        inputs.check_has(PCA, "transform", "ADisplay")


def test_views_are_picked_by_name_and_position():
    a, b = np.arange(6.0).reshape(3, 2), np.arange(3)[:, None]
    views = Views({"a": a, "b": b}, present=np.array([[1, 1], [1, 0], [1, 1]], dtype=bool))
    assert inputs.pick_view(views, None, "ADisplay")[1] == "a"
    matrix, name = inputs.pick_view(views, -1, "ADisplay")
    assert name == "b"
    np.testing.assert_array_equal(matrix[:, 0], [0, np.nan, 2])
    assert inputs.pick_view((a, b), "y", "ADisplay", ("x", "y"))[1] == "y"
    np.testing.assert_array_equal(inputs.pick_view(sp.csr_array(a), None, "ADisplay")[0], a)
    np.testing.assert_array_equal(inputs.pick_view(pd.DataFrame(a), None, "ADisplay")[0], a)
    with pytest.raises(ValueError, match="`view` is one of 'a', 'b', or a position below 2"):
        inputs.pick_view(views, "c", "ADisplay")
    with pytest.raises(ValueError, match="chooses among several views"):
        inputs.pick_view(a, "a", "ADisplay")
    with pytest.raises(ValueError, match="must be two-dimensional"):
        inputs.pick_view(np.arange(3), None, "ADisplay")


@pytest.mark.parametrize("bad", [(4,), 12, (3, -4), (2.0, 6.0), "ab", (1, 4, 5)])
def test_image_shapes_that_are_none(bad):
    with pytest.raises(ValueError, match=r"`image_shape` is \(height, width\)"):
        inputs.check_image_shape(bad, 12)


def test_image_shapes_must_hold_all_features():
    assert inputs.check_image_shape([3, 4], 12) == (3, 4)
    assert inputs.check_image_shape(np.array([2, 2, 3]), 12) == (2, 2, 3)
    assert inputs.check_image_shape(None, 12) is None
    with pytest.raises(ValueError, match="has 15 pixels, but there are 12 features"):
        inputs.check_image_shape((3, 5), 12)


@pytest.mark.parametrize("bad", [3, -4, [0, 1.5], [True], [], None])
def test_indices_that_are_out_of_range(bad):
    with pytest.raises(ValueError, match=r"`components`.*parts"):
        inputs.check_indices(bad, 3, "components", "parts")
    assert inputs.check_indices([0, -1], 3, "components", "parts") == [0, 2]


def test_labels_of_another_length():
    assert inputs.check_labels(None, 3) is None
    assert inputs.check_labels(np.ones((3, 1)), 3).shape == (3,)
    with pytest.raises(ValueError, match="one label for each of the 3 samples"):
        inputs.check_labels([1, 2], 3)


def test_rows_are_spread_evenly():
    np.testing.assert_array_equal(shared.spread_rows(9, 3), [0, 4, 8])
    np.testing.assert_array_equal(shared.spread_rows(2, 5), [0, 1])


def test_tiles_of_a_montage_are_where_their_centres_say():
    tiles = np.arange(2 * 3 * 5 * 4, dtype=float).reshape(2, 3, 5, 4)
    made = make_montage(tiles)
    assert np.isnan(made.image).sum() == made.image.size - tiles.size
    for i, row in enumerate(made.row_centers):
        for j, column in enumerate(made.column_centers):
            top, left = int(row - 2), int(column - 1.5)
            np.testing.assert_array_equal(made.image[top : top + 5, left : left + 4], tiles[i, j])
    assert make_montage(np.zeros((1, 2, 3, 3, 3))).image.shape == (3, 7, 3)


def test_steps_inside_pipelines_and_searches():
    X = np.random.default_rng(0).normal(size=(20, 3)) + 5.0
    inner = make_pipeline(StandardScaler(), "passthrough", PCA(2), "passthrough")
    outer = make_pipeline(MinMaxScaler(), inner).fit(X)
    pca = inner.steps[2][1]
    assert inputs.last_step(outer) is pca
    assert inputs.estimator_name(outer) == "PCA"
    reached = inputs.before_last(outer, X)
    np.testing.assert_allclose(pca.transform(reached), outer.transform(X))
    search = GridSearchCV(outer, {"pipeline__pca__n_components": [1]}, cv=2, scoring=lambda *_: 0.0)
    with pytest.raises(NotFittedError):
        inputs.check_has(search, "transform", "ADisplay")
    search.fit(X)
    best = inputs.last_step(search)
    assert best.components_.shape == (1, 3)
    np.testing.assert_allclose(best.transform(inputs.before_last(search, X)), search.transform(X))
    with pytest.raises(TypeError, match="`get_covariance`, which the Pipeline around PCA lacks"):
        inputs.check_has(outer, "get_covariance", "ADisplay")
    with pytest.raises(TypeError, match="Pass a Pipeline with an estimator in it"):
        inputs.last_step(make_pipeline("passthrough"))


@pytest.mark.parametrize("bad", [0, 2.5, True, "a", None])
def test_counts_that_are_none(bad):
    with pytest.raises(ValueError, match=r"`n` must be a positive integer\. Got"):
        inputs.check_count(bad, "n")
    with pytest.raises(ValueError, match=r"`n` must be an integer from 1 to 3 or None\. Got 4"):
        inputs.check_count(4, "n", most=3, optional=True)
    inputs.check_count(None, "n", optional=True)


@pytest.mark.parametrize(
    ("y", "classes", "unknown"),
    [
        (["b", None, "a", "b"], ["a", "b"], [1]),
        ([1, None, 0, np.nan], [0, 1], [1, 3]),
        (pd.Series([2, None, 2, 3], dtype="Int64"), [2, 3], [1]),
        (pd.Categorical(["v", "u", None, "u"]), ["u", "v"], [2]),
        (["a", 1, np.nan, "a"], ["1", "a"], [2]),
        ([None, None, None, None], [], [0, 1, 2, 3]),
        ([True, False, True, True], [False, True], []),
        ([0.5, 2.0, 0.5, np.nan], [0.5, 2.0], [3]),
    ],
    ids=["strings", "numbers", "nullable", "categories", "mixed", "none", "booleans", "floats"],
)
def test_labels_that_are_missing_belong_to_no_class(y, classes, unknown):
    labels = inputs.check_labels(y, 4)
    found = inputs.classes_of(labels)
    assert found == classes
    assert np.flatnonzero(pd.isna(labels)).tolist() == unknown
    members = sum((np.asarray(labels == c).astype(int) for c in found), np.zeros(4, dtype=int))
    assert members.sum() == 4 - len(unknown)


def test_one_channel_is_an_image_without():
    assert inputs.check_image_shape((3, 4, 1), 12) == (3, 4)


def test_missing_pixels_of_colour_images_are_white():
    row = np.array([0.0, 1.0, 3.0, np.nan, 2.0, -1.0])
    _, ax = plt.subplots()
    shown = shared.show_image(ax, row, (1, 2, 3), {"vmin": 0.0, "vmax": 2.0}).get_array()
    np.testing.assert_array_equal(shown, [[[0.0, 0.5, 1.0], [1.0, 1.0, 0.0]]])


def test_axes_that_held_a_grid_hold_one_picture_again():
    figure, ax = plt.subplots()
    shared.grid_of_axes(ax, 2, 2, "ADisplay")
    assert not ax.axison
    assert shared.one_axes(ax, "ADisplay").axes[0, 0] is ax
    assert ax.axison
    assert figure.axes == [ax]


@pytest.mark.parametrize(
    ("names", "angle"),
    [(["a", "b"], 0.0), (["a long name of a feature"] * 20, 90.0), (["a"] * 31, None)],
)
def test_names_of_features_are_level_where_they_fit(names, angle):
    _, ax = plt.subplots()
    ax.set_xticks([])
    shared.label_features(ax, names)
    assert {text.get_rotation() for text in ax.get_xticklabels()} == ({angle} - {None})
    assert ax.get_xlabel() == ("feature" if angle is None else "")
    assert (shared.inches_of(names) > 0.0) == (angle is not None)
