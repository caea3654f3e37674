import math

import pytest
import torch

from sdrjscc.waveform.base import HEADER, PAYLOAD_START, PREAMBLE_SAMPLES, preamble, to_samples, to_spectrum
from sdrjscc.waveform.ofdm import Config, build

PLAIN = build(Config(payload_ofdm_symbols=50))
PAYLOAD = torch.randn(
    40, PLAIN.payload_symbols, dtype=torch.complex64, generator=torch.Generator().manual_seed(1)
)
HEADERS = torch.polar(
    torch.ones(40, 1000),
    math.pi / 2 * torch.randint(0, 4, (40, 1000), generator=torch.Generator().manual_seed(2)),
)


def clipped(clip_db, iterations=1, **options):
    return build(Config(payload_ofdm_symbols=50, clip_db=clip_db, clip_iterations=iterations, **options))


def sent_by(wave, payload=PAYLOAD):
    return wave.modulate(HEADERS[: len(payload)], payload)


def cells_of(sent):
    return PLAIN.payload.demodulate(sent[:, PAYLOAD_START:])


def peaks_db(sent):
    """Peak above a power of 1, of each OFDM symbol, on four times the sample rate."""
    blocks = sent.reshape(-1, 272)[:, 16:]
    fine = to_samples(torch.nn.functional.pad(to_spectrum(blocks), (384, 384))) * 2
    return 10 * torch.log10(fine.abs().square().amax(-1))


def sdr_db(wave):
    """Signal to distortion over all active cells; the signal is what correlates with what was meant."""
    meant, got = cells_of(sent_by(PLAIN)), cells_of(sent_by(wave))
    gain = (meant.conj() * got).sum() / meant.abs().square().sum()
    distortion = (got - gain * meant).abs().square().sum()
    return 10 * math.log10(float((gain * meant).abs().square().sum() / distortion))


@pytest.mark.parametrize("clip_db", [6.0, 6.5, 7.0])
def test_distortion_in_the_band_is_part_of_what_theory_says_of_all(clip_db):
    """A Gaussian signal limited at g times its deviation (J. Bussgang 1952; Rayleigh magnitude).

    What is left of the signal has the amplitude ``a = 1 - exp(-g^2) + sqrt(pi)/2 g erfc(g)``, all
    power ``1 - exp(-g^2)``; the rest is distortion, most of it in the band, some beside it.
    """
    g = 10 ** (clip_db / 20)
    amplitude = 1 - math.exp(-g * g) + math.sqrt(math.pi) / 2 * g * math.erfc(g)
    whole_db = 10 * math.log10(amplitude**2 / (1 - math.exp(-g * g) - amplitude**2))
    measured_db = sdr_db(clipped(clip_db))
    assert whole_db + 1.0 < measured_db < whole_db + 4.0
    assert 29.5 < measured_db < 36.0


def test_each_iteration_trades_distortion_for_peak():
    waves = [clipped(6.5, count) for count in (1, 2, 4)]
    ratios = [sdr_db(wave) for wave in waves]
    peaks = [float(torch.quantile(peaks_db(sent_by(wave)[:, PAYLOAD_START:]), 0.99)) for wave in waves]
    plain = float(torch.quantile(peaks_db(sent_by(PLAIN)[:, PAYLOAD_START:]), 0.99))
    assert ratios == sorted(ratios, reverse=True)
    assert peaks == sorted(peaks, reverse=True)
    assert plain - peaks[0] > 1.7
    assert 6.5 < peaks[2] < 7.3


def test_nothing_is_sent_outside_the_carriers():
    blocks = sent_by(clipped(6.0, 2))[:, PAYLOAD_START:].reshape(-1, 272)[:, 16:]
    power = to_spectrum(blocks).abs().square().mean(0)
    outside = torch.ones(256, dtype=torch.bool)
    outside[PLAIN.payload.bins] = False
    assert float(power[outside].max()) < 1e-10 * float(power[~outside].mean())


def test_prefixes_stay_cyclic():
    blocks = sent_by(clipped(6.0))[:, PREAMBLE_SAMPLES:].reshape(-1, 272)
    assert torch.equal(blocks[:, :16], blocks[:, 256:])


@pytest.mark.parametrize("clip_db", [4.0, 6.0])
def test_every_frame_keeps_the_power_of_its_header_and_of_its_payload(clip_db):
    plain, got = sent_by(PLAIN), sent_by(clipped(clip_db, 3))
    assert torch.equal(plain[:, :PREAMBLE_SAMPLES], got[:, :PREAMBLE_SAMPLES])
    for grid, start in ((HEADER, PREAMBLE_SAMPLES), (PLAIN.payload, PAYLOAD_START)):
        part = slice(start, start + grid.samples)
        before, after = (grid.demodulate(x[:, part]).abs().square().mean((1, 2)) for x in (plain, got))
        assert torch.allclose(before, after, rtol=1e-5)


def test_the_header_is_clipped_too():
    peaks = [
        peaks_db(sent_by(wave)[:, PREAMBLE_SAMPLES:PAYLOAD_START]).max() for wave in (PLAIN, clipped(5.0, 4))
    ]
    assert peaks[1] < 6.3 < peaks[0]


def test_what_stays_below_the_limit_is_left_as_it_is():
    quiet = 0.2 * PAYLOAD
    wave = clipped(12.0)
    assert torch.allclose(cells_of(sent_by(wave, quiet)), cells_of(sent_by(PLAIN, quiet)), atol=1e-5)


def test_a_payload_of_zeros_passes_with_finite_gradients():
    payload = torch.zeros(1, PLAIN.payload_symbols, dtype=torch.complex64, requires_grad=True)
    sent = sent_by(clipped(6.0), payload)
    sent.abs().square().sum().backward()
    assert sent.isfinite().all()
    assert payload.grad.isfinite().all()


def test_full_boost_brings_the_preamble_to_the_peak_of_a_clipped_payload():
    """2.9 dB of its own and 5 dB of boost, against one payload block in a thousand."""
    boosted = 10 * math.log10(float(_fine_peak(preamble()))) + 5.0
    assert boosted == pytest.approx(7.9, abs=0.1)
    level = float(torch.quantile(peaks_db(sent_by(clipped(6.5, 2))[:, PAYLOAD_START:]), 0.999))
    assert boosted == pytest.approx(level, abs=0.25)


def _fine_peak(samples):
    chirps = samples.reshape(2, -1)[:, 16:]
    fine = to_samples(torch.nn.functional.pad(to_spectrum(chirps), (768, 768))) * 2
    return fine.abs().square().max()
