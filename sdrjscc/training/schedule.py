"""Learning rate over the steps of a run."""

import math

from sdrjscc.training.recipe import Optimizer, Run


def schedule(optimizer: Optimizer, step: int, steps: int) -> float:
    """Learning rate at ``step``: linear warm-up, then half a cosine down to ``final_share``."""
    if step < optimizer.warmup_steps:
        return optimizer.learning_rate * (step + 1) / optimizer.warmup_steps
    done = (step - optimizer.warmup_steps) / max(1, steps - optimizer.warmup_steps)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
    return optimizer.learning_rate * (optimizer.final_share + (1.0 - optimizer.final_share) * cosine)


def learning_rate(optimizer: Optimizer, run: Run, step: int) -> float:
    """Learning rate at ``step`` of a run, whose phases may restart the schedule."""
    first, steps = run.stretch(step)
    return schedule(optimizer, step - first, steps)
