"""What the drivers of real devices share: opening, settings that are read back, errors, levels, counts."""

import logging
import math
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from sdrjscc.errors import RadioError, SignalError
from sdrjscc.units import from_db

_log = logging.getLogger("sdrjscc.radio")

SATURATED = 0.999
"""Amplitude in I or Q at which a sample counts as saturated: the last code of 12 bits is 0.9995."""

HandleT = TypeVar("HandleT")


@dataclass
class Counts:
    """What a driver counts; see :class:`sdrjscc.radio.base.Status`."""

    overflows: int = 0
    underflows: int = 0
    late: int = 0
    clipped: int = 0
    saturated: int = 0

    def overflow(self, device: str) -> None:
        """Count an overflow; the first is logged."""
        self.overflows += 1
        if self.overflows == 1:
            _log.warning("%s: samples were lost on the way to the host (overflow)", device)


@dataclass(frozen=True)
class Setting:
    """A key of the configuration, how to set it and read it, and how far off it may read back."""

    key: str
    asked: float | str
    write: Callable[[], object]
    read: Callable[[], Any]
    tolerance: float = 0.0

    def agrees(self, got: Any) -> bool:
        """Whether the device took the value."""
        if isinstance(self.asked, str):
            return bool(got == self.asked)
        return abs(float(got) - self.asked) <= self.tolerance


@contextmanager
def must(device: str, what: str) -> Iterator[None]:
    """Turn whatever a library raises into one sentence that names the device.

    Raises:
        RadioError: ``<device> must <what> (got: <the library's words on one line>)``.
    """
    try:
        yield
    except BaseException as error:
        clear_frames(error)
        if isinstance(error, RadioError) or not isinstance(error, Exception):
            raise
        reason = " ".join(str(error).replace("----->", "").split()) or type(error).__name__
        raise RadioError(f"{device} must {what} (got: {reason})") from error


def clear_frames(error: BaseException) -> None:
    """Clear the locals of frames that have ended, in the tracebacks of an error and of those behind it.

    They hold what the library gave, for as long as somebody keeps the error: a device would stay
    open, and libiio's buffers would outlive ``*_destroy_buffer``: transmission would not stop, and
    one freed by the garbage collector after its connection is a segmentation fault in libiio 0.x.
    """
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__context__


@contextmanager
def closing_on_error(radio: AbstractContextManager[Any]) -> Iterator[None]:
    """Close a device again that could not be set up, whatever was raised."""
    try:
        yield
    except BaseException as error:
        radio.__exit__(type(error), error, error.__traceback__)
        clear_frames(error)
        raise


def leave(error: BaseException | None, finish: Callable[[], object], stop: Callable[[], object]) -> None:
    """Leave a radio's ``with``: finish what was sent unless there was an error, and stop on every way.

    Raises:
        RadioError: one of the two failed; after an error, what fails is logged instead.
    """
    try:
        if error is None:
            finish()
    finally:
        try:
            stop()
        except RadioError as failure:
            if error is None:
                raise
            clear_frames(failure)
            _log.warning("%s", str(failure))  # not the error itself, which loggers keep


def opened(device: str, handle: HandleT | None, action: str, *, end: str = "both") -> HandleT:
    """What a device is used through.

    Args:
        device: its name, for errors.
        handle: ``None`` while it is closed.
        action: what it is used for.
        end: the configuration's, where the action is ``transmit`` or ``receive``.

    Raises:
        RadioError: it is the other end, or it is closed.
    """
    if end not in ("both", action):
        raise RadioError(f"{device} must have end '{action}' or 'both' to {action} (got '{end}')")
    if handle is None:
        raise RadioError(f"{device} must be open to {action} (it is closed)")
    return handle


def apply(device: str, wanted: Iterable[Setting]) -> dict[str, float | str]:
    """Apply all settings, then compare all: a later one may have moved an earlier one.

    Returns:
        What was read back, by key; of a key that is set more than once, the last.

    Raises:
        RadioError: one was refused, coerced or ignored.
    """
    wanted, got = list(wanted), {}
    for one in wanted:
        with must(device, f"accept {one.key} = {one.asked}"):
            one.write()
    for one in wanted:
        with must(device, f"tell its {one.key}"):
            value = one.read()
            agrees = one.agrees(value)
        if not agrees:
            raise RadioError(
                f"{device}: {one.key} must read back as {one.asked} within {one.tolerance:g} (got {value})"
            )
        got[one.key] = value if isinstance(value, str) else float(value)
    return got


def at_level(device: str, samples: Tensor, tx_dbfs: float) -> tuple[Tensor, int]:
    """Samples to transmit, at their level and clipped at full scale, which is logged.

    Args:
        device: its name.
        samples: complex ``[n]`` of unit power.
        tx_dbfs: level of unit power, relative to full scale 1.0.

    Returns:
        ``(complex64 [n], clipped)``: no real or imaginary part beyond 1.0, and how many samples had one.

    Raises:
        SignalError: not a finite complex vector.
    """
    if samples.ndim != 1 or not samples.is_complex():
        raise SignalError(f"samples to transmit must be a complex vector (got {tuple(samples.shape)})")
    if bad := int((~torch.isfinite(samples)).sum()):
        raise SignalError(f"samples to transmit must be finite (got {bad} of {len(samples)} that are not)")
    amplitude = math.sqrt(from_db(tx_dbfs))
    rails = torch.view_as_real(amplitude * samples.detach().resolve_conj().to("cpu", torch.complex64))
    clipped = int((rails.abs() > 1.0).any(dim=-1).sum())
    if clipped:
        level = f"lower tx_dbfs (it is {tx_dbfs:g})"
        _log.warning("%s: %d of %d samples clipped; %s", device, clipped, len(samples), level)
    return torch.view_as_complex(rails.clamp(-1.0, 1.0)), clipped


def saturated(samples: Tensor) -> int:
    """How many received samples ``[antennas, n]``, full scale 1.0, are at full scale in I or Q."""
    return int((torch.view_as_real(samples).abs() >= SATURATED).any(dim=-1).sum())
