"""results.json: stable keys, nothing that JSON cannot hold, reasons for what is undefined."""

import json
import math

import torch
from fake_run import fake_run, fake_transmission

from sdrjscc.evaluation.results import TRANSMISSION_KEYS, Transmission, finite, summarise, write_results
from sdrjscc.images.metrics import Metric

PIXELS = torch.zeros(3, 24, 32, dtype=torch.uint8)


def test_file_has_the_stable_keys(tmp_path):
    run = fake_run([fake_transmission("a", PIXELS), fake_transmission("b", PIXELS, decoded=False)])
    write_results(tmp_path / "results.json", run)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["schema"] == 1
    assert content["command"] == "demo"
    assert content["config"]["codec"]["variant"] == "60-E2D2"
    assert content["summary"]["pictures"] == 2
    assert content["summary"]["decoded"] == 1
    for row in content["transmissions"]:
        assert tuple(row)[: len(TRANSMISSION_KEYS)] == TRANSMISSION_KEYS
    assert set(content["versions"]) == {"python", "sdrjscc", "torch", "numpy", "torchmetrics"}


def test_undefined_is_null_with_a_reason():
    measured = {
        "psnr_db": Metric(None, "identical pictures: infinite"),
        "ssim": Metric(0.5),
        "snr_db": math.inf,
        "cfo_hz": math.nan,
        "lpips": None,
    }
    row = Transmission("a", "c", PIXELS, None, measured).row()
    assert (row["psnr_db"], row["ssim"], row["snr_db"], row["ms_ssim"], row["lpips"]) == (
        None,
        0.5,
        None,
        None,
        None,
    )
    assert row["undefined"] == {
        "psnr_db": "identical pictures: infinite",
        "snr_db": "infinite",
        "cfo_hz": "not a number",
    }
    assert row["decoded"] is False
    json.dumps(row, allow_nan=False)


def test_finite_reaches_every_depth():
    tree = {"a": [1.0, math.nan, {"b": -math.inf}], "c": Metric(math.inf), 3: (True, None, "x")}
    assert finite(tree) == {
        "a": [1.0, None, {"b": None, "undefined": {"b": "infinite"}}],
        "c": None,
        "3": [True, None, "x"],
        "undefined": {"c": "infinite"},
    }


def test_summary_by_hand():
    first = {"decoded": True, "psnr_db": 30.0, "packets_sent": 4, "packets_received": 3, "airtime_s": 0.5}
    second = {"decoded": False, "psnr_db": None, "packets_sent": 6, "packets_received": 0, "airtime_s": 1.0}
    summary = summarise([first, second | {"lpips": 0.25}])
    assert (summary["pictures"], summary["decoded"]) == (2, 1)
    assert (summary["psnr_db"], summary["ssim"], summary["lpips"]) == (30.0, None, 0.25)
    assert (summary["packets_sent"], summary["packets_received"], summary["airtime_s"]) == (10, 3, 1.5)
    assert "lpips" not in summarise([first])
