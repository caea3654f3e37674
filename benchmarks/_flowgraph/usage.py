"""What a running flowgraph takes: processor time by block, memory, messages that wait. Linux only."""

import threading
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pmt

_TASKS = Path("/proc/self/task")
_STREAMING = ("Frame Transmitter", "Throttle", "Impairment Channel", "Frame Receiver")


def processor_s(named: dict[str, Any]) -> dict[str, float]:
    """Processor time of every block's thread, seconds; ``rest``: of all other threads.

    Processes of blocks' own count as ``NAME's process``.

    GNU Radio's counters know only the time in ``work``; message handlers run in the block's thread
    outside of it. GNU Radio gives each thread its block's name; the image source's own is Python's.
    """
    python = {thread.native_id: thread.name for thread in threading.enumerate()}
    taken = dict.fromkeys([*named, "rest"], 0.0)
    for task in _TASKS.iterdir():
        try:
            comm = (task / "comm").read_text().strip()
            spent_s = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:  # ended meanwhile
            continue
        names = (python.get(int(task.name), ""), comm)
        owner = next((name for name in named if any(_is(one, name) for one in names)), "rest")
        taken[owner] += spent_s
    for child in active_children():  # also those of flowgraphs that have ended, which take no more
        name = f"{child.name}'s process"
        taken[name] = taken.get(name, 0.0) + child_s(child)
    return taken


def child_s(child: BaseProcess) -> float:
    """Processor time of a child process."""
    return int(Path(f"/proc/{child.pid}/schedstat").read_text().split()[0]) / 1e9


def _is(thread: str, block: str) -> bool:
    """Threads are named after blocks, cut, with a number at the end."""
    stem = thread.lower().rstrip("0123456789")
    return bool(stem) and block.lower().startswith(stem)


def work_s(named: dict[str, Any]) -> dict[str, float]:
    """Time in ``work`` by GNU Radio's performance counters, seconds, of the blocks that have streams."""
    streaming = (name for name in named if name in _STREAMING)
    return {name: named[name].pc_work_time_total() / 1e9 for name in streaming}


def resident_mib() -> float:
    """Resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def waiting(named: dict[str, Any]) -> int:
    """Messages that wait at all ports of all blocks."""
    total = 0
    for block in named.values():
        basic = block.to_basic_block()
        ports = basic.message_ports_in()
        for index in range(pmt.length(ports)):
            port = pmt.vector_ref(ports, index)
            total += basic.nmsgs(port) if pmt.symbol_to_string(port) != "system" else 0
    return total
