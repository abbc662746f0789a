"""The page for a phone, in headless Chromium on this machine: how soon it is ready, how fast.

    python3 -m studies.phone_page      # on an idle machine

The page of `kit.py phone thirty_frames` is opened from the disk REPEATS times, each in a fresh
context. It says how long it took from its first script until it can answer (boot); it times its
network as it does on a phone ("measure"); and its drive counts the frames of one second, drawing
included. Beside it the same file in native ONNX Runtime, one thread.
Writes data/results/phone_page.json.
"""

import base64
import gzip
import json
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

import edu_lib as edu
from classroom.final_network import one_scene
from edu_lib.measure import onnxruntime_runner
from studies import frame
from tools import browser, phone

NAME, MODEL = "phone_page", "thirty_frames"
REPEATS, DRIVE_MS, PATIENCE_MS = 5, 4_000, 240_000


def visit(opened: Browser, path: Path) -> dict[str, float]:
    """One visit of the page: seconds until it is ready, milliseconds a frame, frames a second."""
    context = opened.new_context(bypass_csp=True)  # the driver evaluates text
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(path.as_uri())
    page.wait_for_function("window.phone !== undefined")
    boot_ms = page.evaluate("window.phone.boot_ms")
    page.wait_for_timeout(DRIVE_MS)  # the drive starts by itself
    shown = float(page.text_content("#shown"))
    page.click("#measure")
    page.wait_for_selector("#result:not([hidden])")
    timed = json.loads(page.input_value("#json"))
    context.close()
    return {"boot_seconds": boot_ms / 1000, "p50_ms": timed["p50_ms"], "drive_fps": shown}


def measured() -> dict:
    """The medians of all visits, and each."""
    with tempfile.TemporaryDirectory() as folder:
        path = phone.network_page(MODEL, Path(folder) / f"{MODEL}.html")
        with sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=browser.path(), args=browser.FLAGS)
            visits = [visit(opened, path) for _ in range(REPEATS)]
            version = opened.version
            opened.close()
        packed = path.read_text(encoding="utf-8").split('id="packed-model"')[1]
        model = Path(folder) / f"{MODEL}.onnx"
        model.write_bytes(gzip.decompress(base64.b64decode(packed.split(">")[1].split("<")[0])))
        native = onnxruntime_runner(model, one_scene(), 1)
        native_ms = frame.until_quiet(lambda: edu.measure_latency(native)).p50_ms
        page_bytes = path.stat().st_size
    medians = {key: median(each[key] for each in visits) for key in visits[0]}
    return medians | {
        "fps": 1000 / medians["p50_ms"],
        "native_p50_ms": native_ms,
        "page_bytes": page_bytes,
        "chromium": version,
        "runtime": phone.RUNTIME,
        "visits": visits,
    }


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measured))
