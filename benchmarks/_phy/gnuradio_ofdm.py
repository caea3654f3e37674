"""The peer GNU Radio: the chain of ``ofdm_tx`` and ``ofdm_rx``."""

import time
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from _phy.system import Heard, MissingPeerError, Sent

NAME = "gnuradio"
_LONGEST_BYTES = 4095  # twelve bits of its header
_CRC_BYTES = 4
_TAIL = 1 << 13


class GnuRadio:
    """Frames of GNU Radio, uncoded QPSK; all of a run carry the same random payload.

    A payload a little too long for its header is cut to what fits.
    """

    name = NAME
    antennas = 1

    def __init__(self, nominal_symbols: int, tuning: Any = None) -> None:
        try:
            import pmt  # noqa: F401

            from _phy import gnuradio_blocks
        except ImportError as error:
            raise MissingPeerError("GNU Radio is not installed: apt install gnuradio") from error
        if nominal_symbols // 4 > 1.01 * _LONGEST_BYTES:
            raise MissingPeerError(f"GNU Radio's OFDM header counts at most {_LONGEST_BYTES} bytes")
        self._blocks = gnuradio_blocks
        self.tuning = tuning or gnuradio_blocks.best_tuning()
        self.nominal_symbols = nominal_symbols
        self.bytes = min(nominal_symbols // 4, _LONGEST_BYTES) - _CRC_BYTES
        self.payload_symbols = (self.bytes + _CRC_BYTES) * 4
        used = len(self.tuning.data) + len(self.tuning.pilots)
        self.occupied_fraction = used / self.tuning.fft_size
        self.frequencies = torch.tensor(self.tuning.data, dtype=torch.float64) / self.tuning.fft_size
        self.carriers = torch.arange(self.payload_symbols) % len(self.tuning.data)

    def transmit(self, count: int, seed: int) -> tuple[Sent, float]:
        """See :class:`_phy.system.System`."""
        payload = np.random.default_rng(seed).integers(0, 256, self.bytes, dtype=np.uint8).tolist()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "samples"
            sender = self._blocks.Sender(self.tuning, payload, count, str(path))
            begin = time.process_time()
            sender.run()
            seconds = time.process_time() - begin
            samples = torch.from_numpy(np.fromfile(path, dtype=np.complex64))
        power = len(self.tuning.data) + len(self.tuning.pilots)
        frames = samples.reshape(count, -1) / power**0.5
        return Sent(frames, self._sliced(frames[0]).expand(count, -1)), seconds

    def _sliced(self, frame: Tensor) -> Tensor:
        """Symbols ``[1, P]`` of a frame, as they are decided when nothing disturbs them."""
        quiet = self._quiet(2000 + len(frame))
        quiet[0, 1000 : 1000 + len(frame)] += frame
        heard, _ = self.listener(1.0, 0.0, 1).hear(quiet)
        symbols = heard[0].symbols
        assert symbols is not None
        return (torch.complex(symbols.real.sign(), symbols.imag.sign()) * 0.5**0.5)[None]

    @staticmethod
    def _quiet(count: int) -> Tensor:
        """Weak noise; the detector divides by the power, so that it must not be 0."""
        generator = torch.Generator().manual_seed(1)
        return 1e-3 * torch.randn(1, count, dtype=torch.complex64, generator=generator)

    def listener(self, sample_rate_hz: float, clock_ppm: float, antennas: int) -> "GnuRadioListener":
        """See :class:`_phy.system.System`."""
        return GnuRadioListener(self)


class GnuRadioListener:
    """The receiver's flowgraph, started anew for every stretch of the stream."""

    def __init__(self, system: GnuRadio) -> None:
        self._system = system
        self._tried = 0

    @property
    def triggers(self) -> int | None:
        """See :class:`_phy.system.Listener`: headers that were tried."""
        return self._tried

    @cached_property
    def _tail(self) -> Any:
        """Weak noise that pushes the last frame through the buffers."""
        return self._system._quiet(_TAIL).numpy()

    def hear(self, samples: Tensor) -> tuple[list[Heard], float]:
        """See :class:`_phy.system.Listener`; the clock runs over the whole flowgraph, all threads."""
        with TemporaryDirectory() as folder:
            came, left = Path(folder) / "samples", Path(folder) / "symbols"
            with came.open("wb") as file:
                samples[0].contiguous().numpy().tofile(file)
                self._tail.tofile(file)
            flowgraph = self._system._blocks.Listener(self._system.tuning, str(came), str(left))
            begin = time.process_time()
            flowgraph.run()
            seconds = time.process_time() - begin
            symbols = torch.from_numpy(np.fromfile(left, dtype=np.complex64))
        return self._frames(flowgraph.parsed, symbols), seconds

    def _frames(self, parsed: Any, symbols: Tensor) -> list[Heard]:
        """Valid headers with the symbols that followed them, in the order of both."""
        import pmt

        heard, place = [], 0
        self._tried += parsed.num_messages()
        for i in range(parsed.num_messages()):
            message = parsed.get_message(i)
            if not pmt.is_dict(message):
                continue
            length, number = (_value(message, key) for key in ("packet_length", "packet_num"))
            part = symbols[place : place + length]
            place += length
            if length == self._system.payload_symbols:
                heard.append(Heard(number, part if len(part) == length else None))
        return heard


def _value(message: Any, key: str) -> int:
    import pmt

    return int(pmt.to_long(pmt.dict_ref(message, pmt.intern(key), pmt.from_long(0))))
