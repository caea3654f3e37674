"""The link probe: matching what was received to what was sent, bounds, and its curves."""

import math
import time

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import pmt
import torch
from gnuradio import gr

from sdrjscc.errors import ConfigError
from sdrjscc.framing.packetise import packetise
from sdrjscc.grblocks.image_source import ImageSource
from sdrjscc.grblocks.link_probe import LinkProbe
from sdrjscc.grblocks.pdu import pdu
from sdrjscc.grblocks.ports import add_ports
from sdrjscc.grblocks.recent import Recent

SIDE = 32
PAYLOAD = 16_400  # symbols a packet
SYMBOLS = 20_000  # of 32,800 that two packets have room for: most are sent twice


class Listener(gr.basic_block):
    """Keeps what comes out of the probe, by port."""

    def __init__(self, ports):
        gr.basic_block.__init__(self, "Listener", in_sig=None, out_sig=None)
        self.heard = {port: [] for port in ports}
        add_ports(self, {port: self.keeper(port) for port in ports})

    def keeper(self, port):
        return lambda meta, data: self.heard[port].append((meta, data))


class Receiver(gr.basic_block):
    """Is connected."""

    def __init__(self):
        gr.basic_block.__init__(self, "Receiver", in_sig=None, out_sig=None)
        add_ports(self, {}, ["pictures"])


@pytest.fixture
def probe_run():
    """A running probe: (post(port, meta, data), wait(count) -> what the listener heard)."""
    graphs = []

    def begin(**parameters):
        probe = LinkProbe("loopback", **parameters)
        listener = Listener(["results", "psnr_db", "snr_db", "cfo_hz"])
        graph = gr.top_block()
        for port in listener.heard:
            graph.msg_connect(probe, port, listener, port)
        graphs.append((graph, probe))

        def post(port, meta, data):
            probe.to_basic_block()._post(pmt.intern(port), pdu(meta, data))

        def wait(count):
            graph.start()
            end_s = time.monotonic() + 20
            while len(listener.heard["results"]) < count and time.monotonic() < end_s:
                time.sleep(0.01)
            time.sleep(0.05)  # the curves follow the result
            graph.stop()
            graph.wait()
            return listener.heard

        return post, wait

    yield begin


def picture(seed, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, 3 * side * side, dtype=np.uint8)


def symbols(seed, count=SYMBOLS):
    generator = np.random.default_rng(seed)
    pair = generator.standard_normal((2, count)) / math.sqrt(2)
    return (pair[0] + 1j * pair[1]).astype(np.complex64)


def sent_meta(number, side=SIDE):
    return {
        "name": f"{number}.png",
        "index": number,
        "transmission": number % 256,
        "width": side,
        "height": side,
        "time_s": time.time(),
    }


def received_meta(number, **more):
    return {
        "nonce": 7,
        "transmission": number % 256,
        "packets": 2,
        "packets_received": 2,
        "mode": 0,
        "prefix": 0,
        "width": SIDE,
        "height": SIDE,
        "cfo_hz": 100.0 + number,
        "sco_ppm": 1.0,
        "pilot_snr_db": 11.0,
    } | more


def packet_meta(number, packet, noise_var):
    measured = {"start_sample": 0.0, "first_tap_s": 0.0, "tap_spacing_s": 1e-6, "antennas": 1}
    vectors = {
        "noise_var": np.full(PAYLOAD, noise_var, np.float32),
        "impulse_response": np.ones(1, np.complex64),
    }
    about = received_meta(number, packet=packet, digest=1, more=False, **measured, **vectors)
    return {key: value for key, value in about.items() if key != "packets_received"}


def post_all(post, number, *, noise_var=0.1, error=4):
    """All messages of one picture, in a running graph's order, received ``error`` grey levels off."""
    clean = symbols(number)
    pixels = picture(number) // 2
    post("sent_pictures", sent_meta(number), pixels)
    post("sent_symbols", sent_meta(number) | {"mode": 0, "prefix": 0}, clean)
    for packet, sent in enumerate(packetise(torch.from_numpy(clean), PAYLOAD).numpy()):
        noise = math.sqrt(noise_var) * symbols(1000 + 2 * number + packet, PAYLOAD)
        post("packets", packet_meta(number, packet, noise_var), sent + noise.astype(np.complex64))
    post("pictures", received_meta(number, decode_ms=3.0), pixels + np.uint8(error))


def test_every_picture_is_measured_against_its_own(probe_run):
    post, wait = probe_run()
    for number in range(5):
        post_all(post, number, error=number + 1)
    heard = wait(5)
    results = [meta for meta, _ in heard["results"]]
    assert [one["image"] for one in results] == [f"{number}.png" for number in range(5)]
    for number, one in enumerate(results):
        # all pixels are number + 1 grey levels off
        assert one["psnr_db"] == pytest.approx(20 * math.log10(255 / (number + 1)), abs=1e-6)
        # Gaussian symbols in noise of variance 0.1: a mean square of so many is within 4 sigma
        assert one["snr_db"] == pytest.approx(10, abs=10 * math.log10(1 + 4 * math.sqrt(2 / SYMBOLS)))
        assert one["evm_db"] == pytest.approx(-10, abs=10 * math.log10(1 + 4 * math.sqrt(2 / SYMBOLS)))
        assert one["packets_sent"] == one["packets_received"] == 2
        assert one["index"] == number and one["nonce"] == 7 and one["transmission"] == number
        assert one["width"] == one["height"] == SIDE
        assert one["decode_ms"] == 3.0 and one["sco_ppm"] == 1.0 and one["pilot_snr_db"] == 11.0
        assert one["codec"] == "dsc_jscc/60-E2D2" and 0 <= one["latency_ms"] < 60_000


def test_curves_end_with_the_newest_value_and_are_bounded(probe_run):
    post, wait = probe_run(history=3)
    for number in range(5):
        post_all(post, number)
    heard = wait(5)
    assert heard["cfo_hz"][-1][1].tolist() == [102.0, 103.0, 104.0]
    assert heard["cfo_hz"][0][1].dtype == np.float32 and len(heard["cfo_hz"][0][1]) == 1
    assert len(heard["psnr_db"][-1][1]) == len(heard["snr_db"][-1][1]) == 3


def test_without_the_sender_it_gives_what_the_receiver_knows(probe_run):
    post, wait = probe_run()
    post("pictures", received_meta(0), picture(0))
    ((result, data),) = wait(1)["results"]
    assert result["pilot_snr_db"] == 11.0 and result["cfo_hz"] == 100.0 and len(data) == 0
    assert {"psnr_db", "ssim", "snr_db", "image", "latency_ms"}.isdisjoint(result)


def test_snr_curve_falls_back_to_the_pilots(probe_run):
    post, wait = probe_run()
    post("pictures", received_meta(0), picture(0))
    heard = wait(1)
    assert heard["snr_db"][-1][1].tolist() == [11.0]
    assert heard["psnr_db"] == []


def test_another_size_or_sender_is_not_matched(probe_run):
    post, wait = probe_run()
    post_all(post, 0)
    post("sent_pictures", sent_meta(1, side=16), picture(1, side=16))
    post("pictures", received_meta(1), picture(1))
    post("pictures", received_meta(0, nonce=8), picture(0))
    heard = wait(3)["results"]
    other_size, other_sender = heard[1][0], heard[2][0]
    assert "psnr_db" not in other_size
    assert "snr_db" not in other_sender


def test_numbers_that_begin_again_name_the_latest_picture(probe_run):
    post, wait = probe_run()
    for number in (0, 256):
        post_all(post, number)
    results = [meta for meta, _ in wait(2)["results"]]
    # both were sent before either was measured: the latest with that number is the one
    assert results[-1]["image"] == "256.png"


def test_identical_pictures_have_no_psnr(probe_run):
    post, wait = probe_run()
    post("sent_pictures", sent_meta(0), picture(0))
    post("pictures", received_meta(0), picture(0))
    heard = wait(1)
    assert "psnr_db" not in heard["results"][0][0] and heard["psnr_db"] == []
    assert heard["results"][0][0]["image"] == "0.png"


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 3)])
def test_ssim_is_measured_for_none_or_for_all(probe_run, share, expected):
    post, wait = probe_run(ssim_share=share)
    for number in range(3):
        post_all(post, number)
    results = [meta for meta, _ in wait(3)["results"]]
    assert sum("ssim" in one for one in results) == expected


def test_ssim_waits_while_pictures_do(probe_run):
    post, wait = probe_run()
    for number in range(3):
        post_all(post, number)
    results = [meta for meta, _ in wait(3)["results"]]
    assert ["ssim" in one for one in results] == [False, False, True]


def test_what_is_no_picture_is_refused_and_the_next_one_measured(probe_run, caplog):
    post, wait = probe_run()
    post("pictures", received_meta(0), picture(0)[:-1])
    post_all(post, 1)
    assert wait(1)["results"][0][0]["image"] == "1.png"
    assert "must be 3072 bytes" in caplog.text


def test_it_goes_on_when_the_sender_has_ended():
    source, probe, graph = ImageSource("samples", count=1, crop=SIDE), LinkProbe("loopback"), gr.top_block()
    listener, receiver = Listener(["results"]), Receiver()
    graph.msg_connect(receiver, "pictures", probe, "pictures")
    graph.msg_connect(source, "pictures", probe, "sent_pictures")
    graph.msg_connect(probe, "results", listener, "results")
    graph.start()
    time.sleep(1)  # the source ended long ago
    probe.to_basic_block()._post(pmt.intern("pictures"), pdu(received_meta(0), picture(0)))
    time.sleep(0.3)
    graph.stop()
    graph.wait()
    assert [meta["image"] for meta, _ in listener.heard["results"]] == ["astronaut"]


def test_bad_parameters_are_refused():
    with pytest.raises(ConfigError, match=r"history must be at least 1 \(got 0\)"):
        LinkProbe("loopback", history=0)
    with pytest.raises(ConfigError, match=r"ssim_share must be 0 to 1 \(got 2\)"):
        LinkProbe("loopback", ssim_share=2)


def test_recent_is_bounded_by_count_and_bytes():
    recent = Recent[int](3, 100)
    for key in range(5):
        recent.put(key, {}, np.zeros(30, np.uint8))
    assert [key for key in range(5) if recent.get(key)] == [2, 3, 4]
    recent.put(5, {}, np.zeros(90, np.uint8))
    assert [key for key in range(6) if recent.get(key)] == [5]
    recent.put(6, {}, np.zeros(500, np.uint8))  # larger than allowed: kept alone
    assert len(recent) == 1 and recent.get(6) is not None


def test_recent_forgets_what_came_before_the_one_taken():
    recent = Recent[int](10, 1000)
    for key in range(4):
        recent.put(key, {}, np.zeros(1, np.uint8))
    assert recent.pop_through(2) is not None
    assert [key for key in range(4) if recent.get(key)] == [3]
    assert recent.pop_through(0) is None and len(recent) == 1


def test_a_result_says_where_a_picture_was_not_decoded(probe_run):
    post, wait = probe_run()
    post("pictures", received_meta(0, undecodable="too much was lost"), picture(0))
    ((result, _),) = wait(1)["results"]
    assert result["undecodable"] == "too much was lost"
