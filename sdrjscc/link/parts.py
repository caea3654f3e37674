"""The parts that both ends of a link share, built from its configuration."""

from dataclasses import dataclass
from functools import cache

import torch

from sdrjscc.codecs.base import Codec, build_codec
from sdrjscc.config import build_plugin
from sdrjscc.errors import ConfigError, SdrJsccError
from sdrjscc.framing.header import VERSION
from sdrjscc.link.fit import check_fit, codec_name
from sdrjscc.linkfile import LinkConfig, digest, load_link, preset_names
from sdrjscc.mapping._adaptation import mode_at
from sdrjscc.mapping.base import Mapper, bind, build_mapper, modulation_orders
from sdrjscc.waveform.base import Waveform


@dataclass(frozen=True)
class Parts:
    """What both ends of a link are made of.

    Attributes:
        config: the link's configuration.
        codec, mapper, waveform: built from it.
        digest: 16 bits over what both ends must share.
        device: where the codec is.
    """

    config: LinkConfig
    codec: Codec
    mapper: Mapper
    waveform: Waveform
    digest: int
    device: torch.device

    @property
    def codec_name(self) -> str:
        """Codec and variant, e.g. ``dsc_jscc/60-E2D2``."""
        return codec_name(self.config.codec)


def build_parts(config: LinkConfig, device: torch.device | str = "cpu") -> Parts:
    """Build codec, mapper and waveform.

    Raises:
        ConfigError: they do not fit each other.
        WeightsError: the codec's weights are missing or do not fit.
    """
    codec = build_codec(config.codec)
    if isinstance(codec, torch.nn.Module):
        codec.to(device)
    mapper = bind(build_mapper(config.mapping), codec)
    check_fit(codec, mapper, config.codec, config.mapping)
    waveform: Waveform = build_plugin("waveform", config.waveform, "waveform")
    shared = digest(config, codec.fingerprint, VERSION)
    return Parts(config, codec, mapper, waveform, shared, torch.device(device))


def mode_at_snr(codec: Codec, mapper: Mapper, snr_db: float) -> int:
    """The mode for a known SNR in dB: the codec's own choice, or the highest order that it is good for.

    Args:
        codec: asked by its ``mode_at``, if it has one.
        mapper: bound to it; 0 where it has no modes.
        snr_db: per symbol.
    """
    orders = modulation_orders(mapper)
    chosen = getattr(codec, "mode_at", None)
    if not orders:
        return 0
    return mode_at(orders, snr_db) if chosen is None else int(chosen(snr_db))


def sending_mode(parts: Parts, otherwise: int | None = None) -> int:
    """The mode that a sender takes: the configured one, or by the software channel's SNR.

    Args:
        parts: the link's.
        otherwise: what to take where it is left to an SNR that is not known; ``None``: refuse.

    Raises:
        ConfigError: the mapping has no such mode, or the SNR is not known.
    """
    orders, mode = modulation_orders(parts.mapper), parts.config.mode
    numbered = ", ".join(f"{number}: {order}" for number, order in enumerate(orders))
    if mode == "auto":
        if not orders:
            return 0
        snr_db = (parts.config.channel or {}).get("snr_db")
        if not isinstance(snr_db, int | float):
            if otherwise is not None:
                return otherwise
            raise ConfigError(
                f"mode must be given where the channel's SNR is not configured (modulation orders {numbered})"
            )
        return mode_at_snr(parts.codec, parts.mapper, snr_db)
    if not 0 <= mode < max(1, len(orders)):
        name = parts.config.mapping["name"]
        what = f"one of mapping {name}'s (number: order) {numbered}" if orders else f"0 for mapping {name}"
        raise ConfigError(f"mode must be {what} (got {mode})")
    return mode


def presets_with(digest: int) -> list[str]:
    """Names of the presets with this digest; those that cannot be built here are left out."""
    return [name for name in preset_names() if _preset_digest(name) == digest]


@cache
def _preset_digest(name: str) -> int | None:
    try:
        return build_parts(load_link(name)).digest
    except SdrJsccError:
        return None
