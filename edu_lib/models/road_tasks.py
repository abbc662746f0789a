"""What the outputs of a RoadNet mean, how wrong they are, and how good. Taught in chapter 12.

outputs: the dict a RoadNet returns. y: a dict of labels, "segmentation" uint8 [N, H, W], "depth"
[N, H, W] in metres, "steering" [N] in degrees.
"""

from dataclasses import dataclass
from itertools import compress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edu_lib.copies import evaluation_mode

# depth is learned as its logarithm, in units in which it varies about as much as a logit
LOG_DEPTH_MEAN, LOG_DEPTH_STD = 2.8, 1.3
STEERING_STD = 1.0

# share of each class in the pixels of 200 scenes: sky, road, marking, sidewalk, vegetation,
# building, vehicle, person, sign
CLASS_SHARES = (0.176, 0.358, 0.017, 0.025, 0.183, 0.130, 0.078, 0.007, 0.026)
SKY = 0
FARTHEST_JUDGED = 100.0


def metres(depth: Tensor) -> Tensor:
    """The depth output of a RoadNet in metres, the same shape."""
    return torch.exp(depth.float() * LOG_DEPTH_STD + LOG_DEPTH_MEAN)


def steering_degrees(ego: Tensor) -> Tensor:
    """The steering in degrees [N], positive to the right, of an ego output [N, 1]."""
    return ego[:, 0].float() * STEERING_STD


def class_weights() -> Tensor:
    """Weight of each class [9] in the loss: rare classes count more, the mean over pixels is 1."""
    shares = torch.tensor(CLASS_SHARES)
    weights = (1 / (shares + 0.02)).sqrt()
    return weights / (weights * shares).sum()


def road_losses(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loss of each task the network has, each a scalar of about the same size at the start."""
    losses = {}
    if "segmentation" in outputs:
        logits = outputs["segmentation"].float()
        weights = class_weights().to(logits.device)
        losses["segmentation"] = F.cross_entropy(logits, y["segmentation"].long(), weights)
    if "depth" in outputs:
        target = (y["depth"].float().log() - LOG_DEPTH_MEAN) / LOG_DEPTH_STD
        losses["depth"] = F.l1_loss(outputs["depth"][:, 0].float(), target)
    if "ego" in outputs:
        target = y["steering"].float() / STEERING_STD
        losses["ego"] = F.smooth_l1_loss(outputs["ego"][:, 0].float(), target)
    return losses


def robust_depth_loss(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """A depth loss that saturates: a pixel far from right counts little more than one half right.

    L1 alone puts a pixel on the border of a pole half way between the pole and what is behind it,
    where no surface is. This loss prefers one of the two. Sky and what is beyond 100 m count a
    tenth. The form e / (e + c) is of the family in Geman and McClure 1985.
    """
    log_predicted = outputs["depth"][:, 0].float() * LOG_DEPTH_STD + LOG_DEPTH_MEAN
    error = log_predicted - y["depth"].float().log()
    judged = (y["segmentation"] != SKY) & (y["depth"] < FARTHEST_JUDGED)
    weight = torch.where(judged, 1.0, 0.1)
    # e / (e + c) with e = |log predicted - log true|, c = 0.2: about the 25 % that delta forgives
    loss = error.abs() / (error.abs() + 0.2)
    return (weight * loss).sum() / weight.sum()


def sum_of_losses(outputs: dict[str, Tensor], y: dict[str, Tensor]) -> Tensor:
    """All tasks with equal weights."""
    return torch.stack(list(road_losses(outputs, y).values())).sum()


def as_input(X: Tensor) -> Tensor:
    """Images uint8 [N, 3, H, W] as the network takes them: float32 in [0, 1]."""
    return X.float() / 255


def augment_road(X: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Mirror half of the batches, labels and steering too, and vary the brightness.

    X: uint8 [N, 3, H, W]. Returns float32 images in [0, 1] and the labels.
    """
    X = as_input(X)
    gain = 1 + 0.2 * (torch.rand(len(X), 1, 1, 1, device=X.device) - 0.5)
    X = (X * gain).clamp_(0, 1)
    if torch.rand(()) < 0.5:
        dense = {name: y[name].flip(-1) for name in ("segmentation", "depth")}
        return X.flip(-1), {**y, **dense, "steering": -y["steering"]}
    return X, y


@dataclass(frozen=True)
class RoadQuality:
    """Quality on a split; None where the network lacks the task.

    miou: mean intersection over union in percent, over the classes that occur in the split; ious:
    of each class, 100 for one that occurs neither in the labels nor in the answers. delta1:
    percent of the pixels, sky and what is beyond 100 m left out, whose depth is within 25 %.
    steering_error_deg: mean absolute error.
    """

    miou: float | None = None
    ious: tuple[float, ...] | None = None
    delta1: float | None = None
    steering_error_deg: float | None = None


@torch.no_grad()
def evaluate_road(
    model: nn.Module, X: Tensor, y: dict[str, Tensor], batch_size: int = 20
) -> RoadQuality:
    """Quality of a RoadNet on images X, uint8 [N, 3, H, W], with labels y.

    The network keeps the mode of each of its parts.
    Sources of the measures: Everingham et al. 2010, "The Pascal VOC Challenge" (intersection over
    union); Eigen et al. 2014, "Depth Map Prediction", section 4 (delta).
    """
    num_classes = len(CLASS_SHARES)
    confusion = torch.zeros(num_classes, num_classes)
    within, judged, steering_errors = 0, 0, []
    with evaluation_mode(model):
        for at in range(0, len(X), batch_size):
            labels = {name: value[at : at + batch_size] for name, value in y.items()}
            outputs = model(as_input(X[at : at + batch_size]))
            if "segmentation" in outputs:
                confusion += confusion_matrix(outputs["segmentation"], labels["segmentation"])
            if "depth" in outputs:
                good, all_of_them = depth_hits(outputs["depth"], labels)
                within, judged = within + good, judged + all_of_them
            if "ego" in outputs:
                error = steering_degrees(outputs["ego"]) - labels["steering"]
                steering_errors.append(error.abs())
    ious, miou = None, None
    if confusion.any():
        ious = intersection_over_union(confusion)
        occurs = (confusion.sum(dim=1) > 0).tolist()
        miou = sum(compress(ious, occurs)) / sum(occurs)
    return RoadQuality(
        miou=miou,
        ious=ious,
        delta1=None if judged == 0 else 100 * within / judged,
        steering_error_deg=torch.cat(steering_errors).mean().item() if steering_errors else None,
    )


def confusion_matrix(logits: Tensor, labels: Tensor) -> Tensor:
    """Pixel counts [classes, classes]: row the true class, column the predicted one."""
    num_classes = logits.shape[1]
    pairs = labels.long() * num_classes + logits.argmax(dim=1)
    counts = torch.bincount(pairs.flatten(), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).float()


def intersection_over_union(confusion: Tensor) -> tuple[float, ...]:
    """Percent of each class; a class that nowhere occurs counts as 100."""
    # IoU = true and predicted / (true or predicted)
    both = confusion.diag()
    either = confusion.sum(dim=0) + confusion.sum(dim=1) - both
    return tuple((100 * torch.where(either > 0, both / either.clamp(min=1), 1.0)).tolist())


def depth_hits(depth: Tensor, labels: dict[str, Tensor]) -> tuple[int, int]:
    """(pixels with max(p / t, t / p) < 1.25, pixels judged) of an output [N, 1, H, W]."""
    predicted, true = metres(depth[:, 0]), labels["depth"].float()
    judged = (labels["segmentation"] != SKY) & (true < FARTHEST_JUDGED)
    ratio = torch.maximum(predicted / true, true / predicted)
    return int((ratio[judged] < 1.25).sum()), int(judged.sum())
