"""What was measured on a bench, as a profile that a link's TOML can name: chosen gain, clocks' offset."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev

import tomli_w

from sdrjscc.link._bench_gains import GainPoint, config_gain, radio_table
from sdrjscc.linkfile import LinkConfig, Table, one_device

DRIFT_PPM = 3.0
"""How far two crystals may move after the measurement: warming up and seasons move plain ones by this."""

_STEP_PPM = 0.5
_MOST_PPM = 100.0
_SPREADS = 3.0
_CLEAR_DB = 5.0

LINKS_OWN = ("center_frequency_hz", "end")
"""Keys that a profile leaves to the link: without a carrier of the link's own nothing is transmitted."""


@dataclass(frozen=True)
class ClockOffset:
    """Transmitter's clock minus receiver's.

    Attributes:
        carrier_ppm, carrier_spread_ppm: mean and standard deviation over packets, from the carrier
            offset; ``None`` where there is no carrier.
        sampling_ppm, sampling_spread_ppm: the same from the sampling rates, which is less precise.
        packets: measured.
        shared: both ends are one device with one clock: the offset says nothing of that clock.
    """

    carrier_ppm: float | None
    carrier_spread_ppm: float | None
    sampling_ppm: float
    sampling_spread_ppm: float
    packets: int
    shared: bool

    @property
    def covering_ppm(self) -> float:
        """A ``clock_ppm`` of the receiver whose search finds this transmitter again, whatever the other's is.

        The receiver searches the sum of both ends' ``clock_ppm``: this one alone covers the
        offset, its spread and 3 ppm of drift.
        """
        spread = max(self.carrier_spread_ppm or 0.0, self.sampling_spread_ppm / math.sqrt(self.packets))
        offset = abs(self.sampling_ppm if self.carrier_ppm is None else self.carrier_ppm)
        needed = offset + _SPREADS * spread + DRIFT_PPM
        return min(_MOST_PPM, _STEP_PPM * math.ceil(needed / _STEP_PPM))


def clock_offset(config: LinkConfig, points: Sequence[GainPoint]) -> ClockOffset | None:
    """The clocks' offset over all packets of the points that were received well.

    Args:
        config: the link.
        points: measured; those of less than 5 dB or with saturated samples are left out where others
            are there.

    Returns:
        ``None`` where nothing was received.
    """
    clear = [one for one in points if one.usable and (one.snr_db or 0.0) >= _CLEAR_DB]
    cfo_hz = [value for one in clear or points for value in one.cfo_hz]
    sampling = [value for one in clear or points for value in one.sco_ppm]
    if not sampling:
        return None
    carrier_hz = radio_table(config, "rx").get("center_frequency_hz", 0.0)
    carrier: list[float] = []
    if isinstance(carrier_hz, int | float) and carrier_hz > 0:
        carrier = [1e6 * value / carrier_hz for value in cfo_hz]
    return ClockOffset(
        carrier_ppm=fmean(carrier) if carrier else None,
        carrier_spread_ppm=pstdev(carrier) if carrier else None,
        sampling_ppm=fmean(sampling),
        sampling_spread_ppm=pstdev(sampling),
        packets=len(sampling),
        shared=one_device(config),
    )


def profile_path(table: Table) -> Path:
    """Where a local profile is written by default: ``pluto.local.toml``."""
    name = str(table["name"]).replace(":", "-").replace("/", "-")
    return Path(f"{name}.local.toml")


def profile_table(config: LinkConfig, chosen: GainPoint, clock: ClockOffset | None) -> Table:
    """The receiving radio's table as a profile, with the chosen gains and the clock's accuracy."""
    table = {key: value for key, value in radio_table(config, "rx").items() if key not in LINKS_OWN}
    table["rx_gain_db"] = chosen.rx_gain_db
    if config.radios.rx is None and chosen.tx_gain_db is not None:
        table["tx_gain_db"] = chosen.tx_gain_db
    if clock is not None and not clock.shared:
        table["clock_ppm"] = clock.covering_ppm
    return table


def profile_text(
    config: LinkConfig,
    points: Sequence[GainPoint],
    chosen: GainPoint,
    clock: ClockOffset | None,
    *,
    measured_at: str,
) -> str:
    """The profile as TOML, with the figures it rests on in comments.

    Args:
        config: the link that was measured.
        points: all of them.
        chosen: of :func:`sdrjscc.link._bench_gains.choose`.
        clock: of :func:`clock_offset`.
        measured_at: date and time.
    """
    table = profile_table(config, chosen, clock)
    comments = {
        "rx_gain_db": ["Lowest gain within 0.5 dB of the best SNR where nothing saturated."],
        "clock_ppm": _clock_comment(clock),
    }
    lines = _head(config, points, chosen, measured_at)
    for key, value in table.items():
        lines += [f"# {line}" for line in comments.get(key, [])]
        lines.append(tomli_w.dumps({key: value}).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _head(config: LinkConfig, points: Sequence[GainPoint], chosen: GainPoint, measured_at: str) -> list[str]:
    table, tx = radio_table(config, "rx"), radio_table(config, "tx")
    what = "".join(
        letter if letter.isprintable() else "?" for letter in str(table.get("device") or table["name"])
    )
    carrier_hz = table.get("center_frequency_hz", 0.0)
    tx_gain = config_gain(config, "tx")
    warmth = "" if chosen.temperature_c is None else f", receiver at {chosen.temperature_c:.1f} degrees C"
    head = [
        f"{what}: written by sdrjscc radio calibrate, {measured_at}.",
        f"At {float(str(carrier_hz)) / 1e6:g} MHz{warmth}; the other end: {tx['name']}, "
        f"tx_gain_db = {'its own' if tx_gain is None else f'{tx_gain:g}'}, "
        f"tx_dbfs = {tx.get('tx_dbfs', 'its own')}.",
        f"No {' and no '.join(LINKS_OWN)} here: they are the link's own.",
        "",
        " rx gain  tx gain    noise    level      SNR  saturated  packets",
        "      dB       dB     dBFS     dBFS       dB",
    ]
    rows = [_row(one, one is chosen) for one in points]
    return [f"# {line}".rstrip() for line in [*head, *rows]] + [""]


def _row(point: GainPoint, chosen: bool) -> str:
    cells = (point.rx_gain_db, point.tx_gain_db, point.noise_dbfs, point.level_dbfs, point.snr_db)
    numbers = " ".join("       -" if one is None else f"{one:8.1f}" for one in cells)
    arrived = f"{point.packets_received}/{point.packets_sent}"
    return f"{numbers} {point.saturated:10d} {arrived:>8}{'  <- chosen' if chosen else ''}"


def _clock_comment(clock: ClockOffset | None) -> list[str]:
    if clock is None:
        return ["Not measured: nothing was received."]
    if clock.shared:
        return ["As it was: one clock serves both ends, which says nothing of its accuracy."]
    lines = []
    if clock.carrier_ppm is not None:
        lines.append(
            f"Transmitter minus receiver by the carrier: {clock.carrier_ppm:+.3f} ppm, "
            f"spread {clock.carrier_spread_ppm:.3f} ppm over {clock.packets} packets;"
        )
    lines.append(
        f"by the sampling rate: {clock.sampling_ppm:+.2f} ppm, spread {clock.sampling_spread_ppm:.2f} ppm."
    )
    return [
        *lines,
        f"This covers the offset, three spreads and {DRIFT_PPM:g} ppm of drift, for this pair of devices.",
    ]
