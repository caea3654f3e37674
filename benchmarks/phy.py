"""The physical layer beside its peers: sensitivity, loss, noise calibration, speed, peaks.

    python benchmarks/phy.py [--quick] [--json FILE] [--figures FOLDER]
    python benchmarks/phy.py --systems sdrjscc --scenario full --snr-db 10 --payload 82
    python benchmarks/phy.py --profile [--scenario full] [--snr-db 20]
    python benchmarks/phy.py --redraw FILE --figures FOLDER

Ours (``sdrjscc``), liquid-dsp's ``ofdmflexframe`` (``pip install liquid-dsp``) and GNU Radio's
``ofdm_tx``/``ofdm_rx`` (``apt install gnuradio``) each send frames of their own format with about
the same number of payload symbols through the same realisations of the same channels. A peer that
is not installed is named and left out. ``--quick`` takes about two minutes, a whole run less than
an hour of one core. Ctrl-C keeps what was measured.

Definitions: SNR is per sample over the occupied band, Es/N0 of an active carrier; each received
frame is scaled to unit mean power before noise is added. The modules of ``_phy`` say the rest:
``score`` (probabilities, loss, calibration), ``limits`` (bounds), ``throughput``,
``false_headers``, ``papr``, ``stages`` (of the receiver, with ``--profile``).
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _phy import false_headers, gnuradio_ofdm, liquid_ofdm, ours
from _phy.air import DOPPLER_HZ, RATES_HZ
from _phy.figures import draw
from _phy.papr import papr
from _phy.progress import Watch
from _phy.results import Results
from _phy.score import Course, measure
from _phy.stages import stages
from _phy.system import MissingPeerError, System
from _phy.throughput import throughput
from rich.console import Console

from sdrjscc.framing.header import warm_up
from sdrjscc.waveform.ofdm import Config, build

SNRS_DB = [-8.0, -6.5, -5.5, -5.0, -2.0, 0.0, 2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 25.0]
QUICK_SNRS_DB = [-5.0, 0.0, 4.0, 10.0, 25.0]
MOVING_SNRS_DB = (10.0, 20.0)
SIZES = (20, 82, 328)
_PEERS_SHARE = 3
SYSTEMS: dict[str, Callable[[int], System]] = {
    ours.NAME: ours.Ours,
    liquid_ofdm.NAMES[64]: lambda size: liquid_ofdm.Liquid(200 * size, 64),
    liquid_ofdm.NAMES[256]: lambda size: liquid_ofdm.Liquid(200 * size, 256),
    gnuradio_ofdm.NAME: lambda size: gnuradio_ofdm.GnuRadio(200 * size),
}
HEADING = "{:16s}{:10s}{:>7s}{:>7s}{:>12s}{:>13s}{:>8s}{:>10s}{:>10s}{:>9s}{:>6s}".format(
    *("system", "scenario", "symbols", "SNR", "P(header)", "valid/sent", "loss dB"),
    *("variance", "CFO Hz", "SCO ppm", "MS/s"),
)


def main() -> int:
    """Measure what was asked for, print it as it comes, write JSON and figures."""
    options = _options()
    console = Console(width=120, highlight=False)
    if options.redraw:
        _draw(json.loads(options.redraw.read_text()), options.figures, console)
        return 0
    _on_one_core()
    asked = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    results = Results(options.json, asked)
    console.print("  ".join(f"{name} {number}" for name, number in results.content["versions"].items()))
    code = 0
    try:
        _run(options, results, console)
        results.finish()
    except KeyboardInterrupt:
        results.write()
        console.print("stopped; what was measured is kept")
        code = 130
    _draw(results.content, options.figures, console)
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few frames and points")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--figures", type=Path, help="write the figures into this folder")
    parser.add_argument("--redraw", type=Path, help="only draw the figures of this JSON")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--scenario", nargs="+", choices=sorted(RATES_HZ), help="default: awgn cfo full")
    parser.add_argument("--snr-db", nargs="+", type=float, help=f"default: {SNRS_DB}")
    parser.add_argument("--payload", nargs="+", type=int, default=SIZES, help="OFDM symbols: 20 82 328")
    parser.add_argument("--antennas", type=int, default=1, help="more than 1: ours only")
    parser.add_argument(
        "--frames", type=int, help="of 20 OFDM symbols; longer ones, and the peers', are fewer"
    )
    parser.add_argument("--noise-samples", type=int, help="of each signal that is not ours; 0: none")
    parser.add_argument("--profile", action="store_true", help="only the time of our receiver's stages")
    parser.add_argument("--no-throughput", action="store_true")
    parser.add_argument("--no-curves", action="store_true")
    parser.add_argument("--no-moving", action="store_true", help="no table of Doppler frequencies")
    options = parser.parse_args()
    if options.redraw and not options.figures:
        parser.error("--redraw needs --figures")
    if options.profile:
        options.scenario, options.snr_db = options.scenario or ["full"], options.snr_db or [20.0]
    options.scenario = options.scenario or (["awgn", "full"] if options.quick else ["awgn", "cfo", "full"])
    options.snr_db = options.snr_db or (QUICK_SNRS_DB if options.quick else SNRS_DB)
    options.frames = options.frames or (120 if options.quick else 3000)
    if options.noise_samples is None:
        options.noise_samples = 1_000_000 if options.quick else 100_000_000
    return options


def _on_one_core() -> None:
    """All threads of the process, those of flowgraphs too, on the last core it may use."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warm_up()


def _run(options: argparse.Namespace, results: Results, console: Console) -> None:
    if options.profile:
        _profile(options, results, console)
        return
    systems = {size: _available(options, size, results, console) for size in options.payload}
    with Watch(console) as watch:
        results.add("papr", *papr(4_000 if options.quick else 40_000))
        if not options.no_throughput:
            _speeds(options, systems, results, watch)
        if not options.no_curves:
            _curves(options, systems, results, watch)
        if not options.no_moving:
            _moving(options, systems, results, watch)
        if options.noise_samples:
            _false_headers(options, results, watch)


def _profile(options: argparse.Namespace, results: Results, console: Console) -> None:
    samples = 400_000 if options.quick else 3_000_000
    for size, name, snr_db in itertools.product(options.payload, options.scenario, options.snr_db):
        row = stages(ours.Ours(size), name, snr_db, samples)
        results.add("stages", row)
        console.print(f"\n{row['payload_symbols']} symbols, {name}, {snr_db:g} dB, {row['frames']} frames:")
        for stage, spent in {**row["stages_us"], "all, with what lies between": row["all_us"]}.items():
            console.print(f"{stage:40s}{spent:8.0f} us a frame")


def _available(options: argparse.Namespace, size: int, results: Results, console: Console) -> list[System]:
    """The systems that can be measured at a payload size; the others are named."""
    found = []
    for name in options.systems:
        try:
            system = SYSTEMS[name](size)
        except MissingPeerError as error:
            console.print(f"{name}, {200 * size} payload symbols: left out, as {error}")
            results.add("missing", {"system": name, "payload_symbols": 200 * size, "reason": str(error)})
            continue
        if system.antennas >= options.antennas:
            found.append(system)
    return found


def _speeds(
    options: argparse.Namespace, systems: dict[int, list[System]], results: Results, watch: Watch
) -> None:
    runs, samples = (5, 2_000_000) if options.quick else (9, 3_000_000)
    with watch.task("throughput", runs * len(systems)) as step:
        for present in systems.values():
            rows = throughput(present, samples, runs, step)
            results.add("throughput", *rows)
            for row in rows:
                watch.console.print(
                    f"{row['system']:16s}{row['payload_symbols']:6d} symbols: {row['msps']:6.1f} MS/s on"
                    f" frames, {row['msps_noise']:6.1f} on noise, transmitter {row['msps_transmit']:6.1f}"
                )


def _curves(
    options: argparse.Namespace, systems: dict[int, list[System]], results: Results, watch: Watch
) -> None:
    watch.console.print(HEADING)
    points = [
        (system, Course(name, snr_db, options.antennas, _frames(options.frames, size, system)))
        for size, name, snr_db in itertools.product(systems, options.scenario, options.snr_db)
        for system in systems[size]
    ]
    with watch.task("points", len(points)) as whole:
        for system, course in points:
            label = f"{system.name}, {course.scenario}, {course.snr_db:g} dB"
            with watch.task(label, course.frames) as step:
                row = measure(system, course, step)
            results.add("curves", row)
            watch.console.print(_text(row))
            whole(1)


def _moving(
    options: argparse.Namespace, systems: dict[int, list[System]], results: Results, watch: Watch
) -> None:
    """Loss of ours against the Doppler frequency of the echoes of scenario ``full``."""
    present = {
        size: [one for one in systems[size] if one.name == ours.NAME] for size in systems if size <= 82
    }
    points = [
        (system, Course(name, snr_db, options.antennas, _frames(options.frames // 3, size, system)))
        for size, snr_db, name in itertools.product(present, MOVING_SNRS_DB, ("full", *DOPPLER_HZ))
        for system in present[size]
    ]
    with watch.task("moving channels", len(points)) as whole:
        for system, course in points:
            row = measure(system, course, lambda count: None)
            results.add("moving", {**row, "doppler_hz": DOPPLER_HZ.get(course.scenario, 0.0)})
            watch.console.print(_text(row))
            whole(1)


def _frames(shortest: int, size: int, system: System) -> int:
    """Frames of a point: all points about equally long; peers are sent the first third of ours."""
    share = 1 if system.name == ours.NAME else _PEERS_SHARE
    return max(5, shortest * SIZES[0] // (size * share))


def _text(row: dict[str, Any]) -> str:
    """A row of the table."""

    def number(key: str, width: int, digits: int) -> str:
        return f"{'-':>{width}s}" if row[key] is None else f"{row[key]:{width}.{digits}f}"

    return (
        f"{row['system']:16s}{row['scenario']:10s}{row['payload_symbols']:7d}{row['snr_db']:7.1f}"
        f"{row['p_header']:12.4f}{row['headers']:6d}/{row['sent']:<6d}{number('loss_db', 8, 3)}"
        f"{number('variance_error_db', 10, 3)}{number('cfo_rms_hz', 10, 2)}{number('sco_rms_ppm', 9, 3)}"
        f"{number('msps', 6, 1)}"
    )


def _false_headers(options: argparse.Namespace, results: Results, watch: Watch) -> None:
    waveform = build(Config(payload_ofdm_symbols=SIZES[0]))
    trials = list(itertools.product((1, 2), false_headers.SIGNALS, false_headers.LEVELS_DB))
    samples = options.noise_samples
    with watch.task("signals that are not ours", len(trials)) as whole:
        for antennas, name, level_db in trials:
            with watch.task(f"{name}, {level_db:g} dB, {antennas} antennas", samples) as step:
                row = false_headers.trial(waveform, name, level_db, antennas, samples, step)
            results.add("false_headers", row)
            watch.console.print(
                f"{name:16s}{level_db:4.0f} dB, antennas: {antennas}, {samples:.1e} samples:"
                f" {row['triggers']} triggers, {row['preambles']} preambles, {row['headers']} headers"
            )
            whole(1)


def _draw(content: dict[str, Any], folder: Path | None, console: Console) -> None:
    if folder is not None:
        for path in draw(content, folder):
            console.print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
