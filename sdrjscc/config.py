"""The base of every configuration table: frozen, strict, with errors in the user's words."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sdrjscc import plugins
from sdrjscc.errors import ConfigError, PluginError, SdrJsccError


class Section(BaseModel):
    """One table of a TOML file: frozen, unknown keys refused, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=BaseModel)

_UNION_MEMBERS = frozenset({"float", "int", "str", "bool"})  # pydantic puts these into an error's place


def validate(model: type[SectionT], table: Any, path: str) -> SectionT:
    """Validate ``table`` against ``model``; ``path`` is the table's key in the file.

    Types must match as TOML has them (no numbers in quotes, no ``true`` for 1), which is
    pydantic's strict mode for JSON: arrays may fill tuples there, and strings paths.

    Raises:
        ConfigError: one clause per wrong key, with its path and what was expected.
    """
    try:
        return model.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(model, path, entry) for entry in _causes(error))) from None


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
    if family == "codecs" and "/" in name and ":" not in name:
        raise ConfigError(f"{path}.name must be without a variant, which is a key of its own (got '{name}')")
    plugin = plugins.load(family, name)
    options = {key: value for key, value in table.items() if key != "name"}
    return plugin, options if plugin.config is None else validate(plugin.config, options, path)


def build_plugin(family: str, table: dict[str, Any], path: str) -> Any:
    """Build the object that a plug-in's table (with its ``name``) describes.

    Raises:
        PluginError: a user's own plug-in fails to build, whatever it raised.
        SdrJsccError: as the plug-in's ``build`` says.
    """
    plugin, config = configure(family, table, path)
    try:
        return plugin.build(config)
    except SdrJsccError:
        raise
    except Exception as error:
        if ":" not in plugin.name:
            raise
        raise PluginError(
            f"{path}: plug-in '{plugin.name}' must build (got {type(error).__name__}: {error})"
        ) from error


def _causes(error: ValidationError) -> list[Any]:
    """Without what follows from another: a list whose items are wrong counts as too short as well."""
    entries = error.errors()
    above = {entry["loc"][:depth] for entry in entries for depth in range(len(entry["loc"]))}
    return [entry for entry in entries if entry["type"] != "too_short" or entry["loc"] not in above]


def _sentence(model: type[BaseModel], path: str, entry: Any) -> str:
    places = [str(part) for part in entry["loc"] if part not in _UNION_MEMBERS]
    key = ".".join([path, *places]).strip(".")
    if entry["type"] == "extra_forbidden":
        known = f" (known: {', '.join(model.model_fields)})" if len(places) == 1 else ""
        return f"{key} is not a known key{known}"
    if entry["type"] == "missing":
        return f"{key} is required"
    message = entry["msg"].removeprefix("Value error, ")
    if not key:  # of several tables: what it names is known, and the whole file is too long to show
        return str(message)
    return f"{key}: {message[0].lower()}{message[1:]} (got {entry['input']!r})"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file is missing, unreadable or not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' Notepad writes the mark
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path} must be a readable TOML file (got: {reason})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} must be valid TOML (got: {error})") from None
