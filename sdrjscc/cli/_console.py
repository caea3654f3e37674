"""What all commands share: where they print, and how they fail."""

from rich.console import Console
from rich.markup import escape

console = Console()
errors = Console(stderr=True, soft_wrap=True)


def fail(message: str, code: int) -> int:
    """Print an error sentence and return the exit code."""
    errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False)
    return code
