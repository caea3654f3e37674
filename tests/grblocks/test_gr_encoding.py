"""Encoder and mapper: the symbols of a sender, modes, what is refused."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import torch
from gr_rig import Rig, picture

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.jscc_encoder import JsccEncoder
from sdrjscc.grblocks.link_variable import open_link
from sdrjscc.grblocks.pdu import picture_pixels
from sdrjscc.grblocks.symbol_mapper import SymbolMapper
from sdrjscc.link.transmitter import Transmitter
from sdrjscc.mapping.base import build_mapper
from sdrjscc.payload import PayloadKind, Plan

UJSCC = ("loopback", "ujscc/ujscc", "untrained")


class Thresholds:
    """A codec of one bit a pixel: itself, or an index of QPSK."""

    multiple, uses_noise_var, fingerprint = 8, False, ""

    def __init__(self, kind):
        self.kind = kind

    def plan(self, width, height, mode=0, prefix=0):
        values = 3 * width * height
        return Plan(width, height, values if self.kind == "indices" else values // 2, self.kind, mode, prefix)

    def encode(self, images, plan):
        bright = (images > 0.5).flatten(1)
        return 3 * bright.long() if self.kind == "indices" else bright.to(torch.uint8)

    def decode(self, payload_hat, noise_var, plan):
        raise NotImplementedError


def parts_with(payload):
    """A link whose payload is of this kind."""
    parts = open_link("loopback")
    if payload == "latent":
        return parts
    mapper = build_mapper({"name": "qam", "takes": payload, "orders": [4]})
    return replace(parts, codec=Thresholds(PayloadKind(payload)), mapper=mapper)


@pytest.mark.parametrize(
    ("payload", "dtype"), [("latent", np.float32), ("indices", np.int32), ("bits", np.uint8)]
)
def test_encoder_and_mapper_give_the_symbols_of_a_sender(payload, dtype):
    parts = parts_with(payload)
    meta, data = picture(40, 24, seed=3, last=True, time_s=2.5)
    with Rig(JsccEncoder(parts, mode=0), "payloads") as rig:
        rig.post("pictures", meta, data)
        ((encoded, values),) = rig.wait("payloads", 1)
    assert encoded["payload"] == payload
    assert values.dtype == dtype
    assert len(values) == np.prod(encoded["shape"])
    assert {key: encoded[key] for key in meta} == meta
    with Rig(SymbolMapper(parts), "symbols") as rig:
        rig.post("payloads", encoded, values)
        ((mapped, symbols),) = rig.wait("symbols", 1)
    assert mapped["last"]
    sender = Transmitter(parts.codec, parts.mapper, parts.waveform, digest=parts.digest, nonce=1)
    expected = sender.transmit(picture_pixels(meta, data)).symbols
    np.testing.assert_allclose(symbols, expected.numpy(), atol=1e-6)


def test_modes_by_number_by_the_channel_and_while_running():
    parts = open_link(*UJSCC)
    assert parts.config.channel["snr_db"] == 10.0
    encoder = JsccEncoder(parts)
    with Rig(encoder, "payloads") as rig:
        for mode in (None, 0, 3):
            if mode is not None:
                encoder.set_mode(mode)
            before = len(rig.keepers["payloads"].heard)
            rig.post("pictures", *picture())
            rig.wait("payloads", before + 1)
        modes = [meta["mode"] for meta, _ in rig.keepers["payloads"].heard]
    assert modes == [1, 0, 3]  # at 10 dB the second order, QPSK
    with pytest.raises(ConfigError, match=r"mode must be one of mapping vq's .*\(got 99\)"):
        encoder.set_mode(99)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("loopback", 1), r"mode must be 0 for mapping analog \(got 1\)"),
        (("loopback", "fast"), r"mode must be a modulation order's number or 'auto' \(got 'fast'\)"),
        (("loopback", True), r"mode must be a modulation order's number"),
        (("loopback", "auto", None, "gpu"), r"device must be one that PyTorch has here \(got 'gpu'"),
        (("no-such-link",), "a link must be a TOML file, a recording, or one of the presets"),
    ],
)
def test_bad_parameters_of_the_encoder(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        JsccEncoder(*arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_cuda_where_there_is_none():
    with pytest.raises(ConfigError, match=r"device must be one that PyTorch has here \(got 'cuda'"):
        JsccEncoder("loopback", device="cuda")


def test_the_link_s_codec_stays_where_it_is():
    parts = open_link("loopback")
    encoder = JsccEncoder(parts, device="meta")
    assert encoder._parts.codec is not parts.codec
    assert {parameter.device.type for parameter in parts.codec.parameters()} == {"cpu"}
    assert {parameter.device.type for parameter in encoder._parts.codec.parameters()} == {"meta"}


BAD_PAYLOADS = [
    ({}, "width, height, payload, shape"),
    ({"payload": "bits"}, "a payload must be latent"),
    ({"shape": np.array([3, 2], np.int32)}, r"of shape \[3, 2\] \(got"),
    ({"width": 4000}, "must give the .* symbols that it planned"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD_PAYLOADS)
def test_a_bad_payload_goes_on_as_an_error(change, sentence, caplog):
    parts = open_link("loopback")
    with Rig(JsccEncoder(parts), "payloads") as rig:
        rig.post("pictures", *picture())
        ((good, values),) = rig.wait("payloads", 1)
    bad = {**good, **change} if change else {"name": "x"}
    with caplog.at_level(logging.WARNING), Rig(SymbolMapper(parts), "symbols") as rig:
        rig.post("payloads", {**bad, "last": True}, values)
        rig.post("payloads", good, values)
        (failed, nothing), (meta, symbols) = rig.wait("symbols", 2)
    assert failed["last"]
    assert len(nothing) == 0
    assert "error" not in meta
    assert len(symbols)
    assert re.search(sentence, failed["error"])
    assert failed["error"] in caplog.text


def test_the_mode_follows_the_snr_that_is_given():
    parts = open_link("loopback", "separation/avif")
    encoder = JsccEncoder(parts, snr_db=3.0)
    modes = []
    with Rig(encoder, "payloads") as rig:
        for change in (lambda: None, lambda: encoder.set_snr_db(25.0), lambda: encoder.set_mode(5)):
            change()
            rig.post("pictures", *picture(128, 128, seed=2))
            modes.append(rig.wait("payloads", len(modes) + 1)[-1][0]["mode"])
    assert modes == [parts.codec.mode_at(3.0), parts.codec.mode_at(25.0), 5]
    assert modes[0] < modes[1]
