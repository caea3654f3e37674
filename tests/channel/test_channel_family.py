"""The contract of the family, for every plug-in that is there."""

import pytest
import torch
from pydantic import ValidationError
from sounding_files import example_path

from sdrjscc import plugins
from sdrjscc.channel.base import Realisation, SampleChannel, SymbolChannel
from sdrjscc.errors import SignalError

NAMES = plugins.available("channel")
REQUIRED = {"recorded": {"path": str(example_path())}}


def built(name):
    plugin = plugins.load("channel", name)
    table = {"snr_db": 10.0} if "snr_db" in plugin.config.model_fields else {}
    return plugin.build(plugin.config(**table, **REQUIRED.get(name, {})))


SYMBOLS = [name for name in NAMES if isinstance(built(name), SymbolChannel)]
SAMPLES = [name for name in NAMES if isinstance(built(name), SampleChannel)]


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def realise(name, samples, generator):
    return built(name).realise(samples, sample_rate_hz=1e6, occupied_bandwidth_hz=0.8e6, generator=generator)


def test_every_plugin_is_one_kind_of_channel():
    assert set(SYMBOLS) | set(SAMPLES) == set(NAMES)
    assert {"awgn", "fading", "recorded"} <= set(SYMBOLS)
    assert {"awgn", "chain", "recorded"} <= set(SAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_configuration_is_frozen_and_strict(name):
    config, required = plugins.load("channel", name).config, REQUIRED.get(name, {})
    with pytest.raises(ValidationError):
        config(**required, no_such_key=1)
    with pytest.raises(ValidationError):
        setattr(config(**required), next(iter(config.model_fields)), None)


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbol_channel(name):
    symbols = torch.polar(torch.ones(3, 17), torch.rand(3, 17, generator=seeded()))
    before = torch.random.get_rng_state()
    received, noise_var = built(name).apply(symbols, 10.0, seeded())
    assert received.shape == noise_var.shape == symbols.shape
    assert (received.dtype, noise_var.dtype) == (torch.complex64, torch.float32)
    assert (noise_var > 0).all()
    again, _ = built(name).apply(symbols, 10.0, seeded())
    other, _ = built(name).apply(symbols, 10.0, seeded(4))
    assert torch.equal(received, again)
    assert not torch.equal(received, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbol_channel_follows_the_symbols_device(name):
    received, noise_var = built(name).apply(
        torch.ones(2, 5, dtype=torch.complex64, device="meta"), 10.0, seeded()
    )
    assert received.device.type == noise_var.device.type == "meta"


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_channel(name):
    samples = torch.randn(1, 1000, dtype=torch.complex64, generator=seeded())
    before = torch.random.get_rng_state()
    result = realise(name, samples, seeded())
    assert isinstance(result, Realisation)
    assert result.samples.dtype == torch.complex64
    assert result.samples.shape[0] == 1
    assert torch.equal(result.samples, realise(name, samples, seeded()).samples)
    assert not torch.equal(result.samples, realise(name, samples, seeded(4)).samples)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(1, 10),
        torch.zeros(10, dtype=torch.complex64),
        torch.zeros(3, 10, dtype=torch.complex64),
        torch.zeros(1, 0, dtype=torch.complex64),
    ],
    ids=["real", "one dimension", "too many antennas", "empty"],
)
def test_sample_channel_refuses_wrong_samples_in_words(name, wrong):
    with pytest.raises(SignalError, match=r"samples must be complex \[1, n\] or \[1, n\] with n >= 1 \(got"):
        realise(name, wrong, seeded())
