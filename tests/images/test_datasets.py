"""Training pictures: what is found, how it is split, and which crops are drawn."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdrjscc.errors import ImageError, TrainingError
from sdrjscc.images.datasets import CropSource, centre_crop, check_sides, find_images, split_by_name
from sdrjscc.images.io import write_png

COUNT = 7


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven pictures of 50 x 40 px: red is the column, green the row, blue the picture."""
    folder = tmp_path_factory.mktemp("pictures")
    columns = torch.arange(50, dtype=torch.uint8).expand(40, 50)
    rows = torch.arange(40, dtype=torch.uint8)[:, None].expand(40, 50)
    for number in range(COUNT):
        blue = torch.full((40, 50), number, dtype=torch.uint8)
        write_png(folder / f"{number}.png", torch.stack([columns, rows, blue]))
    return sorted(folder.iterdir())


def source(
    paths: list[Path], *, min_scale: float = 1.0, seed: int = 3, memory_bytes: int = 1 << 20
) -> CropSource:
    return CropSource(paths, min_scale=min_scale, seed=seed, memory_bytes=memory_bytes)


def numbers(batch: Tensor) -> list[int]:
    return [round(float(crop[2].mean()) * 255) for crop in batch]


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 100), cut=st.integers(0, 6), crop=st.sampled_from([16, 32, 40]))
def test_a_batch_depends_on_seed_and_position_alone(paths, first, cut, crop) -> None:
    """Neither on what was drawn before, nor on how positions are grouped, nor on the cache."""
    whole = source(paths).batch(first, 6, crop)
    other = source(paths, memory_bytes=0)
    parts = [other.batch(first + cut, 6 - cut, crop)] if cut < 6 else []
    parts = ([other.batch(first, cut, crop)] if cut else []) + parts
    assert torch.equal(whole, torch.cat(parts))
    assert whole.shape == (6, 3, crop, crop)


def test_seeds_differ(paths: list[Path]) -> None:
    assert not torch.equal(source(paths, seed=1).batch(0, 8, 16), source(paths, seed=2).batch(0, 8, 16))


def test_every_picture_comes_once_an_epoch_in_changing_order(paths: list[Path]) -> None:
    one = source(paths)
    epochs = [numbers(one.batch(epoch * COUNT, COUNT, 16)) for epoch in range(6)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 3


def test_unscaled_crops_are_windows_of_the_picture_half_of_them_mirrored(paths: list[Path]) -> None:
    crops = (source(paths).batch(0, 200, 24) * 255).round()
    mirrored, tops, lefts = 0, set(), set()
    for crop in crops:
        flipped = bool(crop[0, 0, 0] > crop[0, 0, -1])
        mirrored += flipped
        upright = crop.flip(-1) if flipped else crop
        left, top = int(upright[0, 0, 0]), int(upright[1, 0, 0])
        assert torch.equal(upright[0], (left + torch.arange(24.0)).expand(24, 24))
        assert torch.equal(upright[1], (top + torch.arange(24.0))[:, None].expand(24, 24))
        tops.add(top)
        lefts.add(left)
    # of 200 fair coins 4 sigma are 28; 17 tops and 27 lefts are possible
    assert abs(mirrored - 100) <= 28
    assert (min(tops), max(tops), min(lefts), max(lefts)) == (0, 16, 0, 26)


def test_shrunk_crops_span_more_and_never_more_than_the_picture(paths: list[Path]) -> None:
    crops = source(paths, min_scale=0.25).batch(0, 100, 20) * 255
    spans = (crops[:, 1, -1].mean(-1) - crops[:, 1, 0].mean(-1)) * 20 / 19
    assert 18.0 < float(spans.min()) < 22.0
    assert 36.0 < float(spans.max()) < 41.0
    assert float(crops.min()) >= 0.0
    assert float(crops.max()) <= 50.0


def test_a_crop_as_large_as_the_picture(paths: list[Path]) -> None:
    assert source(paths, min_scale=0.5).batch(0, 3, 40).shape == (3, 3, 40, 40)
    with pytest.raises(ImageError, match=r"at least 41 px a side \(got 50x40: .*\.png\)"):
        source(paths).batch(0, 1, 41)


def test_no_pictures_no_source() -> None:
    with pytest.raises(TrainingError, match="at least one picture"):
        source([])


def test_drawing_leaves_the_global_random_state_alone(paths: list[Path]) -> None:
    before = torch.get_rng_state()
    source(paths).batch(0, 3, 16)
    assert torch.equal(torch.get_rng_state(), before)


def test_split_is_decided_by_each_name_alone() -> None:
    names = [Path(f"anywhere/{number}.png") for number in range(1000)]
    training, validation = split_by_name(names, 0.1)
    assert sorted(training + validation) == sorted(names)
    # of 1,000 draws with probability 0.1, 4 sigma are 38
    assert abs(len(validation) - 100) <= 38
    moved = [Path("elsewhere") / name.name for name in reversed(names[::3])]
    _, again = split_by_name(moved, 0.1)
    assert {path.name for path in again} == {path.name for path in validation} & {p.name for p in moved}


def test_pictures_are_found_in_subfolders_and_excluded_by_pattern(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.JPG", "a/test_1.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path, ["test_*"]) == [tmp_path / "a/c.JPG", tmp_path / "b.png"]
    with pytest.raises(TrainingError, match="removed all 3"):
        find_images(tmp_path, ["*"])
    with pytest.raises(TrainingError, match="must be a folder of pictures"):
        find_images(tmp_path / "b.png")


def test_sides_are_checked_without_decoding(paths: list[Path], tmp_path: Path) -> None:
    check_sides(paths, 40)
    with pytest.raises(TrainingError, match=r"at least 41 px a side \(got 50x40: .*0\.png\)"):
        check_sides(paths, 41)
    cut = tmp_path / "cut.png"
    cut.write_bytes(paths[0].read_bytes()[:60])
    check_sides([cut], 40)
    for content in (b"", b"no picture"):
        cut.write_bytes(content)
        with pytest.raises(TrainingError, match=r"must be readable \(got .*cut\.png"):
            check_sides([cut], 1)


def test_centre_crops_have_sides_that_codecs_take(paths: list[Path]) -> None:
    crop = centre_crop(paths[2], 256) * 255
    assert crop.shape == (3, 32, 48)
    assert (int(crop[0, 0, 0]), int(crop[1, 0, 0]), int(crop[2, 0, 0])) == (1, 4, 2)
    assert centre_crop(paths[0], 20).shape == (3, 16, 16)
    assert centre_crop(paths[0], 256, 20).shape == (3, 40, 40)
    with pytest.raises(ImageError, match=r"at least 64 px a side \(got .*0\.png\)"):
        centre_crop(paths[0], 256, 64)


def test_a_small_folder_still_has_a_picture_for_validation():
    paths = [Path(f"{index}.png") for index in range(5)]
    training, validation = split_by_name(paths, 1e-9)
    assert len(validation) == 1
    assert sorted(training + validation) == paths


def test_patterns_that_take_every_picture_are_named(paths: list[Path]) -> None:
    folder = paths[0].parent
    assert len(find_images(folder, ("[0-5].png",))) == 1
    with pytest.raises(TrainingError) as caught:
        find_images(folder, ("[0-5].png", "*.png"))
    assert str(caught.value) == (
        f"exclude must leave pictures of {folder} ('[0-5].png', '*.png' removed all {COUNT})"
    )
