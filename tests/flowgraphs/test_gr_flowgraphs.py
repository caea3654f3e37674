"""The flowgraphs without a window: compiled by GNU Radio's compiler, then run to the end."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from programs import (
    FLOWGRAPHS,
    PATIENCE_S,
    compile_flowgraphs,
    fail,
    psnrs,
    received,
    results,
    run,
    running,
    wait_for,
)

from sdrjscc.bundled import bundled_folder
from sdrjscc.cli.main import main
from sdrjscc.config import build_plugin
from sdrjscc.images.io import read_image, write_png
from sdrjscc.images.metrics import psnr_db
from sdrjscc.images.samples import read_sample, sample_path
from sdrjscc.link.parts import build_parts
from sdrjscc.link.receiving import ReceivingEnd
from sdrjscc.linkfile import load_link

pytest.importorskip("gnuradio.gr")
pytest.importorskip("gnuradio.grc")

sys.path.append(str(Path(__file__).parents[1] / "radio"))  # the stand-ins of the drivers' tests

HEADLESS = (
    "gnuradio_channel",
    "loopback",
    "pluto_rx",
    "pluto_tx",
    "replay",
    "usrp_rx",
    "usrp_tx",
    "zmq_rx",
    "zmq_tx",
)
# GNU Radio's hint for flowgraphs without hardware; what paces these are pictures, or the other end
_UNPACED = "This flow graph may not have flow control"
_SNR_DB = 10.0

_MY_CODEC = """
import torch
from torch import nn
from sdrjscc.codecs.base import LatentCodec


def build(config):
    encoder = nn.Conv2d(3, 12, 2, 2, bias=False)
    decoder = nn.ConvTranspose2d(12, 3, 2, 2, bias=False)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(12).reshape(12, 3, 2, 2))
        decoder.weight.copy_(0.4 * encoder.weight)
    return LatentCodec(encoder, decoder, channels=12, stride=2)
"""


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Folder of the compiled programs."""
    folder = tmp_path_factory.mktemp("programs")
    compiled = compile_flowgraphs(HEADLESS, folder)
    complaints = re.findall(
        r"^>>> (?!Loading|Generating).*|.*[Ee]rror.*", compiled.stdout + compiled.stderr, re.M
    )
    assert compiled.returncode == 0, compiled.stdout
    assert [one for one in complaints if _UNPACED not in one] == []
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Folder of two pictures of different sizes; each fills its packet, so that no symbol is sent twice."""
    folder = tmp_path_factory.mktemp("pictures")
    write_png(folder / "0.png", read_sample("astronaut").pixels[:, 50:306, 150:406].contiguous())
    write_png(folder / "1.png", read_sample("coffee").pixels[:, 100:300, 200:520].contiguous())
    return folder


def sent(folder):
    return [read_image(path).pixels for path in sorted(folder.glob("*.png"))]


@pytest.fixture(scope="session")
def loopback(programs, pictures, tmp_path_factory):
    """Folder into which ``loopback`` wrote the pictures."""
    folder = tmp_path_factory.mktemp("loopback")
    run(programs / "loopback.py", folder, pictures=pictures, snr_db=_SNR_DB, seed=0)
    return folder / "received"


def test_these_are_all_flowgraphs_without_a_window():
    texts = {path.stem: path.read_text() for path in FLOWGRAPHS.glob("*.grc")}
    assert {name for name, text in texts.items() if "generate_options: no_gui" in text} == set(HEADLESS)
    assert all(f"id: {name}\n" in text for name, text in texts.items())


def test_the_options_are_those_of_the_readme(programs):
    texts = [(programs / f"{name}.py").read_text() for name in HEADLESS]
    options = {one for text in texts for one in re.findall(r'"(--[a-z-]+)", dest=', text)}
    rows = re.findall(r"^\| (`--.*?) \|", (FLOWGRAPHS / "README.md").read_text(), re.M)
    assert options == {one for row in rows for one in re.findall(r"--[a-z-]+", row)}


def test_loopback_gives_what_the_command_line_gives(loopback, pictures, tmp_path):
    files = [str(path) for path in sorted(pictures.glob("*.png"))]
    assert main(["link", *files, "-c", "loopback", "--out", str(tmp_path / "link")]) == 0
    expected = json.loads((tmp_path / "link" / "results.json").read_text())["transmissions"]
    measured = results(loopback)
    assert [one["image"] for one in measured] == [one["image"] for one in expected]
    for key, tolerance in (("psnr_db", 0.05), ("snr_db", 0.15), ("cfo_hz", 0.5), ("packets_received", 0)):
        assert [one[key] for one in measured] == pytest.approx([one[key] for one in expected], abs=tolerance)
    found = psnrs(sent(pictures), loopback)
    assert found == pytest.approx([one["psnr_db"] for one in measured], abs=1e-3)


def test_gnu_radios_channel_has_the_snr_that_is_asked_for(programs, pictures, loopback, tmp_path):
    options = {"snr_db": _SNR_DB, "cfo_hz": 700, "doppler_hz": 0.1}
    run(programs / "gnuradio_channel.py", tmp_path, pictures=pictures, rice_k=1000, **options)
    measured, ours = results(tmp_path / "received"), results(loopback)
    # a direct path 30 dB over the echoes is within 0.3 dB of a constant one
    assert [one["snr_db"] for one in measured] == pytest.approx([one["snr_db"] for one in ours], abs=0.5)
    assert [one["psnr_db"] for one in measured] == pytest.approx([one["psnr_db"] for one in ours], abs=0.3)
    assert [one["cfo_hz"] for one in measured] == pytest.approx([700, 700], abs=20)


def test_replay_gives_what_the_recordings_index_says(programs, tmp_path):
    run(programs / "replay.py", tmp_path, capture="awgn-10db")
    index = tomllib.loads((bundled_folder("captures") / "index.toml").read_text())
    expected = next(one for one in index["capture"] if one["file"] == "awgn-10db")
    measured = results(tmp_path / "received")
    assert len(measured) == expected["decoded"]
    assert measured[0]["packets_received"] == expected["packets"]
    for key in ("cfo_hz", "sco_ppm"):
        wanted = expected[key]
        assert measured[0][key] == pytest.approx(wanted["value"], abs=wanted["tolerance"])
    photo = read_image(sample_path("chelsea"), max_side=192).pixels
    wanted = expected["psnr_db"]
    assert psnrs([photo], tmp_path / "received") == pytest.approx([wanted["value"]], abs=wanted["tolerance"])


def test_one_flowgraph_sends_to_the_other(programs, pictures, tmp_path):
    from virtual_link import free_address

    address = free_address()
    with running(programs / "zmq_rx.py", tmp_path, address=address) as receiver:
        run(programs / "zmq_tx.py", tmp_path, address=address, pictures=pictures)
        wait_for(lambda: len(results(tmp_path / "received")) == 2, receiver)
    assert min(psnrs(sent(pictures), tmp_path / "received")) > 24  # no noise: what the codec can do
    assert [one["pilot_snr_db"] > 40 for one in results(tmp_path / "received")] == [True, True]


def test_a_flowgraph_sends_through_the_channel_process_to_our_receiver(programs, pictures, tmp_path):
    from virtual_link import joined

    link = load_link("virtual")
    parts = build_parts(link)
    channel = build_plugin("channel", link.channel, "channel")
    with joined(channel) as air, air.receiver() as radio:
        end, got = ReceivingEnd(parts, radio, radio.clock_ppm), []
        run(programs / "zmq_tx.py", tmp_path, address=air.tx, pictures=pictures, count=1)
        while not got:
            got = end.push(radio.receive().samples)
    assert psnr_db(sent(pictures)[0], got[0].pixels).value > 22


def test_a_picture_goes_out_of_one_pluto_and_into_another(programs, pictures, tmp_path):
    from iiod import Iiod
    from iiod_air import Air

    if subprocess.run(
        [sys.executable, "-c", "from gnuradio import iio"], check=False, capture_output=True
    ).returncode:
        pytest.skip("gr-iio is not installed")
    power, share = 10 ** (-12 / 10), 0.8125
    air = Air(noise_var=power / share / 10 ** (20 / 10), speed=0.5, delay_samples=300)
    settings = {"center_freq": 2.45e9, "samp_rate": 2e6}
    with (
        Iiod(air) as server,
        running(programs / "pluto_rx.py", tmp_path, uri=server.uri, **settings) as receiver,
    ):
        wait_for(lambda: server.open_buffers, receiver)  # what is sent before is heard by nobody
        options = {**settings, "attenuation_db": 40, "pictures": pictures}
        with running(programs / "pluto_tx.py", tmp_path, uri=server.uri, **options) as sender:
            wait_for(lambda: len(results(tmp_path / "received")) == 2, receiver, sender)
        state = dict(server.phy.state)
    assert (
        state["out_altvoltage1_TX_LO_frequency"] == state["out_altvoltage0_RX_LO_frequency"] == "2450000000"
    )
    assert state["in_voltage_sampling_frequency"] == "2000000"
    assert (state["out_voltage0_hardwaregain"], state["in_voltage0_gain_control_mode"]) == (
        "-40.000000 dB",
        "manual",
    )
    assert min(psnrs(sent(pictures), tmp_path / "received")) > 24
    assert [one["pilot_snr_db"] for one in results(tmp_path / "received")] == pytest.approx([20, 20], abs=1)


def test_a_pluto_starts_at_its_highest_attenuation():
    text = (FLOWGRAPHS / "pluto_tx.grc").read_text()
    assert re.search(r"name: attenuation_db\n(?:.*\n){6} +value: '89.75'", text)


@pytest.mark.parametrize("end", ["tx", "rx"])
def test_a_usrp_that_is_not_there_is_an_error_with_its_address(programs, tmp_path, end):
    errors = fail(programs / f"usrp_{end}.py", tmp_path, device_args="addr=127.0.0.1")
    assert re.search(r"No devices found for ----->\s*Device Address:\s*addr: 127.0.0.1", errors)


def test_bursts_reach_uhd_at_their_level_and_are_received(programs, pictures, tmp_path):
    script = Path(__file__).with_name("usrp_flowgraph.py")
    done = subprocess.run(
        [sys.executable, str(script), str(programs), str(pictures)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["tx"]["made"] == ["type=b200,", "fc32", [0], "packet_len"]
    assert told["rx"]["made"] == ["type=b200,", "fc32", [0], ""]
    for one in (["set_samp_rate", 1e6], ["set_center_freq", 2.45e9, 0], ["set_gain", 20.0, 0]):
        assert one in told["tx"]["called"]
    assert ["set_antenna", "TX/RX", 0] in told["tx"]["called"]
    assert ["set_antenna", "RX2", 0] in told["rx"]["called"]
    assert [key for key, *_ in told["bursts"]] == ["packet_len", "packet_len"]
    assert [power for *_, power in told["bursts"]] == pytest.approx(2 * [10 ** (-12 / 10)], rel=0.05)
    assert sum(length for _, _, length, _ in told["bursts"]) == told["samples"]
    assert min(psnrs(sent(pictures), tmp_path / "received")) > 24


def test_your_own_codec_in_the_working_folder(programs, pictures, tmp_path):
    (tmp_path / "my_codec.py").write_text(_MY_CODEC)
    run(programs / "loopback.py", tmp_path, pictures=pictures, codec="my_codec:build", snr_db=40, count=1)
    (picture,) = received(tmp_path / "received")
    # it keeps every pixel but not the brightness, which the unit power of the symbols takes away
    both = torch.stack([picture.flatten(), sent(pictures)[0].flatten()]).float()
    assert torch.corrcoef(both)[0, 1] > 0.995
    (measured,) = results(tmp_path / "received")
    assert measured["codec"].startswith("my_codec:build")
