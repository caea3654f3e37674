"""The command line as a user meets it: exit codes, one sentence per error, what is written."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sdrjscc.cli.main import main
from sdrjscc.images.io import read_image, write_png

LINK = """
[codec]
name = "dsc_jscc"
weights = "untrained"

[channel]
name = "chain"
snr_db = 15.0

[radios.tx]
name = "loopback"
"""


@pytest.fixture
def link_toml(tmp_path: Path) -> Path:
    path = tmp_path / "link.toml"
    path.write_text(LINK)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "gradient.png"
    ramp = torch.arange(64, dtype=torch.uint8).repeat(48, 1)
    write_png(path, torch.stack([ramp, ramp.flip(1), ramp]))
    return path


def test_help_answers_without_importing_torch() -> None:
    code = "import sys; from sdrjscc.cli.main import main; main(['--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
    assert "demo" in done.stdout


def test_link_writes_results_report_and_picture(link_toml: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    (row,) = results["transmissions"]
    assert results["schema"] == 1
    assert row["image"] == "gradient.png"
    assert (row["packets_received"], row["packets_sent"]) == (1, 1)
    assert row["k"] == 4 * (64 // 4) * (48 // 4)
    assert row["rho"] == pytest.approx(row["k"] / (3 * 64 * 48))
    assert row["snr_db"] > 14.0
    assert results["config"]["channel"]["snr_db"] == 15.0
    assert "<html" in (out / "report.html").read_text()
    received = list(out.glob("*/received.png"))
    assert read_image(received[0]).pixels.shape == (3, 48, 64)


def test_snr_option_overrides_the_channel(link_toml: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["link", str(picture), "-c", str(link_toml), "--out", str(out), "--snr-db", "30"]
    assert main(arguments) == 0
    assert json.loads((out / "results.json").read_text())["transmissions"][0]["snr_db"] > 25.0


def test_long_and_odd_names_leave_the_table_readable(
    link_toml: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / ("[bold]x\n" + "y" * 150 + ".png")
    odd.write_bytes(picture.read_bytes())
    assert main(["link", str(odd), "-c", str(link_toml), "--out", str(tmp_path / "out")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "[bold]x?" in line]
    assert "1/1" in line


def _bad_inputs(folder: Path) -> dict[str, Path]:
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    ramp = torch.zeros(3, 40, 40, dtype=torch.uint8)
    write_png(folder / "whole.png", ramp)
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:60])
    return {name: folder / f"{name}.png" for name in ("missing", "empty", "text", "cut")} | {"folder": folder}


@pytest.mark.parametrize("name", ["missing", "empty", "text", "cut", "folder"])
def test_unreadable_picture_is_one_sentence(
    name: str, link_toml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = _bad_inputs(tmp_path)[name], tmp_path / "out"
    assert main(["link", str(path), "-c", str(link_toml), "--out", str(out)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("error:") == 1
    assert "Traceback" not in printed
    assert not out.exists()


def test_a_bad_picture_does_not_stop_the_others(
    link_toml: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    missing = tmp_path / "missing.png"
    assert main(["link", str(missing), str(picture), "-c", str(link_toml), "--out", str(out)]) == 2
    assert len(json.loads((out / "results.json").read_text())["transmissions"]) == 1
    assert "missing.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replace", "by", "says"),
    [
        ('name = "dsc_jscc"', 'name = "dsc_jscc"\ncolour = 3', "codec.colour is not a known key"),
        ("snr_db = 15.0", 'snr_db = "15 dB"', "channel.snr_db"),
        ('weights = "untrained"', 'variant = "61"', "codec.variant"),
        ('name = "loopback"', 'name = "loopback"\nsample_rate_hz = -1', "radios.tx.sample_rate_hz"),
        ('name = "chain"', 'name = "chian"', "chian"),
        ('weights = "untrained"', 'weights = "nowhere.safetensors"', "nowhere.safetensors"),
        ("[channel]", "[channel", "TOML"),
        ('name = "dsc_jscc"', 'name = "os:system"', "must build"),
        ("snr_db = 15.0", "snr_db = 15.0\nlead_samples = 1000000000", "channel.lead_samples"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    replace: str, by: str, says: str, link_toml: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link_toml.write_text(LINK.replace(replace, by, 1))
    assert main(["link", str(picture), "-c", str(link_toml)]) == 2
    printed = capsys.readouterr().err
    assert says in printed
    assert "Traceback" not in printed


def test_unknown_preset_names_the_presets(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", str(picture), "-c", "loopbak"]) == 2
    assert "loopback-hard" in capsys.readouterr().err


def test_list_codecs_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "codecs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    keys = {"codec", "variant", "options", "parameters", "symbols_256"}
    keys |= {"macs", "macs_by_mode", "macs_output_counted", "rho"}
    keys |= {"published_parameters", "published_macs", "published_side_px"}
    assert all(set(row) == keys for row in rows)
    assert all(row["macs"] == max(row["macs_by_mode"]) for row in rows)
    assert next(row for row in rows if row["variant"] == "60-E2D2")["parameters"] == 25_363
    paper = {"size": "paper"}
    wide = next(row for row in rows if row["variant"] == "ujscc" and row["options"] == paper)
    assert wide["parameters"] == 1_804_934
    assert len(wide["macs_by_mode"]) == 5


def test_list_codecs_shows_ours_beside_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "codecs"]) == 0
    table = capsys.readouterr().out
    rows = [line.split() for line in table.splitlines()]
    (base,) = [row for row in rows if row[:2] == ["ren2026", "base"]]
    assert " ".join(base[2:]) == "6.25 M 6.25 M 1.79 G 2.19 G 20.24 G 512 131,072 0.6667"
    assert "size paper" in table
    for word in ("parameters:", "MACs:", "256 x 256 px", "k:", "rho ="):
        assert word in table


@pytest.mark.parametrize(
    "what", ["mappings", "channels", "radios", "waveforms", "presets", "weights", "recipes", "campaigns"]
)
def test_list_everything_else(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_list_weights_has_a_head_for_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """Cards of codecs for high SNRs have one more SNR than the first row's."""
    assert main(["list", "weights"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (head,) = [" ".join(line) for line in lines if line[:2] == ["name", "parameters"]]
    assert head.endswith("13 dB 19 dB 25 dB")
    (row,) = [line for line in lines if line[:1] == ["ujscc_ujscc"]]
    assert len(row) == 3 + head.count(" dB")


def test_usage_errors_exit_with_2() -> None:
    assert main(["link"]) == 2
    assert main(["nonsense"]) == 2


RECIPE = """
[codec]
name = "dsc_jscc"
weights = "untrained"
[data]
validation_share = 0.4
[run]
seed = 3
checkpoint_every = 5
log_every = 1
validation_snr_db = [10.0]
[[run.phases]]
steps = 100000
crop = 16
batch = 2
"""


def test_ctrl_c_saves_a_checkpoint_and_resume_goes_on(tmp_path: Path) -> None:
    import signal

    data, out = tmp_path / "data", tmp_path / "run"
    for index in range(8):
        write_png(data / f"{index}.png", torch.full((3, 48, 48), 30 * index, dtype=torch.uint8))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    command = [sys.executable, "-m", "sdrjscc", "train", str(recipe), "--data", str(data), "--out", str(out)]
    command += ["--threads", "1", "--accelerator", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        _wait_for(out / "checkpoint.pt")
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "--resume" in printed
    step = torch.load(out / "checkpoint.pt", weights_only=True)["step"]
    assert step >= 5
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr


def _wait_for(path: Path, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.1)


def test_out_that_is_a_file_is_refused_before_anything_is_sent(
    link_toml: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(picture)]) == 2
    assert "--out must be a folder" in capsys.readouterr().err


def test_markup_in_names_is_text(link_toml: Path, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "[red]x[" / "nope]"
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(out)]) == 0
    assert (out / "report.html").exists()


def test_the_same_run_gives_the_same_numbers(link_toml: Path, picture: Path, tmp_path: Path) -> None:
    rows = []
    for name in ("one", "two"):
        assert main(["link", str(picture), "-c", str(link_toml), "--out", str(tmp_path / name)]) == 0
        rows.append(json.loads((tmp_path / name / "results.json").read_text())["transmissions"][0])
    timed = {"encode_ms", "decode_ms", "receive_ms"}
    one, two = ({key: value for key, value in row.items() if key not in timed} for row in rows)
    assert one == two
    assert rows[0]["copies"] > 20
    assert rows[0]["snr_db"] == pytest.approx(15.0, abs=0.4)


def test_weights_beside_the_toml_are_found(
    link_toml: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdrjscc.codecs._weights import save_weights
    from sdrjscc.codecs.base import load_codec

    codec = load_codec("dsc_jscc", weights="untrained")
    architecture = {"variant": "60-E2D2", "latent_channels": 8, "output": "linear"}
    save_weights(codec, tmp_path / "mine.safetensors", "dsc_jscc", architecture)
    link_toml.write_text(LINK.replace('"untrained"', '"mine.safetensors"'))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("option", [["--threads", "0"], ["--devices", "0"], ["--precision", "7"]])
def test_training_options_that_cannot_be(option: list[str], tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    arguments = [
        "train",
        str(tmp_path / "recipe.toml"),
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*arguments, *option]) == 2


def test_nothing_received_has_an_exit_code_of_its_own(
    link_toml: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ["link", str(picture), str(picture), "-c", str(link_toml), "--out", str(tmp_path / "out")]
    assert main([*sent, "--snr-db", "-40"]) == 4
    assert capsys.readouterr().err == "error: at least one picture must be received (got none of 2)\n"
    assert (tmp_path / "out" / "report.html").exists()


def test_untrained_weights_are_said_to_be_so(
    link_toml: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.count("the weights are untrained") == 1
    assert (tmp_path / "out" / "report.html").read_text().count(", untrained weights") == 2
    link_toml.write_text(LINK.replace('weights = "untrained"', ""))
    assert main(["link", str(picture), "-c", str(link_toml), "--out", str(tmp_path / "two")]) == 0
    assert "weights are untrained" not in capsys.readouterr().out
    assert "untrained weights" not in (tmp_path / "two" / "report.html").read_text()


def test_missing_weights_are_advised_on_where_the_codec_was_named(
    link_toml: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", str(picture), "--codec", "ren2026/table1"]) == 2  # a variant never to be trained
    assert capsys.readouterr().err.endswith("; give --weights FILE, or --weights untrained\n")
    named = LINK.replace('"dsc_jscc"', '"ren2026"').replace('weights = "untrained"', 'variant = "table1"')
    link_toml.write_text(named)
    assert main(["link", str(picture), "-c", str(link_toml)]) == 2
    assert capsys.readouterr().err.endswith("; give weights = a file, or 'untrained'\n")


def test_list_recipes_wraps_its_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    (line,) = [line for line in lines if line.startswith(" ren2026_prune ")]
    assert line.split(maxsplit=3) == [
        "ren2026_prune",
        "ren2026/base",
        "300",
        line.partition("300 ")[2],
    ]
    assert line.rstrip().endswith("Fine-tuning in each of the four rounds of pruning")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"sdrjscc \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
