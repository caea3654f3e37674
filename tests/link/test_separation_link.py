"""The separation baseline over the whole link: exact above its threshold, the cliff, adaptation, replay."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.cli.main import main
from sdrjscc.images.io import Picture, read_image, to_float, to_uint8, write_png
from sdrjscc.images.padding import crop, pad_to_multiple
from sdrjscc.images.samples import read_sample
from sdrjscc.link.parts import build_parts, mode_at_snr, sending_mode
from sdrjscc.link.replay import Replay
from sdrjscc.link.session import Link
from sdrjscc.linkfile import LinkConfig, load_link, parse_link, with_codec, with_snr


def picture() -> Tensor:
    """120 x 88 px of a photograph: not a multiple of 16."""
    return read_sample("chelsea").pixels[:, 60:148, 100:220].contiguous()


def config(mode: int | None = None, snr_db: float = 30.0, preset: str = "loopback") -> LinkConfig:
    link = with_snr(with_codec(load_link(preset), "separation", mode=mode), snr_db)
    return parse_link(link.model_dump(exclude_none=True) | {"codec": {"name": "separation", "rho": 0.25}})


def coded_picture(link: Link, pixels: Tensor, mode: int) -> Tensor:
    """What the picture coder makes of it, without a channel."""
    codec = link.parts.codec
    images = to_float(pad_to_multiple(pixels.unsqueeze(0), codec.multiple))
    plan = codec.plan(images.shape[-1], images.shape[-2], mode)
    bits = codec.encode(images, plan)
    decoded = codec.decode(bits, torch.zeros(1, plan.symbols), plan)
    return to_uint8(crop(decoded, pixels.shape[2], pixels.shape[1]))[0]


@pytest.mark.parametrize("preset", ["loopback", "loopback-hard"])
@pytest.mark.parametrize("mode", [2, 6])
def test_the_coded_picture_arrives_as_it_is(preset: str, mode: int) -> None:
    with Link(config(mode, preset=preset)) as link:
        result = link.send(picture())
        assert result.pixels is not None
        assert torch.equal(result.pixels, coded_picture(link, picture(), mode))
    assert result.received is not None
    assert result.received.decoded
    assert result.received.assembled.header.mode == mode


def test_below_the_threshold_it_is_the_mean_colour_and_counts_as_undecodable() -> None:
    with Link(config(6, snr_db=4.0)) as link:
        result = link.send(picture())
        assert result.received is not None
        assert result.received.reason == "coded picture lost: its mean colour instead"
        assert not result.received.decoded
        assert list(link.receiving.refusals) == [result.received.reason]
    assert result.pixels is not None
    assert result.pixels.shape == picture().shape
    assert len(result.pixels.flatten(1).unique(dim=1).T) == 1
    mean = to_float(pad_to_multiple(picture(), 16)).mean((1, 2)).mul(255).round()
    assert (result.pixels[:, 0, 0].float() - mean).abs().max() <= 1
    assert result.psnr_db.value is not None


def test_auto_takes_the_schemes_own_thresholds() -> None:
    for snr_db, mode in ((-5.0, 0), (5.3, 3), (12.0, 7), (40.0, 15)):
        parts = build_parts(config(snr_db=snr_db))
        assert sending_mode(parts) == mode_at_snr(parts.codec, parts.mapper, snr_db) == mode


def test_auto_follows_reports_from_a_mode_in_which_pictures_fit() -> None:
    table = config().model_dump(exclude_none=True)
    del table["channel"]
    with Link(parse_link(table)) as link:
        assert [link.send(picture()).plan.mode for _ in range(2)] == [2, 15]


def test_coders_and_ratios_are_in_the_digest_and_the_mode_is_not() -> None:
    base = load_link("loopback")
    links = [with_codec(base, "separation"), with_codec(base, "separation/jpeg"), config()]
    assert len({build_parts(link).digest for link in links}) == 3
    assert build_parts(with_codec(base, "separation", mode=4)).digest == build_parts(links[0]).digest
    table = base.model_dump(exclude_none=True) | {"mapping": {}}
    table["codec"] = {"name": "separation", "speed": 4, "margin_db": 0.0}  # the sender's own
    assert build_parts(parse_link(table)).digest == build_parts(links[0]).digest


def test_a_recording_replays_to_the_same_picture(tmp_path: Path) -> None:
    link_config = config(4)
    with Link(link_config, record=tmp_path / "r") as link:
        live = link.send(Picture(picture(), "sent.png", ()))
    replay = Replay(open_capture(tmp_path / "r"), link_config, own=True)
    found = [one for _, pictures in replay.pictures() for one in pictures]
    assert len(found) == 1
    assert live.pixels is not None
    assert torch.equal(found[0].pixels, live.pixels)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_png(tmp_path / "photo.png", read_sample("chelsea").pixels[:, :160, :160].contiguous())
    command = ["link", str(tmp_path / "photo.png"), "--codec", "separation", "--out", str(tmp_path / "out")]
    assert main([*command, "--mode", "3"]) == 0
    assert (tmp_path / "out" / "results.json").exists()
    assert read_image(tmp_path / "out" / "01-photo" / "received.png").width == 160
    assert main(["link", "--mode", "16", *command[1:-1], str(tmp_path / "other")]) == 2
    assert "mode must be one of mapping qam's" in capsys.readouterr().err


def test_a_picture_that_does_not_fit_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(tmp_path / "small.png", picture()[:, :32, :32].contiguous())
    command = ["link", str(tmp_path / "small.png"), "--codec", "separation", "--out", str(tmp_path / "out")]
    assert main([*command, "--mode", "0"]) == 2
    assert "must be larger" in " ".join(capsys.readouterr().err.split())


def test_a_codec_without_a_choice_of_its_own_takes_the_orders() -> None:
    parts = build_parts(with_codec(load_link("loopback"), "ujscc", weights="untrained"))
    assert not hasattr(parts.codec, "mode_at")
    assert [mode_at_snr(parts.codec, parts.mapper, snr_db) for snr_db in (0.0, 40.0)] == [0, 4]
    analog = build_parts(load_link("loopback"))
    assert mode_at_snr(analog.codec, analog.mapper, 40.0) == 0
