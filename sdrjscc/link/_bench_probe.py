"""What is at an address: one device, opened as a receiving end; nothing is ever transmitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sdrjscc.errors import ConfigError
from sdrjscc.link._bench_gains import radio_table
from sdrjscc.linkfile import ADDRESSES, LinkConfig, Table, parse_link, with_profile
from sdrjscc.plugins import load
from sdrjscc.radio.base import Status, build_radio
from sdrjscc.units import to_db

"""Keys under which radios take an address."""

_ANY_CODEC = {"name": "dsc_jscc", "variant": "60-E2D2"}  # a link must name one; its weights are not read

Capability = str | tuple[float, float]


@runtime_checkable
class Described(Protocol):
    """A radio that tells what its device can do."""

    def describe(self) -> Mapping[str, Capability]:
        """What the open device can do: ranges ``(lowest, highest)`` by key of ``Config``, the rest in words.

        Raises:
            RadioError: the device was lost.
        """
        ...


@dataclass(frozen=True)
class Probe:
    """What a device said.

    Attributes:
        table: as it was opened.
        status: after one reception.
        capabilities: as :meth:`Described.describe`; empty where the driver does not tell.
        samples: complex64 ``[antennas, n]`` of one reception; n is 0 where nothing came.
        sample_rate_hz: as read back.
    """

    table: Table
    status: Status
    capabilities: Mapping[str, Capability]
    samples: Tensor
    sample_rate_hz: float

    @property
    def level_dbfs(self) -> float | None:
        """Mean power of the reception; ``None`` where nothing came."""
        return to_db(float(self.samples.abs().square().mean())) if self.samples.numel() else None


def probe(table: Table) -> Probe:
    """Open the radio of a complete table as a receiving end, and ask it.

    Args:
        table: of :func:`receiving_table`.

    Raises:
        ConfigError: the table is not valid.
        RadioError: the device is not there, or does not do what the table says.
    """
    radio = build_radio(dict(table), "radio", channel=None, occupied_share=0.0)
    with radio:
        reception = radio.receive()
        told = radio.describe() if isinstance(radio, Described) else {}
        status = radio.status()
    nothing = torch.zeros(radio.antennas, 0, dtype=torch.complex64)
    samples = nothing if reception is None else reception.samples
    return Probe(table, status, told, samples, radio.sample_rate_hz)


def receiving_table(table: Mapping[str, Any], *, address: str | None = None) -> Table:
    """A radio's whole table as a receiving end, made from a link's, a profile's or a plain name.

    A carrier and a receive gain, which a profile may leave to the link, are taken from the
    radio's examples; an address never is.

    Args:
        table: with ``name`` or ``profile``.
        address: of the device, instead of the table's.

    Raises:
        ConfigError: it is not valid, or its radio takes no address.
    """
    known = _fields(_named(table))
    wanted = dict(table)
    if address is not None:
        wanted[_address_key(known, str(wanted.get("name", wanted.get("profile"))))] = address
    if "end" in known:
        wanted["end"] = "receive"
    automatic = wanted.get("gain_mode", "manual") != "manual"
    for key in ("center_frequency_hz", "rx_gain_db"):
        unsaid = key in known and key not in _whole(wanted)
        if unsaid and known[key].examples and not (key == "rx_gain_db" and automatic):
            wanted[key] = known[key].examples[0]
    return _completed(wanted)


def need_gain(config: LinkConfig) -> None:
    """Refuse a link whose receiver has no gain to be set.

    Raises:
        ConfigError: it has none.
    """
    table = radio_table(config, "rx")
    if "rx_gain_db" not in _fields(str(table["name"])) and "rx_gain_db" not in table:
        place = "radios.tx" if config.radios.rx is None else "radios.rx"
        raise ConfigError(f"{place} must be a radio with a receive gain, rx_gain_db (got '{table['name']}')")


def gain_range(table: Table) -> tuple[float, float]:
    """Receive gains that a radio takes: by its device where the driver tells, else by its ``Config``.

    Args:
        table: of the radio.

    Raises:
        ConfigError: the range is not known.
        RadioError: the device is not there.
    """
    told = probe(receiving_table(table)).capabilities.get("rx_gain_db")
    if isinstance(told, tuple):
        return told
    fields = _fields(str(table["name"]))
    bounds = fields["rx_gain_db"].metadata if "rx_gain_db" in fields else []
    lowest = next((one.ge for one in bounds if hasattr(one, "ge")), None)
    highest = next((one.le for one in bounds if hasattr(one, "le")), None)
    if lowest is None or highest is None:
        raise ConfigError(f"gains must be given: radio '{table['name']}' does not tell its range")
    return float(lowest), float(highest)


def _fields(name: str) -> Mapping[str, Any]:
    config = load("radio", name).config
    return {} if config is None else config.model_fields


def _named(table: Mapping[str, Any]) -> str:
    name = _whole(table).get("name")
    if not isinstance(name, str):
        raise ConfigError("a radio must be named by a link, a profile or a name (got none)")
    return name


def _address_key(known: Mapping[str, Any], name: str) -> str:
    for key in ADDRESSES:
        if key in known:
            return key
    raise ConfigError(f"an address must be given to a radio that takes one (got '{name}')")


def _completed(table: Mapping[str, Any]) -> Table:
    link = parse_link({"codec": _ANY_CODEC, "radios": {"tx": dict(table)}})
    return dict(link.radios.tx)


def _whole(table: Mapping[str, Any]) -> Table:
    """With the keys of its profile, not yet validated: what is missing is still to be filled in."""
    return with_profile(dict(table), "radio")
