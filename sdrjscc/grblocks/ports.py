"""Message ports of Python blocks.

What goes wrong in a handler is a sentence in the log, and the graph goes on: an exception would end
the block's thread without a word. On the way to the transmitter what failed is passed on as a PDU
without data, whose key ``error`` says why, so that the transmitter asks for another picture.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pmt
from torch import Tensor

from sdrjscc.errors import SdrJsccError
from sdrjscc.grblocks.ends import end_with_the_last, make_restartable
from sdrjscc.grblocks.pdu import Array, Meta, parse_pdu, pdu

log = logging.getLogger("sdrjscc.grblocks")

Handler = Callable[[Meta, Array], None]
NOTHING = np.empty(0, np.uint8)


def add_ports(
    block: Any, inputs: Mapping[str, Handler], outputs: Iterable[str] = (), *, forward: str | None = None
) -> None:
    """Give a block message ports.

    Args:
        block: a GNU Radio block.
        inputs: by name, what is called with dictionary and vector of every PDU that arrives.
        outputs: names.
        forward: output to which PDUs that failed go, here or before; ``None``: the handlers get
            those that failed before.
    """
    make_restartable(block)
    end_with_the_last(block)
    for name in outputs:
        block.message_port_register_out(pmt.intern(name))
    for name, handler in inputs.items():
        add_input(block, name, _pdu_handler(block, handler, forward))


def add_input(block: Any, name: str, handler: Callable[[Any], None]) -> None:
    """Give a block a port whose handler gets messages as they are."""

    def handle(message: Any) -> None:
        failure(block, lambda: handler(message))

    port = pmt.intern(name)
    handle.__name__ = f"handle_{name}"  # GNU Radio calls it by its name, as the block's attribute
    setattr(block, handle.__name__, handle)
    block.message_port_register_in(port)
    block.set_msg_handler(port, handle)


def publish(block: Any, port: str, meta: Meta, data: Array | Tensor = NOTHING) -> None:
    """Send a PDU from a block, if anyone takes it."""
    name = pmt.intern(port)
    if not pmt.is_null(block.message_subscribers(name)):
        block.message_port_pub(name, pdu(meta, data))


def _pdu_handler(block: Any, handler: Handler, forward: str | None) -> Callable[[Any], None]:
    def handle(message: Any) -> None:
        meta, data = parse_pdu(message)
        if forward is None:
            handler(meta, data)
        elif "error" in meta:
            publish(block, forward, meta)
        elif (reason := failure(block, lambda: handler(meta, data))) is not None:
            publish(block, forward, {**meta, "error": reason})

    return handle


def failure(block: Any, work: Callable[[], None]) -> str | None:
    """Do ``work``; why it failed, which is logged, if it did."""
    try:
        work()
    except SdrJsccError as error:
        log.warning("%s: %s", block.name(), error)
        return str(error)
    except Exception as error:
        log.exception("%s failed", block.name())
        return f"{type(error).__name__}: {error}"
    return None
