"""``sdrjscc evaluate``: one codec from the command line, and what it says of what cannot be."""

import shutil
import tomllib

import pytest
from command_line import fails
from safetensors.torch import save_file

from sdrjscc.cli.main import main
from sdrjscc.codecs._weights import BUNDLED
from sdrjscc.codecs.base import build_codec
from sdrjscc.evaluation.campaign import load_campaign
from sdrjscc.evaluation.one_codec import codec_campaign
from sdrjscc.evaluation.rows import read_rows
from sdrjscc.evaluation.symbol_level import CARD_SNR_DB, centre_square, evaluate, mean_by_snr
from sdrjscc.images.datasets import find_images
from sdrjscc.images.io import read_image, write_png
from sdrjscc.images.samples import read_sample
from sdrjscc.mapping.base import build_mapper
from sdrjscc.training.channels import build_symbol_channel


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in ("astronaut", "coffee"):
        write_png(folder / f"{name}.png", read_sample(name, max_side=320).pixels)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Pictures of 32 px a side, as CIFAR-10 has them."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("astronaut", "coffee"):
        write_png(folder / f"{name}.png", read_sample(name, max_side=96).pixels[:, 8:40, 8:40].contiguous())
    return folder


def test_one_codec_is_measured_as_its_card_is(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", "dsc_jscc/60-E2D2", "--data", str(data), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "dsc_jscc/60-E2D2" in printed
    assert "PSNR dB" in printed
    rows = read_rows(out / "rows.parquet")
    assert sorted({row["snr_db"] for row in rows}) == sorted(CARD_SNR_DB)
    assert all(max(row["width"], row["height"]) == 256 for row in rows)
    card = evaluate(
        build_codec({"name": "dsc_jscc", "variant": "60-E2D2"}),
        build_mapper({"name": "analog"}),
        build_symbol_channel({"name": "awgn"}),
        [centre_square(read_image(path), 256) for path in find_images(data)],
        (1.0, 13.0),
    )
    for snr, level in mean_by_snr(card, "psnr_db").items():
        ours = [row["psnr_db"] for row in rows if row["snr_db"] == float(snr)]
        # another noise moves it by a tenth; noise of another power, or another part of the pictures, by more
        assert sum(ours) / len(ours) == pytest.approx(level, abs=0.3)


def test_weights_of_a_file_snrs_channel_and_size_are_taken(data, tmp_path):
    file = tmp_path / "mine.safetensors"
    shutil.copy(BUNDLED / "dsc_jscc_60-E2D2-alike.safetensors", file)
    out = tmp_path / "out"
    options = ["--snr-db", "3,9.5", "--channel", "fading", "--crop", "64"]
    command = ["evaluate", "dsc_jscc/60-E2D2", "--data", str(data), "--out", str(out)]
    assert main([*command, "--weights", str(file), *options]) == 0
    rows = read_rows(out / "rows.parquet")
    assert {(row["snr_db"], row["channel"], row["width"]) for row in rows} == {
        (3.0, "fading", 64),
        (9.5, "fading", 64),
    }
    page = (out / "campaign.html").read_text(encoding="utf-8")
    assert "--snr-db 3,9.5 --channel fading --crop 64" in page
    moved = tmp_path / "elsewhere" / "mine.safetensors"
    moved.parent.mkdir()
    file.rename(moved)  # what the weights hold counts, and not where they lie
    assert main([*command, "--weights", str(moved), *options]) == 0
    assert len(list((out / "parts").iterdir())) == 2


def test_two_weights_of_a_codec_have_folders_and_names_of_their_own():
    tables = [{"name": "ujscc", "variant": "ujscc"}, {"name": "ujscc", "weights": "ujscc_ujscc-alike"}]
    found = [tomllib.loads(codec_campaign(table)) for table in tables]
    assert [one["campaign"]["name"] for one in found] == ["ujscc_ujscc", "ujscc_ujscc_ujscc-alike"]
    assert found[1]["grid"]["codec"][0]["label"] == "ujscc ujscc_ujscc-alike"
    run = tomllib.loads(codec_campaign({"name": "licrnet", "weights": "runs/mine/best.safetensors"}))
    assert run["campaign"]["name"] == "licrnet_mine"
    assert {25.0} <= set(found[0]["grid"]["snr_db"]), "its card has it: there is 256-QAM"
    assert 25.0 not in tomllib.loads(codec_campaign({"name": "softcast"}))["grid"]["snr_db"]


def test_pictures_smaller_than_the_crop_are_whole_and_the_order_follows_the_snr(small, tmp_path):
    out = tmp_path / "out"
    assert main(["evaluate", "ujscc", "--data", str(small), "--out", str(out), "--snr-db", "1,25"]) == 0
    rows = read_rows(out / "rows.parquet")
    assert {(row["width"], row["height"]) for row in rows} == {(32, 32)}
    low, high = ({row["mode_used"] for row in rows if row["snr_db"] == snr} for snr in (1.0, 25.0))
    assert max(low) < min(high)
    assert all(row["ms_ssim"] is None for row in rows)


def test_the_campaign_of_one_codec_is_one_that_can_be_kept(tmp_path):
    path = tmp_path / "kept.toml"
    path.write_text(codec_campaign({"name": "softcast"}, snr_db=(1.0,), crop_px=None))
    campaign = load_campaign(path)
    assert (campaign.campaign.name, campaign.images.crop_px) == ("softcast", None)


def test_weights_and_links_beside_a_campaign_are_found(data, tmp_path, monkeypatch):
    shutil.copy(BUNDLED / "dsc_jscc_60-E2D2.safetensors", tmp_path / "mine.safetensors")
    (tmp_path / "trial.toml").write_text(
        '[campaign]\nname = "trial"\n[grid]\nsnr_db = [10.0]\n'
        'codec = [{ name = "dsc_jscc", weights = "mine.safetensors" }]\n[images]\ncrop_px = 32\n'
    )
    monkeypatch.chdir(data)
    command = ["evaluate", str(tmp_path / "trial.toml"), "--data", ".", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert len(read_rows(tmp_path / "out" / "rows.parquet")) == 2


def trial(folder, text):
    path = folder / "trial.toml"
    path.write_text(f'[campaign]\nname = "trial"\n{text}')
    return path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[grid]\ncodec = ["softcsat"]\nsnr_db = [1.0]', "softcsat"),
        ('[grid]\ncodec = ["softcast/grded"]\nsnr_db = [1.0]', "codec.variant"),
        ('[grid]\ncodec = ["softcast"]\nsnr_dbs = [1.0]', "grid.0.snr_dbs is not a known key"),
        ('[grid]\ncodec = ["softcast"]\nsnr_db = 1.0', "grid.0.snr_db"),
        ('[grid]\ncodec = "softcast"\nsnr_db = [1.0]', "grid.0.codec"),
        ("[grid]\ncodec = [3]\nsnr_db = [1.0]", "grid.0.codec"),
        ('[grid]\ncodec = ["softcast"]\nsnr_db = [1.0]\nchannel = ["awgm"]', "awgm"),
        ('[grid]\ncodec = ["softcast"]\nsnr_db = [1.0]\nmode = [7]', "mode must be one of"),
        ('[grid]\ncodec = [{ name = "dsc_jscc", weights = "no.safetensors" }]\nsnr_db = [1.0]', "no.safeten"),
        ('[grid]\ncodec = ["softcast"]\n[level]\nkind = "link"\nlink = "lopback"', "lopback"),
        ("grid = 3", "grid"),
        ('[level]\nkind = "symbol"', "grid is required"),
        ('[grid]\ncodec = ["softcast"]\nsnr_db = [1.0]\n[metrics]\nlpips = true', "--lpips must name"),
        ('[grid]\ncodec = ["softcast"]\nsnr_db = [1.0]\n[headline]\nsetting = "a"', "headline.setting must"),
        (
            '[grid]\ncodec = ["softcast"]\nsnr_db = [1.0]\n[headline.curves]\nsoft = "a"',
            "headline.curves must",
        ),
        ("[grid", "must be valid TOML"),
    ],
)
def test_what_is_wrong_in_a_campaign_is_said_in_a_sentence(text, sentence, small, tmp_path, capsys):
    command = ["evaluate", trial(tmp_path, text), "--data", small, "--out", tmp_path / "out"]
    assert sentence in fails(capsys, 2, *command)


def test_what_is_wrong_on_the_command_line_is_said_in_a_sentence(small, tmp_path, capsys):
    def said(*words):
        return fails(capsys, 2, "evaluate", *words, "--out", tmp_path / "out")

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "or a codec to evaluate" in said("kodak-agwn", "--data", small)
    assert "data must be a folder of pictures" in said("softcast", "--data", tmp_path / "none")
    assert "data folder must hold pictures" in said("softcast", "--data", empty)
    assert "--data must name a folder" in said("softcast")
    assert "--snr-db must be numbers" in said("softcast", "--data", small, "--snr-db", "1;4")
    assert "--snr-db must be left out" in said("cliff", "--data", small, "--snr-db", "1")
    assert "variant" in said("dsc_jscc/61-E2D2", "--data", small)
    assert "LPIPS weights must be" in said(
        "softcast", "--data", small, "--lpips", tmp_path / "none.safetensors"
    )
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"no tensors")
    assert "junk" in said("softcast", "--data", small, "--lpips", junk)
    save_file({}, junk)
    assert "junk" in said("dsc_jscc/60-E2D2", "--data", small, "--weights", junk)


def test_a_campaign_of_which_nothing_can_be_decoded_is_reported(small, tmp_path, capsys):
    text = '[grid]\ncodec = [{ name = "separation", rho = 0.5 }]\nmode = [6]\nsnr_db = [-20.0]\n'
    out = tmp_path / "out"
    assert main(["evaluate", str(trial(tmp_path, text)), "--data", str(small), "--out", str(out)]) == 0
    assert "100.0" in capsys.readouterr().out
    assert all(row["undecodable"] for row in read_rows(out / "rows.parquet"))
    assert "2 not decodable" in (out / "campaign.html").read_text()
