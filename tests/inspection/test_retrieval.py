from unicodedata import name

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from skrep import CCA, Views
from skrep.compose import CrossModalRetriever
from skrep.datasets import make_multiview
from skrep.inspection import RetrievalDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def views():
    a, b = make_multiview(60, random_state=0)
    return Views({"image": a[:, :12], "text": b[:, :7]})


@pytest.fixture(scope="module")
def retriever(views):
    return CrossModalRetriever(CCA(2)).fit(views)


def draw(retriever, views, rows=(4, 9), **options):
    options = {"gallery": views, "source": "image", "target": "text", "n_neighbors": 3, **options}
    return RetrievalDisplay.from_estimator(retriever, views[list(rows)], **options)


def test_items_and_scores_are_those_of_the_search(retriever, views):
    display = draw(retriever, views)
    distances, rows = retriever.kneighbors(views[[4, 9]], "image", "text", 3)
    np.testing.assert_array_equal(display.queries, views["image"][[4, 9]])
    np.testing.assert_array_equal(display.neighbors, views["text"][rows])
    np.testing.assert_allclose(display.scores, 1.0 - distances)
    assert display.axes_.shape == (2, 4)
    shown = [[ax.get_title() for ax in line[1:]] for line in display.axes_]
    assert shown == [[f"{1 - d:.2f}" for d in line] for line in distances]
    assert display.axes_[0, 0].get_title() == "query (image)"


def test_strips_are_standardised_over_the_tiles(retriever, views):
    display = draw(retriever, views)
    strip = display.axes_[1, 2].images[0].get_array()
    tiles = display.neighbors
    wanted = (tiles - tiles.mean(axis=(0, 1))) / tiles.std(axis=(0, 1))
    np.testing.assert_allclose(strip, wanted[1, 1][None, :])


def test_images_and_marks(retriever, views):
    y = np.arange(60) % 2
    display = draw(
        retriever, views, source="text", target="image", image_shape=(3, 4),
        query_labels=y[[4, 9]], gallery_labels=y,
    )  # fmt: skip
    assert display.image_shapes == (None, (3, 4))
    _, rows = retriever.kneighbors(views[[4, 9]], "text", "image", 3)
    for i, j in np.ndindex(2, 3):
        ax = display.axes_[i, j + 1]
        np.testing.assert_array_equal(
            ax.images[0].get_array(), views["image"][rows[i, j]].reshape(3, 4)
        )
        agree = y[[4, 9]][i] == y[rows[i, j]]
        assert ("\N{CHECK MARK}" if agree else "\N{BALLOT X}") in ax.get_title()
        assert ax.get_xlabel() == str(y[rows[i, j]])
        colors = {side.get_edgecolor() for side in ax.spines.values()}
        assert len(colors) == 1
        assert ax.spines["left"].get_visible()


def test_texts(retriever, views):
    words = [f"sample number {i}" for i in range(60)]
    display = draw(retriever, views, gallery_texts=words, image_shape={"image": (4, 3)})
    _, rows = retriever.kneighbors(views[[4, 9]], "image", "text", 3)
    assert display.axes_[1, 3].texts[0].get_text().replace("\n", " ") == words[rows[1, 2]]
    strings = Views({"image": views["image"], "text": np.array(words, dtype=object)})
    again = draw(retriever, views, gallery=strings)
    assert again.neighbors.tolist() == display.neighbors.tolist()


def test_one_view_alone_and_names_left_out(retriever, views):
    full = draw(retriever, views)
    display = RetrievalDisplay.from_estimator(
        retriever, views["image"][[4, 9]], gallery=views["text"], target="text", n_neighbors=3
    )
    assert display.view_names == ("image", "text")
    np.testing.assert_array_equal(display.neighbors, full.neighbors)
    display = draw(retriever, views, target=None)
    assert display.view_names == ("image", "text")


def test_distances_of_the_euclidean_metric(views):
    retriever = CrossModalRetriever(CCA(2), metric="euclidean").fit(views)
    display = draw(retriever, views)
    assert display.score_name == "Euclidean distance"
    assert (np.diff(display.scores, axis=1) >= 0).all()


def test_plot_again_and_elsewhere(retriever, views):
    display = draw(retriever, views)
    figure, ax = plt.subplots()
    for _ in range(2):
        assert display.plot(ax) is display
        assert display.figure_ is figure
        assert len(figure.axes) == 1 + 8
    figure.canvas.draw()
    _, axes = plt.subplots(2, 4)
    for _ in range(2):
        assert display.plot(axes).axes_[1, 3] is axes[1, 3]
        assert len(axes[1, 3].images) == 1
    with pytest.raises(ValueError, match="draws in 8 axes"):
        display.plot(plt.subplots(1, 3)[1])


def test_a_single_query(retriever, views):
    display = draw(retriever, views, rows=[0], n_neighbors=1)
    assert display.axes_.shape == (1, 2)
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_neighbors": 21}, "`n_neighbors` must be an integer from 1 to 20"),
        ({"rows": range(21)}, "At most 20 queries can be drawn. Got 21"),
        ({"gallery_labels": np.zeros(60)}, "pass both or neither. `query_labels` is None"),
        ({"query_labels": [0], "gallery_labels": np.zeros(60)}, "`query_labels` must hold one lab"),
        ({"gallery_texts": ["a"]}, "`gallery_texts` must hold one text for each of the 60"),
        ({"query_texts": "two words"}, "Got 9 characters"),
        ({"image_shape": (5, 5)}, "An image of shape .5, 5. has 25 pixels"),
        ({"image_shape": {"text": (2, 2)}}, "has 4 pixels, but there are 7"),
        ({"image_shape": {"sound": (2, 2)}}, "`image_shape` names .'sound'."),
        ({"source": "sound"}, "`source` must be one of the views"),
    ],
)
def test_errors(retriever, views, options, match):
    with pytest.raises(ValueError, match=match):
        draw(retriever, views, **options)


def test_another_gallery_and_other_estimators(retriever, views):
    with pytest.raises(ValueError, match="`gallery` has 30 rows where 60 were indexed"):
        draw(retriever, views, gallery=views[:30])
    with pytest.raises(ValueError, match="`gallery` has no view 'text', but"):
        draw(retriever, views, gallery=views[["image"]])
    with pytest.raises(TypeError, match=r"needs a retriever across views. Got NearestNeighbors"):
        draw(NearestNeighbors().fit(views["image"]), views)
    with pytest.raises(TypeError, match="needs the method `kneighbors`, which KMeans lacks"):
        draw(KMeans(2, n_init=1).fit(views["image"]), views)


def test_labels_that_are_missing_get_no_mark(retriever, views):
    y = np.full(60, 1.0)
    y[4], y[9] = 0.0, np.nan
    gallery = np.full(60, 1.0)
    display = draw(retriever, views, query_labels=y[[4, 9]], gallery_labels=gallery)
    assert not any("BALLOT" in name(ax.get_title()[-1]) for ax in display.axes_[1, 1:])
    assert display.axes_[1, 0].get_xlabel() == "nan"
    assert all("BALLOT" in name(ax.get_title()[-1]) for ax in display.axes_[0, 1:])
