"""Soundings: channels measured packet by packet, and the safetensors file that holds them.

Tensors of the file, N soundings of A antennas and K taps:

* ``impulse_response``: float32 ``[N, A, K, 2]``, real and imaginary parts, taps one sample apart;
* ``snr_db``, ``cfo_hz``, ``sco_ppm``, ``start_s``: float64 ``[N]``.

Metadata: ``format``, ``version``, ``sample_rate_hz``, ``occupied_share`` and, in words,
``normalisation``.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sdrjscc.errors import ConfigError
from sdrjscc.files import write_atomic

FORMAT = "sdrjscc soundings"
VERSION = "1"
_NORMALISATION = "mean power of the response over the occupied share, antennas and a recording's soundings: 1"
_SERIES = ("snr_db", "cfo_hz", "sco_ppm", "start_s")
_POINTS = 128
_WIDEST_DB = 300.0


@dataclass(frozen=True)
class SoundingSet:
    """N channels of A antennas.

    Attributes:
        impulse_response: complex64 ``[N, A, K]``, taps one sample apart; the mean power of the
            responses is 1 over the occupied share of the band.
        snr_db: float64 ``[N]``, SNR per complex symbol on an active carrier, mean over carriers
            and antennas, of this sounding with its fade.
        cfo_hz, sco_ppm: float64 ``[N]``, carrier and clock offset, transmitter minus receiver.
        start_s: float64 ``[N]``, time in its recording.
        sample_rate_hz: at which the taps are one sample apart.
        occupied_share: of that, about DC, where the channel was observed for certain.
    """

    impulse_response: Tensor
    snr_db: Tensor
    cfo_hz: Tensor
    sco_ppm: Tensor
    start_s: Tensor
    sample_rate_hz: float
    occupied_share: float

    def __len__(self) -> int:
        return len(self.impulse_response)

    @property
    def antennas(self) -> int:
        """Receive antennas."""
        return self.impulse_response.shape[1]


def mean_power(impulse_response: Tensor, occupied_share: float) -> Tensor:
    """Mean power of the response over the occupied band.

    Args:
        impulse_response: complex64 ``[..., K]``, taps one sample apart.
        occupied_share: width of the band in cycles per sample, about DC.

    Returns:
        float64 ``[...]``.
    """
    taps = torch.arange(impulse_response.shape[-1], dtype=torch.float64)
    alike = torch.sinc(occupied_share * (taps[:, None] - taps)).to(torch.complex128)
    wide = impulse_response.to(torch.complex128)
    return ((wide @ alike) * wide.conj()).sum(-1).real


def power_over_band(impulse_response: Tensor, occupied_share: float) -> Tensor:
    """Power of the response at 128 equally spaced frequencies of the occupied band.

    Args:
        impulse_response: see :func:`mean_power`.
        occupied_share: see there.

    Returns:
        float32 ``[..., 128]``, from the lowest frequency to the highest.
    """
    frequencies = ((torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS - 0.5) * occupied_share
    turns = -2.0 * math.pi * torch.arange(impulse_response.shape[-1]).outer(frequencies)
    steering = torch.polar(torch.ones_like(turns), turns).to(impulse_response.dtype)
    return torch.view_as_real(impulse_response @ steering).square().sum(-1)


def save(soundings: SoundingSet, path: Path) -> None:
    """Write soundings, whole or not at all.

    Raises:
        OSError: from the file system.
    """
    # copies: safetensors refuses tensors that share memory
    tensors = {name: getattr(soundings, name).to(torch.float64, copy=True) for name in _SERIES}
    tensors["impulse_response"] = torch.view_as_real(soundings.impulse_response).contiguous()
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "sample_rate_hz": repr(soundings.sample_rate_hz),
        "occupied_share": repr(soundings.occupied_share),
        "normalisation": _NORMALISATION,
    }
    write_atomic(path, lambda part: save_file(tensors, part, metadata))


def load(path: Path) -> SoundingSet:
    """Read what :func:`save` wrote.

    Raises:
        ConfigError: no such file, not soundings, of another version, or with values that cannot be.
    """
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise ConfigError(f"{path} must hold soundings (got a safetensors file of something else)")
    if metadata.get("version") != VERSION:
        raise ConfigError(f"{path} must be of version {VERSION} (got {metadata.get('version')})")
    _check_tensors(path, tensors)
    sample_rate_hz = _number(path, metadata, "sample_rate_hz", math.inf)
    occupied_share = _number(path, metadata, "occupied_share", 1.0)
    return SoundingSet(
        torch.view_as_complex(tensors["impulse_response"]),
        snr_db=tensors["snr_db"],
        cfo_hz=tensors["cfo_hz"],
        sco_ppm=tensors["sco_ppm"],
        start_s=tensors["start_s"],
        sample_rate_hz=sample_rate_hz,
        occupied_share=occupied_share,
    )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise ConfigError(f"{path} must be a file of soundings (there is none; sdrjscc replay writes them)")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise ConfigError(f"{path} must be readable (got: {error.strerror or error})") from None
    except SafetensorError as error:
        raise ConfigError(f"{path} must be a safetensors file (got: {error})") from None


def _check_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    found = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in tensors.items()}
    kind, shape = found.pop("impulse_response", (None, []))
    if kind != torch.float32 or len(shape) != 4 or shape[-1] != 2 or 0 in shape:
        raise ConfigError(f"{path}: impulse_response must be float32 [N, A, K, 2] (got {kind} {shape})")
    expected = dict.fromkeys(_SERIES, (torch.float64, shape[:1]))
    if found != expected:
        raise ConfigError(f"{path}: {', '.join(_SERIES)} must be float64 {shape[:1]} each (got {found})")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ConfigError(f"{path}: all values must be finite numbers (it has others)")
    if not bool(tensors["impulse_response"].flatten(1).any(1).all()):
        raise ConfigError(f"{path}: every impulse response must have a tap that is not 0 (it has others)")
    if (highest := float(tensors["snr_db"].abs().max())) > _WIDEST_DB:
        raise ConfigError(f"{path}: snr_db must be within {_WIDEST_DB:g} dB of 0 (got {highest:g})")


def _number(path: Path, metadata: dict[str, str], key: str, most: float) -> float:
    try:
        value = float(metadata.get(key, ""))
    except ValueError:
        value = math.nan
    if not 0.0 < value <= most or math.isinf(value):
        limit = "" if math.isinf(most) else f" and at most {most:g}"
        raise ConfigError(f"{path}: {key} must be a number above 0{limit} (got {metadata.get(key)!r})")
    return value
