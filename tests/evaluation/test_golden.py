"""What a recording must decode to: the index, the comparison, and what is said of a difference."""

import json
import shutil

import pytest

from sdrjscc.bundled import bundled_folder
from sdrjscc.errors import CaptureError, ConfigError
from sdrjscc.evaluation import golden
from sdrjscc.evaluation.golden import (
    Around,
    Expected,
    Measured,
    differences,
    find_expected,
    measure,
    read_index,
    recorded_references,
)
from sdrjscc.images.samples import sample_path

COUNTS = {"pictures": 1, "decoded": 1, "packets": 2, "undecodable": 0, "foreign": 0}
MEANS = {"cfo_hz": 100.0, "sco_ppm": -1.0, "snr_db": 10.0, "psnr_db": 30.0}
EXPECTED = Expected(
    file="one",
    what="a test",
    pictures=1,
    decoded=1,
    packets=2,
    cfo_hz=Around(value=101.0, tolerance=2.0),
    snr_db=Around(value=9.9, tolerance=0.2),
    refusals=("unknown configuration",),
)
REFUSED = ("unknown configuration 0x1234",)

INDEX = """
[[capture]]
file = "one"
what = "a test"
pictures = 1
decoded = 1
packets = 2
cfo_hz = { value = 1.5, tolerance = 2 }
"""


@pytest.fixture
def capture(tmp_path):
    """A copy of one bundled recording in a folder of its own."""
    for file in bundled_folder("captures").glob("awgn-10db.*"):
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / "awgn-10db.sigmf-meta"


def test_what_is_as_expected_has_no_differences():
    assert differences(EXPECTED, Measured(COUNTS, MEANS, REFUSED)) == []


@pytest.mark.parametrize(
    ("counts", "means", "refusals", "says"),
    [
        ({"packets": 1}, {}, REFUSED, "packets must be 2 (got 1)"),
        ({"decoded": 0}, {}, REFUSED, "decoded must be 1 (got 0)"),
        ({"foreign": 3}, {}, REFUSED, "foreign must be 0 (got 3)"),
        ({}, {"cfo_hz": 104.0}, REFUSED, "cfo_hz must be 101 within 2 (got 104.000)"),
        ({}, {"snr_db": None}, REFUSED, "snr_db must be 9.9 within 0.2 (got none)"),
        ({}, {"snr_db": float("nan")}, REFUSED, "snr_db must be 9.9 within 0.2 (got nan)"),
        ({}, {}, (), "refusals must be ['unknown configuration'] (got [])"),
        ({}, {}, ("preamble seen",), "refusals must be ['unknown configuration'] (got ['preamble seen'])"),
        ({}, {}, (*REFUSED, "x"), f"refusals must be ['unknown configuration'] (got ['{REFUSED[0]}', 'x'])"),
    ],
)
def test_each_difference_is_one_sentence(counts, means, refusals, says):
    assert differences(EXPECTED, Measured(COUNTS | counts, MEANS | means, refusals)) == [says]


def test_all_differences_are_said():
    wrong = Measured(COUNTS | {"packets": 0, "decoded": 0}, dict.fromkeys(MEANS), ())
    assert len(differences(EXPECTED, wrong)) == 5


@pytest.mark.parametrize(("got", "differs"), [(1.0, False), (3.0, False), (3.01, True), (0.99, True)])
def test_a_measurement_may_lie_within_the_tolerance(got, differs):
    assert Around(value=2.0, tolerance=1.0).differs(got) == differs
    assert Around(value=2.0, tolerance=1.0).differs(None)
    assert Around(value=2.0, tolerance=1.0).differs(float("nan"))


def test_the_index_is_found_by_any_of_a_recordings_names(tmp_path):
    (tmp_path / "index.toml").write_text(INDEX)
    for name in ("one", "one.sigmf-meta", "one.sigmf-data", "one.sigmf"):
        found = find_expected(tmp_path / name)
        assert (found.packets, found.cfo_hz) == (2, Around(value=1.5, tolerance=2.0))
    with pytest.raises(
        CaptureError, match=r"index.toml must have an entry for every recording \(none for two"
    ):
        find_expected(tmp_path / "two.sigmf-meta")


def test_the_index_of_dotted_names(tmp_path):
    (tmp_path / "index.toml").write_text(INDEX.replace('"one"', '"2.4-GHz"'))
    assert find_expected(tmp_path / "2.4-GHz").file == find_expected(tmp_path / "2.4-GHz.sigmf-meta").file


@pytest.mark.parametrize(
    ("replace", "by", "says"),
    [
        ("packets = 2", "packets = -2", r"packets"),
        ("packets = 2", "", r"packets"),
        ("packets = 2", "packets = 2\ncolour = 3", r"colour is not a known key"),
        ("tolerance = 2 ", "tolerance = -1 ", r"tolerance"),
        ("[[capture]]", "[[capture", r"TOML"),
    ],
)
def test_an_index_that_is_not_valid_is_named(tmp_path, replace, by, says):
    (tmp_path / "index.toml").write_text(INDEX.replace(replace, by))
    with pytest.raises(ConfigError, match=says) as caught:
        read_index(tmp_path)
    assert "index.toml" in str(caught.value) or "capture" in str(caught.value)


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"index\.toml"):
        read_index(tmp_path)


def test_a_recording_is_measured_by_itself(capture):
    got = measure(capture)
    assert got.counts == COUNTS
    assert got.refusals == ()
    assert got.means["snr_db"] == pytest.approx(10.0, abs=0.5)
    assert got.means["psnr_db"] > 25.0


def test_a_preset_may_stand_for_the_recordings_own_link(capture):
    expected = EXPECTED.model_copy(update={"link": "loopback"})
    got = measure(capture, expected)
    assert (got.counts["packets"], got.counts["foreign"]) == (0, 2)
    (reason,) = got.refusals
    assert reason.startswith("unknown configuration 0x")
    assert set(got.means.values()) == {None}


def test_without_a_configuration_nothing_can_be_measured(capture):
    content = json.loads(capture.read_text())
    del content["global"]["sdrjscc:link"]
    capture.write_text(json.dumps(content))
    with pytest.raises(CaptureError, match=r"must hold a link's configuration \(it holds none\)"):
        measure(capture)


def test_photographs_that_are_not_installed_are_done_without(capture, monkeypatch):
    from sdrjscc.capture.sigmf import open_capture
    from sdrjscc.errors import ImageError
    from sdrjscc.link.replay import Replay, recorded_link

    def only_rocket(name):
        if name != "rocket":
            raise ImageError("no such file")
        return sample_path(name)

    monkeypatch.setattr(golden, "sample_path", only_rocket)
    opened = open_capture(capture)
    references = recorded_references(Replay(opened, recorded_link(opened), own=True))
    assert [path.name for path in references._by_hash.values()] == ["rocket.jpg"]
    assert measure(capture).means["psnr_db"] is None
