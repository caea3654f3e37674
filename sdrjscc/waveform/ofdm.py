"""OFDM payload: one symbol per data cell."""

import math

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sdrjscc.config import Section
from sdrjscc.errors import SignalError
from sdrjscc.units import from_db
from sdrjscc.waveform._grid import PILOT_STEP, Grid
from sdrjscc.waveform._preamble import HEADER, PAYLOAD_START, preamble

_PILOT_SEED = 0x0FD3


class Config(Section):
    """Numerology of the payload; the header's belongs to the frame version.

    Attributes:
        fft_size: samples of an OFDM symbol without its prefix.
        cyclic_prefix: samples repeated before each OFDM symbol.
        active_carriers: carriers used on each side of DC.
        pilot_spacing: active carriers per pilot.
        payload_ofdm_symbols: OFDM symbols of a payload; 82 carry a 256x256 picture at 1/12.
        preamble_boost_db: power of the preamble above the payload's; 5 dB keep equal peaks.
    """

    fft_size: int = Field(default=256, ge=64, le=4096)
    cyclic_prefix: int = Field(default=16, ge=8, le=1024)
    active_carriers: int = Field(default=104, ge=16, le=2000)
    pilot_spacing: int = Field(default=26, ge=4, le=208)
    payload_ofdm_symbols: int = Field(default=82, ge=1, le=4096)
    preamble_boost_db: float = Field(default=0.0, ge=0.0, le=5.0)

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
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


def build(config: Config) -> "Ofdm":
    """The waveform of a configuration."""
    return Ofdm(config)


class Ofdm:
    """Frames whose payload is plain OFDM; see :class:`sdrjscc.waveform.base.Waveform`."""

    def __init__(self, config: Config) -> None:
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

    def modulate(self, header: Tensor, payload: Tensor) -> Tensor:
        """Frames ``[B, frame_samples]`` complex64; header and payload have unit mean power.

        Args:
            header: complex64 ``[B, 1000]`` QPSK of unit power.
            payload: complex64 ``[B, payload_symbols]`` of unit mean power.

        Raises:
            SignalError: shapes do not fit the frame or each other.
        """
        if header.ndim != 2 or payload.ndim != 2 or header.shape[0] != payload.shape[0]:
            raise SignalError(
                "header and payload must be [B, symbols] with the same B "
                f"(got {list(header.shape)} and {list(payload.shape)})"
            )
        start = (self.preamble_gain * preamble()).to(header.device).expand(header.shape[0], -1)
        return torch.cat(
            [start, HEADER.modulate(HEADER.fill(header)), self.payload.modulate(self.payload.fill(payload))],
            dim=-1,
        )

    def collect(self, symbols: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor]:
        """Data cells ``[B, M, D]`` in the order in which they were sent, ``[B, payload_symbols]``."""
        return symbols.flatten(-2), noise_var.flatten(-2)

    def occupied_bandwidth_hz(self, sample_rate_hz: float) -> float:
        """Bandwidth of the wider of header and payload."""
        return sample_rate_hz * max(HEADER.occupied_fraction, self.payload.occupied_fraction)
