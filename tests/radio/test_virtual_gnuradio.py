"""GNU Radio's own ZeroMQ blocks at either end of the virtual radio."""

import contextlib
import time

import numpy as np
import pytest
import torch
from virtual_link import burst, end, free_address, joined, receive_until, signal

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.chain import Chain, Config
from sdrjscc.errors import RadioError

gr = pytest.importorskip("gnuradio.gr")
blocks = pytest.importorskip("gnuradio.blocks")
zeromq = pytest.importorskip("gnuradio.zeromq")

_TIMEOUT_MS = 100


@contextlib.contextmanager
def running(*chain):
    """A flowgraph of blocks one after the other."""
    flowgraph = gr.top_block()
    flowgraph.connect(*chain)
    flowgraph.start()
    try:
        yield flowgraph
    finally:
        flowgraph.stop()
        flowgraph.wait()


def sending(address, samples, *, tags=False):
    source = blocks.vector_source_c(samples.tolist(), False)
    return running(source, zeromq.rep_sink(gr.sizeof_gr_complex, 1, address, _TIMEOUT_MS, tags))


@contextlib.contextmanager
def receiving(address, antennas=1):
    sink = blocks.vector_sink_c(antennas)
    source = zeromq.req_source(gr.sizeof_gr_complex, antennas, address, _TIMEOUT_MS, False)
    with running(source, sink):
        yield lambda: torch.from_numpy(np.array(sink.data(), np.complex64)).reshape(-1, antennas).T


def wait_for(samples, enough):
    ends_s = time.monotonic() + 60.0
    while not enough(samples()):
        assert time.monotonic() < ends_s, "not enough arrived"
        time.sleep(0.02)
    return samples()


def test_a_flowgraph_transmits_to_our_receiver():
    with joined() as link, link.receiver() as rx, sending(link.tx, burst(150_000)):
        received = receive_until(rx, lambda got: len(signal(got)) >= 150_000)
    assert torch.equal(signal(received), burst(150_000))


def test_a_flowgraph_receives_what_our_transmitter_sends():
    with joined(Chain(Config())) as link, receiving(link.rx) as samples, link.transmitter() as tx:
        tx.transmit(burst(150_000))
        received = wait_for(samples, lambda got: len(signal(got)) >= 150_000)
    assert torch.equal(signal(received), burst(150_000))


def test_flowgraphs_at_both_ends():
    with (
        joined(Chain(Config())) as link,
        receiving(link.rx) as samples,
        sending(link.tx, torch.cat([burst(20_000), torch.zeros(2000), burst(5000, 1)])),
    ):
        received = wait_for(samples, lambda got: len(signal(got)) >= 25_000)
    assert torch.equal(signal(received), torch.cat([burst(20_000), burst(5000, 1)]))
    assert link.process.count(time.monotonic()).transmissions == 2


def test_flowgraphs_and_our_ends_without_a_channel_process():
    address = free_address()
    with sending(address, burst(10_000)), end(address, "receive") as rx:
        received = receive_until(rx, lambda got: got.shape[-1] >= 10_000)
        assert torch.equal(received[0], burst(10_000))
    address = free_address()
    with end(address, "transmit") as tx, receiving(address) as samples:
        tx.transmit(burst(10_000))
        received = wait_for(samples, lambda got: got.shape[-1] >= 10_000)
        assert torch.equal(received[0, :10_000], burst(10_000))


def test_a_flowgraph_takes_two_antennas_as_vectors():
    channel = Awgn(AwgnConfig(snr_db=60.0, antennas=2))
    with joined(channel) as link, receiving(link.rx, 2) as samples, link.transmitter() as tx:
        tx.transmit(burst(20_000).sgn() + 0.0)
        received = wait_for(samples, lambda got: int((got[1].abs() > 0.5).sum()) >= 20_000)
    heard = received[:, received[0].abs() > 0.5][:, :20_000]
    expected = burst(20_000).sgn()
    for antenna in heard:
        assert float((antenna - expected).abs().square().mean()) == pytest.approx(1e-6, rel=0.1)
    assert not torch.equal(heard[0], heard[1])


def test_a_flowgraph_that_starts_again_is_heard_again():
    with joined() as link, link.receiver() as rx:
        for seed in (1, 2):
            with sending(link.tx, burst(5000, seed)):
                received = receive_until(rx, lambda got: len(signal(got)) >= 5000)
            assert torch.equal(signal(received), burst(5000, seed))


def test_tags_are_refused_in_words():
    address = free_address()
    with (
        end(address, "receive") as rx,
        sending(address, burst(1000), tags=True),
        pytest.raises(RadioError, match=r"without tags .got a message of \d+ bytes"),
    ):
        receive_until(rx, lambda got: False)
