"""The bundled photographs are there, of the known size, and need no network."""

import socket

import pytest

from sdrjscc.errors import ImageError
from sdrjscc.images import samples
from sdrjscc.images.samples import read_sample, sample_names, sample_path

SIZES = {
    "astronaut": (512, 512),
    "chelsea": (451, 300),
    "coffee": (600, 400),
    "rocket": (640, 427),
    "motorcycle_left": (741, 500),
    "motorcycle_right": (741, 500),
    "retina": (1411, 1411),
    "hubble_deep_field": (1000, 872),
}


def test_all_samples_without_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("network")

    monkeypatch.setattr(socket, "socket", refuse)
    found = {name: read_sample(name) for name in sample_names()}
    assert {name: (picture.width, picture.height) for name, picture in found.items()} == SIZES
    assert all(picture.name == name and picture.notes == () for name, picture in found.items())
    assert read_sample("retina", max_side=32).pixels.shape == (3, 32, 32)


def test_unknown_and_missing(monkeypatch):
    with pytest.raises(ImageError, match="must be one of astronaut"):
        sample_path("lena")
    monkeypatch.setattr(samples, "find_spec", lambda _: None)
    with pytest.raises(ImageError, match="installed scikit-image"):
        sample_path("coffee")
