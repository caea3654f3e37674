"""What a waveform is, and the frame that all waveforms share.

A frame is ``[preamble][header][payload]``. Preamble and header belong to the frame *version*
(re-exported here); only the payload differs between waveforms and configurations.
"""

from typing import Protocol

from torch import Tensor

from sdrjscc.waveform._fft import phasor, tilted_phasor, to_samples, to_spectrum, tone, turned_spectrum
from sdrjscc.waveform._grid import Grid
from sdrjscc.waveform._preamble import (
    CHIRP_RATE,
    CHIRP_SAMPLES,
    CHIRP_SIZE,
    HEADER,
    PAYLOAD_START,
    PREAMBLE_SAMPLES,
    chirp_bins,
    chirp_spectrum,
    chirps,
    preamble,
)
from sdrjscc.waveform._tables import table

__all__ = [
    "CHIRP_RATE",
    "CHIRP_SAMPLES",
    "CHIRP_SIZE",
    "HEADER",
    "PAYLOAD_START",
    "PREAMBLE_SAMPLES",
    "Grid",
    "Waveform",
    "chirp_bins",
    "chirp_spectrum",
    "chirps",
    "phasor",
    "preamble",
    "table",
    "tilted_phasor",
    "to_samples",
    "to_spectrum",
    "tone",
    "turned_spectrum",
]


class Waveform(Protocol):
    """Frames of one configuration."""

    @property
    def payload(self) -> Grid:
        """Numerology of the payload's cells."""

    @property
    def payload_symbols(self) -> int:
        """Complex symbols in the payload of a frame."""

    @property
    def frame_samples(self) -> int:
        """Samples of a frame."""

    @property
    def preamble_gain(self) -> float:
        """Amplitude of the preamble relative to header and payload, at least 1."""

    def modulate(self, header: Tensor, payload: Tensor) -> Tensor:
        """Frames ``[B, frame_samples]`` from header and payload symbols; differentiable.

        Args:
            header: complex64 ``[B, 1000]``, unit power.
            payload: complex64 ``[B, payload_symbols]``, unit mean power.
        """

    def collect(self, symbols: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor]:
        """Payload symbols and their noise variances ``[B, payload_symbols]`` of equalised data cells.

        Args:
            symbols: complex64 ``[B, M, D]``, unbiased estimates of the cells.
            noise_var: float32 ``[B, M, D]``, infinite where a cell was lost.
        """

    def occupied_bandwidth_hz(self, sample_rate_hz: float) -> float:
        """Bandwidth of the occupied carriers."""
