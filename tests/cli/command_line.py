"""How the tests run a command that must fail, and read what one has measured."""

import json
from pathlib import Path

from sdrjscc.cli.main import main


def results(out):
    return json.loads((Path(out) / "results.json").read_text())["transmissions"]


def fails(capsys, code, *arguments):
    """Run a command that must fail; the one sentence it says."""
    capsys.readouterr()
    assert main([str(one) for one in arguments]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert printed.err.count("error:") == 1, printed.err
    return " ".join(printed.err.split())
