"""Reading data files that already lie on this machine."""

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

__all__ = ["data_folder", "read_idx", "read_images", "read_npz", "write_npz"]

_IMAGE_ARRAYS = ("X_train", "y_train", "X_test", "y_test")
_IDX_STEMS = (
    ("train-images", "idx3-ubyte"),
    ("train-labels", "idx1-ubyte"),
    ("t10k-images", "idx3-ubyte"),
    ("t10k-labels", "idx1-ubyte"),
)


def data_folder(data_home: str | Path | None) -> Path:
    """Return `data_home`, else the folder in SKREP_DATA, else `~/skrep_data`."""
    if data_home is None:
        data_home = os.environ.get("SKREP_DATA") or "~/skrep_data"
    return Path(data_home).expanduser()


def read_images(
    folder: Path, stem: str, idx_folders: Sequence[str]
) -> dict[str, np.ndarray] | None:
    """Read train and test images and labels from `stem`.npz or idx files; None if there are none.

    Raises
    ------
    ValueError
        If the files disagree with each other or with their format.
    """
    path = folder / f"{stem}.npz"
    if path.is_file():
        stored = read_npz(path, _IMAGE_ARRAYS)
        _check_images(stored, path)
        return stored
    for name in idx_folders:
        paths = [_find_idx(folder / name, *parts) for parts in _IDX_STEMS]
        found = [each for each in paths if each is not None]
        if len(found) == len(paths):
            arrays = [read_idx(each) for each in found]
            stored = dict(zip(_IMAGE_ARRAYS, arrays, strict=True))
            _check_images(stored, folder / name)
            return stored
    return None


def read_npz(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """Read all arrays of an npz file, without pickle.

    Raises
    ------
    ValueError
        If it is not such a file or lacks one of `required`.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (BadZipFile, EOFError, ValueError, AttributeError, TypeError) as error:
        # np.load returns a bare array, which is no context manager, for a renamed .npy file.
        raise ValueError(
            f"{str(path)!r} cannot be read as an npz file of plain arrays. Delete it, or write it "
            f"again with `numpy.savez_compressed`."
        ) from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise ValueError(
            f"{str(path)!r} lacks {', '.join(map(repr, missing))}; it holds "
            f"{', '.join(map(repr, arrays)) or 'nothing'}. It must hold {', '.join(required)}."
        )
    return arrays


def read_idx(path: Path) -> np.ndarray:
    """Read one idx file of unsigned bytes, packed with gzip or not.

    The format: two zero bytes, the type (8 for unsigned byte), the number of axes, each axis's
    length as a big-endian 32-bit integer, then the values.

    Raises
    ------
    ValueError
        If the header is not that of such a file, or the length does not match it.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{str(path)!r} cannot be read ({error}). Fetch it again.") from error
    n_axes = raw[3] if len(raw) > 3 else 0
    start = 4 + 4 * n_axes
    if raw[:3] != b"\0\0\x08" or not n_axes or len(raw) < start:
        raise ValueError(
            f"{str(path)!r} is not an idx file of unsigned bytes. Fetch it again, or check that "
            f"its name ends in .gz only if it is packed."
        )
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", n_axes, offset=4))
    values = np.frombuffer(raw, np.uint8, offset=start)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(
            f"{str(path)!r} holds {values.size} values, but its header says {shape}. The file is "
            f"cut short or damaged; fetch it again."
        )
    return values.reshape(shape)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to `path` so that a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    try:
        np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _find_idx(folder: Path, stem: str, kind: str) -> Path | None:
    names = (f"{stem}{joint}{kind}{ending}" for joint in "-." for ending in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _check_images(stored: dict[str, np.ndarray], path: Path) -> None:
    for part in ("train", "test"):
        X, y = stored[f"X_{part}"], stored[f"y_{part}"]
        pixels = int(np.prod(X.shape[1:], dtype=np.int64))
        if X.dtype != np.uint8 or pixels != 784 or y.shape != (len(X),):
            raise ValueError(
                f"{str(path)!r} does not hold images of 28 x 28 with one label each: the {part} "
                f"images are {X.dtype} of shape {X.shape}, the labels of shape {y.shape}. They "
                f"must be uint8 of shape (n, 28, 28) and (n,)."
            )
