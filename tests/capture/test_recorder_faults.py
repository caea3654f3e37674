"""A disk that is slow, full or gone, and a process that is killed."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sigmf
from capture_example import (
    assert_is_stream,
    data_of,
    header,
    meta_of,
    metadata,
    stream,
)

from sdrjscc.capture import _datafile, _writer
from sdrjscc.capture._backlog import Backlog
from sdrjscc.capture.sigmf import Annotation, Gap, Recorder, open_capture, recover
from sdrjscc.errors import CaptureError

CHUNK = 100
CHUNK_BYTES = 8 * CHUNK


@pytest.fixture
def stuck_disk(monkeypatch):
    """A disk that writes nothing until ``set``."""
    gate = threading.Event()
    append = _datafile.DataFile.append

    def wait_and_append(self, codes):
        assert gate.wait(timeout=60)
        append(self, codes)

    monkeypatch.setattr(_datafile.DataFile, "append", wait_and_append)
    return gate


def test_a_slow_disk_costs_bounded_memory_and_marked_samples(tmp_path, stuck_disk, caplog):
    position = 0
    with Recorder(tmp_path / "r", header(), memory_bytes=10 * CHUNK_BYTES) as recorder:
        for _ in range(25):
            recorder.write(stream(position, CHUNK))
            position += CHUNK
            assert recorder.held_bytes <= 10 * CHUNK_BYTES
        assert recorder.lost == 15 * CHUNK
        stuck_disk.set()
        recorder.wait_for_room(5 * CHUNK)
        recorder.write(stream(position + 7, CHUNK), dropped=7)
        assert recorder.position_in_file(position) == 10 * CHUNK
    capture = open_capture(tmp_path / "r")
    assert capture.gaps == (Gap(10 * CHUNK, 15 * CHUNK + 7),)
    assert capture.counts == {"clipped": 0, "dropped": 7, "lost": 15 * CHUNK}
    assert assert_is_stream(capture) == position + 7 + CHUNK
    second = metadata(tmp_path / "r")["captures"][1]
    assert (second["sdrjscc:lost"], second["sdrjscc:dropped"]) == (15 * CHUNK, 7)
    assert [record.message for record in caplog.records].count(
        f"{data_of(tmp_path / 'r')}: the disk does not keep up, samples are lost (marked as a gap)"
    ) == 1


def test_what_is_lost_at_the_end_is_counted(tmp_path, stuck_disk):
    with Recorder(tmp_path / "r", header(), memory_bytes=2 * CHUNK_BYTES) as recorder:
        for number in range(5):
            recorder.write(stream(number * CHUNK, CHUNK))
        stuck_disk.set()
    assert open_capture(tmp_path / "r").counts["lost"] == 3 * CHUNK
    assert open_capture(tmp_path / "r").gaps == ()


def test_a_source_that_can_wait_loses_nothing(tmp_path):
    with Recorder(tmp_path / "r", header(), memory_bytes=2 * CHUNK_BYTES) as recorder:
        for number in range(200):
            recorder.wait_for_room(CHUNK)
            recorder.write(stream(number * CHUNK, CHUNK))
        with pytest.raises(CaptureError, match=r"must fit into memory_bytes = 1600 \(got 1608\)"):
            recorder.wait_for_room(2 * CHUNK + 1)
    assert recorder.lost == 0
    assert assert_is_stream(open_capture(tmp_path / "r")) == 200 * CHUNK


def test_after_an_overflow_half_the_memory_must_be_free():
    backlog = Backlog(10 * CHUNK_BYTES)
    chunk = stream(0, CHUNK).numpy()
    for _ in range(10):
        assert backlog.admits(chunk.nbytes)
        backlog.put(chunk)
    assert not backlog.admits(chunk.nbytes)
    admitted = []
    for _ in range(7):
        backlog.done(backlog.take(0))
        admitted.append(backlog.admits(chunk.nbytes))
    assert admitted == [False] * 5 + [True] * 2


class SmallDisk:
    """A disk with room for so many bytes of samples and metadata."""

    def __init__(self, path, capacity, error=errno.ENOSPC):
        self.path, self.capacity, self.error = path, capacity, error
        self.write_text = _writer.write_text_atomic

    def fail(self):
        raise OSError(self.error, os.strerror(self.error))

    def used(self):
        return sum(file.stat().st_size for file in self.path.parent.iterdir())

    def write(self, descriptor, raw):
        room = self.capacity - self.used()
        return os.write(descriptor, raw[:room]) if room > 0 else self.fail()

    def write_text_atomic(self, path, text):
        if self.used() + len(text) > self.capacity:
            self.fail()
        self.write_text(path, text)

    def install(self, monkeypatch):
        monkeypatch.setattr(_datafile, "os", SimpleNamespace(**{**vars(os), "write": self.write}))
        monkeypatch.setattr(_writer, "write_text_atomic", self.write_text_atomic)


def write_until_refused(recorder):
    for number in range(10_000):
        recorder.write(stream(number * CHUNK, CHUNK))
        recorder.annotate(Annotation(number * CHUNK, CHUNK, "frame"))
        time.sleep(0.0005)
    pytest.fail("the disk was never full")


@pytest.mark.parametrize("spare", [0, 1, 2, 3])
def test_a_full_disk_is_one_sentence_and_the_samples_stay(tmp_path, monkeypatch, spare):
    path = tmp_path / "r"
    SmallDisk(path, 40_000 + spare).install(monkeypatch)
    recorder = Recorder(path, header(), flush_interval_s=0.01)
    sentence = (
        r"r\.sigmf-data must be written without an error \(got: No space left on device; what was written"
    )
    with pytest.raises(CaptureError, match=sentence):
        write_until_refused(recorder)
    with pytest.raises(CaptureError, match=sentence):
        recorder.write(stream(0, 1))
    recorder.close()  # it has been said
    capture = open_capture(path)
    assert capture.warnings == ()
    assert assert_is_stream(capture) == capture.samples == recorder.written > 1000
    assert 0 <= capture.counts["lost"] <= recorder.lost  # 0 where not even the metadata had room
    assert all(found.start + found.count <= capture.samples for found in capture.annotations)
    sigmf.sigmffile.fromfile(meta_of(path)).validate()
    assert {file.name for file in tmp_path.iterdir()} == {"r.sigmf-data", "r.sigmf-meta"}


def test_a_disk_that_fills_at_the_end_says_so_on_closing(tmp_path, monkeypatch):
    SmallDisk(tmp_path / "r", 2000).install(monkeypatch)
    recorder = Recorder(tmp_path / "r", header())
    recorder.write(stream(0, 1000))
    with pytest.raises(CaptureError, match="No space left on device"):
        recorder.close()
    recorder.close()


def test_a_disk_that_is_gone_says_why(tmp_path, monkeypatch):
    SmallDisk(tmp_path / "r", 10_000, errno.EIO).install(monkeypatch)
    with (
        pytest.raises(CaptureError, match="Input/output error"),
        Recorder(tmp_path / "r", header(), flush_interval_s=0.01) as recorder,
    ):
        write_until_refused(recorder)
    assert open_capture(tmp_path / "r").samples > 0


def test_an_error_on_the_way_out_does_not_hide_the_first(tmp_path, monkeypatch, caplog):
    SmallDisk(tmp_path / "r", 100).install(monkeypatch)
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 1000))
        raise ZeroDivisionError
    assert "No space left on device" in caplog.text


def test_a_folder_that_takes_no_files_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CaptureError, match=r"r\.sigmf-data must be writable \(got: .*exists|directory"):
        Recorder(tmp_path / "file" / "r", header())


def test_a_second_interruption_gives_up_what_waits(tmp_path, stuck_disk, monkeypatch):
    recorder = Recorder(tmp_path / "r", header())
    for number in range(5):
        recorder.write(stream(number * CHUNK, CHUNK))
    while recorder.held_bytes < 5 * CHUNK_BYTES or len(recorder._backlog._chunks) > 4:
        time.sleep(0.001)  # until the first is being written
    join = threading.Thread.join

    def interrupted(thread, timeout=None):
        monkeypatch.setattr(_writer.Writer, "join", join)
        threading.Timer(0.05, stuck_disk.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(_writer.Writer, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.close()
    assert recorder.lost == open_capture(tmp_path / "r").counts["lost"] == 4 * CHUNK
    assert assert_is_stream(open_capture(tmp_path / "r")) == CHUNK


KILLED = """
import sys, time
sys.path.insert(0, {folder!r})
from capture_example import header, metadata, stream
from sdrjscc.capture.sigmf import Annotation, Recorder
path = {path!r}
recorder = Recorder(path, header(antennas=2), flush_interval_s=0.02)
position, number = 0, 0
while True:
    dropped = 50 if number % 7 == 3 else 0
    recorder.write(stream(position + dropped, 1000, 2), dropped)
    start = recorder.position_in_file(position + dropped)
    recorder.annotate(Annotation(start, 1000, f"frame {{number}}"))
    position, number = position + dropped + 1000, number + 1
    time.sleep(0.002)
    if number == 50:
        while recorder.written < 50_000 or metadata(path)["global"]["sdrjscc:samples"] < 50_000:
            time.sleep(0.002)
        print("described", flush=True)
    if number > 50:
        print(recorder.written, flush=True)
"""


def test_a_killed_recorder_leaves_all_up_to_the_last_second(tmp_path):
    path = tmp_path / "r"
    script = KILLED.format(folder=str(Path(__file__).parent), path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "described\n"
        written = [int(process.stdout.readline()) for _ in range(20)][-1]
        process.send_signal(signal.SIGKILL)
    with data_of(path).open("ab") as data:
        data.write(b"\x01\x02\x03")  # as if it had been killed within a sample

    capture = open_capture(path)
    assert capture.samples >= written
    described = metadata(path)["global"]["sdrjscc:samples"]
    assert described >= 50_000
    labels = [annotation.label for annotation in capture.annotations]
    assert labels[:50] == [f"frame {number}" for number in range(50)]
    position = 0
    for samples, dropped in capture.chunks(1000):
        position += dropped
        if position + 1000 < described:  # behind it, gaps are not marked yet
            assert (samples == stream(position, samples.shape[-1], 2)).all()
        position += samples.shape[-1]

    report = recover(path)
    assert report.trimmed_bytes == 3
    assert report.samples == capture.samples
    theirs = sigmf.sigmffile.fromfile(meta_of(path))
    theirs.validate()
    assert theirs.sample_count == capture.samples
    assert open_capture(path).warnings == ()
    assert recover(path).actions == ()


def test_the_recorders_thread_does_not_hold_up_the_end_of_a_program(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from capture_example import header, stream\n"
        "from sdrjscc.capture.sigmf import Recorder\n"
        f"recorder = Recorder({str(tmp_path / 'r')!r}, header())\n"
        "recorder.write(stream(0, 1000))\n"
        "raise SystemExit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=120, check=False)
    assert done.returncode == 7
