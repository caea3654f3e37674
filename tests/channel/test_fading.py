"""Flat fading on symbols: moments of the gain, and whether the reported variance is the true one."""

import math

import pytest
import torch
from pydantic import ValidationError

from sdrjscc.channel.fading import Config, build


def gain_power(noise_var, snr_db):
    """|h|^2 from what the channel reports: noise_var = 1 / (SNR |h|^2)."""
    return (10 ** (-snr_db / 10) / noise_var).to(torch.float64)


@pytest.mark.parametrize("speed", ["slow", "fast"])
@pytest.mark.parametrize("k_factor", [0.0, 2.8, 10.0])
def test_gain_has_the_moments_of_its_law(generator, speed, k_factor):
    """E|h|^2 = 1 and var |h|^2 = (1 + 2K) / (1 + K)^2; 100,000 gains, 6 deviations."""
    shape = (100_000, 1) if speed == "slow" else (1, 100_000)
    symbols = torch.zeros(shape, dtype=torch.complex64)
    _, noise_var = build(Config(speed=speed, k_factor=k_factor)).apply(symbols, 7.0, generator)
    power = gain_power(noise_var, 7.0)
    variance = (1 + 2 * k_factor) / (1 + k_factor) ** 2
    assert float(power.mean()) == pytest.approx(1.0, abs=6 * math.sqrt(variance / 1e5))
    assert float(power.var()) == pytest.approx(variance, rel=6 * math.sqrt(8 / 1e5))


def test_rayleigh_outage(generator):
    """P(|h|^2 < 0.1) = 1 - exp(-0.1)."""
    _, noise_var = build(Config(speed="fast")).apply(torch.zeros(1, 100_000) + 0j, 0.0, generator)
    outage = float((gain_power(noise_var, 0.0) < 0.1).double().mean())
    assert outage == pytest.approx(1 - math.exp(-0.1), abs=5 * math.sqrt(0.09 / 1e5))


def test_slow_is_one_gain_a_row_and_fast_one_a_symbol(generator):
    symbols = torch.zeros(5, 20, dtype=torch.complex64)
    _, slow = build(Config(speed="slow")).apply(symbols, 5.0, generator)
    _, fast = build(Config(speed="fast")).apply(symbols, 5.0, generator)
    assert slow.shape == fast.shape == (5, 20)
    assert [len(row.unique()) for row in slow] == [1] * 5
    assert len(slow[:, 0].unique()) == 5
    assert len(fast.unique()) == 100


@pytest.mark.parametrize("speed", ["slow", "fast"])
def test_reported_variance_is_the_measured_one(generator, speed):
    """mean |error|^2 / variance = 1 within 5 deviations; the error is complex normal given h."""
    symbols = torch.polar(torch.ones(50, 2000), torch.rand(50, 2000, generator=generator) * 6.28)
    received, noise_var = build(Config(speed=speed)).apply(symbols, torch.linspace(-5, 25, 50), generator)
    ratio = ((received - symbols).abs().square() / noise_var).to(torch.float64)
    assert float(ratio.mean()) == pytest.approx(1.0, abs=5 / math.sqrt(100_000))


def test_gradients_pass(generator):
    symbols = torch.ones(2, 8, dtype=torch.complex64, requires_grad=True)
    received, _ = build(Config()).apply(symbols, 3.0, generator)
    received.real.sum().backward()
    assert torch.equal(symbols.grad, torch.ones_like(symbols))


@pytest.mark.parametrize("speed", ["slow", "fast"])
def test_the_least_gain_lifts_deep_fades_and_keeps_their_phase(generator, speed):
    symbols = torch.zeros(400, 50, dtype=torch.complex64)
    state = generator.get_state()
    plain = build(Config(speed=speed)).draw_gain(symbols, generator)
    generator.set_state(state)
    lifted = build(Config(speed=speed, least_gain=0.5)).draw_gain(symbols, generator)
    deep = plain.abs() < 0.5
    assert 0.1 < deep.float().mean() < 0.4  # 1 - exp(-1/4) = 0.22
    torch.testing.assert_close(lifted[~deep], plain[~deep])
    torch.testing.assert_close(lifted[deep], 0.5 * plain[deep] / plain[deep].abs())


def test_the_least_gain_bounds_the_noise(generator):
    symbols = torch.ones(20_000, 1, dtype=torch.complex64)
    _, noise_var = build(Config(least_gain=0.1)).apply(symbols, 25.0, generator)
    assert noise_var.max().item() == pytest.approx(100 * 10**-2.5, rel=1e-5)
    assert (noise_var > 0.316).float().mean().item() == pytest.approx(0.01, abs=5 * 0.1 / 20_000**0.5)


@pytest.mark.parametrize("wrong", [{"least_gain": -0.1}, {"k_factor": -1.0}, {"speed": "medium"}, {"k": 2.0}])
def test_wrong_configuration_is_refused(wrong):
    with pytest.raises(ValidationError):
        Config(**wrong)
