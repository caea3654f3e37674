"""Fill the page of a report from its template."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def render_page(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template beside this file. All but the style sheet is escaped: file names are hostile.

    Args:
        template: file name.
        content: what its variables stand for; ``style`` is added.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    style = Markup((_HERE / "report.css").read_text(encoding="utf-8"))
    page = environment.get_template(template).render(style=style, **content)
    # a file name's undecodable bytes cannot be written as UTF-8
    return page.encode("utf-8", "replace").decode("utf-8")


def _number(value: float | int | None, digits: int = 2) -> str:
    """A number as the page shows it, with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")
