import pytest
from pydantic import Field, ValidationError

from sdrjscc.config import Section, build_plugin, configure, read_toml, validate
from sdrjscc.errors import ConfigError, PluginError


class Tap(Section):
    delay_samples: float = 0.0


class Example(Section):
    rate_hz: float = Field(1e6, gt=0)
    count: int = 1
    level_db: float | None = Field(None, ge=-10)
    taps: tuple[Tap, ...] = ()
    active: bool = False


def test_a_section_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Example().count = 2


def test_toml_values_become_python_values():
    table = {"rate_hz": 2, "level_db": -3, "taps": [{"delay_samples": 1}, {}]}
    made = validate(Example, table, "channel")
    assert made == Example(rate_hz=2.0, level_db=-3.0, taps=(Tap(delay_samples=1.0), Tap()))
    assert isinstance(made.rate_hz, float)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"rate": 1e6}, r"^a\.b\.rate is not a known key \(known: rate_hz, count, "),
        ({"rate_hz": 0}, r"^a\.b\.rate_hz: .*greater than 0 \(got 0\)$"),
        ({"rate_hz": "1 MHz"}, r"^a\.b\.rate_hz: .*valid number \(got '1 MHz'\)$"),
        ({"count": "4"}, r"^a\.b\.count: .*valid integer \(got '4'\)$"),
        ({"count": True}, r"^a\.b\.count: .*valid integer \(got True\)$"),
        ({"count": 1.5}, r"^a\.b\.count: .*integer"),
        ({"active": 1}, r"^a\.b\.active: .*boolean \(got 1\)$"),
        ({"level_db": -11.0}, r"^a\.b\.level_db: .*greater than or equal to -10"),
        ({"level_db": float("inf")}, r"^a\.b\.level_db: .*finite number \(got inf\)$"),
        ({"level_db": float("nan")}, r"^a\.b\.level_db: "),
        ({"taps": [{}, {"delay_s": 1}]}, r"^a\.b\.taps\.1\.delay_s is not a known key$"),
        ({"taps": 3}, r"^a\.b\.taps: "),
        ([], r"^a\.b: "),
        ({"count": "x", "rate_hz": -1}, r"rate_hz: .*; a\.b\.count: "),
    ],
)
def test_errors_name_the_key_and_what_was_expected(table, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        validate(Example, table, "a.b")
    assert "\n" not in str(caught.value)


def test_rules_between_keys_speak_for_themselves():
    with pytest.raises(ConfigError, match=r"^waveform: pilot_spacing must divide 208 active carriers \(got"):
        configure("waveform", {"name": "ofdm", "pilot_spacing": 100}, "waveform")


def test_a_plugins_table_needs_a_name():
    for table in ({}, {"name": 3}):
        with pytest.raises(ConfigError, match=r"^mapping\.name is required \(a plug-in of mapping: analog"):
            configure("mapping", table, "mapping")
    with pytest.raises(PluginError, match="mapping has no plug-in 'qpsk'"):
        configure("mapping", {"name": "qpsk"}, "mapping")


def test_build_plugin_builds_with_defaults():
    assert build_plugin("mapping", {"name": "analog"}, "mapping").kind == "latent"


def test_toml_files_that_cannot_be_read(tmp_path):
    cases = {
        "missing.toml": (None, "No such file"),
        "binary.toml": (b"\xff\xfe\x00", "not UTF-8 text"),
        "broken.toml": (b"[codec\n", "must be valid TOML"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=expected) as caught:
            read_toml(path)
        assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="Is a directory"):
        read_toml(tmp_path)


def test_a_toml_file_may_begin_with_the_byte_order_mark(tmp_path):
    path = tmp_path / "notepad.toml"
    path.write_bytes(b"\xef\xbb\xbf[codec]\nname = 'softcast'\n")
    assert read_toml(path) == {"codec": {"name": "softcast"}}
