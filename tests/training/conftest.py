"""Small synthetic pictures to train on."""

from pathlib import Path

import pytest
from training_runs import make_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 pictures, 48 x 40 px."""
    return make_pictures(tmp_path_factory.mktemp("pictures"))
