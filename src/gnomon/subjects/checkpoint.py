"""A checkpoint on disk: where it is, and whether it is whole, before anything is built from it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gnomon.errors import GnomonError

_HUB_ID = re.compile(r"^[\w-][\w.-]*(/[\w.-]+)?$")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken"]
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Checkpoint:
    """A directory with a readable ``config.json`` and whole safetensors files."""

    directory: Path
    name: str
    config: dict[str, Any]


def find_checkpoint(path: str | os.PathLike[str], *, trust_remote_code: bool) -> Checkpoint:
    """The checkpoint in the directory ``path``, or under that name on the Hugging Face hub (or in its cache).

    The network is asked only where ``path`` can be no directory of this machine.

    Raises
    ------
    GnomonError : when there is none, it cannot be fetched, its configuration or index is missing or malformed, its
        weights are pickled, or a file of weights is missing, truncated or corrupt.
    """
    local = Path(path).expanduser()
    if local.is_file():
        raise GnomonError(
            f"{str(path)!r} is {'a pickle' if local.suffix in _PICKLES else 'a file'}, not a checkpoint directory",
            mend="give the directory that holds config.json and model.safetensors",
        )
    if local.is_dir():
        directory, name = local, local.resolve().name
    elif _is_hub_id(str(path)):
        directory, name = _download(str(path), trust_remote_code=trust_remote_code), str(path)
    else:
        raise GnomonError(f"no directory {str(path)!r}", mend="give an existing directory or a hub id")
    config = _read_json(directory / "config.json", "a checkpoint needs one")
    _check_weights(directory)
    return Checkpoint(directory, name, config)


def _is_hub_id(text: str) -> bool:
    parent = Path(text).parent
    return bool(_HUB_ID.match(text)) and (str(parent) == "." or not parent.exists())


def _download(name: str, *, trust_remote_code: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    patterns = [*_WANTED, "*.py"] if trust_remote_code else _WANTED
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise GnomonError(
            f"no directory {name!r}, and it cannot be fetched from the hub ({type(error).__name__})",
            mend="check the spelling and the connection, or give a directory",
        ) from error


def _read_json(path: Path, need: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GnomonError(f"no {path.name} in {str(path.parent)!r}", mend=need) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GnomonError(f"{path} is malformed: {error}", mend="fetch the checkpoint anew") from error
    except OSError as error:
        raise GnomonError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(found, dict):
        raise GnomonError(f"{path} holds no JSON object", mend="fetch the checkpoint anew")
    return found


def _check_weights(directory: Path) -> None:
    names = _weight_files(directory)
    for name in names:
        path = directory / name
        if not path.is_file():
            raise GnomonError(f"{directory / _INDEX} names {name!r}, which is missing", mend="fetch it anew")
        try:
            with safe_open(path, framework="pt"):
                pass  # opening reads the header and compares the sizes it states with that of the file
        except (SafetensorError, OSError) as error:
            raise GnomonError(f"{path} is truncated or corrupt: {error}", mend="fetch the checkpoint anew") from error


def _weight_files(directory: Path) -> list[str]:
    if (directory / "model.safetensors").exists():
        return ["model.safetensors"]
    if (directory / _INDEX).exists():
        places = _read_json(directory / _INDEX, "").get("weight_map")
        if not isinstance(places, dict) or not places:
            raise GnomonError(f"{directory / _INDEX} has no weight_map", mend="fetch the checkpoint anew")
        return sorted({str(p) for p in places.values()})
    pickles = sorted(p.name for p in directory.iterdir() if p.suffix in _PICKLES)
    if pickles:
        raise GnomonError(
            f"{str(directory)!r} holds its weights as a pickle ({pickles[0]}), which can run code when it is read",
            mend="convert it where you trust it: model.save_pretrained(...) writes model.safetensors",
        )
    raise GnomonError(f"no model.safetensors in {str(directory)!r}", mend="give a checkpoint with its weights")
