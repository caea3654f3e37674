"""The parts of ``benchmarks/link_training.py`` whose errors would not show in its table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import link_training

from sdrjscc.channel.chain import scenario
from sdrjscc.evaluation.symbol_level import centre_square
from sdrjscc.images.samples import read_sample
from sdrjscc.linkfile import load_link


def test_the_link_takes_scenario_snr_seed_and_weights_and_keeps_the_rest() -> None:
    base = load_link("loopback")
    link = link_training._over_scenario(link_training._with_weights(base, Path("x.safetensors")), 7.0, 3)
    assert (link.codec["weights"], link.channel["snr_db"]) == ("x.safetensors", 7.0)
    assert len(link.channel["taps"]) == 3
    assert (link.radios.tx["seed"], link.waveform) == (3, base.waveform)
    assert link.codec["variant"] == base.codec["variant"]


def test_training_channel_is_in_the_multipath_of_the_scenario() -> None:
    over = link_training._symbol_channels(load_link("loopback"))["channel_db"]
    assert over.config.taps == scenario("full").taps


def test_every_level_is_measured_in_all_three_ways() -> None:
    picture = centre_square(read_sample("coffee"), 64)
    rows = list(link_training._rows(load_link("loopback"), [picture], range(1)))
    assert [row["snr_db"] for row in rows] == list(link_training.SNRS_DB)
    assert all(row["received"] == row["sent"] == 1 for row in rows)
    for name in ("psnr_db", "channel_db", "awgn_db"):
        assert rows[-1][name] > rows[0][name] > 10.0
