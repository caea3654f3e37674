"""Frame version 1: what every receiver of this version can find and read in any frame.

``[CP|up-chirp][CP|down-chirp][header: 5 OFDM symbols]`` is followed by the payload, whose
numerology is configuration. The chirps are flat in frequency over the occupied band on the grid
of half the carrier spacing, with a phase quadratic in frequency. A carrier offset only shifts
the peak of their correlation, up and down in opposite directions, which separates time from
frequency; one template therefore covers every offset.
"""

import math

import torch
from torch import Tensor

from sdrjscc.waveform._fft import phasor, to_samples
from sdrjscc.waveform._grid import Grid
from sdrjscc.waveform._tables import table

HEADER = Grid(
    fft_size=256, cyclic_prefix=16, active_carriers=104, pilot_spacing=26, symbols=5, pilot_seed=0x5DA1
)
"""Numerology of the header: 1,000 QPSK symbols."""

CHIRP_SIZE = 2 * HEADER.fft_size
"""Samples of a chirp without prefix."""

CHIRP_SAMPLES = CHIRP_SIZE + HEADER.cyclic_prefix
"""Samples of a chirp with prefix; also the distance between the two chirps."""

PREAMBLE_SAMPLES = 2 * CHIRP_SAMPLES

PAYLOAD_START = PREAMBLE_SAMPLES + HEADER.samples
"""First sample of the payload, counted from the frame's first."""

CHIRP_RATE = HEADER.occupied_fraction / CHIRP_SIZE
"""Slope of the chirps in cycles per sample, per sample."""


@table
def chirp_bins() -> Tensor:
    """Occupied bins ``[416]`` int64 of a chirp's 512-point spectrum, ascending, without DC."""
    side = torch.arange(1, HEADER.active + 1)
    return torch.cat([-side.flip(0), side])


@table
def chirp_spectrum() -> Tensor:
    """Unit-modulus values ``[416]`` complex64 of the up-chirp on :func:`chirp_bins`.

    Bin k has the group delay ``256 + k 512 / 416`` samples. The first term centres the chirp in
    its block; without it the chirp wraps around and its correlation splits in two.
    """
    k = chirp_bins().double()
    return phasor(-k / 2 - k.square() / (2 * 2 * HEADER.active))


def _samples(values: Tensor) -> Tensor:
    spectrum = torch.zeros(CHIRP_SIZE, dtype=torch.complex64)
    spectrum[CHIRP_SIZE // 2 + chirp_bins()] = values
    return to_samples(spectrum) * math.sqrt(CHIRP_SIZE / len(values))


@table
def chirps() -> Tensor:
    """Up- and down-chirp, ``[2, 512]`` complex64, unit mean power, without prefix.

    The down-chirp has the conjugate spectrum.
    """
    return torch.stack([_samples(chirp_spectrum()), _samples(chirp_spectrum().conj())])


@table
def preamble() -> Tensor:
    """Both chirps with their prefixes, ``[1056]`` complex64, mean power close to 1."""
    return torch.cat([chirps()[:, -HEADER.cyclic_prefix :], chirps()], dim=1).flatten()
