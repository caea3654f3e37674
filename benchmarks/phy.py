"""Physical layer: header probability, loss, noise-variance calibration and speed of the receiver.

    python benchmarks/phy.py [--quick] [--json FILE] [--scenario full] [--snr-db 10] [--payload 82]

Each frame goes through its own realisation of a scenario; it is scaled to unit mean power before
noise is added. All frames of a point form one stream with one receiver and one radio front end
(the DC offset and IQ image of a radio do not change from frame to frame).

* P(header): frames whose header was decoded, of all sent.
* loss: v is the measured error variance of a symbol relative to its power, per carrier and frame;
  delivered SNR = 1 / mean(v / (1 + v)) - 1 over carriers and received frames; the genie knows
  channel and noise and is measured alike (its v fluctuates with as many symbols).
* calibration: 10 log10 of the mean over frames of mean(abs(error)**2 / reported variance).
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdrjscc.channel.chain import build as build_channel
from sdrjscc.channel.chain import scenario
from sdrjscc.framing.header import Header, encode_headers, warm_up
from sdrjscc.link.receiver import Packet, Receiver
from sdrjscc.waveform.ofdm import Config, Ofdm, build

CENTER_FREQUENCY_HZ = 2.4e9
RATES_HZ = {"awgn": 1e6, "cfo": 1e6, "full": 1e6, "pluto_pair": 2e6}
CLOCK_PPM = {"awgn": 10.0, "cfo": 10.0, "full": 10.0, "pluto_pair": 25.0}
CHUNK = 1 << 18
SENT_AT_ONCE = 100


@dataclass
class Point:
    """One line of the table; see the module's text for what the quantities mean."""

    scenario: str
    payload_ofdm_symbols: int
    antennas: int
    snr_db: float
    sent: int
    headers: int
    loss_db: float
    calibration_db: float
    cfo_rms_hz: float
    sco_rms_ppm: float
    extra_triggers: int
    msps: float


@dataclass
class Frames:
    """A stretch of received signal and the truth about it."""

    samples: Tensor
    payload: Tensor
    cfo_hz: list[float]
    sco_ppm: list[float]
    genie: Tensor


def simulate(waveform: Ofdm, name: str, snr_db: float, antennas: int, count: int, seed: int) -> Frames:
    """Frames through independent realisations, joined into one stream with one front end."""
    generator = torch.Generator().manual_seed(seed)
    rate = RATES_HZ[name]
    config = scenario(name, snr_db).model_copy(update={"antennas": antennas})
    air = build_channel(config.model_copy(update={"iq_image_db": None, "dc_dbc": None}))
    payload = torch.randn(count, waveform.payload_symbols, dtype=torch.complex64, generator=generator)
    headers = [Header(0x3FA1, 7, i % 256, i, count, 0, 0, True, 256, 256) for i in range(count)]
    frames = waveform.modulate(encode_headers(headers), payload)
    pieces, cfo, sco, genie = [], [], [], []
    for frame in frames:
        got = air.realise(
            frame[None],
            sample_rate_hz=rate,
            occupied_bandwidth_hz=waveform.occupied_bandwidth_hz(rate),
            generator=generator,
        )
        pieces.append(got.samples / got.signal_power**0.5)
        cfo.append(got.cfo_hz)
        sco.append(got.sco_ppm)
        gains = got.taps.frequency_response(waveform.payload.frequencies).abs().square() * got.gain**2
        variance = got.noise_var * waveform.payload.occupied_fraction / gains
        genie.append(1 / (1 / variance).sum(0))
    joined = torch.cat(pieces, dim=-1)
    front = build_channel(
        config.__class__(antennas=antennas, iq_image_db=config.iq_image_db, dc_dbc=config.dc_dbc)
    )
    joined = front.realise(
        joined, sample_rate_hz=rate, occupied_bandwidth_hz=rate, generator=torch.Generator().manual_seed(5)
    ).samples
    return Frames(joined, payload, cfo, sco, torch.stack(genie))


def per_carrier(waveform: Ofdm, values: Tensor) -> Tensor:
    """Mean over the OFDM symbols of a frame, ``[C]``, of values of its payload symbols."""
    index = waveform.payload.data_index.flatten()
    total = torch.zeros(waveform.payload.active, dtype=torch.float64).index_add(0, index, values.double())
    return total / torch.bincount(index, minlength=waveform.payload.active)


def measure(name: str, snr_db: float, payload_ofdm_symbols: int, antennas: int, sent: int) -> Point:
    """One point of the table."""
    waveform = build(Config(payload_ofdm_symbols=payload_ofdm_symbols))
    noise = torch.Generator().manual_seed(99)
    receiver = Receiver(
        waveform,
        sample_rate_hz=RATES_HZ[name],
        clock_ppm=CLOCK_PPM[name],
        center_frequency_hz=CENTER_FREQUENCY_HZ,
        antennas=antennas,
    )
    errors, genies, calibration, cfo, sco = [], [], [], [], []
    seconds, samples, headers, done = 0.0, 0, 0, 0
    while done < sent:
        count = min(SENT_AT_ONCE, sent - done)
        frames = simulate(waveform, name, snr_db, antennas, count, seed=1000 + done)
        done += count
        samples += frames.samples.shape[-1]
        begin = time.process_time()
        packets: list[Packet] = []
        for chunk in torch.split(frames.samples, CHUNK, dim=-1):
            packets += receiver.push(chunk)
        packets += receiver.flush()
        seconds += time.process_time() - begin
        headers += len(packets)
        for packet in packets:
            i = packet.header.packet
            error = (packet.symbols - frames.payload[i]).abs().square()
            errors.append(per_carrier(waveform, error))
            calibration.append(float((error / packet.noise_var).mean()))
            counts = torch.bincount(waveform.payload.data_index.flatten()).double()
            wobble = torch._standard_gamma(counts, generator=noise) / counts
            genies.append(frames.genie[i] * wobble)
            cfo.append(packet.cfo_hz - frames.cfo_hz[i])
            sco.append(packet.sco_ppm - frames.sco_ppm[i])
    return Point(
        name,
        payload_ofdm_symbols,
        antennas,
        snr_db,
        sent,
        headers,
        delivered_db(genies) - delivered_db(errors),
        10 * math.log10(sum(calibration) / max(len(calibration), 1)) if calibration else math.nan,
        rms(cfo),
        rms(sco),
        receiver.counters.triggers - sent,
        samples / 1e6 / seconds,
    )


def delivered_db(variances: list[Tensor]) -> float:
    """SNR in dB that symbols of these error variances carry together."""
    if not variances:
        return math.nan
    v = torch.stack(variances)
    return 10 * math.log10(float(1 / (v / (1 + v)).mean() - 1))


def rms(values: list[float]) -> float:
    """Root mean square, nan of nothing."""
    return math.sqrt(sum(v * v for v in values) / len(values)) if values else math.nan


def false_headers(samples: int, antennas: int) -> dict[str, int]:
    """Triggers and headers in white noise, bursts of noise, a tone and foreign chirps."""
    receiver = Receiver(
        build(Config(payload_ofdm_symbols=20)),
        sample_rate_hz=1e6,
        clock_ppm=10.0,
        center_frequency_hz=CENTER_FREQUENCY_HZ,
        antennas=antennas,
    )
    generator = torch.Generator().manual_seed(3)
    count = 0
    for step in range(math.ceil(samples / (1 << 20))):
        signal = torch.randn(antennas, 1 << 20, dtype=torch.complex64, generator=generator)
        time_axis = torch.arange(1 << 20, dtype=torch.float64)
        if step % 4 == 1:
            signal = signal * (1 + 30 * (time_axis % 9000 < 700).float())
        elif step % 4 == 2:
            turns = torch.remainder(0.0137 * time_axis, 1.0) * 2 * math.pi
            signal = signal + 3 * torch.polar(torch.ones_like(turns), turns).to(torch.complex64)
        elif step % 4 == 3:
            turns = torch.remainder((time_axis % 1024) ** 2 / 2560, 1.0) * 2 * math.pi
            signal = signal + torch.polar(torch.ones_like(turns), turns).to(torch.complex64)
        count += len(receiver.push(signal))
    counters = receiver.counters
    return {"samples": samples, "antennas": antennas, "headers": count, "triggers": counters.triggers,
            "preambles": counters.preambles}  # fmt: skip


def main() -> None:
    """Measure the chosen points and print them as they come."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few frames")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--scenario", nargs="+", default=["awgn", "cfo", "full"], choices=sorted(RATES_HZ))
    parser.add_argument("--snr-db", nargs="+", type=float, default=[-8, -5.5, -5, 0, 4, 10, 20, 25])
    parser.add_argument("--payload", nargs="+", type=int, default=[20], help="OFDM symbols: 20, 82, 328")
    parser.add_argument("--antennas", type=int, default=1)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--noise-samples", type=int, default=0, help="also look for false headers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warm_up()
    frames = 40 if options.quick else options.frames
    points = []
    print("scenario    M ant   SNR   P(header)    loss   calib  CFO Hz  SCO ppm  extra  MS/s")
    for name in options.scenario:
        for payload in options.payload:
            for snr_db in options.snr_db:
                p = measure(name, snr_db, payload, options.antennas, frames)
                points.append(asdict(p))
                print(
                    f"{name:10s}{payload:4d}{p.antennas:3d} {snr_db:6.1f}  {p.headers:5d}/{p.sent:<5d}"
                    f"{p.loss_db:8.3f}{p.calibration_db:8.3f}{p.cfo_rms_hz:8.2f}{p.sco_rms_ppm:8.2f}"
                    f"{p.extra_triggers:6d}{p.msps:7.1f}",
                    flush=True,
                )
    noise = [false_headers(options.noise_samples, a) for a in (1, 2)] if options.noise_samples else []
    for row in noise:
        print(row)
    if options.json:
        options.json.write_text(json.dumps({"schema": 1, "points": points, "noise": noise}, indent=1))


if __name__ == "__main__":
    main()
