"""``sdrjscc``: the command line. Each command parses, calls the library, reports."""

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from sdrjscc.cli import (
    channel,
    demo,
    evaluate,
    export,
    grc,
    link,
    listing,
    prune,
    radio,
    record,
    replay,
    rx,
    train,
    tx,
)
from sdrjscc.cli._console import console, fail
from sdrjscc.errors import SdrJsccError

app = typer.Typer(
    name="sdrjscc",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("link")(link.link)
app.command("tx")(tx.tx)
app.command("rx")(rx.rx)
app.command("channel")(channel.channel)
app.command("record")(record.record)
app.command("replay")(replay.replay)
app.add_typer(radio.app, name="radio")
app.command("train")(train.train)
app.command("prune")(prune.prune)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.add_typer(grc.app, name="grc")
app.command("list")(listing.list_)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"sdrjscc {version('sdrjscc')}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Joint source-channel coding over software-defined radio."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; ``None``: those of the process.

    Returns:
        0; 2 for input that is not valid; 3 for a radio that failed; 4 if none of the pictures sent
        was received; 130 after Ctrl-C.
    """
    try:
        app(None if argv is None else list(argv), prog_name="sdrjscc")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except SdrJsccError as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except OSError as error:
        return fail(f"{error.filename or 'file system'}: {error.strerror or error}", 2)
    return 0


def run() -> None:
    """Entry point of the installed program; what a terminal cannot show becomes a question mark."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was done is kept, radios stop
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish
            signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(main())
