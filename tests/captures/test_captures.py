"""The bundled recordings: each decodes to what its index says, and other tools can open it."""

import json

import pytest
import sigmf

from sdrjscc.bundled import bundled_folder
from sdrjscc.capture.sigmf import open_capture
from sdrjscc.evaluation.golden import differences, find_expected, measure, read_index
from sdrjscc.link.replay import recorded_link

FOLDER = bundled_folder("captures")
FILES = sorted(FOLDER.glob("*.sigmf-meta"))
NAMES = [file.name.removesuffix(".sigmf-meta") for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_recording_decodes_to_what_the_index_says(file):
    expected = find_expected(file)
    assert differences(expected, measure(file, expected)) == []


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_recording_is_valid_sigmf_of_sixteen_bits(file):
    handle = sigmf.sigmffile.fromfile(str(file))
    handle.validate()
    assert handle.get_global_field("core:datatype") == "ci16_le"
    assert open_capture(file).warnings == ()


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_recording_describes_itself(file):
    capture, expected = open_capture(file), find_expected(file)
    link = recorded_link(capture)
    assert link is not None
    assert link.channel["adc_bits"] == 12
    packets = [one for one in capture.annotations if one.extra["sdrjscc:crc"] == "valid"]
    assert len(packets) == expected.packets
    for one in packets:
        assert 0 <= one.start < one.start + one.count <= capture.samples
        assert 0 <= one.extra["sdrjscc:packet"] < one.extra["sdrjscc:packets"]
    sent = capture.header.extra["sdrjscc:transmissions"]
    assert len(sent) == max(expected.pictures, 1)
    assert all(len(line["sha256"]) == 64 for line in sent)


def test_every_recording_is_in_the_index_and_every_entry_has_a_recording():
    assert sorted(one.file for one in read_index(FOLDER)) == sorted(NAMES)
    assert all((FOLDER / f"{name}.sigmf-data").is_file() for name in NAMES)


def test_there_are_enough_and_they_are_small():
    assert len(FILES) >= 12
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 40 << 20


def test_nothing_in_them_tells_of_the_machine_that_made_them():
    for file in FILES:
        text = json.dumps(json.loads(file.read_text()))
        assert "/home/" not in text and "/tmp/" not in text
