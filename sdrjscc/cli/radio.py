"""``sdrjscc radio``: what a device is, its best gains, and whether a link works, on this host's bench."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Radios on this host's bench: probe, calibrate, selftest.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class End(StrEnum):
    """Which table of a link."""

    RX = "rx"
    TX = "tx"


@app.command("probe")
def probe(
    config: Annotated[str | None, typer.Option("--config", "-c", help="Link TOML or preset.")] = None,
    end: Annotated[End, typer.Option(help="Which end's radio of the link.")] = End.RX,
    profile: Annotated[
        str | None, typer.Option(help="Instead of a link: a profile, bundled by name or a TOML file.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Instead of a link: pluto, usrp, soapy, ...")] = None,
    address: Annotated[
        str | None, typer.Option(help="The device's address: ip:192.168.2.1, type=b200, driver=lime, ...")
    ] = None,
    frequency_hz: Annotated[
        float | None, typer.Option(help="Carrier to listen at, instead of the configured one.")
    ] = None,
) -> None:
    """Open the device at an address, as a receiver, and tell what it is. Nothing is sent or searched for."""
    from sdrjscc.cli._radio_probe import Wanted, show

    show(Wanted(config, end.value, profile, name, address, frequency_hz))


@app.command("calibrate")
def calibrate(
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML, both ends on this host.")],
    gains: Annotated[
        str | None, typer.Option(help="Receive gains in dB, 0,10,20; default: the radio's range by 6 dB.")
    ] = None,
    tx_gains: Annotated[
        str | None, typer.Option(help="Then transmit gains in dB, up to the cap; default: the link's own.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Test pictures at each gain.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for results and figures.")] = Path("sdrjscc-calibrate"),
    profile: Annotated[
        Path | None, typer.Option(help="Profile to write; default: RADIO.local.toml here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a profile of that name.")] = False,
) -> None:
    """Sweep the receive gain over a cable or the air; find its best, the noise floor and the clocks' offset.

    Transmits test pictures as the link says. Exit code 4 if there is no gain at which all arrive unsaturated.
    """
    from sdrjscc.cli._radio_calibrate import Job, run

    raise typer.Exit(run(Job(config, gains, tx_gains, pictures, out, profile, force)))


@app.command("selftest")
def selftest(
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML or preset.")] = "loopback",
    pictures: Annotated[int, typer.Option(min=1, help="Test pictures.")] = 8,
    least_snr_db: Annotated[
        float | None,
        typer.Option(help="SNR to be reached; default: 10, or 3 less than the link's software channel."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("sdrjscc-selftest"),
) -> None:
    """Send test pictures from this host to itself: one verdict, exit code 0 (PASS) or 4 (FAIL)."""
    from sdrjscc.cli._radio_selftest import run

    raise typer.Exit(run(config, pictures, least_snr_db, out))
