"""From a received picture to its record, measured where the true picture is known."""

import logging
from dataclasses import replace

from torch import Tensor

from sdrjscc.errors import SdrJsccError
from sdrjscc.evaluation.record import make_record
from sdrjscc.evaluation.results import Transmission
from sdrjscc.images.io import Picture
from sdrjscc.link.log import References
from sdrjscc.link.parts import Parts
from sdrjscc.link.receiving import ReceivedPicture
from sdrjscc.link.result import make_result
from sdrjscc.link.transmitter import Stamp, encode_picture
from sdrjscc.link.transmitter import Transmission as Sent

_EXCERPT_SAMPLES = 1 << 16
_log = logging.getLogger("sdrjscc.evaluation")


def record_reception(
    received: ReceivedPicture,
    samples: Tensor,
    *,
    parts: Parts,
    encoder: Parts,
    references: References,
    sample_rate_hz: float,
) -> Transmission:
    """Measure one transmission at a receiving end; one whose true picture cannot be read is kept unmeasured.

    Args:
        received: as it came out of the receiving end.
        samples: complex64 ``[antennas, n]``, some of those that it came in.
        parts: of the link that decoded.
        encoder: of the link that sent: it tells the symbols of a known picture.
        references: the true pictures.
        sample_rate_hz: of the samples.
    """
    picture, sent = _reference(received, encoder, references)
    result = make_result(
        parts,
        picture,
        sent,
        received,
        samples=samples[:, :_EXCERPT_SAMPLES],
        sample_rate_hz=sample_rate_hz,
        receive_ms=None,
    )
    bandwidth_hz = parts.waveform.occupied_bandwidth_hz(sample_rate_hz)
    record = make_record(result, parts.config, sample_rate_hz, bandwidth_hz)
    return replace(record, channel_snr_db=None)  # what the channel was told to give is another process's


def _reference(
    received: ReceivedPicture, encoder: Parts, references: References
) -> tuple[Picture | None, Sent | None]:
    """The true picture and its symbols, as far as they are known."""
    header = received.assembled.header
    try:
        picture = references.match(header, received.pixels)
        if picture is None or (picture.width, picture.height) != (header.width, header.height):
            return picture, None
        stamp = Stamp(header.nonce, header.transmission, header.mode, header.prefix)
        parts = (encoder.codec, encoder.mapper, encoder.waveform)
        return picture, encode_picture(*parts, picture.pixels, stamp, device=encoder.device)
    except (SdrJsccError, OSError) as error:  # a log or a file that went bad since reception began
        _log.warning("picture %d is not measured: %s", header.transmission, error)
        return None, None
