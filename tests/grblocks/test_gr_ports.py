"""Message ports: what fails in a handler does not end the block, and ends are passed on."""

import logging

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
from gnuradio import gr
from gr_rig import Rig, post_message, run_to_end

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.ends import finish
from sdrjscc.grblocks.ports import add_input, add_ports, publish

DATA = np.arange(3, dtype=np.uint8)


class Doubler(gr.basic_block):
    """Doubles a vector; refuses what says so."""

    def __init__(self, forward=None):
        gr.basic_block.__init__(self, "Doubler", in_sig=None, out_sig=None)
        self.starts = 0
        add_ports(self, {"in": self.double}, ["out"], forward=forward)

    def start(self):
        self.starts += 1
        return True

    def double(self, meta, data):
        if "refuse" in meta:
            raise ConfigError("data must be good (got bad)")
        if "crash" in meta:
            raise ZeroDivisionError("oh")
        publish(self, "out", meta, 2 * data)


class Counter(gr.basic_block):
    """Sends so many PDUs in every run, then ends."""

    def __init__(self, count):
        gr.basic_block.__init__(self, "Counter", in_sig=None, out_sig=None)
        self.count = count
        add_ports(self, {}, ["out"])

    def start(self):
        for index in range(self.count):
            publish(self, "out", {"index": index}, DATA)
        finish(self)
        return True


@pytest.mark.parametrize("bad", [{"refuse": 1}, {"crash": 1}])
def test_a_failure_is_logged_and_the_block_goes_on(bad, caplog):
    with caplog.at_level(logging.WARNING), Rig(Doubler(), "out") as rig:
        rig.post("in", bad, DATA)
        post_message(rig.block, "in", pmt.intern("no PDU"))
        rig.post("in", {"index": 1}, DATA)
        ((meta, data),) = rig.wait("out", 1)
    assert meta == {"index": 1}
    assert data.tolist() == [0, 2, 4]
    text = caplog.text
    assert "a message must be a PDU" in text
    assert (
        ("Doubler: data must be good (got bad)" in text) if "refuse" in bad else ("ZeroDivisionError" in text)
    )


def test_a_failure_is_passed_on_with_its_keys():
    with Rig(Doubler(forward="out"), "out") as rig:
        rig.post("in", {"refuse": 1, "last": True, "index": 7}, DATA)
        rig.post("in", {"crash": 1}, DATA)
        rig.post("in", {"error": "failed before", "last": True}, DATA)
        heard = rig.wait("out", 3)
    assert heard[0][0] == {"refuse": 1, "last": True, "index": 7, "error": "data must be good (got bad)"}
    assert heard[1][0] == {"crash": 1, "error": "ZeroDivisionError: oh"}
    assert heard[2][0] == {"error": "failed before", "last": True}
    assert all(len(data) == 0 for _, data in heard)


class Echo(gr.basic_block):
    """Says which messages came; dislikes one."""

    def __init__(self):
        gr.basic_block.__init__(self, "Echo", in_sig=None, out_sig=None)
        add_ports(self, {}, ["out"])
        add_input(self, "any", self.take)

    def take(self, message):
        if pmt.to_python(message) == "boom":
            raise ValueError("it was boom")
        publish(self, "out", {"got": pmt.to_python(message)})


def test_an_input_of_messages_as_they_are(caplog):
    with Rig(Echo(), "out") as rig:
        for message in ("boom", "next"):
            post_message(rig.block, "any", pmt.intern(message))
        assert [meta for meta, _ in rig.wait("out", 1)] == [{"got": "next"}]
    assert "it was boom" in caplog.text


def test_the_end_is_passed_on_after_the_last_message_and_a_graph_runs_again():
    counter, doubler = Counter(50), Doubler()
    rig = Rig(doubler, "out")
    rig.graph.msg_connect(counter, "out", doubler, "in")
    for run in (1, 2, 3):
        run_to_end(rig.graph)
        heard = rig.keepers["out"].heard
        assert [meta["index"] for meta, _ in heard] == run * list(range(50))
    assert doubler.starts == 3
