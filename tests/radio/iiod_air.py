"""What lies between the converters of the stand-in: time, four buffers each way, and the channel.

Time is counted in samples. With ``live`` it passes whether anybody fetches or not, and what does
not fit four receive buffers is lost, as in the hardware; without, it stands still until somebody
fetches. ``speed`` is how many seconds pass in one (``inf``: as fast as it is asked).
"""

import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch

KERNEL_BUFFERS = 4
_SILENCE = 512  # zeros that end a transmission
_MEMORY = 1 << 23  # samples that may be on their way


class Gone(Exception):
    """The buffer was closed, or the server stopped, while somebody waited."""


@dataclass
class Capture:
    """An open receive buffer: where its four blocks begin; the one handed out is filled again next time."""

    length: int
    starts: deque = field(default_factory=deque)
    held: bool = False


class Air:
    """Samples ``[n]`` of full scale 1 in, ``[antennas, n]`` out, on one time line.

    A ``channel`` (``sdrjscc.channel``) takes whole transmissions: what was sent until silence; each
    repetition of a cyclic one is drawn anew. Without, samples arrive ``delay_samples`` later as they were.
    The floor of ``noise_var`` lies under everything.
    """

    def __init__(
        self,
        *,
        channel=None,
        delay_samples=0,
        noise_var=0.0,
        live=False,
        speed=math.inf,
        antennas=1,
        seed=1,
        share=0.8125,
    ):
        self.channel, self.delay, self.noise_var = channel, delay_samples, noise_var
        self.live, self.speed, self.antennas, self.share = live, speed, antennas, share
        self.rate_hz, self.gain = 30.72e6, 1.0
        self.underflow = self.overflow = False
        self.lost = self.sent = self.realised = 0
        self.last_realisation = None
        self.lock = threading.Condition()
        self._generator = torch.Generator().manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self._waves = deque()  # (start, samples [antennas, n]), not yet over
        self._pending, self._pending_start = [], 0
        self._cycle, self._cycle_next = None, 0
        self._sent_until = self._fetched = 0
        self._began_s, self._began_at = time.monotonic(), 0
        self.stopped = False

    def set_rate(self, rate_hz):
        with self.lock:
            self._began_at, self._began_s = self._now(), time.monotonic()
            self.rate_hz = rate_hz

    def open_capture(self, length):
        with self.lock:
            first = self._now()
            return Capture(length, deque(first + length * block for block in range(KERNEL_BUFFERS)))

    def fetch(self, capture, alive):
        """The next block, ``[antennas, length]``."""
        with self.lock:
            if capture.held:
                end = capture.starts[-1] + capture.length
                begin = max(end, self._now()) if self.live else end
                self.overflow |= begin > end
                self.lost += begin - end
                capture.starts.append(begin)
            start, capture.held = capture.starts.popleft(), True
            self._wait_until(start + capture.length, alive)
            block = self._heard(start, capture.length)
            self._fetched = max(self._fetched, start + capture.length)
            return block

    def send(self, samples, alive):
        """Queue a block; waits while four are queued, if time passes by itself."""
        with self.lock:
            now = self._now()
            self.underflow |= 0 < self._sent_until < now
            start = max(self._sent_until, now)
            self._sent_until = start + len(samples)
            self.sent += len(samples)
            self._collect(start, samples * self.gain)
            if self.live:
                self._wait_until(self._sent_until - KERNEL_BUFFERS * len(samples), alive)
            while not self.live and self._sent_until - self._fetched > _MEMORY:
                self._check(alive)
                self.lock.wait(0.01)

    def repeat(self, samples):
        with self.lock:
            self._end_transmission()
            self._cycle, self._cycle_next = samples * self.gain, max(self._now(), self._fetched)

    def stop_sending(self):
        """The buffer is gone: what was queued is cut off, unless time stands still."""
        with self.lock:
            self._end_transmission()
            self._cycle = None
            if self.live:
                self._cut(self._now())
            self._sent_until = 0

    @property
    def quiet(self):
        return self._cycle is None

    def close(self):
        with self.lock:
            self.stopped = True
            self.lock.notify_all()

    def _now(self):
        if not self.live:
            return self._fetched
        passed_s = time.monotonic() - self._began_s
        return self._began_at + int(passed_s * self.rate_hz * self.speed)

    def _wait_until(self, instant, alive):
        while True:
            self._check(alive)
            if math.isinf(self.speed):
                return
            ahead = instant - self._paced()
            if ahead <= 0:
                return
            self.lock.wait(min(0.05, ahead / (self.rate_hz * self.speed)))

    def _check(self, alive):
        if self.stopped or not alive():
            raise Gone

    def _paced(self):
        """Time as it would pass by itself; where it stands still, it starts anew after a pause."""
        if self.live:
            return self._now()
        passed_s = time.monotonic() - self._began_s
        now = self._began_at + int(passed_s * self.rate_hz * self.speed)
        if now > self._fetched + 0.05 * self.rate_hz * self.speed:
            self._began_s, self._began_at = time.monotonic(), self._fetched
            return self._fetched
        return now

    def _collect(self, start, samples):
        if self.channel is None:
            self._add(start + self.delay, np.tile(samples, (self.antennas, 1)))
            return
        if not self._pending:
            self._pending_start = start
        self._pending.append(samples)
        if not samples[-_SILENCE:].any() or sum(map(len, self._pending)) > _MEMORY:
            self._end_transmission()

    def _end_transmission(self):
        if self._pending:
            whole, self._pending = np.concatenate(self._pending), []
            self._through_channel(max(self._pending_start, self._now()), whole)

    def _through_channel(self, start, samples):
        if not samples.any():
            return
        realisation = self.channel.realise(
            torch.from_numpy(samples.astype(np.complex64))[None],
            sample_rate_hz=float(self.rate_hz),
            occupied_bandwidth_hz=self.share * self.rate_hz,
            generator=self._generator,
        )
        self.realised += 1
        self.last_realisation = realisation
        self._add(start + self.delay, realisation.samples.numpy())

    def _add(self, start, samples):
        self._waves.append((start, samples))

    def _cut(self, instant):
        kept = [(start, wave[:, : max(0, instant + self.delay - start)]) for start, wave in self._waves]
        self._waves = deque((start, wave) for start, wave in kept if wave.shape[-1])

    def _heard(self, start, count):
        while self._cycle is not None and self._cycle_next + self.delay < start + count:
            if self.channel is None:
                self._add(self._cycle_next + self.delay, np.tile(self._cycle, (self.antennas, 1)))
            else:
                self._through_channel(self._cycle_next, self._cycle)
            self._cycle_next += len(self._cycle)
        heard = np.zeros((self.antennas, count), dtype=np.complex64)
        for begin, wave in self._waves:
            low, high = max(begin, start), min(begin + wave.shape[-1], start + count)
            if low < high:
                heard[:, low - start : high - start] += wave[:, low - begin : high - begin]
        while self._waves and self._waves[0][0] + self._waves[0][1].shape[-1] <= start + count:
            self._waves.popleft()
        return heard + self._floor(count)

    def _floor(self, count):
        if not self.noise_var:
            return np.zeros((), dtype=np.complex64)
        noise = self._random.standard_normal((self.antennas, count, 2), dtype=np.float32)
        return math.sqrt(self.noise_var / 2) * noise.view(np.complex64)[..., 0]
