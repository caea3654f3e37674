"""Weights fit or are refused in one sentence; cards belong to files."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdrjscc.codecs._weights import BUNDLED, bundled_cards, load_weights, save_weights
from sdrjscc.codecs.base import load_codec
from sdrjscc.errors import WeightsError

ARCHITECTURE = {"variant": "60-E2D2", "latent_channels": 8, "output": "linear"}


def untrained(variant="60-E2D2", **options):
    return load_codec("dsc_jscc", variant, weights="untrained", **options)


@pytest.fixture
def saved(tmp_path):
    """A file with weights unlike the untrained ones."""
    codec = untrained()
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.25)
    path = tmp_path / "own.safetensors"
    save_weights(codec, path, "dsc_jscc", ARCHITECTURE)
    return path, codec


def resaved(path, tensors, metadata):
    save_file(tensors, path, metadata)
    return path


def test_saved_weights_come_back(saved):
    path, codec = saved
    loaded = load_codec("dsc_jscc", weights=str(path))
    for key, value in codec.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_fingerprint_is_that_of_the_values_not_of_the_file(saved, tmp_path):
    path, codec = saved
    again = tmp_path / "again.safetensors"
    save_weights(codec, again, "dsc_jscc", ARCHITECTURE)
    first = load_codec("dsc_jscc", weights=str(path)).fingerprint
    assert load_codec("dsc_jscc", weights=str(again)).fingerprint == first
    with torch.no_grad():
        next(codec.parameters()).flatten()[0] += 1.0
    save_weights(codec, again, "dsc_jscc", ARCHITECTURE)
    assert load_codec("dsc_jscc", weights=str(again)).fingerprint != first


def test_half_precision_comes_back_as_float32(saved):
    path, codec = saved
    save_weights(codec, path, "dsc_jscc", ARCHITECTURE, half=True)
    loaded = load_codec("dsc_jscc", weights=str(path))
    for key, value in codec.state_dict().items():
        assert loaded.state_dict()[key].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=2**-11, atol=2**-24)


def test_untrained_has_a_fingerprint_of_its_own(saved):
    assert untrained().fingerprint == "untrained"


def test_a_failed_save_keeps_the_old_file(saved, monkeypatch):
    path, codec = saved
    before = path.read_bytes()

    def fail(state, part, metadata):
        part.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("sdrjscc.codecs._weights.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights(codec, path, "dsc_jscc", ARCHITECTURE)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("variant", "options", "expected"),
    [
        (
            "deep-jscc",
            {},
            r"made for dsc_jscc, variant = 'deep-jscc', .* \(got variant = '60-E2D2'; they fit",
        ),
        ("60-E2D2", {"latent_channels": 6}, r"latent_channels = 6, .* \(got latent_channels = 8\)"),
        ("60-E2D2", {"output": "sigmoid"}, r"output = 'sigmoid' \(got output = 'linear'\)"),
    ],
)
def test_weights_of_another_architecture(saved, variant, options, expected):
    with pytest.raises(WeightsError, match=expected):
        load_codec("dsc_jscc", variant, weights=str(saved[0]), **options)


def test_weights_of_another_codec(saved):
    path, codec = saved
    save_weights(codec, path, "ujscc", ARCHITECTURE)
    with pytest.raises(WeightsError, match=r"must be made for dsc_jscc, .* \(got codec = 'ujscc'; .*--codec"):
        load_codec("dsc_jscc", weights=str(path))


def test_weights_of_another_variant_say_which_codec_they_fit():
    hint = r"\(got variant = '60-E2D2'; they fit sdrjscc link --codec dsc_jscc/60-E2D2\)$"
    with pytest.raises(WeightsError, match=hint):
        load_codec("dsc_jscc", "20", weights="dsc_jscc_60-E2D2")
    hint = r"\(got codec = 'dsc_jscc'; they fit sdrjscc link --codec dsc_jscc/60-E2D2\)$"
    with pytest.raises(WeightsError, match=hint):
        load_codec("ren2026", weights="dsc_jscc_60-E2D2")


def test_weights_that_are_not_there_name_the_bundled_ones():
    with pytest.raises(WeightsError) as caught:
        load_codec("dsc_jscc", weights="nothere")
    assert str(caught.value).count("nothere") == 1
    assert re.search(r"there is no file nothere; bundled: .*dsc_jscc_60-E2D2", str(caught.value))


def test_tensors_that_do_not_fit(saved):
    path, codec = saved
    state = codec.state_dict()
    key = "encoder.0.weight"
    cases = {
        r"encoder\.0\.weight must have shape .* \(got None\)": {k: v for k, v in state.items() if k != key},
        r"encoder\.0\.weight must have shape .*got .*, 7\)": {**state, key: torch.zeros(16, 3, 5, 7)},
        r"extra must have shape None \(got \(2,\)\)": {**state, "extra": torch.zeros(2)},
    }
    for expected, tensors in cases.items():
        resaved(path, {k: v.contiguous() for k, v in tensors.items()}, {"codec": "dsc_jscc"})
        module, before = untrained(), untrained().state_dict()
        with pytest.raises(WeightsError, match=expected):
            load_weights(module, "dsc_jscc", ARCHITECTURE, str(path))
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_file_without_metadata_is_judged_by_its_tensors(saved):
    path, codec = saved
    resaved(path, load_file(path), None)
    loaded = load_codec("dsc_jscc", weights=str(path))
    assert torch.equal(loaded.encoder[0].weight, codec.encoder[0].weight)


@pytest.mark.parametrize("architecture", ["{", "[]", "3"])
def test_hostile_metadata(saved, architecture):
    path, _ = saved
    resaved(path, load_file(path), {"codec": "dsc_jscc", "architecture": architecture})
    with pytest.raises(WeightsError, match="architecture in its metadata must be a JSON object"):
        load_codec("dsc_jscc", weights=str(path))


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_truncated_files(saved, length):
    path, _ = saved
    content = path.read_bytes()
    path.write_bytes(content[:length])
    with pytest.raises(WeightsError, match=re.escape(f"{path} must be a safetensors file")):
        load_codec("dsc_jscc", weights=str(path))


def test_files_that_are_none(tmp_path):
    text = tmp_path / "notes.safetensors"
    text.write_text("these are no weights, and long enough to look like a header")
    for path in (text, tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            load_codec("dsc_jscc", weights=str(path))


def test_variants_without_bundled_weights_say_which_there_are():
    with pytest.raises(
        WeightsError, match=r"bundled weights for variant table1 \(bundled: ren2026_base, .*or 'untrained'"
    ):
        load_codec("ren2026", "table1")  # never to be trained


def test_every_bundled_file_has_a_card_and_loads():
    names = {path.stem for path in BUNDLED.glob("*.safetensors")}
    assert names == {path.stem for path in BUNDLED.glob("*.json")}
    for card in bundled_cards():
        options = {**card["architecture"], "weights": Path(card["file"]).stem}
        codec = load_codec(card["codec"], **options)
        assert sum(p.numel() for p in codec.parameters()) == card["parameters"]
        assert all(value.isfinite().all() for value in codec.state_dict().values())
        content = (BUNDLED / card["file"]).read_bytes()
        assert card["sha256"] == hashlib.sha256(content).hexdigest()
        assert card["terms"]


def test_weights_that_are_no_numbers_are_refused(saved):
    path, codec = saved
    with torch.no_grad():
        next(codec.parameters()).flatten()[0] = float("nan")
    save_weights(codec, path, "dsc_jscc", ARCHITECTURE)
    with pytest.raises(WeightsError, match="finite"):
        load_codec("dsc_jscc", weights=str(path))
