"""A network as an ONNX file: exported, opened and run with ONNX Runtime. Taught in chapter 02."""

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from edu_lib.copies import copied
from edu_lib.files import replacing
from edu_lib.graph import Inputs, as_inputs, free_batch, outputs_of
from edu_lib.measure.runner import open_session
from edu_lib.techniques.quantization import WeightOnlyLayer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 20
PIECE = 1 << 20  # values compared at a time
EXACT = 1e-3  # the share by which float32 may differ, added up in another order
NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def export_onnx(model: nn.Module, example_input: Inputs, path: str | Path) -> Path:
    """Writes `model` in evaluation mode to one ONNX file with a free batch size; returns its path.

    example_input: any batch, [N, C, H, W], or a tuple of inputs. The argument model is not touched.
    The file holds the network alone, without traces of the machine that wrote it. Weights that only
    memory holds as integers (`quantize_weights`) are written in float32; `export_int4` and
    `export_int8` write integers. Raises ValueError if the network cannot be exported, or if the
    file, run once on the example, answers otherwise than the model.
    """
    written = copied(model)
    for name, layer in list(written.named_modules()):
        if isinstance(layer, WeightOnlyLayer) and name:
            written.set_submodule(name, layer.plain_layer())
    return write_onnx(written, model, example_input, path, EXACT)


def write_onnx(
    written: nn.Module,
    model: nn.Module,
    example_input: Inputs,
    path: str | Path,
    tolerance: float,
    judged: Inputs | None = None,
) -> Path:
    """Writes `written` to a file that must answer as `model` does, but for a share of `tolerance`.

    The two differ where operations are written that PyTorch does not have. judged: what they must
    answer alike, by default the example. Raises as `export_onnx`.
    """
    # the exporter takes a batch of 0 or 1 for a constant, so that it sees two images
    inputs = tuple(
        each.detach().cpu()[:1].repeat(2, *[1] * (each.dim() - 1))
        for each in as_inputs(example_input)
    )
    content = _exported(copied(written).cpu().eval(), inputs)
    with replacing(path) as partial:
        partial.write_bytes(content)
        del content
        asked = inputs if judged is None else as_inputs(judged)
        _compare(partial, copied(model).cpu().eval(), asked, tolerance)
    return Path(path)


def _exported(model: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The content of the file. Raises ValueError if the network cannot be exported."""
    name = type(model).__name__
    input_names = ["X"] if len(inputs) == 1 else [f"X{i + 1}" for i in range(len(inputs))]
    output_names = _output_names(model, inputs)
    if taken := {*input_names} & {*output_names}:
        raise ValueError(
            f"{name} names an output {min(taken)!r}, as the file names an input: rename the output"
        )
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=input_names,
                output_names=output_names,
                dynamic_shapes=free_batch(model, inputs, "batch"),
                verbose=False,
            )
            proto = _with_own_zero_points(_without_traces(program.model_proto))
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"{name} cannot be exported to ONNX: {error}") from error
    return proto.SerializeToString(deterministic=True)


def _output_names(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[str]:
    """The names of a dict of outputs, "y_hat" for a single one, y_hat1, y_hat2, ... for others.

    Raises ValueError if the network does not take these inputs.
    """
    try:
        with _quiet(), torch.no_grad():
            outputs = model(*inputs)
    except (RuntimeError, IndexError, TypeError) as error:
        shapes = " and ".join(str([1, *each.shape[1:]]) for each in inputs)
        kind, (reason, *_) = type(model).__name__, str(error).splitlines() or [""]
        raise ValueError(f"{kind} does not take an input of {shapes}: {reason}") from error
    count = len(tree_leaves(outputs))
    if isinstance(outputs, dict) and len(outputs) == count:
        return [str(name) for name in outputs]
    return ["y_hat"] if count == 1 else [f"y_hat{i + 1}" for i in range(count)]


def _compare(path: Path, model: nn.Module, inputs: tuple[Tensor, ...], tolerance: float) -> None:
    """Raises ValueError if the file answers the example otherwise than the model does."""
    name = type(model).__name__
    try:
        opened = session(path)
        answers = opened.run(None, _feed(opened, inputs))
    except ValueError as error:
        raise ValueError(f"{name} makes a file that ONNX Runtime refuses: {error}") from error
    for answer, wanted in zip(answers, outputs_of(model, inputs), strict=True):
        wanted = wanted.numpy()
        if answer.shape != wanted.shape:
            raise ValueError(
                f"{name} gives {list(wanted.shape)}, and its ONNX file {list(answer.shape)}"
            )
        difference = _relative_difference(answer, wanted)
        if difference > tolerance:
            raise ValueError(
                f"the ONNX file of {name} answers otherwise than the network: by "
                f"{100 * difference:.1f} % for the example input; look for a layer whose options "
                "ONNX does not have"
            )


def _relative_difference(answer: np.ndarray, wanted: np.ndarray) -> float:
    """||answer - wanted|| / ||wanted||, piece by piece: a large output is not copied whole."""
    pieces = max(1, wanted.size // PIECE)
    pairs = zip(
        np.array_split(answer.ravel(), pieces),
        np.array_split(wanted.ravel(), pieces),
        strict=True,
    )
    off = size = 0.0
    for y_hat, y in pairs:
        y = np.nan_to_num(y.astype(np.float64))
        off += np.square(np.nan_to_num(y_hat.astype(np.float64)) - y).sum()
        size += np.square(y).sum()
    return math.sqrt(off) / max(math.sqrt(size), 1e-6)


def session(path: str | Path, threads: int | None = 1) -> "InferenceSession":
    """Opens an ONNX file on the CPU. threads: None for all.

    int8 files are exact: see `edu_lib.measure.runner.open_session`.
    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    return open_session(path, threads)


def run_onnx(
    path_or_session: "str | Path | InferenceSession", X: Tensor | np.ndarray | tuple
) -> np.ndarray:
    """The first output of an ONNX network for X [N, C, H, W], as a NumPy array.

    X: a tuple for a network of several inputs. Raises what `session` raises, and ValueError if the
    network does not take X.
    """
    is_path = isinstance(path_or_session, str | Path)
    opened = session(path_or_session) if is_path else path_or_session
    return opened.run(None, _feed(opened, X if isinstance(X, tuple) else (X,)))[0]


def _feed(opened: "InferenceSession", inputs: tuple) -> dict[str, np.ndarray]:
    """The inputs by name. Raises ValueError for another number, shape or type than it takes."""
    expected = opened.get_inputs()
    if len(expected) != len(inputs):
        raise ValueError(f"the network takes {len(expected)} inputs, got {len(inputs)}")
    feed = {}
    for one, X in zip(expected, inputs, strict=True):
        X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
        fits = len(one.shape) == X.ndim and all(
            size == got or not isinstance(size, int)
            for size, got in zip(one.shape, X.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"the network takes {one.shape}, got an input of {list(X.shape)}")
        kind = np.dtype(NUMPY_TYPES.get(one.type, X.dtype))
        if kind != X.dtype:
            raise ValueError(f"the network takes {kind}, got an input of {X.dtype}: convert it")
        feed[one.name] = np.ascontiguousarray(X)
    return feed


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops notes for debugging: stack traces with file paths, larger than many a small network."""
    graph = model.graph
    parts = [model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
    for part in [*parts, *graph.initializer, *model.functions]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def _with_own_zero_points(model: onnx.ModelProto) -> onnx.ModelProto:
    """One zero_point for each layer's weights, where the exporter had several layers share one.

    ONNX Runtime moves each to another type where it is asked for exact sums, and fails otherwise.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    seen = set()
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in tensors:
            continue
        name = node.input[2]
        if name in seen:
            own = model.graph.initializer.add()
            own.CopyFrom(tensors[name])
            own.name = node.input[2] = f"{node.input[0]}_zero_point"
        seen.add(node.input[2])
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on every channel; nothing of it is for a learner."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
