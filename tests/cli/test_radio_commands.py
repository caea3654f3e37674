"""``sdrjscc radio``: probe, calibrate and selftest as a user runs them, without a device."""

import json
import sys
from pathlib import Path

import pytest
import tomli_w

from sdrjscc.cli.radio import app
from sdrjscc.config import read_toml
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.evaluation.results import TRANSMISSION_KEYS
from sdrjscc.images.io import read_image
from sdrjscc.linkfile import load_link

sys.path.append(str(Path(__file__).parents[1] / "link"))  # the plug-in of tests/link
import bench_radio


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: app([str(one) for one in arguments], standalone_mode=False)


@pytest.fixture
def link(tmp_path):
    path = tmp_path / "link.toml"
    path.write_text(tomli_w.dumps(bench_radio.link_table()))
    return path


def test_probe_prints_settings_capabilities_and_what_it_heard(run, link, capsys):
    run("probe", "-c", link)
    words = " ".join(capsys.readouterr().out.split())
    assert "radio bench_radio:build at bench:1, bench radio" in words
    assert "sample_rate_hz 1 MHz" in words
    assert "can: rx_gain_db 0 dB to 60 dB" in words
    assert "temperature 31.5 degrees C" in words
    assert "heard 16384 samples, -39." in words
    assert "spectrum" in words


def test_probe_goes_to_the_given_address_only(run, monkeypatch):
    monkeypatch.setattr(bench_radio.SEEN, "opened", [])
    run("probe", "--name", "bench_radio:build", "--address", "bench:9", "--frequency-hz", "5e8")
    (opened,) = bench_radio.SEEN.opened
    assert (opened.uri, opened.end, opened.center_frequency_hz) == ("bench:9", "receive", 5e8)
    for arguments in (["--name", "pluto"], ["--profile", "pluto_ad9363"]):
        with pytest.raises(ConfigError, match=r"^--address must be given .*nothing is searched for"):
            run("probe", *arguments)
    with pytest.raises(ConfigError, match=r"^one of -c LINK, --profile and --name must be given \(got 0"):
        run("probe")


def test_probe_of_an_absent_device_is_its_drivers_sentence(run):
    with pytest.raises(RadioError, match=r"^bench radio at bench:absent must be there"):
        run("probe", "--name", "bench_radio:build", "--address", "bench:absent")


def test_calibrate_finds_the_gain_and_writes_a_profile(run, link, capsys, tmp_path):
    assert run("calibrate", "-c", link, "--gains", "40,6,20,26", "--pictures", "1") in (0, None)
    printed = " ".join(capsys.readouterr().out.split())
    assert "transmits at 1000 MHz, gain -10 dB, cap -5 dB; 4 test pictures at 4 receive gains" in printed
    results = json.loads((tmp_path / "sdrjscc-calibrate" / "results.json").read_text())
    rows = results["rx_gain_db_sweep"]
    assert [row["rx_gain_db"] for row in rows] == [6, 20, 26, 40]
    assert [row["saturated"] > 0 for row in rows] == [False, False, False, True]
    sent = results["transmissions"]
    assert [one["rx_gain_db"] for one in sent] == [6, 20, 26, 40]
    assert set(TRANSMISSION_KEYS) < set(sent[0])
    # by construction 20 dB costs 0.3 dB against 26
    assert results["summary"]["rx_gain_db"] == 20
    assert results["summary"]["clock"]["carrier_ppm"] == pytest.approx(bench_radio.CFO_PPM, abs=0.01)
    assert read_image(tmp_path / "sdrjscc-calibrate" / "rx_gain.png").width > 1000
    profile = tmp_path / "bench_radio-build.local.toml"
    assert (read_toml(profile)["rx_gain_db"], read_toml(profile)["clock_ppm"]) == (20, 20)
    table = bench_radio.link_table()
    table["radios"]["tx"] = {"profile": profile.name, "center_frequency_hz": 1e9}
    link.write_text(tomli_w.dumps(table))
    assert load_link(link).radios.tx["rx_gain_db"] == 20


def test_calibrate_then_sweeps_the_transmit_gain(run, link, tmp_path):
    options = ("--gains", "20", "--tx-gains=-20,-8,-7.6", "--pictures", "1", "--profile", "mine.toml")
    assert run("calibrate", "-c", link, *options) in (0, None)
    results = json.loads((tmp_path / "sdrjscc-calibrate" / "results.json").read_text())
    assert [row["tx_gain_db"] for row in results["tx_gain_db_sweep"]] == [-20, -8, -7.6]
    assert results["summary"]["tx_gain_db"] == -8
    assert read_toml(tmp_path / "mine.toml")["tx_gain_db"] == -8
    assert (tmp_path / "sdrjscc-calibrate" / "tx_gain.png").exists()


def test_nothing_is_sent_where_an_option_is_wrong(run, link, monkeypatch, tmp_path):
    monkeypatch.setattr(bench_radio.SEEN, "opened", [])
    for options, sentence in (
        (["--gains", "0,a"], r"^--gains must be numbers of dB with commas between them \(got '0,a'\)$"),
        (["--gains", "0,61"], r"rx_gain_db.*61"),
        (["--gains", "0", "--tx-gains", "0"], r"^a transmit gain must be at most tx_gain_max_db = -5"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run("calibrate", "-c", link, *options)
    (tmp_path / "there.toml").write_text("")
    with pytest.raises(ConfigError, match=r"^there.toml must not exist yet: give --force"):
        run("calibrate", "-c", link, "--profile", "there.toml")
    with pytest.raises(ConfigError, match=r"^radios.tx must be a radio with a receive gain"):
        run("calibrate", "-c", "loopback")
    assert bench_radio.SEEN.opened == []


def test_no_usable_gain_is_exit_code_4_and_leaves_no_profile(run, link, capsys, tmp_path):
    assert run("calibrate", "-c", link, "--gains", "50", "--pictures", "1") == 4
    assert "no sample be saturated" in capsys.readouterr().err
    assert list(tmp_path.glob("*.local.toml")) == []
    assert (tmp_path / "sdrjscc-calibrate" / "results.json").exists()


@pytest.mark.parametrize(
    ("fault", "code"), [(KeyboardInterrupt(), 130), (RadioError("the cable must stay in (got: pulled)"), 3)]
)
def test_what_was_measured_is_kept(run, link, monkeypatch, tmp_path, fault, code):
    receive = bench_radio.Bench.receive

    def failing(self):
        if self.config.rx_gain_db > 15:
            raise fault
        return receive(self)

    monkeypatch.setattr(bench_radio.Bench, "receive", failing)
    assert run("calibrate", "-c", link, "--gains", "10,20", "--pictures", "1") == code
    results = json.loads((tmp_path / "sdrjscc-calibrate" / "results.json").read_text())
    assert [row["rx_gain_db"] for row in results["rx_gain_db_sweep"]] == [10]
    assert list(tmp_path.glob("*.local.toml")) == []


def test_selftest_of_the_loopback_passes(run, capsys, tmp_path):
    assert run("selftest", "--pictures", "2") in (0, None)
    assert capsys.readouterr().out.rstrip().endswith("PASS")
    results = json.loads((tmp_path / "sdrjscc-selftest" / "results.json").read_text())
    assert (results["verdict"], len(results["transmissions"])) == ("PASS", 2)
    rows = {row["key"]: row for row in results["criteria"]}
    assert rows["snr_db"]["measured"] == pytest.approx(10.0, abs=0.5)


def test_selftest_of_a_radio_that_saturates_fails(run, link, capsys, tmp_path):
    table = bench_radio.link_table(rx_gain_db=40.0)
    link.write_text(tomli_w.dumps(table))
    assert run("selftest", "-c", link, "--pictures", "1", "--out", "there") == 4
    assert capsys.readouterr().out.rstrip().endswith("FAIL")
    results = json.loads((tmp_path / "there" / "results.json").read_text())
    failed = {row["key"] for row in results["criteria"] if row["ok"] is False}
    assert {"saturated", "snr_below_floor_db"} <= failed
    assert results["noise_dbfs"] < results["level_dbfs"]
