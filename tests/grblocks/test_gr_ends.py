"""Blocks that several others feed: they end after all of them, and then they do."""

import gc
import time

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

from gnuradio import gr
from gr_rig import Keeper, post, run_to_end

from sdrjscc.grblocks.ends import finish, wake
from sdrjscc.grblocks.ports import add_ports, publish

NOTHING = np.empty(0, np.uint8)


class Feeder(gr.basic_block):
    """Ends when it is told to."""

    def __init__(self):
        gr.basic_block.__init__(self, "Feeder", in_sig=None, out_sig=None)
        add_ports(self, {}, ["out"])


class Merger(gr.basic_block):
    """Passes on what comes into either port."""

    def __init__(self):
        gr.basic_block.__init__(self, "Merger", in_sig=None, out_sig=None)
        ports = {name: lambda meta, data: publish(self, "out", meta) for name in ("needed", "other")}
        add_ports(self, ports, ["out"])


@pytest.fixture
def merging():
    """A running graph of two feeders, a merger and a keeper, and what is fed."""

    def begin(*ports):
        graph, merger, keeper = gr.top_block(), Merger(), Keeper()
        feeders = {port: Feeder() for port in ports}
        for port, feeder in feeders.items():
            graph.msg_connect(feeder, "out", merger, port)
        graph.msg_connect(merger, "out", keeper, "in")
        return graph, merger, keeper, feeders

    return begin


def numbers(keeper):
    return [meta["number"] for meta, _ in keeper.heard]


def test_the_end_of_one_is_not_the_end(merging):
    graph, merger, keeper, feeders = merging("needed", "other")
    graph.start()
    post(merger, "other", {"number": 0}, NOTHING)
    finish(feeders["other"])
    time.sleep(0.3)
    post(merger, "needed", {"number": 1}, NOTHING)
    time.sleep(0.1)
    finish(feeders["needed"])
    graph.wait()
    assert numbers(keeper) == [0, 1]


def test_a_port_that_nothing_is_connected_to_holds_nothing_up(merging):
    graph, merger, keeper, feeders = merging("needed")
    post(merger, "needed", {"number": 0}, NOTHING)
    finish(feeders["needed"])
    run_to_end(graph)
    assert numbers(keeper) == [0]


def test_one_that_feeds_two_ports_ends_it_alone(merging):
    graph, merger, keeper, feeders = merging("needed")
    graph.msg_connect(feeders["needed"], "out", merger, "other")
    finish(feeders["needed"])
    run_to_end(graph)
    assert numbers(keeper) == []


def test_it_begins_again_with_the_next_start(merging):
    graph, merger, keeper, feeders = merging("needed", "other")
    for run in range(2):
        graph.start()
        for port, feeder in feeders.items():
            post(merger, port, {"number": run}, NOTHING)
            time.sleep(0.1)
            finish(feeder)
        graph.wait()
    assert numbers(keeper) == [0, 0, 1, 1]


def test_a_block_that_is_woken_stays_done(merging):
    graph, merger, keeper, feeders = merging("needed")
    finish(feeders["needed"])
    wake(merger)
    run_to_end(graph)
    graph.start()  # both messages are there before the block looks
    finish(feeders["needed"])
    time.sleep(0.1)
    wake(merger)
    graph.wait()
    assert numbers(keeper) == []


def test_an_earlier_flowgraph_s_block_of_the_same_name_holds_nothing_up(merging):
    gc.collect()
    graph, merger, keeper, earlier = merging("needed", "other")  # these feeders stay
    for feeder in earlier.values():
        finish(feeder)
    run_to_end(graph)
    name = merger.to_basic_block().alias()
    del graph, merger, keeper
    gc.collect()
    graph, merger, keeper, feeders = merging("needed")
    assert merger.to_basic_block().alias() == name  # as GNU Radio gives names out again
    finish(feeders["needed"])
    run_to_end(graph)
    assert earlier and numbers(keeper) == []
