"""The one streaming receiver: samples in, packets out.

Command line, replay, GNU Radio block and virtual radio all push samples here. Every frame is
acquired by itself: there is no lock to be held falsely or to be lost. But for rounding, the output does
not depend on how the samples were cut into chunks.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, log10

import torch
from torch import Tensor

from sdrjscc.errors import SignalError
from sdrjscc.framing.header import Header, decode_headers, encode_headers, warm_up
from sdrjscc.link.stream import SampleStream
from sdrjscc.receive.acquire import HOP, PEAK_DISTANCE, Peaks, Search, cfo_range, peaks, shift_range
from sdrjscc.receive.align import Locator, moved, refine
from sdrjscc.receive.condition import BLOCK as CONDITIONED
from sdrjscc.receive.estimate import FIRST_DELAY
from sdrjscc.receive.head import Head, header_symbols, read_head, train_on_header
from sdrjscc.receive.payload import Payload, payload_spectra, read_payload
from sdrjscc.waveform.base import CHIRP_SIZE, HEADER, PAYLOAD_START, PREAMBLE_SAMPLES, Waveform, phasor

_SLICE = 128 * CONDITIONED
_PIECE = 64 * CONDITIONED
_BATCH = 64
_PAYLOAD_BATCH = 64
_SLACK = 64
_BRIDGED = 4096
_RETRY_RAD = 0.35
_SAME_FRAME = 64


@dataclass(frozen=True)
class Packet:
    """One received packet.

    Attributes:
        header: what the packet says about itself.
        symbols: complex64 ``[P]``, unbiased estimates of unit-power payload symbols; 0 where lost.
        noise_var: float32 ``[P]``, their noise variances; infinite where lost.
        cfo_hz: carrier offset of transmitter minus receiver.
        sco_ppm: sampling clock of the transmitter relative to the receiver's.
        pilot_snr_db: SNR per symbol, antennas summed, from pilots (the data-aided one is lower).
        start_sample: position of the frame's first sample in the stream, by its strongest path.
        impulse_response: complex64 ``[A, 25]``, taps one sample apart.
        first_tap_s: delay of the first tap relative to the strongest path.
        tap_spacing_s: time between taps.
    """

    header: Header
    symbols: Tensor
    noise_var: Tensor
    cfo_hz: float
    sco_ppm: float
    pilot_snr_db: float
    start_sample: float
    impulse_response: Tensor
    first_tap_s: float
    tap_spacing_s: float


@dataclass
class Counters:
    """What happened in the stream so far.

    Attributes:
        triggers: peaks of the up-chirp search.
        preambles: triggers confirmed by a down-chirp.
        headers: valid headers, foreign ones included.
        header_failures: preambles whose header could not be decoded.
        foreign: headers of another configuration.
        dropped: samples the radio reported as dropped.
        refused: samples that were no finite numbers.
    """

    triggers: int = 0
    preambles: int = 0
    headers: int = 0
    header_failures: int = 0
    foreign: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass
class _Candidates:
    """Peaks of the search that wait for the end of their frame, ascending."""

    exceedances: Peaks = field(
        default_factory=lambda: Peaks(torch.empty(0, dtype=torch.int64), torch.empty(0))
    )
    settled: int = 0
    waiting: deque[int] = field(default_factory=deque)


def _groups(items: list[int], size: int) -> list[list[int]]:
    """The items in as few groups of at most ``size`` as can be, all of about one length."""
    count = max(1, ceil(len(items) / size))
    each = ceil(len(items) / count)
    return [items[first : first + each] for first in range(0, len(items), each)] if items else []


@contextmanager
def _one_thread() -> Iterator[None]:
    """One intra-op thread: on small tensors more of them cost time; the former number comes back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Receiver:
    """Streaming receiver for frames of one waveform.

    Args:
        waveform: geometry of the payload.
        sample_rate_hz: sample rate of the stream.
        clock_ppm: accuracy of each radio's clock; sets the search ranges.
        center_frequency_hz: carrier frequency.
        antennas: number of coherent antennas.
        digest: configuration digest to accept; ``None`` accepts all.
        on_foreign: called with header and frame position when the digest is another.
        on_undecodable: called with the position of a preamble whose header cannot be decoded.

    Attributes:
        counters: see :class:`Counters`.
        refusals: the last hundred reasons why a preamble gave no packet.

    Raises:
        SignalError: the sample rate leaves no room for the carrier offset to be expected.
    """

    def __init__(
        self,
        waveform: Waveform,
        *,
        sample_rate_hz: float,
        clock_ppm: float,
        center_frequency_hz: float,
        antennas: int = 1,
        digest: int | None = None,
        on_foreign: Callable[[Header, float], None] | None = None,
        on_undecodable: Callable[[float], None] | None = None,
    ) -> None:
        if antennas < 1:
            raise SignalError(f"antennas must be at least 1 (got {antennas})")
        occupied = max(HEADER.occupied_fraction, waveform.payload.occupied_fraction)
        shift = shift_range(cfo_range(clock_ppm, center_frequency_hz, sample_rate_hz, occupied))
        self._waveform = waveform
        self._rate = sample_rate_hz
        self._sco_max = 2e-6 * clock_ppm
        self._antennas = antennas
        self._digest = digest
        self._on_foreign = on_foreign
        self._on_undecodable = on_undecodable
        self._search = Search(antennas)
        self._locator = Locator(shift)
        # a carrier offset moves a peak ahead of its chirp: at the start of a stream, ahead of it too
        self._early = ceil(shift) + _SLACK
        self._lead = self._locator.before + _SLACK + self._early
        self._reach = waveform.frame_samples + ceil(shift) + 2 * _SLACK
        self.counters = Counters()
        self.refusals: deque[str] = deque(maxlen=100)
        self._restart(0)
        warm_up()

    @property
    def position(self) -> int:
        """Absolute index of the next sample to be pushed."""
        return self._stream.received

    def push(self, samples: Tensor, *, dropped: int = 0) -> list[Packet]:
        """Take samples and return the packets that they completed, in order of time.

        Args:
            samples: complex64 ``[A, n]``, or ``[n]`` for one antenna; full scale 1.0.
            dropped: samples the radio lost just before these.

        Raises:
            SignalError: shape or type is wrong, or ``dropped`` is negative.
        """
        samples = self._checked(samples, dropped)
        packets: list[Packet] = []
        with torch.inference_mode(), _one_thread():
            if dropped:
                self.counters.dropped += dropped
                packets += self._bridge(dropped)
            for part in torch.split(samples, _SLICE, dim=-1):
                for piece in torch.split(part, _PIECE, dim=-1):
                    self._stream.append(piece)
                    self._look()
                packets += self._advance()
        self.counters.refused += self._stream.refused
        self._stream.refused = 0
        return packets

    def flush(self) -> list[Packet]:
        """End the stream: packets still under way are completed as far as they came.

        Symbols after the end have infinite variance. A later push starts a new stretch of the
        same stream.
        """
        with torch.inference_mode(), _one_thread():
            packets = self._finish()
            self._restart(self._end)
        return packets

    def _checked(self, samples: Tensor, dropped: int) -> Tensor:
        if not isinstance(samples, Tensor):
            raise SignalError(f"samples must be a torch tensor (got {type(samples).__name__})")
        if samples.ndim == 1 and self._antennas == 1:
            samples = samples[None]
        if samples.ndim != 2 or samples.shape[0] != self._antennas or not samples.is_complex():
            raise SignalError(
                f"samples must be complex of shape [{self._antennas}, n] "
                f"(got {samples.dtype} {list(samples.shape)})"
            )
        if dropped < 0:
            raise SignalError(f"dropped must not be negative (got {dropped})")
        return samples.detach().to("cpu", torch.complex64)

    def _bridge(self, dropped: int) -> list[Packet]:
        """Fill a short gap with lost samples; at a long one end this stretch and begin another."""
        if dropped <= _BRIDGED:
            self._stream.append_lost(dropped)
            return []
        packets = self._finish()
        self._restart(self._end + dropped)
        return packets

    def _restart(self, position: int) -> None:
        self._stream = SampleStream(self._antennas, position, self._lead)
        self._end = position
        self._searched = position - self._early
        self._candidates = _Candidates(settled=position - self._early)

    def _finish(self) -> list[Packet]:
        self._end = self._stream.received
        self._stream.finish(self._reach + HOP + CHIRP_SIZE)
        self._look(last=True)
        return self._advance()

    def _advance(self) -> list[Packet]:
        """Read the frames that are complete, forget what is done."""
        ready: list[int] = []
        waiting = self._candidates.waiting
        while waiting and waiting[0] + self._reach <= self._stream.end:
            ready.append(waiting.popleft())
        packets: list[Packet] = []
        for group in _groups(ready, _BATCH):
            packets += self._read(group)
        oldest = min([self._searched - PEAK_DISTANCE, self._candidates.settled, *waiting])
        self._stream.forget(oldest - self._lead)
        return packets

    def _look(self, *, last: bool = False) -> None:
        """Search whole blocks; settle the peaks whose neighbourhood has been seen, at last all."""
        blocks = (self._stream.end - self._searched - CHIRP_SIZE) // HOP
        state = self._candidates
        if blocks > 0:
            end = self._searched + blocks * HOP
            found = self._search.exceedances(self._stream.view(self._searched, end + CHIRP_SIZE))
            state.exceedances = Peaks(
                torch.cat([state.exceedances.position, found.position + self._searched]),
                torch.cat([state.exceedances.metric, found.metric]),
            )
            self._searched = end
        settled = self._searched if last else self._searched - PEAK_DISTANCE
        fresh = [p for p in peaks(state.exceedances).position.tolist() if state.settled <= p < settled]
        keep = state.exceedances.position >= settled - 2 * PEAK_DISTANCE
        state.exceedances = Peaks(state.exceedances.position[keep], state.exceedances.metric[keep])
        state.settled = max(state.settled, settled)
        state.waiting.extend(fresh)
        self.counters.triggers += len(fresh)

    def _read(self, positions: list[int]) -> list[Packet]:
        """Packets of the frames whose up-chirps peak at these positions."""
        before = self._locator.before
        found = self._locator.locate(
            self._stream.windows([p - before for p in positions], self._locator.length)
        )
        begins = [
            (p - before + round(start), cfo)
            for p, start, cfo, ok in zip(
                positions, found.start.tolist(), found.cfo.tolist(), found.valid.tolist(), strict=True
            )
            if ok
        ]
        self.counters.preambles += len(begins)
        if not begins:
            return []
        starts, head = self._head(begins)
        headers = self._headers(head)
        return self._packets(starts, head, headers)

    def _head(self, begins: list[tuple[int, float]]) -> tuple[list[int], Head]:
        """First samples and heads of frames that begin at about these positions, with these offsets."""
        starts = [start for start, _ in begins]
        guess = torch.tensor([cfo for _, cfo in begins], dtype=torch.float64)
        delays, cfo, response = refine(self._stream.windows(starts, PREAMBLE_SAMPLES), guess)
        whole = delays.round()
        starts = [start + int(shift) for start, shift in zip(starts, whole.tolist(), strict=True)]
        samples, gain = self._stream.windows(starts, PAYLOAD_START), self._waveform.preamble_gain
        return starts, read_head(samples, delays - whole, cfo, gain, moved(response, cfo, whole))

    def _headers(self, head: Head) -> list[Header | None]:
        """Decoded headers; those that fail are tried again with their phase turned either way."""
        symbols, noise_var = header_symbols(head, self._waveform.preamble_gain)
        headers = decode_headers(symbols, noise_var)
        for turn in (_RETRY_RAD, -_RETRY_RAD):
            failed = [i for i, header in enumerate(headers) if header is None]
            if failed:
                turned = symbols[failed] * phasor(torch.tensor(turn / (2 * torch.pi)))
                for i, header in zip(failed, decode_headers(turned, noise_var[failed]), strict=True):
                    headers[i] = header
        return headers

    def _packets(self, starts: list[int], head: Head, headers: list[Header | None]) -> list[Packet]:
        accepted: list[int] = []
        for i, header in enumerate(headers):
            twin = any(abs(starts[i] - starts[j]) < _SAME_FRAME for j in accepted)
            if not twin and self._accepts(header, starts[i]):
                accepted.append(i)
        packets: list[Packet] = []
        for rows in _groups(accepted, _PAYLOAD_BATCH):
            known = [header for i in rows if (header := headers[i]) is not None]
            packets += self._payloads([starts[i] for i in rows], head.select(rows), known)
        return packets

    def _payloads(self, starts: list[int], head: Head, headers: list[Header]) -> list[Packet]:
        """Packets of accepted headers, which serve as training first."""
        grid, gain = self._waveform.payload, self._waveform.preamble_gain
        head = train_on_header(head, HEADER.fill(encode_headers(headers)), gain)
        lost = torch.zeros(len(starts), grid.symbols, dtype=torch.bool)
        marks = self._stream.lost([start + PAYLOAD_START for start in starts], grid.samples)
        if marks is not None:
            lost = marks.unflatten(1, (grid.symbols, grid.symbol_samples)).any(-1)
        first, last = min(starts), max(starts) + self._waveform.frame_samples
        at = torch.tensor(starts) - first
        spectra = payload_spectra(self._stream.view(first, last), at, head, grid)
        return self._emit(starts, head, headers, read_payload(spectra, head, grid, gain, self._sco_max, lost))

    def _accepts(self, header: Header | None, start: int) -> bool:
        """Count a header and say why its frame is refused, if it is."""
        if header is None:
            self.counters.header_failures += 1
            self.refusals.append("preamble seen, header undecodable")
            if self._on_undecodable is not None:
                self._on_undecodable(float(start))
            return False
        self.counters.headers += 1
        if self._digest is None or header.digest == self._digest:
            return True
        self.counters.foreign += 1
        self.refusals.append(f"unknown configuration 0x{header.digest:04x}")
        if self._on_foreign is not None:
            self._on_foreign(header, float(start))
        return False

    def _emit(self, starts: list[int], head: Head, headers: list[Header], payload: Payload) -> list[Packet]:
        symbols, noise_var = self._waveform.collect(payload.symbols, payload.noise_var)
        figures = zip(
            payload.cfo.tolist(), payload.sco.tolist(), payload.snr.tolist(), head.delay.tolist(), strict=True
        )
        return [
            Packet(
                header=header,
                symbols=symbols[i].clone(),  # not a view: it would keep its neighbours in memory
                noise_var=noise_var[i].clone(),
                cfo_hz=cfo * self._rate,
                sco_ppm=-sco * 1e6,
                pilot_snr_db=10 * log10(max(snr, 1e-12)),
                start_sample=starts[i] + delay,
                impulse_response=payload.taps[i].clone(),
                first_tap_s=FIRST_DELAY / self._rate,
                tap_spacing_s=1 / self._rate,
            )
            for i, (header, (cfo, sco, snr, delay)) in enumerate(zip(headers, figures, strict=True))
        ]
