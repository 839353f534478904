"""How much of every view one component of a code tells."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from skrep._views_arrays import dense
from skrep.inspection._coded import Codes, block_of, chunks, codes_of, data_of, feature_names
from skrep.inspection._display_inputs import check_has, estimator_name, view_names
from skrep.utils.statistics import RunningMoments
from skrep.views import Views, as_views, is_multiview

__all__ = ["explained_variance"]

_NO_TRANSFORM = "any transformer, such as PCA, CCA, VAE or a Pipeline of them"


def explained_variance(
    estimator: Any,
    X: Any,
    *,
    decoder: Literal["auto", "linear"] = "auto",
    per_feature: bool = False,
) -> pd.DataFrame:
    r"""Tabulate the share of each view's variance that one component of the code tells alone.

    For component j every other component is put at its mean and the result is decoded,
    :math:`\hat x^{(j)}_i`. Of view v with samples i that have it and features f the share is

    .. math:: R^2_{jv} = 1 - \frac{\sum_f \mathrm{Var}_i(x_{if} - \hat x^{(j)}_{if})}
        {\sum_f \mathrm{Var}_i(x_{if})}

    which a constant offset of the decoder does not move: a component that changes nothing has
    exactly 0. The last row, "total", decodes the whole code and counts the offset, as
    `skrep.metrics.reconstruction_r2` does. Everything is in the units of `X`, so within a view
    features count in proportion to their variance.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Samples to measure on. Of each view the rows count that are present.
    decoder : {"auto", "linear"}, default="auto"
        "auto" decodes with the estimator's `inverse_transform`, and with "linear" where it has
        none. "linear" regresses each view on the component alone, and on the whole code, over
        `X` itself, which no decoder that is linear can beat.
    per_feature : bool, default=False
        Whether to give the share of every feature's variance in place of each view's.

    Returns
    -------
    DataFrame of shape (n_components + 1, n_views)
        Rows 0, 1, ... and "total"; a column per view, called "X" where there is one array. At most
        1; below 0 where a component misleads, as it can on samples that were not fitted. With
        `per_feature` columns are pairs (view, feature), NaN for constant features.
        ``table.attrs["decoder"]`` is "inverse_transform" or "linear regression".

    Raises
    ------
    TypeError
        If the estimator has no `transform`.
    ValueError
        If a view does not vary, holds a value that is no finite number, or comes back in another
        shape, or `decoder` is neither of the two.

    See Also
    --------
    ExplainedVarianceDisplay : The table as a picture.
    feature_correlations : Which features a component goes with.
    skrep.metrics.reconstruction_r2 : The total over all views.

    Notes
    -----
    For PCA on the data of its fit the rows are `explained_variance_ratio_`. Shares add up to the
    total where the decoder is linear and components are uncorrelated; where they do not, components
    repeat each other or act together.

    A model with one code per view decodes each view from that view's own code. Where one array
    came in and was split inside a Pipeline, component j is kept in all of the codes. In a code with
    fewer components than others the missing rows are NaN.

    Cost: n_components + 1 passes through the decoder, times n_views for a model that decodes the
    mean of its views' codes; memory is that of a block of rows and the table per feature.

    References
    ----------
    .. [1] Argelaguet, R. et al. "Multi-omics factor analysis: a framework for unsupervised
       integration of multi-omics data sets." Molecular Systems Biology 14, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import explained_variance
    >>> X = make_low_rank(100, 10, rank=3, random_state=0)
    >>> pca = PCA(3).fit(X)
    >>> table = explained_variance(pca, X)
    >>> list(table.index), list(table.columns)
    ([0, 1, 2, 'total'], ['X'])
    >>> bool(np.allclose(table["X"].iloc[:3], pca.explained_variance_ratio_))
    True
    """
    if decoder not in ("auto", "linear"):
        raise ValueError(f"`decoder` must be 'auto' or 'linear'. Got {decoder!r}.")
    check_has(estimator, "transform", "`explained_variance`", _NO_TRANSFORM)
    views, codes = data_of(estimator, X), codes_of(estimator, X)
    decode = getattr(estimator, "inverse_transform", None) if decoder == "auto" else None
    found = []
    if decode is None:
        found = [_regressed(views, v, codes) for v in range(views.n_views)]
    elif codes.averaged and codes.names is not None and set(codes.names) == set(views.names):
        for v in range(views.n_views):
            found += _decoded(estimator, views, _only(codes, views.names[v]), [v])
    else:
        found = _decoded(estimator, views, codes, list(range(views.n_views)))
    tables = [
        _shares(*sums, codes.part_of(name).shape[1], per_feature)
        for name, sums in zip(views.names, found, strict=True)
    ]
    columns: Any = pd.Index(views.names, name="view")
    if per_feature:
        pairs = zip(views.names, feature_names(estimator, views), strict=True)
        columns = pd.MultiIndex.from_tuples(
            [(name, feature) for name, features in pairs for feature in features],
            names=("view", "feature"),
        )
    index = pd.Index([*range(codes.n_components), "total"], dtype=object, name="component")
    table = pd.DataFrame(np.hstack(tables), index=index, columns=columns)
    table.attrs["decoder"] = "linear regression" if decode is None else "inverse_transform"
    return table


def _decoded(
    estimator: Any, views: Views, codes: Codes, wanted: list[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each wanted view, what is left by every component and by all, and what was there.

    Sums of squares, of shapes (n_components + 1, width) and (width,).
    """
    k = codes.n_components
    centres = [_mean(part) for part in codes.parts]
    left = [[RunningMoments(views.widths[v]) for _ in range(k + 1)] for v in wanted]
    whole = [RunningMoments(views.widths[v]) for v in wanted]
    # Rows that have none of these views, or no code, have nothing to be compared with.
    coded = np.any([~np.isnan(part).any(axis=1) for part in codes.parts], axis=0)
    compared = np.flatnonzero(views.present[:, wanted].any(axis=1) & coded)
    for rows in chunks(compared, sum(views.widths)):
        there = [views.present[rows, v] for v in wanted]
        truth = [block_of(views, v, rows[mask]) for v, mask in zip(wanted, there, strict=True)]
        for part, block in zip(whole, truth, strict=True):
            part.add(block)
        for j in range(k + 1):
            kept = [_alone(p[rows], c, j, k) for p, c in zip(codes.parts, centres, strict=True)]
            back = _decode(estimator, views, codes, kept)
            for i, v in enumerate(wanted):
                left[i][j].add(truth[i] - back[v][there[i]])
    return [
        (
            np.array([part.squares for part in left[i][:k]] + [left[i][k].raw]),
            _varying(views.names[v], whole[i].squares, whole[i].mean, whole[i].count),
        )
        for i, v in enumerate(wanted)
    ]


def _regressed(views: Views, view: int, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
    """Return the same for the regression of a view on each component of its code, and on all."""
    code = codes.part_of(views.names[view])
    rows = np.flatnonzero(views.present[:, view] & ~np.isnan(code).any(axis=1))
    # A view that is absent as a whole may have no columns; it is refused below.
    width, k = views.widths[view], code.shape[1]
    whole, cross, origin = RunningMoments(width), np.zeros((k, width)), np.zeros(width)
    z = code[rows] - _mean(code[rows])
    done = 0
    for part in chunks(rows, width):
        block = block_of(views, view, part)
        origin = block[0] if done == 0 else origin
        whole.add(block)
        cross += z[done : done + len(part)].T @ (block - origin)
        done += len(part)
    there = _varying(views.names[view], whole.squares, whole.mean, whole.count)
    gram = z.T @ z
    sizes = np.diag(gram)
    alone = np.divide(cross**2, sizes[:, None], out=np.zeros_like(cross), where=sizes[:, None] > 0)
    left = np.zeros((codes.n_components + 1, width)) + there
    left[:k] -= alone
    left[-1] -= np.einsum("ij,ij->j", cross, np.linalg.pinv(gram, 1e-10, hermitian=True) @ cross)
    return np.maximum(left, 0.0), there


def _mean(part: np.ndarray) -> np.ndarray:
    """Return the mean of the codes that are there, zeros where none is."""
    rows = part[~np.isnan(part).any(axis=1)]
    return rows.mean(axis=0) if len(rows) else np.zeros(part.shape[1])


def _alone(part: np.ndarray, centre: np.ndarray, j: int, k: int) -> np.ndarray:
    """Return codes with all components but the j-th at the centre; all as they are for j = k."""
    if j == k:
        return part
    kept = np.where(np.isnan(part), np.nan, centre)
    if j < part.shape[1]:
        kept[:, j] = part[:, j]
    return kept


def _only(codes: Codes, view: str) -> Codes:
    """Return codes of which those of all other views are absent."""
    pairs = zip(codes.names or (), codes.parts, strict=True)
    parts = tuple(part if name == view else np.full_like(part, np.nan) for name, part in pairs)
    return codes._replace(parts=parts)


def _decode(
    estimator: Any, views: Views, codes: Codes, parts: list[np.ndarray]
) -> list[np.ndarray]:
    """Return what the codes of some rows are decoded to, one array per view of the data."""
    Z: Any = np.hstack(parts) if len(parts) > 1 else parts[0]
    if codes.as_views:
        Z = Views(tuple(parts), codes.names)
    back = estimator.inverse_transform(Z)
    if is_multiview(back):
        several = as_views(back, names=view_names(estimator))
        names = views.names if set(several.names) == set(views.names) else several.names
        arrays = [dense(several[name]) for name in names]
    else:
        matrix = np.asarray(dense(back))
        arrays = np.split(matrix, np.cumsum(views.widths)[:-1], axis=1)
    shapes = [array.shape for array in arrays]
    if shapes != [(len(parts[0]), width) for width in views.widths]:
        raise ValueError(
            f"{estimator_name(estimator)}.inverse_transform returned arrays of shapes {shapes} for "
            f"{len(parts[0])} codes, where the views have {list(views.widths)} features. It must "
            f"return what `transform` was given."
        )
    return [np.asarray(array, dtype=np.float64) for array in arrays]


def _varying(name: str, squares: np.ndarray, mean: np.ndarray, n: int) -> np.ndarray:
    """Return sums of squares, 0 for constant features; refuse a view that is constant."""
    # A mean of equal numbers is off by rounding.
    squares = np.where(squares > n * (1e-13 * mean) ** 2, squares, 0.0)
    if not squares.sum() > 0.0:
        raise ValueError(
            f"Every feature of view {name!r} is constant over the {n} rows that have it, so that a "
            f"share of its variance is not defined. Pass more rows, or drop that view."
        )
    return squares


def _shares(
    left: np.ndarray, whole: np.ndarray, n_components: int, per_feature: bool
) -> np.ndarray:
    """Return 1 - left / whole, (n_components + 1, 1 or width), from sums of squares."""
    if not per_feature:
        left, whole = left.sum(axis=1, keepdims=True), whole.sum(keepdims=True)
    shares: np.ndarray = 1.0 - left / np.where(whole > 0.0, whole, np.nan)
    shares[n_components:-1] = np.nan
    return shares
