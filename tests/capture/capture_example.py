"""Samples that tell where in a stream they stood, and the recordings that the tests make of them."""

import json
from pathlib import Path

import torch

from sdrjscc.capture.sigmf import Header, Recorder

RATE_HZ = 1e6
CARRIER_HZ = 2.4e9


def stream(first, count, antennas=1):
    """12-bit codes ``[antennas, count]``: I counts positions, Q antennas and positions over 4096."""
    positions = torch.arange(first, first + count).expand(antennas, -1)
    antenna = torch.arange(antennas).unsqueeze(1)
    high = (positions // 4096 + 100 * antenna) % 4096
    return torch.complex(positions % 4096 / 2048 - 1.0, high / 2048 - 1.0)


def header(**changes):
    return Header(**{"sample_rate_hz": RATE_HZ, "center_frequency_hz": CARRIER_HZ, **changes})


def record(path, *, samples=1000, gap_at=None, gap=0, **changes):
    """A closed recording of ``stream``, with a gap of the radio's after ``gap_at`` samples."""
    antennas = changes.get("antennas", 1)
    split = samples if gap_at is None else gap_at
    with Recorder(path, header(**changes)) as recorder:
        recorder.write(stream(0, split, antennas))
        recorder.write(stream(split + gap, samples - split, antennas), dropped=gap)
    return recorder


def meta_of(path):
    return Path(f"{path}.sigmf-meta")


def data_of(path):
    return Path(f"{path}.sigmf-data")


def metadata(path):
    return json.loads(meta_of(path).read_text())


def change(path, section, **fields):
    """Edit the metadata: ``section`` is ``global``, or ``captures`` for the first of them."""
    content = metadata(path)
    target = content["global"] if section == "global" else content[section][0]
    for key, value in fields.items():
        target[key.replace("__", ":")] = value
        if value is None:
            del target[key.replace("__", ":")]
    meta_of(path).write_text(json.dumps(content))


def assert_is_stream(capture, size=262_144):
    """Every sample stands where the gaps say that it stood; returns where the stream ends."""
    position = 0
    for samples, dropped in capture.chunks(size):
        position += dropped
        assert torch.equal(samples, stream(position, samples.shape[-1], capture.header.antennas))
        position += samples.shape[-1]
    return position
