"""The virtual radio over loopback sockets: samples, levels, restarts, faults."""

import contextlib
import math
import signal as signal_module
import threading
import time

import pytest
import torch
import zmq
from pydantic import ValidationError
from virtual_link import burst, end, free_address, joined, receive_until, signal

from sdrjscc.channel.awgn import Awgn
from sdrjscc.channel.awgn import Config as AwgnConfig
from sdrjscc.channel.base import SampleChannel
from sdrjscc.channel.chain import Chain, Config
from sdrjscc.errors import RadioError, SignalError
from sdrjscc.radio._virtual_channel import Pace
from sdrjscc.radio.base import Radio
from sdrjscc.radio.virtual import Config as VirtualConfig
from sdrjscc.radio.virtual import build


def test_what_goes_in_comes_out_bit_for_bit_in_order_with_silence_in_between():
    bursts = [burst(length, seed) for seed, length in enumerate((1, 70_000, 3000, 200_000))]
    with joined() as link, link.receiver() as rx, link.transmitter() as tx:
        for one in bursts:
            tx.transmit(one)
        wanted = torch.cat(bursts)
        received = receive_until(rx, lambda got: len(signal(got)) >= len(wanted))
        assert torch.equal(signal(received), wanted)
        assert received.shape[-1] > len(wanted) + 3 * 1024
        assert tx.status().reconnects == rx.status().reconnects == 0
    assert link.process.totals.taken >= len(wanted)


def test_the_two_ends_understand_each_other_without_a_channel_process():
    address = free_address()
    with end(address, "receive") as rx, end(address, "transmit") as tx:
        tx.transmit(burst(100_000))
        received = receive_until(rx, lambda got: got.shape[-1] >= 100_000 + 1024)
    assert torch.equal(received[0, :100_000], burst(100_000))
    assert not received[0, 100_000:].any()


@pytest.mark.parametrize("channel", [Awgn(AwgnConfig(snr_db=10.0)), Chain(Config(snr_db=10.0))])
def test_a_channel_of_10_db_gives_10_db_and_its_noise_at_all_times(channel: SampleChannel):
    sent = burst(100_000)
    with joined(channel) as link, link.receiver() as rx, link.transmitter() as tx:
        before = rx.receive().samples
        tx.transmit(sent)
        spectrum = torch.fft.fft(sent, 1 << 20).conj()
        received = receive_until(rx, lambda got: got.shape[-1] >= 600_000)[0]
    correlation = torch.fft.ifft(torch.fft.fft(received, 1 << 20) * spectrum).abs()
    at = int(correlation.argmax())
    parts = (before, received[:at], received[at : at + 100_000] - sent, received[at + 100_000 :])
    for noise in parts:
        tolerance = 5 / math.sqrt(max(noise.numel(), 1))
        assert float(noise.abs().square().mean()) == pytest.approx(0.1, rel=tolerance) or not noise.numel()


def test_two_antennas_stay_together():
    sent = burst(50_000)
    with (
        joined(Awgn(AwgnConfig(snr_db=40.0, antennas=2))) as link,
        link.receiver(antennas=2) as rx,
        link.transmitter() as tx,
    ):
        tx.transmit(sent)
        received = receive_until(rx, lambda got: int((got[0].abs() > 0.1).sum()) > 45_000)
    heard = received[:, (received.abs() > 0.3).all(dim=0)]
    assert received.shape[0] == 2
    assert heard.shape[-1] > 40_000
    assert not torch.equal(heard[0], heard[1])
    assert float((heard[0] - heard[1]).abs().square().mean()) == pytest.approx(2e-4, rel=0.05)


def test_a_transmitter_that_starts_again_is_heard_again():
    with joined(Chain(Config())) as link, link.receiver() as rx:
        for seed in (1, 2, 3):
            with link.transmitter() as tx:
                tx.transmit(burst(10_000, seed))
            received = receive_until(rx, lambda got: len(signal(got)) >= 10_000)
            assert torch.equal(signal(received), burst(10_000, seed))


def test_a_receiver_that_starts_again_hears_again():
    with joined() as link, link.transmitter() as tx:
        for seed in (1, 2, 3):
            with link.receiver() as rx:
                rx.receive()
                tx.transmit(burst(10_000, seed))
                received = receive_until(rx, lambda got: len(signal(got)) >= 10_000)
                assert torch.equal(signal(received), burst(10_000, seed))


def test_who_went_after_asking_is_not_given_what_the_next_one_is_to_hear():
    address = free_address()
    with end(address, "transmit") as tx:
        with end(address, "receive") as gone:
            gone.receive()  # nothing yet, but a request is on its way
        while tx._socket.peers.present:
            time.sleep(0.01)
        tx.transmit(burst(1000))
        with end(address, "receive") as rx:
            received = receive_until(rx, lambda got: got.shape[-1] >= 1000)
    assert torch.equal(received[0, :1000], burst(1000))


def test_both_ends_outlive_a_channel_process_that_is_started_again():
    with joined() as first, first.transmitter() as tx, first.receiver() as rx:
        tx.transmit(burst(1000))
        receive_until(rx, lambda got: len(signal(got)) >= 1000)
        first.stop.set()
        while tx._socket.peers.present:
            time.sleep(0.01)
        tx.transmit(burst(5000, 1))
        with joined(tx=first.tx, rx=first.rx):
            received = receive_until(rx, lambda got: len(signal(got)) >= 5000)
            assert torch.equal(signal(received), burst(5000, 1))
            assert tx.status().reconnects == rx.status().reconnects == 1


def test_a_channel_process_that_dies_is_named_by_its_address_at_both_ends():
    with joined() as link, link.receiver(timeout_s=0.3) as rx:
        rx.receive()
        tx = link.transmitter(timeout_s=0.3, queue_samples=1)
        with (
            pytest.raises(RadioError, match=rf"{link.tx}: the process at the other side.* must be there"),
            tx,
        ):
            link.stop.set()
            for _ in range(100):
                tx.transmit(burst(100_000))
        with pytest.raises(RadioError, match=rf"{link.rx}: the process at the other side.* must be there"):
            receive_until(rx, lambda got: False)


def test_a_transmission_that_breaks_off_arrives_as_far_as_it_came():
    """A flowgraph that stops sends no silence after its last sample."""
    context, address = zmq.Context(), free_address()
    with joined(Chain(Config()), tx=address) as link, link.receiver() as rx, context:
        giver = context.socket(zmq.REP)
        giver.bind(address)
        giver.recv()
        giver.send(burst(100).numpy().tobytes())
        received = receive_until(rx, lambda got: len(signal(got)) >= 100)
        assert torch.equal(signal(received), burst(100))
        context.destroy(linger=0)


def test_real_time_gives_samples_at_the_sample_rate():
    rate_hz = 20_000.0
    with joined(rate_hz=rate_hz, real_time=True) as link, link.receiver() as rx, link.transmitter() as tx:
        rx.receive()
        began_s = time.monotonic()
        tx.transmit(burst(8000))
        received = receive_until(rx, lambda got: len(signal(got)) >= 8000)
        elapsed_s = time.monotonic() - began_s
    assert received.shape[-1] <= rate_hz * (elapsed_s + 0.2)


def test_a_clock_owes_its_rate_but_not_what_nobody_fetched():
    pace = Pace(1024.0, 5.0)
    assert pace.owed(5.0) == 0
    assert pace.owed(5.0 + 1 / 64) == 16
    pace.pay(16)
    assert pace.owed(5.0 + 3 / 128) == 8
    assert pace.owed(99.0) == 102
    pace.pay(102)
    assert pace.owed(99.0) == 0


def test_a_loop_of_both_ends_does_not_wait_for_itself():
    with joined() as link, link.receiver() as rx, link.transmitter() as tx:
        highest, ends_s = 0.0, time.monotonic() + 60.0
        while highest < 3.0:  # one more each time round
            assert time.monotonic() < ends_s
            samples = rx.receive().samples[0]
            highest = max(highest, float(samples.abs().max())) if len(samples) else highest
            tx.transmit(samples + 1.0)
        link.stop.set()
        tx._queue.clear()  # what still goes round


def test_transmit_waits_while_the_queue_is_full_and_goes_on_when_it_is_not():
    address = free_address()
    with end(address, "transmit", queue_samples=1000) as tx:
        tx.transmit(burst(5000))
        waiting = threading.Thread(target=tx.transmit, args=(burst(10),))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        with end(address, "receive") as rx:
            receive_until(rx, lambda got: got.shape[-1] >= 5010 + 2048)
            waiting.join()


def test_leaving_waits_for_what_is_not_fetched_but_not_for_ever():
    address = free_address()
    with (
        pytest.raises(RadioError, match=r"must be fetched .nobody came for the last 1124 samples"),
        end(address, "receive"),  # is there, and asks for nothing
        end(address, "transmit", timeout_s=0.3) as tx,
    ):
        tx.transmit(burst(100))


@pytest.mark.parametrize("where", ["transmit", "leaving", "receive"])
def test_ctrl_c_ends_the_waiting(where):
    interrupt = threading.Timer(
        0.3, signal_module.pthread_kill, (threading.get_ident(), signal_module.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt), contextlib.ExitStack() as stack:
        radio = stack.enter_context(
            end(free_address(), "receive" if where == "receive" else "transmit", queue_samples=1)
        )
        interrupt.start()
        if where == "receive":
            receive_until(radio, lambda got: False)
        radio.transmit(burst(10))
        if where == "transmit":
            radio.transmit(burst(10))


def test_leaving_on_an_error_waits_for_nothing():
    with pytest.raises(KeyboardInterrupt), end(free_address(), "transmit", timeout_s=1e4) as tx:
        tx.transmit(burst(100))
        raise KeyboardInterrupt


def test_what_are_no_samples_is_refused():
    context, address = zmq.Context(), free_address()
    giver = context.socket(zmq.REP)
    giver.bind(address)
    with (
        end(address, "receive") as rx,
        context,
        pytest.raises(RadioError, match=r"must be complex64 .* 12 bytes"),
    ):
        threading.Thread(target=lambda: (giver.recv(), giver.send(b"x" * 12))).start()
        receive_until(rx, lambda got: False)
    context.destroy(linger=0)


def test_requests_that_are_none_are_passed_over():
    context, address = zmq.Context(), free_address()
    with end(address, "transmit") as tx, context:
        asker = context.socket(zmq.DEALER)
        asker.connect(address)
        for frames in ([b"x"], [b"", b""], [b"", b"12345"], [b"", b"1", b"2"], [b"", b"\x05\0\0\0"]):
            asker.send_multipart(frames)
        tx.transmit(burst(5))
        assert asker.recv_multipart() == [b"", burst(5).numpy().tobytes()]
        asker.send_multipart([b"", b"\xff\xff\xff\xff"])  # minus one item
        assert len(asker.recv_multipart()[1]) == 8
        asker.send_multipart([b"", (2000).to_bytes(4, "little")])
        asker.recv_multipart()
        context.destroy(linger=0)


def test_an_end_does_what_it_is_and_only_open():
    tx, rx = end(free_address(), "transmit"), end(free_address(), "receive")
    assert isinstance(tx, Radio)
    assert isinstance(rx, Radio)
    assert not tx.live
    for misuse in (tx.receive, lambda: rx.transmit(burst(1))):
        with pytest.raises(RadioError, match="must have end"):
            misuse()
    for closed in (rx.receive, lambda: tx.transmit(burst(1))):
        with pytest.raises(RadioError, match=r"must be open to .*it is closed"):
            closed()
    with tx:
        with pytest.raises(RadioError, match="opened once"):
            tx.__enter__()
        for wrong in (torch.ones(3), torch.ones(1, 3, dtype=torch.complex64)):
            with pytest.raises(SignalError, match="complex vector"):
                tx.transmit(wrong)
        with pytest.raises(SignalError, match=r"finite .got 1 of 3"):
            tx.transmit(torch.tensor([0.0, math.nan, 1.0], dtype=torch.complex64))
        with pytest.raises(RadioError, match=r"free address of this host .got: it is in use"):
            end(tx._config.address, "transmit").__enter__()
    with tx:  # an end can be opened again
        pass


def test_it_takes_the_links_channel_without_applying_it():
    channel = Awgn(AwgnConfig(snr_db=0.0))
    config = VirtualConfig(address=free_address(), end="transmit")
    with build(config, channel=channel, occupied_share=0.8) as tx, end(config.address, "receive") as rx:
        tx.transmit(burst(100))
        assert torch.equal(receive_until(rx, lambda got: got.shape[-1] >= 100)[0, :100], burst(100))


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:5555", "tcp://host", "tcp://host:0", "tcp://h:70000", "udp://h:1"]
)
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(ValidationError, match="must be tcp://HOST:PORT"):
        VirtualConfig(address=address, end="receive")


def test_addresses_of_a_file_and_of_ipv6_are_taken(tmp_path):
    VirtualConfig(address="tcp://[::1]:5555", end="receive")
    address = f"ipc://{tmp_path}/samples"
    with end(address, "transmit") as tx, end(address, "receive") as rx:
        tx.transmit(burst(10))
        assert torch.equal(receive_until(rx, lambda got: got.shape[-1] >= 10)[0, :10], burst(10))
