"""``sdrjscc radio selftest``: sends, judges, prints the rows and the verdict."""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.progress import Progress
from rich.table import Table

from sdrjscc.cli._console import console
from sdrjscc.cli._out import check_out

if TYPE_CHECKING:
    from sdrjscc.evaluation.selftest import Criterion
    from sdrjscc.link.bench import Measurement
    from sdrjscc.link.session import Link

_FAILED = 4


def run(source: str, pictures: int, least_snr_db: float | None, out: Path) -> int:
    """Send test pictures over a link and judge what arrived.

    Returns:
        0 if every criterion holds, else 4.

    Raises:
        ConfigError, RadioError: the link cannot be built or opened, or a radio was lost.
    """
    from sdrjscc.evaluation.selftest import judge, passed
    from sdrjscc.link.bench import measure, sample_sources
    from sdrjscc.link.session import Link
    from sdrjscc.linkfile import load_link

    check_out(out)
    began = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    sources = sample_sources(pictures)
    with Link(load_link(source)) as link, _progress(len(sources)) as advance:
        got = measure(link, sources, report=lambda _: advance())
        rate_hz = link.rx_radio.sample_rate_hz
    with console.status("comparing with the codec alone"):
        criteria = judge(link.parts, got, least_snr_db=least_snr_db)
    _write(out / "results.json", link, got, criteria, began, rate_hz)
    verdict = "PASS" if passed(criteria) else "FAIL"
    console.print(_table(criteria))
    console.print(_figures(got), markup=False, highlight=False, soft_wrap=True)
    console.print(f"results  {out / 'results.json'}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"[bold {'green' if verdict == 'PASS' else 'red'}]{verdict}[/]")
    return 0 if verdict == "PASS" else _FAILED


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("sending", total=total)
        yield lambda: bar.advance(task)


def _write(
    path: Path,
    link: "Link",
    got: "Measurement",
    criteria: "Sequence[Criterion]",
    began: str,
    rate_hz: float,
) -> None:
    from sdrjscc.evaluation.record import make_record
    from sdrjscc.evaluation.results import Run, finite
    from sdrjscc.evaluation.selftest import passed
    from sdrjscc.files import write_json_atomic
    from sdrjscc.linkfile import to_toml

    config, width_hz = link.parts.config, link.occupied_bandwidth_hz
    records = [make_record(one, config, rate_hz, width_hz) for one in got.results]
    run = Run("radio selftest", config.model_dump(mode="json"), to_toml(config), records, began)
    heard = got.silence
    more = {
        "verdict": "PASS" if passed(criteria) else "FAIL",
        "criteria": [one.row() for one in criteria],
        "noise_dbfs": None if heard is None else heard.noise_dbfs,
        "level_dbfs": got.level_dbfs,
        "temperature_c": got.temperature_c,
    }
    write_json_atomic(path, {**run.content(), **finite(more)})


def _figures(got: "Measurement") -> str:
    """What no criterion judges."""
    parts = ["signal -" if got.level_dbfs is None else f"signal {got.level_dbfs:.1f} dBFS"]
    if got.silence is None:
        parts.append("noise floor not measured: this radio gives nothing while nothing is sent")
    else:
        parts.append(f"noise floor {got.silence.noise_dbfs:.1f} dBFS, DC {got.silence.dc_dbfs:.1f} dBFS")
        parts.append(f"busiest moment {got.silence.busiest_db:.1f} dB above it")
    if got.temperature_c is not None:
        parts.append(f"{got.temperature_c:.1f} degrees C")
    return ", ".join(parts)


def _table(criteria: "Sequence[Criterion]") -> Table:
    table = Table("criterion", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("measured", "must be", "ok"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in criteria:
        word, colour = {True: ("yes", "green"), False: ("NO", "bold red"), None: ("-", "dim")}[one.ok]
        measured = "not measured" if one.measured is None else _number(one.measured)
        table.add_row(one.text, measured, _limits(one), f"[{colour}]{word}[/]")
    return table


def _limits(one: "Criterion") -> str:
    if one.least is None:
        return "" if one.most is None else f"at most {_number(one.most)}"
    if one.most is None:
        return f"at least {_number(one.least)}"
    return f"{_number(one.least)} to {_number(one.most)}"


def _number(value: float) -> str:
    if value == round(value) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.2f}"
