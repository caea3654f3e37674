"""The parts of ``benchmarks/phy.py`` whose errors would not show in its tables."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from _phy import false_headers, figures, limits
from _phy.air import through_air
from _phy.liquid_ofdm import Liquid
from _phy.ours import Ours
from _phy.papr import papr
from _phy.results import Results
from _phy.score import Course, delivered_db, measure
from _phy.stages import STAGES, stages
from _phy.system import MissingPeerError, System

from sdrjscc.waveform.ofdm import Config, build


def peer(name: str) -> System:
    try:
        if name == "gnuradio":
            from _phy.gnuradio_ofdm import GnuRadio

            return GnuRadio(4000)
        return Liquid(4000, 64 if name == "liquid-dsp" else 256)
    except MissingPeerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("symbols", "known_db"), [(20, 0.034), (82, 0.015)])
def test_smallest_loss_is_that_of_an_earlier_calculation(symbols: int, known_db: float) -> None:
    grid = build(Config(payload_ofdm_symbols=symbols)).payload
    assert limits.smallest_loss_db(grid, header_symbols=3) == pytest.approx(known_db, abs=5e-4)


def test_bound_of_the_carrier_offset_is_that_of_a_tone_when_all_is_known() -> None:
    """Rife and Boorstyn, 1974: 6 / (SNR N (N^2 - 1)) in (rad / sample)^2, SNR per sample."""
    n, snr = 1000, 5.0
    instants, energies = torch.arange(n).double(), torch.ones(n).double()
    spread = float((energies * (instants - instants.mean()).square()).sum())
    assert 1 / (2 * snr * spread) == pytest.approx(6 / (snr * n * (n**2 - 1)))
    quiet, loud = (limits.cfo_bound_hz(build(Config()), snr_db, 1e6) for snr_db in (0.0, 20.0))
    assert quiet == pytest.approx(10 * loud)


def test_known_energy_is_that_of_the_cells_the_receiver_knows() -> None:
    waveform = build(Config(payload_ofdm_symbols=20))
    instants, energies = limits.known_energy(waveform.payload)
    assert float(energies.sum()) == pytest.approx(2 * 416 + 5 * 208 + 20 * 8)
    assert float(instants.max()) == waveform.frame_samples - 1


def test_delivered_snr_of_equal_errors_is_theirs() -> None:
    assert delivered_db([torch.full((4,), 0.1)]) == pytest.approx(10.0, abs=1e-4)
    assert delivered_db([]) is None


@pytest.mark.parametrize("name", ["liquid-dsp", "liquid-dsp-256", "gnuradio"])
def test_peer_meets_the_same_channel_and_hears_its_own_frames(name: str) -> None:
    systems = peer(name), Ours(20)
    airs = [through_air(s, s.transmit(3, seed=1)[0], "awgn", 25.0, 1, seed=4) for s in systems]
    assert airs[0].cfo_hz == airs[1].cfo_hz
    assert airs[0].sco_ppm == airs[1].sco_ppm
    row = measure(systems[0], Course("awgn", 25.0, 1, 3), lambda done: None)
    assert row["headers"] == 3
    assert row["genie_snr_db"] == pytest.approx(25.0, abs=0.3)
    assert 0.0 < row["loss_db"] < 6.0


def test_ours_is_scored_with_every_number() -> None:
    row = measure(Ours(20), Course("awgn", 10.0, 1, 4), lambda done: None)
    assert row["p_header"] == 1.0
    assert all(row[key] is not None for key in ("loss_db", "variance_error_db", "cfo_rms_hz", "sco_rms_ppm"))


def test_stages_are_part_of_the_whole_and_leave_the_receiver_as_it_was() -> None:
    before = [getattr(owner, name) for functions in STAGES.values() for owner, name in functions]
    row = stages(Ours(4), "awgn", 10.0, 30_000)
    assert row["headers"] == row["frames"] == 8
    assert list(row["stages_us"]) == list(STAGES) and min(row["stages_us"].values()) > 0.0
    assert sum(row["stages_us"].values()) <= row["all_us"]
    assert [getattr(owner, name) for functions in STAGES.values() for owner, name in functions] == before


@pytest.mark.parametrize("name", false_headers.SIGNALS)
@pytest.mark.parametrize("antennas", [1, 2])
def test_foreign_signal_has_its_level(name: str, antennas: int) -> None:
    block = next(false_headers.blocks(name, 20.0, antennas, 90_000, seed=1))
    assert block.shape == (antennas, 90_000)
    duty = {"noise bursts": 700 / 9000, "other OFDM": 2240 / 2720}.get(name, 1.0)
    assert float(block.abs().square().mean()) == pytest.approx(1 + 100 * duty, rel=0.05)


def test_results_are_json_without_nan_and_survive_a_stop(tmp_path: Path) -> None:
    results = Results(tmp_path / "phy.json", {})
    results.add("curves", {"system": "sdrjscc", "loss_db": math.nan})
    content = json.loads((tmp_path / "phy.json").read_text())
    assert content["curves"] == [{"system": "sdrjscc", "loss_db": None}]
    assert not content["complete"]
    assert {"machine", "versions", "throughput", "false_headers", "papr"} <= set(content)


def test_every_figure_is_drawn_from_few_rows(tmp_path: Path) -> None:
    row = {
        "system": "sdrjscc", "scenario": "full", "payload_symbols": 4000, "snr_db": 5.0, "p_header": 0.9,
        "sent": 10, "headers": 9, "loss_db": 0.1, "variance_error_db": 0.0, "cfo_rms_hz": 1.0,
    }  # fmt: skip
    speed = {
        "system": "sdrjscc",
        "payload_symbols": 4000,
        "msps": 1.0,
        "msps_noise": 2.0,
        "msps_transmit": 3.0,
    }
    content = {"curves": [row], "throughput": [speed], "papr": papr(2000)}
    names = {path.stem for path in figures.draw(content, tmp_path)}
    assert names == {"detection", "loss", "cfo", "variance", "throughput", "papr"}
    assert figures.draw({"curves": [], "throughput": [], "papr": []}, tmp_path) == []
