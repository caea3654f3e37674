"""A lab's own channel: what receivers measured of it, packet by packet, for channel ``recorded``."""

from collections.abc import Sequence
from pathlib import Path

import torch

from sdrjscc.channel._soundings import SoundingSet, mean_power, save
from sdrjscc.errors import CaptureError
from sdrjscc.link.receiver import Packet
from sdrjscc.units import to_db
from sdrjscc.waveform.base import HEADER


class Soundings:
    """Channels of the packets of one or more recordings, in the order in which they came.

    The levels of a recording's soundings stay as they were relative to each other; each recording
    is scaled, so that the mean power of the channel's response is 1 over the header's carriers,
    antennas and soundings. Its gain settings say nothing about the channel.

    The SNR that is kept is that of thermal noise and of what acts like it, per complex symbol on
    an active carrier, mean over antennas: the pilots' SNR without the gain of combining, for
    antennas of equal noise. It is what ``snr_db`` of a software channel means. The packets' noise
    variances hold the errors of channel estimate and tracking as well, which a receiver of the
    replayed channel makes anew.

    Where the channel moves within a frame, its sounding is the mean over the frame.
    """

    def __init__(self) -> None:
        self._recordings: list[SoundingSet] = []

    def __len__(self) -> int:
        return sum(len(recording) for recording in self._recordings)

    def add(self, packets: Sequence[Packet], sample_rate_hz: float) -> None:
        """Add the channels of one recording's packets; their symbols are not kept.

        Args:
            packets: of one recording, in order of time; none: nothing is added.
            sample_rate_hz: of the recording.

        Raises:
            CaptureError: another number of antennas or another sample rate than what is there.
        """
        if not packets:
            return
        recording = _sounded(packets, sample_rate_hz)
        if self._recordings:
            _check_alike(recording, self._recordings[0])
        self._recordings.append(recording)

    def write(self, path: Path) -> None:
        """Write all into one file, whole or not at all.

        Raises:
            CaptureError: there are none, or the file cannot be written.
        """
        if not self._recordings:
            raise CaptureError(f"at least one packet must be received to write channels to {path} (got none)")
        try:
            save(_joined(self._recordings), path)
        except OSError as error:
            reason = error.strerror or error
            raise CaptureError(f"{path} must be a file that can be written (got: {reason})") from error


def _sounded(packets: Sequence[Packet], sample_rate_hz: float) -> SoundingSet:
    responses = torch.stack([packet.impulse_response for packet in packets])
    share = HEADER.occupied_fraction
    scale = mean_power(responses, share).mean().rsqrt()
    combining_db = to_db(responses.shape[1])
    return SoundingSet(
        responses * scale.to(responses.dtype),
        snr_db=_series([packet.pilot_snr_db - combining_db for packet in packets]),
        cfo_hz=_series([packet.cfo_hz for packet in packets]),
        sco_ppm=_series([packet.sco_ppm for packet in packets]),
        start_s=_series([packet.start_sample / sample_rate_hz for packet in packets]),
        sample_rate_hz=sample_rate_hz,
        occupied_share=share,
    )


def _series(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _check_alike(recording: SoundingSet, first: SoundingSet) -> None:
    if recording.antennas != first.antennas:
        raise CaptureError(
            f"recordings in one file of channels must have one number of antennas "
            f"(got {first.antennas} and {recording.antennas})"
        )
    if recording.sample_rate_hz != first.sample_rate_hz:
        raise CaptureError(
            f"recordings in one file of channels must have one sample rate "
            f"(got {first.sample_rate_hz:g} and {recording.sample_rate_hz:g} Hz)"
        )


def _joined(recordings: list[SoundingSet]) -> SoundingSet:
    return SoundingSet(
        torch.cat([recording.impulse_response for recording in recordings]),
        torch.cat([recording.snr_db for recording in recordings]),
        torch.cat([recording.cfo_hz for recording in recordings]),
        torch.cat([recording.sco_ppm for recording in recordings]),
        torch.cat([recording.start_s for recording in recordings]),
        recordings[0].sample_rate_hz,
        recordings[0].occupied_share,
    )
