"""Losses of an epoch, kept on the device and read once."""

import math

import numpy as np
import torch
from torch import Tensor

from skrep.nn.module import LossTerms

__all__ = ["LossMeter"]

_PACK = 64


class LossMeter:
    """Collect the loss of every batch without waiting for the device.

    A small tensor kept for every batch would pin the memory of the batches between them, and
    writing each into place costs a tenth of a small step: losses are packed a few dozen at a time.

    Examples
    --------
    >>> import torch
    >>> meter = LossMeter()
    >>> meter.add(LossTerms(torch.tensor(2.0)))
    >>> meter.means(np.array([10]))
    {'loss': 2.0}
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pending: list[Tensor] = []
        self._packed: list[Tensor] = []
        self._values = np.empty((0, 0))

    def add(self, terms: LossTerms) -> None:
        """Take note of one batch."""
        if not self._names:
            self._names = ["loss", *terms.terms]
        self._pending.append(terms.total.detach())
        self._pending.extend(value.detach() for value in terms.terms.values())
        if len(self._pending) >= _PACK:
            self._pack()

    def _pack(self) -> None:
        if self._pending:
            self._packed.append(torch.stack(self._pending))
            self._pending.clear()

    def means(self, sizes: np.ndarray) -> dict[str, float]:
        """Return the mean of every term over the rows seen (the one synchronisation).

        Parameters
        ----------
        sizes : ndarray of shape (n_batches,)
            Rows of each batch.

        Returns
        -------
        dict of str to float
            "loss" first, then the named terms.
        """
        self._pack()
        if not self._packed:
            return {}
        flat = torch.cat(self._packed).double().cpu().numpy()
        self._values = flat.reshape(-1, len(self._names)).T
        seen = self._values.shape[1]
        weights = sizes[:seen] / sizes[:seen].sum()
        return dict(zip(self._names, map(float, self._values @ weights), strict=True))

    def first_bad_batch(self) -> tuple[int, float, float] | None:
        """Return (batch from 1, its loss, the last finite loss before it or NaN), or None."""
        totals = self._values[0]
        bad = np.flatnonzero(~np.isfinite(totals))
        if len(bad) == 0:
            return None
        first = int(bad[0])
        return first + 1, float(totals[first]), float(totals[first - 1]) if first else math.nan
