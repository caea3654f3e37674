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
