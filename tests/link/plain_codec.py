"""A user's own codec for tests: pixels are sent as they are, so that every error shows."""

import torch
from torch import Tensor, nn

from sdrjscc.codecs.base import LatentCodec
from sdrjscc.errors import Undecodable
from sdrjscc.payload import Plan


class Centre(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images - 0.5


class Restore(nn.Module):
    """What is normalised to unit power becomes a picture of half the contrast."""

    def forward(self, latent: Tensor) -> Tensor:
        return 0.5 + 0.12 * latent


class Hopeless(LatentCodec):
    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: object) -> Tensor:
        raise Undecodable("bits must pass their check (got none that do)")


class Miscounting(LatentCodec):
    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        return super().encode(images, plan)[:, :-1]


class OnMeta(LatentCodec):
    """Asserts that it gets what is on its device, and answers from the CPU."""

    def __init__(self, *parts: nn.Module, **shape: int) -> None:
        super().__init__(*parts, **shape)
        self.seen: list[str] = []
        self.weight = nn.Parameter(torch.zeros(1))

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        assert images.device == self.weight.device
        self.seen.append(images.device.type)
        return torch.randn(1, plan.symbols, 2, generator=torch.Generator().manual_seed(0))

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: object) -> Tensor:
        assert payload_hat.device == noise_var.device == self.weight.device
        self.seen.append(payload_hat.device.type)
        return torch.zeros(1, 3, plan.height, plan.width)  # type: ignore[attr-defined]


def _codec(kind: type[LatentCodec]) -> LatentCodec:
    encoder = nn.Sequential(Centre(), nn.PixelUnshuffle(2))
    decoder = nn.Sequential(nn.PixelShuffle(2), Restore())
    return kind(encoder, decoder, channels=12, stride=2).eval()


def build(options: dict) -> LatentCodec:
    codec = _codec(LatentCodec)
    codec.fingerprint = str(options.get("fingerprint", "plain"))
    return codec


def build_hopeless(options: dict) -> LatentCodec:
    return _codec(Hopeless)


def build_miscounting(options: dict) -> LatentCodec:
    return _codec(Miscounting)


def build_on_meta(options: dict) -> LatentCodec:
    return _codec(OnMeta)
