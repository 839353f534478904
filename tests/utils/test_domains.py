import numpy as np
import pytest
from scipy import sparse

from skrep.utils import domains
from skrep.utils.domains import DOMAINS, check_domains
from skrep.utils.validation import CheckedViews

LARGEST = {"real": 7.5, "unit_interval": 0.5, "binary": 1.0, "counts": 12.0}
CONTAINERS = {
    "dense": np.asarray,
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
}


def check(kind, X, view="image"):
    DOMAINS[kind](X, view=view, argument="likelihood='x'")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", LARGEST)
def test_data_in_the_domain_pass(kind, container):
    X = np.zeros((5, 3))
    X[2, 1] = LARGEST[kind]
    check(kind, CONTAINERS[container](X))
    check("one_hot", CONTAINERS[container](np.eye(4)))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, bool])
def test_every_numeric_dtype_passes(dtype):
    for kind in DOMAINS:
        check(kind, np.eye(4, dtype=dtype))


REFUSALS = [
    ("unit_interval", 1.5, r"needs values in \[0, 1\], but .* is 1\.5\. .*`MinMaxScaler\(\)`"),
    ("unit_interval", -0.25, r"needs values in \[0, 1\], but .* is -0\.25\. Scale them"),
    ("binary", 0.5, r"needs values 0 or 1, but .* is 0\.5\. Threshold them"),
    ("counts", -1.0, r"needs counts \(0, 1, 2, \.\.\.\), but .* is -1\.0\. Pass the raw counts"),
    ("counts", 2.5, r"needs counts \(0, 1, 2, \.\.\.\), but .* is 2\.5\. Pass the raw counts"),
    ("one_hot", 2.0, r"needs one-hot rows .*, but .* is 2\.0\. .*`OneHotEncoder\(\)`"),
]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("kind", "value", "message"), REFUSALS)
def test_the_first_offender_is_named(kind, value, message, container):
    X = np.zeros((6, 4))
    X[0, 3] = 1.0
    X[3, 2] = value
    X[4, 0] = value
    with pytest.raises(ValueError, match=message) as refusal:
        check(kind, CONTAINERS[container](X))
    assert "`likelihood='x'` needs" in str(refusal.value)
    assert "row 3, column 2 of view 'image'" in str(refusal.value)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("row", "total"), [([1.0, 1.0, 0.0], "2.0"), ([0.0, 0.0, 0.0], "0.0")])
def test_rows_that_are_not_one_hot_are_refused_by_their_sum(row, total, container):
    X = np.eye(3)[[0, 1, 2, 0, 1]]
    X[3] = row
    message = rf"but row 3 of view 'label' sums to {total}\. Encode one variable as one view"
    with pytest.raises(ValueError, match=message):
        check("one_hot", CONTAINERS[container](X), view="label")


def test_a_lone_matrix_is_called_x():
    with pytest.raises(ValueError, match=r"row 0, column 0 of X is 3\. "):
        check("binary", np.full((2, 2), 3), view=None)


def test_rounding_of_a_scaler_passes():
    check("unit_interval", np.array([[1.0 + 1e-9, -1e-9]]))


@pytest.mark.parametrize("kind", DOMAINS)
def test_absent_rows_pass(kind):
    X = np.eye(3)
    X[1] = np.nan
    check(kind, X)


def test_rows_are_counted_through_blocks(monkeypatch):
    monkeypatch.setattr(domains, "_BLOCK_VALUES", 8)
    X = np.eye(4)[np.arange(11) % 4]
    check("one_hot", X)
    X[9, 3] = 1.0
    with pytest.raises(ValueError, match="row 9 of view 'image' sums to"):
        check("one_hot", X)
    X[7, 1] = 5.0
    for kind in ("unit_interval", "binary", "one_hot"):
        with pytest.raises(ValueError, match="row 7, column 1 of view 'image' is"):
            check(kind, X)


def test_a_memory_map_is_read_in_blocks_and_left_alone(tmp_path):
    X = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(100, 5))
    X[99, 4] = 2.0
    X.flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(ValueError, match=r"row 99, column 4 of view 'image' is 2\.0"):
        check("unit_interval", mapped)


def test_sparse_input_is_never_made_dense():
    # Dense, this would take 8 TB.
    X = sparse.csr_matrix(
        (np.ones(10), (np.arange(10) * 100_000, np.arange(10))), shape=(1_000_000, 1_000_000)
    )
    check("unit_interval", X)
    check("counts", X)
    with pytest.raises(ValueError, match="row 1 of view 'image' sums to"):
        check("one_hot", X)


@pytest.mark.parametrize(
    ("domain", "bad", "words"),
    [("non_negative", -0.5, "0 or more"), ("signed_unit", 1.5, r"\[-1, 1\]")],
)
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_ranges_of_output_activations(domain, bad, words, convert):
    X = np.zeros((4, 3))
    DOMAINS[domain](convert(X), view="image", argument="output_activation='x'")
    X[2, 1] = bad
    with pytest.raises(ValueError, match=rf"{words}, but row 2, column 1 of view 'image' is {bad}"):
        DOMAINS[domain](convert(X), view="image", argument="output_activation='x'")


def test_rows_of_absent_views_pass_and_others_keep_their_number():
    labels = np.eye(3)[[0, 1, 2, 0, 1]]
    labels[0] = 0.0  # absent: zeros stand in its row
    present = np.ones((5, 2), dtype=bool)
    present[0, 1] = False
    views = CheckedViews((np.ones((5, 2)), labels), ("image", "label"), present)
    asked = (["unit_interval", "one_hot"], ["likelihood='bernoulli'", "likelihood='categorical'"])
    check_domains(views, *asked)
    labels[3] = 0.5
    with pytest.raises(ValueError, match=r"row 3, column 0 of view 'label' is 0\.5"):
        check_domains(views, *asked)
