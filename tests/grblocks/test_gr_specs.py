"""The table of blocks against Companion's descriptions, Companion itself, and the classes."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gnuradio.gr")
pytest.importorskip("gnuradio.grc.core.platform")

import pmt
from gnuradio import gr
from gnuradio.grc.core.io import yaml
from gnuradio.grc.core.schema_checker import BLOCK_SCHEME, Validator

from sdrjscc import grblocks, plugins
from sdrjscc.bundled import bundled_files
from sdrjscc.codecs._catalogue import weight_rows
from sdrjscc.grblocks.companion import blocks_folder, compile_flowgraph
from sdrjscc.grblocks.link_variable import describe_link, open_link
from sdrjscc.grblocks.render import REMEDY, descriptions, main, stale, write
from sdrjscc.grblocks.specs import BLOCKS
from sdrjscc.linkfile import load_link, preset_names

PROGRAM = Path(__file__).with_name("companion_blocks.py")
PLAIN = sys._base_executable  # of which the virtual environment was made
HAS = (
    "import importlib.util as i, sys; sys.exit(not (i.find_spec('gnuradio') and not i.find_spec('sdrjscc')))"
)
TEXTS = ("string", "enum", "file_open", "file_save", "dir_select")
NAMES = {"link": "loopback", "samp_rate": 1e6}

blocks = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)

WEIGHTLESS = ("separation", "softcast")


def is_plain(python):
    """Whether an interpreter has GNU Radio, and not this package."""
    done = subprocess.run([python, "-P", "-c", HAS], cwd="/", check=False)
    return done.returncode == 0


plain = pytest.mark.skipif(not is_plain(PLAIN), reason="no interpreter with GNU Radio and without sdrjscc")


def companion(tmp_path, python, *arguments):
    command = [python, str(PROGRAM), str(blocks_folder()), str(tmp_path / "cache.json"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def default(parameter):
    """What Companion makes of a parameter's default."""
    if parameter.dtype in TEXTS:
        return parameter.default
    return NAMES[parameter.default] if parameter.default in NAMES else ast.literal_eval(parameter.default)


def arguments(block):
    return {one.id: default(one) for one in block.parameters if one.dtype != "gui_hint"}


def option(block_id, parameter_id):
    (block,) = (block for block in BLOCKS if block.id == block_id)
    (parameter,) = (parameter for parameter in block.parameters if parameter.id == parameter_id)
    return parameter.options


def test_the_files_are_what_the_table_gives():
    assert stale(blocks_folder()) == [], "python -m sdrjscc.grblocks.render writes them anew"
    assert main(["--check"]) == 0


def test_rendering_changes_what_differs_and_nothing_else(tmp_path):
    assert sorted(write(tmp_path)) == sorted(descriptions())
    (tmp_path / "sdrjscc_image_sink.block.yml").write_text("id: other")
    (tmp_path / "sdrjscc_old.block.yml").write_text("id: sdrjscc_old")
    (tmp_path / "of_the_user.yml").write_text("id: mine")
    assert write(tmp_path) == ["sdrjscc_image_sink.block.yml", "sdrjscc_old.block.yml"]
    assert stale(tmp_path) == []
    assert (tmp_path / "of_the_user.yml").exists()


@blocks
def test_a_description_passes_companions_schema(block):
    checker = Validator(BLOCK_SCHEME)
    data = yaml.safe_load((blocks_folder() / f"{block.id}.block.yml").read_text())
    assert checker.run(data)
    assert checker.messages == []
    assert data["category"] == "[sdrjscc]"


def test_companion_loads_all_and_finds_nothing_wrong_with_their_defaults(tmp_path):
    found = companion(tmp_path, sys.executable)
    assert found["logged"] == []
    assert len(found["said"]) == len(BLOCKS)
    assert {name: said for name, said in found["said"].items() if said} == {}


def test_companion_shows_at_the_variable_what_is_wrong_with_a_link(tmp_path):
    found = companion(tmp_path, sys.executable, "no-such-preset")
    (message,) = found["said"]["link"]
    assert message.endswith("loopback, loopback-hard, pluto-pair, virtual (got 'no-such-preset')")
    assert found["logged"] == []


@plain
def test_a_companion_without_the_package_says_at_each_block_how_to_start_it(tmp_path):
    found = companion(tmp_path, PLAIN)
    assert len(found["said"]) == len(BLOCKS)
    for said in found["said"].values():
        (message,) = said
        assert REMEDY in message
        assert "\n" not in message


@plain
def test_a_program_without_the_package_says_how_to_run_it(tmp_path):
    program, _ = compile_flowgraph(bundled_files("flowgraphs")["loopback.grc"], tmp_path)
    command = [PLAIN, "-P", str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"sdrjscc cannot be imported by {PLAIN}: start this with: sdrjscc grc run"


@blocks
def test_a_class_takes_what_the_table_says(block):
    taken = inspect.signature(getattr(grblocks, block.make)).parameters
    assert list(taken) == list(arguments(block))
    for name, value in arguments(block).items():
        given = taken[name].default
        assert given in (inspect.Parameter.empty, value), name


@blocks
def test_what_can_change_has_a_setter(block):
    for parameter in block.parameters:
        setter = getattr(getattr(grblocks, block.make), f"set_{parameter.id}", None)
        assert not parameter.setter or list(inspect.signature(setter).parameters)[1:], parameter.id


@pytest.mark.parametrize(
    "block", [one for one in BLOCKS if not (one.variable or one.gui)], ids=lambda block: block.id
)
def test_a_block_is_built_by_its_defaults_with_the_tables_ports(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = getattr(grblocks, block.make)(**arguments(block))
    for ports, signature, messages in (
        (block.inputs, made.input_signature(), made.to_basic_block().message_ports_in()),
        (block.outputs, made.output_signature(), made.to_basic_block().message_ports_out()),
    ):
        named = sorted(name for name in pmt.to_python(messages) if name != "system")
        hidden = isinstance(made, gr.hier_block2)  # such a block names its message ports to nobody
        assert hidden or named == sorted(one.id for one in ports if one.domain == "message")
        assert signature.min_streams() == sum(one.domain == "stream" for one in ports)


@blocks
def test_everything_is_explained(block):
    sentences = [block.doc, *(one.doc for one in (*block.parameters, *block.inputs, *block.outputs))]
    assert all(sentence.endswith(".") for sentence in sentences)
    labels = [parameter.label for parameter in block.parameters]
    assert all(labels)
    assert len(set(labels)) == len(labels)
    assert all(len(one.labels) in (0, len(one.options)) for one in block.parameters)


def test_drop_downs_offer_what_there_is():
    codecs, mappings = option("variable_sdrjscc_link", "codec"), option("variable_sdrjscc_link", "mapping")
    assert set(option("variable_sdrjscc_link", "source")) == set(preset_names())
    without = {f"{name}/{variant}" for name in WEIGHTLESS for variant in plugins.variants("codecs", name)}
    trained = {f"{row['codec']}/{row['variant']}" for row in weight_rows()}
    assert set(codecs) - {""} == trained | without
    assert set(mappings) - {""} == set(plugins.available("mapping"))


@pytest.mark.parametrize("source", option("variable_sdrjscc_link", "source"))
def test_presets_of_the_drop_down_describe_a_link(source):
    assert describe_link(source, "", "", "") == "dsc_jscc/60-E2D2, analog"


@pytest.mark.parametrize("codec", option("variable_sdrjscc_link", "codec")[1:])
def test_codecs_of_the_drop_down_come_with_their_weights(codec):
    assert open_link("loopback", codec).codec_name == codec
    assert describe_link("loopback", codec, "", "").startswith(f"{codec}, ")


@pytest.mark.parametrize("scenario", option("sdrjscc_impairment_channel", "scenario"))
def test_scenarios_of_the_drop_down_are_there(scenario):
    grblocks.ImpairmentChannel("loopback", 1e6, scenario=scenario)


def test_a_links_check_says_what_the_command_line_says():
    with pytest.raises(TypeError) as shown:
        describe_link("loopback", "dsc_jscc/no-such", "", "")
    assert "no-such" in str(shown.value)
    assert load_link("loopback").codec["variant"] in str(shown.value)
