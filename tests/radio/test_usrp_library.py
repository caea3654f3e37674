"""The stand-in for UHD beside the installed library, and the library's own word where nothing is."""

import inspect
import re
import sys

import fake_uhd
import pytest
from usrp_example import noise, plugged_usrp, radio, table  # noqa: F401 (a fixture among them)

from sdrjscc.errors import RadioError
from sdrjscc.radio.base import build_radio

uhd = pytest.importorskip("uhd", exc_type=ImportError)

ENUMS = ["StreamMode", "RXMetadataErrorCode", "TXMetadataEventCode"]
STRUCTS = ["RXMetadata", "TXMetadata", "TXAsyncMetadata"]


def real_classes():
    library = uhd.libpyuhd
    return {
        fake_uhd.MultiUSRP: uhd.usrp.MultiUSRP,
        fake_uhd.RXStreamer: library.usrp.rx_streamer,
        fake_uhd.TXStreamer: library.usrp.tx_streamer,
        fake_uhd.TimeSpec: uhd.types.TimeSpec,
        fake_uhd.Sensor: uhd.types.SensorValue,
        fake_uhd.MetaRange: uhd.types.GainRange,
    }


def overloads(function):
    """Argument names of each overload, from pybind's docstring; without ``self``."""
    name = function.__name__
    for arguments in re.findall(rf"^(?:\d+\. )?{name}\(self: [\w.:]+(.*)\) -> ", function.__doc__, re.M):
        yield re.findall(r", (\w+): ", arguments)


def methods():
    for fake, real in real_classes().items():
        for name, function in inspect.getmembers(fake, inspect.isfunction):
            if not name.startswith("_"):
                yield pytest.param(function, real, name, id=f"{fake.__name__}.{name}")


@pytest.mark.parametrize(("fake", "real", "name"), list(methods()))
def test_every_method_has_the_librarys_arguments(fake, real, name):
    arguments = list(inspect.signature(fake).parameters)[1:]
    assert arguments in list(overloads(getattr(real, name)))


@pytest.mark.parametrize("name", ENUMS)
def test_codes_are_the_librarys(name):
    real = getattr(uhd.types, name).__members__
    assert {one.name: one.value for one in getattr(fake_uhd, name)} == {
        key: one.value for key, one in real.items()
    }


@pytest.mark.parametrize("name", STRUCTS)
def test_metadata_has_the_librarys_fields(name):
    fields = {key for key in vars(getattr(fake_uhd, name)) if not key.startswith("_")}
    real = getattr(uhd.types, name)
    assert fields <= set(dir(real))
    defaults = {
        key: getattr(real(), key) for key in fields if key.endswith("burst") or key == "has_time_spec"
    }
    assert not any(defaults.values())


def test_commands_and_arguments_have_the_librarys_fields():
    command = uhd.types.StreamCMD(uhd.types.StreamMode.start_cont)
    for field in ("stream_now", "time_spec", "num_samps"):
        assert hasattr(command, field)
        assert hasattr(fake_uhd.StreamCMD, field)
    args = uhd.usrp.StreamArgs("fc32", "sc16")
    args.channels = [0, 1]
    assert list(args.channels) == [0, 1]
    assert {"channels", "cpu_format", "otw_format", "args"} <= set(dir(fake_uhd.StreamArgs))


@pytest.mark.parametrize("parts", [(1.75,), (3, 0.25)])
def test_times_split_as_the_librarys(parts):
    fake, real = fake_uhd.TimeSpec(*parts), uhd.types.TimeSpec(*parts)
    assert fake.get_full_secs() == real.get_full_secs()
    assert fake.get_frac_secs() == real.get_frac_secs()
    assert fake.get_real_secs() == real.get_real_secs()


def test_the_driver_fills_the_librarys_own_structures(plug_in, monkeypatch):
    """Times, tune requests, stream arguments and transmit metadata of the real library in the stand-in."""
    device = plug_in()
    module = sys.modules["uhd"]
    for name in ("TimeSpec", "TuneRequest", "TXMetadata"):
        monkeypatch.setattr(module.types, name, getattr(uhd.types, name))
    monkeypatch.setattr(module.usrp, "StreamArgs", uhd.usrp.StreamArgs)
    with radio(antennas=2) as usrp:
        usrp.transmit(noise(3000))
        assert usrp.receive().samples.shape == (2, 2048)
    assert len(device.bursts[0]) == 3000
    assert ("stream", [0, 1]) in device.log


@pytest.mark.parametrize("args", ["type=b200,serial=F00F00F", "addr=127.0.0.1"])
def test_the_library_itself_finds_nothing_and_the_error_names_the_address(args):
    made = build_radio(table(args=args), "radios.tx", channel=None, occupied_share=0.8)
    sentence = rf"^usrp at {args} must be there and answer \(got: .*No devices found.*\)$"
    with pytest.raises(RadioError, match=sentence) as caught:
        made.__enter__()
    assert "\n" not in str(caught.value)
