"""A network as a container describes it: first its shapes without memory, then filled."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edu_lib.deploy.container.registry import NETWORKS
from edu_lib.deploy.container.sizes import Sizes, resize_, sizes_of

# A container may ask for 4 MB of values, and for 8,000 bytes more with each byte that it has.
FREE_VALUES, VALUES_A_BYTE = 1 << 20, 2000
COUNTER = "num_batches_tracked"  # of batch norm; says nothing about what a network computes


def blank_network(network: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network as its constructor makes it, without memory for its values.

    Raises ValueError if it has no such form.
    """
    try:
        return NETWORKS[network].make(arguments)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{network} cannot be built with {dict(arguments)}: {error}") from None


def with_sizes(model: nn.Module, network: str, sizes: Sizes) -> nn.Module:
    """The blank network, its layers now of these sizes. Raises ValueError if it has no such form"""
    if sizes == sizes_of(model):
        return model
    if not NETWORKS[network].on_meta:
        raise ValueError(f"the layers of {network} have one size, as published")
    resize_(model, sizes)
    return model


def check_size(model: nn.Module, num_bytes: int) -> None:
    """Raises ValueError if a file of so many bytes asks for a network out of proportion to it."""
    num_values = sum(each.numel() for each in model.state_dict().values())
    if num_values > FREE_VALUES + VALUES_A_BYTE * num_bytes:
        raise ValueError(f"{num_bytes} bytes ask for {num_values} values, too many to be true")


def check_runs(model: nn.Module, network: str, arguments: Mapping[str, Any]) -> None:
    """Raises ValueError unless the layers of a blank network fit together."""
    device = next(model.parameters()).device
    X = torch.zeros(1, *NETWORKS[network].image(**arguments), device=device)
    try:
        with torch.no_grad():
            model(X)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"the layers of this {network} do not fit together: {error}") from None


def entries(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that are stored, by their names in the state dict, in its order."""
    return {name: each for name, each in model.state_dict().items() if not name.endswith(COUNTER)}


def fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The blank network with these values; returns it."""
    counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(COUNTER)}
    model.load_state_dict({**tensors, **counters}, assign=True)
    return model
