"""The channel that all systems share: the same realisations whatever is sent through them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from _phy.system import Sent, System
from sdrjscc.channel.base import Realisation
from sdrjscc.channel.chain import Config, scenario
from sdrjscc.channel.chain import build as build_channel

DOPPLER_HZ = {"full_5hz": 5.0, "full_12hz": 12.0, "full_30hz": 30.0}
"""Scenario ``full`` with echoes that move."""

RATES_HZ = {"awgn": 1e6, "cfo": 1e6, "full": 1e6, "pluto_pair": 2e6, **dict.fromkeys(DOPPLER_HZ, 1e6)}
CLOCK_PPM = {name: 25.0 if name == "pluto_pair" else 10.0 for name in RATES_HZ}
CENTER_FREQUENCY_HZ = 2.4e9
_FRONT_END_SEED = 5
_INSTANTS = 16


@dataclass(frozen=True)
class Air:
    """A stretch of received signal and the truth about it.

    Attributes:
        samples: complex64 ``[A, n]``.
        cfo_hz, sco_ppm: of each frame.
        genie: float64 ``[B, C]``, error variance of the symbols of each frame and carrier for a
            receiver that knows channel and noise, antennas combined.
    """

    samples: Tensor
    cfo_hz: list[float]
    sco_ppm: list[float]
    genie: Tensor


def through_air(system: System, sent: Sent, name: str, snr_db: float, antennas: int, seed: int) -> Air:
    """Frames through independent realisations of a scenario, joined into one stream.

    Each frame is scaled to unit mean power before noise of the level for ``snr_db`` is added. All
    pass one radio front end (DC offset, IQ image), which does not change from frame to frame.
    Draws do not depend on what is sent, so all systems meet the same offsets and taps.
    """
    generator = torch.Generator().manual_seed(seed)
    base = "full" if name in DOPPLER_HZ else name
    update = {"antennas": antennas, "doppler_hz": DOPPLER_HZ.get(name, 0.0)}
    config = scenario(base, snr_db).model_copy(update=update)
    air = build_channel(config.model_copy(update={"iq_image_db": None, "dc_dbc": None}))
    rate = RATES_HZ[name]
    pieces, cfo, sco, genie = [], [], [], []
    for frame in sent.frames:
        got = air.realise(
            frame[None],
            sample_rate_hz=rate,
            occupied_bandwidth_hz=rate * system.occupied_fraction,
            generator=generator,
        )
        pieces.append(got.samples / got.signal_power**0.5)
        cfo.append(got.cfo_hz)
        sco.append(got.sco_ppm)
        genie.append(got.noise_var * system.occupied_fraction / got.gain**2 * _spread(got, system, frame))
    return Air(_front_end(torch.cat(pieces, dim=-1), config, rate), cfo, sco, torch.stack(genie))


def _spread(got: Realisation, system: System, frame: Tensor) -> Tensor:
    """Mean over the frame of 1 / channel power, ``[C]``, antennas combined."""
    instants = torch.linspace(0.0, len(frame), _INSTANTS if got.taps.gains.shape[-1] > 1 else 1)
    powers = [got.taps.frequency_response(system.frequencies, float(at)) for at in instants]
    inverse: Tensor = torch.stack([1 / power.abs().double().square().sum(0) for power in powers]).mean(0)
    return inverse


def _front_end(samples: Tensor, config: Config, rate_hz: float) -> Tensor:
    front = build_channel(
        Config(antennas=config.antennas, iq_image_db=config.iq_image_db, dc_dbc=config.dc_dbc)
    )
    generator = torch.Generator().manual_seed(_FRONT_END_SEED)
    return front.realise(
        samples, sample_rate_hz=rate_hz, occupied_bandwidth_hz=rate_hz, generator=generator
    ).samples
