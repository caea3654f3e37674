"""The PlutoSDR driver over the real pyadi-iio and libiio, against the IIOD stand-in."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from iiod import Iiod
from iiod_air import Air
from iiod_pluto import ADC, DAC
from pluto_example import LOWEST, noise, radio

from sdrjscc.errors import RadioError
from sdrjscc.radio.base import Repeater

pytest.importorskip("adi", exc_type=Exception)

LENGTH = 2048
SCALE = 0.5 * 10 ** (-12 / 20)  # tx_dbfs refers to half of the converter's full scale; gains cancel


def received(pluto, count):
    return torch.cat([pluto.receive().samples for _ in range(count)], dim=-1)


def transmit_gain_db(server):
    return server.phy.gain_db("out_voltage0_hardwaregain")


def test_what_is_transmitted_is_received_at_the_level_of_the_gains():
    samples = noise(3000, power=0.5)
    with Iiod(Air(delay_samples=100)) as server, radio(uri=server.uri) as pluto:
        pluto.transmit(samples)
        heard = received(pluto, 3)[0]
        status = pluto.status()
    first = int(torch.nonzero(heard.abs() > 0.01)[0, 0])
    # half a code of 14 bits and half a code of 12 bits in I and in Q
    assert (heard[first : first + 2900] - SCALE * samples[:2900]).abs().max() < 0.6 / 2048 * 2**0.5
    assert (status.clipped, status.saturated, status.overflows, status.reconnects) == (0, 0, 0, 0)


def test_the_status_tells_what_the_device_says():
    with Iiod() as server, radio(uri=server.uri, tx_gain_db=-33.4) as pluto:
        status = pluto.status()
    assert status.settings == {
        "hw_model": "PlutoSDR stand-in",
        "fw_version": "v0.38-standin",
        "sample_rate_hz": 2e6,
        "center_frequency_hz": 2.45e9,
        "rf_bandwidth_hz": 2e6,
        "gain_mode": "manual",
        "rx_gain_db": 40.0,
        "tx_gain_db": -33.5,
    }
    assert (status.temperature_c, status.rssi_db) == (31.25, 83.25)


def test_the_status_tells_the_gain_that_the_device_chose():
    with Iiod() as server, radio(uri=server.uri, gain_mode="slow_attack", rx_gain_db=None) as pluto:
        assert pluto.status().settings["rx_gain_db"] == 71.0
        server.phy.state["in_voltage0_hardwaregain"] = "17.000000 dB"
        assert pluto.status().settings["rx_gain_db"] == 17.0


def test_the_status_never_fails_while_it_is_open():
    with Iiod() as server, pytest.raises(RadioError), radio(uri=server.uri, end="receive") as pluto:
        server.die()
        status = pluto.status()
        raise RadioError("done")
    assert (status.settings, status.temperature_c) == ({}, None)


def test_saturated_samples_are_counted():
    with Iiod() as server, radio(uri=server.uri, end="receive") as pluto:
        cycle = np.zeros(LENGTH, dtype=np.complex64)
        cycle[:7] = 2.0, -2.0, 1j, 2047 / 2048, 2046 / 2048, 0.5, -1 - 1j
        server.air.gain = 1.0
        server.air.repeat(cycle)
        pluto.receive()
        pluto.receive()
        assert pluto.status().saturated == 2 * 5


@pytest.mark.parametrize(
    ("habits", "sentence"),
    [
        ({"ignored": {"in_voltage0_gain_control_mode"}}, "gain_mode must read back as manual .*slow_attack"),
        ({"ignored": {"out_altvoltage0_RX_LO_frequency"}}, "center_frequency_hz must read back"),
        ({"coerced": {"in_voltage_rf_bandwidth": "5000000"}}, "rf_bandwidth_hz must read back as 2000000"),
        ({"coerced": {"out_voltage0_hardwaregain": "0.000000 dB"}}, "tx_gain_db must read back as -89.75"),
    ],
)
def test_a_setting_that_does_not_hold_is_named(habits, sentence):
    with Iiod(**habits) as server, pytest.raises(RadioError, match=f"pluto at {server.uri}: {sentence}"):
        radio(uri=server.uri).__enter__()


def test_a_carrier_that_the_device_refuses_is_named():
    with Iiod() as server, pytest.raises(RadioError, match=r"accept center_frequency_hz = 58.*Errno 22"):
        radio(uri=server.uri, center_frequency_hz=5.8e9).__enter__()
    assert transmit_gain_db(server) == LOWEST


def test_a_rate_below_two_megahertz_is_taken():
    with Iiod() as server, radio(uri=server.uri, sample_rate_hz=600e3) as pluto:
        assert (pluto.sample_rate_hz, server.air.rate_hz) == (600e3, 600e3)


def test_no_device_says_what_to_check():
    with Iiod() as server:
        uri = server.uri
    with pytest.raises(
        RadioError, match=f"^pluto at {uri} must be there .* check its power.*iio_info -u {uri}$"
    ):
        radio(uri=uri).__enter__()


def test_leaving_ends_the_transmission_and_closes_both_buffers():
    with Iiod() as server:
        with radio(uri=server.uri) as pluto:
            pluto.transmit(noise(3000))
            assert server.open_buffers == {ADC, DAC}
            assert transmit_gain_db(server) == -40.0
        assert not server.open_buffers
        assert transmit_gain_db(server) == LOWEST


def test_a_repeated_transmission_has_no_gap_and_ends_with_the_next():
    samples = noise(1500, power=0.5)
    with Iiod() as server, radio(uri=server.uri) as pluto:
        assert isinstance(pluto, Repeater)
        pluto.transmit(noise(10))
        pluto.repeat(samples)
        heard = received(pluto, 4)[0]
        tail = heard[3000:]
        assert torch.equal(tail[:3000], tail[1500:4500])
        start = int(
            np.argmax(
                [torch.corrcoef(torch.stack([tail[i : i + 1500], samples]))[0, 1].abs() for i in range(1500)]
            )
        )
        assert (tail[start : start + 1500] - SCALE * samples).abs().max() < 0.6 / 2048 * 2**0.5
        pluto.repeat(samples[:1000])
        received(pluto, 1)
        assert torch.equal(*received(pluto, 2)[0, :2000].split(1000))
        pluto.transmit(noise(10))
        assert server.air.quiet
        received(pluto, 2)
        assert not received(pluto, 1).any()


@pytest.mark.parametrize(("length", "period"), [(1, 4), (1001, 1004), (1004, 1004)])
def test_a_repeated_transmission_is_a_multiple_of_the_dmas_words(length, period):
    with Iiod() as server, radio(uri=server.uri) as pluto:
        pluto.repeat(torch.ones(length, dtype=torch.complex64))
        assert [entry[2:] for entry in server.log if entry[:2] == ("open", DAC)] == [(period, "CYCLIC")]


@pytest.mark.parametrize("length", [0, (1 << 22) + 1])
def test_what_does_not_fit_the_device_is_not_repeated(length):
    sentence = rf"must be given 1 to 4194304 samples .*\(got {length}\)"
    with Iiod() as server, radio(uri=server.uri) as pluto, pytest.raises(RadioError, match=sentence):
        pluto.repeat(torch.zeros(length, dtype=torch.complex64))


@pytest.mark.parametrize("crash", [KeyboardInterrupt, ValueError])
def test_a_crash_ends_a_repeated_transmission(crash):
    with Iiod() as server:
        with pytest.raises(crash), radio(uri=server.uri) as pluto:
            pluto.repeat(noise(1000))
            assert not server.air.quiet
            raise crash
        assert server.air.quiet
        assert transmit_gain_db(server) == LOWEST


def test_ctrl_c_ends_a_transmission_under_way():
    script = Path(__file__).with_name("pluto_until_interrupted.py")
    with Iiod() as server:
        command = [sys.executable, str(script), server.uri]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline().strip() == "on the air", process.stderr.read()
            assert (server.air.quiet, transmit_gain_db(server)) == (False, -40.0)
            process.send_signal(signal.SIGINT)
            assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
        assert (server.air.quiet, transmit_gain_db(server)) == (True, LOWEST)
        assert not server.open_buffers


def test_two_antennas_are_received_where_there_are_two():
    with Iiod(pairs=2) as server, radio(uri=server.uri, antennas=2, rx_gain_db=30.0) as pluto:
        assert pluto.antennas == 2
        pluto.transmit(noise(3000))
        reception = pluto.receive()
        assert reception.samples.shape == (2, LENGTH)
        assert reception.samples.abs().max() > 0
        assert server.phy.gain_db("in_voltage1_hardwaregain") == 30.0
        assert server.phy.gain_db("out_voltage1_hardwaregain") == LOWEST


def test_antennas_keep_their_own_samples():
    with (
        Iiod(Air(noise_var=0.01), pairs=2) as server,
        radio(uri=server.uri, antennas=2, end="receive") as pluto,
    ):
        first, second = received(pluto, 4)
    # independent noise of 8192 samples: correlation 1 / sqrt(8192) rms
    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 5 / 8192**0.5
    assert first.abs().square().mean() == pytest.approx(0.01, rel=5 / 8192**0.5)


def test_a_second_antenna_that_is_not_there_is_an_error():
    with Iiod() as server, pytest.raises(RadioError, match=r"must have 2 receive channels .*revision C"):
        radio(uri=server.uri, antennas=2).__enter__()


def test_a_device_lost_while_receiving_is_found_again_and_set_up_anew():
    with Iiod() as server, radio(uri=server.uri) as pluto:
        assert pluto.receive().dropped == 0
        server.drop()
        server.phy.write("in_voltage0_gain_control_mode", "slow_attack")  # as after a power cycle
        reception = pluto.receive()
        assert reception.samples.shape == (1, LENGTH)
        assert reception.dropped > 0.1 * 2e6 - 2 * LENGTH  # it waited 0.1 s before it tried
        assert pluto.status().reconnects == 1
        assert pluto.status().settings["gain_mode"] == "manual"
        assert pluto.receive().dropped == 0
        pluto.transmit(noise(100))


def test_a_connection_cut_within_a_buffer_is_found_again():
    with Iiod() as server, radio(uri=server.uri, end="receive") as pluto:
        server.drop_after_blocks = 3
        dropped = [pluto.receive().dropped for _ in range(6)]
    assert [bool(one) for one in dropped] == [False] * 3 + [True] + [False] * 2


def test_a_device_that_stays_away_is_given_up():
    sentence = "must stay connected while it receives .*not found again within 0.2 s"
    with (
        Iiod() as server,
        pytest.raises(RadioError, match=sentence),
        radio(uri=server.uri, reconnect_s=0.2) as pluto,
    ):
        server.die()
        pluto.receive()


def test_a_transmission_lost_with_its_device_is_an_error_not_a_reconnection():
    sentence = "must stay connected while it receives"
    with Iiod() as server, pytest.raises(RadioError, match=sentence), radio(uri=server.uri) as pluto:
        pluto.repeat(noise(1000))
        server.drop()
        pluto.receive()
    assert pluto.status().reconnects == 0
    sentence = "must stay connected while it transmits"
    with Iiod() as server, pytest.raises(RadioError, match=sentence), radio(uri=server.uri) as pluto:
        server.drop()
        pluto.transmit(noise(1000))


@pytest.mark.parametrize("action", ["receive", "transmit"])
def test_a_server_that_hangs_is_an_error(action):
    samples = noise(1000)
    with Iiod() as server:
        pluto = radio(uri=server.uri, timeout_s=0.1, reconnect_s=0.0)
        with pytest.raises(RadioError, match=f"pluto at {server.uri} must stay connected"), pluto:
            server.hang()
            pluto.receive() if action == "receive" else pluto.transmit(samples)
        server.recover()


def counted(length):
    """A cycle whose samples tell their own number, in 12 bits."""
    number = np.arange(length)
    return ((number // 64) / 64 + 1j * (number % 64) / 64).astype(np.complex64)


def number_of(samples):
    return 64 * (64 * samples.real).round().long() + (64 * samples.imag).round().long()


def test_samples_lost_in_the_device_are_reported_where_they_are_missing():
    cycle, air = 4096, Air(live=True, speed=1.0)
    air.repeat(counted(cycle))
    with Iiod(air) as server, radio(uri=server.uri, end="receive", sample_rate_hz=1e6) as pluto:
        receptions = [pluto.receive() for _ in range(5)]
        air.set_rate(1e9)  # a fetch 1 ms late now loses a million samples
        receptions += [pluto.receive() for _ in range(2)]
        air.set_rate(1e6)
        receptions += [pluto.receive() for _ in range(8)]
        status, lost = pluto.status(), air.lost
    assert lost > 0
    assert status.overflows > 0
    assert any(one.dropped for one in receptions)
    numbers = [number_of(one.samples[0]) for one in receptions]
    for earlier, later, reception in zip(numbers[:-1], numbers[1:], receptions[1:], strict=True):
        continuous = int(later[0] - earlier[-1]) % cycle == 1
        assert continuous or reception.dropped > 0


def test_firmware_without_register_access_counts_no_losses():
    with Iiod(registers=False) as server, radio(uri=server.uri) as pluto:
        pluto.receive()
        pluto.transmit(noise(10))
        assert pluto.status().overflows == 0


def test_a_transmitter_that_runs_dry_is_counted():
    with (
        Iiod(Air(live=True, speed=1.0)) as server,
        radio(uri=server.uri, rx_gain_db=None, end="transmit") as pluto,
    ):
        pluto.transmit(noise(3000))
        pluto.transmit(noise(3000))
        assert pluto.status().underflows == 0  # silence between transmissions is none
        pluto.transmit(noise(1 << 19, power=0.1))
        assert pluto.status().underflows == 0
        server.air.set_rate(1e12)
        pluto.transmit(noise(1 << 19, power=0.1))
        assert pluto.status().underflows == 1
