import json
import subprocess
import sys

import pytest

from sdrjscc import plugins
from sdrjscc.errors import ConfigError, PluginError


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Write a user's module into the working folder, and forget it afterwards."""
    written = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_listing_imports_nothing():
    code = """
import json, sys
from sdrjscc import plugins
names = {family: plugins.available(family) for family in plugins.FAMILIES}
loaded = [name for name in sys.modules if name.startswith("sdrjscc.") or name == "torch"]
print(json.dumps([names, loaded]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = json.loads(done.stdout)
    assert "dsc_jscc" in names["codecs"]
    assert "analog" in names["mapping"]
    assert {"awgn", "fading", "chain"} <= set(names["channel"])
    assert "loopback" in names["radio"]
    assert "ofdm" in names["waveform"]
    assert sorted(loaded) == ["sdrjscc.errors", "sdrjscc.plugins"]


@pytest.mark.parametrize("family", plugins.FAMILIES)
def test_private_modules_and_contracts_are_no_plugins(family):
    names = plugins.available(family)
    assert names == sorted(names)
    assert not [name for name in names if name.startswith("_") or name == "base"]


@pytest.mark.parametrize(("family", "name"), [(f, n) for f in plugins.FAMILIES for n in plugins.available(f)])
def test_every_file_is_a_plugin(family, name):
    plugin = plugins.load(family, name)
    assert (plugin.family, plugin.name) == (family, name)
    assert plugin.config.model_config["frozen"]
    assert plugin.config.model_config["extra"] == "forbid"
    assert callable(plugin.build)


def test_unknown_names_are_answered_with_what_there_is():
    with pytest.raises(PluginError, match=r"codecs has no plug-in 'jpeg' \(there are: .*dsc_jscc"):
        plugins.load("codecs", "jpeg")
    with pytest.raises(PluginError, match=r"must be one of codecs, .* \(got 'codec'\)"):
        plugins.available("codec")
    assert issubclass(PluginError, ConfigError)


def test_a_users_module_in_the_working_folder_loads(own_module):
    own_module("my_plain_codec", "def build(config): return config['depth']\n")
    plugin = plugins.load("codecs", "my_plain_codec:build")
    assert plugin.config is None
    assert plugin.build({"depth": 3}) == 3


def test_a_users_config_is_found(own_module):
    own_module(
        "my_strict_codec",
        "from sdrjscc.config import Section\n"
        "class Config(Section):\n    depth: int = 2\n"
        "def make(config): return config.depth\n",
    )
    plugin = plugins.load("mapping", "my_strict_codec:make")
    assert plugin.build(plugin.config()) == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "import no_such_library_anywhere",
            "must import .got ModuleNotFoundError: .*no_such_library_anywhere",
        ),
        ("def build(:", "must import .got SyntaxError"),
        ("1 / 0", "must import .got ZeroDivisionError"),
        ("x = 1", "must have a function 'build'"),
        ("build = 3", "must have a function 'build'"),
    ],
)
def test_a_users_broken_module_is_one_sentence(own_module, source, expected):
    own_module("my_broken_codec", source)
    with pytest.raises(PluginError, match=expected):
        plugins.load("codecs", "my_broken_codec:build")


@pytest.mark.parametrize("name", [":build", "no_such_module_anywhere:build", ".relative:build", "json:"])
def test_a_users_wrong_name_is_one_sentence(name, own_module):
    with pytest.raises(PluginError, match="must"):
        plugins.load("codecs", name)
