"""What ``sdrjscc list codecs`` says: counted as stored, and beside what the papers say."""

import json

import pytest

from sdrjscc.codecs import _catalogue
from sdrjscc.codecs._catalogue import COSTS, codec_rows, count, listed

STORED = json.loads(COSTS.read_text())


def test_every_variant_is_stored() -> None:
    entries = [{key: row[key] for key in ("codec", "variant", "options")} for row in STORED]
    assert entries == list(listed()), "python tests/codecs/make_costs.py counts anew"


@pytest.mark.parametrize("row", STORED, ids=lambda row: "-".join(map(str, list(row.values())[:3])))
def test_stored_costs_are_those_counted(row: dict) -> None:
    assert count({key: row[key] for key in ("codec", "variant", "options")}) == row


def test_what_is_not_stored_is_counted(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = codec_rows()[:2]
    (tmp_path / "costs.json").write_text(json.dumps(STORED[:1]))
    monkeypatch.setattr(_catalogue, "COSTS", tmp_path / "costs.json")
    monkeypatch.setattr(_catalogue, "listed", lambda: list(listed())[:2])
    assert codec_rows() == expected


def test_published_figures_stand_beside_ours() -> None:
    """Parameters agree to what the papers print; operations do where they can be reproduced."""
    rows = [row for row in codec_rows() if row["published_parameters"] is not None]
    assert len(rows) == 16
    for row in rows:
        assert row["parameters"] == pytest.approx(row["published_parameters"], rel=6e-3), row["variant"]
        if row["codec"] == "dsc_jscc":
            assert row["published_side_px"] == 256
            assert row["macs_output_counted"] == pytest.approx(row["published_macs"], rel=0.0013)
        else:
            assert row["published_side_px"] == 512
            assert 4 * row["macs_output_counted"] < row["published_macs"] / 2


def test_rho_is_symbols_over_source_values() -> None:
    rho = {row["variant"]: row["rho"] for row in codec_rows()}
    assert rho["deep-jscc"] == pytest.approx(1 / 12)
    assert rho["base"] == pytest.approx(2 / 3)  # ren2026, the last of that name
    assert rho["small"] == pytest.approx(1 / 16)
