"""The transmitter's log, and which true picture a header belongs to."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from sdrjscc.errors import CaptureError, ConfigError, ImageError, TrainingError
from sdrjscc.framing.header import Header
from sdrjscc.images.io import Picture, write_png
from sdrjscc.link.log import (
    LogLine,
    References,
    Source,
    TransmitLog,
    file_hash,
    log_line,
    read_log,
    read_source,
)
from sdrjscc.link.transmitter import Transmission
from sdrjscc.payload import PayloadKind, Plan

HEADER = Header(
    digest=0x3FA1,
    nonce=9,
    transmission=0,
    packet=0,
    packets=3,
    mode=0,
    prefix=0,
    more=False,
    width=40,
    height=30,
)


def line(transmission=0, **changes):
    fields = {"nonce": 9, "packets": 3, "width": 40, "height": 30, "mode": 0, "digest": 0x3FA1}
    fields |= {"time": "2026-01-01T00:00:00.000+00:00", "image": "a.png", "k": 1200, "airtime_s": 0.01}
    return LogLine(**fields | {"transmission": transmission} | changes)


def picture_file(path, seed, width=40, height=30):
    generator = torch.Generator().manual_seed(seed)
    write_png(path, torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator))
    return path


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return [picture_file(folder / f"{seed}.png", seed) for seed in range(4)]


def test_what_is_written_is_read(tmp_path):
    lines = [line(0, sha256="ab" * 32, max_side=40), line(255, repeated=True)]
    with TransmitLog(tmp_path / "new" / "tx.jsonl") as log:
        for one in lines:
            log.write(one)
            assert read_log(tmp_path / "new" / "tx.jsonl")[-1] == one
    with TransmitLog(tmp_path / "new" / "tx.jsonl") as log:
        log.write(line(3))
    assert read_log(tmp_path / "new" / "tx.jsonl") == [*lines, line(3)]


def test_a_line_says_what_its_headers_say(files):
    source = read_source(files[0], max_side=20)
    assert source.sha256 == hashlib.sha256(files[0].read_bytes()).hexdigest()
    nothing = torch.empty(0, dtype=torch.complex64)
    sent = Transmission(9, 17, 20, 15, Plan(20, 16, 320, PayloadKind.LATENT), nothing, nothing, 3, 1.0)
    written = log_line(sent, source, digest=0x3FA1, mode=2, airtime_s=0.25)
    assert written.fits(replace(HEADER, transmission=17, width=20, height=15, mode=2))
    assert (written.image, written.max_side, written.k, written.airtime_s) == ("0.png", 20, 320, 0.25)
    other = {"nonce": 8, "transmission": 18, "packets": 4, "width": 21, "height": 16, "mode": 0, "digest": 1}
    for name, value in other.items():
        changed = replace(
            HEADER, **{"transmission": 17, "width": 20, "height": 15, "mode": 2} | {name: value}
        )
        assert not written.fits(changed), name


@pytest.mark.parametrize("name", ["line\nbreak", "a\u2028b", "\udcff\udcfe.png", "end}.png", "é" * 50])
def test_any_file_name_can_be_logged(tmp_path, name):
    pixels = torch.zeros(3, 30, 40, dtype=torch.uint8)
    nothing = torch.empty(0, dtype=torch.complex64)
    sent = Transmission(9, 0, 40, 30, Plan(40, 32, 320, PayloadKind.LATENT), nothing, nothing, 3, 1.0)
    written = log_line(sent, Source(Picture(pixels, name, ())), digest=1, mode=0, airtime_s=0.25)
    with TransmitLog(tmp_path / "log") as log:
        log.write(written)
        log.write(line())
    assert read_log(tmp_path / "log") == [written, line()]


def test_a_last_line_that_was_cut_off_anywhere_is_left_out(tmp_path):
    path = tmp_path / "log"
    with TransmitLog(path) as log:
        log.write(line(1))
        kept = path.stat().st_size
        log.write(line(2, image="é}é.png"))
    whole = path.read_bytes()
    for end in range(kept, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read_log(path) == [line(1)]
    path.write_bytes(whole[:-1])
    assert len(read_log(path)) == 2


def test_a_sender_that_died_leaves_a_log_that_goes_on(tmp_path):
    path = tmp_path / "log"
    with TransmitLog(path) as log:
        log.write(line(1))
    path.write_bytes(path.read_bytes() + b'{"time":"2026-01-')
    with TransmitLog(path) as log:
        log.write(line(2))
    assert read_log(path) == [line(1), line(2)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"hello", "line 3, must be a JSON object"),
        (b"\x93NUMPY\x01\x00", "line 3, must be a JSON object"),
        (b'{"image": "a.png"}', r"line 3.*nonce"),
        (b'{"time": 5}', r"line 3"),
        (b"[1, 2]", r"line 3"),
        (b"[" * 100_000, "line 3, must be a JSON object"),
    ],
)
def test_a_line_that_is_not_ours_is_named(tmp_path, wrong, says):
    path = tmp_path / "log"
    with TransmitLog(path) as log:
        log.write(line(1))
    path.write_bytes(path.read_bytes() + b"\n" + wrong + b"\n" + path.read_bytes())
    with pytest.raises((CaptureError, ConfigError), match=says) as caught:
        read_log(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("key", ["nonce", "packets", "k"])
def test_values_that_no_header_can_have_are_refused(tmp_path, key):
    table = line().model_dump(exclude_none=True) | {key: -1}
    (tmp_path / "log").write_text(json.dumps(table))
    with pytest.raises(ConfigError, match=rf"line 1.*{key}"):
        read_log(tmp_path / "log")


def test_a_log_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CaptureError, match=r"must be a readable transmitter log \(got: No such file"):
        read_log(tmp_path / "missing")
    with pytest.raises(CaptureError, match=r"must be a readable transmitter log \(got: Is a directory"):
        read_log(tmp_path)


def test_pictures_are_found_by_the_hash_of_their_files(files, tmp_path):
    moved = files[2].rename(tmp_path / "renamed.png")
    references = References([files[0].parent, moved], [line(5, sha256=file_hash(moved))])
    found = references.match(replace(HEADER, transmission=5), None)
    assert found.name == "renamed.png"
    assert references.match(replace(HEADER, transmission=6), None) is None


def test_a_logged_picture_is_shrunk_as_the_sender_did(tmp_path):
    file = picture_file(tmp_path / "large.png", 0, 80, 60)
    references = References([file], [line(0, sha256=file_hash(file), max_side=40)])
    found = references.match(HEADER, None)
    assert (found.width, found.height) == (40, 30)


def test_a_logged_picture_whose_file_is_not_here_is_not_known(files):
    lines = [line(0, sha256="00" * 32), line(1)]
    references = References(files, lines)
    assert references.match(HEADER, None) is None
    assert references.match(replace(HEADER, transmission=1), None) is None


def rounds(files, count):
    """A log of ``count`` transmissions whose ids repeat after 256; all pictures of one size."""
    hashes = [file_hash(file) for file in files]
    return [line(number % 256, sha256=hashes[number % 3]) for number in range(count)]


def test_ids_that_repeat_mean_one_picture_after_the_other(files):
    references = References(files, rounds(files, 600))
    for number in range(600):
        found = references.match(replace(HEADER, transmission=number % 256), None)
        assert found.name == f"{number % 3}.png", number


def test_a_lost_transmission_does_not_shift_those_that_bear_its_number_later(files):
    references = References(files, rounds(files, 600))
    lost = {5, 6, 7, 255, 300}
    for number in range(600):
        if number not in lost:
            found = references.match(replace(HEADER, transmission=number % 256), None)
            assert found.name == f"{number % 3}.png", number


def test_two_that_come_out_in_the_other_order_are_told_apart(files):
    references = References(files, rounds(files, 600))
    for number in (0, 1, 3, 2, 4):
        found = references.match(replace(HEADER, transmission=number), None)
        assert found.name == f"{number % 3}.png", number


def test_a_transmission_that_is_repeated_stays_the_same_picture(files):
    references = References(files, [line(0, sha256=file_hash(files[1]), repeated=True)])
    assert [references.match(HEADER, None).name for _ in range(3)] == ["1.png"] * 3


def test_a_log_may_come_and_grow_while_receiving(files, tmp_path):
    path = tmp_path / "tx.jsonl"
    references = References(files, log=path)
    assert references.match(HEADER, None) is None
    with TransmitLog(path) as log:
        for number in range(4):
            log.write(line(number, sha256=file_hash(files[number])))
            found = references.match(replace(HEADER, transmission=number), None)
            assert found.name == f"{number}.png"


def test_a_receiver_that_joins_late_takes_the_newest_of_equal_numbers(files, tmp_path):
    path = tmp_path / "tx.jsonl"
    with TransmitLog(path) as log:
        for one in rounds(files, 520):
            log.write(one)
    references = References(files, log=path)
    for number in range(515, 520):
        assert references.match(replace(HEADER, transmission=number % 256), None).name == f"{number % 3}.png"


def test_without_a_log_a_picture_is_told_by_size_then_by_look(files, tmp_path):
    other = picture_file(tmp_path / "other.png", 9, 24, 24)
    references = References([*files, other])
    small = replace(HEADER, width=24, height=24)
    assert references.match(small, None).name == "other.png"
    assert references.match(replace(HEADER, width=25), None) is None
    assert references.match(HEADER, None) is None
    seen = read_source(files[3]).picture.pixels.float() + 10
    assert references.match(HEADER, seen.clamp(0, 255).to(torch.uint8)).name == "3.png"


def test_without_references_nothing_is_known():
    assert References().match(HEADER, torch.zeros(3, 30, 40, dtype=torch.uint8)) is None


def test_references_that_are_no_pictures_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"text\.png"):
        References([tmp_path / "text.png"])
    with pytest.raises(ImageError, match=r"missing\.png must be readable \(got: No such file"):
        References([tmp_path / "missing.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="must hold pictures"):
        References([tmp_path / "empty"])
