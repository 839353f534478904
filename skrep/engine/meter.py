"""Losses of an epoch, kept on the device and read once."""

import math

import numpy as np
import torch
from torch import Tensor

from skrep.nn.module import LossTerms

__all__ = ["LossMeter"]


class LossMeter:
    """Collect the loss of every batch without waiting for the device.

    Examples
    --------
    >>> meter = LossMeter()
    >>> meter.add(LossTerms(torch.tensor(2.0)))
    >>> meter.means(np.array([10]))
    {'loss': 2.0}
    """

    def __init__(self) -> None:
        self._totals: list[Tensor] = []
        self._terms: dict[str, list[Tensor]] = {}
        self._values = np.empty((0, 0))

    def add(self, terms: LossTerms) -> None:
        """Take note of one batch."""
        self._totals.append(terms.total.detach())
        for name, value in terms.terms.items():
            self._terms.setdefault(name, []).append(value.detach())

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
        rows = [torch.stack(self._totals)]
        rows += [torch.stack(values) for values in self._terms.values()]
        stacked = torch.stack(rows) if len(rows) > 1 else rows[0][None]
        self._values = stacked.double().cpu().numpy()
        weights = sizes[: self._values.shape[1]] / sizes[: self._values.shape[1]].sum()
        return dict(zip(["loss", *self._terms], map(float, self._values @ weights), strict=True))

    def first_bad_batch(self) -> tuple[int, float, float] | None:
        """Return (batch from 1, its loss, the last finite loss before it or NaN), or None."""
        totals = self._values[0]
        bad = np.flatnonzero(~np.isfinite(totals))
        if len(bad) == 0:
            return None
        first = int(bad[0])
        return first + 1, float(totals[first]), float(totals[first - 1]) if first else math.nan
