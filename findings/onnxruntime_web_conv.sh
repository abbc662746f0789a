#!/usr/bin/env bash
# onnxruntime-web's WebGPU computes two kinds of convolution wrongly.
#
# One whose input channels divide by 3 and not by 4, if its output channels divide by 4: it reads
# channels three by three, and begins each three at a quarter of its place. The first begins at 0,
# so that networks for colour images do not show it. LeNet-5 does, in its second layer of 6
# channels. Likely the cause of what https://github.com/microsoft/onnxruntime/issues/29651 reports.
#
# One in groups of 4 outputs or more each, if a vector of outputs holds channels of two groups: of 4
# outputs where their whole number divides by 4, of 2 where it divides by 2. All of a vector then
# read the input of its first one's group. Groups of 4, 8 or 32, and depthwise ones, are right.
#
#     bash findings/onnxruntime_web_conv.sh
#
# Needs npm and Chromium. Installs a pinned onnxruntime-web, onnx and numpy in a temporary folder,
# and runs convolutions of small integers, whose sums float32 holds exactly, in WebAssembly and on
# the GPU that Chromium emulates (SwiftShader). Exits 0 while the answers are as described here, 1
# once one of them has changed; without an adapter for WebGPU it says so and exits 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 numpy==2.4.6
cd "$folder"
npm pack --silent onnxruntime-web@1.30.0 >/dev/null
tar xzf onnxruntime-web-1.30.0.tgz
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE, WINDOW, PATIENCE_SECONDS = 9, 3, 300
ROWS = [  # input channels, output channels, groups, whether WebGPU gave the right sums
    (3, 16, 1, True), (4, 16, 1, True), (5, 16, 1, True), (6, 16, 1, False), (6, 6, 1, True),
    (7, 16, 1, True), (9, 16, 1, False), (12, 16, 1, True), (15, 16, 1, False),
    (8, 16, 2, True), (8, 12, 2, False), (12, 24, 4, False), (4, 10, 2, False), (6, 18, 3, True),
    (6, 15, 3, True), (16, 16, 16, True),
]
FLAGS = [
    "--headless", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage",
    "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan",
    "--use-vulkan=swiftshader", "--ignore-gpu-blocklist", "--disable-background-networking",
]
PAGE = """<!doctype html><title>convolutions</title><script type="module">
const tell = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
try {
  const adapter = navigator.gpu && await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("no adapter for WebGPU");
  const ort = await import("/package/dist/ort.webgpu.bundle.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/package/dist/";
  const found = [];
  for (const { model, X, dims } of await (await fetch("/cases.json")).json()) {
    const bytes = Uint8Array.from(atob(model), (c) => c.charCodeAt(0)), row = {};
    for (const provider of ["wasm", "webgpu"]) {
      const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
      const { y } = await session.run({ X: new ort.Tensor("float32", Float32Array.from(X), dims) });
      row[provider] = Array.from(await y.getData());
    }
    found.push(row);
  }
  await tell(found);
} catch (error) { await tell({ error: `${error.message}` }); }
</script>"""
random = np.random.default_rng(0)


def case(in_channels, out_channels, groups):
    """(what the page is given, the right sums, those of the channels read as said above)."""
    each = in_channels // groups
    W = random.integers(-4, 5, (out_channels, each, WINDOW, WINDOW))
    X = random.integers(0, 8, (in_channels, SIDE, SIDE))
    group = [o * groups // out_channels for o in range(out_channels)]
    right = [range(g * each, (g + 1) * each) for g in group]
    vector = next(size for size in (4, 2, 1) if out_channels % size == 0)
    if groups == 1:
        misread = [[3 * (c // 3) // 4 + c % 3 for c in range(in_channels)]] * out_channels
    else:
        misread = [right[o - o % vector] for o in range(out_channels)]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["X", "W"], ["y"], group=groups)], "convolution",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, *X.shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(W.astype(np.float32), "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    given = {
        "model": base64.b64encode(model.SerializeToString()).decode(),
        "X": X.ravel().tolist(), "dims": [1, *X.shape],
    }
    return given, sums(X, W, right), sums(X, W, misread)


def sums(X, W, channels):
    """channels: which ones of X each output reads."""
    windows = np.lib.stride_tricks.sliding_window_view(X, (WINDOW, WINDOW), (1, 2))
    read = np.stack([windows[list(each)] for each in channels])
    return np.einsum("ocrsij,ocij->ors", read, W).ravel()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives the folder's files, and takes what the page found."""

    extensions_map = {".mjs": "text/javascript", ".html": "text/html", "": "application/wasm"}
    found, told = None, threading.Event()

    def log_message(self, *words):
        """Says nothing."""

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        Handler.found = json.loads(self.rfile.read(length))
        self.send_response(204)
        self.end_headers()
        Handler.told.set()


cases = [case(*row[:3]) for row in ROWS]
Path("cases.json").write_text(json.dumps([given for given, *_ in cases]))
Path("page.html").write_text(PAGE)
browser = shutil.which("chromium") or shutil.which("google-chrome")
if browser is None:
    sys.exit("no Chromium here")
here = functools.partial(Handler, directory=os.getcwd())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), here)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    address = f"http://127.0.0.1:{server.server_port}/page.html"
    opened = subprocess.Popen(
        [browser, *FLAGS, f"--user-data-dir={profile}", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    told = Handler.told.wait(PATIENCE_SECONDS)
    opened.terminate()
    opened.wait()
if not told or "error" in Handler.found:
    print("not tried:", Handler.found["error"] if told else "the page said nothing")
    sys.exit(0)
print("onnxruntime-web 1.30.0, a window of 3 x 3")
changed = []
for (ins, outs, groups, was_right), (_, right, misread), row in zip(
    ROWS, cases, Handler.found, strict=True
):
    off = np.abs(np.array(row["webgpu"]) - right)
    assert np.array_equal(row["wasm"], right), "WebAssembly gives other sums too"
    print(f"{ins:2d} channels to {outs:2d}, {groups:2d} groups: "
          f"WebGPU off in {100 * (off > 0).mean():5.1f} % of the "
          f"sums, by up to {off.max():.0f} of {np.ptp(right)}")
    if not np.array_equal(row["webgpu"], right if was_right else misread):
        changed.append(f"{ins} channels to {outs}, {groups} groups")
print("changed: " + ", ".join(changed) if changed else "as described")
sys.exit(bool(changed))
PYTHON
