"""One run a folder: a second one is refused, a dead one is not waited for."""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdrjscc.errors import TrainingError
from sdrjscc.training.claim import LOCK, claimed

HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_claim import Rank
from sdrjscc.training.claim import claimed
with claimed(Path(sys.argv[1]), Rank()):
    print("held", flush=True)
    time.sleep(60)
"""


@dataclass
class Rank:
    """What a claim asks of Fabric; ``told`` is what rank zero broadcast."""

    is_global_zero: bool = True
    told: str | None = None

    def broadcast(self, value: str | None) -> str | None:
        return value if self.is_global_zero else self.told


def test_a_second_run_is_refused_and_the_folder_is_free_after(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").touch()
    with claimed(tmp_path, Rank()), pytest.raises(TrainingError) as caught, claimed(tmp_path, Rank()):
        raise AssertionError("two runs at once")
    assert str(caught.value) == (
        f"a folder must hold one run at a time (another process is at work in {tmp_path})"
    )
    with claimed(tmp_path, Rank()):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "checkpoint.pt"]


def test_a_killed_run_frees_its_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(TrainingError, match="one run at a time"), claimed(tmp_path, Rank()):
                pass
        finally:
            process.kill()
    with claimed(tmp_path, Rank()):
        pass


def test_the_ranks_of_one_run_share_the_folder_and_the_refusal(tmp_path: Path) -> None:
    with ExitStack() as held:
        for first in (True, False, False):
            held.enter_context(claimed(tmp_path, Rank(is_global_zero=first)))
    with pytest.raises(TrainingError, match="taken"), claimed(tmp_path, Rank(False, "taken")):
        pass


def test_a_run_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    def refused(folder: Path) -> None:
        with claimed(folder, Rank()):
            raise TrainingError("no such data")

    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(TrainingError, match="no such data"):
            refused(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(TrainingError, match="must be one that can be written"),
        claimed(tmp_path / "file" / "x", Rank()),
    ):
        pass
