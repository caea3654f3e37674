"""Dictionaries of what was received: packets and transmissions."""

from dataclasses import asdict, fields

import torch

from sdrjscc.framing.header import Header
from sdrjscc.grblocks.pdu import Array, Meta, wanted
from sdrjscc.link.assemble import Assembled
from sdrjscc.link.receiver import Packet


def packet_meta(packet: Packet) -> Meta:
    """The dictionary that goes with a packet's symbols."""
    return {
        **asdict(packet.header),
        "cfo_hz": packet.cfo_hz,
        "sco_ppm": packet.sco_ppm,
        "pilot_snr_db": packet.pilot_snr_db,
        "start_sample": packet.start_sample,
        "first_tap_s": packet.first_tap_s,
        "tap_spacing_s": packet.tap_spacing_s,
        "antennas": len(packet.impulse_response),
        "noise_var": packet.noise_var,
        "impulse_response": packet.impulse_response.flatten(),
    }


def parse_packet(meta: Meta, data: Array) -> Packet:
    """The packet of such a PDU.

    Raises:
        PduError: a key is missing.
        FramingError: a field does not fit a header.
    """
    names = [field.name for field in fields(Header)]
    measured = ("cfo_hz", "sco_ppm", "pilot_snr_db", "start_sample", "first_tap_s", "tap_spacing_s")
    values = wanted(meta, *measured)
    noise_var, antennas, response = wanted(meta, "noise_var", "antennas", "impulse_response")
    return Packet(
        header=Header(**dict(zip(names, wanted(meta, *names), strict=True))),
        symbols=torch.from_numpy(data),
        noise_var=torch.from_numpy(noise_var),
        impulse_response=torch.from_numpy(response).reshape(antennas, -1),
        **dict(zip(measured, values, strict=True)),
    )


def transmission_meta(assembled: Assembled) -> Meta:
    """The dictionary that goes with a transmission's symbols; measurements are means over its packets."""
    header, packets = assembled.header, assembled.packets
    means = {
        name: sum(getattr(packet, name) for packet in packets) / len(packets)
        for name in ("cfo_hz", "sco_ppm", "pilot_snr_db")
    }
    return {
        "nonce": header.nonce,
        "transmission": header.transmission,
        "packets": header.packets,
        "packets_received": assembled.received,
        "mode": header.mode,
        "prefix": header.prefix,
        "width": header.width,
        "height": header.height,
        **means,
        "noise_var": assembled.noise_var,
    }
