"""The channel that all systems share: the same realisations whatever is sent through them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from _phy.system import Sent, System
from sdrjscc.channel.chain import Config, scenario
from sdrjscc.channel.chain import build as build_channel

RATES_HZ = {"awgn": 1e6, "cfo": 1e6, "full": 1e6, "pluto_pair": 2e6}
CLOCK_PPM = {"awgn": 10.0, "cfo": 10.0, "full": 10.0, "pluto_pair": 25.0}
CENTER_FREQUENCY_HZ = 2.4e9
_FRONT_END_SEED = 5


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
    config = scenario(name, snr_db).model_copy(update={"antennas": antennas})
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
        gains = got.taps.frequency_response(system.frequencies).abs().double().square() * got.gain**2
        genie.append(got.noise_var * system.occupied_fraction / gains.sum(0))
    return Air(_front_end(torch.cat(pieces, dim=-1), config, rate), cfo, sco, torch.stack(genie))


def _front_end(samples: Tensor, config: Config, rate_hz: float) -> Tensor:
    front = build_channel(
        Config(antennas=config.antennas, iq_image_db=config.iq_image_db, dc_dbc=config.dc_dbc)
    )
    generator = torch.Generator().manual_seed(_FRONT_END_SEED)
    return front.realise(
        samples, sample_rate_hz=rate_hz, occupied_bandwidth_hz=rate_hz, generator=generator
    ).samples
