"""The SoapySDR driver against a stand-in, and the real library where it has something to say."""

import inspect
import sys
from types import SimpleNamespace

import fake_soapy
import numpy as np
import pytest
import torch
from fake_soapy import CODES, RX, TX, Hardware

from sdrjscc.config import validate
from sdrjscc.errors import ConfigError, RadioError, SignalError
from sdrjscc.radio.base import Radio, build_radio
from sdrjscc.radio.soapy import Config

ARGS = "driver=lime"
NAME = f"soapy at {ARGS}"
LOWEST = -12.0


def table(**changes):
    options = {
        "name": "soapy",
        "args": ARGS,
        "center_frequency_hz": 2.45e9,
        "sample_rate_hz": 2e6,
        "tx_gain_db": 20.0,
        "rx_gain_db": 30.0,
        "rx_buffer_samples": 4096,
        **changes,
    }
    return {key: value for key, value in options.items() if value is not None}


def radio(**changes):
    return build_radio(table(**changes), "radios.rx", channel=None, occupied_share=0.8125)


def noise(length, scale=0.2):
    return scale * torch.randn(length, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


def written(hardware, name, direction):
    return [value for key, way, value in hardware.log if (key, way) == (name, direction)]


@pytest.fixture(name="attach")
def attached(monkeypatch):
    """Make ``import SoapySDR`` reach a device made with the given habits; nobody waits for the air."""

    def attach(**habits):
        hardware = Hardware(**habits)
        hardware.waited = []
        monkeypatch.setitem(sys.modules, "SoapySDR", hardware.module())
        clock = SimpleNamespace(monotonic=lambda: 100.0, sleep=hardware.waited.append)
        monkeypatch.setattr("sdrjscc.radio.soapy.time", clock)
        return hardware

    return attach


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"args": None}, "radios.rx.args is required"),
        ({"args": "serial=3"}, "args: .*must name a driver, such as driver=lime"),
        ({"args": "driver="}, "must name a driver"),
        ({"center_frequency_hz": None}, "center_frequency_hz is required"),
        ({"tx_gain_max_db": 10.0}, r"tx_gain_db must be at most tx_gain_max_db = 10 \(got 20\)"),
        ({"rx_gain_db": None}, "rx_gain_db must be given where end is receive or both"),
    ],
)
def test_a_wrong_option_is_named(changes, sentence):
    options = {key: value for key, value in table(**changes).items() if key != "name"}
    with pytest.raises(ConfigError, match=sentence):
        validate(Config, options, "radios.rx")


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "SoapySDR", None)
    with pytest.raises(RadioError, match=r"radio 'soapy' needs SoapySDR.*install.*python3-soapysdr"):
        radio()


def test_analog_filters_narrower_than_the_signal_are_refused(attach):
    attach()
    with pytest.raises(ConfigError, match=r"rf_bandwidth_hz must be at least the occupied 1.625e\+06 Hz"):
        radio(rf_bandwidth_hz=1e6)


def test_no_device_is_one_sentence_that_names_it(attach):
    attach(present=False)
    with pytest.raises(RadioError, match=rf"^{NAME} must be there and answer \(got: .*no match\)$"):
        radio().__enter__()


def test_every_setting_reaches_every_channel(attach):
    hardware = attach()
    options = {"rx_antenna": "LNAL", "tx_antenna": "BAND1", "rf_bandwidth_hz": 2.5e6}
    with radio(antennas=2, clock_source="external", **options) as soapy:
        assert isinstance(soapy, Radio)
        for channel in (0, 1):
            assert hardware.state["Frequency", RX, channel] == 2.45e9
            assert hardware.state["SampleRate", RX, channel] == 2e6
            assert hardware.state["Gain", RX, channel] == 30.0
            assert hardware.state["GainMode", RX, channel] is False
            assert hardware.state["Antenna", RX, channel] == "LNAL"
        assert hardware.state["Bandwidth", TX, 0] == 2.5e6
        assert soapy.status().settings["clock_source"] == "external"
        assert hardware.active == {RX, TX}


def test_it_is_silent_first_raises_its_gain_last_and_ends_silent(attach):
    hardware = attach()
    with radio():
        assert written(hardware, "Gain", TX) == [LOWEST, 20.0]
        assert hardware.log[0] == ("Gain", TX, LOWEST)
        assert hardware.log[-1] == ("Gain", TX, 20.0)
    assert hardware.log[-5:] == [
        ("Gain", TX, LOWEST),
        ("deactivate", RX, None),
        ("close", RX, None),
        ("deactivate", TX, None),
        ("close", TX, None),
    ]
    assert hardware.open == 0


def test_without_a_gain_the_lowest_stays(attach):
    hardware = attach()
    with radio(tx_gain_db=None):
        assert written(hardware, "Gain", TX) == [LOWEST]


@pytest.mark.parametrize("end", ["transmit", "receive"])
def test_one_end_leaves_the_other_direction_alone(attach, end):
    hardware = attach(duplex=False)
    with radio(end=end) as soapy:
        action = soapy.receive if end == "transmit" else lambda: soapy.transmit(noise(4))
        with pytest.raises(RadioError, match=rf"must have end '(transmit|receive)' or 'both' .*got '{end}'"):
            action()
    other = RX if end == "transmit" else TX
    assert not [entry for entry in hardware.log if entry[1] == other]


def test_a_half_duplex_device_is_one_end(attach):
    attach(duplex=False)
    with pytest.raises(RadioError, match=r"must have end 'transmit' or 'receive' \(it is half duplex\)"):
        radio().__enter__()


@pytest.mark.parametrize(
    ("key", "name", "got"),
    [
        ("sample_rate_hz", "SampleRate", 2.1e6),
        ("center_frequency_hz", "Frequency", 2.4e9),
        ("automatic gain", "GainMode", True),
        ("rx_gain_db", "Gain", 12.0),
    ],
)
def test_a_coerced_setting_is_an_error_that_names_it(attach, key, name, got):
    hardware = attach(coerce={name: got})
    with pytest.raises(RadioError, match=rf"{NAME}: {key} must read back as .*\(got {got}\)"):
        radio(end="receive").__enter__()
    assert hardware.open == 0


def test_receptions_are_told_with_the_samples_lost_before_them(attach, caplog):
    attach(gaps=[(4000, 777), (20_000, 1)])
    with radio(antennas=2) as soapy:
        receptions = [soapy.receive() for _ in range(8)]
        assert soapy.status().overflows == 2
    assert receptions[0].samples.shape == (2, 4000)
    assert receptions[0].samples.dtype == torch.complex64
    assert [one.dropped for one in receptions if one.dropped] == [777, 1]
    assert caplog.text.count("overflow") == 1


def test_without_time_stamps_overflows_are_counted_only(attach):
    attach(gaps=[(4000, 777)], stamped=False)
    with radio() as soapy:
        assert [soapy.receive().dropped for _ in range(4)] == [0] * 4
        assert soapy.status().overflows == 1


def test_samples_at_full_scale_are_counted(attach):
    attach(amplitude=1.0)
    with radio() as soapy:
        soapy.receive()
        assert soapy.status().saturated == 4000


@pytest.mark.parametrize("code", ["TIMEOUT", "STREAM_ERROR", "CORRUPTION", "NOT_SUPPORTED"])
def test_every_other_code_is_an_error_with_the_librarys_word(attach, code):
    hardware = attach()
    hardware.events.append(CODES[f"SOAPY_SDR_{code}"])
    with pytest.raises(RadioError, match=rf"{NAME} must deliver samples \(got: {code}\)"), radio() as soapy:
        soapy.receive()
    assert hardware.state["Gain", TX, 0] == LOWEST


def test_a_burst_taken_bit_by_bit_arrives_whole_scaled_and_closed(attach):
    hardware = attach(takes_at_most=10_000)
    samples = noise(150_000)
    with radio(tx_dbfs=-20.0) as soapy:
        soapy.transmit(samples)
    assert np.abs(np.concatenate(hardware.sent) - 0.1 * samples.numpy()).max() < 1e-6
    assert hardware.ended == 1
    assert hardware.waited == [pytest.approx(150_000 / 2e6)]


def test_a_device_that_takes_nothing_is_an_error(attach):
    attach(takes_at_most=0)
    with pytest.raises(RadioError, match=r"must take samples to transmit \(got: TIMEOUT\)"), radio() as soapy:
        soapy.transmit(noise(10))


def test_clipping_and_underflows_are_counted(attach, caplog):
    hardware = attach()
    hardware.statuses += [CODES["SOAPY_SDR_UNDERFLOW"], CODES["SOAPY_SDR_TIME_ERROR"]]
    with radio(tx_dbfs=0.0) as soapy:
        soapy.transmit(torch.tensor([0.5 + 0.5j, 3 - 0.5j], dtype=torch.complex64))
        status = soapy.status()
    assert (status.clipped, status.underflows, status.late) == (1, 1, 1)
    assert hardware.sent[0].tolist() == [0.5 + 0.5j, 1 - 0.5j]
    assert "1 of 2 samples clipped" in caplog.text


def test_samples_that_are_no_numbers_are_refused(attach):
    hardware = attach()
    with radio() as soapy, pytest.raises(SignalError, match="must be finite"):
        soapy.transmit(torch.full((3,), torch.nan, dtype=torch.complex64))
    assert not hardware.sent


@pytest.mark.parametrize("operation", ["readStream", "writeStream", "readStreamStatus"])
def test_a_device_lost_in_use_names_the_address(attach, caplog, operation):
    hardware = attach()
    with pytest.raises(RadioError, match=rf"{NAME} must .*\(got: device handle is gone\)"), radio() as soapy:
        hardware.dies_at = operation
        soapy.transmit(noise(10))
        soapy.receive()
    assert "must " in caplog.text  # it could not be told to stop
    assert hardware.open == 0


@pytest.mark.parametrize("crash", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_crash_silences_at_once(attach, crash):
    hardware = attach()
    with pytest.raises(crash), radio() as soapy:
        soapy.transmit(noise(100_000))
        raise crash
    assert not hardware.waited
    assert not hardware.active
    assert hardware.state["Gain", TX, 0] == LOWEST


def test_it_is_opened_once_and_used_only_while_open(attach):
    attach()
    soapy = radio()
    with pytest.raises(RadioError, match=r"must be open to receive \(it is closed\)"):
        soapy.receive()
    with soapy, pytest.raises(RadioError, match="must be opened once"):
        soapy.__enter__()
    with soapy:
        soapy.receive()


def test_the_stand_in_has_the_librarys_names_arguments_and_codes():
    library = pytest.importorskip("SoapySDR", exc_type=ImportError)
    assert {key: getattr(library, key) for key in CODES} == CODES
    assert {code: library.errToStr(code) for code in fake_soapy.WORDS} == fake_soapy.WORDS
    real_class = library.Device.__mro__[1]  # the last one only makes instances
    for name, function in inspect.getmembers(fake_soapy.Device, inspect.isfunction):
        if name.startswith("_"):
            continue
        ours = inspect.signature(function).parameters
        theirs = inspect.signature(getattr(real_class, name)).parameters
        if "args" in theirs:  # overloaded in C++: its Python signature says nothing
            continue
        assert len(ours) == len(theirs), name
        if "value" not in ours:  # one stand-in for all setters
            assert list(ours) == list(theirs), name


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ("driver=no-such-driver", r"must be there and answer .*no match"),
        ("driver=null", "must have 1 .* channels"),
    ],
)
def test_the_library_itself_has_no_such_device_or_an_empty_one(args, sentence):
    pytest.importorskip("SoapySDR", exc_type=ImportError)
    with pytest.raises(RadioError, match=rf"^soapy at {args} {sentence}"):
        radio(args=args).__enter__()


def test_it_tells_what_the_device_can_do(attach):
    attach()
    soapy = radio(end="receive")
    with pytest.raises(RadioError, match=f"^{NAME} must be open to tell what it can do"):
        soapy.describe()
    with soapy:
        told = soapy.describe()
    assert told == {
        "hardware": "LimeSDR-USB",
        "rx connectors": "LNAH, LNAL",
        "rx_gain_db": fake_soapy.GAINS[RX],
        "center_frequency_hz": (30e6, 3.8e9),
        "sample_rate_hz": (100e3, 65e6),
    }
