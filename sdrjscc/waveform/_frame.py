"""The frame that every waveform here sends: preamble, header, and data cells in a grid."""

import math

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import SignalError
from sdrjscc.units import from_db
from sdrjscc.waveform._clip import ClipAndFilter
from sdrjscc.waveform._grid import PILOT_STEP, Grid
from sdrjscc.waveform._preamble import HEADER, PAYLOAD_START, preamble

_PILOT_SEED = 0x0FD3


class Numerology(Section):
    """Numerology of the payload; the header's belongs to the frame version.

    Attributes:
        fft_size: samples of an OFDM symbol without its prefix.
        cyclic_prefix: samples repeated before each OFDM symbol.
        active_carriers: carriers used on each side of DC.
        pilot_spacing: active carriers per pilot.
        payload_ofdm_symbols: OFDM symbols of a payload; 82 carry a 256x256 picture at 1/12.
        preamble_boost_db: power of the preamble above the payload's; 5 dB bring its peak to
            7.9 dB above the payload's mean: below unclipped OFDM (11.2 dB), level with OFDM
            clipped at 6.5 dB twice.
        clip_db: header and payload are clipped this far above their mean power and filtered
            (:class:`~sdrjscc.waveform._clip.ClipAndFilter`); none: they are not. It concerns the
            transmitter alone and is not part of the link's digest.
        clip_iterations: how often, where ``clip_db`` is given. Once, 6 to 7 dB leave a ratio of
            signal to distortion of 30 to 35 dB; four times at 7 dB distort as much as once at
            6 dB, for a peak that is 0.7 dB lower.
    """

    fft_size: int = Field(default=256, ge=64, le=4096)
    cyclic_prefix: int = Field(default=16, ge=8, le=1024)
    active_carriers: int = Field(default=104, ge=16, le=2000)
    pilot_spacing: int = Field(default=26, ge=4, le=208)
    payload_ofdm_symbols: int = Field(default=82, ge=1, le=4096)
    preamble_boost_db: float = Field(default=0.0, ge=0.0, le=5.0)
    clip_db: float | None = Field(default=None, ge=3.0, le=12.0)
    clip_iterations: int = Field(default=1, ge=1, le=16)

    @model_validator(mode="after")
    def _consistent(self) -> "Numerology":
        if 2 * self.active_carriers > 0.9 * self.fft_size:
            raise ValueError(f"active_carriers must be at most {int(0.45 * self.fft_size)} of fft_size")
        if 2 * self.active_carriers % self.pilot_spacing:
            raise ValueError(f"pilot_spacing must divide {2 * self.active_carriers} active carriers")
        if self.pilot_spacing % PILOT_STEP == 0:
            raise ValueError(
                f"pilot_spacing must not be a multiple of {PILOT_STEP}, or some carriers go unseen"
            )
        if self.cyclic_prefix > self.fft_size:
            raise ValueError(f"cyclic_prefix must be at most fft_size {self.fft_size}")
        return self


class Frames:
    """Frames of one numerology; a waveform says what the payload's data cells carry."""

    def __init__(self, config: Numerology) -> None:
        self.config = config
        self.payload = Grid(
            fft_size=config.fft_size,
            cyclic_prefix=config.cyclic_prefix,
            active_carriers=config.active_carriers,
            pilot_spacing=config.pilot_spacing,
            symbols=config.payload_ofdm_symbols,
            pilot_seed=_PILOT_SEED,
        )
        self.payload_symbols = self.payload.data_cells
        self.frame_samples = PAYLOAD_START + self.payload.samples
        self.preamble_gain = math.sqrt(from_db(config.preamble_boost_db))
        self._clip = None if config.clip_db is None else ClipAndFilter(config.clip_db, config.clip_iterations)

    def occupied_bandwidth_hz(self, sample_rate_hz: float) -> float:
        """Bandwidth of the wider of header and payload."""
        return sample_rate_hz * max(HEADER.occupied_fraction, self.payload.occupied_fraction)

    def frames(self, header: Tensor, data: Tensor) -> Tensor:
        """Frames ``[B, frame_samples]``; header and payload have unit mean power, clipped or not.

        Args:
            header: complex ``[B, 1000]`` QPSK of unit power.
            data: complex ``[B, M * D]``, the payload's data cells, of unit mean power.

        Raises:
            SignalError: shapes do not fit the frame or each other.
        """
        if header.ndim != 2 or data.ndim != 2 or header.shape[0] != data.shape[0]:
            raise SignalError(
                "header and payload must be [B, symbols] with the same B "
                f"(got {list(header.shape)} and {list(data.shape)})"
            )
        start = (self.preamble_gain * preamble()).to(header.device).expand(header.shape[0], -1)
        return torch.cat([start, self._samples(HEADER, header), self._samples(self.payload, data)], dim=-1)

    def _samples(self, grid: Grid, data: Tensor) -> Tensor:
        cells = grid.fill(data)
        return grid.modulate(cells if self._clip is None else self._clip.apply(cells, grid))

    def check_cells(self, symbols: Tensor, noise_var: Tensor) -> None:
        """Refuse what a receiver of this numerology would not give to ``collect``.

        Raises:
            SignalError: they are not ``[..., M, D]`` of the payload, both alike.
        """
        shape = (self.payload.symbols, self.payload.data_per_symbol)
        if symbols.shape[-2:] != shape or noise_var.shape != symbols.shape:
            raise SignalError(
                f"data cells and noise variances must be [B, {shape[0]}, {shape[1]}] "
                f"(got {list(symbols.shape)} and {list(noise_var.shape)})"
            )
