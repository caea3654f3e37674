"""GNU Radio Companion: started on our blocks, and its compiler."""

import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

from sdrjscc.bundled import bundled_folder
from sdrjscc.errors import ConfigError, SdrJsccError

BLOCKS_PATH = "GRC_BLOCKS_PATH"
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
_WINDOWS = "on Debian: apt-get install python3-gi-cairo gir1.2-gtk-3.0 gir1.2-pango-1.0"
_MESSAGES_SHOWN = 3


class CompanionError(SdrJsccError):
    """GNU Radio, GTK or a screen is missing."""


def blocks_folder() -> Path:
    """Where the descriptions of our blocks lie."""
    return bundled_folder("flowgraphs") / "blocks"


def require_gnuradio() -> None:
    """See that this interpreter has GNU Radio with its Companion.

    Raises:
        CompanionError: it has not.
    """
    try:
        importlib.import_module("gnuradio.gr")
        importlib.import_module("gnuradio.grc.core.platform")
    except ImportError as error:
        raise CompanionError(
            f"GNU Radio must be installed for {sys.executable} ({error}); on Debian: apt-get install "
            "gnuradio, and a virtual environment of /usr/bin/python3 with --system-site-packages"
        ) from None


def require_windows() -> None:
    """See that Companion can open its windows.

    Raises:
        CompanionError: there is no screen, or no GTK 3 for this interpreter.
    """
    if not has_screen():
        raise CompanionError(
            f"Companion must have a screen ({' and '.join(_SCREENS)} are not set); over ssh: ssh -X; "
            "sdrjscc grc run needs none where the flowgraph has no windows"
        )
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Gtk", "3.0")
        gi.require_version("PangoCairo", "1.0")
        gi.require_foreign("cairo", "Context")
        gtk = importlib.import_module("gi.repository.Gtk")
    except (ImportError, ValueError) as error:
        raise CompanionError(
            f"Companion must have GTK 3 for {sys.executable} ({error}); {_WINDOWS}"
        ) from None
    if not gtk.init_check()[0]:
        names = ", ".join(f"{name}={os.environ[name]}" for name in _SCREENS if os.environ.get(name))
        raise CompanionError(f"Companion must be able to open its screen (got {names})")


def has_screen() -> bool:
    """Whether a display is named in the environment."""
    return any(os.environ.get(name) for name in _SCREENS)


def open_companion(flowgraph: Path | None) -> NoReturn:
    """Become Companion, with our blocks, in the flowgraph's folder, where its files and modules are.

    Raises:
        CompanionError: it cannot start here.
    """
    require_gnuradio()
    require_windows()
    environment = {**os.environ, BLOCKS_PATH: _blocks_path()}
    command = [sys.executable, "-P", "-m", "gnuradio.grc"]
    if flowgraph is not None:
        os.chdir(flowgraph.resolve().parent)
        command.append(str(flowgraph.resolve()))
    os.execve(sys.executable, command, environment)


def compile_flowgraph(source: Path, folder: Path) -> tuple[Path, bool]:
    """Generate a flowgraph's Python program.

    Args:
        source: ``.grc`` file.
        folder: where the program goes.

    Returns:
        The program, and whether it opens windows.

    Raises:
        CompanionError: there is no GNU Radio.
        ConfigError: it is no flowgraph, or not a valid one; the sentence has Companion's own messages.
    """
    require_gnuradio()
    with _quiet():
        graph = _load(source)
        problems = _problems(graph)
        if problems:
            shown = "; ".join(problems[:_MESSAGES_SHOWN])
            more = f" and {len(problems) - _MESSAGES_SHOWN} more" * (len(problems) > _MESSAGES_SHOWN)
            raise ConfigError(f"{source} must be a valid flowgraph (got: {shown}{more})")
        generator = graph.parent_platform.Generator(graph, str(folder))
        generator.write()
    return Path(generator.file_path), graph.get_option("generate_options") == "qt_gui"


def description(source: Path) -> str:
    """The one-line description in a flowgraph's options.

    Raises:
        CompanionError: there is no GNU Radio, whose reader of such files this uses.
    """
    require_gnuradio()
    from gnuradio.grc.core.io import yaml

    options = yaml.safe_load(source.read_text(encoding="utf-8"))["options"]
    return str(options["parameters"].get("description", ""))


def _blocks_path() -> str:
    """What ``GRC_BLOCKS_PATH`` must be: ours first, unless Companion finds the same files anyhow."""
    from sdrjscc.grblocks.installing import is_installed

    given = os.environ.get(BLOCKS_PATH, "")
    if is_installed():  # it would warn of every block that it finds twice
        return given
    return os.pathsep.join([str(blocks_folder()), given]) if given else str(blocks_folder())


def _load(source: Path) -> Any:
    """Companion's model of a flowgraph."""
    from gnuradio import gr
    from gnuradio.grc.core.platform import Platform

    os.environ[BLOCKS_PATH] = _blocks_path()
    parts = (gr.major_version(), gr.api_version(), gr.minor_version())
    platform = Platform(version=gr.version(), version_parts=parts, prefs=gr.prefs())
    # it would start a process that imports every module to show docstrings, of use in windows only
    platform._docstring_extractor = _NoDocstrings()
    platform.build_library()
    graph = platform.make_flow_graph()
    graph.grc_file_path = str(source.resolve())
    try:
        data = platform.parse_flow_graph(graph.grc_file_path)
        disconnected = graph.import_data(data)
    except OSError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{source} must be a flowgraph of GNU Radio 3.8 or newer (got: {error!r})"
        ) from None
    if disconnected:
        raise ConfigError(
            f"{source} must be a valid flowgraph (got: a connection between ports that are not)"
        )
    graph.rewrite()
    graph.validate()
    return graph


def _problems(graph: Any) -> list[str]:
    """What Companion says of a flowgraph, variables first, as the others depend on them."""
    found = [
        (not getattr(block, "is_variable", False), f"{block.name}: {message.splitlines()[-1]}")
        for element, message in graph.iter_error_messages()
        for block in [getattr(element, "parent_block", None) or element]
    ]
    return list(dict.fromkeys(text for _, text in sorted(found, key=lambda entry: entry[0])))


class _NoDocstrings:
    """In place of Companion's extractor of docstrings."""

    def start(self) -> None:
        """Nothing."""

    def query(self, *_: object) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Companion prints and logs: what matters of it is asked for."""
    from gnuradio.grc.core import Messages

    log = logging.getLogger("gnuradio.grc")
    before, level = list(Messages.MESSENGERS_LIST), log.level
    Messages.MESSENGERS_LIST[:] = []
    log.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        Messages.MESSENGERS_LIST[:] = before
        log.setLevel(level)
