"""Task weights learned beside the network, from how noisy each task is."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from edu_lib.techniques.multitask.tasks import check_losses, check_names, check_tasks


class UncertaintyWeighting(nn.Module):
    """Sums task losses with learned weights: the noisier a task, the smaller its weight.

    Each task has one trainable log-variance s = log(sigma^2), 0 at the start, and adds
        exp(-s) L + s / 2        for classification: sigma^2 is the temperature of the softmax
        exp(-s) L / 2 + s / 2    for regression: the log-likelihood of a Gaussian, L = squared error
    which are the paper's L / sigma^2 + log sigma and L / (2 sigma^2) + log sigma. An absolute
    error is no Gaussian's: a Laplace likelihood would give L / b + log b. As a regression task it
    takes the Gaussian form all the same, and s is then no true log-variance.

    With L held fixed, the best s makes every weighted loss 1/2: the weight becomes 1 / (2 L) in
    both forms. The total can go below 0.
    tasks: the names. regression_tasks: those of them that take the second form.
    Hand its parameters to the optimiser with the network's, without weight decay.
    Raises ValueError for no task, a name given twice, or an unknown regression task.
    Source: Kendall, Gal, Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for
    Scene Geometry and Semantics", section 3.2. Taught in chapter 12.
    """

    def __init__(self, tasks: Iterable[str], regression_tasks: Iterable[str] = ()) -> None:
        super().__init__()
        self.tasks = check_tasks(tasks)
        regression_tasks = check_tasks(regression_tasks, at_least=0)
        unknown = [task for task in regression_tasks if task not in self.tasks]
        if unknown:
            raise ValueError(f"regression_tasks names {unknown}, which are not in {self.tasks}")
        self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))
        scales = [0.5 if task in regression_tasks else 1.0 for task in self.tasks]
        self.register_buffer("scales", torch.tensor(scales), persistent=False)

    def forward(self, losses: dict[str, Tensor]) -> Tensor:
        """losses: {task: scalar loss}, the tasks of this module. Returns the scalar total."""
        check_losses(losses)
        check_names(losses, self.tasks, "losses")
        L = torch.stack([losses[task] for task in self.tasks])
        s = self.log_variances
        # total = sum_t c_t exp(-s_t) L_t + s_t / 2,  c_t = 1 for classification, 1/2 for regression
        return (self.scales * torch.exp(-s) * L + s / 2).sum()

    def weights(self) -> dict[str, float]:
        """{task: what its loss is multiplied by now}, c exp(-s)."""
        weights = self.scales * torch.exp(-self.log_variances.detach())
        return dict(zip(self.tasks, weights.tolist(), strict=True))
