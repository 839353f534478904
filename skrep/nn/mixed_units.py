"""One layer of units of several kinds, side by side."""

import math
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from skrep.nn.units import CategoricalUnits, MultinomialUnits, Units
from skrep.utils.columns import column_slices

__all__ = ["MixedUnits", "parts_of"]


class MixedUnits(Units):
    """A layer whose views hold units of their own kinds; holds no parameters.

    It behaves like a layer of one kind. Views of one kind that stand side by side are treated as
    one block, so that a layer of one kind costs what it costs without this class. Word counts are
    drawn from a softmax of their own in every view, and hidden biases are not scaled by the
    number of words, because there is one hidden layer for views that have words and views that
    have none.

    Parameters
    ----------
    views : sequence of Units
        One layer of units for each view, in order.

    Attributes
    ----------
    views : ModuleList
        As given.
    view_columns : tuple of slice
        Where each view stands.
    parts : tuple of (Units, slice)
        Blocks of one kind, and where each stands.
    """

    domain = "mixed"

    def __init__(self, views: Sequence[Units]) -> None:
        super().__init__(tuple(width for view in views for width in view.widths))
        self.views = nn.ModuleList(views)
        self.view_columns = tuple(column_slices([view.width for view in views]))
        blocks = _merged(views)
        self._blocks = nn.ModuleList(blocks)
        self._columns = column_slices([block.width for block in blocks])
        self.quadratic_columns = tuple(at for block, at in self.parts if block.quadratic)
        self.counted_columns = tuple(at for block, at in self.parts if block.counted)
        self.quadratic = bool(self.quadratic_columns)

    @property
    def parts(self) -> tuple[tuple[Units, slice], ...]:
        """Blocks of one kind, and where each stands."""
        return tuple(zip(self._blocks, self._columns, strict=True))  # type: ignore[arg-type]

    @property
    def by_view(self) -> tuple[tuple[Units, slice], ...]:
        """The layer of each view, and where it stands."""
        return tuple(zip(self.views, self.view_columns, strict=True))  # type: ignore[arg-type]

    def each(self, count: Tensor | None) -> list[tuple[Units, slice, Tensor | None]]:
        """Return the blocks, where they stand and the counts of their rows."""
        found, n_counted = [], 0
        for block, at in self.parts:
            own = None
            if block.counted and count is not None:
                own = count[..., n_counted : n_counted + 1]
                n_counted += 1
            found.append((block, at, own))
        return found

    def select(self, views: Sequence[int]) -> tuple["MixedUnits", Tensor]:
        """Return a layer of some of the views, and the positions of their columns in this one."""
        chosen = MixedUnits([self.views[i] for i in views])  # type: ignore[misc]
        ranges = [torch.arange(c.start, c.stop) for c in (self.view_columns[i] for i in views)]
        return chosen, torch.cat(ranges)

    def base_energy(self, x: Tensor) -> Tensor:
        """Return the sum of the views' base energies."""
        return _total([block.base_energy(x[..., at]) for block, at in self.parts])

    def log_partition(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the sum of the views' log-partition functions; one word without a count."""
        return _total([b.log_partition(field[..., at], own) for b, at, own in self.each(count)])

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the expected states; probabilities of the words without a count."""
        parts = [block.mean(field[..., at], own) for block, at, own in self.each(count)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Turn `field` into the expected states."""
        for block, at, own in self.each(count):
            block.mean_(field[..., at], own)
        return field

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with draws, view by view."""
        for block, at, own in self.each(count):
            block.draw_(field[..., at], out[..., at], generator, own)
        return out

    def n_states(self) -> float:
        """Return the product of the views' numbers of states."""
        return math.prod(block.n_states() for block, _ in self.parts)

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Return combinations of the views' states, those of the first changing fastest."""
        numbers = torch.arange(start, stop, device=like.device)
        found = []
        for block, _ in self.parts:
            own = int(block.n_states())
            found.append(block.states(0, own, like)[numbers % own])
            numbers = numbers // own
        return torch.cat(found, dim=1)


def parts_of(units: Units) -> tuple[tuple[Units, slice], ...]:
    """Return the blocks of one kind that a layer consists of, and where each stands.

    Parameters
    ----------
    units : Units
        A layer, of one kind or mixed.

    Returns
    -------
    tuple of (Units, slice)
    """
    return units.parts if isinstance(units, MixedUnits) else ((units, slice(0, units.width)),)


def _merged(views: Sequence[Units]) -> list[Units]:
    """Return the views, neighbours of one kind as one block; words keep their vocabularies."""
    blocks: list[Units] = []
    for _, run in groupby(views, type):
        alike = list(run)
        kind = type(alike[0])
        if issubclass(kind, MultinomialUnits):
            blocks.extend(type(one)(one.widths) for one in alike)
            continue
        widths = [width for one in alike for width in one.widths]
        blocks.append(kind(widths if issubclass(kind, CategoricalUnits) else (sum(widths),)))
    return blocks


def _total(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).sum(dim=0)
