"""Neighbours across views: the texts that belong to an image."""

import warnings
from importlib.util import find_spec
from numbers import Integral
from typing import Any, ClassVar, Final, Literal

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrep._views_arrays import dense
from skrep.compose._neighbors import ApproximateIndex, ExactIndex
from skrep.utils.sklearn_private import HasMethods, StrOptions, fit_context
from skrep.views import Views, as_views, is_multiview

__all__ = ["CrossModalRetriever"]

# From here on "auto" searches a graph, if it can: a query of 128 numbers then takes tens of
# milliseconds by comparing it with all.
_MANY: Final = 500_000
_MODEL: Final = HasMethods(["fit", "transform_each"])


class CrossModalRetriever(BaseEstimator):
    """Find the items of a gallery that belong to a query in another view.

    Codes of a gallery's views are computed once and kept in an index; a query's code is compared
    with those of the view that is searched.

    Parameters
    ----------
    estimator : estimator
        A model with a code per view in one space: one with `transform_each`, such as `CCA`, `DCCA`,
        `CLIP`, `MultimodalVAE`, `MultimodalRBM` or `MultimodalAutoencoder`, or a Pipeline that
        ends in one. `fit` trains a clone; a `FrozenEstimator` is taken as it is.
    metric : {"cosine", "euclidean"}, default="cosine"
        What is near: the angle between codes, or their distance.
    algorithm : {"auto", "exact", "approximate"}, default="auto"
        "exact" compares a query with every item, block by block. "approximate" walks a graph of
        neighbours, which finds nearly all of them in a small part of the time, after minutes of
        building it for a million items; it needs the package usearch. "auto" is exact up to
        500000 items, and beyond where usearch is not installed.
    n_jobs : int or None, default=None
        Threads that build and search the graph. None is 1, which makes it repeatable; -1 takes
        all cores. No effect on the exact search, whose matrix products have threads of their own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.
    view_names_in_ : tuple of str
        Names of the views.
    indexes_ : dict of str to index
        For each view that the gallery has, the index of its codes.
    rows_ : dict of str to ndarray
        For each of them, the rows of the gallery that have it.
    n_gallery_ : int
        Rows of the gallery.
    n_skipped_ : dict of str to int
        Rows that lack a view, which a search for that view cannot find.
    algorithm_ : {"exact", "approximate"}
        What "auto" became.

    See Also
    --------
    skrep.metrics.mean_average_precision : How good the ranking is.
    sklearn.neighbors.NearestNeighbors : Neighbours within one view.

    Notes
    -----
    An exact search of q queries among n items costs O(q * n * n_components); its memory is that of
    the codes and of a block of similarities, whatever q and n. The graph takes half as much
    memory as the codes once more, and 150 bytes an item. Retrievers pickle with their indexes.

    References
    ----------
    .. [1] Malkov, Y. A. and Yashunin, D. A. "Efficient and robust approximate nearest neighbor
       search using hierarchical navigable small world graphs." IEEE TPAMI 42(4), 2020.

    Examples
    --------
    >>> from skrep import CLIP, Views
    >>> from skrep.compose import CrossModalRetriever
    >>> from skrep.datasets import make_multiview
    >>> image, text = make_multiview(200, random_state=0)
    >>> views = Views({"image": image, "text": text})
    >>> model = CLIP(n_components=4, max_epochs=5, random_state=0)
    >>> retriever = CrossModalRetriever(model).fit(views)
    >>> distances, rows = retriever.kneighbors(text[:3], source="text", target="image")
    >>> rows.shape
    (3, 10)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [_MODEL, Pipeline, FrozenEstimator],
        "metric": [StrOptions({"cosine", "euclidean"})],
        "algorithm": [StrOptions({"auto", "exact", "approximate"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        metric: Literal["cosine", "euclidean"] = "cosine",
        algorithm: Literal["auto", "exact", "approximate"] = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.metric = metric
        self.algorithm = algorithm
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> "CrossModalRetriever":
        """Fit a clone of the model and index the same samples as a gallery.

        Parameters
        ----------
        X : several views, or what the model takes
            Samples to learn from, and to search; `index` replaces the gallery. A frozen model is
            not trained.
        y : array-like of shape (n_samples,) or None, default=None
            Handed to the model's `fit`.

        Returns
        -------
        self : CrossModalRetriever

        Raises
        ------
        TypeError
            If a Pipeline does not end in, or a FrozenEstimator does not hold, a model with a code
            per view.
        ImportError
            If `algorithm="approximate"` and usearch is not installed.
        sklearn.exceptions.NotFittedError
            If a frozen model was not fitted.

        Warns
        -----
        UserWarning
            If samples lack a view.
        """
        if isinstance(self.estimator, FrozenEstimator):
            inner = self.estimator.estimator
            check_is_fitted(inner)
        else:
            inner = clone(self.estimator)
        last = inner[-1] if isinstance(inner, Pipeline) else inner
        if not _MODEL.is_satisfied_by(last):
            raise TypeError(
                f"What a Pipeline ends in, or a FrozenEstimator holds, must be a model with a code "
                f"per view (`transform_each`), such as `CLIP` or `CCA`. Got {last!r}."
            )
        if not isinstance(self.estimator, FrozenEstimator):
            inner.fit(X, y)
        self.estimator_ = inner
        self._splits_matrix = not is_multiview(X)
        return self._index(X)

    @fit_context(prefer_skip_nested_validation=False)
    def index(self, gallery: Any) -> "CrossModalRetriever":
        """Replace the gallery.

        Parameters
        ----------
        gallery : several views
            What is searched. Views that are None, or left out of a dict, are not indexed; rows
            that lack a view are skipped in its index.

        Returns
        -------
        self : CrossModalRetriever

        Raises
        ------
        ValueError
            If the gallery does not match what the model was fitted on.

        Warns
        -----
        UserWarning
            If some samples lack a view that others have.
        """
        check_is_fitted(self, "estimator_")
        return self._index(gallery)

    def kneighbors(
        self,
        query: Any,
        source: str | None = None,
        target: str | None = None,
        n_neighbors: int = 10,
        return_distance: bool = True,
    ) -> Any:
        """Return the items of the gallery whose `target` is nearest to the query's `source`.

        Parameters
        ----------
        query : array-like or sparse matrix of shape (n_queries, n_features), or several views
            The view `source` alone, or among others, which are not looked at. All views in one
            matrix, where the model was fitted on one (a Pipeline with `SplitViews`).
        source : str or None, default=None
            View that the query is in. None, with two views, is the one that is not `target`.
        target : str or None, default=None
            View that is searched. None, with two views, is the one that is not `source`.
        n_neighbors : int, default=10
            How many.
        return_distance : bool, default=True
            Whether to return distances, too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            1 - cosine, or Euclidean; rising. Only with `return_distance`.
        rows : ndarray of shape (n_queries, n_neighbors)
            Rows of the gallery, nearest first.

        Raises
        ------
        ValueError
            If a view is not one of the model's, the gallery has fewer items with the view
            `target` than are asked for, or a query lacks `source`.

        Examples
        --------
        >>> from skrep import CLIP
        >>> from skrep.compose import CrossModalRetriever
        >>> from skrep.datasets import make_multiview
        >>> views = make_multiview(200, random_state=0)
        >>> model = CLIP(n_components=4, max_epochs=5, random_state=0)
        >>> retriever = CrossModalRetriever(model).fit(views)
        >>> retriever.kneighbors(views[1], "view1", n_neighbors=1, return_distance=False).shape
        (200, 1)
        """
        check_is_fitted(self, "indexes_")
        if isinstance(query, str):
            raise ValueError(
                f"`query` is one text, {query!r}. Pass a list of texts: `[{query!r}]`."
            )
        source, target = self._two_views(source, target)
        index = self._index_of(target, n_neighbors)
        distances, positions = index.query(self._query_codes(query, source), int(n_neighbors))
        rows = self.rows_[target][positions]
        return (distances, rows) if return_distance else rows

    def _index(self, gallery: Any) -> "CrossModalRetriever":
        gallery = self._filled(gallery)
        # No model takes a sample that has nothing.
        kept = None
        if is_multiview(gallery):
            gallery = as_views(gallery, names=self._names())
            some = np.asarray(gallery.present).any(axis=1)
            kept = None if some.all() else np.flatnonzero(some)
        codes = self._codes(gallery if kept is None else gallery[kept])
        self.view_names_in_ = tuple(codes.names)
        self.n_gallery_ = n = len(codes) if kept is None else len(gallery)
        self.algorithm_ = self._chosen_algorithm(n)
        present = dict(zip(codes.names, np.asarray(codes.present).T, strict=True))
        self.n_skipped_ = {name: n - int(there.sum()) for name, there in present.items()}
        places = {name: np.flatnonzero(there) for name, there in present.items() if there.any()}
        self.indexes_ = {name: self._built(codes[name], rows) for name, rows in places.items()}
        self.rows_ = places if kept is None else {m: kept[rows] for m, rows in places.items()}
        partly = {name: s for name, s in self.n_skipped_.items() if 0 < s < n}
        if partly:
            counts = ", ".join(f"{name!r} in {count}" for name, count in partly.items())
            warnings.warn(
                f"Of {n} samples in the gallery some lack a view: {counts}. A search for "
                f"that view cannot find them; `n_skipped_` has the counts.",
                stacklevel=4,
            )
        return self

    def _chosen_algorithm(self, n_items: int) -> str:
        if self.algorithm != "auto":
            return self.algorithm
        return "approximate" if n_items > _MANY and find_spec("usearch") is not None else "exact"

    def _built(self, codes: Any, rows: np.ndarray) -> ExactIndex | ApproximateIndex:
        codes = np.asarray(dense(codes))
        codes = codes if len(rows) == len(codes) else codes[rows]
        if self.algorithm_ == "exact":
            return ExactIndex(codes, self.metric)
        n_jobs = 1 if self.n_jobs is None else self.n_jobs
        return ApproximateIndex(codes, self.metric, max(0, n_jobs))

    def _codes(self, X: Any) -> Views:
        """Return the code of each view of each sample."""
        model = self.estimator_
        if isinstance(model, Pipeline):
            for _, step in model.steps[:-1]:
                X = X if step in (None, "passthrough") else step.transform(X)
            model = model[-1]
        codes: Views = model.transform_each(X)
        return codes

    def _names(self) -> tuple[str, ...] | None:
        model = self.estimator_
        model = model[-1] if isinstance(model, Pipeline) else model
        names = getattr(model, "view_names_in_", None)
        return None if names is None else tuple(str(name) for name in names)

    def _filled(self, X: Any) -> Any:
        """Return views with None for those of the model's that are not there."""
        names = self._names()
        if names is None or not is_multiview(X):
            return X
        views = as_views(X, names=names)
        unknown = [name for name in views.names if name not in names]
        if unknown or set(views.names) == set(names):
            return X
        return _completed(views, views.names, names)

    def _two_views(self, source: str | None, target: str | None) -> tuple[str, str]:
        names = list(self.view_names_in_)
        for argument, name in (("source", source), ("target", target)):
            if name is not None and name not in names:
                raise ValueError(
                    f"`{argument}` must be one of the views that the model was fitted on, {names}. "
                    f"Got {name!r}."
                )
        if source is not None and target is not None:
            return source, target
        if source is target or len(names) != 2:
            raise ValueError(
                f"There are the views {names}: say in which of them the query is with `source`, "
                f"and which is searched with `target`. Got source={source!r}, target={target!r}."
            )
        other = names[1 - names.index(str(source if target is None else target))]
        return (str(source), other) if target is None else (other, target)

    def _index_of(self, target: str, n_neighbors: Any) -> ExactIndex | ApproximateIndex:
        if target not in self.indexes_:
            raise ValueError(
                f"No sample of the gallery has the view {target!r}. Search one of "
                f"{list(self.indexes_)}, or call `index` with a gallery that has it."
            )
        index = self.indexes_[target]
        whole = isinstance(n_neighbors, Integral) and not isinstance(n_neighbors, bool)
        if not whole or not 1 <= n_neighbors <= len(index):
            raise ValueError(
                f"`n_neighbors` must be an integer from 1 to {len(index)}, the number of samples "
                f"in the gallery with the view {target!r}. Got {n_neighbors!r}."
            )
        return index

    def _query_codes(self, query: Any, source: str) -> np.ndarray:
        names = self.view_names_in_
        if not self._splits_matrix:
            if not is_multiview(query):
                query = Views({n: query if n == source else None for n in names})
            query = self._filled(_alone(as_views(query, names=names), source, names))
        codes = self._codes(query)
        _refuse_absent(np.asarray(codes.present)[:, codes.names.index(source)], source)
        return np.asarray(dense(codes[source]))


def _alone(views: Views, source: str, names: tuple[str, ...]) -> Views:
    """Return the view `source` of a query, with None for the others, which nothing depends on."""
    if source not in views.names or not set(views.names) <= set(names):
        return views
    _refuse_absent(np.asarray(views.present)[:, views.names.index(source)], source)
    return _completed(views, (source,), names)


def _completed(views: Views, kept: tuple[str, ...], names: tuple[str, ...]) -> Views:
    """Return the views under `names`, None for those that are not kept."""
    present = np.zeros((len(views), len(names)), dtype=bool)
    for name in kept:
        present[:, names.index(name)] = np.asarray(views.present)[:, views.names.index(name)]
    return Views(tuple(views[n] if n in kept else None for n in names), names, present)


def _refuse_absent(there: np.ndarray, source: str) -> None:
    if not there.all():
        raise ValueError(
            f"The query lacks the view {source!r} in row {int(np.flatnonzero(~there)[0])} "
            f"({int((~there).sum())} of {len(there)}). Drop those rows, or name another view "
            f"as `source`."
        )
