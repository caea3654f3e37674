"""From samples to files of pictures: the blocks give what the functions they call give."""

import json
import logging

import numpy as np
import pytest
import torch

pytest.importorskip("gnuradio.gr")

import pmt
from gnuradio import blocks, gr
from gr_ends import (
    HEIGHT,
    WIDTH,
    Feeder,
    Listener,
    Teller,
    noisy,
    picture,
    picture_samples,
    picture_symbols,
    run_graph,
    stream,
)

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks import (
    FrameReceiver,
    FrameTransmitter,
    ImageSink,
    JsccDecoder,
    SymbolDemapper,
    open_link,
)
from sdrjscc.grblocks.pdu import picture_data, picture_pixels
from sdrjscc.grblocks.place import Place
from sdrjscc.grblocks.received import packet_meta, parse_packet, transmission_meta
from sdrjscc.grblocks.rx_time import time_tag
from sdrjscc.images.io import read_image
from sdrjscc.images.metrics import psnr_db
from sdrjscc.link.receiver import Packet
from sdrjscc.link.receiving import SETTLING_SAMPLES, Collector, ReceivingEnd

RATE_HZ = 1e6
PLACE = Place(RATE_HZ, 2.4e9, 10.0, 1)


@pytest.fixture(scope="module")
def parts():
    return open_link("loopback")


def receive(parts, source, antennas=1):
    """What the receiver's ports give."""
    receiver, packets, transmissions = (
        FrameReceiver(parts, RATE_HZ, antennas=antennas),
        Listener(),
        Listener(),
    )
    graph = gr.top_block()
    graph.connect(source, receiver)
    graph.msg_connect(receiver, "packets", packets, "in")
    graph.msg_connect(receiver, "transmissions", transmissions, "in")
    run_graph(graph)
    return packets.heard, transmissions.heard


def pass_through(block, port_in, port_out, items):
    """What a message block gives for PDUs."""
    teller, listener, graph = Teller(port_in, items), Listener(), gr.top_block()
    graph.msg_connect(teller, port_in, block, port_in)
    if port_out:
        graph.msg_connect(block, port_out, listener, "in")
    run_graph(graph)
    return listener.heard


def zeros(count):
    return torch.zeros(count, dtype=torch.complex64)


def test_the_whole_chain_gives_what_plain_python_gives_bit_for_bit(parts, tmp_path, monkeypatch):
    cuts, push = [], Collector.push

    def noted(self, samples, *, dropped=0):
        cuts.append(samples.clone())
        return push(self, samples, dropped=dropped)

    monkeypatch.setattr(Collector, "push", noted)
    items = [
        ({"width": WIDTH, "height": HEIGHT, "transmission": n}, picture_symbols(parts)) for n in range(4)
    ]
    feeder, sender = Feeder("symbols", items), FrameTransmitter(parts, nonce=5)
    receiver, demapper, decoder = FrameReceiver(parts, RATE_HZ), SymbolDemapper(parts), JsccDecoder(parts)
    adder, noise = blocks.add_cc(), stream(noisy(zeros(400_000)))
    sink, samples, transmissions, pictures = ImageSink(str(tmp_path)), blocks.vector_sink_c(), *listeners(2)
    graph = gr.top_block()
    graph.msg_connect(feeder, "symbols", sender, "symbols")
    graph.msg_connect(sender, "next", feeder, "next")
    graph.connect(sender, adder, receiver)
    graph.connect(noise, (adder, 1))
    graph.connect(adder, samples)
    graph.msg_connect(receiver, "transmissions", demapper, "transmissions")
    graph.msg_connect(receiver, "transmissions", transmissions, "in")
    graph.msg_connect(demapper, "payloads", decoder, "payloads")
    graph.msg_connect(decoder, "pictures", sink, "pictures")
    graph.msg_connect(decoder, "pictures", pictures, "in")
    run_graph(graph)
    monkeypatch.setattr(Collector, "push", push)

    joined = torch.cat(cuts, dim=-1)[0].numpy()
    assert np.array_equal(joined, np.array(samples.data(), np.complex64)[: len(joined)])
    end = ReceivingEnd(parts, PLACE, PLACE.clock_ppm)
    expected = [one for cut in cuts for one in end.push(cut)]
    assert len(expected) == len(pictures.heard) == len(transmissions.heard) == 4
    files = sorted(tmp_path.glob("*.png"))
    assert [file.name for file in files] == [f"{n:06d}_n5_t{n}.png" for n in range(4)]
    found = zip(expected, transmissions.heard, pictures.heard, files, strict=True)
    for number, (one, sent, shown, file) in enumerate(found):
        assert torch.equal(torch.from_numpy(sent[1]), one.assembled.symbols)
        assert torch.equal(torch.from_numpy(sent[0]["noise_var"]), one.assembled.noise_var)
        assert torch.equal(picture_pixels(*shown), one.pixels)
        assert torch.equal(read_image(file).pixels, one.pixels)
        assert shown[0]["transmission"] == number and shown[0]["decode_ms"] > 0
        assert not {"noise_var", "shape"} & shown[0].keys()
        assert psnr_db(picture(), one.pixels).value > 25


def listeners(count):
    return [Listener() for _ in range(count)]


def test_packets_carry_all_that_the_receiver_knows(parts):
    samples = torch.cat([zeros(1000), picture_samples(parts, number=7), zeros(SETTLING_SAMPLES)])
    packets, transmissions = receive(parts, stream(noisy(samples)))
    [(meta, data)] = packets
    assert (meta["nonce"], meta["transmission"], meta["packet"], meta["packets"]) == (5, 7, 0, 1)
    assert (meta["width"], meta["height"], meta["digest"]) == (WIDTH, HEIGHT, parts.digest)
    assert meta["start_sample"] == pytest.approx(1000, abs=1)
    assert meta["pilot_snr_db"] == pytest.approx(20, abs=3)
    assert len(data) == len(meta["noise_var"]) == parts.waveform.payload_symbols
    [(total, symbols)] = transmissions
    assert total["packets_received"] == total["packets"] == 1
    assert total["cfo_hz"] == meta["cfo_hz"]
    assert np.mean(np.abs(symbols - picture_symbols(parts).numpy()) ** 2) < 0.1


def test_a_packet_comes_back_from_its_pdu(parts):
    heard: list[Packet] = []
    collector = Collector(parts, PLACE, 10.0, on_packet=heard.append)
    [assembled] = collector.push(torch.cat([noisy(picture_samples(parts)), zeros(SETTLING_SAMPLES)])[None])
    [packet] = heard
    back = parse_packet(
        {
            key: getattr(value, "numpy", lambda value=value: value)()
            for key, value in packet_meta(packet).items()
        },
        packet.symbols.numpy(),
    )
    for name in ("header", "cfo_hz", "sco_ppm", "pilot_snr_db", "start_sample", "first_tap_s"):
        assert getattr(back, name) == getattr(packet, name)
    for name in ("symbols", "noise_var", "impulse_response"):
        assert torch.equal(getattr(back, name), getattr(packet, name))
    assert transmission_meta(assembled)["pilot_snr_db"] == packet.pilot_snr_db


@pytest.mark.parametrize("missing", [700, 3000, 20_000])
def test_samples_that_a_radio_lost_are_bridged_by_its_tag(parts, missing, caplog):
    """Both pictures' places are those of the stream without loss; a short loss costs symbols only."""
    frame = picture_samples(parts)
    quiet = zeros(30_000)
    whole = noisy(torch.cat([frame, quiet, picture_samples(parts, 1), zeros(SETTLING_SAMPLES)]))
    cut = len(frame) // 2
    begin = 1000.25
    tags = [(0, "rx_time", begin), (cut, "rx_time", begin + (cut + missing) / RATE_HZ)]
    samples = torch.cat([whole[:cut], whole[cut + missing :]])
    tags = [(at, pmt.intern(key), seconds(time_s)) for at, key, time_s in tags]
    packets, _ = receive(parts, stream(samples, tags))
    starts = [meta["start_sample"] for meta, _ in packets]
    assert starts == pytest.approx([0, len(frame) + len(quiet)], abs=1.5)
    assert np.isinf(packets[0][0]["noise_var"]).any()
    assert not np.isinf(packets[1][0]["noise_var"]).any()


def seconds(time_s):
    return pmt.make_tuple(pmt.from_uint64(int(time_s)), pmt.from_double(time_s - int(time_s)))


@pytest.mark.parametrize("value", [pmt.PMT_T, seconds(0.0), pmt.make_tuple(pmt.PMT_T)])
def test_a_clock_that_was_set_back_and_foreign_tags_lose_nothing(parts, value):
    frame = picture_samples(parts)
    samples = torch.cat([noisy(frame), zeros(SETTLING_SAMPLES)])
    tags = [(0, pmt.intern("rx_time"), seconds(50.0)), (5000, pmt.intern("rx_time"), value)]
    packets, _ = receive(parts, stream(samples, [*tags, (6000, pmt.intern("rx_rate"), value)]))
    assert len(packets) == 1 and not np.isinf(packets[0][0]["noise_var"]).any()


def test_time_is_told_to_the_sample_after_a_year():
    second = pmt.to_python(time_tag(31_536_000 * 2_000_000 + 3, 2e6))
    assert second[0] == 31_536_000 and second[1] * 2e6 == pytest.approx(3, abs=1e-6)


def test_an_end_tag_gives_out_what_is_incomplete_and_begins_afresh(parts):
    """The same number of the same sender is then a new picture."""
    frame = picture_samples(parts)
    cut = int(0.7 * len(frame))
    samples = torch.cat([noisy(frame)[:cut], zeros(20_000), noisy(frame), zeros(SETTLING_SAMPLES)])
    end = (cut, pmt.intern("rx_end"), pmt.PMT_T)
    packets, transmissions = receive(parts, stream(samples, [end]))
    lost = [float(np.isinf(meta["noise_var"]).mean()) for meta, _ in packets]
    assert len(lost) == len(transmissions) == 2
    assert 0.2 < lost[0] < 0.5 and lost[1] == 0


def test_two_antennas_have_a_stream_each(parts):
    samples = torch.cat([picture_samples(parts), zeros(SETTLING_SAMPLES)])
    first, second = noisy(samples, 0.1, 1), noisy(1j * samples, 0.1, 2)
    receiver, packets, graph = FrameReceiver(parts, RATE_HZ, antennas=2), Listener(), gr.top_block()
    graph.connect(stream(first), (receiver, 0))
    graph.connect(stream(second), (receiver, 1))
    graph.msg_connect(receiver, "packets", packets, "in")
    run_graph(graph)
    alone, _ = receive(parts, stream(first))
    [(meta, _)] = packets.heard
    assert meta["antennas"] == 2 and len(meta["impulse_response"]) == 2 * 25
    assert meta["pilot_snr_db"] == pytest.approx(alone[0][0]["pilot_snr_db"] + 3, abs=1)


def test_hostile_samples_are_refused_and_the_next_picture_comes(parts, caplog):
    frame = torch.cat([noisy(picture_samples(parts)), zeros(SETTLING_SAMPLES)])
    bad = torch.full((10_000,), complex("nan"), dtype=torch.complex64)
    packets, _ = receive(parts, stream(torch.cat([bad, frame])))
    assert [meta["transmission"] for meta, _ in packets] == [0]
    assert "samples must be finite" in caplog.text


def test_ports_may_stay_unconnected(parts):
    receiver, graph = FrameReceiver(parts, RATE_HZ), gr.top_block()
    frame = torch.cat([noisy(picture_samples(parts)), zeros(SETTLING_SAMPLES)])
    graph.connect(stream(frame), receiver)
    run_graph(graph)


def test_another_configuration_is_named_once(parts, caplog):
    other = open_link("loopback", codec="dsc_jscc/deep-jscc")
    samples = torch.cat([noisy(picture_samples(other)), zeros(SETTLING_SAMPLES)])
    packets, _ = receive(parts, stream(samples))
    assert packets == []
    assert caplog.text.count("unknown configuration") == 1


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda link: FrameReceiver(link, 0.0), "samp_rate must be positive"),
        (lambda link: FrameReceiver(link, float("nan")), "samp_rate must be positive"),
        (lambda link: FrameReceiver(link, 1e6, -1.0), "center_freq must be at least 0"),
        (lambda link: FrameReceiver(link, 1e6, clock_ppm=-1.0), "clock_ppm must be at least 0"),
        (lambda link: FrameReceiver(link, 1e6, antennas=0), "antennas must be at least 1"),
        (lambda link: FrameReceiver("nothing", 1e6), "nothing"),
        (lambda link: SymbolDemapper("nothing"), "nothing"),
        (lambda link: JsccDecoder(link, "abacus"), "device must be one that PyTorch has"),
        (lambda link: ImageSink("pictures", -1), "limit at least 0"),
        (lambda link: ImageSink("/dev/null/pictures"), "folder must be one"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(parts, make, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        make(parts)


SYMBOLS = np.zeros(4, np.complex64)
WHOLE = {"nonce": 1, "transmission": 2, "mode": 0, "prefix": 0, "width": 32, "height": 32}


@pytest.mark.parametrize(
    ("meta", "data", "sentence"),
    [
        ({"mode": 0}, SYMBOLS, "it lacks noise_var"),
        ({"mode": 0, "noise_var": np.ones(3, np.float32)}, SYMBOLS, "with a noise variance each"),
        ({"mode": 0, "noise_var": 1.0}, SYMBOLS, "with a noise variance each"),
        ({"mode": 0, "noise_var": np.ones(4, np.float32)}, SYMBOLS.real.copy(), "must be complex64"),
        ({"mode": "x", "noise_var": np.ones(4, np.float32)}, SYMBOLS, ""),
    ],
)
def test_the_demapper_lives_on_after_a_bad_pdu(parts, meta, data, sentence, caplog):
    good = {**WHOLE, "noise_var": np.ones(4, np.float32)}
    heard = pass_through(SymbolDemapper(parts), "transmissions", "payloads", [(meta, data), (good, SYMBOLS)])
    assert [one["transmission"] for one, _ in heard][-1:] == [2]
    assert sentence in caplog.text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": np.array([3, 3], np.int32)}, "as many values as its shape says"),
        ({"width": 33}, "symbols for a picture of 33x32"),
        ({"width": -5}, ""),
        ({"width": "wide"}, ""),
        ({"prefix": 7}, ""),
    ],
)
def test_the_decoder_lives_on_after_a_bad_pdu(parts, change, sentence, caplog):
    plan = parts.codec.plan(32, 32)
    data = np.zeros(2 * plan.symbols, np.float32)
    shape = np.array([plan.symbols, 2], np.int32)
    good = {**WHOLE, "shape": shape, "noise_var": np.ones(plan.symbols, np.float32)}
    heard = pass_through(JsccDecoder(parts), "payloads", "pictures", [(good | change, data), (good, data)])
    assert [len(pixels) for _, pixels in heard][-1:] == [3 * 32 * 32]
    assert sentence in caplog.text


PICTURE = {"width": 4, "height": 2, "nonce": 3, "transmission": 9}
PIXELS = np.arange(24, dtype=np.uint8)


def test_pictures_are_numbered_on_and_the_oldest_go(tmp_path):
    for _ in range(2):
        pass_through(ImageSink(str(tmp_path), 3), "pictures", None, [(PICTURE, PIXELS)] * 2)
    (tmp_path / "holiday.png").touch()
    pass_through(ImageSink(str(tmp_path), 3), "pictures", None, [({"width": 4, "height": 2}, PIXELS)])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000002_n3_t9.png", "000003_n3_t9.png", "000004.png", "holiday.png"]
    assert np.array_equal(picture_data(read_image(tmp_path / "000004.png").pixels), PIXELS)


def test_results_are_lines_of_json(tmp_path):
    results = [{"psnr_db": 31.5, "image": "a", "ssim": None}, {"psnr_db": float("inf"), "index": 1}]
    pass_through(ImageSink(str(tmp_path)), "results", None, [(one, PIXELS[:0]) for one in results])
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [results[0], {"psnr_db": None, "index": 1}]


def test_a_full_disk_is_logged_and_the_rest_is_written(tmp_path, monkeypatch, caplog):
    from sdrjscc.grblocks import image_sink

    calls, write = [], image_sink.write_png

    def full_at_first(path, pixels, **options):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        write(path, pixels, **options)

    monkeypatch.setattr(image_sink, "write_png", full_at_first)
    with caplog.at_level(logging.WARNING):
        pass_through(ImageSink(str(tmp_path)), "pictures", None, [(PICTURE, PIXELS)] * 2)
    assert "No space left on device" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["000000_n3_t9.png"]


def test_a_picture_of_the_wrong_length_is_not_written(tmp_path, caplog):
    pass_through(ImageSink(str(tmp_path)), "pictures", None, [(PICTURE, PIXELS[:5]), ({}, PIXELS)])
    assert list(tmp_path.iterdir()) == []
    assert "a picture of 4x2 must be 24 bytes" in caplog.text
