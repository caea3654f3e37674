"""The report of one run: pictures and figures as PNG files, and one HTML page that holds all."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdrjscc.evaluation import _pictures
from sdrjscc.evaluation.page import render_page
from sdrjscc.evaluation.results import Run, Signal, Transmission, versions, write_results
from sdrjscc.files import write_text_atomic
from sdrjscc.images.io import write_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TALLEST_REM, _SMALLEST_REM, _LARGEST_PIXEL_REM = 30.0, 4.0, 0.5


@dataclass(frozen=True)
class _Pane:
    """One of the pictures that stand side by side."""

    title: str
    picture: str
    detail: str | None


def write_report(run: Run, directory: Path, *, detailed: int = 24) -> Path:
    """Write ``results.json``, ``report.html`` and the pictures of a run.

    ::

        directory/
          results.json  report.html  loss.png
          01-astronaut/received.png comparison.png constellation.png spectrum.png channel.png packets.png

    Args:
        run: what was sent and measured.
        directory: made if missing; files of the same name are replaced.
        detailed: this many pictures get figures and a section of the page; all are in
            its table and in ``results.json``.

    Returns:
        Path of the page.

    Raises:
        OSError: from the file system.
    """
    content = run.content()
    write_results(directory / "results.json", run)  # first: figures take long
    sections: dict[int, dict[str, Any]] = {}
    for number, transmission in enumerate(run.transmissions, start=1):
        folder = picture_folder(directory, number, transmission.image)
        if transmission.received is not None:
            write_png(folder / "received.png", transmission.received)
        if number <= detailed and (transmission.sent is not None or transmission.received is not None):
            sections[number] = _section(number, transmission, content["transmissions"][number - 1], folder)
    loss = _loss_figure(run, directory / "loss.png")
    page = directory / "report.html"
    write_text_atomic(page, _render(run, content, sections, loss))
    return page


def _section(number: int, transmission: Transmission, row: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the page's template says of one picture; its figures are written on the way."""
    shown = [pixels for pixels in (transmission.received, transmission.sent) if pixels is not None]
    height, width = shown[-1].shape[-2:]
    detail = _pictures.busiest_detail(shown[-1])
    return {
        "number": number,
        "row": row,
        "width": width,
        "height": height,
        "thumbnail": _pictures.thumbnail(shown[0]),
        "panes": _panes(transmission, detail),
        "stage": _stage(width, height),
        "mark": _mark(detail, width, height) if detail else None,
        "figures": list(_figures(transmission, row, folder)),
    }


def _stage(width: int, height: int) -> str:
    """CSS of a picture's box: as wide as its column, not too tall, small pictures not blown up."""
    tallest_rem = min(_TALLEST_REM, max(_SMALLEST_REM, height * _LARGEST_PIXEL_REM))
    return f"width:min(100%,{tallest_rem * width / height:.4f}rem);aspect-ratio:{width}/{height}"


def _mark(detail: _pictures.Detail, width: int, height: int) -> str:
    """CSS that frames the detail on a picture shown at any size."""
    sides = {
        "left": detail.left / width,
        "top": detail.top / height,
        "width": detail.width / width,
        "height": detail.height / height,
    }
    return ";".join(f"{side}:{100 * part:.3f}%" for side, part in sides.items())


def _panes(transmission: Transmission, detail: _pictures.Detail | None) -> list[_Pane]:
    """Sent, received and error, as far as they are known, each with its enlarged detail."""
    from sdrjscc.evaluation.plots import ERROR_LEVELS, error_levels

    sent, received = transmission.sent, transmission.received
    pictures = {"Sent": sent, "Received": received}
    if sent is not None and received is not None:
        pictures["Error"] = _pictures.error_picture(error_levels(sent, received), ERROR_LEVELS)
    return [
        _Pane(title, _pictures.preview(pixels), _pictures.preview(detail.of(pixels)) if detail else None)
        for title, pixels in pictures.items()
        if pixels is not None
    ]


def _figures(transmission: Transmission, row: Mapping[str, Any], folder: Path) -> Iterator[dict[str, str]]:
    """Write the figures of one picture; yield those that the page shows."""
    from sdrjscc.evaluation import plots
    from sdrjscc.evaluation._style import save_figure

    if transmission.sent is not None:
        drawn = plots.comparison(transmission.sent, transmission.received, row["psnr_db"])
        save_figure(drawn, folder / "comparison.png")
    makers = _signal_figures(transmission.signal)
    if transmission.packets:
        makers["packets"] = lambda: plots.packet_series(transmission.packets, row["packets_sent"])
    for name, maker in makers.items():
        save_figure(maker(), folder / f"{name}.png")
        yield {"name": name, "source": _pictures.figure_uri(folder / f"{name}.png")}


def _signal_figures(signal: Signal | None) -> dict[str, Callable[[], "Figure"]]:
    """Makers of the figures that a transmission kept arrays for."""
    from sdrjscc.evaluation import plots_signal

    makers: dict[str, Callable[[], Figure]] = {}
    if signal is None:
        return makers
    if (symbols := signal.symbols) is not None and len(symbols):
        makers["constellation"] = lambda: plots_signal.constellation(
            symbols, signal.reference, signal.noise_var
        )
    if (samples := signal.samples) is not None and samples.shape[-1]:
        bandwidth_hz = signal.occupied_bandwidth_hz
        makers["spectrum"] = lambda: plots_signal.power_spectrum(
            samples, signal.sample_rate_hz, bandwidth_hz, signal.cfo_hz
        )
    response, carriers_hz = signal.frequency_response, signal.carriers_hz
    impulse, delays = signal.impulse_response, signal.tap_delays
    if response is not None and carriers_hz is not None and impulse is not None and delays is not None:
        delays_s = delays / signal.sample_rate_hz
        makers["channel"] = lambda: plots_signal.channel(response, carriers_hz, impulse, delays_s)
    return makers


def _loss_figure(run: Run, path: Path) -> str | None:
    from sdrjscc.evaluation import plots
    from sdrjscc.evaluation._style import save_figure

    figure = plots.link_loss(run.transmissions)
    if figure is None:
        return None
    save_figure(figure, path)
    return _pictures.figure_uri(path)


def _render(
    run: Run, content: Mapping[str, Any], sections: Mapping[int, dict[str, Any]], loss: str | None
) -> str:
    from sdrjscc.evaluation.plots import ERROR_LEVELS

    return render_page(
        "report.html.j2",
        {
            "run": run,
            "content": content,
            "sections": sections,
            "loss": loss,
            "error_levels": ERROR_LEVELS,
            "versions": versions(),
        },
    )


def picture_folder(directory: Path, number: int, image: str) -> Path:
    """Where everything of one picture of a run lies; ``number`` counts from 1."""
    return directory / f"{number:02d}-{_slug(image)}"


def _slug(name: str) -> str:
    """A file name that is safe in any file system, from any other."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", Path(name).stem).strip("-")[:40].lower() or "picture"
