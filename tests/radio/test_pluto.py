"""The PlutoSDR driver once it is open, against a stand-in with the real library's habits."""

import logging
import math
import sys

import numpy as np
import pytest
import torch
from fake_pluto import KERNEL_BUFFERS, STALE_CODE, FakePluto
from pluto_example import LOWEST, URI, noise, radio

from sdrjscc.errors import RadioError, SignalError


def test_receptions_are_full_scale_one_antenna_and_fresh(plug_in, clock):
    plug_in()
    with radio() as pluto:
        reception = pluto.receive()
    assert reception.samples.shape == (1, 2048)
    assert reception.samples.dtype == torch.complex64
    assert reception.dropped == 0
    assert reception.samples[0, 0] == complex(-0.5, -1.0)  # codes -1024 and -2048 of +-2048
    assert not (reception.samples.real == STALE_CODE / 2048).any()


def test_the_stale_buffers_have_the_new_size_too(plug_in, clock):
    device = plug_in(source=lambda length: np.zeros(length, dtype=np.complex128))
    fetched = []
    connect = device.connect

    def counting(uri=""):
        sdr = connect(uri)
        rx = sdr.rx
        sdr.rx = lambda: fetched.append(len(codes := rx())) or codes
        return sdr

    sys.modules["adi"].Pluto = counting
    with radio() as pluto:
        assert fetched == [2048] * KERNEL_BUFFERS
        pluto.receive()


def test_a_server_that_dies_while_receiving_names_the_address(plug_in, clock):
    device = plug_in()
    sentence = rf"pluto at {URI} must stay connected while it receives .*Broken pipe"
    with pytest.raises(RadioError, match=sentence), radio() as pluto:
        device.dies_at = "rx"
        pluto.receive()


def test_a_device_that_stays_away_is_looked_for_at_growing_intervals(plug_in, clock):
    device = plug_in()
    sentence = "must stay connected while it receives .*Broken pipe.*; not found again within 5 s"
    with pytest.raises(RadioError, match=sentence), radio(reconnect_s=5.0) as pluto:
        device.dies_at = "rx"
        pluto.receive()
    assert clock.waited == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6)
    with pytest.raises(RadioError, match="it is closed"):
        pluto.receive()


def test_saturated_codes_are_those_at_either_end(plug_in, clock):
    codes = np.zeros(2048, dtype=np.complex128)
    codes[:6] = 2047, -2048, -2047j, 2046 - 2046j, 2047 + 2047j, 1
    plug_in(source=lambda length: codes[:length])
    with radio(end="receive") as pluto:
        pluto.receive()
        assert pluto.status().saturated == 4


def test_codes_are_scaled_rounded_and_followed_by_silence(plug_in, clock):
    device = plug_in()
    samples = noise(3000, power=0.5)
    with radio(tx_dbfs=-20.0) as pluto:
        pluto.transmit(samples)
    (codes,) = device.sent
    expected = 0.1 * 2**14 * samples.numpy()
    assert len(codes) % 1024 == 0
    assert np.abs(codes[:3000].real - expected.real).max() <= 0.501
    assert np.abs(codes[:3000].imag - expected.imag).max() <= 0.501
    assert len(codes) >= 3000 + 1024
    assert not codes[3000:].any()
    assert pluto.clipped == 0


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025])
def test_silence_follows_whatever_the_length(plug_in, clock, length):
    device = plug_in()
    with radio() as pluto:
        pluto.transmit(torch.full((length,), 0.5 + 0.5j))
    (codes,) = device.sent
    assert codes[:length].all()
    assert len(codes) - length >= 1024
    assert not codes[length:].any()


def test_what_exceeds_full_scale_is_clipped_counted_and_never_wraps(plug_in, clock, caplog):
    device = plug_in()
    samples = torch.tensor([0.5 + 0.5j, 40 + 0j, -40 - 0.25j, 1 - 1j, 0 - 2j], dtype=torch.complex64)
    with caplog.at_level(logging.WARNING), radio(tx_dbfs=0.0) as pluto:
        pluto.transmit(samples)
        pluto.transmit(samples[:2])
    full = 2**14
    expected = [0.5 + 0.5j, 1 + 0j, -1 - 0.25j, 1 - 1j, 0 - 1j]
    assert device.sent[0][:5].tolist() == [full * value for value in expected]
    assert pluto.clipped == 4
    assert f"pluto at {URI}: 3 of 5 samples clipped" in caplog.text


def test_the_default_level_leaves_ofdm_its_peaks(plug_in, clock):
    plug_in()
    with radio() as pluto:
        pluto.transmit(noise(200_000))
    # |I| of a unit-power Gaussian exceeds 12 dB with p = 2 Q(10^(12/20) sqrt 2) = 2e-8
    assert pluto.clipped == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_no_numbers_are_refused(plug_in, clock, bad):
    device = plug_in()
    samples = noise(100)
    samples[7] = bad
    with radio() as pluto, pytest.raises(SignalError, match=r"must be finite \(got 1 of 100"):
        pluto.transmit(samples)
    assert not device.sent


@pytest.mark.parametrize("samples", [torch.zeros(4), torch.zeros(1, 4, dtype=torch.complex64)])
def test_only_complex_vectors_are_sent(plug_in, clock, samples):
    plug_in()
    with radio() as pluto, pytest.raises(SignalError, match="must be a complex vector"):
        pluto.transmit(samples)


def test_tensors_of_training_and_inference_are_sent(plug_in, clock):
    device = plug_in()
    with torch.inference_mode():
        inferred = noise(100).conj()
    with radio() as pluto:
        pluto.transmit(inferred)
        pluto.transmit(noise(100).requires_grad_())
        pluto.transmit(noise(100).to(torch.complex128))
    assert np.abs(device.sent[0] - device.sent[1].conj()).max() == 0
    assert np.abs(device.sent[1] - device.sent[2]).max() == 0


def test_one_buffer_serves_equal_lengths_another_is_waited_for(plug_in, clock):
    device = plug_in()
    with radio() as pluto:
        pluto.transmit(noise(3080))
        pluto.transmit(noise(3100))
        assert clock.waited == 0
        pluto.transmit(noise(9000))
        assert clock.waited == pytest.approx(2 * 5120 / 2e6)
    assert [length for key, length in device.log if key == "tx_buffer"] == [5120, 10240]


def test_a_long_transmission_is_streamed_in_buffers_of_one_length(plug_in, clock):
    device = plug_in()
    samples = noise(600_000, power=0.1)
    with radio() as pluto:
        pluto.transmit(samples)
    assert [len(codes) for codes in device.sent] == [1 << 18] * 3
    level = 10 ** (-12 / 20) * 2**14
    assert np.abs(np.concatenate(device.sent)[:600_000] - level * samples.numpy()).max() < 0.72
    assert len([key for key, _ in device.log if key == "tx_buffer"]) == 1


def test_a_server_that_dies_while_transmitting_names_the_address(plug_in, clock, caplog):
    plug_in(dies_at="tx")
    sentence = rf"pluto at {URI} must stay connected while it transmits .*Broken pipe"
    with pytest.raises(RadioError, match=sentence), radio() as pluto:
        pluto.transmit(noise(10))
    assert "must stop transmitting" in caplog.text  # it could not be told to


def test_leaving_waits_for_the_air_then_silences_in_order(plug_in, clock):
    device = plug_in()
    with radio() as pluto:
        pluto.transmit(noise(3000))
    assert clock.waited == pytest.approx(4096 / 2e6)
    assert device.log[-3:] == [
        ("tx_destroy_buffer", None),
        ("tx_hardwaregain_chan0", LOWEST),
        ("rx_destroy_buffer", None),
    ]


@pytest.mark.parametrize("crash", [KeyboardInterrupt, SystemExit, ValueError, GeneratorExit])
def test_a_crash_silences_at_once(plug_in, clock, crash):
    device = plug_in()
    with pytest.raises(crash), radio(tx_gain_db=-10.0) as pluto:
        pluto.transmit(noise(300_000))
        raise crash
    assert clock.waited == 0
    assert device.log[-3] == ("tx_destroy_buffer", None)
    assert device.state["tx_hardwaregain_chan0"] == LOWEST


@pytest.mark.parametrize("fault", ["dies_at", "interrupted_at"])
@pytest.mark.parametrize("operation", ["tx", "rx"])
def test_buffers_are_gone_when_it_is_closed_whoever_keeps_the_error(plug_in, clock, fault, operation):
    device = plug_in()
    with pytest.raises((RadioError, KeyboardInterrupt)) as caught, radio() as pluto:
        pluto.transmit(noise(10))
        assert len(device.buffers) == 2
        setattr(device, fault, operation)
        pluto.receive()
        pluto.transmit(noise(10))
    assert caught.value.__traceback__ is not None
    assert len(device.buffers) == 0


@pytest.mark.parametrize("operation", ["sample_rate", "rx"])
def test_an_interrupt_while_opening_silences_too(plug_in, clock, operation):
    device = plug_in(interrupted_at=operation)
    with pytest.raises(KeyboardInterrupt):
        radio().__enter__()
    assert device.log[-3] == ("tx_destroy_buffer", None)
    assert device.state["tx_hardwaregain_chan0"] == LOWEST


def test_an_interrupt_while_waiting_for_the_air_silences_too(plug_in, clock, monkeypatch):
    device = plug_in()

    def interrupted(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), radio() as pluto:
        pluto.transmit(noise(3000))
        monkeypatch.setattr("sdrjscc.radio.pluto.time.sleep", interrupted)
    assert device.state["tx_hardwaregain_chan0"] == LOWEST


def test_every_step_of_silencing_is_tried(plug_in, clock, monkeypatch):
    device = plug_in()

    def failing(self):
        raise OSError(5, "Input/output error")

    with pytest.raises(RadioError, match=r"must stop transmitting .*Input/output error"), radio():
        monkeypatch.setattr(FakePluto, "tx_destroy_buffer", failing)
    assert device.log[-2:] == [("tx_hardwaregain_chan0", LOWEST), ("rx_destroy_buffer", None)]
