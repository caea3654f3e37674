"""tx, rx and record as a user runs them: two processes, and everything that can go wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import end_radio
import pytest
import tomli_w
import torch
from command_line import fails, results
from end_radio import SCRIPT

from sdrjscc.capture.sigmf import open_capture
from sdrjscc.cli._stop import Stop
from sdrjscc.cli.main import main
from sdrjscc.errors import RadioError
from sdrjscc.images.io import read_image, to_uint8, write_png
from sdrjscc.link.log import read_log, read_source
from sdrjscc.link.parts import build_parts
from sdrjscc.link.sending import SendingEnd
from sdrjscc.linkfile import parse_link
from sdrjscc.radio.base import Reception

TABLE = {
    "codec": {"name": "dsc_jscc", "weights": "untrained"},
    "waveform": {"name": "ofdm", "payload_ofdm_symbols": 3},
}
END = {"name": "end_radio:build"}
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def fresh_script(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    vars(SCRIPT).update(receptions=[], ends=None, sent=[], closed=[], on_transmit=None)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    for number, (width, height) in enumerate([(96, 64), (64, 96)]):
        x, y = torch.arange(width) / width, torch.arange(height).unsqueeze(1) / height
        plain = torch.stack([x.expand(height, width), y.expand(height, width), (x * y)])
        write_png(folder / f"{number}.png", to_uint8(plain))
    return folder


def link_file(path, **tables):
    path.write_text(tomli_w.dumps({**TABLE, **tables}))
    return path


@pytest.fixture
def end_toml(tmp_path):
    return link_file(tmp_path / "end.toml", radios={"tx": END})


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def heard(end_toml, files, size=1000):
    """Receptions of all files' frames with silence between."""
    parts = build_parts(parse_link({**TABLE, "radios": {"tx": END}}))
    sender = SendingEnd(parts, end_radio.EndRadio(), nonce=7)
    silence = torch.zeros(3000, dtype=torch.complex64)
    stream = [silence]
    for file in files:
        sender.send(read_source(file))
        stream += [0.1 * SCRIPT.sent.pop(), silence]
    samples = torch.cat(stream)[None]
    generator = torch.Generator().manual_seed(0)
    samples = samples + 1e-3 * torch.randn(samples.shape, dtype=torch.complex64, generator=generator)
    return [Reception(part) for part in samples.split(size, dim=-1)]


def nothing(count):
    return Reception(torch.zeros(1, count, dtype=torch.complex64))


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "sdrjscc", *(str(one) for one in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(process):
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in printed, printed
    return process.returncode, printed


def wait_for(condition):
    ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def test_two_processes_a_recording_and_its_replay(tmp_path, pictures):
    ends = {
        name: {"name": "virtual", "address": free_address(), "end": end, "timeout_s": PATIENCE_S}
        for name, end in (("tx", "transmit"), ("rx", "receive"))
    }
    channel = {"name": "chain", "snr_db": 20.0, "cfo_hz": 200.0, "lead_samples": 500, "tail_samples": 500}
    link = link_file(tmp_path / "link.toml", channel=channel, radios=ends)
    air = start("channel", "-c", link, "--seed", 1)
    rx = start(
        *("rx", "-c", link, "--images", pictures, "--log", "tx.jsonl"),
        *("--record", "air", "--out", "live"),
    )
    code, said = finish(start("tx", pictures, "-c", link, "--log", "tx.jsonl"))
    assert (code, "2 sent; log tx.jsonl" in said) == (0, True), said
    lines = Path("live/received.jsonl")
    wait_for(lambda: lines.exists() and lines.read_text().count("\n") == 2)
    rx.send_signal(signal.SIGINT)
    code, said = finish(rx)
    assert (code, "2 of 2 pictures decoded" in said) == (130, True), said
    air.send_signal(signal.SIGINT)
    code, said = finish(air)
    assert (code, "2 transmissions" in said) == (130, True), said

    live = results("live")
    assert [row["image"] for row in live] == ["0.png", "1.png"]
    assert all(row["snr_db"] == pytest.approx(20.0, abs=1.5) for row in live)
    assert all(row["psnr_db"] is not None for row in live)
    assert main(["replay", "air", "--images", str(pictures), "--log", "tx.jsonl", "--out", "again"]) == 0
    for one, again in zip(live, results("again"), strict=True):
        assert again["psnr_db"] == pytest.approx(one["psnr_db"], abs=0.02)
        assert again["snr_db"] == pytest.approx(one["snr_db"], abs=0.02)
        assert again["cfo_hz"] == pytest.approx(200.0, abs=40.0)
    assert read_image(next(Path("again").glob("*0*/received.png"))).pixels.shape == (3, 64, 96)


def test_rx_keeps_what_came_before_ctrl_c(end_toml, pictures, capsys):
    """Also what was read, and not yet received."""
    receptions = heard(end_toml, sorted(pictures.iterdir()))
    SCRIPT.receptions = [*receptions, "ctrl-c", *[nothing(10_000)] * 500]
    handler = signal.getsignal(signal.SIGINT)
    rx = ["rx", "-c", str(end_toml), "--images", str(pictures)]
    assert main([*rx, "--record", "air", "--out", "out"]) == 130
    printed = capsys.readouterr().out
    assert "2 of 2 pictures decoded" in printed
    assert [row["image"] for row in results("out")] == ["0.png", "1.png"]
    lines = [json.loads(line) for line in Path("out/received.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2]
    assert lines[0]["psnr_db"] == results("out")[0]["psnr_db"]
    assert SCRIPT.closed == [None]
    assert len(open_capture("air").annotations) == sum(line["packets_received"] for line in lines)
    assert signal.getsignal(signal.SIGINT) is handler


def test_rx_keeps_an_open_picture_when_the_radio_is_lost(end_toml, pictures, capsys):
    """The second picture's last packet never comes."""
    receptions = heard(end_toml, sorted(pictures.iterdir()))
    SCRIPT.receptions = [*receptions[:-6], RadioError("the radio must answer (it was unplugged)")]
    assert "the radio must answer (it was unplugged)" in fails(
        capsys, 3, "rx", "-c", end_toml, "--images", pictures, "--out", "out"
    )
    assert [row["decoded"] for row in results("out")] == [True, True]
    assert results("out")[1]["packets_received"] < results("out")[1]["packets_sent"]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--count", "1"], 0, "1 of 1 pictures decoded"),
        (["--duration-s", "0"], 4, "0 of 0 pictures decoded"),
    ],
)
def test_rx_stops_after_so_many_pictures_or_seconds(end_toml, pictures, capsys, options, code, says):
    one, other = sorted(pictures.iterdir())
    SCRIPT.receptions = [*heard(end_toml, [one]), nothing(100_000), *heard(end_toml, [other])]
    assert main(["rx", "-c", str(end_toml), "--out", "out", *options]) == code
    assert says in capsys.readouterr().out


def test_rx_that_hears_nothing_says_so(end_toml, capsys):
    SCRIPT.receptions = [Reception(torch.zeros(1, 20_000, dtype=torch.complex64))]
    assert main(["rx", "-c", str(end_toml), "--out", "out"]) == 4
    assert "0 of 0 pictures decoded, 0 packets" in capsys.readouterr().out
    assert not Path("out/results.json").exists()


def test_rx_whose_radio_cannot_be_opened_leaves_an_earlier_run_alone(tmp_path, capsys):
    Path("out").mkdir()
    Path("out/received.jsonl").write_text("of yesterday\n")
    radio = {"name": "virtual", "address": free_address(), "end": "receive", "timeout_s": 0.2}
    link = link_file(tmp_path / "virtual.toml", radios={"tx": radio})
    assert "must be there" in fails(capsys, 3, "rx", "-c", link, "--out", "out")
    assert Path("out/received.jsonl").read_text() == "of yesterday\n"


def test_a_second_ctrl_c_interrupts():
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ignored_signals_stay_ignored():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop()
    finally:
        signal.signal(signal.SIGINT, former)


def test_rx_live_shows_a_dashboard_and_leaves_the_pictures_lines(end_toml, pictures, capsys, monkeypatch):
    monkeypatch.setattr("sdrjscc.cli._live._EVERY_S", 0.0)
    SCRIPT.receptions = heard(end_toml, sorted(pictures.iterdir()))
    assert main(["rx", "-c", str(end_toml), "--images", str(pictures), "--live", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "0.png, 96x64, packets 3/3" in printed
    assert "2 of 2 pictures decoded" in printed


def test_rx_tells_of_a_full_disk_and_keeps_receiving(end_toml, pictures, capsys, monkeypatch):
    from sdrjscc.capture import _datafile

    def full(self, codes):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_datafile.DataFile, "append", full)
    SCRIPT.receptions = heard(end_toml, sorted(pictures.iterdir()))
    sentence = fails(capsys, 2, "rx", "-c", end_toml, "--record", "air", "--out", "out")
    assert "No space left on device" in sentence
    assert [row["decoded"] for row in results("out")] == [True, True]


def test_tx_logs_every_picture_and_leaves_out_what_is_none(end_toml, pictures, capsys):
    (pictures / "bad.png").write_text("no picture")
    assert main(["tx", str(pictures), "-c", str(end_toml), "--log", "log/tx.jsonl"]) == 2
    printed = capsys.readouterr()
    assert "2 sent, 3 samples clipped, 2 underflows; log log/tx.jsonl" in printed.out
    assert "bad.png" in printed.err
    assert [line.image for line in read_log(Path("log/tx.jsonl"))] == ["0.png", "1.png"]
    assert len(SCRIPT.sent) == 2
    assert SCRIPT.closed == [None]


def test_tx_repeats_until_ctrl_c_which_the_radio_sees(end_toml, pictures, capsys):
    def interrupt(count):
        if count == 5:
            raise KeyboardInterrupt

    SCRIPT.on_transmit = interrupt
    assert main(["tx", str(pictures), "-c", str(end_toml), "--repeat"]) == 130
    assert "5 sent; log sdrjscc-tx.jsonl" in capsys.readouterr().out
    assert SCRIPT.closed == [KeyboardInterrupt]
    assert len(read_log(Path("sdrjscc-tx.jsonl"))) == 6


def test_tx_whose_radio_is_lost_says_what_it_had_sent(end_toml, pictures, capsys):
    def lose(count):
        if count == 1:
            raise RadioError("the radio must answer (it was unplugged)")

    SCRIPT.on_transmit = lose
    assert "it was unplugged" in fails(capsys, 3, "tx", pictures, "-c", end_toml)
    assert SCRIPT.closed == [RadioError]


def test_tx_repeating_nothing_but_bad_files_ends(end_toml, tmp_path, capsys):
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "b.png").write_text("x")
    assert main(["tx", "a.png", "b.png", "-c", str(end_toml), "--repeat"]) == 2
    assert capsys.readouterr().err.count("error:") == 2


def test_record_then_replay_with_the_link_given(end_toml, pictures, capsys):
    receptions = heard(end_toml, sorted(pictures.iterdir()))
    SCRIPT.receptions = list(receptions)
    assert main(["record", "air", "-c", str(end_toml)]) == 0
    total = sum(one.samples.shape[-1] for one in receptions)
    assert f"recorded {total} samples to air, 0 lost" in " ".join(capsys.readouterr().out.split())
    assert "cannot name code from outside the package" in fails(capsys, 2, "replay", "air")
    again = ["replay", "air", "-c", str(end_toml), "--images", str(pictures), "--out", "again"]
    assert main([*again, "--channels", "met.safetensors"]) == 0
    assert [row["decoded"] for row in results("again")] == [True, True]
    assert "channels written to met.safetensors" in capsys.readouterr().out
    assert "must not exist" in fails(capsys, 2, "record", "air", "-c", end_toml)
    assert main(["record", "air", "--recover"]) == 0
    assert f"{total} samples" in capsys.readouterr().out


def test_record_ends_at_ctrl_c_with_a_whole_recording(end_toml, pictures):
    receptions = heard(end_toml, sorted(pictures.iterdir()))
    SCRIPT.receptions = [*receptions, "ctrl-c"] + [nothing(0)] * 10**5
    assert main(["record", "air", "-c", str(end_toml)]) == 130
    capture = open_capture("air")
    assert (capture.samples, capture.warnings) == (sum(one.samples.shape[-1] for one in receptions), ())


@pytest.mark.parametrize("command", [["tx", "x.png"], ["rx"], ["record", "air"]])
class TestEveryEnd:
    def arguments(self, command, pictures):
        return [str(pictures / "0.png") if one == "x.png" else one for one in command]

    def test_refuses_a_loopback(self, command, pictures, capsys):
        sentence = fails(capsys, 2, *self.arguments(command, pictures), "-c", "loopback")
        assert "radios.tx must be a radio that another process can hear (got 'loopback'" in sentence

    def test_names_a_configuration_that_is_not_there(self, command, pictures, capsys):
        sentence = fails(capsys, 2, *self.arguments(command, pictures), "-c", "nowhere.toml")
        assert "nowhere.toml" in sentence

    def test_names_a_device_that_does_not_answer(self, command, pictures, capsys, tmp_path):
        pytest.importorskip("adi")
        port = free_address().rpartition(":")[2]
        radio = {"name": "pluto", "uri": f"ip:127.0.0.1:{port}"}
        radio |= {"center_frequency_hz": 2.4e9, "rx_gain_db": 20.0}
        link = link_file(tmp_path / "pluto.toml", radios={"tx": radio})
        sentence = fails(capsys, 3, *self.arguments(command, pictures), "-c", link)
        assert f"127.0.0.1:{port}" in sentence

    def test_needs_the_process_at_the_other_side(self, command, pictures, capsys, tmp_path):
        ends = {
            name: {"name": "virtual", "address": free_address(), "end": end, "timeout_s": 0.3}
            for name, end in (("tx", "transmit"), ("rx", "receive"))
        }
        link = link_file(tmp_path / "virtual.toml", radios=ends)
        sentence = fails(capsys, 3, *self.arguments(command, pictures), "-c", link)
        assert "must be there" in sentence or "must be fetched" in sentence


def test_a_configuration_must_be_given(capsys, pictures):
    assert main(["rx"]) == 2
    assert main(["tx", str(pictures)]) == 2
    assert "record needs the link's configuration" in fails(capsys, 2, "record", "air")


def test_an_out_that_cannot_be_written_is_refused_at_once(end_toml, pictures, capsys):
    sentence = fails(capsys, 2, "rx", "-c", end_toml, "--out", pictures / "0.png")
    assert "--out must be a folder that can be written" in sentence
