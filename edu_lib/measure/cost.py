"""What a network costs, counted: parameters, MACs, bytes, memory. Taught in chapter 01.

A MAC is one multiply and one add (two FLOPs). Convolutions and matrix products are counted; what
works element by element (activations, normalisation, pooling, biases) counts 0 MACs by convention.
"""

from dataclasses import dataclass

import torch
from torch import nn

from edu_lib.measure.layer_cost import LayerCost, LayerCounter, tensor_bytes
from edu_lib.measure.memory import LiveTensors
from edu_lib.measure.operations import OperationMacs
from edu_lib.measure.table import align, big


@dataclass(repr=False)
class Cost:
    """Cost of a network for one forward of `input_shape`; its `repr` is the table to read."""

    params: int
    macs: int
    bytes: int  # parameters and buffers, as they lie in memory
    peak_activation_bytes: int
    layers: list[LayerCost]
    input_shape: tuple[int, ...]

    def __repr__(self) -> str:
        rows = [("layer", "kind", "output", "params", "MACs", "share")]
        for layer in self.layers:
            shape = "not run" if layer.output_shape is None else _times(layer.output_shape)
            share = f"{100 * layer.macs / max(self.macs, 1):.1f} %"
            rows.append(
                (layer.name, layer.kind, shape, f"{layer.params:,}", f"{layer.macs:,}", share)
            )
        rows.append(("total", "", "", f"{self.params:,}", f"{self.macs:,}", "100.0 %"))
        return (
            f"{align(rows, left=3)}\n"
            f"One forward of {_times(self.input_shape)}: {big(self.macs)} MACs; "
            f"weights {big(self.bytes)} bytes; "
            f"peak activations {big(self.peak_activation_bytes)} bytes."
        )


def count_cost(model: nn.Module, input_shape: tuple[int, ...]) -> Cost:
    """Counts one forward of `model` in evaluation mode. The model comes back as it was.

    input_shape: with the batch, for example (1, 1, 28, 28). Works on every device, "meta" included.
    A module with a method `count_macs(input, output) -> int` is asked, and its parts are then not
    counted again. A layer called twice counts its MACs twice and its parameters once.
    Raises ValueError if the network does not take an input of that shape.
    """
    reference = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(0))
    X = torch.zeros(input_shape, dtype=reference.dtype, device=reference.device)
    training = {module: module.training for module in model.modules()}
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    count = LayerCounter(model)
    memory = LiveTensors(model, X)
    try:
        model.eval()
        torch.backends.mha.set_fastpath_enabled(False)  # its one fused operation hides the products
        with torch.no_grad(), memory, OperationMacs(count.add_operation):
            model(X)
    except (RuntimeError, IndexError) as error:
        raise ValueError(
            f"{type(model).__name__} does not take an input of shape {tuple(input_shape)}: {error}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        count.remove_hooks()
        for module, was_training in training.items():
            module.training = was_training
    layers = count.finish()
    return Cost(
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
        bytes=tensor_bytes([*model.parameters(), *model.buffers()]),
        peak_activation_bytes=memory.peak_bytes,
        layers=layers,
        input_shape=tuple(input_shape),
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
