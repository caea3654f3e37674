"""``sdrjscc export``: a training run's weights with their card."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out


def export(
    run: Annotated[Path, typer.Argument(help="Output folder of sdrjscc train.")],
    test: Annotated[Path, typer.Option(help="Folder of lossless test pictures, not trained on.")],
    data: Annotated[str, typer.Option(help="What it was trained on, in words, for the card.")],
    out: Annotated[Path, typer.Option(help="Folder to write weights and card into.")] = Path("weights"),
    name: Annotated[
        str | None, typer.Option(help="File name without ending; default: codec_variant.")
    ] = None,
    terms: Annotated[str, typer.Option(help="What the data's terms mean for the weights.")] = "not stated",
) -> None:
    """Write 16-bit weights and a card with recipe, data, terms and measured quality."""
    from sdrjscc.evaluation.card import export as write

    check_out(out)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        card = write(
            run,
            test,
            out,
            data=data,
            terms=terms,
            name=name,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for snr_db, level_db in card["psnr_db"].items():
        console.print(f"{snr_db:>4} dB: PSNR {level_db:.2f} dB, SSIM {card['ssim'][snr_db]:.4f}")
    console.print(f"wrote {out / card['file']} and its card", markup=False)
