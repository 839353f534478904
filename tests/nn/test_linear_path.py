import pytest
import torch
from torch import nn

from skrep.nn import MLP
from skrep.nn.linear_path import WithLinearPath, silence


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5)])
def test_a_silenced_network_leaves_the_linear_map(shape):
    linear = nn.Linear(5, 3)
    x = torch.ones(shape)
    both = WithLinearPath(linear, silence(MLP((8,))(5, 3)))
    torch.testing.assert_close(both(x), linear(x))


def test_silence_touches_the_last_layer_only_and_gradients_wake_it():
    network = MLP((8, 6), "relu")(5, 3)
    first = network[0].weight.detach().clone()
    assert silence(network) is network
    assert torch.equal(network[0].weight, first)
    last = [m for m in network if isinstance(m, nn.Linear)][-1]
    assert not last.weight.any()
    assert not last.bias.any()
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    (network(x) - 1).square().mean().backward()
    assert last.weight.grad.abs().sum() > 0


def test_the_sum_of_both():
    linear, network = nn.Linear(5, 3), MLP((8,))(5, 3)
    x = torch.ones(2, 5)
    torch.testing.assert_close(WithLinearPath(linear, network)(x), linear(x) + network(x))
