"""Convolutional encoders and decoders for rows that are flattened images.

An image of shape (C, H, W) is a row of C * H * W numbers in C order, which is what
``images.reshape(n, -1)`` gives; the networks take and return such rows, so that images are data
like any other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral

from torch import Tensor, nn

from skrep.nn.activations import activation as make_activation
from skrep.nn.activations import check_activation, initialise

__all__ = ["ConvDecoder", "ConvEncoder", "conv_decoder", "conv_encoder"]

_KERNEL = 3
_STRIDE = 2
_PADDING = 1


def conv_encoder(
    image_shape: Sequence[int], channels: Sequence[int] = (32, 64), activation: str = "relu"
) -> "ConvEncoder":
    """Make a factory of convolutional encoders, for the `encoder` parameter of an estimator.

    Each entry of `channels` is a 3 x 3 convolution of stride 2 with that many output channels,
    which halves height and width (rounding up: 28, 14, 7), then the activation; a linear layer maps
    what is left to the code.

    Parameters
    ----------
    image_shape : (channels, height, width) or (height, width)
        Shape of one image; without channels it has one.
    channels : sequence of int, default=(32, 64)
        Output channels of each convolution. More entries look at wider surroundings; more channels
        cost linearly.
    activation : str, default="relu"
        Activation after each convolution, one of `skrep.nn.activations.ACTIVATIONS`.

    Returns
    -------
    ConvEncoder
        Called with ``(n_in, n_out)`` it builds a module from (..., n_in) to (..., n_out), where
        `n_in` must be the number of values of an image.

    Raises
    ------
    ValueError
        If a size is not a positive integer or the activation is unknown; on the call, if `n_in` is
        not the number of values of an image.

    Examples
    --------
    >>> import torch
    >>> encoder = conv_encoder((1, 28, 28))(784, 16)
    >>> encoder(torch.zeros(5, 784)).shape
    torch.Size([5, 16])
    """
    return ConvEncoder(image_shape, channels, activation)


def conv_decoder(
    image_shape: Sequence[int], channels: Sequence[int] = (64, 32), activation: str = "relu"
) -> "ConvDecoder":
    """Make a factory of convolutional decoders, for the `decoder` parameter of an estimator.

    It is `conv_encoder` backwards: a linear layer, then for each entry of `channels` a transposed
    convolution of stride 2 that doubles height and width to exactly the size the encoder had there,
    also where that was odd. `channels` are the input channels of those steps, so an encoder of
    ``(32, 64)`` is mirrored by ``(64, 32)``. There is no activation after the last step.

    Parameters
    ----------
    image_shape : (channels, height, width) or (height, width)
        Shape of one image; without channels it has one.
    channels : sequence of int, default=(64, 32)
        Input channels of each transposed convolution.
    activation : str, default="relu"
        Activation before each transposed convolution, one of `skrep.nn.activations.ACTIVATIONS`.

    Returns
    -------
    ConvDecoder
        Called with ``(n_in, n_out)`` it builds a module from (..., n_in) to (..., n_out), where
        `n_out` must be the number of values of an image.

    Raises
    ------
    ValueError
        If a size is not a positive integer or the activation is unknown; on the call, if `n_out` is
        not the number of values of an image.

    Examples
    --------
    >>> import torch
    >>> decoder = conv_decoder((1, 15, 13))(16, 195)
    >>> decoder(torch.zeros(5, 16)).shape
    torch.Size([5, 195])
    """
    return ConvDecoder(image_shape, channels, activation)


@dataclass(frozen=True)
class _ConvFactory:
    """Settings that encoder and decoder share; a value that pickles and compares by content."""

    image_shape: Sequence[int]
    channels: Sequence[int]
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Check the settings, and keep shape and channels as tuples of int."""
        shape = _positive_integers(self.image_shape, "image_shape", "(1, 28, 28)")
        if len(shape) not in (2, 3):
            raise ValueError(
                f"`image_shape` has {len(shape)} entries, got {self.image_shape!r}. "
                "Pass (channels, height, width), or (height, width) for one channel."
            )
        channels = _positive_integers(self.channels, "channels", "(32, 64)")
        if not channels:
            raise ValueError("`channels` is empty. Pass at least one number of channels.")
        object.__setattr__(self, "image_shape", shape if len(shape) == 3 else (1, *shape))
        object.__setattr__(self, "channels", channels)
        check_activation(self.activation)

    def _check_width(self, width: int, name: str) -> None:
        """Raise if rows of this width are not images of the shape."""
        product = math.prod(self.image_shape)
        if width != product:
            sizes = " * ".join(str(size) for size in self.image_shape)
            raise ValueError(
                f"`image_shape={self.image_shape!r}` describes rows of {sizes} = {product} values, "
                f"but `{name}` is {width}. "
                "Pass the shape of the images that the rows were flattened from."
            )

    def _grid_sizes(self) -> list[tuple[int, int]]:
        """Return height and width of the image and after each halving."""
        _, height, width = self.image_shape
        sizes = [(height, width)]
        for _ in self.channels:
            height, width = math.ceil(height / _STRIDE), math.ceil(width / _STRIDE)
            sizes.append((height, width))
        return sizes


@dataclass(frozen=True)
class ConvEncoder(_ConvFactory):
    """Factory of convolutional encoders; see `conv_encoder`."""

    def __call__(self, n_in: int, n_out: int) -> nn.Module:
        """Build an encoder from images as rows, (..., n_in), to codes, (..., n_out)."""
        self._check_width(n_in, "n_in")
        steps: list[nn.Module] = []
        for before, after in pairwise((self.image_shape[0], *self.channels)):
            conv = nn.Conv2d(before, after, _KERNEL, _STRIDE, _PADDING)
            initialise(conv, self.activation)
            steps += [conv, make_activation(self.activation)]
        height, width = self._grid_sizes()[-1]
        head = nn.Linear(self.channels[-1] * height * width, n_out)
        initialise(head, "identity")
        return _EncoderModule(tuple(self.image_shape), nn.Sequential(*steps), head)


@dataclass(frozen=True)
class ConvDecoder(_ConvFactory):
    """Factory of convolutional decoders; see `conv_decoder`."""

    def __call__(self, n_in: int, n_out: int) -> nn.Module:
        """Build a decoder from codes, (..., n_in), to images as rows, (..., n_out)."""
        self._check_width(n_out, "n_out")
        sizes = self._grid_sizes()[::-1]
        grid = (self.channels[0], *sizes[0])
        stem = nn.Linear(n_in, math.prod(grid))
        initialise(stem, self.activation)
        outputs = (*self.channels[1:], self.image_shape[0])
        steps: list[nn.Module] = []
        for step, (before, after) in enumerate(zip(self.channels, outputs, strict=True)):
            # Even sizes need one row or column more than the transposed convolution gives by
            # itself.
            height, width = sizes[step + 1]
            extra = (1 - height % 2, 1 - width % 2)
            conv = nn.ConvTranspose2d(before, after, _KERNEL, _STRIDE, _PADDING, extra)
            last = step == len(outputs) - 1
            initialise(conv, "identity" if last else self.activation)
            steps += [make_activation(self.activation), conv]
        return _DecoderModule(grid, stem, nn.Sequential(*steps))


class _EncoderModule(nn.Module):
    """Rows to images, convolutions, and a linear layer on what is left."""

    def __init__(self, image_shape: tuple[int, ...], steps: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.steps = steps
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C * H * W) to (..., n_out)."""
        leading = x.shape[:-1]
        images = x.reshape(math.prod(leading), *self.image_shape)
        codes: Tensor = self.head(self.steps(images).flatten(start_dim=1))
        return codes.reshape(*leading, codes.shape[-1])


class _DecoderModule(nn.Module):
    """A linear layer, transposed convolutions, and images to rows."""

    def __init__(self, grid: tuple[int, ...], stem: nn.Linear, steps: nn.Sequential) -> None:
        super().__init__()
        self.grid = grid
        self.stem = stem
        self.steps = steps

    def forward(self, z: Tensor) -> Tensor:
        """Map (..., n_in) to (..., C * H * W)."""
        leading = z.shape[:-1]
        start = self.stem(z).reshape(math.prod(leading), *self.grid)
        images: Tensor = self.steps(start)
        return images.reshape(*leading, math.prod(images.shape[1:]))


def _positive_integers(values: Sequence[int], name: str, example: str) -> tuple[int, ...]:
    """Return the values as a tuple of int, or raise."""
    found = tuple(values)
    if not all(isinstance(value, Integral) and value >= 1 for value in found):
        raise ValueError(
            f"`{name}` must hold positive integers, got {values!r}. Pass for example {example}."
        )
    return tuple(int(value) for value in found)
