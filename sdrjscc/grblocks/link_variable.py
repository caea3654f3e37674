"""The variable that says which link a flowgraph is: codec, mapping and waveform, built once."""

from functools import lru_cache
from pathlib import Path

from sdrjscc.capture.sigmf import Capture, open_capture
from sdrjscc.errors import ConfigError, SdrJsccError
from sdrjscc.link.fit import codec_name
from sdrjscc.link.parts import Parts, build_parts
from sdrjscc.link.recorded import find_recording, recorded_parts
from sdrjscc.link.replay import recorded_link
from sdrjscc.linkfile import LinkConfig, load_link, preset_names, with_codec

Link = Parts | str | Path


def open_link(source: str = "loopback", codec: str = "", weights: str = "", mapping: str = "") -> Parts:
    """Build a link's parts; the same arguments give the same object.

    Args:
        source: preset, TOML file, or recording (a bundled one by its name) to begin with.
        codec: NAME, NAME/VARIANT or module:build; empty: as the source says.
        weights: safetensors file or ``untrained``; empty: those that come with the codec.
        mapping: its name; empty: as the source says, or what the given codec is made for.

    Raises:
        ConfigError, WeightsError: as the command line would say it.
    """
    return _opened(str(source), codec, weights, mapping)


def parts_of(link: Link) -> Parts:
    """A block's argument ``link``: parts as they are, or those of a preset or TOML file."""
    return link if isinstance(link, Parts) else open_link(str(link))


def describe_link(source: str, codec: str, weights: str, mapping: str) -> str:
    """What Companion shows for a link: codec and mapping; it is not built, as every edit asks for it.

    Raises:
        TypeError: the link is not valid; the sentence is that of the command line. Companion shows what
            an error says at the block, and logs a traceback of every other kind, at every edit.
    """
    try:
        link = _configured(source, codec, weights, mapping)
    except SdrJsccError as error:
        raise TypeError(str(error)) from None
    return f"{codec_name(link.codec)}, {link.mapping['name']}"


@lru_cache(maxsize=16)
def _opened(source: str, codec: str, weights: str, mapping: str) -> Parts:
    link, capture = _configured(source, codec, weights, mapping), _recording(source)
    return build_parts(link) if capture is None else recorded_parts(capture, link)


def _configured(source: str, codec: str, weights: str, mapping: str) -> LinkConfig:
    capture = _recording(source)
    if capture is None and not _is_link(source):
        raise ConfigError(
            f"a link must be a TOML file, a recording, or one of the presets {', '.join(preset_names())} "
            f"(got '{source}')"
        )
    link = load_link(source) if capture is None else recorded_link(capture)
    if link is None:
        raise ConfigError(f"a recording must hold a link's configuration (got {source}: it holds none)")
    return with_codec(link, codec or None, weights=weights or None, mapping=mapping or None)


def _is_link(source: str) -> bool:
    return source in preset_names() or Path(source).suffix == ".toml"


def _recording(source: str) -> Capture | None:
    if _is_link(source):
        return None
    path = find_recording(source)
    return None if path is None else open_capture(path, check_hash=False)
