"""Codes of any width as points in a plane."""

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from sklearn.decomposition import PCA

from skrep.inspection._display_inputs import check_indices

__all__ = ["SPREAD", "in_plane"]

#: Label of the axis that only keeps points apart.
SPREAD = "spread for legibility"


def in_plane(
    codes: np.ndarray, method: str | None, components: Sequence[int], seed: int
) -> tuple[np.ndarray, tuple[str, str]]:
    """Return points and the labels of their two axes."""
    width = codes.shape[1]
    if width == 1:
        _check_two(components, 2)
        offsets = np.random.default_rng(seed).uniform(-1.0, 1.0, size=(len(codes), 1))
        return np.hstack([codes, offsets]), ("code 0", SPREAD)
    # A single code has no principal axes.
    if method is None or (method == "auto" and min(width, len(codes) + 1) == 2):
        first, second = _check_two(components, width)
        return codes[:, [first, second]], (f"code {first}", f"code {second}")
    if method in ("auto", "pca"):
        first, second = _check_two(components, min(codes.shape))
        pca = PCA(max(first, second) + 1, svd_solver="full").fit(codes)
        share = 100.0 * pca.explained_variance_ratio_
        labels = [f"principal axis {i} of the code ({share[i]:.0f} %)" for i in (first, second)]
        return pca.transform(codes)[:, [first, second]], (labels[0], labels[1])
    first, second = _check_two(components, 2)
    make, kind = (_tsne, "t-SNE") if method == "tsne" else (_umap, "UMAP")
    points = make(codes, seed)[:, [first, second]]
    return points, (f"{kind} {first}", f"{kind} {second}")


def _check_two(components: Sequence[int], n: int) -> tuple[int, int]:
    found = check_indices(components, n, "components", "axes")
    if len(found) != 2:
        raise ValueError(f"`components` are the two axes to draw. Got {components!r}.")
    return found[0], found[1]


def _tsne(codes: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    if len(codes) < 4:
        raise ValueError(f"t-SNE needs at least 4 samples. Got {len(codes)}. Use `method='pca'`.")
    perplexity = min(30.0, (len(codes) - 1) / 3.0)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(model.fit_transform(codes), dtype=np.float64)


def _umap(codes: np.ndarray, seed: int) -> np.ndarray:
    try:
        umap = import_module("umap")
    except ImportError as error:
        raise ImportError(
            "`method='umap'` needs umap-learn. Install it with `pip install umap-learn`, or use "
            "`method='tsne'`, which scikit-learn has."
        ) from error
    # With a seed UMAP runs in one thread and warns unless it is told so.
    model = umap.UMAP(n_components=2, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(codes), dtype=np.float64)
