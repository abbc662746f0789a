"""One int8 file in many runtimes: who computes what it says?

    python3 -m studies.runtimes [--only FILE ...] [--processor amx]

The LeNet-5 and the small AlexNet, quantized with weights of 8 and of 7 bits, on 1,000 test images,
and the network of chapter 14: in ONNX Runtime as the kit opens a file, with its fastest kernel, and
without its optimizations; in OpenVINO; in both on an emulated processor without VNNI, and in ONNX
Runtime on an emulated Arm core; in onnxruntime-web in Chromium; and behind a converter in MNN, ncnn
and LiteRT. Each answer is compared with the exact integer engine, and with the engine that follows
a rule for sums that end at 16 bits: where that one gives every bit, the rule is the reason. A
runtime that is missing ends the study in a sentence: one run writes the whole file,
data/results/runtimes.json, for this kind of processor. What is finished is stored in data/runs. The
converters are in no requirements file: pip install MNN==3.6.1 ncnn==1.0.20261020 pnnx==20261020
ai-edge-litert==2.3.0 in an environment that sees the kit's packages; onnx2tf==2.6.9 in its own.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

import edu_lib as edu
import roads
from classroom.final_network import WEIGHT_BITS, final_network, one_scene
from edu_lib.deploy import IntegerNetwork, export_int8
from edu_lib.deploy.arithmetic import PAIRS
from edu_lib.measure.machine import all_threads
from edu_lib.techniques.quantization import quantize_static
from studies import frame
from studies.int8_saturation import CALIBRATION, NETWORKS
from studies.runtimes_converted import NOTE, converted
from studies.runtimes_emulated import emulated
from studies.runtimes_sessions import SESSIONS, Answers, browser
from tools import phone

NAME = "runtimes"
IMAGES, LAYER_IMAGES = 1000, 100  # for the answers; those most off, to find the first layer
SCENES, FINAL = 2, f"thirty_frames_{WEIGHT_BITS}"
FILES = (*(f"{network}_{bits}" for network in NETWORKS for bits in (8, 7)), FINAL)
ONE_STEP = 1
CHOSEN = "segmentation"  # of a network with several outputs: where a class is chosen


def as_the_kit(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime as the kit opens a file: it asks for exact sums."""
    opened = edu.deploy.session(path)
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(None, {"X": X}), strict=True))


@dataclass(frozen=True)
class Runtime:
    """How a runtime is asked. module, program: without them it is left out.

    answers: for a file and X. shows_integers: whether it gives inner integers too.
    """

    title: str
    module: str
    answers: Callable[[Path, np.ndarray], Answers]
    shows_integers: bool = True
    program: str = ""

    @property
    def missing(self) -> str:
        """What is not installed here, or ""."""
        if importlib.util.find_spec(self.module) is None:
            return self.module
        return "" if not self.program or shutil.which(self.program) else self.program


ORT = "onnxruntime"
RUNTIMES = {
    "onnxruntime_exact": Runtime("ONNX Runtime, exact sums asked for", ORT, as_the_kit),
    "onnxruntime": Runtime("ONNX Runtime, its fastest kernel", ORT, SESSIONS["fastest"]),
    "onnxruntime_plain": Runtime("ONNX Runtime, optimizations off", ORT, SESSIONS["plain"]),
    "openvino": Runtime("OpenVINO", "openvino", SESSIONS["openvino"]),
    "onnxruntime_avx2_exact": Runtime(
        "ONNX Runtime, no VNNI, exact sums", ORT, emulated("x86", "exact"), program="qemu-x86_64",
    ),
    "onnxruntime_avx2": Runtime(
        "ONNX Runtime, no VNNI, fastest", ORT, emulated("x86", "fastest"), program="qemu-x86_64",
    ),
    "openvino_avx2": Runtime(
        "OpenVINO, no VNNI", "openvino", emulated("x86", "openvino"), program="qemu-x86_64",
    ),
    "onnxruntime_arm": Runtime(
        "ONNX Runtime, 64-bit Arm", ORT, emulated("arm", "fastest"), program="qemu-aarch64",
    ),
    "onnxruntime_web": Runtime("onnxruntime-web, WebAssembly", "playwright", browser, False),
    "mnn": Runtime("MNN, after its converter", "MNN", converted("mnn"), False),
    "ncnn": Runtime("ncnn, after pnnx", "pnnx", converted("ncnn"), False),
    "litert": Runtime("LiteRT, after onnx2tf", "ai_edge_litert", converted("litert"), False),
}  # fmt: skip


def engines_answers(path: Path, X: np.ndarray) -> dict[str | None, Answers]:
    """{rule for sums of two products: the integer engine's answers}; None for exact sums."""
    return {rule: IntegerNetwork(path, rule).run(X) for rule in PAIRS}


def judge(path: Path, X: np.ndarray, name: str, by_rule: dict) -> dict:
    """What a runtime makes of a file: equal or not, by how much, and where it begins.

    by_rule: of `engines_answers`.
    """
    runtime = RUNTIMES[name]
    row: dict[str, object] = {"title": runtime.title, "loads": True}
    row["version"] = version_of(name, runtime.module)
    try:
        found = runtime.answers(path, X)
    except RuntimeError as error:
        return {**row, "loads": False, "error": str(error).splitlines()[0][:200]}
    note = found.pop(NOTE, None)
    exact = by_rule[None]
    found = {name: found[name].reshape(exact[name].shape) for name in exact}
    equal = [rule or "exact" for rule, wanted in by_rule.items() if same(found, wanted)]
    off = [np.abs(found[name] - exact[name]) for name in exact]
    chosen = CHOSEN if CHOSEN in exact else next(iter(exact))
    row |= {
        "values": sum(each.size for each in off), "images": len(X),
        "values_different": int(sum(np.count_nonzero(each) for each in off)),
        "largest_difference": float(max(each.max() for each in off)),
        "spread": float(exact[chosen].max() - exact[chosen].min()),
        "answers": exact[chosen].argmax(1).size,
        "answers_changed": int((found[chosen].argmax(1) != exact[chosen].argmax(1)).sum()),
        "equal_to_rule": equal[0] if equal else None,
    }  # fmt: skip
    if note is not None:
        row["reason"] = str(note)
    if not runtime.shows_integers or "exact" in equal:
        return row
    off_by_image = sum(each.reshape(len(X), -1).max(axis=1) for each in off)
    most_off = np.sort(np.argsort(-off_by_image, kind="stable")[:LAYER_IMAGES])
    return row | first_layer(path, X[most_off], runtime.answers)


def same(found: Answers, wanted: Answers) -> bool:
    """Every bit of every output."""
    return all(np.array_equal(found[name], wanted[name]) for name in wanted)


def first_layer(path: Path, X: np.ndarray, answer: Callable) -> dict:
    """The first layer whose integers differ from the exact ones, and how many of them."""
    model = onnx.load(path)
    names = [n.output[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    for name in names:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None)
        )
    with tempfile.TemporaryDirectory() as folder:
        watched = Path(folder) / path.name
        onnx.save(model, watched)
        found, exact = answer(watched, X), IntegerNetwork(path).run(X, watch=names)
    for number, name in enumerate(names):
        off = np.abs(found[name].astype(int) - exact[name].astype(int))
        if off.any():
            return {
                "first_layer": number, "layers": len(names),
                "first_layer_percent_different": 100 * float((off > 0).mean()),
                "first_layer_steps": int(off.max()),
                "reason": reason(path, X, name, found[name], int(off.max())),
            }  # fmt: skip
    return {"reason": "the integers agree; the last float operation differs"}


def reason(path: Path, X: np.ndarray, layer: str, found: np.ndarray, steps: int) -> str:
    """Why a layer differs: the rule whose engine gives these very integers, if there is one."""
    for rule in filter(None, PAIRS):
        if np.array_equal(IntegerNetwork(path, rule).run(X, watch=[layer])[layer], found):
            return "sums of two products end at 16 bits"
    if steps <= ONE_STEP:
        return "one step: a half rounded the other way"
    return "not found"


def version_of(name: str, module: str) -> str:
    """The version of what computes."""
    return phone.RUNTIME.split(",")[0].split()[1] if name == "onnxruntime_web" else version(module)


def int8_file(key: str, folder: Path) -> tuple[Path, np.ndarray]:
    """The int8 file of a network, a name of FILES, and its inputs, float32 [N, C, H, W]."""
    path = folder / f"{key}.onnx"
    if key == FINAL:
        images = np.stack([roads.scene(seed).image.transpose(2, 0, 1) for seed in range(SCENES)])
        pixels = images.astype(np.float32) / np.float32(255)
        return export_int8(final_network(), one_scene(), path), pixels
    network, bits = key.rsplit("_", 1)
    build, data = NETWORKS[network]
    calibration = data().fit.X[:CALIBRATION].float()
    quantized = quantize_static(build().eval(), calibration, weight_bits=int(bits))
    return export_int8(quantized, calibration[:1], path), data().test.X[:IMAGES].float().numpy()


def in_every_runtime(key: str) -> dict[str, dict]:
    """{name of a runtime: what it makes of the file}."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(all_threads()) as pool:
        path, X = int8_file(key, Path(folder))
        by_rule = engines_answers(path, X)
        rows = {name: pool.submit(judge, path, X, name, by_rule) for name in RUNTIMES}
        return {name: row.result() for name, row in rows.items()}


def main() -> int:
    """Every file in every runtime, then the result file; returns the exit code."""
    more = {"--only": {"nargs": "+", "choices": FILES, "help": "of the files that are not stored"}}
    chosen = frame.options(__doc__, more | frame.PROCESSOR)
    if missing := {each.missing for each in RUNTIMES.values()} - {""}:
        print(f"No {', '.join(sorted(missing))} here: install what is missing and start again.")
        return 1
    result, runs = frame.beside(NAME, chosen.processor), {key: {"key": key} for key in FILES}
    asked = {key: runs[key] for key in chosen.only or FILES}
    frame.run_all(in_every_runtime, asked, result, again=chosen.again)
    figures = frame.finished(in_every_runtime, runs, result)
    if figures.keys() == runs.keys():
        edu.save_result(result, figures, frame.command_on(NAME, chosen.processor))
    return 0


if __name__ == "__main__":
    frame.start(main)
