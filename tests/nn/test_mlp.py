import pickle

import pytest
import torch
from torch import nn

from skrep.nn.mlp import MLP

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def seeded(seed):
    """Networks draw their weights from the global generator: seed it here and put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def test_layers_stand_in_order_with_their_widths():
    network = MLP(hidden_layer_sizes=(7, 5), activation="tanh", output_activation="logistic")(9, 3)
    kinds = [type(layer) for layer in network]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear, nn.Sigmoid]
    widths = [(layer.in_features, layer.out_features) for layer in network[::2]]
    assert widths == [(9, 7), (7, 5), (5, 3)]
    assert network(torch.zeros(2, 4, 9)).shape == (2, 4, 3)
    assert all(not layer.bias.any() for layer in network[::2])


def test_without_hidden_layers_it_is_one_linear_map():
    network = MLP(hidden_layer_sizes=())(4, 2)
    assert [type(layer) for layer in network] == [nn.Linear]


def test_one_integer_is_one_layer():
    assert MLP(hidden_layer_sizes=8) == MLP(hidden_layer_sizes=(8,))


def test_factories_are_values():
    factory = MLP(hidden_layer_sizes=[8, 4], activation="gelu")
    assert factory == MLP(hidden_layer_sizes=(8, 4), activation="gelu")
    assert factory != MLP(hidden_layer_sizes=(8, 4))
    assert pickle.loads(pickle.dumps(factory)) == factory
    assert hash(factory) == hash(MLP(hidden_layer_sizes=(8, 4), activation="gelu"))
    assert eval(repr(factory)) == factory


def test_every_call_draws_new_weights_from_the_global_generator(seed):
    factory = MLP((6,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, second = factory(5, 2), factory(5, 2)
        torch.manual_seed(seed)
        again = factory(5, 2)
    assert not torch.equal(first[0].weight, second[0].weight)
    assert torch.equal(first[0].weight, again[0].weight)


@pytest.mark.parametrize("sizes", [(8, 0), (2.5,), (-1,), 0])
def test_widths_that_are_not_positive_integers_are_refused(sizes):
    with pytest.raises(ValueError, match=r"`hidden_layer_sizes` must hold positive integers, got"):
        MLP(hidden_layer_sizes=sizes)


@pytest.mark.parametrize("argument", ["activation", "output_activation"])
def test_unknown_activations_are_refused_by_the_name_of_their_argument(argument):
    with pytest.raises(ValueError, match=rf"`{argument}='swish'` is not a known activation"):
        MLP(**{argument: "swish"})
