"""Work in a process of its own: the same results, errors in words, no process left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import torch
from gr_rig import picture, through

from sdrjscc.errors import ConfigError, SignalError
from sdrjscc.grblocks.jscc_decoder import JsccDecoder
from sdrjscc.grblocks.jscc_encoder import JsccEncoder
from sdrjscc.grblocks.link_variable import open_link
from sdrjscc.grblocks.place import Place
from sdrjscc.grblocks.reception import Reception
from sdrjscc.grblocks.rx_time import Stretch
from sdrjscc.grblocks.symbol_demapper import SymbolDemapper
from sdrjscc.grblocks.symbol_mapper import SymbolMapper
from sdrjscc.grblocks.worker import WorkerError, call_of
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.transmitter import Framer, Stamp


class Counter:
    """Has a state."""

    def __init__(self):
        self.count = 0

    def add(self, number):
        self.count += number
        return self.count, os.getpid()

    def refuse(self):
        raise SignalError("samples must be samples (got none)")

    def fail(self):
        raise KeyError("key")

    def die(self):
        os._exit(3)


def test_calls_go_one_after_the_other_to_a_process_with_a_state():
    call = call_of(Counter(), own_process=True)
    (one, process), (two, same) = call("add", 1), call("add", 2)
    assert (one, two) == (1, 3)
    assert process == same != os.getpid()
    assert call_of(Counter(), own_process=False)("add", 5) == (5, os.getpid())


def test_what_is_raised_there_is_raised_here_and_the_next_call_works():
    call = call_of(Counter(), own_process=True)
    with pytest.raises(WorkerError, match=r"^samples must be samples \(got none\)$"):
        call("refuse")
    with pytest.raises(WorkerError, match=r"^KeyError: 'key'$"):
        call("fail")
    assert call("add", 1)[0] == 1


def test_a_process_that_died_is_named():
    call = call_of(Counter(), own_process=True)
    for _ in range(2):
        with pytest.raises(WorkerError, match="the process of die must run"):
            call("die")


def test_ctrl_c_is_the_programs():
    call = call_of(Counter(), own_process=True)
    _, process = call("add", 1)
    os.kill(process, signal.SIGINT)
    time.sleep(0.1)
    assert call("add", 1) == (2, process)


@pytest.mark.parametrize("end", ["", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_the_program_however_that_ends(end):
    program = (
        "import os, sys\nfrom sdrjscc.grblocks.worker import call_of\nclass A:\n"
        "    def pid(self): return os.getpid()\n"
        "calls = [call_of(A(), True) for _ in range(3)]\n"
        f"print(*[call('pid') for call in calls], flush=True)\n{end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 3, done.stderr
    ends_s = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < ends_s, "a process is left"
        time.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_another_device_has_no_process_of_its_own():
    with pytest.raises(
        ConfigError, match=r"own_process must be False where the device is not cpu \(got device"
    ):
        call_of(Counter(), own_process=True, device="cuda")


def coded(own_process):
    """A picture there and back through blocks, without noise."""
    parts = open_link("loopback")
    meta, symbols = through(
        picture(64, 48),
        (JsccEncoder(parts, own_process=own_process), "pictures", "payloads"),
        (SymbolMapper(parts), "payloads", "symbols"),
    )
    return through(
        ({**meta, "noise_var": np.full(len(symbols), 0.01, np.float32)}, symbols),
        (SymbolDemapper(parts), "transmissions", "payloads"),
        (JsccDecoder(parts, own_process=own_process), "payloads", "pictures"),
    )


def test_encoder_and_decoder_give_the_same_there():
    (here, pixels), (there, same) = coded(False), coded(True)
    assert np.array_equal(pixels, same)
    assert {**here, "decode_ms": 0} == {**there, "decode_ms": 0}


def test_the_receiver_gives_the_same_there():
    parts = open_link("loopback")
    generator = torch.Generator().manual_seed(3)
    symbols = torch.randn(1000, dtype=torch.complex64, generator=generator)
    frame = Framer(parts.waveform, digest=parts.digest, nonce=4).frame(symbols, Stamp(4, 9), 32, 32)
    samples = torch.cat([frame, torch.zeros(SETTLING_SAMPLES)])
    samples += 0.1 * torch.randn(len(samples), dtype=torch.complex64, generator=generator)
    answers = []
    for own_process in (False, True):
        call = call_of(Reception(parts, Place(1e6, 2.4e9, 10.0, 1)), own_process)
        call("begin")
        answers.append(call("receive", samples.numpy()[None], [Stretch(0, len(samples))]))
    here, there = answers
    assert [port for port, *_ in here] == [port for port, *_ in there] == ["packets", "transmissions"]
    for (_, meta, data), (_, other, same) in zip(here, there, strict=True):
        assert meta["transmission"] == other["transmission"] == 9
        assert np.array_equal(data, same)
        assert np.array_equal(meta["noise_var"], other["noise_var"])
