"""Data sets too large, or not free, to ship: a local file first, a download where one is known."""

from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.datasets import fetch_openml
from sklearn.utils import Bunch

from skrep.datasets._local import data_folder, read_images, read_npz, write_npz
from skrep.views import Views

__all__ = ["fetch_fashion_mnist", "fetch_mnist", "fetch_wikipedia"]

Subset = Literal["train", "test", "all"]

_DIGITS = [str(digit) for digit in range(10)]
_CLOTHES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
_WIKIPEDIA_ARRAYS = ("image_train", "text_train", "y_train", "image_test", "text_test", "y_test")


def fetch_mnist(
    *,
    data_home: str | Path | None = None,
    subset: Subset = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load the MNIST digits: images of 28 x 28 as rows of grey levels in [0, 1].

    Looks in `data_home` for `mnist.npz` (arrays `X_train`, `y_train`, `X_test`, `y_test`), then
    in its folder `mnist` (or `MNIST/raw`, where torchvision leaves them) for the four original
    idx files, packed with gzip or not. Failing that it downloads "mnist_784" with
    `sklearn.datasets.fetch_openml` and writes `mnist.npz` for the next time.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files. None is the environment variable `SKREP_DATA`, else `~/skrep_data`.
    subset : {"train", "test", "all"}, default="train"
        The 60000 training images, the 10000 test images, or the first followed by the second.
    download_if_missing : bool, default=True
        If False, raise where there is no local file.
    return_X_y : bool, default=False
        Return `(data, target)` in place of the Bunch.

    Returns
    -------
    Bunch or tuple
        With `data`, ndarray (n_samples, 784) of float32; `target`, ndarray (n_samples,) of
        integers 0 to 9; `target_names`; `image_shape`, (28, 28); and `DESCR`.

    Raises
    ------
    OSError
        If there is no local file and downloading failed or was not wanted.
    ValueError
        If a local file does not hold what its name says, or `subset` is unknown.

    References
    ----------
    .. [1] LeCun, Y., Bottou, L., Bengio, Y. and Haffner, P. "Gradient-based learning applied to
       document recognition." Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from skrep.datasets import fetch_mnist
    >>> fetch_mnist(subset="test").data.shape  # doctest: +SKIP
    (10000, 784)
    """
    return _fetch_images(
        "mnist", "mnist_784", ("mnist", "MNIST/raw"), "MNIST handwritten digits", _DIGITS,
        data_home, subset, download_if_missing, return_X_y,
    )  # fmt: skip


def fetch_fashion_mnist(
    *,
    data_home: str | Path | None = None,
    subset: Subset = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load Fashion-MNIST: pictures of clothes, 28 x 28, as rows of grey levels in [0, 1].

    Looks in `data_home` for `fashion_mnist.npz` (arrays `X_train`, `y_train`, `X_test`,
    `y_test`), then in its folder `fashion_mnist` (or `FashionMNIST/raw`, where torchvision leaves
    them) for the four original idx files, packed with gzip or not. Failing that it downloads
    "Fashion-MNIST" with `sklearn.datasets.fetch_openml` and writes `fashion_mnist.npz`.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the files. None is the environment variable `SKREP_DATA`, else `~/skrep_data`.
    subset : {"train", "test", "all"}, default="train"
        The 60000 training images, the 10000 test images, or the first followed by the second.
    download_if_missing : bool, default=True
        If False, raise where there is no local file.
    return_X_y : bool, default=False
        Return `(data, target)` in place of the Bunch.

    Returns
    -------
    Bunch or tuple
        With `data`, ndarray (n_samples, 784) of float32; `target`, ndarray (n_samples,) of
        integers 0 to 9; `target_names`; `image_shape`, (28, 28); and `DESCR`.

    Raises
    ------
    OSError
        If there is no local file and downloading failed or was not wanted.
    ValueError
        If a local file does not hold what its name says, or `subset` is unknown.

    References
    ----------
    .. [1] Xiao, H., Rasul, K. and Vollgraf, R. "Fashion-MNIST: a novel image dataset for
       benchmarking machine learning algorithms." 2017. https://arxiv.org/abs/1708.07747

    Examples
    --------
    >>> from skrep.datasets import fetch_fashion_mnist
    >>> fetch_fashion_mnist(subset="test").target_names[0]  # doctest: +SKIP
    'T-shirt/top'
    """
    return _fetch_images(
        "fashion_mnist", "Fashion-MNIST", ("fashion_mnist", "FashionMNIST/raw"),
        "Fashion-MNIST pictures of clothes", _CLOTHES,
        data_home, subset, download_if_missing, return_X_y,
    )  # fmt: skip


def fetch_wikipedia(
    *,
    data_home: str | Path | None = None,
    subset: Subset = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load the Wikipedia articles of cross-modal retrieval: an image and a text each, 10 topics.

    Reads `wikipedia.npz` in `data_home`, with the arrays `image_train` (2173, 128), `text_train`
    (2173, 10), `y_train`, `image_test` (693, 128), `text_test` (693, 10), `y_test` and, if there,
    `class_names`: SIFT bags of words for the images and topic proportions for the texts, the
    features that came with [1]_. No maintained source to download them from is known.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        Folder of the file. None is the environment variable `SKREP_DATA`, else `~/skrep_data`.
    subset : {"train", "test", "all"}, default="train"
        The 2173 training articles, the 693 test articles, or the first followed by the second.
    download_if_missing : bool, default=True
        As in the other fetchers; here the file must be there either way.
    return_X_y : bool, default=False
        Return `(data, target)` in place of the Bunch.

    Returns
    -------
    Bunch or tuple
        With `data`, `Views` named "image" and "text", float32; `target`, ndarray (n_samples,) of
        integers 0 to 9; `target_names`; and `DESCR`.

    Raises
    ------
    OSError
        If the file is not there.
    ValueError
        If it does not hold these arrays, or `subset` is unknown.

    References
    ----------
    .. [1] Rasiwasia, N., et al. "A new approach to cross-modal multimedia retrieval." ACM
       Multimedia 2010.

    Examples
    --------
    >>> from skrep.datasets import fetch_wikipedia
    >>> fetch_wikipedia(subset="test").data.widths  # doctest: +SKIP
    (128, 10)
    """
    _check_subset(subset)
    path = data_folder(data_home) / "wikipedia.npz"
    if not path.is_file():
        raise OSError(
            f"The Wikipedia retrieval data are not at {str(path)!r}, and "
            + ("no maintained source" if download_if_missing else "`download_if_missing` is False")
            + (" to download them from is known. " if download_if_missing else ". ")
            + f"Put a file `wikipedia.npz` there with the arrays {', '.join(_WIKIPEDIA_ARRAYS)}, "
            f"or name its folder in `data_home` or the environment variable SKREP_DATA."
        )
    stored = read_npz(path, _WIKIPEDIA_ARRAYS)
    image, text, target = (_pick(stored, name, subset) for name in ("image", "text", "y"))
    data = Views({"image": image.astype(np.float32), "text": text.astype(np.float32)})
    target = target.astype(np.int64)
    if return_X_y:
        return data, target
    names = stored.get("class_names", np.unique(target))
    return Bunch(
        data=data,
        target=target,
        target_names=[str(name) for name in names],
        DESCR=f"Wikipedia articles for cross-modal retrieval, subset {subset!r}, from {path}.",
    )


def _fetch_images(
    stem: str,
    openml_name: str,
    idx_folders: tuple[str, ...],
    title: str,
    target_names: list[str],
    data_home: str | Path | None,
    subset: Subset,
    download_if_missing: bool,
    return_X_y: bool,
) -> Any:
    _check_subset(subset)
    folder = data_folder(data_home)
    stored = read_images(folder, stem, idx_folders)
    if stored is None:
        hint = (
            f"Put `{stem}.npz` (arrays X_train, y_train, X_test, y_test) in {str(folder)!r}, or "
            f"the four idx files in {str(folder / idx_folders[0])!r}, or name another folder in "
            f"`data_home` or the environment variable SKREP_DATA."
        )
        if not download_if_missing:
            raise OSError(
                f"No file of {title} was found and `download_if_missing` is False. {hint}"
            )
        stored = _download(openml_name, title, hint)
        write_npz(folder / f"{stem}.npz", stored)
    images = _pick(stored, "X", subset)
    data = images.reshape(len(images), -1).astype(np.float32)
    data /= np.float32(255)
    target = _pick(stored, "y", subset).astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=target_names,
        image_shape=(28, 28),
        DESCR=f"{title}, subset {subset!r}: rows are 28 x 28 images of grey levels in [0, 1].",
    )


def _download(openml_name: str, title: str, hint: str) -> dict[str, np.ndarray]:
    try:
        X, y = fetch_openml(
            openml_name, version=1, return_X_y=True, as_frame=False, parser="pandas", cache=False
        )
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise OSError(f"{title} could not be downloaded from OpenML ({reason}). {hint}") from error
    images, labels = np.asarray(X).astype(np.uint8), np.asarray(y).astype(np.uint8)
    if images.shape != (70000, 784):
        raise OSError(
            f"OpenML returned an array of shape {images.shape} for {title}, not (70000, 784). "
            f"{hint}"
        )
    images = images.reshape(-1, 28, 28)
    return {
        "X_train": images[:60000],
        "y_train": labels[:60000],
        "X_test": images[60000:],
        "y_test": labels[60000:],
    }


def _check_subset(subset: str) -> None:
    if subset not in ("train", "test", "all"):
        raise ValueError(f"`subset` must be 'train', 'test' or 'all'. Got {subset!r}.")


def _pick(stored: dict[str, np.ndarray], name: str, subset: Subset) -> np.ndarray:
    if subset == "all":
        return np.concatenate([stored[f"{name}_train"], stored[f"{name}_test"]])
    return stored[f"{name}_{subset}"]
