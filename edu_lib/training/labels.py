"""Labels are one tensor, or a dict of tensors where a network has several tasks."""

import torch
from torch import Tensor

Labels = Tensor | dict[str, Tensor]


def num_labels(y: Labels) -> int:
    """How many images the labels are for. Raises ValueError if the tensors of a dict disagree."""
    if isinstance(y, Tensor):
        return len(y)
    lengths = {name: len(labels) for name, labels in y.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"all labels must be for the same images, got lengths {lengths}")
    return next(iter(lengths.values()))


def take(y: Labels, indices: Tensor) -> Labels:
    """The labels at `indices`, in that order."""
    if isinstance(y, Tensor):
        return y[indices]
    return {name: labels[indices] for name, labels in y.items()}


def labels_to(y: Labels, device: torch.device) -> Labels:
    """The labels on `device`."""
    if isinstance(y, Tensor):
        return y.to(device)
    return {name: labels.to(device) for name, labels in y.items()}
