"""For all tests: one thread each, as two workers share two cores."""

import torch

torch.set_num_threads(1)
