"""The container: what builds it, what picks from it, what it refuses and how it travels."""

import copy
import logging
import pickle
import weakref

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_array

from skrep.compose import ConcatViews, PerView
from skrep.exceptions import MissingViewError
from skrep.views import Views, as_views, is_multiview, refuse_mis_split

N = 12


@pytest.fixture
def image(seed):
    return np.random.default_rng(seed).normal(size=(N, 4))


@pytest.fixture
def text(seed):
    return np.random.default_rng(seed + 1).normal(size=(N, 3)).astype(np.float32)


@pytest.fixture
def views(image, text):
    return Views((image, text), names=("image", "text"))


def gappy(array, rows):
    array = array.copy()
    array[rows] = np.nan
    return array


def frame(array, columns="abcdefgh", index=None):
    return pd.DataFrame(array, columns=list(columns[: array.shape[1]]), index=index)


# Building


def test_a_tuple_with_names_and_a_dict_build_the_same(image, text, views):
    other = Views({"image": image, "text": text})
    assert views.names == other.names == ("image", "text")
    for ours, given in zip(views, (image, text), strict=True):
        np.testing.assert_array_equal(ours, given)
        assert np.shares_memory(ours, given)


def test_attributes(views):
    assert views.n_views == 2
    assert len(views) == views.n_samples == N
    assert views.shape == (N, 7)
    assert views.ndim == 2
    assert views.widths == (4, 3)
    assert views.dtype == np.float64
    assert views.present.shape == (N, 2)
    assert views.present.dtype == bool
    assert views.is_complete
    assert views.index is None
    assert views.columns == (None, None)
    assert views.alignment is None
    assert views.column_names() is None


def test_default_names_are_numbered(image, text):
    assert Views((image, text)).names == ("view0", "view1")


def test_dtype_is_the_result_type(image, text):
    assert Views((text, text)).dtype == np.float32
    assert Views((text, np.ones((N, 2), dtype=np.int8))).dtype == np.float32
    assert Views((text, None)).dtype == np.float32
    assert Views((text, np.array(["a"] * N))).dtype == object
    nullable = pd.DataFrame({"a": pd.array([1, None] * (N // 2), dtype="Int64")})
    assert Views((text, nullable)).dtype == np.float64


def test_two_level_frame_round_trip(image, text):
    index = [f"s{i}" for i in range(N)]
    both = pd.concat({"image": frame(image, index=index), "text": frame(text, index=index)}, axis=1)
    views = Views.from_frame(both)
    assert views.names == ("image", "text")
    assert list(views.index) == index
    assert list(views.columns[1]) == ["a", "b", "c"]
    assert views.column_names() == [
        *(f"image__{c}" for c in "abcd"),
        *(f"text__{c}" for c in "abc"),
    ]
    back = views.to_frame()
    assert back.columns.names == ["view", "feature"]
    pd.testing.assert_frame_equal(back, both, check_names=False)


def test_columns_of_a_view_need_not_stand_together():
    columns = pd.MultiIndex.from_tuples([("b", "x"), ("a", "y"), ("b", "z")])
    views = Views.from_frame(pd.DataFrame([[1.0, 2.0, 3.0]] * N, columns=columns))
    assert views.names == ("b", "a")
    assert views["b"].iloc[0].tolist() == [1.0, 3.0]


def test_to_frame_of_arrays_numbers_columns_and_fills_absent_rows(image):
    counts = sparse.csr_array(np.ones((N, 2), dtype=np.int64))
    mask = np.ones((N, 2), dtype=bool)
    mask[3, 1] = False
    table = Views({"image": image, "counts": counts}, present=mask).to_frame()
    assert list(table["counts"].columns) == ["x0", "x1"]
    assert table["counts"].iloc[3].isna().all()
    assert table.isna().sum().sum() == 2


def test_a_dataframe_is_kept_as_it_is(image, text):
    given = frame(image)
    assert Views((given, text))[0] is given


@pytest.mark.parametrize("kind", [sparse.csc_matrix, sparse.coo_array, sparse.csr_matrix])
def test_sparse_becomes_csr(image, kind):
    views = Views((kind(image), image))
    assert views[0].format == "csr"
    np.testing.assert_array_equal(views[0].toarray(), image)


def test_tensors_become_arrays(image):
    torch = pytest.importorskip("torch")
    tensor = torch.ones((N, 2), requires_grad=True)
    views = Views((tensor, image))
    assert isinstance(views[0], np.ndarray)
    assert views[0].dtype == np.float32


def test_a_memmap_stays_one(tmp_path, image):
    path = tmp_path / "a.npy"
    np.save(path, image)
    views = Views((np.load(path, mmap_mode="r"), image))
    assert isinstance(views[0], np.memmap)
    assert isinstance(views[2:5][0], np.memmap)


@pytest.mark.parametrize(
    "make",
    [list, np.array, lambda x: np.array(x, dtype=object), pd.Series],
    ids=["list", "str_array", "object_array", "series"],
)
def test_raw_strings_may_have_one_dimension(make, image):
    documents = [f"word{i} text" for i in range(N)]
    views = Views({"image": image, "text": make(documents)})
    assert views["text"].shape == (N,)
    assert list(views["text"]) == documents
    assert views.widths == (4, 1)
    assert list(views[3:5]["text"]) == documents[3:5]


def test_a_missing_string_is_absent(image):
    views = Views({"image": image, "text": ["a", None, *["b"] * (N - 2)]})
    assert views.present[:, 1].tolist() == [True, False, *[True] * (N - 2)]


# Picking


def test_picking_a_view(views, image, text):
    np.testing.assert_array_equal(views["text"], text)
    np.testing.assert_array_equal(views[0], image)
    np.testing.assert_array_equal(views[-1], text)
    np.testing.assert_array_equal(views[np.int64(1)], text)
    assert "text" in views
    assert "sound" not in views
    first, second = views
    assert first is views[0]
    assert second is views[1]


def test_a_list_of_names_picks_views(views, text):
    picked = views[["text", "image"]]
    assert picked.names == ("text", "image")
    np.testing.assert_array_equal(picked[0], text)
    assert views[np.array(["text"])].names == ("text",)


ROWS = [
    slice(None, 5),
    slice(None, None, -2),
    [3, 1, 1],
    [],
    np.array([0, -1]),
    np.arange(N) % 2 == 0,
    (np.arange(N) % 3 == 0).tolist(),
    pd.Series(np.arange(N) > 4),
]


@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_picking_rows(image, text, rows):
    columns = (image, frame(text), sparse.csr_array(image), [f"d{i}" for i in range(N)])
    mask = np.random.default_rng(0).random((N, 4)) > 0.3
    views = Views(columns, present=mask)
    key = np.asarray(rows, dtype=int) if isinstance(rows, list) and not rows else rows
    key = key if isinstance(key, slice) else np.asarray(key)
    for picked in (views[rows], views[rows, ...]):
        assert isinstance(picked, Views)
        np.testing.assert_array_equal(picked[0], image[key])
        np.testing.assert_array_equal(picked[1].to_numpy(), text[key])
        np.testing.assert_array_equal(picked[2].toarray(), image[key])
        np.testing.assert_array_equal(picked.present, mask[key])
        assert list(picked.index) == list(np.arange(N)[key])
        assert len(picked) == len(picked[3]) == len(np.arange(N)[key])


@pytest.mark.parametrize("rows", [*ROWS, 3], ids=str)
def test_safe_indexing_picks_rows(views, image, rows):
    picked = _safe_indexing(views, rows)
    assert isinstance(picked, Views)
    expected = image[[3]] if isinstance(rows, int) else _safe_indexing(image, rows)
    np.testing.assert_array_equal(picked["image"], expected)


def test_a_slice_does_not_copy(views, image):
    assert np.shares_memory(views[2:4][0], image)


# One matrix


def test_asarray_is_side_by_side(views, image, text):
    np.testing.assert_array_equal(np.asarray(views), np.hstack([image, text]))
    assert np.asarray(views, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(check_array(views), np.hstack([image, text]))


def test_asarray_makes_csr_and_frames_dense(image, text):
    views = Views((sparse.csr_matrix(image), frame(text)))
    np.testing.assert_array_equal(np.asarray(views), np.hstack([image, text]))


def test_copy_is_honoured(views, image):
    one = Views((image,))
    assert np.shares_memory(np.asarray(one), image)
    assert not np.shares_memory(np.array(one), image)
    assert np.array(one).flags.writeable
    with pytest.raises(ValueError, match="without a copy"):
        views.__array__(copy=False)


def test_a_matrix_estimator_takes_views(views, image, text):
    np.testing.assert_array_equal(
        PCA(2).fit_transform(views), PCA(2).fit_transform(np.hstack([image, text]))
    )


# Absence


def test_rows_that_are_all_nan_are_absent(image, text):
    image, text = gappy(image, [0, 4]), gappy(text, [5])
    image[7, 0] = np.nan  # part of a row: a missing value, not an absent view
    views = Views((image, text))
    expected = np.ones((N, 2), dtype=bool)
    expected[[0, 4], 0] = expected[5, 1] = False
    np.testing.assert_array_equal(views.present, expected)
    assert not views.is_complete
    for same in ((frame(image), frame(text)), (sparse.csr_matrix(image), sparse.csr_array(text))):
        np.testing.assert_array_equal(Views(same).present, expected)


def test_present_combines_by_and(image, text):
    mask = np.ones((N, 2), dtype=bool)
    mask[1, 0] = False
    views = Views((gappy(image, [2]), text), present=mask)
    assert np.flatnonzero(~views.present[:, 0]).tolist() == [1, 2]
    assert views.present[:, 1].all()
    again = Views(views, names=("a", "b"), present=~np.eye(N, 2, dtype=bool))
    assert np.flatnonzero(~again.present[:, 0]).tolist() == [0, 1, 2]


def test_none_is_a_view_that_is_wholly_absent(image):
    views = Views({"image": image, "text": None})
    assert views.widths == (4, 0)
    assert views["text"].shape == (N, 0)
    assert not views.present[:, 1].any()
    assert views[:3].present.tolist() == [[True, False]] * 3
    # What comes out goes in again and means the same.
    np.testing.assert_array_equal(Views(views.arrays).present, views.present)


def test_asarray_of_incomplete_views_raises(image, text):
    views = Views({"image": gappy(image, [1, 2]), "text": text})
    with pytest.raises(MissingViewError, match=f"'image' is absent for 2 of {N}"):
        np.asarray(views)
    with pytest.raises(MissingViewError, match="every view of every sample"):
        PCA().fit(views)
    assert np.asarray(views[views.present.all(axis=1)]).shape == (N - 2, 7)


@pytest.fixture
def masked():
    mask = np.ones((N, 2), dtype=bool)
    mask[2, 0] = mask[5, 1] = False
    counts = np.arange(N * 3).reshape(N, 3)
    return Views({"csr": sparse.csr_matrix(counts), "int": counts}, present=mask)


def test_an_explicit_mask_survives_picking_pickling_and_per_view(masked):
    for kept in (
        pickle.loads(pickle.dumps(masked)),
        copy.deepcopy(masked),
        PerView(FunctionTransformer()).fit_transform(masked),
        masked.with_arrays(masked.arrays),
    ):
        np.testing.assert_array_equal(kept.present, masked.present)
    np.testing.assert_array_equal(masked[::-1].present, masked.present[::-1])
    np.testing.assert_array_equal(masked[["int"]].present, masked.present[:, [1]])


# Index


def test_the_index_is_kept(image, text):
    index = pd.Index([f"s{i}" for i in range(N)], name="id")
    views = Views((frame(image, index=index), text))
    assert views.index.equals(index)
    assert list(views[[5, 2]].index) == ["s5", "s2"]
    assert list(views[["view1"]].index) == list(index)
    assert views.column_names() == [
        *(f"view0__{c}" for c in "abcd"),
        *(f"view1__x{j}" for j in range(3)),
    ]


def test_indexes_that_differ_are_refused(image, text):
    tables = frame(image), frame(text, index=range(1, N + 1))
    with pytest.raises(ValueError, match=r"indexes of 'view0' and 'view1' differ.*Views\.align"):
        Views(tables)
    with pytest.raises(ValueError, match="index"):
        Views((tables[0], tables[0])).with_arrays((tables[1], tables[1]))


@pytest.fixture
def tables():
    rna = pd.DataFrame({"g": [1.0, 2.0, 3.0]}, index=["p1", "p2", "p3"])
    atac = pd.DataFrame({"a": [4, 5], "b": [6, 7]}, index=["p3", "p4"])
    return {"rna": rna, "atac": atac}


def test_align_outer_fills_with_absent_rows(tables, caplog):
    with caplog.at_level(logging.INFO, logger="skrep"):
        views = Views.align(tables)
    assert list(views.index) == ["p1", "p2", "p3", "p4"]
    assert views.present.tolist() == [[True, False], [True, False], [True, True], [False, True]]
    assert views["atac"].loc["p3"].tolist() == [4.0, 6.0]
    assert views.alignment.loc["atac"].to_dict() == {
        "rows": 2,
        "matched": 2,
        "absent": 2,
        "dropped": 0,
    }
    assert "'rna' has 3 rows, 3 matched, 1 absent, 0 dropped of 4 samples" in caplog.text
    assert views[:2].alignment is None


def test_align_inner_drops(tables):
    views = Views.align(tuple(tables.values()), names=tuple(tables), join="inner")
    assert list(views.index) == ["p3"]
    assert views.is_complete
    assert views.alignment["dropped"].tolist() == [2, 1]
    np.testing.assert_array_equal(np.asarray(views), [[3.0, 4.0, 6.0]])


def test_align_takes_raw_strings(tables):
    notes = pd.Series(["good", "bad"], index=["p2", "p4"])
    views = Views.align({**tables, "notes": notes})
    assert views["notes"].shape == (4,)
    assert views.present[:, 2].tolist() == [False, True, False, True]


def test_align_of_tables_with_nothing_in_common_warns():
    left = pd.DataFrame({"g": [1.0, 2.0]}, index=["A", "B"])
    right = pd.DataFrame({"p": [3.0]}, index=["A-01"])
    with pytest.warns(UserWarning, match=r"No sample is in two of the tables.*\['A', 'A-01'\]"):
        views = Views.align({"rna": left, "protein": right})
    assert len(views) == 3


def test_align_refusals(tables):
    with pytest.raises(ValueError, match=r"`join` must be 'outer' or 'inner'\. Got 'left'"):
        Views.align(tables, join="left")
    with pytest.raises(TypeError, match=r"'b' must be a DataFrame\. Got ndarray"):
        Views.align({"a": tables["rna"], "b": np.ones((2, 2))})
    with pytest.raises(ValueError, match="'rna' names the sample 'p1' twice"):
        Views.align({"rna": tables["rna"].iloc[[0, 0]]})
    with pytest.raises(ValueError, match="No sample is in every table: 'rna' has 2 rows"):
        Views.align({"rna": tables["rna"][:2], "atac": tables["atac"]}, join="inner")


# Refusals


@pytest.mark.parametrize(
    ("arrays", "names", "error", "message"),
    [
        ((np.ones((5, 2)), np.ones((4, 2))), ("image", "text"), ValueError,
         r"same samples: 'image' has 5 rows, 'text' has 4 rows\. Align them, or fill"),
        ((), None, ValueError, "at least one view. Got 0 arrays"),
        ((np.ones((5, 2)),) * 2, ("a", "a"), ValueError, "must differ: 'a' occurs more than once"),
        ((np.ones((5, 2)),) * 2, ("a",), ValueError, "Got 2 arrays and 1 names: 'a'"),
        ((np.ones((5, 2)),) * 2, (0, 1), TypeError, "must be strings. Got 0, 1"),
        ((np.ones((5, 2)),) * 2, "ab", TypeError, "`names` must be a sequence"),
        ({"a": np.ones((5, 2))}, ("b",), TypeError, "dict of arrays has its own names"),
        (np.ones((2, 5, 2)), None, TypeError,
         r"tuple or a dict of arrays. Got ndarray.*Views\(\(X,\)\)"),
        ((None, None), ("a", "b"), ValueError, "At least one view must be an array.*'a', 'b'"),
        ((np.ones(5), np.ones((5, 2))), ("a", "b"), ValueError,
         r"View 'a' has 1 dimension\(s\), shape \(5,\).*reshape\(-1, 1\).*raw strings"),
        ((np.ones((5, 2)), np.ones((5, 2, 2))), ("a", "b"), ValueError,
         r"View 'b' has 3 dimension\(s\).*Images are rows: use `X.reshape\(len\(X\), -1\)`"),
        (([[1, 2], [3]], np.ones((2, 2))), ("a", "b"), ValueError, "View 'a' is no array"),
    ],
)  # fmt: skip
def test_refusals(arrays, names, error, message):
    with pytest.raises(error, match=message):
        Views(arrays, names)


def test_a_numeric_series_is_refused(image):
    with pytest.raises(ValueError, match="View 'a' has 1 dimension"):
        Views({"a": pd.Series(np.ones(N)), "b": image})


def test_a_frame_with_two_levels_is_no_single_view(image):
    two = pd.concat({"a": frame(image)}, axis=1)
    with pytest.raises(ValueError, match=r"View 'x'.*2 column levels.*Views\.from_frame"):
        Views({"x": two})


def test_frames_that_from_frame_refuses(image):
    with pytest.raises(TypeError, match=r"two column levels.*Got 1 column level"):
        Views.from_frame(frame(image))
    with pytest.raises(TypeError, match="Got ndarray"):
        Views.from_frame(image)
    twice = pd.DataFrame(np.ones((2, 2)), columns=pd.MultiIndex.from_tuples([("a", "x")] * 2))
    with pytest.raises(ValueError, match=r"column \('a', 'x'\) twice"):
        Views.from_frame(twice)


@pytest.mark.parametrize(
    "mask", [np.ones((N, 1), dtype=bool), np.ones((N, 2)), np.ones(N, dtype=bool)], ids=str
)
def test_present_must_fit(image, text, mask):
    with pytest.raises(ValueError, match=rf"boolean array of shape \({N}, 2\).*Got dtype"):
        Views((image, text), present=mask)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("sound", KeyError, "There is no view 'sound'; there are 'image', 'text'"),
        (["image", "sound"], KeyError, "There is no view 'sound'"),
        (["text", "text"], ValueError, "picked only once"),
        (2, IndexError, r"There is no view 2: there are 2.*views\[2:2 \+ 1\]"),
        ([0, N], IndexError, rf"Rows must lie in \[-{N}, {N}\)\. Got rows from 0 to {N}"),
        (np.ones(3, dtype=bool), IndexError, f"mask has 3 entries for {N} samples"),
        (np.ones(3), TypeError, "slice, a mask or integers"),
        (None, TypeError, "slice, a mask or integers"),
        ((slice(None), "text"), TypeError, "not both"),
        ((slice(None), [0]), TypeError, "not both"),
    ],
    ids=str,
)
def test_keys_that_are_refused(views, key, error, message):
    with pytest.raises(error, match=message):
        views[key]


# Travel


def test_immutable(views, image):
    for name in ("names", "_names", "anything"):
        with pytest.raises(AttributeError, match=f"immutable, so '{name}' cannot be set"):
            setattr(views, name, 1)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del views._arrays
    with pytest.raises(ValueError, match="read-only"):
        views["image"][0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        views.present[0, 0] = False
    image[0, 0] = 1.0  # the caller's own array stays writable


def test_pickle_keeps_everything(image, text):
    views = Views.align({"a": frame(image), "b": frame(text[:5])})
    back = pickle.loads(pickle.dumps(views))
    assert back.names == views.names
    pd.testing.assert_frame_equal(back.to_frame(), views.to_frame())
    pd.testing.assert_frame_equal(back.alignment, views.alignment)
    assert back.index.equals(views.index)
    with pytest.raises(AttributeError, match="immutable"):
        back._names = ()


def test_the_hash_of_joblib_is_that_of_the_content(views, image, text):
    assert joblib.hash(views) == joblib.hash(Views({"image": image, "text": text}))
    assert joblib.hash(views) == joblib.hash(pickle.loads(pickle.dumps(views)))
    assert joblib.hash(views) != joblib.hash(Views((image, text)))
    assert joblib.hash(views) != joblib.hash(Views((image + 1, text), names=views.names))


def test_identity_and_weak_references(views):
    assert views == views
    assert (views == views[:]) is False
    assert weakref.ref(views)() is views


def test_repr(image):
    mask = np.ones((N, 2), dtype=bool)
    mask[: N // 2, 1] = False
    views = Views({"image": image, "<text>": sparse.csr_matrix(image)}, present=mask)
    lines = repr(views).splitlines()
    assert lines[0] == f"Views of {N} samples"
    assert lines[1].split() == ["image", f"({N},", "4)", "float64", "100%", "present"]
    assert lines[2].split() == ["<text>", f"({N},", "4)", "float64,", "CSR", "50%", "present"]
    html = views._repr_html_()
    assert "&lt;text&gt;" in html
    assert "50% present" in html
    assert "0 samples" in repr(views[:0])


# The kinds of input


def test_is_multiview(image, text, views):
    two_level = pd.concat({"a": frame(image)}, axis=1)
    for X in (
        views,
        (image, text),
        (image, None),
        {"a": image},
        two_level,
        ([[1], [2]], [[3], [4]]),
    ):
        assert is_multiview(X)
    rows = tuple(image)
    for X in (
        image,
        frame(image),
        sparse.csr_array(image),
        [image, text],
        rows,
        (1.0, 2.0),
        "ab",
        (image,),
    ):
        assert not is_multiview(X)


def test_as_views(image, text, views):
    assert as_views(views) is views
    assert as_views((image, text)).names == ("view0", "view1")
    assert as_views((image, text), names=("a", "b")).names == ("a", "b")
    assert as_views({"u": image, "v": None}, names=("a", "b")).names == ("u", "v")
    assert as_views(pd.concat({"a": frame(image)}, axis=1)).names == ("a",)


@pytest.mark.parametrize("X", [np.ones((4, 2)), [[1, 2], [3, 4]], (1, 2), "text", None, 3])
def test_as_views_refuses_everything_else(X):
    with pytest.raises(TypeError, match=r"`Z` must be `Views`, a tuple of at least 2.*SplitViews"):
        as_views(X, name="Z")


MIS_SPLIT = [
    ([np.ones((4, 2))], "a list holding 1 array,"),
    ([np.ones((4, 2)), np.ones((4, 3))], "a list holding 2 arrays,"),
    ([pd.DataFrame(np.ones((4, 2)))], "a list holding 1 array,"),
    ([sparse.csr_array(np.ones((4, 2))), None], "a list holding 1 array,"),
    ((np.ones((4, 2)),), "a tuple holding 1 array,"),
    (([np.ones((4, 2))], [np.ones((4, 2))]), "a tuple with a list holding 2 arrays,"),
]


@pytest.mark.parametrize(("X", "message"), MIS_SPLIT)
def test_a_tuple_split_by_view_is_refused(X, message):
    for refuse in (refuse_mis_split, as_views, ConcatViews().fit, PerView(PCA()).fit):
        with pytest.raises(
            ValueError, match=f"Got {message} which is what a tuple of views"
        ) as info:
            refuse(X)
        assert "Pass `Views((a, b))` to model selection" in str(info.value)


@pytest.mark.parametrize(
    "X", [[[1, 2], [3, 4]], list(np.ones((4, 2))), np.ones((4, 2)), (np.ones((4, 2)),) * 2]
)
def test_rows_and_whole_tuples_are_not_refused(X):
    refuse_mis_split(X)


@pytest.mark.parametrize("n_views", [2, 3])
def test_the_silent_trap_is_loud(image, n_views):
    X = (image,) * n_views
    train, test = train_test_split(X, test_size=1, random_state=0)
    for part in (train, test):
        with pytest.raises(ValueError, match="split by view"):
            ConcatViews().fit(part)
    pipe = make_pipeline(ConcatViews(), PCA(1))
    with pytest.raises(ValueError, match="split by view"):
        GridSearchCV(pipe, {"pca__n_components": [1]}, cv=n_views, error_score="raise").fit(X)
    search = GridSearchCV(pipe, {"pca__n_components": [1]}, cv=n_views, error_score="raise")
    assert search.fit(Views(X)).best_score_ < np.inf


def test_views_do_not_hinder_cloning(views):
    model = make_pipeline(ConcatViews(), LogisticRegression())
    assert clone(model).fit(views, np.arange(N) % 2).n_features_in_ == 7


def test_whole_numbers_in_frames_become_one_matrix():
    # pandas 2 refuses to convert integers where NaN is named as what is missing.
    whole = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    flags = pd.DataFrame({"c": [True, False]})
    views = Views({"whole": whole, "flags": flags})
    assert np.asarray(views).tolist() == [[1, 3, 1], [2, 4, 0]]
    assert np.asarray(views[["whole"]]).dtype == np.int64


def test_views_from_the_last_and_membership(views, image, text):
    assert [a.shape for a in reversed(views)] == [text.shape, image.shape]
    assert "image" in views
    assert image not in views


@pytest.mark.parametrize("rows", [slice(0, 5), [0, 3, 1], np.arange(N) < 4])
def test_picked_samples_cannot_be_written_to(views, image, rows):
    for array in views[rows]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    image[0, 0] = 7.0  # the caller's own stays his
