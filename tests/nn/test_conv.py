import math
import pickle

import pytest
import torch

from skrep.nn.conv import conv_decoder, conv_encoder

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def seeded(seed):
    """Networks draw their weights from the global generator: seed it here and put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


SHAPES = [(1, 28, 28), (1, 15, 13), (3, 8, 5), (2, 1, 7), (1, 64, 33)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [(4,), (4, 6), (3, 5, 7)])
def test_rows_come_out_with_the_asked_widths(shape, channels):
    width = math.prod(shape)
    encoder = conv_encoder(shape, channels)(width, 5)
    decoder = conv_decoder(shape, channels[::-1])(5, width)
    x = torch.ones(3, width)
    assert encoder(x).shape == (3, 5)
    assert decoder(encoder(x)).shape == (3, width)
    assert encoder(x[:0]).shape == (0, 5)


def test_decoder_mirrors_the_encoder_grid_by_grid():
    shape, width = (1, 15, 13), 195
    encoder = conv_encoder(shape, (4, 6))(width, 5)
    decoder = conv_decoder(shape, (6, 4))(5, width)
    downs, grid = [], torch.zeros(1, *shape)
    for step in encoder.steps[::2]:
        downs.append(tuple(grid.shape[1:]))
        grid = step(grid)
    assert tuple(decoder.grid) == tuple(grid.shape[1:])
    ups = []
    for step in decoder.steps[1::2]:
        grid = step(grid)
        ups.append(tuple(grid.shape[1:]))
    assert ups == downs[::-1]


def test_a_row_is_an_image_in_c_order(seed):
    shape = (2, 6, 4)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(5, *shape, generator=generator)
    encoder = conv_encoder(shape, (3,))(48, 2)
    expected = encoder.head(encoder.steps(images).flatten(start_dim=1))
    torch.testing.assert_close(encoder(images.reshape(5, 48)), expected)
    decoder = conv_decoder(shape, (3,))(2, 48)
    codes = torch.randn(5, 2, generator=generator)
    maps = decoder.steps(decoder.stem(codes).reshape(5, *decoder.grid))
    torch.testing.assert_close(decoder(codes).reshape(5, *shape), maps)


def test_leading_axes_are_kept(seed):
    codes = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(seed))
    decoder = conv_decoder((1, 7, 7), (4,))(5, 49)
    encoder = conv_encoder((1, 7, 7), (4,))(49, 5)
    images = decoder(codes)
    assert images.shape == (4, 3, 49)
    torch.testing.assert_close(images[2], decoder(codes[2]))
    torch.testing.assert_close(encoder(images)[1], encoder(images[1]))


def test_every_weight_gets_a_gradient(seed):
    generator = torch.Generator().manual_seed(seed)
    encoder = conv_encoder((1, 9, 9), (4, 4), "tanh")(81, 3)
    decoder = conv_decoder((1, 9, 9), (4, 4), "tanh")(3, 81)
    decoder(encoder(torch.randn(6, 81, generator=generator))).square().sum().backward()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("make", [conv_encoder, conv_decoder])
def test_factories_are_values_and_height_by_width_is_one_channel(make):
    factory = make([28, 28], [8])
    assert factory == make((1, 28, 28), (8,))
    assert factory != make((1, 28, 28), (9,))
    assert pickle.loads(pickle.dumps(factory)) == factory
    assert "image_shape=(1, 28, 28), channels=(8,), activation='relu'" in repr(factory)


def test_built_modules_pickle(seed):
    x = torch.randn(2, 64, generator=torch.Generator().manual_seed(seed))
    encoder = conv_encoder((8, 8), (4,))(64, 3)
    torch.testing.assert_close(pickle.loads(pickle.dumps(encoder))(x), encoder(x))


def test_a_width_that_is_not_the_image_is_refused():
    message = (
        r"`image_shape=\(1, 28, 28\)` describes rows of 1 \* 28 \* 28 = 784 values, "
        r"but `{}` is 240"
    )
    with pytest.raises(ValueError, match=message.format("n_in")):
        conv_encoder((28, 28))(240, 8)
    with pytest.raises(ValueError, match=message.format("n_out")):
        conv_decoder((28, 28))(8, 240)


@pytest.mark.parametrize("make", [conv_encoder, conv_decoder])
def test_unusable_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"`image_shape` has 1 entries, got \(784,\)"):
        make((784,))
    with pytest.raises(ValueError, match=r"`image_shape` must hold positive integers, got \(1, 0"):
        make((1, 0, 4))
    with pytest.raises(ValueError, match=r"`channels` must hold positive integers, got \(8, 2\.5"):
        make((4, 4), (8, 2.5))
    with pytest.raises(ValueError, match=r"`channels` is empty"):
        make((4, 4), ())
    with pytest.raises(ValueError, match=r"`activation='swish'` is not a known activation"):
        make((4, 4), (8,), "swish")
