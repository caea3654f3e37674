"""From a known channel through the receiver into a file, out of the file, and through the receiver again."""

import dataclasses

import pytest
import torch
from frame_signals import RATE_HZ, frames, receive, spaced, waveform

from sdrjscc.channel._multipath import Tap
from sdrjscc.channel._soundings import load, mean_power
from sdrjscc.channel.chain import Chain
from sdrjscc.channel.chain import Config as ChainConfig
from sdrjscc.channel.recorded import Config, build
from sdrjscc.errors import CaptureError
from sdrjscc.link.session import Link
from sdrjscc.link.soundings import Soundings
from sdrjscc.linkfile import parse_link

WAVE = waveform(20)
COUNT = 8
BAND = {"sample_rate_hz": RATE_HZ, "occupied_bandwidth_hz": WAVE.occupied_bandwidth_hz(RATE_HZ)}
TAPS = (Tap(), Tap(delay_samples=3, power_db=-4), Tap(delay_samples=9, power_db=-10))
FIGURES = ("pilot_snr_db", "cfo_hz", "sco_ppm")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def sent(seed=3):
    return spaced(frames(WAVE, COUNT, seed=seed)[0], 1500)


def recorded(seed=1, antennas=1, **impairments):
    """Packets received through a chain."""
    chain = Chain(ChainConfig(antennas=antennas, **{"taps": TAPS, "snr_db": 20.0, **impairments}))
    result = chain.realise(sent(), generator=seeded(seed), **BAND)
    packets = receive(WAVE, result.samples, antennas=antennas)
    assert len(packets) == COUNT
    return packets


def written(path, *recordings):
    soundings = Soundings()
    for packets in recordings:
        soundings.add(packets, RATE_HZ)
    soundings.write(path)
    assert len(soundings) == sum(len(packets) for packets in recordings)
    return load(path)


def difference(found, expected):
    """Error energy of impulse responses ``[..., K]`` relative to the expected, best phase taken out."""
    match = (found * expected.conj()).sum(-1)
    turned = found * torch.polar(torch.ones_like(match.abs()), -match.angle())[..., None]
    return (turned - expected).abs().square().sum(-1) / expected.abs().square().sum(-1)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
@pytest.mark.parametrize("antennas", [1, 2])
def test_a_known_channel_is_found(tmp_path, antennas, snr_db):
    """Taps of powers 1, -4 dB and -10 dB, carrier and SNR; the same channel on both antennas.

    About 2100 known cells (pilots, header, chirps): least squares for 25 taps would leave
    25 / (2100 SNR) of the energy. Twice that for the edges of the band, which no cell covers.
    """
    packets = recorded(antennas=antennas, cfo_hz=-7654.0, snr_db=snr_db)
    found = written(tmp_path / "lab.safetensors", packets)
    expected = torch.zeros(25, dtype=torch.complex64)
    expected[8], expected[11], expected[17] = 1.0, 10**-0.2, 10**-0.5
    expected = expected / mean_power(expected, 208 / 256).sqrt()
    tolerance = 2 * 25 / (2100 * 10 ** (snr_db / 10))
    assert difference(found.impulse_response, expected.expand(COUNT, antennas, 25)).max() < tolerance
    assert found.cfo_hz.tolist() == pytest.approx([-7654.0] * COUNT, abs=20 if snr_db < 10 else 2)
    assert float(found.snr_db.mean()) == pytest.approx(snr_db, abs=0.2)
    assert found.start_s.tolist() == [packet.start_sample / RATE_HZ for packet in packets]
    assert float(mean_power(found.impulse_response, found.occupied_share).mean()) == pytest.approx(1.0)


def test_fades_of_one_recording_stay_and_recordings_are_scaled(tmp_path):
    """Doppler: packets fade. A recording with 30 dB more gain counts as much as the other."""
    packets = recorded(
        taps=(Tap(kind="rayleigh"),), doppler_hz=6.0, snr_reference="average", snr_db=30.0, seed=6
    )
    louder = [dataclasses.replace(p, impulse_response=p.impulse_response * 31.6) for p in packets]
    found = written(tmp_path / "lab.safetensors", packets, louder)
    raw = torch.stack([packet.impulse_response for packet in packets])
    level = found.impulse_response.abs().square().sum((1, 2))
    ratio = level[:COUNT] / raw.abs().square().sum((1, 2))
    assert float(level[:COUNT].max() / level[:COUNT].min()) > 1.5
    assert float(ratio.max() / ratio.min()) == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(level[:COUNT], level[COUNT:])
    fade_db = 10 * (level[:COUNT] / level[0]).log10()
    assert (found.snr_db[:COUNT] - found.snr_db[0]).tolist() == pytest.approx(fade_db.tolist(), abs=0.5)


def test_what_is_replayed_is_received_as_it_was_recorded(tmp_path):
    """Impulse response, SNR, carrier and clock of each sounding, found again in a pass of its own."""
    fading = tuple(tap.model_copy(update={"kind": "rayleigh"}) for tap in TAPS)
    packets = [
        recorded(seed, antennas=2, taps=fading, cfo_hz=1000.0 * seed, sco_ppm=4.0 * seed, snr_db=15.0)[0]
        for seed in range(1, 5)
    ]
    path = tmp_path / "lab.safetensors"
    found = written(path, packets)
    channel = build(Config(path=str(path), order="recorded"))
    for which in range(len(found)):
        result = channel.realise(sent(seed=9), generator=seeded(which), **BAND)
        received = receive(WAVE, result.samples, antennas=2)
        assert len(received) == COUNT
        mean = {name: sum(getattr(p, name) for p in received) / COUNT for name in FIGURES}
        assert mean["pilot_snr_db"] == pytest.approx(float(found.snr_db[which]) + 3.01, abs=0.2)
        assert mean["cfo_hz"] == pytest.approx(float(found.cfo_hz[which]), abs=2)
        assert mean["sco_ppm"] == pytest.approx(float(found.sco_ppm[which]), abs=3)
        response = torch.stack([p.impulse_response for p in received]).flatten(1)
        expected = found.impulse_response[which].flatten().expand(COUNT, -1)
        # the median: where two paths are equally strong, a frame may be aligned to the other
        assert difference(response, expected).median() < 0.002


def test_a_link_over_a_recorded_channel(tmp_path):
    path = tmp_path / "lab.safetensors"
    found = written(path, recorded(cfo_hz=2000.0))
    link = parse_link(
        {
            "codec": {"name": "plain_codec:build"},
            "waveform": {"name": "ofdm", "payload_ofdm_symbols": 8},
            "radios": {"tx": {"name": "loopback", "sample_rate_hz": RATE_HZ}},
            "channel": {"name": "recorded", "path": str(path)},
        }
    )
    pixels = torch.randint(0, 256, (3, 24, 32), dtype=torch.uint8, generator=seeded(2))
    with Link(link) as both:
        result = both.send(pixels)
    assert result.packets_received == result.sent.packets
    assert result.quality is not None
    assert result.mean("pilot_snr_db") == pytest.approx(float(found.snr_db.mean()), abs=0.8)
    assert result.mean("cfo_hz") == pytest.approx(2000.0, abs=10)


def test_sets_that_do_not_go_together_are_refused(tmp_path):
    soundings, packets = Soundings(), recorded(antennas=2)
    soundings.add(packets, RATE_HZ)
    single = [dataclasses.replace(p, impulse_response=p.impulse_response[:1]) for p in packets]
    with pytest.raises(CaptureError, match=r"one number of antennas \(got 2 and 1\)"):
        soundings.add(single, RATE_HZ)
    with pytest.raises(CaptureError, match=r"one sample rate \(got 1e\+06 and 2e\+06 Hz\)"):
        soundings.add(packets, 2 * RATE_HZ)
    assert len(soundings) == COUNT


def test_nothing_received_is_nothing_written(tmp_path):
    soundings = Soundings()
    soundings.add([], RATE_HZ)
    with pytest.raises(CaptureError, match=r"at least one packet must be received to write .* \(got none\)"):
        soundings.write(tmp_path / "lab.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    soundings = Soundings()
    soundings.add(recorded(), RATE_HZ)
    (tmp_path / "file").write_text("")
    with pytest.raises(CaptureError, match=r"lab\.safetensors must be a file that can be written \(got: "):
        soundings.write(tmp_path / "file" / "lab.safetensors")
