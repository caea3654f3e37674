"""The contract of the family, for every plug-in that is there, with its default numerology."""

import math

import pytest
import torch
from pydantic import ValidationError

from sdrjscc import plugins
from sdrjscc.errors import SignalError
from sdrjscc.framing.header import Header, encode_headers
from sdrjscc.link.receiver import Receiver
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, PREAMBLE_SAMPLES, Waveform, preamble

NAMES = plugins.available("waveform")
every_waveform = pytest.mark.parametrize("name", NAMES)
clipped_or_not = pytest.mark.parametrize("options", [{}, {"clip_db": 6.5}], ids=["plain", "clipped"])
GAP = 1500


def built(name: str, **options) -> Waveform:
    plugin = plugins.load("waveform", name)
    return plugin.build(plugin.config(**options))


def gaussian(*shape, seed=0, dtype=torch.complex64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def headers(count):
    return encode_headers([Header(0x3FA1, 7, i, i, count, 0, 0, True, 256, 192) for i in range(count)])


def frames(wave, count, seed=0):
    payload = gaussian(count, wave.payload_symbols, seed=seed)
    return wave.modulate(headers(count), payload), payload


def cells_of(wave, sent):
    grid = wave.payload
    return grid.data_of(grid.demodulate(sent[:, PAYLOAD_START:], advance=grid.cyclic_prefix // 4))


def air(wave, parts, snr_db, echo=0.0):
    """Frames with silence between them, an echo 5 samples later, and noise: ``[1, n]``."""
    stream = torch.nn.functional.pad(parts, (GAP, GAP)).flatten()[None]
    stream = stream + echo * torch.nn.functional.pad(stream, (5, 0))[:, :-5]
    scale = math.sqrt(10 ** (-snr_db / 10) / wave.occupied_bandwidth_hz(1.0))
    return stream + scale * gaussian(1, stream.shape[-1], seed=9)


def received(wave, stream):
    receiver = Receiver(wave, sample_rate_hz=1e6, clock_ppm=10.0, center_frequency_hz=2.4e9)
    return receiver.push(stream) + receiver.flush()


@every_waveform
def test_configuration_is_frozen_and_strict(name):
    config = plugins.load("waveform", name).config
    with pytest.raises(ValidationError):
        config(no_such_key=1)
    with pytest.raises(ValidationError):
        setattr(config(), next(iter(config.model_fields)), None)


@every_waveform
def test_its_numbers_agree(name):
    wave = built(name)
    assert wave.frame_samples == PAYLOAD_START + wave.payload.samples
    assert 0 < wave.payload_symbols <= wave.payload.data_cells
    assert wave.preamble_gain >= 1.0
    assert wave.occupied_bandwidth_hz(2e6) == 2 * wave.occupied_bandwidth_hz(1e6)
    assert HEADER.occupied_fraction <= wave.occupied_bandwidth_hz(1.0) < 1.0


@every_waveform
@clipped_or_not
def test_header_and_payload_have_unit_mean_power(name, options):
    wave = built(name, **options)
    sent, payload = frames(wave, 4)
    before = payload.clone()
    assert sent.shape == (4, wave.frame_samples)
    assert sent.dtype == torch.complex64
    assert torch.equal(payload, before)
    # 65,600 exponential powers: 0.004 of standard deviation; 20 QPSK OFDM symbols and their prefixes
    assert float(sent[:, PAYLOAD_START:].abs().square().mean()) == pytest.approx(1.0, abs=0.012)
    assert float(sent[:, PREAMBLE_SAMPLES:PAYLOAD_START].abs().square().mean()) == pytest.approx(
        1.0, abs=0.03
    )


@every_waveform
def test_preamble_and_header_are_those_of_the_frame_version(name):
    wave = built(name)
    sent, _ = frames(wave, 2)
    assert torch.allclose(sent[:, :PREAMBLE_SAMPLES], wave.preamble_gain * preamble())
    assert torch.allclose(
        sent[:, PREAMBLE_SAMPLES:PAYLOAD_START], HEADER.modulate(HEADER.fill(headers(2))), atol=1e-6
    )


@every_waveform
@pytest.mark.parametrize("noise_var", [0.0, 0.3])
def test_collect_undoes_modulate(name, noise_var):
    """Unbiased whatever noise it is told of, where that is the same in all cells."""
    wave = built(name)
    sent, payload = frames(wave, 2)
    cells = cells_of(wave, sent)
    symbols, variance = wave.collect(cells, torch.full(cells.shape, noise_var))
    assert symbols.shape == variance.shape == payload.shape
    assert (symbols.dtype, variance.dtype) == (torch.complex64, torch.float32)
    assert torch.allclose(symbols, payload, atol=2e-4)
    assert torch.allclose(variance, torch.full_like(variance, noise_var), atol=1e-5)


@every_waveform
@pytest.mark.parametrize("left", [0.0, math.nan])
def test_a_lost_ofdm_symbol_is_0_with_infinite_variance_and_harms_no_other(name, left):
    wave = built(name)
    sent, payload = frames(wave, 1)
    cells, noise_var = cells_of(wave, sent), torch.full((1, wave.payload.symbols, 1), 0.1)
    noise_var = noise_var.expand(-1, -1, wave.payload.data_per_symbol).clone()
    cells[0, 3:5], noise_var[0, 3:5] = left, torch.inf
    symbols, variance = wave.collect(cells, noise_var)
    lost = variance.isinf()
    assert int(lost.sum()) == 2 * wave.payload_symbols // wave.payload.symbols
    assert not variance.isnan().any()
    assert torch.allclose(symbols[~lost], payload[~lost], atol=2e-4)
    if left == 0.0:
        assert (symbols[lost] == 0).all()


@every_waveform
@clipped_or_not
def test_gradient_of_modulate_is_that_of_finite_differences(name, options):
    wave = built(name, **options)
    payload = gaussian(1, wave.payload_symbols, dtype=torch.complex128).requires_grad_()
    header = headers(1)
    assert wave.modulate(header, payload).dtype == torch.complex128
    assert torch.autograd.gradcheck(lambda x: wave.modulate(header, x), (payload,), fast_mode=True)


@every_waveform
def test_gradient_of_collect_is_that_of_finite_differences_with_lost_cells_too(name):
    wave = built(name)
    shape = (1, wave.payload.symbols, wave.payload.data_per_symbol)
    noise_var = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.1
    cells = gaussian(*shape, dtype=torch.complex128).requires_grad_()
    noise_var.requires_grad_()
    assert torch.autograd.gradcheck(wave.collect, (cells, noise_var), fast_mode=True)
    lost = torch.zeros(shape, dtype=torch.bool)
    lost[:, 2], lost[:, 4, 7] = True, True
    symbols, variance = wave.collect(cells, noise_var.masked_fill(lost, torch.inf))
    (symbols.abs().square().sum() + variance[variance.isfinite()].sum()).backward()
    assert cells.grad.isfinite().all()
    assert noise_var.grad.isfinite().all()


@every_waveform
@pytest.mark.parametrize("echo", [0.0, 0.8j], ids=["awgn", "selective"])
def test_noise_variance_from_the_receiver_is_that_of_the_errors(name, echo):
    wave = built(name)
    parts, payload = frames(wave, 5, seed=3)
    packets = received(wave, air(wave, parts, 12.0, echo))
    assert [packet.header.packet for packet in packets] == list(range(5))
    error = torch.cat([(p.symbols - payload[p.header.packet]).abs().square() for p in packets])
    reported = torch.cat([p.noise_var for p in packets])
    # Thirds by reported variance: 27,000 exponential errors each, 0.03 dB of standard deviation.
    for part in reported.argsort().chunk(3):
        assert 10 * math.log10(float((error[part] / reported[part]).mean())) == pytest.approx(0.0, abs=0.2)


@every_waveform
@clipped_or_not
def test_a_receiver_reads_it_whether_or_not_it_knows_of_the_clipping(name, options):
    parts, payload = frames(built(name, **options), 2, seed=4)
    packets = received(built(name), air(built(name), parts, 20.0))
    assert len(packets) == 2
    for packet in packets:
        error = float((packet.symbols - payload[packet.header.packet]).abs().square().mean())
        assert 10 * math.log10(error) == pytest.approx(-20.0, abs=0.6)


@every_waveform
def test_real_symbols_are_not_taken_for_an_iq_image(name):
    """Real and imaginary parts of a latent may differ in power; 30 dB must get through all the same."""
    wave = built(name)
    payload = gaussian(2, wave.payload_symbols, seed=5).real * math.sqrt(2) + 0j
    packets = received(wave, air(wave, wave.modulate(headers(2), payload), 30.0))
    assert len(packets) == 2
    for packet in packets:
        error = float((packet.symbols - payload[packet.header.packet]).abs().square().mean())
        assert 10 * math.log10(error) == pytest.approx(-30.0, abs=0.5)


@every_waveform
@pytest.mark.parametrize("wrong", ["batch", "header", "payload", "dimensions"])
def test_symbols_that_do_not_fit_the_frame_are_refused(name, wrong):
    wave = built(name)
    header, payload = gaussian(2, HEADER.data_cells), gaussian(2, wave.payload_symbols)
    cases = {
        "batch": (header[:1], payload),
        "header": (header[:, 1:], payload),
        "payload": (header, payload[:, 1:]),
        "dimensions": (header, payload[0]),
    }
    with pytest.raises(SignalError, match=r"must .*\(got "):
        wave.modulate(*cases[wrong])


@every_waveform
@pytest.mark.parametrize("wrong", ["cells", "variances", "flat"])
def test_cells_that_are_not_the_payloads_are_refused(name, wrong):
    wave = built(name)
    cells = gaussian(1, wave.payload.symbols, wave.payload.data_per_symbol)
    noise_var = torch.ones(cells.shape)
    cases = {
        "cells": (cells[:, 1:], noise_var[:, 1:]),
        "variances": (cells, noise_var[:, 1:]),
        "flat": (cells.flatten(-2), noise_var.flatten(-2)),
    }
    with pytest.raises(SignalError, match=r"must .*\(got "):
        wave.collect(*cases[wrong])


@every_waveform
@clipped_or_not
def test_it_runs_on_the_meta_device(name, options):
    wave = built(name, **options)
    payload = torch.empty(2, wave.payload_symbols, dtype=torch.complex64, device="meta")
    header = torch.empty(2, HEADER.data_cells, dtype=torch.complex64, device="meta")
    assert wave.modulate(header, payload).shape == (2, wave.frame_samples)
    cells = torch.empty(2, wave.payload.symbols, wave.payload.data_per_symbol, device="meta")
    symbols, noise_var = wave.collect(cells.to(torch.complex64), cells)
    assert symbols.shape == noise_var.shape == payload.shape
