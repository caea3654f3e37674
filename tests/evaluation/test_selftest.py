"""The verdict of a self-test: what works passes, each thing that is wrong fails its own row."""

from dataclasses import replace

import pytest
import torch

from sdrjscc.evaluation.selftest import Criterion, judge, passed
from sdrjscc.images.metrics import Metric
from sdrjscc.link.bench import Silence, measure, sample_sources
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link


@pytest.fixture(scope="module")
def link():
    with Link(load_link("loopback")) as link:
        yield link


@pytest.fixture(scope="module")
def got(link):
    return measure(link, sample_sources(2, side=64))


def failing(link, measurement, **options):
    return {one.key for one in judge(link.parts, measurement, **options) if one.ok is False}


def test_the_software_loopback_passes(link, got):
    criteria = {one.key: one for one in judge(link.parts, got)}
    assert passed(list(criteria.values()))
    assert criteria["snr_db"].measured == pytest.approx(10.0, abs=0.5)  # the preset's
    assert criteria["snr_db"].least == 7.0
    assert criteria["cfo_hz"].most == pytest.approx(2 * 10e-6 * 2.4e9)
    assert criteria["snr_below_floor_db"].ok is None  # it gives nothing while nothing is sent
    assert abs(criteria["psnr_below_codec_db"].measured) < 0.3


def test_an_snr_that_is_asked_for_must_be_reached(link, got):
    assert failing(link, got, least_snr_db=15.0) == {"snr_db", "evm_db"}


@pytest.mark.parametrize("count", ["saturated", "overflows", "underflows", "late"])
def test_every_fault_fails(link, got, count):
    assert failing(link, replace(got, counts={**got.counts, count: 1})) == {count}


def test_clipping_may_be_rare(link, got):
    few, many = (replace(got, counts={**got.counts, "clipped": n}) for n in (1, got.sent_samples // 1000))
    assert failing(link, few) == set()
    assert failing(link, many) == {"clipped_share"}


def test_what_did_not_arrive_fails(link, got):
    lost = replace(got.results[0], received=None, packets=(), quality=None, psnr_db=Metric(None, "lost"))
    assert failing(link, replace(got, results=(lost, got.results[1]))) == {"pictures_lost", "packets_lost"}
    assert not passed(judge(link.parts, replace(got, results=(lost,))))


def test_a_picture_worse_than_its_symbols_fails(link, got):
    worse = [replace(one, psnr_db=Metric(one.psnr_db.value - 2.0)) for one in got.results]
    assert failing(link, replace(got, results=tuple(worse))) == {"psnr_below_codec_db"}


def test_a_loss_that_the_noise_floor_does_not_explain_fails(link, got):
    # unit power at 10 dB on 52 of 64 carriers: noise on all of them is 9.1 dB down
    explained = replace(got, silence=Silence(-9.1, -90.0, 0.1))
    assert failing(link, explained) == set()
    row = next(one for one in judge(link.parts, explained) if one.key == "snr_below_floor_db")
    assert row.measured == pytest.approx(0.0, abs=0.5)
    assert failing(link, replace(got, silence=Silence(-40.0, -90.0, 0.1))) == {"snr_below_floor_db"}


def test_a_clock_beyond_its_accuracy_fails(link, got):
    def moved(result):
        far = tuple(replace(one, packet=replace(one.packet, cfo_hz=60e3)) for one in result.packets)
        return replace(result, packets=far)

    assert failing(link, replace(got, results=tuple(map(moved, got.results)))) == {"cfo_hz"}


def test_the_judgement_leaves_the_global_random_state_alone(link, got):
    before = torch.get_rng_state()
    judge(link.parts, got)
    assert torch.equal(torch.get_rng_state(), before)


def test_limits_are_inclusive_and_what_was_not_measured_is_no_failure():
    assert Criterion("a", "a", 1.0, least=1.0, most=1.0).ok
    assert Criterion("a", "a", 1.1, most=1.0).ok is False
    assert Criterion("a", "a", 0.9, least=1.0).row()["ok"] is False
    assert passed([Criterion("a", "a", None, most=0)])
