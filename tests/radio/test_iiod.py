"""The IIOD stand-in, through the real libiio: pyadi-iio's Pluto and GNU Radio's gr-iio."""

import importlib.util
import json
import subprocess
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from iiod import DAC_FULL_SCALE, Iiod
from iiod_air import Air
from iiod_pluto import ADC, DAC, STATUS_REGISTER

adi = pytest.importorskip("adi", exc_type=Exception)

CODES = 8 * (np.arange(1000) - 500) + 1j * 8 * (np.arange(1000)[::-1])


@contextmanager
def pluto(server, **settings):
    """A ``adi.Pluto`` at the server, its gains such that codes come back 16 times smaller: 12 of 16 bits.

    Buffers are destroyed at the end: one that the garbage collector frees after its context is a
    segmentation fault in libiio 0.x.
    """
    sdr = adi.Pluto(uri=server.uri)
    try:
        sdr.gain_control_mode_chan0 = "manual"
        sdr.rx_hardwaregain_chan0 = 40.0
        sdr.tx_hardwaregain_chan0 = -40.0
        sdr.sample_rate = 2_000_000
        for name, value in settings.items():
            setattr(sdr, name, value)
        yield sdr
    finally:
        sdr.tx_destroy_buffer()
        sdr.rx_destroy_buffer()


@contextmanager
def refused(number=""):
    """An ``OSError``; its frames hold a buffer, too, and are cleared."""
    with pytest.raises(OSError, match=f"Errno {number}") as caught:
        yield
    traceback.clear_frames(caught.value.__traceback__)


def test_it_is_a_pluto_with_the_names_the_library_asks_for():
    with Iiod() as server:
        sdr = adi.Pluto(uri=server.uri)
        assert sdr.ctx.attrs["hw_model"] == "PlutoSDR stand-in"
        assert {one.name for one in sdr.ctx.devices} == {
            "ad9361-phy",
            "cf-ad9361-lpc",
            "cf-ad9361-dds-core-lpc",
        }
        assert (sdr.sample_rate, sdr.rx_lo, sdr.tx_lo) == (30_720_000, 2_400_000_000, 2_450_000_000)
        assert (sdr.rx_hardwaregain_chan0, sdr.tx_hardwaregain_chan0) == (71, -10)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("rx_lo", 5_800_000_000),
        ("tx_lo", 100_000_000),
        ("rx_rf_bandwidth", 100_000),
        ("tx_rf_bandwidth", 50_000_000),
        ("rx_hardwaregain_chan0", 72.0),
        ("tx_hardwaregain_chan0", 0.25),
        ("tx_hardwaregain_chan0", -90.0),
        ("gain_control_mode_chan0", "loud"),
        ("sample_rate", 70_000_000),
    ],
)
def test_what_is_out_of_range_is_refused_with_errno_22(attribute, value):
    with Iiod() as server, pluto(server) as sdr:
        before = getattr(sdr, attribute)
        with refused(22):
            setattr(sdr, attribute, value)
        assert attribute == "sample_rate" or getattr(sdr, attribute) == before


def test_values_are_rounded_to_what_the_synthesiser_and_the_attenuators_can_do():
    with (
        Iiod() as server,
        pluto(server, rx_lo=2_450_000_001, tx_hardwaregain_chan0=-33.4, rx_hardwaregain_chan0=30.4) as sdr,
    ):
        got = (sdr.rx_lo, sdr.tx_hardwaregain_chan0, sdr.rx_hardwaregain_chan0)
        assert got == (2_450_000_000, -33.5, 30)


def test_low_rates_need_the_filter():
    with Iiod() as server:
        sdr = adi.Pluto(uri=server.uri)
        phy = sdr.ctx.find_device("ad9361-phy")
        with refused(22):
            phy.find_channel("voltage0").attrs["sampling_frequency"].value = "1000000"
        sdr.sample_rate = 1_000_000  # loads the filter first
        assert sdr.sample_rate == 1_000_000
        assert server.air.rate_hz == 1_000_000
        with refused(22):
            phy.find_channel("out", False).attrs["voltage_filter_fir_en"].value = "0"
        sdr.sample_rate = 4_000_000
        assert sdr.sample_rate == 4_000_000


def test_settings_can_be_ignored_or_coerced():
    with Iiod(
        ignored={"in_voltage0_gain_control_mode"}, coerced={"in_voltage_rf_bandwidth": "5000000"}
    ) as server:
        sdr = adi.Pluto(uri=server.uri)
        sdr.gain_control_mode_chan0 = "manual"
        sdr.rx_rf_bandwidth = 2_000_000
        assert sdr.gain_control_mode_chan0 == "slow_attack"
        assert sdr.rx_rf_bandwidth == 5_000_000


def test_samples_arrive_later_and_scaled_by_the_gains():
    with Iiod(Air(delay_samples=300)) as server, pluto(server, rx_buffer_size=1024) as sdr:
        sdr.tx(CODES)
        heard = np.concatenate([sdr.rx(), sdr.rx()])
        assert not heard[:300].any()
        np.testing.assert_array_equal(
            heard[300:1300], np.round(CODES.real / 16) + 1j * np.round(CODES.imag / 16)
        )
        assert not heard[1300:].any()
        sdr.tx_hardwaregain_chan0 = -89.75
        sdr.tx(CODES)
        assert np.abs(np.concatenate([sdr.rx(), sdr.rx()])).max() < 3  # 500 codes, 49.75 dB down


def test_what_is_too_strong_saturates_at_12_bits():
    with Iiod() as server, pluto(server, tx_hardwaregain_chan0=-10.0) as sdr:
        sdr.tx(CODES)
        heard = sdr.rx()
        assert (heard.real.min(), heard.real.max()) == (-2048, 2047)


def test_a_cyclic_buffer_goes_on_until_it_is_destroyed():
    with Iiod() as server, pluto(server, rx_buffer_size=2500, tx_cyclic_buffer=True) as sdr:
        sdr.tx(CODES)
        heard = np.concatenate([sdr.rx(), sdr.rx()])
        np.testing.assert_array_equal(heard[:1000], heard[3000:4000])
        assert np.abs(heard).min() > 100
        with pytest.raises(Exception, match="cyclic mode"):
            sdr.tx(CODES)
        sdr.tx_destroy_buffer()
        sdr.rx()  # what was under way
        assert not sdr.rx().any()
        assert server.air.quiet
        assert server.open_buffers == {ADC}


def test_a_device_has_one_buffer_and_gets_it_back():
    with Iiod() as server, pluto(server) as first, pluto(server) as second:
        first.rx()
        with refused(16):
            second.rx()
        first.rx_destroy_buffer()
        assert len(second.rx()) == 1024
        assert ("close", ADC) in server.log


def test_the_channel_takes_whole_transmissions_whatever_the_buffers():
    from sdrjscc.channel.chain import Config, build

    samples = np.concatenate([CODES, CODES, np.zeros(1000)])
    heard = []
    for length in (3000, 1000):
        with (
            Iiod(Air(channel=build(Config(cfo_hz=10e3, phase_range_rad=3.0)), seed=3)) as server,
            pluto(server, rx_buffer_size=3000) as sdr,
        ):
            for first in range(0, 3000, length):
                sdr.tx(samples[first : first + length])
            heard.append(sdr.rx())
            assert server.air.realised == 1
    np.testing.assert_array_equal(heard[0], heard[1])
    assert np.abs(heard[0][:2000]).min() > 100
    assert not heard[0][2000:].any()


def test_a_cut_connection_is_an_error_and_can_be_made_again():
    with Iiod() as server, pluto(server) as sdr:
        sdr.rx()
        server.drop()
        with refused():
            sdr.rx()
        with pluto(server) as again:
            assert len(again.rx()) == 1024


def test_a_server_that_hangs_runs_into_the_timeout():
    with Iiod() as server, pluto(server) as sdr:
        sdr.ctx.set_timeout(200)
        sdr.rx()
        server.hang()
        with refused():
            sdr.rx()
        server.recover()


def test_what_is_not_fetched_in_time_is_lost_and_flagged():
    with Iiod(Air(live=True, speed=1.0)) as server, pluto(server, rx_buffer_size=2048) as sdr:
        adc = sdr.ctx.find_device("cf-ad9361-lpc")
        sdr.rx()
        server.air.set_rate(2e9)  # time flies: at the next fetch all four buffers are long full
        for _ in range(4):
            sdr.rx()
        assert server.air.lost > 0
        assert adc.reg_read(STATUS_REGISTER) & 4
        adc.reg_write(STATUS_REGISTER, 4)
        server.air.set_rate(1e3)  # and now it crawls
        assert adc.reg_read(STATUS_REGISTER) == 0


@pytest.mark.skipif(importlib.util.find_spec("gnuradio") is None, reason="GNU Radio is not installed")
@pytest.mark.parametrize("mode", ["stream", "cyclic"])
def test_gnu_radio_sends_and_receives_through_it(mode):
    script = Path(__file__).with_name("iiod_flowgraph.py")
    with Iiod(Air(live=True, speed=1.0)) as server:
        done = subprocess.run(  # noqa: PLW1510 - judged by what it printed
            [sys.executable, str(script), server.uri, mode], capture_output=True, text=True, timeout=60
        )
        if "No module named 'gnuradio.iio'" in done.stderr or "cannot import name 'iio'" in done.stderr:
            pytest.skip("gr-iio is not installed")
        assert done.stdout, done.stderr
        got = json.loads(done.stdout.strip().splitlines()[-1])
        opened = [entry for entry in server.log if entry[0] == "open" and entry[1] == DAC]
    assert got["samples"] == 6 * 32_768
    # gr-iio sends 1.0 as 2^15 and takes 2^11 as 1.0; the gains of +40 and -40 dB cancel
    assert got["bin"] == 64
    assert got["level"] == pytest.approx(0.25, rel=0.01)
    assert server.phy.state["in_voltage_sampling_frequency"] == "1000000"
    assert server.phy.state["filter_fir_config"].startswith("FIR Rx: 128,4")
    assert opened[0][3] == ("CYCLIC" if mode == "cyclic" else "")


def test_a_transmitted_full_scale_is_the_converters():
    assert DAC_FULL_SCALE == 2**15
