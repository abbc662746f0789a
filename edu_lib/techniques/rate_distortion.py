"""Training a network to be a small file: errors and bits in one loss. Taught in chapter 10.

Prune, share, code decides three times, and no step knows of the next. Here each weight is a whole
multiple of a step that is learned, and the loss counts what the multiples will cost. A weight that
is not worth its bits goes to 0; a step that is too fine grows.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edu_lib.layers import check_ordinary, copied
from edu_lib.sizes import load_state_

STEP_DIGITS = 2  # binary digits of a step after the first: 1, 1.25, 1.5 or 1.75 times 2^e


class Rated(NamedTuple):
    """What a RateDistortion network returns in training."""

    outputs: Tensor
    bits: Tensor  # an estimate of what the levels of its weights cost, biases apart; a scalar


class RateDistortion(nn.Module):
    """A network all of whose parameters are levels times a learned step, one step a tensor.

    In training mode the forward returns Rated(outputs, bits), in evaluation mode the outputs.
    model: copied, the argument stays as it is. step_share: the first step, as a share of
    the tensor's root mean square. dead_zone: a weight below (0.5 + dead_zone) steps is 0.
    Raises ValueError for a step_share that is not positive, a dead_zone outside [0, 0.5), or a
    model with norms that keep statistics, which are no parameters (batch norms: fold them first),
    or with masks, shared weights or layers that another technique put in.
    Sources: Esser et al. 2020, "Learned Step Size Quantization", section 2 (the step's gradient);
    Wiedemann et al. 2020, "DeepCABAC", section 3 (rate and distortion in one sum).
    """

    def __init__(self, model: nn.Module, step_share: float = 0.4, dead_zone: float = 0.08):
        super().__init__()
        if step_share <= 0 or not 0 <= dead_zone < 0.5:
            raise ValueError(
                "step_share must be positive and dead_zone in [0, 0.5), "
                f"got {step_share} and {dead_zone}"
            )
        check_ordinary(model)
        for name, part in model.named_modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                raise ValueError(f"{name} is a batch norm: fold it with fold_batch_norm first")
            if isinstance(part, nn.modules.batchnorm._NormBase) and part.running_mean is not None:
                raise ValueError(
                    f"{name} is a {type(part).__name__} with running statistics, which are no "
                    "parameters: build it with track_running_stats=False"
                )
        self.model, self.dead_zone = copied(model), dead_zone
        self.log_steps = nn.ParameterList(
            nn.Parameter(torch.tensor(math.log(_first_step(weight, step_share))))
            for weight in self.model.parameters()
        )

    def forward(self, X: Tensor) -> Tensor | Rated:
        weights, bits = {}, X.new_zeros(())
        for name, weight, step in self._tensors():
            z = weight / step
            # w_hat = step * round(w / step), with the gradient of the identity for the rounding
            weights[name] = step * (z + (self._levels(z) - z).detach())
            if weight.dim() > 1:
                # a level of size z costs about log2(1 + 4 |z|) bits, and 0 next to nothing
                bits = bits + torch.log2(1 + 4 * z.abs()).sum()
        outputs = functional_call(self.model, weights, (X,))
        return Rated(outputs, bits) if self.training else outputs

    @torch.no_grad()
    def levels(self) -> dict[str, tuple[Tensor, Tensor]]:
        """{name of a parameter: (levels int32, step float32 scalar)}: what a file stores."""
        return {
            name: (self._levels(weight / step).to(torch.int32), step)
            for name, weight, step in self._tensors()
        }

    def plain_layer(self) -> nn.Module:
        """A plain copy of the network with the quantized weights in it: `edu_lib.to_plain`'s."""
        model = copied(self.model)
        quantized = {name: levels * step for name, (levels, step) in self.levels().items()}
        load_state_(model, model.state_dict() | quantized)
        return model.train(self.training)

    def _tensors(self):
        for (name, weight), log_step in zip(
            self.model.named_parameters(), self.log_steps, strict=True
        ):
            yield name, weight, few_digits(log_step.exp())

    def _levels(self, z: Tensor) -> Tensor:
        """The nearest whole numbers, with a wider zone about 0."""
        return z.sign() * (z.abs() + 0.5 - self.dead_zone).floor()


def few_digits(step: Tensor, digits: int = STEP_DIGITS) -> Tensor:
    """A positive scalar rounded to so many binary digits after its first, which a file stores
    cheaply; the gradient is that of the identity."""
    mantissa, exponent = torch.frexp(step.detach())
    steps = 2.0 ** (digits + 1)
    rounded = torch.ldexp((mantissa * steps).round() / steps, exponent)
    return step + (rounded - step).detach()


def _first_step(weight: Tensor, step_share: float) -> float:
    """A share of the spread; biases are few and start four times finer."""
    spread = float(weight.detach().square().mean().sqrt()) or 1e-2
    return spread * step_share / (1 if weight.dim() > 1 else 4)
