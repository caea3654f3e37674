"""What a training step minimises, and which of the network's parts it moves."""

from fnmatch import fnmatch

import torch
from torch import Tensor, nn

from sdrjscc.channel.base import SymbolChannel
from sdrjscc.codecs.base import Codec
from sdrjscc.errors import TrainingError
from sdrjscc.mapping._adaptation import snr_ranges
from sdrjscc.mapping.base import Mapper, modulation_orders
from sdrjscc.randomness import derived_generator
from sdrjscc.training.losses import LOSSES
from sdrjscc.training.passes import symbol_level
from sdrjscc.training.recipe import Phase, Recipe


class Objective(nn.Module):
    """The loss of a batch as a module, as Fabric wants it for distributed runs.

    Every batch is sent once in each of the phase's modes; the losses add up ("Universal Joint
    Source-Channel Coding", Algorithm 2 with lambda = 1; one SNR a picture is ours).
    """

    def __init__(self, network: nn.Module, mapper: Mapper, channel: SymbolChannel, recipe: Recipe) -> None:
        super().__init__()
        self.network, self._mapper, self._channel, self._recipe = network, mapper, channel, recipe

    def forward(self, images: Tensor, modes: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Loss, a scalar.

        Args:
            images: ``[B, 3, H, W]``.
            modes: header modes to send the batch in.
            generator: of SNR, noise and fading.

        Raises:
            TrainingError: a loss term of the recipe is given neither by codec nor by mapper.
        """
        codec = self.network
        assert isinstance(codec, Codec)
        own = getattr(codec, "loss_terms", None)
        found: dict[str, Tensor] = own() if callable(own) else {}
        loss = self._weighted(found)
        payloads = _Payloads(codec, images)
        for mode in modes:
            low, high = self._range(mode)
            drawn = low + (high - low) * torch.rand(len(images), generator=generator)
            snr_db = drawn.to(images.device)
            link = codec, self._mapper, self._channel
            decoded = symbol_level(*link, images, snr_db, generator, mode=mode, payload=payloads[mode])
            loss = loss + LOSSES[self._recipe.loss](decoded.images, images) + self._weighted(decoded.terms)
            found = found | decoded.terms
        self._check_terms(found)
        return loss

    def _weighted(self, terms: dict[str, Tensor]) -> Tensor:
        weights = self._recipe.terms
        none = torch.zeros((), device=next(self.network.parameters()).device)
        return sum((weights[name] * value for name, value in terms.items() if name in weights), none)

    def _check_terms(self, found: dict[str, Tensor]) -> None:
        if unknown := sorted(set(self._recipe.terms) - set(found)):
            there = ", ".join(sorted(found)) or "none"
            raise TrainingError(
                f"terms must be given by codec or mapping (these give {there}; got {', '.join(unknown)})"
            )

    def _range(self, mode: int) -> tuple[float, float]:
        run = self._recipe.run
        if not run.snr_by_mode:
            return run.snr_db
        return snr_ranges(modulation_orders(self._mapper, self.network), *run.snr_db)[mode]


class _Payloads(dict[int, Tensor]):
    """A batch's payload by mode, encoded once for all modes that the codec encodes alike.

    The encoder's batch norm, too, then follows the batch once a step.
    """

    def __init__(self, codec: Codec, images: Tensor) -> None:
        super().__init__()
        self._codec, self._images = codec, images

    def __missing__(self, mode: int) -> Tensor:
        alike = getattr(self._codec, "encodings", None)
        first: int = mode if alike is None else alike[mode]
        if first == mode:
            height, width = self._images.shape[-2:]
            self[mode] = self._codec.encode(self._images, self._codec.plan(width, height, mode))
        return self[first]


def check_modes(recipe: Recipe, mapper: Mapper, codec: object) -> None:
    """Check that codec and mapper have the modes of every phase.

    Raises:
        TrainingError: a mode is not there, or named twice.
    """
    orders = modulation_orders(mapper, codec)
    there = max(1, len(orders))
    for phase in recipe.run.phases:
        if min(phase.modes) < 0 or max(phase.modes) >= there or len(set(phase.modes)) < len(phase.modes):
            numbered = ", ".join(f"{number}: {order}" for number, order in enumerate(orders)) or "0: analog"
            raise TrainingError(
                f"modes must be different ones of mapping {recipe.mapping['name']} ({numbered}; "
                f"got {list(phase.modes)})"
            )


def check_parts(recipe: Recipe, network: nn.Module) -> None:
    """Check that every pattern of every phase's ``only`` fits a parameter.

    Raises:
        TrainingError: one fits none.
    """
    names = [name for name, _ in network.named_parameters()]
    for pattern in (pattern for phase in recipe.run.phases for pattern in phase.only):
        if not any(fnmatch(name, pattern) for name in names):
            parts = ", ".join(dict.fromkeys(f"{name.partition('.')[0]}.*" for name in names))
            raise TrainingError(f"only must fit parameters of the codec, such as {parts} (got {pattern})")


@torch.no_grad()
def check_terms(recipe: Recipe, objective: "Objective") -> None:
    """Check that codec or mapping give the recipe's loss terms, by sending one small picture.

    The network is left in evaluation mode; its statistics stay as they are.

    Raises:
        TrainingError: a term is given by neither.
    """
    network = objective.network
    assert isinstance(network, Codec)
    side, device = network.multiple, next(network.parameters()).device
    images = torch.full((1, 3, side, side), 0.5, device=device)
    network.eval()
    for phase in recipe.run.phases if recipe.terms else ():
        objective(images, phase.modes, derived_generator("terms"))


def enter(phase: Phase, network: nn.Module) -> None:
    """Put the network into the phase's state: what is trained, and what stays as it is.

    A module all of whose own parameters stay is in evaluation mode: so do its statistics.
    """
    for name, parameter in network.named_parameters():
        trained = not phase.only or any(fnmatch(name, pattern) for pattern in phase.only)
        parameter.requires_grad_(trained)
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
