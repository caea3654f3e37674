"""Soundings replayed: what a pass does to samples and symbols, and files that cannot be used."""

import math

import pytest
import torch
from conftest import power_db
from safetensors.torch import load_file, save_file
from sounding_files import RATE_HZ, SHARE, one_tap_each, soundings

from sdrjscc.channel._soundings import FORMAT, load, mean_power, power_over_band, save
from sdrjscc.channel.base import SampleChannel, SymbolChannel
from sdrjscc.channel.recorded import Config, build
from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError, SignalError
from sdrjscc.training.channels import build_symbol_channel

QUIET_DB = 200.0


@pytest.fixture
def channel(tmp_path):
    def make(taps, *, options=None, **changes):
        path = tmp_path / "soundings.safetensors"
        save(soundings(taps, **changes), path)
        return build(Config(path=str(path), **(options or {})))

    return make


def realise(channel, samples, generator, **arguments):
    band = {"sample_rate_hz": RATE_HZ, "occupied_bandwidth_hz": SHARE * RATE_HZ, **arguments}
    return channel.realise(samples, generator=generator, **band)


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_it_is_both_kinds_of_channel(channel):
    made = channel(one_tap_each([[1.0]]))
    assert isinstance(made, SymbolChannel) and isinstance(made, SampleChannel)


def test_a_file_gives_back_what_was_saved(tmp_path, generator):
    taps = torch.randn(5, 2, 25, dtype=torch.complex64, generator=generator)
    series = {"cfo_hz": doubles(1, 2, 3, 4, 5) / 3, "sco_ppm": doubles(5, 4, 3, 2, 1) / 7}
    saved = soundings(taps, **series)
    save(saved, tmp_path / "a.safetensors")
    again = load(tmp_path / "a.safetensors")
    assert (len(again), again.antennas) == (5, 2)
    assert (again.sample_rate_hz, again.occupied_share) == (RATE_HZ, SHARE)
    for name in ("impulse_response", "snr_db", "cfo_hz", "sco_ppm", "start_s"):
        assert torch.equal(getattr(again, name), getattr(saved, name))


def test_power_in_band_of_two_taps_by_hand():
    """|1 + exp(-j 2 pi f)|^2 = 2 + 2 cos(2 pi f); mean over |f| < 1/4: 2 + 4 / pi."""
    taps = torch.tensor([1.0, 1.0], dtype=torch.complex64)
    over_band = power_over_band(taps, 0.5)
    assert over_band[[0, 63, 127]].tolist() == pytest.approx([2.0, 4.0, 2.0], abs=0.03)
    assert float(mean_power(taps, 0.5)) == pytest.approx(2 + 4 / math.pi, abs=1e-9)


def test_samples_meet_the_sounding_with_its_offsets(channel, tones, generator):
    """Taps, clock and carrier against the tones' closed form, on two antennas."""
    taps = torch.zeros(1, 2, 6, dtype=torch.complex64)
    taps[0, 0, 0], taps[0, 0, 4], taps[0, 1, 2] = 0.8, 0.5j, -0.3
    made = channel(taps, options={"snr_db": QUIET_DB}, cfo_hz=doubles(-31e3), sco_ppm=doubles(40.0))
    result = realise(made, tones.samples(20_000), generator)
    time = torch.arange(20_000, dtype=torch.float64)
    late = time * (1 + 40e-6)
    turn = torch.polar(torch.ones_like(time), -2 * math.pi * 0.031 * time)
    expected = torch.stack([0.8 * tones(late) + 0.5j * tones(late - 4), -0.3 * tones(late - 2)]) * turn
    inside = slice(1000, 19_000)
    assert power_db(result.samples[:, inside] - expected[:, inside], expected[:, inside]) < -70
    assert (result.cfo_hz, result.sco_ppm, result.delay_samples) == (-31e3, 40.0, 0.0)
    assert torch.equal(result.taps.gains[..., 0], taps[0])
    power = expected[:, inside].abs().square().mean()
    assert result.signal_power == pytest.approx(float(power), rel=0.01)


def test_at_another_sample_rate_the_delays_stay(channel, tones, generator):
    """1.25 MS/s: the second tap comes two samples of 1 us later, 2.5 samples."""
    taps = torch.tensor([[[1.0, 0.0, 0.6]]], dtype=torch.complex64)
    made = channel(taps, options={"snr_db": QUIET_DB})
    result = realise(made, tones.samples(5000), generator, sample_rate_hz=1.25e6)
    time = torch.arange(5000, dtype=torch.float64)
    expected = tones(time) + 0.6 * tones(time - 2.5)
    assert power_db(result.samples[0, 1000:4000] - expected[1000:4000], expected[1000:4000]) < -70
    assert result.taps.delays_samples.tolist() == [0.0, 1.25, 2.5]


@pytest.mark.parametrize("given_db", [None, 3.0])
def test_noise_of_samples(channel, generator, given_db):
    """Own SNR: of each sounding, fade included. Given SNR: the same noise in every fade."""
    made = channel(
        one_tap_each([[2.0, 1.0], [0.2, 0.1]]),
        options={"snr_db": given_db, "order": "recorded"},
        snr_db=doubles(20.0, 5.0),
    )
    sent = torch.polar(torch.ones(1, 200_000), 6.28 * torch.rand(1, 200_000, generator=generator))
    for gains, own_db in ([2.0, 1.0], 20.0), ([0.2, 0.1], 5.0):
        result = realise(made, sent, generator)
        clean = torch.tensor(gains)[:, None] * sent
        noise = float((result.samples[:, 1:200_001] - clean).abs().square().mean())
        power = sum(gain**2 for gain in gains) / 2
        expected = 10**-0.3 / SHARE if given_db else power * 10 ** (-own_db / 10) / SHARE
        assert result.noise_var == pytest.approx(expected, rel=1e-5)
        assert noise == pytest.approx(expected, rel=5 / math.sqrt(400_000))
        assert result.signal_power == pytest.approx(power, rel=1e-3)


def test_recorded_order_walks_and_begins_again_and_silence_is_no_pass(channel, generator):
    made = channel(
        one_tap_each([[1.0]] * 3), options={"order": "recorded"}, cfo_hz=doubles(100.0, 200.0, 300.0)
    )
    signal, silence = torch.ones(1, 50, dtype=torch.complex64), torch.zeros(1, 50, dtype=torch.complex64)
    seen = []
    for samples in (silence, signal, signal, silence, signal, signal, signal):
        seen.append(realise(made, samples, generator, signal_power=1.0).cfo_hz)
    assert seen == [0.0, 100.0, 200.0, 0.0, 300.0, 100.0, 200.0]


def test_random_order_draws_all_and_follows_the_generator(channel):
    made = channel(one_tap_each([[1.0]] * 3), cfo_hz=doubles(100.0, 200.0, 300.0))
    signal = torch.ones(1, 10, dtype=torch.complex64)
    drawn = [realise(made, signal, torch.Generator().manual_seed(seed)).cfo_hz for seed in range(60)]
    assert sorted(set(drawn)) == [100.0, 200.0, 300.0]
    assert drawn[7] == realise(made, signal, torch.Generator().manual_seed(7)).cfo_hz


def test_silence_has_the_mean_noise_floor(channel, generator):
    """Power 1 at 10 dB and 0.25 at 4 dB: 0.1 and 0.0995 of the transmitted power."""
    made = channel(one_tap_each([[1.0], [0.5]]), snr_db=doubles(10.0, 4.0))
    silence = torch.zeros(1, 100_000, dtype=torch.complex64)
    result = realise(made, silence, generator, signal_power=2.0)
    expected = 2.0 * (0.1 + 0.25 * 10**-0.4) / 2 / SHARE
    assert result.noise_var == pytest.approx(expected)
    assert float(result.samples.abs().square().mean()) == pytest.approx(expected, rel=5 / math.sqrt(1e5))
    assert result.signal_power == 0.0


def test_symbols_have_the_noise_that_is_reported(channel, generator):
    """Two antennas, three taps: mean |error|^2 / variance is 1 in every fifth of the variances."""
    taps = torch.randn(20, 2, 3, dtype=torch.complex64, generator=generator) / math.sqrt(3)
    symbols = torch.polar(torch.ones(40, 2000), 6.28 * torch.rand(40, 2000, generator=generator))
    received, noise_var = channel(taps).apply(symbols, torch.linspace(-5, 25, 40), generator)
    ratio = ((received - symbols).abs().square() / noise_var).double().flatten()
    for part in noise_var.flatten().argsort().chunk(5):
        assert float(ratio[part].mean()) == pytest.approx(1.0, abs=5 / math.sqrt(16_000))


def test_symbols_meet_the_response_all_over_the_band(channel, generator):
    """Noise variances of a row, sorted, are 1 / (SNR |H|^2) at equally spaced frequencies."""
    taps = torch.tensor([[[1.0, 0.0, 0.0, 0.6j], [0.3, -0.4, 0.0, 0.0]]], dtype=torch.complex64)
    _, noise_var = channel(taps).apply(torch.ones(1, 1024) + 0j, 13.0, generator)
    frequency = ((torch.arange(128) + 0.5) / 128 - 0.5) * SHARE
    delay = torch.exp(-2j * math.pi * frequency)
    strength = (1 + 0.6j * delay**3).abs().square() + (0.3 - 0.4 * delay).abs().square()
    expected = (10**-1.3 / strength).repeat_interleave(8).sort().values
    torch.testing.assert_close(noise_var[0].sort().values, expected, rtol=1e-4, atol=0.0)
    neighbours = torch.stack([noise_var[0, :-1], noise_var[0, 1:]])
    assert abs(float(torch.corrcoef(neighbours)[0, 1])) < 5 / math.sqrt(1024)


def test_rows_take_the_soundings_in_order(channel, generator):
    made = channel(one_tap_each([[1.0], [0.5], [0.25]]), options={"order": "recorded"})
    symbols = torch.ones(2, 4, dtype=torch.complex64)
    levels = torch.cat([made.apply(symbols, 0.0, generator)[1] for _ in range(2)])
    assert levels[:, 0].tolist() == pytest.approx([1.0, 4.0, 16.0, 1.0], rel=1e-5)


def test_gradients_pass_through_symbols(channel, generator):
    symbols = torch.ones(3, 8, dtype=torch.complex64, requires_grad=True)
    received, noise_var = channel(one_tap_each([[1.0], [2j]])).apply(symbols, 3.0, generator)
    received.real.sum().backward()
    assert torch.equal(symbols.grad, torch.ones_like(symbols))
    assert not noise_var.requires_grad


def test_a_recipe_can_train_over_it(tmp_path, generator):
    path = tmp_path / "lab.safetensors"
    save(soundings(one_tap_each([[1.0]])), path)
    made = build_symbol_channel({"name": "recorded", "path": str(path), "order": "recorded"})
    symbols = torch.ones(2, 6, dtype=torch.complex64)
    assert made.apply(symbols, torch.tensor([0.0, 10.0]), generator)[1][:, 0].tolist() == pytest.approx(
        [1.0, 0.1]
    )


def test_wrong_signals_are_refused(channel, generator):
    made = channel(one_tap_each([[1.0, 1.0]]))
    with pytest.raises(SignalError, match=r"samples must be complex \[1, n\] or \[2, n\]"):
        realise(made, torch.zeros(3, 10, dtype=torch.complex64), generator)
    with pytest.raises(SignalError, match=r"symbols must be complex \[B, k\]"):
        made.apply(torch.zeros(3, 10), 0.0, generator)


def test_a_band_that_was_not_recorded_is_refused(channel, generator):
    made = channel(one_tap_each([[1.0]]), cfo_hz=doubles(60e3))
    signal = torch.ones(1, 10, dtype=torch.complex64)
    with pytest.raises(
        ConfigError, match=r"must lie within the 1e\+06 Hz that .* was recorded at \(got 1.6e"
    ):
        realise(made, signal, generator, sample_rate_hz=2e6, occupied_bandwidth_hz=1.6e6)
    with pytest.raises(ConfigError, match=r"within half the sample rate of 100000 Hz \(got up to 60000 Hz\)"):
        realise(made, signal, generator, sample_rate_hz=1e5, occupied_bandwidth_hz=0.8e5)


def test_a_path_is_required_and_named():
    with pytest.raises(ConfigError, match=r"^channel\.path is required$"):
        build_plugin("channel", {"name": "recorded"}, "channel")
    with pytest.raises(ConfigError, match=r"nowhere\.safetensors must be a file of soundings"):
        build_plugin("channel", {"name": "recorded", "path": "nowhere.safetensors"}, "channel")


METADATA = {"format": FORMAT, "version": "1", "sample_rate_hz": "1e6", "occupied_share": "0.8"}


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"format": "weights"}, r"must hold soundings \(got a safetensors file of something else\)"),
        ({"version": "2"}, r"must be of version 1 \(got 2\)"),
        ({"sample_rate_hz": "fast"}, r"sample_rate_hz must be a number above 0 \(got 'fast'\)"),
        ({"sample_rate_hz": "inf"}, r"sample_rate_hz must be a number above 0 \(got 'inf'\)"),
        ({"occupied_share": "1.5"}, r"occupied_share must be a number above 0 and at most 1 \(got '1.5'\)"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, metadata, sentence):
    path = tmp_path / "x.safetensors"
    save(soundings(one_tap_each([[1.0]])), path)
    save_file(load_file(path), path, {**METADATA, **metadata})
    with pytest.raises(ConfigError, match=rf"x\.safetensors.*{sentence}"):
        load(path)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"impulse_response": torch.ones(1, 1, 3)}, r"impulse_response must be float32 \[N, A, K, 2\]"),
        ({"impulse_response": torch.ones(0, 1, 3, 2)}, r"impulse_response must be float32 \[N, A, K, 2\]"),
        ({"impulse_response": torch.zeros(1, 1, 3, 2)}, "must have a tap that is not 0"),
        ({"cfo_hz": doubles(1.0, 2.0)}, r"must be float64 \[1\] each"),
        ({"more": doubles(1.0)}, r"must be float64 \[1\] each"),
        ({"sco_ppm": doubles(math.nan)}, "all values must be finite numbers"),
        ({"snr_db": doubles(-4000.0)}, "snr_db must be within 300 dB of 0"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, tensors, sentence):
    path = tmp_path / "x.safetensors"
    save(soundings(one_tap_each([[1.0]])), path)
    save_file({**load_file(path), **tensors}, path, METADATA)
    with pytest.raises(ConfigError, match=rf"x\.safetensors.*{sentence}"):
        load(path)


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"not soundings")
    with pytest.raises(ConfigError, match=r"x\.safetensors must be a safetensors file \(got: "):
        load(path)
    save(soundings(one_tap_each([[1.0]])), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ConfigError, match=r"x\.safetensors must be a safetensors file \(got: "):
        load(path)
