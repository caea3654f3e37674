"""replay as a user runs it: reports, comparison with the index, and recordings that cannot be read."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from command_line import fails, results

from sdrjscc.bundled import bundled_folder
from sdrjscc.cli.main import main
from sdrjscc.images.io import write_png
from sdrjscc.link.replay import Replay

OURS = {"name": "sdrjscc", "version": "1.0.0", "optional": True}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path):
    write_png(tmp_path / "pictures" / "0.png", torch.zeros(3, 8, 8, dtype=torch.uint8))
    return tmp_path / "pictures"


def bundled(name, folder):
    """A copy of a bundled recording in ``folder``."""
    for file in bundled_folder("captures").glob(f"{name}.sigmf-*"):
        shutil.copy(file, Path(folder).resolve() / file.name)
    return Path(folder).resolve() / f"{name}.sigmf-meta"


def changed(meta, section, **fields):
    content = json.loads(meta.read_text())
    (content["global"] if section == "global" else content[section][0]).update(
        {key.replace("__", ":"): value for key, value in fields.items()}
    )
    meta.write_text(json.dumps(content))


def test_replay_of_a_bundled_recording(tmp_path, capsys):
    meta = bundled("awgn-20db", tmp_path)
    assert main(["replay", str(meta), "--out", "out"]) == 0
    (row,) = results("out")
    assert row["image"] == "chelsea.png"
    assert row["psnr_db"] > 30.0
    assert main(["replay", str(meta), "--codec", "dsc_jscc/60-E2D2", "--weights", "untrained"]) == 0
    (other,) = results("sdrjscc-replay")
    assert other["psnr_db"] < row["psnr_db"]
    assert other["snr_db"] == pytest.approx(row["snr_db"], abs=1e-3)
    assert "chelsea.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda meta: meta.with_suffix(".sigmf-data").unlink(), "must be beside its metadata"),
        (lambda meta: meta.write_text("{"), "must hold JSON"),
        (lambda meta: changed(meta, "global", core__datatype="rf64_le"), "core:datatype must be one of"),
        (
            lambda meta: changed(
                meta,
                "global",
                core__extensions=[OURS, {"name": "other", "version": "1.0.0", "optional": False}],
            ),
            "extensions that a reader must understand",
        ),
        (lambda meta: changed(meta, "global", sdrjscc__link="[codec"), "must be one that this version knows"),
        (lambda meta: changed(meta, "global", sdrjscc__link=None), "must hold a link's configuration"),
        (lambda meta: meta.unlink(), "must be beside its samples"),
    ],
)
def test_a_recording_that_cannot_be_read_is_one_sentence(tmp_path, capsys, fault, says):
    meta = bundled("awgn-20db", tmp_path)
    fault(meta)
    assert says in fails(capsys, 2, "replay", meta)
    assert says in fails(capsys, 2, "replay", meta.with_suffix(""), "--out", "x")


def test_what_is_no_recording_is_named(tmp_path, capsys, pictures):
    assert "must exist" in fails(capsys, 2, "replay", "nowhere")
    assert "0.png" in fails(capsys, 2, "replay", pictures / "0.png")
    assert "a folder must hold recordings" in fails(capsys, 2, "replay", pictures)


def test_data_that_was_cut_off_is_received_as_far_as_it_goes(tmp_path, capsys):
    meta = bundled("awgn-20db", tmp_path)
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[: data.stat().st_size * 2 // 3 + 1])
    assert main(["replay", str(meta), "--out", "out"]) == 0
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    (row,) = results("out")
    assert row["decoded"] and row["psnr_db"] is not None


def test_a_recording_of_another_configuration_is_named(tmp_path, capsys):
    meta = bundled("awgn-20db", tmp_path)
    assert main(["replay", str(meta), "-c", "loopback"]) == 4
    printed = capsys.readouterr()
    assert "refused 2 x: unknown configuration 0x" in printed.out
    assert "at least one picture must be received" in printed.err


def test_check_says_what_differs(tmp_path, capsys):
    meta = bundled("awgn-20db", tmp_path)
    whole = (bundled_folder("captures") / "index.toml").read_text()
    (tmp_path / "index.toml").write_text(whole)
    missing = "noise: the index has it, but there is no such recording"
    assert main(["replay", str(tmp_path), "--check"]) == 4
    assert missing in capsys.readouterr().err
    (entry,) = [one for one in whole.split("[[capture]]") if 'file = "awgn-20db"' in one]
    index = f"[[capture]]{entry}"
    (tmp_path / "index.toml").write_text(index)
    assert main(["replay", str(tmp_path), "--check"]) == 0
    assert "1 recording, 0 differ" in capsys.readouterr().out
    packets = entry[entry.index("packets = ") :].split("\n")[0]
    (tmp_path / "index.toml").write_text(index.replace(entry, entry.replace(packets, "packets = 7", 1)))
    assert "awgn-20db: packets must be 7 (got 2)" in fails(capsys, 4, "replay", meta, "--check")
    (tmp_path / "index.toml").write_text("")
    assert "capture" in fails(capsys, 2, "replay", meta, "--check")
    (tmp_path / "index.toml").unlink()
    assert "index.toml" in fails(capsys, 2, "replay", meta, "--check")


def test_ctrl_c_in_a_replay_keeps_what_was_received(tmp_path, monkeypatch):
    pictures = Replay.pictures

    def interrupted(self):
        yield from pictures(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(Replay, "pictures", interrupted)
    meta = bundled("awgn-20db", tmp_path)
    assert main(["replay", str(meta), "--out", "out"]) == 130
    assert len(results("out")) == 1


def test_an_out_that_cannot_be_written_is_refused_at_once(tmp_path, pictures, capsys):
    sentence = fails(capsys, 2, "replay", bundled("awgn-20db", tmp_path), "--out", pictures / "0.png")
    assert "--out must be a folder that can be written" in sentence


def test_channels_go_into_a_new_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    meta = bundled("rayleigh", tmp_path)
    assert ".safetensors file" in fails(capsys, 2, "replay", meta, "--channels", "photo.png")
    assert main(["replay", str(meta), "--channels", "lab.safetensors"]) == 0
    assert "new file" in fails(capsys, 2, "replay", meta, "--channels", "lab.safetensors")
    assert main(["replay", str(meta), "--channels", "lab.safetensors", "--force"]) == 0
