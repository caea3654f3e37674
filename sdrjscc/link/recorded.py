"""Recordings by name, and the link that is inside one."""

from dataclasses import replace
from pathlib import Path

from sdrjscc.bundled import bundled_files
from sdrjscc.capture.sigmf import Capture
from sdrjscc.link.parts import Parts, build_parts
from sdrjscc.link.recording import DIGEST
from sdrjscc.linkfile import LinkConfig

_META = ".sigmf-meta"
_SUFFIXES = (_META, ".sigmf-data", ".sigmf")


def find_recording(name: str | Path) -> Path | None:
    """A recording with or without its suffix, else the bundled one of that name, else ``None``."""
    path = Path(name).expanduser()
    if any(file.is_file() for file in _files(path)):
        return path
    return bundled_files("captures", f"*{_META}").get(f"{name}{_META}")


def recorded_parts(capture: Capture, config: LinkConfig) -> Parts:
    """Parts that receive what is in a recording: with the digest of then, whatever decodes it now.

    Args:
        capture: the recording.
        config: its own, but for the decoder.

    Raises:
        ConfigError, WeightsError: a part cannot be built.
    """
    parts, digest = build_parts(config), capture.header.extra.get(DIGEST)
    return replace(parts, digest=digest) if isinstance(digest, int) else parts


def _files(path: Path) -> list[Path]:
    if path.suffix in _SUFFIXES or not path.name:
        return [path]
    return [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
