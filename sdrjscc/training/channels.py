"""The channel that a recipe trains over: a plug-in that works on symbols, or the link itself."""

from typing import Any

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.config import build_plugin, validate
from sdrjscc.errors import TrainingError
from sdrjscc.plugins import available
from sdrjscc.training import link_channel

LINK = "link"
"""Name of :mod:`sdrjscc.training.link_channel` in a recipe. It stands above the channel plug-ins, as it
is made of waveform and receiver."""


def build_symbol_channel(table: dict[str, Any]) -> SymbolChannel:
    """Build a symbol-level channel from its table (with its ``name``).

    Raises:
        ConfigError: a wrong option.
        TrainingError: no such channel, or one that only exists at sample level.
    """
    name = table["name"]
    if name == LINK:
        options = {key: value for key, value in table.items() if key != "name"}
        return link_channel.build(validate(link_channel.Config, options, "channel"))
    known = [*available("channel"), LINK]
    if ":" not in name and name not in known:
        raise TrainingError(
            f"channel must be one of {', '.join(known)}, or your own, package.module:build (got '{name}')"
        )
    channel = build_plugin("channel", table, "channel")
    if not isinstance(channel, SymbolChannel):
        raise TrainingError(f"channel {name} must work on symbols for training (it works on samples)")
    return channel
