"""What all commands share: where they print, and how they fail."""

import sys

from rich.console import Console
from rich.markup import escape

# piped output has no width of its own: numbers must not be cut
console = Console(width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, soft_wrap=True)


def fail(message: str, code: int) -> int:
    """Print an error sentence and return the exit code."""
    printable = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in message)
    errors.print(f"[bold red]error:[/] {escape(printable)}", highlight=False)
    return code
