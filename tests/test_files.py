"""A reader sees the old file or the whole new one."""

import json
import os
import stat

import pytest

from sdrjscc.files import write_atomic, write_json_atomic, write_text_atomic


class Interrupted(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


@pytest.mark.parametrize("failure", [OSError("disk full"), Interrupted()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "results.json"
    path.write_text("old")

    def write(part):
        part.write_text("half of the n")
        raise failure

    with pytest.raises(type(failure)):
        write_atomic(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_appears_only_when_all_is_written(tmp_path):
    path = tmp_path / "new.txt"

    def write(part):
        part.write_text("whole")
        assert not path.exists()
        assert part.parent == path.parent  # the same file system, so that renaming is atomic

    write_atomic(path, write)
    assert path.read_text() == "whole"


def test_folders_are_made_and_files_replaced(tmp_path):
    path = tmp_path / "a" / "b" / "text"
    write_text_atomic(path, "eins ä\n")
    write_text_atomic(path, "zwei\n")
    assert path.read_text(encoding="utf-8") == "zwei\n"


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text_atomic(tmp_path / "f", "")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path, value):
    path = tmp_path / "results.json"
    write_json_atomic(path, {"psnr_db": None, "k": 3})
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(path, {"psnr_db": value})
    assert json.loads(path.read_text()) == {"psnr_db": None, "k": 3}
    assert list(tmp_path.iterdir()) == [path]
