import gzip
import struct
from urllib.error import URLError

import numpy as np
import pytest

from skrep.datasets import _fetch, fetch_fashion_mnist, fetch_mnist, fetch_wikipedia

NAMES = ("X_train", "y_train", "X_test", "y_test")


@pytest.fixture
def images(seed):
    rng = np.random.default_rng(seed)
    return {
        "X_train": rng.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "X_test": rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_test": np.arange(3, dtype=np.uint8),
    }


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(_fetch, "fetch_openml", refuse)


def write_idx(path, values, pack):
    header = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = header + values.tobytes()
    path.write_bytes(gzip.compress(raw) if pack else raw)


def write_idx_set(folder, images, ending, joint="-"):
    stems = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    for stem, name in zip(stems, NAMES, strict=True):
        kind = "idx3-ubyte" if name[0] == "X" else "idx1-ubyte"
        write_idx(folder / f"{stem}{joint}{kind}{ending}", images[name], pack=ending == ".gz")


@pytest.mark.parametrize(
    ("fetch", "stem"), [(fetch_mnist, "mnist"), (fetch_fashion_mnist, "fashion_mnist")]
)
def test_npz_is_read_scaled_and_cut_into_subsets(fetch, stem, images, tmp_path, offline):
    np.savez(tmp_path / f"{stem}.npz", **images)
    train = fetch(data_home=tmp_path)
    assert train.data.shape == (6, 784)
    assert train.data.dtype == np.float32
    np.testing.assert_allclose(train.data * 255, images["X_train"].reshape(6, 784), rtol=1e-6)
    assert train.image_shape == (28, 28)
    assert len(train.target_names) == 10
    X, y = fetch(data_home=tmp_path, subset="test", return_X_y=True)
    assert X.shape == (3, 784)
    np.testing.assert_array_equal(y, images["y_test"])
    both = fetch(data_home=tmp_path, subset="all")
    np.testing.assert_array_equal(both.data, np.vstack([train.data, X]))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("fetch", "folder", "joint"),
    [
        (fetch_mnist, "mnist", "-"),
        (fetch_mnist, "MNIST/raw", "."),
        (fetch_fashion_mnist, "fashion_mnist", "-"),
        (fetch_fashion_mnist, "FashionMNIST/raw", "-"),
    ],
)
def test_original_idx_files_are_read(fetch, folder, joint, ending, images, tmp_path, offline):
    write_idx_set(tmp_path / folder, images, ending, joint)
    X, y = fetch(data_home=tmp_path, return_X_y=True)
    np.testing.assert_allclose(X * 255, images["X_train"].reshape(6, 784), rtol=1e-6)
    np.testing.assert_array_equal(y, images["y_train"])


def test_environment_names_the_folder(images, tmp_path, monkeypatch, offline):
    np.savez(tmp_path / "mnist.npz", **images)
    monkeypatch.setenv("SKREP_DATA", str(tmp_path))
    assert fetch_mnist().data.shape == (6, 784)


def test_download_goes_through_openml_and_is_kept(tmp_path, monkeypatch):
    calls = []

    def openml(name, **options):
        calls.append((name, options["version"]))
        X = np.zeros((70000, 784), dtype=np.uint8)
        X[60000] = 255
        return X, np.array(["7"] * 60000 + ["3"] * 10000)

    monkeypatch.setattr(_fetch, "fetch_openml", openml)
    test = fetch_mnist(data_home=tmp_path / "new", subset="test")
    assert calls == [("mnist_784", 1)]
    assert test.data.shape == (10000, 784)
    assert test.data[0].min() == 1.0
    assert set(test.target) == {3}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mnist.npz"]
    fetch_mnist(data_home=tmp_path / "new")
    assert len(calls) == 1


def test_offline_says_what_to_put_where(tmp_path, offline):
    with pytest.raises(OSError, match=r"MNIST .*no route to host.*Put `mnist\.npz`.*SKREP_DATA"):
        fetch_mnist(data_home=tmp_path)
    with pytest.raises(OSError, match=r"`download_if_missing` is False\. Put `fashion_mnist\.npz`"):
        fetch_fashion_mnist(data_home=tmp_path, download_if_missing=False)


def test_short_download_is_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "fetch_openml", lambda *_, **__: (np.zeros((5, 784)), np.zeros(5)))
    with pytest.raises(OSError, match=r"array of shape \(5, 784\)"):
        fetch_mnist(data_home=tmp_path)
    assert not list(tmp_path.iterdir())


def test_unknown_subset():
    for fetch in (fetch_mnist, fetch_fashion_mnist, fetch_wikipedia):
        with pytest.raises(ValueError, match=r"`subset` must be 'train', 'test' or 'all'\. Got 'v"):
            fetch(subset="valid")


def test_damaged_files_are_named(images, tmp_path, offline):
    path = tmp_path / "mnist.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"mnist\.npz' cannot be read as an npz"):
        fetch_mnist(data_home=tmp_path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read as an npz"):
        fetch_mnist(data_home=tmp_path)
    np.savez(path, X_train=images["X_train"])
    with pytest.raises(ValueError, match=r"lacks 'y_train', 'X_test', 'y_test'; it holds 'X_tr"):
        fetch_mnist(data_home=tmp_path)
    np.savez(path, **{**images, "X_test": images["X_test"].astype(float)})
    with pytest.raises(ValueError, match=r"the test images are float64 of shape \(3, 28, 28\)"):
        fetch_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\0\0\x08\x03\0\0", "is not an idx file of unsigned bytes"),
        (b"", "is not an idx file of unsigned bytes"),
        (b"\0\0\x08\x01\0\0\0\x05ab", r"holds 2 values, but its header says \(5,\)"),
    ],
)
def test_damaged_idx_files_are_named(raw, message, images, tmp_path, offline):
    write_idx_set(tmp_path / "mnist", images, "")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        fetch_mnist(data_home=tmp_path)


def test_gzip_in_name_only(images, tmp_path, offline):
    write_idx_set(tmp_path / "mnist", images, ".gz")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"\0\0\x08\x01")
    with pytest.raises(ValueError, match="cannot be read"):
        fetch_mnist(data_home=tmp_path)


def test_wikipedia_is_read_as_views(seed, tmp_path):
    rng = np.random.default_rng(seed)
    arrays = {
        f"{name}_{part}": rng.random((n, width))
        for part, n in (("train", 8), ("test", 4))
        for name, width in (("image", 5), ("text", 3))
    }
    arrays |= {"y_train": np.arange(8) % 2, "y_test": np.arange(4) % 2}
    np.savez(tmp_path / "wikipedia.npz", **arrays, class_names=np.array(["art", "war"]))
    articles = fetch_wikipedia(data_home=tmp_path, subset="all")
    assert articles.data.names == ("image", "text")
    assert articles.data.shape == (12, 8)
    assert articles.target_names == ["art", "war"]
    X, y = fetch_wikipedia(data_home=tmp_path, subset="test", return_X_y=True)
    np.testing.assert_allclose(X["text"], arrays["text_test"], rtol=1e-6)
    np.testing.assert_array_equal(y, arrays["y_test"])


def test_wikipedia_says_what_to_put_where(tmp_path):
    with pytest.raises(OSError, match=r"no maintained source .*`wikipedia\.npz`.*image_train"):
        fetch_wikipedia(data_home=tmp_path)
    with pytest.raises(OSError, match=r"`download_if_missing` is False\. Put"):
        fetch_wikipedia(data_home=tmp_path, download_if_missing=False)


@pytest.mark.network
def test_openml_still_has_it(tmp_path):
    assert fetch_mnist(data_home=tmp_path, subset="test").data.shape == (10000, 784)
