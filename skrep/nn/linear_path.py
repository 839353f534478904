"""A linear map beside a network, so that a model starts where the linear method ends."""

from torch import Tensor, nn

__all__ = ["WithLinearPath", "silence"]


class WithLinearPath(nn.Module):
    """Sum of a linear map and a network.

    Parameters
    ----------
    linear : torch.nn.Linear
        Usually started at a linear method's solution.
    network : torch.nn.Module
        Usually silenced, so that it adds nothing before training.
    """

    def __init__(self, linear: nn.Linear, network: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        out: Tensor = self.linear(x) + self.network(x)
        return out


def silence(network: nn.Sequential) -> nn.Sequential:
    """Set the last linear layer of `network` to zero and return it.

    Parameters
    ----------
    network : torch.nn.Sequential
        Changed in place. The layers before the last keep their draws, so the first gradient step
        breaks the symmetry.

    Returns
    -------
    torch.nn.Sequential
        The same network.
    """
    last = next(layer for layer in reversed(network) if isinstance(layer, nn.Linear))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return network
