"""Campaigns: what a TOML expands to, resuming, what counts as undecodable, workers."""

import pytest
import torch

from sdrjscc.cli.main import main
from sdrjscc.errors import ConfigError
from sdrjscc.evaluation import workers
from sdrjscc.evaluation.campaign import campaign_rows, load_campaign, parse_campaign
from sdrjscc.evaluation.capacity import capacity_bytes
from sdrjscc.evaluation.cells import digests, expand, read_pictures
from sdrjscc.evaluation.encoder import Encoder
from sdrjscc.evaluation.rows import COLUMNS, read_rows
from sdrjscc.evaluation.running import CampaignRun
from sdrjscc.images.io import Picture, write_png
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample
from sdrjscc.payload import PayloadKind, Plan


def table(**grid):
    return {
        "campaign": {"name": "trial"},
        "grid": {"codec": ["softcast"], "snr_db": [0.0, 10.0]} | grid,
        "images": {"crop_px": 48},
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in ("astronaut", "coffee"):
        write_png(folder / f"{name}.png", read_sample(name, max_side=96).pixels)
    return folder


def computed(run, **options):
    for _ in run.compute(**options):
        pass
    return run.rows()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid": {"codec": [], "snr_db": [1.0]}}, "grid.0.codec"),
        ({"grid": {"codec": ["softcast"]}}, "^grid.snr_db is required at symbol level$"),
        ({"grid": {"codec": ["softcast"], "snr_db": [1.0], "snrs": []}}, "grid.0.snrs is not a known key"),
        ({"level": {"kind": "link"}}, "link must be given with kind = 'link'"),
        ({"metrics": {"psnr_db": False, "ssim": False, "ms_ssim": False}}, "metrics must have at least one"),
        ({"campaign": {"name": "../up"}}, "campaign.name"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_campaign(table() | change)


def test_cells_are_the_product_of_the_lists_each_once():
    grid = table(codec=["softcast", "softcast/equal"], seeds=[0, 1])["grid"]
    cells = expand(parse_campaign(table() | {"grid": [grid, grid]}))
    assert len(cells) == 2 * 2 * 2
    assert [cell.codec for cell in cells[::4]] == ["softcast", "softcast/equal"]
    assert {(cell.snr_db, cell.seed) for cell in cells} == {(0.0, 0), (0.0, 1), (10.0, 0), (10.0, 1)}


def test_two_codecs_of_one_label_are_refused():
    pair = [{"name": "softcast", "rho": rho, "label": "one"} for rho in (0.1, 0.2)]
    with pytest.raises(
        ConfigError, match=r"each codec must have a label of its own \(got two that are 'one'\)"
    ):
        expand(parse_campaign(table(codec=pair)))


def test_reference_must_be_there():
    with pytest.raises(ConfigError, match=r"campaign\.reference must be one of softcast"):
        expand(parse_campaign(table() | {"campaign": {"name": "a", "reference": "b"}}))


def test_digest_covers_pictures_metrics_options_and_weights(data):
    def of(pictures=None, metrics=None, **grid):
        campaign = parse_campaign(table(**grid) | ({"metrics": metrics} if metrics else {}))
        pictures = read_pictures(campaign, data) if pictures is None else pictures
        return digests(expand(campaign), pictures, campaign.metrics, None)[0]

    pictures = read_pictures(parse_campaign(table()), data)
    darker = [Picture(pictures[0].pixels // 2, pictures[0].name), *pictures[1:]]
    others = [
        of(),
        of(darker),
        of(pictures[:1]),
        of(metrics={"ssim": False}),
        of(snr_db=[1.0]),
        of(seeds=[1]),
        of(codec=["softcast/equal"]),
        of(codec=[{"name": "dsc_jscc", "weights": "dsc_jscc_60-E2D2"}]),
        of(codec=[{"name": "dsc_jscc", "weights": "dsc_jscc_60-E2D2-alike", "label": "dsc_jscc"}]),
    ]
    assert len(set(others)) == len(others)
    assert of() == others[0]


def test_a_campaign_that_was_stopped_goes_on_and_ends_the_same(data, tmp_path):
    campaign = parse_campaign(table(seeds=[0, 1]))
    whole = computed(CampaignRun(campaign, data, tmp_path / "whole"))
    first = CampaignRun(campaign, data, tmp_path / "parts").compute()
    next(first)
    first.close()
    second = CampaignRun(campaign, data, tmp_path / "parts")
    assert len(second.missing()) == 3
    assert computed(second) == whole
    assert len(whole) == 4 * 2
    assert set(whole[0]) == set(COLUMNS)
    assert read_rows(second.write()) == whole


def test_parts_of_a_changed_campaign_are_not_taken(data, tmp_path):
    assert len(computed(CampaignRun(parse_campaign(table()), data, tmp_path))) == 4
    changed = CampaignRun(parse_campaign(table(snr_db=[10.0, 20.0])), data, tmp_path)
    assert [cell.snr_db for cell in changed.missing()] == [20.0]
    assert {row["snr_db"] for row in computed(changed)} == {10.0, 20.0}
    changed.restart()
    assert len(changed.missing()) == 2


def test_two_workers_give_the_rows_of_one(data, tmp_path):
    campaign = parse_campaign(table(codec=["dsc_jscc/60-E2D2", "softcast"]))
    alone = computed(CampaignRun(campaign, data, tmp_path / "alone"))
    assert computed(CampaignRun(campaign, data, tmp_path / "two"), workers=2) == alone


def test_what_cannot_be_decoded_is_counted_and_is_the_mean_colour(data, tmp_path):
    grid = {"codec": [{"name": "separation", "rho": 0.5}], "mode": [6], "snr_db": [-15.0, 15.0]}
    run = CampaignRun(parse_campaign(table(**grid)), data, tmp_path)
    rows = computed(run)
    assert [row["undecodable"] for row in rows] == [True, True, False, False]
    for picture, row in zip(run.job.pictures, rows[:2], strict=True):
        mean = picture.pixels.double().mean((1, 2), keepdim=True).round().byte().expand_as(picture.pixels)
        assert row["psnr_db"] == pytest.approx(psnr_db(picture.pixels, mean).value, abs=1e-9)
        assert row["reason"]


def test_what_does_not_fit_into_its_symbols_is_counted(data, tmp_path):
    grid = {"codec": [{"name": "separation", "rho": 0.02}], "mode": [0], "snr_db": [15.0]}
    rows = computed(CampaignRun(parse_campaign(table(**grid)), data, tmp_path))
    assert all(row["undecodable"] and "must be larger" in row["reason"] for row in rows)


def test_a_sender_that_knows_the_fade_chooses_by_it(data, tmp_path):
    grid = {
        "codec": [{"name": "separation", "rho": 0.5}],
        "channel": ["fading"],
        "snr_db": [12.0],
        "seeds": list(range(8)),
        "sender_knows": ["average", "fade"],
    }
    rows = computed(CampaignRun(parse_campaign(table(**grid)), data, tmp_path))
    modes = {
        knows: {r["mode_used"] for r in rows if r["sender_knows"] == knows} for knows in grid["sender_knows"]
    }
    assert len(modes["average"]) == 1
    assert min(modes["fade"]) < min(modes["average"]) < max(modes["fade"])
    lost = {knows: sum(r["undecodable"] for r in rows if r["sender_knows"] == knows) for knows in modes}
    assert lost["fade"] < lost["average"]


def test_a_fade_can_only_be_known_where_there_is_one(data, tmp_path):
    campaign = parse_campaign(table(sender_knows=["fade"]))
    with pytest.raises(ConfigError, match="must be with slow fading"):
        CampaignRun(campaign, data, tmp_path)


def test_ctrl_c_keeps_what_was_done(data, tmp_path, monkeypatch, capsys):
    path = tmp_path / "trial.toml"
    path.write_text('[campaign]\nname = "trial"\n[grid]\ncodec = ["softcast"]\nsnr_db = [0.0, 10.0]\n')
    command = ["evaluate", str(path), "--data", str(data), "--out", str(tmp_path / "out")]
    done, whole = [], workers.run_cell

    def interrupted(job, cell):
        if done:
            raise KeyboardInterrupt
        done.append(cell)
        return whole(job, cell)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "run_cell", interrupted)
        assert main(command) == 130
    assert "1 of 2 cells done" in capsys.readouterr().out
    assert main(command) == 0
    assert "1 of 2 cells were done before" in capsys.readouterr().out
    assert len(read_rows(tmp_path / "out" / "rows.parquet")) == 4


def test_bundled_campaigns_expand():
    rows = campaign_rows()
    assert [row["campaign"] for row in rows] == sorted(row["campaign"] for row in rows)
    for row in rows:
        assert row["description"]
        assert expand(load_campaign(row["campaign"]))


def test_an_unknown_campaign_names_the_bundled_ones():
    with pytest.raises(ConfigError, match=r"must be a TOML file or one of .*kodak-awgn"):
        load_campaign("kodak-agwn")


class Counting:
    """A codec that counts how often it encodes."""

    encoded = 0

    def encode(self, images, plan):
        self.encoded += 1
        return images.flatten(1) * (1 + plan.mode)


def test_a_picture_is_encoded_once_for_a_mode():
    codec = Counting()
    encoder = Encoder(codec)
    plans = [Plan(4, 4, 48, PayloadKind.LATENT, mode) for mode in (0, 1)]
    pictures = [torch.full((1, 3, 4, 4), value) for value in (0.25, 0.5)]
    for _ in range(2):
        for plan in plans:
            for picture in pictures:
                assert torch.equal(encoder(picture.clone(), plan), picture.flatten(1) * (1 + plan.mode))
    assert codec.encoded == 4


def test_over_a_link_rows_have_what_the_air_cost_and_no_row_depends_on_another(data, tmp_path):
    content = table(snr_db=[20.0]) | {"level": {"kind": "link", "link": "loopback"}}
    rows = computed(CampaignRun(parse_campaign(content), data, tmp_path / "both"))
    content["images"]["exclude"] = ["astronaut.png"]
    (alone,) = computed(CampaignRun(parse_campaign(content), data, tmp_path / "one"))
    assert alone == rows[1]
    for row in rows:
        assert (row["level"], row["channel"], row["undecodable"]) == ("link", "loopback", False)
        assert row["rho_on_air"] > row["rho"] == row["k"] / (3 * 48 * 48)
        assert row["snr_db_measured"] == pytest.approx(20.0, abs=3.0)


def test_a_radio_on_the_air_is_not_shared(data, tmp_path):
    content = table(snr_db=[]) | {"level": {"kind": "link", "link": "virtual"}}
    run = CampaignRun(parse_campaign(content), data, tmp_path)
    with pytest.raises(ConfigError, match=r"--workers must be 1 .* \(got radio virtual\)"):
        next(run.compute(workers=2))


def test_capacity_is_an_upper_bound_of_the_baseline(data, tmp_path):
    baseline = {"codec": [{"name": "separation", "rho": 0.5}], "snr_db": [3.0, 15.0]}
    content = table() | {"grid": [baseline, baseline | {"bound": "capacity"}]}
    rows = computed(CampaignRun(parse_campaign(content), data, tmp_path))
    assert [row["mode"] for row in rows] == ["auto"] * 4 + ["capacity"] * 4
    for sent, bound in zip(rows[:4], rows[4:], strict=True):
        assert bound["psnr_db"] > sent["psnr_db"]
        assert (bound["k"], bound["undecodable"]) == (sent["k"], False)


def test_bytes_at_capacity():
    assert capacity_bytes(1000, 0.0) == 125  # one bit a symbol
    assert capacity_bytes(1000, 11.7609126) == 500  # SNR 15: four bits


def test_a_bound_is_that_of_a_picture_coder(data, tmp_path):
    with pytest.raises(ConfigError, match=r"bound must be with codec separation \(got softcast\)"):
        CampaignRun(parse_campaign(table(bound="capacity")), data, tmp_path)
