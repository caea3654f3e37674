"""``sdrjscc link``: pictures over a link whose both ends are on this host."""

from pathlib import Path
from typing import Annotated

import typer


def link(
    images: Annotated[list[Path], typer.Argument(help="Picture files.")],
    config: Annotated[str, typer.Option("--config", "-c", help="Link TOML or preset.")] = "loopback",
    out: Annotated[Path, typer.Option(help="Folder for report, pictures and results.")] = Path(
        "sdrjscc-link"
    ),
    codec: Annotated[str | None, typer.Option(help="Codec, or codec/variant, instead of the link's.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Its weights: a file, bundled ones by name, or 'untrained'.")
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="Mapping instead of the codec's own.")] = None,
    mode: Annotated[int | None, typer.Option(help="Modulation order's number; default: by the SNR.")] = None,
    snr_db: Annotated[float | None, typer.Option(help="Channel SNR instead of the configured one.")] = None,
    max_side: Annotated[int | None, typer.Option(help="Shrink larger pictures to this side, px.")] = None,
    lpips: Annotated[Path | None, typer.Option(help="LPIPS backbone (.safetensors) to measure with.")] = None,
    record: Annotated[Path | None, typer.Option(help="Record what is received to this SigMF name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording of that name.")] = False,
) -> None:
    """Send pictures over a link and measure what arrives."""
    from sdrjscc.cli._run import Job, send_all
    from sdrjscc.errors import NotBundled
    from sdrjscc.linkfile import load_link, with_codec, with_snr

    link_config = with_codec(load_link(config), codec, weights=weights, mapping=mapping, mode=mode)
    if snr_db is not None:
        link_config = with_snr(link_config, snr_db)
    try:
        code = send_all(Job("link", link_config, images, out, max_side, lpips, record, force))
    except NotBundled as error:
        if codec is None:
            raise
        raise NotBundled(error.needed, "give --weights FILE, or --weights untrained") from None
    raise typer.Exit(code)
