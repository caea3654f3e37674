"""Parameters and multiply-accumulates of a network, counted on the meta device."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from sdrjscc.codecs._attention import DotProductAttention
from sdrjscc.codecs.base import Codec

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Complexity:
    """Cost of a network.

    Attributes:
        parameters: trainable values.
        macs: multiply-accumulates of convolutions, linear layers and attention, transposed
            convolutions counted at their input positions, which is what has to be computed.
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
    meta = _on_meta(module)
    with _counting(meta) as counts, torch.no_grad():
        meta(*(torch.empty(shape, device="meta") for shape in inputs))
    parameters = sum(p.numel() for p in module.parameters())
    return Complexity(parameters, sum(c[0] for c in counts), sum(c[1] for c in counts))


def codec_complexity(codec: Codec, width: int, height: int, mode: int = 0) -> Complexity:
    """Cost of encoding and decoding one picture; all zero for a codec without a network."""
    if not isinstance(codec, nn.Module):
        return Complexity(0, 0, 0)
    meta = _on_meta(codec)
    plan = codec.plan(width, height, mode)
    with _counting(meta) as counts, torch.no_grad():
        payload = meta.encode(torch.empty(1, 3, height, width, device="meta"), plan)
        meta.decode(payload, torch.empty(1, plan.symbols, device="meta"), plan)
    parameters = sum(p.numel() for p in codec.parameters())
    return Complexity(parameters, sum(c[0] for c in counts), sum(c[1] for c in counts))


def _on_meta(module: ModuleT) -> ModuleT:
    """A copy on the meta device; the module itself if it is there already."""
    there = all(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    return module if there else copy.deepcopy(module).to("meta")


@contextmanager
def _counting(module: nn.Module) -> Iterator[list[tuple[int, int]]]:
    counts: list[tuple[int, int]] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, DotProductAttention):
            counts.append(_attention_macs(inputs[0], inputs[1]))
        else:
            counts.append(_layer_macs(layer, inputs[0], output))

    handles = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | DotProductAttention)
    ]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _attention_macs(query: Tensor, key: Tensor) -> tuple[int, int]:
    macs = 2 * query.numel() * key.shape[-2]  # scores, then their average of values of equal width
    return macs, macs


def _layer_macs(layer: nn.Module, inputs: Tensor, output: Tensor) -> tuple[int, int]:
    if isinstance(layer, nn.Linear):
        return (macs := layer.out_features * inputs.numel()), macs
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    # by the channels that are there: a layer may use only its first filters
    weights = inputs.shape[1] * output.shape[1] * math.prod(layer.kernel_size) // layer.groups
    at_inputs = weights * inputs.shape[-1] * inputs.shape[-2] * inputs.shape[0]
    at_outputs = weights * output.shape[-1] * output.shape[-2] * output.shape[0]
    return (at_inputs if isinstance(layer, nn.ConvTranspose2d) else at_outputs), at_outputs
