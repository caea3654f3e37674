"""Pictures between two processes through the channel process, and a soak in real time with its memory.

    python benchmarks/virtual_link.py --data photos [--count 1000] [--json FILE]
    python benchmarks/virtual_link.py --data photos --soak-s 600 [--json FILE]

Without ``--soak-s`` every picture is sent once, as fast as the ends go, and must arrive. With it the
air runs in real time at 2 MS/s, pictures go out a second apart until the time is over, the receiver
records (deleted at the end), and every process's memory is read each ten seconds.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tomli_w
from _phy.results import machine, versions

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.files import write_json_atomic
from sdrjscc.images.datasets import find_images
from sdrjscc.linkfile import load_link

_SIDE_PX = "256"
_SOAK_RATE_HZ = 2e6
_EVERY_S = 10.0


def main() -> None:
    """Run both ends and the channel; print and write what arrived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--count", type=int, default=1000, help="pictures to send once")
    parser.add_argument("--soak-s", type=float, help="run so long in real time instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pictures = find_images(options.data.resolve())[: options.count]
    with tempfile.TemporaryDirectory() as folder:
        result = _run(Path(folder), [str(path) for path in pictures], options.soak_s)
    result |= {"machine": machine(), "versions": versions()}
    print(json.dumps(result, indent=2))
    if options.json:
        write_json_atomic(options.json, result)


def _run(folder: Path, pictures: list[str], soak_s: float | None) -> dict[str, Any]:
    (folder / "link.toml").write_text(tomli_w.dumps(_link(soak_s is not None)))
    common = ["-c", "link.toml"]
    receive = [*common, "--log", "tx.jsonl", "--out", "rx"]
    receive += (
        ["--count", str(len(pictures))]
        if soak_s is None
        else ["--duration-s", str(soak_s), "--record", "air"]
    )
    channel = _start(folder, "channel", *common, "--rate", "fast" if soak_s is None else "real")
    rx = _start(folder, "rx", *receive)
    time.sleep(5.0)
    began_s = time.monotonic()
    send = [*pictures, *common, "--max-side", _SIDE_PX, "--log", "tx.jsonl"]
    tx = _start(folder, "tx", *send, *([] if soak_s is None else ["--repeat", "--pause-s", "1"]))
    memory = _watched({"tx": tx, "channel": channel, "rx": rx})
    taken_s = time.monotonic() - began_s
    for one in (tx, channel):
        one.send_signal(signal.SIGINT)
        one.wait()
    lines = [json.loads(line) for line in (folder / "rx/received.jsonl").read_text().splitlines()]
    result = {"sent": len((folder / "tx.jsonl").read_text().splitlines()), "received": len(lines)}
    result |= {"decoded": sum(line["decoded"] for line in lines), "seconds": taken_s, "memory_mib": memory}
    if soak_s is not None:
        capture = open_capture(folder / "air")
        result |= {"recorded_samples": capture.samples, "annotations": len(capture.annotations)}
    return result


def _link(soak: bool) -> dict[str, Any]:
    """The preset at free ports; for the soak at its rate, with a converter of 12 bits."""
    link = load_link("virtual").model_dump(mode="json", exclude_none=True)
    for end in ("tx", "rx"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            link["radios"][end]["address"] = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        link["radios"][end]["timeout_s"] = 600.0
        if soak:
            link["radios"][end]["sample_rate_hz"] = _SOAK_RATE_HZ
    if soak:
        link["channel"] |= {"adc_bits": 12, "rx_level_dbfs": -15.0}
    return link


def _start(folder: Path, *command: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "sdrjscc", *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )


def _watched(processes: "dict[str, subprocess.Popen[bytes]]") -> list[dict[str, float]]:
    """Memory of all every ten seconds, until the receiver has ended."""
    began_s, rows = time.monotonic(), []
    while processes["rx"].poll() is None:
        sizes = {name: _resident_mib(one.pid) for name, one in processes.items()}
        rows.append({"seconds": round(time.monotonic() - began_s, 1), **sizes})
        try:
            processes["rx"].wait(_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
    return rows


def _resident_mib(pid: int) -> float:
    """Resident memory of a process by Linux's /proc; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
