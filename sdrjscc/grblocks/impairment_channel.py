"""Impairment channel: what was sent in, what a receiver gets out."""

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import pmt
import torch
from gnuradio import gr

from sdrjscc.channel._bursts import BurstChannel
from sdrjscc.channel._stream import ChannelStream
from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.link_variable import Link, parts_of
from sdrjscc.grblocks.pdu import Array
from sdrjscc.grblocks.ports import failure
from sdrjscc.link.impairments import Knobs, impaired


class ImpairmentChannel(gr.basic_block):
    """See ``specs_sending.IMPAIRMENT_CHANNEL``."""

    def __init__(  # noqa: PLR0913, PLR0917 - as many parameters as the block has
        self,
        link: Link,
        samp_rate: float,
        scenario: str = "link",
        snr_db: float = 10.0,
        cfo_hz: float = 0.0,
        echo_db: float = -100.0,
        echo_delay: float = 5.0,
        antennas: int = 1,
        seed: int = 0,
        length_tag: str = "packet_len",
    ) -> None:
        if not 0 < samp_rate < float("inf") or seed < 0:
            raise ConfigError(f"samp_rate must be positive, seed at least 0 (got {samp_rate} and {seed})")
        self._parts, self._scenario, self._antennas = parts_of(link), scenario, antennas
        self._rate_hz, self._seed, self._tag = samp_rate, seed, pmt.intern(length_tag)
        self._knobs = Knobs(snr_db, cfo_hz, echo_db, echo_delay)
        self._bursts = BurstChannel(self._stream(self._knobs))
        self._arrived: deque[Array] = deque()
        gr.basic_block.__init__(self, "Impairment Channel", [np.complex64], antennas * [np.complex64])
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.set_min_output_buffer(1 << 18)  # a receiver that takes its time does not hold the sender up

    def set_snr_db(self, snr_db: float) -> None:
        """Take another SNR from the next burst on."""
        self._turn(replace(self._knobs, snr_db=snr_db))

    def set_cfo_hz(self, cfo_hz: float) -> None:
        """Take another carrier offset from the next burst on."""
        self._turn(replace(self._knobs, cfo_hz=cfo_hz))

    def set_echo_db(self, echo_db: float) -> None:
        """Take another power of the echo from the next burst on."""
        self._turn(replace(self._knobs, echo_db=echo_db))

    def set_echo_delay(self, echo_delay: float) -> None:
        """Take another delay of the echo from the next burst on."""
        self._turn(replace(self._knobs, echo_delay_samples=echo_delay))

    def start(self) -> bool:
        """Begin with the seed's first realisation."""
        self._bursts, self._arrived = BurstChannel(self._stream(self._knobs)), deque()
        torch.set_num_threads(1)  # blocks compute side by side
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """None where something waits to go out: it must, also when nothing comes in any more."""
        return [0 if self._arrived else 1] * ninputs

    def general_work(self, input_items: Any, output_items: Any) -> int:
        """Give out what has arrived; take more when that is all gone."""
        if not self._arrived:
            failure(self, lambda: self._take(input_items[0]))
            self.consume(0, len(input_items[0]))
        if not self._arrived:
            return 0
        first = self._arrived.popleft()
        count = min(first.shape[1], len(output_items[0]))
        for out, samples in zip(output_items, first, strict=True):
            out[:count] = samples[:count]
        if count < first.shape[1]:
            self._arrived.appendleft(first[:, count:])
        return count

    def _take(self, samples: Array) -> None:
        begin = self.nitems_read(0)
        tags = self.get_tags_in_window(0, 0, len(samples), self._tag)
        marks = sorted(
            (tag.offset - begin, pmt.to_long(tag.value)) for tag in tags if pmt.is_integer(tag.value)
        )
        arrived = self._bursts.push(torch.from_numpy(samples), marks)
        self._arrived.extend(part.numpy() for part in arrived if part.shape[1])

    def _turn(self, knobs: Knobs) -> None:
        channel = self._stream(knobs).channel  # which says what is out of range
        self._knobs, self._bursts.stream.channel = knobs, channel

    def _stream(self, knobs: Knobs) -> ChannelStream:
        return ChannelStream(
            impaired(self._parts.config, self._scenario, knobs, self._antennas),
            antennas=self._antennas,
            sample_rate_hz=self._rate_hz,
            occupied_bandwidth_hz=self._parts.waveform.occupied_bandwidth_hz(self._rate_hz),
            seed=self._seed,
            purpose="loopback",
            signal_power=None,
        )
