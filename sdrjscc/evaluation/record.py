"""From a link's result to the record that tables, figures and reports are made of."""

from typing import Any

import torch
from torch import Tensor

from sdrjscc.evaluation.results import PacketRecord, Signal, Transmission
from sdrjscc.images.lpips import Lpips
from sdrjscc.link.result import PacketQuality, Result
from sdrjscc.linkfile import LinkConfig

_KEPT_SYMBOLS = 20_000
_CARRIERS = 208


def make_record(
    result: Result,
    config: LinkConfig,
    sample_rate_hz: float,
    occupied_bandwidth_hz: float,
    lpips: Lpips | None = None,
) -> Transmission:
    """Make the record of one picture.

    Args:
        result: what the link measured.
        config: the link's configuration.
        sample_rate_hz, occupied_bandwidth_hz: of the received samples.
        lpips: measures the perceptual distance too, if given.
    """
    measured = _measured(result)
    picture = result.picture
    if lpips is not None and picture is not None and result.pixels is not None:
        measured["lpips"] = lpips(picture.pixels, result.pixels)
    snr_db = None if config.channel is None else config.channel.get("snr_db")
    return Transmission(
        image=_anonymous(result) if picture is None else picture.name,
        codec=result.codec,
        sent=None if picture is None else picture.pixels,
        received=result.pixels,
        measured=measured,
        channel_snr_db=snr_db if isinstance(snr_db, int | float) else None,
        packets=[_packet(one) for one in result.packets],
        signal=_signal(result, sample_rate_hz, occupied_bandwidth_hz),
        notes=() if picture is None else picture.notes,
    )


def _anonymous(result: Result) -> str:
    """A name for a picture of which only the header is known."""
    if result.received is None:
        return "picture"
    header = result.received.assembled.header
    return f"sender {header.nonce}, picture {header.transmission}"


def _measured(result: Result) -> dict[str, Any]:
    quality, received = result.quality, result.received
    return {
        "width": result.width,
        "height": result.height,
        "decoded": received is not None and received.decoded,
        "psnr_db": result.psnr_db,
        "ssim": result.ssim,
        "ms_ssim": result.ms_ssim,
        "snr_db": None if quality is None else quality.snr_db,
        "pilot_snr_db": result.mean("pilot_snr_db"),
        "evm_db": None if quality is None else quality.evm_db,
        "cfo_hz": result.mean("cfo_hz"),
        "sco_ppm": result.mean("sco_ppm"),
        "packets_sent": result.packets_sent,
        "packets_received": result.packets_received,
        "k": result.plan.symbols,
        "mode": result.plan.mode,
        "copies": result.copies,
        "rho": result.rho,
        "rho_on_air": result.rho_on_air,
        "airtime_s": result.airtime_s,
        "encode_ms": None if result.sent is None else result.sent.encode_ms,
        "decode_ms": None if received is None else received.decode_ms,
        "receive_ms": result.receive_ms,
    }


def _packet(one: PacketQuality) -> PacketRecord:
    packet = one.packet
    return PacketRecord(
        index=packet.header.packet,
        snr_db=None if one.quality is None else one.quality.snr_db,
        pilot_snr_db=packet.pilot_snr_db,
        cfo_hz=packet.cfo_hz,
        sco_ppm=packet.sco_ppm,
    )


def _signal(result: Result, sample_rate_hz: float, occupied_bandwidth_hz: float) -> Signal | None:
    if result.received is None or not result.packets:
        return None
    packet = result.packets[0].packet
    taps = torch.arange(packet.impulse_response.shape[-1])
    delays_s = packet.first_tap_s + packet.tap_spacing_s * taps
    carriers_hz = torch.linspace(-0.5, 0.5, _CARRIERS) * occupied_bandwidth_hz
    assembled = result.received.assembled
    return Signal(
        sample_rate_hz=sample_rate_hz,
        occupied_bandwidth_hz=occupied_bandwidth_hz,
        symbols=assembled.symbols[:_KEPT_SYMBOLS],
        reference=None if result.sent is None else result.sent.symbols[:_KEPT_SYMBOLS],
        noise_var=assembled.noise_var[:_KEPT_SYMBOLS],
        samples=result.samples,
        impulse_response=packet.impulse_response,
        tap_delays=delays_s * sample_rate_hz,
        frequency_response=_response(packet.impulse_response, delays_s, carriers_hz),
        carriers_hz=carriers_hz,
        cfo_hz=packet.cfo_hz,
    )


def _response(impulse_response: Tensor, delays_s: Tensor, carriers_hz: Tensor) -> Tensor:
    turns = -2.0 * torch.pi * delays_s.unsqueeze(1) * carriers_hz.unsqueeze(0)
    return impulse_response @ torch.polar(torch.ones_like(turns), turns)
