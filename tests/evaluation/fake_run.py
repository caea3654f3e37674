"""A run that never happened: arrays and numbers shaped like those of a real link."""

import math

import torch

from sdrjscc.evaluation.results import PacketRecord, Run, Signal, Transmission
from sdrjscc.images.io import to_float, to_uint8
from sdrjscc.images.metrics import psnr_db, ssim


def noisy(pixels, generator):
    """A blurred and noisy copy, as a codec might return it."""
    images = to_float(pixels)[None]
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    return to_uint8(blurred + 0.02 * torch.randn(images.shape, generator=generator))[0]


def fake_signal(snr_db, generator, antennas=1, alphabet=None):
    symbols = torch.randn(6000, dtype=torch.complex64, generator=generator)
    if alphabet is not None:
        symbols = alphabet[torch.randint(0, len(alphabet), (6000,), generator=generator)]
    noise_var = torch.full((6000,), 10 ** (-snr_db / 10))
    received = symbols + noise_var.sqrt() * torch.randn(6000, dtype=torch.complex64, generator=generator)
    noise_var[::50] = math.inf
    received[::50] = 0
    grid = torch.zeros(200, 1024, dtype=torch.complex64)
    grid[:, 512 - 208 : 512 + 209] = torch.randn(200, 417, dtype=torch.complex64, generator=generator)
    samples = torch.fft.ifft(torch.fft.ifftshift(grid, dim=-1), norm="ortho").reshape(1, -1) * 0.15
    samples = samples + 0.004 * torch.randn(
        antennas, samples.shape[-1], dtype=torch.complex64, generator=generator
    )
    taps = torch.zeros(antennas, 40, dtype=torch.complex64)
    taps[:, [8, 11, 17, 25]] = torch.tensor([1, 0.5j, -0.2, 0.08 + 0.05j], dtype=torch.complex64)
    taps = taps + 0.003 * torch.randn(antennas, 40, dtype=torch.complex64, generator=generator)
    taps = taps * torch.exp(1j * torch.arange(antennas))[:, None]
    carriers = torch.arange(-26, 27)
    steering = torch.exp(-2j * math.pi * carriers[:, None] * torch.arange(40)[None] / 64)
    return Signal(
        sample_rate_hz=2.0e6,
        occupied_bandwidth_hz=53 / 64 * 1.0e6,
        symbols=received,
        reference=symbols,
        noise_var=noise_var,
        samples=samples,
        impulse_response=taps,
        tap_delays=torch.arange(40.0) - 8,
        frequency_response=taps @ steering.T,
        carriers_hz=carriers * 15_625.0,
    )


def fake_transmission(name, pixels, snr_db=10.0, *, key=1, decoded=True, lost=(), antennas=1, alphabet=None):
    generator = torch.Generator().manual_seed(key)
    received = noisy(pixels, generator) if decoded else None
    total = max(1, pixels.numel() // 24_000)
    packets = [
        PacketRecord(
            index,
            snr_db - 0.3 + 0.2 * float(torch.randn((), generator=generator)),
            snr_db + 0.4 + 0.3 * float(torch.randn((), generator=generator)),
            1234.0 + 8 * float(torch.randn((), generator=generator)),
            11.8,
        )
        for index in range(total)
        if index not in lost
    ]
    rho = 1 / 12
    measured = {
        "psnr_db": psnr_db(pixels, received) if decoded else None,
        "ssim": ssim(pixels, received) if decoded else None,
        "snr_db": snr_db - 0.3,
        "pilot_snr_db": snr_db + 0.4,
        "evm_db": -snr_db + 0.3,
        "cfo_hz": 1234.5,
        "sco_ppm": -11.8,
        "packets_sent": total,
        "packets_received": len(packets),
        "k": int(pixels.numel() * rho),
        "rho": rho,
        "rho_on_air": 1.31 * rho,
        "airtime_s": pixels.numel() * 1.31 * rho / 828_125,
        "encode_ms": 31.2,
        "decode_ms": 41.0,
        "receive_ms": 88.1,
    }
    signal = fake_signal(snr_db, generator, antennas, alphabet)
    return Transmission(name, "dsc_jscc 60-E2D2", pixels, received, measured, snr_db, packets, signal)


def fake_run(transmissions):
    toml = '[codec]\nname = "dsc_jscc"\nvariant = "60-E2D2"\n\n[mapping]\nname = "analog"\n'
    config = {"codec": {"name": "dsc_jscc", "variant": "60-E2D2"}, "mapping": {"name": "analog"}}
    return Run("demo", config, toml, transmissions, "2026-01-31T12:00:00")
