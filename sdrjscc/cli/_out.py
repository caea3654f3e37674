"""Where a command writes: asked about before anything is computed."""

import os
import tempfile
from pathlib import Path

from sdrjscc.errors import ConfigError


def check_out(out: Path) -> None:
    """Check that the folder can be made and written, by trying; nothing of the attempt is left.

    Raises:
        ConfigError: it cannot.
    """
    whole = out.absolute()
    existing = next(path for path in (whole, *whole.parents) if os.path.lexists(path))
    try:  # permissions alone do not tell: to root, the kernel's own file systems look writable
        with tempfile.TemporaryDirectory(dir=existing, prefix=".sdrjscc-") as probe:
            (Path(probe) / whole.relative_to(existing)).mkdir(parents=True, exist_ok=True)
    except OSError:
        raise ConfigError(f"--out must be a folder that can be written (got {out})") from None
