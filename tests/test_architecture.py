"""What import-linter cannot see: that its lists are complete, and that files stay readable."""

import tomllib
from pathlib import Path

import pytest

from sdrjscc import plugins

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
INDEPENDENT = {name for c in CONTRACTS if c["type"] == "independence" for name in c["modules"]}


@pytest.mark.parametrize("family", plugins.FAMILIES)
def test_every_plugin_is_in_its_familys_contract(family):
    listed = {name for name in INDEPENDENT if name.startswith(f"sdrjscc.{family}.")}
    assert listed == {f"sdrjscc.{family}.{name}" for name in plugins.available(family)}, (
        "pyproject.toml, [[tool.importlinter.contracts]]: add the new plug-in to its family's list"
    )


@pytest.mark.parametrize("folder", ["sdrjscc", "tests", "benchmarks"])
def test_no_file_is_longer_than_400_lines(folder):
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
