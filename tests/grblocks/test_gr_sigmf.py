"""Recordings as streams, and streams as recordings."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("gnuradio.gr")

import pmt
from gnuradio import blocks, gr
from gr_ends import Listener, Teller, noisy, picture_samples, run_graph, stream, wait_for

from sdrjscc.bundled import bundled_folder
from sdrjscc.capture.sigmf import Annotation, Header, Recorder, open_capture
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.evaluation.golden import find_expected
from sdrjscc.grblocks import FrameReceiver, SigmfSink, SigmfSource, open_link
from sdrjscc.grblocks.pdu import to_python
from sdrjscc.grblocks.rx_time import time_tag
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.recorded import find_recording, recorded_parts
from sdrjscc.link.replay import Replay, recorded_link

RATE_HZ = 1e6
SILENCE = torch.zeros(SETTLING_SAMPLES, dtype=torch.complex64)


@pytest.fixture(scope="module")
def parts():
    return open_link("loopback")


@pytest.fixture(scope="module")
def captured_parts():
    """The link of the bundled recordings."""
    capture = open_capture(find_recording("awgn-10db"))
    return recorded_parts(capture, recorded_link(capture))


def played(name, **options):
    """Samples ``[antennas, n]`` and the first stream's tags of a recording."""
    source, graph = SigmfSource(str(name), **options), gr.top_block()
    sinks = [blocks.vector_sink_c() for _ in range(options.get("antennas", 1))]
    for port, sink in enumerate(sinks):
        graph.connect((source, port), sink)
    run_graph(graph)
    tags = [(tag.offset, pmt.symbol_to_string(tag.key), to_python(tag.value)) for tag in sinks[0].tags()]
    return np.array([sink.data() for sink in sinks], np.complex64), tags


def recorded(path, parts, samples, tags=(), **options):
    """Record a stream; the recording."""
    sink, graph = SigmfSink(parts, str(path), RATE_HZ, **options), gr.top_block()
    graph.connect(stream(samples, tags), sink)
    run_graph(graph)
    return open_capture(path)


@pytest.mark.parametrize(
    "name", ["awgn-10db", "gap", "two-antennas", "other-configuration", "cut-at-end", "sample-drop"]
)
def test_a_bundled_recording_gives_what_its_index_says(name, captured_parts, caplog):
    expected = find_expected(bundled_folder("captures") / f"{name}.sigmf-meta")
    capture = open_capture(bundled_folder("captures") / name)
    antennas = capture.header.antennas
    source = SigmfSource(name, antennas=antennas)
    receiver = FrameReceiver(captured_parts, RATE_HZ, antennas=antennas)
    packets, transmissions, graph = Listener(), Listener(), gr.top_block()
    for port in range(antennas):
        graph.connect((source, port), (receiver, port))
    graph.msg_connect(receiver, "packets", packets, "in")
    graph.msg_connect(receiver, "transmissions", transmissions, "in")
    run_graph(graph)
    assert len(transmissions.heard) == expected.pictures
    frames = [one for one in capture.annotations if one.extra["sdrjscc:crc"] == "valid"]
    assert len(packets.heard) == len(frames) == expected.packets
    for (meta, _), frame in zip(packets.heard, frames, strict=True):
        fields = ("digest", "nonce", "transmission", "packet", "packets", "width", "height")
        assert [meta[field] for field in fields] == [frame.extra[f"sdrjscc:{field}"] for field in fields]
    if expected.cfo_hz is not None:
        cfo_hz = np.mean([meta["cfo_hz"] for meta, _ in packets.heard])
        assert cfo_hz == pytest.approx(expected.cfo_hz.value, abs=expected.cfo_hz.tolerance)
    assert caplog.text.count("unknown configuration") == (expected.foreign > 0)


def test_a_gap_is_not_filled_but_told_behind_it():
    capture = open_capture(find_recording("gap"))
    samples, tags = played("gap")
    assert samples.shape[1] == capture.samples + SETTLING_SAMPLES
    assert torch.equal(torch.from_numpy(samples[:, :10_400]), next(capture.chunks(10_400))[0])
    assert not samples[:, capture.samples :].any()
    assert tags == [
        (0, "rx_time", (0, 0.0)),
        (10_400, "rx_time", (0, pytest.approx(0.0119))),
        (capture.samples, "rx_end", True),
    ]


def test_a_repeated_recording_gives_its_picture_each_time(captured_parts):
    source, receiver = SigmfSource("awgn-10db", repeat=True), FrameReceiver(captured_parts, RATE_HZ)
    heard, graph = Listener(), gr.top_block()
    graph.connect(source, receiver)
    graph.msg_connect(receiver, "transmissions", heard, "in")
    graph.start()
    assert wait_for(lambda: len(heard.heard) >= 3)
    graph.stop()
    graph.wait()
    first, second = (data for _, data in heard.heard[:2])
    assert np.allclose(first, second, atol=0.05)  # DC is estimated on blocks of the stream


def test_a_source_plays_again_after_a_stop():
    source, sink, graph = SigmfSource("awgn-10db"), blocks.vector_sink_c(), gr.top_block()
    graph.connect(source, sink)
    run_graph(graph)
    once = len(sink.data())
    sink.reset()
    run_graph(graph)
    assert len(sink.data()) == once > SETTLING_SAMPLES


def test_a_recording_that_is_cut_off_while_it_plays_ends_the_stream(tmp_path, caplog):
    with Recorder(tmp_path / "one", Header(RATE_HZ, 2.4e9)) as recorder:
        recorder.write(torch.ones(1, 600_000, dtype=torch.complex64) / 2)
    source, sink, graph = (
        SigmfSource(str(tmp_path / "one"), repeat=True),
        blocks.vector_sink_c(),
        gr.top_block(),
    )
    with (tmp_path / "one.sigmf-data").open("r+b") as file:
        file.truncate(4 * 300_000)
    graph.connect(source, sink)
    run_graph(graph)
    assert len(sink.data()) == 262_144 + SETTLING_SAMPLES
    assert "must stay as long as it was" in caplog.text


@pytest.mark.parametrize(
    ("name", "options", "error", "sentence"),
    [
        ("nowhere", {}, CaptureError, "recording nowhere must exist"),
        ("", {}, CaptureError, "a recording must have a name"),
        ("two-antennas", {}, ConfigError, "antennas must be the recording's, 2"),
        ("awgn-10db", {"antennas": 2}, ConfigError, "antennas must be the recording's, 1"),
    ],
)
def test_a_source_refuses_bad_parameters(name, options, error, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=sentence):
        SigmfSource(name, **options)


def test_a_file_of_ones_own_comes_before_a_bundled_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recording("gap") == bundled_folder("captures") / "gap.sigmf-meta"
    with Recorder("gap", Header(RATE_HZ, 2.4e9)) as recorder:
        recorder.write(torch.ones(1, 10, dtype=torch.complex64))
    for name in ("gap", "gap.sigmf-meta", "gap.sigmf-data"):
        assert find_recording(name) == Path(name)
    assert find_recording("nowhere") is None
    assert played("gap")[0].shape == (1, 10 + SETTLING_SAMPLES)


@pytest.mark.parametrize("datatype", ["ci16_le", "cf32_le"])
def test_what_the_sink_recorded_is_replayed_to_the_same_picture(parts, tmp_path, datatype):
    signal = 0.2 * torch.cat([SILENCE[:900], picture_samples(parts, number=3), SILENCE])
    sink = SigmfSink(parts, str(tmp_path / "air"), RATE_HZ, datatype=datatype)
    source, receiver = stream(noisy(signal, 1e-4)), FrameReceiver(parts, RATE_HZ)
    heard, graph = Listener(), gr.top_block()
    graph.connect(source, sink)
    graph.connect(source, receiver)
    graph.msg_connect(receiver, "packets", sink, "packets")
    graph.msg_connect(receiver, "transmissions", heard, "in")
    run_graph(graph)
    capture = open_capture(tmp_path / "air")
    assert capture.warnings == ()
    assert capture.samples == len(signal)
    assert capture.header.datatype == datatype
    replay = Replay(capture, recorded_link(capture), own=True)
    [picture] = [one for _, pictures in replay.pictures() for one in pictures]
    [(meta, symbols)] = heard.heard
    assert np.abs(picture.assembled.symbols.numpy() - symbols).max() < 0.01
    assert picture.assembled.header.transmission == meta["transmission"] == 3
    [mark] = capture.annotations
    assert (mark.start, mark.count) == (pytest.approx(900, abs=1), parts.waveform.frame_samples)
    assert mark.extra["sdrjscc:transmission"] == 3 and mark.extra["sdrjscc:crc"] == "valid"
    assert capture.header.extra["sdrjscc:status"]["settings"]["sample_rate_hz"] == RATE_HZ


def test_a_packet_that_comes_late_or_early_is_annotated(parts, tmp_path):
    """The last packets come when the stream is over, and some before the sink saw their samples."""
    frame = picture_samples(parts)
    receiver, packets, graph = FrameReceiver(parts, RATE_HZ), Listener(), gr.top_block()
    graph.connect(stream(torch.cat([noisy(frame, 1e-3), SILENCE])), receiver)
    graph.msg_connect(receiver, "packets", packets, "in")
    run_graph(graph)
    sink = SigmfSink(parts, str(tmp_path / "air"), RATE_HZ)
    teller, graph = Teller("packets", packets.heard * 2), gr.top_block()
    graph.connect(stream(frame), blocks.throttle(gr.sizeof_gr_complex, 2e5), sink)
    graph.msg_connect(teller, "packets", sink, "packets")
    run_graph(graph)
    assert [(one.start, one.count) for one in open_capture(tmp_path / "air").annotations] == 2 * [
        (0, parts.waveform.frame_samples)
    ]


def test_lost_samples_are_marked_in_the_recording(parts, tmp_path):
    tags = [(0, "rx_time", 5_000_000), (400, "rx_time", 5_000_460), (700, "rx_time", 5_000_760)]
    tags = [(at, pmt.intern(key), time_tag(sample, RATE_HZ)) for at, key, sample in tags]
    capture = recorded(tmp_path / "air", parts, noisy(torch.zeros(1000, dtype=torch.complex64)), tags)
    assert [(gap.start, gap.dropped) for gap in capture.gaps] == [(400, 60)]
    assert capture.samples == 1000 and capture.counts["dropped"] == 60
    assert capture.header.extra["sdrjscc:status"]["overflows"] == 1


def test_two_antennas_are_recorded(parts, tmp_path):
    first, second = noisy(SILENCE[:5000], seed=1), noisy(SILENCE[:5000], seed=2)
    sink, graph = SigmfSink(parts, str(tmp_path / "two"), RATE_HZ, 2.4e9, 2, "cf32_le"), gr.top_block()
    graph.connect(stream(first), (sink, 0))
    graph.connect(stream(second), (sink, 1))
    run_graph(graph)
    [(samples, _)] = open_capture(tmp_path / "two").chunks()
    assert torch.equal(samples, torch.stack([first, second]))


def test_a_new_start_never_writes_over_what_the_last_one_recorded(parts, tmp_path):
    samples = noisy(SILENCE[:3000])
    for path in ("air-2", "air-2-2"):
        recorded(tmp_path / path, parts, samples[:10])
    source, sink, graph = stream(samples), SigmfSink(parts, str(tmp_path / "air"), RATE_HZ), gr.top_block()
    graph.connect(source, sink)
    for _ in range(2):
        run_graph(graph)
        source.rewind()
    names = sorted(path.stem for path in tmp_path.glob("*.sigmf-meta"))
    assert names == ["air", "air-2", "air-2-2", "air-3"]
    assert [open_capture(tmp_path / name).samples for name in names] == [3000, 10, 10, 3000]


def test_a_recording_that_is_there_is_replaced_only_on_purpose(parts, tmp_path):
    recorded(tmp_path / "air", parts, noisy(SILENCE[:3000]))
    with pytest.raises(CaptureError, match="must be a new one, or overwrite be on"):
        SigmfSink(parts, str(tmp_path / "air"), RATE_HZ)
    assert recorded(tmp_path / "air.sigmf-data", parts, noisy(SILENCE[:50]), overwrite=True).samples == 50


def test_a_place_that_cannot_be_written_is_logged_and_the_stream_goes_on(parts, tmp_path, caplog):
    (tmp_path / "file").touch()
    sink, through, graph = SigmfSink(parts, str(tmp_path / "file" / "air"), RATE_HZ), *counted()
    source = stream(noisy(SILENCE))
    graph.connect(source, sink)
    graph.connect(source, through)
    with caplog.at_level(logging.WARNING):
        run_graph(graph)
    assert len(through.data()) == len(SILENCE)
    assert "nothing is recorded" in caplog.text


def counted():
    return blocks.vector_sink_c(), gr.top_block()


def test_bad_packets_are_logged_and_the_recording_goes_on(parts, tmp_path, caplog):
    nothing = np.empty(0, np.complex64)
    teller, sink = Teller("packets", [({}, nothing), ({"nonce": 1}, nothing)]), None
    sink, graph = SigmfSink(parts, str(tmp_path / "air"), RATE_HZ), gr.top_block()
    graph.connect(stream(noisy(SILENCE)), sink)
    graph.msg_connect(teller, "packets", sink, "packets")
    run_graph(graph)
    assert open_capture(tmp_path / "air").samples == len(SILENCE)
    assert "it lacks" in caplog.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"datatype": "rf32"}, "datatype must be ci16_le or cf32_le"),
        ({"antennas": 0}, "antennas must be at least 1"),
        ({"samp_rate": 0.0}, "samp_rate must be positive"),
        ({"center_freq": -1.0}, "center_freq must be at least 0"),
    ],
)
def test_a_sink_refuses_bad_parameters(parts, tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SigmfSink(**{"link": parts, "path": str(tmp_path / "air"), "samp_rate": 1e6, **options})
    assert list(tmp_path.iterdir()) == []


def test_a_replay_with_another_decoder_keeps_the_recordings_digest(captured_parts):
    capture = open_capture(find_recording("awgn-10db"))
    changed = recorded_link(capture)
    changed = changed.model_copy(update={"codec": {**changed.codec, "weights": "untrained"}})
    assert recorded_parts(capture, changed).digest == captured_parts.digest != build_parts(changed).digest


def test_annotations_survive_a_played_and_recorded_recording(captured_parts, tmp_path):
    source, sink = SigmfSource("awgn-10db"), SigmfSink(captured_parts, str(tmp_path / "again"), RATE_HZ)
    receiver, graph = FrameReceiver(captured_parts, RATE_HZ), gr.top_block()
    graph.connect(source, sink)
    graph.connect(source, receiver)
    graph.msg_connect(receiver, "packets", sink, "packets")
    run_graph(graph)
    before, after = open_capture(find_recording("awgn-10db")), open_capture(tmp_path / "again")
    assert [places(one) for one in before.annotations] == [places(one) for one in after.annotations]


def places(annotation: Annotation):
    return annotation.start, annotation.count, annotation.label
