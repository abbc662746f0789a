"""The state of a training in one safetensors file, exact to the bit. Taught in chapter 02."""

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from edu_lib.training.history import History


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: dict,
    history: History,
    settings: dict,
) -> None:
    """Write weights, optimizer state, generator state and progress to `path`, all or nothing."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    tensors["generator"] = torch.get_rng_state()
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    texts = {"progress": progress, "history": history.to_dict(), "settings": settings}
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, partial, metadata={key: json.dumps(value) for key, value in texts.items()})
    os.replace(partial, path)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict
) -> tuple[dict, History]:
    """Put the state in `path` into `model`, `optimizer` and the generator; return the progress.

    Raises ValueError if the file is damaged, or was made with other settings.
    """
    tensors, texts = _read(path)
    if texts["settings"] != settings:
        changed = [key for key in settings if settings[key] != texts["settings"].get(key)]
        raise ValueError(
            f"{path} was made with another {', '.join(changed)}: delete it to start anew, "
            "or name another checkpoint"
        )
    model.load_state_dict(_below(tensors, "model."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below(tensors, "optimizer.").items():
        index, key = name.split(".", maxsplit=1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors["generator"])
    return texts["progress"], History.from_dict(texts["history"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        with safe_open(path, framework="pt") as file:
            texts = {key: json.loads(value) for key, value in file.metadata().items()}
            return {key: file.get_tensor(key) for key in file.keys()}, texts  # noqa: SIM118
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to start anew") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
