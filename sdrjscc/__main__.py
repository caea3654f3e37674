"""``python -m sdrjscc``: the command line."""

from sdrjscc.cli.main import run

run()
