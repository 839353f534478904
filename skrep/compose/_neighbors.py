"""Nearest codes, exact by blocks of a matrix product or approximate by a graph of neighbours."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import numpy as np

__all__ = ["ApproximateIndex", "ExactIndex"]

# Entries of the block of similarities that is held at a time.
_BLOCK_ENTRIES: Final = 2**22
_QUERY_ROWS: Final = 1024
# Neighbours that the graph search keeps in view. More finds more and takes longer.
_EXPANSION: Final = 128
# Rows whose copy in half precision is made at a time.
_ADDED_ROWS: Final = 2**16
# Squared distances in float32 are differences of numbers that may be much larger; below this
# share of them too few digits are left to tell neighbours apart.
_RESOLVED: Final = 3e-4


class ExactIndex:
    """Codes of a gallery, compared with a query one by one.

    Parameters
    ----------
    codes : ndarray of shape (n_items, n_components)
        Finite.
    metric : {"cosine", "euclidean"}
        What is near.
    """

    def __init__(self, codes: np.ndarray, metric: str) -> None:
        self.metric = metric
        self.shift = np.zeros(codes.shape[1], dtype=codes.dtype)
        if metric == "euclidean":
            # Distances do not see a common shift, and their squares lose digits to a large one.
            self.shift = codes.mean(axis=0, dtype=np.float64).astype(codes.dtype)
        self.codes = self._prepared(codes)
        self.squares = None
        if metric == "euclidean":
            self.squares = np.einsum("ij,ij->i", self.codes, self.codes)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.codes)

    def query(self, codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and positions of the k nearest items, nearest first.

        Parameters
        ----------
        codes : ndarray of shape (n_queries, n_components)
            Finite.
        k : int
            At most the number of items.

        Returns
        -------
        distances : ndarray of shape (n_queries, k)
            In float64: 1 - cosine, or Euclidean.
        positions : ndarray of shape (n_queries, k)
            In the gallery's codes.
        """
        return self.search(codes, k, self._nearest)

    def search(
        self, codes: np.ndarray, k: int, candidates: Callable[[np.ndarray, int], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Do the same among k or more candidates for each of a block of prepared queries."""
        prepared = self._prepared(codes)
        step = max(1, min(_QUERY_ROWS, _BLOCK_ENTRIES // max(1, k * codes.shape[1])))
        found = [
            self._measured(part, candidates(part, k))
            for part in (prepared[i : i + step] for i in range(0, len(prepared), step))
        ]
        distances, positions = zip(*found, strict=True)
        return np.vstack(distances)[:, :k], np.vstack(positions)[:, :k]

    def _prepared(self, codes: np.ndarray) -> np.ndarray:
        made = np.array(codes, dtype=self.shift.dtype, order="C")
        if self.metric == "euclidean":
            made -= self.shift
            return made
        # Divided by the largest entry first: squares of tiny or huge codes leave the range.
        largest = np.abs(made).max(axis=1, keepdims=True, initial=0.0)
        made /= np.where(largest > 0.0, largest, 1.0)
        length = np.sqrt(np.einsum("ij,ij->i", made, made))[:, None]
        made /= np.where(length > 0.0, length, 1.0)
        return made

    def _nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Return positions of the k nearest items, in any order, (n_queries, k)."""
        places = self._candidates(queries, k)
        if self.squares is None or queries.dtype == np.float64:
            return places
        farthest = self._measured(queries, places)[0][:, -1]
        size = np.einsum("ij,ij->i", queries, queries) + self.squares[places].max(axis=1)
        near = farthest**2 < _RESOLVED * size
        if near.any():
            places[near] = self._candidates(queries[near].astype(np.float64), k)
        return places

    def _candidates(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Return positions of the k items of highest score, in the precision of the queries."""
        n_rows = max(k, _BLOCK_ENTRIES // len(queries))
        scores = np.empty((len(queries), 0), dtype=queries.dtype)
        places = np.empty((len(queries), 0), dtype=np.intp)
        for start in range(0, len(self.codes), n_rows):
            items = self.codes[start : start + n_rows].astype(queries.dtype, copy=False)
            block = queries @ items.T
            if self.squares is not None:
                squares = self.squares[start : start + n_rows]
                if squares.dtype != queries.dtype:
                    squares = np.einsum("ij,ij->i", items, items)
                block *= 2.0
                block -= squares
            here, best = _largest(block, k)
            scores = np.hstack([scores, best])
            places = np.hstack([places, here + start])
            kept, scores = _largest(scores, k)
            places = np.take_along_axis(places, kept, axis=1)
        return places

    def _measured(self, queries: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return exact distances of candidates and their positions, in order."""
        items = self.codes[places].astype(np.float64)
        if self.metric == "cosine":
            cosines = np.einsum("ijk,ik->ij", items, queries.astype(np.float64))
            distances = np.clip(1.0 - cosines, 0.0, 2.0)
        else:
            items -= queries[:, None]
            distances = np.sqrt(np.einsum("ijk,ijk->ij", items, items))
        # Equal distances in the order of the gallery.
        order = np.lexsort((places, distances), axis=1)
        near, where = (np.take_along_axis(a, order, axis=1) for a in (distances, places))
        return near, where


def _largest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns, rising, and values of the k largest entries of each row.

    Of equal entries the first ones.
    """
    if scores.shape[1] <= k:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape), scores
    columns = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
    edge = np.take_along_axis(scores, columns, axis=1).min(axis=1, keepdims=True)
    for row in np.flatnonzero((scores >= edge).sum(axis=1) > k):
        above = np.flatnonzero(scores[row] > edge[row])
        level = np.flatnonzero(scores[row] == edge[row])
        columns[row] = np.concatenate([above, level[: k - len(above)]])
    columns.sort(axis=1)
    return columns, np.take_along_axis(scores, columns, axis=1)


class ApproximateIndex:
    """A graph of neighbours, which a search walks, over the codes of a gallery.

    The graph is in half precision; distances of what is found are exact.

    Parameters
    ----------
    codes : ndarray of shape (n_items, n_components)
        Finite.
    metric : {"cosine", "euclidean"}
        What is near.
    n_threads : int
        Of building and searching; 0 takes all cores. With one thread an index is repeatable.
    """

    def __init__(self, codes: np.ndarray, metric: str, n_threads: int) -> None:
        library = load_usearch()
        self.exact = ExactIndex(codes, metric)
        self.n_threads = n_threads
        self._graph = library.Index(
            ndim=codes.shape[1],
            metric="l2sq" if metric == "euclidean" else "cos",
            dtype="f16",
            connectivity=16,
            expansion_add=64,
            expansion_search=_EXPANSION,
        )
        # Half precision has less than half the range, too.
        self._size = max(float(np.abs(self.exact.codes).max(initial=0.0)), 1e-30)
        keys = np.arange(len(codes), dtype=np.uint64)
        for start in range(0, len(codes), _ADDED_ROWS):
            part = slice(start, start + _ADDED_ROWS)
            self._graph.add(keys[part], self._halved(self.exact.codes[part]), threads=n_threads)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.exact)

    def query(self, codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and positions of items that are near, as `ExactIndex.query`."""
        self._graph.expansion_search = max(_EXPANSION, 4 * k)
        return self.exact.search(codes, k, self._candidates)

    def _candidates(self, queries: np.ndarray, k: int) -> np.ndarray:
        # Rounding swaps neighbours: some more are found, and the exact distances decide.
        count = min(2 * k, len(self))
        given = self._halved(queries)
        if len(given) == 1:  # one query would come back in another shape
            given = np.repeat(given, 2, axis=0)
        found = self._graph.search(given, count, threads=self.n_threads)
        places = np.asarray(found.keys)[: len(queries)].astype(np.intp)
        # A walk that ends early has met a part of the graph without a way out.
        short = np.asarray(found.counts)[: len(queries)] < count
        if short.any():
            places[short] = self.exact._nearest(queries[short], count)
        return places

    def _halved(self, codes: np.ndarray) -> np.ndarray:
        return (codes / self._size).astype(np.float16)

    def __getstate__(self) -> dict[str, Any]:
        """Hold the graph as bytes, which pickle takes."""
        return {**vars(self), "_graph": bytes(self._graph.save())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the graph of its bytes."""
        vars(self).update(state)
        self._graph = load_usearch().Index.restore(state["_graph"])


def load_usearch() -> Any:
    """Return the module that holds the approximate index.

    Raises
    ------
    ImportError
        If usearch is not installed.
    """
    try:
        return import_module("usearch.index")
    except ImportError as error:
        raise ImportError(
            "`algorithm='approximate'` needs the package usearch, which is not installed. "
            "`pip install 'skrep[retrieval]'` installs it; `algorithm='exact'` needs nothing."
        ) from error
