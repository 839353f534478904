"""SplitViews, ConcatViews and SelectView: from a matrix to views and back."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

from skrep.compose import ConcatViews, PerView, SelectView, SplitViews
from skrep.exceptions import MissingViewError
from skrep.utils.sklearn_private import InvalidParameterError
from skrep.views import Views

N = 10


@pytest.fixture
def matrix(seed):
    return np.random.default_rng(seed).normal(size=(N, 7))


@pytest.fixture
def table(matrix):
    return pd.DataFrame(matrix, columns=list("abcdefg"), index=[f"s{i}" for i in range(N)])


@pytest.fixture
def views(matrix):
    return Views({"image": matrix[:, :4], "text": matrix[:, 4:]})


# SplitViews


def test_split_by_widths(matrix):
    split = SplitViews([4, 3])
    views = split.fit_transform(matrix)
    assert views.names == ("view0", "view1")
    np.testing.assert_array_equal(views[0], matrix[:, :4])
    np.testing.assert_array_equal(views[1], matrix[:, 4:])
    assert np.shares_memory(views[1], matrix)
    np.testing.assert_array_equal(split.inverse_transform(views), matrix)
    np.testing.assert_array_equal(split.inverse_transform(np.asarray(views)), matrix)
    assert split.get_feature_names_out()[[0, 6]].tolist() == ["view0__x0", "view1__x6"]


SECTIONS = {"odd": [5, 1, 3], "rest": np.array([True, False, True, False, True, False, True])}


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix, pd.DataFrame])
def test_split_by_positions_and_back(matrix, kind):
    split = SplitViews(SECTIONS).fit(kind(matrix))
    views = split.transform(kind(matrix))
    assert views.names == ("odd", "rest")
    np.testing.assert_array_equal(np.asarray(views[["odd"]]), matrix[:, [5, 1, 3]])
    np.testing.assert_array_equal(np.asarray(views[["rest"]]), matrix[:, ::2])
    back = split.inverse_transform(views)
    assert sparse.issparse(back) == sparse.issparse(views[0])
    np.testing.assert_array_equal(back.toarray() if sparse.issparse(back) else back, matrix)
    # One matrix has the columns in the order of the views.
    np.testing.assert_array_equal(split.inverse_transform(np.asarray(views)), matrix)


def test_split_by_column_names(table):
    split = SplitViews({"image": ["b", "a"], "text": slice(2, 6), "label": "g"}).fit(table)
    views = split.transform(table)
    assert [list(columns) for columns in views.columns] == [["b", "a"], list("cdef"), ["g"]]
    assert views["image"].columns.tolist() == ["b", "a"]
    assert views.index.equals(table.index)
    assert split.columns_["image"].tolist() == [1, 0]
    assert split.feature_names_in_.tolist() == list("abcdefg")
    names = ["image__b", "image__a", *(f"text__{c}" for c in "cdef"), "label__g"]
    assert split.get_feature_names_out().tolist() == names == views.column_names()
    split.set_output(transform="pandas")
    pd.testing.assert_frame_equal(split.inverse_transform(views), table)


def test_a_single_name_of_strings_is_raw_text(table):
    table = table.assign(text=["a b", "b c"] * 5)
    split = SplitViews({"numbers": list("abcdefg"), "text": "text"})
    views = split.fit_transform(table)
    assert views["text"].shape == (N,)
    pipe = make_pipeline(split, PerView({"text": CountVectorizer(token_pattern=r"\w")}), PCA(2))
    assert pipe.fit_transform(table).shape == (N, 2)


def test_nan_blocks_are_absent_and_stay_nan(matrix):
    matrix[2, :4] = np.nan
    split = SplitViews([4, 3]).fit(matrix)
    views = split.transform(matrix)
    assert np.flatnonzero(~views.present[:, 0]).tolist() == [2]
    np.testing.assert_array_equal(split.inverse_transform(views), matrix)
    without = split.inverse_transform({"view0": None, "view1": matrix[:, 4:]})
    assert np.isnan(without[:, :4]).all()
    np.testing.assert_array_equal(without[:, 4:], matrix[:, 4:])
    views = Views((sparse.csr_array(matrix[:, :4]), matrix[:, 4:]))
    np.testing.assert_array_equal(split.inverse_transform(views), matrix)


def test_pandas_output_of_an_array(matrix):
    views = SplitViews([4, 3]).set_output(transform="pandas").fit_transform(matrix)
    assert views["view1"].columns.tolist() == ["x4", "x5", "x6"]


def test_views_are_split_as_the_matrix_they_stand_for(views, matrix):
    out = SplitViews([2, 5]).fit_transform(views)
    np.testing.assert_array_equal(out[0], matrix[:, :2])


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        ([4, 4], ValueError, r"`sections=\[4, 4\]` add up to 8 columns, but X has 7 features"),
        ([7, 0], ValueError, r"positive widths such as \[240, 216\].*Got \[7, 0\]"),
        ([3.5, 3.5], ValueError, "positive widths"),
        (5, InvalidParameterError, "'sections' parameter of SplitViews must be"),
        ({"a": 4, "b": 3}, ValueError, r"`sections\['a'\]=4` could be a width or a position"),
        ({"a": slice(0, 3), "b": slice(2, 7)}, ValueError, r"those at \[2\] belong to \[2\]"),
        ({"a": slice(0, 3), "b": [3]}, ValueError, r"those at \[4, 5, 6\] belong to \[0, 0, 0\]"),
        ({"a": slice(0, 7), "b": []}, ValueError, r"`sections\['b'\]` picks no column"),
        ({"a": [0, 9]}, ValueError, r"`sections\['a'\]` must hold positions below 7"),
        ({"a": ["x"]}, ValueError, r"`sections\['a'\]` holds column names, but X is no DataFrame"),
    ],
)
def test_split_refusals(matrix, sections, error, message):
    with pytest.raises(error, match=message):
        SplitViews(sections).fit(matrix)


def test_split_refusals_of_frames(table, matrix):
    with pytest.raises(ValueError, match=r"names columns that X does not have: \['z'\]"):
        SplitViews({"a": ["a", "z"]}).fit(table)
    split = SplitViews([4, 3]).fit(table)
    with pytest.raises(ValueError, match="feature names should match"):
        split.transform(table.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="X has 6 features, but SplitViews is expecting 7"):
        SplitViews([4, 3]).fit(matrix).transform(matrix[:, :6])
    with pytest.raises(ValueError, match=r"X must hold the views .*Got \{'a': 4, 'b': 3\}"):
        split.inverse_transform({"a": matrix[:, :4], "b": matrix[:, 4:]})
    with pytest.raises(ValueError, match="X must hold the views"):
        split.inverse_transform((matrix[:, :3], matrix[:, 4:]))


# ConcatViews


def test_concat_and_back(views, matrix):
    concat = ConcatViews()
    np.testing.assert_array_equal(concat.fit_transform(views), matrix)
    back = concat.inverse_transform(matrix)
    assert back.names == views.names
    np.testing.assert_array_equal(back["text"], views["text"])
    np.testing.assert_array_equal(concat.transform(tuple(views)), matrix)
    np.testing.assert_array_equal(concat.transform(views[["text", "image"]]), matrix)


def test_concat_keeps_csr_if_all_are(views):
    csr = [sparse.csr_matrix(a) for a in views]
    out = ConcatViews().fit_transform(tuple(csr))
    assert out.format == "csr"
    np.testing.assert_array_equal(out.toarray(), np.asarray(views))
    assert isinstance(ConcatViews().fit_transform((csr[0], views[1])), np.ndarray)
    assert ConcatViews().fit(tuple(csr)).inverse_transform(out)[1].format == "csr"


def test_concat_names_and_pandas_output(table):
    two = pd.concat({"image": table[list("abcd")], "text": table[list("efg")]}, axis=1)
    concat = ConcatViews().set_output(transform="pandas")
    out = concat.fit_transform(two)
    names = [*(f"image__{c}" for c in "abcd"), *(f"text__{c}" for c in "efg")]
    assert out.columns.tolist() == names == concat.feature_names_in_.tolist()
    assert out.index.equals(table.index)
    back = concat.inverse_transform(out)
    pd.testing.assert_frame_equal(back.to_frame(), two, check_names=False)
    assert concat.inverse_transform(out.to_numpy())["text"].columns.tolist() == list("efg")
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        concat.get_feature_names_out(list("abcdefg"))


def test_concat_does_not_touch_the_frame_given(table):
    before = table.columns.copy()
    ConcatViews().set_output(transform="pandas").fit_transform({"a": table})
    SelectView("a").set_output(transform="pandas").fit_transform({"a": table})
    assert table.columns.equals(before)


def test_concat_of_incomplete_views(views, matrix):
    image = views["image"].copy()
    image[3] = np.nan
    incomplete = Views({"image": image, "text": views["text"]})
    with pytest.raises(MissingViewError, match=f"'image' is absent for 1 of {N}"):
        ConcatViews().fit(incomplete).transform(incomplete)
    concat = ConcatViews(absent="nan").fit(incomplete)
    out = concat.transform(incomplete)
    np.testing.assert_array_equal(np.isnan(out).sum(axis=1), 4 * (np.arange(N) == 3))
    np.testing.assert_array_equal(concat.inverse_transform(out).present, incomplete.present)
    assert concat.transform({"image": None, "text": views["text"]}).shape == (N, 7)
    single = Views((matrix.astype(np.float32)[:, :4], None))
    fitted = ConcatViews(absent="nan").fit((matrix[:, :4], matrix[:, 4:]))
    assert fitted.transform(single).dtype == np.float32


def test_concat_refusals(views, matrix):
    with pytest.raises(InvalidParameterError, match="'absent' parameter of ConcatViews must be"):
        ConcatViews(absent="drop").fit(views)
    with pytest.raises(ValueError, match=r"X has 6 features, but the views \['image', 'text'\]"):
        ConcatViews().fit(views).inverse_transform(matrix[:, :6])


# SelectView


@pytest.mark.parametrize("view", ["text", 1, -1])
def test_select(views, view):
    select = SelectView(view)
    np.testing.assert_array_equal(select.fit_transform(views), views["text"])
    assert select.get_feature_names_out().tolist() == ["text__x0", "text__x1", "text__x2"]
    out = select.set_output(transform="pandas").transform(views)
    assert out.columns.tolist() == ["text__x0", "text__x1", "text__x2"]


def test_select_keeps_kind_and_marks_absent_rows(views, table):
    mask = np.ones((N, 3), dtype=bool)
    mask[2] = False
    counts = np.arange(2 * N).reshape(N, 2)
    given = Views({"csr": sparse.csr_matrix(counts), "int": counts, "table": table}, present=mask)
    assert np.isnan(SelectView("int").fit_transform(given)[2]).all()
    assert SelectView("table").fit_transform(given).iloc[2].isna().all()
    with pytest.raises(MissingViewError, match=f"View 'csr' is CSR and absent for 1 of {N}"):
        SelectView("csr").fit_transform(given)
    assert SelectView("csr").fit(given).transform(given[3:]).format == "csr"
    absent = SelectView("text").fit(views).transform({"image": views["image"], "text": None})
    assert np.isnan(absent).all()
    assert absent.shape == (N, 3)


def test_select_hands_raw_strings_to_a_vectorizer(views):
    pipe = make_pipeline(SelectView("words"), CountVectorizer())
    assert pipe.fit_transform({"image": views["image"], "words": ["one two"] * N}).shape == (N, 2)


@pytest.mark.parametrize("view", ["sound", 2, -3])
def test_select_refusals(views, view):
    with pytest.raises(
        ValueError, match=rf"`view={view!r}` is none of the views \['image', 'text'\]"
    ):
        SelectView(view).fit(views)
    with pytest.raises(InvalidParameterError, match="'view' parameter of SelectView must be"):
        SelectView(1.5).fit(views)


@pytest.mark.parametrize("step", [ConcatViews(), SelectView("text"), SplitViews([4, 3])], ids=str)
def test_steps_clone_and_pickle(step, views):
    fitted = clone(step).fit(views)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        np.asarray(again.transform(views)), np.asarray(fitted.transform(views))
    )
    assert step.get_params() == fitted.get_params()


@pytest.mark.parametrize("step", [ConcatViews(), SelectView("text"), SplitViews([4, 3])], ids=str)
def test_containers_that_do_not_exist_are_refused(step):
    with pytest.raises(ValueError, match=r"'default', 'pandas' or None\. Got 'polars' instead"):
        step.set_output(transform="polars")
