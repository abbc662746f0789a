"""Trained weights as files of safetensors: data/weights/NAME.safetensors ships with the kit."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from edu_lib.files import DATA_FOLDER, no_data, write_whole
from edu_lib.sizes import fill_

WEIGHTS_FOLDER = DATA_FOLDER / "weights"


def save_weights(
    model: nn.Module, name: str, half: bool = False, folder: str | Path = WEIGHTS_FOLDER
) -> Path:
    """Write the weights of `model` to `folder`/NAME.safetensors, all or nothing; returns the path.

    half: store floating-point numbers in 16 bits, but for tensors with numbers too large for that,
    above 65,504. A tensor that stands in two places is written
    under both names. Raises ValueError if a part keeps something else than tensors in its state,
    PermissionError if the folder is read-only.
    """
    tensors = {}
    for key, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{key!r} is a {type(value).__name__}: weights are tensors alone")
        value = value.detach().cpu().contiguous()
        if half and value.is_floating_point():
            small = value.half()
            # 16 bits end at 65,504: what is larger, as a variance may be, would become infinite
            value = value if small.isinf().any() else small
        tensors[key] = value
    storages: set[int] = set()
    for key, value in tensors.items():
        if value.untyped_storage().data_ptr() in storages:
            tensors[key] = value.clone()  # the format knows no shared memory
        storages.add(value.untyped_storage().data_ptr())
    content = save(tensors)
    return write_whole(
        Path(folder) / f"{name}.safetensors", lambda partial: partial.write_bytes(content)
    )


def load_weights(
    model: nn.Module, name: str, folder: str | Path = WEIGHTS_FOLDER, *, resize: bool = False
) -> nn.Module:
    """Fill `model` with the weights of `folder`/NAME.safetensors; returns it in evaluation mode.

    resize: its layers take the sizes in the file, so that a network as its constructor makes it
    becomes the one with channels pruned away. A network that a technique rewrote (`factor`,
    `separate`, ...) is filled after the same technique.
    Raises FileNotFoundError if there is no such file, ValueError if it is damaged or belongs to
    another network; `model` is then as it was.
    """
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in Path(folder).glob("*.safetensors")))
        if not known:
            raise FileNotFoundError(no_data(path))
        raise FileNotFoundError(f"there are no weights named {name!r}; there are: {known}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}): restore it from the repository") from error
    fill_(model, tensors, path.name, resize)
    return model.eval()
