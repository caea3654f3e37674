"""What the papers say that their codecs cost, to stand beside what is counted here.

Sources: "DSC-JSCC", Table III; "Lightweight Low-SNR-Robust Semantic Communication System for
Autonomous Driving", Table II, whose operations no credible strides reproduce. The letter on LICRnet
gives megabytes only, and those not of its parameters; the widths of uJSCC are not known well enough
to hold its figures against ours.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A paper's figures.

    Attributes:
        parameters: as printed, so rounded.
        macs: multiply-accumulates; of ``dsc_jscc``, transposed convolutions at their outputs.
        side_px: of the square picture that ``macs`` are for.
    """

    parameters: int
    macs: int
    side_px: int


def _dsc(parameters_k: float, macs_m: float) -> Published:
    return Published(round(1e3 * parameters_k), round(1e6 * macs_m), 256)


def _ren(parameters_m: float, macs_g: float) -> Published:
    return Published(round(1e6 * parameters_m), round(1e9 * macs_g), 512)


PUBLISHED: dict[tuple[str, str], Published] = {
    ("dsc_jscc", "deep-jscc"): _dsc(143.7, 832.4),
    ("dsc_jscc", "20"): _dsc(136.7, 790.4),
    ("dsc_jscc", "40"): _dsc(101.0, 644.3),
    ("dsc_jscc", "60-E1D1"): _dsc(53.6, 449.5),
    ("dsc_jscc", "60-E2D1"): _dsc(30.9, 369.8),
    ("dsc_jscc", "60-E2D2"): _dsc(25.4, 205.9),
    ("dsc_jscc", "60-E2D3"): _dsc(48.4, 254.1),
    ("dsc_jscc", "60-E1D2"): _dsc(48.0, 285.6),
    ("dsc_jscc", "60-E3D2"): _dsc(31.9, 232.7),
    ("dsc_jscc", "80"): _dsc(18.4, 163.9),
    ("dsc_jscc", "100"): _dsc(12.3, 92.8),
    ("ren2026", "base"): _ren(6.25, 20.24),
    ("ren2026", "gamma-0.2"): _ren(5.36, 19.35),
    ("ren2026", "gamma-0.5"): _ren(4.02, 18.03),
    ("ren2026", "gamma-0.7"): _ren(3.12, 17.14),
    ("ren2026", "gamma-0.9"): _ren(2.24, 16.26),
}
