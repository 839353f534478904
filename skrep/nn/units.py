r"""Kinds of units: what a layer of an energy model can hold.

Every kind is an exponential family in its field f (bias plus input over the connections),
:math:`p(x) \propto \exp(f \cdot x - U(x))`: binary (U = 0, x in {0, 1}), gaussian
(:math:`U = x^2/2`), rectified (the same, x >= 0), one-hot blocks (U = 0) and word counts
(U = minus the log of the number of orders, x summing to a given count).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from skrep.functional.energies import (
    binary_states,
    gaussian_log_partition,
    log_multinomial_coefficient,
    rectified_log_partition,
    rectified_mean,
    softplus,
)
from skrep.functional.gibbs import (
    draw_bernoulli_,
    draw_categorical,
    draw_multinomial,
    draw_rectified,
)

__all__ = [
    "HIDDEN_UNITS",
    "VISIBLE_UNITS",
    "BernoulliUnits",
    "CategoricalUnits",
    "GaussianUnits",
    "MultinomialUnits",
    "RectifiedUnits",
    "SeparableUnits",
    "Units",
]


class Units(nn.Module, ABC):
    """A layer of units of one kind; holds no parameters.

    Parameters
    ----------
    widths : sequence of int
        Sizes of the blocks of the layer; one-hot units hold one category per block.
    """

    #: Key of `skrep.utils.domains.DOMAINS`.
    domain: ClassVar[str]
    #: Whether the range is unbounded above, with base energy x^2 / 2, of some unit at least.
    quadratic: bool = False
    #: Columns of those units.
    quadratic_columns: tuple[slice, ...] = ()
    #: Whether rows sum to a count of their own, which scales the hidden biases.
    counted: bool = False
    #: Groups of columns that sum to a count of their own.
    counted_columns: tuple[slice, ...] = ()

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.width = sum(self.widths)

    def count(self, x: Tensor) -> Tensor | None:
        """Return what the rows of `x` sum to, (rows, groups), or None where that plays no part."""
        sums = [x[..., columns].sum(dim=-1, keepdim=True) for columns in self.counted_columns]
        if not sums:
            return None
        return sums[0] if len(sums) == 1 else torch.cat(sums, dim=-1)

    def draw(
        self, field: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Return states drawn given the field, which is left alone."""
        return self.draw_(field.clone(), torch.empty_like(field), generator, count)

    @abstractmethod
    def base_energy(self, x: Tensor) -> Tensor:
        """Return U summed over units, (rows,) of (rows, width)."""

    @abstractmethod
    def log_partition(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the log of the sum over states of exp(field . x - U(x)), (rows,)."""

    @abstractmethod
    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the expected states, of the shape of `field`; differentiable."""

    @abstractmethod
    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Turn `field` into the expected states, in place, and return it."""

    @abstractmethod
    def draw_(
        self,
        field: Tensor,
        out: Tensor,
        generator: torch.Generator,
        count: Tensor | None = None,
    ) -> Tensor:
        """Fill `out` with draws and return it; `field` is left holding the expected states."""

    @abstractmethod
    def n_states(self) -> float:
        """Return how many states a layer has; infinity where they are not a finite set."""

    @abstractmethod
    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Return the states numbered `start` to `stop` - 1, (stop - start, width)."""


class SeparableUnits(Units):
    """Units that are independent given their fields."""

    @abstractmethod
    def log_partition_each(self, field: Tensor) -> Tensor:
        """Return the log-partition function unit by unit."""

    def log_partition(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the sum over units, (rows,)."""
        return self.log_partition_each(field).sum(dim=-1)


class BernoulliUnits(SeparableUnits):
    """Zeros and ones."""

    domain = "unit_interval"

    def base_energy(self, x: Tensor) -> Tensor:
        """Return 0 for every row."""
        return x.new_zeros(x.shape[:-1])

    def log_partition_each(self, field: Tensor) -> Tensor:
        """Return log(1 + exp(field))."""
        return softplus(field)

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the probabilities of a one."""
        return torch.sigmoid(field)

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the probabilities of a one."""
        return field.sigmoid_()

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with zeros and ones."""
        return draw_bernoulli_(field.sigmoid_(), out, generator)

    def n_states(self) -> float:
        """Return 2 to the number of units."""
        return 2.0**self.width

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Return binary expansions."""
        return binary_states(start, stop, self.width, like)


class GaussianUnits(SeparableUnits):
    """Real numbers, normal with variance 1 around the field."""

    domain = "real"
    quadratic = True
    quadratic_columns = (slice(None),)

    def base_energy(self, x: Tensor) -> Tensor:
        """Return half the sum of squares."""
        return 0.5 * x.square().sum(dim=-1)

    def log_partition_each(self, field: Tensor) -> Tensor:
        """Return f^2 / 2 + log(2 pi) / 2."""
        return gaussian_log_partition(field)

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the field."""
        return field

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the field."""
        return field

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with normal numbers."""
        return out.normal_(generator=generator).add_(field)

    def n_states(self) -> float:
        """Return infinity."""
        return math.inf

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Refuse: real numbers cannot be counted."""
        raise TypeError("Gaussian and rectified units have no finite set of states.")


class RectifiedUnits(SeparableUnits):
    """Numbers at or above 0: a normal of variance 1 around the field, cut off below 0."""

    domain = "real"
    quadratic = True
    quadratic_columns = (slice(None),)

    def base_energy(self, x: Tensor) -> Tensor:
        """Return half the sum of squares."""
        return 0.5 * x.square().sum(dim=-1)

    def log_partition_each(self, field: Tensor) -> Tensor:
        """Return the log of the mass of the cut normal, times its constant."""
        return rectified_log_partition(field)

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the mean of the cut normal."""
        return rectified_mean(field)

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the mean of the cut normal."""
        return field.copy_(rectified_mean(field))

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with draws of the cut normal."""
        out.copy_(draw_rectified(field, generator))
        self.mean_(field)
        return out

    def n_states(self) -> float:
        """Return infinity."""
        return math.inf

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Refuse: real numbers cannot be counted."""
        raise TypeError("Gaussian and rectified units have no finite set of states.")


class CategoricalUnits(Units):
    """One-hot blocks: a softmax over each."""

    domain = "one_hot"

    def blocks(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return views of the blocks of `x`."""
        return x.split_with_sizes(self.widths, dim=-1)

    def base_energy(self, x: Tensor) -> Tensor:
        """Return 0 for every row."""
        return x.new_zeros(x.shape[:-1])

    def log_partition(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the sum over blocks of the log of the sum of exponentials."""
        parts = [torch.logsumexp(block, dim=-1) for block in self.blocks(field)]
        return torch.stack(parts).sum(dim=0)

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the probabilities of the categories."""
        return torch.cat([torch.softmax(b, dim=-1) for b in self.blocks(field)], dim=-1)

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the probabilities of the categories."""
        return field.copy_(self.mean(field))

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with one-hot blocks."""
        for block, target in zip(self.blocks(field), self.blocks(out), strict=True):
            target.copy_(draw_categorical(block, generator))
        self.mean_(field)
        return out

    def n_states(self) -> float:
        """Return the product of the numbers of categories."""
        return math.prod(map(float, self.widths))

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Return the combinations of categories, the first block changing fastest."""
        numbers = torch.arange(start, stop, device=like.device)
        parts = []
        for width in self.widths:
            parts.append(nn.functional.one_hot(numbers % width, width))
            numbers = numbers // width
        return torch.cat(parts, dim=1).to(like.dtype)


class MultinomialUnits(Units):
    """Counts of words: as many draws from one softmax as the row has words."""

    domain = "counts"
    counted = True
    counted_columns = (slice(None),)

    def base_energy(self, x: Tensor) -> Tensor:
        """Return minus the log of the number of orders of the words."""
        return -log_multinomial_coefficient(x)

    def log_partition(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return `count` times the log of the sum of exponentials; one word without a count."""
        one = torch.logsumexp(field, dim=-1)
        return one if count is None else one * count.squeeze(-1)

    def mean(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the expected counts; the probabilities of the words without a count."""
        one = torch.softmax(field, dim=-1)
        return one if count is None else one * count

    def mean_(self, field: Tensor, count: Tensor | None = None) -> Tensor:
        """Return the expected counts; the probabilities of the words without a count."""
        return field.copy_(self.mean(field, count))

    def draw_(
        self, field: Tensor, out: Tensor, generator: torch.Generator, count: Tensor | None = None
    ) -> Tensor:
        """Fill `out` with counts that sum to `count`, or with one word a row."""
        if count is None:
            count = field.new_ones(field.shape[0], 1)
        out.copy_(draw_multinomial(field, count, generator))
        self.mean_(field, count)
        return out

    def n_states(self) -> float:
        """Return infinity: it depends on the count, and the hidden side is summed instead."""
        return math.inf

    def states(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Refuse: how many there are depends on the count of a row."""
        raise TypeError("Word counts are summed in closed form, not enumerated.")


VISIBLE_UNITS: Final[dict[str, type[Units]]] = {
    "bernoulli": BernoulliUnits,
    "gaussian": GaussianUnits,
    "categorical": CategoricalUnits,
    "multinomial": MultinomialUnits,
}
HIDDEN_UNITS: Final[dict[str, type[SeparableUnits]]] = {
    "bernoulli": BernoulliUnits,
    "gaussian": GaussianUnits,
    "rectified": RectifiedUnits,
}
