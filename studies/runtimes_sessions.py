"""Runtimes that read the ONNX file as it is: what each makes of X.

    python3 -m studies.runtimes_sessions ANSWERS MODEL.onnx X.npy ANSWERS.npz

ANSWERS: a name of SESSIONS. These need NumPy and the runtime alone, so that an emulated processor
need not load more. `browser` needs the kit.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

BATCH = 100
EXACT = ("session.x64quantprecision", "1")  # what the kit asks for where int8 sums saturate
Answers = dict[str, np.ndarray]  # by the name of the output


def exact(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime, asked for exact sums."""
    return _onnxruntime(path, X, exact=True)


def fastest(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime with the kernel that it takes by itself."""
    return _onnxruntime(path, X)


def plain(path: Path, X: np.ndarray) -> Answers:
    """ONNX Runtime without optimizations: each operation of the file by itself, in float32."""
    return _onnxruntime(path, X, optimized=False)


def _onnxruntime(path: Path, X: np.ndarray, exact: bool = False, optimized: bool = True) -> Answers:
    import onnxruntime

    levels, options = onnxruntime.GraphOptimizationLevel, onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    )
    if exact:
        options.add_session_config_entry(*EXACT)
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in opened.get_outputs()]
    return _in_batches(X, lambda X: dict(zip(names, opened.run(None, {"X": X}), strict=True)))


def openvino(path: Path, X: np.ndarray) -> Answers:
    """OpenVINO on the CPU, float32 where it is not int8."""
    import openvino as runtime

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = runtime.Core().compile_model(str(path), "CPU", settings)

    def answers(X: np.ndarray) -> Answers:
        found = compiled([X])
        return {output.get_any_name(): found[output].copy() for output in compiled.outputs}

    return _in_batches(X, answers)


def browser(path: Path, X: np.ndarray) -> Answers:
    """onnxruntime-web in headless Chromium, by the page for a phone."""
    from playwright.sync_api import sync_playwright

    import kit
    from tools import phone

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
        parts = [page.evaluate(ask, [x.ravel().tolist() for x in X[start : start + BATCH]])
                 for start in range(0, len(X), BATCH)]  # fmt: skip
        opened.close()
    return {name: np.concatenate([each[name] for each in parts]).astype(np.float32)
            for name in parts[0]}  # fmt: skip


def _in_batches(X: np.ndarray, run: Callable[[np.ndarray], Answers]) -> Answers:
    batches = [run(X[start : start + BATCH]) for start in range(0, len(X), BATCH)]
    return {name: np.concatenate([each[name] for each in batches]) for name in batches[0]}


SESSIONS: dict[str, Callable[[Path, np.ndarray], Answers]] = {
    "exact": exact,
    "fastest": fastest,
    "plain": plain,
    "openvino": openvino,
}

if __name__ == "__main__":
    chosen, file, given, answers_file = sys.argv[1:]
    np.savez(answers_file, **SESSIONS[chosen](Path(file).resolve(), np.load(given)))
