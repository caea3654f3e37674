"""Muon: steps of equal size in every direction of a layer's weight matrix.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. The
momentum of a layer's gradient is replaced by the nearest matrix with orthonormal rows, found by
five Newton-Schulz iterations. Convolutional autoencoders learn what has most power (brightness of
blocks) long before detail, whose gradients Adam's steps drown; here both move alike: a separable
Deep-JSCC is after 600 steps where Adam is after 3,000 (``benchmarks/optimizers.py``).

``torch.optim.Muon`` takes matrices only, and computes in bfloat16, which is slow on processors
without it; hence this one. Settled here: a convolution is the matrix of its first dimension
against all others; a depthwise filter is a row of its own, brought to unit length; every step has
a root mean square of 1 before the learning rate, as Adam's has, so that one rate suits both;
matrices of more than 128 rows go in blocks of as many, whose cost grows with the rows and not
with their square; biases and all else that is no weight of a convolution or a linear layer go by Adam.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_ADAM_BETAS, _ADAM_EPSILON = (0.9, 0.999), 1e-8
_ITERATIONS, _QUINTIC = 5, (3.4445, -4.7750, 2.0315)
_MOST_ROWS = 128
_TINY = 1e-12
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def layer_weights(network: nn.Module) -> set[Tensor]:
    """The weights (by identity) that Muon moves as matrices."""
    return {module.weight for module in network.modules() if isinstance(module, _LAYERS)}


class Muon(torch.optim.Optimizer):
    """Muon for matrices, Adam for the rest; a group's ``matrix`` says which."""

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, weight_decay: float = 0.0) -> None:
        """Set up the optimiser.

        Args:
            groups: parameter groups, each with ``matrix``: bool.
            lr: root mean square of a step.
            weight_decay: share of lr by which weights shrink in a step.
        """
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "matrix": False})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Move all parameters that have a gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                weights.mul_(1.0 - group["lr"] * group["weight_decay"])
                change = self._muon(weights) if group["matrix"] else self._adam(weights)
                weights.add_(change, alpha=-group["lr"])

    def _muon(self, weights: Tensor) -> Tensor:
        state, gradient = self.state[weights], weights.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1.0 - _MOMENTUM)
        return equalised(gradient.lerp(state["momentum"], _MOMENTUM))

    def _adam(self, weights: Tensor) -> Tensor:
        state, gradient = self.state[weights], weights.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        first, second = _ADAM_BETAS
        state["step"] += 1
        state["mean"].lerp_(gradient, 1.0 - first)
        state["square"].lerp_(gradient.square(), 1.0 - second)
        mean: Tensor = state["mean"] / (1.0 - first ** float(state["step"]))
        square: Tensor = state["square"] / (1.0 - second ** float(state["step"]))
        return mean / (square.sqrt() + _ADAM_EPSILON)


def equalised(gradient: Tensor) -> Tensor:
    """The gradient with all its singular values made (nearly) equal, of root mean square about 1.

    Args:
        gradient: of a layer's weight, two dimensions or more; a depthwise one ``[C, 1, ...]``.
    """
    rows = gradient.flatten(1)
    if gradient.ndim > 2 and gradient.shape[1] == 1:
        lengths: Tensor = rows.norm(dim=1, keepdim=True)
        return (math.sqrt(rows.shape[1]) * rows / (lengths + _TINY)).view_as(gradient)
    return (_orthogonalised(rows) * math.sqrt(max(rows.shape))).view_as(gradient)


def _orthogonalised(matrix: Tensor) -> Tensor:
    """Newton-Schulz iteration of fifth order; singular values end between 0.7 and 1.2."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    blocks = [_iterated(block) for block in wide.split(_MOST_ROWS)]
    done = torch.cat(blocks)
    return done if matrix.shape[0] <= matrix.shape[1] else done.T


def _iterated(wide: Tensor) -> Tensor:
    a, b, c = _QUINTIC
    wide = wide / (wide.norm() + _TINY)
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide
