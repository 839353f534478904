"""Ways to spoil an input, for models that learn to undo it.

Every function shares one signature, so that a model picks its corruption from `CORRUPTIONS` and
calls it without asking which one it is.
"""

from typing import Final, Protocol

import torch
from torch import Tensor

__all__ = ["CORRUPTIONS", "Corruption", "gaussian_noise", "masking_noise", "salt_and_pepper"]


class Corruption(Protocol):
    """The signature all corruptions share."""

    def __call__(
        self,
        x: Tensor,
        level: float,
        generator: torch.Generator,
        *,
        low: float | Tensor = 0.0,
        high: float | Tensor = 1.0,
    ) -> Tensor:
        """Return a spoiled copy of `x`."""


def gaussian_noise(
    x: Tensor,
    level: float,
    generator: torch.Generator,
    *,
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
) -> Tensor:
    """Add independent normal noise to every entry.

    Parameters
    ----------
    x : Tensor of shape (..., features)
        Clean input; left untouched.
    level : float
        Standard deviation of the noise, in the units of `x`. At least 0.
    generator : torch.Generator
        Source of the draws, on the device of `x`.
    low : float or Tensor, default=0.0
        Not used; part of the shared signature.
    high : float or Tensor, default=1.0
        Not used; part of the shared signature.

    Returns
    -------
    Tensor of shape (..., features)
        ``x + level * noise``, in the dtype of `x`.

    Raises
    ------
    ValueError
        If `level` is negative.

    Examples
    --------
    >>> x = torch.zeros(4, 3)
    >>> gaussian_noise(x, 0.5, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 3])
    """
    if level < 0:
        raise ValueError(
            f"`level` is the standard deviation of gaussian noise; got {level!r}. Pass 0 or more."
        )
    return x + torch.empty_like(x).normal_(0.0, level, generator=generator)


def masking_noise(
    x: Tensor,
    level: float,
    generator: torch.Generator,
    *,
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
) -> Tensor:
    """Set each entry to 0 with a given probability, independently.

    Parameters
    ----------
    x : Tensor of shape (..., features)
        Clean input; left untouched.
    level : float
        Probability that an entry becomes 0, between 0 and 1.
    generator : torch.Generator
        Source of the draws, on the device of `x`.
    low : float or Tensor, default=0.0
        Not used; part of the shared signature.
    high : float or Tensor, default=1.0
        Not used; part of the shared signature.

    Returns
    -------
    Tensor of shape (..., features)
        `x` with about ``level`` of its entries at 0. What is kept is not rescaled.

    Raises
    ------
    ValueError
        If `level` is outside [0, 1].

    Examples
    --------
    >>> x = torch.ones(4, 3)
    >>> masking_noise(x, 1.0, torch.Generator().manual_seed(0)).sum().item()
    0.0
    """
    return x.masked_fill(_uniform(x, level, generator) < level, 0.0)


def salt_and_pepper(
    x: Tensor,
    level: float,
    generator: torch.Generator,
    *,
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
) -> Tensor:
    """Set each entry to the lowest or the highest value, evenly, with a given probability.

    Parameters
    ----------
    x : Tensor of shape (..., features)
        Clean input; left untouched.
    level : float
        Probability that an entry is replaced, between 0 and 1; half of the replaced become `low`,
        half `high`.
    generator : torch.Generator
        Source of the draws, on the device of `x`.
    low : float or Tensor of shape (features,), default=0.0
        The lowest value, in the units of `x`.
    high : float or Tensor of shape (features,), default=1.0
        The highest value.

    Returns
    -------
    Tensor of shape (..., features)
        `x` with about ``level`` of its entries replaced.

    Raises
    ------
    ValueError
        If `level` is outside [0, 1].

    Examples
    --------
    >>> x = torch.full((4, 3), 0.5)
    >>> spoiled = salt_and_pepper(x, 1.0, torch.Generator().manual_seed(0))
    >>> bool(((spoiled == 0) | (spoiled == 1)).all())
    True
    """
    draw = _uniform(x, level, generator)
    # One draw decides both questions: below level / 2 is pepper, from there to level is salt.
    return torch.where(draw < level / 2, low, torch.where(draw < level, high, x))


def _uniform(x: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Return uniform draws in [0, 1) of the shape of `x`, after a look at the probability."""
    if not 0 <= level <= 1:
        raise ValueError(
            f"`level` is the probability that an entry is spoiled; got {level!r}. "
            "Pass a number in [0, 1]."
        )
    # float32 whatever x is: bfloat16's 8 bits would round the probability. Comparing uniform draws
    # costs a fifth of torch.bernoulli.
    draw = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    return draw.uniform_(generator=generator)


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "gaussian": gaussian_noise,
    "masking": masking_noise,
    "salt_and_pepper": salt_and_pepper,
}
