"""Codecs of a user for tests: one is no torch module, one is linear and learns in a few steps."""

from typing import Any

import torch
from torch import nn

from sdrjscc.codecs.base import LatentCodec
from sdrjscc.payload import PayloadKind, Plan


class Formula:
    multiple, uses_noise_var, fingerprint = 1, False, ""

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        return Plan(width, height, width * height, PayloadKind.LATENT)

    def encode(self, images: Any) -> Any:
        return images

    def decode(self, payload_hat: Any, noise_var: Any, plan: Plan) -> Any:
        return payload_hat


def build(options: dict) -> Formula:
    return Formula()


def build_linear(options: dict) -> LatentCodec:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, decoder = nn.Conv2d(3, 12, 4, 4), nn.ConvTranspose2d(12, 3, 4, 4)
    return LatentCodec(encoder, decoder, channels=12, stride=4)


class Coded(LatentCodec):
    """Two codebooks, of 2 and 4 codewords of two values; a BatchNorm and a term of its own."""

    def __init__(self) -> None:
        encoder = nn.Sequential(nn.Conv2d(3, 2, 4, 4), nn.BatchNorm2d(2))
        super().__init__(encoder, nn.ConvTranspose2d(2, 3, 4, 4), channels=2, stride=4, values=2)
        self.codebooks = nn.ParameterList([torch.rand(2, 2) - 0.5, torch.rand(4, 2) - 0.5])

    @property
    def mapper_tables(self) -> dict[str, Any]:
        return {f"codebook{mode}": codebook for mode, codebook in enumerate(self.codebooks)}

    def loss_terms(self) -> dict[str, Any]:
        return {"sparsity": self.encoder[1].weight.abs().sum()}  # type: ignore[index]


def build_coded(options: dict) -> Coded:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Coded()
