"""Recordings that were interrupted are made whole, and nothing is invented."""

import hashlib

import pytest
import sigmf
from capture_example import (
    assert_is_stream,
    change,
    data_of,
    header,
    meta_of,
    metadata,
    record,
    stream,
)

from sdrjscc.capture.sigmf import Annotation, Gap, Recorder, open_capture, recover
from sdrjscc.errors import CaptureError


def cut(path, size):
    with data_of(path).open("r+b") as data:
        data.truncate(size)


def append(path, raw):
    with data_of(path).open("ab") as data:
        data.write(raw)


def assert_whole(path):
    """Nothing to warn of, valid for sigmf-python with its hash, and nothing left to recover."""
    assert open_capture(path).warnings == ()
    sigmf.sigmffile.fromfile(meta_of(path)).validate()
    raw = data_of(path).read_bytes()
    assert metadata(path)["global"]["core:sha512"] == hashlib.sha512(raw).hexdigest()
    assert recover(path).actions == ()


def test_a_whole_recording_stays_as_it_is(tmp_path):
    record(tmp_path / "r")
    before = meta_of(tmp_path / "r").read_bytes()
    report = recover(tmp_path / "r")
    assert (report.samples, report.trimmed_bytes, report.actions) == (1000, 0, ())
    assert meta_of(tmp_path / "r").read_bytes() == before


@pytest.mark.parametrize(("antennas", "half"), [(1, 3), (2, 5), (3, 11)])
def test_half_a_sample_is_trimmed(tmp_path, antennas, half):
    record(tmp_path / "r", antennas=antennas)
    append(tmp_path / "r", b"x" * half)
    report = recover(tmp_path / "r")
    assert (report.samples, report.trimmed_bytes) == (1000, half)
    assert assert_is_stream(open_capture(tmp_path / "r")) == 1000
    assert_whole(tmp_path / "r")


def test_metadata_of_more_than_there_is(tmp_path):
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 300))
        recorder.write(stream(350, 700), dropped=50)
        for start in (0, 150, 250, 600):
            recorder.annotate(Annotation(start, 100, f"at {start}"))
    cut(tmp_path / "r", 4 * 275 + 2)
    report = recover(tmp_path / "r")
    assert (report.samples, report.trimmed_bytes) == (275, 2)
    capture = open_capture(tmp_path / "r")
    assert [(found.start, found.count) for found in capture.annotations] == [(0, 100), (150, 100), (250, 25)]
    assert capture.gaps == ()
    assert assert_is_stream(capture) == 275
    assert_whole(tmp_path / "r")


def test_metadata_of_less_than_there_is(tmp_path):
    """The samples behind it are kept, with gaps before them, and said to be unwatched."""
    record(tmp_path / "r", gap_at=400, gap=50)
    change(tmp_path / "r", "global", sdrjscc__samples=900, core__sha512=None)
    report = recover(tmp_path / "r")
    assert report.samples == 1000
    assert "the metadata spoke of 900 samples, the data holds 1000" in report.actions
    assert open_capture(tmp_path / "r").gaps == (Gap(400, 50),)
    assert assert_is_stream(open_capture(tmp_path / "r")) == 1050
    last = metadata(tmp_path / "r")["captures"][-1]
    assert (last["core:sample_start"], last["core:global_index"]) == (900, 950)
    assert "gaps from here on are not marked" in last["sdrjscc:comment"]
    assert_whole(tmp_path / "r")


def test_nothing_left_but_a_name(tmp_path):
    record(tmp_path / "r")
    cut(tmp_path / "r", 1)
    assert recover(tmp_path / "r").samples == 0
    assert open_capture(tmp_path / "r").samples == 0
    assert len(metadata(tmp_path / "r")["captures"]) == 1


def test_what_an_interrupted_recorder_left_is_used_and_removed(tmp_path):
    record(tmp_path / "r")
    (tmp_path / ".r.sigmf-meta.abc.part").write_text("{")
    good = tmp_path / ".r.sigmf-meta.xyz.part"
    meta_of(tmp_path / "r").rename(good)
    (tmp_path / ".other.sigmf-meta.abc.part").write_text("another recording's")
    report = recover(tmp_path / "r")
    assert "the metadata was taken from .r.sigmf-meta.xyz.part" in report.actions
    assert {file.name for file in tmp_path.iterdir()} == {
        "r.sigmf-data",
        "r.sigmf-meta",
        ".other.sigmf-meta.abc.part",
    }
    assert_whole(tmp_path / "r")


def test_without_metadata_nothing_is_guessed(tmp_path):
    record(tmp_path / "r")
    meta_of(tmp_path / "r").unlink()
    with pytest.raises(CaptureError, match="samples alone do not tell their rate, datatype and antennas"):
        recover(tmp_path / "r")
    assert not meta_of(tmp_path / "r").exists()
    report = recover(tmp_path / "r", header(hardware="bladeRF"))
    assert "the metadata was made from the header that was given" in report.actions
    assert open_capture(tmp_path / "r").header == header(hardware="bladeRF")
    assert open_capture(tmp_path / "r").counts == {}
    assert assert_is_stream(open_capture(tmp_path / "r")) == 1000
    assert "gaps are unknown" in metadata(tmp_path / "r")["captures"][0]["sdrjscc:comment"]
    assert_whole(tmp_path / "r")


def test_changed_samples_cannot_be_undone(tmp_path):
    record(tmp_path / "r")
    raw = bytearray(data_of(tmp_path / "r").read_bytes())
    raw[5] ^= 1
    data_of(tmp_path / "r").write_bytes(raw + b"x")
    with pytest.raises(CaptureError, match="its samples were changed, which cannot be undone"):
        recover(tmp_path / "r")
    assert data_of(tmp_path / "r").read_bytes() == raw + b"x"


def test_a_recording_in_progress_is_left_alone(tmp_path):
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 100))
        with pytest.raises(CaptureError, match="must not be in use"):
            recover(tmp_path / "r")


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: data_of(path).unlink(), r"r\.sigmf-data must exist to be recovered"),
        (lambda path: meta_of(path).write_text("{"), "must hold JSON"),
        (lambda path: change(path, "global", core__datatype="ri16_le"), r"must be one of .*got 'ri16_le'"),
    ],
)
def test_what_cannot_be_recovered(tmp_path, prepare, sentence):
    record(tmp_path / "r")
    prepare(tmp_path / "r")
    with pytest.raises(CaptureError, match=sentence):
        recover(tmp_path / "r")


def test_an_archive_is_not_recovered(tmp_path):
    with pytest.raises(CaptureError, match="must be two files, not an archive"):
        recover(tmp_path / "r.sigmf")
