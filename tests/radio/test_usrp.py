"""The USRP driver once it is open, against a stand-in with the real library's habits."""

import logging
import math

import numpy as np
import pytest
import torch
from fake_uhd import TXMetadataEventCode
from usrp_example import NAME, noise, plugged_usrp, radio, written  # noqa: F401 (a fixture among them)

from sdrjscc.errors import RadioError, SignalError


def test_receptions_follow_each_other_without_a_gap(plug_in):
    device = plug_in(noise_power=0.01)
    with radio(antennas=2) as usrp:
        receptions = [usrp.receive() for _ in range(20)]
    assert {tuple(one.samples.shape) for one in receptions} == {(2, 2048)}
    assert {one.dropped for one in receptions} == {0}
    assert receptions[0].samples.dtype == torch.complex64
    assert not torch.equal(receptions[0].samples, receptions[1].samples)
    assert device.position == 20 * 2048


@pytest.mark.parametrize("rate_hz", [1e6, 1.92e6, 16e6 / 13])
def test_an_overflow_is_counted_and_its_samples_are_told_exactly(plug_in, caplog, rate_hz):
    plug_in(gaps=[(5000, 1234), (20_000, 1), (2_000_000, 777_777)])
    with radio(sample_rate_hz=rate_hz, rx_buffer_samples=1 << 16) as usrp:
        receptions = [usrp.receive() for _ in range(50)]
        assert usrp.status().overflows == 3
    assert [one.dropped for one in receptions if one.dropped] == [1234, 1, 777_777]
    assert receptions[0].samples.shape == (1, 5000)
    assert receptions[1].dropped == 1234
    assert caplog.text.count("overflow") == 1


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("timeout", "must deliver samples in time"),
        ("late", "before the time to start has passed"),
        ("broken_chain", "broken chain"),
        ("alignment", "could not be aligned"),
        ("bad_packet", "bad packet"),
    ],
)
def test_every_other_code_has_its_own_sentence(plug_in, code, sentence):
    device = plug_in()
    with pytest.raises(RadioError, match=f"{NAME} .*{sentence}"), radio() as usrp:
        usrp.receive()
        device.rx_faults.append(code)
        usrp.receive()
    assert not device.streaming


def test_samples_at_full_scale_are_counted(plug_in):
    device = plug_in(noise_power=0.0)
    device.heard.append((100, np.full((1, 7), 0.9996 + 0.1j, dtype=np.complex64)))
    with radio() as usrp:
        usrp.receive()
        assert usrp.status().saturated == 7


def test_a_burst_is_timed_scaled_and_closed(plug_in):
    device = plug_in()
    samples = noise(3000, power=0.5)
    with radio(tx_dbfs=-20.0) as usrp:
        usrp.transmit(samples)
    (burst,) = device.bursts
    assert np.abs(burst - 0.1 * samples.numpy()).max() < 1e-6
    (ahead_s,) = written(device, "burst")
    assert ahead_s >= 0.05
    assert ("end_of_burst", None) in device.log


def test_bursts_queue_one_behind_the_other(plug_in):
    device = plug_in()
    with radio() as usrp:
        for _ in range(3):
            usrp.transmit(noise(200_000, power=0.1))
    ahead_s = written(device, "burst")
    assert ahead_s == pytest.approx([0.1, 0.3, 0.5], abs=1e-6)
    assert usrp.status().late == 0
    assert device.now >= 0.7  # leaving waited for the last acknowledgement


def test_a_long_transmission_that_is_taken_bit_by_bit_arrives_whole(plug_in):
    device = plug_in(takes_at_most=100_000)
    samples = noise(600_000, power=0.01)
    with radio(tx_dbfs=0.0) as usrp:
        usrp.transmit(samples)
    (burst,) = device.bursts
    assert np.array_equal(burst, samples.numpy())


def test_what_exceeds_full_scale_is_clipped_and_counted(plug_in, caplog):
    device = plug_in()
    samples = torch.tensor([0.5 + 0.5j, 40 + 0j, -40 - 0.25j, 1 - 1j, 0 - 2j], dtype=torch.complex64)
    with radio(tx_dbfs=0.0) as usrp:
        usrp.transmit(samples)
        assert usrp.status().clipped == 3
    assert device.bursts[0].tolist() == [0.5 + 0.5j, 1 + 0j, -1 - 0.25j, 1 - 1j, 0 - 1j]
    assert f"{NAME}: 3 of 5 samples clipped; lower tx_dbfs (it is 0)" in caplog.text


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_no_numbers_are_refused(plug_in, bad):
    device = plug_in()
    samples = noise(100)
    samples[7] = bad
    with radio() as usrp, pytest.raises(SignalError, match=r"must be finite \(got 1 of 100"):
        usrp.transmit(samples)
    assert not device.bursts


def test_a_late_burst_is_an_error_of_the_next_call(plug_in):
    device = plug_in()
    with radio() as usrp:
        device.messages.append((device.now, TXMetadataEventCode.time_error))
        with pytest.raises(RadioError, match=rf"{NAME} must get a transmission before its time"):
            usrp.transmit(noise(10))
        assert usrp.status().late == 1
        usrp.transmit(noise(10))  # it was told once


@pytest.mark.parametrize("event", ["underflow", "underflow_in_packet", "seq_error", "seq_error_in_packet"])
def test_missing_samples_within_a_burst_are_counted_and_logged(plug_in, caplog, event):
    device = plug_in()
    with caplog.at_level(logging.WARNING), radio() as usrp:
        usrp.transmit(noise(1000))
        device.messages.append((device.now, TXMetadataEventCode[event]))
        usrp.transmit(noise(1000))
        assert usrp.status().underflows == 1
    assert f"missing within a transmission ({event})" in caplog.text


def test_a_burst_that_is_never_acknowledged_is_an_error_on_leaving(plug_in):
    device = plug_in()
    device.ignore_bursts = True
    with pytest.raises(RadioError, match=r"must acknowledge every burst .*\(1 it did not\)"), radio() as usrp:
        usrp.transmit(noise(1000))
    assert device.state["tx_gain", 0] == 0.0


@pytest.mark.parametrize("operation", ["recv", "send", "async", "time"])
def test_a_device_lost_in_use_names_the_address(plug_in, caplog, operation):
    device = plug_in()
    with pytest.raises(RadioError, match=rf"{NAME} must .*NO_DEVICE"), radio() as usrp:
        device.dies_at = operation
        usrp.transmit(noise(10))
        usrp.receive()
    assert "must stop" in caplog.text  # it could not be told to


@pytest.mark.parametrize("operation", ["set_rx_rate", "get_rx_gain", "sensor", "stream_cmd", "time"])
def test_a_device_lost_while_opening_names_the_address(plug_in, operation):
    plug_in(dies_at=operation)
    with pytest.raises(RadioError, match=rf"{NAME} must .*NO_DEVICE"):
        radio().__enter__()


@pytest.mark.parametrize("crash", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_crash_silences_at_once(plug_in, crash):
    device = plug_in()
    with pytest.raises(crash), radio() as usrp:
        usrp.transmit(noise(500_000))
        before_s = device.now
        raise crash
    assert device.now == before_s  # nothing was waited for
    assert device.state["tx_gain", 0] == 0.0
    assert not device.streaming


def test_an_interrupt_within_a_burst_closes_it(plug_in):
    device = plug_in(takes_at_most=1000)
    with pytest.raises(KeyboardInterrupt), radio() as usrp:
        send, calls = type(usrp._sending._stream).send, []

        def interrupted(*arguments):
            calls.append(len(calls))
            if len(calls) == 5:
                raise KeyboardInterrupt
            return send(usrp._sending._stream, *arguments)

        usrp._sending._stream.send = interrupted
        usrp.transmit(noise(50_000))
    assert len(device.bursts[0]) == 4000
    assert device.log[-3:] == [("tx_gain", 0.0), ("end_of_burst", None), ("streaming", False)]


@pytest.mark.parametrize("operation", ["set_rx_freq", "stream_cmd"])
def test_an_interrupt_while_opening_silences_too(plug_in, operation):
    device = plug_in(interrupted_at=operation)
    with pytest.raises(KeyboardInterrupt):
        radio().__enter__()
    assert device.state["tx_gain", 0] == 0.0
    assert not device.streaming


def test_it_is_opened_once_and_used_only_while_open(plug_in):
    plug_in()
    usrp = radio()
    for action in (usrp.receive, lambda: usrp.transmit(noise(4))):
        with pytest.raises(RadioError, match=r"must be open to .*\(it is closed\)"):
            action()
    with usrp, pytest.raises(RadioError, match="must be opened once"):
        usrp.__enter__()
    with pytest.raises(RadioError, match="it is closed"):
        usrp.receive()
    with usrp:
        usrp.receive()
        usrp.transmit(noise(10))
    assert usrp.status().temperature_c is None


def test_counts_begin_anew_with_every_opening(plug_in):
    plug_in(gaps=[(100, 5)])
    usrp = radio()
    with usrp:
        usrp.receive(), usrp.receive()
    assert usrp.status().overflows == 1
    with usrp:
        assert usrp.status().overflows == 0


@pytest.mark.parametrize("operation", ["recv", "send"])
def test_the_device_is_let_go_whoever_keeps_the_error(plug_in, operation):
    device = plug_in()
    with pytest.raises(RadioError) as caught, radio() as usrp:
        assert device.handles
        device.dies_at = operation
        usrp.receive()
        usrp.transmit(noise(10))
    assert caught.value.__traceback__ is not None
    assert not device.handles


def test_it_tells_what_the_device_can_do(plug_in):
    plug_in()
    usrp = radio()
    with pytest.raises(RadioError, match=f"^{NAME} must be open to tell what it can do"):
        usrp.describe()
    with usrp:
        told = usrp.describe()
    assert told == {
        "mainboard": "B210",
        "receive board": "FE-RX2",
        "receive connectors": "TX/RX, RX2",
        "rx_gain_db": (0.0, 76.0),
        "tx_gain_db": (0.0, 89.75),
        "center_frequency_hz": (50e6, 6e9),
        "sample_rate_hz": (200e3, 56e6),
        "rf_bandwidth_hz": (200e3, 56e6),
    }
