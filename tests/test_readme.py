"""What the README shows works as shown."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from sdrjscc.codecs.base import build_codec
from sdrjscc.linkfile import preset_names
from sdrjscc.plugins import available

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def own_codec(tmp_path, monkeypatch):
    """The README's codec as a module in the working folder."""
    (source,) = re.findall(r"```python\n(# my_codec\.py\n.*?)```", README, re.DOTALL)
    (tmp_path / "my_codec.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_codec", None)


def test_bring_your_own_codec(own_codec):
    (table,) = re.findall(r'```toml\n(\[codec\]\nname = "my_codec:build"\n)```', README)
    codec = build_codec(tomllib.loads(table)["codec"])
    plan = codec.plan(48, 32)
    payload = codec.encode(torch.zeros(1, 3, 32, 48), plan)
    assert payload.shape == (1, plan.symbols, 2)
    assert codec.decode(payload, torch.zeros(1, plan.symbols), plan).shape == (1, 3, 32, 48)


def test_every_preset_is_listed():
    assert set(preset_names()) == _first_column("Presets")


def test_every_codec_is_listed():
    assert set(available("codecs")) == _first_column("Codecs")


def _first_column(section):
    text = README.partition(f"### {section}\n")[2].partition("\n#")[0]
    return set(re.findall(r"^\| `([a-z0-9_-]+)` \|", text, re.MULTILINE))
