"""The payload of frames whose header is known: cells, tracking, channel, symbols."""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from sdrjscc.receive.equalise import combine, with_phase_error
from sdrjscc.receive.estimate import Taps, chirp_steering, head_gram, lmmse, response_error, steering
from sdrjscc.receive.head import (
    Head,
    chirp_frequencies,
    head_centres,
    least_noise,
)
from sdrjscc.receive.track import Line, Pilots, Track, fit_line, follow, line_cycles
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
        taps: complex64 ``[B, A, 25]``, at the estimator's delays about the strongest path.
    """

    symbols: Tensor
    noise_var: Tensor
    cfo: Tensor
    sco: Tensor
    snr: Tensor
    taps: Tensor


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
    advance = grid.cyclic_prefix // 4
    body = samples[..., PAYLOAD_START : PAYLOAD_START + grid.samples]
    cells = grid.demodulate(body, head.cfo[:, None], advance)
    settle = phasor(head.delay[:, None] * grid.frequencies - PAYLOAD_START * head.cfo[:, None])
    weight = (~lost).float()
    known = grid.pilots_of(cells * settle[:, None, None]) * grid.pilots.conj() * weight[:, None, :, None]
    pilots = _match(known, head, grid, gain, weight)
    track = follow(pilots, fit_line(pilots, sco_max))
    taps, noise_var = _final_channel(known, head, grid, gain, weight, track, pilots)
    response = steering(grid)
    channel = taps.mean @ response.T
    error = response_error(taps, response)
    lever = pilots.time - pilots.anchor
    turn = _ramp(track, lever, grid)
    symbols, variance = combine(cells, channel * settle.conj()[:, None], error, noise_var, turn)
    full = with_phase_error(variance, track.variance, lost)
    data = torch.where(lost[..., None], torch.zeros_like(symbols), symbols)
    snr = (channel.abs().square().mean(-1) / noise_var).sum(-1)
    return Payload(
        grid.data_of(data), grid.data_of(full), head.cfo + track.line.cfo, track.line.sco, snr, taps.mean
    )


def payload_centres(grid: Grid) -> Tensor:
    """Middle of each payload OFDM symbol in samples from the frame's first, float64 ``[M]``."""
    return PAYLOAD_START + grid.symbol_starts.double() + grid.fft_size / 2


def _match(known: Tensor, head: Head, grid: Grid, gain: float, weight: Tensor) -> Pilots:
    """Match pilots and head to the channel estimated from the head."""
    noise = head.noise_var[..., None]
    channel = head.taps.mean @ steering(grid).T
    shape = (*known.shape[:3], -1)
    on_pilots = grid.pilots_of(channel[:, :, None].expand(*shape[:3], -1))
    matched = (known * on_pilots.conj() / noise[..., None]).sum(1)
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


def _final_channel(
    known: Tensor, head: Head, grid: Grid, gain: float, weight: Tensor, track: Track, pilots: Pilots
) -> tuple[Taps, Tensor]:
    """Channel and noise variance from everything known in the frame, its phase taken out."""
    line = track.line
    lever = pilots.time - pilots.anchor
    cycles = line_cycles(line, lever, pilots.frequency) + track.walk[..., None] / (2 * pi)
    still = known * phasor(-cycles)[:, None]
    head_turn = _head_phase(pilots, track)
    chirps = head.chirps * _head_ramp(line, pilots, chirp_frequencies(), head_turn, slice(0, 2))[:, None]
    cells = head.cells * _head_ramp(line, pilots, HEADER.frequencies, head_turn, slice(2, None))[:, None]
    response = steering(grid)
    index = grid.pilot_index.flatten()
    per_carrier = still.new_zeros(*still.shape[:2], grid.active).index_add(2, index, still.flatten(2))
    count = weight.new_zeros(len(weight), grid.active).index_add(
        1, index, weight[..., None].expand(-1, -1, grid.pilots_per_symbol).flatten(1)
    )
    gram = head_gram(gain) + torch.einsum(
        "bc,ck,cl->bkl", count.to(response.dtype), response.conj(), response
    )
    rhs = gain * (chirps.sum(2) @ chirp_steering().conj()) + cells.sum(2) @ steering(HEADER).conj()
    rhs = rhs + per_carrier @ response.conj()
    taps = lmmse(gram[:, None], rhs, head.noise_var)
    energy = sum_power(chirps) + sum_power(cells) + sum_power(still)
    fit = 2 * (taps.mean.conj() * rhs).sum(-1).real
    model = torch.einsum("bak,bkl,bal->ba", taps.mean.conj(), gram, taps.mean).real
    observations = 2 * len(chirp_frequencies()) + HEADER.symbols * HEADER.active + count.sum(-1)
    freedom = observations[:, None] - taps.used - 4.0
    noise_var = torch.maximum((energy - fit + model) / freedom, least_noise(energy / freedom))
    return taps, noise_var


def sum_power(values: Tensor) -> Tensor:
    """Energy over the last two dimensions."""
    return values.abs().square().sum((-1, -2))


def _head_phase(pilots: Pilots, track: Track) -> Tensor:
    """Phase beside the line, float32 ``[B, H]``, of each known symbol before the payload."""
    lever = pilots.head_time - pilots.anchor
    turned = pilots.head * phasor(-line_cycles(track.line, lever, torch.zeros(len(lever), 1)))[..., 0]
    noise = 0.5 / pilots.head_strength.clamp_min(1e-20)
    prior = track.step[:, None] * track.walk.shape[-1] / 2
    return turned.angle() * prior / (prior + noise)


def _head_ramp(line: Line, pilots: Pilots, frequency: Tensor, phase: Tensor, which: slice) -> Tensor:
    lever = pilots.head_time[which] - pilots.anchor
    cycles = line_cycles(line, lever, frequency.expand(len(lever), -1))
    return phasor(-cycles - phase[:, which, None].double() / (2 * pi))


def _ramp(track: Track, lever: Tensor, grid: Grid) -> Tensor:
    """Phasor of line and walk at every cell, complex64 ``[B, M, C]``.

    Carriers are an arithmetic progression, so the phasors of each OFDM symbol are an outer
    product of 16 fine and C / 16 coarse steps instead of C cosines.
    """
    line = track.line
    tilt = -line.sco[:, None] * lever / grid.fft_size
    common = (line.phase[:, None] + track.walk) / (2 * pi) + line.cfo[:, None] * lever
    span = torch.arange(-grid.active_carriers, grid.active_carriers + 1, 16, dtype=torch.float64)
    coarse = phasor(common[..., None] + tilt[..., None] * span)
    fine = phasor(tilt[..., None] * torch.arange(16))
    full = (coarse[..., None] * fine[..., None, :]).flatten(-2)
    half = grid.active_carriers
    return torch.cat([full[..., :half], full[..., half + 1 : 2 * half + 1]], dim=-1)
