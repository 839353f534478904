"""Observation models: how a view is distributed around what a decoder returns for it.

A likelihood turns the numbers that a decoder returns (its `parameters`) into log-probabilities,
means and draws. Adding one is a class and a line in `LIKELIHOODS`.
"""

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skrep.functional.likelihoods import (
    bernoulli_log_prob,
    categorical_log_prob,
    gaussian_log_prob,
    poisson_log_prob,
)

__all__ = ["LIKELIHOODS", "Bernoulli", "Categorical", "Gaussian", "Likelihood", "Poisson"]

# Smallest variance a Gaussian learns: without it a constant or perfectly explained view has
# unbounded density.
_VARIANCE_FLOOR: Final = 1e-6
# How far `link` keeps a mean from the edge of its domain.
_EDGE: Final = 1e-6


class Likelihood(nn.Module, ABC):
    """Distribution of one view given the output of its decoder.

    Parameters
    ----------
    width : int
        Number of features of the view.

    Attributes
    ----------
    domain : str
        The values that the view may hold, a key of `skrep.utils.domains.DOMAINS`. Only "real" data
        may be centred and scaled.
    """

    domain: ClassVar[str]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Return the log-probability of each row.

        Parameters
        ----------
        x : Tensor of shape (rows, width)
            Observations.
        parameters : Tensor of shape (..., rows, width)
            Output of the decoder, for several draws of the code where it has leading axes.

        Returns
        -------
        Tensor of shape (..., rows)
            Nats per row, summed over features, every constant included.
        """

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """Return the expectation of the view, (..., rows, width), in the units of the view."""

    @abstractmethod
    def spread(self, parameters: Tensor) -> Tensor:
        """Return the variance of the view, (..., rows, width), in squared units of the view."""

    @abstractmethod
    def link(self, mean: Tensor) -> Tensor:
        """Return parameters whose mean is `mean`, (..., width): the inverse of `mean`.

        For starting a decoder's bias at the mean of the data. Means at the edge of the domain,
        where the parameters would be infinite, are moved inside by a millionth.
        """

    @abstractmethod
    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the view, (..., rows, width), with a generator on the device of `parameters`."""


class Gaussian(Likelihood):
    r"""Independent normals around the decoder's output.

    .. math:: \log p(x \mid m) = -\tfrac12 \sum_j
        \left(\log 2\pi\sigma_j^2 + \frac{(x_j - m_j)^2}{\sigma_j^2}\right)

    Parameters
    ----------
    width : int
        Number of features of the view.
    variance : {"view", "feature"} or float, default="view"
        "view" learns one variance, "feature" one for each feature; a positive number fixes it,
        in squared units of the data as the network sees them (after scaling). A larger fixed
        variance lets the prior count for more.

    Raises
    ------
    ValueError
        If `variance` is neither of the two words nor a positive finite number.

    Notes
    -----
    A learned variance is ``1e-6 + exp(free_log_var)``, `free_log_var` a parameter that starts at 0.
    The floor is added and not clamped, so the gradient with respect to the parameter shrinks near
    the floor but never becomes 0.

    Examples
    --------
    >>> Gaussian(3).log_prob(torch.zeros(4, 3), torch.zeros(4, 3)).shape
    torch.Size([4])
    """

    domain = "real"

    def __init__(self, width: int, variance: Literal["view", "feature"] | float = "view") -> None:
        super().__init__(width)
        self.variance = variance
        if variance == "view":
            self.free_log_var = nn.Parameter(torch.zeros(()))
        elif variance == "feature":
            self.free_log_var = nn.Parameter(torch.zeros(width))
        elif isinstance(variance, Real) and 0 < variance < math.inf:
            self.register_buffer("fixed_log_var", torch.tensor(math.log(variance)))
        else:
            raise ValueError(
                f"`variance` must be 'view', 'feature' or a positive number, got {variance!r}. "
                "Pass 'view' to learn one variance for the view."
            )

    @property
    def log_var(self) -> Tensor:
        """Logarithm of the variance, of shape () or (width,)."""
        if self.variance in ("view", "feature"):
            floor = torch.full_like(self.free_log_var, math.log(_VARIANCE_FLOOR))
            return torch.logaddexp(self.free_log_var, floor)
        return self.get_buffer("fixed_log_var")

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Return the log-density of each row, (..., rows), nats."""
        return gaussian_log_prob(x, parameters, self.log_var)

    def mean(self, parameters: Tensor) -> Tensor:
        """Return the parameters, which are the mean."""
        return parameters

    def spread(self, parameters: Tensor) -> Tensor:
        """Return the variance of the observation noise."""
        return torch.exp(self.log_var).expand_as(parameters)

    def link(self, mean: Tensor) -> Tensor:
        """Return the mean, which is the parameter."""
        return mean

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the view, the observation noise included."""
        noise = torch.empty_like(parameters).normal_(generator=generator)
        return parameters + torch.exp(0.5 * self.log_var) * noise


class Bernoulli(Likelihood):
    """Independent zeros and ones; the decoder returns log-odds.

    Parameters
    ----------
    width : int
        Number of features of the view, each in [0, 1].

    Examples
    --------
    >>> Bernoulli(3).mean(torch.zeros(1, 3))
    tensor([[0.5000, 0.5000, 0.5000]])
    """

    domain = "unit_interval"

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Return the log-probability of each row, (..., rows), nats."""
        return bernoulli_log_prob(x, parameters)

    def mean(self, parameters: Tensor) -> Tensor:
        """Return the probability of a one."""
        return torch.sigmoid(parameters)

    def spread(self, parameters: Tensor) -> Tensor:
        """Return the variance p (1 - p)."""
        return torch.sigmoid(parameters) * torch.sigmoid(-parameters)

    def link(self, mean: Tensor) -> Tensor:
        """Return the log-odds of probabilities."""
        return torch.logit(mean, eps=_EDGE)

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw zeros and ones."""
        draw = torch.empty_like(parameters).uniform_(generator=generator)
        return (draw < torch.sigmoid(parameters)).to(parameters.dtype)


class Categorical(Likelihood):
    """One of `width` classes per row, one-hot; the decoder returns unnormalised log-probabilities.

    Parameters
    ----------
    width : int
        Number of classes.

    Examples
    --------
    >>> Categorical(4).mean(torch.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    domain = "one_hot"

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Return the log-probability of each row, (..., rows), nats."""
        return categorical_log_prob(x, parameters)

    def mean(self, parameters: Tensor) -> Tensor:
        """Return the class probabilities."""
        return torch.softmax(parameters, dim=-1)

    def spread(self, parameters: Tensor) -> Tensor:
        """Return the variance p (1 - p) of each class's indicator."""
        p = torch.softmax(parameters, dim=-1)
        return p * (1.0 - p)

    def link(self, mean: Tensor) -> Tensor:
        """Return the log-probabilities of classes."""
        return mean.clamp(min=_EDGE).log()

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one-hot rows."""
        # The class whose Gumbel-shifted log-probability is largest is a draw from the softmax.
        gumbel = -torch.empty_like(parameters).exponential_(generator=generator).log()
        winner = (parameters + gumbel).argmax(dim=-1)
        return F.one_hot(winner, self.width).to(parameters.dtype)


class Poisson(Likelihood):
    """Independent counts; the decoder returns the logarithms of the expected counts.

    Parameters
    ----------
    width : int
        Number of features of the view, each 0, 1, 2, ...

    Examples
    --------
    >>> Poisson(2).mean(torch.zeros(1, 2))
    tensor([[1., 1.]])
    """

    domain = "counts"

    def log_prob(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Return the log-probability of each row, (..., rows), nats."""
        return poisson_log_prob(x, parameters)

    def mean(self, parameters: Tensor) -> Tensor:
        """Return the expected counts."""
        return torch.exp(parameters)

    def spread(self, parameters: Tensor) -> Tensor:
        """Return the variance, which is the expected count."""
        return torch.exp(parameters)

    def link(self, mean: Tensor) -> Tensor:
        """Return the logarithms of expected counts."""
        return mean.clamp(min=_EDGE).log()

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draw counts."""
        return torch.poisson(torch.exp(parameters), generator=generator)


LIKELIHOODS: Final[dict[str, type[Likelihood]]] = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "poisson": Poisson,
}
