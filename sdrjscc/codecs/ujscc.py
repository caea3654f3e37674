"""uJSCC: one network for all modulation orders, and the schemes it is compared with.

```
x ─ conv 5 ─ conv 4 /2 ─ res ─ conv 3 ─ res ─┬─ first D_p filters of conv 3 ─ tanh ─ z_p
                                             p: the order, chosen by the header's mode
z_p ─ first D_p inputs of tconv 3 ─ res ─ tconv 3 ─ res ─ tconv 4 x2 ─ tconv 5 ─ tanh ─ x^
```
BatchNorm follows every convolution, one for each order (switchable) or one for all; one vector
z_p of D_p values is one channel symbol, in the order of positions (source: "Universal Joint
Source-Channel Coding for Modulation-Agnostic Semantic Communication", Tables I and II). Modes 0
to 4 are M = 2, 4, 16, 64 and 256. The codebooks lie in the codec's weights; the mapping ``vq``
uses them. DeepJSCC-Q has none: its mapping is ``learned``, with fixed points.

Settled here, where the paper's text is silent: the channels (``SIZES``); the codeword
dimensions; no bias before a BatchNorm, which would take it away again; images are scaled to
(-1, 1), which is where the last tanh ends; the latent of DeepJSCC-Q is tanh times sqrt(3/2), the
corner of the largest unit-power square QAM, as within (-1, 1) outer points would never be used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sdrjscc.codecs._switchable import Network, Shape
from sdrjscc.codecs._weights import WEIGHTS_HELP, load_weights
from sdrjscc.codecs.base import from_payload, run_tiled, to_payload
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.payload import PayloadKind, Plan

ORDERS = (2, 4, 16, 64, 256)
"""M of each mode."""


@dataclass(frozen=True)
class Scheme:
    """How a scheme serves all orders.

    Attributes:
        networks: one encoder and decoder for all orders, or one for each.
        switchable: a BatchNorm for each order, rather than one for all.
        latent: values a symbol: ``increasing`` with the order, ``common`` to all, or the
            ``pairs`` of DeepJSCC-Q, which has no codebooks.
    """

    networks: Literal["one", "each"] = "one"
    switchable: bool = False
    latent: Literal["increasing", "common", "pairs"] = "increasing"


VARIANTS: dict[str, Scheme] = {
    "ujscc": Scheme(switchable=True),
    "ujscc-shared-bn": Scheme(),
    "me1": Scheme(latent="common"),
    "me2": Scheme(latent="common"),
    "te": Scheme(networks="each"),
    "deepjscc-q-te": Scheme(networks="each", latent="pairs"),
    "deepjscc-q-me1": Scheme(latent="pairs"),
    "deepjscc-q-sbn": Scheme(latent="pairs", switchable=True),
}
"""The paper's schemes. ``me1`` and ``me2`` are one network, trained differently."""

SIZES: dict[str, tuple[tuple[int, int], int]] = {
    "comparison": ((16, 32), 1),
    "paper": ((64, 128), 1),
    "large": ((128, 256), 2),
}
"""Channels (first layer, all others), and the factor of the codeword dimensions."""

SYMBOLS: dict[str, tuple[int, int]] = {"basic": (2, 1), "more": (1, 1), "fewer": (2, 2)}
"""Strides of the second and fourth layer: a symbol for 2x2 px, for each, or for 4x4 px."""

LISTED = tuple({"size": size} for size in SIZES)

_DIMENSIONS, _COMMON_DIMENSION, _PAIR = (2, 4, 8, 12, 16), 16, 2
_REACH = 1.5**0.5
_HALO_PX = 32


class Config(Section):
    """``[codec]`` table: ``name = "ujscc"``."""

    variant: Literal[tuple(VARIANTS)] = "ujscc"  # type: ignore[valid-type]
    size: Literal[tuple(SIZES)] = "comparison"  # type: ignore[valid-type]
    symbols: Literal[tuple(SYMBOLS)] = "basic"  # type: ignore[valid-type]
    weights: str = Field("bundled", description=WEIGHTS_HELP)


def build(config: Config) -> "Ujscc":
    """Build the codec in evaluation mode with its weights loaded.

    Raises:
        WeightsError: there are no bundled weights for it, or the file does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = Ujscc(VARIANTS[config.variant], SIZES[config.size], SYMBOLS[config.symbols])
    architecture = config.model_dump(exclude={"weights"})
    codec.fingerprint = load_weights(codec, "ujscc", architecture, config.weights)
    return codec.eval()


def default_mapping(config: Config) -> str:
    """``vq``, or ``learned`` for DeepJSCC-Q."""
    return "learned" if VARIANTS[config.variant].latent == "pairs" else "vq"


class Ujscc(nn.Module):
    """A codec of five modes, each with as many values a symbol as its scheme says."""

    uses_noise_var = False
    modes = len(ORDERS)

    def __init__(self, scheme: Scheme, size: tuple[tuple[int, int], int], strides: tuple[int, int]) -> None:
        """Build the networks and codebooks with new weights.

        Args:
            scheme: how orders share them.
            size: an entry of ``SIZES``.
            strides: an entry of ``SYMBOLS``.
        """
        super().__init__()
        widths, factor = size
        self.dimensions = _dimensions(scheme, factor)
        paths = [(one,) for one in self.dimensions] if scheme.networks == "each" else [self.dimensions]
        self.networks = nn.ModuleList(
            Network(Shape(widths, strides, path, scheme.switchable)) for path in paths
        )
        sizes = [] if scheme.latent == "pairs" else list(zip(ORDERS, self.dimensions, strict=True))
        self.codebooks = nn.ParameterList(_new_codebook(*shape) for shape in sizes)
        alike = scheme.networks == "one" and not scheme.switchable and scheme.latent != "increasing"
        self.encodings = tuple(0 if alike else mode for mode in range(self.modes))
        self.multiple = strides[0] * strides[1]
        self.fingerprint = ""
        self._reach = _REACH if scheme.latent == "pairs" else 1.0

    @property
    def mapper_tables(self) -> dict[str, Tensor]:
        """``codebook0`` to ``codebook4``, ``[M, D]``; empty for DeepJSCC-Q."""
        return {f"codebook{mode}": codebook for mode, codebook in enumerate(self.codebooks)}

    def plan(self, width: int, height: int, mode: int = 0, prefix: int = 0) -> Plan:
        """See :meth:`Codec.plan`; the number of symbols is the same in every mode.

        Raises:
            ConfigError: there is no such mode, or ``prefix`` is not 0: it has one rate.
        """
        if not 0 <= mode < self.modes or prefix:
            raise ConfigError(
                f"mode must be 0 to {self.modes - 1} and prefix 0 for codec ujscc (got {mode}, {prefix})"
            )
        symbols = (width // self.multiple) * (height // self.multiple)
        return Plan(width, height, symbols, PayloadKind.LATENT, mode, prefix, self.dimensions[mode])

    def encode(self, images: Tensor, plan: Plan) -> Tensor:
        """Encode ``[B, 3, H, W]`` into a latent payload ``[B, k, dimensions[mode]]``."""
        network, path = self._chosen(plan.mode)
        latent = self._run(partial(network.encoder, path=path), images, encoding=True)
        return self._reach * to_payload(latent, self.dimensions[plan.mode])

    def decode(self, payload_hat: Tensor, noise_var: Tensor, plan: Plan) -> Tensor:
        """Decode ``[B, k, dimensions[mode]]`` into images; see :meth:`Codec.decode`."""
        network, path = self._chosen(plan.mode)
        height, width = plan.height // self.multiple, plan.width // self.multiple
        latent = from_payload(payload_hat, self.dimensions[plan.mode], height, width)
        return self._run(partial(network.decoder, path=path), latent, encoding=False)

    def _chosen(self, mode: int) -> tuple[Network, int]:
        """Network and path of a mode."""
        network, path = (self.networks[0], mode) if len(self.networks) == 1 else (self.networks[mode], 0)
        assert isinstance(network, Network)
        return network, path

    def _run(self, network: Callable[[Tensor], Tensor], inputs: Tensor, *, encoding: bool) -> Tensor:
        return run_tiled(network, inputs, halo=_HALO_PX, stride=self.multiple, encoding=encoding)


def _dimensions(scheme: Scheme, factor: int) -> tuple[int, ...]:
    if scheme.latent == "increasing":
        return tuple(factor * dimension for dimension in _DIMENSIONS)
    return (_PAIR if scheme.latent == "pairs" else factor * _COMMON_DIMENSION,) * len(ORDERS)


def _new_codebook(order: int, dimension: int) -> nn.Parameter:
    """Codewords uniform in the latent's range."""
    return nn.Parameter(2.0 * torch.rand(order, dimension) - 1.0)
