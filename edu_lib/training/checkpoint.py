"""How a training went, epoch by epoch, and its state in one file. Taught in chapter 02."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from edu_lib.files import replacing
from edu_lib.sizes import load_state_


@dataclass
class Epoch:
    """One epoch: its mean loss, its last learning rate, its seconds of training, its validation.

    validation_accuracy: percent, or None where no validation set was given.
    """

    train_loss: float
    lr: float
    seconds: float
    validation_accuracy: float | None = None


@dataclass
class History:
    """The epochs of one training. `seconds` counts training alone, not validation."""

    epochs: list[Epoch] = field(default_factory=list)
    stopped_early: bool = False

    @property
    def seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def train_loss(self) -> list[float]:
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def validation_accuracy(self) -> list[float | None]:
        return [epoch.validation_accuracy for epoch in self.epochs]

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict) -> "History":
        epochs = [Epoch(**epoch) for epoch in content["epochs"]]
        return cls(epochs, content["stopped_early"])

    def __repr__(self) -> str:
        lines = [" epoch  train loss  validation %  seconds"]
        for number, epoch in enumerate(self.epochs, start=1):
            accuracy = epoch.validation_accuracy
            shown = "-" if accuracy is None else f"{accuracy:.2f}"
            row = f"{number:6d}  {epoch.train_loss:10.4f}  {shown:>12}  {epoch.seconds:7.1f}"
            lines.append(row)
        return "\n".join(lines)


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
    content = save(tensors, metadata={key: json.dumps(value) for key, value in texts.items()})
    with replacing(path) as partial:
        partial.write_bytes(content)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict
) -> tuple[dict, History]:
    """Put the state in `path` into `model`, `optimizer` and the generator; return the progress.

    Raises ValueError if the file is damaged, or was made with other settings.
    """
    tensors, texts = _read(path)
    _check_settings(path, texts["settings"], settings)
    load_state_(model, _below(tensors, "model."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below(tensors, "optimizer.").items():
        index, key = name.split(".", maxsplit=1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors["generator"])
    return texts["progress"], History.from_dict(texts["history"])


def _check_settings(path: Path, stored: dict, settings: dict) -> None:
    """Raises ValueError that names what is not as it was."""
    unknown = [key for key in settings if key not in stored]
    if unknown:
        raise ValueError(
            f"{path} does not say with which {', '.join(unknown)} it was made, since an older "
            "version of the kit wrote it: delete it to start anew, or name another checkpoint"
        )
    changed = [key for key in settings if settings[key] != stored[key]]
    if changed:
        raise ValueError(
            f"{path} was made with another {', '.join(changed)}: delete it to start anew, "
            "or name another checkpoint"
        )


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        with safe_open(path, framework="pt") as file:
            stored = file.metadata() or {}
            if not stored.keys() >= {"progress", "history", "settings"}:
                raise ValueError("it holds no training")
            texts = {key: json.loads(value) for key, value in stored.items()}
            return {key: file.get_tensor(key) for key in file.keys()}, texts  # noqa: SIM118
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}): delete it to start anew") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
