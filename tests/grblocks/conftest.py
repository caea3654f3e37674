import numpy as np
import pytest
from PIL import Image

SIDES = ((40, 32), (32, 48), (64, 64))  # width, height


@pytest.fixture
def folder(tmp_path):
    """Three noisy pictures, and what is none between them."""
    draws = np.random.default_rng(5)
    for index, (width, height) in enumerate(SIDES):
        pixels = draws.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"picture{index}.png")
    (tmp_path / "picture0b.png").write_bytes(b"no picture")
    return tmp_path
