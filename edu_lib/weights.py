"""Trained weights that ship with the kit: data/weights/NAME.safetensors."""

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "data" / "weights"


def save_weights(
    model: nn.Module, name: str, half: bool = False, folder: Path = WEIGHTS_FOLDER
) -> Path:
    """Write the weights of `model` to `folder`/NAME.safetensors, all or nothing; returns the path.

    half: store floating-point numbers in 16 bits.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if half:
        tensors = {
            key: value.half() if value.is_floating_point() else value
            for key, value in tensors.items()
        }
    path = Path(folder) / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial)
    os.replace(partial, path)
    return path


def load_weights(model: nn.Module, name: str, folder: Path = WEIGHTS_FOLDER) -> nn.Module:
    """Fill `model` with the weights of `folder`/NAME.safetensors; returns it in evaluation mode.

    Raises FileNotFoundError if there is no such file, ValueError if it is damaged or belongs to
    another network.
    """
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in Path(folder).glob("*.safetensors")))
        raise FileNotFoundError(
            f"there are no weights named {name!r}; there are: {known or 'none'}"
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}): restore it from the repository") from error
    own = model.state_dict()
    wrong = sorted(own.keys() ^ tensors.keys())
    wrong += [key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape]
    if wrong:
        raise ValueError(f"{path.name} does not fit {type(model).__name__}: see {wrong[0]}")
    model.load_state_dict({key: value.to(own[key].dtype) for key, value in tensors.items()})
    model.eval()
    return model
