"""When blocks of message ports end, and that they can begin again.

GNU Radio sends a message ``done`` from every block that ends to those that it feeds. It ends a block with
the first of them, and leaves it marked as done.
"""

from typing import Any
from weakref import WeakSet

import pmt

_SYSTEM, _DONE = pmt.intern("system"), pmt.intern("done")
_NOT_DONE, _NEIGHBOUR_DONE, _SELF_DONE, _AWAKE = 0, 1, 2, 3  # the second is GNU Radio's own
_blocks: WeakSet[Any] = WeakSet()


def finish(block: Any) -> None:
    """End a block that has message ports only: it, and those that it alone feeds, end when they are done."""
    _tell(block, _SELF_DONE)


def wake(block: Any) -> None:
    """Have the scheduler ask a block for samples that had none to give."""
    _tell(block, _AWAKE)  # that a message came is enough; whether the block is done stays as it is


def _tell(block: Any, state: int) -> None:
    block.to_basic_block()._post(_SYSTEM, pmt.cons(_DONE, pmt.from_long(state)))


def end_with_the_last(block: Any) -> None:
    """Have a block end when all are done that send it messages: GNU Radio ends it with the first of them."""
    _forget_namesake(block)
    _blocks.add(block)
    done = 0

    def handle_system(message: Any) -> None:
        nonlocal done
        state = pmt.to_long(pmt.cdr(message))
        if state == _AWAKE:
            return
        done = done + 1 if state == _NEIGHBOUR_DONE else 0
        if state != _NEIGHBOUR_DONE or done >= _senders(block):
            block.gateway.system_handler(message)

    block.handle_system = handle_system
    block.set_msg_handler(_SYSTEM, handle_system)


def _senders(block: Any) -> int:
    """How many connections from blocks of ours end at a block's message ports."""
    return len(_connections(block))


def _forget_namesake(block: Any) -> None:
    """Undo connections to an earlier block of a new block's name: GNU Radio gives names out again."""
    for sender, port, subscriber in _connections(block):
        sender.gateway.message_port_unsub(port, subscriber)


def _connections(block: Any) -> list[tuple[Any, Any, Any]]:
    """The connections from blocks of ours to a block of this name: sender, its port, the subscriber's end."""
    name = block.to_basic_block().alias()
    return [
        (sender, port, subscriber)
        for sender in list(_blocks)
        for port in _elements(sender.gateway.message_ports_out())
        for subscriber in _members(sender.gateway.message_subscribers(port))
        if str(pmt.car(subscriber)) == name
    ]


def _members(sequence: Any) -> list[Any]:
    return [pmt.nth(index, sequence) for index in range(pmt.length(sequence))]


def _elements(vector: Any) -> list[Any]:
    return [pmt.vector_ref(vector, index) for index in range(pmt.length(vector))]


def make_restartable(block: Any) -> None:
    """Have a block that ended begin again with the next start: GNU Radio leaves it marked as done."""
    begin, started = block.start, False

    def start() -> bool:
        nonlocal started
        if started:  # not the first time: a source that is quick may have said already that it is done
            _tell(block, _NOT_DONE)
        started = True
        return bool(begin())

    block.start = start
