"""Bench measurements through pyadi-iio and the stand-in device: probe, and a sweep of its receive gain."""

import pytest
from iiod import Iiod
from iiod_air import Air

from sdrjscc.errors import RadioError
from sdrjscc.link import bench
from sdrjscc.linkfile import parse_link

pytest.importorskip("adi", exc_type=Exception)

NOISE_DBFS = -50.0
# unit power leaves at -12 dB of half the converter's full scale
SENT_DBFS = -12.0 - 6.02
SHARE_DB = -0.90


@pytest.fixture
def server():
    air = Air(noise_var=10 ** (NOISE_DBFS / 10), speed=1.0)
    with Iiod(air, loss_db=30.0) as server:
        yield server


def config(server):
    radio = {
        "name": "pluto",
        "uri": server.uri,
        "center_frequency_hz": 2.45e9,
        "tx_gain_db": -20.0,
        "rx_gain_db": 30.0,
        "rx_buffer_samples": 16_384,
    }
    return parse_link(
        {
            "codec": {"name": "dsc_jscc", "variant": "60-E2D2"},
            "radios": {"tx": radio},
            "receiver": {"timeout_s": 1.0},
        }
    )


def test_a_probe_tells_what_the_device_reads_back_and_sends_nothing(server):
    found = bench.probe(bench.receiving_table({"profile": "pluto_ad9363"}, address=server.uri))
    assert found.status.settings["rx_gain_db"] == 40.0
    assert found.status.settings["sample_rate_hz"] == 2.5e6
    assert found.status.temperature_c == 31.25
    assert found.status.rssi_db == 83.25
    assert found.level_dbfs == pytest.approx(NOISE_DBFS, abs=0.3)
    assert found.capabilities == {
        "receive channels": "1",
        "rx_gain_db": (-3.0, 71.0),
        "tx_gain_db": (-89.75, 0.0),
        "sample_rate_hz": (2083333.0, 61.44e6),
        "rf_bandwidth_hz": (200e3, 56e6),
        "center_frequency_hz": (325e6, 3.8e9),
    }
    assert server.air.sent == 0


def test_no_device_is_the_drivers_sentence(server):
    server.die()
    with pytest.raises(RadioError, match=rf"^pluto at {server.uri} must be there and answer"):
        bench.probe(bench.receiving_table({"profile": "pluto_ad9363"}, address=server.uri))


def test_the_gain_is_swept(server):
    # 40 dB: 18 + 30 + 20 dB down and 40 up arrive at -28 dBFS; at 71 dB the peaks are beyond full scale
    sources = bench.sample_sources(1, side=64)
    quiet, good, loud = (
        bench.measure_gain(bench.with_gain(config(server), "rx", gain), sources)
        for gain in (30.0, 40.0, 71.0)
    )
    for point in (quiet, good):
        assert point.noise_dbfs == pytest.approx(NOISE_DBFS, abs=0.3)
        assert point.level_dbfs == pytest.approx(SENT_DBFS - 50.0 + point.rx_gain_db, abs=0.3)
        assert point.snr_db == pytest.approx(point.level_dbfs - NOISE_DBFS - SHARE_DB, abs=1.0)
        assert point.usable
    assert loud.saturated > 0
    assert bench.choose([quiet, good, loud]) is good
    assert bench.clock_offset(config(server), [quiet, good]).shared
