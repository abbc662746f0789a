"""Which machine measured this: a number without it is not a result. Taught in chapter 05."""

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

# The vector instructions that decide how fast a network runs: what PyTorch calls them, and what
# Linux does.
VECTOR_INSTRUCTIONS = {
    "sse4_2": "sse4_2",
    "avx": "avx",
    "avx2": "avx2",
    "fma3": "fma",
    "avx_vnni": "avx_vnni",
    "avx512_f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "neon": "asimd",
    "dot": "asimddp",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
}
SATURATING = {"avx2", "avx512f", "avx512"}
EXACT_INT8 = {"avx_vnni", "avx512_vnni", "amx_int8"}
PACKAGES = ("torch", "torchvision", "numpy", "onnx", "onnxruntime")


def pick_device() -> torch.device:
    """The accelerator that PyTorch can really use, else the CPU.

    `check_available=True` matters: without it a CUDA build answers "cuda" on a machine with no GPU.
    """
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def device_name(device: torch.device | str) -> str:
    """The model name of `device`: of the processor for "cpu", else of the accelerator."""
    device = torch.device(device)
    if device.type == "cpu":
        return processor_name()
    ask = getattr(torch.get_device_module(device), "get_device_name", None)
    return ask(device) if ask else f"{device.type} accelerator"


def all_threads() -> int:
    """The number of logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict:
    """The machine: cpu, isa (list), int8_saturates (bool), cores, threads, gpu, ram_gb, os.

    gpu is a name, or None. int8_saturates: see `int8_dot_product_saturates`. ram_gb is None, and
    cores are logical ones, on a borrowed machine without psutil.
    """
    device = pick_device()
    cores, ram_gb = _cores_and_ram()
    return {
        "cpu": processor_name(),
        "isa": list(vector_instructions()),
        "int8_saturates": int8_dot_product_saturates(),
        "cores": cores,
        "threads": all_threads(),
        "gpu": None if device.type == "cpu" else device_name(device),
        "ram_gb": ram_gb,
        "os": f"{platform.system()} {platform.release()}",
    }


def _cores_and_ram() -> tuple[int, float | None]:
    try:
        import psutil
    except ImportError:
        return all_threads(), None
    ram_gb = round(psutil.virtual_memory().total / 2**30, 1)
    return psutil.cpu_count(logical=False) or all_threads(), ram_gb


def versions() -> dict:
    """Versions of Python and of the packages that do the work; None where one is not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def int8_dot_product_saturates(isa: Iterable[str] | None = None) -> bool:
    """Whether this processor's kernels add products of int8 numbers in 16 bits, which saturate.

    isa: vector instructions as `describe_machine` lists them; None for this machine's.
    True on x86 with AVX2 or AVX-512 and without VNNI or AMX, as in most laptops sold before 2020:
    there u8 x s8 products are added in pairs by `vpmaddubsw`, whose sums end at -32,768 and 32,767.
    A pair goes beyond: 2 * 255 * 127 = 64,770. Weights of 7 bits cannot: 2 * 255 * 64 = 32,640.
    False with VNNI or AMX, on older x86 and on Arm, where sums have 32 bits.
    Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, PMADDUBSW; ONNX
    Runtime, "Quantize ONNX models", section "When to use reduce-range". The trap of chapter 09.
    """
    present = set(vector_instructions() if isa is None else isa)
    return bool(present & SATURATING) and not present & EXACT_INT8


@functools.cache
def vector_instructions() -> tuple[str, ...]:
    """The vector instructions of this processor that matter here, as Linux spells them."""
    able = torch.cpu.get_capabilities()
    found = tuple(linux for torchs, linux in VECTOR_INSTRUCTIONS.items() if able.get(torchs))
    return found or (torch.backends.cpu.get_cpu_capability().lower(),)


@functools.cache
def processor_name() -> str:
    """The model name of the processor; its architecture where the system does not tell one."""
    readers = {"linux": _linux_name, "darwin": _macos_name, "win32": _windows_name}
    try:
        name = readers[sys.platform]()
    except (KeyError, OSError, subprocess.SubprocessError):
        name = ""
    return name or platform.processor() or platform.machine()


def _linux_name(path: str | Path = "/proc/cpuinfo") -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""


def _macos_name() -> str:
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()


def _windows_name() -> str:
    import winreg

    key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as entry:
        return winreg.QueryValueEx(entry, "ProcessorNameString")[0].strip()
