"""Whether a codec and a mapping fit each other: asked once, before anything is sent or trained."""

from typing import Any

from sdrjscc.codecs.base import Codec
from sdrjscc.errors import ConfigError, SdrJsccError
from sdrjscc.linkfile import default_mapping
from sdrjscc.mapping.base import Mapper, bind, build_mapper, modulation_orders
from sdrjscc.payload import PayloadKind, Plan

_IN_WORDS = {
    PayloadKind.LATENT: "real values",
    PayloadKind.INDICES: "indices of points",
    PayloadKind.BITS: "bits",
}


def codec_name(table: dict[str, Any]) -> str:
    """Codec and variant of a ``[codec]`` table, e.g. ``dsc_jscc/60-E2D2``."""
    return "/".join(str(table[key]) for key in ("name", "variant") if table.get(key))


def check_fit(
    codec: Codec, mapper: Mapper, codec_table: dict[str, Any], mapping_table: dict[str, Any]
) -> None:
    """Check that the mapper takes what the codec gives, in every mode.

    Compared are the payload's kind, the real values that one symbol carries, as far as both say so
    (:attr:`~sdrjscc.payload.Plan.values`, ``values`` of a mapper), and the number of modes; then how
    the mapper demaps, where the codec has a ``demap`` that it needs.

    Args:
        codec, mapper: as built; the mapper may be bound to the codec already.
        codec_table, mapping_table: what they were built from.

    Raises:
        ConfigError: they do not fit; names the mapping that the codec is made for, if that does.
    """
    reason = _misfit(codec, mapper)
    if reason is None:
        _check_demap(codec, codec_table, mapping_table)
        return
    name, got = codec_name(codec_table), mapping_table["name"]
    made_for = default_mapping(codec_table)
    if made_for["name"] != got and _would_fit(codec, made_for):
        raise ConfigError(f"codec {name} needs the mapping {made_for['name']} (got {got}: {reason})")
    raise ConfigError(f"codec {name} and mapping {got} must fit each other ({reason})")


def _check_demap(codec: Codec, codec_table: dict[str, Any], mapping_table: dict[str, Any]) -> None:
    needed = getattr(codec, "demap", None)
    got = mapping_table.get("demap", needed)
    if got != needed and needed is not None:
        name = codec_name(codec_table)
        raise ConfigError(f"mapping.demap must be '{needed}' with codec {name} (got '{got}')")


def _misfit(codec: Codec, mapper: Mapper) -> str | None:
    """Why they do not fit; ``None``: they do."""
    orders, modes = modulation_orders(mapper, codec), getattr(codec, "modes", None)
    plans = [codec.plan(codec.multiple, codec.multiple, mode) for mode in range(modes or 1)]
    for plan in plans:
        if plan.kind != mapper.kind:
            return f"it takes {_IN_WORDS[mapper.kind]}, the codec gives {_IN_WORDS[plan.kind]}"
    if modes is not None and len(orders) > modes:
        return f"it has {len(orders)} modes, the codec {modes}"
    return _other_values(plans, getattr(bind(mapper, codec), "values", ()), len(orders) or len(plans))


def _other_values(plans: list[Plan], taken: tuple[int, ...], modes: int) -> str | None:
    """The first mode with another number of values; the last entry of either is that of all after it."""
    for mode in range(modes if taken else 0):
        gives, takes = plans[min(mode, len(plans) - 1)].values, taken[min(mode, len(taken) - 1)]
        if gives is not None and gives != takes:
            where = f" in mode {mode}" if modes > 1 else ""
            return f"it takes {_counted(takes)} a symbol, the codec gives {gives}{where}"
    return None


def _counted(values: int) -> str:
    return f"{values} value{'s' if values > 1 else ''}"


def _would_fit(codec: Codec, mapping: dict[str, Any]) -> bool:
    try:
        return _misfit(codec, build_mapper(mapping)) is None
    except SdrJsccError:
        return False
