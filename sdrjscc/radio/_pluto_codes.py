"""Samples as the converters of a PlutoSDR have them: whole numbers."""

import torch
from torch import Tensor

_DAC_FULL_SCALE = 2**14
_ADC_FULL_SCALE = 2**11
_HIGHEST_CODE = _ADC_FULL_SCALE - 1


def to_codes(samples: Tensor) -> Tensor:
    """Codes to transmit, whole numbers in complex64 ``[n]``, of samples of full scale 1.0."""
    return torch.view_as_complex((torch.view_as_real(samples) * _DAC_FULL_SCALE).round())


def from_codes(codes: Tensor) -> Tensor:
    """Received samples, complex64 of full scale 1.0, of codes of any shape."""
    return (codes / _ADC_FULL_SCALE).to(torch.complex64)


def saturated_codes(codes: Tensor) -> int:
    """How many received codes, complex ``[..., n]``, are at full scale in I or Q."""
    rails = torch.view_as_real(codes)
    full = (rails >= _HIGHEST_CODE) | (rails <= -_HIGHEST_CODE)
    return int(full.any(dim=-1).sum())
