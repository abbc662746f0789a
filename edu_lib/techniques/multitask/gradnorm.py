"""Task weights steered so that all tasks train at a similar pace."""

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from edu_lib.techniques.multitask.tasks import (
    check_losses,
    check_names,
    check_tasks,
    flatten,
    task_gradients,
)

# No weight falls below this: a task with weight 0 would be forgotten. The paper sets no floor.
SMALLEST_WEIGHT = 0.01


class GradNorm:
    """Task weights from gradient norms: a task that lags gets a larger share of the gradient.

    Each step: total = weighted_sum(losses, gradnorm.weights()), then
    gradnorm.update(losses, shared_parameters), then total.backward() and the optimiser's step.
    The weights start at 1 and always sum to the number of tasks.
    tasks: 2 or more names. alpha: at least 0, how hard the paces are pulled together. lr: step of
    the weights; Adam takes it, so that it does not depend on the scale of the losses.
    Raises ValueError for bad names, a negative alpha, or an lr that is not above 0.
    Source: Chen et al. 2018, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep
    Multitask Networks", section 3.2 and algorithm 1. Taught in chapter 12.
    """

    def __init__(self, tasks: Iterable[str], alpha: float = 1.5, lr: float = 0.025) -> None:
        self.tasks = check_tasks(tasks, at_least=2)
        if not 0 <= alpha < math.inf:
            raise ValueError(f"alpha must be 0 or more, got {alpha}")
        if not 0 < lr < math.inf:
            raise ValueError(f"lr must be above 0, got {lr}")
        self.alpha = alpha
        self._weights = torch.ones(len(self.tasks), requires_grad=True)
        self._optimizer = torch.optim.Adam([self._weights], lr=lr)
        self._initial_losses: Tensor | None = None

    def weights(self) -> dict[str, float]:
        """{task: its present weight}; the weights sum to the number of tasks."""
        return dict(zip(self.tasks, self._weights.tolist(), strict=True))

    def update(
        self, losses: dict[str, Tensor], shared_parameters: Iterable[nn.Parameter]
    ) -> dict[str, float]:
        """Take one step of the weights and return them.

        losses: {task: scalar loss}, not weighted; those of the first call become L(0).
        shared_parameters: of the last layer that all tasks share, as in the paper.
        The graph of the losses stays usable, and no parameter's .grad changes.
        Raises ValueError for other tasks than this object's, a loss that is negative or not finite,
        losses that are all 0, a first loss of 0, a gradient that is not finite, or a task that
        reaches none of the parameters.
        """
        check_losses(losses)
        check_names(losses, self.tasks, "losses")
        values = torch.stack([losses[task].detach().float().cpu() for task in self.tasks])
        self._check_values(values)
        norms = self._gradient_norms(losses, list(shared_parameters))
        if self._initial_losses is None:
            self._initial_losses = values

        # G_i = || d(w_i L_i) / dW || = w_i || dL_i / dW ||
        G = self._weights * norms
        # r_i = (L_i(t) / L_i(0)) / mean_j (L_j(t) / L_j(0))
        inverse_rates = values / self._initial_losses
        r = inverse_rates / inverse_rates.mean()
        # L_grad = sum_i | G_i - mean(G) r_i^alpha |, the second term held constant
        target = (G.mean() * r**self.alpha).detach()
        self._step((G - target).abs().sum())
        return self.weights()

    def state_dict(self) -> dict:
        """All that a resumed training needs; hand it to load_state_dict."""
        return {
            "tasks": list(self.tasks),
            "weights": self._weights.detach().clone(),
            "initial_losses": self._initial_losses,
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a stored state. Raises ValueError if it belongs to other tasks."""
        if state["tasks"] != self.tasks:
            raise ValueError(f"the stored state is of {state['tasks']}, not of {self.tasks}")
        with torch.no_grad():
            self._weights.copy_(state["weights"])
        self._initial_losses = state["initial_losses"]
        self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))

    def _gradient_norms(self, losses: dict[str, Tensor], shared: list[nn.Parameter]) -> Tensor:
        gradients = task_gradients(losses, shared)
        norms = [flatten(gradients[task], shared).float().norm() for task in self.tasks]
        for task, norm in zip(self.tasks, norms, strict=True):
            if not torch.isfinite(norm):
                raise ValueError(f"the gradient of {task!r} is not finite: its norm is {norm}")
        return torch.stack(norms).cpu()

    def _check_values(self, values: Tensor) -> None:
        shown = dict(zip(self.tasks, values.tolist(), strict=True))
        if not torch.isfinite(values).all() or (values < 0).any() or not values.any():
            raise ValueError(f"GradNorm needs finite losses of 0 or more, not all 0, got {shown}")
        if self._initial_losses is None and not values.all():
            raise ValueError(f"the first loss of each task must be above 0, got {shown}")

    def _step(self, gradient_loss: Tensor) -> None:
        # w_i <- w_i - lr * step(dL_grad / dw_i), then w_i <- T w_i / sum_j w_j
        (self._weights.grad,) = torch.autograd.grad(gradient_loss, [self._weights])
        self._optimizer.step()
        with torch.no_grad():
            self._weights.clamp_(min=SMALLEST_WEIGHT)
            self._weights *= len(self.tasks) / self._weights.sum()
