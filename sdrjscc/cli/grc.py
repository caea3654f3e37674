"""``sdrjscc grc``: GNU Radio Companion with our blocks, and flowgraphs without it."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from sdrjscc.bundled import bundled_files
from sdrjscc.cli._console import console, fail
from sdrjscc.errors import ConfigError

_HELP = """GNU Radio Companion with the blocks of this package.

sdrjscc grc opens it; sdrjscc grc FLOWGRAPH opens a file, or a copy of a bundled flowgraph (--list).
"""


class _OpensByDefault(TyperGroup):
    """A group whose first argument may be a flowgraph in place of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """``grc X`` is ``grc open X`` where there is no command X."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["open", *args])


app = typer.Typer(
    cls=_OpensByDefault,
    help=_HELP,
    invoke_without_command=True,
    subcommand_metavar="[FLOWGRAPH] | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_Source = Annotated[
    str, typer.Argument(help="A .grc file, or the name of a bundled one.", show_default=False)
]


@app.callback()
def grc(
    context: typer.Context,
    list_: Annotated[bool, typer.Option("--list", help="List the package's flowgraphs.")] = False,
) -> None:
    """Open Companion."""
    if list_:
        _list()
        raise typer.Exit
    if context.invoked_subcommand is None:
        from sdrjscc.grblocks.companion import open_companion

        open_companion(None)


@app.command("open")
def open_(flowgraph: _Source) -> None:
    """Open Companion with a flowgraph; the same as sdrjscc grc FLOWGRAPH."""
    from sdrjscc.grblocks.companion import open_companion, require_gnuradio, require_windows

    source = _find(flowgraph)
    require_gnuradio()
    require_windows()
    if source in bundled_files("flowgraphs").values():
        copy = Path(source.name)
        shutil.copyfile(source, copy)
        console.print(f"copied {source.name} into the working folder", highlight=False)
        source = copy
    open_companion(source)


@app.command("run", context_settings={"ignore_unknown_options": True})
def run(
    flowgraph: _Source,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="The flowgraph's own options, as --snr-db 5; its help: -- --help."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder in which it runs, and into which it writes.")] = Path(),
) -> None:
    """Compile a flowgraph and run it here, without Companion; Ctrl-C stops it."""
    from sdrjscc.grblocks.running import run_flowgraph

    source = _find(flowgraph).resolve()
    out.mkdir(parents=True, exist_ok=True)
    if run_flowgraph(source, arguments or [], out) == 0:
        raise typer.Exit(fail("at least one picture must be received (none was)", 4))


@app.command("install")
def install() -> None:
    """Add the blocks to the user's own Companion, and a launcher to the desktop's menu."""
    from sdrjscc.grblocks.installing import install as add

    _say(add(), "nothing to do: blocks and launcher are there")
    console.print(
        "the launcher starts Companion as sdrjscc grc does; another Companion must have sdrjscc on its path",
        highlight=False,
    )


@app.command("uninstall")
def uninstall() -> None:
    """Take away what install added."""
    from sdrjscc.grblocks.installing import uninstall as remove

    _say(remove(), "nothing to do: neither blocks nor launcher are there")


def _say(done: list[str], otherwise: str) -> None:
    for sentence in done or [otherwise]:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _list() -> None:
    from sdrjscc.grblocks.companion import description

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, path in _bundled().items():
        table.add_row(name, description(path))
    console.print(table, highlight=False, markup=False)


def _bundled() -> dict[str, Path]:
    found = bundled_files("flowgraphs", "*.grc")
    return {name.removesuffix(".grc"): path for name, path in found.items()}


def _find(flowgraph: str) -> Path:
    """The file of that name in the working folder, or else the package's.

    Raises:
        ConfigError: there is neither.
    """
    name = flowgraph.removesuffix(".grc")
    for path in (Path(flowgraph), Path(f"{name}.grc")):
        if path.is_file():
            return path
    if name not in _bundled():
        raise ConfigError(
            f"a flowgraph must be a .grc file or one of {', '.join(_bundled())} (got '{flowgraph}')"
        )
    return _bundled()[name]
