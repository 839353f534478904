r"""Annealed importance sampling: the ratio of two partition functions along a ladder of models.

Between a model A whose partition function is known (inverse temperature 0) and the model B that is
asked about (1) stand intermediate ones, :math:`p_\beta(x) \propto \exp(-F_\beta(x))`.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

__all__ = ["LogMean", "annealed_log_weights", "log_mean_weight", "temperature_ladder"]

State = TypeVar("State")


class LogMean(NamedTuple):
    """The logarithm of a mean of weights and how far it can be trusted.

    Attributes
    ----------
    value : float
        Nats.
    standard_error : float
        Of `value`, by the delta method, nats.
    spread : float
        Standard deviation of the logarithms of the weights, nats.
    effective_size : float
        How many equal weights these are worth.
    """

    value: float
    standard_error: float
    spread: float
    effective_size: float


def temperature_ladder(n_temperatures: int) -> list[float]:
    """Return inverse temperatures from 0 to 1, closer together near 1.

    Parameters
    ----------
    n_temperatures : int
        Length of the ladder, both ends included; at least 2.

    Returns
    -------
    list of float
        Rising, from 0.0 to 1.0.

    Examples
    --------
    >>> ladder = temperature_ladder(101)
    >>> len(ladder), ladder[0], ladder[-1]
    (101, 0.0, 1.0)
    """
    steps = n_temperatures - 1
    return [1.0 - (1.0 - k / steps) ** 1.5 for k in range(n_temperatures)]


def annealed_log_weights(
    state: State,
    betas: Sequence[float],
    change: Callable[[State, float, float], Tensor],
    move: Callable[[State, float], State],
) -> Tensor:
    r"""Return the log-weights of chains that go down a ladder of models [1]_.

    .. math:: \sum_k F_{\beta_k}(x_k) - F_{\beta_{k+1}}(x_k)

    Their mean weight is an unbiased estimate of :math:`Z(\beta_{last}) / Z(\beta_{first})`.

    Parameters
    ----------
    state : object
        Chains drawn from the first model, in whatever form the two functions take.
    betas : sequence of float
        Inverse temperatures. From 0 to 1 for the forward estimate; from 1 to 0, started at draws
        from model B, for the reverse one.
    change : callable
        `(state, beta, next_beta) -> Tensor of shape (n_chains,)`, the free energy at `beta` minus
        that at `next_beta`.
    move : callable
        `(state, beta) -> state`, a step that leaves the model at `beta` invariant.

    Returns
    -------
    Tensor of shape (n_chains,)
        Nats, float64.

    References
    ----------
    .. [1] Neal, R. M. "Annealed importance sampling." Statistics and Computing 11, 2001.

    Examples
    --------
    >>> shift = lambda x, a, b: (b - a) * x
    >>> annealed_log_weights(torch.ones(2), [0.0, 0.5, 1.0], shift, lambda x, b: x)
    tensor([1., 1.], dtype=torch.float64)
    """
    total: Tensor | None = None
    last = len(betas) - 2
    for k, (beta, after) in enumerate(itertools.pairwise(betas)):
        step = change(state, beta, after).double()
        total = step if total is None else total.add_(step)
        if k < last:
            state = move(state, after)
    if total is None:
        raise ValueError(f"A ladder has at least two temperatures. Got {list(betas)!r}.")
    return total


def log_mean_weight(log_weights: Tensor) -> LogMean:
    """Return the logarithm of the mean weight with its standard error.

    Parameters
    ----------
    log_weights : Tensor of shape (n_chains,)
        Nats.

    Returns
    -------
    LogMean
        Value, standard error, spread of the log-weights and effective number of chains.

    Examples
    --------
    >>> log_mean_weight(torch.zeros(4)).effective_size
    4.0
    """
    w = log_weights.double()
    n = len(w)
    top = w.max()
    scaled = torch.exp(w - top)
    mean = scaled.mean()
    deviation = float(scaled.std()) if n > 1 else math.inf
    error = deviation / (float(mean) * math.sqrt(n))
    spread = float(w.std()) if n > 1 else math.inf
    size = float(scaled.sum().square() / scaled.square().sum())
    return LogMean(float(top + mean.log()), error, spread, size)
