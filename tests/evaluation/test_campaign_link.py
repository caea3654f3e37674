"""Campaigns over the link: stopped in the middle, bounded by capacity, in other frames."""

import math

import pytest
import torch

from sdrjscc.cli.main import main
from sdrjscc.errors import ConfigError
from sdrjscc.evaluation.campaign import parse_campaign
from sdrjscc.evaluation.capacity import effective_snr_db, symbol_bits
from sdrjscc.evaluation.rows import read_rows
from sdrjscc.evaluation.running import CampaignRun
from sdrjscc.images.io import write_png
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in ("astronaut", "coffee"):
        write_png(folder / f"{name}.png", read_sample(name, max_side=96).pixels)
    return folder


def table(**grid):
    return {
        "campaign": {"name": "trial"},
        "grid": {"codec": ["softcast"]} | grid,
        "images": {"crop_px": 48},
        "level": {"kind": "link", "link": "loopback"},
    }


def computed(run):
    for _ in run.compute():
        pass
    return run.rows()


def test_ctrl_c_in_the_middle_of_a_cell_keeps_the_cells_before(data, tmp_path, monkeypatch, capsys):
    path = tmp_path / "trial.toml"
    path.write_text(
        '[campaign]\nname = "trial"\n[grid]\ncodec = ["softcast"]\nsnr_db = [5.0, 20.0]\n'
        '[level]\nkind = "link"\nlink = "loopback"\n'
    )
    command = ["evaluate", str(path), "--data", str(data), "--out", str(tmp_path / "out")]

    send, sent = Link.send, []

    def interrupted(link, picture):
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(picture)
        return send(link, picture)

    with monkeypatch.context() as patch:
        patch.setattr(Link, "send", interrupted)
        assert main(command) == 130
    assert "1 of 2 cells done" in capsys.readouterr().out
    (part,) = (tmp_path / "out" / "parts").iterdir()
    assert [row["snr_db"] for row in read_rows(part)] == [5.0, 5.0]
    assert main(command) == 0
    assert "1 of 2 cells were done before" in capsys.readouterr().out


def test_what_does_not_fit_into_its_symbols_is_counted_over_a_link_too(data, tmp_path):
    grid = {"codec": [{"name": "separation", "rho": 0.02}], "mode": [0], "snr_db": [15.0]}
    rows = computed(CampaignRun(parse_campaign(table(**grid)), data, tmp_path))
    assert all(row["undecodable"] and "must be larger" in row["reason"] for row in rows)


def test_capacity_bounds_the_baseline_in_the_same_frames(data, tmp_path):
    baseline = {"codec": [{"name": "separation", "rho": 0.5}], "snr_db": [5.0, 20.0]}
    chosen = table() | {"grid": [baseline, baseline | {"bound": "capacity"}]}
    rows = computed(CampaignRun(parse_campaign(chosen), data, tmp_path))
    for sent, bound in zip(rows[:4], rows[4:], strict=True):
        assert bound["mode"] == "capacity"
        assert bound["psnr_db"] > sent["psnr_db"]
        assert (bound["k"], bound["rho_on_air"]) == (sent["k"], sent["rho_on_air"])


def test_bits_of_gaussian_symbols_in_noise_are_those_of_shannon():
    count, noise_var = 200_000, 0.1
    generator = torch.Generator().manual_seed(5)
    x, n = (torch.randn(count, dtype=torch.complex64, generator=generator) for _ in range(2))
    y, v = x + math.sqrt(noise_var) * n, torch.full((count,), noise_var)
    expected = math.log2(1.0 + 1.0 / noise_var)
    tolerance = 6.0 / math.sqrt(count) / math.log(2.0)
    assert symbol_bits(y, v, x) / count == pytest.approx(expected, abs=tolerance)
    lost = v.clone()
    lost[: count // 2] = math.inf
    assert symbol_bits(y, lost, x) / count == pytest.approx(expected / 2, abs=tolerance)
    # a receiver that believes ten times too much loses nothing, as the factor makes up for it
    assert symbol_bits(y, v / 10, x) == pytest.approx(symbol_bits(y, v, x), rel=1e-9)
    assert symbol_bits(n, v / 1e6, x) < 0.01 * count


def test_a_waveform_stands_in_place_of_the_links_own(data, tmp_path):
    short = {"name": "ofdm", "payload_ofdm_symbols": 2}
    grids = [{"codec": ["softcast"], "snr_db": [20.0]} | more for more in ({}, {"waveform": short})]
    rates = []
    for number, grid in enumerate(grids):
        rows = computed(CampaignRun(parse_campaign(table() | {"grid": grid}), data, tmp_path / str(number)))
        rates.append(rows[0]["rho_on_air"])
    assert rates[0] != rates[1]
    with pytest.raises(ConfigError, match=r"grid\.waveform must be left out at symbol level"):
        parse_campaign({"campaign": {"name": "a"}, "grid": grids[1]})


def test_a_sender_that_is_told_what_was_received_chooses_by_it(data, tmp_path):
    """Phase noise eats most of 30 dB: the scheme for 30 dB fails, that for what is left does not."""
    channel = {"name": "chain", "phase_noise_linewidth_hz": 200.0, "lead_samples": 500, "tail_samples": 500}
    grid = {"codec": [{"name": "separation", "rho": 0.5}], "snr_db": [30.0], "channel": [channel]}
    rows = computed(
        CampaignRun(parse_campaign(table(**grid, sender_knows=["average", "received"])), data, tmp_path)
    )
    told, untold = ([r for r in rows if r["sender_knows"] == knows] for knows in ("received", "average"))
    assert all(row["snr_db_measured"] < 25 for row in rows)
    assert max(row["mode_used"] for row in told) < min(row["mode_used"] for row in untold)
    assert not any(row["undecodable"] for row in told)
    assert all(row["undecodable"] for row in untold)
    with pytest.raises(ConfigError, match="must be 'average' or 'fade' at symbol level"):
        parse_campaign(
            {
                "campaign": {"name": "a"},
                "grid": {"codec": ["softcast"], "snr_db": [1.0], "sender_knows": ["received"]},
            }
        )


def test_the_effective_snr_is_that_of_white_noise_which_leaves_as_much():
    assert effective_snr_db(math.log2(11.0)) == pytest.approx(10.0)
    assert effective_snr_db(0.0) == -math.inf


def test_the_highest_scheme_that_comes_through_is_taken(data, tmp_path):
    codec = {"name": "separation", "rho": 0.1, "margin_db": 0.0}
    grid = {"codec": [codec], "snr_db": [-3.0], "sender_knows": ["average", "received"]}
    rows = computed(CampaignRun(parse_campaign(table(**grid)), data, tmp_path))
    told, untold = ([r for r in rows if r["sender_knows"] == knows] for knows in ("received", "average"))
    assert all("must be larger" in row["reason"] for row in untold)
    assert all(row["mode_used"] > 0 and "must be larger" not in (row["reason"] or "") for row in told)


def test_a_codec_whose_pictures_never_fail_has_the_order_that_its_channel_is_good_for(data, tmp_path):
    full = {"name": "ofdm", "payload_ofdm_symbols": 2}  # a picture fills it, without copies
    grid = {"codec": ["ujscc/ujscc"], "snr_db": [15.0], "sender_knows": ["received"], "waveform": full}
    rows = computed(CampaignRun(parse_campaign(table(**grid)), data, tmp_path))
    assert {row["mode_used"] for row in rows} == {2}
