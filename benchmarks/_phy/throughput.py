"""Speed in samples per second of processor time, on one core.

Processor time counts all threads of the process, so that a flowgraph of many threads is charged
for all of them. Frames stand back to back with gaps of about 500 samples, at 20 dB; the runs of
all systems alternate, and the median of a system's runs counts.
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from _phy.air import CLOCK_PPM, RATES_HZ, through_air
from _phy.system import Listener, System

_SCENARIO, _SNR_DB = "awgn", 20.0


class _Bench:
    """One system with its signals and its receiver, warmed up."""

    def __init__(self, system: System, samples: int) -> None:
        self.system = system
        self.count = max(8, samples // (2 * system.nominal_symbols))
        sent, _ = system.transmit(self.count, seed=1)
        self.signal = through_air(system, sent, _SCENARIO, _SNR_DB, 1, seed=3).samples
        generator = torch.Generator().manual_seed(4)
        self.noise = torch.randn(1, self.signal.shape[-1], dtype=torch.complex64, generator=generator)
        self.listener: Listener = system.listener(RATES_HZ[_SCENARIO], CLOCK_PPM[_SCENARIO], 1)
        self.listener.hear(self.signal)
        self.speeds: dict[str, list[float]] = {"msps": [], "msps_noise": [], "msps_transmit": []}

    def run(self) -> None:
        self.speeds["msps"].append(self._receive(self.signal))
        self.speeds["msps_noise"].append(self._receive(self.noise))
        sent, seconds = self.system.transmit(self.count, seed=1)
        self.speeds["msps_transmit"].append(sent.frames.numel() / 1e6 / seconds)

    def _receive(self, samples: Tensor) -> float:
        _, seconds = self.listener.hear(samples)
        return samples.shape[-1] / 1e6 / seconds

    def row(self) -> dict[str, Any]:
        middle = {name: statistics.median(runs) for name, runs in self.speeds.items()}
        best = {f"{name}_best": max(runs) for name, runs in self.speeds.items()}
        runs = {"runs": len(self.speeds["msps"]), "samples": self.signal.shape[-1]}
        return {
            "system": self.system.name,
            "payload_symbols": self.system.nominal_symbols,
            **middle,
            **best,
            **runs,
        }


def throughput(
    systems: list[System], samples: int, runs: int, step: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Rows of the speed table for systems of one payload size; ``step`` after every round."""
    benches = [_Bench(system, samples) for system in systems]
    for _ in range(runs):
        for bench in benches:
            bench.run()
        step(1)
    return [bench.row() for bench in benches]
