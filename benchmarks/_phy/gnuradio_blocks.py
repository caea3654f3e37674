"""GNU Radio's ``ofdm_tx`` and ``ofdm_rx`` wired from the same blocks, with their tuning in reach.

The hierarchical blocks fix the detection threshold, slice the payload to constellation points,
and give it four times the power of preamble and header; none of that can be changed from
outside. Wired here are the same blocks in the same order, with the threshold as a parameter, soft
output, a payload of unit power, and buffers that hold frames of 16,000 symbols.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gnuradio import analog, blocks, digital, fft, gr
from gnuradio.digital import ofdm_txrx

FRAME, PACKET, NUMBER = "frame_length", "packet_length", "packet_num"
_BUFFER = 1 << 16


@dataclass(frozen=True)
class Tuning:
    """What can be chosen in GNU Radio's OFDM receiver.

    Attributes:
        fft_size, cyclic_prefix: samples.
        data: carriers of data, in the order in which they are filled.
        pilots: carriers of pilots; pilot_symbols: their values, one row an OFDM symbol, repeated.
        threshold: of the Schmidl-Cox metric.
        step: of the decision-directed channel update; ``None`` for the static equaliser.
        smoothing: taps to which the channel estimate is limited; 0 does not limit it.
    """

    fft_size: int
    cyclic_prefix: int
    data: tuple[int, ...]
    pilots: tuple[int, ...]
    pilot_symbols: tuple[tuple[int, ...], ...]
    threshold: float = 0.9
    step: float | None = 0.1
    smoothing: int = 0

    @property
    def sync_words(self) -> tuple[Any, Any]:
        """Both sync words as the hierarchical blocks make them; numpy's random state is kept."""
        state = np.random.get_state()  # noqa: NPY002 - GNU Radio's own helpers set it
        layout = self.fft_size, [self.data], [self.pilots]
        words = ofdm_txrx._make_sync_word1(*layout), ofdm_txrx._make_sync_word2(*layout)
        np.random.set_state(state)  # noqa: NPY002
        return tuple(list(word) for word in words)  # type: ignore[return-value]


def narrow(**choice: Any) -> Tuning:
    """GNU Radio's default numerology: 64 carriers, 48 of data, 4 pilots."""
    data, pilots = ofdm_txrx._def_occupied_carriers[0], ofdm_txrx._def_pilot_carriers[0]
    return Tuning(64, 16, tuple(data), tuple(pilots), ofdm_txrx._def_pilot_symbols, **choice)


def wide(**choice: Any) -> Tuning:
    """Our numerology: 256 carriers, 200 of data, 8 pilots."""
    pilots, signs = (-91, -65, -39, -13, 13, 39, 65, 91), (1, -1, 1, 1, -1, -1, -1, 1)
    data = tuple(k for k in range(-104, 105) if k and k not in pilots)
    symbols = tuple(tuple(s * v for v in signs) for s in ofdm_txrx._pilot_sym_scramble_seq)
    return Tuning(256, 16, data, pilots, symbols, **choice)


def best_tuning() -> Tuning:
    """The best of 64 or 256 carriers, thresholds .3 to .9, steps .02 to .5 and the static equaliser.

    Higher thresholds miss frames, lower ones trigger beside them; 256 carriers lose more headers.
    """
    return narrow(threshold=0.4, step=0.3)


def qpsk() -> Any:
    """QPSK of unit power; GNU Radio's own has power 4."""
    r = math.sqrt(0.5)
    points = [complex(-r, -r), complex(r, -r), complex(-r, r), complex(r, r)]
    return digital.constellation_calcdist(points, [], 4, 1, digital.constellation.NO_NORMALIZATION)


gr.logging().set_default_level(gr.log_levels.warn)


def _wide(*parts: Any) -> tuple[Any, ...]:
    """Blocks with output buffers that hold a whole frame."""
    for part in parts:
        part.set_min_output_buffer(_BUFFER)
        part.set_min_output_buffer(0, _BUFFER)  # a block of any number of outputs ignores the line above
    return parts


def _formatter(tuning: Tuning) -> Any:
    return digital.packet_header_ofdm([tuning.data], 1, PACKET, FRAME, NUMBER, 1, 2, scramble_header=True)


class Sender(gr.top_block):  # type: ignore[misc]
    """Packets of bytes into samples in a file: ``ofdm_tx``."""

    def __init__(self, tuning: Tuning, payload: list[int], count: int, path: str) -> None:
        super().__init__("sender")
        header = digital.chunks_to_symbols_bc(digital.constellation_bpsk().points())
        body = digital.chunks_to_symbols_bc(qpsk().points())
        source = blocks.vector_source_b(payload * count, False)
        tag = blocks.stream_to_tagged_stream(1, 1, len(payload), PACKET)
        crc = digital.crc32_bb(False, PACKET)
        numbered = digital.packet_headergenerator_bb(_formatter(tuning).base(), PACKET)
        scramble = digital.additive_scrambler_bb(0x8A, 0x7F, 7, 0, bits_per_byte=8, reset_tag_key=PACKET)
        unpack = blocks.repack_bits_bb(8, 2, PACKET)
        join = blocks.tagged_stream_mux(gr.sizeof_gr_complex, PACKET, 1)
        allocate = digital.ofdm_carrier_allocator_cvc(
            tuning.fft_size, [tuning.data], [tuning.pilots], tuning.pilot_symbols, tuning.sync_words, PACKET
        )
        inverse = fft.fft_vcc(tuning.fft_size, False, (), True)
        prefix = digital.ofdm_cyclic_prefixer(
            tuning.fft_size, tuning.fft_size + tuning.cyclic_prefix, 0, PACKET
        )
        self._file = blocks.file_sink(gr.sizeof_gr_complex, path)
        parts = (tag, crc, numbered, header, scramble, unpack, body, join, allocate, inverse, prefix)
        self._parts = _wide(*parts)
        self.connect(source, tag, crc, numbered, header, (join, 0))
        self.connect(crc, scramble, unpack, body, (join, 1))
        self.connect(join, allocate, inverse, prefix, self._file)


class Listener(gr.top_block):  # type: ignore[misc]
    """Samples from a file into equalised payload symbols in another: ``ofdm_rx`` before its slicer.

    Attributes:
        parsed: a message for every header that was tried: a dictionary, or false.
    """

    def __init__(self, tuning: Tuning, samples: str, symbols: str) -> None:
        super().__init__("listener")
        self._tuning = tuning
        self.parsed = blocks.message_debug()
        demux = self._synchronise(blocks.file_source(gr.sizeof_gr_complex, samples))
        self._read_header(demux)
        self._read_payload(demux, symbols)

    def _synchronise(self, source: Any) -> Any:
        """Find frames, turn their fine carrier offset back, cut them into OFDM symbols."""
        n, prefix = self._tuning.fft_size, self._tuning.cyclic_prefix
        detect = digital.ofdm_sync_sc_cfb(n, prefix, False, self._tuning.threshold)
        delay = blocks.delay(gr.sizeof_gr_complex, n + prefix)
        oscillator = analog.frequency_modulator_fc(-2.0 / n)
        mixer = blocks.multiply_cc()
        demux = digital.header_payload_demux(3, n, prefix, FRAME, "", True)
        _wide(demux, mixer, detect)
        self.connect(source, detect)
        self.connect(source, delay, (mixer, 0), (demux, 0))
        self.connect((detect, 0), oscillator, (mixer, 1))
        self.connect((detect, 1), (demux, 1))
        self._front = detect, delay, oscillator, mixer
        return demux

    def _read_header(self, demux: Any) -> None:
        t = self._tuning
        bpsk = digital.constellation_bpsk()
        estimate = digital.ofdm_chanest_vcvc(*t.sync_words, 1, t.smoothing)
        equaliser = digital.ofdm_equalizer_simpledfe(
            t.fft_size, bpsk.base(), [t.data], [t.pilots], t.pilot_symbols, 0
        )
        parser = digital.packet_headerparser_b(_formatter(t).formatter())
        self._head = (
            fft.fft_vcc(t.fft_size, True, (), True),
            estimate,
            digital.ofdm_frame_equalizer_vcvc(equaliser.base(), t.cyclic_prefix, FRAME, True, 1),
            digital.ofdm_serializer_vcc(t.fft_size, [t.data], FRAME),
            digital.constellation_decoder_cb(bpsk.base()),
            parser,
        )
        self.connect((demux, 0), *self._head)
        self.msg_connect(parser, "header_data", demux, "header_data")
        self.msg_connect(parser, "header_data", self.parsed, "store")

    def _read_payload(self, demux: Any, symbols: str) -> None:
        t = self._tuning
        common = [t.data], [t.pilots], t.pilot_symbols, 1
        equaliser = (
            digital.ofdm_equalizer_static(t.fft_size, *common)
            if t.step is None
            else digital.ofdm_equalizer_simpledfe(t.fft_size, qpsk().base(), *common, t.step, True, True)
        )
        self._body = _wide(
            fft.fft_vcc(t.fft_size, True, (), True),
            digital.ofdm_frame_equalizer_vcvc(equaliser.base(), t.cyclic_prefix, FRAME),
            digital.ofdm_serializer_vcc(t.fft_size, [t.data], FRAME, PACKET, 1),
        )
        self._slicer = digital.constellation_decoder_cb(qpsk().base()), blocks.null_sink(1)
        self._file = blocks.file_sink(gr.sizeof_gr_complex, symbols)
        self.connect((demux, 1), *self._body, self._file)
        self.connect(self._body[-1], *self._slicer)
