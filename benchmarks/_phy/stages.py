"""Where the receiver's time goes: processor time of each stage, timers around its functions.

Frames of one scenario stand back to back in a stream, which is received in chunks as in
``throughput``; the fastest of several passes counts. The timers themselves cost about a
microsecond a call, which batches of frames share.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from _phy.air import CLOCK_PPM, RATES_HZ, through_air
from _phy.ours import Ours
from sdrjscc.link import receiver
from sdrjscc.link.stream import SampleStream

_PASSES = 6

STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "conditioning and buffer": ((SampleStream, "append"), (SampleStream, "finish")),
    "search": ((receiver.Receiver, "_look"),),
    "windows out of the buffer": ((SampleStream, "windows"),),
    "time and carrier from the chirps": ((receiver.Locator, "locate"), (receiver, "refine")),
    "head: channel, noise, header symbols": (
        (receiver, "read_head"),
        (receiver, "header_symbols"),
        (receiver, "train_on_header"),
    ),
    "header code": ((receiver, "decode_headers"), (receiver, "encode_headers")),
    "spectra of the payload": ((receiver, "payload_spectra"),),
    "tracking, channel, symbols": ((receiver, "read_payload"),),
    "packets": ((receiver.Receiver, "_emit"),),
}
"""Functions of each stage, where the receiver looks them up; none calls another."""


@contextmanager
def _timed(seconds: dict[str, float]) -> Iterator[None]:
    """Add the processor time of every stage to ``seconds`` for as long as the block runs."""

    def timer(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            begin = time.process_time()
            result = function(*args, **options)
            seconds[stage] += time.process_time() - begin
            return result

        return timed

    with ExitStack() as stack:
        for stage, functions in STAGES.items():
            for owner, name in functions:
                stack.enter_context(patch.object(owner, name, timer(getattr(owner, name), stage)))
        yield


def stages(system: Ours, scenario: str, snr_db: float, samples: int) -> dict[str, Any]:
    """Microseconds a frame of each stage and of all, with what lies between them.

    Args:
        system: whose receiver it is.
        scenario: of the channel.
        snr_db: of the channel.
        samples: length of the stream, about.
    """
    count = max(8, samples // system.waveform.frame_samples)
    sent, _ = system.transmit(count, seed=1)
    signal = through_air(system, sent, scenario, snr_db, 1, seed=3).samples
    listener = system.listener(RATES_HZ[scenario], CLOCK_PPM[scenario], 1)
    listener.hear(signal)
    passes = []
    for _ in range(_PASSES):
        seconds = dict.fromkeys(STAGES, 0.0)
        with _timed(seconds):
            heard, whole = listener.hear(signal)
        passes.append((whole, len(heard), seconds))
    whole, received, seconds = min(passes, key=lambda one: one[0])
    return {
        "payload_symbols": system.nominal_symbols,
        "scenario": scenario,
        "snr_db": snr_db,
        "frames": count,
        "headers": received,
        "samples": signal.shape[-1],
        "all_us": 1e6 * whole / count,
        "stages_us": {stage: 1e6 * spent / count for stage, spent in seconds.items()},
    }
