"""A campaign whose radios are live: two ends over sockets, a channel process between them."""

import pytest
from virtual_link import PATIENCE_S, RATE_HZ, joined

from sdrjscc.channel.chain import Chain, Config
from sdrjscc.cli.main import main
from sdrjscc.evaluation.campaign import parse_campaign
from sdrjscc.evaluation.rows import read_rows
from sdrjscc.evaluation.running import CampaignRun
from sdrjscc.images.io import write_png
from sdrjscc.images.samples import read_sample
from sdrjscc.link.session import Link
from sdrjscc.linkfile import load_link, to_toml

SNR_DB = 20.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in ("astronaut", "coffee"):
        write_png(folder / f"{name}.png", read_sample(name, max_side=96).pixels)
    return folder


@pytest.fixture
def link(tmp_path):
    """A link's TOML whose radios are the two ends of a channel process that runs."""
    with joined(Chain(Config(snr_db=SNR_DB, cfo_hz=500.0))) as running:
        common = {"name": "virtual", "sample_rate_hz": RATE_HZ, "timeout_s": PATIENCE_S}
        radios = {
            "tx": {**common, "end": "transmit", "address": running.tx},
            "rx": {**common, "end": "receive", "address": running.rx},
        }
        config = load_link("loopback").model_copy(update={"channel": None})
        config = config.model_copy(update={"radios": config.radios.model_copy(update=radios)})
        path = tmp_path / "radios.toml"
        path.write_text(to_toml(config))
        yield path


CAMPAIGN = {
    "campaign": {"name": "trial"},
    "grid": {"codec": ["softcast", {"name": "separation", "rho": 0.5}]},
    "images": {"crop_px": 48},
}


def test_pictures_go_over_live_radios_one_after_the_other(link, data, tmp_path):
    campaign = parse_campaign(CAMPAIGN | {"level": {"kind": "link", "link": str(link)}})
    run = CampaignRun(campaign, data, tmp_path / "out")
    for _ in run.compute():
        pass
    rows = run.rows()
    assert [(row["codec"], row["image"]) for row in rows] == [
        (codec, image)
        for codec in ("softcast", "separation, rho 0.5")
        for image in ("astronaut.png", "coffee.png")
    ]
    for row in rows:
        assert (row["level"], row["snr_db"], row["undecodable"]) == ("link", None, False)
        assert row["snr_db_measured"] == pytest.approx(SNR_DB, abs=2.0)
        assert row["psnr_db"] > 20
    first, second = (row["mode_used"] for row in rows[2:])
    assert first < second  # after a picture the sender knows the SNR
    assert all("pictures" not in one.name for drawn in run.further_figures().values() for one in drawn)


def test_ctrl_c_on_the_air_keeps_what_was_measured(link, data, tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "trial.toml", tmp_path / "out"
    path.write_text(
        '[campaign]\nname = "trial"\n[grid]\ncodec = ["softcast"]\nseeds = [0, 1]\n'
        '[images]\ncrop_px = 48\n[level]\nkind = "link"\nlink = "radios.toml"\n'
    )
    command = ["evaluate", str(path), "--data", str(data), "--out", str(out)]
    send, sent = Link.send, []

    def interrupted(self, picture):
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(picture)
        return send(self, picture)

    with monkeypatch.context() as patch:
        patch.setattr(Link, "send", interrupted)
        assert main(command) == 130
    assert "1 of 2 cells done" in capsys.readouterr().out
    (part,) = (out / "parts").iterdir()
    measured = read_rows(part)
    assert main(command) == 0
    assert read_rows(out / "rows.parquet")[:2] == measured
