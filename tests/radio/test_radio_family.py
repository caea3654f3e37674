"""The contract of the family, for every plug-in that is there.

Options that a radio cannot do without are taken from the ``examples`` of its ``Config``'s fields.
"""

import inspect
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from sdrjscc import plugins
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.awgn import build as build_awgn
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.radio.base import Radio, Reception, build_radio

NAMES = plugins.available("radio")
LIBRARIES = ("adi", "iio", "uhd", "SoapySDR", "zmq")


def example(name):
    fields = plugins.load("radio", name).config.model_fields
    return {key: field.examples[0] for key, field in fields.items() if field.examples}


@pytest.fixture
def no_libraries(monkeypatch):
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)


def test_the_family_is_found():
    assert {"loopback", "pluto"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_configuration_is_frozen_strict_and_round_trips(name):
    config = plugins.load("radio", name).config
    assert issubclass(config, Section)
    with pytest.raises(ValidationError, match="no_such_key"):
        config(**example(name), no_such_key=1)
    made = config(**example(name))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, next(iter(config.model_fields)), None)
    assert config(**made.model_dump(mode="json", exclude_none=True)) == made


@pytest.mark.parametrize("name", NAMES)
def test_build_has_the_familys_signature(name):
    parameters = inspect.signature(plugins.load("radio", name).build).parameters
    assert list(parameters) == ["config", "channel", "occupied_share"]
    assert all(parameters[key].kind is inspect.Parameter.KEYWORD_ONLY for key in list(parameters)[1:])


@pytest.mark.parametrize("name", NAMES)
def test_without_its_library_it_is_built_or_says_what_to_install(name, no_libraries):
    try:
        radio = build_radio({"name": name, **example(name)}, "radios.tx", channel=None, occupied_share=0.8)
    except RadioError as error:
        assert f"'{name}'" in str(error)
        assert "install" in str(error)
    else:
        assert isinstance(radio, Radio)
        assert radio.antennas >= 1
        assert radio.sample_rate_hz > 0
        assert radio.clock_ppm >= 0


# the virtual radio's [channel] is applied by the channel process: test_virtual.py
@pytest.mark.parametrize("name", [name for name in NAMES if name != "virtual"])
def test_a_software_channel_is_used_or_refused_never_ignored(name, no_libraries):
    table = {"name": name, **example(name)}
    channel = build_awgn(AwgnConfig(snr_db=0.0))
    try:
        radio = build_radio(table, "radios.tx", channel=channel, occupied_share=0.8)
    except ConfigError as error:
        assert "[channel]" in str(error)
        return
    samples = torch.ones(1000, dtype=torch.complex64)
    with radio:
        radio.transmit(samples)
        reception = radio.receive()
    assert isinstance(reception, Reception)
    assert not torch.equal(reception.samples[0, :1000], samples)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_named_with_its_path(name):
    with pytest.raises(ConfigError, match=r"^radios\.rx\.gain is not a known key \(known: "):
        build_radio({"name": name, **example(name), "gain": 3}, "radios.rx", channel=None, occupied_share=0.8)


def test_importing_the_plugins_imports_no_radio_library():
    modules = "; ".join(f"import sdrjscc.radio.{name}" for name in NAMES)
    check = f"import sys; {modules}; print(sorted(set({LIBRARIES!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
