"""``sdrjscc grc``: what it opens, runs, installs, and what it says where it cannot."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import fails

pytest.importorskip("gnuradio.gr")
pytest.importorskip("gnuradio.grc.core.platform")

from gnuradio.grc.core import Constants
from gnuradio.grc.core.Config import Config

from sdrjscc.bundled import bundled_files
from sdrjscc.cli.grc import app
from sdrjscc.cli.main import main
from sdrjscc.grblocks import companion, installing

FLOWGRAPH = """\
options:
  parameters:
    id: little
    title: little
    description: one number
    generate_options: {windows}
    run_options: run
    run: 'True'
    output_language: python
    catch_exceptions: 'True'
  states: {{state: enabled, coordinate: [8, 8], rotation: 0}}
blocks:
- name: number
  id: parameter
  parameters: {{label: number, type: intx, value: '7', short_id: ''}}
  states: {{state: enabled, coordinate: [8, 108], rotation: 0}}
- name: note
  id: snippet
  parameters: {{section: main_after_start, priority: '0', code: '{code}'}}
  states: {{state: enabled, coordinate: [8, 208], rotation: 0}}
- name: items
  id: variable
  parameters: {{value: '{items}'}}
  states: {{state: enabled, coordinate: [8, 308], rotation: 0}}
- name: zeros
  id: blocks_null_source
  parameters: {{type: complex}}
  states: {{state: enabled, coordinate: [208, 308], rotation: 0}}
- name: head
  id: blocks_head
  parameters: {{type: complex, num_items: items}}
  states: {{state: enabled, coordinate: [408, 308], rotation: 0}}
- name: end
  id: blocks_null_sink
  parameters: {{type: complex}}
  states: {{state: enabled, coordinate: [608, 308], rotation: 0}}
connections:
- [zeros, '0', head, '0']
- [head, '0', end, '0']
metadata: {{file_format: 1}}
"""
ENDLESS = "10**15"
NOTE = 'open("note", "w").write(str(self.number))'


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Of a process; the tests share a home for Companion's cache, which takes seconds to fill."""
    return {**os.environ, "HOME": str(tmp_path_factory.mktemp("shared")), "GRC_BLOCKS_PATH": ""}


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path, monkeypatch, environment):
    """No test reads or changes the user's Companion."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("GRC_BLOCKS_PATH", "")
    monkeypatch.setattr(Config, "hier_block_lib_dir", str(home / ".grc_gnuradio"))
    cache = Path(environment["HOME"]) / ".cache" / "grc_gnuradio" / Path(Constants.CACHE_FILE).name
    monkeypatch.setattr(Constants, "CACHE_FILE", str(cache))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def started(monkeypatch):
    """What Companion would be started with."""
    calls = []
    monkeypatch.setattr(companion, "require_windows", lambda: None)
    monkeypatch.setattr(os, "execve", lambda *call: calls.append((*call, Path.cwd())))
    return calls


def flowgraph(path, code="pass", items="1", windows="no_gui"):
    path.write_text(FLOWGRAPH.format(code=code, items=items, windows=windows))
    return path


def start(*arguments, **options):
    command = [sys.executable, "-m", "sdrjscc", "grc", "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def files(folder):
    return sorted(folder.rglob("*"))


def test_bundled_flowgraphs_are_listed_with_what_they_are_for(capsys):
    assert main(["grc", "--list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert sorted(lines) == [name.removesuffix(".grc") for name in bundled_files("flowgraphs", "*.grc")]
    assert all(len(description) > 10 for description in lines.values())


def test_no_flowgraph_is_named_as_a_command():
    commands = {command.name for command in app.registered_commands}
    assert not commands & {name.removesuffix(".grc") for name in bundled_files("flowgraphs", "*.grc")}


def test_companion_starts_with_this_interpreter_and_our_blocks(started, monkeypatch):
    monkeypatch.setenv("GRC_BLOCKS_PATH", "/of/the/user")
    main(["grc"])
    ((program, command, environment, _),) = started
    assert program == command[0] == sys.executable
    assert environment["GRC_BLOCKS_PATH"] == f"{companion.blocks_folder()}:/of/the/user"


def test_a_bundled_flowgraph_is_copied_once_and_never_overwritten(started, tmp_path, capsys):
    main(["grc", "loopback"])
    copy = tmp_path / "loopback.grc"
    assert copy.read_bytes() == bundled_files("flowgraphs")["loopback.grc"].read_bytes()
    assert "copied loopback.grc" in capsys.readouterr().out
    copy.write_text("changed")
    main(["grc", "loopback"])
    assert copy.read_text() == "changed"
    assert capsys.readouterr().out == ""
    assert [command[-1] for _, command, _, _ in started] == [str(copy)] * 2


def test_companion_starts_in_the_flowgraphs_folder(started, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    main(["grc", "open", str(flowgraph(folder / "little.grc"))])
    ((_, command, _, where),) = started
    assert (command[-1], where) == (str(folder / "little.grc"), folder)


@pytest.mark.parametrize("command", [[], ["run"]])
def test_another_name_is_answered_with_those_there_are(command, capsys):
    said = fails(capsys, 2, "grc", *command, "no-such")
    assert "a flowgraph must be a .grc file or one of" in said
    assert "loopback" in said


def test_without_a_screen_it_says_so(monkeypatch, tmp_path, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert "must have a screen" in fails(capsys, 2, "grc")
    assert "must have a screen" in fails(capsys, 2, "grc", "loopback")
    assert not (tmp_path / "loopback.grc").exists()
    windows = flowgraph(tmp_path / "little.grc", windows="qt_gui")
    assert "must have a screen for its windows" in fails(capsys, 2, "grc", "run", windows)


def test_without_gtk_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setitem(sys.modules, "gi", None)
    said = fails(capsys, 2, "grc")
    assert "must have GTK 3" in said
    assert "gir1.2-gtk-3.0" in said


@pytest.mark.parametrize("command", [[], ["--list"], ["run", "loopback"], ["install"], ["uninstall"]])
def test_without_gnuradio_it_says_what_to_install(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gnuradio.gr", None)
    said = fails(capsys, 2, "grc", *command)
    assert "GNU Radio must be installed" in said
    assert sys.executable in said


def test_a_flowgraph_runs_with_its_own_options_in_the_folder_of_its_results(tmp_path, environment):
    little = flowgraph(tmp_path / "little.grc", NOTE)
    run = start("little", "--number", "8", "--out", "results", env=environment)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert (tmp_path / "results" / "note").read_text() == "8"
    assert sorted(tmp_path.glob("*.*")) == [little]


def test_ctrl_c_ends_a_flowgraph(tmp_path, environment):
    run = start(flowgraph(tmp_path / "little.grc", NOTE, ENDLESS), env=environment)
    while not (tmp_path / "note").exists() and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert (run.returncode, errors) == (130, "")


def test_what_companion_finds_wrong_is_one_sentence(tmp_path, capsys):
    said = fails(capsys, 2, "grc", "run", flowgraph(tmp_path / "little.grc", items="nothing_of_that_name"))
    assert "little.grc must be a valid flowgraph (got: items: name 'nothing_of_that_name'" in said
    (tmp_path / "text.grc").write_text("some text")
    assert "must be a flowgraph" in fails(capsys, 2, "grc", "run", "text.grc")


def test_what_a_block_refuses_is_one_sentence(capsys):
    said = fails(capsys, 2, "grc", "run", "loopback", "--preset", "no-such")
    assert "a link must be a TOML file, a recording, or one of the presets" in said


def test_a_radio_that_is_not_there_is_one_sentence(capsys):
    said = fails(capsys, 3, "grc", "run", "pluto_rx", "--uri", "ip:127.0.0.1")
    assert "the radio of block pluto_source must be there" in said


def test_install_adds_blocks_and_launcher_and_uninstall_takes_them_away(a_home_of_its_own, capsys):
    home = a_home_of_its_own
    (home / ".grc_gnuradio" / "sdrjscc").mkdir(parents=True)
    (home / ".grc_gnuradio" / "own.block.yml").write_text("id: own")
    (home / ".grc_gnuradio" / "sdrjscc" / "own.block.yml").write_text("id: own_too")
    (home / ".local" / "share" / "applications").mkdir(parents=True)
    before = files(home)
    assert main(["grc", "install"]) == 0
    descriptions = sorted(companion.blocks_folder().glob("*.block.yml"))
    links = [home / ".grc_gnuradio" / "sdrjscc" / path.name for path in descriptions]
    assert [link.resolve() for link in links] == descriptions
    assert files(home) == sorted([*before, *links, installing.launcher()])
    assert f'Exec="{sys.executable}" -m sdrjscc grc %f\n' in installing.launcher().read_text()
    capsys.readouterr()
    assert main(["grc", "install"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["grc", "uninstall"]) == 0
    assert files(home) == before
    assert main(["grc", "uninstall"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_install_replaces_links_of_another_environment_and_leaves_what_is_the_users(
    a_home_of_its_own, capsys
):
    folder = a_home_of_its_own / ".grc_gnuradio" / "sdrjscc"
    folder.mkdir(parents=True)
    moved, gone, theirs = (
        folder / f"sdrjscc_{name}.block.yml" for name in ("image_sink", "old", "image_view")
    )
    for link in (moved, gone):
        link.symlink_to(f"/elsewhere/flowgraphs/blocks/{link.name}")
    theirs.write_text("id: theirs")
    installing.launcher().parent.mkdir(parents=True)
    installing.launcher().write_text("[Desktop Entry]")
    assert main(["grc", "install"]) == 0
    said = capsys.readouterr().out
    assert moved.resolve() == companion.blocks_folder() / moved.name
    assert not gone.is_symlink()
    assert main(["grc", "uninstall"]) == 0
    assert files(folder) == [theirs]
    assert theirs.read_text() == "id: theirs"
    assert installing.launcher().read_text() == "[Desktop Entry]"
    assert said.count("as it is: it is not of this command") == 2


def test_companion_does_not_find_installed_blocks_twice(started):
    assert main(["grc", "install"]) == 0
    assert installing.is_installed()
    main(["grc"])
    assert started[0][2]["GRC_BLOCKS_PATH"] == ""
