"""The wheel, installed into an empty folder and used from another one."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sdrjscc import plugins
from sdrjscc.bundled import FOLDERS, bundled_files
from sdrjscc.images.samples import sample_path
from sdrjscc.linkfile import preset_names

ROOT = Path(__file__).parents[1]
USE = """
import json, sdrjscc
from sdrjscc import plugins
from sdrjscc.bundled import FOLDERS, bundled_files
from sdrjscc.codecs._weights import bundled_cards
from sdrjscc.linkfile import load_link, preset_names
from sdrjscc.training.recipe import load_recipe
print(json.dumps({
    "where": sdrjscc.__file__,
    "plugins": {family: plugins.available(family) for family in plugins.FAMILIES},
    "presets": [name for name in preset_names() if load_link(name)],
    "bundled": {name: list(bundled_files(name)) for name in FOLDERS},
    "weights": [card["file"] for card in bundled_cards()],
    "steps": load_recipe("dsc_jscc_60-E2D2").run.steps,
}))
"""


def run(*command, cwd, **environment):
    command, environment = [sys.executable, *command], {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the tree, so that building leaves nothing in it."""
    copy = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("sdrjscc", *FOLDERS):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run("-m", "pip", "wheel", *quiet, "--wheel-dir", str(out), str(source), cwd=out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An otherwise empty folder with the package; its dependencies are those of this environment."""
    site = tmp_path_factory.mktemp("site")
    run(
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
        cwd=site,
    )
    return site


@pytest.fixture
def elsewhere(tmp_path, installed):
    """Runs Python in a folder that is neither the tree nor the installation."""
    return lambda *command: run(*command, cwd=tmp_path, PYTHONPATH=str(installed))


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    (package, metadata) = sorted({name.split("/")[0] for name in names})
    assert package == "sdrjscc"
    assert metadata.endswith(".dist-info")
    assert "sdrjscc/py.typed" in names
    assert not [name for name in names if "__pycache__" in name]
    licences = [name for name in names if name.endswith("LICENSE")]
    assert "GNU GENERAL PUBLIC LICENSE" in zipfile.ZipFile(wheel).read(*licences).decode()


def test_the_installed_package_finds_all_that_travels_with_it(elsewhere, installed):
    found = json.loads(elsewhere("-c", USE))
    assert Path(found["where"]).is_relative_to(installed)
    assert found["plugins"] == {family: plugins.available(family) for family in plugins.FAMILIES}
    assert found["presets"] == preset_names()
    assert found["bundled"] == {name: list(bundled_files(name)) for name in FOLDERS}
    assert "dsc_jscc_60-E2D2.safetensors" in found["weights"]
    assert found["steps"] > 0


def test_the_installed_command_line_sends_a_picture(elsewhere, tmp_path):
    rows = json.loads(elsewhere("-m", "sdrjscc", "list", "codecs", "--json"))
    assert {row["variant"]: row["parameters"] for row in rows}["60-E2D2"] == 25_363
    picture = str(sample_path("chelsea"))
    elsewhere("-m", "sdrjscc", "link", picture, "-c", "loopback", "--max-side", "64", "--out", "out")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["transmissions"][0]["psnr_db"] > 15.0
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_source_archive_carries_the_linked_folders_as_files(source, tmp_path):
    code = "import sys, setuptools.build_meta as b; print(b.build_sdist(sys.argv[1]))"
    run("-c", code, str(tmp_path), cwd=source)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = {member.name.partition("/")[2]: member for member in archive}
    for folder in FOLDERS:
        for name in bundled_files(folder):
            assert members[f"sdrjscc/{folder}/{name}"].isfile()
