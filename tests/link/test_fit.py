"""Codecs and mappings: which fit each other, and what is said of those that do not."""

from itertools import product
from typing import Any

import pytest
import torch
from test_modes import Bytes
from torch import Tensor

from sdrjscc import linkfile, plugins
from sdrjscc.codecs.base import Codec, load_codec
from sdrjscc.errors import ConfigError
from sdrjscc.link.fit import check_fit, codec_name
from sdrjscc.link.parts import build_parts
from sdrjscc.linkfile import load_link, parse_link, with_codec
from sdrjscc.mapping.base import bind, build_mapper, modulation_orders
from sdrjscc.payload import PayloadKind

VARIANTS = [
    (name, variant) for name in plugins.available("codecs") for variant in plugins.variants("codecs", name)
]
BY_LATENT = ["dsc_jscc/60-E2D2", "licrnet/small", "ren2026/gamma-0.9", "ujscc/ujscc", "ujscc/deepjscc-q-me1"]


class Bits(Bytes):
    """As many bits as there are indices."""

    def plan(self, *sizes: int) -> Any:
        return super().plan(*sizes).__class__(16, 16, 64, PayloadKind.BITS)


class TwoModes(Bytes):
    modes = 2


def build_bits(options: dict[str, Any]) -> Bits:
    return Bits()


def build_two_modes(options: dict[str, Any]) -> TwoModes:
    return TwoModes()


def untrained(name: str, variant: str | None = None) -> dict[str, Any]:
    named = {"name": name, "weights": "untrained"}
    return named if variant is None else {**named, "variant": variant}


def fits(codec: Codec, mapping: dict[str, Any]) -> bool:
    try:
        check_fit(codec, build_mapper(mapping), {"name": "dsc_jscc"}, mapping)
    except ConfigError:
        return False
    return True


@torch.inference_mode()
def works(codec: Codec, mapping: dict[str, Any]) -> bool:
    """Whether every mode of the mapper, and of the codec, takes a picture there and back."""
    mapper = bind(build_mapper(mapping), codec)
    modes = len(modulation_orders(mapper)) or getattr(codec, "modes", 1)
    try:
        for mode in range(modes):
            plan = codec.plan(32, 32, mode)
            symbols = mapper.map(codec.encode(torch.rand(1, 3, 32, 32), plan), mode if modes > 1 else 0)
            back: Tensor = mapper.demap(symbols, torch.ones(symbols.shape), mode)
            codec.decode(back, torch.ones(symbols.shape), plan)
    except Exception:
        return False
    return True


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_codec_fits_the_mapping_that_it_is_made_for(name: str, variant: str) -> None:
    table = untrained(name, variant)
    mapping = linkfile.default_mapping(table)
    check_fit(load_codec(name, variant, weights="untrained"), build_mapper(mapping), table, mapping)


@pytest.mark.parametrize(("codec", "mapping"), [*product(BY_LATENT, plugins.available("mapping"))])
def test_what_fits_is_what_works(codec: str, mapping: str) -> None:
    """Of a codec with modes, analog mapping is not asked: it has one mode, whatever the codec's."""
    built = load_codec(*codec.split("/"), weights="untrained")
    if not (hasattr(built, "modes") and not modulation_orders(build_mapper({"name": mapping}))):
        assert fits(built, {"name": mapping}) == works(built, {"name": mapping})


def test_combinations_of_research_are_not_refused() -> None:
    for codec, mapping in (
        ("dsc_jscc/60-E2D2", {"name": "learned"}),
        ("dsc_jscc/60-E2D2", {"name": "vq", "orders": [16, 64], "dimensions": [2, 2]}),
        ("ren2026/gamma-0.9", {"name": "analog_real"}),
        ("ren2026/gamma-0.9", {"name": "vq", "orders": [4], "dimensions": [1]}),
        ("ujscc/deepjscc-q-me1", {"name": "learned", "orders": [4, 16]}),
        ("ujscc/deepjscc-q-me1", {"name": "analog"}),
    ):
        assert fits(load_codec(*codec.split("/"), weights="untrained"), mapping), (codec, mapping)


@pytest.mark.parametrize(
    ("codec", "mapping", "sentence"),
    [
        (
            untrained("ujscc"),
            "analog",
            "codec ujscc/ujscc needs the mapping vq "
            "(got analog: it takes 2 values a symbol, the codec gives 4 in mode 1)",
        ),
        (
            untrained("dsc_jscc"),
            "qam",
            "codec dsc_jscc/60-E2D2 needs the mapping analog "
            "(got qam: it takes indices of points, the codec gives real values)",
        ),
        (
            untrained("ren2026"),
            "analog",
            "codec ren2026/base needs the mapping uniform_qam "
            "(got analog: it takes 2 values a symbol, the codec gives 1)",
        ),
        (
            {"name": "test_fit:build_bits"},
            "qam",
            "codec test_fit:build_bits and mapping qam must fit each other "
            "(it takes indices of points, the codec gives bits)",
        ),
        (
            {"name": "test_fit:build_two_modes"},
            "qam",
            "codec test_fit:build_two_modes and mapping qam must fit each other "
            "(it has 6 modes, the codec 2)",
        ),
    ],
)
def test_misfits_are_refused_at_the_start(codec: dict[str, Any], mapping: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_parts(parse_link({"codec": codec, "mapping": {"name": mapping}}))
    assert str(caught.value) == sentence


def test_a_codec_that_undoes_an_estimate_is_refused_another() -> None:
    table = {"codec": {"name": "softcast"}, "mapping": {"name": "analog", "demap": "identity"}}
    with pytest.raises(ConfigError) as caught:
        build_parts(parse_link(table))
    assert str(caught.value) == "mapping.demap must be 'lmmse' with codec softcast/graded (got 'identity')"
    build_parts(parse_link({**table, "mapping": {"name": "analog", "demap": "lmmse"}}))


def test_a_name_has_the_variant_where_there_is_one() -> None:
    assert codec_name({"name": "ujscc", "variant": "te"}) == "ujscc/te"
    assert codec_name({"name": "my_codec:build"}) == "my_codec:build"


@pytest.mark.parametrize("name", ["ujscc/", "/te", "", "/"])
def test_half_a_codec_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--codec must be NAME or NAME/VARIANT \(got '{name}'\)$"):
        with_codec(load_link("loopback"), name)


@pytest.mark.parametrize("name", ["ujscc/", "ujscc/te"])
def test_a_variant_is_a_key_of_its_own(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^codec\.name must be without a variant.* \(got '{name}'\)$"):
        parse_link({"codec": {"name": name}})
    with pytest.raises(ConfigError, match=r"^codec\.variant: .*'te'.* \(got ''\)"):
        parse_link({"codec": {"name": "ujscc", "variant": ""}})
