r"""Contrastive language-image pre-training and its kin: a tower per view, codes on the sphere.

Objective, a mean over pairs of views: InfoNCE or the pairwise sigmoid loss of
`skrep.functional.contrastive`, between codes of unit length, over the samples that have both
views of the pair.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from skrep.functional.contrastive import info_nce, pairwise_sigmoid
from skrep.nn.module import Batch, LossTerms, RepresentationModule
from skrep.nn.scaling import ViewScaler

__all__ = ["OBJECTIVES", "BoundedTemperature", "CLIPModule"]

OBJECTIVES: Final = ("infonce", "sigmoid")


class BoundedTemperature(nn.Module):
    r"""A positive number that training moves between two bounds and never beyond.

    Its logarithm is :math:`l + (u - l)\,\sigma(w)` with the free weight w: unlike a number that
    is clipped, it always has a gradient, so it can leave the neighbourhood of a bound again.

    Parameters
    ----------
    value : float
        Where it starts, strictly between the bounds.
    low, high : float
        Bounds, positive.
    learned : bool, default=True
        Whether it moves at all.
    """

    weight: Tensor

    def __init__(self, value: float, low: float, high: float, *, learned: bool = True) -> None:
        super().__init__()
        self.log_low, self.log_high = math.log(low), math.log(high)
        share = (math.log(value) - self.log_low) / (self.log_high - self.log_low)
        weight = torch.tensor(math.log(share) - math.log1p(-share))
        if learned:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self) -> Tensor:
        """Return the number, a tensor of shape ()."""
        return torch.exp(self.log_low + (self.log_high - self.log_low) * torch.sigmoid(self.weight))


class CLIPModule(RepresentationModule):
    """Towers, a temperature and a contrastive loss.

    Parameters
    ----------
    scalers : sequence of ViewScaler
        One per view, between the caller's units and working units.
    towers : sequence of torch.nn.Module
        One per view, (rows, width) to (rows, n_components).
    temperature : BoundedTemperature
        Of the similarities.
    objective : {"infonce", "sigmoid"}, default="infonce"
        The loss.
    bias : float, default=0.0
        Where the learned bias of the sigmoid loss starts.
    chunk_rows : int or None, default=None
        Rows that are encoded with all intermediate values kept. A larger batch is encoded chunk
        by chunk without them, and each chunk once more when its gradient is due.
    smallest : int, default=2
        A last batch with fewer rows joins the one before it.
    """

    def __init__(
        self,
        scalers: Sequence[ViewScaler],
        towers: Sequence[nn.Module],
        temperature: BoundedTemperature,
        *,
        objective: str = "infonce",
        bias: float = 0.0,
        chunk_rows: int | None = None,
        smallest: int = 2,
    ) -> None:
        super().__init__()
        self.scalers = nn.ModuleList(scalers)
        self.towers = nn.ModuleList(towers)
        self.temperature = temperature
        self.objective = objective
        self.bias = nn.Parameter(torch.tensor(bias)) if objective == "sigmoid" else None
        self.chunk_rows = chunk_rows
        self.min_batch_size = smallest

    def encode_view(self, i: int, view: Tensor) -> Tensor:
        """Return the codes of view i, (rows, n_components), of unit length."""
        x = self.scalers[i].join((view,))  # type: ignore[operator]
        return F.normalize(self.towers[i](x), dim=1)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes of all views side by side, NaN where a view is absent."""
        codes = [self.encode_view(i, view) for i, view in enumerate(batch.views)]
        if batch.present is not None:
            codes = [
                torch.where(there[:, None], code, torch.nan)
                for code, there in zip(codes, batch.present.T, strict=True)
            ]
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Raise: the towers lead one way only, and the estimator decodes by regression."""
        raise NotImplementedError("CLIP has no decoder network; use the estimator's.")

    def training_loss(self, batch: Batch, generator: torch.Generator) -> LossTerms:
        """Return the mean over pairs of views of the contrastive loss."""
        codes = [self._codes(i, view) for i, view in enumerate(batch.views)]
        temperature = self.temperature()
        losses = [
            self._loss(*pair, temperature)
            for i, j in combinations(range(len(codes)), 2)
            if (pair := _together(codes[i], codes[j], batch, i, j)) is not None
        ]
        if not losses:  # no two samples of the batch share two views
            return LossTerms(0.0 * sum(code.sum() for code in codes))  # type: ignore[arg-type]
        return LossTerms(losses[0] if len(losses) == 1 else torch.stack(losses).mean())

    def _codes(self, i: int, view: Tensor) -> Tensor:
        if self.chunk_rows is None or len(view) <= self.chunk_rows:
            return self.encode_view(i, view)
        # Computed again in the backward pass, with the same draws.
        codes = [
            checkpoint(self.encode_view, i, chunk, use_reentrant=False)
            for chunk in view.split(self.chunk_rows)
        ]
        return torch.cat(codes)

    def _loss(self, a: Tensor, b: Tensor, labels: Tensor | None, temperature: Tensor) -> Tensor:
        if self.bias is None:
            return info_nce(a, b, temperature, labels, block_rows=self.chunk_rows)
        return pairwise_sigmoid(a, b, temperature, self.bias, labels, block_rows=self.chunk_rows)


def _together(
    a: Tensor, b: Tensor, batch: Batch, i: int, j: int
) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """Return codes and labels of the samples that have both views; None for fewer than two."""
    if batch.present is None:
        return a, b, batch.y
    rows = (batch.present[:, i] & batch.present[:, j]).nonzero().ravel()
    if len(rows) < 2:
        return None
    labels = None if batch.y is None else batch.y.index_select(0, rows)
    return a.index_select(0, rows), b.index_select(0, rows), labels
