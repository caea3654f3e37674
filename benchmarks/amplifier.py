"""Pictures through a power amplifier: PSNR over the whole link, and what falls into the next channel.

    python benchmarks/amplifier.py --data kodak [--quick] [--json FILE]

A Rapp amplifier at some back-offs, for OFDM, OFDM clipped, and DFT-spread OFDM, with the
codec of the link. The amplifier works on four times the sample rate. The back-off is its saturation
above the mean power that goes in; ``output_db`` is the mean power that comes out below saturation,
which is what a comparison at equal power from the same amplifier needs. SNR is that of what arrives.

``papr_db`` is the power above the mean that one sample in 10,000 exceeds before the amplifier.
ACLR: power in the occupied band over the power in a band as wide, one sample rate away, of the worse
side. Without an amplifier there is none, as the converter's filter is taken as ideal.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from _phy.papr import waveforms
from _phy.results import machine, versions
from rich.console import Console
from torch import Tensor

from sdrjscc.channel._amplifier import RappAmplifier, interpolated
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.files import write_json_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import Picture, read_image
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link
from sdrjscc.units import to_db

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")
BACKOFFS_DB = (None, 9.0, 6.0, 3.0)
SNRS_DB = (10.0, 20.0)
_QUICK_PICTURES = 4
_SPECTRUM_PICTURES = 8
_SIDE_PX = 256
_OVERSAMPLING = 4
_RARE = 1e-4


def main() -> None:
    """Measure every waveform at every back-off and SNR; print each row as it comes."""
    options = _options()
    torch.set_num_threads(1)
    console = Console(width=120, highlight=False)
    pictures = _pictures(options.data, _QUICK_PICTURES if options.quick else None)
    base = load_link(options.config)
    content: dict[str, Any] = {"schema": 1, "pictures": len(pictures), "machine": machine()}
    content |= {
        "smoothness": options.smoothness,
        "versions": versions(),
        "link": base.model_dump(exclude_none=True),
        "spectrum": [],
        "rows": [],
    }
    for label, name, clipping in waveforms():
        waveform = {"name": name, **clipping}
        for row in _spectrum(_frames(base, waveform, pictures), options.smoothness):
            content["spectrum"].append({"waveform": label, **row})
            console.print(_spectrum_text(content["spectrum"][-1]))
        for backoff_db, snr_db in itertools.product(BACKOFFS_DB, SNRS_DB):
            config = _with(base, waveform, snr_db, _amplifier(backoff_db, options.smoothness))
            row = {"waveform": label, "backoff_db": backoff_db, "snr_db": snr_db}
            content["rows"].append(row | _through_link(config, pictures))
            console.print(_text(content["rows"][-1]))
            if options.json:
                write_json_atomic(options.json, content)


def _amplifier(backoff_db: float | None, smoothness: float) -> dict[str, Any] | None:
    """The channel's ``pa`` table."""
    if backoff_db is None:
        return None
    return {"backoff_db": backoff_db, "smoothness": smoothness, "oversampling": _OVERSAMPLING}


def _with(base: LinkConfig, waveform: dict[str, Any], snr_db: float, pa: dict[str, Any] | None) -> LinkConfig:
    """The link with another waveform, SNR and amplifier."""
    channel = {**(base.channel or {}), "snr_db": snr_db} | ({} if pa is None else {"pa": pa})
    table = base.model_dump(exclude_none=True)
    kept = {key: value for key, value in table["waveform"].items() if key != "name"}
    return parse_link({**table, "waveform": {**kept, **waveform}, "channel": channel})


def _through_link(config: LinkConfig, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Means over the pictures that were received."""
    psnr_db, snr_db = [], []
    with Link(config) as link:
        for picture in pictures:
            result = link.send(picture)
            if result.psnr_db.value is not None and result.quality is not None:
                psnr_db.append(result.psnr_db.value)
                snr_db.append(result.quality.snr_db)
    count = max(1, len(psnr_db))
    return {
        "psnr_db": sum(psnr_db) / count,
        "delivered_snr_db": sum(snr_db) / count,
        "received": len(psnr_db),
        "sent": len(pictures),
    }


def _frames(base: LinkConfig, waveform: dict[str, Any], pictures: Sequence[Picture]) -> tuple[Tensor, float]:
    """The pictures' frames ``[n]``, and the share of the sample rate that they occupy."""
    with Link(_with(base, waveform, SNRS_DB[0], None)) as link:
        samples = [link.send(picture).sent.samples for picture in pictures[:_SPECTRUM_PICTURES]]
        return torch.cat(samples), link.parts.waveform.occupied_bandwidth_hz(1.0)


def _spectrum(frames: tuple[Tensor, float], smoothness: float) -> list[dict[str, Any]]:
    """Peaks before, ACLR and power behind the amplifier, for each back-off."""
    samples, share = interpolated(frames[0][None], _OVERSAMPLING)[0], frames[1]
    power, mean = samples.abs().square(), float(samples.abs().square().mean())
    rare = power.kthvalue(round((1 - _RARE) * len(power))).values
    rows = []
    for backoff_db in BACKOFFS_DB:
        if backoff_db is not None:
            amplified = RappAmplifier(backoff_db, smoothness).apply(samples)
            output_db = to_db(float(amplified.abs().square().mean()) / mean) - backoff_db
            rows.append(
                {
                    "backoff_db": backoff_db,
                    "papr_db": to_db(float(rare) / mean),
                    "aclr_db": _aclr_db(amplified, share),
                    "output_db": output_db,
                }
            )
    return rows


def _aclr_db(samples: Tensor, share: float) -> float:
    """ACLR of samples ``[n]``, oversampled; the occupied band is ``share`` of the sample rate."""
    spectrum = torch.fft.fft(samples * torch.hann_window(len(samples))).abs().square().double()
    frequency = torch.fft.fftfreq(len(samples), d=1 / _OVERSAMPLING, dtype=torch.float64)
    bands = [float(spectrum[(frequency - middle).abs() < share / 2].sum()) for middle in (-1.0, 0.0, 1.0)]
    return to_db(bands[1] / max(bands[0], bands[2]))


def _pictures(folder: Path | None, most: int | None) -> list[Picture]:
    if folder is None:
        return [centre_square(read_sample(name), _SIDE_PX) for name in PHOTOS[:most]]
    return [centre_square(read_image(path), _SIDE_PX) for path in find_images(folder)[:most]]


def _spectrum_text(row: dict[str, Any]) -> str:
    return (
        f"{row['waveform']:32s}{row['backoff_db']:4.0f} dB back-off: PAPR {row['papr_db']:5.2f} dB,"
        f" ACLR {row['aclr_db']:5.1f} dB, output {row['output_db']:6.2f} dB of saturation"
    )


def _text(row: dict[str, Any]) -> str:
    backoff = "no amplifier" if row["backoff_db"] is None else f"{row['backoff_db']:g} dB back-off"
    return (
        f"{row['waveform']:32s}{backoff:>16s}  SNR {row['snr_db']:4.0f} dB: PSNR {row['psnr_db']:6.2f} dB,"
        f" delivered SNR {row['delivered_snr_db']:5.2f} dB, {row['received']}/{row['sent']} received"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of pictures; default: bundled photos")
    parser.add_argument("--config", default="loopback", help="preset or link TOML whose codec is used")
    parser.add_argument(
        "--smoothness", type=float, default=2.0, help="p of the amplifier; 10 is near a hard limit"
    )
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_PICTURES} pictures only")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
