import numpy as np
import pandas as pd
import pytest

from skrep.inspection._read_file import InputError, read_file

CSV = "a,b,kind\n1,2.5,x\n3,-4e1,y\n5,6,x\n7,8,y\n"


def write(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_with_labels(tmp_path):
    data = read_file(write(tmp_path, CSV), "kind")
    np.testing.assert_array_equal(data.views["table"], [[1, 2.5], [3, -40], [5, 6], [7, 8]])
    assert data.labels.tolist() == ["x", "y", "x", "y"]
    assert data.name == "data"
    assert data.n_samples == 4


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters_blank_lines_quotes_and_byte_order_mark(delimiter, tmp_path):
    text = '\ufeff"a","b c"\r\n1,2\r\n\r\n"3", 4 \r\n'.replace(",", delimiter)
    data = read_file(write(tmp_path, text, "data.tsv"), None)
    np.testing.assert_array_equal(data.views["table"], [[1, 2], [3, 4]])
    assert data.labels is None


def test_numeric_labels_become_integers(tmp_path):
    text = "a,b,y\n" + "1,2,0\n3,4,1.0\n" * 3
    assert read_file(write(tmp_path, text), "y").labels.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("", None, "The file is empty; it needs a header line"),
        ("1,2\n3,4\n", None, "The first line holds numbers only"),
        ("a,b,y\n", None, "holds no rows of data"),
        ("a,b,y\n", "y", "holds no rows of data"),
        ("a,a\n1,2\n", None, "names the column 'a' more than once"),
        ("a\n1\n", None, r"has 1 column\(s\) \(a\); at least two"),
        (CSV, None, r"Line 2, column 'kind': 'x' is not a number\. Name the column .* --label"),
        (CSV, "color", r"no column 'color' for --label\. The columns are 'a', 'b', 'kind'"),
        ("a,b\n1,2\n3\n", None, "Line 3 has 1 cells, and the header has 2"),
        ("a,b\n1,2\n\n3,inf\n", None, "Line 4, column 'b': 'inf' is not a finite number"),
        (
            "a,b\n1,\nNA,2\n3,nan\n",
            None,
            r"olumn 'b' has 2 missing value\(s\), the first on line 2",
        ),
        ("a,b\n1,\nNA,2\n", None, r"Column 'a' has 1 missing .*Fill them .* or drop those rows"),
        ("a,b,y\n1,2,\n3,4,x\n", "y", "Column 'y' of --label has a missing value on line 2"),
        ("a,b,y\n1,2,0.5\n3,4,1.5\n", "y", "'y' holds real numbers, not classes"),
        ("a,b,y\n1,2,u\n3,4,v\n", "y", "'y' has 2 different values in 2 rows"),
        ("a,b,y\n1,2,u\n3,4,u\n", "y", "'y' has 1 different values in 2 rows"),
    ],
)
def test_csv_messages(text, label, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_file(write(tmp_path, text), label)


def test_many_missing_columns_are_summed_up(tmp_path):
    header = ",".join("abcde")
    with pytest.raises(InputError, match="and so have 2 more columns"):
        read_file(write(tmp_path, f"{header}\n,,,,\n1,2,3,4,5\n"), None)


def test_file_messages(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        read_file(tmp_path / "none.csv", None)
    with pytest.raises(InputError, match=r"must be a \.csv, \.tsv or \.txt with a header line, a"):
        read_file(write(tmp_path, CSV, "data.xlsx"), None)
    path = tmp_path / "latin.csv"
    path.write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"is not a text file in UTF-8: .* on line 1\. Save it"):
        read_file(path, None)
    path.write_bytes(b"a,b\n" + b"1,2\n" * 5000 + "ß,2\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"on line 5002\. Save it as UTF-8"):
        read_file(path, None)


def test_blank_lines_before_the_header(tmp_path):
    data = read_file(write(tmp_path, "\n\na;b\n1;2\n3;4\n"), None)
    np.testing.assert_array_equal(data.views["table"], [[1, 2], [3, 4]])


@pytest.fixture
def arrays(seed):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.random((12, 5)),
        "text": rng.integers(0, 9, (12, 3)),
        "y": np.arange(12) % 3,
    }


def save(tmp_path, arrays):
    path = tmp_path / "views.npz"
    np.savez(path, **arrays)
    return path


def test_npz_of_views(arrays, tmp_path):
    names = np.array(["r", "g", "b"])
    data = read_file(save(tmp_path, {**arrays, "class_names": names}), None)
    assert list(data.views) == ["image", "text"]
    np.testing.assert_array_equal(data.labels, arrays["y"])
    renamed = {"image": arrays["image"], "kind": arrays["y"][:, None]}
    data = read_file(save(tmp_path, renamed), "kind")
    np.testing.assert_array_equal(data.labels, arrays["y"])
    assert read_file(save(tmp_path, {"image": arrays["image"]}), None).labels is None


@pytest.mark.parametrize(
    ("change", "label", "message"),
    [
        ({}, "kind", r"no array 'kind' for --label\. The arrays are 'image', 'text', 'y'"),
        ({"text": np.zeros((5, 2))}, None, "'image' has 12, 'text' has 5, 'y' has 12"),
        ({"text": np.zeros((12, 2, 2))}, None, r"'text' has shape \(12, 2, 2\); every sample must"),
        ({"text": np.array([["a"]] * 12)}, None, "'text' holds <U1, not real numbers"),
        ({"text": np.full((12, 2), np.nan)}, None, "'text' is empty in all rows. Leave it out"),
        (
            {"text": np.where(np.eye(12, 2, k=-3), np.nan, 1.0)},
            None,
            "'text' has 2 missing .* 1 of them in column 0, the first in row 3. Fill them",
        ),
        ({"text": np.full((12, 2), np.inf)}, None, "'text' is infinite at row 0, column 0"),
        ({"y": np.zeros((12, 2))}, None, r"The labels 'y' have shape \(12, 2\)"),
        ({"y": np.linspace(0, 1, 12)}, None, "'y' holds real numbers, not classes"),
        ({"y": np.arange(12)}, None, "'y' has 12 different values in 12 rows"),
    ],
)
def test_npz_messages(change, label, message, arrays, tmp_path):
    with pytest.raises(InputError, match=message):
        read_file(save(tmp_path, {**arrays, **change}), label)


def test_npz_that_is_none(tmp_path):
    with pytest.raises(InputError, match="cannot be read as an npz file of plain arrays"):
        read_file(write(tmp_path, "hello", "views.npz"), None)
    with pytest.raises(InputError, match="holds no two-dimensional array"):
        read_file(save(tmp_path, {"y": np.arange(4)}), None)
    with pytest.raises(InputError, match="cannot be read as an npz file"):
        read_file(save(tmp_path, {"a": np.array([{}], dtype=object)}), None)


OMICS = "id,rna_a,rna_b,prot_x,prot_y,kind\n" + "".join(
    f"p{i},{i},{i + 1},{i + 2},{i + 3},{'uv'[i % 2]}\n" for i in range(8)
)


def test_columns_become_views(tmp_path):
    wanted = ["rna=rna_*", "protein=prot_y,prot_x"]
    data = read_file(write(tmp_path, OMICS), "kind", wanted)
    assert list(data.views) == ["rna", "protein"]
    first = np.arange(8.0)[:, None]
    np.testing.assert_array_equal(data.views["rna"], np.hstack([first, first + 1]))
    # In the order of the file.
    np.testing.assert_array_equal(data.views["protein"], np.hstack([first + 2, first + 3]))
    assert data.labels.tolist() == ["u", "v"] * 4
    # Text in a column that is in no view does no harm.
    assert data.left_out == ["id"]
    assert data.present.all()


def test_a_prefix_names_a_view_and_a_column_matches_itself(tmp_path):
    data = read_file(write(tmp_path, OMICS), None, ["prot_", "rna_"])
    assert {name: block.shape[1] for name, block in data.views.items()} == {"prot": 2, "rna": 2}
    np.testing.assert_array_equal(data.views["prot"][:, 0], np.arange(8) + 2)
    assert data.left_out == ["id", "kind"]
    text = "x[1],x1,x2\n1,2,3\n4,5,6\n"
    data = read_file(write(tmp_path, text), None, ["v=x[1],x2"])
    np.testing.assert_array_equal(data.views["v"], [[1, 3], [4, 6]])


def test_a_row_with_nothing_in_a_view_lacks_it(tmp_path):
    text = OMICS.replace("p2,2,3,", "p2,,NA,").replace(",7,8,v", ",,,v")
    data = read_file(write(tmp_path, text), "kind", ["rna_", "prot_"])
    present = np.ones((8, 2), dtype=bool)
    present[2, 0] = present[5, 1] = False
    np.testing.assert_array_equal(data.present, present)
    assert np.isnan(data.views["rna"][2]).all()
    assert np.isfinite(data.views["rna"][present[:, 0]]).all()


@pytest.mark.parametrize(
    ("change", "views", "message"),
    [
        (("", ""), ["rna=gene*"], r"No column matches 'gene\*' of the view 'rna' .* are 'id', 'rn"),
        (("", ""), ["gene_"], r"No column matches 'gene_\*' of the view 'gene'"),
        (("", ""), ["a=rna_a", "b=rna_*"], "puts the column 'rna_a' into the views 'a' and 'b'"),
        (("", ""), ["a=rna_a", "a=rna_b"], "names the view 'a' twice. Join its patterns by com"),
        (("", ""), ["=rna_*"], r"--views '=rna_\*' cannot be read. Write NAME=PATTERN, as in"),
        (("", ""), ["rna="], "--views 'rna=' cannot be read"),
        (("", ""), ["a=rna_a"], "at least two columns of numbers are needed"),
        (("", ""), ["a=id", "rna_"], "Line 2, column 'id': 'p0' is not a number"),
        (
            ("p2,2,3,", "p2,,3,"),
            ["rna_", "prot_"],
            r"Column 'rna_a' has 1 missing .* on line 4.* without a view has none of the cells",
        ),
        (("p2,2,3,4,5", "p2,,,,"), ["rna_", "prot_"], r"1 row\(s\) have no view .* on line 4. Dr"),
        (("p2,2,3,4,5", "p2,,,,"), ["rna_"], r"Column 'rna_a' has 1 missing value\(s\), the first"),
    ],
)
def test_view_messages(change, views, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_file(write(tmp_path, OMICS.replace(*change)), "kind", views)


def test_a_view_that_is_empty_everywhere(tmp_path):
    text = "a,b,c\n1,2,\n3,4,\n"
    with pytest.raises(InputError, match=r"The view 'v' is empty in all rows\. Leave it out"):
        read_file(write(tmp_path, text), None, ["u=a,b", "v=c"])


def test_npz_rows_without_numbers_lack_the_view(arrays, tmp_path):
    arrays["image"][[0, 3]] = np.nan
    data = read_file(save(tmp_path, arrays), None)
    np.testing.assert_array_equal(np.flatnonzero(~data.present[:, 0]), [0, 3])
    assert data.present[:, 1].all()
    chosen = read_file(save(tmp_path, arrays), None, ["text"])
    assert list(chosen.views) == ["text"]
    assert chosen.left_out == ["image"]
    with pytest.raises(InputError, match="There is no array 'sound' for --views, which in an npz"):
        read_file(save(tmp_path, arrays), None, ["sound"])
    with pytest.raises(InputError, match=r"'image' has 10 missing .* in column 0, the first in ro"):
        read_file(save(tmp_path, arrays), None, ["image"])
    arrays["text"] = arrays["text"].astype(float)
    arrays["text"][3] = np.nan
    with pytest.raises(InputError, match=r"1 row\(s\) have no view at all, the first in row 3"):
        read_file(save(tmp_path, arrays), None)


def test_npz_labels_of_other_kinds(arrays, tmp_path):
    arrays["y"] = np.array([b"u", b"v"] * 6)
    assert read_file(save(tmp_path, arrays), None).labels.tolist() == ["u", "v"] * 6
    arrays["y"] = np.array([1j, 2] * 6)
    with pytest.raises(InputError, match="The label 'y' holds complex128, not classes"):
        read_file(save(tmp_path, arrays), None)
    empty = {name: values[:0] for name, values in arrays.items()}
    with pytest.raises(InputError, match="holds no rows of data"):
        read_file(save(tmp_path, empty), None)


@pytest.fixture
def frame():
    pytest.importorskip("pyarrow")
    n = 6
    return pd.DataFrame(
        {
            "rna_a": pd.array([1, 2, None, 4, 5, 6], dtype="Int64"),
            "rna_b": np.array([1, 2, np.nan, 4, 5, 6], dtype=np.float32),
            "prot": np.arange(n) % 2 == 0,
            "kind": pd.Categorical(["u", "v"] * 3),
            "note": ["text"] * n,
        }
    )


def parquet(tmp_path, frame):
    path = tmp_path / "data.parquet"
    frame.to_parquet(path)
    return path


def test_parquet_views_and_labels(frame, tmp_path):
    data = read_file(parquet(tmp_path, frame), "kind", ["rna_", "prot"])
    np.testing.assert_array_equal(data.present[:, 0], [1, 1, 0, 1, 1, 1])
    np.testing.assert_array_equal(data.views["rna"][[0, 5]], [[1, 1], [6, 6]])
    np.testing.assert_array_equal(data.views["prot"].ravel(), [1, 0, 1, 0, 1, 0])
    assert data.labels.tolist() == ["u", "v"] * 3
    assert data.left_out == ["note"]
    table = read_file(parquet(tmp_path, frame[["rna_b", "prot"]].dropna()), None)
    assert table.views["table"].shape == (5, 2)
    frame["kind"] = pd.array([0, 1] * 3, dtype="Int8")
    assert (
        read_file(parquet(tmp_path, frame), "kind", ["rna_", "prot"]).labels.tolist() == [0, 1] * 3
    )


def test_parquet_messages(frame, tmp_path):
    def fails(frame, message, label="kind", views=("rna_", "prot")):
        with pytest.raises(InputError, match=message):
            read_file(parquet(tmp_path, frame), label, views)

    fails(frame, r"Column 'note' holds \w+, not numbers\. Name the column .* --label", views=None)
    fails(frame, "There is no column 'color' for --label", label="color")
    partly = frame.assign(rna_b=1.0)
    fails(partly, r"Column 'rna_a' has 1 missing value\(s\), the first in row 2, counted from 0")
    named = partly.set_index(pd.Index([f"p{i}" for i in range(6)], name="patient"))
    fails(named, "Column 'rna_a' has 1 missing .* the first in row 'p2'")
    fails(frame.assign(prot=np.inf), "Column 'prot' is infinite in row 0, counted from 0")
    unknown = frame.assign(kind=["u", "v", None, "v", "u", "v"])
    fails(unknown, "Column 'kind' of --label has a missing value in row 2")
    lists = frame.assign(kind=[[i, 1] for i in range(6)])
    fails(lists, "'kind' has 6 different values in 6 rows")
    broken = write(tmp_path, "hello", "broken.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_file(broken, None)


def test_parquet_without_pyarrow(frame, tmp_path, monkeypatch):
    path = parquet(tmp_path, frame)

    def missing(path):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(
        InputError, match=r"need pyarrow\. Install it with `pip install skrep\[parq"
    ):
        read_file(path, None)
