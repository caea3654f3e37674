"""The payload of frames whose header is known: cells, tracking, channel, symbols."""

import math
from dataclasses import dataclass, replace
from math import pi

import torch
from torch import Tensor

from sdrjscc.receive.channel import (
    Channel,
    fit,
    gather,
    largest_order,
    moves,
    moving_channels,
    payload_centres,
    response_over_time,
)
from sdrjscc.receive.equalise import Turn, combining_weights, data_symbols
from sdrjscc.receive.estimate import TAPS, chirp_steering, steering
from sdrjscc.receive.head import Head, chirp_frequencies, head_centres
from sdrjscc.receive.power import squares
from sdrjscc.receive.track import Pilots, Track, fit_line, follow, head_walk, still
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, Grid, tilted_phasor


@dataclass(frozen=True)
class Payload:
    """Equalised payloads of B frames.

    Attributes:
        symbols: complex64 ``[B, M, D]``, unbiased; 0 where lost.
        noise_var: float32 ``[B, M, D]``; infinite where lost.
        cfo: float64 ``[B]``, cycles per sample.
        sco: float64 ``[B]``, growth of the delay, samples per sample.
        snr: float32 ``[B]``, mean over carriers, antennas summed, from pilots.
        taps: complex64 ``[B, A, 25]``, at the estimator's delays about the strongest path, mean
            over the frame.
        order: int64 ``[B]``, degree of the taps as polynomials in time: 0 where nothing moves.
    """

    symbols: Tensor
    noise_var: Tensor
    cfo: Tensor
    sco: Tensor
    snr: Tensor
    taps: Tensor
    order: Tensor


def payload_spectra(stream: Tensor, starts: Tensor, head: Head, grid: Grid) -> Tensor:
    """Spectra ``[B, A, M, N]`` of the payloads of frames in a stream.

    Args:
        stream: complex64 ``[A, n]``.
        starts: int64 ``[B]``, first sample of each frame.
        head: of the same frames.
        grid: the payload's numerology.
    """
    return grid.spectra_at(stream, starts + PAYLOAD_START, head.cfo, window_advance(grid))


def window_advance(grid: Grid) -> int:
    """How far the window opens inside the prefix, samples: room for paths before the strongest."""
    return grid.cyclic_prefix // 4


def read_payload(
    spectra: Tensor, head: Head, grid: Grid, gain: float, sco_max: float, lost: Tensor
) -> Payload:
    """Payload symbols from their spectra.

    Args:
        spectra: see :func:`payload_spectra`.
        head: of the same frames, trained on the decoded headers.
        grid: the payload's numerology.
        gain: amplitude of the preamble relative to the payload.
        sco_max: largest clock offset, samples per sample.
        lost: bool ``[B, M]``, OFDM symbols of which samples are missing.
    """
    seen = _seen_pilots(spectra, head, grid)
    known = seen * (grid.pilots.conj() * (~lost).to(seen.dtype)[:, None, :, None])
    pilots = _match(known, head, grid, gain, (~lost).float())
    track = follow(pilots, fit_line(pilots, sco_max))
    level, known = _still_head(head, pilots, track), known * _still(pilots, track)
    equations = gather(level, known, lost, grid, gain)
    channel = fit(equations, head.noise_var)
    cells = _Cells(spectra, _turn(head, track, pilots, grid), track.variance.masked_fill(lost, torch.inf))
    symbols, variance, snr = _equalise(cells, channel, grid)
    taps = channel.taps.mean
    order = torch.zeros(len(spectra), dtype=torch.int64)
    moving = moves(equations, channel).nonzero()[:, 0]
    if len(moving):
        some = moving.tolist()
        more = gather(level.select(some), known[moving], lost[moving], grid, gain, largest_order(grid) + 1)
        for rows, found in moving_channels(more, channel.select(moving)):
            at = moving[rows]
            symbols[at], variance[at], snr[at] = _equalise(cells.select(at), found, grid)
            taps[at], order[at] = found.taps.mean[..., :TAPS], found.order
    line = track.line
    return Payload(symbols, variance, head.cfo + line.cfo, line.sco, snr, taps, order)


@dataclass(frozen=True)
class _Cells:
    """What is to be equalised: spectra ``[B, A, M, N]``, their phase, its error variance ``[B, M]``."""

    spectra: Tensor
    turn: Turn
    phase_var: Tensor

    def select(self, rows: Tensor) -> "_Cells":
        turn = Turn(self.turn.common[rows], self.turn.tilt[rows])
        return _Cells(self.spectra[rows], turn, self.phase_var[rows])


def _equalise(cells: _Cells, channel: Channel, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Symbols and noise variances ``[B, M, D]`` and the SNR ``[B]`` over one kind of channel."""
    mean, error = response_over_time(channel, grid)
    snr = (squares(mean).mean((-1, -2)) / channel.noise_var).sum(-1)
    weights, variance = combining_weights(mean, error, channel.noise_var)
    weights = weights * _amplitude(grid)
    symbols, variance = data_symbols(cells.spectra, weights, variance, cells.turn, cells.phase_var, grid)
    return symbols, variance, snr


def _seen_pilots(spectra: Tensor, head: Head, grid: Grid) -> Tensor:
    """Pilots as received, ``[B, A, M, P]``, relative to the head's carrier and strongest path."""
    index = grid.bins[grid.pilot_index].expand(*spectra.shape[:2], -1, -1)
    start, cycles = _anchor(head, grid)
    at = grid.carriers[grid.pilot_index].double()
    turn = tilted_phasor(start, cycles[:, None], at)
    return spectra.gather(-1, index) * (_amplitude(grid) * turn)[:, None]


def _anchor(head: Head, grid: Grid) -> tuple[Tensor, Tensor]:
    """Cycles that bring spectra to the frame's first sample: ``[B, M]``, and ``[B]`` a carrier."""
    starts = PAYLOAD_START + grid.symbol_starts - window_advance(grid)
    return -head.cfo[:, None] * starts, (head.delay + window_advance(grid)) / grid.fft_size


def _amplitude(grid: Grid) -> float:
    """Scale of the cells relative to their spectra."""
    return math.sqrt(grid.active / grid.fft_size)


def _match(known: Tensor, head: Head, grid: Grid, gain: float, weight: Tensor) -> Pilots:
    """Match pilots and head to the channel estimated from the head."""
    noise = head.noise_var[..., None]
    channel = head.taps.mean @ steering(grid).T
    on_pilots = channel[..., grid.pilot_index]
    matched = (known * (on_pilots.conj() / noise[..., None])).sum(1)
    strength = (squares(on_pilots) / noise[..., None]).sum(1) * weight[..., None]
    on_chirps = gain * head.taps.mean @ chirp_steering().T
    on_header = head.taps.mean @ steering(HEADER).T
    sums = torch.cat(
        [
            (head.chirps * (on_chirps.conj() / noise)[:, :, None]).sum((1, 3)),
            (head.cells * (on_header.conj() / noise)[:, :, None]).sum((1, 3)),
        ],
        dim=-1,
    )
    chirp_strength = (squares(on_chirps) / noise).sum((1, 2))
    header_strength = (squares(on_header) / noise).sum((1, 2))
    strengths = torch.cat(
        [chirp_strength[:, None].expand(-1, 2), header_strength[:, None].expand(-1, HEADER.symbols)], dim=-1
    )
    return Pilots(
        matched,
        strength,
        grid.frequencies[grid.pilot_index],
        payload_centres(grid),
        sums,
        strengths,
        head_centres(),
    )


def _still(pilots: Pilots, track: Track) -> Tensor:
    """Phasor ``[B, 1, M, P]`` that takes the tracked phase out of the pilots."""
    return still(track.line, pilots.time - pilots.anchor, pilots.frequency, track.walk)[:, None]


def _still_head(head: Head, pilots: Pilots, track: Track) -> Head:
    """The head with the tracked phase taken out."""
    walk = head_walk(pilots, track)
    lever = pilots.head_time - pilots.anchor
    chirps = still(track.line, lever[:2], chirp_frequencies(), walk[:, :2])
    cells = still(track.line, lever[2:], HEADER.frequencies, walk[:, 2:])
    return replace(head, chirps=head.chirps * chirps[:, None], cells=head.cells * cells[:, None])


def _turn(head: Head, track: Track, pilots: Pilots, grid: Grid) -> Turn:
    """Phase of every cell of the spectra: anchor, line and walk."""
    line, lever = track.line, pilots.time - pilots.anchor
    start, cycles = _anchor(head, grid)
    common = (line.phase[:, None] + track.walk) / (2 * pi) + line.cfo[:, None] * lever
    tilt = -line.sco[:, None] * lever / grid.fft_size
    return Turn(common - start, tilt - cycles[:, None])
