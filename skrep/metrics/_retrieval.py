"""How well a query's code finds what belongs to it among the codes of a gallery.

Items of equal similarity have no order. Every measure is its expected value over all orders of
such ties, each as likely, in closed form: with n items ranked before a group of t tied items of
which r are relevant, the first relevant one is the i-th of the group with probability
C(t - i, r - 1) / C(t, r). A code that is the same for all items therefore scores what chance does.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from scipy.special import gammaln

from skrep.metrics._inputs import matrix_of

__all__ = ["mean_average_precision", "mean_reciprocal_rank", "median_rank", "retrieval_recall"]

Similarity = Literal["cosine", "euclidean", "dot"]

_BLOCK_ENTRIES = 2**21
# Similarities closer than this share of their scale differ by rounding alone.
_RESOLUTION = 1e-12


def retrieval_recall(
    Q: Any,
    G: Any,
    y_query: Any = None,
    y_gallery: Any = None,
    *,
    k: int = 10,
    metric: Similarity = "cosine",
) -> float:
    """Share of queries that find something relevant among the first `k` of the gallery.

    With pairs this is recall@k; with labels it is also called the hit rate.

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_components)
        Codes of the queries.
    G : array-like of shape (n_gallery, n_components)
        Codes of the gallery.
    y_query : array-like of shape (n_queries,), default=None
        Labels of the queries: an item of the same label is relevant. None, for both, means pairs:
        row i of the gallery, and no other, is relevant to row i of the queries.
    y_gallery : array-like of shape (n_gallery,), default=None
        Labels of the gallery.
    k : int, default=10
        How many of the first items count, 1 to n_gallery.
    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        What "first" means: highest cosine (0 with a code of zeros), smallest Euclidean distance
        or highest inner product.

    Returns
    -------
    float
        0 to 1; higher is better. Tied items count by their expected value over random orders.

    Raises
    ------
    ValueError
        If codes are not finite or differ in size, rows and labels do not match, a query has
        nothing relevant in the gallery, or `k` or `metric` is out of range.

    Notes
    -----
    Cost O(n_queries * n_gallery * n_components); memory is that of the codes in float64 and of a
    block of similarities, whatever the number of queries.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import retrieval_recall
    >>> codes = np.random.default_rng(0).standard_normal((50, 8))
    >>> retrieval_recall(codes, codes, k=1)
    1.0
    """
    search = _Search.of(Q, G, y_query, y_gallery, metric)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= len(search.G):
        raise ValueError(
            f"`k` must be an integer from 1 to {len(search.G)}, the size of the gallery. Got {k!r}."
        )
    before, tied, relevant = _first_groups(search)
    places = np.clip(k - before, 0, tied)
    # C(t - r, m) / C(t, m): none of the r stands in the m places that are left.
    others = np.maximum(tied - relevant, places)
    miss = np.exp(
        gammaln(others + 1)
        - gammaln(others - places + 1)
        + gammaln(tied - places + 1)
        - gammaln(tied + 1)
    )
    return float(np.mean(1.0 - np.where(tied - relevant >= places, miss, 0.0)))


def mean_average_precision(
    Q: Any,
    G: Any,
    y_query: Any = None,
    y_gallery: Any = None,
    *,
    metric: Similarity = "cosine",
) -> float:
    """Average, over queries, the precision at the rank of each relevant item.

    The whole gallery is ranked. The average precision of a query is the mean, over its relevant
    items, of the share of relevant items among those ranked no later.

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_components)
        Codes of the queries.
    G : array-like of shape (n_gallery, n_components)
        Codes of the gallery.
    y_query : array-like of shape (n_queries,), default=None
        Labels of the queries: an item of the same label is relevant. None, for both, means pairs:
        row i of the gallery, and no other, is relevant to row i of the queries.
    y_gallery : array-like of shape (n_gallery,), default=None
        Labels of the gallery.
    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        What ranks first: highest cosine (0 with a code of zeros), smallest Euclidean distance or
        highest inner product.

    Returns
    -------
    float
        Above 0, up to 1; higher is better. Tied items count by their expected value over random
        orders.

    Raises
    ------
    ValueError
        If codes are not finite or differ in size, rows and labels do not match, a query has
        nothing relevant in the gallery, or `metric` is unknown.

    Notes
    -----
    Cost O(n_queries * n_gallery * (n_components + log n_gallery)); memory as for
    `retrieval_recall`.

    References
    ----------
    .. [1] McSherry, F. and Najork, M. "Computing information retrieval performance measures
       efficiently in the presence of tied scores." ECIR 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import mean_average_precision
    >>> codes, labels = np.eye(3)[[0, 0, 1, 2]], [0, 0, 1, 2]
    >>> mean_average_precision(codes, codes, labels, labels)
    1.0
    """
    search = _Search.of(Q, G, y_query, y_gallery, metric)
    if search.y_query is None:
        # One relevant item: its precision is one over its rank.
        return _mean_reciprocal(search)
    total = sum(
        _average_precision(similarity, relevant).sum() for similarity, relevant in search.blocks()
    )
    return float(total / len(search.Q))


def mean_reciprocal_rank(
    Q: Any,
    G: Any,
    y_query: Any = None,
    y_gallery: Any = None,
    *,
    metric: Similarity = "cosine",
) -> float:
    """Average, over queries, one over the rank of the first relevant item.

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_components)
        Codes of the queries.
    G : array-like of shape (n_gallery, n_components)
        Codes of the gallery.
    y_query : array-like of shape (n_queries,), default=None
        Labels of the queries: an item of the same label is relevant. None, for both, means pairs:
        row i of the gallery, and no other, is relevant to row i of the queries.
    y_gallery : array-like of shape (n_gallery,), default=None
        Labels of the gallery.
    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        What ranks first: highest cosine (0 with a code of zeros), smallest Euclidean distance or
        highest inner product.

    Returns
    -------
    float
        Above 0, up to 1; higher is better. Tied items count by their expected value over random
        orders.

    Raises
    ------
    ValueError
        If codes are not finite or differ in size, rows and labels do not match, a query has
        nothing relevant in the gallery, or `metric` is unknown.

    Notes
    -----
    Cost and memory as for `retrieval_recall`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import mean_reciprocal_rank
    >>> codes = np.random.default_rng(0).standard_normal((50, 8))
    >>> mean_reciprocal_rank(codes, codes)
    1.0
    """
    return _mean_reciprocal(_Search.of(Q, G, y_query, y_gallery, metric))


def median_rank(
    Q: Any,
    G: Any,
    y_query: Any = None,
    y_gallery: Any = None,
    *,
    metric: Similarity = "cosine",
) -> float:
    """Median, over queries, of the rank of the first relevant item.

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_components)
        Codes of the queries.
    G : array-like of shape (n_gallery, n_components)
        Codes of the gallery.
    y_query : array-like of shape (n_queries,), default=None
        Labels of the queries: an item of the same label is relevant. None, for both, means pairs:
        row i of the gallery, and no other, is relevant to row i of the queries.
    y_gallery : array-like of shape (n_gallery,), default=None
        Labels of the gallery.
    metric : {"cosine", "euclidean", "dot"}, default="cosine"
        What ranks first: highest cosine (0 with a code of zeros), smallest Euclidean distance or
        highest inner product.

    Returns
    -------
    float
        1 to n_gallery; lower is better. A rank among ties is its expected value over random
        orders, so it need not be whole.

    Raises
    ------
    ValueError
        If codes are not finite or differ in size, rows and labels do not match, a query has
        nothing relevant in the gallery, or `metric` is unknown.

    Notes
    -----
    Cost and memory as for `retrieval_recall`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrep.metrics import median_rank
    >>> codes = np.random.default_rng(0).standard_normal((50, 8))
    >>> median_rank(codes, codes)
    1.0
    """
    search = _Search.of(Q, G, y_query, y_gallery, metric)
    before, tied, relevant = _first_groups(search)
    return float(np.median(before + (tied + 1) / (relevant + 1)))


class _Search(NamedTuple):
    """Checked codes, and labels as integers or None."""

    Q: np.ndarray
    G: np.ndarray
    y_query: np.ndarray | None
    y_gallery: np.ndarray | None
    metric: str

    @classmethod
    def of(cls, Q: Any, G: Any, y_query: Any, y_gallery: Any, metric: Any) -> "_Search":
        if metric not in _SIMILARITIES:
            raise ValueError(
                f"`metric` must be one of {', '.join(map(repr, _SIMILARITIES))}. Got {metric!r}."
            )
        Q, G = _codes(Q, "Q", "queries"), _codes(G, "G", "gallery")
        if Q.shape[1] != G.shape[1]:
            raise ValueError(
                f"Queries and gallery must have codes of one size: `Q` has {Q.shape[1]} "
                f"components, `G` has {G.shape[1]}."
            )
        y_query, y_gallery = _relevance(len(Q), len(G), y_query, y_gallery)
        return cls(*_PREPARED.get(metric, _as_they_are)(Q, G), y_query, y_gallery, metric)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield similarities and relevance (bool), each of shape (block, n_gallery)."""
        size = max(1, _BLOCK_ENTRIES // len(self.G))
        similar = _SIMILARITIES[self.metric]
        squares = np.einsum("ij,ij->i", self.G, self.G)
        for start in range(0, len(self.Q), size):
            Q = self.Q[start : start + size]
            scores, scale = similar(Q, self.G, squares)
            unit = np.where(scale > 0.0, scale, 1.0)[:, np.newaxis] * _RESOLUTION
            np.rint(np.divide(scores, unit, out=scores), out=scores)
            if self.y_query is None or self.y_gallery is None:
                rows = np.arange(start, start + len(Q))[:, np.newaxis]
                yield scores, rows == np.arange(len(self.G))
            else:
                yield scores, self.y_query[start : start + size, np.newaxis] == self.y_gallery


def _dot(Q: np.ndarray, G: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inner products, and the largest that each query could have."""
    return Q @ G.T, np.linalg.norm(Q, axis=1) * np.sqrt(squares.max())


def _closeness(Q: np.ndarray, G: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return negative squared distances, less what is the same for a whole query, and a scale."""
    return 2.0 * (Q @ G.T) - squares, np.einsum("ij,ij->i", Q, Q) + squares.max()


def _unit_length(Q: np.ndarray, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _normalised(Q), _normalised(G)


def _normalised(codes: np.ndarray) -> np.ndarray:
    largest = np.abs(codes).max(axis=1, keepdims=True)
    codes = codes / np.where(largest > 0.0, largest, 1.0)
    length = np.linalg.norm(codes, axis=1, keepdims=True)
    return codes / np.where(length > 0.0, length, 1.0)


def _about_the_centre(Q: np.ndarray, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Distances do not see a common shift, and their squares lose digits to a large one.
    centre = G.mean(axis=0)
    return Q - centre, G - centre


def _as_they_are(Q: np.ndarray, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return Q, G


_SIMILARITIES: Final[dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]]] = {
    "cosine": _dot,
    "euclidean": _closeness,
    "dot": _dot,
}
_PREPARED: Final = {"cosine": _unit_length, "euclidean": _about_the_centre}


def _first_groups(search: _Search) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each query, of the ties that hold its first relevant item, n, t and r."""
    found = []
    for scores, relevant in search.blocks():
        best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
        tied = scores == best
        found.append(((scores > best).sum(axis=1), tied.sum(axis=1), (tied & relevant).sum(axis=1)))
    before, size, hits = (np.concatenate(column) for column in zip(*found, strict=True))
    return before, size, hits


def _mean_reciprocal(search: _Search) -> float:
    groups, counts = np.unique(np.column_stack(_first_groups(search)), axis=0, return_counts=True)
    total = 0.0
    for (before, tied, relevant), count in zip(groups.tolist(), counts.tolist(), strict=True):
        place = np.arange(1, tied - relevant + 2)
        # Chance that the first `place - 1` of the group are not relevant, and the next one is.
        waited = np.cumprod((tied - relevant - place[:-1] + 1) / (tied - place[:-1] + 1))
        first = np.concatenate([[1.0], waited]) * relevant / (tied - place + 1)
        total += count * float((first / (before + place)).sum())
    return total / len(search.Q)


def _average_precision(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Return the expected average precision of each row of the block."""
    n_rows, n_items = scores.shape
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    hit = np.take_along_axis(relevant, order, axis=1)
    opens = np.ones((n_rows, n_items), dtype=bool)
    opens[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    starts = np.flatnonzero(opens)
    size = np.diff(starts, append=n_rows * n_items)
    hits = np.add.reduceat(hit.ravel(), starts, dtype=np.intp)
    row, before = np.divmod(starts, n_items)
    per_row = relevant.sum(axis=1)
    hits_before = np.cumsum(hits) - hits - (np.cumsum(per_row) - per_row)[row]
    # Of the items of its group that precede a relevant one at place i, each of the i - 1 is
    # relevant with probability (r - 1) / (t - 1).
    kept = np.flatnonzero(hits)
    size, hits, before, hits_before, row = (
        values[kept] for values in (size, hits, before, hits_before, row)
    )
    place = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    others = (hits - 1) / np.maximum(size - 1, 1)
    precision = (np.repeat(hits_before + 1, size) + place * np.repeat(others, size)) / (
        np.repeat(before + 1, size) + place
    )
    weighted = precision * np.repeat(hits / size, size)
    return np.bincount(np.repeat(row, size), weights=weighted, minlength=n_rows) / per_row


def _codes(codes: Any, name: str, what: str) -> np.ndarray:
    matrix = matrix_of(codes)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"`{name}` must be a matrix, one code a row. Got an array of shape {matrix.shape}."
        )
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(broken):
        raise ValueError(
            f"`{name}` holds NaN or infinity in {len(broken)} of {len(matrix)} rows, the first of "
            f"them row {broken[0]}. An absent code cannot be ranked: take those rows out of the "
            f"{what}, and of labels or pairs."
        )
    return matrix


def _relevance(
    n_queries: int, n_gallery: int, y_query: Any, y_gallery: Any
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if y_query is None and y_gallery is None:
        if n_queries != n_gallery:
            raise ValueError(
                f"Without labels row i of `G` belongs to row i of `Q`, but `Q` has {n_queries} "
                f"rows and `G` has {n_gallery}. Pass `y_query` and `y_gallery`, or pairs."
            )
        return None, None
    if y_query is None or y_gallery is None:
        lacking = "y_query" if y_query is None else "y_gallery"
        raise ValueError(
            f"`{lacking}` is None and the other labels are not. Pass both, or neither for pairs."
        )
    labels = []
    for name, y, n_rows in (("y_query", y_query, n_queries), ("y_gallery", y_gallery, n_gallery)):
        y = np.asarray(y)
        if y.shape != (n_rows,):
            raise ValueError(
                f"`{name}` must hold one label per row, shape ({n_rows},). Got shape {y.shape}."
            )
        labels.append(y)
    classes, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    queries, gallery = np.split(numbers, [n_queries])
    lost = np.flatnonzero(~np.isin(queries, gallery))
    if len(lost):
        raise ValueError(
            f"Nothing in the gallery has the label {classes.tolist()[queries[lost[0]]]!r} of query "
            f"{lost[0]} ({len(lost)} such queries). Leave those queries out."
        )
    return queries, gallery
