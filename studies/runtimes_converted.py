"""Runtimes that read no ONNX file: a converter first, then the answers, in a process of their own.

    python3 -m studies.runtimes_converted RUNTIME MODEL.onnx X.npy ANSWERS.npz

RUNTIME: mnn, ncnn or litert. A converter may abort, or install packages when it starts: so it runs
apart, in a folder that is thrown away, and is told of no package index. `studies.runtimes` calls it
where the packages MNN, ncnn with pnnx, or ai-edge-litert are installed, and onnx2tf 2 or later is
on the PATH: it wants Python 3.12. (1.29, the last for Python 3.11, puts biases to other channels.)
"""

import os
import re
import shutil
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
    """A program that a package brought: beside this Python, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name) or name


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

    call([program("onnx2tf"), "-i", model.name, "-o", "tf", "-n"], model.parent)
    reader = Interpreter(str(model.parent / "tf" / f"{model.stem}_float32.tflite"), num_threads=1)
    reader.allocate_tensors()
    [entry], doors, found = reader.get_input_details(), reader.get_output_details(), []
    for x in X:
        reader.set_tensor(entry["index"], x.transpose(1, 2, 0)[None])
        reader.invoke()
        found.append([reader.get_tensor(door["index"]) for door in doors])
    answers = by_shape(model, [np.concatenate(each) for each in zip(*found, strict=True)])
    dtypes = {each["index"]: each["dtype"] for each in reader.get_tensor_details()}
    layers = [each for each in reader._get_ops_details() if each["op_name"] == "CONV_2D"]
    if all(dtypes[each["inputs"][0]] == np.float32 for each in layers):
        answers[NOTE] = np.array("after the converter every convolution computes in float32")
    return answers


def by_shape(model: Path, found: list[np.ndarray]) -> Answers:
    """{name of an output: its answers}; a converter may give outputs other names, places, layouts.

    Raises RuntimeError where no answer has the shape of an output.
    """
    turned = [y.transpose(0, 3, 1, 2) for y in found if y.ndim == 4]
    answers = {}
    for each in onnx.load(model).graph.output:
        shape = [size.dim_value for size in each.type.tensor_type.shape.dim][1:]
        fitting = [y for y in (*found, *turned) if list(y.shape[1:]) == shape]
        if not fitting:
            shapes = ", ".join(str(list(y.shape[1:])) for y in found)
            raise RuntimeError(f"output {each.name} has the shape {shape}; found are {shapes}")
        answers[each.name] = fitting[0]
    return answers


def outputs(model: Path) -> list[str]:
    """The names of a file's outputs."""
    return [each.name for each in onnx.load(model).graph.output]


if __name__ == "__main__":
    chosen, file, given, answers_file = sys.argv[1:]
    answer = {"mnn": mnn, "ncnn": ncnn, "litert": litert}[chosen]
    np.savez(answers_file, **answer(Path(file).resolve(), np.load(given)))
