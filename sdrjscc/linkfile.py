"""The link's configuration: one TOML for codec, mapping, waveform, channel and radios.

The file's tables name plug-ins; each table is validated by the plug-in it names, with all
defaults filled in. ``digest`` is what both ends must share; it travels in every header.
"""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field, JsonValue, field_validator

from sdrjscc.bundled import bundled_files
from sdrjscc.config import Section, configure, read_toml, validate
from sdrjscc.errors import ConfigError

_PRESETS = resources.files("sdrjscc") / "presets"

Table = dict[str, JsonValue]

ADDRESSES = ("uri", "args", "address")
"""Keys by which radios' tables name a device."""


class ReceiverConfig(Section):
    """``[receiver]``: limits of what the receiving end accepts."""

    max_side: int = Field(4095, ge=1, le=4095, description="largest picture side accepted, px")
    timeout_s: float = Field(1.0, gt=0, description="silence after which an open picture is given out")
    max_open: int = Field(4, ge=1, le=64, description="transmissions assembled at the same time")


class Radios(Section):
    """``[radios]``: the transmitting end, and the receiving one where it is another radio."""

    tx: Table
    rx: Table | None = None


class LinkConfig(Section):
    """A whole link. Plug-in tables hold ``name`` and the plug-in's options.

    Attributes:
        codec: the codec; its weights are loaded when the link is built.
        mapping: symbols of its payload; left out: what the codec is made for.
        mode: modulation order that the sender takes, as its number among the mapping's, or
            ``auto``: the highest that the SNR of the software channel is good for.
        waveform, channel, radios, receiver: the rest.
    """

    codec: Table
    mapping: Table = {}
    mode: int | Literal["auto"] = "auto"
    waveform: Table = {"name": "ofdm"}
    channel: Table | None = None
    radios: Radios = Radios(tx={"name": "loopback"})
    receiver: ReceiverConfig = ReceiverConfig()

    @field_validator("mode", mode="before")
    @classmethod
    def _number_or_auto(cls, value: object) -> object:
        if value != "auto" and (not isinstance(value, int) or isinstance(value, bool)):
            raise ValueError("must be a modulation order's number or 'auto'")
        return value


def parse_link(table: dict[str, Any]) -> LinkConfig:
    """Validate a link's TOML table, every plug-in's options included, and fill in defaults.

    Raises:
        ConfigError: with the key's path and what was expected.
    """
    link = validate(LinkConfig, table, "")
    radios = {"tx": _complete("radio", link.radios.tx, "radios.tx")}
    if link.radios.rx is not None:
        radios["rx"] = _complete("radio", link.radios.rx, "radios.rx")
    return LinkConfig(
        codec=_complete("codecs", link.codec, "codec"),
        mapping=_complete("mapping", link.mapping or default_mapping(link.codec), "mapping"),
        mode=link.mode,
        waveform=_complete("waveform", link.waveform, "waveform"),
        channel=None if link.channel is None else _complete("channel", link.channel, "channel"),
        radios=Radios.model_validate(radios),
        receiver=link.receiver,
    )


def load_link(source: str | Path) -> LinkConfig:
    """Read a link from a TOML file or, by name, from the package's presets.

    Raises:
        ConfigError: no such file or preset, or its content is not valid.
    """
    if str(source) in preset_names():
        return parse_link(read_toml(Path(str(_PRESETS / f"{source}.toml"))))
    path = Path(source)
    if path.suffix != ".toml" and not path.exists():
        raise ConfigError(
            f"a link must be a TOML file or one of the presets {', '.join(preset_names())} (got '{source}')"
        )
    try:
        return parse_link(_beside(read_toml(path), path.parent))
    except ConfigError as error:
        prefix = "" if str(path) in str(error) else f"{path}: "
        raise type(error)(f"{prefix}{error}") from None


def _beside(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The table with weights, radio profiles and recorded files that lie beside the TOML found there."""
    if isinstance(table.get("codec"), dict):
        table = {**table, "codec": _found(table["codec"], "weights", ".safetensors", folder)}
    if isinstance(table.get("channel"), dict):
        table = {**table, "channel": _found(table["channel"], "path", ".safetensors", folder)}
    radios = table.get("radios")
    if isinstance(radios, dict):
        found = {
            end: _found(radio, "profile", ".toml", folder) if isinstance(radio, dict) else radio
            for end, radio in radios.items()
        }
        table = {**table, "radios": found}
    return table


def _found(table: dict[str, Any], key: str, suffix: str, folder: Path) -> dict[str, Any]:
    path = folder / str(table.get(key, ""))
    return {**table, key: str(path)} if path.suffix == suffix and path.exists() else table


def with_profile(table: dict[str, Any], path: str) -> dict[str, Any]:
    """A radio's table with the keys of the profile that it names, under its own.

    Raises:
        ConfigError: there is no such profile, or it is another radio's.
    """
    if "profile" not in table:
        return table
    profile = table["profile"]
    known = bundled_files("hardware", "*.toml")
    source = known.get(f"{profile}.toml", Path(str(profile)))
    if source.suffix != ".toml":
        names = ", ".join(name.removesuffix(".toml") for name in known)
        raise ConfigError(f"{path}.profile must be a TOML file or one of {names} (got {profile!r})")
    given = read_toml(source)
    own = {key: value for key, value in table.items() if key != "profile"}
    if own.get("name", given.get("name")) != given.get("name"):
        raise ConfigError(
            f"{path}.profile must be of radio '{own['name']}' ({profile} is of '{given.get('name')}')"
        )
    return {**given, **own}


def preset_names() -> list[str]:
    """Names of the package's presets, sorted."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _PRESETS.iterdir() if entry.name.endswith(".toml")
    )


def to_toml(link: LinkConfig) -> str:
    """The whole configuration as TOML; ``parse_link`` of it gives the same link."""
    return tomli_w.dumps(link.model_dump(mode="json", exclude_none=True))


def digest(link: LinkConfig, codec_fingerprint: str, frame_version: int) -> int:
    """16 bits of a hash over what both ends must share.

    Covered: codec with its architecture and weights, mapping, waveform, frame version. Not
    covered: radios, channel, receiver limits, where the weights lie, how the receiver demaps, how
    hard a sender tries and which mode it chooses (``speed`` and ``margin_db`` of a codec), what only
    training reads of a mapping, and how the transmitter clips: any receiver of the numerology reads
    a clipped frame.
    """
    shared = {
        "codec": _without(link.codec, "weights", "speed", "margin_db"),
        "weights": codec_fingerprint,
        "mapping": _without(link.mapping, "demap", "temperature"),
        "waveform": _without(link.waveform, "clip_db", "clip_iterations"),
        "frame_version": frame_version,
    }
    canonical = json.dumps(shared, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:2], "big")


def _without(table: Table, *keys: str) -> Table:
    return {key: value for key, value in table.items() if key not in keys}


def _complete(family: str, table: Table, path: str) -> Table:
    if family == "radio":
        table = with_profile(table, path)
    plugin, config = configure(family, dict(table), path)
    options = config if isinstance(config, dict) else config.model_dump(mode="json", exclude_none=True)
    return {"name": plugin.name, **options}


def default_mapping(codec: dict[str, Any]) -> Table:
    """The ``[mapping]`` table of a link that has none: what its codec is made for.

    Raises:
        ConfigError: there is no such codec, or an option of it is wrong.
    """
    plugin, config = configure("codecs", dict(codec), "codec")
    made_for: str | Table = "analog" if plugin.default_mapping is None else plugin.default_mapping(config)
    return {"name": made_for} if isinstance(made_for, str) else made_for


def with_codec(
    link: LinkConfig,
    codec: str | None = None,
    *,
    weights: str | None = None,
    mapping: str | None = None,
    mode: int | None = None,
) -> LinkConfig:
    """The same link with another codec or mapping; what is ``None`` stays.

    Args:
        link: where to begin.
        codec: name, or name/variant; takes the mapping that it is made for.
        weights: its weights.
        mapping: name of a mapping, with its default options, or the codec's where it is made for it.
        mode: modulation order's number.

    Raises:
        ConfigError: there is no such plug-in or variant.
    """
    table = link.model_dump(exclude_none=True)
    if codec is not None:
        name, slash, variant = codec.partition("/")
        if not name or (slash and not variant):
            raise ConfigError(f"--codec must be NAME or NAME/VARIANT (got '{codec}')")
        table["codec"] = {"name": name, "variant": variant} if variant else {"name": name}
        table["mapping"] = {}
    if weights is not None:
        table["codec"] = {**table["codec"], "weights": weights}
    if mapping is not None:
        made_for = default_mapping(table["codec"])
        table["mapping"] = made_for if made_for["name"] == mapping else {"name": mapping}
    if mode is not None:
        table["mode"] = mode
    return parse_link(table)


def with_snr(link: LinkConfig, snr_db: float) -> LinkConfig:
    """The same link with another SNR of its software channel.

    Raises:
        ConfigError: it has no channel that takes an SNR.
    """
    if link.channel is None:
        raise ConfigError("an SNR can only be set where the link has a [channel] (this one has none)")
    return parse_link({**link.model_dump(exclude_none=True), "channel": {**link.channel, "snr_db": snr_db}})


def one_device(config: LinkConfig) -> bool:
    """Whether both ends are the same device: one radio, or two tables with one address."""
    if config.radios.rx is None:
        return True
    tx, rx = config.radios.tx, config.radios.rx
    keys = [key for key in ADDRESSES if key in tx and key in rx]
    return tx["name"] == rx["name"] and any(tx[key] == rx[key] for key in keys)
