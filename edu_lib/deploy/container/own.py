"""Networks that are not the kit's: told by their tensors, and checked by their answers.

A file holds the name of the class, the tensors, and some of the answers to an input that follows
from its shape. It holds no code: a fresh network of the caller is filled, and must answer the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.copies import copied
from edu_lib.deploy.container.tensors import Stored, Tail, dense, shape_of
from edu_lib.graph import Inputs, as_inputs
from edu_lib.sizes import COUNTER, fill_, load_state_
from edu_lib.techniques.entropy_coding import AdaptiveNumber, Coder
from edu_lib.techniques.quantization.modules import OnGrid

MOST_INPUT = 1 << 22  # values of all inputs: an image of 1024 x 1365 with three colours
MOST_HEAD = 1 << 22  # bytes
NUM_PICKED, DIGITS = 16, 5
# of the largest answer: what floats round otherwise elsewhere, and where activations lie on grids a
# sum that rounds otherwise falls on the next grid point, which layers pass on
TOLERANCE, TOLERANCE_ON_GRIDS = 1e-3, 0.05
DTYPES = {str(each).removeprefix("torch."): each for each in
          (torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool)}  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """An input that follows from its shape and range, the same on every machine."""

    shape: Sequence[int]
    dtype: str
    low: float
    high: float

    @classmethod
    def like(cls, X: Tensor) -> "Probe":
        """As the first entry of a batch. Raises ValueError if it is empty or not finite."""
        X = X.detach()[:1] if X.dim() else X.detach()
        dtype = "float32" if X.is_floating_point() else str(X.dtype).removeprefix("torch.")
        if dtype not in DTYPES or not X.numel() or not X.isfinite().all():
            raise ValueError(f"example_input is finite numbers, got {list(X.shape)} of {X.dtype}")
        return cls(list(X.shape), dtype, float(X.min()), float(X.max()))

    def values(self) -> Tensor:
        """Evenly spread from low to high: the multiples of the golden ratio, modulo 1."""
        share = (
            torch.arange(torch.Size(self.shape).numel(), dtype=torch.float64) * 0.618033988749895
        )
        share = (share % 1).reshape(tuple(self.shape))
        if self.dtype == "float32":
            return (self.low + (self.high - self.low) * share).float()
        whole = (self.low + (self.high - self.low + 1) * share).floor().clamp(self.low, self.high)
        return whole.to(DTYPES[self.dtype])


@dataclass(frozen=True)
class Answers:
    """What a network answers: how many values, the largest magnitude, and some of them."""

    count: int
    scale: float
    picked: Sequence[float]

    @classmethod
    def of(cls, outputs: Tensor) -> "Answers":
        count = len(outputs)
        places = [i * (count - 1) // (NUM_PICKED - 1) for i in range(NUM_PICKED)]
        picked = [float(f"{value:.{DIGITS}g}") for value in outputs[places].tolist()]
        return cls(count, float(outputs.abs().max()), picked)

    def agree(self, other: "Answers", tolerance: float = TOLERANCE) -> bool:
        """Whether they are the same, up to what another processor rounds otherwise."""
        difference = torch.tensor(self.picked) - torch.tensor(other.picked)
        return self.count == other.count and bool(difference.abs().max() <= tolerance * self.scale)


@dataclass(frozen=True)
class Own:
    """What stands before the tensors. ties: {name: the name before it that shares its tensor}."""

    network: str
    shapes: Mapping[str, Sequence[int]]
    ties: Mapping[str, str]
    probes: Sequence[Probe]
    answers: Answers

    @property
    def inputs(self) -> list[Tensor]:
        return [probe.values() for probe in self.probes]


def told_of(
    model: nn.Module, example_input: Inputs, state: Mapping[str, Stored], exactly: bool
) -> Own:
    """What a file tells of a network whose tensors are stored so.

    exactly: the model must answer as its stored tensors do. Raises ValueError if it does not, or
    for an input that is too large to be made again at each loading.
    """
    probes = [Probe.like(each) for each in as_inputs(example_input)]
    if sum(torch.Size(probe.shape).numel() for probe in probes) > MOST_INPUT:
        raise ValueError(f"example_input has over {MOST_INPUT} values an image: give a smaller one")
    ties = ties_of(model)
    values = {name: dense(stored) for name, stored in state.items()}
    trial = with_values(model, values | {n: values[o] for n, o in ties.items() if o in values})
    outputs = outputs_of(trial, [probe.values() for probe in probes])
    if not same_outputs(
        outputs, outputs_of(model if exactly else trial, [probe.values() for probe in probes])
    ):
        raise ValueError(
            f"{type(model).__name__} answers otherwise from call to call, or has values that "
            "float32 does not hold: such a network cannot be stored"
        )
    shapes = {name: shape_of(stored) for name, stored in state.items()}
    return Own(type(model).__name__, shapes, ties, probes, Answers.of(outputs))


def ties_of(model: nn.Module) -> dict[str, str]:
    """{name in the state dict: the first name of the same tensor} where there are two."""
    first: dict[int, str] = {}
    state = model.state_dict(keep_vars=True)
    named = {name: first.setdefault(id(each), name) for name, each in state.items()}
    return {name: other for name, other in named.items() if name != other}


def code_own(coder: Coder, tail: Tail, own: Own | None = None) -> Own:
    """The head of such a file, as deflated JSON; runs both ways. Raises ValueError if damaged."""
    content = None if own is None else json.dumps(asdict(own), allow_nan=False).encode()
    size = AdaptiveNumber(24).code(coder, 0 if content is None else len(content))
    if size > MOST_HEAD:
        raise ValueError(f"the tensors of a network are told in {MOST_HEAD} bytes here, not {size}")
    content = tail.code(coder, size, content)
    if own is not None:
        return own
    try:
        return _checked(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"the head of the file is damaged: {error}") from None


def _checked(told: dict) -> Own:
    """The head, each value of the type that it must have."""
    shapes, ties = dict(told["shapes"]), dict(told["ties"])
    probes = [Probe(**probe) for probe in told["probes"]]
    answers = Answers(**told["answers"])
    sizes = [size for shape in (*shapes.values(), *(p.shape for p in probes)) for size in shape]
    if not all(type(size) is int and 0 <= size < 1 << 31 for size in sizes):
        raise ValueError("a size is a whole number")
    if sum(torch.Size(probe.shape).numel() for probe in probes) > MOST_INPUT:
        raise ValueError(f"its input has over {MOST_INPUT} values")
    numbers = [answers.scale, *answers.picked, *(x for p in probes for x in (p.low, p.high))]
    if type(answers.count) is not int or not all(type(x) in (int, float) for x in numbers):
        raise ValueError("an answer is a number")
    if any(other not in shapes for other in ties.values()) or not isinstance(told["network"], str):
        raise ValueError("a name is missing")
    if any(probe.dtype not in DTYPES or not probe.low <= probe.high for probe in probes):
        raise ValueError("an input has no such values")
    return Own(told["network"], shapes, ties, probes, answers)


@torch.no_grad()
def outputs_of(model: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """All outputs of a copy in evaluation mode, in one vector of float64, on the CPU.

    Raises ValueError if the network does not run, or gives no finite numbers.
    """
    model = copied(model).eval()
    values = [*model.parameters(), *model.buffers()]
    like = next((each for each in values if each.is_floating_point()), torch.zeros(()))
    inputs = [X.to(like) if X.is_floating_point() else X.to(like.device) for X in inputs]
    try:
        leaves = [each for each in tree_leaves(model(*inputs)) if isinstance(each, Tensor)]
    except Exception as error:  # a network raises whatever its parts raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        shapes = " and ".join(str(list(X.shape)) for X in inputs)
        raise ValueError(f"{type(model).__name__} does not run on {shapes}: {reason}") from error
    outputs = torch.cat([each.double().cpu().flatten() for each in (*leaves, torch.zeros(0))])
    if not len(outputs) or not outputs.isfinite().all():
        raise ValueError(f"{type(model).__name__} answers with no tensor of finite numbers")
    return outputs


def fill_into(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    network: str,
    inputs: Sequence[Tensor],
    answers: Answers,
) -> nn.Module:
    """`model` filled with the tensors of a file that holds a `network`; evaluation mode.

    Raises ValueError, and changes nothing, if it does not fit or answers otherwise.
    """
    source, trial = f"the file, which holds a {network},", copied(model)
    fill_(trial, tensors, source, resize=True)
    on_grids = any(isinstance(part, OnGrid) for part in trial.modules())
    tolerance = TOLERANCE_ON_GRIDS if on_grids else TOLERANCE
    if not answers.agree(Answers.of(outputs_of(trial, inputs)), tolerance):
        raise ValueError(
            f"{source} fits {type(model).__name__} by its shapes and answers otherwise: build it "
            "with the same class and arguments as the network that was saved"
        )
    fill_(model, tensors, source, resize=True)
    return model.eval()


def stored_names(model: nn.Module) -> list[str]:
    """The names in the state dict whose tensors are stored: all but counters and ties."""
    ties = ties_of(model)
    return [n for n in model.state_dict() if not n.endswith(COUNTER) and n not in ties]


def with_values(model: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the model with these values, in its own dtype and on its own device."""
    model = copied(model)
    load_state_(model, {**model.state_dict(), **values})
    return model


def same_outputs(ours: Tensor, theirs: Tensor) -> bool:
    """Whether outputs are the same up to float32's rounding."""
    return len(ours) == len(theirs) and bool((ours - theirs).abs().max() <= 1e-5 * ours.abs().max())
