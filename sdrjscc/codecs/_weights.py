"""Weights in safetensors: stored with the architecture they belong to, refused if it differs.

A bundled file ``weights/<codec>_<variant>.safetensors`` has a card beside it
(``.json``: recipe, data and its terms, steps, date, measured quality).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from sdrjscc.errors import NotBundled, WeightsError
from sdrjscc.files import write_atomic

BUNDLED = Path(__file__).parent / "weights"
UNTRAINED = "untrained"
WEIGHTS_HELP = "'bundled', 'untrained', the name of bundled weights, or a .safetensors file"


def load_weights(module: nn.Module, codec: str, architecture: Mapping[str, Any], source: str) -> str:
    """Load ``source`` into ``module``.

    Args:
        module: the network, built to ``architecture``.
        codec: plug-in name.
        architecture: the codec's configuration without its weights.
        source: ``"bundled"``, ``"untrained"``, the name of bundled weights, or a ``.safetensors``
            file.

    Returns:
        Fingerprint: SHA-256 over names, shapes and values in hex, whatever file they came in;
        ``"untrained"`` without weights.

    Raises:
        WeightsError: no such file, not safetensors, or made for another architecture.
    """
    if source == UNTRAINED:
        return UNTRAINED
    path = _bundled_path(codec, architecture) if source == "bundled" else _named_path(source)
    tensors, stored = _read(path)
    _check_architecture(path, codec, architecture, stored)
    _fill(module, tensors, path)
    return fingerprint(tensors)


def load_own_weights(module: nn.Module, codec: str, source: str) -> None:
    """Load a ``.safetensors`` file that was trained here into a user's own network.

    A file that was not written for ``codec`` (``module:build``) is that codec's own affair.

    Raises:
        WeightsError: no such file, not safetensors, or made for another network.
    """
    path = Path(source)
    if path.suffix == ".safetensors":
        tensors, stored = _read(path)
        if stored.get("codec") == codec:
            _fill(module, tensors, path)


def save_weights(
    module: nn.Module, path: Path, codec: str, architecture: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write the module's state atomically with its architecture in the file's metadata.

    ``half`` stores 16-bit floats; loading converts back to float32.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        key: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for key, value in module.state_dict().items()
    }
    metadata = {"codec": codec, "architecture": json.dumps(dict(architecture), sort_keys=True)}
    write_atomic(path, lambda part: save_file(state, part, metadata))


def bundled_cards() -> list[dict[str, Any]]:
    """Cards of all bundled weights, sorted by file name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(BUNDLED.glob("*.json"))]


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 in hex over names, shapes and values of a module's state."""
    # not of the file: safetensors orders its metadata at random
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(f"{key} {list(tensors[key].shape)}".encode())
        digest.update(tensors[key].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _bundled_path(codec: str, architecture: Mapping[str, Any]) -> Path:
    path = BUNDLED / f"{codec}_{architecture.get('variant', 'default')}.safetensors"
    if not path.exists():
        raise NotBundled(
            f"codec {codec} must have bundled weights for variant {architecture.get('variant')} "
            f"(bundled: {_bundled_names(codec)})"
        )
    return path


def _bundled_names(codec: str = "") -> str:
    """Names of a codec's bundled weights, or of all."""
    start = f"{codec}_" if codec else ""
    return ", ".join(sorted(path.stem for path in BUNDLED.glob(f"{start}*.safetensors"))) or "none"


def _named_path(source: str) -> Path:
    bundled = BUNDLED / f"{source}.safetensors"
    return bundled if source and Path(source).name == source and bundled.exists() else Path(source)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if not path.is_file():
        raise WeightsError(
            f"weights must be {WEIGHTS_HELP} (there is no file {path}; bundled: {_bundled_names()})"
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key).float() for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except OSError as error:
        raise WeightsError(
            f"weights must be a readable file (got {path}: {error.strerror or error})"
        ) from None
    except SafetensorError as error:
        raise WeightsError(f"{path} must be a safetensors file (got: {error})") from None


def _check_architecture(path: Path, codec: str, expected: Mapping[str, Any], stored: dict[str, str]) -> None:
    made_for = stored.get("codec", codec)
    found = _stored_architecture(path, stored, expected)
    wanted = json.loads(json.dumps(dict(expected)))
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if made_for == codec and not differing:
        return
    got = ", ".join(f"{key} = {found.get(key)!r}" for key in differing)
    if made_for != codec:
        got = f"codec = {made_for!r}"
    if made_for != codec or "variant" in differing:
        variant = f"/{found['variant']}" if "architecture" in stored and "variant" in found else ""
        got += f"; they fit sdrjscc link --codec {made_for}{variant}"
    wants = ", ".join(f"{key} = {value!r}" for key, value in wanted.items())
    raise WeightsError(f"weights {path.name} must be made for {codec}, {wants} (got {got})")


def _stored_architecture(path: Path, stored: dict[str, str], default: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(stored["architecture"]) if "architecture" in stored else dict(default)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: the architecture in its metadata must be a JSON object (it is not)")
    return found


def _fill(module: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    own = module.state_dict()
    for key in own.keys() | tensors.keys():
        expected = tuple(own[key].shape) if key in own else None
        got = tuple(tensors[key].shape) if key in tensors else None
        if expected != got:
            raise WeightsError(f"weights {path.name}: tensor {key} must have shape {expected} (got {got})")
        if key in tensors and not bool(tensors[key].isfinite().all()):
            raise WeightsError(f"weights {path.name}: tensor {key} must be finite numbers (it has others)")
    module.load_state_dict(tensors)
