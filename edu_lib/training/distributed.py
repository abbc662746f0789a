"""One machine or many: what `fit` asks when it runs under `torchrun`. Taught in chapter 03."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join(device: torch.device) -> tuple[int, int]:
    """(rank, world_size) of this process; joins the group that torchrun describes, once.

    Without torchrun it is (0, 1). The back end is nccl on CUDA and gloo elsewhere.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return dist.get_rank(), dist.get_world_size()


def training_device(device: torch.device | str | None = None) -> torch.device:
    """The device asked for, else this process's accelerator where one is there, else the CPU."""
    if device is not None:
        return torch.device(device)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return torch.device("cpu")
    return torch.device(accelerator.type, int(os.environ.get("LOCAL_RANK", "0")))


def data_parallel(model: nn.Module, world_size: int) -> nn.Module:
    """`model`, or its wrapper that averages the gradients of all processes."""
    return nn.parallel.DistributedDataParallel(model) if world_size > 1 else model


def share_of(indices: Tensor, rank: int, world_size: int) -> tuple[Tensor, float]:
    """This process's part of a batch, and the weight that makes the mean of all parts exact.

    The mean over processes of weight * (mean loss of the part) is the mean loss of the batch.
    """
    part = indices[rank::world_size]
    return part, len(part) * world_size / len(indices)


def agree(decision: bool, world_size: int) -> bool:
    """The decision of process 0, known to all."""
    if world_size == 1:
        return decision
    box = [decision]
    dist.broadcast_object_list(box, src=0)
    return box[0]
