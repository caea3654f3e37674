"""The peer liquid-dsp: ``ofdmflexframegen`` and ``ofdmflexframesync``."""

import ctypes
import math
import time
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from _phy.liquid_library import Callback, library, props
from _phy.system import Heard, MissingPeerError, Sent

NAMES = {64: "liquid-dsp", 256: "liquid-dsp-256"}
_PREFIX, _TAPER = 16, 4
_HEADER_BYTES, _CRC_BYTES = 8, 4
_LONGEST_BYTES = 9216  # LIQUID_MAX_PAYLOAD_LEN
_DATA = 2


class Liquid:
    """Frames of liquid-dsp with its own allocation of 64 carriers, or of 256 like ours.

    The fewer detect better, as their synchronisation takes larger carrier offsets and more echoes;
    the more lose less. Payloads are uncoded QPSK, or BPSK where QPSK would need more bytes than
    its frames take. All frames of a run carry the same random payload; their headers number them.
    """

    antennas = 1

    def __init__(self, nominal_symbols: int, fft_size: int) -> None:
        lib = library()
        self.name, self._fft = NAMES[fft_size], fft_size
        bits = 2 if nominal_symbols // 4 <= _LONGEST_BYTES else 1
        self.nominal_symbols = nominal_symbols
        self.bytes = nominal_symbols * bits // 8 - _CRC_BYTES
        if self.bytes > _LONGEST_BYTES:
            raise MissingPeerError(f"liquid-dsp's frames hold at most {_LONGEST_BYTES} bytes")
        self.payload_symbols = (self.bytes + _CRC_BYTES) * 8 // bits
        self._modulation = "qpsk" if bits == 2 else "bpsk"
        kinds = np.zeros(fft_size, dtype=np.uint8)
        lib.ofdmframe_init_default_sctype(fft_size, kinds.ctypes.data)
        used, data = np.flatnonzero(kinds), np.flatnonzero(kinds == _DATA)
        self.occupied_fraction = len(used) / fft_size
        self.frequencies = torch.from_numpy(np.fft.fftfreq(fft_size)[data])
        self.carriers = torch.arange(self.payload_symbols) % len(data)

    def transmit(self, count: int, seed: int) -> tuple[Sent, float]:
        """See :class:`_phy.system.System`."""
        payload = np.random.default_rng(seed).integers(0, 256, self.bytes, dtype=np.uint8).tobytes()
        frames, seconds = self._frames(payload, count)
        symbols = self._sliced(frames[0]).expand(count, -1)
        return Sent(frames, symbols), seconds

    def _frames(self, payload: bytes, count: int) -> tuple[Tensor, float]:
        lib = library()
        settings = props(self._modulation)
        sender = lib.ofdmflexframegen_create(self._fft, _PREFIX, _TAPER, None, ctypes.byref(settings))
        frames: list[Any] = []
        begin = time.process_time()
        for i in range(count):
            number = i.to_bytes(2, "big") + bytes(_HEADER_BYTES - 2)
            lib.ofdmflexframegen_assemble(sender, number, payload, len(payload))
            length = lib.ofdmflexframegen_getframelen(sender) * (self._fft + _PREFIX)
            frames.append(np.zeros(length, dtype=np.complex64))
            lib.ofdmflexframegen_write(sender, frames[-1].ctypes.data, length)
        seconds = time.process_time() - begin
        lib.ofdmflexframegen_destroy(sender)
        return torch.from_numpy(np.stack(frames)), seconds

    def _sliced(self, frame: Tensor) -> Tensor:
        """Symbols ``[1, P]`` of a frame, as they are decided when nothing disturbs them."""
        quiet = 1e-4 * torch.ones(1, 2000 + len(frame), dtype=torch.complex64)
        quiet[0, 1000 : 1000 + len(frame)] += frame
        heard, _ = self.listener(1.0, 0.0, 1).hear(quiet)
        symbols = heard[0].symbols
        assert symbols is not None
        if self._modulation == "bpsk":
            return symbols.real.sign().to(torch.complex64)[None]
        return (torch.complex(symbols.real.sign(), symbols.imag.sign()) * 0.5**0.5)[None]

    def listener(self, sample_rate_hz: float, clock_ppm: float, antennas: int) -> "LiquidListener":
        """See :class:`_phy.system.System`."""
        return LiquidListener(self._fft, self.bytes, sample_rate_hz)


class LiquidListener:
    """``ofdmflexframesync``."""

    def __init__(self, fft_size: int, payload_bytes: int, sample_rate_hz: float) -> None:
        self._bytes, self._rate = payload_bytes, sample_rate_hz
        self._heard: list[Heard] = []
        self._callback = Callback(self._take)
        lib = library()
        self._receiver = lib.ofdmflexframesync_create(fft_size, _PREFIX, _TAPER, None, self._callback, None)
        weakref.finalize(self, lib.ofdmflexframesync_destroy, self._receiver)

    @property
    def triggers(self) -> int | None:
        """See :class:`_phy.system.Listener`."""
        return int(library().ofdmflexframesync_get_framedatastats(self._receiver).detected)

    def hear(self, samples: Tensor) -> tuple[list[Heard], float]:
        """See :class:`_phy.system.Listener`; a frame cut by the end is given up."""
        block = samples[0].contiguous()
        lib = library()
        begin = time.process_time()
        lib.ofdmflexframesync_execute(self._receiver, block.data_ptr(), len(block))
        seconds = time.process_time() - begin
        lib.ofdmflexframesync_reset(self._receiver)
        heard, self._heard = self._heard, []
        return heard, seconds

    def _take(
        self, header: Any, header_valid: int, payload: Any, length: int, valid: int, stats: Any, _: Any
    ) -> int:
        if header_valid and length == self._bytes:
            values = np.ctypeslib.as_array(stats.framesyms, (2 * stats.num_framesyms,)).copy()
            symbols = torch.from_numpy(values.view(np.complex64))
            index = header[0] << 8 | header[1]
            self._heard.append(Heard(index, symbols, None, stats.cfo * self._rate / math.tau))
        return 0
