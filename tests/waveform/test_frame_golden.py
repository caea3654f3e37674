from pathlib import Path

import numpy as np
import torch

from sdrjscc.waveform.base import PAYLOAD_START, PREAMBLE_SAMPLES, preamble
from sdrjscc.waveform.ofdm import Config, build

GOLDEN = np.load(Path(__file__).with_name("golden_frame.npz"))


def test_preamble_is_the_one_of_the_definition():
    expected = torch.from_numpy(GOLDEN["frame"][:PREAMBLE_SAMPLES])
    assert torch.allclose(preamble(), expected, atol=2e-6)


def test_frame_is_the_one_of_the_definition():
    wave = build(Config(payload_ofdm_symbols=3))
    header = torch.from_numpy(GOLDEN["header"])[None]
    payload = torch.from_numpy(GOLDEN["payload"])[None]
    frame = wave.modulate(header, payload)
    assert frame.shape == (1, wave.frame_samples)
    assert torch.allclose(frame[0], torch.from_numpy(GOLDEN["frame"]), atol=5e-6)


def test_boost_scales_the_preamble_only():
    wave = build(Config(payload_ofdm_symbols=3, preamble_boost_db=5.0))
    header = torch.from_numpy(GOLDEN["header"])[None]
    frame = wave.modulate(header, torch.from_numpy(GOLDEN["payload"])[None])[0]
    expected = torch.from_numpy(GOLDEN["frame"]).clone()
    expected[:PREAMBLE_SAMPLES] *= 10**0.25
    assert torch.allclose(frame, expected, atol=1e-5)
    assert PAYLOAD_START == 1056 + 5 * 272
