"""The payload of frames whose header is known: cells, tracking, channel, symbols."""

from dataclasses import dataclass, replace
from math import pi

import torch
from torch import Tensor

from sdrjscc.receive.channel import (
    Channel,
    constant_channel,
    gather,
    moves,
    payload_centres,
    response_over_time,
    sloping_channel,
)
from sdrjscc.receive.equalise import combine, with_phase_error
from sdrjscc.receive.estimate import TAPS, chirp_steering, steering
from sdrjscc.receive.head import Head, chirp_frequencies, head_centres
from sdrjscc.receive.track import Line, Pilots, Track, fit_line, follow, head_walk, line_cycles
from sdrjscc.waveform.base import HEADER, PAYLOAD_START, Grid, phasor


@dataclass(frozen=True)
class Payload:
    """Equalised payloads of B frames.

    Attributes:
        symbols: complex64 ``[B, M, D]``, unbiased; 0 where lost.
        noise_var: float32 ``[B, M, D]``; infinite where lost.
        cfo: float64 ``[B]``, cycles per sample.
        sco: float64 ``[B]``, growth of the delay, samples per sample.
        snr: float32 ``[B]``, mean over carriers, antennas summed, from pilots.
        taps: complex64 ``[B, A, 25]``, at the estimator's delays about the strongest path, in the
            middle of the frame.
        moving: bool ``[B]``, whether the channel changed over the frame.
    """

    symbols: Tensor
    noise_var: Tensor
    cfo: Tensor
    sco: Tensor
    snr: Tensor
    taps: Tensor
    moving: Tensor


def read_payload(
    samples: Tensor, head: Head, grid: Grid, gain: float, sco_max: float, lost: Tensor
) -> Payload:
    """Demodulate payloads.

    Args:
        samples: complex64 ``[B, A, n]``, whole frames from their first sample.
        head: of the same frames, trained on the decoded headers.
        grid: the payload's numerology.
        gain: amplitude of the preamble relative to the payload.
        sco_max: largest clock offset, samples per sample.
        lost: bool ``[B, M]``, OFDM symbols of which samples are missing.
    """
    body = samples[..., PAYLOAD_START : PAYLOAD_START + grid.samples]
    cells = grid.demodulate(body, head.cfo[:, None], grid.cyclic_prefix // 4)
    settle = phasor(PAYLOAD_START * head.cfo[:, None] - head.delay[:, None] * grid.frequencies)
    present = (~lost).to(cells.dtype)[:, None, :, None]
    known = grid.pilots_of(cells * settle.conj()[:, None, None]) * (grid.pilots.conj() * present)
    pilots = _match(known, head, grid, gain, (~lost).float())
    track = follow(pilots, fit_line(pilots, sco_max))
    equations = gather(_still_head(head, pilots, track), known * _still(pilots, track), lost, grid, gain)
    channel = constant_channel(equations, head.noise_var)
    moving = moves(equations, channel)
    turn = _ramp(track, pilots.time - pilots.anchor, grid)
    symbols, variance, snr = _equalise(cells, channel, settle, turn, grid)
    taps = channel.taps.mean
    if moving.any():
        slope = sloping_channel(equations.select(moving), channel.noise_var[moving])
        better, its_variance, snr[moving] = _equalise(
            cells[moving], slope, settle[moving], turn[moving], grid
        )
        variance = variance.expand(symbols.shape).clone()
        symbols[moving], variance[moving] = better, its_variance
        taps[moving] = slope.taps.mean[..., :TAPS]
    full = with_phase_error(variance, track.variance, lost)
    if lost.any():
        symbols = symbols.masked_fill(lost[..., None], 0)
    line = track.line
    return Payload(
        grid.data_of(symbols), grid.data_of(full), head.cfo + line.cfo, line.sco, snr, taps, moving
    )


def _equalise(
    cells: Tensor, channel: Channel, settle: Tensor, turn: Tensor, grid: Grid
) -> tuple[Tensor, Tensor, Tensor]:
    """Symbols ``[B, M, C]``, their noise variances and the SNR ``[B]`` over one kind of channel."""
    mean, error = response_over_time(channel, grid)
    snr = (mean.abs().square().mean((-1, -2)) / channel.noise_var).sum(-1)
    symbols, variance = combine(cells, mean * settle[:, None, None], error, channel.noise_var, turn)
    return symbols, variance, snr


def _match(known: Tensor, head: Head, grid: Grid, gain: float, weight: Tensor) -> Pilots:
    """Match pilots and head to the channel estimated from the head."""
    noise = head.noise_var[..., None]
    channel = head.taps.mean @ steering(grid).T
    on_pilots = channel[..., grid.pilot_index]
    matched = (known * (on_pilots.conj() / noise[..., None])).sum(1)
    strength = (on_pilots.abs().square() / noise[..., None]).sum(1) * weight[..., None]
    on_chirps = gain * head.taps.mean @ chirp_steering().T
    on_header = head.taps.mean @ steering(HEADER).T
    sums = torch.cat(
        [
            (head.chirps * (on_chirps.conj() / noise)[:, :, None]).sum((1, 3)),
            (head.cells * (on_header.conj() / noise)[:, :, None]).sum((1, 3)),
        ],
        dim=-1,
    )
    chirp_strength = (on_chirps.abs().square() / noise).sum((1, 2))
    header_strength = (on_header.abs().square() / noise).sum((1, 2))
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
    cycles = line_cycles(track.line, pilots.time - pilots.anchor, pilots.frequency)
    return phasor(-cycles - track.walk[..., None] / (2 * pi))[:, None]


def _still_head(head: Head, pilots: Pilots, track: Track) -> Head:
    """The head with the tracked phase taken out."""
    walk = head_walk(pilots, track)
    lever = pilots.head_time - pilots.anchor
    chirps = _head_turn(track.line, lever[:2], chirp_frequencies(), walk[:, :2])
    cells = _head_turn(track.line, lever[2:], HEADER.frequencies, walk[:, 2:])
    return replace(head, chirps=head.chirps * chirps, cells=head.cells * cells)


def _head_turn(line: Line, lever: Tensor, frequency: Tensor, walk: Tensor) -> Tensor:
    cycles = line_cycles(line, lever, frequency.expand(len(lever), -1))
    return phasor(-cycles - walk[..., None].double() / (2 * pi))[:, None]


def _ramp(track: Track, lever: Tensor, grid: Grid) -> Tensor:
    """Factor that takes line and walk out of every cell, complex64 ``[B, M, C]``.

    Carriers are an arithmetic progression, so the phasors of each OFDM symbol are an outer
    product of 16 fine and C / 16 coarse steps instead of C cosines.
    """
    line = track.line
    tilt = line.sco[:, None] * lever / grid.fft_size
    common = -(line.phase[:, None] + track.walk) / (2 * pi) - line.cfo[:, None] * lever
    span = torch.arange(-grid.active_carriers, grid.active_carriers + 1, 16, dtype=torch.float64)
    coarse = phasor(common[..., None] + tilt[..., None] * span)
    fine = phasor(tilt[..., None] * torch.arange(16))
    full = (coarse[..., None] * fine[..., None, :]).flatten(-2)
    half = grid.active_carriers
    return torch.cat([full[..., :half], full[..., half + 1 : 2 * half + 1]], dim=-1)
