import math

import pytest
import torch
from pydantic import ValidationError

from sdrjscc.errors import SignalError
from sdrjscc.waveform.base import CHIRP_RATE, PREAMBLE_SAMPLES, chirps, preamble, tone
from sdrjscc.waveform.ofdm import Config, build


def test_default_geometry_is_that_of_the_specification():
    wave = build(Config())
    assert wave.payload_symbols == 16_400
    assert wave.frame_samples == 2 * 528 + 5 * 272 + 82 * 272
    assert wave.occupied_bandwidth_hz(1e6) == pytest.approx(812_500)
    overhead = 1 - wave.payload_symbols / (wave.frame_samples * 208 / 256)
    assert overhead == pytest.approx(0.185, abs=0.003)


def test_frame_of_unit_power_symbols_has_unit_power():
    wave = build(Config(payload_ofdm_symbols=40))
    generator = torch.Generator().manual_seed(0)
    payload = torch.randn(4, wave.payload_symbols, dtype=torch.complex64, generator=generator)
    header = torch.ones(4, 1000, dtype=torch.complex64)
    power = wave.modulate(header, payload).abs().square().mean()
    assert power == pytest.approx(1.0, abs=0.01)


def test_modulate_is_differentiable_in_the_payload():
    wave = build(Config(payload_ofdm_symbols=2))
    payload = torch.ones(1, wave.payload_symbols, dtype=torch.complex64, requires_grad=True)
    wave.modulate(torch.ones(1, 1000, dtype=torch.complex64), payload).abs().square().sum().backward()
    assert payload.grad is not None and bool(torch.isfinite(payload.grad.abs()).all())


@pytest.mark.parametrize(
    "wrong",
    [
        {"active_carriers": 120},
        {"pilot_spacing": 24},
        {"active_carriers": 100, "pilot_spacing": 25},
        {"payload_ofdm_symbols": 0},
        {"preamble_boost_db": 6.0},
        {"fft_size": 64, "active_carriers": 26, "cyclic_prefix": 65},
        {"nonsense": 1},
    ],
)
def test_impossible_numerologies_are_refused(wrong):
    with pytest.raises(ValidationError):
        Config(**wrong)


@pytest.mark.parametrize(
    ("header", "payload"), [((2, 1000), (1, 400)), ((1, 999), (1, 400)), ((1, 1000), (1, 401))]
)
def test_shapes_that_do_not_fit_are_refused(header, payload):
    wave = build(Config(payload_ofdm_symbols=2))
    with pytest.raises(SignalError):
        wave.modulate(torch.zeros(header, dtype=torch.complex64), torch.zeros(payload, dtype=torch.complex64))


def test_preamble_has_a_low_peak():
    power = preamble().abs().square()
    assert len(power) == PREAMBLE_SAMPLES
    assert 10 * math.log10(float(power.max() / power.mean())) < 3.0


def test_carrier_offset_shifts_the_correlation_of_up_and_down_chirp_apart():
    cfo = 20 * CHIRP_RATE
    for chirp, expected in zip(chirps(), (-20, 20), strict=True):
        received = torch.nn.functional.pad(chirp * tone(torch.tensor(cfo), 512), (100, 100))
        correlation = (received.unfold(0, 512, 1) @ chirp.conj()).abs()
        assert int(correlation.argmax()) - 100 == expected
