"""``sdrjscc channel``: options, refusals, and how it stops."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import typer

from sdrjscc.cli import channel as module
from sdrjscc.cli.channel import channel
from sdrjscc.errors import ConfigError, RadioError
from sdrjscc.linkfile import load_link, parse_link

COMMAND = "import typer; from sdrjscc.cli.channel import channel; typer.run(channel)"


@pytest.fixture
def addresses():
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], other.getsockname()[1]
    return [f"tcp://127.0.0.1:{port}" for port in ports]


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C as soon as the process runs; what it was made with."""
    from sdrjscc.radio._virtual_channel import ChannelProcess

    made = []

    def run(self, report):
        made.append(self)
        report(self.count(self._began_s + 1.0))
        raise KeyboardInterrupt

    monkeypatch.setattr(ChannelProcess, "run", run)
    return made


def test_ctrl_c_ends_it_with_its_totals(addresses):
    tx, rx = addresses
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--tx", tx, "--rx", rx],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with process:
        assert process.stdout.readline() == f"channel from {tx} to {rx}; Ctrl-C stops it\n"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; 0 transmissions, 0 samples taken, 0 given" in rest


def test_addresses_and_rate_are_the_links(interrupted, monkeypatch, addresses, capsys):
    tx, rx = addresses
    table = load_link("virtual").model_dump(exclude_none=True)
    table["radios"]["tx"].update(address=tx, sample_rate_hz=2e6)
    table["radios"]["rx"].update(address=rx)
    monkeypatch.setattr("sdrjscc.linkfile.load_link", lambda source: parse_link(table))
    with pytest.raises(typer.Exit) as end:
        channel("any", rate=module.Rate.REAL, snr_db=3.0, seed=7, longest=5000)
    assert end.value.exit_code == 130
    (process,) = interrupted
    assert (process._tx, process._rx, process._rate_hz, process._real_time) == (tx, rx, 2e6, True)
    stream = process._stream
    assert (stream._channel.config.snr_db, stream._seed, stream._longest) == (3.0, 7, 5000)
    assert "0 samples taken" in capsys.readouterr().out


def test_any_link_can_be_joined_at_given_addresses(interrupted, addresses):
    with pytest.raises(typer.Exit):
        channel("loopback", *addresses)
    with pytest.raises(ConfigError, match=r"^--tx must be given where radios.tx is not a virtual radio$"):
        channel("loopback")


def test_what_is_no_address_is_refused():
    with pytest.raises(ConfigError, match=r"^--rx must be tcp://HOST:PORT, .* \(got 'localhost'\)$"):
        channel("virtual", rx="localhost")


def test_an_address_in_use_is_named(addresses):
    host, port = addresses[1].removeprefix("tcp://").split(":")
    with socket.socket() as holder:
        holder.bind((host, int(port)))
        holder.listen()
        with pytest.raises(RadioError, match=rf"^{addresses[1]} must be a free address .* it is in use"):
            channel("virtual", *addresses)


def test_as_many_antennas_leave_the_channel_as_the_receiver_has(monkeypatch):
    table = load_link("virtual").model_dump(exclude_none=True)
    table["radios"]["rx"]["antennas"] = 2
    monkeypatch.setattr("sdrjscc.linkfile.load_link", lambda source: parse_link(table))
    with pytest.raises(ConfigError, match=r"channel.antennas must be .* antennas, 2 \(got 1\)"):
        channel("any")


def test_an_snr_needs_a_channel(monkeypatch):
    table = load_link("virtual").model_dump(exclude_none=True)
    del table["channel"]
    monkeypatch.setattr("sdrjscc.linkfile.load_link", lambda source: parse_link(table))
    with pytest.raises(ConfigError, match=r"\[channel\]"):
        channel("any", snr_db=3.0)
