"""The frame transmitter, and all blocks from a picture to samples."""

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import torch
from gnuradio import blocks, gr
from gr_rig import Rig, picture, post, run_to_end, until

from sdrjscc.errors import ConfigError
from sdrjscc.grblocks.frame_transmitter import FrameTransmitter
from sdrjscc.grblocks.image_source import ImageSource
from sdrjscc.grblocks.jscc_encoder import JsccEncoder
from sdrjscc.grblocks.link_variable import open_link
from sdrjscc.grblocks.pdu import picture_pixels, to_python
from sdrjscc.grblocks.ports import add_ports, publish
from sdrjscc.grblocks.symbol_mapper import SymbolMapper
from sdrjscc.link.receiver import Receiver
from sdrjscc.link.receiving import SETTLING_SAMPLES
from sdrjscc.link.transmitter import Transmitter

NOTHING = np.empty(0, np.uint8)


class Sending:
    """A transmitter with a sink, and what it says."""

    def __init__(self, **keywords):
        self.parts = open_link("loopback")
        self.block = FrameTransmitter(self.parts, **{"nonce": 7, **keywords})
        self.sink = blocks.vector_sink_c()
        self.graph = gr.top_block()
        self.graph.connect(self.block, self.sink)
        self.rig = Rig(self.block, "next", "sent", graph=self.graph)

    def symbols(self, width=32, height=32, **keys):
        """Symbols of a picture, posted."""
        post(self.block, "symbols", *self.made(width, height, **keys))

    def made(self, width, height, **keys):
        meta, data = picture(width, height, **keys)
        sender = Transmitter(self.parts.codec, self.parts.mapper, self.parts.waveform, digest=0, nonce=0)
        return meta, sender.transmit(picture_pixels(meta, data)).symbols.numpy()

    @property
    def samples(self):
        return np.array(self.sink.data(), np.complex64)

    @property
    def bursts(self):
        """Offset and length of every tag."""
        return [(tag.offset, to_python(tag.value)) for tag in self.sink.tags()]

    @property
    def said(self):
        return [meta for meta, _ in self.rig.keepers["sent"].heard]

    @property
    def asked(self):
        return len(self.rig.keepers["next"].heard)

    def received(self):
        """Headers of all frames in the samples."""
        receiver = Receiver(
            self.parts.waveform,
            sample_rate_hz=1e6,
            clock_ppm=10,
            center_frequency_hz=2.4e9,
            digest=self.parts.digest,
        )
        return [packet.header for packet in receiver.push(torch.from_numpy(self.samples))]


def test_bursts_are_tagged_and_a_tail_lets_a_receiver_finish():
    sending = Sending()
    frame = sending.parts.waveform.frame_samples
    sending.symbols(seed=1)
    sending.symbols(416, 416, seed=2, transmission=9)  # several frames
    sending.symbols(seed=3, last=True)
    run_to_end(sending.graph)
    headers, bursts = sending.received(), sending.bursts
    frames = [sum(header.transmission == number for header in headers) for number in (0, 9, 10)]
    assert frames[0] == frames[2] == 1
    assert frames[1] == headers[1].packets > 1
    lengths = [frame * count for count in frames]
    assert bursts == [(0, lengths[0]), (lengths[0], lengths[1]), (lengths[0] + lengths[1], lengths[2])]
    assert len(sending.samples) == sum(lengths) + SETTLING_SAMPLES
    assert not sending.samples[sum(lengths) :].any()
    assert {header.nonce for header in headers} == {7}
    assert [
        (meta["name"], meta["transmission"], meta["samples"], meta["nonce"]) for meta in sending.said
    ] == [
        ("p1", 0, lengths[0], 7),
        ("p2", 9, lengths[1], 7),
        ("p3", 10, lengths[2], 7),
    ]
    assert sending.asked == 3
    power = np.mean(np.abs(sending.samples[: sum(lengths)]) ** 2)
    assert power == pytest.approx(1.0, rel=0.1)


def test_samples_are_those_of_the_command_line():
    sending = Sending()
    meta, data = picture(64, 48, seed=4)
    sender = Transmitter(
        sending.parts.codec,
        sending.parts.mapper,
        sending.parts.waveform,
        digest=sending.parts.digest,
        nonce=7,
    )
    expected = sender.transmit(picture_pixels(meta, data)).samples.numpy()
    sending.symbols(64, 48, seed=4, last=True)
    run_to_end(sending.graph)
    np.testing.assert_array_equal(sending.samples[: len(expected)], expected)


def test_a_pause_brings_zeros_once_and_the_next_burst_follows_them():
    sending = Sending(gap_samples=100)
    frame = sending.parts.waveform.frame_samples
    with sending.rig:
        sending.symbols(seed=1)
        until(lambda: len(sending.sink.data()) == frame + 100 + SETTLING_SAMPLES)
        sending.symbols(seed=2)
        until(lambda: len(sending.sink.data()) == 2 * (frame + 100 + SETTLING_SAMPLES))
    assert sending.bursts == [(0, frame), (frame + 100 + SETTLING_SAMPLES, frame)]
    assert [header.transmission for header in sending.received()] == [0, 1]


def test_zeros_for_ever_where_they_are_wished():
    sending = Sending(idle="zeros")
    with sending.rig:
        until(lambda: len(sending.sink.data()) > 1000)
        sending.symbols(seed=1)
        until(lambda: len(sending.sink.tags()) == 1)
        until(lambda: len(sending.sink.data()) > sending.sink.tags()[0].offset)
    assert sending.sink.data()[0] == 0
    (tag,) = sending.sink.tags()
    assert tag.offset > 0
    assert sending.sink.data()[tag.offset] != 0


@pytest.mark.parametrize(
    "bad",
    [{"error": "failed before"}, {}, {"width": 5000}, {"transmission": "many"}, {"mode": 1000}],
    ids=lambda bad: next(iter(bad), "no size"),
)
def test_what_cannot_be_sent_asks_for_another(bad):
    sending = Sending()
    with sending.rig:
        meta, data = sending.made(32, 32)
        post(sending.block, "symbols", {**meta, **bad} if bad else {"name": "x"}, data)
        sending.rig.wait("next", 1)
        assert sending.said == []
        sending.symbols(seed=1)
        sending.rig.wait("next", 2)
        sending.rig.wait("sent", 1)


@pytest.mark.parametrize("keys", [{"error": "no picture"}, {}])
def test_a_last_one_that_failed_ends_the_stream_all_the_same(keys):
    sending = Sending()
    sending.symbols(seed=1)
    post(sending.block, "symbols", {"last": True, **keys}, NOTHING)
    run_to_end(sending.graph)
    assert len(sending.samples) == sending.parts.waveform.frame_samples + SETTLING_SAMPLES


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"nonce": 256}, r"nonce must be -1 or 0 to 255 \(got 256\)"),
        ({"nonce": -2}, r"nonce must be -1 or 0 to 255 \(got -2\)"),
        ({"idle": "sleep"}, r"idle must be one of wait, zeros, nothing.*\(got 'sleep' and 0\)"),
        ({"gap_samples": -1}, r"gap_samples at least 0 \(got 'wait' and -1\)"),
    ],
)
def test_bad_parameters_of_the_transmitter(keywords, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FrameTransmitter("loopback", **keywords)


def test_a_nonce_is_drawn_where_none_is_given():
    drawn = {FrameTransmitter("loopback")._framer.nonce for _ in range(20)}
    assert len(drawn) > 1
    assert drawn <= set(range(256))


class Spoiler(gr.basic_block):
    """Spoils every other picture on its way to the encoder."""

    def __init__(self):
        gr.basic_block.__init__(self, "Spoiler", in_sig=None, out_sig=None)

        def spoil(meta, data):
            publish(self, "out", meta, data[: len(data) // (1 + meta["index"] % 2)])

        add_ports(self, {"in": spoil}, ["out"])


def chain(source, *, spoil=False):
    """Source to transmitter, with its sink and keeper of what was sent."""
    sending = Sending()
    encoder, mapper = JsccEncoder(sending.parts), SymbolMapper(sending.parts)
    graph, first = sending.graph, source
    if spoil:
        first = Spoiler()
        graph.msg_connect(source, "pictures", first, "in")
    graph.msg_connect(first, "out" if spoil else "pictures", encoder, "pictures")
    graph.msg_connect(encoder, "payloads", mapper, "payloads")
    graph.msg_connect(mapper, "symbols", sending.block, "symbols")
    graph.msg_connect(sending.block, "next", source, "next")
    sending.kept = source, first, encoder, mapper  # GNU Radio does not keep Python's objects
    return sending


def test_from_pictures_to_samples_twice(folder):
    sending = chain(ImageSource(str(folder), repeat=True, count=7))
    for run in (1, 2):
        run_to_end(sending.graph)
        assert [meta["index"] for meta in sending.said] == run * list(range(7))
        names = [header.transmission for header in sending.received()]
        assert names == run * list(range(7))


def test_errors_on_the_way_do_not_use_up_the_source_s_turns(folder, caplog):
    sending = chain(ImageSource(str(folder), repeat=True, count=8), spoil=True)
    run_to_end(sending.graph)
    assert [meta["index"] for meta in sending.said] == [0, 2, 4, 6]
    assert caplog.text.count("a picture of") == 4


def test_nothing_to_send_ends_the_graph(folder):
    sending = chain(ImageSource(str(folder / "picture0b.png"), repeat=True))
    run_to_end(sending.graph)
    assert len(sending.samples) == 0


def test_a_stop_in_the_middle_and_a_new_start(folder):
    sending = chain(ImageSource(str(folder), repeat=True))
    for run in range(1, 6):
        before = len(sending.said)
        with sending.rig:
            until(lambda before=before: len(sending.said) >= before + 3)
        assert sending.block.stop()
