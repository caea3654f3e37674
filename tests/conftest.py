"""For all tests: one thread each, as two workers share two cores; the same examples every time."""

import torch
from hypothesis import settings

torch.set_num_threads(1)

# what an example takes says more about the machine's other work than about the code
settings.register_profile("sdrjscc", deadline=None, derandomize=True)
settings.load_profile("sdrjscc")
