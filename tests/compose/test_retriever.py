"""CrossModalRetriever: exact against brute force, approximate against exact, over every model."""

import importlib
import io
import pickle

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import CLIP, Views
from skrep.compose import CrossModalRetriever, PerView, SplitViews, _neighbors
from skrep.datasets import make_multiview
from skrep.utils.sklearn_private import InvalidParameterError
from skrep.views import as_views


class Projections(BaseEstimator):
    """A model of two views that projects each on fixed directions; views may be absent."""

    def __init__(self, n_components=4, shift=0.0):
        self.n_components = n_components
        self.shift = shift

    def fit(self, X, y=None):
        views = as_views(X)
        self.view_names_in_ = views.names
        rng = np.random.default_rng(0)
        self.maps_ = [rng.normal(size=(width, self.n_components)) for width in views.widths]
        self.y_ = y
        return self

    def transform_each(self, X):
        views = as_views(X, names=self.view_names_in_)
        if set(views.names) != set(self.view_names_in_):
            raise ValueError(f"views {views.names} are not {self.view_names_in_}")
        codes = []
        for i, name in enumerate(self.view_names_in_):
            there = views.present[:, views.names.index(name)]
            code = np.full((len(views), self.n_components), np.nan)
            if there.any():
                code[there] = np.asarray(views[name])[there] @ self.maps_[i] + self.shift
            codes.append(code)
        return Views(tuple(codes), self.view_names_in_)


@pytest.fixture
def views(seed):
    rng = np.random.default_rng(seed)
    return Views({"image": rng.normal(size=(60, 7)), "text": rng.normal(size=(60, 5))})


def brute_force(source, target, metric, k):
    distances = pairwise_distances(source, target, metric=metric)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


# -- exact ----------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("block", [2**22, 64])
def test_exact_search_is_brute_force(metric, block, views, monkeypatch):
    monkeypatch.setattr(_neighbors, "_BLOCK_ENTRIES", block)
    retriever = CrossModalRetriever(Projections(), metric=metric).fit(views)
    image, text = retriever.estimator_.transform_each(views)
    expected = brute_force(text, image, metric, 5)
    distances, rows = retriever.kneighbors(views["text"], "text", "image", n_neighbors=5)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], atol=1e-7)
    assert retriever.algorithm_ == "exact"


def test_distances_far_from_the_origin_keep_their_digits(views):
    near, far = (
        CrossModalRetriever(Projections(shift=shift), metric="euclidean").fit(views)
        for shift in (0.0, 1e6)
    )
    expected, rows = near.kneighbors(views[:9], "text", "image")
    found, same = far.kneighbors(views[:9], "text", "image")
    np.testing.assert_array_equal(same, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ties_come_in_the_order_of_the_gallery(views):
    twice = Views({name: np.tile(views[name][:1], (6, 1)) for name in views.names})
    retriever = CrossModalRetriever(Projections()).fit(views).index(twice)
    rows = retriever.kneighbors(views[:2], "image", "text", 6, return_distance=False)
    np.testing.assert_array_equal(rows, np.tile(np.arange(6), (2, 1)))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("block", [2**22, 64])
def test_the_first_of_equal_items_are_found(metric, block, seed, monkeypatch):
    monkeypatch.setattr(_neighbors, "_BLOCK_ENTRIES", block)
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(30, 4)).astype(np.float32)[rng.integers(30, size=300)]
    queries = rng.normal(size=(50, 4)).astype(np.float32)
    index = _neighbors.ExactIndex(gallery, metric)
    distances = pairwise_distances(queries.astype(float), gallery.astype(float), metric=metric)
    expected = np.argsort(np.round(distances, 5), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(index.query(queries, 5)[1], expected)
    alone = np.vstack([index.query(query[None], 5)[1] for query in queries])
    np.testing.assert_array_equal(alone, expected)


def test_neighbours_in_clusters_far_apart_are_told_apart(seed):
    rng = np.random.default_rng(seed)
    centres = 1e4 * rng.choice([-1, 1], size=(3, 16))
    gallery = (centres[np.arange(600) % 3] + rng.normal(size=(600, 16))).astype(np.float32)
    queries = (centres[0] + rng.normal(size=(20, 16))).astype(np.float32)
    distances, rows = _neighbors.ExactIndex(gallery, "euclidean").query(queries, 10)
    expected = brute_force(queries.astype(float), gallery.astype(float), "euclidean", 10)
    # Entries have a thousandth as their last digit, which can swap neighbours.
    np.testing.assert_allclose(distances, expected[0], rtol=1e-2)
    hits = [len(set(a) & set(b)) for a, b in zip(rows, expected[1], strict=True)]
    assert np.mean(hits) >= 9.5


def test_codes_of_zeros_are_as_far_as_any(views):
    zeros = Views({name: np.zeros_like(views[name]) for name in views.names})
    retriever = CrossModalRetriever(Projections()).fit(views).index(zeros)
    distances, _ = retriever.kneighbors(views, "image", "text", 3)
    np.testing.assert_array_equal(distances, 1.0)


# -- what goes in ---------------------------------------------------------------------------


def test_every_container_of_a_query_gives_the_same(views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    expected = retriever.kneighbors(views[:8], "text", "image", return_distance=False)
    text = views["text"][:8]
    same = [
        text,
        text.tolist(),
        {"text": text},
        {"image": None, "text": text},
        (views["image"][:8], text),
        Views({"text": text, "image": views["image"][:8]}),
    ]
    for query in same:
        rows = retriever.kneighbors(query, "text", return_distance=False)
        np.testing.assert_array_equal(rows, expected)
    rows = retriever.kneighbors(text, target="image", return_distance=False)
    np.testing.assert_array_equal(rows, expected)


def test_other_views_of_a_query_are_not_looked_at(views):
    retriever = CrossModalRetriever(CLIP(3, max_epochs=1, random_state=0)).fit(views)
    expected = retriever.kneighbors(views["text"], "text", return_distance=False)
    broken = views["image"].copy()
    broken[3, 1] = np.nan
    for other in (broken, views["image"][:, :2]):
        query = {"image": other, "text": views["text"]}
        rows = retriever.kneighbors(query, "text", return_distance=False)
        np.testing.assert_array_equal(rows, expected)


def test_marks_of_absence_survive_a_gallery_that_leaves_views_out(views):
    retriever = CrossModalRetriever(CLIP(3, max_epochs=1, random_state=0)).fit(views)
    there = np.arange(60) % 2 == 0
    gallery = Views((sparse.csr_array(views["text"]),), ("text",), there[:, None])
    with pytest.warns(UserWarning, match="'text' in 30"):
        retriever.index(gallery)
    np.testing.assert_array_equal(retriever.rows_["text"], np.flatnonzero(there))


def test_a_view_can_be_searched_from_itself(views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    rows = retriever.kneighbors(views, "text", "text", 1, return_distance=False)
    np.testing.assert_array_equal(rows.ravel(), np.arange(60))


def test_a_gallery_replaces_the_samples_of_fit(views, seed):
    retriever = CrossModalRetriever(Projections()).fit(views[:40])
    assert retriever.n_gallery_ == 40
    retriever.index({"text": views["text"][40:]})
    assert retriever.n_gallery_ == 20
    assert list(retriever.indexes_) == ["text"]
    assert retriever.n_skipped_ == {"image": 20, "text": 0}
    with pytest.raises(ValueError, match="No sample of the gallery has the view 'image'"):
        retriever.kneighbors(views, "text", "image")


def test_absent_targets_are_skipped_and_reported(views):
    image = views["image"].copy()
    image[::3] = np.nan
    holes = Views({"image": image, "text": views["text"]})
    with pytest.warns(UserWarning, match="Of 60 samples .* lack a view: 'image' in 20"):
        retriever = CrossModalRetriever(Projections()).fit(holes)
    assert retriever.n_skipped_ == {"image": 20, "text": 0}
    rows = retriever.kneighbors(views, "text", "image", 40, return_distance=False)
    np.testing.assert_array_equal(np.unique(rows), np.flatnonzero(np.arange(60) % 3))
    codes = retriever.estimator_.transform_each(views)
    kept = np.flatnonzero(np.arange(60) % 3)
    expected = kept[brute_force(codes["text"], codes["image"][kept], "cosine", 40)[1]]
    np.testing.assert_array_equal(rows, expected)


def test_the_estimator_is_cloned_and_a_frozen_one_is_not(views):
    model = Projections(3)
    y = np.arange(60)
    retriever = CrossModalRetriever(model).fit(views, y)
    assert not vars(model).keys() - {"n_components", "shift"}
    np.testing.assert_array_equal(retriever.estimator_.y_, y)
    fitted = Projections(3).fit(views)
    frozen = CrossModalRetriever(FrozenEstimator(fitted)).fit(views[:10])
    assert frozen.estimator_ is fitted
    with pytest.raises(NotFittedError):
        CrossModalRetriever(FrozenEstimator(Projections())).fit(views)


def test_a_pipeline_may_end_in_a_model(views):
    scaled = make_pipeline(PerView(StandardScaler()), Projections())
    retriever = CrossModalRetriever(scaled).fit(views)
    rows = retriever.kneighbors(views["text"], "text", "image", return_distance=False)
    codes = Projections().fit(views).transform_each(PerView(StandardScaler()).fit_transform(views))
    np.testing.assert_array_equal(rows, brute_force(codes["text"], codes["image"], "cosine", 10)[1])
    with pytest.raises(TypeError, match="must be a model with a code per view"):
        CrossModalRetriever(make_pipeline(StandardScaler())).fit(views)
    frozen = FrozenEstimator(scaled.fit(views))
    found = CrossModalRetriever(frozen).fit(views).kneighbors(views["text"], "text")[1]
    np.testing.assert_array_equal(found, rows)
    with pytest.raises(TypeError, match="must be a model with a code per view"):
        CrossModalRetriever(FrozenEstimator(StandardScaler().fit(views))).fit(views)


def test_a_model_fitted_on_a_matrix_takes_queries_as_one(views):
    matrix = np.asarray(views)
    model = CLIP(3, max_epochs=1, random_state=0)
    split = make_pipeline(SplitViews({"image": slice(0, 7), "text": slice(7, 12)}), model)
    found = CrossModalRetriever(split).fit(matrix).kneighbors(matrix[:9], "text", "image", 4)
    expected = CrossModalRetriever(model).fit(views).kneighbors(views["text"][:9], "text", None, 4)
    np.testing.assert_array_equal(found[1], expected[1])


# -- what is refused ------------------------------------------------------------------------


def test_views_that_the_model_never_saw_are_named(views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    known = r"\['image', 'text'\]"
    with pytest.raises(ValueError, match=rf"`source` must be one of .*{known}. Got 'sound'"):
        retriever.kneighbors(views["text"], "sound", "image")
    with pytest.raises(ValueError, match=rf"`target` must be one of .*{known}. Got 'sound'"):
        retriever.kneighbors(views["text"], "text", "sound")
    with pytest.raises(ValueError, match="say in which of them the query is with `source`"):
        retriever.kneighbors(views)
    with pytest.raises(ValueError, match="sound"):
        retriever.kneighbors({"sound": views["text"]}, "text")


def test_queries_without_their_view_are_refused(views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    text = views["text"].copy()
    text[4] = np.nan
    with pytest.raises(ValueError, match=r"lacks the view 'text' in row 4 \(1 of 60\)"):
        retriever.kneighbors(Views({"image": views["image"], "text": text}), "text")


def test_one_text_is_no_query(views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    with pytest.raises(ValueError, match=r"`query` is one text, 'a red cat'\. Pass a list of"):
        retriever.kneighbors("a red cat", "text")


@pytest.mark.parametrize("k", [0, 61, 2.5, True, "all"])
def test_impossible_numbers_of_neighbours_are_refused(k, views):
    retriever = CrossModalRetriever(Projections()).fit(views)
    with pytest.raises(ValueError, match="must be an integer from 1 to 60, the number of samples"):
        retriever.kneighbors(views, "text", n_neighbors=k)


def test_models_without_a_code_per_view_are_refused(views):
    with pytest.raises(InvalidParameterError, match="'fit' and 'transform_each'"):
        CrossModalRetriever(StandardScaler()).fit(views)


def test_nothing_is_found_before_fit(views):
    for call in ("kneighbors", "index"):
        with pytest.raises(NotFittedError):
            getattr(CrossModalRetriever(Projections()), call)(views)


def test_a_missing_library_is_named(views, monkeypatch):
    def none(name):
        raise ImportError(name)

    monkeypatch.setattr(_neighbors, "import_module", none)
    with pytest.raises(ImportError, match=r"pip install 'skrep\[retrieval\]'"):
        CrossModalRetriever(Projections(), algorithm="approximate").fit(views)


# -- approximate ----------------------------------------------------------------------------


@pytest.fixture
def clusters(seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, 16))
    noise = rng.normal(size=(2, 4000, 16))
    image, text = centres[rng.integers(20, size=4000)] + 0.5 * noise
    return Views({"image": image, "text": text})


class AsTheyAre(Projections):
    """Codes are the views themselves."""

    def transform_each(self, X):
        return as_views(X, names=self.view_names_in_)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_approximate_search_finds_nearly_all(metric, clusters):
    pytest.importorskip("usearch")
    exact, approximate = (
        CrossModalRetriever(AsTheyAre(), metric=metric, algorithm=algorithm).fit(clusters)
        for algorithm in ("exact", "approximate")
    )
    true_distances, truth = exact.kneighbors(clusters[:200], "text", "image")
    distances, rows = approximate.kneighbors(clusters[:200], "text", "image")
    hits = [len(set(a) & set(b)) for a, b in zip(rows, truth, strict=True)]
    assert np.mean(hits) >= 9.5
    assert (distances >= true_distances - 1e-9).all()
    first = approximate.kneighbors(clusters[:1], "text", "image", return_distance=False)
    np.testing.assert_array_equal(first, rows[:1])


def test_an_approximate_index_finds_all_there_are(views):
    pytest.importorskip("usearch")
    retriever = CrossModalRetriever(Projections(), algorithm="approximate").fit(views)
    rows = retriever.kneighbors(views, "text", "image", 60, return_distance=False)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.arange(60), (60, 1)))


@pytest.mark.parametrize("algorithm", ["exact", "approximate"])
def test_retrievers_travel_with_their_index(algorithm, views):
    if algorithm == "approximate":
        pytest.importorskip("usearch")
    retriever = CrossModalRetriever(Projections(), algorithm=algorithm).fit(views)
    expected = retriever.kneighbors(views, "text", "image")
    buffer = io.BytesIO()
    joblib.dump(retriever, buffer)
    buffer.seek(0)
    for other in (pickle.loads(pickle.dumps(retriever)), joblib.load(buffer)):
        for found, known in zip(other.kneighbors(views, "text", "image"), expected, strict=True):
            np.testing.assert_array_equal(found, known)


def test_many_items_are_searched_approximately(views, monkeypatch):
    pytest.importorskip("usearch")
    module = importlib.import_module("skrep.compose._retriever")
    monkeypatch.setattr(module, "_MANY", 50)
    assert CrossModalRetriever(Projections()).fit(views).algorithm_ == "approximate"
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert CrossModalRetriever(Projections()).fit(views).algorithm_ == "exact"


# -- the models -----------------------------------------------------------------------------

SMALL = {"n_components": 6, "max_epochs": 20, "batch_size": 50, "random_state": 0}
MODELS = [
    ("skrep.cross_decomposition", "CCA", {"n_components": 3}),
    ("skrep.cross_decomposition", "DCCA", {**SMALL, "n_components": 3}),
    ("skrep.cross_decomposition", "DCCAE", {**SMALL, "n_components": 3}),
    (
        "skrep.cross_decomposition",
        "RBMCCA",
        {"n_components": 3, "visible": "gaussian", "learning_rate": 0.01, "random_state": 0},
    ),
    ("skrep.multimodal", "CLIP", SMALL),
    ("skrep.multimodal", "MultimodalVAE", SMALL),
    ("skrep.multimodal", "JMVAE", SMALL),
    ("skrep.multimodal", "MultimodalRBM", {**SMALL, "n_components": 32, "visible": "gaussian"}),
    ("skrep.multimodal", "MultimodalAutoencoder", SMALL),
]


@pytest.mark.parametrize(("family", "name", "settings"), MODELS, ids=[row[1] for row in MODELS])
def test_partners_are_found_by_every_model(family, name, settings, seed):
    model = getattr(pytest.importorskip(family), name, None)
    if model is None:
        pytest.skip(f"{family} has no {name}")
    views = make_multiview(400, random_state=seed)
    retriever = CrossModalRetriever(model(**settings)).fit(views)
    rows = retriever.kneighbors(views["view1"], "view1", "view0", 20, return_distance=False)
    found = (rows == np.arange(400)[:, None]).any(axis=1).mean()
    # By chance one in 20 is; 0.125 or more of 400 has odds below 1e-8.
    assert found > 0.125
