from pathlib import Path

import pytest

from sdrjscc.bundled import FOLDERS, bundled_files, bundled_folder

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_those_beside_the_package(name):
    assert bundled_folder(name).samefile(ROOT / name)
    assert "README.md" in bundled_files(name)


def test_files_are_named_by_their_path_inside():
    recipes = bundled_files("recipes", "train/*.toml")
    assert "train/dsc_jscc_60-E2D2.toml" in recipes
    assert all(path.is_file() for path in recipes.values())
    assert list(recipes) == sorted(recipes)


def test_other_folders_are_refused():
    with pytest.raises(ValueError, match=r"must be one of captures, .* \(got 'tests'\)"):
        bundled_folder("tests")
