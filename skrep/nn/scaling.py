"""Centre and scale of the views, kept inside the module so that they travel with the model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ViewScaler"]


class ViewScaler(nn.Module):
    """Map views to working units, side by side, and back.

    Parameters
    ----------
    centres : sequence of Tensor of shape (width,)
        What is subtracted, one vector per view.
    scales : sequence of Tensor of shape (width,)
        What is divided by, one positive vector per view.
    variances : sequence of float or None, default=None
        Mean variance per feature of each view in the caller's units, whatever the scales are.
    """

    centre: Tensor
    scale: Tensor
    _factor: Tensor
    _shift: Tensor

    def __init__(
        self,
        centres: Sequence[Tensor],
        scales: Sequence[Tensor],
        variances: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.variances = None if variances is None else tuple(variances)
        self.widths = tuple(len(centre) for centre in centres)
        centre, scale = torch.cat(tuple(centres)), torch.cat(tuple(scales))
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        # x / s - c / s as one multiply-add: one pass over the batch instead of two.
        self.register_buffer("_factor", 1.0 / scale)
        self.register_buffer("_shift", -centre / scale)
        self.is_identity = bool((centre == 0).all() and (scale == 1).all())

    def join(self, views: Sequence[Tensor]) -> Tensor:
        """Return the views side by side in working units, shape (rows, sum of widths)."""
        joined = views[0] if len(views) == 1 else torch.cat(tuple(views), dim=1)
        if self.is_identity:
            return joined
        return torch.addcmul(self._shift, joined, self._factor)

    def split(self, joined: Tensor) -> tuple[Tensor, ...]:
        """Return the views, in the caller's units, from their working units side by side."""
        if not self.is_identity:
            joined = torch.addcmul(self.centre, joined, self.scale)
        return tuple(joined.split_with_sizes(self.widths, dim=-1))
