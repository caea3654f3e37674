"""Everything that can go wrong, as one tree: each message is a sentence for the user.

Messages follow one form: *what must hold (got what)*. The command line prints the
message of any :class:`SdrJsccError` without a traceback and exits with its ``exit_code``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class SdrJsccError(Exception):
    """Base of all errors that a user, not a programmer, has to act on."""

    exit_code = 2


class ConfigError(SdrJsccError):
    """A TOML file, preset or parameter is not valid."""


class PluginError(ConfigError):
    """A plug-in named in the configuration cannot be found or loaded."""


class ImageError(SdrJsccError):
    """A picture cannot be read, or cannot be sent."""


class WeightsError(SdrJsccError):
    """Weights are missing or do not fit the network they are loaded into."""


class NotBundled(WeightsError):
    """The package has no weights for a codec; ``needed`` is the sentence without advice."""

    def __init__(self, needed: str, advice: str = "give weights = a file, or 'untrained'") -> None:
        super().__init__(f"{needed}; {advice}")
        self.needed = needed


class FramingError(SdrJsccError):
    """A transmission does not fit into packets and headers."""


class Undecodable(SdrJsccError):
    """What was received cannot be decoded into a picture; it is counted, never fatal.

    ``fallback`` is what may be shown instead, images as ``decode`` returns them, if there is anything.
    """

    def __init__(self, message: str, *, fallback: "Tensor | None" = None) -> None:
        super().__init__(message)
        self.fallback = fallback


class SignalError(SdrJsccError):
    """Samples have the wrong shape or type."""


class RadioError(SdrJsccError):
    """A radio is missing, was lost, or refused a setting."""

    exit_code = 3


class CaptureError(SdrJsccError):
    """A recording cannot be read or written."""


class TrainingError(SdrJsccError):
    """A recipe, data folder or checkpoint cannot be used for training."""
