"""Pictures back to back through the blocks of ``loopback.grc``: rate, latency, processor time, parity.

    python benchmarks/flowgraph.py [--seconds 60] [--json benchmarks/results/flowgraph.json]

The same pictures in plain Python, one thread, are timed beside it. It needs Linux, for the processor
time of every thread, and a quiet machine: the load average is written down, and what the flowgraph
had of the processors.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

# GNU Radio reads them when it is imported; the counters then count processor time
os.environ["GR_CONF_PERFCOUNTERS_ON"] = "True"
os.environ["GR_CONF_PERFCOUNTERS_CLOCK"] = "thread"

import torch
from _flowgraph.chain import Chain, Setup
from _flowgraph.plain import parity, timed
from _flowgraph.usage import child_s, processor_s, resident_mib, waiting, work_s
from _phy.results import machine, versions

from sdrjscc import grblocks
from sdrjscc.files import write_json_atomic
from sdrjscc.link.parts import Parts

_RATE_HZ, _SIDE_PX, _SNR_DB = 2e6, 256, 10.0
_WARM_UP_S = 5.0
_WATCHES = 60
_PARITY_PICTURES = 8
_PARITY_SEED = 5


def main() -> None:
    """Run every flowgraph, then plain Python; print and write what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the throttled run; others a third")
    parser.add_argument("--only", choices=_setups(""), help="one of the flowgraphs, nothing else")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    link = grblocks.open_link()
    result: dict[str, Any] = {"machine": machine(), "versions": versions(), "flowgraphs": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, setup in _setups(folder).items():
            if options.only in (None, name):
                seconds = options.seconds if name == "throttled" else options.seconds / 3
                result["flowgraphs"][name] = _measured(link, setup, seconds)
    if options.only is None:
        base = _setups("")["throttled"]
        for name, measured in (("link_send", True), ("without_measuring", False)):
            result[f"plain_{name}"] = timed(base, options.seconds / 6, measured=measured)
        same = replace(base, throttled=False, count=_PARITY_PICTURES, seed=_PARITY_SEED)
        result["parity"] = parity(link, same)
    print(json.dumps(result, indent=2))
    if options.json:
        write_json_atomic(options.json, result)


def _setups(folder: str) -> dict[str, Setup]:
    """``whole`` has the link probe and the image sink of ``loopback.grc``, which writes PNG files."""
    base = Setup(_RATE_HZ, _SIDE_PX, _SNR_DB, throttled=True, own_process=True)
    return {
        "throttled": base,
        "one_process": replace(base, own_process=False),
        "unthrottled": replace(base, throttled=False),
        "throttled_1_msps": replace(base, rate_hz=_RATE_HZ / 2),
        "throttled_512_px": replace(base, side_px=2 * _SIDE_PX),
        "whole": replace(base, folder=folder),
    }


def _measured(link: Parts, setup: Setup, seconds: float) -> dict[str, Any]:
    """One flowgraph in its steady state."""
    chain = Chain(link, setup)
    chain.graph.start()
    try:
        time.sleep(_WARM_UP_S)
        before, rows = _state(chain), []
        for _ in range(_WATCHES):
            time.sleep(seconds / _WATCHES)
            rows.append((resident_mib(), waiting(chain.named)))
        after = _state(chain)
    finally:
        chain.graph.stop()
        chain.graph.wait()
    burst = link.waveform.frame_samples * _packets(link, setup)
    return _rates(setup, burst, before, after) | {
        "latency_ms": _spread(chain.watch.latencies_s[before["decoded"] : after["decoded"]]),
        "resident_mib": {"first": rows[0][0], "last": rows[-1][0]},
        "messages_waiting": {
            "mean": statistics.fmean(row[1] for row in rows),
            "most": max(rows, key=_second)[1],
        },
    }


def _second(row: tuple[float, int]) -> int:
    return row[1]


def _packets(link: Parts, setup: Setup) -> int:
    symbols = link.codec.plan(setup.side_px, setup.side_px).symbols
    return -(-symbols // link.waveform.payload_symbols)


def _state(chain: Chain) -> dict[str, Any]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "time_s": time.perf_counter(),
        "process_s": usage.ru_utime + usage.ru_stime + sum(map(child_s, active_children())),
        "processor_s": processor_s(chain.named),
        "work_s": work_s(chain.named),
        "bursts": chain.watch.bursts,
        "decoded": len(chain.watch.latencies_s),
        "lost": chain.watch.lost,
    }


def _rates(setup: Setup, burst_samples: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What happened between two states, and the processor time of each block for a picture."""
    seconds, process_s, bursts, decoded, lost = (
        after[key] - before[key] for key in ("time_s", "process_s", "bursts", "decoded", "lost")
    )
    each = {
        key: {name: 1e3 * (after[key][name] - before[key][name]) / max(1, decoded) for name in after[key]}
        for key in ("processor_s", "work_s")
    }
    return {
        "seconds": seconds,
        "pictures_per_s": decoded / seconds,
        "share_of_air": bursts * burst_samples / (setup.rate_hz * seconds),
        "sent": bursts,
        "lost": lost,
        "processors_had": process_s / seconds,
        "processor_ms_per_picture": 1e3 * process_s / max(1, decoded),
        "processor_ms_by_block": each["processor_s"],
        "work_ms_by_perf_counters": each["work_s"],
    }


def _spread(latencies_s: list[float]) -> dict[str, float]:
    if len(latencies_s) < 2:
        return {}
    ordered = sorted(latencies_s)
    middle, late = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
    return {"median": 1e3 * middle, "p95": 1e3 * late, "most": 1e3 * ordered[-1]}


if __name__ == "__main__":
    main()
