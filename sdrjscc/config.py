"""The base of every configuration table: frozen, strict, with errors in the user's words."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sdrjscc import plugins
from sdrjscc.errors import ConfigError


class Section(BaseModel):
    """One table of a TOML file: frozen, unknown keys refused, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=BaseModel)


def validate(model: type[SectionT], table: Any, path: str) -> SectionT:
    """Validate ``table`` against ``model``; ``path`` is the table's key in the file.

    Raises:
        ConfigError: one line per wrong key, with its path and what was expected.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(path, entry) for entry in error.errors())) from None


def configure(family: str, table: dict[str, Any], path: str) -> tuple[plugins.Plugin, Any]:
    """Load the plug-in that ``table["name"]`` names and validate the rest of the table for it.

    Returns:
        The plug-in and its validated configuration (the plain options for a user's own
        plug-in without a ``Config``).

    Raises:
        ConfigError: no name, no such plug-in, or a wrong option.
    """
    name = table.get("name")
    if not isinstance(name, str):
        raise ConfigError(
            f"{path}.name is required (a plug-in of {family}: {', '.join(plugins.available(family))})"
        )
    plugin = plugins.load(family, name)
    options = {key: value for key, value in table.items() if key != "name"}
    return plugin, options if plugin.config is None else validate(plugin.config, options, path)


def build_plugin(family: str, table: dict[str, Any], path: str) -> Any:
    """Build the object that a plug-in's table (with its ``name``) describes."""
    plugin, config = configure(family, table, path)
    return plugin.build(config)


def _sentence(path: str, entry: Any) -> str:
    key = ".".join([path, *map(str, entry["loc"])]).strip(".")
    if entry["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if entry["type"] == "missing":
        return f"{key} is required"
    return f"{key}: {entry['msg'][0].lower()}{entry['msg'][1:]} (got {entry['input']!r})"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file is missing, unreadable or not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path} must be a readable TOML file (got: {reason})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} must be valid TOML (got: {error})") from None
