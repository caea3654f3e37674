"""Makes the recordings in captures/ and their index; everything is seeded.

    python tests/captures/make_captures.py --again

replaces them, which is a change of what the receiver is held to: look at the difference before it
is committed. Without ``--again`` only recordings that are missing are made.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
import torch
from torch import Tensor

from sdrjscc.evaluation.golden import INDEX, Measured, measure
from sdrjscc.images.samples import sample_path
from sdrjscc.link.listening import Listener, make_radio
from sdrjscc.link.log import LogLine, read_source
from sdrjscc.link.parts import build_parts
from sdrjscc.link.sending import SendingEnd
from sdrjscc.linkfile import LinkConfig, parse_link
from sdrjscc.radio.base import Radio, Reception, Status

FOLDER = Path(__file__).parents[2] / "captures"
RATE_HZ = 1e6
NONCE = 77
MAX_SIDE = 192

TOLERANCES = {"cfo_hz": 2.0, "sco_ppm": 1.0, "snr_db": 0.2, "psnr_db": 0.15}
"""What another machine's rounding, and small improvements of the receiver, may change."""

ECHOES = [
    {},
    {"delay_samples": 3.0, "power_db": -6.0, "kind": "rayleigh"},
    {"delay_samples": 7.0, "power_db": -12.0, "kind": "rayleigh"},
]


@dataclass(frozen=True)
class Scene:
    """One recording.

    Attributes:
        name: of its files.
        what: is done to the signal, for the index.
        channel: keys of the chain, beyond noise and converter.
        photos: names of bundled photographs, sent back to back.
        codec: of the transmitter, where it is not the recording's.
        cut: what is done to the sent samples.
        gap: position and length of samples that the radio says it lost.
    """

    name: str
    what: str
    channel: dict[str, Any]
    photos: tuple[str, ...] = ("chelsea",)
    codec: str = "60-E2D2"
    cut: Callable[[Tensor], Tensor] = field(default=lambda samples: samples)
    gap: tuple[int, int] | None = None


def _noise_only(samples: Tensor) -> Tensor:
    return torch.zeros_like(samples)


SCENES = (
    Scene("awgn-0db", "noise alone, 0 dB", {"snr_db": 0.0}),
    Scene("awgn-10db", "noise alone, 10 dB", {"snr_db": 10.0}),
    Scene("awgn-20db", "noise alone, 20 dB", {"snr_db": 20.0}),
    Scene(
        "offsets",
        "carrier 43 kHz high, sampling clock 18 ppm fast, 10 dB",
        {"snr_db": 10.0, "cfo_hz": 43e3, "sco_ppm": 18.0},
    ),
    Scene(
        "two-rays",
        "a second path 5 samples late, 3 dB weaker, standing still: notches; 15 dB",
        {"snr_db": 15.0, "taps": [{}, {"delay_samples": 5.0, "power_db": -3.0}]},
    ),
    Scene("rayleigh", "line of sight and two Rayleigh echoes, 15 dB", {"snr_db": 15.0, "taps": ECHOES}),
    Scene(
        "no-line-of-sight",
        "three Rayleigh paths of falling power over 12 samples, 15 dB",
        {
            "snr_db": 15.0,
            "taps": [
                {"kind": "rayleigh"},
                {"delay_samples": 4.5, "power_db": -3.0, "kind": "rayleigh"},
                {"delay_samples": 12.0, "power_db": -6.0, "kind": "rayleigh"},
            ],
        },
    ),
    Scene(
        "doppler",
        "the echoes move with 30 Hz of Doppler, 15 dB",
        {"snr_db": 15.0, "taps": ECHOES, "doppler_hz": 30.0},
    ),
    Scene(
        "phase-noise",
        "oscillators of 5 Hz linewidth, 20 dB",
        {"snr_db": 20.0, "phase_noise_linewidth_hz": 5.0},
    ),
    Scene(
        "gain-step",
        "the receiver's gain falls by 6 dB within the second packet, 15 dB",
        {"snr_db": 15.0, "gain_step_db": -6.0, "gain_step_at": 11_400},
    ),
    Scene(
        "sample-drop",
        "40 samples vanish within the first packet, and nobody says so; 15 dB",
        {"snr_db": 15.0, "drop_samples": 40, "drop_at": 5_100},
    ),
    Scene(
        "gap",
        "the radio reports 1,500 samples lost within the second packet; 15 dB",
        {"snr_db": 15.0},
        gap=(10_400, 1_500),
    ),
    Scene(
        "back-to-back",
        "two pictures without silence between them, 12 dB",
        {"snr_db": 12.0},
        photos=("chelsea", "rocket"),
    ),
    Scene(
        "cut-at-start",
        "recording begins within the first packet, 12 dB",
        {"snr_db": 12.0, "lead_samples": 0, "delay_samples": 0.0, "delay_range_samples": 0.0},
        cut=lambda samples: samples[2_500:],
    ),
    Scene(
        "cut-at-end",
        "recording ends within the last packet, 12 dB",
        {"snr_db": 12.0, "tail_samples": 0},
        cut=lambda samples: samples[: -samples.numel() // 4],
    ),
    Scene(
        "other-configuration",
        "the transmitter has another codec than the receiver, 12 dB",
        {"snr_db": 12.0},
        codec="deep-jscc",
    ),
    Scene("noise", "noise, and nobody transmits", {"snr_db": 10.0}, cut=_noise_only),
    Scene(
        "two-antennas",
        "two receive antennas with independent Rayleigh echoes, 5 dB each",
        {"snr_db": 5.0, "antennas": 2, "taps": ECHOES},
    ),
)


class Collector:
    """A radio that keeps what it is told to transmit."""

    sample_rate_hz, center_frequency_hz, clock_ppm, antennas, live = RATE_HZ, 2.4e9, 10.0, 1, False

    def __init__(self) -> None:
        self.samples: list[Tensor] = []

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def transmit(self, samples: Tensor) -> None:
        """Keep them."""
        self.samples.append(samples)

    def receive(self) -> None:
        """Nothing is ever received."""

    def status(self) -> Status:
        """Nothing to say."""
        return Status()


class Gapped:
    """A loopback that loses samples, and says so."""

    def __init__(self, radio: Radio, gap: tuple[int, int] | None) -> None:
        self._radio, self._queue = radio, list[Reception]()
        self.sample_rate_hz, self.center_frequency_hz = radio.sample_rate_hz, radio.center_frequency_hz
        self.clock_ppm, self.antennas, self.live, self._gap = radio.clock_ppm, radio.antennas, False, gap

    def __enter__(self) -> "Gapped":
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def transmit(self, samples: Tensor) -> None:
        """Through the loopback's channel, in one piece, without the gap's samples."""
        self._radio.transmit(samples)
        heard = torch.cat([one.samples for one in iter(self._radio.receive, None)], dim=-1)
        if self._gap is None:
            self._queue = [Reception(heard)]
        else:
            first, count = self._gap
            self._queue = [Reception(heard[:, :first]), Reception(heard[:, first + count :], dropped=count)]

    def receive(self) -> Reception | None:
        """What was heard."""
        return self._queue.pop(0) if self._queue else None

    def status(self) -> Status:
        """The loopback's."""
        return self._radio.status()


def link_of(scene: Scene, codec: str) -> LinkConfig:
    """The configuration of a scene's transmitter or receiver."""
    channel = {
        "name": "chain",
        "cfo_range_hz": 1e3,
        "phase_range_rad": 3.1415927,
        "lead_samples": 700,
        "tail_samples": 900,
        "delay_samples": 0.5,
        "delay_range_samples": 0.5,
        "rx_level_dbfs": -15.0,
        "adc_bits": 12,
        **scene.channel,
    }
    return parse_link(
        {
            "codec": {"name": "dsc_jscc", "variant": codec},
            "waveform": {"name": "ofdm", "payload_ofdm_symbols": 16},
            "channel": channel,
            "radios": {
                "tx": {
                    "name": "loopback",
                    "sample_rate_hz": RATE_HZ,
                    "antennas": channel.get("antennas", 1),
                    "seed": sum(scene.name.encode()),
                }
            },
        }
    )


def sent_signal(scene: Scene) -> tuple[Tensor, list[LogLine]]:
    """Samples of all pictures, and the transmitter's log."""
    collector = Collector()
    end = SendingEnd(build_parts(link_of(scene, scene.codec)), collector, nonce=NONCE)
    lines = []
    for index, name in enumerate(scene.photos):
        end.send(read_source(sample_path(name), MAX_SIDE), more=index + 1 < len(scene.photos))
        assert end.last_line is not None
        lines.append(end.last_line.model_copy(update={"time": "2026-01-01T00:00:00.000+00:00"}))
    return scene.cut(torch.cat(collector.samples)), lines


def make(scene: Scene) -> None:
    """Write one recording."""
    config = link_of(scene, "60-E2D2")
    parts = build_parts(config)
    radio = Gapped(make_radio(parts, "tx"), scene.gap)
    signal, lines = sent_signal(scene)
    with Listener(parts, radio, record=FOLDER / scene.name, force=True, transmits_here=True) as listener:
        radio.transmit(signal)
        for line in lines:
            listener.note(line)
        for _ in listener.pictures():
            pass
        listener.rest()


def entry(scene: Scene, got: Measured) -> dict[str, Any]:
    """What the index says of a recording."""
    means = {
        key: {"value": round(value, 2), "tolerance": TOLERANCES[key]}
        for key, value in got.means.items()
        if value is not None
    }
    return {
        "file": scene.name,
        "what": scene.what,
        **got.counts,
        "refusals": list(got.refusals),
        **means,
    }


def main() -> None:
    """Make what is missing, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--again", action="store_true", help="make them all anew, and the index")
    again = parser.parse_args().again
    for scene in SCENES:
        if again or not (FOLDER / f"{scene.name}.sigmf-meta").exists():
            make(scene)
    entries = [entry(scene, measure(FOLDER / f"{scene.name}.sigmf-meta")) for scene in SCENES]
    for one in entries:
        sys.stdout.write(f"{one}\n")
    if again or not (FOLDER / INDEX).exists():
        text = "# Made by make_captures.py: what each recording must decode to.\n\n"
        (FOLDER / INDEX).write_text(text + tomli_w.dumps({"capture": entries}), encoding="utf-8")


if __name__ == "__main__":
    main()
