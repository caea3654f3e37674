"""The record of what was received: measured where the true picture is known, kept where it is not."""

from dataclasses import replace

import pytest
import torch

from sdrjscc.evaluation.reception import record_reception
from sdrjscc.images.io import Picture, write_png
from sdrjscc.images.metrics import psnr_db
from sdrjscc.link.log import References, TransmitLog, log_line, read_source
from sdrjscc.link.session import Link
from sdrjscc.linkfile import parse_link

LINK = {
    "codec": {"name": "dsc_jscc", "weights": "untrained"},
    "waveform": {"name": "ofdm", "payload_ofdm_symbols": 4},
    "channel": {"name": "chain", "snr_db": 15.0},
    "radios": {"tx": {"name": "loopback", "sample_rate_hz": 1e6}},
}
EXCERPT = torch.zeros(1, 100_000, dtype=torch.complex64)


@pytest.fixture
def sent(tmp_path):
    """A picture's file, its result over a link, and the link's parts."""
    generator = torch.Generator().manual_seed(0)
    path = tmp_path / "true.png"
    write_png(path, torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=generator))
    with Link(parse_link(LINK)) as link:
        return path, link.send(path), link.parts


def record(result, parts, references, samples=EXCERPT):
    return record_reception(
        result.received,
        samples,
        parts=parts,
        encoder=parts,
        references=references,
        sample_rate_hz=1e6,
    )


def test_a_known_picture_is_measured_as_the_link_measures_it(sent):
    path, result, parts = sent
    found = record(result, parts, References([path]))
    row = found.row()
    assert row["image"] == "true.png"
    assert row["psnr_db"] == result.psnr_db.value == psnr_db(result.picture.pixels, result.pixels).value
    assert row["snr_db"] == pytest.approx(result.quality.snr_db, abs=1e-4)
    assert row["packets_received"] == row["packets_sent"] == result.sent.packets
    assert row["rho_on_air"] == pytest.approx(result.rho_on_air)
    assert row["receive_ms"] is None
    assert torch.equal(found.sent, result.picture.pixels)
    assert found.signal.samples.shape[-1] <= 1 << 16


def test_an_unknown_picture_is_kept_without_numbers_that_need_it(sent):
    _, result, parts = sent
    found = record(result, parts, References())
    row = found.row()
    assert (row["psnr_db"], row["snr_db"], row["decoded"]) == (None, None, True)
    assert row["pilot_snr_db"] == pytest.approx(15.0, abs=3.0)
    assert (row["width"], row["height"], row["packets_sent"]) == (64, 48, result.sent.packets)
    assert torch.equal(found.received, result.pixels)
    assert row["image"].startswith("sender ")


def test_a_picture_of_another_size_is_told_and_not_compared(sent):
    _, result, parts = sent

    class Wrong(References):
        def match(self, header, pixels):
            return Picture(torch.zeros(3, 8, 8, dtype=torch.uint8), "wrong.png", ())

    row = record(result, parts, Wrong()).row()
    assert (row["psnr_db"], row["snr_db"], row["decoded"]) == (None, None, True)
    assert "another size" in row["undefined"]["psnr_db"]


@pytest.mark.parametrize("fault", ["log", "picture", "folder"])
def test_references_that_go_bad_while_receiving_cost_the_measurement_alone(sent, tmp_path, fault, caplog):
    path, result, parts = sent
    log = tmp_path / "tx.jsonl"
    references = References([path], log=log)
    with TransmitLog(log) as lines:
        lines.write(log_line(result.sent, read_source(path), digest=parts.digest, mode=0, airtime_s=0.1))
    assert record(result, parts, references).row()["psnr_db"] is not None
    if fault == "log":
        log.write_text("this is no log\n")
    elif fault == "picture":
        path.write_bytes(b"")
    else:
        log.unlink()
        log.mkdir()
        (log / "x").write_text("x")
    found = record(result, parts, references)
    assert torch.equal(found.received, result.pixels)
    assert found.row()["psnr_db"] is None
    assert any("is not measured" in message for message in caplog.messages)


def test_what_could_not_be_decoded_has_a_record(sent):
    path, result, parts = sent
    lost = replace(result.received, pixels=None, reason="no bits")
    wrong = record(replace(result, received=lost), parts, References([path]))
    assert wrong.received is None and not wrong.decoded
    assert wrong.row()["snr_db"] == pytest.approx(result.quality.snr_db, abs=1e-4)


def test_symbols_that_were_sent_are_the_reference_of_the_figures(sent):
    path, result, parts = sent
    found = record(result, parts, References([path]))
    assert torch.allclose(found.signal.reference, result.sent.symbols, atol=1e-6)
