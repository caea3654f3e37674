"""What cannot be written is refused before anything is computed, by every command alike."""

import os
import sys
from pathlib import Path

import pytest

from sdrjscc.cli._out import check_out
from sdrjscc.cli.main import main
from sdrjscc.errors import ConfigError

COMMANDS = {
    "link": ["link", "absent.png"],
    "train": ["train", "dsc_jscc_alike", "--data", "absent"],
    "prune": ["prune", "ren2026_prune", "--data", "absent", "--gamma", "0.5", "--start", "absent"],
    "export": ["export", "absent", "--test", "absent", "--data", "words"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_it_alike(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And first: nothing else that these commands are given is there."""
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "below"
    assert main([*COMMANDS[command], "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"error: --out must be a folder that can be written (got {out})\n"


@pytest.mark.parametrize("name", ["file", "file/x", "dangling", "x" * 300, "new/" + "x" * 300])
def test_what_is_no_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="--out must be a folder"):
        check_out(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_kernels_folders_take_nothing_even_from_root() -> None:
    with pytest.raises(ConfigError, match="--out must be a folder"):
        check_out(Path("/proc/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="--out must be a folder"):
        check_out(tmp_path / "x")


def test_what_can_be_written_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (Path("a/b"), Path(), tmp_path / "c", Path("../x")):
        check_out(out)
    assert list(tmp_path.iterdir()) == []
