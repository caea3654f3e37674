"""The virtual radio: one process per end of a link, and the channel process between them.

Samples go over ZeroMQ in GNU Radio's wire format, so that a flowgraph can be either end: one with
a *ZMQ REP Sink* transmits, one with a *ZMQ REQ Source* receives (both without tags). The channel
process, ``sdrjscc channel``, fetches from the transmitting end, applies the link's ``[channel]``
and is fetched from by the receiving end; the two ends also understand each other without it.

The order in which the processes start does not matter, and each may be started anew: what was on
its way to a process that went is lost. A flowgraph's *REQ Source* is the exception: where the
channel process goes while it waits for an answer, it waits for ever and has to be started again.
"""

from typing import Any

from sdrjscc.channel.base import SampleChannel
from sdrjscc.errors import RadioError
from sdrjscc.radio._virtual_ends import ReceivingEnd, TransmittingEnd
from sdrjscc.radio._virtual_settings import Config

__all__ = ["Config", "ReceivingEnd", "TransmittingEnd", "build", "library"]


def build(
    config: Config, *, channel: SampleChannel | None, occupied_share: float
) -> TransmittingEnd | ReceivingEnd:
    """Build one end; it is opened on entering its ``with``.

    Args:
        config: the end.
        channel: not used: the link's ``[channel]`` is applied by the channel process, which reads
            the same TOML.
        occupied_share: not used either.

    Raises:
        RadioError: pyzmq is missing.
    """
    kind = TransmittingEnd if config.end == "transmit" else ReceivingEnd
    return kind(config, library())


def library() -> Any:
    """The module ``zmq``.

    Raises:
        RadioError: it cannot be imported.
    """
    try:
        import zmq
    except ImportError as error:
        raise RadioError(f"radio 'virtual' needs ZeroMQ: pip install pyzmq (got: {error})") from error
    return zmq
