"""A narrow VGG-16 with weights from written-down arithmetic, and pictures to compare."""

import torch

WIDTHS = (4, 4, 6, 6, 8, 8, 8, 10, 10, 10, 10, 10, 10)
TAPS = (1, 3, 6, 9, 12)
PAIRS = [[64, 48, 1], [17, 16, 2], [97, 35, 3]]


def wave(shape, key):
    """Deterministic values in (-1, 1) that no library's random stream can change."""
    index = torch.arange(int(torch.tensor(shape).prod()), dtype=torch.float64)
    value = torch.frac(torch.sin(index * 12.9898 + key * 78.233) * 43758.5453)
    return value.reshape(shape).to(torch.float32)


def narrow_weights():
    """Tensors as ``load_lpips`` expects them, a few KiB in all."""
    weights, channels = {}, 3
    for index, width in enumerate(WIDTHS):
        weights[f"conv{index}.weight"] = (
            wave((width, channels, 3, 3), index) * (2.0 / (channels * 9)) ** 0.5 * 1.7
        )
        weights[f"conv{index}.bias"] = 0.1 * wave((width,), 50 + index)
        channels = width
    for tap, index in enumerate(TAPS):
        weights[f"lin{tap}.weight"] = wave((1, WIDTHS[index], 1, 1), 100 + tap).abs()
    return weights


def picture_pair(width, height, key):
    """uint8 ``[3, H, W]`` twice: smooth with texture, and the same with an error."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    smooth = torch.stack([torch.sin(x / (5.0 + c) + key) * torch.cos(y / (7.0 - c)) for c in range(3)])
    sent = 128 + 90 * smooth + 20 * wave((3, height, width), key)
    received = sent + 40 * wave((3, height, width), key + 10)
    return sent.clamp(0, 255).to(torch.uint8), received.clamp(0, 255).to(torch.uint8)
