import math

import pytest
import torch
from torch import nn

from skrep.nn.activations import ACTIVATIONS, activation, initialise

FORMULAS = {
    "identity": lambda x: x,
    "logistic": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": torch.tanh,
    "relu": lambda x: x.clamp(min=0),
    "elu": lambda x: torch.where(x > 0, x, torch.expm1(x)),
    "gelu": lambda x: x * torch.distributions.Normal(0.0, 1.0).cdf(x),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "mish": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "selu": lambda x: (
        1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * torch.expm1(x))
    ),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "softmax": lambda x: torch.exp(x) / torch.exp(x).sum(dim=-1, keepdim=True),
    "softplus": lambda x: torch.log1p(torch.exp(x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_computes_its_formula(name):
    x = torch.linspace(-3.0, 3.0, 24, dtype=torch.float64).reshape(2, 3, 4)
    module = activation(name)
    torch.testing.assert_close(module(x), FORMULAS[name](x))
    assert not list(module.parameters())


def test_every_call_makes_a_new_module():
    assert activation("relu") is not activation("relu")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"`activation='sigmoid'` is not a known .*'logistic'"):
        activation("sigmoid")


LAYERS = {
    "linear": lambda: nn.Linear(300, 200),
    "conv": lambda: nn.Conv2d(24, 32, 3, 2, 1),
    "transposed": lambda: nn.ConvTranspose2d(24, 32, 3, 2, 1),
}
# Inputs per output and outputs per input; a stride of 2 in both axes thins one of them by 4.
FANS = {"linear": (300, 200), "conv": (216, 72), "transposed": (54, 288)}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("following", ["relu", "gelu", "selu", "tanh", "identity"])
def test_initial_weights_have_the_variance_that_suits_the_activation(kind, following, seed):
    fan_in, fan_out = FANS[kind]
    expected = {"relu": 2 / fan_in, "gelu": 2 / fan_in, "selu": 1 / fan_in}.get(
        following, 2 / (fan_in + fan_out)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = LAYERS[kind]()
        initialise(layer, following)
    n = layer.weight.numel()
    # The square of a uniform variable has 4/5 of the squared variance as its own variance; five
    # standard errors are a false alarm in 6e-7 of the seeds.
    assert abs(layer.weight.var().item() / expected - 1) < 5 * math.sqrt(0.8 / n)
    assert layer.weight.abs().max().item() <= math.sqrt(3 * expected) * (1 + 1e-6)
    assert not layer.bias.any()


def test_rectified_layers_keep_the_scale_of_their_input(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = torch.randn(500, 256)
        for _ in range(10):
            layer = nn.Linear(256, 256)
            initialise(layer, "relu")
            x = layer(x).relu()
    # Ten layers: a wrong gain would be off by 2 ** 10 or more; draws move this by far less than 4.
    assert 0.25 < x.square().mean().item() < 4.0
