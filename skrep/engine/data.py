"""A data set that hands out whole batches: from memory, from a memory map or from CSR."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from skrep.engine.device import free_bytes
from skrep.nn.module import Batch

__all__ = ["BatchIterator", "ViewData"]

# Up to this many bytes an array of another dtype is converted once instead of batch by batch.
_SMALL = 64 * 2**20


class ViewData:
    """Views in their own storage, converted a batch at a time.

    Dense rows are gathered, memory-mapped rows read and CSR rows made dense per batch; only small
    arrays of another dtype are converted as a whole. On another device dense views are moved once
    if they fit; what does not fit is streamed.

    Parameters
    ----------
    arrays : sequence of ndarray or CSR of shape (n_samples, width)
        One per view.
    present : ndarray of shape (n_samples, n_views) or None
        False where a view is absent.
    y : ndarray of shape (n_samples,) or None
        Labels, handed through.
    dtype : torch.dtype
        Of the batches.
    device : torch.device
        Of the batches.
    """

    def __init__(
        self,
        arrays: Sequence[Any],
        present: np.ndarray | None = None,
        y: np.ndarray | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self.n_samples = int(arrays[0].shape[0])
        self._numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
        # A copy: torch takes no read-only array, as `Views.present` is one.
        self._present = None if present is None else np.array(present, dtype=bool)
        self._y = y
        self._sources: list[Any] = list(arrays)
        if self.device.type == "cpu":
            self._convert_small()
            self._gathered = [_shared(source, dtype) for source in self._sources]
        else:
            self._move()
            self._gathered = [s if isinstance(s, Tensor) else None for s in self._sources]
        # skorch's scoring callbacks look for these two.
        self.X, self.y = tuple(arrays), y

    def __len__(self) -> int:
        return self.n_samples

    def _convert_small(self) -> None:
        for i, source in enumerate(self._sources):
            other = type(source) is np.ndarray and source.dtype != self._numpy_dtype
            if other and source.size * self.dtype.itemsize <= _SMALL:
                self._sources[i] = _to_tensor(source, self._numpy_dtype)

    def _move(self) -> None:
        budget = free_bytes(self.device)
        for i, source in enumerate(self._sources):
            size = self.n_samples * source.shape[1] * self.dtype.itemsize
            if sp.issparse(source) or size > budget:
                continue
            budget -= size
            self._sources[i] = _to_tensor(source, self._numpy_dtype).to(self.device)

    def batch(self, rows: np.ndarray | slice) -> Batch:
        """Return the rows asked for, dense, in the working dtype and on the device."""
        if isinstance(rows, slice):
            index = None
            views = tuple(self._cut(source, rows) for source in self._sources)
        else:
            index = torch.from_numpy(rows)
            on_device = index if self.device.type == "cpu" else index.to(self.device)
            views = tuple(
                self._to_device(_take(source, rows, self._numpy_dtype))
                if gathered is None
                else gathered.index_select(0, on_device)
                for source, gathered in zip(self._sources, self._gathered, strict=True)
            )
        present = None
        if self._present is not None:
            present = torch.from_numpy(np.ascontiguousarray(self._present[rows])).to(self.device)
        y = None if self._y is None else torch.as_tensor(self._y[rows], device=self.device)
        return Batch(views, present, index, y)

    def _cut(self, source: Any, rows: slice) -> Tensor:
        if isinstance(source, Tensor):
            return source[rows]
        cut = source[rows].toarray() if sp.issparse(source) else source[rows]
        return self._to_device(_to_tensor(cut, self._numpy_dtype))

    def _to_device(self, tensor: Tensor) -> Tensor:
        return tensor if self.device.type == "cpu" else tensor.to(self.device)


def _take(source: Any, rows: np.ndarray, dtype: type) -> Tensor:
    taken = source[rows].toarray() if sp.issparse(source) else source.take(rows, axis=0)
    return _to_tensor(taken, dtype)


def _shared(source: Any, dtype: torch.dtype) -> Tensor | None:
    """Return a tensor on the memory of `source`, from which rows are only ever copied, or None."""
    if isinstance(source, Tensor):
        return source
    fits = type(source) in (np.ndarray, np.memmap) and source.flags.c_contiguous
    if not fits or source.dtype != (np.float64 if dtype == torch.float64 else np.float32):
        return None
    return torch.from_numpy(np.asarray(_Writeable(source)))


class _Writeable:
    """A view of read-only memory that torch takes without a warning; nobody writes to it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array  # keeps the memory alive
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def _to_tensor(array: np.ndarray, dtype: type) -> Tensor:
    if array.dtype != dtype or not array.flags.c_contiguous or not array.flags.writeable:
        # torch refuses to share memory that it must not write; slices of such data are copied.
        array = np.array(array, dtype=dtype, order="C")
    return torch.from_numpy(array)


class BatchIterator:
    """Go through a data set once per iteration, in batches of whole arrays.

    Parameters
    ----------
    data : ViewData
        What is gone through.
    batch_size : int
        Rows a batch; the last one is smaller.
    rows : ndarray of int or None, default=None
        Only these rows; None takes all.
    order : torch.Generator or None, default=None
        Draws a fresh permutation for every pass; None keeps the order.
    min_batch_size : int, default=1
        A last batch with fewer rows joins the one before it.
    share : tuple of int, default=(0, 1)
        (rank, world size): this process's part of every batch.
    """

    def __init__(
        self,
        data: ViewData,
        batch_size: int,
        *,
        rows: np.ndarray | None = None,
        order: torch.Generator | None = None,
        min_batch_size: int = 1,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.data = data
        self._rows = rows
        self._order = order
        self._share = share
        n = data.n_samples if rows is None else len(rows)
        starts = list(range(0, n, batch_size))
        if len(starts) > 1 and n - starts[-1] < min_batch_size:
            starts.pop()
        self._bounds = list(zip(starts, [*starts[1:], n], strict=True))
        #: Rows of each batch, in order.
        self.sizes = np.array([stop - start for start, stop in self._bounds])

    def __len__(self) -> int:
        return len(self._bounds)

    def __iter__(self) -> Iterator[Batch]:
        rank, world = self._share
        rows = self._next_rows()
        for start, stop in self._bounds:
            if rows is None:
                yield self.data.batch(slice(start, stop))
            else:
                yield self.data.batch(rows[start + rank : stop : world])

    def _next_rows(self) -> np.ndarray | None:
        if self._order is None:
            return self._rows
        n = self.data.n_samples if self._rows is None else len(self._rows)
        drawn = torch.randperm(n, generator=self._order).numpy()
        return drawn if self._rows is None else self._rows[drawn]
