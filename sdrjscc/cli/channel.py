"""``sdrjscc channel``: the process between the two ends of a virtual link."""

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from sdrjscc.cli._console import console
from sdrjscc.errors import ConfigError

if TYPE_CHECKING:
    from sdrjscc.channel._stream import ChannelStream
    from sdrjscc.linkfile import LinkConfig
    from sdrjscc.radio._virtual_channel import Totals

_STOPPED = 130


class Rate(StrEnum):
    """How fast samples go through."""

    FAST = "fast"
    REAL = "real"


def channel(
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML or preset.")] = "virtual",
    tx: Annotated[
        str | None, typer.Option(help="Address where the transmitting end binds; default: radios.tx's.")
    ] = None,
    rx: Annotated[
        str | None, typer.Option(help="Address to bind for the receiving end; default: radios.rx's.")
    ] = None,
    rate: Annotated[
        Rate, typer.Option(help="As fast as both ends go, or in real time at the sample rate.")
    ] = Rate.FAST,
    snr_db: Annotated[float | None, typer.Option(help="Channel SNR instead of the configured one.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    longest: Annotated[
        int | None,
        typer.Option(
            min=2048,
            help="Samples without silence after which a transmission is cut, each part a realisation of its "
            "own: for flowgraphs that never pause. Default: 8388608.",
        ),
    ] = None,
) -> None:
    """Join the two ends of a virtual link through the link's channel, until Ctrl-C.

    The ends are other processes: sdrjscc tx and rx with the same link, or GNU Radio flowgraphs with
    a ZMQ REP Sink (transmits) or a ZMQ REQ Source (receives).
    """
    from sdrjscc.linkfile import load_link, with_snr
    from sdrjscc.radio._virtual_channel import ChannelProcess
    from sdrjscc.radio.virtual import library

    link = load_link(config)
    if snr_db is not None:
        link = with_snr(link, snr_db)
    tx, rx = _address(tx, link, "tx"), _address(rx, link, "rx")
    process = ChannelProcess(
        library(),
        _stream(link, seed, longest),
        tx=tx,
        rx=rx,
        sample_rate_hz=_sample_rate_hz(link),
        real_time=rate is Rate.REAL,
    )
    with process:
        try:
            console.print(f"channel from {tx} to {rx}; Ctrl-C stops it", highlight=False, markup=False)
            with Live(console=console, auto_refresh=False, transient=True) as live:
                process.run(_Speedometer(live).show)
        except KeyboardInterrupt:
            totals = _line(process.count(time.monotonic()))
            console.print(f"stopped; {totals}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(_STOPPED)


def _stream(link: "LinkConfig", seed: int, longest: int | None) -> "ChannelStream":
    from sdrjscc.channel._stream import LONGEST_SAMPLES, ChannelStream
    from sdrjscc.config import build_plugin

    wanted = _antennas(link)
    rate_hz = _sample_rate_hz(link)
    stream = ChannelStream(
        None if link.channel is None else build_plugin("channel", link.channel, "channel"),
        antennas=wanted,
        sample_rate_hz=rate_hz,
        occupied_bandwidth_hz=build_plugin("waveform", link.waveform, "waveform").occupied_bandwidth_hz(
            rate_hz
        ),
        seed=seed,
        longest_samples=LONGEST_SAMPLES if longest is None else longest,
    )
    if stream.antennas != wanted:
        raise ConfigError(
            f"channel.antennas must be the receiving radio's antennas, {wanted} (got {stream.antennas})"
        )
    return stream


def _antennas(link: "LinkConfig") -> int:
    """Of the receiving end; where it is no virtual radio, what the channel says."""
    table = link.radios.rx or {}
    if table.get("name") != "virtual":
        table = link.channel or {}
    return int(str(table.get("antennas", 1)))


def _sample_rate_hz(link: "LinkConfig") -> float:
    return float(str(link.radios.tx.get("sample_rate_hz", 1e6)))


def _address(given: str | None, link: "LinkConfig", end: str) -> str:
    """The address of an end: as given, else as the link says.

    Raises:
        ConfigError: it is not an address, or there is none.
    """
    from sdrjscc.radio._virtual_sockets import checked_address

    table = (link.radios.tx if end == "tx" else link.radios.rx) or {}
    if given is None and table.get("name") == "virtual":
        return str(table["address"])
    if given is None:
        raise ConfigError(f"--{end} must be given where radios.{end} is not a virtual radio")
    try:
        return checked_address(given)
    except ValueError as error:
        raise ConfigError(f"--{end} {error} (got '{given}')") from None


class _Speedometer:
    """Shows the totals, and how fast samples went since they were last shown."""

    def __init__(self, live: Live) -> None:
        self._live, self._taken, self._elapsed_s = live, 0, 0.0

    def show(self, totals: "Totals") -> None:
        seconds = max(totals.elapsed_s - self._elapsed_s, 1e-3)
        speed = (totals.taken - self._taken) / seconds / 1e6
        self._taken, self._elapsed_s = totals.taken, totals.elapsed_s
        here = f"transmitter {_there(totals.transmitter)}, receiver {_there(totals.receiver)}"
        state = "idle" if totals.idle else "busy"
        self._live.update(f"{here}, {state}, {speed:.2f} MS/s\n{_line(totals)}", refresh=True)


def _line(totals: "Totals") -> str:
    cuts = f" ({totals.cuts} cut)" if totals.cuts else ""
    return (
        f"{totals.transmissions} transmissions{cuts}, {totals.taken} samples taken, {totals.given} given, "
        f"{totals.silence} of them silence, in {totals.elapsed_s:.1f} s"
    )


def _there(present: bool) -> str:
    return "there" if present else "absent"
