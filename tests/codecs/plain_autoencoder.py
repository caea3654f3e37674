"""A user's own codec, as in the README: plain torch networks, ten lines, no import of a family."""

import torch
from torch import nn

from sdrjscc.codecs.base import LatentCodec


def build(config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.get("seed", 0))
        encoder = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2), nn.PReLU(), nn.Conv2d(32, 8, 5, 2, 2))
        decoder = nn.Sequential(
            nn.ConvTranspose2d(8, 32, 4, 2, 1), nn.PReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1)
        )
    return LatentCodec(encoder, decoder, channels=8, stride=4)


def build_no_codec(config):
    return nn.Identity()
