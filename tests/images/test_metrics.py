"""Metrics against torchmetrics on whole pictures, by hand, and where they are undefined."""

import math

import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from sdrjscc.errors import ImageError
from sdrjscc.images import metrics
from sdrjscc.images.io import to_float
from sdrjscc.images.metrics import ms_ssim, psnr_db, ssim


def pair(height, width, spread=40):
    generator = torch.Generator().manual_seed(height * width)
    base = torch.rand((1, 3, height // 8 + 2, width // 8 + 2), generator=generator)
    sent = torch.nn.functional.interpolate(base, (height, width), mode="bilinear")[0] * 255
    received = sent + torch.randint(-spread, spread + 1, sent.shape, generator=generator)
    return sent.to(torch.uint8), received.clamp(0, 255).to(torch.uint8)


def whole(function, sent, received):
    return float(function(to_float(received)[None], to_float(sent)[None], data_range=1.0))


@pytest.mark.parametrize("rows", [5, 37, 10_000])
@pytest.mark.parametrize(("height", "width"), [(176, 193), (201, 177), (12, 300), (11, 11), (300, 13)])
def test_by_strips_equals_torchmetrics(monkeypatch, height, width, rows):
    monkeypatch.setattr(metrics, "_STRIP_PIXELS", rows * width)
    sent, received = pair(height, width)
    assert psnr_db(sent, received).value == pytest.approx(
        whole(peak_signal_noise_ratio, sent, received), abs=1e-4
    )
    expected = whole(structural_similarity_index_measure, sent, received)
    assert ssim(sent, received).value == pytest.approx(expected, abs=1e-5)
    if min(height, width) >= 176:
        expected = whole(multiscale_structural_similarity_index_measure, sent, received)
        assert ms_ssim(sent, received).value == pytest.approx(expected, abs=1e-5)


def test_psnr_by_hand():
    sent = torch.full((3, 5, 4), 100, dtype=torch.uint8)
    assert psnr_db(sent, sent + 10).value == pytest.approx(20 * math.log10(25.5))
    assert psnr_db(sent + 10, sent).value == pytest.approx(20 * math.log10(25.5))


def test_undefined_is_none_with_a_reason():
    sent, received = pair(10, 200)
    assert psnr_db(sent, sent) == metrics.Metric(None, "identical pictures: infinite")
    assert ssim(sent, received) == metrics.Metric(None, "sides must be at least 11 pixels for the window")
    assert ms_ssim(sent, received).reason == "sides must be at least 176 pixels for five scales"
    assert ssim(*pair(11, 11)).reason is None
    assert ms_ssim(*pair(175, 400)).value is None


def test_identical_and_opposite():
    sent, _ = pair(180, 180)
    assert ssim(sent, sent).value == pytest.approx(1.0, abs=1e-6)
    assert ms_ssim(sent, sent).value == pytest.approx(1.0, abs=1e-6)
    assert ms_ssim(sent, 255 - sent).value == 0.0  # negative contrast terms count as zero


@pytest.mark.parametrize("metric", [psnr_db, ssim, ms_ssim])
def test_refuses_other_shapes_and_types(metric):
    sent, received = pair(20, 20)
    with pytest.raises(ImageError, match="uint8"):
        metric(to_float(sent), received)
    with pytest.raises(ImageError, match="one size"):
        metric(sent, received[:, :10])
