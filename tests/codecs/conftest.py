"""Makes this folder's own codec, ``plain_autoencoder``, importable in every working folder."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_codec_is_importable():
    folder = str(Path(__file__).parent)
    sys.path.append(folder)
    yield
    sys.path.remove(folder)
