"""What a campaign's rows say: curves over SNR, and differences between codecs, with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdrjscc.evaluation.intervals import Interval, by_image, mean_interval, paired_differences

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Curve:
    """One codec over one channel.

    Attributes:
        setting: channel, and what the sender knows of it where that is the fade.
        codec: with mapping and mode, where a codec has several in the campaign.
        rows: of each SNR as set, ascending; of recordings, as received; of ``None`` where nobody
            knows it.
    """

    setting: str
    codec: str
    rows: dict[float | None, list[Mapping[str, Any]]]

    @property
    def as_received(self) -> bool:
        """Whether its SNRs were measured, and not set."""
        return all(row["snr_db"] is None for rows in self.rows.values() for row in rows)

    def all_rows(self) -> list[Mapping[str, Any]]:
        """The rows of all SNRs."""
        return [row for rows in self.rows.values() for row in rows]

    def intervals(self, metric: str) -> dict[float | None, Interval]:
        """Mean of a metric at each SNR where any picture has it."""
        found = {snr: mean_interval(list(by_image(rows, metric).values())) for snr, rows in self.rows.items()}
        return {snr: one for snr, one in found.items() if one is not None}

    def undecodable(self) -> dict[float | None, float]:
        """Share of the pictures that could not be decoded, at each SNR."""
        return {snr: sum(row["undecodable"] for row in rows) / len(rows) for snr, rows in self.rows.items()}

    def mean(self, column: str) -> float | None:
        """Mean of a column over all rows that have it."""
        values = [row[column] for rows in self.rows.values() for row in rows if row[column] is not None]
        return sum(values) / len(values) if values else None


def curves(rows: Rows) -> list[Curve]:
    """All curves, by setting and codec, in the order of the rows."""
    names, received = _curve_names(rows), _received_snrs(rows)
    found: dict[tuple[str, str], dict[float | None, list[Mapping[str, Any]]]] = {}
    for row in rows:
        place = found.setdefault((_setting(row), names[_curve_key(row)]), {})
        level = row["snr_db"] if row["recording"] is None else received[row["recording"]]
        place.setdefault(level, []).append(row)
    return [
        Curve(setting, codec, dict(sorted(levels.items(), key=lambda item: item[0] or 0.0)))
        for (setting, codec), levels in found.items()
    ]


def _received_snrs(rows: Rows) -> dict[str, float | None]:
    """Of each recording the SNR that its symbols had, as all codecs met it, to a hundredth of a dB."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["recording"] is not None:
            snr_db = row["pilot_snr_db"] if row["snr_db_measured"] is None else row["snr_db_measured"]
            found.setdefault(row["recording"], []).extend([] if snr_db is None else [snr_db])
    return {name: round(sum(all_) / len(all_), 2) if all_ else None for name, all_ in found.items()}


def settings(found: Iterable[Curve]) -> dict[str, list[Curve]]:
    """The curves of each setting: what may be compared."""
    grouped: dict[str, list[Curve]] = {}
    for curve in found:
        grouped.setdefault(curve.setting, []).append(curve)
    return grouped


def gains(ours: Curve, theirs: Curve, metric: str) -> dict[float | None, dict[str, float]]:
    """Ours minus theirs, by SNR and image, where both have rows."""
    return {
        snr: paired_differences(by_image(rows, metric), by_image(theirs.rows[snr], metric))
        for snr, rows in ours.rows.items()
        if snr in theirs.rows
    }


def reference_curve(found: Sequence[Curve], reference: str | None) -> Curve:
    """The curve that the others are compared with: that of the named codec, else the first."""
    return next((curve for curve in found if curve.codec == reference), found[0])


def summary_rows(rows: Rows, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row a curve and SNR: mean, low and high of each metric, share undecodable, rho."""
    table = []
    for curve in curves(rows):
        shares = curve.undecodable()
        means = {metric: curve.intervals(metric) for metric in metrics}
        for snr, there in curve.rows.items():
            line: dict[str, Any] = {"setting": curve.setting, "codec": curve.codec, "snr_db": snr}
            line["recording"] = ", ".join(sorted({row["recording"] for row in there} - {None})) or None
            line["images"] = len({row["image"] for row in there})
            for metric, found in means.items():
                one = found.get(snr)
                for name, value in zip(("", "_low", "_high"), _ends(one), strict=True):
                    line[f"{metric}{name}"] = value
            line["undecodable"] = shares[snr]
            for column in ("rho", "rho_on_air", "snr_db_measured"):
                values = [row[column] for row in there if row[column] is not None]
                line[column] = sum(values) / len(values) if values else None
            table.append(line)
    return table


def _ends(one: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if one is None else (one.mean, one.low, one.high)


def _setting(row: Mapping[str, Any]) -> str:
    return str(row["channel"]) + (", sender knows the fade" if row["sender_knows"] == "fade" else "")


def _curve_key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["codec"], row["mapping"], row["mode"]


def _curve_names(rows: Rows) -> dict[tuple[str, str, str], str]:
    """Codec's label; with mapping or mode where the same codec comes with several."""
    keys = list(dict.fromkeys(_curve_key(row) for row in rows))
    names = {}
    for codec, mapping, mode in keys:
        same = [key for key in keys if key[0] == codec]
        several = [len({key[place] for key in same}) > 1 for place in (1, 2)]
        parts = [codec, *([mapping] if several[0] else []), *([f"mode {mode}"] if several[1] else [])]
        names[codec, mapping, mode] = ", ".join(parts)
    return names
