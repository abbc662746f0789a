"""A network as an ONNX file: exported, opened and run with ONNX Runtime. Taught in chapter 02."""

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edu_lib.measure.runner import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 20


def export_onnx(model: nn.Module, example_input: Tensor, path: str | Path) -> Path:
    """Writes `model` in evaluation mode to one ONNX file with a free batch size; returns its path.

    example_input: any batch, [N, C, H, W]. The argument model is not touched. The file holds the
    network alone, without traces of the machine that wrote it.
    Raises ValueError if the network cannot be exported.
    """
    path = Path(path)
    model = copy.deepcopy(model).cpu().eval()
    # the exporter takes a batch of 0 or 1 for a constant, so that it sees two images
    X = example_input.detach().cpu()[:1].repeat(2, *[1] * (example_input.dim() - 1))
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                model,
                (X,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["X"],
                output_names=_output_names(model(X)),
                dynamic_shapes=({0: "batch"},),
                verbose=False,
            )
            content = _without_traces(program.model_proto)
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"{type(model).__name__} cannot be exported to ONNX: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.SerializeToString(deterministic=True))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _output_names(outputs: Tensor | dict[str, Tensor]) -> list[str]:
    """The names of a dict of outputs, or "y_hat" for a single one."""
    return list(outputs) if isinstance(outputs, dict) else ["y_hat"]


def session(path: str | Path, threads: int | None = 1) -> "InferenceSession":
    """Opens an ONNX file on the CPU. threads: None for all.

    Raises FileNotFoundError if there is no file, ValueError if it is damaged.
    """
    return open_session(path, threads)


def run_onnx(
    path_or_session: "str | Path | InferenceSession", X: Tensor | np.ndarray
) -> np.ndarray:
    """The first output of an ONNX network for X [N, C, H, W], as a NumPy array.

    Raises what `session` raises, and ValueError if the network does not take X.
    """
    is_path = isinstance(path_or_session, str | Path)
    opened = session(path_or_session) if is_path else path_or_session
    X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    expected = opened.get_inputs()[0]
    fits = len(expected.shape) == X.ndim and all(
        size == got or not isinstance(size, int)
        for size, got in zip(expected.shape, X.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"the network takes {expected.shape}, got an input of {list(X.shape)}")
    return opened.run(None, {expected.name: np.ascontiguousarray(X)})[0]


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops notes for debugging: stack traces with file paths, larger than many a small network."""
    graph = model.graph
    parts = [model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
    for part in [*parts, *graph.initializer, *model.functions]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
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
