"""One int8 file in many runtimes: who computes what it says?

    python3 -m studies.runtimes [--only FILE ...] [--processor amx]

The LeNet-5 and the small AlexNet, quantized with weights of 8 and of 7 bits, and the network of
chapter 14, in every runtime that is installed: ONNX Runtime as the kit opens it, with its fastest
kernel, and without its optimizations; OpenVINO; onnxruntime-web in Chromium; and behind a converter
MNN, ncnn and LiteRT. Each answer is compared with the exact integer
engine, and with the engine that follows a rule for sums that end at 16 bits: where that one gives
every bit, the rule is the reason. A runtime that is missing is left out in a sentence, and its
stored rows stay. Writes data/results/runtimes.json; what it says holds for this kind of processor.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import edu_lib as edu
import kit
import roads
from classroom.final_network import WEIGHT_BITS, final_network, one_scene
from edu_lib.deploy import IntegerNetwork, export_int8
from edu_lib.deploy.arithmetic import PAIRS
from edu_lib.techniques.quantization import quantize_static
from studies import frame
from studies.int8_saturation import CALIBRATION, NETWORKS
from studies.runtimes_converted import NOTE, converted
from tools import phone

NAME = "runtimes"
IMAGES = {"lenet5": 100, "small_alexnet": 40}
SCENES, FINAL = 2, f"thirty_frames_{WEIGHT_BITS}"
ONE_STEP = 1
CHOSEN = "segmentation"  # of a network with several outputs: where a class is chosen
Answers = dict[str, np.ndarray]  # by the name of the output


def exact_session(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime as the kit opens a file: it asks for exact sums."""
    return _fed(edu.deploy.session(path), X)


def fastest_session(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime with the kernel that it takes by itself."""
    return _fed(_session(path, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL), X)


def plain_session(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime without optimizations: each operation of the file by itself, in float32."""
    return _fed(_session(path, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL), X)


def _session(path: Path, level: object) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(str(path), options)


def _fed(opened: onnxruntime.InferenceSession, X: np.ndarray) -> Answers:
    names = [output.name for output in opened.get_outputs()]
    return dict(zip(names, opened.run(None, {"X": X}), strict=True))


def openvino_model(path: Path, X: np.ndarray) -> Answers:
    """OpenVINO on the CPU, float32 where it is not int8."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    found = compiled([X])
    return {output.get_any_name(): found[output] for output in compiled.outputs}


def browser(path: Path, X: np.ndarray) -> Answers:
    """onnxruntime-web in headless Chromium, by the page for a phone."""
    from playwright.sync_api import sync_playwright

    ask = """async (X) => { const all = {};
        for (const x of X) for (const [name, y] of Object.entries(
            await window.phone.run(Float32Array.from(x)))) (all[name] ??= []).push(Array.from(y));
        return all; }"""
    page_file = phone.write_page(path, path.with_suffix(".html"))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=kit.find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = opened.new_context(bypass_csp=True).new_page()
        page.goto(page_file.as_uri())
        page.wait_for_selector("#state:has-text('Ready')", timeout=240_000)
        found = page.evaluate(ask, [x.ravel().tolist() for x in X])
        opened.close()
    return {name: np.array(values, np.float32) for name, values in found.items()}


# name: (what it is called, the module it needs, its answers, whether it shows inner integers)
RUNTIMES: dict[str, tuple[str, str, Callable[[Path, np.ndarray], Answers], bool]] = {
    "onnxruntime_exact": ("ONNX Runtime, exact sums asked for", "onnxruntime", exact_session, True),
    "onnxruntime": ("ONNX Runtime, its fastest kernel", "onnxruntime", fastest_session, True),
    "onnxruntime_plain": (
        "ONNX Runtime, optimizations off", "onnxruntime", plain_session, True,
    ),
    "openvino": ("OpenVINO", "openvino", openvino_model, True),
    "onnxruntime_web": ("onnxruntime-web, WebAssembly", "playwright", browser, False),
    "mnn": ("MNN, after its converter", "MNN", converted("mnn"), False),
    "ncnn": ("ncnn, after pnnx", "pnnx", converted("ncnn"), False),
    "litert": ("LiteRT, after onnx2tf", "ai_edge_litert", converted("litert"), False),
}  # fmt: skip


def engines_answers(path: Path, X: np.ndarray) -> dict[str | None, Answers]:
    """{rule for sums of two products: the integer engine's answers}; None for exact sums."""
    return {rule: IntegerNetwork(path, rule).run(X) for rule in PAIRS}


def judge(path: Path, X: np.ndarray, name: str, by_rule: dict) -> dict:
    """What a runtime makes of a file: equal or not, by how much, and where it begins.

    by_rule: of `engines_answers`.
    """
    title, module, answer, shows_integers = RUNTIMES[name]
    row: dict[str, object] = {"title": title, "version": version_of(name, module), "loads": True}
    try:
        found = answer(path, X)
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
    return row | (first_layer(path, X, answer) if shows_integers and "exact" not in equal else {})


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
    watched = path.with_name(f"watched_{path.name}")
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


def files(folder: Path) -> Iterator[tuple[str, Callable[[], tuple[Path, np.ndarray]]]]:
    """(name, what makes the int8 file and the inputs) of each network."""

    def small(network: str, bits: int) -> tuple[Path, np.ndarray]:
        build, data = NETWORKS[network]
        calibration = data().fit.X[:CALIBRATION].float()
        quantized = quantize_static(build().eval(), calibration, weight_bits=bits)
        path = export_int8(quantized, calibration[:1], folder / f"{network}_{bits}.onnx")
        return path, data().test.X[: IMAGES[network]].float().numpy()

    def final() -> tuple[Path, np.ndarray]:
        path = export_int8(final_network(), one_scene(), folder / f"{FINAL}.onnx")
        images = np.stack([roads.scene(seed).image.transpose(2, 0, 1) for seed in range(SCENES)])
        return path, images.astype(np.float32) / np.float32(255)

    for network in NETWORKS:
        for bits in (8, 7):
            yield f"{network}_{bits}", lambda network=network, bits=bits: small(network, bits)
    yield FINAL, final


def main() -> None:
    """Every file in every runtime, then the result file."""
    more = {"--only": {"nargs": "+", "help": "these files; the others stay as they are stored"}}
    chosen = frame.options(__doc__, more | frame.PROCESSOR, again=False)
    result, only = frame.beside(NAME, chosen.processor), chosen.only
    stored = frame.stored_result(result)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for key, make in files(Path(folder)):
            rows = figures[key] = dict(stored.get(key, {}))
            if only and key not in only:
                continue
            path, X = make()
            by_rule = engines_answers(path, X)
            for name, (title, module, *_) in RUNTIMES.items():
                if importlib.util.find_spec(module) is None:
                    print(f"{title} is left out: {module} is not installed", flush=True)
                    continue
                rows[name] = judge(path, X, name, by_rule)
                print(key, name, rows[name], flush=True)
    edu.save_result(result, figures, frame.command_on(NAME, chosen.processor))


if __name__ == "__main__":
    frame.start(main)
