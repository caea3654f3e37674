"""Receiving with a recording: what it holds, that nothing is lost of either when one of them fails."""

import errno
import threading
import tomllib
from functools import partial

import pytest
import sigmf
import torch
from reception_example import LOOPBACK, RATE_HZ, Given, config, picture, pieces, sent_signal

from sdrjscc.capture import _datafile
from sdrjscc.capture.sigmf import Recorder, open_capture
from sdrjscc.errors import CaptureError, ConfigError, RadioError
from sdrjscc.images.io import Picture
from sdrjscc.link import recording
from sdrjscc.link.listening import Listener, make_radio, need_two_ends
from sdrjscc.link.log import Source
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivingEnd
from sdrjscc.link.session import Link
from sdrjscc.linkfile import parse_link
from sdrjscc.waveform.base import PAYLOAD_START, PREAMBLE_SAMPLES

CHANNEL = {"name": "chain", "snr_db": 20.0, "cfo_hz": 300.0, "lead_samples": 700, "tail_samples": 900}
CODES = {**CHANNEL, "adc_bits": 12, "rx_level_dbfs": -15.0}


def sources(*sizes):
    return [Source(Picture(picture(w, h, seed), f"{seed}.png", ())) for seed, (w, h) in enumerate(sizes)]


def listen(link, radio, path=None):
    """All pictures that a listener makes of a radio's receptions, and the listener."""
    listener = Listener(build_parts(link), radio, record=path)
    with radio, listener:
        pictures = [one for _, found in listener.pictures() for one in found] + listener.rest()
    return pictures, listener


def received_alone(link, samples):
    """Headers of what a fresh receiver finds in ``[antennas, n]``."""
    packets = []
    end = ReceivingEnd(build_parts(link), Given(), 10.0, on_packet=packets.append)
    end.push(samples)
    end.flush()
    return [packet.header for packet in packets]


def samples_of(capture):
    return torch.cat([samples for samples, _ in capture.chunks()], dim=-1)


def validated(path):
    """The recording as sigmf-python reads it, after its own validator."""
    handle = sigmf.sigmffile.fromfile(f"{path}.sigmf-meta")
    handle.validate()
    return handle


@pytest.mark.parametrize(
    ("channel", "datatype"),
    [(CHANNEL, "cf32_le"), (CODES, "ci16_le"), ({**CODES, "adc_bits": 20}, "cf32_le"), (None, "cf32_le")],
)
def test_a_link_records_all_that_it_received(tmp_path, channel, datatype):
    link_config = config(channel=channel) if channel else config()
    with Link(link_config, record=tmp_path / "r") as link:
        results = [link.send(picture(seed=seed)) for seed in range(2)]
    assert all(result.pixels is not None for result in results)
    validated(tmp_path / "r")
    capture = open_capture(tmp_path / "r")
    extra = capture.header.extra
    assert capture.header.datatype == datatype
    assert capture.header.sample_rate_hz == RATE_HZ
    assert parse_link(tomllib.loads(extra["sdrjscc:link"])) == link_config
    assert extra["sdrjscc:digest"] == link.parts.digest
    assert extra["sdrjscc:radio"] == link_config.radios.tx
    assert extra["sdrjscc:settings"]["sample_rate_hz"] == RATE_HZ
    assert (extra["sdrjscc:clock_ppm"], extra["sdrjscc:status"]["overflows"]) == (10.0, 0)
    assert extra["sdrjscc:counters"]["headers"] == sum(result.packets_received for result in results)
    names = [line["image"] for line in extra["sdrjscc:transmissions"]]
    assert names == ["tensor", "tensor"]
    lead, tail = (700, 900) if channel else (0, 0)
    sent = sum(result.sent.samples.numel() + lead + tail for result in results)
    # the channel's own filters add some samples
    assert sent <= capture.samples <= sent + 200


def test_every_packet_has_an_annotation_whose_samples_hold_its_frame(tmp_path):
    link_config = config(channel=CODES)
    with Link(link_config, record=tmp_path / "r") as link:
        results = [link.send(picture(seed=seed)) for seed in range(2)]
    capture = open_capture(tmp_path / "r")
    samples, frame = samples_of(capture), link.parts.waveform.frame_samples
    packets = sum(result.packets_received for result in results)
    assert packets > 2
    assert len(capture.annotations) == packets
    for one in capture.annotations:
        assert one.count == frame
        margin = torch.zeros(1, 50, dtype=torch.complex64)
        cut = torch.cat([margin, samples[:, one.start : one.start + one.count], margin], dim=-1)
        (header,) = received_alone(link_config, cut)
        assert header.packet == one.extra["sdrjscc:packet"]
        assert header.transmission == one.extra["sdrjscc:transmission"]
        assert header.digest == one.extra["sdrjscc:digest"]
        assert one.extra["sdrjscc:crc"] == "valid"
        assert one.extra["sdrjscc:cfo_hz"] == pytest.approx(300.0, abs=60.0)
        assert one.label == f"picture {header.transmission} {header.packet + 1}/{header.packets}"
        assert len(one.label) <= 20


def test_annotations_stand_right_after_and_across_gaps(tmp_path):
    link = config()
    signal, starts = sent_signal(link, sources((96, 64), (96, 64)))
    frame = build_parts(link).waveform.frame_samples
    within = (starts[0] + frame + frame // 2, 500)  # in the first picture's second frame
    between = (starts[1] - 2000, 1000)
    pictures, listener = listen(
        link, Given(pieces(signal, 5000, [within, between]), live=False), tmp_path / "r"
    )
    assert [one.assembled.header.transmission for one in pictures] == [0, 1]
    validated(tmp_path / "r")
    capture = open_capture(tmp_path / "r")
    assert [(gap.start, gap.dropped) for gap in capture.gaps] == [
        (within[0], 500),
        (between[0] - 500, 1000),
    ]
    assert listener.samples == len(signal) == capture.samples + 1500
    for one in capture.annotations:
        number = one.extra["sdrjscc:transmission"]
        packet = one.extra["sdrjscc:packet"]
        in_stream = starts[number] + packet * frame
        lost = (500 if in_stream > within[0] else 0) + (1000 if in_stream > between[0] else 0)
        assert abs(one.start - (in_stream - lost)) <= 1
        assert one.count == (frame - 500 if (number, packet) == (0, 1) else frame)


def test_a_preamble_without_a_header_is_annotated(tmp_path):
    link = config()
    signal, (start,) = sent_signal(link, sources((96, 64)))
    parts = build_parts(link)
    header = slice(start + PREAMBLE_SAMPLES, start + PAYLOAD_START)
    signal[header] = 0.1 * torch.randn(
        PAYLOAD_START - PREAMBLE_SAMPLES, dtype=torch.complex64, generator=torch.Generator().manual_seed(5)
    )
    listen(link, Given(pieces(signal, 5000)), tmp_path / "r")
    capture = open_capture(tmp_path / "r")
    (preamble,) = [one for one in capture.annotations if one.label == "preamble"]
    assert abs(preamble.start - start) <= 2
    assert preamble.count == PREAMBLE_SAMPLES
    assert preamble.extra == {"sdrjscc:crc": "invalid"}
    assert len(capture.annotations) > 1
    assert parts.waveform.frame_samples in {one.count for one in capture.annotations}


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that is full after so many writes."""

    def fill(after):
        append, written = _datafile.DataFile.append, []

        def append_some(self, codes):
            written.append(1)
            if len(written) > after:
                raise OSError(errno.ENOSPC, "No space left on device")
            append(self, codes)

        monkeypatch.setattr(_datafile.DataFile, "append", append_some)

    return fill


@pytest.mark.parametrize("live", [False, True])
def test_a_full_disk_does_not_end_reception(tmp_path, full_disk, live, caplog):
    full_disk(1)
    link = config()
    signal, _ = sent_signal(link, sources((96, 64), (64, 64)))
    pictures, listener = listen(link, Given(pieces(signal, 4000), live=live), tmp_path / "r")
    assert [one.pixels is not None for one in pictures] == [True, True]
    assert "No space left on device" in str(listener.recording.failure)
    assert sum("reception goes on" in record.message for record in caplog.records) == 1
    validated(tmp_path / "r")
    assert open_capture(tmp_path / "r").samples == 4000


def test_a_disk_that_is_full_at_the_very_end_is_told_as_well(tmp_path, full_disk):
    full_disk(0)
    link = config()
    signal, _ = sent_signal(link, sources((32, 32)))
    pictures, listener = listen(link, Given(pieces(signal, len(signal)), live=True), tmp_path / "r")
    assert pictures[0].pixels is not None
    assert "No space left on device" in str(listener.recording.failure)


def test_a_recorder_that_refuses_is_asked_no_more(tmp_path, monkeypatch):
    asked = []

    def refuse(self, samples, dropped=0):
        asked.append(samples.shape[-1])
        raise CaptureError("the disk must take it (it does not)")

    monkeypatch.setattr(Recorder, "write", refuse)
    link = config()
    signal, _ = sent_signal(link, sources((32, 32)))
    pictures, listener = listen(link, Given(pieces(signal, 3000)), tmp_path / "r")
    assert asked == [3000]
    assert pictures[0].pixels is not None
    assert str(listener.recording.failure) == "the disk must take it (it does not)"


def test_a_recording_that_is_there_is_not_replaced_by_accident(tmp_path):
    link = config()
    signal, _ = sent_signal(link, sources((32, 32)))
    listen(link, Given(pieces(signal, 3000)), tmp_path / "r")
    before = (tmp_path / "r.sigmf-data").read_bytes()
    with pytest.raises(CaptureError, match="must not exist"):
        listen(link, Given(pieces(signal[:3000], 3000)), tmp_path / "r")
    assert (tmp_path / "r.sigmf-data").read_bytes() == before
    listener = Listener(
        build_parts(link), Given(pieces(signal[:3000], 3000)), record=tmp_path / "r", force=True
    )
    with listener:
        assert len(list(listener.pictures())) == 1
    assert open_capture(tmp_path / "r").samples == 3000


def test_what_came_before_the_radio_was_lost_is_received_and_recorded(tmp_path):
    link = config()
    signal, starts = sent_signal(link, sources((96, 64), (96, 64)))
    frame = build_parts(link).waveform.frame_samples
    cut = signal[: starts[1] + round(2.1 * frame)]
    radio = Given(pieces(cut, 4000), live=True, ends=RadioError("the radio must be there (it went)"))
    listener = Listener(build_parts(link), radio, record=tmp_path / "r")
    pictures = []
    with listener:
        with pytest.raises(RadioError, match="it went"):
            for _, found in listener.pictures():
                pictures += found
        pictures += listener.rest()
    assert [one.assembled.header.transmission for one in pictures] == [0, 1]
    assert pictures[1].assembled.received == 2
    assert open_capture(tmp_path / "r").samples == len(cut)


class Paced(Given):
    """A live radio that waits, before the reception of a number, for an event."""

    def __init__(self, receptions, events):
        super().__init__(receptions, live=True)
        self._events, self.reached = events, {number: threading.Event() for number in events}
        self._count = 0

    def receive(self):
        if self._count in self._events:
            self.reached[self._count].set()
            assert self._events[self._count].wait(30)
        self._count += 1
        return super().receive()


def test_a_receiver_slower_than_a_live_radio_records_everything(tmp_path):
    """The second picture finds no room; the recording holds it, and knows where the third one stands."""
    link = config()
    signal, starts = sent_signal(link, sources((96, 64), (96, 64), (96, 64)))
    receptions = pieces(signal, 1000)
    first, last = starts[1] // 1000, starts[2] // 1000
    events = {first: threading.Event(), last: threading.Event()}
    radio = Paced(receptions, events)
    listener = Listener(build_parts(link), radio, record=tmp_path / "r")
    with radio, listener:
        stream = listener.pictures()
        found = [one for _ in range(first) for one in next(stream)[1]]
        listener.reader._room = 1  # one reception, and no second one
        events[first].set()
        assert radio.reached[last].wait(30)
        listener.reader._room = 10**9
        events[last].set()
        found += [one for _, more in stream for one in more] + listener.rest()
        assert listener.reader.lost == 1000 * (last - first - 1)
        assert listener.samples == len(signal)
    assert [one.assembled.header.transmission for one in found] == [0, 2]
    capture = open_capture(tmp_path / "r")
    assert (capture.samples, capture.gaps) == (len(signal), ())
    assert torch.equal(samples_of(capture)[0], ci16(signal))
    frame = build_parts(link).waveform.frame_samples
    for one in capture.annotations:
        number, packet = one.extra["sdrjscc:transmission"], one.extra["sdrjscc:packet"]
        assert abs(one.start - (starts[number] + packet * frame)) <= 1
    again, _ = listen(link, Given(pieces(samples_of(capture), 2000)))
    assert [one.assembled.header.transmission for one in again] == [0, 1, 2]


def ci16(samples):
    """What sixteen-bit integers keep of them."""
    return torch.view_as_complex(torch.round(torch.view_as_real(samples) * 32768) / 32768)


@pytest.fixture
def stuck_disk(monkeypatch):
    """A disk that writes nothing until ``set``, and a recorder with room for two receptions."""
    gate, append = threading.Event(), _datafile.DataFile.append

    def wait_and_append(self, codes):
        assert gate.wait(timeout=60)
        append(self, codes)

    monkeypatch.setattr(_datafile.DataFile, "append", wait_and_append)
    monkeypatch.setattr(recording, "Recorder", partial(Recorder, memory_bytes=8 * 2000))
    return gate


def test_a_slow_disk_costs_a_live_radio_samples_of_the_recording_alone(tmp_path, stuck_disk):
    link = config()
    signal, _ = sent_signal(link, sources((32, 32)))
    listener = Listener(build_parts(link), Given(pieces(signal, 1000), live=True), record=tmp_path / "r")
    with listener:
        found = [one for _, more in listener.pictures() for one in more] + listener.rest()
        lost = listener.recording.recorder.lost
        stuck_disk.set()
    assert found[0].pixels is not None
    assert (lost, open_capture(tmp_path / "r").samples) == (len(signal) - 2000, 2000)


def test_a_slow_disk_makes_a_radio_wait_that_can(tmp_path, stuck_disk):
    link = config()
    signal, _ = sent_signal(link, sources((32, 32)))
    radio = Given(pieces(signal, 1000))
    listener = Listener(build_parts(link), radio, record=tmp_path / "r")
    with listener:
        taken = [next(listener.pictures()) for _ in range(2)]
        assert not radio.done.is_set()
        stuck_disk.set()
        taken += list(listener.pictures())
    assert sum(one.samples.shape[-1] for one, _ in taken) == len(signal)
    assert listener.recording.recorder.lost == 0
    assert torch.equal(samples_of(open_capture(tmp_path / "r"))[0], signal)


def test_reception_ends_when_told_and_keeps_what_is_open():
    link = config()
    signal, (start,) = sent_signal(link, sources((96, 64)))
    frame, events = build_parts(link).waveform.frame_samples, {}
    cut = start + round(2.1 * frame)
    receptions = pieces(signal[:cut], 500) + pieces(signal[cut:], 500)
    events[len(pieces(signal[:cut], 500))] = threading.Event()
    listener = Listener(build_parts(link), Paced(receptions, events))
    with listener:
        taken = list(listener.pictures(stop=lambda: listener.samples >= cut))
        for event in events.values():
            event.set()
        (partial,) = listener.rest()
    assert sum(one.samples.shape[-1] for one, _ in taken) == cut
    assert partial.assembled.received == 2 < partial.assembled.header.packets
    assert listener.last_packet.header.packet == 1


def test_two_antennas_are_recorded_and_received(tmp_path):
    radio = {**LOOPBACK, "antennas": 2}
    link = config(radios={"tx": radio}, channel={**CODES, "antennas": 2})
    with Link(link, record=tmp_path / "r") as opened:
        assert opened.send(picture()).pixels is not None
    capture = open_capture(tmp_path / "r")
    assert capture.header.antennas == 2
    assert samples_of(capture).shape[0] == 2
    validated(tmp_path / "r")


def test_each_end_has_its_radio():
    two = config(radios={"tx": LOOPBACK, "rx": {**LOOPBACK, "sample_rate_hz": 2e6}})
    assert make_radio(build_parts(two), "rx").sample_rate_hz == 2e6
    assert make_radio(build_parts(two), "tx").sample_rate_hz == RATE_HZ
    assert make_radio(build_parts(config()), "rx").sample_rate_hz == RATE_HZ
    with pytest.raises(ConfigError, match=r"\(got 'loopback': use sdrjscc link\)"):
        need_two_ends(build_parts(two))
