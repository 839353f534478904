import numpy as np
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
        ("a,a\n1,2\n", None, "names the column 'a' more than once"),
        ("a\n1\n", None, r"has 1 column\(s\) \(a\); at least two"),
        (CSV, None, r"Line 2, column 'kind': 'x' is not a number\. Name the column .* --label"),
        (CSV, "color", r"no column 'color' for --label\. The columns are 'a', 'b', 'kind'"),
        ("a,b\n1,2\n3\n", None, "Line 3 has 1 cells, and the header has 2"),
        ("a,b\n1,2\n\n3,inf\n", None, "Line 4, column 'b': 'inf' is not a finite number"),
        ("a,b\n1,\nNA,2\n3,nan\n", None, r"Column 'b' has 2 missing value\(s\), the first on li"),
        ("a,b\n1,\nNA,2\n", None, r"column 'a' has 1 missing .*Fill them .* or drop those rows"),
        ("a,b,y\n1,2,\n3,4,x\n", "y", r"Column 'y' has 1 missing value\(s\), the first on line 2"),
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
    with pytest.raises(InputError, match=r"must be a \.csv, \.tsv or \.txt with a header line, or"):
        read_file(write(tmp_path, CSV, "data.xlsx"), None)
    path = tmp_path / "latin.csv"
    path.write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        read_file(path, None)


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
        ({"text": np.full((12, 2), np.nan)}, None, "'text' has 24 missing .* 12 of them in col"),
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
