"""What happened in a training, epoch by epoch."""

from dataclasses import asdict, dataclass, field


@dataclass
class Epoch:
    """One epoch: its mean loss, its last learning rate, its seconds of training, its validation.

    validation_accuracy: percent, or None where no validation set was given.
    """

    train_loss: float
    lr: float
    seconds: float
    validation_accuracy: float | None = None


@dataclass
class History:
    """The epochs of one training. `seconds` counts training alone, not validation."""

    epochs: list[Epoch] = field(default_factory=list)
    stopped_early: bool = False

    @property
    def seconds(self) -> float:
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def train_loss(self) -> list[float]:
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def validation_accuracy(self) -> list[float | None]:
        return [epoch.validation_accuracy for epoch in self.epochs]

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict) -> "History":
        epochs = [Epoch(**epoch) for epoch in content["epochs"]]
        return cls(epochs, content["stopped_early"])

    def __repr__(self) -> str:
        lines = [" epoch  train loss  validation %  seconds"]
        for number, epoch in enumerate(self.epochs, start=1):
            accuracy = epoch.validation_accuracy
            shown = "-" if accuracy is None else f"{accuracy:.2f}"
            row = f"{number:6d}  {epoch.train_loss:10.4f}  {shown:>12}  {epoch.seconds:7.1f}"
            lines.append(row)
        return "\n".join(lines)
