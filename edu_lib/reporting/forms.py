"""The forms of a network that a report compares, and how a form becomes a file that runs."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.deploy import container, export_int8, export_onnx, session
from edu_lib.graph import Inputs, as_inputs
from edu_lib.layers import copied, to_plain
from edu_lib.measure.runner import Runner
from edu_lib.techniques.factorization import factor, ranks_by_energy, separate
from edu_lib.techniques.pruning import NotFollowed, layers_to_skip, prune_channels
from edu_lib.techniques.quantization import QuantizedLayer, quantize_static, quantize_weights

FLOAT = "float32"
PRUNED = (0.25, 0.5, 0.75)  # shares of the channels that go
ENERGY = 0.9  # what low rank keeps of each layer's squared weights
BLOCK_SIZE = 32
NAMED = 3  # layers in a note
Make = Callable[[nn.Module, Inputs, Inputs], nn.Module]


@dataclass(frozen=True)
class Form:
    """One way to change a network. make: from (model, example_input, data) to the changed one.

    needs_data: calibration inputs. weighs_weights: its bytes are those of its weights, packed, as
    safetensors. recovers: the network is trained afterwards, by the caller's function. note: what
    a reader must know of its figures.
    """

    name: str
    make: Make
    needs_data: bool = False
    weighs_weights: bool = False
    recovers: bool = False
    note: str = ""


@dataclass
class Row:
    """One form; None where something could not be had, and then `note` says why.

    same_answers: percent of the data on which the largest output is the float network's.
    difference: ||y - y_float|| / ||y_float|| in percent, over all outputs.
    file_difference: the same, of its file to the network in memory that the file was written from.
    """

    name: str
    params: int | None = None
    macs: int | None = None
    file_bytes: int | None = None
    ms: float | None = None
    runs_in: str = ""
    void: bool = False
    quality: float | None = None
    same_answers: float | None = None
    difference: float | None = None
    file_difference: float | None = None
    note: str = ""


def forms(can_recover: bool) -> list[Form]:
    """All forms in the order of a report; the trained ones only where there is who trains."""
    found = [
        Form(FLOAT, lambda model, X, data: model),
        Form("int8", _int8(8), needs_data=True),
        Form("int8, weights of 7 bits", _int8(7), needs_data=True),
        Form(
            "weights of 4 bits",
            _few_bits,
            weighs_weights=True,
            note="bytes of its packed weights; it runs as the float file does",
        ),
    ]
    for share in PRUNED:
        found.append(Form(f"channels x {1 - share:g}", _pruned(share)))
    found += [
        Form("separable", lambda model, X, data: separate(model)),
        Form("low rank", _low_rank),
    ]
    if can_recover:
        trained = [form for form in found if form.name.startswith(("channels", "sep", "low"))]
        found += [Form(f"{each.name}, trained on", each.make, recovers=True) for each in trained]
    return found


def _int8(bits: int) -> Make:
    return lambda model, X, data: quantize_static(model, data, accurate=True, weight_bits=bits)


def _few_bits(model: nn.Module, X: Inputs, data: Inputs) -> nn.Module:
    return quantize_weights(model, bits=4, block_size=BLOCK_SIZE)


def _pruned(share: float) -> Make:
    def make(model: nn.Module, X: Inputs, data: Inputs) -> nn.Module:
        try:
            return prune_channels(model, X, ratio=share)
        except NotFollowed as refusal:
            skip = layers_to_skip(model, X)
            named = ", ".join(skip[:NAMED]) + (
                f" and {len(skip) - NAMED} more" * (len(skip) > NAMED)
            )
            reason = str(refusal).partition(";")[0]
            warnings.warn(f"all channels stay in {named}: {reason}", stacklevel=2)
            return prune_channels(model, X, ratio=share, skip=skip)

    return make


def _low_rank(model: nn.Module, X: Inputs, data: Inputs) -> nn.Module:
    return factor(model, ranks_by_energy(model, ENERGY))


def write_file(model: nn.Module, X: Inputs, path: Path) -> Path:
    """The network as an ONNX file, of integers if it is one of integers."""
    if any(isinstance(part, QuantizedLayer) for part in model.modules()):
        return export_int8(model, X, path)
    return export_onnx(to_plain(model), X, path)


@torch.no_grad()
def saved_and_loaded(model: nn.Module, X: Inputs, path: Path) -> nn.Module:
    """The network that the kit's container at `path` gives back, read into one of zeros."""
    blank = copied(model)
    for each in (*blank.parameters(), *blank.buffers()):
        each.zero_()
    return container.load(container.save(model, path, example_input=X), into=blank)


class OnnxModule(nn.Module):
    """An ONNX file as a network: a quality function judges it as it judges the model.

    It gives what the file gives: a tensor, or a tuple of tensors.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.session = session(path)
        self.names = [each.name for each in self.session.get_inputs()]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        feed = {
            name: np.ascontiguousarray(X.detach().cpu().numpy())
            for name, X in zip(self.names, inputs, strict=True)
        }
        outputs = tuple(torch.from_numpy(each) for each in self.session.run(None, feed))
        return outputs[0] if len(outputs) == 1 else outputs


@torch.no_grad()
def outputs_in_batches(model: nn.Module, inputs: Inputs, size: int) -> list[Tensor]:
    """The tensors that a network gives for all inputs, each as float32 [N, ...]."""
    pieces: list[list[Tensor]] = []
    for batch in zip(*(each.split(size) for each in as_inputs(inputs)), strict=True):
        leaves = [leaf for leaf in tree_leaves(model(*batch)) if isinstance(leaf, Tensor)]
        pieces.append([leaf.detach().float() for leaf in leaves])
    return [torch.cat(each) for each in zip(*pieces, strict=True)]


def compare_answers(got: list[Tensor], wanted: list[Tensor]) -> tuple[float, float | None]:
    """(||y - y_0|| / ||y_0|| over all outputs, share of equal largest outputs), in percent.

    The share is None where the first output has no classes in dimension 1. Raises ValueError for
    numbers that are not finite where the float network's are.
    """
    off = size = 0.0
    for y, y_0 in zip(got, wanted, strict=True):
        if not y[y_0.isfinite()].isfinite().all():
            raise ValueError("its answers hold infinity or what is no number")
        off += float((y - y_0).nan_to_num().square().sum())
        size += float(y_0.nan_to_num().square().sum())
    same = None
    if wanted[0].dim() > 1 and wanted[0].shape[1] > 1:
        same = 100 * float((got[0].argmax(1) == wanted[0].argmax(1)).float().mean())
    return 100 * (off / max(size, 1e-12)) ** 0.5, same


def file_runner(path: Path, X: tuple[Tensor, ...]) -> Runner:
    """A runner of an ONNX file of any number of inputs in ONNX Runtime, one thread."""
    network = OnnxModule(path)
    feed = {name: each.numpy() for name, each in zip(network.names, X, strict=True)}
    return Runner(
        path.stem, lambda: network.session.run(None, feed), backend="ONNX Runtime", batch=len(X[0])
    )


def weights_file(model: nn.Module) -> bytes:
    """The state of a network as safetensors."""
    return save({name: each.contiguous() for name, each in model.state_dict().items()})


def ready(model: nn.Module) -> nn.Module:
    """A copy on the CPU in evaluation mode."""
    return copied(model).cpu().eval()


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Collects what techniques warn of, for the table."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield notes
    notes += dict.fromkeys(
        str(each.message).splitlines()[0] for each in caught if each.category is UserWarning
    )


def sentence(error: Exception) -> str:
    """The first line of what was raised; its kind too where it is no refusal."""
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
