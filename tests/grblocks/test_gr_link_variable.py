"""The link variable: what it builds, once, and what it refuses."""

import pytest

pytest.importorskip("gnuradio.gr")

from sdrjscc.errors import ConfigError, SdrJsccError
from sdrjscc.grblocks.link_variable import open_link, parts_of
from sdrjscc.linkfile import load_link, to_toml


def test_the_same_arguments_give_the_same_parts():
    link = open_link()
    assert link is open_link("loopback", "", "", "")
    assert link is parts_of(link)
    assert link is parts_of("loopback")
    assert link.codec_name == "dsc_jscc/60-E2D2"


def test_what_is_filled_in_replaces_the_source():
    link = open_link("loopback", codec="ujscc/ujscc", weights="untrained")
    assert link.codec_name == "ujscc/ujscc"
    assert link.config.mapping["name"] == "vq"  # what that codec is made for
    assert link.config.channel == load_link("loopback").channel
    assert link.digest != open_link("loopback").digest


def test_a_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(load_link("loopback-hard")))
    assert parts_of(path).digest == open_link("loopback-hard").digest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "a link must be a TOML file, a recording, or one of the presets"),
        (("loopback", "no_such"), "no_such"),
        (("loopback", "dsc_jscc/no-such"), "no-such"),
        (("loopback", "", "/no/such.safetensors"), "such.safetensors"),
        (("loopback", "", "", "qam"), "mapping"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(SdrJsccError, match=sentence):
        open_link(*arguments)


def test_what_is_refused_once_is_asked_again(tmp_path):
    path = tmp_path / "later.toml"
    with pytest.raises(ConfigError):
        open_link(str(path))
    path.write_text(to_toml(load_link("loopback")))
    assert open_link(str(path)).digest == open_link("loopback").digest
