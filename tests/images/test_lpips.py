"""LPIPS against the PyPI package's values (make_lpips_golden.py), tiling, wrong files."""

import json
import os
from pathlib import Path

import pytest
import torch
from lpips_backbone import narrow_weights, picture_pair
from safetensors.torch import save_file

from sdrjscc.errors import ImageError, WeightsError
from sdrjscc.images import lpips
from sdrjscc.images.lpips import load_lpips

GOLDEN = json.loads((Path(__file__).parent / "lpips_golden.json").read_text())
# PyPI lpips 0.1.4 with the full-width backbone in half precision, when a user has one
BACKBONES = [Path(name) for name in (os.environ.get("SDRJSCC_LPIPS_FILE"),) if name]
BACKBONE_DISTANCES = [0.1225477, 0.2910172, 0.0812337]


@pytest.fixture(scope="module")
def narrow_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lpips") / "narrow.safetensors"
    save_file(narrow_weights(), path)
    return path


def test_equals_the_published_package(narrow_file):
    metric = load_lpips(narrow_file)
    for pair, expected in zip(GOLDEN["pairs"], GOLDEN["distances"], strict=True):
        assert metric(*picture_pair(*pair)).value == pytest.approx(expected, rel=1e-5)


def test_full_backbones_that_are_here_equal_it_too():
    for path in BACKBONES:
        metric = load_lpips(path)
        for pair, expected in zip(GOLDEN["pairs"], BACKBONE_DISTANCES, strict=True):
            assert metric(*picture_pair(*pair)).value == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("width", "height"), [(150, 290), (257, 129)])
def test_tiled_equals_whole(narrow_file, monkeypatch, width, height):
    metric, pair = load_lpips(narrow_file), picture_pair(width, height, 5)
    expected = metric(*pair).value
    monkeypatch.setattr(lpips, "_TILE", 64)
    assert metric(*pair).value == pytest.approx(expected, rel=1e-5)


def test_equal_pictures_small_pictures_and_unequal_shapes(narrow_file):
    metric = load_lpips(narrow_file)
    sent, received = picture_pair(32, 32, 1)
    assert metric(sent, sent).value == 0.0
    assert metric(*picture_pair(64, 15, 1)).reason == "sides must be at least 16 pixels for the network"
    with pytest.raises(ImageError, match="alike"):
        metric(sent, received[:, :16])


def test_half_precision_file(narrow_file, tmp_path):
    save_file({name: value.half() for name, value in narrow_weights().items()}, tmp_path / "half.safetensors")
    pair = picture_pair(40, 40, 1)
    expected = load_lpips(narrow_file)(*pair).value
    assert load_lpips(tmp_path / "half.safetensors")(*pair).value == pytest.approx(expected, rel=0.01)


def test_wrong_files_are_refused(tmp_path):
    weights = narrow_weights()
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="which is no file"):
        load_lpips(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(WeightsError, match="must be a safetensors file"):
        load_lpips(path)
    save_file({"conv0.weight": torch.zeros(64, 3, 11, 11)}, path)
    with pytest.raises(WeightsError, match=r"where conv0\.bias is missing"):
        load_lpips(path)
    save_file(weights | {"lin2.weight": torch.zeros(1, 3, 1, 1)}, path)
    with pytest.raises(WeightsError, match=r"where lin2\.weight is \(1, 3, 1, 1\)"):
        load_lpips(path)
    save_file(weights | {"extra": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="extra"):
        load_lpips(path)
