"""The chain as a whole: what it says it did is what it did, and each key does its part."""

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.channel.chain import Config, build, scenario
from sdrjscc.config import validate
from sdrjscc.errors import ConfigError

RATE_HZ = 1e6
OCCUPIED_HZ = RATE_HZ * 208 / 256


def realise(config, samples, seed=1, **more):
    return build(config).realise(
        samples,
        sample_rate_hz=RATE_HZ,
        occupied_bandwidth_hz=OCCUPIED_HZ,
        generator=torch.Generator().manual_seed(seed),
        **more,
    )


def burst(n=20_000, seed=9):
    return torch.randn(1, n, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def predicted(result, tones, time):
    """What the truth in ``result`` says the tones look like at receiver samples ``time``."""
    ratio = 1 + result.sco_ppm * 1e-6
    sent = ratio * (time - result.delay_samples)
    turn = 2 * math.pi * result.cfo_hz / RATE_HZ * time + result.phase_rad
    echoes = [tones(sent - delay) for delay in result.taps.delays_samples]
    return (result.taps.at(sent) * torch.stack(echoes)).sum(dim=1) * torch.polar(torch.ones_like(turn), turn)


@pytest.mark.parametrize("name", ["awgn", "cfo", "full", "pluto_pair"])
@pytest.mark.parametrize("doppler_hz", [0.0, 50.0])
def test_the_truth_predicts_the_samples(tones, name, doppler_hz):
    """Delay, clock, carrier, phase and taps together: -60 dB, at the start and at the end."""
    config = scenario(name).model_copy(
        update={
            "antennas": 2,
            "doppler_hz": doppler_hz,
            "phase_noise_linewidth_hz": 0.0,
            "iq_image_db": None,
            "dc_dbc": None,
        }
    )
    result = realise(config, tones.samples(100_000))
    for start in (700, 98_000):
        time = torch.arange(start, start + 1000, dtype=torch.float64)
        expected = predicted(result, tones, time)
        error = (result.samples[:, start : start + 1000] - expected).abs().square().mean()
        assert 10 * math.log10(float(error / expected.abs().square().mean())) < -60


def test_without_noise_everything_else_stays():
    """The pairs that benchmarks use: same seed, noise off; also the phase noise does not shift."""
    noisy, clean = (realise(scenario("full", snr_db), burst()) for snr_db in (10.0, None))
    error = noisy.samples - clean.samples
    measured = float(error.abs().square().mean())
    assert measured == pytest.approx(noisy.noise_var, rel=5 / math.sqrt(20_000) + 3e-4)
    assert (noisy.cfo_hz, noisy.delay_samples) == (clean.cfo_hz, clean.delay_samples)
    assert torch.equal(noisy.taps.gains, clean.taps.gains)


SWITCHES = {
    "taps": (),
    "doppler_hz": 30.0,
    "phase_noise_linewidth_hz": 0.0,
    "iq_image_db": None,
    "cfo_range_hz": 0.0,
    "antennas": 1,
}


@pytest.mark.parametrize("key", SWITCHES)
def test_switching_one_stage_leaves_the_other_draws(key):
    full = scenario("full", 10.0)
    with_it = realise(full, burst(2000))
    without = realise(full.model_copy(update={key: SWITCHES[key]}), burst(2000))
    assert (with_it.sco_ppm, with_it.delay_samples) == (without.sco_ppm, without.delay_samples)


def test_one_call_takes_the_same_from_the_generator_whatever_is_on():
    states = []
    for config in (Config(), scenario("full", 3.0)):
        generator = torch.Generator().manual_seed(4)
        build(config).realise(
            burst(500), sample_rate_hz=RATE_HZ, occupied_bandwidth_hz=OCCUPIED_HZ, generator=generator
        )
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_nothing_configured_changes_nothing():
    samples = burst()
    assert torch.equal(realise(Config(), samples).samples, samples)


@pytest.mark.parametrize("antennas", [1, 2])
@pytest.mark.parametrize("streams", ["one for all", "one each"])
def test_snr_is_that_of_what_arrived(antennas, streams):
    """A fading tap, silence around: measured in the middle, where the signal is, it is 10 dB."""
    config = Config(
        snr_db=10.0,
        antennas=antennas,
        taps=({"kind": "rayleigh"},),
        lead_samples=30_000,
        tail_samples=10_000,
    )
    samples = burst(50_000) if streams == "one for all" else burst(50_000).repeat(antennas, 1)
    noisy = realise(config, samples)
    clean = realise(config.model_copy(update={"snr_db": None}), samples)
    assert noisy.samples.shape == (antennas, 90_000)
    signal = float(clean.samples[:, 30_000:80_000].abs().square().mean())
    noise = float((noisy.samples - clean.samples).abs().square().mean())
    assert noisy.signal_power == pytest.approx(signal, rel=1e-5)
    in_band = 10 * math.log10(signal / (noise * OCCUPIED_HZ / RATE_HZ))
    assert in_band == pytest.approx(10.0, abs=5 * 4.34 / math.sqrt(90_000))


def test_average_reference_lets_fades_lower_the_snr():
    config = Config(snr_db=10.0, taps=({"kind": "rayleigh"},), snr_reference="average")
    results = [realise(config, burst(100), seed) for seed in range(2000)]
    floor = {result.noise_var for result in results}
    assert max(floor) == pytest.approx(min(floor), rel=1e-6)
    power = torch.tensor([float(result.taps.gains.abs().square()) for result in results])
    assert float(power.mean()) == pytest.approx(1.0, abs=5 / math.sqrt(2000))
    assert float((power < 0.1).float().mean()) == pytest.approx(0.095, abs=0.033)


def test_a_held_noise_floor_for_silence():
    silence = torch.zeros(1, 50_000, dtype=torch.complex64)
    assert not realise(Config(snr_db=0.0, dc_dbc=-30.0), silence).samples.any()
    result = realise(Config(snr_db=0.0), silence, signal_power=1.0)
    expected = RATE_HZ / OCCUPIED_HZ
    assert float(result.samples.abs().square().mean()) == pytest.approx(expected, rel=5 / math.sqrt(50_000))


def test_receiver_level_counts_signal_and_noise():
    result = realise(Config(snr_db=0.0, rx_level_dbfs=-12.0), burst(100_000) * 7)
    level = 10 * math.log10(float(result.samples.abs().square().mean()))
    assert level == pytest.approx(-12.0, abs=0.05)
    assert 10 * math.log10(result.signal_power + result.noise_var) == pytest.approx(-12.0, abs=1e-6)
    assert result.gain == pytest.approx(math.sqrt(result.signal_power / 49), rel=0.01)


@pytest.mark.parametrize("rx_level_dbfs", [None, -20.0])
def test_dc_and_image_are_relative_to_the_signal(rx_level_dbfs):
    """At -20 dBFS: DC at -30 dBc is -50 dBFS; different phases on both antennas."""
    samples = burst(200_000) * (0.1 if rx_level_dbfs is None else 3.0)
    config = Config(antennas=2, dc_dbc=-30.0, iq_image_db=-25.0, rx_level_dbfs=rx_level_dbfs)
    result = realise(config, samples)
    dc = result.samples.mean(dim=1).abs().square().log10() * 10
    assert dc.tolist() == pytest.approx([-50.0, -50.0], abs=1.0)
    image = (result.samples * samples).mean(dim=1) / (samples.abs().square().mean() * result.gain)
    assert (20 * image.abs().log10()).tolist() == pytest.approx([-25.0, -25.0], abs=0.5)
    assert abs(complex(image[0] - image[1])) > 1e-3


def test_converter_gain_step_and_drop_come_last():
    config = Config(adc_bits=8, gain_step_db=-6.0, gain_step_at=500, drop_samples=100, drop_at=700)
    samples = burst(1000) * 0.2
    received = realise(config, samples).samples
    assert received.shape == (1, 900)
    assert torch.equal(torch.view_as_real(received) * 128, (torch.view_as_real(received) * 128).round())
    assert (received[:, :500] - samples[:, :500]).abs().max() < 1 / 128
    assert (received[:, 700:] - samples[:, 800:] * 10 ** (-6 / 20)).abs().max() < 1 / 128


def test_transmitter_distorts_before_the_channel():
    """Clipped at 3 dB, then through an echo: the peak after the echo is above the clip."""
    samples = burst()
    clipped = realise(Config(clip_db=3.0), samples).samples
    mean = float(samples.abs().square().mean())
    assert float(clipped.abs().square().max()) == pytest.approx(2 * mean, rel=0.01)
    echoed = realise(Config(clip_db=3.0, taps=({}, {"delay_samples": 1})), samples).samples
    assert float(echoed.abs().square().max()) > 3 * mean
    bent = realise(Config(pa={"backoff_db": 3.0}), samples).samples
    assert float(bent.abs().square().max()) < 2 * mean


def test_phase_noise_of_the_linewidth_common_to_the_antennas():
    n = 200_000
    config = Config(phase_noise_linewidth_hz=50.0, antennas=2)
    received = realise(config, torch.ones(1, n, dtype=torch.complex64)).samples
    assert torch.equal(received[0], received[1])
    steps = (received[0, 1:] * received[0, :-1].conj()).angle().double()
    expected = 2 * math.pi * 50.0 / RATE_HZ
    assert float(steps.square().mean()) == pytest.approx(expected, rel=5 * math.sqrt(2 / n))


def test_doppler_frequency_is_in_hertz():
    """A quarter period after the start, the correlation is J0(pi / 2) = 0.472; 6,400 taps."""
    config = Config(doppler_hz=100.0, antennas=16, taps=({"kind": "rayleigh"},) * 20)
    instants = torch.tensor([0.0, RATE_HZ / 100.0 / 4], dtype=torch.float64)
    drawn = [realise(config, burst(2600), seed).taps.at(instants) * math.sqrt(20) for seed in range(20)]
    start, later = torch.cat(drawn).unbind(-1)
    assert float((later * start.conj()).real.mean()) == pytest.approx(0.472, abs=5 / math.sqrt(6400))


def test_common_clock_ties_carrier_to_sampling_clock():
    config = Config(sco_range_ppm=20.0, common_clock_hz=2.4e9, cfo_hz=100.0)
    result = realise(config, burst(100))
    assert result.sco_ppm != 0
    assert result.cfo_hz == pytest.approx(100.0 + result.sco_ppm * 2400)


@given(st.floats(0, 40), st.floats(0, 1), st.integers(0, 50), st.integers(0, 50), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_a_pulse_arrives_at_the_delay_that_is_reported(delay, share, lead, tail, seed):
    config = Config(
        delay_samples=delay, delay_range_samples=share * delay, lead_samples=lead, tail_samples=tail
    )
    pulse = torch.zeros(1, 20, dtype=torch.complex64)
    pulse[0, 0] = 1.0
    result = realise(config, pulse, seed)
    assert lead + (1 - share) * delay - 1e-9 <= result.delay_samples <= lead + (1 + share) * delay + 1e-9
    assert result.samples.shape[-1] >= 20 + result.delay_samples + tail
    assert abs(int(result.samples[0].abs().argmax()) - result.delay_samples) <= 0.5 + 1e-6


def test_scenarios_draw_over_their_whole_range():
    """500 draws reach beyond 97 % of each side and never over the edge."""
    config = scenario("full", 20.0)
    results = [realise(config, burst(10), seed) for seed in range(500)]
    for name, bound in (("cfo_hz", 48e3), ("sco_ppm", 20.0), ("phase_rad", math.pi)):
        values = [getattr(result, name) for result in results]
        assert -bound <= min(values) < -0.97 * bound
        assert 0.97 * bound < max(values) <= bound
    delays = torch.tensor([result.delay_samples for result in results])
    assert 0 <= float(delays.min()) < 16
    assert 496 < float(delays.max()) <= 512
    assert float((delays % 1).mean()) == pytest.approx(0.5, abs=0.07)


def test_full_scenario_is_the_published_one():
    """Three taps 0/-6/-12 dB at 0/3/7 samples, line of sight first, 1 Hz, -40 dB, -30 dBc."""
    full = scenario("full")
    assert [(tap.delay_samples, tap.power_db, tap.kind) for tap in full.taps] == [
        (0.0, 0.0, "static"),
        (3.0, -6.0, "rayleigh"),
        (7.0, -12.0, "rayleigh"),
    ]
    assert (full.phase_noise_linewidth_hz, full.iq_image_db, full.dc_dbc) == (1.0, -40.0, -30.0)
    assert [scenario(name).cfo_range_hz for name in ("awgn", "cfo", "pluto_pair")] == [1e3, 48e3, 120e3]
    assert scenario("pluto_pair").sco_range_ppm == 50.0


def test_gradients_reach_the_transmitter():
    """The transmitter's samples get finite gradients through every stage."""
    config = scenario("full", 10.0).model_copy(
        update={
            "clip_db": 6.0,
            "pa": Config(pa={"backoff_db": 8.0}).pa,
            "adc_bits": 12,
            "rx_level_dbfs": -15.0,
        }
    )
    samples = burst(300).requires_grad_()
    realise(config, samples).samples.abs().square().sum().backward()
    gradient = torch.view_as_real(samples.grad)
    assert torch.isfinite(gradient).all()
    assert (gradient.abs().sum(dim=-1) > 0).float().mean() > 0.99


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"antennas": 0}, "channel.antennas: input should be greater than or equal to 1 (got 0)"),
        ({"snr": 3}, "channel.snr is not a known key"),
        ({"snr_db": "high"}, "channel.snr_db: input should be a valid number"),
        ({"snr_db": math.nan}, "channel.snr_db: input should be a finite number"),
        ({"pa": {}}, "channel.pa.backoff_db is required"),
        ({"taps": [{"kind": "none"}]}, "channel.taps.0.kind: input should be"),
        ({"delay_samples": 1, "delay_range_samples": 2}, "must be at most delay_samples"),
        ({"snr_reference": "peak"}, "channel.snr_reference: input should be 'instantaneous' or 'average'"),
    ],
)
def test_wrong_configurations_are_refused_in_words(table, words):
    with pytest.raises(ConfigError) as refused:
        validate(Config, table, "channel")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "config", [Config(cfo_range_hz=5e5), Config(sco_range_ppm=300.0, common_clock_hz=2.4e9)]
)
def test_offsets_beyond_the_sample_rate_are_refused_whatever_is_drawn(config):
    with pytest.raises(ConfigError, match="carrier offsets must stay within half the sample rate of 1e"):
        realise(config, burst(10))


def test_unknown_scenario_is_refused():
    with pytest.raises(
        ConfigError, match=r"a scenario must be one of awgn, cfo, full, pluto_pair \(got 'moon'\)"
    ):
        scenario("moon")


def test_ten_million_samples_in_less_than_1500_mib():
    """Everything on, in a process of its own, whose peak memory is then the chain's."""
    script = (
        "import resource, torch\n"
        "torch.set_num_threads(1)\n"
        "from sdrjscc.channel.chain import build, scenario\n"
        "config = scenario('full', 10.0).model_copy(update={'doppler_hz': 100.0, 'adc_bits': 12})\n"
        "samples = torch.ones(1, 10_000_000, dtype=torch.complex64)\n"
        "build(config).realise(samples, sample_rate_hz=1e6, occupied_bandwidth_hz=8e5,\n"
        "                      generator=torch.Generator().manual_seed(1))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < 1500
