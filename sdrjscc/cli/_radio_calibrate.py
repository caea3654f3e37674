"""``sdrjscc radio calibrate``: sweeps the gains, keeps what was measured, writes a profile."""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.progress import track

from sdrjscc.cli._console import console, fail
from sdrjscc.cli._out import check_out
from sdrjscc.cli._radio_words import announce, table
from sdrjscc.errors import ConfigError, SdrJsccError

if TYPE_CHECKING:
    from sdrjscc.link.bench import GainPoint
    from sdrjscc.link.log import Source
    from sdrjscc.link.result import Result
    from sdrjscc.linkfile import LinkConfig

_NOTHING_FITS, _STOPPED = 4, 130


@dataclass(frozen=True)
class Job:
    """What the command was asked for."""

    config: str
    gains: str | None
    tx_gains: str | None
    pictures: int
    out: Path
    profile: Path | None
    force: bool


@dataclass
class Sweep:
    """One sweep over a gain, as far as it came."""

    key: Literal["rx_gain_db", "tx_gain_db"]
    points: list["GainPoint"] = field(default_factory=list)
    transmissions: list[dict[str, Any]] = field(default_factory=list)
    chosen: "GainPoint | None" = None


def run(job: Job) -> int:
    """Sweep, choose, write results, figures and the profile.

    Returns:
        0; 3 if a radio failed on the way; 4 if no gain will do; 130 after Ctrl-C. What was
        measured is kept.

    Raises:
        ConfigError, RadioError: before anything was measured.
    """
    from sdrjscc.link.bench import profile_path, radio_table, sample_sources
    from sdrjscc.linkfile import load_link

    check_out(job.out)
    config = load_link(job.config)
    target = job.profile or profile_path(radio_table(config, "rx"))
    if target.exists() and not job.force:
        raise ConfigError(f"{target} must not exist yet: give --force to replace it")
    sources = sample_sources(job.pictures)
    began = datetime.datetime.now().astimezone()
    receive = _configs(config, "rx", _receive_gains(job, config))
    transmit = _configs(config, "tx", _numbers(job.tx_gains, "--tx-gains"))
    announce(config, receive, transmit, job.pictures)
    sweeps, code = _sweep(config, receive, transmit, sources)
    if not any(sweep.points for sweep in sweeps):
        return code
    _report(job, config, sweeps, began)
    return code or _finish(config, sweeps, target, began)


def _sweep(
    config: "LinkConfig",
    receive: Sequence["LinkConfig"],
    transmit: Sequence["LinkConfig"],
    sources: Sequence["Source"],
) -> tuple[list[Sweep], int]:
    """Both sweeps, the second at the receive gain that the first chose; stops at the first failure."""
    from sdrjscc.link.bench import choose, config_gain, with_gain

    sweeps = [Sweep("rx_gain_db")]
    try:
        _measure(sweeps[0], receive, sources)
        best = sweeps[0].chosen = choose(sweeps[0].points)
        if transmit and best is not None:
            sweeps.append(Sweep("tx_gain_db"))
            gains = [config_gain(one, "tx") for one in transmit]
            at_best = with_gain(config, "rx", best.rx_gain_db)
            both = [with_gain(at_best, "tx", gain) for gain in gains if gain is not None]
            _measure(sweeps[1], both, sources)
            sweeps[1].chosen = choose(sweeps[1].points)
    except KeyboardInterrupt:
        console.print("stopped; keeping what was measured")
        return sweeps, _STOPPED
    except SdrJsccError as error:
        if not sweeps[0].points:
            raise
        return sweeps, fail(str(error), error.exit_code)
    return sweeps, 0


def _measure(sweep: Sweep, configs: Sequence["LinkConfig"], sources: Sequence["Source"]) -> None:
    from sdrjscc.link.bench import measure_gain

    for one in track(configs, f"sweeping {sweep.key}", console=console, transient=True):
        note = partial(_note, sweep.transmissions, one)
        sweep.points.append(measure_gain(one, sources, report=note))


def _note(rows: list[dict[str, Any]], config: "LinkConfig", result: "Result") -> None:
    """Keep a picture's figures, with the gains that it was sent at."""
    from sdrjscc.config import build_plugin
    from sdrjscc.evaluation.record import make_record
    from sdrjscc.link.bench import config_gain, radio_table

    rate_hz = float(str(radio_table(config, "rx").get("sample_rate_hz", 1e6)))
    width_hz = build_plugin("waveform", config.waveform, "waveform").occupied_bandwidth_hz(rate_hz)
    gains = {"rx_gain_db": config_gain(config, "rx"), "tx_gain_db": config_gain(config, "tx")}
    rows.append(make_record(result, config, rate_hz, width_hz).row() | gains)


def _receive_gains(job: Job, config: "LinkConfig") -> list[float]:
    """As asked for, or the radio's range; a radio without a gain is refused in either case."""
    from sdrjscc.link.bench import gain_range, need_gain, radio_table, steps

    need_gain(config)
    return _numbers(job.gains, "--gains") or steps(*gain_range(radio_table(config, "rx")))


def _configs(config: "LinkConfig", end: Literal["rx", "tx"], gains: Sequence[float]) -> list["LinkConfig"]:
    """All are validated before anything is transmitted."""
    from sdrjscc.link.bench import with_gain

    return [with_gain(config, end, gain) for gain in gains]


def _numbers(text: str | None, option: str) -> list[float]:
    if text is None:
        return []
    try:
        return sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise ConfigError(f"{option} must be numbers of dB with commas between them (got '{text}')") from None


def _report(job: Job, config: "LinkConfig", sweeps: Sequence[Sweep], began: datetime.datetime) -> None:
    from sdrjscc.evaluation._style import save_figure
    from sdrjscc.evaluation.plots_bench import gain_sweep
    from sdrjscc.evaluation.results import SCHEMA, finite, versions
    from sdrjscc.files import write_json_atomic
    from sdrjscc.link.bench import clock_offset

    points = [point for sweep in sweeps for point in sweep.points]
    clock = clock_offset(config, points)
    chosen = _chosen(sweeps)
    summary: dict[str, Any] = {
        "rx_gain_db": None if chosen is None else chosen.rx_gain_db,
        "tx_gain_db": None if chosen is None else chosen.tx_gain_db,
        "snr_db": None if chosen is None else chosen.snr_db,
        "clock": None if clock is None else asdict(clock) | {"covering_ppm": clock.covering_ppm},
    }
    results = {
        "schema": SCHEMA,
        "command": "radio calibrate",
        "started": began.isoformat(timespec="seconds"),
        "versions": versions(),
        "config": config.model_dump(mode="json"),
        "summary": summary,
        "transmissions": [row for sweep in sweeps for row in sweep.transmissions],
        **{f"{sweep.key}_sweep": [point.row() for point in sweep.points] for sweep in sweeps},
    }
    write_json_atomic(job.out / "results.json", finite(results))
    files = ["results.json"]
    for sweep in sweeps:
        if sweep.points:
            files.append(f"{sweep.key.removesuffix('_db')}.png")
            save_figure(gain_sweep(sweep.points, sweep.chosen, swept=sweep.key), job.out / files[-1])
    console.print(table([(sweep.points, sweep.chosen) for sweep in sweeps]))
    written = "\n".join(str(job.out / file) for file in files)
    console.print(written, markup=False, highlight=False, soft_wrap=True)


def _finish(config: "LinkConfig", sweeps: Sequence[Sweep], target: Path, began: datetime.datetime) -> int:
    """Write the profile of the gains that were chosen, if there are any."""
    from sdrjscc.files import write_text_atomic
    from sdrjscc.link.bench import clock_offset, profile_text

    chosen = _chosen(sweeps)
    if chosen is None:
        return fail(
            "at one gain at least, all packets must arrive and no sample be saturated (got none: change the "
            "attenuation, the transmit gain or the gains that are swept)",
            _NOTHING_FITS,
        )
    points = [point for sweep in sweeps for point in sweep.points]
    clock = clock_offset(config, points)
    moment = began.isoformat(sep=" ", timespec="minutes")
    write_text_atomic(target, profile_text(config, points, chosen, clock, measured_at=moment))
    lines = [f"profile  {target}: rx_gain_db = {chosen.rx_gain_db:g}, SNR {chosen.snr_db:.1f} dB"]
    if len(sweeps) > 1 and chosen.tx_gain_db is not None:
        where = "in the profile" if config.radios.rx is None else "for [radios.tx]"
        lines.append(f"sending  tx_gain_db = {chosen.tx_gain_db:g}, {where}")
    if clock is not None and not clock.shared and clock.carrier_ppm is not None:
        lines.append(
            f"clocks   {clock.carrier_ppm:+.3f} ppm apart, clock_ppm = {clock.covering_ppm:g} covers it"
        )
    end = "tx" if config.radios.rx is None else "rx"
    lines.append(f'to use it: profile = "{target}" in [radios.{end}] instead of the keys that it holds')
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return 0


def _chosen(sweeps: Sequence[Sweep]) -> "GainPoint | None":
    """Of the last sweep that has one; its other gain is that of the first's choice."""
    found = [sweep.chosen for sweep in sweeps if sweep.chosen is not None]
    return found[-1] if found else None
