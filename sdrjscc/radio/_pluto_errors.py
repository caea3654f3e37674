"""Errors of pyadi-iio and libiio as one sentence, with their buffers let go."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from sdrjscc.errors import RadioError


@contextmanager
def must(device: str, what: str) -> Iterator[None]:
    """Turn whatever the library raises, bare ``Exception`` included, into one sentence.

    Raises:
        RadioError: ``<device> must <what> (got: <the library's words>)``.
    """
    try:
        yield
    except BaseException as error:
        _let_go_of_buffers(error)
        if not isinstance(error, Exception):
            raise
        reason = str(error) or type(error).__name__
        raise RadioError(f"{device} must {what} (got: {reason})") from error


def _let_go_of_buffers(error: BaseException) -> None:
    """Clear the locals of the library's frames in the traceback.

    They hold its buffers, which would then outlive ``*_destroy_buffer`` for as long as the error
    does: transmission would not stop, and a buffer that the garbage collector frees after its
    connection is a segmentation fault in libiio 0.x.
    """
    link: BaseException | None = error
    while link is not None and not isinstance(link, RadioError):
        traceback.clear_frames(link.__traceback__)
        link = link.__context__
