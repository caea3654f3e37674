"""The link's physical layer as a channel for training: waveform, multipath, estimation, equalising.

```
symbols ─ permutation, signs ─ waveform ─ multipath ─ noise ─┬─ demodulate ─ weights ─ back ─ symbols
                          chirps, header, pilots: known ─────┴─ LMMSE ──────────┘          noise_var
```
All of it is what the link itself runs: framing, the waveform plug-in with its clipping, the chain's
tapped delay line, the receiver's channel estimate and combining weights. A decoder trained through
it meets what it will meet: noise of one variance a carrier, stated with the estimator's own error.

What it leaves out: synchronisation is perfect (start, carrier, clock, phase; the strongest path's
delay is known), taps stand still, and there is no phase noise, IQ image or DC. What a picture leaves
of its last frame holds random symbols, where the link would repeat the picture's: a crop smaller than
a frame stands for a part of a larger picture, and gains no SNR.

Gradients flow through everything that carries the payload. The channel estimate is a constant to
them: it comes from what is known in a frame and from noise, not from the payload. (Clipping, and the
ringing of echoes between samples, which outlasts the prefix, let a little of the payload into it: that
is neglected.) It runs on the CPU, wherever the codec is.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from sdrjscc.channel._multipath import Tap, TappedDelayLine, draw_gains
from sdrjscc.channel._noise import noise_variance
from sdrjscc.channel.base import TapGains, check_symbols, complex_normal, one_tap, split_generator
from sdrjscc.coding.lfsr import qpsk_sequence
from sdrjscc.config import Section, build_plugin
from sdrjscc.errors import ConfigError
from sdrjscc.framing.packetise import packet_count, packetise
from sdrjscc.receive.channel import fit, gather, response_over_time
from sdrjscc.receive.equalise import combining_weights
from sdrjscc.receive.head import read_head
from sdrjscc.receive.payload import window_advance
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, Waveform, phasor, preamble

_HEADER_SEED = 0x1EAD


class Config(Section):
    """``[channel]`` of a recipe: ``name = "link"``.

    Attributes:
        waveform: ``[channel.waveform]``, a waveform plug-in's table, its clipping included.
        taps: ``[[channel.taps]]``, multipath as in the channel ``chain``, drawn anew for every
            transmission; none: one path of gain 1.
        antennas: receive antennas, each with fading and noise of its own.
        snr_reference: ``instantaneous``: an SNR is relative to the power that arrives in this
            transmission, fades included; ``average``: to the mean over all fades.
    """

    waveform: dict[str, Any] = {"name": "ofdm"}
    taps: tuple[Tap, ...] = ()
    antennas: int = Field(1, ge=1, le=16)
    snr_reference: Literal["instantaneous", "average"] = "instantaneous"


def build(config: Config) -> "LinkChannel":
    """Build the channel.

    Raises:
        ConfigError: the waveform's table is wrong, or a tap arrives after the prefix.
    """
    waveform: Waveform = build_plugin("waveform", config.waveform, "channel.waveform")
    room = min(grid.cyclic_prefix - window_advance(grid) for grid in (HEADER, waveform.payload))
    last = max((tap.delay_samples for tap in config.taps), default=0.0)
    if last > room:
        raise ConfigError(
            f"channel.taps must be delayed by at most {room} samples, the cyclic prefix less a quarter "
            f"(got {last:g})"
        )
    return LinkChannel(config, waveform)


@dataclass(frozen=True)
class _Course:
    """What B transmissions go through: the taps of B * A antennas, and each one's noise.

    Attributes:
        taps: of ``antennas`` B * A.
        delay: float64 ``[B]``, of the strongest path, samples.
        noise_var: float64 ``[B]``, per complex sample.
    """

    taps: TapGains
    delay: Tensor
    noise_var: Tensor


class LinkChannel:
    """Framing, waveform, multipath, noise, channel estimate and equaliser: a SymbolChannel."""

    def __init__(self, config: Config, waveform: Waveform) -> None:
        self.config, self._waveform = config, waveform
        self._header = qpsk_sequence(_HEADER_SEED, HEADER.data_cells)
        self._power = _unit_power(waveform)

    def apply(
        self, symbols: Tensor, snr_db: float | Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Send each row as a transmission: see :meth:`SymbolChannel.apply`.

        The channel is estimated, not known. A complex128 row is computed in float64 but for the
        estimate. The SNR is over the occupied band, relative to a frame of unit-power symbols.

        Args:
            symbols: complex ``[B, k]`` of unit mean power.
            snr_db: one number, or real ``[B]``.
            generator: of padding, taps and noise, each with a stream of its own.
        """
        check_symbols(symbols, snr_db)
        padding, taps, noise = split_generator(generator, 3)
        near = symbols.cpu()
        course = self._draw(torch.as_tensor(snr_db).cpu().expand(len(near)), taps)
        payloads = self._payloads(near, padding)
        received = self._through(payloads, course, noise)
        delay = course.delay.repeat_interleave(payloads.shape[1])
        cells, noise_var = self._equalised(received, delay)
        found = self._gathered(*self._waveform.collect(cells, noise_var), near.shape)
        return found[0].to(symbols.device), found[1].to(symbols.device)

    def _draw(self, snr_db: Tensor, generator: torch.Generator) -> _Course:
        rows, antennas = len(snr_db), self.config.antennas
        if self.config.taps:
            options: dict[str, Any] = {"length": 1, "doppler": 0.0, "generator": generator}
            taps = draw_gains(self.config.taps, antennas=rows * antennas, **options)
        else:
            taps = one_tap(rows * antennas)
        arriving = taps.gains[..., 0].abs().square().unflatten(0, (rows, antennas)).mean(1)
        power = torch.full((rows,), self._power)
        if self.config.snr_reference == "instantaneous":
            response = taps.frequency_response(self._waveform.payload.frequencies)
            power = power * response.abs().square().mean(-1).unflatten(0, (rows, antennas)).mean(-1)
        band = self._waveform.occupied_bandwidth_hz(1.0)
        levels = zip(power.tolist(), snr_db.tolist(), strict=True)
        noise_var = torch.tensor([noise_variance(*level, 1.0, band) for level in levels]).double()
        return _Course(taps, taps.delays_samples[arriving.argmax(-1)], noise_var)

    def _payloads(self, symbols: Tensor, generator: torch.Generator) -> Tensor:
        """Payloads ``[B, F, P]`` of the frames that each row of symbols ``[B, k]`` takes."""
        size = self._waveform.payload_symbols
        slots = _slots(packet_count(symbols.shape[1], size), size)
        rest = (len(symbols), slots.source.numel() - symbols.shape[1])
        filled = torch.cat([symbols, complex_normal(rest, generator, symbols)], dim=-1)
        return (filled[:, slots.source] * slots.signs).reshape(len(symbols), -1, size)

    def _through(self, payloads: Tensor, course: _Course, generator: torch.Generator) -> Tensor:
        """Frames as received, ``[B * F, A, frame_samples]``, of payloads ``[B, F, P]``."""
        rows, frames = payloads.shape[:2]
        header = self._header.expand(rows * frames, -1)
        sent = self._waveform.modulate(header, payloads.flatten(0, 1)).reshape(rows, -1)
        arrived = TappedDelayLine(course.taps).apply(sent.repeat_interleave(self.config.antennas, 0))
        arrived = arrived[:, : sent.shape[1]].reshape(rows, self.config.antennas, frames, -1)
        deviation = course.noise_var.sqrt().to(arrived.real.dtype)[:, None, None, None]
        noise = deviation * complex_normal(tuple(arrived.shape), generator, arrived)
        return (arrived + noise).transpose(1, 2).flatten(0, 1)

    def _equalised(self, received: Tensor, delay: Tensor) -> tuple[Tensor, Tensor]:
        """Data cells and noise variances ``[B, M, D]`` of B frames ``[B, A, frame_samples]``."""
        grid = self._waveform.payload
        cells = grid.demodulate(received[..., PAYLOAD_START:], advance=window_advance(grid))
        cells = cells * phasor(delay[:, None] * grid.frequencies)[:, None, None]
        weights, noise_var = self._weights(received.detach(), cells.detach(), delay)
        symbols = grid.data_of((weights * cells).sum(1))
        noise_var = noise_var.to(symbols.real.dtype).expand(-1, grid.symbols, -1)
        return symbols, grid.data_of(noise_var)

    @torch.no_grad()
    def _weights(self, received: Tensor, cells: Tensor, delay: Tensor) -> tuple[Tensor, Tensor]:
        """Combining weights ``[B, A, 1, C]`` and the noise they leave ``[B, 1, C]``, as the receiver's."""
        grid, gain = self._waveform.payload, self._waveform.preamble_gain
        start = received[..., :PAYLOAD_START].to(torch.complex64).contiguous()
        head = read_head(start, delay, torch.zeros_like(delay), gain)
        head = replace(head, cells=head.cells * HEADER.fill(self._header).conj())
        pilots = grid.pilots_of(cells).to(torch.complex64) * grid.pilots.conj()
        nothing_lost = torch.zeros(len(received), grid.symbols, dtype=torch.bool)
        known = gather(head, pilots, nothing_lost, grid, gain, functions=1)
        channel = fit(known, fit(known, head.noise_var).noise_var)  # chirps alone know nothing of clipping
        return combining_weights(*response_over_time(channel, grid), channel.noise_var)

    def _gathered(
        self, payload: Tensor, noise_var: Tensor, shape: tuple[int, ...] | torch.Size
    ) -> tuple[Tensor, Tensor]:
        """Symbols and noise variances ``[B, k]`` from those of all frames, ``[B * F, P]``."""
        rows, k = shape
        frames = len(payload) // rows
        slots = _slots(frames, self._waveform.payload_symbols)
        symbols = payload.reshape(rows, -1) * slots.signs
        return symbols[:, slots.back[:k]], noise_var.reshape(rows, -1)[:, slots.back[:k]]


@dataclass(frozen=True)
class _Slots:
    """Framing's own permutation and signs of full frames, ``[F * P]`` each.

    Attributes:
        source: which symbol each slot carries.
        signs: with which sign.
        back: in which slot each symbol lies.
    """

    source: Tensor
    signs: Tensor
    back: Tensor


@lru_cache(maxsize=8)
def _slots(frames: int, payload_symbols: int) -> _Slots:
    """The slots of so many frames, found by sending numbers in place of symbols."""
    with torch.inference_mode(mode=False):
        numbers = torch.arange(1, frames * payload_symbols + 1, dtype=torch.float64)
        sent = packetise(numbers, payload_symbols).flatten()
        source = sent.abs().long() - 1
        return _Slots(source, sent.sign().float(), torch.argsort(source))


def _unit_power(waveform: Waveform) -> float:
    """Mean power of a frame whose payload has unit-power symbols, boosted preamble included."""
    start = waveform.preamble_gain**2 * float(preamble().abs().square().sum())
    return (start + HEADER.samples + waveform.payload.samples) / waveform.frame_samples
