"""Runtimes that read no ONNX file: a converter first, then the answers, in a process of their own.

    python3 -m studies.runtimes_converted RUNTIME MODEL.onnx X.npy ANSWERS.npz

RUNTIME: mnn, ncnn or litert. A converter may abort, or install packages when it starts: so it runs
apart, in a folder that is thrown away, and is told of no package index. `studies.runtimes` calls it
where the packages MNN, ncnn with pnnx, or ai-edge-litert with onnx2tf and tensorflow are installed.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

Answers = dict[str, np.ndarray]
NOTE = "note"  # among the answers: what the converter did, a sentence
ROOT = Path(__file__).parents[1]
# onnx2tf compares its result on these images, and would fetch them
TRIED_ON = "calibration_image_sample_data_20x128x128x3_float32.npy"
SECONDS = 1200


def converted(runtime: str) -> Callable[[Path, np.ndarray], Answers]:
    """What `studies.runtimes` calls: answers of a runtime for a file and X, float32 [N, C, H, W].

    The function raises RuntimeError with one sentence where a file is not converted or not loaded.
    """

    def answers(path: Path, X: np.ndarray) -> Answers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "X.npy", X)
            one_image(path, folder / "network.onnx")
            words = [sys.executable, "-m", "studies.runtimes_converted", runtime, "network.onnx"]
            call([*words, "X.npy", "answers.npz"], folder)
            with np.load(folder / "answers.npz") as found:
                return dict(found)

    return answers


def one_image(path: Path, to: Path) -> None:
    """The same file for batches of one: converters do not take a free size."""
    model = onnx.load(path)
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, to)


def call(
    words: list[str], folder: Path, places: list[str] | None = None, index: bool = False
) -> None:
    """Runs a program. Raises RuntimeError with the line of it that says what was wrong.

    places: where its Python finds modules, by default the checkout and PYTHONPATH. index: it may
    ask a package index.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    quiet |= {} if index else {"PIP_NO_INDEX": "1"}
    places = places or [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, check=False, timeout=SECONDS,
        env=os.environ | quiet | {"PYTHONPATH": os.pathsep.join(filter(None, places))},
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        lines = [line for line in said if re.search(r"[Ee]rror\b|may be|not exists", line)]
        first = (lines or said or ["nothing was said"])[-1].removeprefix("RuntimeError: ")
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        inner = (
            first if " ended with " in first else f"{Path(words[0]).name} ended with {how}: {first}"
        )
        raise RuntimeError(inner)


def program(name: str) -> str:
    """A program that a package brought, beside this Python."""
    return str(Path(sys.executable).with_name(name))


def mnn(model: Path, X: np.ndarray) -> Answers:
    """MNN, after its converter."""
    import MNN

    call([program("mnnconvert"), "-f", "ONNX", "--modelFile", model.name, "--MNNModel", "a.mnn",
          "--bizCode", "kit"], model.parent)  # fmt: skip
    names = outputs(model)
    network = MNN.nn.load_module_from_file(str(model.parent / "a.mnn"), ["X"], names)
    found = []
    for x in X:
        asked = MNN.expr.const(x[None], [1, *x.shape], MNN.expr.NCHW)
        found.append([np.array(y.read()) for y in network.forward([asked])])
    return {
        name: np.stack(each) for name, each in zip(names, zip(*found, strict=True), strict=True)
    }


def ncnn(model: Path, X: np.ndarray) -> Answers:
    """ncnn, after pnnx."""
    import ncnn as runtime

    size = ",".join(map(str, (1, *X.shape[1:])))
    call([program("pnnx"), model.name, f"inputshape=[{size}]"], model.parent)
    stem, network = model.parent / model.stem, runtime.Net()
    if network.load_param(f"{stem}.ncnn.param") or network.load_model(f"{stem}.ncnn.bin"):
        kinds = Path(f"{stem}.ncnn.param").read_text(encoding="utf-8")
        unknown = len(re.findall(r"^pnnx\.Expression", kinds, re.MULTILINE))
        raise RuntimeError(
            f"pnnx ended with no error, but ncnn does not load its file: {unknown} layers are "
            "expressions that it does not know"
        )
    found = []
    for x in X:
        asked = network.create_extractor()
        asked.input("in0", runtime.Mat(np.ascontiguousarray(x)))
        found.append([np.array(asked.extract(f"out{n}")[1]) for n in range(len(outputs(model)))])
    return dict(zip(outputs(model), map(np.stack, zip(*found, strict=True)), strict=True))


def litert(model: Path, X: np.ndarray) -> Answers:
    """LiteRT with its default kernels, after onnx2tf, which turns maps to [N, H, W, C]."""
    from ai_edge_litert.interpreter import Interpreter

    generator = np.random.default_rng(0)
    np.save(model.parent / TRIED_ON, generator.random((20, 128, 128, 3), np.float32))
    call([program("onnx2tf"), "-i", model.name, "-o", "tf", "-n"], model.parent)
    reader = Interpreter(str(model.parent / "tf" / f"{model.stem}_float32.tflite"), num_threads=1)
    reader.allocate_tensors()
    kinds = {np.dtype(each["dtype"]).name for each in reader.get_tensor_details()}
    [entry], doors, found = reader.get_input_details(), reader.get_output_details(), []
    for x in X:
        reader.set_tensor(entry["index"], x.transpose(1, 2, 0)[None])
        reader.invoke()
        maps = [reader.get_tensor(door["index"]) for door in doors]
        found.append([y.transpose(0, 3, 1, 2) if y.ndim == 4 else y for y in maps])
    answers = by_shape(model, [np.concatenate(each) for each in zip(*found, strict=True)])
    said = [] if kinds & {"int8", "uint8"} else ["leaves the integers out"]
    said += ["puts biases to other channels"] if turned_biases(model, reader) else []
    if said:
        answers[NOTE] = np.array(f"the converter {' and '.join(said)}")
    return answers


def turned_biases(model: Path, reader: object) -> bool:
    """Whether a bias b of the file is b[0], b[2], ..., b[1] in what LiteRT computes with.

    Maps [N, C, H, W] go to [N, H, W, C] in that order; a list of one number a channel must not.
    """
    held = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(model).graph.initializer
    }
    turned = []
    for node in onnx.load(model).graph.node:
        bias, scale = (held.get(name) for name in (*node.input, "", "")[:2])
        if node.op_type == "DequantizeLinear" and bias is not None and bias.dtype == np.int32:
            b = np.float32(bias * scale)
            turned.append(np.concatenate([b[:1], b[2:], b[1:2]]))
    lists = [each for each in reader.get_tensor_details() if len(each["shape"]) == 1]
    constants = [reader.get_tensor(each["index"]) for each in lists if each["dtype"] == np.float32]
    return any(
        b.size > 2 and b.shape == each.shape and np.allclose(b, each)
        for b in turned
        for each in constants
    )


def by_shape(model: Path, found: list[np.ndarray]) -> Answers:
    """{name of an output: its answers}; a converter may give outputs other names and places."""
    shapes = {
        each.name: [size.dim_value for size in each.type.tensor_type.shape.dim][1:]
        for each in onnx.load(model).graph.output
    }
    return {
        name: next(y for y in found if list(y.shape[1:]) == shape) for name, shape in shapes.items()
    }


def outputs(model: Path) -> list[str]:
    """The names of a file's outputs."""
    return [each.name for each in onnx.load(model).graph.output]


if __name__ == "__main__":
    chosen, file, given, answers_file = sys.argv[1:]
    answer = {"mnn": mnn, "ncnn": ncnn, "litert": litert}[chosen]
    np.savez(answers_file, **answer(Path(file).resolve(), np.load(given)))
