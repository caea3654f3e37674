"""Parameters and multiply-accumulates of a network, counted on the meta device."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sdrjscc.codecs.base import Codec


@dataclass(frozen=True)
class Complexity:
    """Cost of a network.

    Attributes:
        parameters: trainable values.
        macs: multiply-accumulates with transposed convolutions counted at their input
            positions, which is what has to be computed.
        macs_output_counted: the same with transposed convolutions counted at their output
            positions, as many papers' tools do.
    """

    parameters: int
    macs: int
    macs_output_counted: int


def complexity(module: nn.Module, *inputs: tuple[int, ...]) -> Complexity:
    """Count parameters of ``module`` and the operations of one forward pass.

    Args:
        module: network; it is copied to the meta device, nothing is computed.
        inputs: shapes of the forward pass's arguments.
    """
    meta = copy.deepcopy(module).to("meta")
    with _counting(meta) as counts, torch.no_grad():
        meta(*(torch.empty(shape, device="meta") for shape in inputs))
    parameters = sum(p.numel() for p in module.parameters())
    return Complexity(parameters, sum(c[0] for c in counts), sum(c[1] for c in counts))


def codec_complexity(codec: Codec, width: int, height: int, mode: int = 0) -> Complexity:
    """Cost of encoding and decoding one picture; all zero for a codec without a network."""
    if not isinstance(codec, nn.Module):
        return Complexity(0, 0, 0)
    meta = copy.deepcopy(codec).to("meta")
    plan = codec.plan(width, height, mode)
    with _counting(meta) as counts, torch.no_grad():
        payload = meta.encode(torch.empty(1, 3, height, width, device="meta"), plan)
        meta.decode(payload, torch.empty(1, plan.symbols, device="meta"), plan)
    parameters = sum(p.numel() for p in codec.parameters())
    return Complexity(parameters, sum(c[0] for c in counts), sum(c[1] for c in counts))


@contextmanager
def _counting(module: nn.Module) -> Iterator[list[tuple[int, int]]]:
    counts: list[tuple[int, int]] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(_layer_macs(layer, inputs[0], output))

    handles = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _layer_macs(layer: nn.Module, inputs: Tensor, output: Tensor) -> tuple[int, int]:
    weights = layer.weight.numel()  # type: ignore[union-attr, operator]
    if isinstance(layer, nn.Linear):
        return (macs := weights * inputs.numel() // layer.in_features), macs
    at_inputs = weights * inputs.shape[-1] * inputs.shape[-2] * inputs.shape[0]
    at_outputs = weights * output.shape[-1] * output.shape[-2] * output.shape[0]
    return (at_inputs if isinstance(layer, nn.ConvTranspose2d) else at_outputs), at_outputs
