"""A digital codec through the blocks: its picture, and what it shows where that cannot be decoded."""

import logging

import numpy as np
import pytest

pytest.importorskip("gnuradio.gr")

import torch
from gr_rig import through

from sdrjscc.grblocks.jscc_decoder import JsccDecoder
from sdrjscc.grblocks.jscc_encoder import JsccEncoder
from sdrjscc.grblocks.link_variable import open_link
from sdrjscc.grblocks.pdu import picture_data, picture_pixels
from sdrjscc.grblocks.symbol_demapper import SymbolDemapper
from sdrjscc.grblocks.symbol_mapper import SymbolMapper
from sdrjscc.images.samples import read_sample


@pytest.fixture(scope="module")
def sent():
    """Dictionary and symbols of a picture, and the picture."""
    pixels = read_sample("astronaut").pixels[:, 100:356, 100:356]
    parts = open_link("loopback", "separation/avif")
    heard = through(
        ({"width": 256, "height": 256}, picture_data(pixels)),
        (JsccEncoder(parts), "pictures", "payloads"),
        (SymbolMapper(parts), "payloads", "symbols"),
    )
    return *heard, pixels


def received(meta, symbols, noise_var):
    """What comes out of demapper and decoder."""
    parts = open_link("loopback", "separation/avif")
    return through(
        ({**meta, "noise_var": noise_var}, symbols),
        (SymbolDemapper(parts), "transmissions", "payloads"),
        (JsccDecoder(parts), "payloads", "pictures"),
    )


def test_bits_come_through(sent):
    meta, symbols, pixels = sent
    about, data = received(meta, symbols, np.full(len(symbols), 0.01, np.float32))
    error = (picture_pixels(about, data).float() - pixels.float()).square().mean()
    assert 10 * torch.log10(255**2 / error) > 28
    assert "undecodable" not in about


def test_where_too_much_is_lost_its_mean_colour_comes_with_the_reason(sent, caplog):
    meta, symbols, pixels = sent
    noise_var = np.full(len(symbols), 0.01, np.float32)
    noise_var[len(symbols) // 2 :] = np.inf
    with caplog.at_level(logging.WARNING):
        about, data = received(meta, symbols, noise_var)
    assert about["undecodable"] in caplog.text
    shown = picture_pixels(about, data)
    assert len(shown.flatten(1).unique(dim=1).T) == 1
    mean = pixels.float().mean(dim=(1, 2))
    assert (shown[:, 0, 0] - mean).abs().max() < 1
