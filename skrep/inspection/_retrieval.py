"""Queries and their neighbours in another view."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skrep._views_arrays import dense, is_text
from skrep.inspection._display import bare, color_scale, grid_of_axes, redrawing, show_image
from skrep.inspection._display_inputs import check_count, check_has, check_image_shape
from skrep.views import as_views, is_multiview

__all__ = ["RetrievalDisplay"]

# More tiles than this cannot be looked at.
_MOST = 20
# Told apart by people who do not see red and green as two colours, too.
_RIGHT, _WRONG = "#009E73", "#D55E00"


class RetrievalDisplay:
    """Queries in one view beside their nearest neighbours in another.

    Make it with `from_estimator`, which also draws it. Each row is a query, then its neighbours,
    nearest first, with the similarity above. Frames and marks say whether labels agree.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, width), or sequence of n_queries str
        What was looked for: features, or texts.
    neighbors : ndarray of shape (n_queries, n_neighbors, width), or of str without the last axis
        What was found.
    scores : ndarray of shape (n_queries, n_neighbors)
        What is written above each neighbour.
    view_names : tuple of 2 str
        The view of the queries and the view that was searched.
    score_name : str, default="cosine similarity"
        What the scores are.
    query_labels : ndarray of shape (n_queries,) or None, default=None
        Classes of the queries.
    neighbor_labels : ndarray of shape (n_queries, n_neighbors) or None, default=None
        Classes of the neighbours.
    image_shapes : tuple of 2 tuples or None, default=(None, None)
        Shapes of the images in the two views; None draws features as a strip of colours, each
        feature standardised over the tiles of its view, blue to red about their mean.

    Attributes
    ----------
    axes_ : ndarray of shape (n_queries, n_neighbors + 1) of matplotlib Axes
        Queries are in the first column. Made by `plot`, as is the other.
    figure_ : matplotlib Figure
        The figure they are in.

    See Also
    --------
    skrep.compose.CrossModalRetriever : What finds the neighbours.
    skrep.metrics.retrieval_recall : How good they are on the whole.

    Examples
    --------
    >>> from skrep import CCA
    >>> from skrep.compose import CrossModalRetriever
    >>> from skrep.datasets import make_multiview
    >>> from skrep.inspection import RetrievalDisplay
    >>> views = make_multiview(100, random_state=0)
    >>> retriever = CrossModalRetriever(CCA(2)).fit(views)
    >>> display = RetrievalDisplay.from_estimator(
    ...     retriever, views[:3], source="view0", target="view1", gallery=views, n_neighbors=4
    ... )
    >>> display.axes_.shape
    (3, 5)
    """

    def __init__(
        self,
        *,
        queries: Any,
        neighbors: Any,
        scores: np.ndarray,
        view_names: tuple[str, str],
        score_name: str = "cosine similarity",
        query_labels: np.ndarray | None = None,
        neighbor_labels: np.ndarray | None = None,
        image_shapes: tuple[Any, Any] = (None, None),
    ) -> None:
        self.queries = queries
        self.neighbors = neighbors
        self.scores = scores
        self.view_names = view_names
        self.score_name = score_name
        self.query_labels = query_labels
        self.neighbor_labels = neighbor_labels
        self.image_shapes = image_shapes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        query: Any,
        *,
        gallery: Any,
        source: str | None = None,
        target: str | None = None,
        n_neighbors: int = 5,
        query_labels: Any = None,
        gallery_labels: Any = None,
        query_texts: Any = None,
        gallery_texts: Any = None,
        image_shape: Any = None,
        ax: Any = None,
    ) -> "RetrievalDisplay":
        """Search the gallery of a fitted retriever, and draw what is found.

        Parameters
        ----------
        estimator : CrossModalRetriever
            Fitted; its gallery is searched.
        query : array-like of shape (n_queries, n_features), or several views
            At most 20 samples: the view `source` alone, or among others.
        gallery : array-like of shape (n_gallery, n_features), or several views
            What the retriever indexed, which keeps only codes of it: the view `target` alone, or
            among others.
        source : str or None, default=None
            View that the query is in. None, with two views, is the one that is not `target`.
        target : str or None, default=None
            View that is searched. None, with two views, is the one that is not `source`.
        n_neighbors : int, default=5
            How many, at most 20.
        query_labels, gallery_labels : array-like or None, default=None, None
            Classes of the queries and of the gallery, both or neither: shown below, and compared.
        query_texts, gallery_texts : sequence of str or None, default=None, None
            Texts to show instead of features, one per query and one per row of the gallery. Views
            that hold strings are shown as such without them.
        image_shape : tuple, dict of str to tuple, or None, default=None
            (height, width) or (height, width, 3) of the images in a view, by its name. One tuple
            holds for those of the two views that it fits. None draws features as a strip.
        ax : matplotlib Axes, array of n_queries * (n_neighbors + 1) Axes, or None, default=None
            One Axes is emptied, and the grid is drawn in its place. None makes a figure.

        Returns
        -------
        display : RetrievalDisplay

        Raises
        ------
        TypeError
            If the estimator is no retriever.
        ValueError
            If a view or a number of neighbours is not there, the gallery is not the one indexed,
            there are more than 20 queries, or labels, texts or image shapes do not fit.
        ImportError
            If matplotlib is not installed.
        """
        search = check_has(
            estimator, "kneighbors", cls.__name__, "CrossModalRetriever around a model"
        )
        names = getattr(estimator, "view_names_in_", None)
        if names is None:
            raise TypeError(
                f"{cls.__name__} needs a retriever across views. Got {type(estimator).__name__}. "
                f"Pass a `CrossModalRetriever`."
            )
        check_count(n_neighbors, "n_neighbors", most=_MOST)
        distances, rows = search(query, source, target, n_neighbors)
        source, target = _both(source, target, names)
        asked = _items(query, source, names, query_texts, len(rows), "query")
        found = _items(gallery, target, names, gallery_texts, estimator.n_gallery_, "gallery")
        if len(rows) > _MOST:
            raise ValueError(f"At most {_MOST} queries can be drawn. Got {len(rows)}. Pass fewer.")
        labels = _labels(query_labels, gallery_labels, len(rows), len(found))
        cosine = estimator.metric == "cosine"
        display = cls(
            queries=asked,
            neighbors=found[rows],
            scores=1.0 - distances if cosine else distances,
            view_names=(source, target),
            score_name="cosine similarity" if cosine else "Euclidean distance",
            query_labels=labels[0],
            neighbor_labels=None if labels[1] is None else labels[1][rows],
            image_shapes=_shapes(image_shape, (source, target), (asked, found)),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> "RetrievalDisplay":
        """Draw queries and neighbours.

        Parameters
        ----------
        ax : matplotlib Axes, array of n_queries * (n_neighbors + 1) Axes, or None, default=None
            As in `from_estimator`.

        Returns
        -------
        self : RetrievalDisplay

        Raises
        ------
        ValueError
            If `ax` is an array of another length.
        ImportError
            If matplotlib is not installed.
        """
        n_queries, n_neighbors = self.scores.shape
        source, target = self.view_names
        height = 1.25 if self.query_labels is None else 1.45
        ratios = [
            1.0 if self.image_shapes[i] or not _is_texts(v) else 1.5
            for i, v in enumerate((self.queries, self.neighbors))
        ]
        widths = [1.1 * ratios[0], *[1.1 * ratios[1]] * n_neighbors]
        place = grid_of_axes(
            ax,
            n_queries,
            n_neighbors + 1,
            type(self).__name__,
            figsize=(sum(widths) + 0.5, height * n_queries + 0.7),
            width_ratios=widths,
        )
        self.figure_, self.axes_ = place.figure, place.axes
        shown = [
            _standardised(items, shape)
            for items, shape in zip((self.queries, self.neighbors), self.image_shapes, strict=True)
        ]
        scales = [_scale(items, s) for items, s in zip(shown, self.image_shapes, strict=True)]
        with redrawing(self, place):
            for i in range(n_queries):
                first = self.axes_[i, 0]
                _draw_item(first, shown[0][i], self.image_shapes[0], scales[0])
                first.set_title(f"query ({source})" if i == 0 else "", fontsize=8)
                if self.query_labels is not None:
                    first.set_xlabel(str(self.query_labels[i]), fontsize=8)
                for j in range(n_neighbors):
                    cell = self.axes_[i, j + 1]
                    _draw_item(cell, shown[1][i][j], self.image_shapes[1], scales[1])
                    self._mark(cell, i, j)
        title = f"{source} → {target}, nearest first ({self.score_name})"
        if place.own:
            self.figure_.suptitle(title, fontsize=10)
        return self

    def _mark(self, ax: Any, i: int, j: int) -> None:
        written = f"{self.scores[i, j]:.2f}"
        if self.query_labels is None or self.neighbor_labels is None:
            ax.set_title(written, fontsize=8)
            return
        asked, found = self.query_labels[i], self.neighbor_labels[i][j]
        if pd.isna(asked) or pd.isna(found):
            ax.set_title(written, fontsize=8)
            return
        agree = bool(asked == found)
        color = _RIGHT if agree else _WRONG
        mark = "\N{CHECK MARK}" if agree else "\N{BALLOT X}"
        ax.set_title(f"{written} {mark}", fontsize=8, color=color)
        ax.set_xlabel(str(found), fontsize=8)
        for side in ax.spines.values():
            side.set(visible=True, color=color, linewidth=2.5)


def _both(source: str | None, target: str | None, names: Sequence[str]) -> tuple[str, str]:
    """Return the names of both views; the search has checked them."""
    if source is not None and target is not None:
        return source, target
    known = source if target is None else target
    other = next(name for name in names if name != known)
    return (str(source), str(other)) if target is None else (str(other), str(target))


def _items(
    data: Any, view: str, names: Sequence[str], texts: Any, n_rows: int, argument: str
) -> np.ndarray:
    """Return what is shown of each row: features (n_rows, width), or texts (n_rows,)."""
    if texts is not None:
        if isinstance(texts, str) or len(texts) != n_rows:
            raise ValueError(
                f"`{argument}_texts` must hold one text for each of the {n_rows} rows. Got "
                f"{len(texts)}{' characters' if isinstance(texts, str) else ''}."
            )
        return np.array([str(text) for text in texts], dtype=object)
    if is_multiview(data):
        views = as_views(data, name=argument, names=names)
        if view not in views.names:
            raise ValueError(
                f"`{argument}` has no view {view!r}, but {list(views.names)}. Pass it, or "
                f"`{argument}_texts`."
            )
        data = views[view]
    array = data if getattr(data, "ndim", 0) else np.asarray(data)
    if array.shape[0] != n_rows:
        raise ValueError(
            f"`{argument}` has {array.shape[0]} rows where {n_rows} were "
            f"{'indexed. Pass what the retriever was given' if argument == 'gallery' else 'asked'}."
        )
    if array.ndim == 1 and is_text(np.asarray(array)):
        return np.array([str(text) for text in np.asarray(array)], dtype=object)
    return np.asarray(dense(array), dtype=np.float64)


def _labels(asked: Any, found: Any, n_queries: int, n_gallery: int) -> tuple[Any, Any]:
    if asked is None and found is None:
        return None, None
    if asked is None or found is None:
        lacking = "query_labels" if asked is None else "gallery_labels"
        raise ValueError(
            f"`query_labels` and `gallery_labels` are compared: pass both or neither. "
            f"`{lacking}` is None."
        )
    given = {"query_labels": (asked, n_queries), "gallery_labels": (found, n_gallery)}
    for name, (labels, n_rows) in given.items():
        if np.shape(labels) != (n_rows,):
            raise ValueError(
                f"`{name}` must hold one label for each of {n_rows} samples. Got shape "
                f"{np.shape(labels)}."
            )
    return np.asarray(asked), np.asarray(found)


def _shapes(image_shape: Any, names: tuple[str, str], items: Any) -> tuple[Any, Any]:
    """Return the shape of the images in both views, None where features are shown as a strip."""
    widths = [None if _is_texts(item) else item.shape[1] for item in items]
    if isinstance(image_shape, Mapping):
        unknown = [name for name in image_shape if name not in names]
        if unknown:
            raise ValueError(
                f"`image_shape` names {unknown}, and the views shown are {list(names)}."
            )
        found = [
            None if width is None else check_image_shape(image_shape.get(name), width)
            for name, width in zip(names, widths, strict=True)
        ]
        return found[0], found[1]
    if image_shape is None:
        return None, None
    fits = [width is not None and width == np.prod(image_shape) for width in widths]
    if not any(fits):
        # Says what does not fit.
        check_image_shape(image_shape, next((w for w in widths if w is not None), 0))
    shapes = [
        check_image_shape(image_shape, width) if fit and width is not None else None
        for fit, width in zip(fits, widths, strict=True)
    ]
    return shapes[0], shapes[1]


def _is_texts(items: Any) -> bool:
    return np.asarray(items).dtype.kind in "OUS"


def _standardised(items: Any, image_shape: Any) -> Any:
    """Return features shown as strips by how far they are from the mean of the tiles."""
    if _is_texts(items) or image_shape is not None:
        return items
    axes = tuple(range(np.ndim(items) - 1))
    spread = np.std(items, axis=axes)
    if not (spread > 0.0).any():
        return items
    return (items - np.mean(items, axis=axes)) / np.where(spread > 0.0, spread, 1.0)


def _scale(items: Any, image_shape: Any) -> dict[str, Any]:
    if _is_texts(items):
        return {}
    scale = color_scale(items)
    return {**scale, "cmap": "gray_r"} if image_shape and scale["cmap"] == "viridis" else scale


def _draw_item(ax: Any, item: Any, image_shape: Any, scale: dict[str, Any]) -> None:
    if not scale:
        wrapped = textwrap.fill(textwrap.shorten(str(item), 90, placeholder=" …"), 16)
        ax.text(0.5, 0.5, wrapped, ha="center", va="center", fontsize=8, transform=ax.transAxes)
        bare(ax)
    elif image_shape is None:
        ax.imshow(np.asarray(item)[None, :], aspect="auto", interpolation="nearest", **scale)
        bare(ax)
    else:
        show_image(ax, item, image_shape, scale)
