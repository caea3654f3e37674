"""What Companion says of a flowgraph with one of each of our blocks, unconnected: a program of its own.

usage: companion_blocks.py FOLDER_OF_DESCRIPTIONS CACHE_FILE [SOURCE_OF_THE_LINK]

Prints JSON: ``logged``, what was logged from warnings on; ``said``: messages by block.
"""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

from gnuradio import gr
from gnuradio.grc.core import Constants
from gnuradio.grc.core.platform import Platform

LOADED = ("options.", "variable.", "message.", "stream.")


class Kept(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def new_platform(folder, cache):
    Constants.CACHE_FILE = cache
    parts = (gr.major_version(), gr.api_version(), gr.minor_version())
    platform = Platform(version=gr.version(), version_parts=parts, prefs=gr.prefs())
    nothing = lambda *_: None  # noqa: E731
    platform._docstring_extractor = SimpleNamespace(start=nothing, query=nothing, finish=nothing)
    there = platform._iter_files_in_block_path()
    platform.build_library([*(path for path in there if Path(path).name.startswith(LOADED)), folder])
    return platform


def all_blocks(platform, source):
    """A flowgraph with one of each, and the variables that their defaults name."""
    graph = platform.make_flow_graph()
    graph.options_block.params["id"].set_value("all_blocks")
    rate = graph.new_block("variable")
    rate.params["id"].set_value("samp_rate")
    rate.params["value"].set_value("1e6")
    for key in sorted(key for key in platform.blocks if "sdrjscc" in key):
        block = graph.new_block(key)
        block.params["id"].set_value("link" if key.startswith("variable") else f"a_{key}")
        if key.startswith("variable"):
            block.params["source"].set_value(source)
    return graph


def said(graph):
    """Of blocks and their parameters, not of ports, which are all open."""
    graph.rewrite()
    graph.validate()
    found = {block.name: [] for block in graph.blocks if "sdrjscc" in block.key}
    for element, message in graph.iter_error_messages():
        if not element.is_port:
            block = element if element.is_block else element.parent_block
            found.setdefault(block.name, []).append(message)
    return found


def main(folder, cache, source="loopback"):
    kept = Kept()
    logging.getLogger().addHandler(kept)
    platform = new_platform(folder, cache)
    said_of = said(all_blocks(platform, source))
    print(json.dumps({"logged": kept.lines, "said": said_of}))


if __name__ == "__main__":
    main(*sys.argv[1:])
