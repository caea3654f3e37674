"""A recording in a radio's place."""

from functools import partial

import pytest
import torch

from sdrjscc.capture.sigmf import Annotation, Header, Recorder, open_capture
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.awgn import build as build_awgn
from sdrjscc.errors import CaptureError, ConfigError, RadioError, SignalError
from sdrjscc.radio.base import Radio, build_radio


def radio(path, **options):
    table = {"name": "file", "path": str(path), **options}
    return build_radio(table, "radios.rx", channel=None, occupied_share=0.8)


def transmitter(path, **options):
    return radio(path, **{"end": "transmit", "sample_rate_hz": 2e6, "center_frequency_hz": 0.9e9, **options})


def noise(count, antennas=1, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(antennas, count, dtype=torch.complex64, generator=generator)


@pytest.fixture
def recording(tmp_path):
    """Two antennas, with a gap of 30 samples after 500."""
    header = Header(3e6, 5.8e9, 2, "cf32_le", extra={"sdrjscc:clock_ppm": 0.5})
    with Recorder(tmp_path / "r", header) as recorder:
        recorder.write(noise(500, 2))
        recorder.write(noise(400, 2, seed=4), dropped=30)
    return tmp_path / "r"


def test_it_receives_what_was_recorded(recording):
    with radio(recording, chunk_samples=300) as receiver:
        chunks = []
        while (reception := receiver.receive()) is not None:
            chunks.append(reception)
        assert receiver.receive() is None
        assert receiver.status().overflows == 1
    assert [(chunk.samples.shape[-1], chunk.dropped) for chunk in chunks] == [
        (300, 0),
        (200, 0),
        (300, 30),
        (100, 0),
    ]
    samples = torch.cat([chunk.samples for chunk in chunks], dim=-1)
    assert torch.equal(samples, torch.cat([noise(500, 2), noise(400, 2, seed=4)], dim=-1))


def test_rate_carrier_antennas_and_clock_are_the_recordings(recording):
    receiver = radio(recording)
    assert isinstance(receiver, Radio)
    assert not receiver.live
    found = (receiver.sample_rate_hz, receiver.center_frequency_hz, receiver.antennas, receiver.clock_ppm)
    assert found == (3e6, 5.8e9, 2, 0.5)
    assert radio(recording, clock_ppm=3.0).clock_ppm == 3.0
    assert receiver.status().settings == {"sample_rate_hz": 3e6, "center_frequency_hz": 5.8e9}


def test_every_opening_begins_at_the_first_sample(recording):
    receiver = radio(recording)
    for _ in range(2):
        with receiver:
            assert torch.equal(receiver.receive().samples, noise(500, 2))
    with pytest.raises(RadioError, match=r"must be open to receive \(it is closed\)"):
        receiver.receive()


def test_a_recording_that_changed_since_is_refused(recording):
    receiver = radio(recording)
    with Recorder(recording, Header(1e6, 5.8e9, 2), force=True) as recorder:
        recorder.write(noise(10, 2))
    with pytest.raises(RadioError, match="must stay as it was"):
        receiver.__enter__()


def test_a_recording_that_is_missing_is_named(tmp_path):
    with pytest.raises(CaptureError, match=r"r must exist \(got neither"):
        radio(tmp_path / "r")


def test_what_is_transmitted_is_written(tmp_path):
    first, second = noise(300_000)[0], noise(100, seed=5)[0]
    sender = transmitter(tmp_path / "t", datatype="cf32_le", tx_dbfs=-20)
    assert not (tmp_path / "t.sigmf-data").exists()
    with sender:
        sender.transmit(first)
        sender.transmit(second)
    with radio(tmp_path / "t", chunk_samples=1 << 20) as receiver:
        assert (receiver.sample_rate_hz, receiver.center_frequency_hz) == (2e6, 0.9e9)
        samples = receiver.receive().samples
        assert receiver.receive() is None
    assert torch.allclose(samples[0], 0.1 * torch.cat([first, second]), rtol=1e-6)
    assert open_capture(tmp_path / "t").annotations == (
        Annotation(0, 300_000, "transmission"),
        Annotation(300_000, 100, "transmission"),
    )


def test_integers_leave_room_for_peaks_and_count_what_exceeds_it(tmp_path):
    with transmitter(tmp_path / "t") as sender:
        sender.transmit(torch.full((1000,), 1 + 0j))
        sender.transmit(torch.full((10,), 5 + 0j))
    samples, _ = next(open_capture(tmp_path / "t").chunks())
    assert float(samples[0, :1000].abs().square().mean()) == pytest.approx(10**-1.2, rel=1e-3)
    assert float(samples[0, 1000].real) == pytest.approx(1.0, abs=1e-4)
    assert open_capture(tmp_path / "t").counts["clipped"] == 10


def test_a_disk_slower_than_the_link_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("sdrjscc.radio.file.Recorder", partial(Recorder, memory_bytes=2 << 20))
    with transmitter(tmp_path / "t") as sender:
        for _ in range(4):
            sender.transmit(torch.full((1 << 19,), 0.5 + 0.5j))  # 4 MiB, twice what may wait
    capture = open_capture(tmp_path / "t")
    assert (capture.samples, capture.counts["lost"]) == (4 << 19, 0)


def test_it_overwrites_only_when_told_to(tmp_path, recording):
    with pytest.raises(CaptureError, match="must not exist, or be overwritten on purpose"):
        transmitter(recording).__enter__()
    with transmitter(recording, overwrite=True) as sender:
        sender.transmit(noise(10)[0])
    assert open_capture(recording).samples == 10


def test_the_recording_is_whole_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), transmitter(tmp_path / "t") as sender:
        sender.transmit(noise(100)[0])
        raise ZeroDivisionError
    assert open_capture(tmp_path / "t").warnings == ()
    assert open_capture(tmp_path / "t").samples == 100


def test_each_end_does_its_own(tmp_path, recording):
    with (
        radio(recording) as receiver,
        pytest.raises(RadioError, match="must have end 'transmit' to transmit"),
    ):
        receiver.transmit(noise(5)[0])
    with transmitter(tmp_path / "t") as sender:
        with pytest.raises(RadioError, match="must have end 'receive' to receive"):
            sender.receive()
        with pytest.raises(SignalError, match="must be a complex vector"):
            sender.transmit(torch.zeros(5))
    with pytest.raises(RadioError, match=r"must be open to transmit \(it is closed\)"):
        sender.transmit(noise(5)[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"end": "transmit"}, "sample_rate_hz and center_frequency_hz must be given"),
        ({"sample_rate_hz": 1e6}, "must be left out where end is receive"),
        ({"end": "both"}, "radios.rx.end"),
        ({"path": ""}, "radios.rx.path"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        radio(**{"path": tmp_path / "r", **options})


def test_a_channel_is_refused(recording):
    with pytest.raises(ConfigError, match=r"must have no \[channel\] where its radio is 'file'"):
        build_radio(
            {"name": "file", "path": str(recording)},
            "radios.rx",
            channel=build_awgn(AwgnConfig(snr_db=10.0)),
            occupied_share=0.8,
        )
