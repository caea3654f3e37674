"""Peak power of what is sent, relative to the payload's mean power, on four times the sample rate."""

from typing import Any

import torch
from torch import Tensor

from sdrjscc import plugins
from sdrjscc.waveform.base import CHIRP_SAMPLES, HEADER, PAYLOAD_START, Waveform, chirps
from sdrjscc.waveform.ofdm import Config, build

_OVERSAMPLING = 4
_AT_ONCE = 2000
_PROBABILITY = 1e-3
CURVE_DB = [0.1 * i for i in range(0, 141)]


def _peaks_db(blocks: Tensor) -> Tensor:
    """Peak powers ``[B]`` in dB of periodic blocks ``[B, n]``, by interpolation of their spectra."""
    n = blocks.shape[-1]
    spectrum = torch.fft.fft(blocks)
    half = n // 2
    zeros = spectrum.new_zeros(len(blocks), (_OVERSAMPLING - 1) * n)
    fine = torch.fft.ifft(torch.cat([spectrum[:, :half], zeros, spectrum[:, half:]], dim=-1))
    return 10 * torch.log10((fine.abs().amax(-1) * _OVERSAMPLING).square())


def _payload_peaks_db(waveform: Waveform, symbols: str, blocks: int, seed: int) -> Tensor:
    """Peaks of payload OFDM symbols that carry Gaussian or QPSK symbols."""
    grid = waveform.payload
    generator = torch.Generator().manual_seed(seed)
    frames = _AT_ONCE // grid.symbols
    header = torch.ones(frames, HEADER.data_cells, dtype=torch.complex64)
    peaks = []
    for _ in range(max(1, blocks // _AT_ONCE)):
        data = torch.randn(frames, waveform.payload_symbols, dtype=torch.complex64, generator=generator)
        if symbols == "QPSK":
            data = torch.complex(data.real.sign(), data.imag.sign()) * 0.5**0.5
        samples = waveform.modulate(header, data)[:, PAYLOAD_START:].reshape(-1, grid.symbol_samples)
        peaks.append(_peaks_db(samples[:, grid.cyclic_prefix :]))
    return torch.cat(peaks)


def papr(blocks: int) -> list[dict[str, Any]]:
    """Rows: payload of each waveform with two kinds of symbols; preamble without and with full boost.

    ``papr_db`` is exceeded by one block in a thousand, for the preamble its largest;
    ``exceeded`` is the share of blocks above each of ``levels_db``.
    """
    rows = [
        _payload_row(name, symbols, blocks)
        for name in plugins.available("waveform")
        for symbols in ("Gaussian", "QPSK")
    ]
    return rows + [_preamble_row(boost_db) for boost_db in (0.0, 5.0)]


def _payload_row(name: str, symbols: str, blocks: int) -> dict[str, Any]:
    plugin = plugins.load("waveform", name)
    assert plugin.config is not None
    waveform = plugin.build(plugin.config(payload_ofdm_symbols=50))
    peaks = _payload_peaks_db(waveform, symbols, blocks, seed=8)
    return {
        "signal": f"{name} payload, {symbols} symbols",
        "papr_db": float(torch.quantile(peaks, 1 - _PROBABILITY)),
        "blocks": len(peaks),
        "levels_db": CURVE_DB,
        "exceeded": [(peaks > level).double().mean().item() for level in CURVE_DB],
    }


def _preamble_row(boost_db: float) -> dict[str, Any]:
    waveform = build(Config(preamble_boost_db=boost_db))
    peak = float(_peaks_db(chirps()).max()) + 20 * torch.log10(torch.tensor(waveform.preamble_gain)).item()
    own = float(_peaks_db(chirps()).max() - 10 * torch.log10(chirps().abs().square().mean()))
    return {
        "signal": f"preamble, boosted by {boost_db:g} dB",
        "papr_db": own,
        "peak_above_payload_mean_db": peak,
        "blocks": 2,
        "samples": 2 * CHIRP_SAMPLES,
        "carriers": 4 * HEADER.active_carriers,
    }
