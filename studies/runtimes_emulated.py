"""Processors that this machine has not, emulated by QEMU: what a runtime computes there.

An x86 processor with AVX2 and without VNNI runs this very Python. A 64-bit Arm core needs a Python
of its own: `arm_folder` makes one of Debian's packages and of the wheels that ONNX Runtime and
NumPy offer for Arm, once, in data/cache. On Debian: apt-get install qemu-user. Emulation says what
is computed, never how fast.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from studies import frame
from studies.runtimes_converted import ROOT, call
from studies.runtimes_sessions import Answers

WITHOUT_VNNI, ARM_CORE = "Haswell", "cortex-a76"  # Intel, 2013; Arm, 2018
ARM = frame.CACHE_FOLDER / "aarch64"
PYTHON = "3.11"  # of Debian 12
PACKAGES = (
    f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", "libc6",
    "libstdc++6", "libgcc-s1", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5",
)  # fmt: skip
WHEELS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# ONNX Runtime asks the system what the processor can, and would be told of this machine's
CPUINFO = (
    "processor\t: 0\nFeatures\t: fp asimd crc32 atomics fphp asimdhp asimddp\n"
    "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\n"
    "CPU revision\t: 1\n\n"
)


def emulated(processor: str, session: str) -> Callable[[Path, np.ndarray], Answers]:
    """What `studies.runtimes` calls: answers of a session on "x86" without VNNI or on "arm".

    session: a name of SESSIONS. The function raises RuntimeError with one sentence where the
    emulator or the runtime ends with an error.
    """

    def answers(path: Path, X: np.ndarray) -> Answers:
        words, places = {"x86": _x86, "arm": _arm}[processor]()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "X.npy", X)
            shutil.copy(path, folder / "network.onnx")
            module = ["-m", "studies.runtimes_sessions", session, "network.onnx", "X.npy"]
            call([*words, *module, "answers.npz"], folder, places)
            with np.load(folder / "answers.npz") as found:
                return dict(found)

    return answers


def _x86() -> tuple[list[str], list[str]]:
    """(what starts Python there, where it finds modules)."""
    return ["qemu-x86_64", "-cpu", WITHOUT_VNNI, sys.executable], [str(ROOT), *sys.path[1:]]


def _arm() -> tuple[list[str], list[str]]:
    root = arm_folder()
    python = str(root / "usr" / "bin" / f"python{PYTHON}")
    return ["qemu-aarch64", "-cpu", ARM_CORE, "-L", str(root), python], [
        str(ROOT), str(root / "site"),
    ]  # fmt: skip


def arm_folder(folder: Path = ARM) -> Path:
    """A folder with Python, NumPy and ONNX Runtime for a 64-bit Arm, made where it is missing.

    Raises RuntimeError with one sentence if Debian or the package index does not give a part.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        place, root = Path(name), Path(name) / "root"
        (place / "lists" / "partial").mkdir(parents=True)
        apt = [
            "apt-get", "-oAPT::Architecture=arm64", "-oAPT::Architectures=arm64",
            f"-oDir::State::Lists={place / 'lists'}",
        ]  # fmt: skip
        call([*apt, "update"], place)
        call([*apt, "download", *PACKAGES], place)
        for package in place.glob("*.deb"):
            call(["dpkg-deb", "-x", str(package), str(root)], place)
        platforms = [word for each in WHEELS for word in ("--platform", each)]
        wanted = [f"{each}=={version(each)}" for each in ("onnxruntime", "numpy")]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / "site")]
        call(
            [*pip, "--no-deps", "--only-binary=:all:", "--python-version", PYTHON, *platforms,
             *wanted],
            place, index=True,
        )  # fmt: skip
        (root / "proc").mkdir()
        (root / "proc" / "cpuinfo").write_text(CPUINFO, encoding="utf-8")
        root.rename(folder)
    return folder
