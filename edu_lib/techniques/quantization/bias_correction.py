"""What rounding adds on average, taken off the biases. Taught in chapter 09."""

import copy

import torch
from torch import Tensor, fx, nn

from edu_lib.techniques.quantization.folding import fold_batch_norm
from edu_lib.techniques.quantization.layers import QuantizedLayer
from edu_lib.techniques.quantization.static import check_calibration


@torch.no_grad()
def correct_biases(
    quantized: fx.GraphModule, model: nn.Module, calibration: Tensor
) -> fx.GraphModule:
    """A copy of `quantized` whose layers give, on average over the inputs, what `model` gives.

    quantized: what `quantize_static` made of `model` (or of the equalized one: give that then).
    calibration: inputs [N, C, H, W]. Goes from the first layer to the last, so that each sees the
    corrected ones before it. The arguments are not touched.
    Raises ValueError if the two do not have the same layers.
    Source: Nagel et al. 2019, section 4.2 and appendix D (empirical). Taught in chapter 09.
    """
    check_calibration(calibration)
    expected = _mean_outputs(fold_batch_norm(model, calibration), calibration)
    corrected = copy.deepcopy(quantized)
    layers = {n: m for n, m in corrected.named_modules() if isinstance(m, QuantizedLayer)}
    if layers.keys() != expected.keys():
        raise ValueError("the quantized network does not have the layers of the model")

    def correct(name: str):
        def hook(layer: QuantizedLayer, _, output: Tensor) -> Tensor:
            # b' = b - E[y_quantized - y]
            shift = _channel_means(output) - expected[name]
            steps = torch.round(shift / layer.bias_scale).to(torch.int32)
            layer.bias -= steps
            moved = steps * layer.bias_scale
            return output - moved.view(-1, *[1] * (output.dim() - 2))

        return hook

    hooks = [layer.register_forward_hook(correct(name)) for name, layer in layers.items()]
    corrected(calibration)
    for hook in hooks:
        hook.remove()
    return corrected


def _mean_outputs(graph_module: fx.GraphModule, X: Tensor) -> dict[str, Tensor]:
    """The mean output of each channel of each layer."""
    means: dict[str, Tensor] = {}
    for name, layer in graph_module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(
                lambda layer, _, output, name=name: means.update({name: _channel_means(output)})
            )
    graph_module(X)
    return means


def _channel_means(output: Tensor) -> Tensor:
    return output.transpose(0, 1).flatten(1).mean(dim=1)
