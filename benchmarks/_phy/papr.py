"""Peak power of what is sent, relative to the payload's mean power, on four times the sample rate.

And what clipping costs: signal to distortion in the band.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sdrjscc import plugins
from sdrjscc.units import to_db
from sdrjscc.waveform.base import CHIRP_SAMPLES, HEADER, PAYLOAD_START, Waveform, chirps
from sdrjscc.waveform.ofdm import Config, build

_OVERSAMPLING = 4
_OFDM_SYMBOLS = 50
_AT_ONCE = 2000
_PROBABILITY = 1e-3
CURVE_DB = [0.1 * i for i in range(0, 141)]
CLIPPED = ({"clip_db": 6.0}, {"clip_db": 7.0}, {"clip_db": 7.0, "clip_iterations": 4})


def waveforms() -> list[tuple[str, str, dict[str, Any]]]:
    """Label, name and options of all that are compared: every waveform, and OFDM clipped."""
    plain: list[tuple[str, str, dict[str, Any]]] = [
        (name, name, {}) for name in plugins.available("waveform")
    ]
    return plain + [(f"ofdm, {_clip_label(**options)}", "ofdm", dict(options)) for options in CLIPPED]


def _clip_label(clip_db: float, clip_iterations: int = 1) -> str:
    times = "once" if clip_iterations == 1 else f"{clip_iterations} times"
    return f"clipped at {clip_db:g} dB {times}"


def built(name: str, options: dict[str, Any], ofdm_symbols: int = _OFDM_SYMBOLS) -> Waveform:
    """A waveform with its default numerology."""
    plugin = plugins.load("waveform", name)
    assert plugin.config is not None
    waveform: Waveform = plugin.build(plugin.config(payload_ofdm_symbols=ofdm_symbols, **options))
    return waveform


def _gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, dtype=torch.complex64, generator=generator)


def _square(order: int) -> Callable[[tuple[int, ...], torch.Generator], Tensor]:
    """Symbols of a square constellation of unit mean power."""
    side = math.isqrt(order)

    def symbols(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        levels = 2.0 * torch.randint(0, side, (2, *shape), generator=generator) - (side - 1)
        return torch.complex(levels[0], levels[1]) / math.sqrt(2 * (order - 1) / 3)

    return symbols


SYMBOLS = {"Gaussian": _gaussian, "QPSK": _square(4), "64-QAM": _square(64)}


def papr(blocks: int) -> list[dict[str, Any]]:
    """Rows: payload of each waveform with each kind of symbols; preamble without and with full boost.

    ``papr_db`` is exceeded by one block in a thousand, for the preamble its largest;
    ``exceeded`` is the share of blocks above each of ``levels_db``; ``sdr_db``, of clipped ones,
    the power of the signal meant over that of the distortion, over the active carriers.
    """
    rows = [
        _payload_row(label, name, options, symbols, blocks)
        for label, name, options in waveforms()
        for symbols in SYMBOLS
    ]
    return rows + [_preamble_row(boost_db) for boost_db in (0.0, 5.0)]


def _payload_row(label: str, name: str, options: dict[str, Any], symbols: str, blocks: int) -> dict[str, Any]:
    waveform = built(name, options)
    reference = built(name, {}) if options else None
    generator = torch.Generator().manual_seed(8)
    peaks, powers = [], torch.zeros(2, dtype=torch.float64)
    for _ in range(max(1, blocks // _AT_ONCE)):
        data = SYMBOLS[symbols]((_AT_ONCE // _OFDM_SYMBOLS, waveform.payload_symbols), generator)
        sent = _payload_samples(waveform, data)
        peaks.append(peaks_db(sent))
        if reference is not None:
            powers += _signal_and_distortion(sent, _payload_samples(reference, data))
    found = torch.cat(peaks)
    return {
        "signal": f"{label}, {symbols}",
        "waveform": label,
        "symbols": symbols,
        "papr_db": float(torch.quantile(found, 1 - _PROBABILITY)),
        "sdr_db": None if reference is None else to_db(float(powers[0] / powers[1])),
        "blocks": len(found),
        "levels_db": CURVE_DB,
        "exceeded": [(found > level).double().mean().item() for level in CURVE_DB],
    }


def _payload_samples(waveform: Waveform, data: Tensor) -> Tensor:
    """Payload OFDM symbols without prefix, ``[B * M, N]``."""
    header = torch.ones(len(data), HEADER.data_cells, dtype=torch.complex64)
    samples = waveform.modulate(header, data)[:, PAYLOAD_START:]
    return samples.reshape(-1, waveform.payload.symbol_samples)[:, waveform.payload.cyclic_prefix :]


def peaks_db(blocks: Tensor) -> Tensor:
    """Peak powers ``[B]`` in dB of periodic blocks ``[B, n]``, by interpolation of their spectra."""
    n = blocks.shape[-1]
    spectrum = torch.fft.fft(blocks)
    half = n // 2
    zeros = spectrum.new_zeros(len(blocks), (_OVERSAMPLING - 1) * n)
    fine = torch.fft.ifft(torch.cat([spectrum[:, :half], zeros, spectrum[:, half:]], dim=-1))
    return 10 * torch.log10((fine.abs().amax(-1) * _OVERSAMPLING).square())


def _signal_and_distortion(got: Tensor, meant: Tensor) -> Tensor:
    """Power of what correlates with what was meant, and of the rest; all of it lies on the carriers."""
    gain = (meant.conj() * got).sum() / meant.abs().square().sum()
    signal = (gain * meant).abs().square().sum(dtype=torch.float64)
    return torch.stack([signal, (got - gain * meant).abs().square().sum(dtype=torch.float64)])


def _preamble_row(boost_db: float) -> dict[str, Any]:
    waveform = build(Config(preamble_boost_db=boost_db))
    peak = float(peaks_db(chirps()).max()) + 20 * math.log10(waveform.preamble_gain)
    own = float(peaks_db(chirps()).max() - 10 * torch.log10(chirps().abs().square().mean()))
    return {
        "signal": f"preamble, boosted by {boost_db:g} dB",
        "papr_db": own,
        "peak_above_payload_mean_db": peak,
        "blocks": 2,
        "samples": 2 * CHIRP_SAMPLES,
        "carriers": 4 * HEADER.active_carriers,
    }
