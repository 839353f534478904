"""Which features a component of a code goes with."""

from typing import Any

import numpy as np
import pandas as pd

from skrep.inspection._coded import block_of, chunks, codes_of, data_of, feature_names
from skrep.inspection._display_inputs import check_count, check_has, check_indices, place_of_view
from skrep.views import Views

__all__ = ["feature_correlations"]


def feature_correlations(
    estimator: Any,
    X: Any,
    *,
    component: int | None = None,
    n_top: int | None = 10,
    view: str | int | None = None,
) -> pd.DataFrame:
    """List the features that correlate most with each component of the code.

    Pearson's correlation between component and feature over the samples that have the view. It
    needs no weights, so it reads a deep model as it reads PCA; it says what goes together, not what
    the model uses.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        With `transform`.
    X : array-like of shape (n_samples, n_features), Views or what makes one
        Samples to correlate over. Of each view the rows count that are present.
    component : int or None, default=None
        The one to list; negative counts from the last. None lists all.
    n_top : int or None, default=10
        Features of each view for each component, the strongest; None gives all.
    view : str, int or None, default=None
        Name or position of the one view to list; None lists all.

    Returns
    -------
    DataFrame
        Columns "component", "view" ("X" where there is one array), "feature" and "correlation" in
        [-1, 1]: component by component, by falling absolute correlation. Features have the names
        of the data, else of the fit, else x0, x1, ... Constant features and components have 0.

    Raises
    ------
    TypeError
        If the estimator has no `transform`.
    ValueError
        If there is no such component or view, `n_top` is no positive integer, fewer than two
        samples have a view, or a value is no finite number.

    See Also
    --------
    explained_variance : How much of each view a component tells.

    Notes
    -----
    Of a model with one code per view, features are correlated with the code of their own view.
    Cost: O(n_samples * n_features * n_components), in matrix products over blocks of rows; memory
    is that of a block and of the correlations. CSR is never made dense as a whole.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.decomposition import PCA
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import feature_correlations
    >>> X = make_low_rank(100, 4, rank=2, random_state=0)
    >>> frame = pd.DataFrame(X, columns=["width", "height", "depth", "weight"])
    >>> table = feature_correlations(PCA(2).fit(frame), frame, n_top=1)
    >>> list(table.columns), len(table)
    (['component', 'view', 'feature', 'correlation'], 2)
    """
    check_count(n_top, "n_top", optional=True)
    check_has(estimator, "transform", "`feature_correlations`", "any transformer, such as PCA")
    views, codes = data_of(estimator, X), codes_of(estimator, X)
    wanted = range(views.n_views) if view is None else [place_of_view(views.names, view)]
    numbers = list(range(codes.n_components))
    if component is not None:
        numbers = check_indices([component], codes.n_components, "component", "components")
    names = feature_names(estimator, views)
    tables = []
    for v in wanted:
        found = _correlate(views, v, codes.part_of(views.names[v]))
        tables += [
            _top(found[j], n_top, names[v], {"component": j, "view": views.names[v]})
            for j in numbers
            if j < len(found)
        ]
    table = pd.concat(tables, ignore_index=True)
    size = -table["correlation"].abs()
    order = np.lexsort((size.to_numpy(), table["component"].to_numpy()))
    return table.iloc[order].reset_index(drop=True)


def _correlate(views: Views, view: int, code: np.ndarray) -> np.ndarray:
    """Return correlations (n_components, width) over the rows that have the view."""
    rows = np.flatnonzero(views.present[:, view] & ~np.isnan(code).any(axis=1))
    if len(rows) < 2:
        raise ValueError(
            f"A correlation needs two samples or more, and {len(rows)} of {len(views)} have view "
            f"{views.names[view]!r}. Pass more samples, or name another `view`."
        )
    width = views.widths[view]
    mean = np.zeros(width)
    for part in chunks(rows, width):
        mean += block_of(views, view, part).sum(axis=0) / len(rows)
    z = _unit(code[rows])
    squares, cross = np.zeros(width), np.zeros((z.shape[1], width))
    done = 0
    for part in chunks(rows, width):
        block = block_of(views, view, part) - mean
        squares += np.einsum("ij,ij->j", block, block)
        cross += z[done : done + len(part)].T @ block
        done += len(part)
    # Of a constant feature all that is left is the rounding of its mean.
    varies = squares > len(rows) * (1e-13 * mean) ** 2
    size = np.where(varies, np.sqrt(squares), 1.0)
    return np.clip(np.where(varies, cross / size, 0.0), -1.0, 1.0)


def _unit(code: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and length 1, zeros where a component is constant."""
    mean = code.mean(axis=0)
    code = code - mean
    size = np.sqrt(np.einsum("ij,ij->j", code, code))
    # Codes may be float32 numbers: what differs in their last digit is constant.
    varies = size > np.sqrt(len(code)) * 1e-7 * np.abs(mean)
    return np.where(varies, code / np.where(varies, size, 1.0), 0.0)


def _top(
    correlations: np.ndarray, n_top: int | None, names: list[str], of: dict[str, Any]
) -> pd.DataFrame:
    order = np.argsort(-np.abs(correlations), kind="stable")[:n_top]
    values = {"feature": [names[i] for i in order], "correlation": correlations[order]}
    return pd.DataFrame({**{k: [v] * len(order) for k, v in of.items()}, **values})
