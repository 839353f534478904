"""Torch modules and factories of networks."""

from skrep.nn.conv import conv_decoder as conv_decoder
from skrep.nn.conv import conv_encoder as conv_encoder
from skrep.nn.mlp import MLP as MLP

__all__ = ["MLP", "conv_decoder", "conv_encoder"]
