"""One TOML a link: presets, defaults, round trip, and what the digest covers."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdrjscc.errors import ConfigError, PluginError
from sdrjscc.linkfile import digest, load_link, parse_link, preset_names, to_toml, with_snr

CODEC = {"name": "dsc_jscc", "variant": "60-E2D2"}
TAP = st.fixed_dictionaries(
    {"delay_samples": st.floats(0.0, 20.0), "power_db": st.floats(-40.0, 0.0)},
    optional={"kind": st.sampled_from(["static", "rayleigh"])},
)
CHAIN = st.fixed_dictionaries(
    {"name": st.just("chain")},
    optional={
        "snr_db": st.floats(-10.0, 40.0),
        "cfo_hz": st.floats(-1e3, 1e3),
        "cfo_range_hz": st.integers(0, 1000),
        "lead_samples": st.integers(0, 5000),
        "adc_bits": st.integers(8, 16),
        "pa": st.fixed_dictionaries({"backoff_db": st.floats(0.0, 12.0)}),
        "taps": st.lists(TAP, max_size=3),
    },
)
# What both ends must share, and what they need not: values other than the defaults.
SHARED = {
    "codec": [
        {**CODEC, "variant": "deep-jscc"},
        {**CODEC, "latent_channels": 6},
        {**CODEC, "output": "sigmoid"},
    ],
    "waveform": [
        {"name": "ofdm", "payload_ofdm_symbols": 40},
        {"name": "ofdm", "cyclic_prefix": 32},
        {"name": "ofdm", "fft_size": 512},
        {"name": "ofdm", "preamble_boost_db": 5.0},
        {"name": "dft_spread"},
    ],
}
OWN = {
    "codec": [{**CODEC, "weights": "elsewhere.safetensors"}],
    "mapping": [{"name": "analog", "demap": "identity"}],
    "waveform": [{"name": "ofdm", "clip_db": 6.0}, {"name": "ofdm", "clip_db": 7.0, "clip_iterations": 4}],
    "channel": [{"name": "chain", "snr_db": 3.0}, {"name": "awgn", "snr_db": 3.0}],
    "radios": [{"tx": {"name": "loopback", "sample_rate_hz": 2e6}, "rx": {"name": "loopback"}}],
    "receiver": [{"max_side": 640}, {"timeout_s": 9.0}, {"max_open": 2}],
}


def cases(table):
    return [{key: value} for key, values in table.items() for value in values]


def digest_of(change, fingerprint="weights", version=1):
    return digest(parse_link({"codec": CODEC, **change}), fingerprint, version)


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_round_trip(name):
    link = load_link(name)
    assert link.codec["variant"] == "60-E2D2"
    assert parse_link(tomllib.loads(to_toml(link))) == link


def test_presets_are_those_promised():
    assert {"loopback", "loopback-hard", "pluto-pair"} <= set(preset_names())


@given(CHAIN, st.sampled_from(["linear", "sigmoid"]), st.integers(1, 200))
def test_any_link_round_trips(channel, output, symbols):
    link = parse_link(
        {
            "codec": {**CODEC, "output": output},
            "channel": channel,
            "waveform": {"name": "ofdm", "payload_ofdm_symbols": symbols},
        }
    )
    assert parse_link(tomllib.loads(to_toml(link))) == link


def test_defaults_are_filled_in_by_the_plugin():
    link = parse_link({"codec": {"name": "dsc_jscc"}})
    assert link.codec == {
        "name": "dsc_jscc",
        "variant": "60-E2D2",
        "latent_channels": 8,
        "output": "linear",
        "weights": "bundled",
    }
    assert link.mapping == {"name": "analog", "demap": "lmmse"}
    assert link.channel is None
    assert link.radios.rx is None


def test_defaults_written_out_are_the_same_link():
    written = {**CODEC, "latent_channels": 8, "output": "linear"}
    assert digest_of({}) == digest_of({"codec": written, "waveform": {"name": "ofdm", "fft_size": 256}})


@pytest.mark.parametrize("change", cases(SHARED))
def test_digest_covers_what_both_ends_share(change):
    assert digest_of(change) != digest_of({})


@pytest.mark.parametrize("change", cases(OWN))
def test_digest_leaves_out_what_is_each_ends_own(change):
    assert digest_of(change) == digest_of({})


def test_digest_covers_weights_and_frame_version():
    assert len({digest_of({}), digest_of({}, fingerprint="others"), digest_of({}, version=2)}) == 3


@given(CHAIN, st.integers(1, 4095))
def test_digest_is_16_bits_and_indifferent_to_the_channel(channel, max_side):
    value = digest_of({"channel": channel, "receiver": {"max_side": max_side}})
    assert value == digest_of({})
    assert 0 <= value < 2**16


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"chanel": {}}, r"^chanel is not a known key \(known: codec, mapping, "),
        ({"codec": {}}, r"^codec\.name is required"),
        ({"codec": 3}, r"^codec: .*object \(got 3\)"),
        ({"codec": {**CODEC, "variant": "61"}}, r"^codec\.variant: .*'60-E2D2'.* \(got '61'\)"),
        ({"codec": {**CODEC, "latent_channels": 7}}, r"^codec\.latent_channels: .*multiple of 2 \(got 7\)"),
        (
            {"radios": {"tx": {"name": "loopback", "sample_rate": 1e6}}},
            r"^radios\.tx\.sample_rate is not a known",
        ),
        ({"radios": {"rx": {"name": "loopback"}}}, r"^radios\.tx is required"),
        ({"channel": {"name": "chain", "snr_db": "10 dB"}}, r"^channel\.snr_db: .*number \(got '10 dB'\)"),
        ({"channel": {"name": "chain", "taps": [{"kind": "x"}]}}, r"^channel\.taps\.0\.kind: "),
        ({"mode": "high"}, r"^mode: must be a modulation order's number or 'auto' \(got 'high'\)$"),
        ({"mode": True}, r"^mode: must be a modulation order's number or 'auto' \(got True\)$"),
        ({"receiver": {"max_side": 4096}}, r"^receiver\.max_side: .*4095 \(got 4096\)"),
    ],
)
def test_errors_carry_the_keys_path(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_link({"codec": CODEC, **change})


def test_errors_in_a_file_name_the_file(tmp_path):
    path = tmp_path / "link.toml"
    path.write_text('[codec]\nname = "dsc_jscc"\nvariants = "20"\n')
    with pytest.raises(ConfigError, match=r"link\.toml: codec\.variants is not a known key"):
        load_link(path)
    path.write_text('[codec]\nname = "jpeg"\n')
    with pytest.raises(PluginError, match=r"link\.toml: codecs has no plug-in 'jpeg'"):
        load_link(path)


def test_neither_a_file_nor_a_preset():
    with pytest.raises(ConfigError, match=r"presets loopback, .* \(got 'loop'\)"):
        load_link("loop")
    with pytest.raises(ConfigError, match="No such file"):
        load_link("absent.toml")


def test_another_snr():
    assert with_snr(load_link("loopback-hard"), 3.0).channel["snr_db"] == 3.0
    with pytest.raises(ConfigError, match="this one has none"):
        with_snr(parse_link({"codec": CODEC}), 3.0)
