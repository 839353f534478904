"""Draws from the conditionals of energy models, with a generator of the caller's own.

`torch.bernoulli` costs five times a comparison with uniform numbers, so it is not used.
"""

import math
from typing import Final

import torch
from torch import Tensor

__all__ = [
    "draw_bernoulli_",
    "draw_categorical",
    "draw_multinomial",
    "draw_rectified",
]

_SQRT_HALF: Final = math.sqrt(0.5)
# Below this input the tail of the normal distribution is too small for float64.
_FAR: Final = -30.0


def draw_bernoulli_(probability: Tensor, out: Tensor, generator: torch.Generator) -> Tensor:
    """Fill `out` with zeros and ones.

    Parameters
    ----------
    probability : Tensor of shape (...)
        Of a one.
    out : Tensor of the same shape and dtype
        Overwritten.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor
        `out`.

    Examples
    --------
    >>> out = torch.empty(2, 3)
    >>> draw_bernoulli_(torch.ones(2, 3), out, torch.Generator()).sum().item()
    6.0
    """
    out.uniform_(generator=generator)
    return torch.lt(out, probability, out=out)


def draw_categorical(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Return one-hot rows drawn from a softmax over the last axis.

    Parameters
    ----------
    logits : Tensor of shape (..., n_categories)
        Log-probabilities up to a constant.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of the same shape
        A single 1 along the last axis.

    Examples
    --------
    >>> draw_categorical(torch.zeros(5, 3), torch.Generator()).sum(dim=1)
    tensor([1., 1., 1., 1., 1.])
    """
    # The winner of a race of exponential times is distributed as the softmax.
    times = torch.empty_like(logits).exponential_(generator=generator)
    winners = (logits - times.clamp_min_(torch.finfo(times.dtype).tiny).log_()).argmax(dim=-1)
    return torch.zeros_like(logits).scatter_(-1, winners.unsqueeze(-1), 1.0)


def draw_multinomial(logits: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Return counts of words drawn with replacement from a softmax over the last axis.

    Parameters
    ----------
    logits : Tensor of shape (rows, n_words)
        Log-probabilities up to a constant.
    count : Tensor of shape (rows, 1)
        Words a row; whole numbers.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of shape (rows, n_words)
        Counts that sum to `count` in every row.

    Examples
    --------
    >>> count = torch.tensor([[4.0], [0.0]])
    >>> draw_multinomial(torch.zeros(2, 3), count, torch.Generator()).sum(dim=1)
    tensor([4., 0.])
    """
    most = int(count.max()) if count.numel() else 0
    out = torch.zeros_like(logits)
    if most == 0:
        return out
    words = torch.multinomial(
        torch.softmax(logits, dim=-1), most, replacement=True, generator=generator
    )
    kept = torch.arange(most, device=logits.device) < count
    return out.scatter_add_(1, words, kept.to(out.dtype))


def draw_rectified(field: Tensor, generator: torch.Generator) -> Tensor:
    r"""Return draws from a normal of mean `field` and variance 1, cut off below 0.

    The inverse distribution function in float64, :math:`a - \Phi^{-1}(u\,\Phi(a))`, which keeps
    its digits in the tail; beyond 30 standard deviations the exponential limit of the tail.

    Parameters
    ----------
    field : Tensor of shape (...)
        Means a of the uncut normals.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor of the same shape
        At least 0.

    Examples
    --------
    >>> bool((draw_rectified(torch.full((9,), -50.0), torch.Generator()) >= 0).all())
    True
    """
    a = field.double()
    u = torch.empty_like(a).uniform_(generator=generator).clamp_min_(1e-300)
    inside = a.clamp_min(_FAR)
    drawn = inside - torch.special.ndtri(u * (0.5 * torch.erfc(-inside * _SQRT_HALF)))
    far = a.clamp_max(_FAR)
    # (x + h)^2 = x^2 - 2 log u is the tail up to a relative error of 1 / x^2.
    tail = (far.square() - 2.0 * u.log()).sqrt() + far
    return torch.where(a > _FAR, drawn, tail).clamp_min_(0.0).to(field.dtype)
