"""LPIPS: distance of two pictures in the features of a VGG-16, weighted by trained heads.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018, version 0.1 with linear heads. No backbone is shipped: the user names
a safetensors file.

::

    picture -> (x - shift) / scale -> VGG-16, taps after relu 1_2, 2_2, 3_3, 4_3, 5_3
    distance = sum over taps of the mean over pixels of head . (f1/|f1| - f2/|f2|)^2
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from sdrjscc.errors import ImageError, WeightsError
from sdrjscc.images.io import to_float
from sdrjscc.images.metrics import Metric

_STAGES = (2, 2, 3, 3, 3)
_TOTAL_STRIDE = 2 ** (len(_STAGES) - 1)
# A cell of the last tap, 16 pixels wide, sees 196: 90 on either side, to the next multiple of 16.
_HALO = 96
_TILE = 384
# ImageNet mean and deviation, carried over to pictures in [-1, 1] (the paper's released model)
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class Lpips:
    """The metric with its weights. Called with two pictures it returns their distance.

    Args:
        weights: float tensors by name, as :func:`load_lpips` describes them.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._convolutions = [
            (weights[f"conv{i}.weight"], weights[f"conv{i}.bias"]) for i in range(sum(_STAGES))
        ]
        self._heads = [weights[f"lin{i}.weight"] for i in range(len(_STAGES))]

    @torch.no_grad()
    def __call__(self, sent: Tensor, received: Tensor) -> Metric:
        """Distance of two pictures, 0 for equal ones; large pictures are done by tiles.

        Args:
            sent: uint8 ``[3, H, W]``.
            received: uint8 of the same shape.

        Returns:
            Undefined where a side is shorter than 16 pixels (nothing is left at the last tap).

        Raises:
            ImageError: if shapes differ.
        """
        if sent.shape != received.shape or sent.ndim != 3 or sent.shape[0] != 3:
            raise ImageError(
                f"pictures must be [3, H, W] alike (got {tuple(sent.shape)}, {tuple(received.shape)})"
            )
        height, width = sent.shape[-2:]
        if min(height, width) < _TOTAL_STRIDE:
            return Metric(None, f"sides must be at least {_TOTAL_STRIDE} pixels for the network")
        sums = torch.zeros(len(_STAGES), dtype=torch.float64)
        for tile in _tiles(height, width):
            sums += self._tile_sums(sent, received, *tile)
        sizes = torch.tensor([(height >> tap) * (width >> tap) for tap in range(len(_STAGES))])
        return Metric(float((sums / sizes).sum()))

    def _tile_sums(self, sent: Tensor, received: Tensor, top: int, left: int) -> Tensor:
        """Sum of the weighted distance over one tile's core, for each tap: float64 ``[taps]``."""
        y, x = max(0, top - _HALO), max(0, left - _HALO)
        window = (..., slice(y, top + _TILE + _HALO), slice(x, left + _TILE + _HALO))
        pair = torch.stack([sent[window], received[window]])
        sums = []
        for tap, features in enumerate(self._features(to_float(pair))):
            unit = features / (features.norm(dim=1, keepdim=True) + 1e-10)
            distance = F.conv2d((unit[:1] - unit[1:]).square(), self._heads[tap])[0, 0]
            rows = slice((top - y) >> tap, (top - y + _TILE) >> tap)
            columns = slice((left - x) >> tap, (left - x + _TILE) >> tap)
            sums.append(distance[rows, columns].sum(dtype=torch.float64))
        return torch.stack(sums)

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        """Output of each tap for ``[B, 3, H, W]`` in [0, 1], one at a time."""
        shift, scale = (torch.tensor(value).view(1, 3, 1, 1) for value in (_SHIFT, _SCALE))
        features = (2.0 * images - 1.0 - shift) / scale
        layers = iter(self._convolutions)
        for stage, depth in enumerate(_STAGES):
            if stage:
                features = F.max_pool2d(features, 2)
            for _ in range(depth):
                weight, bias = next(layers)
                features = F.conv2d(features, weight, bias, padding=1).relu_()
            yield features


def load_lpips(path: Path) -> Lpips:
    """Load VGG-16 features and heads from a safetensors file, in any float type.

    Expected tensors: ``conv0`` to ``conv12``, ``.weight`` ``[out, in, 3, 3]`` and ``.bias``
    ``[out]`` in the order of the layers; ``lin0.weight`` to ``lin4.weight``
    ``[1, channels, 1, 1]``, the heads. Widths are taken from the file.

    Raises:
        WeightsError: if the file is missing, no safetensors file, or of another network.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"LPIPS weights must be a safetensors file (got {path}, which is no file)")
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors raises its own type, OSError or ValueError
        raise WeightsError(f"LPIPS weights must be a safetensors file (got {path}: {error})") from error
    _check_weights(path, tensors)
    return Lpips({name: tensor.to(torch.float32) for name, tensor in tensors.items()})


def _check_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Compare names and shapes with a VGG-16's whose widths are those of the file."""
    expected: dict[str, tuple[int, ...]] = {}
    layers = [(stage, depth) for stage, depths in enumerate(_STAGES) for depth in range(depths)]
    channels = 3
    for index, (stage, depth) in enumerate(layers):
        bias = tensors.get(f"conv{index}.bias")
        width = bias.shape[0] if bias is not None and bias.ndim == 1 else 0
        expected[f"conv{index}.weight"] = (width, channels, 3, 3)
        expected[f"conv{index}.bias"] = (width,)
        if depth == _STAGES[stage] - 1:
            expected[f"lin{stage}.weight"] = (1, width, 1, 1)
        channels = width
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        name = min(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise WeightsError(
            f"LPIPS weights must be a VGG-16's, conv0 to conv12 and lin0 to lin4"
            f" (got {path}, where {name} is {found.get(name, 'missing')})"
        )


def _tiles(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Upper left corners of the cores."""
    return ((top, left) for top in range(0, height, _TILE) for left in range(0, width, _TILE))
