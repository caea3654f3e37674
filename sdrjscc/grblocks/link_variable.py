"""The variable that says which link a flowgraph is: codec, mapping and waveform, built once."""

from functools import lru_cache
from pathlib import Path

from sdrjscc.link.parts import Parts, build_parts
from sdrjscc.linkfile import load_link, with_codec

Link = Parts | str | Path


def open_link(source: str = "loopback", codec: str = "", weights: str = "", mapping: str = "") -> Parts:
    """Build a link's parts; the same arguments give the same object.

    Args:
        source: preset or TOML file to begin with.
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


@lru_cache(maxsize=16)
def _opened(source: str, codec: str, weights: str, mapping: str) -> Parts:
    link = load_link(source)
    return build_parts(with_codec(link, codec or None, weights=weights or None, mapping=mapping or None))
