"""Modulation orders over the whole link: which is sent, and what comes back."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdrjscc.errors import ConfigError
from sdrjscc.link.parts import build_parts, sending_mode
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link, with_codec
from sdrjscc.payload import PayloadKind, Plan

CHANNEL = {"name": "chain", "snr_db": 35.0}
QAM = {"name": "qam", "orders": [4, 16, 64]}


class Bytes(nn.Module):
    """Half a byte of every value is an index of 16-QAM; in another mode two bits of it."""

    multiple, uses_noise_var, fingerprint = 2, False, "nibbles"

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        return Plan(width, height, 3 * width * height, PayloadKind.INDICES, mode, prefix)

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        steps = (4, 16, 64)[plan.mode]
        return (images * steps).floor().clamp(0, steps - 1).long().flatten(1)

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: Plan) -> Tensor:
        steps = (4, 16, 64)[plan.mode]
        return (payload_hat.reshape(-1, 3, plan.height, plan.width) + 0.5) / steps


def build(options: dict[str, Any]) -> Bytes:
    return Bytes()


def link(**changes: Any) -> LinkConfig:
    table = {"codec": {"name": "test_modes:build"}, "mapping": {**QAM, "demap": "hard"}, "channel": CHANNEL}
    return parse_link({**table, **changes})


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_mode_travels_in_the_header(mode: int) -> None:
    """The step of the quantiser says which mode the receiver decoded with."""
    pixels = (torch.arange(3 * 32 * 32) % 256).to(torch.uint8).reshape(3, 32, 32)
    with Link(link(mode=mode)) as one:
        result = one.send(pixels)
    assert result.received is not None
    assert result.received.assembled.header.mode == mode
    step = (64, 16, 4)[mode]
    expected = (pixels // step) * step + step // 2
    assert result.pixels is not None
    assert (result.pixels.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize(("snr_db", "mode"), [(3.0, 0), (12.3, 1), (18.7, 1), (18.8, 2), (40.0, 2)])
def test_auto_takes_the_highest_order_that_the_snr_is_good_for(snr_db: float, mode: int) -> None:
    assert sending_mode(build_parts(link(channel={**CHANNEL, "snr_db": snr_db}))) == mode


def test_a_mode_that_cannot_be() -> None:
    with pytest.raises(
        ConfigError, match=r"one of mapping qam's \(number: order\) 0: 4, 1: 16, 2: 64 \(got 3\)"
    ):
        Link(link(mode=3))
    with pytest.raises(ConfigError, match=r"\(got -1\)"):
        Link(link(mode=-1))
    with pytest.raises(ConfigError, match=r"mode must be given .* not configured \(modulation orders 0: 4"):
        sending_mode(build_parts(link(channel=None)))
    analog = {"codec": {"name": "dsc_jscc", "weights": "untrained"}, "mapping": {"name": "analog"}}
    with pytest.raises(ConfigError, match=r"mode must be 0 for mapping analog \(got 16\)"):
        Link(link(mode=16, **analog))
    assert sending_mode(build_parts(link(channel=None, **analog))) == 0


def test_auto_follows_the_receiver_where_the_channel_has_no_snr() -> None:
    """The first picture takes the lowest order; the next one what its receiver measured: no noise at all."""
    pixels = torch.zeros(3, 32, 32, dtype=torch.uint8)
    with Link(link(channel=None)) as one:
        modes = [one.send(pixels).plan.mode for _ in range(2)]
    assert modes == [0, 2]


def test_the_mode_is_not_in_the_digest() -> None:
    assert build_parts(link(mode=2)).digest == build_parts(link(mode=0)).digest


def test_another_codec_takes_the_mapping_that_it_is_made_for() -> None:
    changed = with_codec(load_link("loopback"), "ren2026/gamma-0.5", weights="untrained")
    assert changed.codec["variant"] == "gamma-0.5"
    assert changed.mapping["name"] == "uniform_qam"
    analog = with_codec(changed, mapping="analog_real", mode=0)
    assert (analog.codec, analog.mapping["name"], analog.mode) == (changed.codec, "analog_real", 0)
    assert with_codec(analog) == analog
