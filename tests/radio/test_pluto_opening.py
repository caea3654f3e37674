"""The PlutoSDR driver until it is open, against a stand-in with the real library's habits."""

import math
import sys

import pytest
from fake_pluto import FakePluto
from pluto_example import LOWEST, URI, noise, radio, table

from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.awgn import build as build_awgn
from sdrjscc.config import validate
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.radio.base import build_radio
from sdrjscc.radio.pluto import Config


def positions(device, entry):
    return [index for index, logged in enumerate(device.log) if logged == entry]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"uri": None}, "radios.tx.uri is required"),
        ({"uri": "192.168.2.1"}, "uri: .*must begin with ip: or usb:.*got '192.168.2.1'"),
        ({"uri": "ip:"}, "must begin with ip: or usb:"),
        ({"uri": "usb"}, "must begin with ip: or usb:"),
        ({"center_frequency_hz": None}, "center_frequency_hz is required"),
        ({"center_frequency_hz": 60e6}, "center_frequency_hz: .*greater than or equal"),
        ({"sample_rate_hz": 520e3}, "sample_rate_hz: .*greater than or equal to 521000"),
        ({"tx_gain_db": 1.0}, "tx_gain_db: .*less than or equal to 0"),
        ({"tx_gain_db": -90.0}, "tx_gain_db: .*greater than or equal to -89.75"),
        ({"tx_gain_db": -5.0}, r"tx_gain_db must be at most tx_gain_max_db = -10 \(got -5\)"),
        ({"tx_gain_db": -29.0, "tx_gain_max_db": -30.0}, "tx_gain_db must be at most tx_gain_max_db = -30"),
        ({"antennas": 3}, "antennas: .*less than or equal to 2"),
        ({"timeout_s": 0.0}, "timeout_s: .*greater than or equal to 0.1"),
        ({"reconnect_s": -1.0}, "reconnect_s: .*greater than or equal to 0"),
        ({"rx_gain_db": 72.0}, "rx_gain_db: .*less than or equal to 71"),
        ({"rx_gain_db": None}, "rx_gain_db must be given"),
        ({"gain_mode": "slow_attack"}, "and only there"),
        ({"gain_mode": "loud"}, "gain_mode"),
        ({"end": "middle"}, "end: .*'transmit', 'receive' or 'both'"),
        ({"tx_dbfs": 3.0}, "tx_dbfs: .*less than or equal to 0"),
    ],
)
def test_a_wrong_option_is_named(changes, sentence):
    options = {key: value for key, value in table(**changes).items() if key != "name"}
    with pytest.raises(ConfigError, match=sentence):
        validate(Config, options, "radios.tx")


def test_the_transmit_gain_is_low_unless_asked_for():
    config = Config(uri=URI, center_frequency_hz=1e9, end="transmit")
    assert config.tx_gain_db <= -40
    assert config.gain_mode == "manual"
    assert Config(uri=URI, center_frequency_hz=1e9, end="transmit", tx_gain_db=0, tx_gain_max_db=0)


def test_a_profile_may_say_what_the_device_is():
    assert Config(uri=URI, center_frequency_hz=1e9, rx_gain_db=0, device="ADALM-PLUTO (AD9363)").device


def test_a_software_channel_is_refused():
    channel = build_awgn(AwgnConfig(snr_db=10.0))
    with pytest.raises(ConfigError, match=r"must have no \[channel\]"):
        build_radio(table(), "radios.tx", channel=channel, occupied_share=0.8)


def test_analog_filters_narrower_than_the_signal_are_refused():
    with pytest.raises(ConfigError, match=r"rf_bandwidth_hz must be at least the occupied 1.625e\+06 Hz"):
        radio(rf_bandwidth_hz=1e6)


class BrokenLibrary:
    """An import hook for what pylibiio does beside a libiio of another major version."""

    def find_spec(self, name, path=None, target=None):
        if name == "adi":
            raise Exception("libiio version 1.x required, found version 0")


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "adi", None)
    with pytest.raises(RadioError, match=r"pip install 'sdrjscc\[pluto\]'.*libiio0"):
        radio()


def test_a_library_that_does_not_load_says_why(monkeypatch):
    monkeypatch.delitem(sys.modules, "adi", raising=False)
    monkeypatch.setattr(sys, "meta_path", [BrokenLibrary(), *sys.meta_path])
    with pytest.raises(RadioError, match=r"sdrjscc\[pluto\].*libiio version 1.x required"):
        radio()


def test_every_setting_reaches_the_device(plug_in, clock):
    device = plug_in()
    with radio(tx_gain_db=-33.5) as pluto:
        assert device.state == {
            "rx_lo": 2_450_000_000,
            "tx_lo": 2_450_000_000,
            "rx_rf_bandwidth": 2_000_000,
            "tx_rf_bandwidth": 2_000_000,
            "sample_rate": 2_000_000,
            "rx_hardwaregain_chan0": 40.0,
            "tx_hardwaregain_chan0": -33.5,
            "gain_control_mode_chan0": "manual",
        }
        assert not device.tones
        assert (pluto.sample_rate_hz, pluto.antennas, pluto.clock_ppm) == (2e6, 1, 25.0)


def test_it_is_silent_first_and_raises_its_gain_last(plug_in, clock):
    device = plug_in()
    with radio(tx_gain_db=-20.0):
        written = [entry for entry in device.log if entry[1] is not None]
    assert written[0] == ("tx_hardwaregain_chan0", LOWEST)
    assert written[-1] == ("tx_hardwaregain_chan0", -20.0)
    assert positions(device, ("tx_hardwaregain_chan0", -20.0)) == [device.log.index(written[-1])]


def test_a_receiving_end_never_raises_its_transmit_gain(plug_in, clock):
    device = plug_in()
    with radio(end="receive", tx_gain_db=-10.0) as pluto:
        with pytest.raises(
            RadioError, match=r"must have end 'transmit' or 'both' to transmit \(got 'receive'\)"
        ):
            pluto.transmit(noise(10))
        pluto.receive()
    assert {value for key, value in device.log if key == "tx_hardwaregain_chan0"} == {LOWEST}
    assert not {"tx_lo", "tx_rf_bandwidth", "tx"} & {key for key, _ in device.log}


def test_a_transmitting_end_leaves_the_receiver_alone(plug_in, clock):
    device = plug_in(dies_at="rx")
    with radio(end="transmit", rx_gain_db=None) as pluto:
        with pytest.raises(RadioError, match="must have end 'receive' or 'both' to receive"):
            pluto.receive()
        pluto.transmit(noise(10))
    assert "rx_lo" not in {key for key, _ in device.log}


def test_the_rate_it_really_runs_at_is_reported(plug_in, clock):
    plug_in(coerce={"sample_rate": 1_999_998})
    with radio() as pluto:
        assert pluto.sample_rate_hz == 1_999_998


@pytest.mark.parametrize(
    ("attribute", "other"),
    [("rx_lo", 2_449_999_998), ("tx_hardwaregain_chan0", -40.25), ("rx_rf_bandwidth", 1_990_000)],
)
def test_rounding_by_the_device_is_tolerated(plug_in, clock, attribute, other):
    # -89.75 must stay exact, so the transmit gain is coerced only from the second write on
    device = plug_in()
    write = device.write

    def rounding(name, value):
        write(name, value)
        if name == attribute and value != LOWEST:
            device.state[name] = other

    device.write = rounding
    with radio(tx_gain_db=-40.1):
        assert device.state[attribute] == other


@pytest.mark.parametrize(
    ("key", "attribute", "got"),
    [
        ("sample_rate_hz", "sample_rate", 2_083_333),
        ("center_frequency_hz", "rx_lo", 2_400_000_000),
        ("center_frequency_hz", "tx_lo", 2_400_000_000),
        ("rf_bandwidth_hz", "tx_rf_bandwidth", 40_000_000),
        ("gain_mode", "gain_control_mode_chan0", "slow_attack"),
        ("rx_gain_db", "rx_hardwaregain_chan0", 62.0),
        ("tx_gain_db", "tx_hardwaregain_chan0", 0.0),
        ("rx_gain_db", "rx_hardwaregain_chan0", math.nan),
    ],
)
def test_a_coerced_setting_is_an_error_that_names_it(plug_in, clock, key, attribute, got):
    device = plug_in(coerce={attribute: got})
    with pytest.raises(RadioError, match=f"pluto at {URI}: {key} must read back as .*got {got}"):
        radio().__enter__()
    assert positions(device, ("tx_hardwaregain_chan0", -40.0)) == []


def test_a_gain_that_is_silently_ignored_is_an_error(plug_in, clock):
    plug_in(ignore={"gain_control_mode_chan0"})  # and with it the receive gain
    with pytest.raises(RadioError, match=r"gain_mode must read back as manual .*got slow_attack"):
        radio().__enter__()
    plug_in(ignore={"rx_hardwaregain_chan0"})
    with pytest.raises(RadioError, match=r"rx_gain_db must read back as 40.0 .*got 71"):
        radio().__enter__()


def test_automatic_gain_leaves_the_gain_to_the_device(plug_in, clock):
    device = plug_in()
    with radio(gain_mode="fast_attack", rx_gain_db=None):
        assert device.state["gain_control_mode_chan0"] == "fast_attack"
    assert "rx_hardwaregain_chan0" not in {key for key, _ in device.log}


def test_a_refused_setting_is_named_with_what_was_asked(plug_in, clock):
    device = plug_in()
    with pytest.raises(RadioError, match=r"must accept center_frequency_hz = 5800000000 \(got: .*Errno 22"):
        radio(center_frequency_hz=5.8e9).__enter__()
    assert device.state["tx_hardwaregain_chan0"] == LOWEST


def test_no_device_names_the_address(plug_in, clock):
    plug_in(present=False)
    with pytest.raises(
        RadioError,
        match=rf"^pluto at {URI} must be there and answer \(got: No device found\); check its power",
    ):
        radio().__enter__()


@pytest.mark.parametrize("attribute", ["sample_rate", "rx_lo", "tx_hardwaregain_chan0", "disable_dds", "rx"])
def test_a_server_that_dies_while_opening_names_the_address(plug_in, clock, attribute):
    plug_in(dies_at=attribute)
    with pytest.raises(RadioError, match=rf"pluto at {URI} must .*Broken pipe"):
        radio().__enter__()


def test_it_is_opened_once_and_used_only_while_open(plug_in, clock):
    plug_in()
    pluto = radio()
    for action in (pluto.receive, lambda: pluto.transmit(noise(4))):
        with pytest.raises(RadioError, match=r"must be open to .*\(it is closed\)"):
            action()
    with pluto, pytest.raises(RadioError, match="must be opened once"):
        pluto.__enter__()
    with pytest.raises(RadioError, match="it is closed"):
        pluto.receive()
    with pluto:
        pluto.receive()


def test_the_stand_in_has_the_librarys_attributes():
    adi = pytest.importorskip("adi", exc_type=Exception)
    offered = {name for name in vars(FakePluto) if not name.startswith("_")}
    assert offered <= set(dir(adi.Pluto))
