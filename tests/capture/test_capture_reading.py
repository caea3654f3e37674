"""Recordings of others, and recordings with something wrong: one clear sentence each."""

import json
import logging
import shutil
import tarfile
import tracemalloc

import numpy as np
import pytest
import sigmf
import torch
from capture_example import (
    RATE_HZ,
    assert_is_stream,
    change,
    data_of,
    header,
    meta_of,
    metadata,
    record,
    stream,
)

from sdrjscc.capture.sigmf import Annotation, Gap, open_capture
from sdrjscc.errors import CaptureError

OURS = {"name": "sdrjscc", "version": "1.0.0", "optional": True}


def foreign(path, codes, datatype, captures=({"core:sample_start": 0},), annotations=(), **top):
    """What another program may have written."""
    codes.tofile(data_of(path))
    fields = {"core:datatype": datatype, "core:version": "1.0.0", "core:sample_rate": RATE_HZ}
    content = {
        "global": fields | {key.replace("__", ":"): value for key, value in top.items()},
        "captures": list(captures),
        "annotations": list(annotations),
    }
    meta_of(path).write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("datatype", "kind", "values"),
    [
        ("ci16_le", "<i2", [-32768, 32767, 0, 16384]),
        ("cf32_le", "<f4", [-1.0, 2.5, 0.0, 0.5]),
        ("ci8", "i1", [-128, 127, 0, 64]),
        ("cu8", "u1", [0, 255, 128, 192]),
    ],
)
def test_datatypes_are_scaled_as_sigmf_python_scales_them(tmp_path, datatype, kind, values):
    foreign(tmp_path / "r", np.array(values, kind), datatype)
    ((samples, dropped),) = open_capture(tmp_path / "r").chunks()
    theirs = sigmf.sigmffile.fromfile(meta_of(tmp_path / "r")).read_samples()
    assert np.array_equal(samples[0].numpy(), theirs)
    assert samples[0, 1] == 0.5j
    assert dropped == 0


def test_the_header_of_others(tmp_path):
    path = foreign(tmp_path / "r", np.zeros(8, "i1"), "ci8", core__hw="RTL-SDR")
    found = open_capture(path).header
    assert (found.sample_rate_hz, found.center_frequency_hz, found.antennas) == (RATE_HZ, 0.0, 1)
    assert (found.hardware, found.author, found.description, found.extra) == ("RTL-SDR", None, "", {})


def test_a_device_that_counts_from_power_on_lost_nothing_before(tmp_path):
    captures = [
        {"core:sample_start": 0, "core:global_index": 10**12},
        {"core:sample_start": 3, "core:global_index": 10**12 + 5},
    ]
    path = foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", captures)
    assert open_capture(path).gaps == (Gap(3, 2),)


def test_segments_without_an_index_have_no_gap_between_them(tmp_path):
    captures = [{"core:sample_start": 0}, {"core:sample_start": 3}]
    assert open_capture(foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", captures)).gaps == ()


def test_positions_of_a_part_of_a_recording_count_from_its_own_start(tmp_path):
    captures = [
        {"core:sample_start": 100, "core:global_index": 100},
        {"core:sample_start": 104, "core:global_index": 114},
    ]
    annotations = [{"core:sample_start": 102, "core:sample_count": 3, "core:label": "x"}]
    path = foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", captures, annotations, core__offset=100)
    capture = open_capture(path)
    assert capture.gaps == (Gap(4, 10),)
    assert capture.annotations == (Annotation(2, 3, "x"),)
    assert capture.warnings == ()


def test_no_segment_at_all_is_one_segment(tmp_path):
    assert open_capture(foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", [])).samples == 8


@pytest.mark.parametrize("suffix", ["", ".sigmf-data", ".sigmf-meta"])
def test_any_of_its_names_will_do(tmp_path, suffix):
    record(tmp_path / "2.4 GHz")
    assert open_capture(f"{tmp_path / '2.4 GHz'}{suffix}").samples == 1000


def test_an_archive_of_sigmf_python_is_read_in_place(tmp_path):
    record(tmp_path / "r", gap_at=600, gap=50, antennas=2)
    sigmf.sigmffile.fromfile(meta_of(tmp_path / "r")).archive(tmp_path / "packed.sigmf")
    for name in ("packed", "packed.sigmf"):
        capture = open_capture(tmp_path / name)
        assert capture.warnings == ()
        assert capture.gaps == (Gap(600, 50),)
        assert assert_is_stream(capture) == 1050


def test_it_is_never_loaded_as_a_whole(tmp_path):
    foreign(tmp_path / "r", np.zeros(16 << 20, "i1"), "ci8")
    tracemalloc.start()
    total = sum(samples.shape[-1] for samples, _ in open_capture(tmp_path / "r").chunks(10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 8 << 20
    assert peak < 4 << 20


def test_chunks_can_be_read_again(tmp_path):
    record(tmp_path / "r")
    capture = open_capture(tmp_path / "r")
    assert assert_is_stream(capture, 300) == assert_is_stream(capture, 7) == 1000
    with pytest.raises(CaptureError, match=r"at least 1 \(got 0\)"):
        next(capture.chunks(0))


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        ({"core__datatype": "rf32_le"}, r"must be one of ci16_le, cf32_le, ci8, cu8 \(got 'rf32_le'\)"),
        ({"core__datatype": "ci16_be"}, r"must be one of ci16_le, cf32_le, ci8, cu8 \(got 'ci16_be'\)"),
        ({"core__datatype": "complex"}, r"must hold valid SigMF metadata \(got at global/core:datatype: "),
        ({"core__datatype": None}, "must hold valid SigMF metadata .*core:datatype"),
        ({"core__sample_rate": None}, "core:sample_rate must be there and positive"),
        ({"core__trailing_bytes": 4}, r"plain \.sigmf-data file \(got core:trailing_bytes\)"),
        ({"core__dataset": "r.wav"}, r"plain \.sigmf-data file \(got core:dataset\)"),
        ({"core__metadata_only": True}, r"plain \.sigmf-data file \(got core:metadata_only\)"),
        ({"core__num_channels": 0}, "must hold valid SigMF metadata"),
        ({"sdrjscc__full_scale": 2048}, r"full_scale of ci16_le must be 32768 \(got 2048\)"),
        (
            {"core__extensions": [OURS, {"name": "antenna", "version": "1.0.0", "optional": False}]},
            r"must understand must be 'sdrjscc' only \(got 'antenna'\)",
        ),
    ],
)
def test_metadata_that_asks_for_what_cannot_be_read(tmp_path, edit, sentence):
    record(tmp_path / "r")
    change(tmp_path / "r", "global", **edit)
    with pytest.raises(CaptureError, match=sentence) as refusal:
        open_capture(tmp_path / "r")
    assert refusal.value.exit_code == 2
    assert "\n" not in str(refusal.value)


def test_header_bytes_are_refused(tmp_path):
    record(tmp_path / "r")
    change(tmp_path / "r", "captures", core__header_bytes=16)
    with pytest.raises(CaptureError, match=r"plain \.sigmf-data file \(got core:header_bytes\)"):
        open_capture(tmp_path / "r")


def test_an_optional_extension_is_passed_over(tmp_path):
    record(tmp_path / "r")
    extensions = [{"name": name, "version": "1.0.0", "optional": True} for name in ("sdrjscc", "antenna")]
    change(tmp_path / "r", "global", core__extensions=extensions, antenna__gain=3)
    assert assert_is_stream(open_capture(tmp_path / "r")) == 1000


@pytest.mark.parametrize("text", ["", "{", "not json", '{"global": {}} x', "\x00\x01", "[" * 100_000])
def test_what_is_not_json(tmp_path, text):
    record(tmp_path / "r")
    meta_of(tmp_path / "r").write_text(text)
    with pytest.raises(CaptureError, match=r"r\.sigmf-meta must hold JSON \(got: "):
        open_capture(tmp_path / "r")


def test_bytes_that_are_no_text(tmp_path):
    record(tmp_path / "r")
    meta_of(tmp_path / "r").write_bytes(b'{"global": "\xff\xfe"}')
    with pytest.raises(CaptureError, match="must hold JSON"):
        open_capture(tmp_path / "r")


@pytest.mark.parametrize(
    "content", ["[]", "3", "{}", '{"global": 3}', '{"global": {}, "captures": 1, "annotations": []}']
)
def test_json_that_is_no_metadata(tmp_path, content):
    record(tmp_path / "r")
    meta_of(tmp_path / "r").write_text(content)
    with pytest.raises(CaptureError, match="must hold"):
        open_capture(tmp_path / "r")


@pytest.mark.parametrize("suffix", ["", ".sigmf-data", ".sigmf-meta"])
def test_a_file_that_is_missing_is_named(tmp_path, suffix):
    name = f"{tmp_path / 'r'}{suffix}"
    with pytest.raises(CaptureError, match=r"must exist \(got neither r\.sigmf-meta nor r\.sigmf-data\)"):
        open_capture(name)
    record(tmp_path / "r")
    kept = meta_of(tmp_path / "r").read_bytes()
    meta_of(tmp_path / "r").unlink()
    with pytest.raises(
        CaptureError, match=r"r\.sigmf-meta must be beside its samples \(got only r\.sigmf-data"
    ):
        open_capture(name)
    meta_of(tmp_path / "r").write_bytes(kept)
    data_of(tmp_path / "r").unlink()
    with pytest.raises(
        CaptureError, match=r"r\.sigmf-data must be beside its metadata \(got only r\.sigmf-meta"
    ):
        open_capture(name)


def test_a_folder_is_no_recording(tmp_path):
    meta_of(tmp_path / "r").mkdir()
    data_of(tmp_path / "r").mkdir()
    with pytest.raises(CaptureError, match=r"must be readable \(got: Is a directory\)"):
        open_capture(tmp_path / "r")


@pytest.mark.parametrize("name", ["r.sigmf.gz", "r.sigmf.xz", "r.sigmf.zip"])
def test_compressed_archives_are_refused(tmp_path, name):
    with pytest.raises(CaptureError, match=r"must be an uncompressed \.sigmf archive or be unpacked first"):
        open_capture(tmp_path / name)


def test_archives_that_are_none(tmp_path):
    (tmp_path / "r.sigmf").write_bytes(b"no tar")
    with pytest.raises(CaptureError, match="must be an uncompressed tar archive"):
        open_capture(tmp_path / "r")
    record(tmp_path / "x")
    with tarfile.open(tmp_path / "r.sigmf", "w") as tar:
        tar.add(meta_of(tmp_path / "x"), "x/x.sigmf-meta")
    with pytest.raises(CaptureError, match=r"must hold one \.sigmf-data file \(got 0\)"):
        open_capture(tmp_path / "r")


@pytest.mark.parametrize("cut", [4 * 250, 4 * 250 + 3])
def test_truncated_data_is_read_as_far_as_it_goes(tmp_path, cut, caplog):
    caplog.set_level(logging.WARNING)
    record(tmp_path / "r", gap_at=200, gap=50)
    with data_of(tmp_path / "r").open("r+b") as data:
        data.truncate(cut)
    capture = open_capture(tmp_path / "r")
    assert assert_is_stream(capture) == 300
    assert "must hold the 1000 samples that its metadata speaks of (got 250: cut off)" in caplog.text
    assert ("must end with a whole sample (got 3 bytes more" in caplog.text) == (cut % 4 == 3)
    assert len(capture.warnings) == 2 + (cut % 4 == 3)  # the hash as well


def test_annotations_beyond_the_data_are_left_out(tmp_path):
    annotations = [{"core:sample_start": start, "core:sample_count": 4} for start in (0, 6, 8)]
    capture = open_capture(foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", annotations=annotations))
    assert [(found.start, found.count) for found in capture.annotations] == [(0, 4), (6, 2)]
    assert "12 samples" in capture.warnings[0]


def test_changed_samples_are_a_warning_unless_nobody_asked(tmp_path, caplog):
    record(tmp_path / "r")
    raw = bytearray(data_of(tmp_path / "r").read_bytes())
    raw[100] ^= 1
    data_of(tmp_path / "r").write_bytes(raw)
    (warning,) = open_capture(tmp_path / "r").warnings
    assert "must have the SHA-512" in warning
    assert warning in caplog.text
    assert open_capture(tmp_path / "r", check_hash=False).warnings == ()


def test_samples_behind_the_last_metadata_are_read_with_a_warning(tmp_path):
    record(tmp_path / "r")
    change(tmp_path / "r", "global", sdrjscc__samples=900, core__sha512=None)
    capture = open_capture(tmp_path / "r")
    assert assert_is_stream(capture) == 1000
    assert "must speak of all 1000 samples (got 900" in capture.warnings[0]


def test_a_carrier_that_changes_is_a_warning(tmp_path):
    captures = [{"core:sample_start": start, "core:frequency": 1e9 + start} for start in (0, 3)]
    capture = open_capture(foreign(tmp_path / "r", np.zeros(16, "i1"), "ci8", captures))
    assert capture.header.center_frequency_hz == 1e9
    assert "carrier must not change" in capture.warnings[0]


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    record(tmp_path / "r", samples=100_000)
    chunks = open_capture(tmp_path / "r").chunks(10)
    next(chunks)
    with data_of(tmp_path / "r").open("r+b") as data:
        data.truncate(41)
    with pytest.raises(CaptureError, match="must stay as long as it was"):
        for _ in chunks:
            pass


def test_a_copy_under_another_name_is_the_same_recording(tmp_path):
    record(tmp_path / "r")
    for of in (meta_of, data_of):
        shutil.copy(of(tmp_path / "r"), of(tmp_path / "copy"))
    assert assert_is_stream(open_capture(tmp_path / "copy")) == 1000
    assert metadata(tmp_path / "copy")["global"]["core:num_channels"] == header().antennas
    assert torch.equal(next(open_capture(tmp_path / "copy").chunks())[0], stream(0, 1000))
