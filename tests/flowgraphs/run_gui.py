"""Run a compiled Qt flowgraph for a few pictures, turn its variables, take its picture, end it.

    python run_gui.py COMPILED.py FOLDER --pictures 8 --set snr_db=0 --set snr_db=20

FOLDER gets, for the beginning and after every ``--set``, ``N.png`` (the window), ``N-sent.png`` and
``N-received.png`` (what the two views show, at its own size), and ``report.json``.
"""

import argparse
import importlib.util
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from gnuradio import gr  # before Qt
from PyQt5 import Qt

from sdrjscc.grblocks.ports import add_ports

_DRAWING_MS = 500  # GNU Radio's sinks draw every 100 ms


class Collector(gr.basic_block):
    """Keeps what the probe says."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "Collector", in_sig=None, out_sig=None)
        self.results: list[dict[str, Any]] = []
        add_ports(self, {"results": lambda meta, data: self.results.append(meta)})


class Run:
    """One flowgraph, from setting to setting."""

    def __init__(self, graph: Any, app: Any, arguments: argparse.Namespace) -> None:
        self.graph, self.app, self.folder = graph, app, arguments.folder
        self.pictures, self.settings = arguments.pictures, list(arguments.set)
        self.collector, self.seen, self.report = Collector(), 0, []
        self.picture, self.in_flight = arguments.picture, arguments.in_flight
        self.drawn = Qt.QElapsedTimer()
        graph.msg_connect(graph.probe, "results", self.collector, "results")
        self.timer = Qt.QTimer()
        self.timer.timeout.connect(self.look)

    def begin(self) -> None:
        self.graph.start()
        self.graph.show()
        self.timer.start(20)

    def look(self) -> None:
        """Wait for enough pictures, and for the two views to show the same one."""
        sent, received = self.graph.sent_view.widget, self.graph.received_view.widget
        if len(self.collector.results) < self.seen + self.pictures:
            return
        if not self.drawn.isValid():
            self.drawn.start()
        if self.drawn.elapsed() < _DRAWING_MS or name_of(sent) != name_of(received):
            return
        if self.picture not in name_of(sent):
            return
        self.keep(sent, received)
        self.drawn.invalidate()
        if self.settings:
            name, value = self.settings.pop(0)
            turn(self.graph, name, value)
            self.seen = len(self.collector.results) + self.in_flight
        else:
            self.timer.stop()
            self.end()

    def keep(self, sent: Any, received: Any) -> None:
        stem = str(self.folder / str(len(self.report)))
        place = received.picture_place().translated(received.mapTo(self.graph, Qt.QPoint(0, 0)))
        self.report.append(
            {
                "results": self.collector.results[self.seen :],
                "caption": received.caption,
                "received_place": [place.left(), place.top(), place.width(), place.height()],
                "places": {
                    name: rectangle(self.graph, name)
                    for name in ("spectrum", "constellation")
                    if hasattr(self.graph, name)
                },
            }
        )
        sent.image.save(f"{stem}-sent.png")
        received.image.save(f"{stem}-received.png")
        self.graph.grab().save(f"{stem}.png")

    def end(self) -> None:
        self.graph.stop()
        self.graph.wait()
        (self.folder / "report.json").write_text(json.dumps(self.report))
        self.app.quit()


def turn(graph: Any, name: str, value: Any) -> None:
    """Move a variable's slider, which calls its setter; where it has none, call that."""
    slider = getattr(graph, f"_{name}_win", None)
    if slider is None:
        getattr(graph, f"set_{name}")(value)
    else:
        slider.d_widget.counter.setValue(value)


def name_of(view: Any) -> str:
    return view.caption.split("  ")[0]


def rectangle(graph: Any, name: str) -> list[int]:
    """Where in the window one of GNU Radio's sinks is."""
    widget = getattr(graph, f"_{name}_win")
    corner = widget.mapTo(graph, Qt.QPoint(0, 0))
    return [corner.x(), corner.y(), widget.width(), widget.height()]


def setting(text: str) -> tuple[str, Any]:
    name, value = text.split("=")
    return name, json.loads(value)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("compiled", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--picture", default="", help="wait for this one")
    parser.add_argument("--in-flight", type=int, default=6, help="pictures that left under the old setting")
    parser.add_argument("--limit-s", type=float, default=100)
    parser.add_argument("--set", type=setting, action="append", default=[])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    watchdog = threading.Timer(arguments.limit_s, os._exit, [3])
    watchdog.daemon = True
    watchdog.start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    app = Qt.QApplication(sys.argv[:1])
    spec = importlib.util.spec_from_file_location("compiled", arguments.compiled)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = Run(getattr(module, arguments.compiled.stem)(), app, arguments)
    run.begin()
    return app.exec_()


if __name__ == "__main__":
    sys.exit(main())
