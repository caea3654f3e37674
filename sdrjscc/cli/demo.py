"""``sdrjscc demo``: bundled photos over the software channel."""

from pathlib import Path
from typing import Annotated

import typer

DEMO_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for report, pictures and results.")] = Path(
        "sdrjscc-demo"
    ),
    preset: Annotated[str, typer.Option("--config", "-c", help="Preset or link TOML.")] = "loopback-hard",
    snr_db: Annotated[float | None, typer.Option(help="Channel SNR instead of the preset's.")] = None,
) -> None:
    """Send real photos through codec, radio frame, impaired channel and receiver; write a report."""
    from sdrjscc.cli._run import Job, send_all
    from sdrjscc.images.samples import sample_path
    from sdrjscc.linkfile import load_link, with_snr

    config = load_link(preset)
    if snr_db is not None:
        config = with_snr(config, snr_db)
    raise typer.Exit(send_all(Job("demo", config, [sample_path(name) for name in DEMO_PHOTOS], out)))
