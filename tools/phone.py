"""One page for a phone: a network, a runtime and a pen in one HTML file that needs no network.

    python3 kit.py phone MODEL [PAGE.html] [--gpu]

MODEL: thirty_frames or thirty_frames_quality, the networks of chapter 14, or an ONNX file that
`edu.export_onnx` or `edu.export_int8` wrote, for digits [N, 1, 28, 28] or for road images
[N, 3, H, W]. The page opens from a disk or a USB stick in any browser with WebAssembly: it
takes a drawn digit, a drive, a photo, or the camera where the browser gives one to a file; it
times the network and shows the result as JSON and as a QR code. With --gpu it is twice as large,
and compares the processor with the GPU where the browser has WebGPU. Taught in chapter 14.
"""

import base64
import gzip
import hashlib
import io
import json
import lzma
import sys
import tempfile
from pathlib import Path
from string import Template

import onnx
from PIL import Image

import roads
from classroom.final_network import final_network, one_scene, quality_network
from edu_lib.deploy import export_int8
from edu_lib.files import replacing
from edu_lib.models.road_tasks import LOG_DEPTH_MEAN, LOG_DEPTH_STD, STEERING_STD
from roads.labels import PERSON, VEHICLE
from tools import phone_gpu

PAGE = Path(__file__).with_name("phone_page")
VENDOR = Path(__file__).with_name("vendor")
RUNTIME = "onnxruntime-web 1.30.0, WebAssembly, one thread"
GPU_RUNTIME = "onnxruntime-web 1.30.0, WebGPU"
DRIVE_SEED, DRIVE_SECONDS, DRIVE_FPS, JPEG_QUALITY = 6, 4.0, 6.0, 85
MOST_BYTES, MOST_BYTES_WITH_GPU = 6_000_000, 20_000_000
NOTES = {
    False: "The GPU is left out: its part of the runtime would double this page "
    "(<code>kit.py phone MODEL --gpu</code>).",
    True: "The GPU computes in floats, since WebGPU has no integer kernels.",
}
GPU_FLAG = "--gpu"
NETWORKS = {"thirty_frames": final_network, "thirty_frames_quality": quality_network}


def write_page(model: str | Path, path: str | Path, gpu: bool = False) -> Path:
    """Writes the page for an ONNX file; returns its path.

    gpu: with the float form of the network, and the part of the runtime that computes on a GPU.
    Raises FileNotFoundError without the file, ValueError if it is no network for images of one or
    three channels, if the page would be larger than 6 MB (20 with the GPU), or if a part of the
    runtime is damaged.
    """
    model = Path(model)
    if not model.is_file():
        names = " or ".join(NETWORKS)
        raise FileNotFoundError(
            f"{model} is missing: give a file of export_onnx or export_int8, or {names}"
        )
    content = model.read_bytes()
    shape = input_shape(content, model.name)
    about = {
        "name": model.stem,
        "sha256": hashlib.sha256(content).hexdigest(),
        "runtime": RUNTIME,
        "input": shape,
        "classes": list(roads.CLASSES) if shape[0] == 3 else [str(digit) for digit in range(10)],
        "palette": roads.PALETTE.tolist(),
        "things": [roads.CLASSES[label] for label in (VEHICLE, PERSON)],
        "log_depth_mean": LOG_DEPTH_MEAN,
        "log_depth_std": LOG_DEPTH_STD,
        "steering_std": STEERING_STD,
        "frames": drive_frames(*shape[1:]) if shape[0] == 3 else [],
    }
    scripts, gpu_section = ["measure.js", "page.js"], ""
    if gpu:
        about["gpu"], gpu_section = gpu_part(content, model.name, about["frames"])
        scripts.insert(0, "gpu.js")
    page = template("page.html").substitute(
        title=f"Thirty Frames: {model.stem}",
        style=(PAGE / "page.css").read_text(encoding="utf-8"),
        script="\n".join((PAGE / name).read_text(encoding="utf-8") for name in scripts),
        gpu=gpu_section,
        note=NOTES[gpu],
        qrcode=part("qrcode.js").decode(),
        about=json.dumps(about).replace("</", "<\\/"),
        ort=packed(part("ort.wasm.bundle.min.mjs")),
        wasm=packed(part("ort-wasm-simd-threaded.wasm.xz")),
        model=packed(content),
    )
    most = MOST_BYTES_WITH_GPU if gpu else MOST_BYTES
    if len(page) > most:
        raise ValueError(
            f"the page for {model.name} would take {len(page) / 1e6:.1f} MB, more than "
            f"{most / 1e6:.0f}: quantize the network, or take a smaller one"
        )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(path)


def gpu_part(content: bytes, name: str, frames: list[str]) -> tuple[dict, str]:
    """(what the page's scripts must know, its section for the GPU)."""
    floats = phone_gpu.float_form(content, name)
    images = phone_gpu.checked_images(input_shape(content, name), frames)
    about = {
        "form": "int8" if phone_gpu.has_grids(content) else "floats",
        "runtime": GPU_RUNTIME,
        "noise": phone_gpu.NOISE_IMAGES,
        "frames": phone_gpu.FRAMES,
        "tolerance": phone_gpu.rounding_moves(floats, images),
    }
    section = template("gpu.html").substitute(
        ort=packed(part("ort.jspi.bundle.min.mjs.xz")),
        wasm=packed(part("ort-wasm-simd-threaded.jspi.wasm.xz")),
        floats=packed(floats),
    )
    return about, section


def template(name: str) -> Template:
    """A page of phone_page with places to fill."""
    return Template((PAGE / name).read_text(encoding="utf-8"))


def input_shape(content: bytes, name: str) -> list[int]:
    """[channels, height, width] of the one input. Raises ValueError for any other input.

    Its batch size must be free or 1: the page feeds image by image.
    """
    try:
        inputs = onnx.load_model_from_string(content).graph.input
    except Exception as error:
        raise ValueError(f"{name} is no ONNX file: {error}") from None
    sizes = [[size.dim_value for size in each.type.tensor_type.shape.dim] for each in inputs]
    fits = len(sizes) == 1 and len(sizes[0]) == 4 and sizes[0][0] in (0, 1)  # 0: any number
    if not fits or sizes[0][1] not in (1, 3) or 0 in sizes[0][1:]:
        raise ValueError(
            f"{name} takes {sizes}: the page feeds one image, [N, 1 or 3, H, W] with a free N or 1"
        )
    return sizes[0][1:]


def part(name: str) -> bytes:
    """A part that others wrote, unpacked. Raises ValueError if it is not what it was."""
    path = VENDOR / name
    content = path.read_bytes()
    known = json.loads((VENDOR / "vendored.json").read_text(encoding="utf-8"))[name]["sha256"]
    if hashlib.sha256(content).hexdigest() != known:
        raise ValueError(f"{path} is damaged: take it from the repository again")
    return lzma.decompress(content) if name.endswith(".xz") else content


def packed(content: bytes) -> str:
    """Compressed, as text that a page may hold."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def drive_frames(height: int, width: int) -> list[str]:
    """A short drive as data URLs."""
    frames = []
    for sample in roads.drive(DRIVE_SEED, DRIVE_SECONDS, DRIVE_FPS, height, width):
        picture = io.BytesIO()
        Image.fromarray(sample.image).save(picture, "JPEG", quality=JPEG_QUALITY)
        frames.append("data:image/jpeg;base64," + base64.b64encode(picture.getvalue()).decode())
    return frames


def network_page(name: str, path: str | Path, gpu: bool = False) -> Path:
    """Writes the page for a network of chapter 14, in int8; returns its path.

    name: one of NETWORKS. gpu: see `write_page`. Raises what `write_page` raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / f"{name}.onnx"
        return write_page(export_int8(NETWORKS[name](), one_scene(), model), path, gpu)


def main(words: list[str]) -> int:
    """The command; returns its exit code."""
    gpu = GPU_FLAG in words
    words = [word for word in words if word != GPU_FLAG]
    if not 1 <= len(words) <= 2 or any(word.startswith("-") for word in words):
        print(f"Give an ONNX file or {' or '.join(NETWORKS)}, and a name for the page: "
              f"kit.py phone MODEL [PAGE.html] [{GPU_FLAG}]")  # fmt: skip
        return 2
    model = Path(words[0])
    path = Path(words[1]) if len(words) == 2 else model.with_suffix(".html")
    try:
        named = model.name in NETWORKS  # kit.py gives every word as a place on the disk
        write = network_page if named else write_page
        page = write(model.name if named else model, path, gpu)
    except (OSError, ValueError) as error:
        print(error)
        return 1
    print(f"{page}, {page.stat().st_size / 1e6:.1f} MB: copy it to a phone and open it there.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
