"""What is recorded is what can be read, here and by sigmf-python."""

import hashlib
import threading
import time

import numpy as np
import pytest
import sigmf
import torch
from capture_example import (
    CARRIER_HZ,
    RATE_HZ,
    assert_is_stream,
    data_of,
    header,
    meta_of,
    metadata,
    record,
    stream,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.capture.sigmf import Annotation, Gap, Recorder, open_capture
from sdrjscc.errors import CaptureError, SignalError

CHUNKS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 50)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    chunks=CHUNKS,
    antennas=st.integers(1, 4),
    datatype=st.sampled_from(["ci16_le", "cf32_le"]),
    size=st.integers(1, 400),
)
def test_what_went_in_comes_out_with_its_gaps(tmp_path_factory, chunks, antennas, datatype, size):
    path = tmp_path_factory.mktemp("recording") / "one"
    position, pending, gaps, held = 0, 0, [], 0
    with Recorder(path, header(antennas=antennas, datatype=datatype)) as recorder:
        for count, dropped in chunks:
            position += dropped
            pending += dropped
            recorder.write(stream(position, count, antennas), dropped)
            if count and pending:
                gaps.append(Gap(held, pending))
            pending = 0 if count else pending
            position += count
            held += count
    capture = open_capture(path)
    assert capture.samples == recorder.written == held
    assert capture.gaps == tuple(gaps)
    assert capture.counts == {"clipped": 0, "lost": 0, "dropped": sum(dropped for _, dropped in chunks)}
    assert capture.warnings == ()
    assert assert_is_stream(capture, size) == position - pending
    assert all(samples.shape[-1] <= size for samples, _ in capture.chunks(size))


@pytest.mark.parametrize("antennas", [1, 2])
@pytest.mark.parametrize("datatype", ["ci16_le", "cf32_le"])
def test_sigmf_python_validates_it_and_reads_the_same_samples(tmp_path, antennas, datatype):
    record(tmp_path / "r", gap_at=600, gap=50, antennas=antennas, datatype=datatype)
    theirs = sigmf.sigmffile.fromfile(tmp_path / "r.sigmf-meta")  # compares the hash
    theirs.validate()
    samples = theirs.read_samples().reshape(1000, antennas).T
    assert np.array_equal(samples[:, :600], stream(0, 600, antennas).numpy())
    assert np.array_equal(samples[:, 600:], stream(650, 400, antennas).numpy())
    assert [entry["core:global_index"] for entry in theirs.get_captures()] == [0, 650]


def test_the_bytes_are_what_sigmf_says(tmp_path):
    """Two antennas, two samples, by hand: antennas interleaved, I before Q, little endian, 1.0 = 32768."""
    samples = torch.tensor([[0.5 + 0.25j, -1.0 + 0j], [2**-11 + 0j, 0 - 2**-15 * 1j]])
    with Recorder(tmp_path / "r", header(antennas=2)) as recorder:
        recorder.write(samples)
    codes = "0040 0020" + "1000 0000" + "0080 0000" + "0000 ffff"
    assert data_of(tmp_path / "r").read_bytes() == bytes.fromhex(codes)
    assert metadata(tmp_path / "r")["global"]["sdrjscc:full_scale"] == 32768


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_the_codes_of_a_converter_survive_exactly(tmp_path, bits):
    half = 2 ** (bits - 1)
    codes = torch.arange(-half, half) / half
    samples = torch.complex(codes, codes.flip(0)).unsqueeze(0)
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(samples)
    assert recorder.clipped == 0
    assert torch.equal(next(open_capture(tmp_path / "r").chunks())[0], samples)


def test_what_exceeds_full_scale_is_clipped_and_counted(tmp_path):
    values = [1.0, 0.5, 3 + 3j, -1.0, -1.5j, complex("nan"), complex(0, float("inf")), 0.25]
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(torch.tensor(values, dtype=torch.complex64).unsqueeze(0))
    top = 32767 / 32768
    kept = [top, 0.5, top + top * 1j, -1.0, -1j, 0, top * 1j, 0.25]
    assert torch.equal(next(open_capture(tmp_path / "r").chunks())[0][0], torch.tensor(kept))
    assert recorder.clipped == open_capture(tmp_path / "r").counts["clipped"] == 5


def test_floats_are_kept_as_they_are(tmp_path):
    samples = torch.tensor([[3.5 - 70j, 1e-20 + 0j]])
    with Recorder(tmp_path / "r", header(datatype="cf32_le")) as recorder:
        recorder.write(samples)
    assert recorder.clipped == 0
    assert torch.equal(next(open_capture(tmp_path / "r").chunks())[0], samples)


def test_the_header_comes_back(tmp_path):
    extra = {
        "sdrjscc:link": "[codec]\nname = 'x'\n",
        "sdrjscc:settings": {"rx_gain_db": 40.0, "gain_mode": "manual"},
        "sdrjscc:taps": [1, 2],
    }
    said = header(
        antennas=2, hardware="ADALM-PLUTO", author="A. Uthor", description="übertragen", extra=extra
    )
    with Recorder(tmp_path / "r", said) as recorder:
        recorder.write(stream(0, 10, 2))
    assert open_capture(tmp_path / "r").header == said


def test_extra_fields_of_any_kind_become_json(tmp_path):
    extra = {"sdrjscc:snr_db": float("inf"), "sdrjscc:gain": np.float32(2.5), "sdrjscc:bins": torch.arange(3)}
    with Recorder(tmp_path / "r", header(extra=extra)) as recorder:
        recorder.write(stream(0, 10))
        recorder.note({"sdrjscc:gain": 3, "sdrjscc:temperature_c": 41.5})
    found = open_capture(tmp_path / "r").header.extra
    assert found == {
        "sdrjscc:snr_db": None,
        "sdrjscc:gain": 3,
        "sdrjscc:bins": [0, 1, 2],
        "sdrjscc:temperature_c": 41.5,
    }


def test_annotations_are_sorted_and_come_back(tmp_path):
    late = Annotation(500, 100, "frame 2", "CRC failed", {"sdrjscc:cfo_hz": -123.5})
    early = Annotation(0, 500, "frame 1")
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 600))
        recorder.annotate(late)
        recorder.annotate(early)
    assert open_capture(tmp_path / "r").annotations == (early, late)


def test_an_annotation_ends_where_the_samples_end(tmp_path):
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 100))
        recorder.annotate(Annotation(90, 50, "cut"))
        with pytest.raises(CaptureError, match=r"start and count must be at least 0 \(got -1 and 5\)"):
            recorder.annotate(Annotation(-1, 5, "no"))
    assert open_capture(tmp_path / "r").annotations == (Annotation(90, 10, "cut"),)


def test_stream_positions_become_file_positions(tmp_path):
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(10, 100), dropped=10)  # stream 10..109
        recorder.write(stream(130, 50), dropped=20)  # stream 130..179
        asked = [0, 9, 10, 11, 109, 110, 129, 130, 131, 179, 180, 9999]
        found = [recorder.position_in_file(position) for position in asked]
    assert found == [0, 0, 0, 1, 99, 100, 100, 100, 101, 149, 150, 150]


def test_the_hash_is_that_of_the_data(tmp_path):
    record(tmp_path / "r")
    expected = hashlib.sha512(data_of(tmp_path / "r").read_bytes()).hexdigest()
    assert metadata(tmp_path / "r")["global"]["core:sha512"] == expected


def test_the_recorder_keeps_a_copy(tmp_path):
    samples = stream(0, 1000).clone()
    with Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(samples)
        samples.zero_()
    assert assert_is_stream(open_capture(tmp_path / "r")) == 1000


def test_it_is_valid_and_readable_at_every_moment(tmp_path):
    """Looked at by sigmf-python and by us over and over while it is written."""
    path, looks, wrong, ended = tmp_path / "r", [], [], threading.Event()

    def look():
        while not ended.is_set():
            if meta_of(path).exists():
                try:
                    theirs = sigmf.sigmffile.fromfile(meta_of(path), skip_checksum=True)
                    theirs.validate()
                    ours = open_capture(path)
                    assert_is_stream(ours)
                    looks.append((theirs.sample_count, ours.samples))
                except Exception as error:
                    wrong.append(error)

    observer = threading.Thread(target=look)
    observer.start()
    position = 0
    with Recorder(path, header(), flush_interval_s=0.001) as recorder:
        while len(looks) < 30 and not wrong and position < 10**6:
            recorder.write(stream(position, 500))
            recorder.annotate(Annotation(recorder.position_in_file(position), 500, "frame"))
            position += 500
            time.sleep(0.002)
    ended.set()
    observer.join()
    assert wrong == []
    assert looks[-1] > looks[0]
    assert open_capture(path).samples == position


def test_before_the_first_samples_there_is_no_metadata(tmp_path):
    """sigmf-python cannot open a recording of no samples."""
    with Recorder(tmp_path / "r", header(), flush_interval_s=0.001):
        time.sleep(0.02)
        assert not meta_of(tmp_path / "r").exists()
    assert open_capture(tmp_path / "r").samples == 0
    assert list(open_capture(tmp_path / "r").chunks()) == []


@pytest.mark.parametrize("suffix", ["", ".sigmf-data", ".sigmf-meta"])
def test_any_of_its_names_will_do_and_folders_are_made(tmp_path, suffix):
    record(tmp_path / "new" / f"at 2.4 GHz{suffix}")
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        "at 2.4 GHz.sigmf-data",
        "at 2.4 GHz.sigmf-meta",
    }


def test_a_recording_is_only_overwritten_on_purpose(tmp_path):
    record(tmp_path / "r")
    before = data_of(tmp_path / "r").read_bytes(), meta_of(tmp_path / "r").read_bytes()
    with pytest.raises(CaptureError, match=r"r\.sigmf-data must not exist, or be overwritten on purpose"):
        Recorder(tmp_path / "r", header())
    assert before == (data_of(tmp_path / "r").read_bytes(), meta_of(tmp_path / "r").read_bytes())
    with Recorder(tmp_path / "r", header(), force=True) as recorder:
        recorder.write(stream(0, 10))
    assert open_capture(tmp_path / "r").samples == 10


def test_two_recorders_do_not_share_a_file(tmp_path):
    with Recorder(tmp_path / "r", header()) as recorder:
        with pytest.raises(CaptureError, match="must not be in use"):
            Recorder(tmp_path / "r", header(), force=True)
        recorder.write(stream(0, 10))
    assert assert_is_stream(open_capture(tmp_path / "r")) == 10


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"datatype": "cu8"}, r"datatype must be ci16_le or cf32_le \(got 'cu8'\)"),
        ({"sample_rate_hz": 0.0}, r"sample_rate_hz must be positive \(got 0.0\)"),
        ({"antennas": 0}, r"antennas must be at least 1 \(got 0\)"),
        ({"extra": {"core:hw": "x"}}, r"extra fields must begin with 'sdrjscc:' \(got 'core:hw'\)"),
        ({"sample_rate_hz": 1e13}, "must hold valid SigMF metadata .*sample_rate"),
    ],
)
def test_a_header_that_cannot_be_written_leaves_no_file(tmp_path, wrong, sentence):
    with pytest.raises(CaptureError, match=sentence):
        Recorder(tmp_path / "r", header(**wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("samples", [torch.zeros(1, 5), stream(0, 5)[0], stream(0, 5, 2)])
def test_other_shapes_are_refused(tmp_path, samples):
    with (
        Recorder(tmp_path / "r", header()) as recorder,
        pytest.raises(SignalError, match=r"complex \[1, n\]"),
    ):
        recorder.write(samples)


def test_after_closing_nothing_more_is_taken(tmp_path):
    recorder = record(tmp_path / "r")
    recorder.close()
    with pytest.raises(CaptureError, match=r"must be open to record \(it is closed\)"):
        recorder.write(stream(0, 5))


def test_an_interruption_leaves_a_whole_recording(tmp_path):
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path / "r", header()) as recorder:
        recorder.write(stream(0, 500))
        raise KeyboardInterrupt
    capture = open_capture(tmp_path / "r")
    assert (capture.samples, capture.warnings) == (500, ())
    assert "core:sha512" in metadata(tmp_path / "r")["global"]


def test_rates_and_carriers_are_sigmfs_own_fields(tmp_path):
    record(tmp_path / "r", gap_at=10, gap=int(RATE_HZ))
    content = metadata(tmp_path / "r")
    assert content["global"]["core:sample_rate"] == RATE_HZ
    assert [entry["core:frequency"] for entry in content["captures"]] == [CARRIER_HZ] * 2
    first, second = (np.datetime64(entry["core:datetime"][:-1]) for entry in content["captures"])
    assert second - first == np.timedelta64(1_000_010, "us")
