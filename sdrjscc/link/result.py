"""What came of one picture: what was sent, what was received, and every measurement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdrjscc.framing.packetise import packetise
from sdrjscc.images.io import Picture
from sdrjscc.images.metrics import Metric, ms_ssim, psnr_db, ssim
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import ReceivedPicture
from sdrjscc.link.transmitter import Transmission
from sdrjscc.payload import Plan
from sdrjscc.units import to_db


@dataclass(frozen=True)
class SymbolQuality:
    """Quality of equalised symbols against those sent.

    Attributes:
        snr_db: data-aided; the SNR of the AWGN channel on which a linear MMSE estimate would
            have the error that ``symbol / (1 + noise_var)`` has here: ``1 / mmse - 1``.
        evm_db: error vector magnitude, mean ``|error|^2`` over mean ``|symbol|^2``.
    """

    snr_db: float
    evm_db: float


@dataclass(frozen=True)
class PacketQuality:
    """One received packet: the receiver's own measurements, and the data-aided where it can be had."""

    packet: Packet
    quality: SymbolQuality | None


@dataclass(frozen=True)
class Result:
    """One picture's way over the link.

    Attributes:
        picture: as it was read; ``None`` where the sender's picture is not known.
        codec: codec and variant.
        sent: what was transmitted; ``None`` where that is not known.
        received: what arrived, ``None`` if nothing did.
        psnr_db, ssim, ms_ssim: of the decoded picture.
        quality: of all received symbols as they came, before copies are combined; ``None`` if
            none.
        copies: packets x symbols per packet / k: how often a symbol is sent on average, as
            spare slots of the last packet repeat symbols.
        packets: every packet that arrived, in order.
        airtime_s: duration of all frames.
        rho: k over 3 W H.
        rho_on_air: airtime x occupied bandwidth over 3 W H.
        receive_ms: time of the receiver without the codec; ``None`` where it received other things too.
        samples: complex64 ``[antennas, n]``, the beginning of what was received.
    """

    picture: Picture | None
    codec: str
    sent: Transmission | None
    received: ReceivedPicture | None
    psnr_db: Metric
    ssim: Metric
    ms_ssim: Metric
    quality: SymbolQuality | None
    copies: float
    packets: tuple[PacketQuality, ...]
    airtime_s: float
    rho: float
    rho_on_air: float
    receive_ms: float | None
    samples: Tensor

    @property
    def pixels(self) -> Tensor | None:
        """The received picture, uint8 ``[3, H, W]``."""
        return None if self.received is None else self.received.pixels

    @property
    def plan(self) -> Plan:
        """What the sender's codec sent."""
        return _known(self.sent, self.received)[0]

    @property
    def packets_sent(self) -> int:
        """Packets of the transmission."""
        return _known(self.sent, self.received)[1]

    @property
    def width(self) -> int:
        """Of the picture, px."""
        return _known(self.sent, self.received)[2]

    @property
    def height(self) -> int:
        """Of the picture, px."""
        return _known(self.sent, self.received)[3]

    @property
    def packets_received(self) -> int:
        """Different packets that arrived."""
        return 0 if self.received is None else self.received.assembled.received

    def mean(self, name: str) -> float | None:
        """Mean over the packets of one of the receiver's measurements, e.g. ``"cfo_hz"``."""
        values = [float(getattr(one.packet, name)) for one in self.packets]
        return sum(values) / len(values) if values else None


def make_result(
    parts: Parts,
    picture: Picture | None,
    sent: Transmission | None,
    received: ReceivedPicture | None,
    *,
    samples: Tensor,
    sample_rate_hz: float,
    receive_ms: float | None,
) -> Result:
    """Measure one transmission; see :class:`Result`. What was sent or what was received must be known."""
    waveform = parts.waveform
    plan, packets_sent, width, height = _known(sent, received)
    airtime_s = packets_sent * waveform.frame_samples / sample_rate_hz
    values = 3 * width * height
    packets, quality = (
        ((), None) if received is None else _qualities(sent, received, waveform.payload_symbols)
    )
    return Result(
        picture,
        parts.codec_name,
        sent,
        received,
        *_picture_metrics(picture, received),
        quality,
        packets_sent * waveform.payload_symbols / plan.symbols,
        packets,
        airtime_s=airtime_s,
        rho=plan.symbols / values,
        rho_on_air=airtime_s * waveform.occupied_bandwidth_hz(sample_rate_hz) / values,
        receive_ms=receive_ms,
        samples=samples,
    )


def _known(sent: Transmission | None, received: ReceivedPicture | None) -> tuple[Plan, int, int, int]:
    """Plan, packets, width and height, from whichever side is known."""
    if sent is not None:
        return sent.plan, sent.packets, sent.width, sent.height
    if received is None:
        raise ValueError("what was sent or what was received must be known")
    header = received.assembled.header
    return received.assembled.plan, header.packets, header.width, header.height


def symbol_quality(received: Tensor, noise_var: Tensor, reference: Tensor) -> SymbolQuality | None:
    """Measure equalised symbols ``[k]`` against ``reference``; lost ones are left out.

    Returns:
        ``None`` if all were lost.
    """
    arrived = torch.isfinite(noise_var)
    if not bool(arrived.any()):
        return None
    received, noise_var, reference = received[arrived], noise_var[arrived], reference[arrived]
    power = float(reference.abs().square().mean())
    estimate = received / (1.0 + noise_var)
    mmse = float((estimate - reference).abs().square().mean()) / max(power, 1e-12)
    error = float((received - reference).abs().square().mean())
    snr = 1.0 / mmse - 1.0 if mmse > 0 else math.inf
    return SymbolQuality(to_db(max(snr, 0.0)), to_db(error / max(power, 1e-12)))


def packets_quality(packets: Sequence[Packet], references: Tensor) -> SymbolQuality | None:
    """Measure a transmission's packets as they came, before copies of a symbol are combined.

    Args:
        packets: of one transmission, any of them.
        references: complex64 ``[packets, P]``, what was sent, as ``packetise`` gives it.

    Returns:
        ``None`` if all symbols were lost.
    """
    if not packets:
        return None
    return symbol_quality(
        torch.cat([packet.symbols for packet in packets]),
        torch.cat([packet.noise_var for packet in packets]),
        torch.cat([references[packet.header.packet] for packet in packets]),
    )


def _qualities(
    sent: Transmission | None, received: ReceivedPicture, payload_symbols: int
) -> tuple[tuple[PacketQuality, ...], SymbolQuality | None]:
    arrived = received.assembled.packets
    if sent is None:
        return tuple(PacketQuality(packet, None) for packet in arrived), None
    references = packetise(sent.symbols, payload_symbols)
    each = [PacketQuality(packet, packets_quality([packet], references)) for packet in arrived]
    return tuple(one for one in each if one.quality is not None), packets_quality(arrived, references)


def _picture_metrics(
    picture: Picture | None, received: ReceivedPicture | None
) -> tuple[Metric, Metric, Metric]:
    if received is None or received.pixels is None:
        return _undefined("no picture could be decoded")
    if picture is None:
        return _undefined("the picture that was sent is not known")
    if picture.pixels.shape != received.pixels.shape:
        return _undefined("the picture that was sent is of another size")
    pair = (picture.pixels, received.pixels)
    return psnr_db(*pair), ssim(*pair), ms_ssim(*pair)


def _undefined(reason: str) -> tuple[Metric, Metric, Metric]:
    nothing = Metric(None, reason)
    return nothing, nothing, nothing
