"""Find and load plug-ins: one file is one plug-in, its file name is its name.

A plug-in is a module with a frozen pydantic ``Config`` and ``build(config)``. Names come
from the files of a family's folder, so listing imports nothing. A name with a colon,
``my_package.my_module:build``, loads a user's own from anywhere Python can import, the
working folder included.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdrjscc.errors import PluginError

FAMILIES = ("codecs", "mapping", "channel", "radio", "waveform")
_NOT_PLUGINS = frozenset({"base"})


@dataclass(frozen=True)
class Plugin:
    """A loaded plug-in.

    Attributes:
        family, name: what it is.
        config: configuration model; ``None``: takes any table.
        build: builder.
        default_mapping: of a codec, the mapping to take where none is named, by configuration;
            ``None``: analog.
    """

    family: str
    name: str
    config: Any | None
    build: Callable[..., Any]
    default_mapping: Callable[[Any], str | dict[str, Any]] | None = None


def available(family: str) -> list[str]:
    """Names of the family's plug-ins, sorted, found without importing any of them."""
    folder = Path(__file__).parent / _checked(family)
    return sorted(
        module.name
        for module in pkgutil.iter_modules([str(folder)])
        if not module.ispkg and not module.name.startswith("_") and module.name not in _NOT_PLUGINS
    )


def load(family: str, name: str) -> Plugin:
    """Load the plug-in ``name`` of ``family``.

    Raises:
        PluginError: no such plug-in, or the user's module does not import or lacks the builder.
    """
    if ":" in name:
        return _load_foreign(_checked(family), name)
    if name not in available(family):
        raise PluginError(
            f"{family} has no plug-in '{name}' (there are: {', '.join(available(family))}; "
            "your own is written package.module:build)"
        )
    module = importlib.import_module(f"sdrjscc.{family}.{name}")
    return Plugin(family, name, module.Config, module.build, getattr(module, "default_mapping", None))


def variants(family: str, name: str) -> list[str]:
    """Published variants that the plug-in's module names in ``VARIANTS``; may be empty."""
    module = importlib.import_module(f"sdrjscc.{_checked(family)}.{name}")
    return list(getattr(module, "VARIANTS", ()))


def listed_options(family: str, name: str) -> list[dict[str, Any]]:
    """Option sets that the plug-in's module wants listed (``LISTED``); one empty set by default."""
    module = importlib.import_module(f"sdrjscc.{_checked(family)}.{name}")
    listed: tuple[dict[str, Any], ...] = getattr(module, "LISTED", ({},))
    return list(listed)


def _load_foreign(family: str, name: str) -> Plugin:
    module_name, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:  # an installed program looks only beside itself
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise PluginError(
            f"module '{module_name}' of plug-in '{name}' must import (got {type(error).__name__}: {error})"
        ) from error
    build = getattr(module, attribute, None)
    if not callable(build):
        raise PluginError(f"module '{module_name}' must have a function '{attribute}' (it has none)")
    default_mapping = getattr(module, "default_mapping", None)
    return Plugin(family, name, getattr(module, "Config", None), build, default_mapping)


def _checked(family: str) -> str:
    if family not in FAMILIES:
        raise PluginError(f"a plug-in family must be one of {', '.join(FAMILIES)} (got '{family}')")
    return family
