"""OFDM payload: one symbol per data cell."""

from torch import Tensor

from sdrjscc.waveform._frame import Frames, Numerology


class Config(Numerology):
    """Numerology, boost and clipping: nothing of its own."""


def build(config: Config) -> "Ofdm":
    """The waveform of a configuration."""
    return Ofdm(config)


class Ofdm(Frames):
    """Frames whose payload is plain OFDM; see :class:`sdrjscc.waveform.base.Waveform`."""

    def modulate(self, header: Tensor, payload: Tensor) -> Tensor:
        """Frames ``[B, frame_samples]`` complex64; header and payload have unit mean power.

        Args:
            header: complex64 ``[B, 1000]`` QPSK of unit power.
            payload: complex64 ``[B, payload_symbols]`` of unit mean power.

        Raises:
            SignalError: shapes do not fit the frame or each other.
        """
        return self.frames(header, payload)

    def collect(self, symbols: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor]:
        """Data cells ``[B, M, D]`` in the order in which they were sent, ``[B, payload_symbols]``.

        Raises:
            SignalError: the cells are not those of the payload.
        """
        self.check_cells(symbols, noise_var)
        return symbols.flatten(-2), noise_var.flatten(-2)
