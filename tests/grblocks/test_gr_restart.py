"""Whole flowgraphs start, stop and start again, in a process of its own: one that hangs is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gnuradio.gr")

SCRIPT = Path(__file__).with_name("restart_graph.py")
LIMIT_S = 180
RUNS = 10


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What came of each case, and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("restart")
    command = [sys.executable, str(SCRIPT), str(folder)]
    # with an arena for each thread that ever was, glibc holds on to what was freed
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), folder


def test_ten_starts_leave_neither_threads_nor_memory(outcome):
    found, folder = outcome[0]["running"], outcome[1] / "running"
    assert min(found["heard"]) >= 3 and len(found["heard"]) == RUNS
    assert found["threads"][-1] <= found["threads"][2] + 2  # those of torch and BLAS come and go
    # the buffers of one receiver alone are 2 MB: seven that were kept would be more
    assert found["bytes"][-1] - found["bytes"][2] < 14 << 20
    assert len(list(folder.glob("*.sigmf-meta"))) == RUNS


def test_a_graph_that_ended_runs_again_to_its_end(outcome):
    found = outcome[0]["ending"]
    assert found["heard"] == [2] * RUNS and found["recordings"] == RUNS


def test_a_graph_that_is_stopped_at_once_does_not_hang(outcome):
    assert outcome[0]["at_once"]["threads"] < 40


def test_an_upstream_that_stands_still_does_not_hang_the_graph(outcome):
    assert outcome[0]["halted"] == {"samples": 20_000, "halted": True}


def test_an_upstream_that_ends_within_a_frame_ends_the_graph(outcome):
    assert outcome[0]["ended"]["heard"] == 0
