"""Fully connected networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from torch import nn

from skrep.nn.activations import activation, check_activation, initialise

__all__ = ["MLP"]


@dataclass(frozen=True)
class MLP:
    """Make fully connected networks of one design, whatever their width in and out.

    Calling the factory with ``(n_in, n_out)`` builds a new network with weights drawn from torch's
    global generator (see `skrep.nn.activations.initialise`) and biases 0. A factory is a value: it
    pickles, and two with the same settings are equal.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(256,)
        Width of each hidden layer, from input to output. ``()`` gives one linear map; a single
        integer is one layer.
    activation : str, default="relu"
        Activation after each hidden layer, one of `skrep.nn.activations.ACTIVATIONS`.
    output_activation : str, default="identity"
        Activation after the last layer.

    Raises
    ------
    ValueError
        If a width is not a positive integer, or an activation is unknown.

    Examples
    --------
    >>> factory = MLP(hidden_layer_sizes=(64, 32))
    >>> len(factory(100, 8))
    5
    """

    hidden_layer_sizes: Sequence[int] = (256,)
    activation: str = "relu"
    output_activation: str = "identity"

    def __post_init__(self) -> None:
        """Check the settings and keep the widths as a tuple, which compares by value."""
        given: Any = self.hidden_layer_sizes
        # (100) is a number in Python; scikit-learn reads it as one layer too.
        sizes = (given,) if isinstance(given, Integral) else tuple(given)
        if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
            raise ValueError(
                "`hidden_layer_sizes` must hold positive integers, "
                f"got {self.hidden_layer_sizes!r}. Pass one width per layer, as in (256, 64)."
            )
        object.__setattr__(self, "hidden_layer_sizes", tuple(int(size) for size in sizes))
        check_activation(self.activation, "activation")
        check_activation(self.output_activation, "output_activation")

    def __call__(self, n_in: int, n_out: int) -> nn.Sequential:
        """Build a network from (..., n_in) to (..., n_out).

        Parameters
        ----------
        n_in, n_out : int
            Number of features in and out.

        Returns
        -------
        torch.nn.Sequential
            Linear layers with the activations between them; "identity" adds no module.
        """
        widths = (n_in, *self.hidden_layer_sizes, n_out)
        names = [self.activation] * len(self.hidden_layer_sizes) + [self.output_activation]
        layers: list[nn.Module] = []
        for width, next_width, name in zip(widths[:-1], widths[1:], names, strict=True):
            linear = nn.Linear(width, next_width)
            initialise(linear, name)
            layers.append(linear)
            if name != "identity":
                layers.append(activation(name))
        return nn.Sequential(*layers)
