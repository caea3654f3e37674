"""Small synthetic pictures, a small recipe, and a run of it; one thread, as sums depend on it."""

from pathlib import Path

import pytest
import torch
from training_runs import make_pictures


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 pictures, 48 x 40 px."""
    return make_pictures(tmp_path_factory.mktemp("pictures"))
