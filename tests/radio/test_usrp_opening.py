"""The USRP driver until it is open, against a stand-in with the real library's habits."""

import sys

import pytest
from usrp_example import ARGS, NAME, noise, plugged_usrp, radio, table, written  # noqa: F401

from sdrjscc.config import validate
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.radio.base import Radio
from sdrjscc.radio.usrp import Config


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"args": None}, "radios.tx.args is required"),
        ({"args": ""}, "args: .*must name a device by .*such as type=b200"),
        ({"args": "addr="}, "must name a device"),
        ({"args": "num_recv_frames=512"}, "must name a device"),
        ({"center_frequency_hz": None}, "center_frequency_hz is required"),
        ({"tx_gain_db": -1.0}, "tx_gain_db: .*greater than or equal to 0"),
        ({"tx_gain_max_db": 10.0}, r"tx_gain_db must be at most tx_gain_max_db = 10 \(got 20\)"),
        ({"rx_gain_db": None}, "rx_gain_db must be given where end is receive or both"),
        ({"antennas": 3}, "antennas: .*less than or equal to 2"),
        ({"clock_source": "mimo"}, "clock_source"),
        ({"wire_format": "fc64"}, "wire_format"),
    ],
)
def test_a_wrong_option_is_named(changes, sentence):
    options = {key: value for key, value in table(**changes).items() if key != "name"}
    with pytest.raises(ConfigError, match=sentence):
        validate(Config, options, "radios.tx")


def test_the_transmit_gain_is_the_lowest_unless_asked_for():
    assert Config(args=ARGS, center_frequency_hz=1e9, end="transmit").tx_gain_db == 0


def test_analog_filters_narrower_than_the_signal_are_refused(plug_in):
    plug_in()
    with pytest.raises(ConfigError, match=r"rf_bandwidth_hz must be at least the occupied 812500 Hz"):
        radio(rf_bandwidth_hz=400e3)


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uhd", None)
    with pytest.raises(RadioError, match=r"radio 'usrp' needs UHD.*install.*python3-uhd"):
        radio()


def test_no_device_is_one_sentence_that_names_the_address(plug_in):
    plug_in(present=False)
    with pytest.raises(
        RadioError, match=rf"^{NAME} must be there and answer \(got: .*No devices found.*b200\)$"
    ) as caught:
        radio().__enter__()
    assert "\n" not in str(caught.value)


def test_every_setting_reaches_every_channel(plug_in):
    device = plug_in()
    options = {
        "antennas": 2,
        "tx_antenna": "TX/RX",
        "rx_antenna": "RX2",
        "rf_bandwidth_hz": 1e6,
        "clock_source": "external",
        "time_source": "external",
        "master_clock_rate_hz": 32e6,
    }
    with radio(**options) as usrp:
        assert isinstance(usrp, Radio)
        assert usrp.live
        for channel in (0, 1):
            assert device.state["rx_rate", channel] == 1e6
            assert device.state["rx_freq", channel] == 2.45e9
            assert device.state["rx_gain", channel] == 30.0
            assert device.state["rx_antenna", channel] == "RX2"
            assert device.state["rx_bandwidth", channel] == 1e6
        assert device.state["tx_antenna", 0] == "TX/RX"
        assert device.state["master_clock_rate", 0] == 32e6
        status = usrp.status()
    assert status.settings["clock_source"] == "external"
    assert status.settings["tx_gain_db"] == 20.0
    assert (status.temperature_c, status.rssi_db) == (41.5, -63.0)
    assert ("stream", [0, 1]) in device.log


def test_it_is_silent_first_raises_its_gain_when_all_agree_and_ends_silent(plug_in):
    device = plug_in()
    with radio() as usrp:
        usrp.transmit(noise(100))
    assert written(device, "tx_gain") == [0.0, 20.0, 0.0]
    names = [name for name, _ in device.log]
    assert names.index("tx_gain") < names.index("rx_rate")
    assert names.index("tx_freq") < len(names) - names[::-1].index("tx_gain") - 1
    assert not device.streaming


def test_a_receiving_end_never_raises_its_transmit_gain(plug_in):
    device = plug_in()
    with radio(end="receive") as usrp:
        with pytest.raises(RadioError, match=r"must have end 'transmit' or 'both' to transmit"):
            usrp.transmit(noise(10))
        usrp.receive()
    assert set(written(device, "tx_gain")) == {0.0}
    assert not written(device, "tx_freq")


def test_a_transmitting_end_leaves_the_receiver_alone(plug_in):
    device = plug_in()
    with radio(end="transmit", rx_gain_db=None) as usrp:
        with pytest.raises(RadioError, match="must have end 'receive' or 'both' to receive"):
            usrp.receive()
        usrp.transmit(noise(10))
    assert not written(device, "rx_freq")
    assert not written(device, "streaming")


@pytest.mark.parametrize(
    ("key", "attribute", "got"),
    [
        ("sample_rate_hz", "rx_rate", 1.0101e6),
        ("sample_rate_hz", "tx_rate", 1.0101e6),
        ("center_frequency_hz", "rx_freq", 6e9),
        ("center_frequency_hz", "tx_freq", 6e9),
        ("rx_gain_db", "rx_gain", 76.0),
        ("tx_gain_db", "tx_gain", 89.75),
        ("rx_antenna", "rx_antenna", "TX/RX"),
        ("clock_source", "clock_source", "external"),
        ("master_clock_rate_hz", "master_clock_rate", 16e6),
        ("rf_bandwidth_hz", "tx_bandwidth", 56e6),
    ],
)
def test_a_coerced_setting_is_an_error_that_names_it(plug_in, key, attribute, got):
    device = plug_in(coerce={attribute: got})
    options = {"rx_antenna": "RX2", "master_clock_rate_hz": 32e6, "rf_bandwidth_hz": 2e6}
    with pytest.raises(RadioError, match=rf"{key} must read back as .* \(got {got}\)"):
        radio(**options).__enter__()
    assert 20.0 not in written(device, "tx_gain")


def test_a_gain_beyond_the_device_is_an_error(plug_in):
    plug_in()
    with pytest.raises(RadioError, match=r"tx_gain_db must read back as 95.0 within 0.5 \(got 89.75\)"):
        radio(tx_gain_db=95.0).__enter__()


@pytest.mark.parametrize(
    ("sensor", "options"),
    [("ref_locked", {"clock_source": "external"}), ("rx_lo_locked", {}), ("tx_lo_locked", {})],
)
def test_nothing_is_transmitted_while_an_oscillator_is_not_locked(plug_in, sensor, options):
    device = plug_in(unlocked=[sensor])
    with pytest.raises(
        RadioError, match=rf"{NAME}: {sensor.removeprefix('rx_').removeprefix('tx_')} must be"
    ):
        radio(**options).__enter__()
    assert set(written(device, "tx_gain")) == {0.0}


def test_without_pulses_an_external_time_is_an_error(plug_in):
    plug_in(pps=False)
    with pytest.raises(RadioError, match=r"must see pulses per second \(gpsdo\) .*PPS signal"):
        radio(time_source="gpsdo").__enter__()


def test_two_antennas_need_two_channels(plug_in):
    plug_in(channels=1)
    with pytest.raises(RadioError, match=r"must have 2 receive channels \(it has 1\)"):
        radio(antennas=2).__enter__()


def test_a_receiver_without_a_transmitter_is_one_end(plug_in):
    device = plug_in(transmitters=0)
    with pytest.raises(RadioError, match=rf"{NAME} must have a transmit channel \(it has none\)"):
        radio().__enter__()
    with radio(end="receive") as usrp:
        usrp.receive()
    assert not written(device, "tx_gain")


@pytest.mark.parametrize(
    "habits", [{"coerce": {"rx_gain": 3.0}}, {"unlocked": ["rx_lo_locked"]}, {"dies_at": "sensor"}]
)
def test_a_device_that_could_not_be_set_up_is_let_go(plug_in, habits):
    device = plug_in(**habits)
    with pytest.raises(RadioError) as caught:
        radio().__enter__()
    assert caught.value.__traceback__ is not None
    assert not device.handles
