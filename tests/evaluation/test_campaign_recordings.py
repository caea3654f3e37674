"""Campaigns over recordings: what is measured against what, and which decoders are refused."""

import shutil

import pytest

from sdrjscc.bundled import bundled_folder
from sdrjscc.errors import CaptureError, ConfigError, TrainingError
from sdrjscc.evaluation.campaign import parse_campaign
from sdrjscc.evaluation.golden import find_expected
from sdrjscc.evaluation.report_campaign import write_campaign_report
from sdrjscc.evaluation.running import CampaignRun

CAPTURES = bundled_folder("captures")


def campaign(*recordings, codec=("recorded",), **sections):
    names = [str(CAPTURES / name) for name in recordings]
    level = {"kind": "replay", "recordings": names}
    return parse_campaign(
        {"campaign": {"name": "trial"}, "grid": {"codec": list(codec)}, "level": level} | sections
    )


def computed(run):
    for _ in run.compute():
        pass
    return run.rows()


def test_rows_name_the_recording_and_agree_with_its_index(tmp_path):
    rows = computed(CampaignRun(campaign("awgn-10db", "back-to-back"), None, tmp_path))
    assert [row["recording"] for row in rows] == ["awgn-10db", "back-to-back", "back-to-back"]
    one = rows[0]
    expected = find_expected(CAPTURES / "awgn-10db.sigmf-meta")
    assert one["psnr_db"] == pytest.approx(expected.psnr_db.value, abs=expected.psnr_db.tolerance)
    assert one["snr_db_measured"] == pytest.approx(expected.snr_db.value, abs=expected.snr_db.tolerance)
    assert (one["level"], one["snr_db"], one["image"]) == ("replay", None, "chelsea.png")
    assert one["rho_on_air"] > one["rho"] == pytest.approx(1 / 12)


def test_what_was_sent_and_not_heard_is_lost(tmp_path):
    (row,) = computed(CampaignRun(campaign("noise"), None, tmp_path))
    assert (row["undecodable"], row["reason"]) == (True, "no packet arrived")
    assert 10 < row["psnr_db"] < 25


def test_another_decoder_is_measured_on_the_same_air_and_reported(tmp_path):
    codecs = ["recorded", {"name": "dsc_jscc", "weights": "dsc_jscc_60-E2D2-alike", "label": "another"}]
    chosen = campaign("awgn-10db", "awgn-20db", "noise", codec=codecs)
    run = CampaignRun(chosen, None, tmp_path)
    rows = computed(run)
    ours, theirs = ([row for row in rows if row["codec"] == codec] for codec in ("recorded", "another"))
    assert [row["snr_db_measured"] for row in ours] == [row["snr_db_measured"] for row in theirs]
    assert ours[0]["psnr_db"] != theirs[0]["psnr_db"]
    page = write_campaign_report(
        chosen, rows, tmp_path, command="c", toml="t", extra=run.further_figures()
    ).read_text(encoding="utf-8")
    assert "<td>awgn-20db</td>" in page
    assert (tmp_path / "figures" / "01-psnr_db.png").is_file()


def test_a_decoder_that_takes_other_symbols_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"separation.* must take the symbols that are in recording awgn-10db"
    ):
        CampaignRun(campaign("awgn-10db", codec=["separation"]), None, tmp_path)
    narrow = [{"name": "softcast", "rho": 0.05}]
    with pytest.raises(ConfigError, match=r"a picture of 192x128 px has 6144 of latent there .* 3686 of"):
        CampaignRun(campaign("awgn-10db", codec=narrow), None, tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid": {"codec": ["recorded"], "snr_db": [1.0]}}, "grid.snr_db must be left out over recordings"),
        ({"grid": {"codec": ["recorded"], "mode": [1]}}, "grid.mode must be left out over recordings"),
        ({"images": {"crop_px": 64}}, "must be left out over recordings"),
        ({"level": {"kind": "replay"}}, "recordings must be given with kind = 'replay'"),
    ],
)
def test_what_a_recording_decides_is_not_set(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        campaign("awgn-10db", **change)


def test_recordings_that_are_not_there_are_said(tmp_path):
    with pytest.raises(CaptureError, match=r"level\.recordings must be recordings .* \(got '.*awgn-11db'\)"):
        CampaignRun(campaign("awgn-11db"), None, tmp_path)
    with pytest.raises(CaptureError, match="a folder must hold recordings"):
        level = {"kind": "replay", "recordings": [str(tmp_path)]}
        CampaignRun(campaign(level=level), None, tmp_path)
    with pytest.raises(CaptureError, match="must be of different names"):
        CampaignRun(campaign("noise", "noise"), None, tmp_path)
    with pytest.raises(TrainingError, match="data folder must hold pictures"):
        CampaignRun(campaign("noise"), tmp_path, tmp_path / "out")


def test_recordings_are_found_beside_the_campaign_and_their_samples_are_in_the_digest(tmp_path):
    for suffix in (".sigmf-meta", ".sigmf-data"):
        shutil.copy(CAPTURES / f"awgn-10db{suffix}", tmp_path / f"mine{suffix}")
    table = {
        "campaign": {"name": "trial"},
        "grid": {"codec": ["recorded"]},
        "level": {"kind": "replay", "recordings": ["mine.sigmf-meta"]},
    }
    chosen = parse_campaign(table, tmp_path)
    assert chosen.level.recordings == (str(tmp_path / "mine.sigmf-meta"),)
    (row,) = computed(CampaignRun(chosen, None, tmp_path / "out"))
    assert row["recording"] == "mine"
    assert not CampaignRun(chosen, None, tmp_path / "out").missing()
