"""Bootstrap intervals against the normal theory, and the pairing of images."""

import math

import numpy as np
import pytest

from sdrjscc.evaluation.intervals import by_image, mean_interval, paired_differences
from sdrjscc.evaluation.summary import curves, gains, reference_curve, settings, summary_rows


def test_interval_is_that_of_the_normal_theory_for_many_images():
    sample = np.random.default_rng(1).normal(30.0, 2.0, 400)
    found = mean_interval(sample.tolist())
    half = 1.96 * sample.std() / math.sqrt(len(sample))
    assert found.mean == pytest.approx(sample.mean())
    # the 2.5 % point of 4,000 resamples is known to about 5 % of the half width
    assert found.mean - found.low == pytest.approx(half, rel=0.12)
    assert found.high - found.mean == pytest.approx(half, rel=0.12)


def test_interval_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(2)
    trials = [mean_interval(generator.normal(0.0, 1.0, 40).tolist()) for _ in range(200)]
    covered = sum(one.low <= 0.0 <= one.high for one in trials) / len(trials)
    # percentile intervals of 40 values are a little narrow: 94 %; 3 sigma of 200 trials are 5 %
    assert 0.88 <= covered <= 0.99


def test_one_image_has_no_interval_and_none_no_mean():
    assert (mean_interval([3.0]).low, mean_interval([3.0]).high) == (None, None)
    assert mean_interval([]) is None


def test_seeds_of_an_image_are_no_further_images():
    rows = [{"image": "a", "psnr_db": 1.0}, {"image": "a", "psnr_db": 3.0}, {"image": "b", "psnr_db": None}]
    assert by_image(rows, "psnr_db") == {"a": 2.0}


def test_only_images_that_both_have_are_paired():
    assert paired_differences({"a": 3.0, "b": 1.0}, {"a": 1.0, "c": 0.0}) == {"a": 2.0}


def row(codec="one", snr_db=0.0, image="a", psnr_db=20.0, **more):
    return {
        "level": "symbol",
        "codec": codec,
        "mapping": "analog",
        "channel": "awgn",
        "sender_knows": "average",
        "mode": "auto",
        "snr_db": snr_db,
        "seed": 0,
        "image": image,
        "psnr_db": psnr_db,
        "undecodable": False,
        "rho": 0.1,
        "rho_on_air": None,
        "snr_db_measured": None,
        "pilot_snr_db": None,
        "recording": None,
    } | more


def test_curves_are_named_by_what_differs():
    rows = [row(), row(mode="2"), row("two"), row("two", mapping="vq"), row("three")]
    names = [curve.codec for curve in curves(rows)]
    assert names == ["one, mode auto", "one, mode 2", "two, analog", "two, vq", "three"]


def test_only_curves_of_one_setting_stand_together():
    rows = [row(), row(channel="fading"), row(channel="fading", sender_knows="fade")]
    assert list(settings(curves(rows))) == ["awgn", "fading", "fading, sender knows the fade"]


def test_summary_and_gains_worked_by_hand():
    rows = [
        *(row(image=image, psnr_db=level) for image, level in (("a", 20.0), ("b", 22.0))),
        *(row("two", image=image, psnr_db=level) for image, level in (("a", 21.0), ("b", 25.0))),
        row("two", snr_db=5.0, undecodable=True, psnr_db=10.0),
    ]
    ones, twos = curves(rows)
    assert gains(twos, ones, "psnr_db") == {0.0: {"a": 1.0, "b": 3.0}}
    assert reference_curve([ones, twos], "two") is twos
    assert reference_curve([ones, twos], None) is ones
    lines = summary_rows(rows, ["psnr_db"])
    assert [(line["codec"], line["snr_db"], line["psnr_db"]) for line in lines] == [
        ("one", 0.0, 21.0),
        ("two", 0.0, 23.0),
        ("two", 5.0, 10.0),
    ]
    assert (lines[1]["psnr_db_low"], lines[1]["psnr_db_high"]) == (21.0, 25.0)
    assert [line["undecodable"] for line in lines] == [0.0, 0.0, 1.0]


def test_points_of_recordings_stand_at_the_snr_received():
    rows = [
        row(codec, snr_db=None, recording=name, snr_db_measured=snr, psnr_db=level)
        for codec in ("one", "two")
        for name, snr, level in (("far", 3.001, 20.0), ("near", 17.004, 30.0), ("silent", None, 10.0))
    ]
    for curve in curves(rows):
        assert curve.as_received
        assert {snr: there[0]["recording"] for snr, there in curve.rows.items()} == {
            None: "silent",
            3.0: "far",
            17.0: "near",
        }
    assert {line["recording"] for line in summary_rows(rows, ["psnr_db"])} == {"far", "near", "silent"}
